//! The lines that `script` writes around the terminal's bytes.
//!
//! Owns their recognition. Never reads a trailer as proof: a user can print the same line.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const HEADER: &[u8] = b"Script started on ";
/// How a trailer begins.
pub(super) const TRAILER: &[u8] = b"Script done on ";
/// Longer than any line of `script` that the agent's command can cause.
pub(super) const MAX_FRAME: usize = 4 * 1024;

/// Names the program that seems to have written the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// util-linux 2.35 or later: options in brackets.
    UtilLinux,
    /// An older util-linux or a BSD: a bare date.
    Old,
}

/// Holds a time as the log has it, which may lack a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The text of the log, printable ASCII only.
    pub text: String,
    /// The time, when the text says its zone.
    pub at: Option<Timestamp>,
}

/// Holds the first line: when the agent began to copy the log, after the session's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Who wrote it, by its form.
    pub program: Program,
    /// When copying began: a time of the session's **end**.
    pub stamp: Stamp,
}

/// Says whether the **last** line has the form of a trailer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trailer {
    /// It has. A claim that the log is whole, and no proof: a user can print such a line, and a log that is cut there looks whole.
    Present {
        /// When copying ended: a time of the session's end.
        stamp: Stamp,
        /// The code of the copying `cat`, never of the user's shell.
        copy_exit_code: Option<u8>,
    },
    /// It has not: the log is cut, or its `script` writes none.
    Absent,
}

/// Reads a first line, without its line end.
pub(super) fn header(line: &[u8]) -> Option<Header> {
    let (stamp, options) = split(line.strip_prefix(HEADER)?)?;
    let program = if options.is_some() { Program::UtilLinux } else { Program::Old };
    Some(Header { program, stamp })
}

/// Reads a last line, without its line end.
pub(super) fn trailer(line: &[u8]) -> Option<Trailer> {
    let (stamp, options) = split(line.strip_prefix(TRAILER)?)?;
    Some(Trailer::Present { stamp, copy_exit_code: options.and_then(exit_code) })
}

fn split(rest: &[u8]) -> Option<(Stamp, Option<&str>)> {
    let text = std::str::from_utf8(rest).ok()?.trim_end();
    let (date, options) = match text.split_once(" [") {
        Some((date, options)) => (date, Some(options.strip_suffix(']')?)),
        None => (text, None),
    };
    // A date has digits and some words; anything else after the first words is a user's text.
    let fits = date.len() <= 64 && date.bytes().any(|b| b.is_ascii_digit()) && date.bytes().all(|b| (b' '..=b'~').contains(&b));
    fits.then(|| (stamp(date), options))
}

fn exit_code(options: &str) -> Option<u8> {
    options.split_once("COMMAND_EXIT_CODE=\"")?.1.split_once('"')?.0.parse().ok()
}

fn stamp(text: &str) -> Stamp {
    Stamp { text: text.to_owned(), at: zoned(text).or_else(|| universal(text)) }
}

fn zoned(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%d %H:%M:%S%:z", text).ok()
}

/// Old forms give a zone as a word; only the words for UTC are certain.
fn universal(text: &str) -> Option<Timestamp> {
    let bare = text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT"))?;
    let forms = ["%a %d %b %Y %I:%M:%S %p", "%a %b %e %H:%M:%S %Y", "%a %d %b %Y %H:%M:%S"];
    let civil = forms.iter().find_map(|form| DateTime::strptime(form, bare).ok())?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_three_generations_are_read() {
        let new = header(br#"Script started on 2026-11-21 13:07:56+02:00 [COMMAND="cat a" <not executed on terminal>]"#).unwrap();
        assert_eq!(new.program, Program::UtilLinux);
        assert_eq!(new.stamp.at.unwrap().to_string(), "2026-11-21T11:07:56Z");
        let old = header(b"Script started on Sat 21 Nov 2026 01:07:56 PM UTC").unwrap();
        assert_eq!(old.program, Program::Old);
        assert_eq!(old.stamp.at.unwrap().to_string(), "2026-11-21T13:07:56Z");
        let bare = header(b"Script started on Sat Nov 21 13:07:56 2026").unwrap();
        assert_eq!((bare.stamp.text.as_str(), bare.stamp.at), ("Sat Nov 21 13:07:56 2026", None));
        let done = trailer(br#"Script done on 2026-11-21 13:07:56+00:00 [COMMAND_EXIT_CODE="1"]"#).unwrap();
        assert!(matches!(done, Trailer::Present { copy_exit_code: Some(1), .. }));
    }

    #[test]
    fn other_lines_are_no_frame() {
        for line in [
            &b"Script done on"[..],
            b"Script done on \x1b[31m2026",
            b"Script done on x [a] tail",
            b" Script done on 2026",
            b"Script done on ",
        ] {
            assert_eq!(trailer(line), None, "{}", line.escape_ascii());
        }
    }
}

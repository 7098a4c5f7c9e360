//! Marks around the commands that are typed in an interactive bash.
//!
//! Owns the two texts that make a bash print them, and what they say. An aid and never a witness: whoever types in that
//! shell can forge marks, leave them out, or start another shell. The texts are as constant as the script itself, and the
//! nonce is a parameter of theirs.

use std::sync::LazyLock;

use crate::nonce::Nonce;
use crate::script::one_line;

/// Says what a marking shell tells about its commands, by its own claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandMark {
    /// The shell will mark its commands.
    On,
    /// It will not: it is no bash, is older than 4.4, or has a read-only `PS0` or `PROMPT_COMMAND`.
    Off,
    /// A command is about to run.
    Began(CommandText),
    /// The prompt comes back; the last command had this status. It also comes without a command in front of it.
    Ended(u8),
}

/// Holds a command as bash's history has it: hostile bytes, 2048 of them at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandText {
    /// The bytes; none when the history was not given the command (`HISTCONTROL`, `HISTIGNORE`, `set +o history`).
    pub bytes: Option<Vec<u8>>,
    /// Whether the command is longer than what is here.
    pub cut: bool,
}

/// Returns the program and its arguments that start the user's login shell with marks, if it is a bash that can.
///
/// A shell that cannot is started as without marks, after [`CommandMark::Off`].
pub(crate) fn marking_shell(nonce: &Nonce) -> Vec<String> {
    static LAUNCHER: LazyLock<String> = LazyLock::new(|| one_line(include_str!("marks.sh")));
    static RC: LazyLock<String> = LazyLock::new(|| one_line(include_str!("marks.bash")));
    ["sh", "-c", &LAUNCHER, "ecs-exec", nonce.as_str(), &RC].map(str::to_owned).to_vec()
}

/// Reads a mark's kind and what follows it; none for what no shell of ours prints.
pub(crate) fn parse(kind: &str, rest: &str) -> Option<CommandMark> {
    match (kind, rest) {
        ("marking", "on") => Some(CommandMark::On),
        ("marking", "off") => Some(CommandMark::Off),
        ("done", status) => Some(CommandMark::Ended(status.parse().ok()?)),
        ("command", rest) => Some(CommandMark::Began(parse_text(rest)?)),
        _ => None,
    }
}

fn parse_text(rest: &str) -> Option<CommandText> {
    let (length, text) = rest.split_once(';')?;
    if length.is_empty() {
        return text.is_empty().then_some(CommandText { bytes: None, cut: false });
    }
    let length: usize = length.parse().ok()?;
    let bytes = decode(text)?;
    let cut = bytes.len() < length;
    Some(CommandText { bytes: Some(bytes), cut })
}

/// Undoes `%XX`.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::script_text;

    fn began(bytes: &[u8], cut: bool) -> CommandMark {
        CommandMark::Began(CommandText { bytes: Some(bytes.to_vec()), cut })
    }

    #[test]
    fn a_text_is_decoded_and_its_length_says_whether_it_is_whole() {
        assert_eq!(parse("command", "9;echo %c3%bc%25%1b"), Some(began(b"echo \xc3\xbc%\x1b", false)));
        assert_eq!(parse("command", "3;a;b"), Some(began(b"a;b", false)));
        assert_eq!(parse("command", "9000;abc"), Some(began(b"abc", true)));
        assert_eq!(parse("command", ";"), Some(CommandMark::Began(CommandText { bytes: None, cut: false })));
    }

    #[test]
    fn what_no_shell_of_ours_prints_is_no_mark() {
        for (kind, rest) in [
            ("command", ""),
            ("command", "x;a"),
            ("command", ";a"),
            ("command", "1;%"),
            ("command", "1;%4"),
            ("command", "1;%zz"),
            ("done", ""),
            ("done", "256"),
            ("marking", "perhaps"),
            ("ended", "0"),
        ] {
            assert_eq!(parse(kind, rest), None, "{kind};{rest}");
        }
    }

    #[test]
    fn a_shell_that_cannot_mark_starts_as_without_marks() {
        let plain = script_text().replace("\\\"", "\"").replace("\\$", "$");
        let (_, start) = plain.split_once("sh -c \"cd; ").expect("the script starts a login shell");
        let (start, _) = start.split_once("\"; fi;").expect("and ends its text");
        let launcher = &marking_shell(&Nonce::new([1; 16]))[2];
        assert!(launcher.starts_with("cd; ") && launcher.ends_with(start), "{launcher}\n{start}");
    }

    #[test]
    fn the_texts_travel_as_the_script_does() {
        let shell = marking_shell(&Nonce::new([1; 16]));
        for text in [&shell[2], &shell[5]] {
            assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            assert!(!text.contains('\'') && !text.contains("{{"), "{text}");
            assert!(text.len() < 2048, "{} bytes", text.len());
        }
    }
}

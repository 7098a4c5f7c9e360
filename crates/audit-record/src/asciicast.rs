//! Writes a session as an asciicast, version 3: a header line, then one line an event with the seconds since the last one.
//!
//! Pure: lines out, time in. Bytes that are not UTF-8 are shown as U+FFFD, and a character that is cut by the transport waits for
//! its rest, so that a player shows what the terminal showed. Source: asciinema's description of asciicast v3.

use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// A character of UTF-8 has at most this many bytes.
const LONGEST_CHARACTER: usize = 4;

/// Makes the lines of one recording.
#[derive(Debug)]
pub struct Asciicast {
    last_millis: u128,
    output: Pending,
    input: Pending,
}

#[derive(Serialize)]
struct Header<'a> {
    version: u8,
    term: Term<'a>,
    timestamp: i64,
    title: &'a str,
}

#[derive(Serialize)]
struct Term<'a> {
    cols: u32,
    rows: u32,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

/// How a recording begins.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// Columns of the terminal.
    pub columns: u32,
    /// Rows of the terminal.
    pub rows: u32,
    /// `TERM`, when there is one.
    pub terminal_type: Option<&'a str>,
    /// When it begins.
    pub at: Timestamp,
    /// What it is of, for a player's title line.
    pub title: &'a str,
}

impl Asciicast {
    /// Begins a recording: the header line.
    pub fn begin(beginning: Beginning<'_>) -> (Self, String) {
        let term = Term { cols: beginning.columns, rows: beginning.rows, kind: beginning.terminal_type };
        let header = Header { version: 3, term, timestamp: beginning.at.as_second(), title: beginning.title };
        (Self { last_millis: 0, output: Pending::default(), input: Pending::default() }, line(&header))
    }

    /// What the terminal showed; `elapsed` is the time since the beginning. Empty while a character waits for its rest.
    pub fn output(&mut self, elapsed: Duration, bytes: &[u8]) -> String {
        let text = self.output.take(bytes);
        self.event(elapsed, "o", &text)
    }

    /// What was typed.
    pub fn input(&mut self, elapsed: Duration, bytes: &[u8]) -> String {
        let text = self.input.take(bytes);
        self.event(elapsed, "i", &text)
    }

    /// The terminal has another size.
    pub fn resize(&mut self, elapsed: Duration, columns: u32, rows: u32) -> String {
        self.event(elapsed, "r", &format!("{columns}x{rows}"))
    }

    /// Something worth finding again happened: a player can jump there.
    pub fn marker(&mut self, elapsed: Duration, label: &str) -> String {
        self.event(elapsed, "m", label)
    }

    /// The end: what still waited, and the exit code.
    pub fn end(&mut self, elapsed: Duration, exit_code: u8) -> String {
        let rest = self.output.rest();
        let mut lines = self.event(elapsed, "o", &rest);
        lines.push_str(&self.event(elapsed, "x", &exit_code.to_string()));
        lines
    }

    fn event(&mut self, elapsed: Duration, code: &str, data: &str) -> String {
        if data.is_empty() {
            return String::new();
        }
        // Milliseconds since the beginning: finer than any terminal, and their differences do not drift.
        let millis = elapsed.as_millis().max(self.last_millis);
        let interval = millis - self.last_millis;
        self.last_millis = millis;
        format!("[{}.{:03},{},{}]\n", interval / 1000, interval % 1000, json(code), json(data))
    }
}

/// Bytes of a character that is not whole yet.
#[derive(Debug, Default)]
struct Pending(Vec<u8>);

impl Pending {
    fn take(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let keep = incomplete_tail(&self.0);
        let tail = self.0.split_off(self.0.len() - keep);
        let whole = std::mem::replace(&mut self.0, tail);
        String::from_utf8_lossy(&whole).into_owned()
    }

    fn rest(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }
}

/// How many bytes at the end may still become a character.
fn incomplete_tail(bytes: &[u8]) -> usize {
    let longest = (LONGEST_CHARACTER - 1).min(bytes.len());
    (1..=longest)
        .find(|length| {
            let tail = &bytes[bytes.len() - length..];
            matches!(std::str::from_utf8(tail), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn line(header: &Header<'_>) -> String {
    // Plain numbers and texts always have a JSON form.
    serde_json::to_string(header).map(|text| text + "\n").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn begun() -> (Asciicast, String) {
        let at = Timestamp::UNIX_EPOCH;
        Asciicast::begin(Beginning { columns: 80, rows: 24, terminal_type: Some("xterm"), at, title: "t" })
    }

    #[test]
    fn the_header_and_the_events_have_their_form() {
        let (mut cast, header) = begun();
        assert_eq!(
            header,
            "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24,\"type\":\"xterm\"},\"timestamp\":0,\"title\":\"t\"}\n"
        );
        assert_eq!(cast.output(Duration::from_millis(1_500), b"a\x1b[0m\r\n"), "[1.500,\"o\",\"a\\u001b[0m\\r\\n\"]\n");
        assert_eq!(cast.resize(Duration::from_millis(1_750), 100, 30), "[0.250,\"r\",\"100x30\"]\n");
        assert_eq!(cast.marker(Duration::from_millis(1_750), "ls \"a\""), "[0.000,\"m\",\"ls \\\"a\\\"\"]\n");
        assert_eq!(cast.end(Duration::from_secs(2), 7), "[0.250,\"x\",\"7\"]\n");
    }

    #[test]
    fn a_character_that_was_cut_waits_for_its_rest() {
        let (mut cast, _) = begun();
        let bytes = "é🙂".as_bytes();
        assert_eq!(cast.output(Duration::ZERO, &bytes[..1]), "");
        assert_eq!(cast.output(Duration::ZERO, &bytes[1..4]), "[0.000,\"o\",\"é\"]\n");
        assert_eq!(cast.end(Duration::ZERO, 0), "[0.000,\"o\",\"\u{fffd}\"]\n[0.000,\"x\",\"0\"]\n");
    }

    #[test]
    fn the_intervals_add_up() {
        let (mut cast, _) = begun();
        let total: f64 = (1..=1_000u64)
            .map(|n| cast.output(Duration::from_micros(n * 1_499), b"x"))
            .map(|line| line[1..line.find(',').unwrap()].parse::<f64>().unwrap())
            .sum();
        assert!((total - 1.499).abs() < 0.0011, "{total}");
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(text in ".{0,60}", cut in 1usize..7) {
            let (mut cast, _) = begun();
            let mut shown = String::new();
            for piece in text.as_bytes().chunks(cut) {
                let line = cast.output(Duration::ZERO, piece);
                if !line.is_empty() {
                    let event: (f64, String, String) = serde_json::from_str(&line).unwrap();
                    shown.push_str(&event.2);
                }
            }
            prop_assert_eq!(shown, text);
        }
    }
}

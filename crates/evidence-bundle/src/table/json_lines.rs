//! JSON Lines: one value a line, nothing lost, nothing that a terminal obeys.
//!
//! Owns the escaping: what JSON lets through but a terminal or a reader's eye would obey is written as `\uXXXX`.

use super::steers;
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// Writes values, line by line.
#[derive(Debug)]
pub struct JsonLines<W>(W);

impl<W: Write> JsonLines<W> {
    /// Begins with no line.
    pub const fn begin(out: W) -> Self {
        Self(out)
    }

    /// Writes a value and a line feed.
    ///
    /// # Errors
    /// When the value cannot be put into JSON or written.
    pub fn row(&mut self, value: &impl Serialize) -> io::Result<()> {
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut self.0, Escaping))?;
        self.0.write_all(b"\n")
    }

    /// Flushes and gives the output back.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.0.flush()?;
        Ok(self.0)
    }
}

/// Compact JSON with more escapes.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| steers(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(value: &serde_json::Value) -> String {
        let mut lines = JsonLines::begin(Vec::new());
        lines.row(value).unwrap();
        String::from_utf8(lines.finish().unwrap()).unwrap()
    }

    #[test]
    fn what_steers_is_escaped_and_words_are_not() {
        let value = serde_json::json!({"a\u{9b}": "x\u{1b}\u{7f}\u{202e}\u{2028}", "b": "Grüße 世界"});
        assert_eq!(line(&value), "{\"a\\u009b\":\"x\\u001b\\u007f\\u202e\\u2028\",\"b\":\"Grüße 世界\"}\n");
    }

    proptest! {
        #[test]
        fn every_value_is_read_back_from_its_one_line(text in any::<String>(), number in any::<i64>()) {
            let value = serde_json::json!({"text": text, "number": number});
            let line = line(&value);
            prop_assert!(line.strip_suffix('\n').is_some_and(|line| !line.chars().any(steers)));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
        }
    }
}

//! Walks the lines of a journal whose lines name the one before: what each says, and where the chain does not hold.
//!
//! Owns nothing of what the lines say. After a break it goes on with the next line as it is: what was written is still evidence.

use super::Why;
use crate::sync::ChainBreak;
use audit_record::ChainedLine;
use audit_record::chain::{GENESIS, link};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What stands on a line.
pub(crate) enum Line<R> {
    /// A record.
    Record(R),
    /// A record that is not of the shape.
    Unreadable(Why),
    /// The chain does not hold here.
    Break(ChainBreak),
    /// The last line is still being written, or was cut.
    Unfinished,
}

/// Reads a whole journal: line numbers from 1, and what stands there.
pub(crate) fn walk<R: DeserializeOwned>(journal: &str, bytes: &[u8]) -> Vec<(usize, Line<R>)> {
    let mut found = Vec::new();
    let mut head = GENESIS.to_owned();
    let mut rest = bytes;
    let (mut number, mut was_link) = (0, true);
    while !rest.is_empty() {
        number += 1;
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            found.push((number, Line::Unfinished));
            break;
        };
        let (line, next) = (&rest[..end], &rest[end + 1..]);
        let prev = prev_of(line);
        // Of lines that are no links the first is told: a garbled file is one finding, not thousands.
        let what = match &prev {
            Some(prev) if *prev != head => Some("it does not follow from the line before it"),
            None if was_link => Some("it is no record that names the one before it"),
            _ => None,
        };
        if let Some(what) = what {
            let what = what.to_owned();
            found.push((number, Line::Break(ChainBreak { journal: journal.to_owned(), line: number as u64, what })));
        }
        was_link = prev.is_some();
        found.push((number, record(line)));
        head = link(line);
        rest = next;
    }
    found
}

fn prev_of(line: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(line).ok()?;
    Some(value.get("prev_sha256")?.as_str()?.to_owned())
}

fn record<R: DeserializeOwned>(line: &[u8]) -> Line<R> {
    match one(line) {
        Ok(record) => Line::Record(record),
        Err(why) => Line::Unreadable(why),
    }
}

/// Reads one line alone.
pub(crate) fn one<R: DeserializeOwned>(line: &[u8]) -> Result<R, Why> {
    let value: Value = serde_json::from_slice(line).map_err(|_| Why::NotJson)?;
    if !value.is_object() {
        return Err(Why::NotAnObject);
    }
    serde_json::from_value::<ChainedLine<R>>(value).map(|chained| chained.record).map_err(|_| Why::Malformed("record"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_garbled_journal_is_one_break_and_a_line_in_between_two() {
        let breaks = |text: &str| {
            let is_break = |(number, line): (usize, Line<Value>)| matches!(line, Line::Break(_)).then_some(number);
            walk::<Value>("j", text.as_bytes()).into_iter().filter_map(is_break).collect::<Vec<_>>()
        };
        assert_eq!(breaks("\u{1}garbage\nmore of it\n\nand more\n"), [1]);
        let line = |prev: &str, n: u8| format!("{{\"prev_sha256\":\"{prev}\",\"record\":{{\"n\":{n}}}}}");
        let one = line(GENESIS, 1);
        let two = line(&link(one.as_bytes()), 2);
        assert_eq!(breaks(&format!("{one}\n{two}\n")), Vec::<usize>::new());
        assert_eq!(breaks(&format!("{one}\nxx\nyy\n{two}\n")), [2, 4]);
    }
}

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
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            found.push((number, Line::Unfinished));
            break;
        };
        let (line, next) = (&rest[..end], &rest[end + 1..]);
        if let Some(prev) = prev_of(line)
            && prev != head
        {
            let what = "it does not follow from the line before it".to_owned();
            found.push((number, Line::Break(ChainBreak { journal: journal.to_owned(), line: number as u64, what })));
        }
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

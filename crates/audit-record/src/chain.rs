//! Links the lines of a journal: each line names the SHA-256 of the line before it.
//!
//! So a line that was changed, removed or put in between breaks the chain at a place that can be named. What the chain cannot
//! show by itself is that lines were cut off at the end: that takes a copy of the last link elsewhere.

use crate::digest::sha256_hex;
use crate::session::SessionLine;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The link of a journal's first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A line as it stands in the file: the link, then the content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainedLine<R = SessionLine> {
    /// SHA-256 of the previous line's bytes without its line feed, hexadecimal; [`GENESIS`] for the first.
    pub prev_sha256: String,
    /// The content.
    pub record: R,
}

/// The link that the line after `line` must carry: its SHA-256, hexadecimal.
pub fn link(line: &[u8]) -> String {
    sha256_hex(line)
}

/// What a whole journal turned out to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<R = SessionLine> {
    /// All records in order.
    pub records: Vec<R>,
    /// Line numbers, from 1, of fragments that a crash in mid-write left; the chain goes on over them.
    pub torn_lines: Vec<usize>,
    /// The link that a next line would carry: keep a copy elsewhere to detect lines cut off at the end.
    pub head: String,
}

/// Why a journal does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A line was changed, removed or inserted just before this one.
    #[error("line {line} does not follow from the line before it: something was changed, removed or inserted there")]
    Broken {
        /// Line number, from 1.
        line: usize,
    },
    /// The last line is not whole.
    #[error("the last line, {line}, has no line feed: it is still being written, or was cut off")]
    Unfinished {
        /// Line number, from 1.
        line: usize,
    },
}

/// Checks a journal's bytes from the first line to the last.
///
/// # Errors
/// [`ChainError`] naming the first line that does not fit.
pub fn verify<R: DeserializeOwned>(journal: &[u8]) -> Result<Verified<R>, ChainError> {
    let mut verified = Verified { records: Vec::new(), torn_lines: Vec::new(), head: GENESIS.to_owned() };
    let mut rest = journal;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let Some(end) = rest.iter().position(|b| *b == b'\n') else {
            return Err(ChainError::Unfinished { line: number });
        };
        let (line, next) = (&rest[..end], &rest[end + 1..]);
        match serde_json::from_slice::<ChainedLine<R>>(line) {
            Ok(chained) if chained.prev_sha256 == verified.head => verified.records.push(chained.record),
            Ok(_) => return Err(ChainError::Broken { line: number }),
            Err(_) => verified.torn_lines.push(number),
        }
        verified.head = link(line);
        rest = next;
    }
    Ok(verified)
}

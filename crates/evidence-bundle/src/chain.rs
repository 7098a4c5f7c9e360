//! The log of what became of each finding, and of each commit of evidence.
//!
//! Owns the entries' form; the linking, the locking and the syncing are [`audit_record::Journal`]'s. Entries are only ever
//! appended. What a chain cannot show alone is that its end was cut off: that takes its head elsewhere, as a bundle's manifest
//! carries it.

use crate::hash::Sha256;
use crate::merkle;
use audit_record::chain::ChainError;
use audit_record::{Journal, JournalError};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Version of the entries' form.
pub const FORMAT_VERSION: u32 = 1;

/// The head of a log without any line: the form of [`audit_record::chain::GENESIS`].
pub const EMPTY_HEAD: Sha256 = Sha256::from_bytes([0; 32]);

/// One line of the log, without its link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A finding was found, or its state changed.
    FindingState(FindingState),
    /// Evidence was committed.
    Commit(Commit),
    /// Something that a newer program wrote.
    #[serde(untagged)]
    Other(Value),
}

/// A finding's new state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingState {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// When it changed, UTC.
    pub at: Timestamp,
    /// Which finding.
    pub finding_id: String,
    /// The finding's code.
    pub code: String,
    /// The state before; none when it is new.
    pub from: Option<String>,
    /// The state after.
    pub to: String,
    /// Who changed it; none when a rule did.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A set of evidence that belongs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// When it was committed, UTC.
    pub at: Timestamp,
    /// The root over the contents' hashes in ascending order (see [`crate::merkle`]).
    pub merkle_root: Sha256,
    /// How many contents there are.
    pub contents: u64,
}

impl Commit {
    /// Commits to contents by their hashes.
    pub fn new(at: Timestamp, contents: &BTreeSet<Sha256>) -> Self {
        let hashes: Vec<_> = contents.iter().copied().collect();
        Self { format_version: FORMAT_VERSION, at, merkle_root: merkle::root(&hashes), contents: hashes.len() as u64 }
    }
}

/// The open log.
#[derive(Debug)]
pub struct Log(Journal);

impl Log {
    /// Opens the log's file, or makes it, for its owner alone.
    ///
    /// # Errors
    /// [`JournalError`] when the folder or the file cannot be made or locked.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Journal::open(path).map(Self)
    }

    /// Appends entries in one write and waits until they are on disk; returns the log's head after them, none when there are no
    /// entries.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be encoded or written.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Option<Sha256>, JournalError> {
        let lines = self.0.append_all(entries)?;
        Ok(lines.last().map(|line| Sha256::of(line.as_bytes())))
    }
}

/// A log whose lines follow from each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked<R = Entry> {
    /// The entries in order.
    pub entries: Vec<R>,
    /// Line numbers, from 1, of fragments that a crash in mid-write left.
    pub torn_lines: Vec<usize>,
    /// The link that a next line would carry.
    pub head: Sha256,
}

/// Checks a log's bytes from the first line to the last and reads its entries.
///
/// # Errors
/// [`ChainError`] naming the first line that does not follow.
pub fn check(log: &[u8]) -> Result<Checked, ChainError> {
    check_as(log)
}

/// Checks the links alone: the entries may be of any kind and take no memory.
pub(crate) fn check_links(log: &[u8]) -> Result<Checked<IgnoredAny>, ChainError> {
    check_as(log)
}

fn check_as<R: serde::de::DeserializeOwned>(log: &[u8]) -> Result<Checked<R>, ChainError> {
    let verified = audit_record::verify::<R>(log)?;
    let head = verified.head.parse().expect("the chain's own link is a SHA-256");
    Ok(Checked { entries: verified.records, torn_lines: verified.torn_lines, head })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let at = "2026-03-01T12:00:00Z".parse().unwrap();
        let state = FindingState {
            format_version: FORMAT_VERSION,
            at,
            finding_id: "f-1".to_owned(),
            code: "NO_TRANSCRIPT".to_owned(),
            from: None,
            to: "open".to_owned(),
            by: None,
            reason: None,
        };
        let contents = BTreeSet::from([Sha256::of(b"a"), Sha256::of(b"b")]);
        let newer = serde_json::json!({"kind": "key_change", "format_version": 2});
        vec![Entry::FindingState(state), Entry::Commit(Commit::new(at, &contents)), Entry::Other(newer)]
    }

    fn logged(folder: &Path) -> (Vec<u8>, Sha256) {
        let path = folder.join("findings.jsonl");
        let mut log = Log::open(&path).unwrap();
        let head = log.append(&entries()).unwrap().unwrap();
        (std::fs::read(path).unwrap(), head)
    }

    #[test]
    fn what_was_appended_is_read_back_and_the_head_agrees() {
        let folder = tempfile::tempdir().unwrap();
        let (bytes, head) = logged(folder.path());
        let checked = check(&bytes).unwrap();
        assert_eq!((checked.entries, checked.torn_lines, checked.head), (entries(), vec![], head));
        assert_eq!(check_links(&bytes).unwrap().head, head);
        assert_eq!(check(b"").unwrap().head, EMPTY_HEAD);
        assert_eq!(EMPTY_HEAD.to_string(), audit_record::chain::GENESIS);
    }

    #[test]
    fn a_changed_or_missing_line_breaks_the_chain_or_moves_the_head() {
        let folder = tempfile::tempdir().unwrap();
        let (bytes, head) = logged(folder.path());
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(check(text.replace("open", "done").as_bytes()), Err(ChainError::Broken { line: 2 }));
        let second = text.find('\n').unwrap() + 1;
        assert_eq!(check(&text.as_bytes()[second..]), Err(ChainError::Broken { line: 1 }));
        let cut = check(&text.as_bytes()[..second]).unwrap();
        assert_ne!(cut.head, head, "a cut end shows in the head alone");
    }

    #[test]
    fn a_commit_does_not_depend_on_order_and_proves_its_contents() {
        let contents: BTreeSet<_> = [b"c", b"a", b"b"].into_iter().map(|c| Sha256::of(c)).collect();
        let hashes: Vec<_> = contents.iter().copied().collect();
        let commit = Commit::new(Timestamp::UNIX_EPOCH, &contents);
        assert_eq!(commit.contents, 3);
        let proof = merkle::prove(&hashes, 1).unwrap();
        assert!(proof.holds(&commit.merkle_root, &hashes[1]));
    }
}

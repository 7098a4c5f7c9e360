//! Journals of the wrapper and of target-sync on this host, read whole, so that their chains are checked from the first line.
//!
//! Owns when a journal is read again: when its length or its bytes have changed.

use super::haul::{Haul, Ledger};
use super::place::{CollectError, not_read};
use crate::settings::{RecordsOf, RecordsSource};
use audit_facts::normalise::{links, sync_records};
use audit_facts::{Grade, Source};
use audit_record::sha256_hex;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;

/// The cursor's name.
const CURSOR: &str = "journal";

/// What was read last.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    sha256: String,
    #[serde(default)]
    bytes: usize,
    read: Option<Timestamp>,
}

/// When a file was last written.
fn made(file: &Path) -> Option<Timestamp> {
    std::fs::metadata(file).ok()?.modified().ok()?.try_into().ok()
}

/// Reads one journal.
pub(crate) fn read(source: &RecordsSource, ledger: &mut Ledger<'_>, now: Timestamp) -> Result<(), CollectError> {
    let kind = match source.of {
        RecordsOf::Wrapper => Source::Links,
        RecordsOf::TargetSync => Source::SyncRecords,
    };
    let stored = ledger.cursor(kind, &source.name, CURSOR)?;
    let cursor: Cursor = stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    let mut haul = Haul::new(kind, &source.name, now);
    let bytes = match std::fs::read(&source.file) {
        Ok(bytes) => bytes,
        Err(error) => return not_read(ledger, haul, &source.name, cursor.read, CollectError::File(source.file.clone(), error)),
    };
    let sha256 = sha256_hex(&bytes);
    if sha256 != cursor.sha256 {
        let name = source.file.display().to_string();
        let reading = haul.keep(ledger, &bytes, json!({"file": name}))?;
        match source.of {
            RecordsOf::Wrapper => drop(haul.take(links::journal(&reading, &source.name, &bytes))),
            RecordsOf::TargetSync => drop(haul.take(sync_records::journal(&reading, &source.name, &bytes, None))),
        }
    }
    // An empty journal has said nothing since it was made.
    let begun = haul.earliest().or_else(|| Some(made(&source.file)?.min(now)).filter(|_| bytes.is_empty()));
    // Another file in its place says nothing of what the one before had at last.
    let goes_on = bytes.get(..cursor.bytes).is_some_and(|before| sha256_hex(before) == cursor.sha256);
    let from = if goes_on { cursor.read } else { None };
    haul.covered(&source.name, from.or(begun).unwrap_or(now), now, Grade::BestEffort);
    haul.cursor(CURSOR, json!(Cursor { sha256, bytes: bytes.len(), read: Some(now) }));
    ledger.commit(haul)?;
    Ok(())
}

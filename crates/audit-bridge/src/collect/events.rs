//! Boundary's audit events: files of a sink, or a log group.
//!
//! Owns how far each file was read: whole lines only, and a file that was replaced is read from its beginning.

use super::haul::{Haul, Ledger};
use super::place::{AwsPlace, CollectError, not_read};
use crate::settings::EventsSource;
use audit_facts::normalise::boundary_events;
use audit_facts::{Grade, Source};
use aws_reading::{Token, logs};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Bytes of a file that are read at a time.
const PIECE: u64 = 8 << 20;
/// How far back events may come late.
const OVERLAP: SignedDuration = SignedDuration::from_hours(2);
/// The cursors' names.
const FILES: &str = "files";
const STREAMS: &str = "streams";

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    inode: u64,
    offset: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    marks: BTreeMap<String, Mark>,
    read: Option<Timestamp>,
    /// The earliest event that was read.
    #[serde(default)]
    begins: Option<Timestamp>,
}

/// Reads the files of a source.
pub(crate) fn read_files(source: &EventsSource, ledger: &mut Ledger<'_>, now: Timestamp) -> Result<(), CollectError> {
    let stored = ledger.cursor(Source::BoundaryEvents, &source.name, FILES)?;
    let mut cursor: Cursor = stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    let from = cursor.read;
    for path in &source.files {
        if let Err(error) = whole_file(source, path, ledger, &mut cursor, now) {
            return not_read(ledger, Haul::new(Source::BoundaryEvents, &source.name, now), &source.name, from, error);
        }
    }
    let mut haul = Haul::new(Source::BoundaryEvents, &source.name, now);
    // What a file begins with is as far back as it speaks.
    haul.covered(&source.name, from.or(cursor.begins).unwrap_or(now), now, Grade::BestEffort);
    cursor.read = Some(now);
    haul.cursor(FILES, json!(cursor));
    ledger.commit(haul)?;
    Ok(())
}

/// Reads a file to its last whole line, a piece a commit.
fn whole_file(
    source: &EventsSource,
    path: &Path,
    ledger: &mut Ledger<'_>,
    cursor: &mut Cursor,
    now: Timestamp,
) -> Result<(), CollectError> {
    let failed = |error| CollectError::File(path.to_owned(), error);
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let name = path.display().to_string();
    let mut mark = cursor.marks.get(&name).copied().filter(|mark| mark.inode == metadata.ino() && mark.offset <= metadata.len());
    let mut mark = mark.take().unwrap_or(Mark { inode: metadata.ino(), offset: 0 });
    loop {
        let piece = piece(&mut file, mark.offset).map_err(failed)?;
        if piece.is_empty() {
            return Ok(());
        }
        let mut haul = Haul::new(Source::BoundaryEvents, &source.name, now);
        let request = json!({"file": name, "offset": mark.offset, "bytes": piece.len()});
        let reading = haul.keep(ledger, &piece, request)?;
        haul.take(boundary_events::lines(&reading, &piece));
        cursor.begins = cursor.begins.into_iter().chain(haul.earliest()).min();
        mark.offset += piece.len() as u64;
        cursor.marks.insert(name.clone(), mark);
        haul.cursor(FILES, json!(cursor));
        ledger.commit(haul)?;
    }
}

/// The whole lines from an offset on, at most a piece; a line longer than a piece comes as it is.
fn piece(file: &mut File, offset: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(PIECE).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    if whole > 0 || (bytes.len() as u64) < PIECE {
        bytes.truncate(whole);
    }
    Ok(bytes)
}

/// Reads the log group of a source.
pub(crate) async fn read_group(
    source: &EventsSource,
    group: &str,
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
) -> Result<(), CollectError> {
    let stored = ledger.cursor(Source::BoundaryEvents, &source.name, STREAMS)?;
    let mut cursor: StreamCursor = stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    let from = cursor.read;
    if let Err(error) = streams(source, group, place, ledger, &mut cursor).await {
        return not_read(ledger, Haul::new(Source::BoundaryEvents, &source.name, place.now), &source.name, from, error);
    }
    let mut haul = Haul::new(Source::BoundaryEvents, &source.name, place.now);
    haul.covered(&source.name, from.or(cursor.begins).unwrap_or(place.now), place.now, Grade::BestEffort);
    cursor.read = Some(place.now);
    haul.cursor(STREAMS, json!(cursor));
    ledger.commit(haul)?;
    Ok(())
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct StreamCursor {
    tokens: BTreeMap<String, Token>,
    read: Option<Timestamp>,
    /// The earliest event that was read.
    #[serde(default)]
    begins: Option<Timestamp>,
}

async fn streams(
    source: &EventsSource,
    group: &str,
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    cursor: &mut StreamCursor,
) -> Result<(), CollectError> {
    let mut names = Vec::new();
    let mut pages = place.reader.list(logs::describe_log_streams(group, ""));
    let oldest = cursor.read.map(|read| (read - OVERLAP).as_millisecond());
    while let Some(page) = pages.next_page().await? {
        let body: Value = serde_json::from_slice(&page.page.body).unwrap_or_default();
        for stream in body["logStreams"].as_array().into_iter().flatten() {
            // The stamp may be an hour stale: a stream is left out only when it is older by more than that.
            let is_old = oldest.zip(stream["lastIngestionTime"].as_i64()).is_some_and(|(oldest, last)| last < oldest);
            names.extend(stream["logStreamName"].as_str().filter(|_| !is_old).map(str::to_owned));
        }
    }
    for name in names {
        let list = logs::log_events(group, &name, true);
        let mut pages = match cursor.tokens.get(&name).cloned() {
            Some(token) => place.reader.list_from(list, token),
            None => place.reader.list(list),
        };
        while let Some(page) = pages.next_page().await? {
            let body: Value = serde_json::from_slice(&page.page.body).unwrap_or_default();
            let messages: Vec<&str> =
                body["events"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str()).collect();
            let mut haul = Haul::new(Source::BoundaryEvents, &source.name, place.now);
            if !messages.is_empty() {
                let reading = haul.keep(ledger, &page.page.body, json!(page.page.request))?;
                haul.take(boundary_events::events(&reading, messages.iter().map(|message| message.as_bytes())));
                cursor.begins = cursor.begins.into_iter().chain(haul.earliest()).min();
            }
            if let Some(token) = page.next {
                cursor.tokens.insert(name.clone(), token);
            }
            haul.cursor(STREAMS, json!(cursor));
            ledger.commit(haul)?;
        }
    }
    Ok(())
}

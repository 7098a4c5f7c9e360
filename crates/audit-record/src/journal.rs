//! The journal file: appends whole, linked lines, also when many programs write at once.
//!
//! Owns the file and its lock. A line is written by one `write` under an exclusive lock and then synced, so no reader and no
//! other writer ever sees half a line unless the machine died in between; such a fragment is closed and linked over.

use crate::chain::{ChainedLine, GENESIS, link};
use serde::Serialize;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How far back the last line is searched for at first: most are shorter.
const LAST_LINE_USUAL: u64 = 8 * 1024;

/// The longest line that is searched for when the last one is read back.
const LAST_LINE_MAX: u64 = 256 * 1024;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be made.
    #[error("failed to create the folder `{}`", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// The file cannot be opened for appending.
    #[error("failed to open `{}` for appending", .0.display())]
    Open(PathBuf, #[source] io::Error),
    /// The file's lock cannot be had.
    #[error("failed to lock `{}`", .0.display())]
    Lock(PathBuf, #[source] io::Error),
    /// The line cannot be written to the end.
    #[error("failed to write to `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The line cannot be put into JSON.
    #[error("failed to encode the record")]
    Encode(#[source] serde_json::Error),
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens (or creates, for its owner alone) the journal file and proves that it can be locked.
    ///
    /// # Errors
    /// [`JournalError`] when the folder or file cannot be made or locked.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|e| JournalError::Folder(folder.to_owned(), e))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| JournalError::Open(path.to_owned(), e))?;
        let journal = Self { path: path.to_owned(), file };
        journal.file.lock_shared().map_err(|e| JournalError::Lock(journal.path.clone(), e))?;
        journal.file.unlock().map_err(|e| JournalError::Lock(journal.path.clone(), e))?;
        Ok(journal)
    }

    /// Where the journal is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one record and waits until it is on disk. Blocks while another program appends.
    ///
    /// Returns the line as it stands in the file, without its line feed: its SHA-256 is the next line's link.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be locked, encoded or written.
    pub fn append<R: Serialize>(&mut self, record: R) -> Result<String, JournalError> {
        Ok(self.append_all([record])?.pop().unwrap_or_default())
    }

    /// Appends records in one write and waits until they are on disk. Blocks while another program appends.
    ///
    /// Returns their lines, as [`Journal::append`] does.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be locked, encoded or written.
    pub fn append_all<R: Serialize>(&mut self, records: impl IntoIterator<Item = R>) -> Result<Vec<String>, JournalError> {
        self.file.lock().map_err(|e| JournalError::Lock(self.path.clone(), e))?;
        let result = self.append_locked(records);
        let unlocked = self.file.unlock().map_err(|e| JournalError::Lock(self.path.clone(), e));
        let lines = result?;
        unlocked.map(|()| lines)
    }

    fn append_locked<R: Serialize>(&mut self, records: impl IntoIterator<Item = R>) -> Result<Vec<String>, JournalError> {
        let path = self.path.clone();
        let last = last_line(&mut self.file).map_err(|e| JournalError::Write(path.clone(), e))?;
        let mut prev_sha256 = last.as_ref().map_or_else(|| GENESIS.to_owned(), |last| link(&last.bytes));
        let mut bytes = if last.is_some_and(|last| !last.finished) { "\n".to_owned() } else { String::new() };
        let mut lines = Vec::new();
        for record in records {
            let line = serde_json::to_string(&ChainedLine { prev_sha256, record }).map_err(JournalError::Encode)?;
            prev_sha256 = link(line.as_bytes());
            bytes.push_str(&line);
            bytes.push('\n');
            lines.push(line);
        }
        self.file.write_all(bytes.as_bytes()).and_then(|()| self.file.sync_data()).map_err(|e| JournalError::Write(path, e))?;
        Ok(lines)
    }
}

struct LastLine {
    bytes: Vec<u8>,
    finished: bool,
}

/// Reads back no more than it takes to find where the last line begins: a long run appends thousands of times.
fn last_line(file: &mut File) -> io::Result<Option<LastLine>> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(None);
    }
    let mut reach = LAST_LINE_USUAL;
    loop {
        let start = length.saturating_sub(reach);
        let mut tail = read_from(file, start, length)?;
        let finished = tail.last() == Some(&b'\n');
        if finished {
            tail.pop();
        }
        let begin = tail.iter().rposition(|b| *b == b'\n').map(|at| at + 1);
        if begin.is_some() || start == 0 || reach >= LAST_LINE_MAX {
            return Ok(Some(LastLine { bytes: tail.split_off(begin.unwrap_or(0)), finished }));
        }
        reach = LAST_LINE_MAX;
    }
}

fn read_from(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

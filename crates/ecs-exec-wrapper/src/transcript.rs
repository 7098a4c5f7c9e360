//! The recording of a session, when one is asked for: what the terminal showed, with its real timing.
//!
//! Owns the file. It is made before the session opens (a recording that cannot be begun opens no session) and never blocks the
//! session: a disk that refuses on the way leaves an incomplete recording, and the record says so.

use crate::ending::{Ending, Reason};
use crate::terminal;
use audit_record::{Asciicast, Beginning, Transcript};
use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Bytes joined before the file is written to: a burst of output is one write.
const BUFFER: usize = 64 * 1024;

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Recording {
    path: PathBuf,
    file: File,
    cast: Asciicast,
    began: Instant,
    buffer: Vec<u8>,
    hash: Hash,
    complete: bool,
    with_input: bool,
}

struct Hash(Context);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash(..)")
    }
}

impl Recording {
    /// Makes the file, which must not be there yet, for its owner alone, and writes its header.
    ///
    /// # Errors
    /// The ending: no session without the recording that was asked for.
    pub(crate) fn begin(path: &Path, title: &str, with_input: bool) -> Result<Self, Ending> {
        let refused = |error: &std::io::Error| {
            Ending::failed(Reason::Record, format!("failed to begin the transcript `{}`: {error}", path.display()))
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| refused(&error))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| refused(&error))?;
        let (columns, rows) = terminal::size_or_default();
        let kind = std::env::var("TERM").ok();
        let beginning = Beginning { columns, rows, terminal_type: kind.as_deref(), at: Timestamp::now(), title };
        let (cast, header) = Asciicast::begin(beginning);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut recording = Self {
            path,
            file,
            cast,
            began: Instant::now(),
            buffer: Vec::new(),
            hash: Hash(Context::new(&SHA256)),
            complete: true,
            with_input,
        };
        recording.keep(&header);
        recording.flush();
        if recording.complete {
            Ok(recording)
        } else {
            Err(Ending::failed(Reason::Record, format!("failed to write to the transcript `{}`", recording.path.display())))
        }
    }

    /// Something was shown.
    pub(crate) fn output(&mut self, bytes: &[u8]) {
        let line = self.cast.output(self.began.elapsed(), bytes);
        self.keep(&line);
    }

    /// Something was typed; kept only when that was asked for, since passwords are typed too.
    pub(crate) fn input(&mut self, bytes: &[u8]) {
        if self.with_input {
            let line = self.cast.input(self.began.elapsed(), bytes);
            self.keep(&line);
        }
    }

    /// The terminal has another size.
    pub(crate) fn resize(&mut self, columns: u32, rows: u32) {
        let line = self.cast.resize(self.began.elapsed(), columns, rows);
        self.keep(&line);
    }

    /// A command was marked.
    pub(crate) fn marker(&mut self, label: &str) {
        let line = self.cast.marker(self.began.elapsed(), label);
        self.keep(&line);
    }

    /// Writes what was joined.
    pub(crate) fn flush(&mut self) {
        if self.complete && !self.buffer.is_empty() {
            self.complete = self.file.write_all(&self.buffer).is_ok();
        }
        self.buffer.clear();
    }

    /// Ends the recording and says what it is.
    pub(crate) fn end(mut self, exit_code: u8) -> Transcript {
        let lines = self.cast.end(self.began.elapsed(), exit_code);
        self.keep(&lines);
        self.flush();
        let complete = self.complete && self.file.sync_data().is_ok();
        Transcript { file: self.path.display().to_string(), sha256: audit_record::hex(self.hash.0.finish().as_ref()), complete }
    }

    fn keep(&mut self, lines: &str) {
        if !self.complete {
            return;
        }
        self.hash.0.update(lines.as_bytes());
        self.buffer.extend_from_slice(lines.as_bytes());
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }
}

/// Where `auto` puts a recording: beside the records, named by time and record.
pub(crate) fn automatic_path(record_id: &str, at: Timestamp) -> Option<PathBuf> {
    let folder = crate::record::state_folder()?.join("transcripts");
    Some(folder.join(format!("{}-{}.cast", at.strftime("%Y%m%dT%H%M%SZ"), &record_id[..8.min(record_id.len())])))
}

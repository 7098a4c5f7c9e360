//! How far the journal is handed on: `delivered.json` in the state folder.
//!
//! Owns that file. Everything before the offset is in the spool or has arrived; without the file all is handed on anew.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Version of the file; another one is as good as none.
const FORMAT: u32 = 1;

/// Bytes of the journal that one run hands on at most.
const READ_MAX: u64 = 16 << 20;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delivered {
    format_version: u32,
    /// Bytes of the journal that are handed on.
    pub(super) offset: u64,
    /// SHA-256 of the journal's first line, hexadecimal: another journal begins anew.
    journal: String,
}

/// The part of the journal that is not handed on yet.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// How far the journal is handed on.
    pub(super) delivered: Delivered,
    /// What follows, of bounded length.
    pub(super) bytes: Vec<u8>,
    /// Bytes that follow in all.
    pub(super) length: u64,
}

/// Reads what is not handed on yet; nothing when there is no journal.
///
/// # Errors
/// The system's.
pub(super) fn rest(folder: &Path) -> io::Result<Rest> {
    let file = match File::open(folder.join("sync.jsonl")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Rest::default()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let mut first = Vec::new();
    reader.by_ref().take(READ_MAX).read_until(b'\n', &mut first)?;
    let journal = audit_record::sha256_hex(&first);
    let known = recall(folder)?.filter(|known| known.journal == journal && known.offset <= length);
    let delivered = known.unwrap_or(Delivered { format_version: FORMAT, offset: 0, journal });
    let mut bytes = Vec::new();
    reader.seek(SeekFrom::Start(delivered.offset))?;
    reader.take(READ_MAX).read_to_end(&mut bytes)?;
    Ok(Rest { length: length - delivered.offset, delivered, bytes })
}

fn recall(folder: &Path) -> io::Result<Option<Delivered>> {
    match std::fs::read(folder.join("delivered.json")) {
        Ok(bytes) => Ok(serde_json::from_slice::<Delivered>(&bytes).ok().filter(|known| known.format_version == FORMAT)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Delivered {
    /// Writes the file: whole and durable when this returns.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let new = folder.join("delivered.json.new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(&new, folder.join("delivered.json"))?;
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_on_is_not_read_again_and_a_new_journal_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("sync.jsonl");
        assert_eq!(rest(folder.path()).unwrap().length, 0);
        std::fs::write(&journal, "one\ntwo\n").unwrap();
        let mut read = rest(folder.path()).unwrap();
        assert_eq!((read.delivered.offset, read.bytes.as_slice()), (0, &b"one\ntwo\n"[..]));
        read.delivered.offset = 4;
        read.delivered.save(folder.path()).unwrap();
        let read = rest(folder.path()).unwrap();
        assert_eq!((read.delivered.offset, read.bytes.as_slice(), read.length), (4, &b"two\n"[..], 4));
        std::fs::write(&journal, "another\njournal\n").unwrap();
        assert_eq!(rest(folder.path()).unwrap().delivered.offset, 0);
    }

    #[test]
    fn a_torn_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sync.jsonl"), "one\n").unwrap();
        std::fs::write(folder.path().join("delivered.json"), "{ torn").unwrap();
        assert_eq!(rest(folder.path()).unwrap().bytes, b"one\n");
    }
}

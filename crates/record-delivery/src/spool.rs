//! The folder of items that have not arrived yet: one file for each item and place.
//!
//! Owns the files' names, form and locks. A file is complete or not there (written aside, synced, renamed), is its owner's
//! alone, and is locked by whoever sends it: the lock ends with the process, so nothing is ever claimed for good.

use crate::item::{Item, Stored};
use crate::place::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Version of the files' form.
const FORMAT_VERSION: u32 = 1;

/// The longest file that is read, bytes: twice the longest [`Item::body`] that JSON may need, and names.
const FILE_MAX: u64 = 1 << 20;

/// A file that is still being written is no older than this.
const WRITTEN_WITHIN: Duration = Duration::from_hours(1);

const DONE: &str = ".json";
const PART: &str = ".part";

/// The folder for items that CloudWatch Logs takes no more.
const EXPIRED: &str = "expired";

/// The folder for files that are not ours, or broken.
const UNREADABLE: &str = "unreadable";

/// Makes an item of what was stored; none when it is no record.
pub type Reader = fn(Stored<'_>) -> Option<Item>;

/// The folder.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
    reader: Reader,
}

/// An item in the folder, ours to send until this is dropped.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    _locked: File,
}

/// An item with its place.
#[derive(Debug)]
pub struct Parcel {
    /// Where it goes.
    pub place: Place,
    /// The item.
    pub item: Item,
    /// Its file.
    pub kept: Kept,
}

/// What a look at one file gives.
#[derive(Debug)]
pub enum Look {
    /// An item to send.
    Parcel(Box<Parcel>),
    /// Somebody else sends it, or has.
    Taken,
    /// It is no record; it was moved there.
    Unreadable(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    format_version: u32,
    place: String,
    day: Date,
    /// The body; what is no text is in base64.
    line: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    Base64,
}

/// As much of a file as every version has.
#[derive(Debug, Deserialize)]
struct Version {
    format_version: u32,
}

impl Spool {
    /// The spool below the program's own folder. Touches nothing.
    pub fn below(state: &Path, reader: Reader) -> Self {
        Self { folder: state.join("spool"), reader }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps an item for a place: durable and ours when this returns.
    ///
    /// # Errors
    /// The system's.
    pub fn keep(&self, place: &Place, item: &Item) -> io::Result<Kept> {
        make(&self.folder)?;
        let page = Page::of(place, item);
        let path = self.folder.join(format!("{}{DONE}", name(place, item)));
        let beside = self.folder.join(format!("{}{PART}", name(place, item)));
        let written = write(&beside, &serde_json::to_vec(&page)?).and_then(|file| {
            std::fs::rename(&beside, &path)?;
            File::open(&self.folder)?.sync_all()?;
            Ok(file)
        });
        let locked = written.inspect_err(|_| drop(std::fs::remove_file(&beside)))?;
        Ok(Kept { path, _locked: locked })
    }

    /// The files that wait, the oldest item first.
    pub fn waiting(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let is_file = |path: &PathBuf| path.to_string_lossy().ends_with(DONE) || is_left_half(path);
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_file).collect();
        paths.sort();
        paths
    }

    /// How many files were set aside.
    pub fn set_aside(&self) -> usize {
        let in_folder = |name| std::fs::read_dir(self.folder.join(name)).map_or(0, Iterator::count);
        [EXPIRED, UNREADABLE].into_iter().map(in_folder).sum()
    }

    /// Takes a waiting file, unless somebody else has it.
    ///
    /// # Errors
    /// The system's.
    pub fn take(&self, path: &Path) -> io::Result<Look> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Taken),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Look::Taken),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Sent and removed between our look at the folder and the lock.
        if file.metadata()?.nlink() == 0 {
            return Ok(Look::Taken);
        }
        let mut bytes = Vec::new();
        (&file).take(FILE_MAX).read_to_end(&mut bytes)?;
        let kept = Kept { path: path.to_owned(), _locked: file };
        // A later program's file is for that program.
        if serde_json::from_slice::<Version>(&bytes).is_ok_and(|version| version.format_version > FORMAT_VERSION) {
            return Ok(Look::Taken);
        }
        match self.read(&bytes) {
            Some((place, item)) => Ok(Look::Parcel(Box::new(Parcel { place, item, kept }))),
            None => Ok(Look::Unreadable(kept.set_aside(UNREADABLE)?)),
        }
    }

    fn read(&self, bytes: &[u8]) -> Option<(Place, Item)> {
        let page: Page = serde_json::from_slice(bytes).ok()?;
        let body = match page.encoding {
            None => page.line.into_bytes(),
            Some(Encoding::Base64) => STANDARD.decode(&page.line).ok()?,
        };
        let item = (self.reader)(Stored { body: &body, day: page.day, key: page.key.as_deref() })?;
        Some((Place::parse(&page.place).ok()?, item)).filter(|_| page.format_version == FORMAT_VERSION)
    }
}

impl Page {
    fn of(place: &Place, item: &Item) -> Self {
        let (line, encoding) = match std::str::from_utf8(&item.body) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (STANDARD.encode(&item.body), Some(Encoding::Base64)),
        };
        let (place, day, key) = (place.to_string(), item.day, item.key.clone());
        Self { format_version: FORMAT_VERSION, place, day, line, encoding, key }
    }
}

impl Kept {
    /// Forgets an item that has arrived.
    ///
    /// # Errors
    /// The system's; the item may then be sent once more.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    /// Forgets an item that has arrived; when its file stays, it is sent once more.
    pub fn arrived(self) {
        if let Err(error) = self.remove() {
            tracing::warn!(%error, "a delivered record stays in the spool");
        }
    }

    /// Puts an item that cannot be sent any more aside, and says where it is.
    ///
    /// # Errors
    /// The system's; the item then stays.
    pub fn expire(self) -> io::Result<PathBuf> {
        self.set_aside(EXPIRED)
    }

    fn set_aside(self, folder: &str) -> io::Result<PathBuf> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else { return Ok(self.path) };
        make(&parent.join(folder))?;
        let there = parent.join(folder).join(name);
        std::fs::rename(&self.path, &there)?;
        Ok(there)
    }
}

/// Writes a new file of its owner's alone, durable and locked.
fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.lock()?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A name that sorts by the item's time; an item has at most one place of a kind.
fn name(place: &Place, item: &Item) -> String {
    let at = item.at.strftime("%Y%m%dT%H%M%S%.6fZ");
    format!("{at}-{}-{}", item.stem, place.word())
}

/// What a crash in mid-write left.
fn is_left_half(path: &Path) -> bool {
    let old = |modified: SystemTime| modified.elapsed().is_ok_and(|age| age > WRITTEN_WITHIN);
    path.to_string_lossy().ends_with(PART) && std::fs::metadata(path).and_then(|metadata| metadata.modified()).is_ok_and(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::{end, read, start};

    fn spool() -> (tempfile::TempDir, Spool) {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::below(folder.path(), read);
        (folder, spool)
    }

    fn bucket() -> Place {
        Place::parse("s3://abc/links").unwrap()
    }

    #[test]
    fn a_line_comes_back_as_it_was_kept_and_goes_when_it_has_arrived() {
        let (_folder, spool) = spool();
        let line = end("2026-11-21T00:10:00Z", "2026-11-20");
        drop(spool.keep(&bucket(), &line).unwrap());
        let [path] = &spool.waiting()[..] else { panic!("one file") };
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        let Look::Parcel(parcel) = spool.take(path).unwrap() else { panic!("a parcel") };
        assert_eq!((&parcel.place, &parcel.item), (&bucket(), &line));
        parcel.kept.remove().unwrap();
        assert!(spool.waiting().is_empty());
        assert!(matches!(spool.take(path).unwrap(), Look::Taken));
    }

    #[test]
    fn a_body_that_is_no_text_and_a_key_come_back_too() {
        let folder = tempfile::tempdir().unwrap();
        let by_key = |stored: Stored<'_>| {
            let key = stored.key?.to_owned();
            Some(Item { body: stored.body.to_owned(), key: Some(key), ..start("2026-11-21T10:00:00Z") })
        };
        let spool = Spool::below(folder.path(), by_key);
        let item = Item { body: vec![b'a', 0xff, b'\n'], key: Some("the/key".to_owned()), ..start("2026-11-21T10:00:00Z") };
        drop(spool.keep(&bucket(), &item).unwrap());
        let Look::Parcel(parcel) = spool.take(&spool.waiting()[0]).unwrap() else { panic!("a parcel") };
        assert_eq!(parcel.item, item);
    }

    #[test]
    fn one_sends_at_a_time_and_a_dead_one_holds_nothing() {
        let (_folder, spool) = spool();
        let kept = spool.keep(&bucket(), &start("2026-11-21T10:00:00Z")).unwrap();
        let path = spool.waiting().remove(0);
        assert!(matches!(spool.take(&path).unwrap(), Look::Taken));
        drop(kept);
        assert!(matches!(spool.take(&path).unwrap(), Look::Parcel(_)));
    }

    #[test]
    fn the_oldest_line_comes_first() {
        let (_folder, spool) = spool();
        for at in ["2026-11-21T10:00:00.5Z", "2026-11-21T10:00:00Z", "2025-12-31T00:00:00Z"] {
            drop(spool.keep(&bucket(), &start(at)).unwrap());
        }
        let times =
            spool.waiting().iter().map(|path| path.file_name().unwrap().to_string_lossy()[..22].to_owned()).collect::<Vec<_>>();
        assert_eq!(times, ["20251231T000000.000000", "20261121T100000.000000", "20261121T100000.500000"]);
    }

    #[test]
    fn broken_files_are_set_aside_and_others_left_alone() {
        let (_folder, spool) = spool();
        drop(spool.keep(&bucket(), &start("2026-11-21T10:00:00Z")).unwrap());
        let path = spool.waiting().remove(0);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let Look::Unreadable(there) = spool.take(&path).unwrap() else { panic!("half a file was read") };
        assert!(there.parent().unwrap().ends_with("spool/unreadable"));
        assert_eq!(std::fs::read(there).unwrap(), &whole[..whole.len() / 2]);
        std::fs::write(spool.folder().join("being-written.part"), b"{").unwrap();
        assert!(spool.waiting().is_empty(), "a file that is being written is nobody else's");
    }

    #[test]
    fn a_file_of_a_later_program_is_left_to_it() {
        let (_folder, spool) = spool();
        drop(spool.keep(&bucket(), &start("2026-11-21T10:00:00Z")).unwrap());
        let path = spool.waiting().remove(0);
        std::fs::write(&path, "{\"format_version\":2,\"line\":[\"new\"]}").unwrap();
        assert!(matches!(spool.take(&path).unwrap(), Look::Taken));
        assert_eq!(spool.waiting(), [path]);
    }

    #[test]
    fn a_line_that_cannot_be_kept_leaves_nothing_half_written() {
        let (_folder, spool) = spool();
        let line = start("2026-11-21T10:00:00Z");
        // A folder in the file's place makes the rename fail.
        std::fs::create_dir_all(spool.folder().join(format!("{}.json", name(&bucket(), &line)))).unwrap();
        assert!(spool.keep(&bucket(), &line).is_err());
        assert_eq!(std::fs::read_dir(spool.folder()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_too_old_is_kept_apart() {
        let (_folder, spool) = spool();
        let there = spool.keep(&bucket(), &start("2026-11-01T10:00:00Z")).unwrap().expire().unwrap();
        assert!(there.exists() && there.parent().unwrap().ends_with("spool/expired"));
        assert!(spool.waiting().is_empty());
    }
}

//! The evidence store in a folder: `sha256/ab/cdef…`, compressed or not.
//!
//! Owns the files' names and form. A file is written in `tmp`, synced, and gets its name only when that is free; the address is
//! the hash of the content before compression, so both forms are the same evidence.

use super::{EvidenceStore, Hashes, Put, StoreError, copy_proved};
use crate::durable::{create_new, random_name, rename_new, sync_folder};
use crate::hash::{HashingReader, Sha256, copy_hashed};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const TREE: &str = "sha256";
const PARTS: &str = "tmp";
const GZIP: &str = ".gz";
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Whether new content is compressed; what is there is read in either form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    Plain,
    /// With gzip.
    Gzip,
}

/// The evidence store in a folder.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    compression: Compression,
}

impl FolderStore {
    /// Opens a store, or makes it, for its owner alone.
    ///
    /// # Errors
    /// [`StoreError`] when its folders cannot be made.
    pub fn open(root: &Path, compression: Compression) -> Result<Self, StoreError> {
        let store = Self { root: root.to_owned(), compression };
        for folder in [TREE, PARTS] {
            let folder = root.join(folder);
            make_folders(&folder).map_err(failed("make a folder", &folder))?;
        }
        sync_folder(root).map_err(failed("sync", root))?;
        Ok(store)
    }

    /// Where a content is, or would be, without the ending of its form.
    fn path(&self, sha256: &Sha256) -> PathBuf {
        let digits = sha256.to_string();
        self.root.join(TREE).join(&digits[..2]).join(&digits[2..])
    }

    /// Opens a content in whichever form it is there.
    fn find(&self, sha256: &Sha256) -> Result<Box<dyn Read>, StoreError> {
        let plain = self.path(sha256);
        let packed = with_gzip(&plain);
        match File::open(&plain) {
            Ok(file) => return Ok(Box::new(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("open", &plain)(e)),
        }
        match File::open(&packed) {
            Ok(file) => Ok(Box::new(GzDecoder::new(file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::Gone(*sha256)),
            Err(e) => Err(failed("open", &packed)(e)),
        }
    }

    /// Whether a content is there, proved.
    fn has(&self, sha256: &Sha256) -> Result<bool, StoreError> {
        match self.copy(sha256, u64::MAX, &mut io::sink()) {
            Ok(_) => Ok(true),
            Err(StoreError::Gone(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Gives a written part its name; false when another put was first.
    fn place(&self, part: &Path, sha256: &Sha256) -> Result<bool, StoreError> {
        let plain = self.path(sha256);
        let path = if self.compression == Compression::Gzip { with_gzip(&plain) } else { plain };
        let folder = path.parent().unwrap_or(&self.root);
        make_folders(folder).map_err(failed("make a folder", folder))?;
        match rename_new(part, &path) {
            Ok(()) => self.sync(sha256).map(|()| true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                self.has(sha256).and_then(|_| self.sync(sha256)).map(|()| false)
            }
            Err(e) => Err(failed("rename", &path)(e)),
        }
    }

    /// Makes a content's name durable.
    fn sync(&self, sha256: &Sha256) -> Result<(), StoreError> {
        let path = self.path(sha256);
        let folders = path.ancestors().skip(1).take(2);
        folders.into_iter().try_for_each(|folder| sync_folder(folder).map_err(failed("sync", folder)))
    }

    fn put_part(&self, part: &Path, content: &mut dyn Read) -> Result<Put, StoreError> {
        let (sha256, bytes) = write_part(part, content, self.compression)?;
        let new = if self.has(&sha256)? {
            // Whoever put it first may not have come to this yet.
            self.sync(&sha256)?;
            false
        } else {
            self.place(part, &sha256)?
        };
        Ok(Put { sha256, bytes, new })
    }
}

impl EvidenceStore for FolderStore {
    fn put(&self, content: &mut dyn Read) -> Result<Put, StoreError> {
        let parts = self.root.join(PARTS);
        let part = parts.join(random_name().map_err(failed("name a file", &parts))?);
        let put = self.put_part(&part, content);
        if !matches!(put, Ok(Put { new: true, .. })) {
            let _gone_or_never_there = fs::remove_file(&part);
        }
        put
    }

    fn copy(&self, sha256: &Sha256, limit: u64, to: &mut dyn Write) -> Result<u64, StoreError> {
        copy_proved(sha256, limit, &mut *self.find(sha256)?, to)
    }

    fn hashes(&self) -> Result<Hashes<'_>, StoreError> {
        let tree = self.root.join(TREE);
        let folders = names(&tree)?;
        Ok(Box::new(folders.into_iter().flat_map(move |first| hashes_in(&tree, &first))))
    }
}

/// The hashes that begin with two digits; at most a 256th of the store is held at once.
fn hashes_in(tree: &Path, first: &str) -> Vec<Result<Sha256, StoreError>> {
    match names(&tree.join(first)) {
        Ok(rests) => {
            let plain = rests.iter().map(|rest| rest.strip_suffix(GZIP).unwrap_or(rest));
            plain.filter_map(|rest| format!("{first}{rest}").parse().ok()).collect::<BTreeSet<_>>().into_iter().map(Ok).collect()
        }
        Err(e) => vec![Err(e)],
    }
}

/// The names in a folder that are text, ascending.
fn names(folder: &Path) -> Result<BTreeSet<String>, StoreError> {
    let entries = fs::read_dir(folder).map_err(failed("list", folder))?;
    entries
        .map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).map_err(failed("list", folder)))
        .filter_map(Result::transpose)
        .collect()
}

/// Writes and syncs a part; gives the hash and the length of its content.
fn write_part(part: &Path, content: &mut dyn Read, compression: Compression) -> Result<(Sha256, u64), StoreError> {
    let mut file = create_new(part, FILE_MODE).map_err(failed("make a file", part))?;
    let mut content = Watched { inner: content, failed: false };
    let copied = match compression {
        Compression::Plain => copy_hashed(&mut content, &mut file),
        Compression::Gzip => copy_packed(&mut content, &mut file),
    };
    let synced = copied.and_then(|copied| file.sync_all().map(|()| copied));
    synced.map_err(|e| if content.failed { StoreError::Content(e) } else { failed("write", part)(e) })
}

fn copy_packed(content: impl Read, file: &mut File) -> io::Result<(Sha256, u64)> {
    let mut hashing = HashingReader::new(content);
    let mut encoder = GzEncoder::new(file, flate2::Compression::default());
    io::copy(&mut hashing, &mut encoder)?;
    encoder.finish()?;
    Ok(hashing.finish())
}

/// Remembers whether reading failed: one copy has two sides.
struct Watched<'a> {
    inner: &'a mut dyn Read,
    failed: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        self.failed = result.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::Interrupted);
        result
    }
}

fn with_gzip(plain: &Path) -> PathBuf {
    let mut packed = plain.as_os_str().to_owned();
    packed.push(GZIP);
    packed.into()
}

fn make_folders(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
}

fn failed(act: &'static str, place: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let place = place.display().to_string();
    move |source| StoreError::Store { act, place, source }
}

//! Makes a bundle: a folder of files, what they are, and a signature.
//!
//! Each stage is a value: a [`Writer`] takes files, a [`Sealed`] bundle has its signed manifest and takes an anchor, and only
//! [`Sealed::publish`] gives it its name. All is written into a folder beside and synced; a program that is killed leaves no
//! half bundle under that name. Never reads a clock: the same input makes the same bytes.

#[cfg(test)]
mod tests;

use crate::anchor::{self, Anchor, AnchorFile, Statement};
use crate::archive::{self, ArchiveError};
use crate::durable::{beside, create_new, rename_new, sync_folder, sync_parent};
use crate::hash::{HashingWriter, Sha256, copy};
use crate::keys::{Purpose, SigningKey};
use crate::manifest::{About, ENTRIES_MAX, FileEntry, MANIFEST_MAX, Manifest, Unknown};
use crate::names::{ANCHOR, ANCHOR_SIGNATURE, MANIFEST, MANIFEST_SIGNATURE, NameError, Names, folders};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A bundle may be handed on, but its owner decides to whom.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Why a bundle cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Something is there already.
    #[error("failed to make the bundle `{}`: the path exists, and nothing is overwritten", .0.display())]
    Exists(PathBuf),
    /// The folder that it would be in is not there.
    #[error("failed to make the bundle `{}`: the folder that it goes into is not there; make it first, or give another path", .0.display())]
    NoFolder(PathBuf),
    /// The folder beside it, or its place, cannot be used.
    #[error("failed to write the bundle at `{}`", .0.display())]
    Place(PathBuf, #[source] io::Error),
    /// The file's name is not allowed.
    #[error("failed to add `{}`", path.escape_debug())]
    Name {
        /// The name.
        path: String,
        /// The rule that it breaks.
        #[source]
        source: NameError,
    },
    /// The file's content cannot be read or written.
    #[error("failed to add `{path}`")]
    File {
        /// The name.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A content failed before, so the bundle would not be whole.
    #[error("refused to seal the bundle: `{0}` could not be added, and without it the bundle is not whole")]
    NotWhole(String),
    /// No check would take it in.
    #[error(
        "refused to seal the bundle: it has {entries} files and folders and a manifest of {bytes} bytes; more than {ENTRIES_MAX} or {MANIFEST_MAX} are not verified; make several bundles of shorter periods"
    )]
    TooLarge {
        /// Files and folders, with the bundle's own.
        entries: usize,
        /// The manifest's length, bytes.
        bytes: u64,
    },
    /// The manifest or the anchor cannot be put into JSON.
    #[error("failed to encode the manifest or the anchor")]
    Encode(#[source] serde_json::Error),
}

/// What a file of the bundle is.
#[derive(Debug, Clone, Copy)]
pub struct FileSpec<'a> {
    /// Where it goes, relative to the bundle (see [`crate::names`]).
    pub path: &'a str,
    /// What it is: [`crate::manifest::WHAT_CHAIN`], or the maker's word.
    pub what: &'a str,
    /// Its media type.
    pub media_type: &'a str,
}

/// Takes the files of a bundle; dropped, it removes what it wrote.
#[derive(Debug)]
pub struct Writer {
    staged: Staged,
    names: Names,
    files: Vec<FileEntry>,
    /// The first file whose content failed.
    failed: Option<String>,
}

impl Writer {
    /// Begins a bundle that will be at `path`.
    ///
    /// # Errors
    /// [`BundleError`] when something is there already or nothing can be written beside it.
    pub fn begin(path: &Path) -> Result<Self, BundleError> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(BundleError::Exists(path.to_owned()));
        }
        let part = beside(path).and_then(|part| DirBuilder::new().mode(FOLDER_MODE).create(&part).map(|()| part));
        let part = part.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => BundleError::NoFolder(path.to_owned()),
            _ => BundleError::Place(path.to_owned(), e),
        })?;
        let staged = Staged { path: path.to_owned(), part, published: false };
        Ok(Self { staged, names: Names::default(), files: Vec::new(), failed: None })
    }

    /// Adds a file from a reader, in bounded memory; returns its hash.
    ///
    /// # Errors
    /// [`BundleError`] when the name is not allowed, or the content cannot be read or written; after the latter the bundle cannot
    /// be sealed.
    pub fn add(&mut self, spec: FileSpec<'_>, content: impl Read) -> Result<Sha256, BundleError> {
        self.add_with(spec, |to| copy(content, to))
    }

    /// Adds a file whose content is written by the caller, who may encrypt it on its way; returns the hash of what was written.
    ///
    /// # Errors
    /// As of [`Writer::add`].
    pub fn add_with(
        &mut self,
        spec: FileSpec<'_>,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Sha256, BundleError> {
        let path = spec.path.to_owned();
        self.names.take(&path).map_err(|source| BundleError::Name { path: path.clone(), source })?;
        let written = self.staged.write(&path, content);
        let (sha256, bytes) = written.map_err(|source| {
            self.failed.get_or_insert_with(|| path.clone());
            BundleError::File { path: path.clone(), source }
        })?;
        let (what, media_type) = (spec.what.to_owned(), spec.media_type.to_owned());
        self.files.push(FileEntry { path, bytes, sha256, what, media_type, unknown: Unknown::new() });
        Ok(sha256)
    }

    /// Writes the manifest and signs it.
    ///
    /// # Errors
    /// [`BundleError`] when a file could not be added, or manifest and signature cannot be encoded or written.
    pub fn seal(self, about: About, key: &SigningKey) -> Result<Sealed, BundleError> {
        if let Some(path) = self.failed {
            return Err(BundleError::NotWhole(path));
        }
        let manifest = Manifest::new(about, self.files);
        let bytes = manifest.to_bytes().map_err(BundleError::Encode)?;
        check_size(manifest.entries(), bytes.len() as u64)?;
        let statement = Statement { merkle_root: manifest.merkle_root, manifest_sha256: Sha256::of(&bytes) };
        let sealed = Sealed { staged: self.staged, manifest, statement };
        sealed.write_signed((MANIFEST, MANIFEST_SIGNATURE), &bytes, key, Purpose::Manifest)?;
        Ok(sealed)
    }
}

/// What is sealed here can also be verified.
const fn check_size(entries: usize, bytes: u64) -> Result<(), BundleError> {
    if entries > ENTRIES_MAX || bytes > MANIFEST_MAX { Err(BundleError::TooLarge { entries, bytes }) } else { Ok(()) }
}

/// A bundle with its signed manifest, not yet under its name; dropped, it removes what was written.
#[derive(Debug)]
pub struct Sealed {
    staged: Staged,
    manifest: Manifest,
    statement: Statement,
}

impl Sealed {
    /// What the bundle says about itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What to put under Object Lock or to have countersigned.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Writes down where the statement was put, and publishes.
    ///
    /// # Errors
    /// [`BundleError`] when it cannot be encoded, written or renamed.
    pub fn publish_anchored(self, anchors: Vec<Anchor>, key: &SigningKey) -> Result<Manifest, BundleError> {
        self.anchored(anchors, key)?.publish()
    }

    /// Writes down where the statement was put, once.
    ///
    /// # Errors
    /// [`BundleError`] when it cannot be encoded or written.
    pub fn anchored(self, anchors: Vec<Anchor>, key: &SigningKey) -> Result<Self, BundleError> {
        let file = AnchorFile { format_version: anchor::FORMAT_VERSION, statement: self.statement.clone(), anchors };
        let bytes = file.to_bytes().map_err(BundleError::Encode)?;
        self.write_signed((ANCHOR, ANCHOR_SIGNATURE), &bytes, key, Purpose::Anchor)?;
        Ok(self)
    }

    /// Gives the bundle its name as an archive, one file, whole or not at all.
    ///
    /// # Errors
    /// [`ArchiveError`] when it cannot be written, or when something has its name by now.
    pub fn publish_archive(self) -> Result<Manifest, ArchiveError> {
        archive::write(&self.staged.part, &self.staged.path)?;
        Ok(self.manifest)
    }

    /// Syncs the bundle and gives it its name.
    ///
    /// # Errors
    /// [`BundleError`] when it cannot be synced or renamed, or when something has its name by now.
    pub fn publish(mut self) -> Result<Manifest, BundleError> {
        let folders = self.manifest.files.iter().flat_map(|file| folders(&file.path)).collect::<BTreeSet<_>>();
        self.staged.publish(folders)?;
        Ok(self.manifest)
    }

    fn write_signed(&self, names: (&str, &str), bytes: &[u8], key: &SigningKey, purpose: Purpose) -> Result<(), BundleError> {
        let line = key.sign(purpose, bytes).line();
        for (name, content) in [(names.0, bytes), (names.1, line.as_bytes())] {
            let written = self.staged.write(name, |to| to.write_all(content));
            written.map_err(|source| BundleError::File { path: name.to_owned(), source })?;
        }
        Ok(())
    }
}

/// The folder beside the bundle's place.
#[derive(Debug)]
struct Staged {
    path: PathBuf,
    part: PathBuf,
    published: bool,
}

impl Staged {
    fn write(&self, path: &str, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<(Sha256, u64)> {
        let to = self.part.join(path);
        if let Some(folder) = to.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        }
        let mut hashing = HashingWriter::new(create_new(&to, FILE_MODE)?);
        content(&mut hashing)?;
        hashing.flush()?;
        let (file, written) = hashing.finish();
        file.sync_all()?;
        Ok(written)
    }

    fn publish<'a>(&mut self, folders: impl IntoIterator<Item = &'a str>) -> Result<(), BundleError> {
        let place = |e| BundleError::Place(self.path.clone(), e);
        for folder in folders {
            sync_folder(&self.part.join(folder)).map_err(place)?;
        }
        sync_folder(&self.part).map_err(place)?;
        rename_new(&self.part, &self.path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => BundleError::Exists(self.path.clone()),
            _ => place(e),
        })?;
        let synced = sync_parent(&self.path).map_err(place);
        self.published = true;
        synced
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: what stays is hidden, ends in `.part`, and is no bundle.
            let _removed = fs::remove_dir_all(&self.part);
        }
    }
}

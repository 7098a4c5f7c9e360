//! The files of a bundle, wherever they lie.
//!
//! Owns the one view on folder and archive: names with lengths, and a reader for each. What could lead outside or hide a file
//! is a problem and never in the view.

use super::Limits;
use super::folder::Folder;
use super::problem::{Fault, Problems};
use super::tar::Tar;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

/// What a bundle holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Each file's length in bytes.
    pub(super) files: BTreeMap<String, u64>,
    pub(super) folders: BTreeSet<String>,
}

impl Contents {
    /// Whether one more fits; says so once when it does not.
    pub(super) fn has_room(&self, limits: &Limits, bundle: &str, problems: &mut Problems) -> bool {
        let room = self.files.len() + self.folders.len() < limits.entries;
        if !room {
            problems.add(bundle, Fault::TooMany(limits.entries));
        }
        room
    }
}

/// A bundle's place.
pub(super) enum Place {
    Folder(Folder),
    Tar(Tar),
}

impl Place {
    /// Looks at a bundle's names; none when it cannot be read at all.
    pub(super) fn open(path: &Path, limits: &Limits, problems: &mut Problems) -> Option<Self> {
        let name = bundle_name(path);
        let opened = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Folder::open(path, &name, limits, problems).map(Self::Folder),
            Ok(metadata) if metadata.is_file() => Tar::open(path, &name, limits, problems).map(Self::Tar),
            Ok(_) => {
                problems.add(&name, Fault::Special);
                return None;
            }
            Err(e) => Err(e),
        };
        opened.map_err(|e| problems.add(&name, Fault::Unreadable(e.to_string()))).ok()
    }

    pub(super) const fn contents(&self) -> &Contents {
        match self {
            Self::Folder(folder) => &folder.contents,
            Self::Tar(tar) => &tar.contents,
        }
    }

    /// Opens a file of [`Place::contents`].
    pub(super) fn read(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::Folder(folder) => Ok(Box::new(folder.read(path)?)),
            Self::Tar(tar) => Ok(Box::new(tar.read(path)?)),
        }
    }

    /// The archive's one time, seconds since 1970.
    pub(super) const fn time(&self) -> Option<i64> {
        match self {
            Self::Folder(_) => None,
            Self::Tar(tar) => tar.time,
        }
    }
}

/// How the bundle itself is called in problems.
pub(super) fn bundle_name(path: &Path) -> String {
    path.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned())
}

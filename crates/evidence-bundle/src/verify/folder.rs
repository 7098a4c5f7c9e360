//! Reads a folder that somebody else may have written.
//!
//! Owns the walk and the reading: each step opens one name under the folder before it and follows no link, so nothing outside is ever read, not
//! even when the folder changes meanwhile. Pipes and devices are never waited for.

use super::Limits;
use super::place::Contents;
use super::problem::{Fault, Problems};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, statat};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A bundle that is a folder.
pub(crate) struct Folder {
    root: OwnedFd,
    pub(super) contents: Contents,
}

impl Folder {
    /// A folder whose names are known from elsewhere.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { root: open(path, FOLDER, Mode::empty())?, contents: Contents::default() })
    }

    pub(super) fn open(path: &Path, name: &str, limits: &Limits, problems: &mut Problems) -> io::Result<Self> {
        let root = open(path, FOLDER, Mode::empty())?;
        let mut walk = Walk { contents: Contents::default(), limits, name, problems, full: false };
        walk.list(&root, "", 0)?;
        Ok(Self { contents: walk.contents, root })
    }

    /// Opens a file below, through no link.
    pub(crate) fn read(&self, path: &str) -> io::Result<File> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = self.root.try_clone()?;
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            at = openat(&at, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        }
        let file = openat(&at, name, FILE, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile {
            Ok(file.into())
        } else {
            Err(io::Error::other("it is no longer a file"))
        }
    }
}

struct Walk<'a> {
    contents: Contents,
    limits: &'a Limits,
    name: &'a str,
    problems: &'a mut Problems,
    full: bool,
}

impl Walk<'_> {
    fn list(&mut self, folder: &OwnedFd, prefix: &str, depth: usize) -> io::Result<()> {
        if depth > self.limits.depth {
            self.problems.add(prefix, Fault::TooDeep(self.limits.depth));
            return Ok(());
        }
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let shown = format!("{prefix}{}", String::from_utf8_lossy(name));
            if let Err(error) = crate::names::check(&shown) {
                self.problems.add(&shown, Fault::Name(error));
            } else {
                self.take(folder, &shown, depth);
            }
            if self.full {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take(&mut self, folder: &OwnedFd, path: &str, depth: usize) {
        if !self.contents.has_room(self.limits, self.name, self.problems) {
            self.full = true;
            return;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(e) => self.problems.add(path, Fault::Unreadable(io::Error::from(e).to_string())),
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    self.contents.files.insert(path.to_owned(), u64::try_from(stat.st_size).unwrap_or(0));
                }
                FileType::Directory => self.enter(folder, path, depth),
                FileType::Symlink => self.problems.add(path, Fault::Link),
                _ => self.problems.add(path, Fault::Special),
            },
        }
    }

    fn enter(&mut self, folder: &OwnedFd, path: &str, depth: usize) {
        self.contents.folders.insert(path.to_owned());
        let name = path.rsplit('/').next().unwrap_or(path);
        let entered = openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(io::Error::from);
        if let Err(e) = entered.and_then(|inner| self.list(&inner, &format!("{path}/"), depth + 1)) {
            self.problems.add(path, Fault::Unreadable(e.to_string()));
        }
    }
}

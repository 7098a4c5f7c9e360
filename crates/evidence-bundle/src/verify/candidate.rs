//! Looks whether a path can be a bundle at all, before anything is checked.
//!
//! Owns the sentences for what is plainly something else, so that a slip of the operator's is not told as a changed bundle. That
//! something may be a bundle proves nothing: that takes [`super::verify`].

use crate::archive::field;
use crate::names::MANIFEST;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How compressed files begin, how they are called, and what takes the compression away.
const COMPRESSED: [(&[u8], &str, &str); 5] = [
    (&[0x1f, 0x8b], "gzip", "gunzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "unzstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz", "unxz"),
    (b"BZh", "bzip2", "bunzip2"),
    (b"PK\x03\x04", "zip", "unzip"),
];

/// Why a path is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum NoBundle {
    /// Nothing is there.
    #[error("failed to open the bundle `{}`: nothing is there; give the bundle's folder or its .tar", .0.display())]
    Absent(PathBuf),
    /// It may not be looked at.
    #[error("failed to open the bundle `{}`", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It is a pipe, a device or a socket.
    #[error("failed to open the bundle `{}`: it is neither a folder nor a file; give the bundle's folder or its .tar", .0.display())]
    Special(PathBuf),
    /// A folder of something else, or of a bundle whose manifest was removed.
    #[error(
        "failed to open the bundle `{}`: the folder has no {MANIFEST}, so it is no bundle or no whole one; give the folder or the .tar that `audit-bridge report` wrote", .0.display()
    )]
    NoManifest(PathBuf),
    /// The archive is in another one.
    #[error("failed to open the bundle `{}`: it is compressed ({kind}); run `{program}` on it first and give the .tar or the folder", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// How it is compressed.
        kind: &'static str,
        /// What takes the compression away.
        program: &'static str,
    },
    /// It is no archive.
    #[error("failed to open the bundle `{}`: it is no tar archive; give the bundle's folder or its .tar", .0.display())]
    NoArchive(PathBuf),
}

/// Looks whether a path can be a bundle: a folder with a manifest, or a tar archive.
///
/// # Errors
/// [`NoBundle`] when it cannot, naming what it is instead.
pub fn look_at(path: &Path) -> Result<(), NoBundle> {
    let unreadable = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => NoBundle::Absent(path.to_owned()),
        _ => NoBundle::Unreadable(path.to_owned(), e),
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return match fs::symlink_metadata(path.join(MANIFEST)) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(NoBundle::NoManifest(path.to_owned())),
            Err(e) => Err(unreadable(e)),
        };
    }
    if !metadata.is_file() {
        return Err(NoBundle::Special(path.to_owned()));
    }
    let mut begin = Vec::new();
    File::open(path).and_then(|file| file.take(field::MAGIC.end as u64).read_to_end(&mut begin)).map_err(unreadable)?;
    if let Some((_, kind, program)) = COMPRESSED.into_iter().find(|(magic, ..)| begin.starts_with(magic)) {
        return Err(NoBundle::Compressed { path: path.to_owned(), kind, program });
    }
    let is_archive = begin.get(field::MAGIC).is_some_and(|magic| magic.starts_with(b"ustar"));
    if is_archive { Ok(()) } else { Err(NoBundle::NoArchive(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Bench;

    #[test]
    fn a_bundle_passes_as_folder_and_as_archive() {
        let bench = Bench::new();
        let bundle = bench.bundle("b");
        crate::archive::write(&bundle, &bench.path("b.tar")).unwrap();
        assert!(look_at(&bundle).is_ok() && look_at(&bench.path("b.tar")).is_ok());
    }

    #[test]
    fn what_is_plainly_something_else_is_named_with_its_path() {
        let bench = Bench::new();
        let path = bench.path("x");
        let said = || look_at(&path).unwrap_err().to_string();
        assert!(matches!(look_at(&path), Err(NoBundle::Absent(named)) if named == path));
        fs::create_dir(&path).unwrap();
        assert!(said().contains("no manifest.json") && said().contains(&path.display().to_string()), "{}", said());
        fs::remove_dir(&path).unwrap();
        for (content, word) in [
            (&b"\x1f\x8b\x08\0more"[..], "run `gunzip`"),
            (b"PK\x03\x04more", "run `unzip`"),
            (b"BZh9", "run `bunzip2`"),
            (b"text", "no tar"),
            (b"", "no tar"),
        ] {
            fs::write(&path, content).unwrap();
            assert!(said().contains(word) && said().contains(&path.display().to_string()), "{}", said());
        }
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(look_at(&path), Err(NoBundle::Special(_))));
    }
}

//! The bundle as one file: a ustar archive with one way to write each byte.
//!
//! Owns the archive's form. The manifest comes first, then its signature, the anchor, and the files in the order of their
//! paths; all headers are equal but for name, length, time and check sum, so that the same bundle gives the same archive and a
//! changed header shows.

use crate::durable::{beside, create_new, rename_new, sync_parent};
use crate::hash::copy_hashed;
use crate::manifest::{MANIFEST_MAX, Manifest, ManifestError};
use crate::names::{self, ANCHOR, ANCHOR_SIGNATURE, MANIFEST, MANIFEST_SIGNATURE};
use crate::verify::Folder;
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The unit of an archive, bytes.
pub(crate) const BLOCK: usize = 512;

/// A block's length as a file's offset.
pub(crate) const BLOCK_BYTES: u64 = 512;

/// The zero blocks at an archive's end.
pub(crate) const END_BLOCKS: u64 = 2;

/// The largest length that eleven octal digits hold, bytes.
pub const FILE_BYTES_MAX: u64 = 0o777_7777_7777;

/// Where a header's fields are.
pub(crate) mod field {
    use std::ops::Range;

    pub(crate) const NAME: Range<usize> = 0..100;
    pub(crate) const MODE: Range<usize> = 100..108;
    pub(crate) const OWNER: Range<usize> = 108..116;
    pub(crate) const GROUP: Range<usize> = 116..124;
    pub(crate) const BYTES: Range<usize> = 124..136;
    pub(crate) const TIME: Range<usize> = 136..148;
    pub(crate) const SUM: Range<usize> = 148..156;
    pub(crate) const KIND: usize = 156;
    pub(crate) const MAGIC: Range<usize> = 257..265;
    pub(crate) const PREFIX: Range<usize> = 345..500;
}

/// Why an archive cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Something is there already.
    #[error("failed to write the archive `{}`: the path exists, and nothing is overwritten", .0.display())]
    Exists(PathBuf),
    /// The archive cannot be written.
    #[error("failed to write the archive `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The bundle's manifest cannot be read.
    #[error("failed to read the bundle's manifest")]
    Manifest(#[source] ManifestError),
    /// A file of the bundle cannot be read.
    #[error("failed to read `{path}` of the bundle")]
    File {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file does not fit into the format.
    #[error(
        "failed to put `{0}` into the archive: its name is not allowed, it has 8 GiB or more, or the bundle is dated before 1970"
    )]
    Form(String),
}

/// Writes the archive of a bundle's folder to `archive`, whole or not at all.
///
/// # Errors
/// [`ArchiveError`] when the path exists, a file is a link, changed its length or cannot be read, or the archive cannot be written.
pub fn write(bundle: &Path, archive: &Path) -> Result<(), ArchiveError> {
    if fs::symlink_metadata(archive).is_ok() {
        return Err(ArchiveError::Exists(archive.to_owned()));
    }
    let place = |e| ArchiveError::Write(archive.to_owned(), e);
    let part = beside(archive).map_err(place)?;
    let written = write_part(bundle, &part, &place).and_then(|()| {
        rename_new(&part, archive).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => ArchiveError::Exists(archive.to_owned()),
            _ => place(e),
        })
    });
    if written.is_err() {
        let _gone_or_never_there = fs::remove_file(&part);
    }
    written.and_then(|()| sync_parent(archive).map_err(place))
}

fn write_part(bundle: &Path, part: &Path, place: &impl Fn(io::Error) -> ArchiveError) -> Result<(), ArchiveError> {
    let folder = Folder::at(bundle).map_err(|source| ArchiveError::File { path: ".".to_owned(), source })?;
    let manifest = read_manifest(&folder)?;
    let mut out = BufWriter::new(create_new(part, 0o600).map_err(place)?);
    for path in order(bundle, &manifest) {
        append(&mut out, &folder, path, manifest.about.created.as_second(), place)?;
    }
    let end = [0; BLOCK];
    (0..END_BLOCKS).try_for_each(|_| out.write_all(&end)).map_err(place)?;
    out.into_inner().map_err(|e| place(e.into_error()))?.sync_all().map_err(place)
}

fn read_manifest(bundle: &Folder) -> Result<Manifest, ArchiveError> {
    let mut bytes = Vec::new();
    let read = bundle.read(MANIFEST).and_then(|file| file.take(MANIFEST_MAX).read_to_end(&mut bytes));
    read.map_err(|source| ArchiveError::File { path: MANIFEST.to_owned(), source })?;
    Manifest::parse(&bytes).map_err(ArchiveError::Manifest)
}

fn order<'a>(bundle: &Path, manifest: &'a Manifest) -> Vec<&'a str> {
    let mut order = vec![MANIFEST, MANIFEST_SIGNATURE];
    if bundle.join(ANCHOR).exists() {
        order.extend([ANCHOR, ANCHOR_SIGNATURE]);
    }
    order.extend(manifest.files.iter().map(|file| file.path.as_str()));
    order
}

fn append(
    out: &mut dyn Write,
    bundle: &Folder,
    path: &str,
    created: i64,
    place: &impl Fn(io::Error) -> ArchiveError,
) -> Result<(), ArchiveError> {
    names::check(path).map_err(|_| ArchiveError::Form(path.escape_debug().to_string()))?;
    let failed = |source| ArchiveError::File { path: path.to_owned(), source };
    let file = bundle.read(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let header = header(path, bytes, created).ok_or_else(|| ArchiveError::Form(path.to_owned()))?;
    out.write_all(&header).map_err(place)?;
    let (_, copied) = copy_hashed(file.take(bytes), out).map_err(failed)?;
    if copied != bytes {
        return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read")));
    }
    out.write_all(&[0; BLOCK][..padding(bytes)]).map_err(place)
}

/// How many zero bytes follow a content of this length.
pub(crate) fn padding(bytes: u64) -> usize {
    usize::try_from(bytes.next_multiple_of(BLOCK_BYTES) - bytes).unwrap_or(0)
}

/// The one header for a file; none when name, length or time do not fit.
pub(crate) fn header(path: &str, bytes: u64, time: i64) -> Option<[u8; BLOCK]> {
    let (prefix, name) = split(path)?;
    let time = u64::try_from(time).ok()?;
    if bytes > FILE_BYTES_MAX || time > FILE_BYTES_MAX {
        return None;
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(field::NAME.start, name.as_bytes());
    put(field::MODE.start, b"0000644");
    put(field::OWNER.start, b"0000000");
    put(field::GROUP.start, b"0000000");
    put(field::BYTES.start, format!("{bytes:011o}").as_bytes());
    put(field::TIME.start, format!("{time:011o}").as_bytes());
    put(field::SUM.start, b"        ");
    put(field::KIND, b"0");
    put(field::MAGIC.start, b"ustar\x0000");
    put(field::PREFIX.start, prefix.as_bytes());
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[field::SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

/// Splits a path into ustar's prefix and name, at the first slash that leaves a name that fits.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= field::NAME.len() {
        return Some(("", path));
    }
    let (at, _) = path.match_indices('/').find(|(at, _)| path.len() - at - 1 <= field::NAME.len())?;
    (at <= field::PREFIX.len()).then(|| (&path[..at], &path[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_allowed_fits() {
        let part = "x".repeat(names::PART_MAX);
        let longest = format!("{}/{part}", "y".repeat(names::PATH_MAX - names::PART_MAX - 1));
        for path in ["a", &part, &longest, &format!("a/b/{part}"), &format!("{part}/b/c")] {
            assert_eq!(names::check(path), Ok(()), "{path}");
            assert!(header(path, 0, 0).is_some(), "{path}");
        }
    }

    #[test]
    fn what_does_not_fit_has_no_header() {
        assert!(header("a", FILE_BYTES_MAX, 0).is_some());
        assert!(header("a", FILE_BYTES_MAX + 1, 0).is_none());
        assert!(header("a", 0, -1).is_none());
    }

    #[test]
    fn padding_fills_the_block() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}

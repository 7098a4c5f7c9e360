//! Reads an archive that somebody else may have written.
//!
//! Owns the strict form: a header is right only if it is the one that [`crate::archive`] writes for its name, length and time.
//! At the first place that is not, reading stops, so no two readers can see two different archives. Only the index is in memory.

use super::Limits;
use super::place::Contents;
use super::problem::{Fault, Problems};
use crate::archive::{BLOCK, BLOCK_BYTES, END_BLOCKS, field, header, padding};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A bundle that is an archive.
pub(super) struct Tar {
    file: File,
    /// Where each file's content begins, bytes.
    begins: BTreeMap<String, u64>,
    /// The time of the first header, seconds since 1970.
    pub(super) time: Option<i64>,
    pub(super) contents: Contents,
}

impl Tar {
    pub(super) fn open(path: &Path, name: &str, limits: &Limits, problems: &mut Problems) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut tar = Self { file, begins: BTreeMap::new(), time: None, contents: Contents::default() };
        tar.index(length, name, limits, problems)?;
        Ok(tar)
    }

    pub(super) fn read(&self, path: &str) -> io::Result<Section<'_>> {
        let found = self.begins.get(path).zip(self.contents.files.get(path));
        let (at, bytes) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(Section { file: &self.file, at: *at, end: at + bytes })
    }

    fn index(&mut self, length: u64, bundle: &str, limits: &Limits, problems: &mut Problems) -> io::Result<()> {
        let mut at = 0;
        let mut last = bundle.to_owned();
        loop {
            if length - at < BLOCK_BYTES {
                problems.add(&last, Fault::Truncated);
                return Ok(());
            }
            let mut block = [0; BLOCK];
            self.file.read_exact_at(&mut block, at)?;
            at += BLOCK_BYTES;
            if block == [0; BLOCK] {
                return self.check_end(at, length, bundle, problems);
            }
            if !self.contents.has_room(limits, bundle, problems) {
                return Ok(());
            }
            let Some(next) = self.take(&block, at, length, bundle, problems)? else { return Ok(()) };
            (last, at) = next;
        }
    }

    /// Takes one file; gives its name and where the next header is, none when reading must stop.
    fn take(
        &mut self,
        block: &[u8; BLOCK],
        at: u64,
        length: u64,
        bundle: &str,
        problems: &mut Problems,
    ) -> io::Result<Option<(String, u64)>> {
        let entry = match Entry::read(block) {
            Ok(entry) => entry,
            Err((path, fault)) => {
                problems.add(if path.is_empty() { bundle } else { &path }, fault);
                return Ok(None);
            }
        };
        if *self.time.get_or_insert(entry.time) != entry.time {
            problems.add(&entry.path, Fault::Time);
        }
        let end = at + entry.bytes.next_multiple_of(BLOCK_BYTES);
        if end > length {
            problems.add(&entry.path, Fault::Truncated);
            return Ok(None);
        }
        let mut rest = [0; BLOCK];
        let rest = &mut rest[..padding(entry.bytes)];
        self.file.read_exact_at(rest, at + entry.bytes)?;
        if rest.iter().any(|b| *b != 0) {
            problems.add(&entry.path, Fault::Padding);
        }
        if self.begins.contains_key(&entry.path) {
            problems.add(&entry.path, Fault::Twice);
            return Ok(Some((entry.path, end)));
        }
        self.begins.insert(entry.path.clone(), at);
        self.contents.files.insert(entry.path.clone(), entry.bytes);
        self.contents.folders.extend(crate::names::folders(&entry.path).map(str::to_owned));
        Ok(Some((entry.path, end)))
    }

    /// The first of the end's blocks was read.
    fn check_end(&self, mut at: u64, length: u64, bundle: &str, problems: &mut Problems) -> io::Result<()> {
        let wanted = at + (END_BLOCKS - 1) * BLOCK_BYTES;
        if length < wanted {
            problems.add(bundle, Fault::Truncated);
            return Ok(());
        }
        let mut block = [0; BLOCK];
        while at < wanted {
            self.file.read_exact_at(&mut block, at)?;
            if block != [0; BLOCK] {
                problems.add(bundle, Fault::Trailing);
                return Ok(());
            }
            at += BLOCK_BYTES;
        }
        if length > wanted {
            problems.add(bundle, Fault::Trailing);
        }
        Ok(())
    }
}

struct Entry {
    path: String,
    bytes: u64,
    time: i64,
}

impl Entry {
    /// Reads a header, or says which name has what fault.
    fn read(block: &[u8; BLOCK]) -> Result<Self, (String, Fault)> {
        let path = path(block);
        match block[field::KIND] {
            b'0' => {}
            b'1' | b'2' => return Err((path, Fault::Link)),
            b'3' | b'4' | b'6' => return Err((path, Fault::Special)),
            _ => return Err((path, Fault::Header)),
        }
        if let Err(error) = crate::names::check(&path) {
            return Err((path, Fault::Name(error)));
        }
        let numbers = octal(block, field::BYTES).zip(octal(block, field::TIME));
        let Some((bytes, time)) = numbers.and_then(|(bytes, time)| Some((bytes, i64::try_from(time).ok()?))) else {
            return Err((path, Fault::Header));
        };
        if header(&path, bytes, time).as_ref() == Some(block) {
            Ok(Self { path, bytes, time })
        } else {
            Err((path, Fault::Header))
        }
    }
}

fn path(block: &[u8; BLOCK]) -> String {
    let text = |range: Range<usize>| {
        let field = &block[range];
        let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).into_owned()
    };
    let (prefix, name) = (text(field::PREFIX), text(field::NAME));
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

/// Eleven octal digits and a zero byte.
fn octal(block: &[u8; BLOCK], range: Range<usize>) -> Option<u64> {
    let digits = block[range].strip_suffix(b"\0")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

/// Part of a file, read without moving the file's own place.
pub(super) struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

//! The SHA-256 of some content, as a type, and the reader that computes it on the way.
//!
//! Owns the one text form: 64 lower-case hexadecimal digits. Never opens a file.

use aws_lc_rs::digest::{Context, SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

/// How much is moved at once when content is copied, bytes.
const CHUNK: usize = 64 * 1024;

/// The SHA-256 of some content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// A text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read a SHA-256: 64 lower-case hexadecimal digits are wanted")]
pub struct NotASha256;

impl Sha256 {
    /// Wraps a hash that was computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Hashes some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_digest(digest(&SHA256, bytes).as_ref())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn from_digest(digest: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest);
        Self(bytes)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&audit_record::hex(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = NotASha256;

    fn from_str(text: &str) -> Result<Self, NotASha256> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotASha256);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, NotASha256> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NotASha256),
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes and counts what is read through it.
pub(crate) struct HashingReader<R> {
    inner: R,
    context: Context,
    bytes: u64,
}

impl<R: Read> HashingReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, context: Context::new(&SHA256), bytes: 0 }
    }

    /// What was read so far: its hash and its length in bytes.
    pub(crate) fn finish(self) -> (Sha256, u64) {
        (Sha256::from_digest(self.context.finish().as_ref()), self.bytes)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Hashes and counts what is written through it.
pub(crate) struct HashingWriter<W> {
    inner: W,
    context: Context,
    bytes: u64,
}

impl<W: Write> HashingWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, context: Context::new(&SHA256), bytes: 0 }
    }

    /// The writer beneath, and what was written so far: its hash and its length in bytes.
    pub(crate) fn finish(self) -> (W, (Sha256, u64)) {
        (self.inner, (Sha256::from_digest(self.context.finish().as_ref()), self.bytes))
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.context.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Copies to the end in bounded memory; returns the content's hash and its length in bytes.
pub(crate) fn copy_hashed(from: impl Read, to: &mut dyn Write) -> io::Result<(Sha256, u64)> {
    let mut from = HashingReader::new(from);
    copy(&mut from, to)?;
    Ok(from.finish())
}

/// Copies to the end in bounded memory.
pub(crate) fn copy(mut from: impl Read, to: &mut dyn Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&chunk[..count])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_hash_of_abc_is_the_published_one() {
        assert_eq!(Sha256::of(b"abc").to_string(), OF_ABC);
    }

    #[test]
    fn only_one_text_form_is_read() {
        assert_eq!(OF_ABC.parse(), Ok(Sha256::of(b"abc")));
        for wrong in [&OF_ABC[1..], &OF_ABC.to_uppercase(), &format!("{OF_ABC}0"), &OF_ABC.replace('b', "g"), ""] {
            assert_eq!(wrong.parse::<Sha256>(), Err(NotASha256), "{wrong}");
        }
    }

    #[test]
    fn a_copy_is_hashed_and_counted() {
        let mut copied = Vec::new();
        let content = vec![7; CHUNK + 1];
        assert_eq!(copy_hashed(&content[..], &mut copied).unwrap(), (Sha256::of(&content), CHUNK as u64 + 1));
        assert_eq!(copied, content);
    }
}

//! The digest of what the agent sent to the screen, computed so that the agent's own log gives the same one.
//!
//! The agent writes to its log file the buffers that it sends; the log's later path through `script` and CloudWatch changes
//! line ends only. So carriage returns and line feeds are left out of the hash (canonical form), and everything else is in:
//! also the marks of the remote script. Checkpoints every 64 KiB of canonical bytes show where a log was cut or edited.
//! Source: amazon-ssm-agent `session/shell/shell.go` (the buffer that is sent is the buffer that is logged).

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::io::BufWriter;

/// Canonical bytes between two checkpoints.
pub const CHECKPOINT_EVERY: u64 = 64 * 1024;

/// Checkpoints kept in one record; beyond, every second one is dropped and the distance doubles, so that a record stays small.
const MAX_CHECKPOINTS: usize = 64;

/// Bytes of JSON that are hashed at once.
const PIECE: usize = 1024;

/// The digest of the first `offset` canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Canonical bytes hashed so far.
    pub offset: u64,
    /// SHA-256 of those bytes, hexadecimal.
    pub sha256: String,
}

/// A running digest over the output of one session.
#[derive(Clone)]
pub struct OutputDigest {
    context: Context,
    canonical_bytes: u64,
    distance: u64,
    checkpoints: Vec<Checkpoint>,
}

impl Default for OutputDigest {
    fn default() -> Self {
        Self { context: Context::new(&SHA256), canonical_bytes: 0, distance: CHECKPOINT_EVERY, checkpoints: Vec::new() }
    }
}

impl OutputDigest {
    /// Adds bytes in the order in which the agent sent them.
    pub fn update(&mut self, bytes: &[u8]) {
        for run in bytes.split(|b| matches!(b, b'\r' | b'\n')).filter(|run| !run.is_empty()) {
            self.update_run(run);
        }
    }

    /// Canonical bytes seen so far.
    pub fn canonical_bytes(&self) -> u64 {
        self.canonical_bytes
    }

    /// SHA-256 of everything so far, hexadecimal.
    pub fn sha256(&self) -> String {
        hex(self.context.clone().finish().as_ref())
    }

    /// The checkpoints so far, oldest first.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    fn update_run(&mut self, mut run: &[u8]) {
        while !run.is_empty() {
            let to_checkpoint = self.distance - self.canonical_bytes % self.distance;
            let take = run.len().min(usize::try_from(to_checkpoint).unwrap_or(usize::MAX));
            let (now, later) = run.split_at(take);
            self.context.update(now);
            self.canonical_bytes += now.len() as u64;
            if self.canonical_bytes.is_multiple_of(self.distance) {
                self.checkpoint();
            }
            run = later;
        }
    }

    fn checkpoint(&mut self) {
        self.checkpoints.push(Checkpoint { offset: self.canonical_bytes, sha256: self.sha256() });
        if self.checkpoints.len() > MAX_CHECKPOINTS {
            self.distance *= 2;
            let distance = self.distance;
            self.checkpoints.retain(|checkpoint| checkpoint.offset.is_multiple_of(distance));
        }
    }
}

/// SHA-256 of some bytes, lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

/// SHA-256 of a value's JSON, lower-case hexadecimal; the JSON is never whole in memory.
///
/// # Errors
/// When the value cannot be put into JSON.
pub fn sha256_hex_of_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    // JSON is written in pieces of a few bytes, which would each cost more than their hashing.
    let mut hashed = BufWriter::with_capacity(PIECE, Hashed(Context::new(&SHA256)));
    serde_json::to_writer(&mut hashed, value)?;
    let hashed = hashed.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
    Ok(hex(hashed.0.finish().as_ref()))
}

/// Hashes what is written to it.
struct Hashed(Context);

impl std::io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_empty_digest_is_that_of_no_bytes() {
        assert_eq!(OutputDigest::default().sha256(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_value_has_the_digest_of_its_json() {
        let value = serde_json::json!({"a": [1, "\u{e9}"], "b": null});
        assert_eq!(sha256_hex_of_json(&value).unwrap(), sha256_hex(value.to_string().as_bytes()));
    }

    #[test]
    fn line_ends_do_not_count() {
        let mut sent = OutputDigest::default();
        sent.update(b"one\r\ntwo\r\n");
        let mut logged = OutputDigest::default();
        logged.update(b"one\ntwo\n\n");
        assert_eq!(sent.sha256(), logged.sha256());
        assert_eq!(sent.canonical_bytes(), 6);
    }

    #[test]
    fn a_record_stays_small_however_long_the_session() {
        let mut digest = OutputDigest::default();
        for _ in 0..200 {
            digest.update(&vec![b'x'; usize::try_from(CHECKPOINT_EVERY).unwrap()]);
        }
        assert!(digest.checkpoints().len() <= MAX_CHECKPOINTS);
        assert!(digest.checkpoints().windows(2).all(|pair| pair[0].offset < pair[1].offset));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..200_000), cut in 1usize..70_000) {
            let mut whole = OutputDigest::default();
            whole.update(&bytes);
            let mut pieces = OutputDigest::default();
            bytes.chunks(cut).for_each(|piece| pieces.update(piece));
            prop_assert_eq!(whole.sha256(), pieces.sha256());
            prop_assert_eq!(whole.checkpoints(), pieces.checkpoints());
        }
    }
}

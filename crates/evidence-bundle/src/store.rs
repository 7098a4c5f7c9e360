//! The evidence itself, kept by the hash of its content.
//!
//! Owns the port: put what is not there, get what is and prove it, list all. Nothing is ever replaced or removed, so the port
//! fits Object Lock. Calls block; a store over a network runs on a thread that may wait.

mod folder;
mod memory;

pub use folder::{Compression, FolderStore};
pub use memory::{FailingStore, MemoryStore};

use crate::hash::Sha256;
use std::io::{self, Read, Write};

/// Why evidence cannot be put or got.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not there, though something refers to it.
    #[error("failed to find the evidence {0}: it is gone from the store; look for it in the store's backups")]
    Gone(Sha256),
    /// What is there is something else.
    #[error(
        "failed to read the evidence {0}: what the store holds under this hash is something else; keep it, and look for the true one in the store's backups"
    )]
    Corrupt(Sha256),
    /// It is larger than the caller takes.
    #[error("failed to read the evidence {sha256}: it has more than {limit} bytes")]
    TooLarge {
        /// The evidence.
        sha256: Sha256,
        /// The caller's limit, bytes.
        limit: u64,
    },
    /// The content to be put cannot be read.
    #[error("failed to read the content that is to be stored")]
    Content(#[source] io::Error),
    /// What was got cannot be handed over.
    #[error("failed to write the evidence {0} to where it should go")]
    Output(Sha256, #[source] io::Error),
    /// The store cannot be used.
    #[error("failed to {act} in the evidence store `{place}`")]
    Store {
        /// What was tried.
        act: &'static str,
        /// The store, or the place in it.
        place: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// What became of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// The content's hash: its address from now on.
    pub sha256: Sha256,
    /// The content's length, bytes.
    pub bytes: u64,
    /// Whether it was not there before.
    pub new: bool,
}

/// Keeps evidence by the hash of its content.
pub trait EvidenceStore: Send + Sync {
    /// Stores a content, durably, unless it is there already; then what is there is checked.
    ///
    /// # Errors
    /// [`StoreError`] when the content cannot be read, what is there is corrupt, or the store cannot be used.
    fn put(&self, content: &mut dyn Read) -> Result<Put, StoreError>;

    /// Writes a content of at most `limit` bytes to `to`; gives its length in bytes. What was written counts only when this is Ok.
    ///
    /// # Errors
    /// [`StoreError::Gone`], [`StoreError::Corrupt`], [`StoreError::TooLarge`], or that either side cannot be used.
    fn copy(&self, sha256: &Sha256, limit: u64, to: &mut dyn Write) -> Result<u64, StoreError>;

    /// Lists all hashes in ascending order, as they are met.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used; each item can fail by itself.
    fn hashes(&self) -> Result<Hashes<'_>, StoreError>;

    /// Gets a content of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`EvidenceStore::copy`].
    fn get(&self, sha256: &Sha256, limit: u64) -> Result<Vec<u8>, StoreError> {
        let mut content = Vec::new();
        self.copy(sha256, limit, &mut content)?;
        Ok(content)
    }
}

/// The hashes of a store, ascending.
pub type Hashes<'a> = Box<dyn Iterator<Item = Result<Sha256, StoreError>> + 'a>;

/// Copies what a store found under a hash, and proves it on the way.
fn copy_proved(sha256: &Sha256, limit: u64, found: &mut dyn Read, to: &mut dyn Write) -> Result<u64, StoreError> {
    let mut hashing = crate::hash::HashingReader::new(found.take(limit.saturating_add(1)));
    let mut chunk = vec![0; 64 * 1024];
    let mut left = limit;
    loop {
        let count = match hashing.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(read_error(sha256, e)),
        };
        left = left.checked_sub(count as u64).ok_or(StoreError::TooLarge { sha256: *sha256, limit })?;
        to.write_all(&chunk[..count]).map_err(|e| StoreError::Output(*sha256, e))?;
    }
    let (found, bytes) = hashing.finish();
    if found == *sha256 { Ok(bytes) } else { Err(StoreError::Corrupt(*sha256)) }
}

/// A broken compression is a changed content; anything else is the store's trouble.
fn read_error(sha256: &Sha256, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => StoreError::Corrupt(*sha256),
        _ => StoreError::Store { act: "read", place: sha256.to_string(), source: error },
    }
}

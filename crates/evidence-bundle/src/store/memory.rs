//! The store's fake, and its twin that fails.
//!
//! Owns no file. For the tests of whoever uses a store: the same suite runs on these and on a real one.

use super::{EvidenceStore, Hashes, Put, StoreError, copy_proved};
use crate::hash::Sha256;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store that is gone with its process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<Sha256, Vec<u8>>>);

impl MemoryStore {
    /// Puts something else under a hash, as a broken disk would.
    pub fn corrupt(&self, sha256: &Sha256, content: &[u8]) {
        self.lock().insert(*sha256, content.to_vec());
    }

    /// Forgets a content, as a deleting hand would.
    pub fn lose(&self, sha256: &Sha256) {
        self.lock().remove(sha256);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sha256, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EvidenceStore for MemoryStore {
    fn put(&self, content: &mut dyn Read) -> Result<Put, StoreError> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(StoreError::Content)?;
        let (sha256, length) = (Sha256::of(&bytes), bytes.len() as u64);
        let mut contents = self.lock();
        let new = match contents.get(&sha256) {
            Some(there) if Sha256::of(there) != sha256 => return Err(StoreError::Corrupt(sha256)),
            there => there.is_none(),
        };
        contents.insert(sha256, bytes);
        Ok(Put { sha256, bytes: length, new })
    }

    fn copy(&self, sha256: &Sha256, limit: u64, to: &mut dyn Write) -> Result<u64, StoreError> {
        let content = self.lock().get(sha256).cloned().ok_or(StoreError::Gone(*sha256))?;
        copy_proved(sha256, limit, &mut content.as_slice(), to)
    }

    fn hashes(&self) -> Result<Hashes<'_>, StoreError> {
        let hashes: Vec<_> = self.lock().keys().copied().map(Ok).collect();
        Ok(Box::new(hashes.into_iter()))
    }
}

/// A store whose calls fail from the one given on.
#[derive(Debug)]
pub struct FailingStore<S> {
    inner: S,
    good: u64,
    calls: AtomicU64,
}

impl<S> FailingStore<S> {
    /// Lets `good` calls through and fails all others.
    pub const fn after(good: u64, inner: S) -> Self {
        Self { inner, good, calls: AtomicU64::new(0) }
    }

    /// The store behind.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn pass(&self, act: &'static str) -> Result<&S, StoreError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.good {
            return Ok(&self.inner);
        }
        let source = io::Error::other("the failing store fails");
        Err(StoreError::Store { act, place: "memory".to_owned(), source })
    }
}

impl<S: EvidenceStore> EvidenceStore for FailingStore<S> {
    fn put(&self, content: &mut dyn Read) -> Result<Put, StoreError> {
        self.pass("write")?.put(content)
    }

    fn copy(&self, sha256: &Sha256, limit: u64, to: &mut dyn Write) -> Result<u64, StoreError> {
        self.pass("read")?.copy(sha256, limit, to)
    }

    fn hashes(&self) -> Result<Hashes<'_>, StoreError> {
        self.pass("list")?.hashes()
    }
}

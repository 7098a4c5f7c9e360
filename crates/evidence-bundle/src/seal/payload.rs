//! The payload of a sealed file: chunks, each with its number and whether it is the last in its nonce (STREAM).

use super::{FileKey, derive};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;

/// The plaintext of each chunk but the last, bytes.
pub(super) const CHUNK: usize = 64 << 10;

/// What the encryption adds to each chunk, bytes.
pub(super) const TAG: usize = 16;

/// Which key is derived.
pub(super) const INFO: &str = "payload";

/// Encrypts chunks in their order.
pub(super) struct Payload {
    key: LessSafeKey,
    /// How many chunks were encrypted.
    count: u64,
}

impl Payload {
    pub(super) fn begin(file_key: &FileKey, nonce: &[u8; 16]) -> Result<Self, Unspecified> {
        let key = derive(file_key.as_ref(), nonce, INFO)?;
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.as_ref())?), count: 0 })
    }

    /// Encrypts a chunk where it is, and appends its tag.
    pub(super) fn encrypt(&mut self, chunk: &mut Vec<u8>, last: bool) -> Result<(), Unspecified> {
        self.key.seal_in_place_append_tag(nonce(self.count, last), Aad::empty(), chunk)?;
        self.count = self.count.checked_add(1).ok_or(Unspecified)?;
        Ok(())
    }
}

/// The chunk's number in eleven bytes, big-endian, and 1 for the last chunk.
pub(super) fn nonce(count: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&count.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

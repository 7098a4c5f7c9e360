//! AES-256-GCM of a session whose cluster has a KMS key.
//!
//! Owns the split of the data key, the nonces and the wire form `nonce(12) ‖ ciphertext ‖ tag(16)`.
//! Never talks to KMS. One cipher lives as long as the session: a reconnect must not restart its
//! nonces. Source: amazon-ssm-agent `session/crypto/blockcipher.go`.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use bytes::Bytes;
use zeroize::Zeroizing;

/// Bytes of a KMS data key.
pub const DATA_KEY_LEN: usize = 64;
/// Bytes that sealing adds.
pub const OVERHEAD: usize = NONCE_LEN + MAX_TAG_LEN;

const HALF: usize = DATA_KEY_LEN / 2;

/// The plaintext of a KMS data key; wiped when dropped.
pub struct DataKey(Zeroizing<[u8; DATA_KEY_LEN]>);

impl DataKey {
    /// Takes the 64 bytes over; the caller wipes its own copy.
    pub fn new(bytes: [u8; DATA_KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies the key out of a KMS answer; `None` when it has another length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// Why sealed bytes could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Shorter than nonce and tag.
    #[error("sealed payload of {len} bytes is too short")]
    TooShort {
        /// Bytes received.
        len: usize,
    },
    /// The tag does not match: another key, or changed bytes.
    #[error("sealed payload does not authenticate")]
    Forged,
}

/// Both directions' keys and the next nonce.
pub struct SessionCipher {
    seal: LessSafeKey,
    open: LessSafeKey,
    next_nonce: u128,
}

impl fmt::Debug for SessionCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCipher(..)")
    }
}

impl SessionCipher {
    /// The client's cipher: it seals with bytes 32 to 63 and opens with bytes 0 to 31.
    /// `first_nonce` must be random.
    pub fn client(key: &DataKey, first_nonce: [u8; NONCE_LEN]) -> Self {
        Self::new(&key.0[HALF..], &key.0[..HALF], first_nonce)
    }

    /// The agent's cipher, the client's counterpart.
    pub fn agent(key: &DataKey, first_nonce: [u8; NONCE_LEN]) -> Self {
        Self::new(&key.0[..HALF], &key.0[HALF..], first_nonce)
    }

    fn new(seal: &[u8], open: &[u8], first_nonce: [u8; NONCE_LEN]) -> Self {
        let mut wide = [0; 16];
        wide[..NONCE_LEN].copy_from_slice(&first_nonce);
        Self { seal: expand(seal), open: expand(open), next_nonce: u128::from_le_bytes(wide) }
    }

    /// Encrypts under the next nonce.
    ///
    /// # Panics
    /// With 64 GiB or more, which no message holds.
    pub fn seal(&mut self, plaintext: &[u8]) -> Bytes {
        let nonce = self.take_nonce();
        let mut out = Vec::with_capacity(plaintext.len() + OVERHEAD);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .seal
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut out[NONCE_LEN..])
            .expect("a message is far below the cipher's limit");
        out.extend_from_slice(tag.as_ref());
        out.into()
    }

    /// Decrypts what the other end sealed.
    ///
    /// # Errors
    /// When the bytes are too short or do not authenticate.
    pub fn open(&self, sealed: &[u8]) -> Result<Bytes, CipherError> {
        if sealed.len() < OVERHEAD {
            return Err(CipherError::TooShort { len: sealed.len() });
        }
        let (nonce, rest) = sealed.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CipherError::Forged)?;
        let mut buffer = rest.to_vec();
        let opened = self.open.open_in_place(nonce, Aad::empty(), &mut buffer).map_err(|_| CipherError::Forged)?;
        let plaintext_len = opened.len();
        buffer.truncate(plaintext_len);
        Ok(buffer.into())
    }

    /// 96 bits, little-endian, plus one each time: never twice the same under one key.
    fn take_nonce(&mut self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&self.next_nonce.to_le_bytes()[..NONCE_LEN]);
        self.next_nonce = self.next_nonce.wrapping_add(1);
        nonce
    }
}

fn expand(half: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, half).expect("half a data key is an aes-256 key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (SessionCipher, SessionCipher) {
        let key = DataKey::new(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        (SessionCipher::client(&key, [0xff; 12]), SessionCipher::agent(&key, [7; 12]))
    }

    #[test]
    fn each_end_opens_what_the_other_sealed() {
        let (mut client, mut agent) = pair();
        assert_eq!(&agent.open(&client.seal(b"ls")).unwrap()[..], b"ls");
        assert_eq!(&client.open(&agent.seal(b"")).unwrap()[..], b"");
    }

    #[test]
    fn directions_have_different_keys() {
        let (mut client, _) = pair();
        let sealed = client.seal(b"ls");
        assert_eq!(client.open(&sealed), Err(CipherError::Forged));
    }

    #[test]
    fn nonces_never_repeat_when_the_counter_wraps() {
        let (mut client, _) = pair();
        let nonces: std::collections::BTreeSet<_> = (0..100).map(|_| client.seal(b"x")[..12].to_vec()).collect();
        assert_eq!(nonces.len(), 100);
        assert!(nonces.contains(&[0; 12][..]));
    }

    #[test]
    fn short_and_changed_bytes_are_refused() {
        let (mut client, agent) = pair();
        assert_eq!(agent.open(&[0; 27]), Err(CipherError::TooShort { len: 27 }));
        let mut changed = client.seal(b"ls").to_vec();
        changed[13] ^= 1;
        assert_eq!(agent.open(&changed), Err(CipherError::Forged));
    }
}

//! Opens sealed files as strictly as the form asks for, for tests alone.

use super::super::header::{END, MAC_INFO, STANZA, VERSION, WRAP_INFO};
use super::super::payload::{INFO, nonce};
use super::*;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{UnparsedPublicKey, agree};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// A reader's key pair.
pub(super) struct Identity {
    private: PrivateKey,
    public: [u8; 32],
}

impl Identity {
    /// The key whose private half is 32 times this byte.
    pub(super) fn of(byte: u8) -> Self {
        let private = PrivateKey::from_private_key(&X25519, &[byte; 32]).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().try_into().unwrap();
        Self { private, public }
    }

    pub(super) fn recipient(&self) -> Recipient {
        bech32::text(&self.public).parse().unwrap()
    }

    fn unwrap(&self, share: &[u8], body: Vec<u8>) -> Option<FileKey> {
        let salt = [share, &self.public].concat();
        let peer = UnparsedPublicKey::new(&X25519, share);
        let key = agree(&self.private, peer, Unspecified, |secret| derive(secret, &salt, WRAP_INFO)).ok()?;
        let file_key = opened(&key, Nonce::assume_unique_for_key([0; 12]), body)?;
        Some(Zeroizing::new(file_key.try_into().ok()?))
    }
}

fn opened(key: &[u8; 32], nonce: Nonce, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).ok()?);
    let length = key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// The plaintext of a whole, unchanged file, if the identity is one of its readers'.
pub(super) fn open(file: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let end = file.windows(4).position(|window| window == b"\n---")? + 1;
    let header = end + END.len();
    let line = header + file[header..].iter().position(|byte| *byte == b'\n')?;
    let mac = decoded(str::from_utf8(&file[header..line]).ok()?.strip_prefix(' ')?)?;
    let file_key = stanzas(str::from_utf8(&file[..end]).ok()?, identity)?;
    let key = derive(file_key.as_ref(), &[], MAC_INFO).ok()?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), &file[..header], &mac).ok()?;
    payload(&file[line + 1..], &file_key)
}

fn stanzas(header: &str, identity: &Identity) -> Option<FileKey> {
    let lines: Vec<_> = header.strip_prefix(VERSION)?.strip_suffix('\n')?.split('\n').collect();
    let mut found = None;
    for stanza in lines.chunks(2) {
        let [first, body] = stanza else { return None };
        let (share, body) = (decoded(first.strip_prefix(STANZA)?)?, decoded(body)?);
        found = found.or_else(|| identity.unwrap(&share, body));
    }
    found
}

/// What is written with surplus bits or padding is nothing.
fn decoded(base64: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(base64).ok().filter(|bytes| bytes.len() == 32)
}

fn payload(payload: &[u8], file_key: &FileKey) -> Option<Vec<u8>> {
    let (salt, chunks) = payload.split_at_checked(16)?;
    let key = derive(file_key.as_ref(), salt, INFO).ok()?;
    let chunks: Vec<_> = chunks.chunks(CHUNK + TAG).collect();
    let mut plaintext = Vec::new();
    for (count, chunk) in (0..).zip(&chunks) {
        let last = count + 1 == chunks.len() as u64;
        let chunk = opened(&key, nonce(count, last), chunk.to_vec())?;
        if chunk.is_empty() && count > 0 {
            return None;
        }
        plaintext.extend(chunk);
    }
    (!chunks.is_empty()).then_some(plaintext)
}

//! The keys that sign bundles and anchors.
//!
//! Owns the key files and the text forms of public keys and signatures. Each signature covers a purpose and then the exact
//! bytes, so that none passes for another. The private key is never printed and leaves its file only into memory that is
//! cleared after use.

#[cfg(test)]
mod tests;

use crate::durable::write_new;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// The first word of a public key's line and of a signature's.
const WORD: &str = "audit-bridge-ed25519";

/// The largest key file that is read, bytes: a PKCS#8 v2 Ed25519 key has 83.
const KEY_FILE_MAX: u64 = 4096;

/// What the public key's file is called: the private key's path and this.
const PUBLIC_SUFFIX: &str = ".pub";

/// What a signature is for; its text goes before the signed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The manifest of a bundle.
    Manifest,
    /// The anchor of a bundle.
    Anchor,
    /// A second key's word that it saw a bundle.
    Countersignature,
}

impl Purpose {
    /// The zero byte ends the purpose, so that none is the beginning of another.
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Manifest => b"audit-bridge bundle manifest v1\0",
            Self::Anchor => b"audit-bridge bundle anchor v1\0",
            Self::Countersignature => b"audit-bridge bundle countersignature v1\0",
        }
    }

    fn before(self, bytes: &[u8]) -> Vec<u8> {
        [self.prefix(), bytes].concat()
    }
}

/// Why a key cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system makes no key.
    #[error("failed to draw a new Ed25519 key")]
    Generate,
    /// Something has the key file's name.
    #[error("failed to make the key file `{}`: the path exists, and nothing is overwritten; give another name", .0.display())]
    Exists(PathBuf),
    /// The folder of the key file is not there.
    #[error("failed to make the key file `{}`: its folder is not there; make it first, or give another path", .0.display())]
    NoFolder(PathBuf),
    /// The key file cannot be written.
    #[error("failed to write the key file `{}`", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The key file cannot be read.
    #[error("failed to read the key file `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Others than the owner can use the key file.
    #[error("refused the key file `{}`: its mode is {mode:04o} and others can use it; run `chmod 600` on it, and replace the key if others were here", path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its Unix mode.
        mode: u32,
    },
    /// The file holds no Ed25519 key.
    #[error("failed to use `{}`: it holds no Ed25519 key in PKCS#8 v2 form; `audit-bridge keygen` makes one", .0.display())]
    NotAKey(PathBuf),
    /// A public key was given to sign with.
    #[error("failed to sign with `{}`: that is a public key; give the private key, the file without .pub", .0.display())]
    IsPublic(PathBuf),
    /// A private key was given to check with.
    #[error("refused to check with `{}`: that is a private key; give its .pub, and hand out nothing else", .0.display())]
    IsPrivate(PathBuf),
    /// The file holds no public key.
    #[error("failed to use `{}`: it holds no public key; give the .pub file of the key that signed", .0.display())]
    NoPublicKeyIn(PathBuf),
    /// The text is no public key.
    #[error(
        "failed to read the public key: its line is `audit-bridge-ed25519 <base64> <key id>`, and the key id must be the key's own"
    )]
    NotAPublicKey,
}

/// Names a public key: the first 16 hexadecimal digits of its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// A text that is no key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read a key id: 16 lower-case hexadecimal digits are wanted")]
pub struct NotAKeyId;

impl KeyId {
    fn of(public: &[u8]) -> Self {
        let mut digits = audit_record::sha256_hex(public);
        digits.truncate(16);
        Self(digits)
    }
}

impl TryFrom<String> for KeyId {
    type Error = NotAKeyId;

    fn try_from(text: String) -> Result<Self, NotAKeyId> {
        let fits = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self(text)) } else { Err(NotAKeyId) }
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that proves who signed; its text form is one line, `audit-bridge-ed25519 <base64> <key id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: KeyId,
}

impl PublicKey {
    fn new(bytes: [u8; 32]) -> Self {
        Self { bytes, id: KeyId::of(&bytes) }
    }

    /// Reads a public key's file, at most 4 KiB.
    ///
    /// # Errors
    /// [`KeyError`] when it cannot be read or holds no key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        // It may be a private key that somebody took for the public one.
        let bytes = File::open(path).and_then(key_bytes).map_err(|e| KeyError::Read(path.to_owned(), e))?;
        if Ed25519KeyPair::from_pkcs8(&bytes).is_ok() || is_private_pem(&bytes) {
            return Err(KeyError::IsPrivate(path.to_owned()));
        }
        public_key_in(&bytes).ok_or_else(|| KeyError::NoPublicKeyIn(path.to_owned()))
    }

    /// The key's name.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn verifies(&self, purpose: Purpose, bytes: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(&purpose.before(bytes), signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WORD} {} {}", STANDARD.encode(self.bytes), self.id)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut words = text.split_ascii_whitespace();
        let (Some(WORD), Some(key), Some(id), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return Err(KeyError::NotAPublicKey);
        };
        let bytes = STANDARD.decode(key).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::NotAPublicKey)?;
        let key = Self::new(bytes);
        if key.id.0 == id { Ok(key) } else { Err(KeyError::NotAPublicKey) }
    }
}

/// A key that signs. It has no `Debug` and no text form.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new key: the private half in `path` (PKCS#8 v2, mode 0600), the public half beside it in `path` with `.pub`.
    ///
    /// # Errors
    /// [`KeyError`] when either file exists or cannot be written.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let public_path = public_path(path);
        if fs::symlink_metadata(&public_path).is_ok() {
            return Err(KeyError::Exists(public_path));
        }
        let key = Self::new(Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?)?;
        let private = key.pair.to_pkcs8().map_err(|_| KeyError::Generate)?;
        write_new(path, private.as_ref(), 0o600).map_err(|e| unwritten(path, e))?;
        if let Err(e) = write_new(&public_path, format!("{}\n", key.public).as_bytes(), 0o644) {
            // It was made just above, and nobody has its public half.
            let _removed = fs::remove_file(path);
            return Err(unwritten(&public_path, e));
        }
        Ok(key)
    }

    /// Reads a private key that only its owner can use.
    ///
    /// # Errors
    /// [`KeyError`] when it cannot be read, when its group or anybody else has any right to it, or when it holds no key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let read = |e| KeyError::Read(path.to_owned(), e);
        let file = File::open(path).map_err(read)?;
        let mode = file.metadata().map_err(read)?.mode() & 0o7777;
        let private = key_bytes(file).map_err(read)?;
        if public_key_in(&private).is_some() {
            return Err(KeyError::IsPublic(path.to_owned()));
        }
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        let pair = Ed25519KeyPair::from_pkcs8(&private).map_err(|_| KeyError::NotAKey(path.to_owned()))?;
        Self::new(pair)
    }

    fn new(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Generate)?;
        Ok(Self { pair, public: PublicKey::new(bytes) })
    }

    /// The half that may be handed out.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, purpose: Purpose, bytes: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(&purpose.before(bytes)).as_ref());
        Signature { key_id: self.public.id.clone(), bytes: signature }
    }
}

/// Reads a key's file into memory that is cleared after use.
fn key_bytes(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // All at once, so that no growing buffer leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(KEY_FILE_MAX).unwrap_or(usize::MAX)));
    file.take(KEY_FILE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn public_key_in(bytes: &[u8]) -> Option<PublicKey> {
    str::from_utf8(bytes).ok()?.parse().ok()
}

/// Whether another program's private key is there, in the text form that most of them write.
fn is_private_pem(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN ") && bytes.windows(11).any(|window| window == b"PRIVATE KEY")
}

fn unwritten(path: &Path, error: io::Error) -> KeyError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        io::ErrorKind::NotFound => KeyError::NoFolder(path.to_owned()),
        _ => KeyError::Write(path.to_owned(), error),
    }
}

fn public_path(path: &Path) -> PathBuf {
    let mut public = path.as_os_str().to_owned();
    public.push(PUBLIC_SUFFIX);
    public.into()
}

/// A detached signature; its file is one line, `audit-bridge-ed25519 <key id> <base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) key_id: KeyId,
    pub(crate) bytes: [u8; 64],
}

impl Signature {
    /// The bytes in base64.
    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(self.bytes)
    }

    pub(crate) fn line(&self) -> String {
        format!("{WORD} {} {}\n", self.key_id, self.base64())
    }

    /// Reads a signature's file; only the exact bytes that [`Signature::line`] gives are one.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let text = str::from_utf8(line).ok()?;
        let mut words = text.strip_suffix('\n')?.split(' ').skip(1);
        let key_id = KeyId::try_from(words.next()?.to_owned()).ok()?;
        let signature = Self { key_id, bytes: decode_signature(words.next()?)? };
        (signature.line() == text).then_some(signature)
    }
}

/// The 64 bytes of a signature in base64, if it is one.
pub(crate) fn decode_signature(base64: &str) -> Option<[u8; 64]> {
    STANDARD.decode(base64).ok()?.try_into().ok()
}

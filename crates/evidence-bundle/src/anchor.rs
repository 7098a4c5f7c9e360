//! Where the root of a bundle was put, so that its maker cannot make another one later.
//!
//! Owns the statement that is anchored and the form of `anchor.json`. Talks to no service: it writes down where the statement
//! lies, and checks a second key's signature over it.

use crate::hash::Sha256;
use crate::keys::{KeyId, PublicKey, Purpose, SigningKey, decode_signature};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of the form of `anchor.json`.
pub const FORMAT_VERSION: u32 = 1;

/// What is anchored: it stands for one bundle and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The root over the hashes of the bundle's files.
    pub merkle_root: Sha256,
    /// SHA-256 of the bundle's `manifest.json`.
    pub manifest_sha256: Sha256,
}

impl Statement {
    /// The bytes to put under Object Lock, or to compare with what lies there.
    pub fn to_text(&self) -> String {
        format!("audit-bridge bundle 1\nmerkle_root {}\nmanifest_sha256 {}\n", self.merkle_root, self.manifest_sha256)
    }

    /// Signs the statement with a key that the bundle's maker does not hold.
    pub fn countersign(&self, key: &SigningKey) -> Anchor {
        let signature = key.sign(Purpose::Countersignature, self.to_text().as_bytes());
        Anchor::Countersignature { key_id: key.public().id().clone(), signature: signature.base64() }
    }
}

/// Where a statement was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Anchor {
    /// Its text lies in S3 under Object Lock.
    ObjectLock {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
        /// The object's version: only this one counts.
        version_id: String,
        /// Until when nobody can delete it, UTC.
        retain_until: Timestamp,
    },
    /// A second key signed it.
    Countersignature {
        /// The second key.
        key_id: KeyId,
        /// Its signature over the statement's text, base64.
        signature: String,
    },
}

/// What a countersignature is worth with the keys at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Countersigned {
    Holds,
    Broken,
    KeyNotGiven,
}

impl Statement {
    /// Checks a countersignature against the keys at hand.
    pub(crate) fn check(&self, key_id: &KeyId, signature: &str, keys: &[PublicKey]) -> Countersigned {
        let Some(key) = keys.iter().find(|key| key.id() == key_id) else { return Countersigned::KeyNotGiven };
        let holds = decode_signature(signature)
            .is_some_and(|signature| key.verifies(Purpose::Countersignature, self.to_text().as_bytes(), &signature));
        if holds { Countersigned::Holds } else { Countersigned::Broken }
    }
}

/// The whole of `anchor.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorFile {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What was anchored.
    pub statement: Statement,
    /// Where.
    pub anchors: Vec<Anchor>,
}

/// Why an anchor file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// It is no JSON, or not an anchor's.
    #[error("failed to read the anchor")]
    Json(#[source] serde_json::Error),
    /// A newer program made it.
    #[error("failed to read the anchor: its format version is {0}, and this program reads up to {FORMAT_VERSION}")]
    Newer(u64),
}

#[derive(Deserialize)]
struct Version {
    format_version: u64,
}

impl AnchorFile {
    /// The bytes of `anchor.json`: the same value gives the same bytes.
    ///
    /// # Errors
    /// When the value cannot be put into JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads `anchor.json`.
    ///
    /// # Errors
    /// [`AnchorError`] when it is newer than this program, or no anchor.
    pub fn parse(bytes: &[u8]) -> Result<Self, AnchorError> {
        let version: Version = serde_json::from_slice(bytes).map_err(AnchorError::Json)?;
        if version.format_version > u64::from(FORMAT_VERSION) {
            return Err(AnchorError::Newer(version.format_version));
        }
        serde_json::from_slice(bytes).map_err(AnchorError::Json)
    }
}

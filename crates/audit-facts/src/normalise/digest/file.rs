//! One digest file, its signature, and the keys that AWS publishes for it.
//!
//! The text that is signed: end time, `BUCKET/KEY`, SHA-256 of the unzipped digest, hexadecimal signature of the previous digest
//! (the word `null` for the first of a chain), parted by line feeds, none at the end.
//! Source: CloudTrail user guide, "Custom implementations of CloudTrail log file integrity validation"; ListPublicKeys.

use super::{DigestGrade, DigestHour, ObjectName};
use crate::normalise::Why;
use crate::normalise::fields::{Fields, parse};
use audit_record::sha256_hex;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

/// A digest file as it was read.
#[derive(Debug, Clone)]
pub struct DigestFile<'a> {
    /// Where it was read.
    pub name: ObjectName,
    /// Its content, unzipped.
    pub content: &'a [u8],
    /// The object's metadata `signature`, hexadecimal.
    pub signature: Option<String>,
    /// The object's metadata `signature-algorithm`.
    pub signature_algorithm: Option<String>,
}

/// A public key of ListPublicKeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its fingerprint, by which digests name it.
    pub fingerprint: String,
    /// The key, PKCS #1 DER.
    pub der: Vec<u8>,
    /// Valid from, UTC.
    pub from: Timestamp,
    /// Valid to, UTC.
    pub to: Timestamp,
}

/// Reads a page of ListPublicKeys: the keys, and the token of the next page.
///
/// # Errors
/// [`Why`] for the first key that cannot be read: without it, digests would only seem broken.
pub fn public_keys(page: &[u8]) -> Result<(Vec<PublicKey>, Option<String>), Why> {
    let page = parse(page)?;
    let page = Fields::of(&page)?;
    let keys = page.list("PublicKeyList")?.iter().map(public_key).collect::<Result<_, _>>()?;
    Ok((keys, page.owned("NextToken")?))
}

fn public_key(value: &Value) -> Result<PublicKey, Why> {
    let fields = Fields::of(value)?;
    Ok(PublicKey {
        fingerprint: fields.required("Fingerprint")?.to_owned(),
        der: STANDARD.decode(fields.required("Value")?).map_err(|_| Why::Malformed("Value"))?,
        from: fields.required_time("ValidityStartTime")?,
        to: fields.required_time("ValidityEndTime")?,
    })
}

/// Why a digest is not AWS's.
#[derive(Debug)]
pub(super) enum SignatureError {
    Moved,
    Algorithm,
    Unsigned,
    NoKey(String),
    Invalid,
}

/// The digest before this one, as this one tells it.
#[derive(Debug)]
pub(super) struct Previous {
    pub(super) name: ObjectName,
    pub(super) sha256: String,
    pub(super) signature: String,
}

/// A log file, as the digest tells it.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) name: ObjectName,
    pub(super) sha256: String,
    pub(super) algorithm: String,
}

/// A digest that could be read.
#[derive(Debug)]
pub(super) struct Digest {
    pub(super) name: ObjectName,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) sha256: String,
    pub(super) signature: Option<String>,
    pub(super) previous: Option<Previous>,
    pub(super) files: Vec<NamedFile>,
    /// Whether it was delivered later, to add files to an hour that had its digest.
    pub(super) is_backfill: bool,
    algorithms: [Option<String>; 2],
    says_name: ObjectName,
    fingerprint: String,
    /// As they stand in the file: the signature is over the text.
    end_text: String,
    previous_signature: Option<String>,
}

impl Digest {
    pub(super) fn read(file: &DigestFile<'_>) -> Result<Self, Why> {
        let value = parse(file.content)?;
        let fields = Fields::of(&value)?;
        let (from, to) = (fields.required_time("digestStartTime")?, fields.required_time("digestEndTime")?);
        if from >= to {
            return Err(Why::Malformed("digestStartTime"));
        }
        Ok(Self {
            from,
            to,
            sha256: sha256_hex(file.content),
            signature: file.signature.clone(),
            previous: previous(fields)?,
            files: fields.list("logFiles")?.iter().map(named_file).collect::<Result<_, _>>()?,
            is_backfill: file.name.key.trim_end_matches(".gz").trim_end_matches(".json").ends_with("_backfill"),
            algorithms: [fields.owned("digestSignatureAlgorithm")?, file.signature_algorithm.clone()],
            says_name: ObjectName {
                bucket: fields.required("digestS3Bucket")?.to_owned(),
                key: fields.required("digestS3Object")?.to_owned(),
            },
            fingerprint: fields.required("digestPublicKeyFingerprint")?.to_owned(),
            end_text: fields.required("digestEndTime")?.to_owned(),
            previous_signature: fields.owned("previousDigestSignature")?,
            name: file.name.clone(),
        })
    }

    /// Checks that AWS made it, and for this place.
    pub(super) fn check(&self, keys: &[PublicKey]) -> Result<(), SignatureError> {
        if self.says_name != self.name {
            return Err(SignatureError::Moved);
        }
        if self.algorithms.iter().flatten().any(|algorithm| algorithm != "SHA256withRSA") {
            return Err(SignatureError::Algorithm);
        }
        let signature = self.signature.as_deref().ok_or(SignatureError::Unsigned)?;
        let signature = unhex(signature).ok_or(SignatureError::Invalid)?;
        let fits = |key: &&PublicKey| key.fingerprint == self.fingerprint && key.from <= self.to && key.to >= self.from;
        let key = keys.iter().find(fits).ok_or_else(|| SignatureError::NoKey(self.fingerprint.clone()))?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.der);
        key.verify(self.signed_text().as_bytes(), &signature).map_err(|_| SignatureError::Invalid)
    }

    fn signed_text(&self) -> String {
        let previous = self.previous_signature.as_deref().unwrap_or("null");
        let ObjectName { bucket, key } = &self.says_name;
        format!("{}\n{bucket}/{key}\n{}\n{previous}", self.end_text, self.sha256)
    }

    pub(super) fn hour(&self, grade: DigestGrade) -> DigestHour {
        DigestHour { from: self.from, to: self.to, digest: Some(self.name.clone()), grade }
    }
}

fn previous(digest: Fields<'_>) -> Result<Option<Previous>, Why> {
    let Some(key) = digest.owned("previousDigestS3Object")? else { return Ok(None) };
    Ok(Some(Previous {
        name: ObjectName { bucket: digest.required("previousDigestS3Bucket")?.to_owned(), key },
        sha256: digest.required("previousDigestHashValue")?.to_owned(),
        signature: digest.required("previousDigestSignature")?.to_owned(),
    }))
}

fn named_file(value: &Value) -> Result<NamedFile, Why> {
    let fields = Fields::of(value)?;
    let name = ObjectName {
        bucket: fields.required("logFiles.s3Bucket")?.to_owned(),
        key: fields.required("logFiles.s3Object")?.to_owned(),
    };
    Ok(NamedFile {
        name,
        sha256: fields.required("logFiles.hashValue")?.to_owned(),
        algorithm: fields.required("logFiles.hashAlgorithm")?.to_owned(),
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

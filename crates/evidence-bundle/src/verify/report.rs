//! What the check of a bundle came to.
//!
//! Owns the report and its text. A bundle without problems says who signed it; only an anchor says more than its maker's word.

use super::problem::{Problem, shown};
use crate::anchor::Anchor;
use crate::keys::KeyId;
use crate::manifest::Manifest;
use std::fmt;

/// What the check of a bundle came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The key that signed the manifest; none when the signature does not hold.
    pub signed_by: Option<KeyId>,
    /// The signed manifest; none when the signature does not hold or it cannot be read.
    pub manifest: Option<Manifest>,
    /// How many files are as signed.
    pub files_checked: u64,
    /// Their length together, bytes.
    pub bytes_checked: u64,
    /// Whether anybody but the maker saw the bundle.
    pub anchorage: Anchorage,
    /// All that is wrong, up to a thousand.
    pub problems: Vec<Problem>,
    /// How many problems were left off the list.
    pub problems_left_off: u64,
}

impl Report {
    /// Whether the bundle is as its maker signed it; says nothing about an anchor.
    pub fn holds(&self) -> bool {
        self.signed_by.is_some() && self.manifest.is_some() && self.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.signed_by {
            Some(key) if self.holds() => writeln!(f, "the bundle is as the key {key} signed it")?,
            Some(key) => writeln!(f, "the bundle is NOT as the key {key} signed it")?,
            None => writeln!(f, "the bundle is NOT PROVED: no signature by the given key holds")?,
        }
        writeln!(f, "{} files as signed, {} bytes", self.files_checked, self.bytes_checked)?;
        writeln!(f, "{}", self.anchorage)?;
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        if self.problems_left_off > 0 {
            writeln!(f, "and {} problems more", self.problems_left_off)?;
        }
        Ok(())
    }
}

/// Whether anybody but the maker saw a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchorage {
    /// Nobody did, as far as the bundle shows.
    Unanchored,
    /// The maker says so; the proof lies elsewhere and is to be looked at there.
    Claimed(Vec<Anchor>),
    /// A second key signed it, and the signature holds.
    Anchored {
        /// The second keys.
        by: Vec<KeyId>,
        /// What else the maker says.
        claimed: Vec<Anchor>,
    },
}

impl fmt::Display for Anchorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanchored => f.write_str("UNANCHORED: nothing shows that the maker did not make this bundle anew"),
            Self::Claimed(claimed) => {
                f.write_str("anchor CLAIMED, not proved here")?;
                claimed.iter().try_for_each(|anchor| write_claim(f, anchor))
            }
            Self::Anchored { by, claimed } => {
                f.write_str("anchored: countersigned by")?;
                by.iter().try_for_each(|key| write!(f, " {key}"))?;
                claimed.iter().try_for_each(|anchor| write_claim(f, anchor))
            }
        }
    }
}

fn write_claim(f: &mut fmt::Formatter<'_>, anchor: &Anchor) -> fmt::Result {
    match anchor {
        Anchor::ObjectLock { bucket, key, version_id, retain_until } => write!(
            f,
            "; compare with version `{}` of `s3://{}/{}`, locked until {retain_until}",
            shown(version_id),
            shown(bucket),
            shown(key)
        ),
        Anchor::Countersignature { key_id, .. } => write!(f, "; give the public key {key_id} to check its countersignature"),
    }
}

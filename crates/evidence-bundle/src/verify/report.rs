//! What the check of a bundle came to.
//!
//! Owns the report and its text: the first sentence says what is proved and no more, the second what to do.

use super::problem::{Problem, shown};
use crate::anchor::Anchor;
use crate::hash::Sha256;
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
    /// The SHA-256 of the signed `manifest.json`; none when the signature does not hold.
    pub manifest_sha256: Option<Sha256>,
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

/// First what is proved, then what to do, then each problem.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.signed_by, &self.manifest) {
            (Some(key), Some(manifest)) if self.holds() => self.write_holding(f, key, manifest)?,
            (Some(key), Some(manifest)) => self.write_failing(f, key, manifest)?,
            (Some(key), None) => {
                writeln!(
                    f,
                    "NOT CHECKED: the key {key} signed the manifest, but this program cannot read it, and looked at no file"
                )?;
                f.write_str("To do: rely on nothing in it until the problem below is solved\n")?;
            }
            (None, _) => {
                f.write_str(
                    "NOT PROVED: no signature by the given key holds, so nothing shows who made this or whether it was changed\n",
                )?;
                f.write_str("To do: rely on nothing in it until the problem below is solved\n")?;
            }
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        if self.problems_left_off > 0 {
            writeln!(f, "and {} problems more", self.problems_left_off)?;
        }
        Ok(())
    }
}

impl Report {
    fn write_holding(&self, f: &mut fmt::Formatter<'_>, key: &KeyId, manifest: &Manifest) -> fmt::Result {
        match &self.anchorage {
            Anchorage::Unanchored => {
                f.write_str("HOLDS, UNANCHORED: ")?;
                self.write_files(f, key, manifest)?;
                f.write_str("; nothing shows when, nor that its holder did not sign another bundle in place of this one\n")?;
            }
            Anchorage::Claimed(_) => {
                f.write_str("HOLDS, anchor NOT CHECKED: ")?;
                self.write_files(f, key, manifest)?;
                f.write_str("; that anything else vouches for the bundle is its holder's claim alone\n")?;
            }
            Anchorage::Anchored { by, .. } => {
                f.write_str("HOLDS, ANCHORED: ")?;
                self.write_files(f, key, manifest)?;
                writeln!(f, ", and just this bundle is countersigned by {}", shown_keys(by))?;
            }
        }
        self.write_to_do(f)
    }

    fn write_to_do(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claimed: &[Anchor] = match &self.anchorage {
            Anchorage::Unanchored => {
                f.write_str("To do: if that matters, compare the SHA-256 of manifest.json with one that was kept elsewhere when the bundle was made")?;
                self.manifest_sha256.map_or(Ok(()), |sha256| write!(f, "; it is {sha256}"))?;
                &[]
            }
            Anchorage::Claimed(claimed) => {
                f.write_str("To do: check the claim yourself")?;
                claimed
            }
            Anchorage::Anchored { claimed, .. } => {
                f.write_str("To do: nothing, if each public key came to you from its holder and not with the bundle")?;
                claimed
            }
        };
        claimed.iter().try_for_each(|anchor| write_claim(f, anchor))?;
        f.write_str("\n")
    }

    fn write_failing(&self, f: &mut fmt::Formatter<'_>, key: &KeyId, manifest: &Manifest) -> fmt::Result {
        let is_whole = self.files_checked == manifest.files.len() as u64;
        if is_whole && self.problems_left_off == 0 && self.problems.iter().all(Problem::is_anchors) {
            f.write_str("ANCHOR NOT PROVED: ")?;
            self.write_files(f, key, manifest)?;
            f.write_str(", but the anchor is false, or not the one that was asked for\n")?;
            return f.write_str("To do: treat the bundle as its maker's word alone; each problem says whom to ask\n");
        }
        f.write_str("DOES NOT HOLD: ")?;
        self.write_files(f, key, manifest)?;
        let problems = self.problems.len() as u64 + self.problems_left_off;
        writeln!(f, ", and {problems} {} wrong", if problems == 1 { "thing is" } else { "things are" })?;
        f.write_str("To do: keep this copy as it is, and get the bundle again from its maker or the evidence store\n")
    }

    fn write_files(&self, f: &mut fmt::Formatter<'_>, key: &KeyId, manifest: &Manifest) -> fmt::Result {
        let (checked, listed) = (self.files_checked, manifest.files.len());
        write!(f, "{checked} of {listed} files ({} bytes) are as the key {key} signed them", self.bytes_checked)
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

fn shown_keys(keys: &[KeyId]) -> String {
    let word = if keys.len() == 1 { "the key " } else { "the keys " };
    word.to_owned() + &keys.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", ")
}

fn write_claim(f: &mut fmt::Formatter<'_>, anchor: &Anchor) -> fmt::Result {
    match anchor {
        Anchor::ObjectLock { bucket, key, version_id, retain_until } => write!(
            f,
            "; compare the anchor's text with version `{}` of `s3://{}/{}`, locked until {retain_until}",
            shown(version_id),
            shown(bucket),
            shown(key)
        ),
        Anchor::Countersignature { key_id, .. } => write!(f, "; give the public key {key_id} to check its countersignature"),
    }
}

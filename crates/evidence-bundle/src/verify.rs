//! Checks a bundle offline, with nothing but its maker's public key.
//!
//! Owns the order of the checks: names first, then the signature over the manifest's exact bytes, and only a manifest that is
//! signed is read further. Folders and archives are hostile until proved; memory is bounded by [`Limits`], whatever they hold.
//! A bundle that holds is as its maker signed it; that its maker did not sign two takes an anchor.

mod anchors;
mod candidate;
mod files;
mod folder;
mod place;
mod problem;
mod report;
mod tar;
#[cfg(test)]
mod tests;

pub use candidate::{NoBundle, look_at};
pub(crate) use folder::Folder;
pub use problem::{Fault, Problem};
pub use report::{Anchorage, Report};

use crate::anchor::Statement;
use crate::hash::Sha256;
use crate::keys::{PublicKey, Purpose, Signature};
use crate::manifest::{self, Manifest, ManifestError};
use crate::names::{MANIFEST, MANIFEST_SIGNATURE};
use place::Place;
use problem::Problems;
use std::io::Read as _;
use std::path::Path;

/// The longest signature file, bytes; ours have 127.
const SIGNATURE_MAX: u64 = 1024;

/// How much a check takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most files and folders.
    pub entries: usize,
    /// The deepest folder.
    pub depth: usize,
    /// The largest manifest and the largest anchor, bytes; held in memory.
    pub manifest_bytes: u64,
    /// The largest chained log, bytes; held in memory.
    pub chain_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: manifest::ENTRIES_MAX, depth: 32, manifest_bytes: manifest::MANIFEST_MAX, chain_bytes: 256 << 20 }
    }
}

/// What a check should know and ask for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Second keys whose countersignatures count.
    pub anchor_keys: Vec<PublicKey>,
    /// Whether a bundle without an anchor is a problem: with [`Options::anchor_keys`] one of them must have countersigned, and
    /// nothing else will do; without any, an anchor that is only claimed is enough.
    pub require_anchor: bool,
    /// How much is taken in.
    pub limits: Limits,
}

/// Checks the bundle at `path`, a folder or an archive, against its maker's public key.
pub fn verify(path: &Path, key: &PublicKey, options: &Options) -> Report {
    let mut check = Check { key, options, problems: Problems::default(), bundle: place::bundle_name(path) };
    let mut report = Report {
        signed_by: None,
        manifest: None,
        manifest_sha256: None,
        files_checked: 0,
        bytes_checked: 0,
        anchorage: Anchorage::Unanchored,
        problems: Vec::new(),
        problems_left_off: 0,
    };
    if let Some(place) = Place::open(path, &options.limits, &mut check.problems) {
        // A folder gives its names in no order.
        check.problems.list.sort_by(|a, b| a.file.cmp(&b.file));
        check.run(&place, &mut report);
    }
    report.problems = check.problems.list;
    report.problems_left_off = check.problems.left_off;
    report
}

/// A running check.
struct Check<'a> {
    key: &'a PublicKey,
    options: &'a Options,
    problems: Problems,
    bundle: String,
}

impl Check<'_> {
    fn run(&mut self, place: &Place, report: &mut Report) {
        let Some(bytes) = self.small(place, MANIFEST, self.options.limits.manifest_bytes) else { return };
        if !self.is_known_version(&bytes) || !self.is_signed(place, (MANIFEST, MANIFEST_SIGNATURE), Purpose::Manifest, &bytes) {
            return;
        }
        report.signed_by = Some(self.key.id().clone());
        let manifest_sha256 = Sha256::of(&bytes);
        report.manifest_sha256 = Some(manifest_sha256);
        let manifest = match Manifest::parse(&bytes) {
            Ok(manifest) => manifest,
            Err(e) => return self.malformed(MANIFEST, &e),
        };
        (report.files_checked, report.bytes_checked) = self.files(place, &manifest);
        let statement = Statement { merkle_root: manifest.merkle_root, manifest_sha256 };
        report.anchorage = self.anchorage(place, &statement);
        report.manifest = Some(manifest);
    }

    /// Looks at the version before the signature: a newer form may be signed in another way.
    fn is_known_version(&mut self, manifest: &[u8]) -> bool {
        if let Err(ManifestError::Newer(version)) = manifest::check_version(manifest) {
            self.problems.add(MANIFEST, Fault::NewerFormat(version));
            return false;
        }
        true
    }

    /// Checks a detached signature over exact bytes by the bundle's key.
    fn is_signed(&mut self, place: &Place, names: (&str, &str), purpose: Purpose, bytes: &[u8]) -> bool {
        let Some(line) = self.small(place, names.1, SIGNATURE_MAX) else { return false };
        let fault = match Signature::parse(&line) {
            None => (names.1, Fault::NotASignature),
            Some(signature) if signature.key_id != *self.key.id() => (names.0, Fault::UnknownKey(signature.key_id)),
            Some(signature) if self.key.verifies(purpose, bytes, &signature.bytes) => return true,
            Some(_) => (names.0, Fault::BadSignature),
        };
        self.problems.add(fault.0, fault.1);
        false
    }

    /// Reads a file that is held in memory.
    fn small(&mut self, place: &Place, path: &str, limit: u64) -> Option<Vec<u8>> {
        let fault = match place.contents().files.get(path) {
            None => Fault::Missing,
            Some(found) if *found > limit => Fault::TooLarge { found: *found, limit },
            Some(_) => {
                let mut bytes = Vec::new();
                match place.read(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
                    Ok(_) => return Some(bytes),
                    Err(e) => Fault::Unreadable(e.to_string()),
                }
            }
        };
        self.problems.add(path, fault);
        None
    }

    fn malformed(&mut self, path: &str, error: &dyn std::error::Error) {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        self.problems.add(path, Fault::Malformed(problem::shown(&cause)));
    }
}

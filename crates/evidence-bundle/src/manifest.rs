//! What a bundle says about itself.
//!
//! Owns the JSON form of `manifest.json` and its version. Fields that this version does not know are kept; a newer
//! [`FORMAT_VERSION`] is refused. Never reads a clock: all times are the caller's.

use crate::hash::Sha256;
use crate::merkle;
use crate::names::{OWN, folders};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Version of the bundle's form that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The largest manifest that is read unless more is asked for, bytes: 100 000 files of 600 bytes each.
pub(crate) const MANIFEST_MAX: u64 = 64 << 20;

/// The most files and folders of a bundle unless more is asked for, its own four among them.
pub(crate) const ENTRIES_MAX: usize = 100_000;

/// What [`FileEntry::what`] says of a chained log: its chain is checked too.
pub const WHAT_CHAIN: &str = "chain";

/// Fields that this version does not know.
pub type Unknown = BTreeMap<String, Value>;

/// The whole of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What the maker says about the bundle.
    #[serde(flatten)]
    pub about: About,
    /// Each file of the bundle, in the order of its paths; the bundle's own four are not listed.
    pub files: Vec<FileEntry>,
    /// The root over the files' hashes in their order (see [`crate::merkle`]).
    pub merkle_root: Sha256,
    /// Fields of other versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What the maker of a bundle says about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// When the bundle was made, UTC; also the files' time in its archive.
    pub created: Timestamp,
    /// The time that the evidence covers.
    pub period: Period,
    /// What made it.
    pub tool: Tool,
    /// SHA-256 of the configuration in force.
    pub config_sha256: Sha256,
    /// What was read and how well, in the maker's own form.
    pub coverage: Value,
    /// What came before this bundle.
    pub previous: Previous,
    /// What was taken out of the files.
    pub redaction: Redaction,
}

/// A span of time, UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// The first instant in it.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// A program and its version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What came before a bundle.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Previous {
    /// The link that the next line of the finding log would carry; a chained log in the bundle must end in it.
    pub chain_head: Option<Sha256>,
    /// The root of the last commit that was anchored before.
    pub anchored_root: Option<Sha256>,
}

/// What was taken out of the files.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Redaction {
    /// Version of the rules that decided.
    pub rules_version: String,
    /// How often each rule took something out.
    pub counts: BTreeMap<String, u64>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it is, relative to the bundle (see [`crate::names`]).
    pub path: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// Its content's SHA-256.
    pub sha256: Sha256,
    /// What it is: [`WHAT_CHAIN`], or the maker's word.
    pub what: String,
    /// Its media type.
    pub media_type: String,
    /// Fields of other versions.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Why a manifest cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is no JSON, or not a manifest's.
    #[error("failed to read the manifest")]
    Json(#[source] serde_json::Error),
    /// A newer program made it.
    #[error("failed to read the manifest: its format version is {0}, and this program reads up to {FORMAT_VERSION}")]
    Newer(u64),
    /// There never was such a version.
    #[error("failed to read the manifest: there is no format version 0")]
    NoVersion,
}

#[derive(Deserialize)]
struct Version {
    format_version: u64,
}

impl Manifest {
    /// Describes files; they are put into the order of their paths.
    pub fn new(about: About, mut files: Vec<FileEntry>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let merkle_root = root_of(&files);
        Self { format_version: FORMAT_VERSION, about, files, merkle_root, unknown: Unknown::new() }
    }

    /// The root over the listed hashes; equal to [`Manifest::merkle_root`] in a true manifest.
    pub fn computed_root(&self) -> Sha256 {
        root_of(&self.files)
    }

    /// How many files and folders the bundle can have at most, its own four among them.
    pub(crate) fn entries(&self) -> usize {
        let folders: BTreeSet<_> = self.files.iter().flat_map(|file| folders(&file.path)).collect();
        self.files.len() + folders.len() + OWN.len()
    }

    /// The bytes of `manifest.json`: the same value gives the same bytes.
    ///
    /// # Errors
    /// When the value cannot be put into JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads `manifest.json`; its version is looked at before anything else.
    ///
    /// # Errors
    /// [`ManifestError`] when it is newer than this program, or no manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        check_version(bytes)?;
        serde_json::from_slice(bytes).map_err(ManifestError::Json)
    }
}

/// Reads the version alone, without taking in the rest.
pub(crate) fn check_version(bytes: &[u8]) -> Result<(), ManifestError> {
    let version: Version = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
    match version.format_version {
        0 => Err(ManifestError::NoVersion),
        v if v > u64::from(FORMAT_VERSION) => Err(ManifestError::Newer(v)),
        _ => Ok(()),
    }
}

fn root_of(files: &[FileEntry]) -> Sha256 {
    let hashes: Vec<_> = files.iter().map(|file| file.sha256).collect();
    merkle::root(&hashes)
}

//! CloudTrail's digest files: proof that within an hour every log file was read, and none was changed.
//!
//! Pure: files, keys and hashes in, a report out. Each digest is signed by AWS, names the log files of its hour with their
//! hashes, and repeats hash and signature of the digest before it. Signatures hold the digest, the digest holds the files, the
//! chain holds the hours together. What it cannot show: that digests at the end of the chain were taken away; a window
//! without a digest is just not covered.
//! Source: CloudTrail user guide, "CloudTrail digest file structure" and "Custom implementations of CloudTrail log file
//! integrity validation".

mod coverage;
mod file;

pub use coverage::DELIVERY_LAG;
pub use file::{DigestFile, PublicKey, public_keys};

use super::Why;
use file::{Digest, SignatureError};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// An object in S3.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// What was proved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestReport {
    /// The hours of the digests and the gaps between them, oldest first; they follow one another without overlap, except where
    /// digests themselves overlap.
    pub hours: Vec<DigestHour>,
    /// The log files that the digests name, with what became of them.
    pub files: BTreeMap<ObjectName, FileState>,
    /// Digest files that are none; their hours show as gaps.
    pub unreadable: Vec<(ObjectName, Why)>,
}

/// A window of delivery. An event is delivered up to [`DELIVERY_LAG`] after it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestHour {
    /// From, UTC.
    pub from: Timestamp,
    /// To, exclusive, UTC.
    pub to: Timestamp,
    /// The digest; none for a gap.
    pub digest: Option<ObjectName>,
    /// What was proved.
    pub grade: DigestGrade,
}

/// Whether an hour's log files are all there and unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestGrade {
    /// They are.
    Proved,
    /// They are not, or it cannot be shown; the first reason found.
    Broken {
        /// Why.
        why: DigestBreak,
    },
}

/// Why an hour is not proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestBreak {
    /// The digest lies elsewhere than it says.
    #[error("the digest was moved from its place")]
    Moved,
    /// It was signed in another way than is known.
    #[error("the digest's signature algorithm is not SHA256withRSA")]
    Algorithm,
    /// The object's metadata hold no signature.
    #[error("the digest has no signature")]
    Unsigned,
    /// No key with its fingerprint was valid then.
    #[error("no public key has the fingerprint {0}")]
    NoKey(String),
    /// The signature does not hold.
    #[error("the digest's signature does not hold")]
    Signature,
    /// The digest after it was made after another one.
    #[error("the next digest follows another digest than this one")]
    Replaced,
    /// A log file is not there.
    #[error("the log file {0} is missing")]
    FileMissing(String),
    /// A log file has another hash.
    #[error("the log file {0} was changed")]
    FileChanged(String),
    /// A log file was hashed in another way than is known.
    #[error("the log file {0} has no SHA-256")]
    FileAlgorithm(String),
    /// There is no digest for the window.
    #[error("there is no digest")]
    NoDigest,
    /// There is no digest, and the next one begins a chain anew, as after logging was switched off and on.
    #[error("there is no digest, and the chain begins anew after it")]
    NewChain,
}

/// What became of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileState {
    /// It is as it was delivered.
    Intact,
    /// It is another.
    Changed,
    /// It was not read: it is gone, or it could not be.
    Missing,
}

/// Verifies the digests of one trail and region. `files` holds SHA-256, hexadecimal, of every log file that was read, unzipped.
pub fn verify(digests: &[DigestFile<'_>], keys: &[PublicKey], files: &BTreeMap<ObjectName, String>) -> DigestReport {
    let mut report = DigestReport::default();
    let read = readable(digests, &mut report);
    let mut hours: Vec<(&Digest, DigestGrade)> = Vec::new();
    for digest in &read {
        let files = check_files(digest, files, &mut report);
        let why = digest.check(keys).map_err(DigestBreak::from).err().or(files);
        hours.push((digest, why.map_or(DigestGrade::Proved, |why| DigestGrade::Broken { why })));
    }
    break_replaced(&mut hours);
    let gaps = gaps(&hours);
    report.hours = hours.into_iter().map(|(digest, grade)| digest.hour(grade)).chain(gaps).collect();
    report.hours.sort_by(|a, b| (a.from, a.to, &a.digest).cmp(&(b.from, b.to, &b.digest)));
    report
}

/// The digests that can be read, each once, oldest first.
fn readable(digests: &[DigestFile<'_>], report: &mut DigestReport) -> Vec<Digest> {
    let mut read: BTreeMap<(Timestamp, ObjectName), Digest> = BTreeMap::new();
    for file in digests {
        match Digest::read(file) {
            Ok(digest) => {
                read.insert((digest.to, file.name.clone()), digest);
            }
            Err(why) => report.unreadable.push((file.name.clone(), why)),
        }
    }
    read.into_values().collect()
}

fn check_files(digest: &Digest, there: &BTreeMap<ObjectName, String>, report: &mut DigestReport) -> Option<DigestBreak> {
    let mut first = None;
    for file in &digest.files {
        let key = || file.name.key.clone();
        let (state, why) = match there.get(&file.name) {
            None => (FileState::Missing, Some(DigestBreak::FileMissing(key()))),
            Some(_) if file.algorithm != "SHA-256" => (FileState::Changed, Some(DigestBreak::FileAlgorithm(key()))),
            Some(hash) if hash.eq_ignore_ascii_case(&file.sha256) => (FileState::Intact, None),
            Some(_) => (FileState::Changed, Some(DigestBreak::FileChanged(key()))),
        };
        report.files.insert(file.name.clone(), state);
        first = first.or(why);
    }
    first
}

/// Breaks the digests that are not the ones after which the next were made. Only a digest that holds itself may say so.
fn break_replaced(hours: &mut [(&Digest, DigestGrade)]) {
    let places: BTreeMap<ObjectName, usize> =
        hours.iter().enumerate().map(|(place, (digest, _))| (digest.name.clone(), place)).collect();
    for at in 0..hours.len() {
        let (digest, grade) = &hours[at];
        let Some(previous) = digest.previous.as_ref().filter(|_| is_genuine(grade)) else { continue };
        let Some(place) = places.get(&previous.name).copied() else { continue };
        let before = &hours[place].0;
        let follows = before.sha256 == previous.sha256 && before.signature.as_deref() == Some(previous.signature.as_str());
        if !follows && is_genuine(&hours[place].1) {
            hours[place].1 = DigestGrade::Broken { why: DigestBreak::Replaced };
        }
    }
}

/// Whether the digest itself is AWS's, whatever became of its log files.
fn is_genuine(grade: &DigestGrade) -> bool {
    use DigestBreak::{FileAlgorithm, FileChanged, FileMissing, Replaced};
    let of_files = |why: &DigestBreak| matches!(why, FileAlgorithm(_) | FileChanged(_) | FileMissing(_) | Replaced);
    match grade {
        DigestGrade::Proved => true,
        DigestGrade::Broken { why } => of_files(why),
    }
}

/// The windows between digests that no digest tells of. Later additions to an hour are no links of the chain.
fn gaps(hours: &[(&Digest, DigestGrade)]) -> Vec<DigestHour> {
    let mut gaps = Vec::new();
    let mut reached: Option<Timestamp> = None;
    for (digest, _) in hours.iter().filter(|(digest, _)| !digest.is_backfill) {
        if let Some(from) = reached.filter(|reached| *reached < digest.from) {
            let why = if digest.previous.is_none() { DigestBreak::NewChain } else { DigestBreak::NoDigest };
            gaps.push(DigestHour { from, to: digest.from, digest: None, grade: DigestGrade::Broken { why } });
        }
        reached = reached.max(Some(digest.to));
    }
    gaps
}

impl From<SignatureError> for DigestBreak {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Moved => Self::Moved,
            SignatureError::Algorithm => Self::Algorithm,
            SignatureError::Unsigned => Self::Unsigned,
            SignatureError::NoKey(fingerprint) => Self::NoKey(fingerprint),
            SignatureError::Invalid => Self::Signature,
        }
    }
}

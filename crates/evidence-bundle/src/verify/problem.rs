//! What is wrong with a bundle, file by file.
//!
//! Owns the sentences: each problem names its file, says what was found and what to do. All names and texts from the bundle are
//! escaped, since their author may be hostile.

use crate::hash::Sha256;
use crate::keys::KeyId;
use crate::names::{ANCHOR, ANCHOR_SIGNATURE, NameError};
use audit_record::chain::ChainError;
use std::fmt;

/// How many problems a report holds; more are only counted.
const PROBLEMS_MAX: usize = 1_000;

/// The longest name that is shown, characters.
const NAME_SHOWN: usize = 300;

/// Something wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the bundle and escaped; the bundle's own name when no file is meant.
    pub file: String,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}; {}", self.file, self.fault, self.fault.to_do())
    }
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The operating system does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The manifest, its signature, or a listed file is not there.
    #[error("is missing")]
    Missing,
    /// Nobody signed for it.
    #[error("is in the bundle, but the manifest does not list it")]
    Extra,
    /// Its length is another.
    #[error("was changed: it has {found} bytes, signed were {signed}")]
    Length {
        /// The length in the manifest, bytes.
        signed: u64,
        /// The length found, bytes.
        found: u64,
    },
    /// Its content is another.
    #[error("was changed: its SHA-256 is {found}, signed was {signed}")]
    Changed {
        /// The hash in the manifest.
        signed: Sha256,
        /// The hash found.
        found: Sha256,
    },
    /// The signature does not fit the content.
    #[error("does not fit its signature: one of the two was changed")]
    BadSignature,
    /// The signature's file has another form.
    #[error("is no signature of this program")]
    NotASignature,
    /// Another key signed.
    #[error("is signed by the key {0}, which is not the one given")]
    UnknownKey(KeyId),
    /// A newer program made it.
    #[error("has format version {0}, which is newer than this program reads")]
    NewerFormat(u64),
    /// Its JSON is another.
    #[error("has not the form of its kind: {0}")]
    Malformed(String),
    /// It is larger than is read.
    #[error("has {found} bytes, and at most {limit} are read")]
    TooLarge {
        /// The length found, bytes.
        found: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// There are more files than are read.
    #[error("holds more than {0} files and folders")]
    TooMany(usize),
    /// Folders lie too deep in each other.
    #[error("lies deeper than {0} folders")]
    TooDeep(usize),
    /// The root is not that of the files.
    #[error("names another Merkle root than its files have")]
    WrongRoot,
    /// The files are not in the order of their paths.
    #[error("lists its files in another order than that of their paths")]
    Unordered,
    /// The name could lead elsewhere.
    #[error("has a name that is not allowed: {0}")]
    Name(NameError),
    /// A link could lead elsewhere.
    #[error("is a link")]
    Link,
    /// It is neither a file nor a folder.
    #[error("is neither a file nor a folder")]
    Special,
    /// The archive has the name twice.
    #[error("is in the archive twice")]
    Twice,
    /// The archive was not written here, or was changed.
    #[error("has a header in the archive that this program does not write")]
    Header,
    /// Its time is not the manifest's.
    #[error("has another time in the archive than the manifest")]
    Time,
    /// Something is written where nothing should be.
    #[error("is followed by bytes that do not belong to it")]
    Padding,
    /// The archive ends too early.
    #[error("is cut off in the archive")]
    Truncated,
    /// The archive goes on after its end.
    #[error("goes on after the archive's end")]
    Trailing,
    /// The log's lines do not follow from each other.
    #[error("is a broken chain: {0}")]
    Chain(ChainError),
    /// The log does not end as the manifest says.
    #[error("does not end in the chain head that the manifest names: lines were cut off or added")]
    ChainHead,
    /// The anchor is for another bundle.
    #[error("is the anchor of another bundle")]
    OtherAnchor,
    /// A second key's signature does not fit.
    #[error("has a countersignature by the key {0} that does not fit")]
    BadCountersignature(KeyId),
    /// The bundle's own key is no second witness.
    #[error("has a countersignature by the bundle's own key, which proves nothing more")]
    OwnCountersignature,
    /// An anchor was asked for.
    #[error("has no anchor, and one was asked for")]
    NoAnchor,
    /// None of the given keys countersigned.
    #[error("has no countersignature by the given anchor key {}", listed(.0))]
    NotCountersigned(Vec<KeyId>),
}

impl Problem {
    /// Whether it is about the anchor alone, so that the files may be as signed all the same.
    pub(super) fn is_anchors(&self) -> bool {
        match &self.fault {
            Fault::OtherAnchor
            | Fault::BadCountersignature(_)
            | Fault::OwnCountersignature
            | Fault::NoAnchor
            | Fault::NotCountersigned(_) => true,
            Fault::Missing
            | Fault::BadSignature
            | Fault::NotASignature
            | Fault::UnknownKey(_)
            | Fault::NewerFormat(_)
            | Fault::Malformed(_) => [ANCHOR, ANCHOR_SIGNATURE].contains(&self.file.as_str()),
            _ => false,
        }
    }
}

impl Fault {
    /// What the reader of the report should do.
    pub const fn to_do(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "make it readable and verify again: until then it counts as missing",
            Self::Missing | Self::Truncated => "do not rely on what it would say; ask the maker for the whole bundle",
            Self::Extra | Self::Padding | Self::Trailing => "do not rely on it: nobody signed for it; ask who put it there",
            Self::Length { .. }
            | Self::Changed { .. }
            | Self::BadSignature
            | Self::NotASignature
            | Self::WrongRoot
            | Self::Unordered => {
                "do not rely on it; get the bundle again from the maker or the evidence store, and keep this copy as it is"
            }
            Self::UnknownKey(_) => "compare the key id with the maker's by another way, then give that public key",
            Self::NewerFormat(_) => "verify with a newer version of this program; if the bundle is not new, it was changed",
            Self::Malformed(_) => "ask the maker: it is signed, but this program cannot read it",
            Self::TooLarge { .. } | Self::TooMany(_) | Self::TooDeep(_) => {
                "ask the maker for a smaller bundle, such as one of a shorter period"
            }
            Self::Name(_) | Self::Link | Self::Special | Self::Twice => {
                "do not unpack or open it: it could reach outside the bundle or hide a file"
            }
            Self::Header | Self::Time => {
                "it was changed or packed by another program; verify the folder that the maker signed, or get the archive again"
            }
            Self::Chain(_) | Self::ChainHead => "compare the log with the maker's own and its earlier bundles, from that line on",
            Self::OtherAnchor | Self::BadCountersignature(_) => {
                "treat the bundle as unanchored, and ask the maker where its root was put"
            }
            Self::OwnCountersignature => "have it countersigned by a key that the maker does not hold",
            Self::NotCountersigned(_) => {
                "compare the key id with that of whoever countersigns; if it is theirs, they did not sign this bundle: ask them and the maker why"
            }
            Self::NoAnchor => "ask the maker to anchor the bundle: without, its maker could have made it anew at any time",
        }
    }
}

fn listed(keys: &[KeyId]) -> String {
    keys.iter().map(KeyId::to_string).collect::<Vec<_>>().join(" or ")
}

/// The problems found so far, in bounded memory.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
    pub(crate) left_off: u64,
}

impl Problems {
    pub(crate) fn add(&mut self, file: &str, fault: Fault) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(Problem { file: shown(file), fault });
        } else {
            self.left_off += 1;
        }
    }
}

/// A text of the bundle, fit for a terminal.
pub(crate) fn shown(text: &str) -> String {
    text.escape_debug().take(NAME_SHOWN).collect()
}

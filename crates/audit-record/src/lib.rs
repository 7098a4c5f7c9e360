//! What the programs write down and the auditors read: session records and the digest of what was shown.
//!
//! Pure where it can be: [`session`] and [`sync`] give the lines' shape, [`chain`] their linking and verification, [`digest`] the
//! canonical digest of a session's output, [`asciicast`] its recording. Only [`journal`] touches a file, since appending without tearing is the point.

pub mod asciicast;
pub mod chain;
pub mod digest;
pub mod journal;
pub mod session;
pub mod sync;

pub use asciicast::{Asciicast, Beginning};
pub use chain::{ChainError, ChainedLine, Verified, verify};
pub use digest::{Checkpoint, OutputDigest, hex, sha256_hex, sha256_hex_of_json};
pub use journal::{Journal, JournalError};
pub use session::{FORMAT_VERSION, SessionEnd, SessionLine, SessionStart, Transcript};
pub use sync::{SyncEnd, SyncIntent, SyncLine, SyncOutcome, SyncRefusal, SyncRun, SyncTarget, SyncTask, SyncUser};

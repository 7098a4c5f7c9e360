//! What SSM and its logs say about a session: that it was, and what it showed.
//!
//! Owns the facts' shapes. A transcript's text stays in the evidence; a fact has its digest.

use crate::fact::Key;
use crate::ids::{SsmSessionId, TaskId};
use audit_record::Checkpoint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Canonical bytes below which an output is too common for its digest to name it.
pub const OUTPUT_KEY_MIN: u64 = 64;

/// A session as DescribeSessions showed it; later readings are further facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsmSession {
    /// The session.
    pub ssm_session_id: SsmSessionId,
    /// The target as SSM writes it.
    pub target: String,
    /// The task in the target.
    pub task_id: Option<TaskId>,
    /// Who started it, in SSM's eyes: for ECS Exec ECS's own role.
    pub owner: String,
    /// The document.
    pub document: Option<String>,
    /// The state: `Connected`, `Disconnected`, `Terminated`, …
    pub status: String,
    /// When it began, UTC.
    pub started: Option<Timestamp>,
    /// When it ended, UTC.
    pub ended: Option<Timestamp>,
}

impl SsmSession {
    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.push(Key::ssm_session(self.ssm_session_id.as_str()));
        keys.extend(self.task_id.iter().map(|id| Key::task(id.as_str())));
    }
}

/// The form of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TranscriptForm {
    /// What `script` wrote: header, bytes, trailer.
    Script,
    /// JSON events, as SSM streams them elsewhere.
    Json,
    /// Neither.
    Unknown,
}

/// The log of a session, as it stood when it was read; later readings are further facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The session by the stream's or object's name; none when the name is no session's.
    pub ssm_session_id: Option<SsmSessionId>,
    /// The stream or object, with its group or bucket.
    pub name: String,
    /// The form.
    pub form: TranscriptForm,
    /// Whether there is a closing line of `script`. A user can print one: it proves nothing alone.
    pub has_trailer: bool,
    /// Bytes between header and trailer, as they are in the log.
    pub body_bytes: u64,
    /// SHA-256 of the canonical body, hexadecimal.
    pub sha256: String,
    /// Canonical bytes hashed.
    pub canonical_bytes: u64,
    /// Where the digest stood on the way.
    pub checkpoints: Vec<Checkpoint>,
    /// Canonical bytes before the first replacement character: from there on the log need not be what was shown.
    pub exact_until: Option<u64>,
    /// Events or parts.
    pub events: u64,
    /// The first upload, UTC. Logs of ECS Exec come after the end.
    pub first_uploaded: Option<Timestamp>,
    /// The last upload, UTC.
    pub last_uploaded: Option<Timestamp>,
    /// When the last event came in by the service's own clock, UTC.
    pub last_ingested: Option<Timestamp>,
}

impl Transcript {
    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.extend(self.ssm_session_id.iter().map(|id| Key::ssm_session(id.as_str())));
        if self.ssm_session_id.is_none() && self.canonical_bytes >= OUTPUT_KEY_MIN {
            keys.push(Key::output(&self.sha256));
        }
    }
}

/// The service answered that there is no log of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptAbsence {
    /// The session.
    pub ssm_session_id: SsmSessionId,
    /// Where it was looked for: log group, or bucket and prefix.
    pub name: String,
    /// When, UTC.
    pub at: Timestamp,
}

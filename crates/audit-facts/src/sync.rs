//! What our own programs wrote down: targets, users and changes by target-sync, links by the wrapper.
//!
//! Owns the facts' shapes, and which parts of the records are kept.

use crate::fact::Key;
use crate::ids::{SsmSessionId, TaskId};
use crate::transcript::OUTPUT_KEY_MIN;
use audit_record::Checkpoint;
use investigation::BoundarySessionId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A target as target-sync saw it at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundaryTarget {
    /// When it was seen, UTC.
    pub at: Timestamp,
    /// The target.
    pub target_id: String,
    /// The task it is bound to for life.
    pub task_id: TaskId,
    /// The task's ARN.
    pub task_arn: String,
    /// Its name.
    pub name: String,
    /// Its alias.
    pub alias: Option<String>,
    /// `live`, `missing@TIME` or `quarantined@TIME`.
    pub state: String,
    /// Who may open sessions by our grants.
    pub user_ids: Vec<String>,
}

impl BoundaryTarget {
    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.push(Key::boundary_target(&self.target_id));
        keys.push(Key::task(self.task_id.as_str()));
    }
}

/// A user as target-sync saw him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundaryUser {
    /// When he was seen, UTC.
    pub at: Timestamp,
    /// The user.
    pub user_id: String,
    /// His name.
    pub name: String,
    /// The account.
    pub account_id: String,
    /// The account's issuer.
    pub issuer: Option<String>,
    /// The account's subject or login name.
    pub subject: String,
}

/// A write of target-sync, with its outcome when one was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncChange {
    /// When it was about to be sent, UTC.
    pub at: Timestamp,
    /// The run.
    pub run_id: String,
    /// The step in the run.
    pub number: u32,
    /// `create`, `update`, `quarantine`, …
    pub action: String,
    /// `target`, `role`, `alias` or `session`.
    pub object: String,
    /// The object's name.
    pub name: String,
    /// The object's id, when it is known.
    pub id: Option<String>,
    /// The task on whose account.
    pub task_id: Option<TaskId>,
    /// The task's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_arn: Option<String>,
    /// Whom a role has after the change; none when the change is about something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_ids: Option<Vec<String>>,
    /// Why, as a stable word.
    pub reason: String,
    /// `done`, `refused`, `unknown`; none when no outcome was found.
    pub result: Option<String>,
    /// Whose objects the run keeps.
    pub owner: Option<String>,
}

/// The wrapper was about to open a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStart {
    /// Joins start and end.
    pub record_id: String,
    /// When, by the user's machine, UTC.
    pub at: Timestamp,
    /// Who AWS said the wrapper was.
    pub principal_arn: Option<String>,
    /// The Boundary session.
    pub boundary_session_id: Option<BoundarySessionId>,
    /// How the wrapper knew it: `token`, `given`, `authorized`, `discovered` or `unknown`.
    pub boundary_session_id_source: String,
    /// The target.
    pub boundary_target_id: Option<String>,
    /// The user.
    pub boundary_user_id: Option<String>,
    /// The id of its requests to the controller.
    pub boundary_correlation_id: Option<String>,
    /// The task.
    pub task_id: Option<TaskId>,
    /// The task's ARN.
    pub task_arn: String,
    /// The container.
    pub container: String,
    /// `boundary` or `direct`.
    pub route: String,
    /// The local user.
    pub local_user: String,
    /// The local host.
    pub host: String,
    /// Why, in the user's words.
    pub reason: Option<String>,
}

impl LinkStart {
    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.push(Key::record(&self.record_id));
        keys.extend(self.task_id.iter().map(|id| Key::task(id.as_str())));
        keys.extend(self.boundary_session_id.iter().map(|id| Key::boundary_session(id.as_str())));
    }
}

/// The wrapper's session had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEnd {
    /// The start's id.
    pub record_id: String,
    /// When, by the user's machine, UTC.
    pub at: Timestamp,
    /// The ECS Exec session, when one was opened.
    pub ssm_session_id: Option<SsmSessionId>,
    /// The task.
    pub task_id: Option<TaskId>,
    /// The Boundary session.
    pub boundary_session_id: Option<BoundarySessionId>,
    /// The wrapper's exit code.
    pub exit_code: u8,
    /// `marker` when the code is the container's claim, `wrapper` when it is the wrapper's.
    pub exit_source: String,
    /// The stable reason.
    pub ending: String,
    /// `confirmed`, `requested`, `denied` or `unknown`.
    pub remote_end: String,
    /// Bytes of output received.
    pub bytes_out: u64,
    /// Bytes of input delivered.
    pub bytes_in: u64,
    /// How often the data channel was resumed.
    pub resumes: u32,
    /// SHA-256 of the canonical output, hexadecimal.
    pub output_sha256: String,
    /// Canonical bytes hashed.
    pub output_canonical_bytes: u64,
    /// Where the digest stood on the way.
    pub output_checkpoints: Vec<Checkpoint>,
    /// SHA-256 of the wrapper's own recording, when one was made.
    pub transcript_sha256: Option<String>,
    /// Its path on the host that recorded.
    pub transcript_file: Option<String>,
}

impl LinkEnd {
    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.push(Key::record(&self.record_id));
        keys.extend(self.ssm_session_id.iter().map(|id| Key::ssm_session(id.as_str())));
        keys.extend(self.task_id.iter().map(|id| Key::task(id.as_str())));
        keys.extend(self.boundary_session_id.iter().map(|id| Key::boundary_session(id.as_str())));
        if self.output_canonical_bytes >= OUTPUT_KEY_MIN {
            keys.push(Key::output(&self.output_sha256));
        }
    }
}

/// A chain of records does not hold at one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainBreak {
    /// The journal.
    pub journal: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, as a fragment.
    pub what: String,
}

//! The shape of a session record: one line when a session is about to open, one when it has ended.
//!
//! Owns the JSON form and its version. Readers of a newer version accept unknown fields; a writer never changes what a field
//! means without a new [`FORMAT_VERSION`].

use crate::digest::Checkpoint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of the line format that this crate writes.
pub const FORMAT_VERSION: u32 = 1;

/// One line of the journal, without its chain link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SessionLine {
    /// A session is about to be opened.
    SessionStart(Box<SessionStart>),
    /// It has ended, or it never opened.
    SessionEnd(Box<SessionEnd>),
}

/// What is known before ExecuteCommand is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStart {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Joins start and end: a random id of this run of the wrapper.
    pub record_id: String,
    /// When the wrapper was about to send ExecuteCommand, UTC.
    pub at: Timestamp,
    /// The wrapper's own version.
    pub wrapper_version: String,
    /// Version of the remote script, or `none` with `--no-wrap`.
    pub script: String,
    /// The local user's name or numeric id.
    pub local_user: String,
    /// The local host's name.
    pub host: String,
    /// Who AWS says we are.
    pub principal_arn: Option<String>,
    /// The Boundary session, when it is known.
    pub boundary_session_id: Option<String>,
    /// How it is known: `token`, `given`, `authorized`, `discovered` or `unknown`.
    pub boundary_session_id_source: String,
    /// The Boundary target, when token or controller say it.
    pub boundary_target_id: Option<String>,
    /// The Boundary user, when the controller says it.
    #[serde(default)]
    pub boundary_user_id: Option<String>,
    /// The `X-Correlation-Id` of our requests to the controller, as in its audit events.
    #[serde(default)]
    pub boundary_correlation_id: Option<String>,
    /// The task's ARN.
    pub task_arn: String,
    /// The container's name.
    pub container: String,
    /// The container's runtime id.
    pub runtime_id: String,
    /// The user in the container.
    pub container_user: String,
    /// `boundary` or `direct`.
    pub route: String,
    /// Why the session was opened, in the user's words.
    pub reason: Option<String>,
    /// SHA-256 of the command line sent to ECS, hexadecimal. The line itself may hold what does not belong in a record.
    pub command_sha256: String,
}

/// What is known at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The start's id.
    pub record_id: String,
    /// When the session had been settled, UTC.
    pub at: Timestamp,
    /// The ECS Exec session, when one was opened.
    pub ssm_session_id: Option<String>,
    /// The task's ARN, again: an end may reach a reader without its start.
    pub task_arn: String,
    /// The Boundary session, when it is known.
    pub boundary_session_id: Option<String>,
    /// The wrapper's exit code.
    pub exit_code: u8,
    /// `marker` when it is the container's claim, `wrapper` when it is ours.
    pub exit_source: String,
    /// The stable reason.
    pub ending: String,
    /// `confirmed`, `requested`, `denied` or `unknown`: whether the program in the container is known to have ended.
    pub remote_end: String,
    /// Bytes of input delivered to the agent.
    pub bytes_in: u64,
    /// Bytes of output received from the agent, marks included.
    pub bytes_out: u64,
    /// Bytes typed but dropped by an interrupt or the end.
    pub input_dropped: u64,
    /// How often the data channel was resumed.
    pub resumes: u32,
    /// SHA-256 of the canonical output, hexadecimal.
    pub output_sha256: String,
    /// Canonical bytes hashed.
    pub output_canonical_bytes: u64,
    /// Where the digest stood on the way.
    pub output_checkpoints: Vec<Checkpoint>,
    /// The recording of the session, when one was made. Absent in lines of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
    /// How many commands a bash in the container marked, by its own claim; an aid, since a user can forge or suppress marks.
    /// Absent when no shell marked, and in lines of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands_marked: Option<u64>,
}

/// A recording beside the record; the hash chains it to the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The file's absolute path on the host that recorded.
    pub file: String,
    /// SHA-256 of the whole file, hexadecimal.
    pub sha256: String,
    /// Whether everything was written: false when the disk refused on the way.
    pub complete: bool,
}

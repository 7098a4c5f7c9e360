//! The shape of a sync record: what target-sync was about to do in Boundary, what came of it, and what it saw.
//!
//! Owns the JSON form; its version is [`crate::FORMAT_VERSION`]. An intent stands in the journal before its request is sent, an
//! outcome after; an intent without an outcome is settled by a later run, by reading. The snapshots are there because the
//! services forget: ECS a task within the hour, Boundary the ids in a session once target or user are deleted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of the sync journal, without its chain link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncLine {
    /// A run has begun.
    SyncRun(SyncRun),
    /// A write is about to be sent.
    SyncIntent(Box<SyncIntent>),
    /// What came of it.
    SyncOutcome(SyncOutcome),
    /// A task, as it was seen.
    SyncTask(Box<SyncTask>),
    /// A target of ours, as it was seen.
    SyncTarget(Box<SyncTarget>),
    /// A user who is granted, as he was seen.
    SyncUser(SyncUser),
    /// A task's owner was granted nothing.
    SyncRefusal(SyncRefusal),
    /// A run has ended.
    SyncEnd(SyncEnd),
}

/// A run's beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRun {
    /// See [`crate::FORMAT_VERSION`].
    pub format_version: u32,
    /// Joins the lines of one run: a random id.
    pub run_id: String,
    /// When, UTC.
    pub at: Timestamp,
    /// The program's version.
    pub sync_version: String,
    /// Whose objects it keeps.
    pub owner: String,
    /// The project.
    pub project_id: String,
    /// The digest of the plan, hexadecimal SHA-256.
    pub plan_sha256: String,
}

/// A write that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncIntent {
    /// The run.
    pub run_id: String,
    /// Joins intent and outcome within the run.
    pub number: u32,
    /// When, UTC.
    pub at: Timestamp,
    /// What is done: `create`, `update`, `quarantine`, …
    pub action: String,
    /// To what: `target`, `role`, `alias` or `session`.
    pub object: String,
    /// The object's name.
    pub name: String,
    /// The object's id; absent when the write makes it.
    pub id: Option<String>,
    /// The task on whose account.
    pub task_arn: String,
    /// Why, as a stable word.
    pub reason: String,
    /// What changes, field by field: from, to.
    pub changes: BTreeMap<String, (Option<String>, String)>,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncOutcome {
    /// The run of the intent.
    pub run_id: String,
    /// The intent's number.
    pub number: u32,
    /// When it was known, UTC.
    pub at: Timestamp,
    /// `done`, `refused`, or `unknown` when no answer came.
    pub result: String,
    /// The object's id, when it is known.
    pub id: Option<String>,
    /// The object's version afterwards, when it is known.
    pub version: Option<u32>,
    /// The controller's words, when it refused.
    pub error: Option<String>,
}

/// A task as ECS told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncTask {
    /// When it was seen, UTC.
    pub at: Timestamp,
    /// The task.
    pub task_arn: String,
    /// The investigated cluster.
    pub cluster_id: Option<String>,
    /// The investigation.
    pub investigation_id: Option<String>,
    /// ECS's word for its state.
    pub last_status: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// `startedBy`.
    pub started_by: Option<String>,
    /// The family of its task definition.
    pub family: Option<String>,
    /// The tags as they are.
    pub tags: BTreeMap<String, String>,
}

/// A target as Boundary showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncTarget {
    /// When it was seen, UTC.
    pub at: Timestamp,
    /// The target.
    pub target_id: String,
    /// Its version.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// The task it is bound to.
    pub task_arn: String,
    /// The container it is bound to.
    pub container: Option<String>,
    /// `live`, `missing@TIME` or `quarantined@TIME`.
    pub state: String,
    /// Its alias, when it has one.
    pub alias: Option<String>,
    /// Who may open sessions by our grants.
    pub user_ids: Vec<String>,
}

/// A user as Boundary showed him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncUser {
    /// When he was seen, UTC.
    pub at: Timestamp,
    /// The user.
    pub user_id: String,
    /// His name.
    pub name: String,
    /// The account by which he was matched.
    pub account_id: String,
    /// Its issuer, when it has one.
    pub issuer: Option<String>,
    /// Its subject or login name.
    pub subject: String,
}

/// A task whose owner was granted nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRefusal {
    /// When, UTC.
    pub at: Timestamp,
    /// The task.
    pub task_arn: String,
    /// A stable word.
    pub code: String,
    /// In words.
    pub text: String,
}

/// A run's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncEnd {
    /// The run.
    pub run_id: String,
    /// When, UTC.
    pub at: Timestamp,
    /// Writes that were done.
    pub done: u32,
    /// Writes that failed, or whose outcome is unknown.
    pub failed: u32,
    /// Due steps that were held back.
    pub held: u32,
    /// 3 when a due step was not done, else 0; the program's own code also tells of limits and sources.
    pub exit_code: u8,
}

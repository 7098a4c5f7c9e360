//! What is known of a task, while ECS remembers it or because target-sync wrote it down.
//!
//! Owns the fact's shape. Tags are claims of whoever could tag the task.

use crate::ids::TaskId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A task as it was seen at one time; later readings are further facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The id.
    pub task_id: TaskId,
    /// The ARN.
    pub task_arn: String,
    /// ECS's word for its state.
    pub last_status: String,
    /// When it was created, UTC.
    pub created: Option<Timestamp>,
    /// When it stopped, UTC.
    pub stopped: Option<Timestamp>,
    /// The investigated cluster, by tag.
    pub cluster_id: Option<String>,
    /// The investigation, by tag.
    pub investigation_id: Option<String>,
    /// The owner's name, by tag.
    pub owner_name: Option<String>,
    /// The owner's subject at the identity provider, by tag.
    pub owner_subject: Option<String>,
    /// When it is to be stopped, by tag.
    pub deadline: Option<Timestamp>,
    /// When this was seen, UTC; only readings that differ are kept apart by it.
    pub seen: Option<Timestamp>,
}

impl Task {
    /// Whether the tags say whose it is and what for.
    pub fn is_tagged(&self) -> bool {
        self.investigation_id.is_some() && (self.owner_name.is_some() || self.owner_subject.is_some())
    }
}

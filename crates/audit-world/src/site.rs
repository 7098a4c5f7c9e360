//! Tasks: where they run, whose they are, what they leave.
//!
//! Owns the plan of a task, not its visits.

use crate::time::Ms;
use audit_facts::TaskId;

/// How the task names its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// By name.
    Name,
    /// By the subject at the identity provider.
    Subject,
    /// Not at all.
    Untold,
}

/// A saved version of a file.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    /// The path below the task's prefix.
    pub(crate) path: String,
    pub(crate) version: u32,
    pub(crate) modified: Ms,
    pub(crate) bytes: u64,
    pub(crate) is_deletion: bool,
    pub(crate) retained_until: Option<Ms>,
    pub(crate) retention_read: bool,
}

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) task_id: TaskId,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) ecs_cluster: String,
    pub(crate) cluster_id: String,
    pub(crate) investigation_id: String,
    pub(crate) target_id: Option<String>,
    /// Further targets of the same task.
    pub(crate) other_targets: Vec<String>,
    pub(crate) scope_id: String,
    pub(crate) owner: usize,
    pub(crate) told: Owner,
    pub(crate) created: Ms,
    pub(crate) stopped: Option<Ms>,
    /// Whether the tags stand in the first reading, in the later ones.
    pub(crate) tagged: (bool, bool),
    pub(crate) log_group: String,
    pub(crate) bucket: String,
    pub(crate) saved: Vec<Saved>,
}

impl Site {
    /// The task's ARN.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:ecs:{}:{}:task/{}/{}", self.region, self.account, self.ecs_cluster, self.task_id)
    }

    /// The target as SSM writes it.
    pub(crate) fn ssm_target(&self) -> String {
        investigation_target(&self.ecs_cluster, self.task_id.as_str())
    }

    /// The key of a saved file.
    pub(crate) fn key(&self, path: &str) -> String {
        let day = self.stopped.unwrap_or(self.created) / crate::time::DAY;
        format!("{}/{}/{day}/{}/{path}", self.cluster_id, self.investigation_id, self.task_id)
    }

    /// The key with its bucket, as findings name it.
    pub(crate) fn object(&self, path: &str) -> String {
        format!("{}/{}", self.bucket, self.key(path))
    }

    /// The subject of findings on the task.
    pub(crate) fn subject(&self) -> String {
        format!("task:{}", self.task_id)
    }

    /// Whether anything tells the owner.
    pub(crate) fn is_owned(&self) -> bool {
        (self.tagged.0 || self.tagged.1) && self.told != Owner::Untold
    }
}

fn investigation_target(ecs_cluster: &str, task: &str) -> String {
    format!("ecs:{ecs_cluster}_{task}_{task}-2531612879")
}

//! What has become of a task.
//!
//! Owns the rule that only a positive answer counts: absence from a list is no answer.

use crate::facts::Snapshot;
use investigation::TaskArn;

/// What ECS says of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there and has not ended.
    Alive,
    /// It has ended.
    Dead,
    /// DescribeTasks does not know it, and its cluster is active.
    Missing,
    /// The answer says nothing.
    Unknown,
    /// No source covers it: nobody can be asked any more.
    Uncovered,
}

/// Says what has become of a task.
pub(super) fn of(snapshot: &Snapshot, task_arn: &TaskArn) -> Fate {
    let Some(scan) = snapshot.sources.values().find(|scan| scan.place.holds(task_arn)) else { return Fate::Uncovered };
    match scan.tasks.get(task_arn) {
        Some(task) if task.is_dead() => Fate::Dead,
        Some(_) => Fate::Alive,
        None if scan.missing.contains(task_arn) && scan.cluster_is_active => Fate::Missing,
        None => Fate::Unknown,
    }
}

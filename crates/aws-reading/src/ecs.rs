//! The questions to ECS.
//!
//! Pure: parameters by the API's names (API reference 2014-11-13).

use crate::json::{JsonCall, JsonList};
use serde_json::json;

/// The longest list of tasks or clusters that one question takes.
pub const DESCRIBE_MAX: usize = 100;

/// Which tasks are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesiredStatus {
    /// Those that shall run.
    Running,
    /// Those that shall have stopped; ECS forgets them after an hour.
    Stopped,
}

/// The tasks of a cluster, a name or an ARN.
pub fn list_tasks(cluster: &str, status: DesiredStatus) -> JsonList {
    let status = match status {
        DesiredStatus::Running => "RUNNING",
        DesiredStatus::Stopped => "STOPPED",
    };
    let parameters = json!({"cluster": cluster, "desiredStatus": status, "maxResults": 100});
    JsonList::new(JsonCall::new("ecs:ListTasks", parameters).with("taskArns").on(cluster), "nextToken")
}

/// Tasks with their tags, at most [`DESCRIBE_MAX`]; those that are not there are in the answer's `failures`.
pub fn describe_tasks<T: AsRef<str>>(cluster: &str, tasks: &[T]) -> JsonCall {
    let tasks: Vec<&str> = tasks.iter().map(AsRef::as_ref).collect();
    let parameters = json!({"cluster": cluster, "tasks": tasks, "include": ["TAGS"]});
    JsonCall::new("ecs:DescribeTasks", parameters).with("tasks").on(cluster)
}

/// Clusters with what they do with ECS Exec, at most [`DESCRIBE_MAX`]; those that are not there are in `failures`.
pub fn describe_clusters<T: AsRef<str>>(clusters: &[T]) -> JsonCall {
    let clusters: Vec<&str> = clusters.iter().map(AsRef::as_ref).collect();
    let parameters = json!({"clusters": clusters, "include": ["CONFIGURATIONS", "SETTINGS"]});
    JsonCall::new("ecs:DescribeClusters", parameters).with("clusters").on(clusters.join(" "))
}

/// The tags of a task, cluster or service by its ARN.
pub fn list_tags(resource_arn: &str) -> JsonCall {
    JsonCall::new("ecs:ListTagsForResource", json!({"resourceArn": resource_arn})).with("tags").on(resource_arn)
}

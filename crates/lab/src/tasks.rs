//! The ECS tasks of a world: their form, their defaults (the dialect that the investigation Lambda writes) and their
//! JSON. It knows no API and no rights.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::random;

/// The AWS account of every world.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region of every world.
pub(crate) const REGION: &str = "us-east-2";
/// The subnet of all tasks.
pub(crate) const SUBNET: &str = "subnet-0a0a0a0a0a0a0a0a0";
/// The ECS cluster of every world, also the family of its base task definition.
pub(crate) const CLUSTER: &str = "rosa-boundary-dev";

/// A container of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Its runtime id, `<task id>-<10 digits>`.
    pub runtime_id: String,
    /// Its lastStatus.
    pub last_status: String,
    /// lastStatus of its ExecuteCommandAgent; none means that it has no managed agent.
    pub agent_status: Option<String>,
}

/// A task as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Its id, 32 hexadecimal digits.
    pub task_id: String,
    /// Name of its ECS cluster.
    pub ecs_cluster: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its containers, in order.
    pub containers: Vec<ContainerView>,
    /// Its lastStatus.
    pub last_status: String,
    /// Its desiredStatus.
    pub desired_status: String,
    /// Whether ECS Exec is on.
    pub enable_execute_command: bool,
    /// Its startedBy.
    pub started_by: String,
    /// Family and revision of its task definition.
    pub task_definition: String,
    /// Its createdAt, seconds since 1970.
    pub created_at: i64,
    /// Its stoppedAt, seconds since 1970.
    pub stopped_at: Option<i64>,
    /// Its stoppedReason.
    pub stopped_reason: Option<String>,
    /// Variables that its launcher gave to the first container in the overrides.
    pub override_environment: BTreeMap<String, String>,
    /// Variables of the first container in the task definition.
    pub definition_environment: BTreeMap<String, String>,
    /// Whether its ARN is of the old short form, without the cluster.
    pub has_short_arn: bool,
    /// Whether ListTasks shows it; a list may lag behind.
    pub is_listed: bool,
    /// How many more times DescribeTasks shows it without its tags, as with a task that was just started.
    pub describes_without_tags: u32,
}

/// Says what a new task is like; what is left out is as the investigation Lambda makes it.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// Its id, random if none.
    pub task_id: Option<String>,
    /// Tag `cluster_id`.
    pub cluster_id: String,
    /// Tag `investigation_id`.
    pub investigation_id: String,
    /// Tag `username`.
    pub username: String,
    /// More tags, which replace the usual ones of the same key.
    pub tags: BTreeMap<String, String>,
    /// Names of the containers.
    pub containers: Vec<String>,
    /// Whether ECS Exec is on.
    pub enable_execute_command: bool,
    /// Name of its ECS cluster.
    pub ecs_cluster: String,
    /// Whether it has the usual tags, and the usual startedBy.
    pub is_usual: bool,
    /// Family and revision of its task definition, as the Lambda names it if none.
    pub task_definition: Option<String>,
    /// Variables that its launcher gave to the first container in the overrides.
    pub override_environment: BTreeMap<String, String>,
    /// Variables of the first container in the task definition.
    pub definition_environment: BTreeMap<String, String>,
}

impl Default for TaskSpec {
    fn default() -> Self {
        Self {
            task_id: None,
            cluster_id: "rosa-prod-01".to_owned(),
            investigation_id: "inv-123".to_owned(),
            username: "alice".to_owned(),
            tags: BTreeMap::new(),
            containers: vec!["rosa-boundary".to_owned(), "kube-proxy".to_owned()],
            enable_execute_command: true,
            ecs_cluster: CLUSTER.to_owned(),
            is_usual: true,
            task_definition: None,
            override_environment: BTreeMap::new(),
            definition_environment: BTreeMap::new(),
        }
    }
}

impl TaskView {
    /// Makes a running task.
    pub(crate) fn create(spec: TaskSpec, now: jiff::Timestamp) -> Self {
        let mut tags = if spec.is_usual { usual_tags(&spec, now) } else { BTreeMap::new() };
        let task_id = spec.task_id.unwrap_or_else(random::hex_id::<16>);
        let containers = spec.containers.into_iter().map(|name| container(&task_id, name)).collect();
        tags.extend(spec.tags);
        let stamp = now.strftime("%Y%m%dT%H%M%S");
        let usual_definition = || format!("{CLUSTER}-{}-{}-{stamp}:1", spec.cluster_id, spec.investigation_id);
        Self {
            ecs_cluster: spec.ecs_cluster,
            tags,
            containers,
            last_status: "RUNNING".to_owned(),
            desired_status: "RUNNING".to_owned(),
            enable_execute_command: spec.enable_execute_command,
            started_by: if spec.is_usual { started_by(&spec.cluster_id, &spec.investigation_id) } else { String::new() },
            task_definition: spec.task_definition.unwrap_or_else(usual_definition),
            created_at: now.as_second(),
            stopped_at: None,
            stopped_reason: None,
            override_environment: spec.override_environment,
            definition_environment: spec.definition_environment,
            has_short_arn: false,
            is_listed: true,
            describes_without_tags: 0,
            task_id,
        }
    }

    /// Returns the task's ARN.
    pub fn task_arn(&self) -> String {
        let cluster = if self.has_short_arn { String::new() } else { format!("{}/", self.ecs_cluster) };
        format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}{}", self.task_id)
    }

    /// Returns the ARN of the task's ECS cluster.
    pub fn cluster_arn(&self) -> String {
        cluster_arn(&self.ecs_cluster)
    }

    /// Returns a container by name.
    pub fn container(&self, name: &str) -> Option<&ContainerView> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// Returns the SSM target of a container: `ecs:<cluster>_<task id>_<runtime id>`.
    pub fn ssm_target(&self, container: &ContainerView) -> String {
        format!("ecs:{}_{}_{}", self.ecs_cluster, self.task_id, container.runtime_id)
    }

    /// Returns the ARN of a container.
    pub(crate) fn container_arn(&self, container: &ContainerView) -> String {
        let digest = random::hex(digest::digest(&digest::SHA256, container.runtime_id.as_bytes()).as_ref());
        let uuid = [&digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32]].join("-");
        format!("arn:aws:ecs:{REGION}:{ACCOUNT}:container/{}/{}/{uuid}", self.ecs_cluster, self.task_id)
    }

    /// Returns the task as DescribeTasks shows it; tags only when asked for.
    pub(crate) fn to_json(&self, with_tags: bool) -> Value {
        let definition = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{}", self.task_definition);
        let family = self.task_definition.rsplit_once(':').map_or("", |(family, _)| family);
        let mut task = json!({
            "taskArn": self.task_arn(),
            "clusterArn": self.cluster_arn(),
            "taskDefinitionArn": definition,
            "lastStatus": self.last_status,
            "desiredStatus": self.desired_status,
            "connectivity": "CONNECTED",
            "enableExecuteCommand": self.enable_execute_command,
            "group": format!("family:{family}"),
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "availabilityZone": "us-east-2a",
            "createdAt": self.created_at,
            "startedAt": self.created_at,
            "containers": self.containers.iter().map(|it| self.container_json(it)).collect::<Vec<_>>(),
            "overrides": {"containerOverrides": self.overrides_json(), "inferenceAcceleratorOverrides": []},
            "version": 3,
            "tags": [],
            "attachments": [{"id": "0e0", "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": [
                {"name": "subnetId", "value": SUBNET}, {"name": "networkInterfaceId", "value": "eni-0a0a0a0a0a0a0a0a0"},
                {"name": "privateIPv4Address", "value": "10.0.1.10"},
            ]}],
        });
        if with_tags {
            task["tags"] = self.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        }
        if !self.started_by.is_empty() {
            task["startedBy"] = json!(self.started_by);
        }
        if let Some(at) = self.stopped_at {
            task["stoppedAt"] = json!(at);
        }
        if let Some(reason) = &self.stopped_reason {
            task["stoppedReason"] = json!(reason);
            task["stopCode"] = json!("UserInitiated");
        }
        task
    }

    fn overrides_json(&self) -> Vec<Value> {
        let container = self.containers.first().filter(|_| !self.override_environment.is_empty());
        container.map(|it| json!({"name": it.name, "environment": pairs(&self.override_environment)})).into_iter().collect()
    }

    fn container_json(&self, container: &ContainerView) -> Value {
        let agents: Vec<Value> = container
            .agent_status
            .iter()
            .map(|status| json!({"name": "ExecuteCommandAgent", "lastStatus": status, "lastStartedAt": self.created_at}))
            .collect();
        json!({
            "containerArn": self.container_arn(container),
            "taskArn": self.task_arn(),
            "name": container.name,
            "runtimeId": container.runtime_id,
            "lastStatus": container.last_status,
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
            "managedAgents": agents,
            "cpu": "0",
        })
    }
}

/// Returns variables in the form of the API.
pub(crate) fn pairs(variables: &BTreeMap<String, String>) -> Vec<Value> {
    variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// Returns the ARN of an ECS cluster.
pub(crate) fn cluster_arn(name: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}")
}

fn container(task_id: &str, name: String) -> ContainerView {
    ContainerView {
        name,
        runtime_id: format!("{task_id}-{}", random::digits::<10>()),
        last_status: "RUNNING".to_owned(),
        agent_status: Some("RUNNING".to_owned()),
    }
}

/// The Lambda's integrity check of the tags: SHA-256 of `cluster_id:investigation_id`, 36 hexadecimal digits.
fn started_by(cluster_id: &str, investigation_id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{cluster_id}:{investigation_id}").as_bytes());
    random::hex(digest.as_ref())[..36].to_owned()
}

/// The tags that the Lambda writes; its times are naive UTC.
fn usual_tags(spec: &TaskSpec, now: jiff::Timestamp) -> BTreeMap<String, String> {
    let TaskSpec { cluster_id, investigation_id, username, ecs_cluster, .. } = spec;
    let naive = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string();
    let deadline = now.checked_add(jiff::SignedDuration::from_secs(3600)).unwrap_or(now);
    [
        ("oidc_sub", format!("f:4c9b1c1e:{username}")),
        ("username", username.clone()),
        ("investigation_id", investigation_id.clone()),
        ("cluster_id", cluster_id.clone()),
        ("oc_version", "4.20".to_owned()),
        ("access_point_id", "fsap-0a1b2c3d4e5f60718".to_owned()),
        ("task_timeout", "3600".to_owned()),
        ("created_at", naive(now)),
        ("deadline", naive(deadline)),
        ("aws:ecs:clusterName", ecs_cluster.clone()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_as_the_lambda_makes_it() {
        let task = TaskView::create(TaskSpec::default(), jiff::Timestamp::now());
        assert_eq!(task.task_id.len(), 32);
        assert_eq!(task.started_by.len(), 36);
        assert_eq!(task.tags["username"], "alice");
        assert!(!task.tags["deadline"].ends_with('Z'), "the Lambda's times are naive");
        let container = task.container("rosa-boundary").unwrap();
        assert_eq!(task.ssm_target(container), format!("ecs:{CLUSTER}_{}_{}", task.task_id, container.runtime_id));
    }

    #[test]
    fn tags_are_shown_only_when_asked_for() {
        let task = TaskView::create(TaskSpec::default(), jiff::Timestamp::now());
        assert_eq!(task.to_json(false)["tags"], json!([]));
        assert!(!task.to_json(true)["tags"].as_array().unwrap().is_empty());
    }
}

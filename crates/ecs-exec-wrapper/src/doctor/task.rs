//! The facts of a task: as ECS describes it, and its definition. [`super::task_checks`] judges them.

use super::check::{Reading, Unread};
use super::network::Interface;
use crate::ecs::Services;
use crate::ending::Reason;
use crate::resolve::first_look;
use crate::settings::Settings;
use crate::task::{ContainerView, TaskView, choose_container};
use aws_identity::explain;
use aws_sdk_ecs::types::{ContainerDefinition, LinuxParameters, PidMode, Task, TaskDefinition};

/// What came of the look for the task.
#[derive(Debug)]
pub(super) enum TaskReading {
    /// It is there.
    Found(Box<TaskFacts>),
    /// It is not, or may not be seen by us, as a sentence: a session would end here too.
    Missing(String),
    /// Nobody can tell.
    Unread(Unread),
}

/// What is known of the task.
#[derive(Debug)]
pub(super) struct TaskFacts {
    /// As the session's own stages see it.
    pub(super) view: TaskView,
    /// `FARGATE`, `EC2`, `EXTERNAL`.
    pub(super) launch_type: String,
    /// Platform version of Fargate, `1.4.0`.
    pub(super) platform_version: Option<String>,
    /// `Linux`, or a Windows edition.
    pub(super) platform_family: String,
    /// The container agent's version on an instance.
    pub(super) agent_version: Option<Reading<String>>,
    /// Its own network interface; none where it uses its instance's.
    pub(super) interface: Option<Interface>,
    /// The task role of the overrides, which replaces the definition's.
    pub(super) role_override: Option<String>,
    /// Names of the variables of the overrides, by container.
    pub(super) variable_overrides: Vec<(String, String)>,
    /// The definition.
    pub(super) definition: Reading<DefinitionFacts>,
}

/// What is known of the task definition.
#[derive(Debug, Default, Clone)]
pub(super) struct DefinitionFacts {
    /// The task role.
    pub(super) role_arn: Option<String>,
    /// Whether all containers share one PID namespace.
    pub(super) shares_pids: bool,
    /// The containers.
    pub(super) containers: Vec<ContainerFacts>,
}

/// What is known of a container's definition.
#[derive(Debug, Default, Clone)]
pub(super) struct ContainerFacts {
    /// Its name.
    pub(super) name: String,
    /// Whether its root file system is read-only.
    pub(super) is_read_only: bool,
    /// Where something writable is mounted.
    pub(super) writable_mounts: Vec<String>,
    /// Whether a process collects orphans.
    pub(super) has_init: bool,
    /// Names of its variables and secrets.
    pub(super) variables: Vec<String>,
}

impl TaskFacts {
    /// The container that a session would choose.
    pub(super) fn container<'a>(&'a self, settings: &Settings) -> Option<&'a ContainerView> {
        choose_container(&self.view, settings.container.as_deref(), settings.configured_container.as_deref()).ok()
    }

    /// The role of the task.
    pub(super) fn role(&self) -> Reading<Option<&str>> {
        match (&self.role_override, &self.definition) {
            (Some(role), _) => Ok(Some(role)),
            (None, Ok(definition)) => Ok(definition.role_arn.as_deref()),
            (None, Err(unread)) => Err(unread.clone()),
        }
    }
}

/// Finds the task as a session would, and reads what a session does not need. AWS knows the caller, so a refusal is one of
/// rights, and a session ends with it.
pub(super) async fn gather(settings: &Settings, config: &aws_config::SdkConfig) -> TaskReading {
    let view = match first_look(settings, &Services::new(config)).await {
        Ok(view) => view,
        Err(ending) => {
            return match ending.reason {
                Reason::Aws => TaskReading::Unread(Unread::new(format!("failed to {}", ending.sentence), "try again")),
                _ if ending.sentence.starts_with("call ") => TaskReading::Missing(format!("failed to {}", ending.sentence)),
                _ => TaskReading::Missing(ending.sentence),
            };
        }
    };
    let client = aws_sdk_ecs::Client::new(config);
    let cluster = view.arn.ecs_cluster().or(settings.task.ecs_cluster.as_ref().map(investigation::ClusterRef::name));
    let request = client.describe_tasks().set_cluster(cluster.map(str::to_owned)).tasks(view.arn.to_string());
    let task = match request.send().await {
        Ok(answer) => answer.tasks().first().cloned(),
        Err(error) => return TaskReading::Unread(Unread::from(&explain("ecs:DescribeTasks", &error))),
    };
    match task {
        Some(task) => TaskReading::Found(Box::new(facts(&client, view, &task).await)),
        None => TaskReading::Missing("the task is gone since a moment ago".to_owned()),
    }
}

async fn facts(client: &aws_sdk_ecs::Client, view: TaskView, task: &Task) -> TaskFacts {
    let (definition, agent_version) = tokio::join!(definition(client, task), agent_version(client, task));
    let overrides = task.overrides();
    let containers = overrides.map(aws_sdk_ecs::types::TaskOverride::container_overrides).unwrap_or_default();
    let variables = containers.iter().flat_map(|container| {
        let name = container.name().unwrap_or_default();
        container.environment().iter().filter_map(move |pair| Some((name.to_owned(), pair.name()?.to_owned())))
    });
    TaskFacts {
        view,
        launch_type: task.launch_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        platform_version: task.platform_version().map(str::to_owned),
        platform_family: task.platform_family().unwrap_or_default().to_owned(),
        agent_version,
        interface: interface(task),
        role_override: overrides.and_then(|overrides| overrides.task_role_arn()).map(str::to_owned),
        variable_overrides: variables.collect(),
        definition,
    }
}

fn interface(task: &Task) -> Option<Interface> {
    let details = task.attachments().iter().find(|attachment| attachment.r#type() == Some("ElasticNetworkInterface"))?.details();
    let detail = |name: &str| details.iter().find(|pair| pair.name() == Some(name)).and_then(|pair| pair.value());
    Some(Interface { subnet_id: detail("subnetId")?.to_owned(), interface_id: detail("networkInterfaceId").map(str::to_owned) })
}

async fn definition(client: &aws_sdk_ecs::Client, task: &Task) -> Reading<DefinitionFacts> {
    let answer =
        client.describe_task_definition().set_task_definition(task.task_definition_arn().map(str::to_owned)).send().await;
    let answer = answer.map_err(|error| Unread::from(&explain("ecs:DescribeTaskDefinition", &error)))?;
    let empty = || Unread::new("ecs:DescribeTaskDefinition answered without a definition", "try again");
    answer.task_definition().map(definition_facts).ok_or_else(empty)
}

fn definition_facts(definition: &TaskDefinition) -> DefinitionFacts {
    DefinitionFacts {
        role_arn: definition.task_role_arn().filter(|role| !role.is_empty()).map(str::to_owned),
        shares_pids: definition.pid_mode() == Some(&PidMode::Task),
        containers: definition.container_definitions().iter().map(container_facts).collect(),
    }
}

fn container_facts(container: &ContainerDefinition) -> ContainerFacts {
    let mounts = container.mount_points().iter().filter(|mount| !mount.read_only().unwrap_or(false));
    let variables = container.environment().iter().filter_map(|pair| pair.name());
    let secrets = container.secrets().iter().map(aws_sdk_ecs::types::Secret::name);
    ContainerFacts {
        name: container.name().unwrap_or_default().to_owned(),
        is_read_only: container.readonly_root_filesystem().unwrap_or(false),
        writable_mounts: mounts.filter_map(|mount| mount.container_path()).map(str::to_owned).collect(),
        has_init: container.linux_parameters().and_then(LinuxParameters::init_process_enabled).unwrap_or(false),
        variables: variables.chain(secrets).map(str::to_owned).collect(),
    }
}

/// The container agent's version, for a task on an instance.
async fn agent_version(client: &aws_sdk_ecs::Client, task: &Task) -> Option<Reading<String>> {
    let instance = task.container_instance_arn()?;
    let request = client.describe_container_instances().set_cluster(task.cluster_arn().map(str::to_owned));
    let answer = request.container_instances(instance).send().await;
    let answer = answer.map_err(|error| Unread::from(&explain("ecs:DescribeContainerInstances", &error)));
    let version = answer.and_then(|answer| {
        let info = answer.container_instances().first().and_then(|instance| instance.version_info());
        let empty = || Unread::new("the container instance tells no version", "look at the instance");
        info.and_then(|info| info.agent_version()).map(str::to_owned).ok_or_else(empty)
    });
    Some(version)
}

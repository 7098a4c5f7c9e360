//! ECS: the reads that find a task, and ExecuteCommand, which opens a session in it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::agent;
use crate::aws::{ApiError, Call};
use crate::exec_logging::container_log_group;
use crate::gateway::session::{Kind, Session, SessionPlan};
use crate::journal::JournalEntry;
use crate::random;
use crate::tasks::{ACCOUNT, CLUSTER, ContainerView, REGION, TaskView, cluster_arn, pairs};
use crate::trail::exec_owner;

/// Sessions that one container takes at once (amazon-ecs-agent execcmd manager, `defaultSessionLimit`).
const SESSION_LIMIT: usize = 2;
/// Tasks that DescribeTasks takes at once (ECS API reference).
const DESCRIBE_LIMIT: usize = 100;
/// The SSM document of ECS Exec's sessions.
const EXEC_DOCUMENT: &str = "AmazonECS-ExecuteInteractiveCommand";

/// Lists the ECS clusters.
pub(crate) fn list_clusters(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("ecs:ListClusters", "*", &BTreeMap::new())?;
    let arns: Vec<String> = call.shared.tasks().active().map(cluster_arn).collect();
    Ok(json!({"clusterArns": arns}))
}

/// Lists task ARNs in pages; the token is the number of the next page's first task.
pub(crate) fn list_tasks(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("ecs:ListTasks", "*", &BTreeMap::new())?;
    let cluster = known_cluster(call)?;
    let filter = ListFilter::read(call, cluster)?;
    let size = call.body["maxResults"].as_u64().map_or(100, |size| usize::try_from(size).unwrap_or(0));
    if !(1..=100).contains(&size) {
        return Err(ApiError::invalid_parameter("maxResults must be between 1 and 100."));
    }
    let tasks = call.shared.tasks();
    let (page, number) = match call.text("nextToken").map(|token| token.split_once('.')) {
        None => (0, 0),
        Some(token) => token
            .and_then(|(page, number)| Some((page.parse().ok()?, number.parse().ok()?)))
            .filter(|(_, number)| tasks.knows_number(*number))
            .ok_or_else(|| ApiError::invalid_parameter("Invalid token."))?,
    };
    if let Some((_, code, status)) = tasks.failing_page.as_ref().filter(|(failing, ..)| *failing == page) {
        return Err(ApiError::new(*status, code, "the lab was asked to answer so"));
    }
    let mut matching = tasks.from(number).filter(|(_, task)| filter.fits(task));
    let arns: Vec<String> = matching.by_ref().take(size).map(|(_, task)| task.task_arn()).collect();
    let mut answer = json!({"taskArns": arns});
    if let Some((next, _)) = matching.next() {
        answer["nextToken"] = json!(format!("{}.{next}", page + 1));
    }
    Ok(answer)
}

/// What ListTasks is asked for.
struct ListFilter<'a> {
    cluster: &'a str,
    family: Option<&'a str>,
    started_by: Option<&'a str>,
    desired: &'a str,
    has_service: bool,
}

impl<'a> ListFilter<'a> {
    fn read(call: &'a Call<'_>, cluster: &'a str) -> Result<Self, ApiError> {
        let (family, started_by) = (call.text("family"), call.text("startedBy"));
        let has_service = call.text("serviceName").is_some();
        if started_by.is_some() && (family.is_some() || has_service) {
            return Err(ApiError::invalid_parameter("startedBy must be the only filter."));
        }
        Ok(Self { cluster, family, started_by, desired: call.text("desiredStatus").unwrap_or("RUNNING"), has_service })
    }

    fn fits(&self, task: &TaskView) -> bool {
        let family = || task.task_definition.rsplit_once(':').map(|(family, _)| family);
        task.is_listed
            && task.ecs_cluster == self.cluster
            && task.desired_status == self.desired
            && self.family.is_none_or(|wanted| family() == Some(wanted))
            && self.started_by.is_none_or(|wanted| task.started_by == wanted)
            && !self.has_service
    }
}

/// Describes tasks; unknown ones are failures of reason MISSING.
pub(crate) fn describe_tasks(call: &Call<'_>) -> Result<Value, ApiError> {
    let cluster = known_cluster(call)?;
    let wanted: Vec<&str> = call.body["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if wanted.is_empty() || wanted.len() > DESCRIBE_LIMIT {
        return Err(ApiError::invalid_parameter("Tasks must be between 1 and 100."));
    }
    let with_tags = includes(call, "TAGS");
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for text in wanted {
        let task_id = task_id_of(text, cluster)?;
        let arn = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}/{task_id}");
        let task = task_in(call, cluster, task_id);
        let context = task.as_ref().map(resource_tags).unwrap_or_default();
        call.authorise("ecs:DescribeTasks", &arn, &context)?;
        match task {
            Some(task) => found.push(task.to_json(with_tags && shows_tags(call, task_id))),
            None => failures.push(json!({"arn": if text.starts_with("arn:") { text } else { &arn }, "reason": "MISSING"})),
        }
    }
    Ok(json!({"tasks": found, "failures": failures}))
}

fn task_in(call: &Call<'_>, cluster: &str, task_id: &str) -> Option<TaskView> {
    call.shared.task(task_id).filter(|task| task.ecs_cluster == cluster)
}

/// Whether a task's tags can be seen already; each look brings them nearer.
fn shows_tags(call: &Call<'_>, task_id: &str) -> bool {
    let mut tasks = call.shared.tasks();
    let Some(task) = tasks.task_mut(task_id) else { return true };
    let shown = task.describes_without_tags == 0;
    task.describes_without_tags = task.describes_without_tags.saturating_sub(1);
    shown
}

/// Lists the tags of a task.
pub(crate) fn list_tags(call: &Call<'_>) -> Result<Value, ApiError> {
    let arn = call.required("resourceArn")?;
    let task = call.shared.task(last_part(arn)).filter(|task| task.task_arn() == arn);
    call.authorise("ecs:ListTagsForResource", arn, &task.as_ref().map(resource_tags).unwrap_or_default())?;
    let task = task.ok_or_else(|| ApiError::invalid_parameter("The specified task is not found."))?;
    let tags: Vec<Value> = task.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    Ok(json!({"tags": tags}))
}

/// Describes the ECS cluster with its exec configuration.
pub(crate) fn describe_clusters(call: &Call<'_>) -> Result<Value, ApiError> {
    let default = json!([CLUSTER]);
    let wanted = if call.body["clusters"].is_array() { &call.body["clusters"] } else { &default };
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for text in wanted.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let name = last_part(text);
        call.authorise("ecs:DescribeClusters", &cluster_arn(name), &BTreeMap::new())?;
        let state = call.shared.tasks().state(name).map(str::to_owned);
        match state {
            Some(state) => found.push(cluster_json(call, name, &state)),
            None => failures.push(json!({"arn": cluster_arn(name), "reason": "MISSING"})),
        }
    }
    Ok(json!({"clusters": found, "failures": failures}))
}

fn cluster_json(call: &Call<'_>, name: &str, state: &str) -> Value {
    let is_running = |task: &&TaskView| task.ecs_cluster == name && task.last_status == "RUNNING";
    let running = call.shared.tasks().iter().filter(is_running).count();
    let mut cluster = json!({
        "clusterArn": cluster_arn(name), "clusterName": name, "status": state, "runningTasksCount": running,
        "pendingTasksCount": 0, "registeredContainerInstancesCount": 0, "activeServicesCount": 0,
        "settings": [{"name": "containerInsights", "value": "enabled"}],
    });
    if includes(call, "CONFIGURATIONS") {
        let key = call.shared.options.kms.then(|| call.shared.keys.arn());
        let exec = call.shared.exec_logging().to_json(name, key.as_deref());
        cluster["configuration"] = json!({"executeCommandConfiguration": exec});
    }
    cluster
}

/// Describes a task definition as far as a shell needs it.
pub(crate) fn describe_task_definition(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("ecs:DescribeTaskDefinition", "*", &BTreeMap::new())?;
    let wanted = last_part(call.required("taskDefinition")?);
    let tasks = call.shared.tasks();
    let named = |task: &&TaskView| {
        task.task_definition == wanted || task.task_definition.rsplit_once(':').is_some_and(|(family, _)| family == wanted)
    };
    let task =
        tasks.iter().find(named).ok_or_else(|| ApiError::new(400, "ClientException", "Unable to describe task definition."))?;
    let (family, revision) = task.task_definition.rsplit_once(':').unwrap_or((wanted, "1"));
    let environment = |at: usize| if at == 0 { pairs(&task.definition_environment) } else { Vec::new() };
    let containers: Vec<Value> =
        task.containers.iter().enumerate().map(|(at, it)| definition_json(it, &environment(at))).collect();
    Ok(json!({"taskDefinition": {
        "taskDefinitionArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{}", task.task_definition),
        "family": family, "revision": revision.parse::<u32>().unwrap_or(1), "status": "ACTIVE", "containerDefinitions": containers,
        "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "1024", "memory": "2048",
        "taskRoleArn": crate::iam::task_role_arn(),
    }}))
}

fn definition_json(container: &ContainerView, environment: &[Value]) -> Value {
    json!({
        "environment": environment,
        "name": container.name, "image": format!("lab/{}:latest", container.name), "essential": true,
        "logConfiguration": {"logDriver": "awslogs", "options": {
            "awslogs-group": container_log_group(), "awslogs-region": REGION, "awslogs-stream-prefix": container.name,
        }},
        "readonlyRootFilesystem": container.name == "kube-proxy", "linuxParameters": {"initProcessEnabled": true},
    })
}

/// Opens a session in a container.
pub(crate) fn execute_command(call: &Call<'_>) -> Result<Value, ApiError> {
    let task_text = call.required("task")?;
    let command = call.required("command")?;
    let cluster = known_cluster(call)?;
    if call.body["interactive"] != json!(true) {
        return Err(ApiError::invalid_parameter("Interactive is the only mode supported currently."));
    }
    let task_id = task_id_of(task_text, cluster)?;
    let task = task_in(call, cluster, task_id);
    authorise_execute(call, cluster, task_id, task.as_ref())?;
    let task = task.ok_or_else(|| ApiError::invalid_parameter("The task provided was not found."))?;
    let container = choose_container(call, &task)?;
    check_executable(call, &task, container)?;
    let session = open(call, &task, container, command);
    Ok(json!({
        "clusterArn": task.cluster_arn(), "taskArn": task.task_arn(), "containerArn": task.container_arn(container),
        "containerName": container.name, "interactive": true,
        "session": {
            "sessionId": session.id, "streamUrl": call.shared.stream_url(&session.id), "tokenValue": session.issue_token(),
        },
    }))
}

/// The right is needed on both the cluster and the task.
fn authorise_execute(call: &Call<'_>, cluster: &str, task_id: &str, task: Option<&TaskView>) -> Result<(), ApiError> {
    let mut context = task.map(resource_tags).unwrap_or_default();
    context.insert("ecs:cluster".to_owned(), cluster_arn(cluster));
    if let Some(container) = call.text("container") {
        context.insert("ecs:container-name".to_owned(), container.to_owned());
    }
    let task_arn = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}/{task_id}");
    call.authorise("ecs:ExecuteCommand", &task_arn, &context)?;
    call.authorise("ecs:ExecuteCommand", &cluster_arn(cluster), &context)
}

fn choose_container<'a>(call: &Call<'_>, task: &'a TaskView) -> Result<&'a ContainerView, ApiError> {
    match (call.text("container"), task.containers.as_slice()) {
        (Some(name), _) => task
            .container(name)
            .ok_or_else(|| ApiError::invalid_parameter(&format!("The container name provided is not part of the task: {name}."))),
        (None, [only]) => Ok(only),
        (None, _) => Err(ApiError::invalid_parameter("A container name must be specified for tasks with multiple containers.")),
    }
}

fn check_executable(call: &Call<'_>, task: &TaskView, container: &ContainerView) -> Result<(), ApiError> {
    if !task.enable_execute_command {
        return Err(ApiError::invalid_parameter(
            "The execute command failed because execute command was not enabled when the task was run or the execute command agent \
             isn't running. Wait and try again or run a new task with execute command enabled and try again.",
        ));
    }
    let connected = task.last_status == "RUNNING"
        && container.last_status == "RUNNING"
        && container.agent_status.as_deref() == Some("RUNNING")
        && call.shared.sessions.live_in(&task.task_id, &container.name) < SESSION_LIMIT;
    if !connected {
        let text = "The execute command failed due to an internal error. Try again later.";
        return Err(ApiError::new(400, "TargetNotConnectedException", text));
    }
    Ok(())
}

fn open(call: &Call<'_>, task: &TaskView, container: &ContainerView, command: &str) -> std::sync::Arc<Session> {
    let plan = SessionPlan {
        id: format!("ecs-execute-command-{}", random::base32_id()),
        kind: Kind::Interactive { kms: call.shared.options.kms },
        target: task.ssm_target(container),
        task_id: task.task_id.clone(),
        container: container.name.clone(),
        owner: exec_owner(),
        command: command.to_owned(),
        is_logged: true,
        document: EXEC_DOCUMENT.to_owned(),
    };
    let (session, inbox) = call.shared.sessions.open(plan, call.shared.clock.millis());
    call.shared.journal.push(JournalEntry::ExecuteCommand {
        command: command.to_owned(),
        session_id: session.id.clone(),
        task_id: task.task_id.clone(),
        container: container.name.clone(),
        principal: call.principal.arn.clone(),
    });
    tokio::spawn(agent::run(call.shared.clone(), session.clone(), inbox));
    session
}

fn known_cluster<'a>(call: &'a Call<'_>) -> Result<&'a str, ApiError> {
    let name = last_part(call.text("cluster").unwrap_or("default"));
    let not_found = |why| Err(ApiError::new(400, "ClusterNotFoundException", why));
    match call.shared.tasks().state(name) {
        Some("ACTIVE") => Ok(name),
        Some(_) => not_found("The referenced cluster was inactive."),
        None => not_found("Cluster not found."),
    }
}

/// Takes the id out of a task id or ARN of this cluster.
fn task_id_of<'a>(text: &'a str, cluster: &str) -> Result<&'a str, ApiError> {
    if !text.starts_with("arn:") {
        return Ok(text);
    }
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [_, task_id] => Ok(task_id),
        [_, found, task_id] if *found == cluster => Ok(task_id),
        [_, found, _] => {
            Err(ApiError::invalid_parameter(&format!("Identifier is for cluster {found}. Your cluster is {cluster}")))
        }
        _ => Err(ApiError::invalid_parameter(&format!("Invalid identifier: {text}"))),
    }
}

fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn includes(call: &Call<'_>, what: &str) -> bool {
    call.body["include"].as_array().is_some_and(|included| included.iter().any(|item| item == what))
}

/// The context keys that hold a task's tags.
pub(crate) fn resource_tags(task: &TaskView) -> BTreeMap<String, String> {
    let both = task
        .tags
        .iter()
        .flat_map(|(key, value)| ["aws", "ecs"].map(|prefix| (format!("{prefix}:ResourceTag/{key}"), value.clone())));
    both.collect()
}

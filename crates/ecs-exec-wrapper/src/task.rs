//! A task as ECS describes it, and the choices that follow: which task, which container, ready or not.
//!
//! Pure. [`crate::ecs`] fetches the descriptions.

use crate::ending::Reason;
use cli_kit::printable;
use investigation::{TaskArn, TaskLabels};

/// What we need of one DescribeTasks entry.
#[derive(Debug, Clone)]
pub(crate) struct TaskView {
    /// Its ARN.
    pub(crate) arn: TaskArn,
    /// `RUNNING`, `PENDING`, `STOPPED` and the states between.
    pub(crate) last_status: String,
    /// What ECS wants it to be.
    pub(crate) desired_status: String,
    /// Why it stopped, in ECS's or its stopper's words.
    pub(crate) stopped_reason: Option<String>,
    /// Whether ECS Exec was enabled when it was started.
    pub(crate) exec_enabled: bool,
    /// Its containers.
    pub(crate) containers: Vec<ContainerView>,
    /// Its tags and its containers' environment.
    pub(crate) labels: TaskLabels,
}

/// What we need of one container.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContainerView {
    /// Its name.
    pub(crate) name: String,
    /// The runtime's id, once it runs.
    pub(crate) runtime_id: Option<String>,
    /// Its status.
    pub(crate) last_status: String,
    /// Status and reason of its ExecuteCommandAgent, when ECS lists one.
    pub(crate) agent: Option<(String, Option<String>)>,
}

/// A choice that cannot be made, as an ending's reason and sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoChoice {
    /// The stable reason.
    pub(crate) reason: Reason,
    /// What to tell the user, safe to print.
    pub(crate) sentence: String,
}

impl NoChoice {
    fn new(reason: Reason, sentence: String) -> Self {
        Self { reason, sentence }
    }
}

/// Picks the only task that fits.
///
/// # Errors
/// When there is none, or several: then the candidates are listed.
pub(crate) fn only_one<'a>(fitting: &[&'a TaskView], wanted: &str) -> Result<&'a TaskView, NoChoice> {
    match fitting {
        [] => Err(NoChoice::new(Reason::TaskNotFound, format!("no running task {wanted}"))),
        [task] => Ok(task),
        several => {
            let lines: Vec<String> = several.iter().map(|task| candidate(task)).collect();
            Err(NoChoice::new(Reason::TaskNotFound, format!("{} running tasks {wanted}:\n{}", several.len(), lines.join("\n"))))
        }
    }
}

fn candidate(task: &TaskView) -> String {
    let label =
        |name: &str, value: Option<&str>| value.map(|value| format!("  {name} {}", printable(value, 64))).unwrap_or_default();
    format!(
        "  {}  {}{}{}{}",
        task.arn.task_id(),
        printable(&task.last_status, 20),
        label("cluster", task.labels.cluster_id()),
        label("investigation", task.labels.investigation_id()),
        label("owner", task.labels.owner_name()),
    )
}

/// Picks the container: the one named, else the only one, else the configured one.
///
/// # Errors
/// When the named one does not exist, or several are left: then they are listed.
pub(crate) fn choose_container<'a>(
    task: &'a TaskView,
    named: Option<&str>,
    configured: Option<&str>,
) -> Result<&'a ContainerView, NoChoice> {
    let find = |name: &str| task.containers.iter().find(|container| container.name == name);
    let names = || task.containers.iter().map(|c| printable(&c.name, 64)).collect::<Vec<_>>().join(", ");
    if let Some(name) = named {
        return find(name).ok_or_else(|| {
            NoChoice::new(
                Reason::ContainerNotFound,
                format!("the task has no container `{}`; it has: {}", printable(name, 64), names()),
            )
        });
    }
    match (task.containers.as_slice(), configured.and_then(find)) {
        ([only], _) => Ok(only),
        (_, Some(container)) => Ok(container),
        _ => Err(NoChoice::new(Reason::ContainerNotFound, format!("the task has several containers: {}", names()))),
    }
}

/// Whether ExecuteCommand can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It can; the container's runtime id.
    Ready(String),
    /// Not yet: what is waited for.
    Waiting(String),
    /// It never will.
    Never(NoChoice),
}

/// Judges a task and one of its containers.
pub(crate) fn readiness(task: &TaskView, container: &ContainerView) -> Readiness {
    if let Some(gone) = stopped(task) {
        return Readiness::Never(gone);
    }
    if !task.exec_enabled {
        let sentence = format!("the task {} was started without ECS Exec", task.arn.task_id());
        return Readiness::Never(NoChoice::new(Reason::ExecDisabled, sentence));
    }
    if task.last_status != "RUNNING" {
        return Readiness::Waiting(format!("the task to run (it is {})", printable(&task.last_status, 20)));
    }
    let name = printable(&container.name, 64);
    match (&container.agent, &container.runtime_id) {
        // Older descriptions list no agent at all: then ExecuteCommand itself says whether it is connected.
        (None, Some(runtime_id)) => Readiness::Ready(runtime_id.clone()),
        (Some((status, _)), Some(runtime_id)) if status == "RUNNING" => Readiness::Ready(runtime_id.clone()),
        (Some((status, reason)), _) if status == "STOPPED" => Readiness::Never(agent_stopped(&name, reason.as_deref())),
        (Some((status, _)), _) => Readiness::Waiting(format!("the ECS Exec agent in {name} (it is {})", printable(status, 20))),
        (None, None) => Readiness::Waiting(format!("the container {name} (it is {})", printable(&container.last_status, 20))),
    }
}

/// Says that a task is stopping or gone, and why.
pub(crate) fn stopped(task: &TaskView) -> Option<NoChoice> {
    let gone = ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED", "DELETED"];
    if !gone.contains(&task.last_status.as_str()) && task.desired_status != "STOPPED" {
        return None;
    }
    let why = task.stopped_reason.as_deref().map(|reason| format!(": {}", printable(reason, 300))).unwrap_or_default();
    let sentence = format!("the task {} is {}{why}", task.arn.task_id(), printable(&task.last_status, 20));
    Some(NoChoice::new(Reason::TaskStopped, sentence))
}

fn agent_stopped(container: &str, reason: Option<&str>) -> NoChoice {
    let why = reason.map(|reason| format!(": {}", printable(reason, 300))).unwrap_or_default();
    NoChoice::new(Reason::TargetNotConnected, format!("the ECS Exec agent in {container} has stopped{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, containers: &[&str]) -> TaskView {
        TaskView {
            arn: TaskArn::parse(&format!("arn:aws:ecs:us-east-2:123456789012:task/dev/{id}")).unwrap(),
            last_status: "RUNNING".to_owned(),
            desired_status: "RUNNING".to_owned(),
            stopped_reason: None,
            exec_enabled: true,
            containers: containers.iter().map(|name| container(name, "RUNNING")).collect(),
            labels: TaskLabels::default(),
        }
    }

    fn container(name: &str, agent: &str) -> ContainerView {
        ContainerView {
            name: name.to_owned(),
            runtime_id: Some("abc-1234567890".to_owned()),
            last_status: "RUNNING".to_owned(),
            agent: Some((agent.to_owned(), None)),
        }
    }

    #[test]
    fn the_only_container_needs_no_name() {
        assert_eq!(choose_container(&task("a1", &["x"]), None, Some("other")).unwrap().name, "x");
    }

    #[test]
    fn several_containers_need_a_word_and_are_listed() {
        let task = task("a1", &["rosa-boundary", "kube-proxy"]);
        assert_eq!(choose_container(&task, None, Some("rosa-boundary")).unwrap().name, "rosa-boundary");
        assert_eq!(choose_container(&task, Some("kube-proxy"), Some("rosa-boundary")).unwrap().name, "kube-proxy");
        let refused = choose_container(&task, None, None).unwrap_err();
        assert!(refused.sentence.contains("rosa-boundary, kube-proxy"), "{}", refused.sentence);
        assert_eq!(choose_container(&task, Some("typo"), Some("rosa-boundary")).unwrap_err().reason, Reason::ContainerNotFound);
    }

    #[test]
    fn an_ambiguous_task_lists_the_candidates_without_their_escapes() {
        let (mut first, second) = (task("a1", &["x"]), task("a2", &["x"]));
        first.labels.tags.insert("investigation_id".to_owned(), "\u{1b}[31m7".to_owned());
        let refused = only_one(&[&first, &second], "begins with a").unwrap_err();
        assert!(refused.sentence.contains("a1") && refused.sentence.contains("a2") && refused.sentence.contains("\\u{1b}[31m7"));
        assert!(only_one(&[], "begins with b").is_err());
    }

    #[test]
    fn readiness_says_what_is_waited_for() {
        let mut task = task("a1", &["x"]);
        assert_eq!(readiness(&task, &task.containers[0]), Readiness::Ready("abc-1234567890".to_owned()));
        assert!(matches!(readiness(&task, &container("x", "PENDING")), Readiness::Waiting(what) if what.contains("agent")));
        task.last_status = "PROVISIONING".to_owned();
        assert!(matches!(readiness(&task, &task.containers[0]), Readiness::Waiting(what) if what.contains("PROVISIONING")));
    }

    #[test]
    fn what_never_gets_ready_says_why() {
        let mut task = task("a1", &["x"]);
        assert!(
            matches!(readiness(&task, &container("x", "STOPPED")), Readiness::Never(no) if no.reason == Reason::TargetNotConnected)
        );
        task.exec_enabled = false;
        assert!(matches!(readiness(&task, &task.containers[0]), Readiness::Never(no) if no.reason == Reason::ExecDisabled));
        task.last_status = "STOPPED".to_owned();
        task.stopped_reason = Some("Task deadline exceeded".to_owned());
        let Readiness::Never(no) = readiness(&task, &task.containers[0]) else { panic!("a stopped task is never ready") };
        assert_eq!(no.reason, Reason::TaskStopped);
        assert!(no.sentence.contains("deadline"));
    }
}

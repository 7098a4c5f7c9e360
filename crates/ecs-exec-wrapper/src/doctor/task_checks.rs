//! What the facts of a task mean for a shell in it. Pure.

use super::caller::rough;
use super::check::{Check, Group, Unread};
use super::task::{ContainerFacts, TaskFacts, TaskReading};
use crate::settings::Settings;
use crate::task::{ContainerView, TaskView, choose_container, stopped};
use cli_kit::printable;
use jiff::{SignedDuration, Timestamp};

const GROUP: Group = Group::Task;

/// The first Fargate platform with ECS Exec. Source: the ECS Exec guide.
const PLATFORM_MIN: [u64; 3] = [1, 4, 0];

/// The first container agent with ECS Exec. Source: the ECS Exec guide.
const AGENT_MIN: [u64; 3] = [1, 50, 2];

/// Folders that the ECS Exec agent writes to. Source: containers-roadmap issue 1359.
const AGENT_FOLDERS: [&str; 3] = ["/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm"];

/// A deadline this near is worth a word.
const DEADLINE_NOTED: SignedDuration = SignedDuration::from_mins(15);

/// Judges.
pub(super) fn checks(reading: &TaskReading, settings: &Settings, now: Timestamp) -> Vec<Check> {
    let id = "task-found";
    let facts = match reading {
        TaskReading::Found(facts) => facts,
        TaskReading::Missing(why) => {
            return vec![GROUP.failed(
                id,
                why,
                "see the region, the ECS cluster and the task; list with: aws ecs list-tasks --cluster CLUSTER",
            )];
        }
        TaskReading::Unread(unread) => return vec![GROUP.unknown(id, unread)],
    };
    let mut checks =
        vec![GROUP.ok(id, format!("the task is {}", facts.view.arn)), running(&facts.view), exec_enabled(&facts.view)];
    match choose_container(&facts.view, settings.container.as_deref(), settings.configured_container.as_deref()) {
        Ok(container) => checks.extend(container_checks(facts, container)),
        Err(no) => checks.push(GROUP.failed("container", no.sentence, "name one after the task, or with --container")),
    }
    checks.push(platform(facts));
    checks.push(task_role(facts));
    checks.push(shared_pids(facts));
    checks.push(deadline(facts.view.labels.tags.get("deadline").map(String::as_str), now));
    checks
}

fn running(view: &TaskView) -> Check {
    let id = "task-running";
    if let Some(gone) = stopped(view) {
        return GROUP.failed(id, gone.sentence, "start another task");
    }
    if view.last_status == "RUNNING" {
        return GROUP.ok(id, "the task is RUNNING");
    }
    GROUP.warning(id, format!("the task is {}", view.last_status), "wait: a session waits for it (--wait)")
}

fn exec_enabled(view: &TaskView) -> Check {
    let id = "exec-enabled";
    if view.exec_enabled {
        return GROUP.ok(id, "the task was started with ECS Exec");
    }
    GROUP.failed(
        id,
        "the task was started without ECS Exec, and it cannot be turned on later",
        "start another with --enable-execute-command (a service: aws ecs update-service --enable-execute-command --force-new-deployment)",
    )
}

fn container_checks(facts: &TaskFacts, container: &ContainerView) -> Vec<Check> {
    let mut checks = vec![GROUP.ok("container", format!("the container is {}", container.name)), agent(&facts.view, container)];
    checks.extend(sidecars(&facts.view, container));
    let definition = facts.definition.as_ref().map_err(Clone::clone).and_then(|definition| {
        let missing = || Unread::new("the task definition has no such container", "name another container");
        definition.containers.iter().find(|candidate| candidate.name == container.name).ok_or_else(missing)
    });
    let agent_runs = container.agent.as_ref().is_some_and(|(status, _)| status == "RUNNING");
    let judged = |id, judge: &dyn Fn(&ContainerFacts) -> Check| match &definition {
        Ok(definition) => judge(definition),
        Err(unread) => GROUP.unknown(id, unread),
    };
    checks.push(judged("read-only-root", &|definition| read_only_root(definition, agent_runs)));
    checks.push(judged("aws-environment", &|definition| aws_environment(definition, &facts.variable_overrides)));
    checks.push(judged("init-process", &init_process));
    checks
}

fn agent(view: &TaskView, container: &ContainerView) -> Check {
    let id = "agent";
    let name = &container.name;
    let because = |reason: &Option<String>| reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match &container.agent {
        Some((status, _)) if status == "RUNNING" => GROUP.ok(id, format!("the ECS Exec agent in {name} is RUNNING")),
        Some((status, reason)) if status == "STOPPED" => GROUP.failed(
            id,
            format!("the ECS Exec agent in {name} is STOPPED{}", because(reason)),
            "start another task; then see read-only-root, task-role, memory, and a full disk in the container",
        ),
        Some((status, reason)) => {
            let what = format!("the ECS Exec agent in {name} is {status}{}", because(reason));
            GROUP.warning(id, what, "wait: a session waits for it (--wait)")
        }
        None if !view.exec_enabled => GROUP.failed(id, format!("{name} has no ECS Exec agent"), "see exec-enabled"),
        None => GROUP.unknown(
            id,
            &Unread::new(format!("ECS lists no ECS Exec agent for {name}"), "try a session: ExecuteCommand itself tells"),
        ),
    }
}

fn sidecars(view: &TaskView, chosen: &ContainerView) -> Option<Check> {
    let others: Vec<String> = view
        .containers
        .iter()
        .filter(|container| container.name != chosen.name)
        .map(|container| {
            let agent = container.agent.as_ref().map_or("none", |(status, _)| status.as_str());
            format!("{} ({}, agent {agent})", printable(&container.name, 64), printable(&container.last_status, 20))
        })
        .collect();
    (!others.is_empty()).then(|| GROUP.ok("sidecars", format!("the task's other containers: {}", others.join(", "))))
}

fn read_only_root(container: &ContainerFacts, agent_runs: bool) -> Check {
    let id = "read-only-root";
    let covers = |folder: &str| {
        container.writable_mounts.iter().any(|mount| {
            let mount = mount.trim_end_matches('/');
            folder == mount || folder.strip_prefix(mount).is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let missing: Vec<&str> = AGENT_FOLDERS.into_iter().filter(|folder| !covers(folder)).collect();
    if !container.is_read_only {
        return GROUP.ok(id, "the container's root file system is writable");
    }
    if missing.is_empty() {
        return GROUP.ok(id, "the container's root file system is read-only, with volumes for the agent");
    }
    let what = format!("the container's root file system is read-only; the agent writes to {}", missing.join(", "));
    let remedy = "set readonlyRootFilesystem to false, or mount writable volumes there; then start another task";
    if agent_runs { GROUP.warning(id, what, remedy) } else { GROUP.failed(id, what, remedy) }
}

fn aws_environment(container: &ContainerFacts, overrides: &[(String, String)]) -> Check {
    let id = "aws-environment";
    let of_task = overrides.iter().filter(|(name, _)| *name == container.name).map(|(_, variable)| variable);
    let is_key = |name: &&String| {
        matches!(name.as_str(), "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" | "AWS_PROFILE")
    };
    let mut found: Vec<&str> = container.variables.iter().chain(of_task).filter(is_key).map(String::as_str).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return GROUP.ok(id, "the container's environment leaves the agent to the task role");
    }
    GROUP.warning(
        id,
        format!("the container's environment sets {}: the agent may use them instead of the task role", found.join(", ")),
        "take them out of the task definition; give the task role these rights",
    )
}

fn init_process(container: &ContainerFacts) -> Check {
    let id = "init-process";
    if container.has_init {
        return GROUP.ok(id, "an init process collects what sessions leave behind");
    }
    GROUP.warning(
        id,
        "the container has no init process: what a session leaves behind stays until the task ends",
        "set linuxParameters.initProcessEnabled to true in the task definition",
    )
}

fn platform(facts: &TaskFacts) -> Check {
    let id = "platform";
    if facts.platform_family.to_ascii_lowercase().starts_with("windows") {
        let what = format!("the task runs {}, and the script around the command needs sh", facts.platform_family);
        return GROUP.failed(id, what, "add --no-wrap and name the command");
    }
    let (name, version, least) = match (&facts.platform_version, &facts.agent_version) {
        (_, Some(Err(unread))) => return GROUP.unknown(id, unread),
        (_, Some(Ok(version))) => ("the instance's container agent", version, AGENT_MIN),
        (Some(version), None) => ("Fargate's platform version", version, PLATFORM_MIN),
        (None, None) => {
            let why = format!("ECS tells no platform version for the launch type {}", facts.launch_type);
            return GROUP.unknown(id, &Unread::new(why, "look at the task in the console"));
        }
    };
    let least_text = least.map(|part| part.to_string()).join(".");
    match parts(version) {
        Some(parts) if parts >= least => GROUP.ok(id, format!("{}: {name} is {version}", facts.launch_type)),
        Some(_) => {
            let what = format!("{}: {name} is {version}, ECS Exec needs {least_text}", facts.launch_type);
            GROUP.failed(id, what, "start another task on a newer one")
        }
        None => GROUP.unknown(
            id,
            &Unread::new(format!("{name} is {version}, which is no version"), format!("see that it is {least_text} or newer")),
        ),
    }
}

fn parts(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.trim_start_matches('v').split('.').map(|part| part.parse().ok());
    let [major, minor, patch] = [parts.next(), parts.next(), parts.next()];
    Some([major??, minor??, patch.unwrap_or(Some(0))?])
}

fn task_role(facts: &TaskFacts) -> Check {
    let id = "task-role";
    match (facts.role(), facts.launch_type.as_str()) {
        (Ok(Some(role)), _) => GROUP.ok(id, format!("the task role is {role}")),
        (Ok(None), "FARGATE") => GROUP.failed(
            id,
            "the task has no task role, so its agent cannot reach the data channel",
            "set taskRoleArn in the task definition to a role with the four ssmmessages permissions; then start another task",
        ),
        (Ok(None), _) => GROUP.warning(
            id,
            "the task has no task role: its agent uses the instance's",
            "set taskRoleArn in the task definition to a role with the four ssmmessages permissions",
        ),
        (Err(unread), _) => GROUP.unknown(id, &unread),
    }
}

fn shared_pids(facts: &TaskFacts) -> Check {
    let id = "pid-mode";
    match &facts.definition {
        Ok(definition) if definition.shares_pids && definition.containers.len() > 1 => GROUP.warning(
            id,
            "all containers share one PID namespace: ECS Exec reaches only one of them",
            "take pidMode out of the task definition if another container is wanted",
        ),
        Ok(_) => GROUP.ok(id, "each container has its own PID namespace"),
        Err(unread) => GROUP.unknown(id, unread),
    }
}

/// Judges the tag of the launcher, which is UTC without saying so.
fn deadline(tag: Option<&str>, now: Timestamp) -> Check {
    let id = "deadline";
    let Some(tag) = tag else { return GROUP.ok(id, "the task has no deadline") };
    let naive = tag.parse::<jiff::civil::DateTime>().ok().and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let at = tag.parse::<Timestamp>().ok().or_else(|| naive.map(|at| at.timestamp()));
    let Some(at) = at else {
        let why = format!("the tag deadline is `{}`, which is no time", printable(tag, 64));
        return GROUP.unknown(id, &Unread::new(why, "ask whoever started the task"));
    };
    let left = at.duration_since(now);
    let when = at.strftime("%Y-%m-%d %H:%M UTC");
    if left <= SignedDuration::ZERO {
        GROUP.warning(
            id,
            format!("the task's deadline was {when}: it may be stopped at any moment"),
            "start another task for long work",
        )
    } else if left < DEADLINE_NOTED {
        GROUP.warning(id, format!("the task's deadline is {when}, in {}", rough(left)), "start another task for long work")
    } else {
        GROUP.ok(id, format!("the task's deadline is {when}, in {}", rough(left)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;
    use crate::doctor::task::DefinitionFacts;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn facts() -> TaskFacts {
        let container = ContainerView {
            name: "a".to_owned(),
            runtime_id: Some("r".to_owned()),
            last_status: "RUNNING".to_owned(),
            agent: Some(("RUNNING".to_owned(), None)),
        };
        TaskFacts {
            view: TaskView {
                arn: investigation::TaskArn::parse(
                    "arn:aws:ecs:us-east-2:123456789012:task/dev/0123456789abcdef0123456789abcdef",
                )
                .unwrap(),
                last_status: "RUNNING".to_owned(),
                desired_status: "RUNNING".to_owned(),
                stopped_reason: None,
                exec_enabled: true,
                containers: vec![container],
                labels: investigation::TaskLabels::default(),
            },
            launch_type: "FARGATE".to_owned(),
            platform_version: Some("1.4.0".to_owned()),
            platform_family: "Linux".to_owned(),
            agent_version: None,
            interface: None,
            role_override: None,
            variable_overrides: Vec::new(),
            definition: Ok(DefinitionFacts {
                role_arn: Some("arn:aws:iam::123456789012:role/task".to_owned()),
                ..DefinitionFacts::default()
            }),
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        let with = |version: &str| platform(&TaskFacts { platform_version: Some(version.to_owned()), ..facts() }).verdict;
        assert_eq!((with("1.4.0"), with("1.10.0"), with("1.3.0")), (Verdict::Ok, Verdict::Ok, Verdict::Failed));
        assert_eq!(with("LATEST"), Verdict::Unknown);
        let agent = |version: &str| platform(&TaskFacts { agent_version: Some(Ok(version.to_owned())), ..facts() }).verdict;
        assert_eq!((agent("1.50.2"), agent("1.50.1"), agent("1.100.0")), (Verdict::Ok, Verdict::Failed, Verdict::Ok));
        assert_eq!(platform(&TaskFacts { platform_version: None, ..facts() }).verdict, Verdict::Unknown);
        let windows = TaskFacts { platform_family: "WINDOWS_SERVER_2022_CORE".to_owned(), ..facts() };
        assert_eq!(platform(&windows).verdict, Verdict::Failed);
    }

    #[test]
    fn fargate_needs_a_task_role_and_an_instance_may_lend_its_own() {
        let none = || TaskFacts { definition: Ok(DefinitionFacts::default()), ..facts() };
        assert_eq!(task_role(&facts()).verdict, Verdict::Ok);
        assert_eq!(task_role(&none()).verdict, Verdict::Failed);
        assert_eq!(task_role(&TaskFacts { launch_type: "EC2".to_owned(), ..none() }).verdict, Verdict::Warning);
        assert_eq!(task_role(&TaskFacts { role_override: Some("r".to_owned()), ..none() }).verdict, Verdict::Ok);
        let unread = TaskFacts { definition: Err(Unread::new("w", "r")), ..facts() };
        assert_eq!((task_role(&unread).verdict, shared_pids(&unread).verdict), (Verdict::Unknown, Verdict::Unknown));
    }

    #[test]
    fn a_read_only_root_is_forgiven_where_the_agent_can_write() {
        let with = |mounts: &[&str], runs| {
            let writable_mounts = mounts.iter().map(|mount| (*mount).to_owned()).collect();
            read_only_root(&ContainerFacts { is_read_only: true, writable_mounts, ..ContainerFacts::default() }, runs).verdict
        };
        assert_eq!(with(&[], false), Verdict::Failed);
        assert_eq!(with(&[], true), Verdict::Warning);
        assert_eq!(with(&["/managed-agents", "/var/lib/amazon/", "/var/log"], false), Verdict::Ok);
        assert_eq!(with(&["/managed-agents", "/var/lib/amazon/ss", "/var/log"], false), Verdict::Failed);
        assert_eq!(read_only_root(&ContainerFacts::default(), false).verdict, Verdict::Ok);
    }

    #[test]
    fn keys_in_the_environment_are_named_without_their_values() {
        let container = ContainerFacts {
            name: "a".to_owned(),
            variables: vec!["PATH".to_owned(), "AWS_ACCESS_KEY_ID".to_owned()],
            ..ContainerFacts::default()
        };
        let overrides = [("a", "AWS_SECRET_ACCESS_KEY"), ("b", "AWS_PROFILE")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let check = aws_environment(&container, &overrides);
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(check.what.contains("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY:"), "{}", check.what);
        assert_eq!(aws_environment(&ContainerFacts::default(), &overrides).verdict, Verdict::Ok);
    }

    #[test]
    fn the_agents_state_is_judged_with_its_reason() {
        let facts = facts();
        let with = |status: Option<(&str, Option<&str>)>| {
            let status = status.map(|(status, reason)| (status.to_owned(), reason.map(str::to_owned)));
            agent(&facts.view, &ContainerView { agent: status, ..facts.view.containers[0].clone() })
        };
        assert_eq!(with(Some(("RUNNING", None))).verdict, Verdict::Ok);
        assert_eq!(with(Some(("PENDING", None))).verdict, Verdict::Warning);
        assert_eq!(with(None).verdict, Verdict::Unknown);
        let stopped = with(Some(("STOPPED", Some("out of memory"))));
        assert!(stopped.verdict == Verdict::Failed && stopped.what.ends_with("out of memory"), "{stopped:?}");
    }

    #[test]
    fn deadlines_are_utc_with_and_without_saying_so() {
        let with = |tag: &str| deadline(Some(tag), NOW).verdict;
        assert_eq!(with("1970-01-01T01:00:00.000000"), Verdict::Ok);
        assert_eq!(with("1970-01-01T01:00:00Z"), Verdict::Ok);
        assert_eq!(with("1970-01-01T00:10:00"), Verdict::Warning);
        assert_eq!(with("1969-12-31T23:00:00"), Verdict::Warning);
        assert_eq!(with("soon"), Verdict::Unknown);
        assert_eq!(deadline(None, NOW).verdict, Verdict::Ok);
    }
}

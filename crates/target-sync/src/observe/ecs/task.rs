//! From ECS's description of a task to [`TaskFacts`].
//!
//! Owns what is taken over and how much of it. Values are hostile and stay as they are; whoever shows them makes them harmless.

use crate::facts::TaskFacts;
use aws_sdk_ecs::types::{KeyValuePair, Task, TaskOverride};
use investigation::{TaskArn, TaskLabels};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The variables that are taken over: those that tell of an investigation. Others may be secrets, and stay with ECS.
const VARIABLES: [&str; 3] = ["CLUSTER_ID", "INVESTIGATION_ID", "INCIDENT_NUMBER"];

/// The most tags that a resource has, AWS's own included. Source: AWS tagging, 50 of the user; AWS's own do not count.
const TAGS_MAX: usize = 100;

/// The longest key and value of a tag, in characters. Source: AWS tagging.
const TAG_CHARS_MAX: (usize, usize) = (128, 256);

/// The most containers of a task that are looked at. Source: ECS service quotas, ten per task definition; with room for more.
const CONTAINERS_MAX: usize = 100;

/// The longest name, status or variable that is taken over, in characters. Source: ECS names, 255.
const TEXT_CHARS_MAX: usize = 255;

/// Tells a task as it is needed here; nothing when its ARN is none.
pub(super) fn facts(task: &Task, container: &str) -> Option<TaskFacts> {
    let arn = TaskArn::parse(task.task_arn()?).ok()?;
    let names = task.containers().iter().filter_map(|container| short(container.name()?));
    Some(TaskFacts {
        arn,
        last_status: task.last_status().and_then(short).unwrap_or_default(),
        created_at: task.created_at().and_then(|at| Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()),
        exec_enabled: task.enable_execute_command(),
        started_by: task.started_by().and_then(short),
        family: task.task_definition_arn().and_then(family).and_then(short),
        containers: names.take(CONTAINERS_MAX).collect(),
        labels: TaskLabels {
            tags: tags(task),
            environment: task.overrides().map(|it| of_overrides(it, container)).unwrap_or_default(),
        },
    })
}

/// The variables of interest among those of a container.
pub(super) fn variables(pairs: &[KeyValuePair]) -> BTreeMap<String, String> {
    let taken = pairs.iter().filter_map(|pair| Some((pair.name()?, pair.value()?)));
    let taken = taken.filter(|(name, _)| VARIABLES.contains(name));
    taken.filter_map(|(name, value)| Some((name.to_owned(), short(value)?))).collect()
}

fn of_overrides(overrides: &TaskOverride, container: &str) -> BTreeMap<String, String> {
    let of_container = overrides.container_overrides().iter().filter(|it| it.name() == Some(container));
    of_container.flat_map(|it| variables(it.environment())).collect()
}

fn tags(task: &Task) -> BTreeMap<String, String> {
    let pairs = task.tags().iter().take(TAGS_MAX).filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())));
    let fits = |text: &str, most: usize| text.chars().nth(most).is_none();
    let pairs = pairs.filter(|(key, value)| fits(key, TAG_CHARS_MAX.0) && fits(value, TAG_CHARS_MAX.1));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The family in a task definition's ARN, `…:task-definition/<family>:<revision>`.
fn family(definition_arn: &str) -> Option<&str> {
    let (_, name) = definition_arn.split_once(":task-definition/")?;
    name.rsplit_once(':').map(|(family, _)| family)
}

/// The text, unless it is longer than ECS ever makes one: a part of it would be another value.
fn short(text: &str) -> Option<String> {
    text.chars().nth(TEXT_CHARS_MAX).is_none().then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Container, ContainerOverride, Tag};
    use aws_smithy_types::DateTime;

    const ARN: &str = "arn:aws:ecs:us-east-2:123456789012:task/dev/0123456789abcdef0123456789abcdef";

    fn pair(name: &str, value: &str) -> KeyValuePair {
        KeyValuePair::builder().name(name).value(value).build()
    }

    fn overridden(container: &str, pairs: &[(&str, &str)]) -> ContainerOverride {
        let environment = pairs.iter().map(|(name, value)| pair(name, value)).collect();
        ContainerOverride::builder().name(container).set_environment(Some(environment)).build()
    }

    #[test]
    fn every_fact_is_taken_over() {
        let task = Task::builder()
            .task_arn(ARN)
            .last_status("RUNNING")
            .created_at(DateTime::from_secs_and_nanos(1_771_243_200, 5))
            .enable_execute_command(true)
            .started_by("me")
            .task_definition_arn("arn:aws:ecs:us-east-2:123456789012:task-definition/dev-a-b-1:7")
            .containers(Container::builder().name("rosa-boundary").build())
            .containers(Container::builder().name("kube-proxy").build())
            .tags(Tag::builder().key("cluster_id").value("a").build())
            .tags(Tag::builder().key("empty").build())
            .build();
        let facts = facts(&task, "rosa-boundary").unwrap();
        assert_eq!(facts.arn.to_string(), ARN);
        assert_eq!(facts.created_at.unwrap().to_string(), "2026-02-16T12:00:00.000000005Z");
        assert_eq!((facts.last_status.as_str(), facts.exec_enabled, facts.started_by.as_deref()), ("RUNNING", true, Some("me")));
        assert_eq!(
            (facts.family.as_deref(), facts.containers.join(" ")),
            (Some("dev-a-b-1"), "rosa-boundary kube-proxy".to_owned())
        );
        assert_eq!(facts.labels.tags.len(), 2);
    }

    #[test]
    fn only_the_containers_own_and_telling_variables_count() {
        let overrides = TaskOverride::builder()
            .container_overrides(overridden("kube-proxy", &[("CLUSTER_ID", "other"), ("INCIDENT_NUMBER", "9")]))
            .container_overrides(overridden("rosa-boundary", &[("CLUSTER_ID", "a"), ("API_TOKEN", "secret")]))
            .build();
        let task = Task::builder().task_arn(ARN).overrides(overrides).build();
        let environment = facts(&task, "rosa-boundary").unwrap().labels.environment;
        assert_eq!(environment, BTreeMap::from([("CLUSTER_ID".to_owned(), "a".to_owned())]));
    }

    #[test]
    fn what_ecs_never_says_is_left_out_whole() {
        let (longest, longer) = ("é".repeat(256), "é".repeat(257));
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let task =
            Task::builder().task_arn(ARN).tags(tag("a", &longest)).tags(tag("b", &longer)).started_by("x".repeat(256)).build();
        let facts = facts(&task, "rosa-boundary").unwrap();
        assert_eq!(facts.labels.tags.into_keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(facts.started_by, None);
        assert_eq!(super::facts(&Task::builder().task_arn("arn:aws:ecs:r:1:service/x").build(), "c"), None);
    }

    #[test]
    fn a_short_arn_stays_short() {
        let short = "arn:aws:ecs:us-east-2:123456789012:task/0123456789abcdef0123456789abcdef";
        let facts = facts(&Task::builder().task_arn(short).build(), "c").unwrap();
        assert_eq!((facts.arn.to_string().as_str(), facts.arn.ecs_cluster()), (short, None));
    }
}

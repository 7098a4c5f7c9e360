//! ECS's DescribeTasks: tasks with the labels that say whose they are.
//!
//! Owns the answer's JSON; what a label means is `investigation`'s. Tags come only to a call that asks for them
//! (`include: TAGS`). Source: ECS API reference, `DescribeTasks`.

use super::fields::{Fields, parse};
use super::{Normalised, Reading, Why};
use crate::fact::Body;
use crate::ids::TaskId;
use crate::task::Task;
use investigation::TaskLabels;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Which tasks an answer does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TasksNext {
    /// Tasks that ECS has forgotten, or never knew: by ARN, or as they were asked for.
    pub missing: Vec<String>,
    /// Tasks that were not shown for another reason: ARN and reason.
    pub failed: Vec<(String, String)>,
}

/// Reads an answer of DescribeTasks. The key names the tag by which the site tells owners, where it is not the usual one.
pub fn tasks(reading: &Reading, answer: &[u8], owner_tag: Option<&str>) -> Normalised<TasksNext> {
    match parse(answer).and_then(|answer| read_answer(reading, Fields::of(&answer)?, owner_tag)) {
        Ok(read) => read,
        Err(why) => Normalised::unreadable(why),
    }
}

fn read_answer(reading: &Reading, answer: Fields<'_>, owner_tag: Option<&str>) -> Result<Normalised<TasksNext>, Why> {
    let mut read = Normalised::<TasksNext>::new();
    for (place, value) in answer.page("tasks")?.iter().enumerate() {
        read.add(reading, place + 1, task(value, owner_tag).map(|task| [Body::Task(Box::new(task))]));
    }
    for failure in answer.list("failures")? {
        match Fields::of(failure).and_then(failed) {
            Ok((arn, reason)) if reason == "MISSING" => read.next.missing.push(arn),
            Ok(other) => read.next.failed.push(other),
            Err(why) => read.refuse(0, why),
        }
    }
    Ok(read)
}

fn failed(failure: Fields<'_>) -> Result<(String, String), Why> {
    Ok((failure.required("failures.arn")?.to_owned(), failure.owned("failures.reason")?.unwrap_or_default()))
}

fn task(value: &Value, owner_tag: Option<&str>) -> Result<Task, Why> {
    let fields = Fields::of(value)?;
    let arn = fields.required("taskArn")?;
    let labels = TaskLabels { tags: pairs(fields, "tags", "key")?, environment: environment(fields)? };
    let task = Task {
        task_id: TaskId::of_reference(arn).map_err(|_| Why::Malformed("taskArn"))?,
        task_arn: arn.to_owned(),
        last_status: fields.required("lastStatus")?.to_owned(),
        created: fields.time("createdAt")?,
        stopped: fields.time("stoppedAt")?,
        cluster_id: None,
        investigation_id: None,
        owner_name: None,
        owner_subject: None,
        deadline: None,
        // An answer says nothing about its moment: the same answer later is the same statement.
        seen: None,
    };
    Ok(labelled(task, &labels, owner_tag))
}

/// The task with what its labels say.
pub(crate) fn labelled(task: Task, labels: &TaskLabels, owner_tag: Option<&str>) -> Task {
    let owner = owner_tag.map_or_else(|| labels.owner_name(), |tag| labels.owner_name_by(tag));
    let text = |value: Option<&str>| value.map(str::to_owned);
    let deadline: Option<Timestamp> = labels.deadline();
    Task {
        cluster_id: text(labels.cluster_id()),
        investigation_id: text(labels.investigation_id()),
        owner_name: text(owner),
        owner_subject: text(labels.owner_subject()),
        deadline,
        ..task
    }
}

fn environment(task: Fields<'_>) -> Result<BTreeMap<String, String>, Why> {
    let mut all = BTreeMap::new();
    let Some(overrides) = task.object("overrides")? else { return Ok(all) };
    for container in overrides.list("overrides.containerOverrides")? {
        all.append(&mut pairs(Fields::of(container)?, "environment", "name")?);
    }
    Ok(all)
}

fn pairs(of: Fields<'_>, list: &'static str, name: &'static str) -> Result<BTreeMap<String, String>, Why> {
    let pair = |pair: &Value| {
        let pair = Fields::of(pair)?;
        Ok((pair.required(name)?.to_owned(), pair.owned("value")?.unwrap_or_default()))
    };
    of.list(list)?.iter().map(pair).collect()
}

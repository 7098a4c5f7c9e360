//! The calls to ECS: lists in pages, descriptions in batches, the cluster's standing, task definitions.
//!
//! Owns requests and answers; keeps apart what was answered and what was not. All of them read.

use super::connection::Connection;
use super::task;
use super::trouble::Trouble;
use crate::facts::{Place, TaskFacts};
use aws_identity::{Refusal, RefusalKind, explain};
use aws_sdk_ecs::operation::describe_tasks::DescribeTasksOutput;
use aws_sdk_ecs::types::{DesiredStatus, TaskDefinition, TaskField};
use futures_util::{StreamExt, stream};
use investigation::TaskArn;
use std::collections::{BTreeMap, BTreeSet};

/// DescribeTasks takes this many at once. Source: the ECS API.
const DESCRIBE_MAX: usize = 100;

const LIST: &str = "ecs:ListTasks";
const DESCRIBE: &str = "ecs:DescribeTasks";
const CLUSTERS: &str = "ecs:DescribeClusters";
const DEFINITION: &str = "ecs:DescribeTaskDefinition";

/// The calls of one scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls<'a> {
    connection: &'a Connection,
    place: &'a Place,
    container: &'a str,
    at_once: usize,
}

/// How a cluster stands, in DescribeClusters' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is active.
    Active,
    /// It is not, or not there.
    Inactive,
    /// We may not know.
    Denied,
    /// There was no answer.
    Unknown,
}

/// What DescribeClusters came to.
#[derive(Debug)]
pub(super) struct Cluster {
    /// How it stands.
    pub(super) standing: Standing,
    /// Why that is not known, where it should be.
    pub(super) trouble: Option<Trouble>,
}

/// What ListTasks came to.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The tasks on all pages that were answered.
    pub(super) arns: BTreeSet<TaskArn>,
    /// Whether there was one page at least.
    pub(super) is_answered: bool,
    /// Why the list is not whole.
    pub(super) trouble: Vec<Trouble>,
}

/// What DescribeTasks came to.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// The tasks that were described.
    pub(super) tasks: BTreeMap<TaskArn, Seen>,
    /// Those of which ECS said MISSING.
    pub(super) missing: BTreeSet<TaskArn>,
    /// Whether there was one answer at least.
    pub(super) is_answered: bool,
    /// Why something lacks.
    pub(super) trouble: Vec<Trouble>,
}

/// A task that was described.
#[derive(Debug)]
pub(super) struct Seen {
    /// What was told of it.
    pub(super) facts: TaskFacts,
    /// Its task definition.
    pub(super) definition_arn: Option<String>,
}

impl<'a> Calls<'a> {
    /// Prepares the calls, `at_once` of them at the same time; `container` is the one whose variables count.
    pub(super) fn new(connection: &'a Connection, place: &'a Place, container: &'a str, at_once: usize) -> Self {
        Self { connection, place, container, at_once: at_once.max(1) }
    }

    /// How many calls are made at the same time.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// Asks how the cluster stands. That we may not know is no trouble.
    pub(super) async fn cluster(&self) -> Cluster {
        let sent = self.connection.client().describe_clusters().clusters(&self.place.ecs_cluster).send().await;
        match sent.map_err(|error| explain(CLUSTERS, &error)) {
            Ok(answer) => {
                let status = answer.clusters().first().and_then(|cluster| cluster.status());
                let standing = if status == Some("ACTIVE") { Standing::Active } else { Standing::Inactive };
                Cluster { standing, trouble: None }
            }
            Err(refusal) if refusal.kind == RefusalKind::Denied => {
                tracing::debug!(%refusal, "the cluster's standing is not readable");
                Cluster { standing: Standing::Denied, trouble: None }
            }
            Err(refusal) => Cluster { standing: Standing::Unknown, trouble: Some(self.refused(refusal)) },
        }
    }

    /// Lists the tasks that are to run, page by page; the pages before one that fails count.
    pub(super) async fn list(&self) -> Listed {
        let call = self.connection.client().list_tasks().cluster(&self.place.ecs_cluster).desired_status(DesiredStatus::Running);
        let mut pages = call.into_paginator().send();
        let mut listed = Listed::default();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => listed.take(page.task_arns()),
                Err(error) => {
                    listed.trouble.push(self.refused(explain(LIST, &error)));
                    break;
                }
            }
        }
        listed
    }

    /// Describes tasks with their tags: those listed, and in batches of their own the others, which nobody but us has named.
    pub(super) async fn describe(&self, listed: &BTreeSet<TaskArn>, others: &BTreeSet<TaskArn>) -> Described {
        let batches = cut(listed).chain(cut(others)).map(|batch| self.describe_batch(batch));
        let parts = stream::iter(batches).buffer_unordered(self.at_once).collect::<Vec<_>>().await;
        parts.into_iter().fold(Described::default(), Described::and)
    }

    /// Describes a batch. One that ECS takes for malformed is halved until the task that it stumbles over stands alone.
    async fn describe_batch(&self, batch: Vec<TaskArn>) -> Described {
        let mut described = Described::default();
        let mut waiting = vec![batch];
        while let Some(mut batch) = waiting.pop() {
            match self.describe_once(&batch).await {
                Ok(answer) => described.take(&answer, &batch, self.container),
                Err(refusal) if refusal.kind == RefusalKind::Invalid && batch.len() > 1 => {
                    let half = batch.split_off(batch.len() / 2);
                    waiting.extend([batch, half]);
                }
                Err(refusal) => described.trouble.push(self.refused(refusal)),
            }
        }
        described
    }

    async fn describe_once(&self, batch: &[TaskArn]) -> Result<DescribeTasksOutput, Refusal> {
        let names = batch.iter().map(ToString::to_string).collect();
        let call = self.connection.client().describe_tasks().cluster(&self.place.ecs_cluster).include(TaskField::Tags);
        call.set_tasks(Some(names)).send().await.map_err(|error| explain(DESCRIBE, &error))
    }

    /// Reads a task definition.
    pub(super) async fn definition(&self, definition_arn: &str) -> Result<TaskDefinition, Trouble> {
        let sent = self.connection.client().describe_task_definition().task_definition(definition_arn).send().await;
        let answer = sent.map_err(|error| self.refused(explain(DEFINITION, &error)))?;
        answer.task_definition.ok_or_else(|| Trouble::answer(DEFINITION, "no task definition"))
    }

    fn refused(&self, refusal: Refusal) -> Trouble {
        Trouble::refused(refusal, self.connection.caller(), self.place)
    }
}

fn cut(arns: &BTreeSet<TaskArn>) -> impl Iterator<Item = Vec<TaskArn>> {
    let arns: Vec<TaskArn> = arns.iter().cloned().collect();
    arns.chunks(DESCRIBE_MAX).map(<[TaskArn]>::to_vec).collect::<Vec<_>>().into_iter()
}

impl Listed {
    fn take(&mut self, texts: &[String]) {
        self.is_answered = true;
        for text in texts {
            match TaskArn::parse(text) {
                Ok(arn) => drop(self.arns.insert(arn)),
                Err(error) => self.trouble.push(Trouble::answer(LIST, &error.to_string())),
            }
        }
    }
}

impl Described {
    /// Takes over what an answer says of the tasks that were asked for, and notes those that it passes over.
    fn take(&mut self, answer: &DescribeTasksOutput, batch: &[TaskArn], container: &str) {
        self.is_answered = true;
        let mut silent: BTreeSet<&TaskArn> = batch.iter().collect();
        for described in answer.tasks() {
            let facts = task::facts(described, container).filter(|facts| silent.remove(&facts.arn));
            match facts {
                Some(facts) => {
                    let definition_arn = described.task_definition_arn().map(str::to_owned);
                    self.tasks.insert(facts.arn.clone(), Seen { facts, definition_arn });
                }
                None => {
                    self.strange(&format!("a task that was not asked for, {}", described.task_arn().unwrap_or("without an ARN")));
                }
            }
        }
        for failure in answer.failures() {
            let arn = failure.arn().and_then(|text| TaskArn::parse(text).ok()).filter(|arn| silent.remove(arn));
            match (arn, failure.reason()) {
                (Some(arn), Some("MISSING")) => drop(self.missing.insert(arn)),
                (_, reason) => {
                    let of = failure.arn().unwrap_or("a task without an ARN");
                    self.strange(&format!("{} for {of}", reason.unwrap_or("no reason")));
                }
            }
        }
        if let Some(arn) = silent.first() {
            self.strange(&format!("nothing on {} of {} tasks, such as {arn}", silent.len(), batch.len()));
        }
    }

    fn strange(&mut self, said: &str) {
        self.trouble.push(Trouble::answer(DESCRIBE, said));
    }

    fn and(mut self, other: Self) -> Self {
        self.tasks.extend(other.tasks);
        self.missing.extend(other.missing);
        self.is_answered |= other.is_answered;
        self.trouble.extend(other.trouble);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Failure, Task};

    fn arn(id: u8) -> String {
        format!("arn:aws:ecs:us-east-2:123456789012:task/dev/{id:032x}")
    }

    fn task(id: u8) -> Task {
        Task::builder().task_arn(arn(id)).last_status("RUNNING").build()
    }

    fn failure(id: u8, reason: &str) -> Failure {
        Failure::builder().arn(arn(id)).reason(reason).build()
    }

    /// What is taken of an answer when the tasks 1 to `asked` were asked for: those seen, those missing, and the troubles.
    fn taken(asked: u8, tasks: Vec<Task>, failures: Vec<Failure>) -> (usize, usize, String) {
        let batch: Vec<TaskArn> = (1..=asked).map(|id| TaskArn::parse(&arn(id)).unwrap()).collect();
        let answer = DescribeTasksOutput::builder().set_tasks(Some(tasks)).set_failures(Some(failures)).build();
        let mut described = Described::default();
        described.take(&answer, &batch, "rosa-boundary");
        let troubles = described.trouble.iter().map(ToString::to_string).collect::<Vec<_>>();
        (described.tasks.len(), described.missing.len(), troubles.join("\n"))
    }

    #[test]
    fn a_whole_answer_is_no_trouble() {
        assert_eq!(taken(2, vec![task(1)], vec![failure(2, "MISSING")]), (1, 1, String::new()));
    }

    #[test]
    fn only_missing_means_missing() {
        let (seen, missing, troubles) = taken(2, vec![task(1)], vec![failure(2, "ACCESS\u{1b}[2J")]);
        assert!(seen == 1 && missing == 0 && troubles.contains("ACCESS") && !troubles.contains('\u{1b}'), "{troubles:?}");
    }

    #[test]
    fn what_was_not_asked_for_is_not_believed() {
        let (seen, missing, troubles) = taken(1, vec![task(1), task(2)], vec![failure(3, "MISSING"), failure(1, "MISSING")]);
        assert_eq!((seen, missing, troubles.lines().count()), (1, 0, 3), "{troubles}");
    }

    #[test]
    fn silence_is_told() {
        let (seen, missing, troubles) = taken(3, vec![task(2)], Vec::new());
        assert!(seen == 1 && missing == 0 && troubles.contains("nothing on 2 of 3 tasks"), "{troubles}");
    }

    #[test]
    fn a_list_keeps_what_it_can_read() {
        let mut listed = Listed::default();
        listed.take(&[arn(1), "arn:aws:ecs:us-east-2:123456789012:service/x".to_owned(), "\u{1b}]0;x".to_owned()]);
        assert_eq!((listed.arns.len(), listed.trouble.len(), listed.is_answered), (1, 2, true));
    }
}

//! target-sync's records: what it saw, and what it did, with the outcome beside the intent.
//!
//! Owns the joining of intents and outcomes. Runs' beginnings and ends, and refusals to grant, are no facts of their own.
//! An outcome whose intent stands in another piece of the journal is kept for the collector.
//! Source: `audit_record::sync`.

use super::ecs::labelled;
use super::journal::{Line, one, walk};
use super::{Normalised, Reading, Why};
use crate::fact::Body;
use crate::ids::TaskId;
use crate::sync::{BoundaryTarget, BoundaryUser, SyncChange};
use crate::task::Task;
use audit_record::{SyncIntent, SyncLine, SyncOutcome, SyncRun, SyncTarget, SyncTask, SyncUser};
use investigation::TaskLabels;
use std::collections::{BTreeMap, BTreeSet};

/// What a piece of the journal leaves open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncNext {
    /// The last line has no line feed: it is still being written, or was cut off.
    pub is_unfinished: bool,
    /// Outcomes whose intent was not in this piece.
    pub lone_outcomes: Vec<SyncOutcome>,
}

/// Reads a whole journal, and tells where its chain does not hold; the name says which journal it is, the tag tells owners
/// where it is not the usual one.
pub fn journal(reading: &Reading, name: &str, bytes: &[u8], owner_tag: Option<&str>) -> Normalised<SyncNext> {
    let mut read = Normalised::<SyncNext>::new();
    let mut lines = Vec::new();
    for (number, line) in walk::<SyncLine>(name, bytes) {
        match line {
            Line::Record(line) => lines.push((number, line)),
            Line::Unreadable(why) => read.refuse(number, why),
            Line::Break(broken) => read.add(reading, number, Ok([Body::ChainBreak(broken)])),
            Line::Unfinished => read.next.is_unfinished = true,
        }
    }
    read_lines(reading, lines, owner_tag, read)
}

/// Reads lines that were delivered one by one, in any order; their order numbers them. Pieces of a run belong in one call:
/// an intent and its outcome are joined within it.
pub fn records<'a>(
    reading: &Reading,
    lines: impl IntoIterator<Item = &'a [u8]>,
    owner_tag: Option<&str>,
) -> Normalised<SyncNext> {
    let mut read = Normalised::<SyncNext>::new();
    let mut records = Vec::new();
    for (place, line) in lines.into_iter().enumerate() {
        match one(line) {
            Ok(record) => records.push((place + 1, record)),
            Err(why) => read.refuse(place + 1, why),
        }
    }
    read_lines(reading, records, owner_tag, read)
}

fn read_lines(
    reading: &Reading,
    lines: Vec<(usize, SyncLine)>,
    owner_tag: Option<&str>,
    mut read: Normalised<SyncNext>,
) -> Normalised<SyncNext> {
    let mut book = Book::of(&lines);
    for (number, line) in lines {
        let body = match line {
            SyncLine::SyncTask(task) => self::task(*task, owner_tag).map(|task| Some(Body::Task(Box::new(task)))),
            SyncLine::SyncTarget(it) => target(*it).map(|target| Some(Body::BoundaryTarget(Box::new(target)))),
            SyncLine::SyncUser(it) => Ok(Some(Body::BoundaryUser(Box::new(user(it))))),
            SyncLine::SyncIntent(intent) => Ok(Some(Body::SyncChange(Box::new(book.change(*intent))))),
            SyncLine::SyncRun(_) | SyncLine::SyncEnd(_) | SyncLine::SyncOutcome(_) | SyncLine::SyncRefusal(_) => Ok(None),
        };
        read.add(reading, number, body);
    }
    read.next.lone_outcomes =
        book.outcomes.into_iter().filter(|(step, _)| !book.intended.contains(step)).map(|(_, outcome)| outcome).collect();
    read
}

/// What is known of the runs in a piece.
struct Book {
    owners: BTreeMap<String, String>,
    /// The last outcome of each step: a later run settles what one left unknown.
    outcomes: BTreeMap<(String, u32), SyncOutcome>,
    /// The steps whose intent was seen.
    intended: BTreeSet<(String, u32)>,
}

impl Book {
    fn of(lines: &[(usize, SyncLine)]) -> Self {
        let mut book = Self { owners: BTreeMap::new(), outcomes: BTreeMap::new(), intended: BTreeSet::new() };
        for (_, line) in lines {
            match line {
                SyncLine::SyncRun(SyncRun { run_id, owner, .. }) => {
                    book.owners.insert(run_id.clone(), owner.clone());
                }
                SyncLine::SyncOutcome(outcome) => book.keep(outcome),
                _ => {}
            }
        }
        book
    }

    fn keep(&mut self, outcome: &SyncOutcome) {
        let step = (outcome.run_id.clone(), outcome.number);
        let is_better = |kept: &SyncOutcome| (outcome.at, &outcome.result) > (kept.at, &kept.result);
        if self.outcomes.get(&step).is_none_or(is_better) {
            self.outcomes.insert(step, outcome.clone());
        }
    }

    fn change(&mut self, intent: SyncIntent) -> SyncChange {
        let step = (intent.run_id.clone(), intent.number);
        let outcome = self.outcomes.get(&step).cloned();
        self.intended.insert(step);
        let (result, made) = outcome.map(|it| (it.result, it.id)).unzip();
        SyncChange {
            at: intent.at,
            number: intent.number,
            action: intent.action,
            object: intent.object,
            name: intent.name,
            id: intent.id.or(made.flatten()),
            task_id: TaskId::of_reference(&intent.task_arn).ok(),
            task_arn: Some(intent.task_arn),
            principal_ids: intent.changes.get("principal_ids").map(|(_, to)| principals(to)),
            reason: intent.reason,
            result,
            owner: self.owners.get(&intent.run_id).cloned(),
            run_id: intent.run_id,
        }
    }
}

/// Ids as target-sync joins them.
fn principals(joined: &str) -> Vec<String> {
    joined.split(" | ").filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn task_id(arn: &str) -> Result<TaskId, Why> {
    TaskId::of_reference(arn).map_err(|_| Why::Malformed("task_arn"))
}

fn task(seen: SyncTask, owner_tag: Option<&str>) -> Result<Task, Why> {
    let labels = TaskLabels { tags: seen.tags, environment: BTreeMap::new() };
    let task = Task {
        task_id: task_id(&seen.task_arn)?,
        task_arn: seen.task_arn,
        last_status: seen.last_status,
        created: seen.created_at,
        stopped: None,
        cluster_id: None,
        investigation_id: None,
        owner_name: None,
        owner_subject: None,
        deadline: None,
        seen: Some(seen.at),
    };
    let task = labelled(task, &labels, owner_tag);
    // What the container's environment said is no longer in the tags, but target-sync read it.
    Ok(Task {
        cluster_id: task.cluster_id.or(seen.cluster_id),
        investigation_id: task.investigation_id.or(seen.investigation_id),
        ..task
    })
}

fn target(seen: SyncTarget) -> Result<BoundaryTarget, Why> {
    Ok(BoundaryTarget {
        at: seen.at,
        target_id: seen.target_id,
        task_id: task_id(&seen.task_arn)?,
        task_arn: seen.task_arn,
        name: seen.name,
        alias: seen.alias,
        state: seen.state,
        user_ids: seen.user_ids,
    })
}

fn user(seen: SyncUser) -> BoundaryUser {
    BoundaryUser {
        at: seen.at,
        user_id: seen.user_id,
        name: seen.name,
        account_id: seen.account_id,
        issuer: seen.issuer,
        subject: seen.subject,
    }
}

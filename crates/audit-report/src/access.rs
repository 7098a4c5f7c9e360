//! Who could enter what, and when, by target-sync's own records.
//!
//! Owns the joining of readings and of done changes into spans: a run tells of its own changes before the next one reads them.
//! Grants that others made are not in it, but as far as a run saw them.

use audit_facts::{Body, BoundaryEventKind, BoundaryTarget, Fact, SyncChange, merge};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The change of target-sync that opened or closed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessChange {
    /// When it was about to be sent, UTC.
    pub at: Timestamp,
    /// The run.
    pub run_id: String,
    /// `create`, `update`, `quarantine`, …
    pub action: String,
    /// `target`, `role` or `alias`.
    pub object: String,
    /// The object's name.
    pub name: String,
    /// The task on whose account.
    pub task_id: Option<String>,
    /// Why, as a stable word.
    pub reason: String,
    /// `done`, `refused`, `unknown`; none when no outcome was found.
    pub result: Option<String>,
}

/// A user who could open sessions on a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessRow {
    /// The user.
    pub user_id: String,
    /// His name, when it was recorded.
    pub user_name: Option<String>,
    /// The target.
    pub target_id: String,
    /// Its alias.
    pub alias: Option<String>,
    /// The task that it leads to.
    pub task_arn: String,
    /// The investigation, when the task's tags are known.
    pub investigation_id: Option<String>,
    /// Since when, UTC: the change that opened it, else the first reading that shows it.
    pub since: Timestamp,
    /// The change that opened it, when one was recorded.
    pub by: Option<AccessChange>,
    /// `live`, `missing@TIME` or `quarantined@TIME`.
    pub state: String,
}

/// A row with its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessSpan {
    /// Who, what, since when; the state is the last one.
    #[serde(flatten)]
    pub row: AccessRow,
    /// Until when, UTC; none when nothing says that it ended.
    pub until: Option<Timestamp>,
    /// The change that closed it, when one was recorded.
    pub closed_by: Option<AccessChange>,
}

/// A request for a session that the controller refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// When, UTC.
    pub at: Timestamp,
    /// Who asked.
    pub user_id: Option<String>,
    /// His name, when it was recorded.
    pub user_name: Option<String>,
    /// The target.
    pub target_id: Option<String>,
    /// From where.
    pub client_address: Option<String>,
    /// The answer's status.
    pub status_code: u16,
}

/// What access there was in a period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Accesses {
    /// Who could enter what, by beginning.
    pub spans: Vec<AccessSpan>,
    /// Every write of target-sync on targets, roles and aliases, in order.
    pub changes: Vec<AccessChange>,
    /// Who was refused, in order.
    pub refused: Vec<Refusal>,
}

/// Returns who could enter what at an instant, by user and target.
pub fn access_at(facts: &[Fact], at: Timestamp) -> Vec<AccessRow> {
    let records = Records::of(facts);
    let spans = records.spans().into_iter();
    let open = spans.filter(|span| span.row.since <= at && span.until.is_none_or(|until| until > at));
    let mut rows: Vec<AccessRow> = open.map(|span| records.as_of(span.row, at)).collect();
    rows.sort_by(|one, other| (&one.user_id, &one.target_id).cmp(&(&other.user_id, &other.target_id)));
    rows
}

/// Returns who could enter what in a period (its end exclusive), what target-sync changed in it, and who was refused.
pub fn access_between(facts: &[Fact], from: Timestamp, to: Timestamp) -> Accesses {
    let records = Records::of(facts);
    let within = |at: Timestamp| from <= at && at < to;
    let spans = records.spans().into_iter();
    let mut spans: Vec<AccessSpan> = spans.filter(|it| it.row.since < to && it.until.is_none_or(|until| until > from)).collect();
    let key = |it: &AccessSpan| (it.row.since, it.row.user_id.clone(), it.row.target_id.clone());
    spans.sort_by_cached_key(key);
    let changes = records.changes.iter().filter(|it| within(it.at)).map(|it| told(it)).collect();
    let refused = refusals(facts, &records.names).into_iter().filter(|it| within(it.at)).collect();
    Accesses { spans, changes, refused }
}

/// The records that access rests on.
struct Records<'a> {
    targets: BTreeMap<&'a str, Vec<BoundaryTarget>>,
    changes: Vec<&'a SyncChange>,
    names: BTreeMap<&'a str, (Timestamp, &'a str)>,
    investigations: BTreeMap<&'a str, &'a str>,
}

impl<'a> Records<'a> {
    fn of(facts: &'a [Fact]) -> Self {
        let mut readings: BTreeMap<&str, Vec<&BoundaryTarget>> = BTreeMap::new();
        let mut changes = BTreeMap::new();
        let (mut names, mut investigations) = (BTreeMap::new(), BTreeMap::new());
        for fact in facts {
            match &fact.body {
                Body::BoundaryTarget(it) => readings.entry(&it.target_id).or_default().push(it),
                Body::SyncChange(it) => {
                    // A step without an outcome may stand beside the same one with it: the outcome says more.
                    let known: &mut &SyncChange = changes.entry((it.at, it.run_id.as_str(), it.number)).or_insert(&**it);
                    if rank(it) > rank(known) {
                        *known = it;
                    }
                }
                Body::BoundaryUser(it) => {
                    let known = names.entry(it.user_id.as_str()).or_insert((it.at, it.name.as_str()));
                    *known = (it.at, it.name.as_str()).max(*known);
                }
                Body::Task(it) => investigations.extend(it.investigation_id.as_deref().map(|id| (it.task_id.as_str(), id))),
                _ => {}
            }
        }
        let changes: Vec<&SyncChange> = changes.into_values().collect();
        for change in changes.iter().filter(|it| it.action == "create" && it.object == "target" && is_done(it)) {
            if let Some(id) = &change.id {
                readings.entry(id).or_default();
            }
        }
        let history = |(id, readings)| (id, history(id, readings, &changes));
        let targets = readings.into_iter().map(history).collect();
        Self { targets, changes, names, investigations }
    }

    /// A row with alias and state as they were recorded at an instant.
    fn as_of(&self, row: AccessRow, at: Timestamp) -> AccessRow {
        let reading = self.targets.get(row.target_id.as_str()).and_then(|history| merge::target_at(history, at.max(row.since)));
        let (state, alias) =
            reading.map_or_else(|| (row.state.clone(), row.alias.clone()), |it| (it.state.clone(), it.alias.clone()));
        AccessRow { alias, state, ..row }
    }

    fn spans(&self) -> Vec<AccessSpan> {
        self.targets.values().flat_map(|history| self.spans_of(history)).collect()
    }

    /// Walks through a target's history, opening and closing spans of its users.
    fn spans_of(&self, history: &[BoundaryTarget]) -> Vec<AccessSpan> {
        let mut open: BTreeMap<&str, AccessSpan> = BTreeMap::new();
        let mut closed = Vec::new();
        let mut before = Timestamp::MIN;
        for reading in history {
            let gone: Vec<&str> = open.keys().filter(|id| !reading.user_ids.iter().any(|it| it == *id)).copied().collect();
            for id in gone {
                let by = self.change(reading, before, reading.at, &CLOSES);
                closed.extend(open.remove(id).map(|span| ended(span, reading.at, by)));
            }
            for id in &reading.user_ids {
                let by = || self.change(reading, before, reading.at, &OPENS);
                let span = open.entry(id).or_insert_with(|| AccessSpan {
                    row: self.row(reading, id, by()),
                    until: None,
                    closed_by: None,
                });
                span.row.state.clone_from(&reading.state);
                span.row.alias.clone_from(&reading.alias);
            }
            before = reading.at;
        }
        let last = history.last().and_then(|reading| self.deletion(reading, before));
        closed.extend(open.into_values().map(|span| match last {
            Some(change) => ended(span, change.at, Some(change)),
            None => span,
        }));
        closed
    }

    fn row(&self, reading: &BoundaryTarget, user_id: &str, by: Option<&SyncChange>) -> AccessRow {
        AccessRow {
            user_id: user_id.to_owned(),
            user_name: self.names.get(user_id).map(|(_, name)| (*name).to_owned()),
            target_id: reading.target_id.clone(),
            alias: reading.alias.clone(),
            task_arn: reading.task_arn.clone(),
            investigation_id: self.investigations.get(reading.task_id.as_str()).map(|id| (*id).to_owned()),
            since: by.map_or(reading.at, |change| change.at),
            by: by.map(told),
            state: reading.state.clone(),
        }
    }

    /// The last change to a target's task between two readings that was done and could have made the difference.
    fn change(&self, target: &BoundaryTarget, after: Timestamp, until: Timestamp, actions: &[&str]) -> Option<&'a SyncChange> {
        let fits = |it: &&&SyncChange| {
            it.task_id.as_ref() == Some(&target.task_id)
                && it.result.as_deref() == Some("done")
                && actions.contains(&it.action.as_str())
                && matches!(it.object.as_str(), "role" | "target")
                && after < it.at
                && it.at <= until
        };
        let rank = |it: &&&SyncChange| (it.object == "role", it.at, it.number);
        self.changes.iter().filter(fits).max_by_key(rank).copied()
    }

    /// The target's deletion, after which no reading comes.
    fn deletion(&self, target: &BoundaryTarget, after: Timestamp) -> Option<&'a SyncChange> {
        let is_it =
            |it: &&&SyncChange| it.action == "delete" && it.object == "target" && it.id.as_deref() == Some(&target.target_id);
        let done = |it: &&&SyncChange| it.result.as_deref() == Some("done") && it.at >= after;
        self.changes.iter().filter(is_it).find(done).copied()
    }
}

/// How much a record of a change says: an outcome more than none, and than one that is not known.
fn rank(change: &SyncChange) -> (u8, bool) {
    let outcome = match change.result.as_deref() {
        None => 0,
        Some("unknown") => 1,
        Some(_) => 2,
    };
    (outcome, change.principal_ids.is_some())
}

fn is_done(change: &SyncChange) -> bool {
    change.result.as_deref() == Some("done")
}

/// A target's history: what was read of it, and what done changes of its role made of that meanwhile.
fn history(id: &str, readings: Vec<&BoundaryTarget>, changes: &[&SyncChange]) -> Vec<BoundaryTarget> {
    let mut all: Vec<BoundaryTarget> = readings.into_iter().cloned().collect();
    all.sort_by_key(|it| it.at);
    let made = changes.iter().find(|it| it.action == "create" && it.object == "target" && it.id.as_deref() == Some(id));
    let Some(task) = all.first().map(|it| &it.task_id).or(made.and_then(|it| it.task_id.as_ref())).cloned() else { return all };
    let of_task = || changes.iter().filter(|it| it.task_id.as_ref() == Some(&task) && is_done(it));
    let named = of_task().find(|it| it.object == "alias" && it.action == "create").map(|it| it.name.clone());
    for change in of_task() {
        let at = all.partition_point(|it| it.at <= change.at);
        let before = all[..at].last().cloned().or_else(|| new_target(id, made?, named.clone()));
        if let Some(after) = before.and_then(|before| changed(before, change)) {
            all.insert(at, after);
        }
    }
    merge::target_history(&all)
}

/// A target after a change that bears on who may enter it.
fn changed(before: BoundaryTarget, change: &SyncChange) -> Option<BoundaryTarget> {
    let at = change.at;
    Some(match (change.object.as_str(), change.action.as_str()) {
        ("role", "delete") => BoundaryTarget { at, user_ids: Vec::new(), ..before },
        ("role", _) => BoundaryTarget { at, user_ids: change.principal_ids.clone()?, ..before },
        ("target", "quarantine") => BoundaryTarget { at, state: format!("quarantined@{at}"), ..before },
        ("target", "restore") => BoundaryTarget { at, state: "live".to_owned(), ..before },
        _ => return None,
    })
}

/// A target that was made and not yet read.
fn new_target(id: &str, made: &SyncChange, alias: Option<String>) -> Option<BoundaryTarget> {
    Some(BoundaryTarget {
        at: made.at,
        target_id: id.to_owned(),
        task_id: made.task_id.clone()?,
        task_arn: made.task_arn.clone()?,
        name: made.name.clone(),
        alias,
        state: "live".to_owned(),
        user_ids: Vec::new(),
    })
}

const OPENS: [&str; 3] = ["create", "update", "restore"];
const CLOSES: [&str; 4] = ["withdraw", "delete", "quarantine", "update"];

fn ended(span: AccessSpan, seen: Timestamp, by: Option<&SyncChange>) -> AccessSpan {
    AccessSpan { until: Some(by.map_or(seen, |change| change.at)), closed_by: by.map(told), ..span }
}

fn told(change: &SyncChange) -> AccessChange {
    AccessChange {
        at: change.at,
        run_id: change.run_id.clone(),
        action: change.action.clone(),
        object: change.object.clone(),
        name: change.name.clone(),
        task_id: change.task_id.as_ref().map(|id| id.as_str().to_owned()),
        reason: change.reason.clone(),
        result: change.result.clone(),
    }
}

fn refusals(facts: &[Fact], names: &BTreeMap<&str, (Timestamp, &str)>) -> Vec<Refusal> {
    let mut refused: Vec<Refusal> = facts
        .iter()
        .filter_map(|fact| match &fact.body {
            Body::BoundaryEvent(it) if it.kind == BoundaryEventKind::AuthorizeSession => Some(it),
            _ => None,
        })
        .filter_map(|it| Some((it, it.status_code.filter(|code| *code >= 400)?)))
        .map(|(it, status_code)| Refusal {
            at: it.at,
            user_name: it.user_id.as_deref().and_then(|id| names.get(id)).map(|(_, name)| (*name).to_owned()),
            user_id: it.user_id.clone(),
            target_id: it.target_id.clone(),
            client_address: it.client_address.clone(),
            status_code,
        })
        .collect();
    refused.sort_by(|one, other| (one.at, &one.user_id, &one.target_id).cmp(&(other.at, &other.user_id, &other.target_id)));
    refused
}

#[cfg(test)]
mod tests;

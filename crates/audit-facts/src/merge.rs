//! Joins several readings of one thing into what is best known of it. The order of the readings never matters.
//!
//! Pure helpers for whoever correlates; the facts themselves stay as they are.

use crate::boundary::{BoundaryConnection, BoundarySession, BoundaryStatus};
use crate::sync::BoundaryTarget;
use crate::task::Task;
use crate::transcript::SsmSession;
use jiff::Timestamp;
use std::cmp::Reverse;

/// The best knowledge of one Boundary session: from the latest reading what it says, from earlier ones what it no longer says
/// (target and user go when they are deleted), connections from the reading with the most bytes; of an ended session, only from one
/// after its end.
pub fn boundary_session<'a>(readings: impl IntoIterator<Item = &'a BoundarySession>) -> Option<BoundarySession> {
    let mut readings: Vec<&BoundarySession> = readings.into_iter().collect();
    readings.sort_by_cached_key(|it| Reverse((it.status, it.version, it.connections.is_some(), format!("{it:?}"))));
    let (latest, earlier) = readings.split_first()?;
    let mut best = (*latest).clone();
    for older in earlier {
        fill(&mut best.target_id, older.target_id.as_ref());
        fill(&mut best.user_id, older.user_id.as_ref());
        fill(&mut best.created, older.created.as_ref());
        fill(&mut best.expiration, older.expiration.as_ref());
        fill(&mut best.termination_reason, older.termination_reason.as_ref());
        best.active_from = earliest(best.active_from, older.active_from);
        best.ended = earliest(best.ended, older.ended);
        if best.scope_id.is_empty() {
            best.scope_id.clone_from(&older.scope_id);
        }
    }
    // Counts from before the end are not those of the end: nobody may take them as final.
    let counts = readings.iter().filter(|it| best.status != BoundaryStatus::Terminated || it.is_final());
    best.connections = counts.filter_map(|it| it.connections.as_ref()).max_by_key(|it| weight(it)).cloned();
    Some(best)
}

fn fill<T: Clone>(slot: &mut Option<T>, other: Option<&T>) {
    if slot.is_none() {
        *slot = other.cloned();
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// Bytes only grow and connections only come: the later reading has more of either, and more that are closed.
fn weight(connections: &[BoundaryConnection]) -> (usize, u64, usize, String) {
    let bytes = connections.iter().fold(0_u64, |sum, it| sum.saturating_add(it.bytes_up).saturating_add(it.bytes_down));
    let closed = connections.iter().filter(|it| !it.closed_reason.is_empty()).count();
    (connections.len(), bytes, closed, format!("{connections:?}"))
}

/// The best knowledge of one SSM session: the latest state, the earliest beginning, the end when any reading has one.
pub fn ssm_session<'a>(readings: impl IntoIterator<Item = &'a SsmSession>) -> Option<SsmSession> {
    let mut readings: Vec<&SsmSession> = readings.into_iter().collect();
    readings.sort_by_cached_key(|it| Reverse((it.ended.is_some(), ssm_rank(&it.status), it.ended, format!("{it:?}"))));
    let (latest, earlier) = readings.split_first()?;
    let mut best = (*latest).clone();
    for older in earlier {
        fill(&mut best.task_id, older.task_id.as_ref());
        fill(&mut best.document, older.document.as_ref());
        fill(&mut best.ended, older.ended.as_ref());
        best.started = earliest(best.started, older.started);
        if best.owner.is_empty() {
            best.owner.clone_from(&older.owner);
        }
    }
    Some(best)
}

/// How far a state is. Source: SSM API reference, `SessionStatus`.
fn ssm_rank(status: &str) -> u8 {
    match status {
        "Terminated" | "Failed" => 3,
        "Terminating" => 2,
        "Connected" | "Disconnected" => 1,
        _ => 0,
    }
}

/// The best knowledge of one task: labels from any reading that has them, the latest first, the stop from the last.
pub fn task<'a>(readings: impl IntoIterator<Item = &'a Task>) -> Option<Task> {
    let mut readings: Vec<&Task> = readings.into_iter().collect();
    let rank = |it: &Task| (task_rank(&it.last_status), it.stopped, it.seen, it.is_tagged(), format!("{it:?}"));
    readings.sort_by_cached_key(|it| Reverse(rank(it)));
    let (latest, earlier) = readings.split_first()?;
    let mut best = (*latest).clone();
    for older in earlier {
        fill(&mut best.created, older.created.as_ref());
        fill(&mut best.stopped, older.stopped.as_ref());
        fill(&mut best.cluster_id, older.cluster_id.as_ref());
        fill(&mut best.investigation_id, older.investigation_id.as_ref());
        fill(&mut best.owner_name, older.owner_name.as_ref());
        fill(&mut best.owner_subject, older.owner_subject.as_ref());
        fill(&mut best.deadline, older.deadline.as_ref());
        best.seen = best.seen.max(older.seen);
    }
    Some(best)
}

/// A task's place in its life, which it goes through once. Source: ECS developer guide, "task lifecycle".
fn task_rank(status: &str) -> u8 {
    const LIFE: [&str; 8] =
        ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"];
    let place = LIFE.iter().position(|word| *word == status);
    place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(u8::from(status == "DELETED") * 9)
}

/// What is known of one target over time: the readings, oldest first, without those that only repeat the one before.
pub fn target_history<'a>(readings: impl IntoIterator<Item = &'a BoundaryTarget>) -> Vec<BoundaryTarget> {
    let mut readings: Vec<&BoundaryTarget> = readings.into_iter().collect();
    readings.sort_by_cached_key(|it| (it.at, format!("{it:?}")));
    let mut history: Vec<BoundaryTarget> = Vec::new();
    for reading in readings {
        let repeats = |last: &BoundaryTarget| BoundaryTarget { at: reading.at, ..last.clone() } == *reading;
        if !history.last().is_some_and(repeats) {
            history.push(reading.clone());
        }
    }
    history
}

/// What was recorded of a target at a time: the last entry of its history that is not later, else the first, since a
/// target is bound to its task for life.
pub fn target_at(history: &[BoundaryTarget], at: Timestamp) -> Option<&BoundaryTarget> {
    history.iter().rev().find(|it| it.at <= at).or_else(|| history.first())
}

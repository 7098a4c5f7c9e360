//! What Boundary says: sessions over their readings, requests, workers' reports.
//!
//! Owns the sentences on Boundary.

use super::{Moments, Precision, name, or_unknown};
use crate::legible::{count, size};
use audit_facts::{Body, BoundaryConnection, BoundaryEvent, BoundaryEventKind, BoundaryRemoval, BoundarySession, Fact, merge};
use std::collections::BTreeMap;

/// Takes all readings of each session together.
pub(super) fn sessions(facts: &[Fact], moments: &mut Moments) {
    let mut readings: BTreeMap<&str, Vec<(&Fact, &BoundarySession)>> = BTreeMap::new();
    for fact in facts {
        if let Body::BoundarySession(it) = &fact.body {
            readings.entry(&it.id).or_default().push((fact, it));
        }
    }
    for readings in readings.values() {
        let Some(whole) = merge::boundary_session(readings.iter().map(|(_, it)| *it)) else { continue };
        session(readings, &whole, moments);
    }
}

fn session(readings: &[(&Fact, &BoundarySession)], whole: &BoundarySession, moments: &mut Moments) {
    let said = |fits: &dyn Fn(&BoundarySession) -> bool| readings.iter().find(|(_, it)| fits(it)).map(|(fact, _)| *fact);
    let id = name(&whole.id);
    if let Some((at, fact)) = whole.created.zip(said(&|it| it.created == whole.created)) {
        let (user, target) = (or_unknown(whole.user_id.as_deref()), or_unknown(whole.target_id.as_deref()));
        moments.add(fact, at, Precision::Instant, format!("Boundary authorised session {id} of user {user} on target {target}."));
    }
    if let Some((at, fact)) = whole.active_from.zip(said(&|it| it.active_from == whole.active_from)) {
        moments.add(fact, at, Precision::Instant, format!("Boundary session {id} became active: the first connection came."));
    }
    let Some(at) = whole.ended else { return };
    if let Some(fact) = said(&|it| it.ended == whole.ended) {
        let why = whole.termination_reason.as_deref().map(|why| format!(" ({})", name(why))).unwrap_or_default();
        moments.add(fact, at, Precision::Instant, format!("Boundary session {id} ended{why}."));
    }
    let carried = whole.connections.as_deref().zip(said(&|it| it.connections == whole.connections));
    if let Some((connections, fact)) = carried.filter(|(connections, _)| !connections.is_empty()) {
        moments.add(fact, at, Precision::NotLater, connected(&id, connections));
    }
}

fn connected(id: &str, connections: &[BoundaryConnection]) -> String {
    let sum = |of: fn(&BoundaryConnection) -> u64| connections.iter().fold(0_u64, |sum, it| sum.saturating_add(of(it)));
    let mut addresses: Vec<String> = connections.iter().map(|it| name(&it.client_address)).collect();
    addresses.sort();
    addresses.dedup();
    let (up, down) = (size(sum(|it| it.bytes_up)), size(sum(|it| it.bytes_down)));
    let connections = count(connections.len(), "connection", "connections");
    format!("Boundary session {id} carried {up} up and {down} down over {connections} from {}.", addresses.join(", "))
}

/// Tells a request, or a worker's report.
pub(super) fn event(fact: &Fact, it: &BoundaryEvent, moments: &mut Moments) {
    moments.add(fact, it.at, Precision::Instant, event_sentence(it));
}

fn event_sentence(it: &BoundaryEvent) -> String {
    let user = or_unknown(it.user_id.as_deref());
    let from = it.client_address.as_deref().map(|address| format!(" from {}", name(address))).unwrap_or_default();
    let answer = it.status_code.map(|code| format!(" and was answered {code}")).unwrap_or_default();
    let session = or_unknown(it.session_id.as_deref());
    match it.kind {
        BoundaryEventKind::AuthorizeSession => {
            let made = it.session_id.as_deref().map(|id| format!(": session {}", name(id))).unwrap_or_default();
            format!("User {user} asked{from} for a session on target {}{answer}{made}.", or_unknown(it.target_id.as_deref()))
        }
        BoundaryEventKind::CancelSession => format!("User {user} asked{from} to cancel session {session}{answer}."),
        BoundaryEventKind::Worker => worker_sentence(it, &session),
        BoundaryEventKind::Change | BoundaryEventKind::Other => {
            format!("User {user} called {}{from}{answer}.", name(&it.operation))
        }
    }
}

fn worker_sentence(it: &BoundaryEvent, session: &str) -> String {
    let Some(report) = &it.connection else { return format!("A worker reported {} for session {session}.", name(&it.operation)) };
    let id = name(&report.connection_id);
    let of = it.session_id.as_deref().map(|id| format!(" of session {}", name(id))).unwrap_or_default();
    match (&report.closed_reason, report.bytes_up, report.bytes_down) {
        (None, None, None) => format!("A worker reported connection {id}{of}: {}.", name(&it.operation)),
        (why, up, down) => {
            let why = why.as_deref().map(|why| format!(" ({})", name(why))).unwrap_or_default();
            let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), size);
            format!("A worker closed connection {id}{of}{why}: {} up, {} down.", bytes(up), bytes(down))
        }
    }
}

/// Tells that the controller has forgotten a session.
pub(super) fn removal(fact: &Fact, it: &BoundaryRemoval, moments: &mut Moments) {
    moments.add(fact, it.at, Precision::NotLater, format!("Boundary deleted its record of session {}.", name(&it.session_id)));
}

//! What the flat columns of a fact are made of: its kind's word and the time of what it tells.
//!
//! Owns the choice of that time per kind: the earliest that the source itself gives for what happened.

use audit_facts::{Body, Fact};
use jiff::Timestamp;

/// The kind's word, as in the fact's JSON.
pub fn kind(body: &Body) -> &'static str {
    match body {
        Body::BoundarySession(_) => "boundary_session",
        Body::BoundaryEvent(_) => "boundary_event",
        Body::BoundaryRemoval(_) => "boundary_removal",
        Body::Execution(_) => "execution",
        Body::SessionStartCall(_) => "session_start_call",
        Body::SessionCall(_) => "session_call",
        Body::RoleAssumption(_) => "role_assumption",
        Body::SsmSession(_) => "ssm_session",
        Body::Transcript(_) => "transcript",
        Body::TranscriptAbsence(_) => "transcript_absence",
        Body::Artifact(_) => "artifact",
        Body::Task(_) => "task",
        Body::BoundaryTarget(_) => "boundary_target",
        Body::BoundaryUser(_) => "boundary_user",
        Body::SyncChange(_) => "sync_change",
        Body::LinkStart(_) => "link_start",
        Body::LinkEnd(_) => "link_end",
        Body::ChainBreak(_) => "chain_break",
        Body::Posture(_) => "posture",
    }
}

/// When it happened, by the source; none when the source gives no time.
pub fn natural_time(body: &Body) -> Option<Timestamp> {
    match body {
        Body::BoundarySession(it) => it.active_from.or(it.created),
        Body::BoundaryEvent(it) => Some(it.at),
        Body::BoundaryRemoval(it) => Some(it.at),
        Body::Execution(it) => Some(it.at),
        Body::SessionStartCall(it) => Some(it.at),
        Body::SessionCall(it) => Some(it.at),
        Body::RoleAssumption(it) => Some(it.at),
        Body::SsmSession(it) => it.started.or(it.ended),
        Body::Transcript(it) => it.first_uploaded.or(it.last_uploaded),
        Body::TranscriptAbsence(it) => Some(it.at),
        Body::Artifact(it) => Some(it.modified),
        Body::Task(it) => it.created.or(it.seen),
        Body::BoundaryTarget(it) => Some(it.at),
        Body::BoundaryUser(it) => Some(it.at),
        Body::SyncChange(it) => Some(it.at),
        Body::LinkStart(it) => Some(it.at),
        Body::LinkEnd(it) => Some(it.at),
        Body::ChainBreak(_) => None,
        Body::Posture(it) => Some(it.at),
    }
}

/// The last moment that a fact speaks of, as far as it is known: an end rather than a beginning, else its reading.
pub fn last_moment(fact: &Fact) -> Timestamp {
    let end = match &fact.body {
        Body::BoundarySession(it) => it.ended.or(it.expiration),
        Body::SsmSession(it) => it.ended,
        Body::Transcript(it) => it.last_ingested.or(it.last_uploaded),
        Body::Task(it) => it.stopped,
        _ => None,
    };
    end.or_else(|| natural_time(&fact.body)).unwrap_or(fact.observed_at)
}

//! What AWS and the container say: calls, SSM sessions, logs, artifacts, tasks.
//!
//! Owns the sentences on them, above all that a log's own stamps are those of its end.

use super::{Moments, Precision, name, or_unknown};
use crate::legible::{digest, size, tail};
use audit_facts::{
    Artifact, Body, Execution, Fact, Principal, RoleAssumption, SessionCall, SessionCallKind, SessionStartCall, SsmSession,
    SsmSessionId, Task, Transcript, TranscriptAbsence, TranscriptForm, merge,
};
use std::collections::BTreeMap;

/// Tells a role's assumption.
pub(super) fn assumption(fact: &Fact, it: &RoleAssumption, moments: &mut Moments) {
    let called = it.role_session_name.as_deref().map(|called| format!(" as {}", name(called))).unwrap_or_default();
    let source = it.source_identity.as_deref().map(|id| format!(", source identity {}", name(id))).unwrap_or_default();
    let what = format!("Role {} was assumed{called}{source}.", name(tail(&it.role_arn)));
    moments.add(fact, it.at, Precision::Second, what);
}

/// Tells ExecuteCommand.
pub(super) fn execution(fact: &Fact, it: &Execution, moments: &mut Moments) {
    let (who, from) = caller(&it.principal);
    let task = it.task_id.as_ref().map_or_else(|| "a task that it did not name".to_owned(), |id| format!("task {}", id.as_str()));
    let place =
        it.container.as_deref().map_or_else(|| task.clone(), |container| format!("container {} of {task}", name(container)));
    let came = outcome(it.ssm_session_id.as_ref().map(SsmSessionId::as_str), it.error_code.as_deref());
    let planted = it.planted.as_ref().map(|id| format!(" The command names {}.", name(id.as_str()))).unwrap_or_default();
    let what = format!("{who} called ExecuteCommand{from} on {place}: {came}.{planted}");
    moments.add(fact, it.at, Precision::Second, what);
}

/// Tells StartSession.
pub(super) fn start_call(fact: &Fact, it: &SessionStartCall, moments: &mut Moments) {
    let (who, from) = caller(&it.principal);
    let came = outcome(it.ssm_session_id.as_ref().map(SsmSessionId::as_str), it.error_code.as_deref());
    let by = if it.principal.is_ecs() { "ECS itself".to_owned() } else { who };
    let past = if it.principal.is_ecs() { "" } else { " past ECS Exec" };
    let what = format!("{by} called StartSession{past}{from} on {}: {came}.", name(&it.target));
    moments.add(fact, it.at, Precision::Second, what);
}

/// Tells TerminateSession or ResumeSession.
pub(super) fn call(fact: &Fact, it: &SessionCall, moments: &mut Moments) {
    let (who, from) = caller(&it.principal);
    let call = match it.call {
        SessionCallKind::Terminate => "TerminateSession",
        SessionCallKind::Resume => "ResumeSession",
    };
    let came = it.error_code.as_deref().map(|code| format!(": refused, {}", name(code))).unwrap_or_default();
    let what = format!("{who} called {call}{from} on {}{came}.", it.ssm_session_id);
    moments.add(fact, it.at, Precision::Second, what);
}

fn caller(principal: &Principal) -> (String, String) {
    let who = name(tail(&principal.arn));
    let from = principal.client_address.as_deref().map(|address| format!(" from {}", name(address))).unwrap_or_default();
    (if who.is_empty() { "Somebody".to_owned() } else { who }, from)
}

fn outcome(session: Option<&str>, error_code: Option<&str>) -> String {
    match (session, error_code) {
        (_, Some(code)) => format!("refused, {}", name(code)),
        (Some(id), None) => format!("session {}", name(id)),
        (None, None) => "no session in the answer".to_owned(),
    }
}

/// Takes all readings of each SSM session together.
pub(super) fn ssm_sessions(facts: &[Fact], moments: &mut Moments) {
    let mut readings: BTreeMap<&str, Vec<(&Fact, &SsmSession)>> = BTreeMap::new();
    for fact in facts {
        if let Body::SsmSession(it) = &fact.body {
            readings.entry(it.ssm_session_id.as_str()).or_default().push((fact, it));
        }
    }
    for (id, readings) in &readings {
        let Some(whole) = merge::ssm_session(readings.iter().map(|(_, it)| *it)) else { continue };
        let said = |fits: &dyn Fn(&SsmSession) -> bool| readings.iter().find(|(_, it)| fits(it)).map(|(fact, _)| *fact);
        if let Some((at, fact)) = whole.started.zip(said(&|it| it.started == whole.started)) {
            moments.add(fact, at, Precision::Instant, format!("SSM says that session {id} began."));
        }
        if let Some((at, fact)) = whole.ended.zip(said(&|it| it.ended == whole.ended)) {
            moments.add(fact, at, Precision::Instant, format!("SSM says that session {id} ended ({}).", name(&whole.status)));
        }
    }
}

/// Tells a log's upload.
pub(super) fn transcript(fact: &Fact, it: &Transcript, moments: &mut Moments) {
    let Some(at) = it.last_uploaded.or(it.first_uploaded).or(it.last_ingested) else { return };
    let form = match it.form {
        TranscriptForm::Script => "all stamps of script's log are of its end, when it was uploaded",
        TranscriptForm::Json => "as streamed events",
        TranscriptForm::Unknown => "in a form that is not known",
    };
    let closed = if it.has_trailer || it.form != TranscriptForm::Script { "" } else { ", without its closing line" };
    let (of, size, sha256) = (name(&it.name), size(it.body_bytes), digest(&it.sha256));
    moments.add(fact, at, Precision::NotLater, format!("Log {of} was uploaded: {size}{closed}, digest {sha256}; {form}."));
}

/// Tells that there was no log.
pub(super) fn absence(fact: &Fact, it: &TranscriptAbsence, moments: &mut Moments) {
    let what = format!("There was no log of {} in {}.", it.ssm_session_id, name(&it.name));
    moments.add(fact, it.at, Precision::Instant, what);
}

/// Tells the versions of objects, and their deletions, each object by itself.
pub(super) fn artifacts(facts: &[Fact], moments: &mut Moments) {
    let mut objects: BTreeMap<(&str, &str), Vec<(&Artifact, &Fact)>> = BTreeMap::new();
    for fact in facts {
        if let Body::Artifact(it) = &fact.body {
            objects.entry((&it.bucket, &it.key)).or_default().push((it, fact));
        }
    }
    for versions in objects.values_mut() {
        versions.sort_by(|(one, _), (other, _)| (one.modified, &one.version_id).cmp(&(other.modified, &other.version_id)));
        let first = versions.first().map(|(it, _)| it.version_id.as_str()).unwrap_or_default();
        for (it, fact) in versions.iter() {
            moments.add(fact, it.modified, Precision::Second, artifact(it, it.version_id == first));
        }
    }
}

fn artifact(it: &Artifact, is_first: bool) -> String {
    let of = format!("{}/{}", name(&it.bucket), name(&it.key));
    if it.is_deletion {
        return format!("Artifact {of} was deleted.");
    }
    let done = if is_first { "saved" } else { "changed" };
    format!("Artifact {of} was {done}: {}, version {}.", size(it.bytes), name(&it.version_id))
}

/// Tells a task's beginning and end.
pub(super) fn task(fact: &Fact, it: &Task, moments: &mut Moments) {
    let id = it.task_id.as_str();
    if let Some(at) = it.created {
        let of = or_unknown(it.investigation_id.as_deref());
        let owner = or_unknown(it.owner_name.as_deref().or(it.owner_subject.as_deref()));
        moments.add(fact, at, Precision::Instant, format!("Task {id} was created; its tags name investigation {of} of {owner}."));
    }
    if let Some(at) = it.stopped {
        moments.add(fact, at, Precision::Instant, format!("Task {id} stopped."));
    }
}

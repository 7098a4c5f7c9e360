//! Facts of one session, one of each kind that stands in a timeline.

use super::{SESSION, TASK, TASK_ARN, at};
use audit_facts::{
    Artifact, Body, BoundaryConnection, BoundarySession, BoundaryStatus, BoundaryTarget, Execution, Fact, LinkEnd, LinkStart,
    Principal, Source, SsmSession, SsmSessionId, SyncChange, TaskId, Transcript, TranscriptForm,
};
use correlation::Account;
use investigation::BoundarySessionId;
use jiff::Timestamp;

/// What the sources say of an account: one fact of each kind that stands in a timeline.
pub(crate) fn story(it: &Account) -> Vec<Fact> {
    let begins = it.started.unwrap();
    let after = |seconds: i64| begins + jiff::SignedDuration::from_secs(seconds);
    let ssm = it.ssm_session_id.clone().unwrap();
    let task_id = TaskId::parse(TASK).unwrap();
    let bodies = [
        (Source::SyncRecords, sync_change(after(-600), &task_id)),
        (Source::SyncRecords, target(after(-598), &task_id)),
        (Source::CloudTrail, execution(begins, it, &task_id)),
        (Source::SsmSessions, ssm_session(&ssm, after(1), after(754))),
        (Source::ExecLogs, log(&ssm, after(800))),
        (Source::Links, link_start(after(-1), &task_id)),
        (Source::Links, link_end(after(755), &ssm, &task_id)),
        (Source::Artifacts, artifact(after(1500), &task_id, "v1", false)),
    ];
    let mut facts: Vec<Fact> = bodies.into_iter().map(|(source, body)| fact(source, body)).collect();
    if let Some(id) = &it.boundary_session_id {
        facts.push(fact(Source::BoundaryApi, boundary_session(id, after(-20), after(-2), after(757))));
    }
    facts
}

pub(crate) fn fact(source: Source, body: Body) -> Fact {
    Fact { source, place: format!("{source}-1"), observed_at: at(86_400), evidence: "00".repeat(32), body }
}

pub(crate) fn boundary_session(id: &str, created: Timestamp, active: Timestamp, ended: Timestamp) -> Body {
    Body::BoundarySession(Box::new(BoundarySession {
        id: id.to_owned(),
        version: 4,
        target_id: Some("ttcp_1234567890".to_owned()),
        user_id: Some("u_1234567890".to_owned()),
        scope_id: "p_1234567890".to_owned(),
        created: Some(created),
        expiration: None,
        status: BoundaryStatus::Terminated,
        active_from: Some(active),
        ended: Some(ended),
        termination_reason: Some("closed by end-user".to_owned()),
        connections: Some(vec![BoundaryConnection {
            client_address: "192.0.2.7".to_owned(),
            bytes_up: 3100,
            bytes_down: 48_213,
            closed_reason: "closed by end-user".to_owned(),
        }]),
    }))
}

pub(crate) fn execution(at: Timestamp, it: &Account, task_id: &TaskId) -> Body {
    Body::Execution(Box::new(Execution {
        event_id: "e-1".to_owned(),
        at,
        region: "us-east-2".to_owned(),
        account: "123456789012".to_owned(),
        principal: Principal {
            arn: "arn:aws:sts::123456789012:assumed-role/sre/alice".to_owned(),
            client_address: Some("192.0.2.7".to_owned()),
            ..Principal::default()
        },
        task_id: Some(task_id.clone()),
        task_arn: Some(TASK_ARN.to_owned()),
        container: Some("sre".to_owned()),
        planted: BoundarySessionId::parse(it.boundary_session_id.as_deref().unwrap_or_default()).ok(),
        ssm_session_id: it.ssm_session_id.clone(),
        error_code: None,
    }))
}

pub(crate) fn ssm_session(id: &SsmSessionId, started: Timestamp, ended: Timestamp) -> Body {
    Body::SsmSession(Box::new(SsmSession {
        ssm_session_id: id.clone(),
        target: format!("ecs:rosa_{TASK}_{TASK}-1"),
        task_id: TaskId::parse(TASK).ok(),
        owner: "arn:aws:sts::123456789012:assumed-role/AWSServiceRoleForECS/ecs-execute-command".to_owned(),
        document: None,
        status: "Terminated".to_owned(),
        started: Some(started),
        ended: Some(ended),
    }))
}

pub(crate) fn log(id: &SsmSessionId, uploaded: Timestamp) -> Body {
    Body::Transcript(Box::new(Transcript {
        ssm_session_id: Some(id.clone()),
        name: format!("/ecs/exec/{id}"),
        form: TranscriptForm::Script,
        has_trailer: true,
        body_bytes: 41_000,
        sha256: "ab".repeat(32),
        canonical_bytes: 40_100,
        checkpoints: Vec::new(),
        exact_until: None,
        events: 1,
        first_uploaded: Some(uploaded),
        last_uploaded: Some(uploaded),
        last_ingested: None,
    }))
}

pub(crate) fn link_start(at: Timestamp, task_id: &TaskId) -> Body {
    Body::LinkStart(Box::new(LinkStart {
        record_id: "rec-1".to_owned(),
        at,
        principal_arn: None,
        boundary_session_id: BoundarySessionId::parse(SESSION).ok(),
        boundary_session_id_source: "token".to_owned(),
        boundary_target_id: None,
        boundary_user_id: None,
        boundary_correlation_id: None,
        task_id: Some(task_id.clone()),
        task_arn: TASK_ARN.to_owned(),
        container: "sre".to_owned(),
        route: "boundary".to_owned(),
        local_user: "alice".to_owned(),
        host: "laptop-7".to_owned(),
        reason: Some("pods of the router restart".to_owned()),
    }))
}

pub(crate) fn link_end(at: Timestamp, id: &SsmSessionId, task_id: &TaskId) -> Body {
    Body::LinkEnd(Box::new(LinkEnd {
        record_id: "rec-1".to_owned(),
        at,
        ssm_session_id: Some(id.clone()),
        task_id: Some(task_id.clone()),
        boundary_session_id: BoundarySessionId::parse(SESSION).ok(),
        exit_code: 0,
        exit_source: "marker".to_owned(),
        ending: "exited".to_owned(),
        remote_end: "confirmed".to_owned(),
        bytes_out: 41_000,
        bytes_in: 900,
        resumes: 0,
        output_sha256: "ab".repeat(32),
        output_canonical_bytes: 40_100,
        output_checkpoints: Vec::new(),
        transcript_sha256: None,
        transcript_file: None,
    }))
}

pub(crate) fn artifact(modified: Timestamp, task_id: &TaskId, version_id: &str, is_deletion: bool) -> Body {
    Body::Artifact(Box::new(Artifact {
        bucket: "evidence".to_owned(),
        key: format!("c-7/inv-42/20260921/{TASK}/.bash_history"),
        version_id: version_id.to_owned(),
        task_id: Some(task_id.clone()),
        cluster_id: None,
        investigation_id: None,
        modified,
        bytes: if is_deletion { 0 } else { 1234 },
        etag: None,
        is_deletion,
        retained_until: None,
        retention_read: false,
    }))
}

pub(crate) fn sync_change(at: Timestamp, task_id: &TaskId) -> Body {
    Body::SyncChange(Box::new(SyncChange {
        at,
        run_id: "run-1".to_owned(),
        number: 1,
        action: "create".to_owned(),
        object: "role".to_owned(),
        name: "inv-42 users".to_owned(),
        id: Some("r_1234567890".to_owned()),
        task_id: Some(task_id.clone()),
        task_arn: None,
        principal_ids: None,
        reason: "new_task".to_owned(),
        result: Some("done".to_owned()),
        owner: None,
    }))
}

pub(crate) fn target(at: Timestamp, task_id: &TaskId) -> Body {
    Body::BoundaryTarget(Box::new(BoundaryTarget {
        at,
        target_id: "ttcp_1234567890".to_owned(),
        task_id: task_id.clone(),
        task_arn: TASK_ARN.to_owned(),
        name: "inv-42".to_owned(),
        alias: Some("inv-42.rosa".to_owned()),
        state: "live".to_owned(),
        user_ids: vec!["u_1234567890".to_owned()],
    }))
}

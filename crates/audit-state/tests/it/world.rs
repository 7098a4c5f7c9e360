//! A small world of facts, and a judge that depends on all that the real one does: facts, people, time.

use audit_facts::{
    Body, BoundarySession, BoundaryStatus, BoundaryUser, Coverage, Execution, Fact, Grade, Posture, PostureItem, Principal,
    RoleAssumption, Source, SsmSessionId, Task, TaskId,
};
use audit_state::{Batch, Case, CursorChange, EvidenceRow, Judgement, Recorded, State};
use correlation::finding::Basis;
use correlation::{Account, Assurance, Code, Finding, Method, State as Settled, Subject};
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;

pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("state.sqlite")
    }

    pub(crate) fn open(&self) -> State {
        State::open(&self.path()).unwrap()
    }
}

/// Seconds after the world's beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-05-01T10:00:00Z".parse::<Timestamp>().unwrap().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

pub(crate) fn sha(text: &str) -> String {
    audit_record::sha256_hex(text.as_bytes())
}

fn fact(source: Source, observed: i64, body: Body) -> Fact {
    Fact { source, place: "home".to_owned(), observed_at: at(observed), evidence: sha(&format!("page at {observed}")), body }
}

pub(crate) fn task_id(n: u8) -> TaskId {
    TaskId::parse(&format!("{n:032x}")).unwrap()
}

pub(crate) fn ssm_id(n: u8) -> SsmSessionId {
    SsmSessionId::parse(&format!("ecs-execute-command-{n:017x}")).unwrap()
}

pub(crate) fn boundary_id(n: u8) -> String {
    format!("s_{n:010}")
}

pub(crate) fn task(n: u8, observed: i64) -> Fact {
    let body = Task {
        task_id: task_id(n),
        task_arn: format!("arn:aws:ecs:us-east-2:123456789012:task/demo/{}", task_id(n)),
        last_status: "RUNNING".to_owned(),
        created: Some(at(0)),
        stopped: None,
        cluster_id: None,
        investigation_id: Some(format!("inv-{n}")),
        owner_name: None,
        owner_subject: None,
        deadline: None,
        seen: None,
    };
    fact(Source::Ecs, observed, Body::Task(Box::new(body)))
}

/// A shell in a task; with the Boundary session that its command names.
pub(crate) fn shell(n: u8, task: u8, planted: Option<u8>, seconds: i64) -> Fact {
    let body = Execution {
        event_id: format!("event-{n}"),
        at: at(seconds),
        region: "us-east-2".to_owned(),
        account: "123456789012".to_owned(),
        principal: Principal { access_key_id: Some(format!("ASIA{}", n % 3)), ..Principal::default() },
        task_id: Some(task_id(task)),
        task_arn: None,
        container: None,
        planted: planted.map(|n| investigation::BoundarySessionId::parse(&boundary_id(n)).unwrap()),
        ssm_session_id: Some(ssm_id(n)),
        error_code: None,
    };
    fact(Source::CloudTrail, seconds + 60, Body::Execution(Box::new(body)))
}

pub(crate) fn boundary_session(n: u8, user: u8, seconds: i64) -> Fact {
    let body = BoundarySession {
        id: boundary_id(n),
        version: 1,
        user_id: Some(format!("u_{user}")),
        status: BoundaryStatus::Active,
        active_from: Some(at(seconds)),
        ..BoundarySession::default()
    };
    fact(Source::BoundaryApi, seconds + 30, Body::BoundarySession(Box::new(body)))
}

pub(crate) fn user(n: u8, name: &str, seconds: i64) -> Fact {
    let body = BoundaryUser {
        at: at(seconds),
        user_id: format!("u_{n}"),
        name: name.to_owned(),
        account_id: "acctpw_1".to_owned(),
        issuer: None,
        subject: name.to_owned(),
    };
    fact(Source::SyncRecords, seconds, Body::BoundaryUser(Box::new(body)))
}

pub(crate) fn credentials(n: u8, seconds: i64) -> Fact {
    let body = RoleAssumption {
        event_id: format!("assume-{n}"),
        at: at(seconds),
        role_arn: "arn:aws:iam::123456789012:role/sre".to_owned(),
        access_key_id: format!("ASIA{n}"),
        role_session_name: None,
        source_identity: None,
        tagged: None,
        user: Some(format!("person {n}")),
        boundary_user_id: None,
    };
    fact(Source::CloudTrail, seconds, Body::RoleAssumption(Box::new(body)))
}

pub(crate) fn posture(subject: &str, seconds: i64) -> Fact {
    let item = PostureItem::LogGroup { retention_days: Some(7), kms: false };
    fact(Source::ExecLogs, seconds, Body::Posture(Posture { at: at(seconds), subject: subject.to_owned(), item }))
}

pub(crate) fn window(source: Source, from: i64, to: i64, grade: Grade) -> Coverage {
    let lack = (grade == Grade::None).then_some(audit_facts::Lack::Missed);
    Coverage { source, place: "home".to_owned(), scope: "demo".to_owned(), from: at(from), to: at(to), grade, lack }
}

/// A batch with the evidence of its facts and a cursor that says how far it is.
pub(crate) fn batch(facts: &[Fact], read: i64) -> Batch {
    let mut hashes: Vec<&String> = facts.iter().map(|fact| &fact.evidence).collect();
    hashes.sort();
    hashes.dedup();
    let row = |sha256: &String| EvidenceRow { sha256: sha256.clone(), request: "page".into(), at: at(0), bytes: 100 };
    Batch {
        source: Source::CloudTrail,
        place: "home".to_owned(),
        at: at(read),
        evidence: hashes.into_iter().map(row).collect(),
        facts: facts.to_vec(),
        coverage: Vec::new(),
        cursors: vec![CursorChange { name: "next".to_owned(), value: read.into() }],
    }
}

/// One account for each shell, one finding for each without its Boundary session; open for 20 minutes.
pub(crate) fn judge(case: &Case, mentioned: &[Fact], now: Timestamp) -> Judgement {
    let mut judgement = Judgement::default();
    for fact in &case.facts {
        if let Body::Execution(shell) = &fact.body {
            let planted = shell.planted.as_ref().map(|id| id.as_str().to_owned());
            let session = case.facts.iter().find_map(|other| match &other.body {
                Body::BoundarySession(it) if Some(&it.id) == planted.as_ref() => Some(it),
                _ => None,
            });
            let user = session.and_then(|it| it.user_id.clone());
            judgement.accounts.push(account(case, shell, user.clone(), name_of(user.as_deref(), mentioned)));
            if session.is_none() {
                let is_over = now.duration_since(shell.at) > SignedDuration::from_mins(20);
                judgement.findings.push(bypass(shell, if is_over { Settled::Confirmed } else { Settled::Open }));
            }
        }
    }
    judgement
}

fn name_of(user: Option<&str>, mentioned: &[Fact]) -> Option<String> {
    let names = mentioned.iter().filter_map(|fact| match &fact.body {
        Body::BoundaryUser(it) if Some(it.user_id.as_str()) == user => Some((it.at, it.name.clone())),
        _ => None,
    });
    names.max().map(|(_, name)| name)
}

fn account(case: &Case, shell: &Execution, user_id: Option<String>, user_name: Option<String>) -> Account {
    let ssm = shell.ssm_session_id.clone().unwrap();
    let cleared = user_id.is_some();
    Account {
        id: format!("ssm:{ssm}"),
        ssm_session_id: Some(ssm),
        boundary_session_id: shell.planted.as_ref().map(|id| id.as_str().to_owned()),
        task_arn: None,
        task_id: shell.task_id.as_ref().map(|id| id.as_str().to_owned()),
        cluster_id: None,
        investigation_id: case.facts.iter().find_map(|fact| match &fact.body {
            Body::Task(it) if Some(&it.task_id) == shell.task_id.as_ref() => it.investigation_id.clone(),
            _ => None,
        }),
        container: None,
        method: if cleared { Method::Command } else { Method::None },
        assurance: if cleared { Assurance::Asserted } else { Assurance::None },
        grade: None,
        alternatives: 0,
        features: None,
        user_id,
        user_name,
        principal_arn: None,
        client_address: None,
        reason: None,
        started: Some(shell.at),
        ended: None,
        exit_code: None,
        ending: None,
        bytes_up: None,
        bytes_down: None,
        transcript: None,
        transcript_evidence: None,
        witnesses: Vec::new(),
        facts: case.facts.iter().map(Fact::id).collect(),
    }
}

pub(crate) fn bypass(shell: &Execution, state: Settled) -> Finding {
    let ssm = shell.ssm_session_id.clone().unwrap();
    let subject = Subject::SsmSession(ssm.as_str().to_owned());
    Finding {
        id: Finding::id_of(Code::BypassExec, &subject),
        code: Code::BypassExec,
        severity: Code::BypassExec.severity(),
        state,
        subject,
        text: "nobody authorised it".to_owned(),
        at: Some(shell.at),
        boundary_session_id: None,
        ssm_session_id: Some(ssm.as_str().to_owned()),
        task_arn: None,
        user_id: None,
        principal_arn: None,
        assurance: "none".to_owned(),
        agree: 0,
        applicable: 1,
        evidence: Vec::new(),
        coverage: vec![Basis { source: Source::BoundaryApi, from: at(0), to: at(60), grade: Grade::Proved }],
    }
}

/// Judges all that waits; returns what was recorded.
pub(crate) fn settle(state: &mut State, now: Timestamp) -> Result<Vec<Recorded>, audit_state::StateError> {
    let mut recorded = Vec::new();
    while let Some(case) = state.next_case(now)? {
        let mentioned = state.mentioned(&case)?;
        recorded.push(state.record_judgement(&case, &judge(&case, &mentioned, now), now)?);
    }
    if let Some(places) = state.next_places()? {
        recorded.push(state.record_judgement(&places, &Judgement::default(), now)?);
    }
    Ok(recorded)
}

//! A wrapper's record that lost the SSM session's id is found by the digest of what was shown.

use audit_facts::{Body, Fact, LinkEnd, Source, SsmSessionId, TaskId, Transcript, TranscriptForm};
use audit_facts::{BoundarySession, BoundaryStatus, SsmSession};
use correlation::{Assurance, Method, Policy, judge_all};
use jiff::Timestamp;

const TASK: &str = "0123456789abcdef0123456789abcdef";
const SESSION: &str = "ecs-execute-command-0123456789abcdef0";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("a time")
}

fn fact(source: Source, body: Body) -> Fact {
    Fact { source, place: "p".to_owned(), observed_at: at(900), evidence: "e".to_owned(), body }
}

fn world(shown: &str) -> Vec<Fact> {
    let (task, session) = (TaskId::parse(TASK).expect("an id"), SsmSessionId::parse(SESSION).expect("an id"));
    let described = SsmSession {
        ssm_session_id: session.clone(),
        target: format!("ecs:c_{TASK}_r"),
        task_id: Some(task.clone()),
        owner: "AWSServiceRoleForECS".to_owned(),
        document: None,
        status: "Terminated".to_owned(),
        started: Some(at(10)),
        ended: Some(at(60)),
    };
    let log = Transcript {
        ssm_session_id: Some(session),
        name: format!("g/{SESSION}"),
        form: TranscriptForm::Script,
        has_trailer: true,
        body_bytes: 100,
        sha256: "d".repeat(64),
        canonical_bytes: 100,
        checkpoints: Vec::new(),
        exact_until: None,
        events: 1,
        first_uploaded: Some(at(62)),
        last_uploaded: Some(at(62)),
        last_ingested: Some(at(62)),
    };
    let end = LinkEnd {
        record_id: "r".to_owned(),
        at: at(61),
        ssm_session_id: None,
        task_id: Some(task),
        boundary_session_id: investigation::BoundarySessionId::parse("s_1234567890").ok(),
        exit_code: 0,
        exit_source: "marker".to_owned(),
        ending: "exited".to_owned(),
        remote_end: "confirmed".to_owned(),
        bytes_out: 104,
        bytes_in: 0,
        resumes: 0,
        output_sha256: shown.repeat(64),
        output_canonical_bytes: 100,
        output_checkpoints: Vec::new(),
        transcript_sha256: None,
        transcript_file: None,
    };
    let boundary = BoundarySession {
        id: "s_1234567890".to_owned(),
        status: BoundaryStatus::Terminated,
        created: Some(at(5)),
        active_from: Some(at(8)),
        ended: Some(at(62)),
        ..BoundarySession::default()
    };
    vec![
        fact(Source::SsmSessions, Body::SsmSession(Box::new(described))),
        fact(Source::ExecLogs, Body::Transcript(Box::new(log))),
        fact(Source::Links, Body::LinkEnd(Box::new(end))),
        fact(Source::BoundaryApi, Body::BoundarySession(Box::new(boundary))),
    ]
}

#[test]
fn the_digest_of_the_output_joins_record_and_log() {
    let outcome = judge_all(&world("d"), &[], &Policy::default(), at(100));
    let account = &outcome.accounts[0];
    assert_eq!((account.method, account.assurance), (Method::OutputDigest, Assurance::Asserted));
    assert_eq!(account.boundary_session_id.as_deref(), Some("s_1234567890"));
    let other = judge_all(&world("e"), &[], &Policy::default(), at(100));
    assert!(other.accounts.iter().all(|account| account.method == Method::None));
}

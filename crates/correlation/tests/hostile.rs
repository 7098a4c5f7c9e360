//! What somebody does who wants an unrecorded shell, or a colleague blamed.

use audit_facts::{
    Body, BoundaryConnection, BoundaryEvent, BoundaryEventKind, BoundaryRemoval, BoundarySession, BoundaryStatus, BoundaryTarget,
    Coverage, Execution, Fact, Grade, LinkEnd, LinkStart, Principal, Source, SsmSession, SsmSessionId, Task, TaskId, Transcript,
    TranscriptForm, Witness,
};
use correlation::{Account, Assurance, Code, Finding, Outcome, Policy, Word, judge_all};
use investigation::BoundarySessionId;
use jiff::Timestamp;

const TASK: &str = "0123456789abcdef0123456789abcdef";
const SHELL: &str = "ecs-execute-command-0123456789abcdef0";
const SESSION: &str = "s_1234567890";
const TARGET: &str = "ttcp_1234567890";
const OFFICE: &str = "198.51.100.7";
const ELSEWHERE: &str = "192.0.2.66";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("a time")
}

fn later() -> Timestamp {
    at(24 * HOUR)
}

fn fact(source: Source, body: Body) -> Fact {
    Fact { source, place: "p".to_owned(), observed_at: at(0), evidence: "e".to_owned(), body }
}

fn ssm_id(text: &str) -> SsmSessionId {
    SsmSessionId::parse(text).expect("an id")
}

fn boundary_id(text: &str) -> BoundarySessionId {
    BoundarySessionId::parse(text).expect("an id")
}

fn arn(task: &str) -> String {
    format!("arn:aws:ecs:us-east-2:123456789012:task/c/{task}")
}

fn principal(name: &str, address: &str) -> Principal {
    Principal {
        arn: format!("arn:aws:sts::123456789012:assumed-role/sre/{name}"),
        role_session_name: Some(name.to_owned()),
        client_address: Some(address.to_owned()),
        ..Principal::default()
    }
}

/// A shell from the tenth second on, with an id in its command.
fn execution(planted: Option<&str>, address: &str) -> Execution {
    Execution {
        event_id: format!("event-{address}"),
        at: at(10),
        region: "us-east-2".to_owned(),
        account: "123456789012".to_owned(),
        principal: principal("alice", address),
        task_id: TaskId::parse(TASK).ok(),
        task_arn: Some(arn(TASK)),
        container: Some("rosa-boundary".to_owned()),
        planted: planted.map(boundary_id),
        ssm_session_id: Some(ssm_id(SHELL)),
        error_code: None,
    }
}

fn executed(execution: Execution) -> Fact {
    fact(Source::CloudTrail, Body::Execution(Box::new(execution)))
}

/// The session in SSM's eyes, to the six hundredth second.
fn described() -> SsmSession {
    SsmSession {
        ssm_session_id: ssm_id(SHELL),
        target: format!("ecs:c_{TASK}_{TASK}-1"),
        task_id: TaskId::parse(TASK).ok(),
        owner: "arn:aws:sts::123456789012:assumed-role/AWSServiceRoleForECS/AmazonECS".to_owned(),
        document: None,
        status: "Terminated".to_owned(),
        started: Some(at(10)),
        ended: Some(at(600)),
    }
}

fn shown_by_ssm(session: SsmSession) -> Fact {
    fact(Source::SsmSessions, Body::SsmSession(Box::new(session)))
}

/// A Boundary session around that shell, read after its end.
fn session() -> BoundarySession {
    let wire = BoundaryConnection {
        client_address: OFFICE.to_owned(),
        bytes_up: 4000,
        bytes_down: 90_000,
        closed_reason: "closed by end-user".to_owned(),
    };
    BoundarySession {
        id: SESSION.to_owned(),
        version: 4,
        target_id: Some(TARGET.to_owned()),
        user_id: Some("u_1234567890".to_owned()),
        status: BoundaryStatus::Terminated,
        created: Some(at(5)),
        active_from: Some(at(8)),
        ended: Some(at(602)),
        termination_reason: Some("closed by end-user".to_owned()),
        connections: Some(vec![wire]),
        ..BoundarySession::default()
    }
}

fn read(session: BoundarySession) -> Fact {
    fact(Source::BoundaryApi, Body::BoundarySession(Box::new(session)))
}

fn target(target_id: &str, task: &str, seen: i64) -> Fact {
    let body = BoundaryTarget {
        at: at(seen),
        target_id: target_id.to_owned(),
        task_id: TaskId::parse(task).expect("an id"),
        task_arn: arn(task),
        name: "n".to_owned(),
        alias: None,
        state: "live".to_owned(),
        user_ids: Vec::new(),
    };
    fact(Source::SyncRecords, Body::BoundaryTarget(Box::new(body)))
}

fn task() -> Fact {
    let body = Task {
        task_id: TaskId::parse(TASK).expect("an id"),
        task_arn: arn(TASK),
        last_status: "RUNNING".to_owned(),
        created: Some(at(-HOUR)),
        stopped: None,
        cluster_id: Some("rosa-prod-01".to_owned()),
        investigation_id: Some("inv-1".to_owned()),
        owner_name: Some("alice".to_owned()),
        owner_subject: None,
        deadline: None,
        seen: Some(at(0)),
    };
    fact(Source::Ecs, Body::Task(Box::new(body)))
}

fn log() -> Transcript {
    Transcript {
        ssm_session_id: Some(ssm_id(SHELL)),
        name: format!("g:{SHELL}"),
        form: TranscriptForm::Script,
        has_trailer: true,
        body_bytes: 5000,
        sha256: "d".repeat(64),
        canonical_bytes: 5000,
        checkpoints: Vec::new(),
        exact_until: None,
        events: 1,
        first_uploaded: Some(at(610)),
        last_uploaded: Some(at(610)),
        last_ingested: Some(at(611)),
    }
}

fn logged(log: Transcript) -> Fact {
    fact(Source::ExecLogs, Body::Transcript(Box::new(log)))
}

fn link_start(record_id: &str) -> LinkStart {
    LinkStart {
        record_id: record_id.to_owned(),
        at: at(9),
        principal_arn: None,
        boundary_session_id: Some(boundary_id(SESSION)),
        boundary_session_id_source: "token".to_owned(),
        boundary_target_id: Some(TARGET.to_owned()),
        boundary_user_id: None,
        boundary_correlation_id: None,
        task_id: TaskId::parse(TASK).ok(),
        task_arn: arn(TASK),
        container: "rosa-boundary".to_owned(),
        route: "boundary".to_owned(),
        local_user: "alice".to_owned(),
        host: "laptop".to_owned(),
        reason: None,
    }
}

fn link_end(record_id: &str) -> LinkEnd {
    LinkEnd {
        record_id: record_id.to_owned(),
        at: at(601),
        ssm_session_id: Some(ssm_id(SHELL)),
        task_id: TaskId::parse(TASK).ok(),
        boundary_session_id: Some(boundary_id(SESSION)),
        exit_code: 0,
        exit_source: "marker".to_owned(),
        ending: "exited".to_owned(),
        remote_end: "confirmed".to_owned(),
        bytes_out: 5100,
        bytes_in: 10,
        resumes: 0,
        output_sha256: "d".repeat(64),
        output_canonical_bytes: 5000,
        output_checkpoints: Vec::new(),
        transcript_sha256: None,
        transcript_file: None,
    }
}

fn begun(start: LinkStart) -> Fact {
    fact(Source::Links, Body::LinkStart(Box::new(start)))
}

fn ended(end: LinkEnd) -> Fact {
    fact(Source::Links, Body::LinkEnd(Box::new(end)))
}

/// Everything was read, and of Boundary and CloudTrail it is proved.
fn coverage() -> Vec<Coverage> {
    let grade = |source| match source {
        Source::BoundaryApi | Source::CloudTrail => Grade::Proved,
        _ => Grade::BestEffort,
    };
    let window = |source| Coverage {
        source,
        place: "p".to_owned(),
        scope: if matches!(source, Source::BoundaryApi | Source::SyncRecords) { "global" } else { "123456789012/us-east-2" }
            .to_owned(),
        from: at(-48 * HOUR),
        to: at(48 * HOUR),
        grade: grade(source),
        lack: None,
    };
    Source::ALL.into_iter().filter(|source| *source != Source::BoundaryEvents).map(window).collect()
}

fn judged(facts: &[Fact]) -> Outcome {
    judge_all(facts, &coverage(), &Policy::default(), later())
}

fn account(outcome: &Outcome) -> &Account {
    outcome.accounts.iter().find(|it| it.ssm_session_id.as_ref().is_some_and(|id| id.as_str() == SHELL)).expect("the shell")
}

fn finding(outcome: &Outcome, code: Code) -> Option<&Finding> {
    outcome.findings.iter().find(|it| it.code == code)
}

fn codes(outcome: &Outcome) -> Vec<Code> {
    outcome.findings.iter().map(|it| it.code).collect()
}

/// An ordinary shell, in which nothing is wrong.
fn ordinary() -> Vec<Fact> {
    vec![
        task(),
        target(TARGET, TASK, -60),
        executed(execution(Some(SESSION), OFFICE)),
        shown_by_ssm(described()),
        read(session()),
        logged(log()),
        begun(link_start("r")),
        ended(link_end("r")),
    ]
}

fn without(facts: Vec<Fact>, gone: fn(&Body) -> bool) -> Vec<Fact> {
    facts.into_iter().filter(|fact| !gone(&fact.body)).collect()
}

#[test]
fn an_ordinary_shell_has_no_findings() {
    let outcome = judged(&ordinary());
    assert_eq!(codes(&outcome), []);
    assert_eq!(account(&outcome).assurance, Assurance::Corroborated);
}

#[test]
fn a_record_of_the_end_of_time_stops_no_judgement() {
    for (when, bytes) in [(Timestamp::MAX, 100), (Timestamp::MIN, 100), (at(601), u64::MAX)] {
        let mut start = link_start("r");
        start.at = when;
        let mut end = link_end("r");
        (end.at, end.bytes_out, end.output_canonical_bytes) = (when, bytes, bytes);
        let hostile = [begun(start), ended(end)];
        let mut facts = without(ordinary(), |body| matches!(body, Body::LinkStart(_) | Body::LinkEnd(_)));
        facts.extend(hostile.clone());
        assert!(judged(&facts).accounts.len() == 1);
        assert!(judged(&hostile).accounts.len() == 1, "alone");
        let alone = without(facts, |body| matches!(body, Body::Transcript(_) | Body::SsmSession(_)));
        assert!(judged(&alone).accounts.len() == 1, "without a log and an end");
    }
}

#[test]
fn records_of_endless_output_do_not_add_up_to_little() {
    let other = "ecs-execute-command-0123456789abcdef1";
    let mut second = execution(Some(SESSION), OFFICE);
    (second.event_id, second.ssm_session_id) = ("second".to_owned(), Some(ssm_id(other)));
    let mut ends = [link_end("r"), link_end("second")];
    ends[1].ssm_session_id = Some(ssm_id(other));
    let mut facts = without(ordinary(), |body| matches!(body, Body::LinkEnd(_) | Body::Transcript(_) | Body::BoundarySession(_)));
    facts.push(executed(second));
    facts.extend(ends.map(|end| ended(LinkEnd { bytes_out: u64::MAX, ..end })));
    let mut session = session();
    let wire = session.connections.as_ref().expect("a connection")[0].clone();
    session.connections = Some(vec![wire.clone(), wire]);
    facts.push(read(session));
    let outcome = judged(&facts);
    assert!(finding(&outcome, Code::LinkContested).is_some(), "{:?}", codes(&outcome));
}

#[test]
fn a_second_record_that_blames_somebody_else_is_no_agreement() {
    let client = |facts: &[Fact]| {
        let outcome = judged(facts);
        account(&outcome).witnesses.iter().find(|it| it.witness == Witness::Client).map(|it| it.word)
    };
    let mut delivered = begun(link_start("r"));
    delivered.place = "bucket".to_owned();
    let mut facts = ordinary();
    facts.push(delivered);
    assert_eq!(client(&facts), Some(Word::Agrees), "one record by two ways is one");
    let blames = LinkStart { local_user: "bob".to_owned(), host: "elsewhere".to_owned(), ..link_start("r") };
    facts.push(begun(blames));
    assert_eq!(client(&facts), Some(Word::Disagrees));
    let mut facts = ordinary();
    facts.extend([begun(link_start("r2")), ended(LinkEnd { exit_code: 1, ..link_end("r2") })]);
    assert_eq!(client(&facts), Some(Word::Disagrees), "another record of the same shell");
}

#[test]
fn a_record_that_tells_of_much_output_does_not_excuse_a_missing_log() {
    let mut end = link_end("r");
    end.bytes_out = 1 << 60;
    let mut facts = without(ordinary(), |body| matches!(body, Body::Transcript(_) | Body::LinkEnd(_) | Body::BoundarySession(_)));
    facts.push(ended(end));
    let now = at(44 * HOUR);
    assert!(judge_all(&facts, &coverage(), &Policy::default(), now).findings.iter().any(|it| it.code == Code::SessionNoLog));
}

fn request(kind: BoundaryEventKind, status: u16) -> Fact {
    let body = BoundaryEvent {
        event_id: "ev".to_owned(),
        at: at(300),
        kind,
        operation: "POST /v1/sessions/s_1234567890:cancel".to_owned(),
        status_code: Some(status),
        session_id: Some(SESSION.to_owned()),
        target_id: None,
        user_id: None,
        client_address: Some(ELSEWHERE.to_owned()),
        correlation_id: None,
        connection: None,
    };
    fact(Source::BoundaryEvents, Body::BoundaryEvent(Box::new(body)))
}

#[test]
fn a_request_about_a_session_does_not_lend_it_an_address() {
    for (kind, status) in
        [(BoundaryEventKind::CancelSession, 403), (BoundaryEventKind::Other, 404), (BoundaryEventKind::CancelSession, 200)]
    {
        let mut facts = without(ordinary(), |body| matches!(body, Body::Execution(_)));
        facts.extend([executed(execution(Some(SESSION), ELSEWHERE)), request(kind, status)]);
        assert_eq!(account(&judged(&facts)).assurance, Assurance::Asserted, "{kind:?} {status}");
    }
}

#[test]
fn what_boundary_removed_it_had() {
    let removal = |second| {
        let body = BoundaryRemoval { session_id: SESSION.to_owned(), at: at(second) };
        fact(Source::BoundaryApi, Body::BoundaryRemoval(body))
    };
    let shell = || vec![task(), executed(execution(Some(SESSION), OFFICE)), shown_by_ssm(described()), logged(log())];
    let after = judged(&[shell(), vec![removal(5 * HOUR)]].concat());
    assert_eq!(codes(&after), [Code::BoundaryHarvestGap]);
    let before = judged(&[shell(), vec![removal(-HOUR)]].concat());
    assert!(finding(&before, Code::LinkForged).is_some(), "it was gone when the shell began");
}

#[test]
fn a_log_that_is_streamed_is_not_rewritten() {
    let mut streamed = log();
    (streamed.form, streamed.has_trailer) = (TranscriptForm::Json, false);
    (streamed.first_uploaded, streamed.last_uploaded, streamed.last_ingested) =
        (Some(at(12)), Some(at(3 * HOUR)), Some(at(3 * HOUR)));
    let mut long = described();
    long.ended = Some(at(3 * HOUR));
    let mut session = session();
    session.ended = Some(at(3 * HOUR + 2));
    let facts = vec![
        task(),
        target(TARGET, TASK, -60),
        executed(execution(Some(SESSION), OFFICE)),
        shown_by_ssm(long),
        read(session),
        logged(streamed.clone()),
    ];
    assert_eq!(codes(&judged(&facts)), []);
    streamed.last_ingested = Some(at(6 * HOUR));
    let mut facts = without(facts, |body| matches!(body, Body::Transcript(_)));
    facts.push(logged(streamed));
    assert_eq!(codes(&judged(&facts)), [Code::LogRewritten]);
}

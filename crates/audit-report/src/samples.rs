//! Values that tests share.

mod facts;
mod scene;

pub(crate) use facts::{artifact, boundary_session, execution, fact, log, story, sync_change, target};
pub(crate) use scene::Scene;

use audit_facts::{Coverage, Grade, Source, SsmSessionId, Witness};
use correlation::account::{Testimony, Word};
use correlation::finding::{Basis, Code, State, Subject};
use correlation::{Account, Assurance, Finding, Method};
use jiff::Timestamp;

pub(crate) const TASK: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const TASK_ARN: &str = "arn:aws:ecs:us-east-2:123456789012:task/rosa/0123456789abcdef0123456789abcdef";
pub(crate) const SSM: &str = "ecs-execute-command-s9y89par6quf78pcbnoko32g28";
pub(crate) const SESSION: &str = "s_1234567890";

/// Compares a text with a file of `src/golden`; with `UPDATE_GOLDEN=1` writes it.
pub(crate) fn is_golden(name: &str, text: &str) {
    let path = format!("{}/src/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}: run with UPDATE_GOLDEN=1 to write it");
}

/// So many seconds after 2026-09-21 13:33:20 UTC.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_789_997_600 + second).unwrap()
}

pub(crate) fn window(source: Source, scope: &str, from: i64, to: i64, grade: Grade) -> Coverage {
    let place = format!("{source}-1");
    Coverage { source, place, scope: scope.to_owned(), from: at(from), to: at(to), grade, lack: None }
}

pub(crate) fn account() -> Account {
    let said = |witness, word, why: &str| Testimony { witness, word, why: why.to_owned() };
    Account {
        id: SSM.to_owned(),
        ssm_session_id: Some(SsmSessionId::parse(SSM).unwrap()),
        boundary_session_id: Some(SESSION.to_owned()),
        task_arn: Some(TASK_ARN.to_owned()),
        task_id: Some(TASK.to_owned()),
        cluster_id: Some("c-7".to_owned()),
        investigation_id: Some("inv-42".to_owned()),
        container: Some("sre".to_owned()),
        method: Method::Command,
        assurance: Assurance::Corroborated,
        grade: None,
        alternatives: 0,
        features: None,
        user_id: Some("u_1234567890".to_owned()),
        user_name: Some("alice".to_owned()),
        principal_arn: Some("arn:aws:sts::123456789012:assumed-role/sre/alice".to_owned()),
        client_address: Some("192.0.2.7".to_owned()),
        reason: Some("pods of the router restart".to_owned()),
        started: Some(at(0)),
        ended: Some(at(754)),
        exit_code: Some(0),
        ending: Some("exited".to_owned()),
        bytes_up: Some(3100),
        bytes_down: Some(48_213),
        transcript: Some(format!("/ecs/exec/{SSM}")),
        transcript_evidence: Some("ab".repeat(32)),
        witnesses: vec![
            said(Witness::Aws, Word::Agrees, "CloudTrail names the Boundary session in the command"),
            said(Witness::Operator, Word::Agrees, "48.2 kB passed through Boundary; the log needs 41.0 kB"),
            said(Witness::Container, Word::Silent, "there is no log yet"),
            said(Witness::Client, Word::NotApplicable, "the wrapper's records were not read"),
        ],
        facts: vec!["cd".repeat(32)],
    }
}

pub(crate) fn finding() -> Finding {
    let subject = Subject::SsmSession(SSM.to_owned());
    Finding {
        id: Finding::id_of(Code::SessionNoLog, &subject),
        code: Code::SessionNoLog,
        severity: Code::SessionNoLog.severity(),
        state: State::Provisional,
        subject,
        text: "The shell ended at 13:45:54 and there is no log of it.".to_owned(),
        at: Some(at(754)),
        boundary_session_id: Some(SESSION.to_owned()),
        ssm_session_id: Some(SSM.to_owned()),
        task_arn: Some(TASK_ARN.to_owned()),
        user_id: Some("u_1234567890".to_owned()),
        principal_arn: None,
        assurance: "corroborated".to_owned(),
        agree: 2,
        applicable: 3,
        evidence: vec!["cd".repeat(32), "ef".repeat(32)],
        coverage: vec![Basis { source: Source::ExecLogs, from: at(0), to: at(9000), grade: Grade::BestEffort }],
    }
}

/// Texts that try to be more than texts.
pub(crate) const HOSTILE: [&str; 16] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style><style>*{display:none}",
    "</pre></details></main><h1>All is well</h1>",
    "<!-- ",
    "]]><![CDATA[",
    "&lt;b&gt; &#60;script&#62;",
    "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m",
    "good\u{202e}dab\u{2066}\u{2069}\u{200f}\u{61c}",
    "a\u{0}b\u{8}c\rd\u{85}e\u{2028}f",
    "zero\u{200b}width\u{feff}\u{ad}\u{e0041}",
    "=cmd|' /C calc'!A0",
    "`onclick=alert(1)` x=\"y\" href=//evil.example",
    "\u{fffe}\u{ff1c}script\u{ff1e}",
];

/// Whether a terminal obeys a character or a reader does not see it; known here apart from the code that is tested.
pub(crate) fn steers(c: char) -> bool {
    const UNSEEN: &str = "\u{ad}\u{61c}\u{200b}\u{200f}\u{2028}\u{202a}\u{202d}\u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}";
    (c.is_control() && c != '\n') || UNSEEN.contains(c)
}

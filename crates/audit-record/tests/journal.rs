//! The journal as a file: order, links, tampering, crashes, and many writers at once.

use audit_record::{ChainError, FORMAT_VERSION, Journal, SessionEnd, SessionLine, verify};
use std::io::Write;

fn record(id: &str) -> SessionLine {
    SessionLine::SessionEnd(Box::new(SessionEnd {
        format_version: FORMAT_VERSION,
        record_id: id.to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
        ssm_session_id: Some("ecs-execute-command-abc".to_owned()),
        task_arn: "arn:aws:ecs:us-east-2:123456789012:task/dev/0123".to_owned(),
        boundary_session_id: None,
        exit_code: 7,
        exit_source: "marker".to_owned(),
        ending: "exited".to_owned(),
        remote_end: "confirmed".to_owned(),
        bytes_in: 1,
        bytes_out: 2,
        input_dropped: 0,
        resumes: 0,
        output_sha256: "00".to_owned(),
        output_canonical_bytes: 2,
        output_checkpoints: Vec::new(),
        transcript: None,
        commands_marked: None,
    }))
}

#[test]
fn lines_are_linked_and_come_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/sessions.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    let lines = [journal.append(record("a")).unwrap(), journal.append(record("b")).unwrap()];
    assert_eq!(std::fs::read_to_string(&path).unwrap(), lines.map(|line| line + "\n").concat());
    let verified = verify::<SessionLine>(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(verified.records, [record("a"), record("b")]);
}

#[test]
fn a_changed_line_breaks_the_chain_at_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    for id in ["a", "b", "c"] {
        journal.append(record(id)).unwrap();
    }
    let forged = String::from_utf8(std::fs::read(&path).unwrap()).unwrap().replacen("\"exit_code\":7", "\"exit_code\":0", 1);
    assert_eq!(verify::<SessionLine>(forged.as_bytes()), Err(ChainError::Broken { line: 2 }));
}

#[test]
fn a_removed_line_breaks_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    for id in ["a", "b", "c"] {
        journal.append(record(id)).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text.lines().enumerate().filter(|(n, _)| *n != 1).map(|(_, line)| line).collect();
    let without_second = kept.join(
        "
",
    ) + "
";
    assert_eq!(verify::<SessionLine>(without_second.as_bytes()), Err(ChainError::Broken { line: 2 }));
}

#[test]
fn a_fragment_left_by_a_crash_is_closed_and_linked_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    journal.append(record("a")).unwrap();
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"prev_sha2").unwrap();
    journal.append(record("b")).unwrap();
    let verified = verify::<SessionLine>(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((verified.records.len(), verified.torn_lines), (2, vec![2]));
}

#[test]
fn two_hundred_writers_tear_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.jsonl");
    std::thread::scope(|scope| {
        for writer in 0..200 {
            let path = &path;
            scope.spawn(move || {
                let mut journal = Journal::open(path).unwrap();
                journal.append(record(&format!("{writer}-start"))).unwrap();
                journal.append(record(&format!("{writer}-end"))).unwrap();
            });
        }
    });
    let verified = verify::<SessionLine>(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((verified.records.len(), verified.torn_lines.len()), (400, 0));
}

#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/sessions.jsonl");
    Journal::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

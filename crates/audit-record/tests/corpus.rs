//! The stored forms, byte for byte: what writers write today is what the corpus holds, and what readers read.
//!
//! `UPDATE_CORPUS=1 cargo test -p audit-record --test corpus` writes the files anew; a change of them is a change of the format.

use audit_record::{
    FORMAT_VERSION, Journal, SyncEnd, SyncIntent, SyncLine, SyncOutcome, SyncRefusal, SyncRun, SyncTarget, SyncTask, SyncUser,
    verify,
};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

const TASK: &str = "arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/0123456789abcdef0123456789abcdef";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_359_200 + second).expect("a time of this century")
}

/// One run that makes a target and loses one answer, with everything that it saw.
fn sync_lines() -> Vec<SyncLine> {
    let run_id = "5f0c1e2d3a4b596877a8b9cadbecfd0e".to_owned();
    let intent = |number, object: &str, name: &str| {
        SyncLine::SyncIntent(Box::new(SyncIntent {
            run_id: run_id.clone(),
            number,
            at: at(2),
            action: "create".to_owned(),
            object: object.to_owned(),
            name: name.to_owned(),
            id: None,
            task_arn: TASK.to_owned(),
            reason: "new_task".to_owned(),
            changes: [("name".to_owned(), (None, name.to_owned()))].into(),
        }))
    };
    let outcome = |number, result: &str, id: Option<&str>| {
        let (version, error) = (id.map(|_| 1), id.is_none().then(|| "create a alias: no answer from the controller".to_owned()));
        let (result, id) = (result.to_owned(), id.map(str::to_owned));
        SyncLine::SyncOutcome(SyncOutcome { run_id: run_id.clone(), number, at: at(3), result, id, version, error })
    };
    let tags = [("cluster_id", "prod-01"), ("investigation_id", "inv-7"), ("oidc_sub", "sub-alice"), ("note", "\u{1b}[31m=1+1")];
    vec![
        SyncLine::SyncRun(SyncRun {
            format_version: FORMAT_VERSION,
            run_id: run_id.clone(),
            at: at(0),
            sync_version: "0.1.0".to_owned(),
            owner: "sync-a".to_owned(),
            project_id: "p_1234567890".to_owned(),
            plan_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
        }),
        SyncLine::SyncTask(Box::new(SyncTask {
            at: at(0),
            task_arn: TASK.to_owned(),
            cluster_id: Some("prod-01".to_owned()),
            investigation_id: Some("inv-7".to_owned()),
            last_status: "RUNNING".to_owned(),
            created_at: Some(at(-600)),
            started_by: None,
            family: Some("rosa-boundary-dev-prod-01-inv-7-20260301T100000".to_owned()),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        })),
        SyncLine::SyncUser(SyncUser {
            at: at(0),
            user_id: "u_1234567890".to_owned(),
            name: "alice".to_owned(),
            account_id: "acctoidc_1234567890".to_owned(),
            issuer: Some("https://idp.example/realms/sre".to_owned()),
            subject: "sub-alice".to_owned(),
        }),
        SyncLine::SyncRefusal(SyncRefusal {
            at: at(0),
            task_arn: TASK.replace("task/rosa-boundary-dev/0", "task/rosa-boundary-dev/1"),
            code: "no_account".to_owned(),
            text: "no account with the owner's subject was seen".to_owned(),
        }),
        intent(1, "target", "prod-01/inv-7"),
        outcome(1, "done", Some("ttcp_1234567890")),
        intent(2, "alias", "inv-7.prod-01"),
        outcome(2, "unknown", None),
        SyncLine::SyncEnd(SyncEnd { run_id: run_id.clone(), at: at(4), done: 1, failed: 1, held: 0, exit_code: 3 }),
        SyncLine::SyncTarget(Box::new(SyncTarget {
            at: at(60),
            target_id: "ttcp_1234567890".to_owned(),
            version: 1,
            name: "prod-01/inv-7".to_owned(),
            task_arn: TASK.to_owned(),
            container: Some("rosa-boundary".to_owned()),
            state: "live".to_owned(),
            alias: Some("inv-7.prod-01".to_owned()),
            user_ids: vec!["u_1234567890".to_owned()],
        })),
        outcome(2, "found", Some("alt_1234567890")),
    ]
}

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

#[test]
fn sync_records_are_written_and_read_as_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sync.jsonl");
    let mut journal = Journal::open(&path).expect("a journal");
    journal.append_all(sync_lines()).expect("lines");
    let written = std::fs::read(&path).expect("the journal");
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        std::fs::write(corpus("sync.jsonl"), &written).expect("the corpus can be written");
    }
    let kept = std::fs::read(corpus("sync.jsonl")).expect("the corpus");
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&kept), "the format has changed");
    let verified = verify::<SyncLine>(&kept).expect("a whole chain");
    assert_eq!(verified.records, sync_lines());
}

#[test]
fn a_later_writers_fields_are_passed_over() {
    let line = r#"{"prev_sha256":"0000000000000000000000000000000000000000000000000000000000000000","record":{"kind":"sync_end","run_id":"r","at":"2026-03-01T10:00:00Z","done":1,"failed":0,"held":0,"exit_code":0,"colour":"blue"}}"#;
    let verified = verify::<SyncLine>(format!("{line}\n").as_bytes()).expect("a line of a later program");
    assert!(matches!(&verified.records[0], SyncLine::SyncEnd(end) if end.done == 1));
}

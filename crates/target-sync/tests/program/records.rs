//! The journal elsewhere: each run's lines become an object, whatever happens on the way.

use crate::harness::{Ran, Setting};
use audit_record::{SyncLine, verify};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const BUCKET: &str = "audit.records";
const KEYS: &str = "record_bucket = 's3://audit.records/of syncs'";

/// A world with a bucket that the caller may write to, in another region than the tasks.
fn setting() -> Setting {
    let setting = Setting::new();
    setting.world.add_bucket(BUCKET, "eu-west-1");
    setting.world.allow(&["s3:PutObject"]);
    setting
}

fn run(setting: &Setting, arguments: &[&str]) -> Ran {
    Ran::of(setting.command_with(KEYS, arguments).output().unwrap())
}

fn apply(setting: &Setting) -> Ran {
    let ran = run(setting, &["apply"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn journal(setting: &Setting) -> Vec<u8> {
    std::fs::read(setting.folder.path().join("state/sync.jsonl")).unwrap()
}

/// All objects in the order of their keys, as one text.
fn stored(setting: &Setting) -> (usize, Vec<u8>) {
    let objects = setting.world.objects(BUCKET);
    assert!(objects.keys().all(|key| key.starts_with("of syncs/sync/sync-a/20")), "{:?}", objects.keys());
    (objects.len(), objects.into_values().flatten().collect())
}

fn spooled(setting: &Setting) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(setting.folder.path().join("state/spool")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// What `doctor` says of the records.
fn examined(setting: &Setting) -> Value {
    let checks = run(setting, &["doctor", "-o", "json"]).json()["checks"].clone();
    checks.as_array().unwrap().iter().find(|check| check["id"] == "records").unwrap().clone()
}

#[test]
fn the_objects_of_two_runs_are_the_journal() {
    let setting = setting();
    let first = apply(&setting);
    assert!(!first.err.contains("records_unsent"), "{first:?}");
    setting.start("inv-7", "bob");
    apply(&setting);
    let (count, bytes) = stored(&setting);
    assert_eq!(count, 2, "{:?}", setting.world.objects(BUCKET).keys());
    assert_eq!(bytes, journal(&setting));
    let verified = verify::<SyncLine>(&bytes).unwrap();
    let runs: Vec<&String> = verified
        .records
        .iter()
        .filter_map(|line| match line {
            SyncLine::SyncRun(run) => Some(&run.run_id),
            _ => None,
        })
        .collect();
    let keys: Vec<String> = setting.world.objects(BUCKET).into_keys().collect();
    assert!(keys[0].ends_with(&format!("/0000000000000000-{}.jsonl", runs[0])), "{keys:?}");
    assert!(spooled(&setting).is_empty());
    assert_eq!(examined(&setting)["verdict"], "ok");
}

#[test]
fn what_could_not_be_sent_is_sent_once_by_the_next_run() {
    let setting = setting();
    setting.world.faults().unreachable("s3", true);
    let ran = apply(&setting);
    assert!(ran.err.contains("records_unsent"), "{ran:?}");
    assert_eq!((spooled(&setting).len(), stored(&setting).0), (1, 0));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&spooled(&setting)[0]).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let check = examined(&setting);
    assert!(check["verdict"] == "warning" && check["what"].to_string().contains("1 objects in the spool"), "{check}");

    setting.world.faults().unreachable("s3", false);
    setting.start("inv-7", "bob");
    let ran = apply(&setting);
    assert!(!ran.err.contains("records_unsent"), "{ran:?}");
    assert!(spooled(&setting).is_empty());
    assert_eq!(stored(&setting), (2, journal(&setting)), "each line once, in order");
}

#[test]
fn an_object_that_is_there_counts_as_delivered() {
    let setting = setting();
    setting.world.faults().unreachable("s3", true);
    apply(&setting);
    let waiting = spooled(&setting).remove(0);
    let copy = std::fs::read(&waiting).unwrap();
    setting.world.faults().unreachable("s3", false);
    setting.settle(2);
    apply(&setting);
    let before = stored(&setting);
    // As after a run that ended between S3's answer and the file's removal.
    std::fs::write(&waiting, copy).unwrap();
    let ran = apply(&setting);
    assert!(!ran.err.contains("records_unsent"), "{ran:?}");
    assert!(spooled(&setting).is_empty());
    assert_eq!(stored(&setting), before);
    assert_eq!(before.1, journal(&setting));
}

#[test]
fn a_refusal_names_the_permission_and_fails_no_run() {
    let setting = setting();
    setting.world.deny(&["s3:PutObject"]);
    let ran = apply(&setting);
    assert!(ran.err.contains("records_unsent") && ran.err.contains("s3:PutObject"), "{ran:?}");
    assert_eq!(spooled(&setting).len(), 1);
}

#[test]
fn the_daemon_counts_what_waits() {
    let setting = setting();
    setting.world.faults().unreachable("s3", true);
    let file = setting.folder.path().join("metrics.prom");
    let keys = format!("{KEYS}\n[daemon]\nmetrics_file = '{}'", file.display());
    let mut child = setting.command_with(&keys, &["run"]).spawn().unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    let counted = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\ntarget_sync_records_waiting 1\n"));
    while !counted() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(counted(), "{}", std::fs::read_to_string(&file).unwrap_or_default());
}

#[test]
fn what_was_written_before_there_was_a_bucket_is_sent_too() {
    let setting = setting();
    setting.settle(2);
    assert!(stored(&setting).1.is_empty());
    apply(&setting);
    assert_eq!(stored(&setting).1, journal(&setting));
}

#[test]
fn the_configuration_tells_the_bucket_and_refuses_what_is_none() {
    let setting = setting();
    let shown = run(&setting, &["config", "show"]);
    assert!(
        shown.out.lines().any(|row| row.contains("record_bucket") && row.contains("s3://audit.records/of syncs")),
        "{shown:?}"
    );
    let ran = run(&setting, &["--record-bucket", "https://audit.records", "config", "check"]);
    assert!(ran.code == 78 && ran.err.contains("record_bucket"), "{ran:?}");
}

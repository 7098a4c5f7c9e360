//! From the journal into the spool, also after a run that ended in between.

use super::*;

fn records(folder: &Path) -> Records {
    Records {
        folder: folder.to_owned(),
        owner: "sync-a".to_owned(),
        place: Place::parse("s3://audit-records").unwrap(),
        region: "us-east-2".to_owned(),
        spool: Spool::below(folder, cut::read_back),
        aws: OnceCell::new(),
    }
}

fn line(number: u32) -> String {
    let record = serde_json::json!({"kind": "sync_run", "at": "2026-11-21T10:00:00Z", "run_id": format!("run{number}")});
    serde_json::json!({"prev_sha256": "0", "record": record}).to_string() + "\n"
}

fn bodies(records: &Records) -> Vec<String> {
    records.kept().unwrap().into_iter().map(|item| String::from_utf8(item.body).unwrap()).collect()
}

#[test]
fn lines_are_handed_on_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (records, journal) = (records(folder.path()), folder.path().join("sync.jsonl"));
    std::fs::write(&journal, line(1) + "{\"half").unwrap();
    records.hand_on().unwrap();
    records.hand_on().unwrap();
    assert_eq!(bodies(&records), [line(1)]);
    assert_eq!(records.waiting().unwrap(), Waiting { objects: 1, set_aside: 0, bytes: 6 });
    std::fs::write(&journal, line(1) + &line(2)).unwrap();
    records.hand_on().unwrap();
    assert_eq!(bodies(&records), [line(1), line(2)]);
}

#[test]
fn a_run_that_ended_before_the_offset_was_written_leaves_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let (records, journal) = (records(folder.path()), folder.path().join("sync.jsonl"));
    std::fs::write(&journal, line(1)).unwrap();
    records.hand_on().unwrap();
    std::fs::remove_file(folder.path().join("delivered.json")).unwrap();
    std::fs::write(&journal, line(1) + &line(2)).unwrap();
    records.hand_on().unwrap();
    assert_eq!(bodies(&records), [line(1), line(2)]);
}

#[tokio::test]
async fn an_offset_that_cannot_be_written_keeps_the_lines_here() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(folder.path());
    std::fs::write(folder.path().join("sync.jsonl"), line(1)).unwrap();
    // A folder in the file's place makes the rename fail.
    std::fs::create_dir(folder.path().join("delivered.json.new")).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(records.deliver(&store).await, 1);
    assert_eq!(bodies(&records), [line(1)]);
}

#[test]
fn a_full_spool_leaves_lines_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (records, journal) = (records(folder.path()), folder.path().join("sync.jsonl"));
    let mut text = String::new();
    let most = u32::try_from(OBJECTS_MAX).unwrap();
    for number in 0..=most {
        text += &line(number);
        std::fs::write(&journal, &text).unwrap();
        records.hand_on().unwrap();
    }
    let waiting = records.waiting().unwrap();
    assert_eq!((waiting.objects, waiting.bytes), (OBJECTS_MAX, line(most).len() as u64));
}

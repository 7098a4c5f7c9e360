//! target-sync's records in S3.

use crate::site::Site;
use audit_bridge::hidden::What;
use audit_facts::{Body, Fact, Grade, Source, SyncChange};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const URL: &str = "s3://audit-sync/boundary";
const TASK: &str = "arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/0123456789abcdef0123456789abcdef";

async fn site() -> Site {
    let site = Site::of(json!({"sync_records": URL})).await;
    site.world.add_versioned_bucket("audit-sync", None);
    site
}

fn line(record: &Value) -> String {
    json!({"prev_sha256": "0".repeat(64), "record": record}).to_string() + "\n"
}

fn run(id: &str, at: Timestamp) -> String {
    line(&json!({"kind": "sync_run", "format_version": 1, "run_id": id, "at": at, "sync_version": "0", "owner": "sync-a",
        "project_id": "p_1", "plan_sha256": "00"}))
}

fn intent(run: &str, number: u32, at: Timestamp) -> String {
    line(&json!({"kind": "sync_intent", "run_id": run, "number": number, "at": at, "action": "create", "object": "target",
        "name": "n", "id": null, "task_arn": TASK, "reason": "new", "changes": {}}))
}

fn outcome(run: &str, number: u32, at: Timestamp) -> String {
    line(&json!({"kind": "sync_outcome", "run_id": run, "number": number, "at": at, "result": "done", "id": "ttcp_1",
        "version": 1, "error": null}))
}

fn put(site: &Site, at: Timestamp, offset: u64, run: &str, lines: &[String]) {
    let key = format!("boundary/sync/sync-a/{}/{offset:016}-{run}.jsonl", at.strftime("%Y/%m/%d"));
    assert!(site.world.put_object("audit-sync", &key, lines.concat().as_bytes()));
}

fn changes(facts: &[Fact]) -> Vec<&SyncChange> {
    let change = |fact: &Fact| matches!(fact.body, Body::SyncChange(_));
    facts
        .iter()
        .filter(|fact| change(fact))
        .map(|fact| match &fact.body {
            Body::SyncChange(it) => &**it,
            _ => unreachable!("it was filtered"),
        })
        .collect()
}

#[tokio::test]
async fn a_runs_objects_are_read_once_and_kept_as_they_are() {
    let mut site = site().await;
    let at = site.now();
    let lines = [run("a1", at), intent("a1", 1, at), outcome("a1", 1, at)];
    put(&site, at, 0, "a1", &lines);
    let news = site.news(What::SyncRecords).await;
    let [change] = changes(&news)[..] else { panic!("{news:?}") };
    assert_eq!(
        (change.result.as_deref(), change.owner.as_deref(), change.id.as_deref()),
        (Some("done"), Some("sync-a"), Some("ttcp_1"))
    );
    assert_eq!(site.evidence(&news[0].evidence), lines.concat().as_bytes());
    let kept = site.kept();
    site.advance(Duration::from_mins(5));
    site.read(What::SyncRecords).await.unwrap();
    assert_eq!(site.kept(), kept);
    let [window] = &site.coverage(Source::SyncRecords)[..] else { panic!() };
    assert_eq!((window.scope.as_str(), window.grade, window.to), (URL, Grade::BestEffort, site.now()));
}

#[tokio::test]
async fn an_outcome_in_another_object_is_joined_with_its_intent() {
    let mut site = site().await;
    let at = site.now();
    put(&site, at, 0, "a1", &[run("a1", at), intent("a1", 1, at), intent("a1", 2, at)]);
    let news = site.news(What::SyncRecords).await;
    assert!(changes(&news).iter().all(|change| change.result.is_none()) && news.len() == 2);
    put(&site, at, 900, "b2", &[run("b2", at), outcome("a1", 2, at)]);
    site.advance(Duration::from_mins(5));
    let news = site.news(What::SyncRecords).await;
    let [change] = changes(&news)[..] else { panic!("{news:?}") };
    assert_eq!((change.number, change.result.as_deref(), change.owner.as_deref()), (2, Some("done"), Some("sync-a")));
}

#[tokio::test]
async fn a_piece_within_a_run_knows_the_runs_owner_and_a_late_piece_is_found() {
    let mut site = site().await;
    let at = site.now();
    put(&site, at, 0, "a1", &[run("a1", at)]);
    assert!(site.news(What::SyncRecords).await.is_empty(), "a run is no fact of its own");
    put(&site, at, 500, "a1", &[intent("a1", 1, at), outcome("a1", 1, at)]);
    site.advance(Duration::from_hours(72));
    let news = site.news(What::SyncRecords).await;
    assert_eq!(changes(&news)[0].owner.as_deref(), Some("sync-a"));
}

#[tokio::test]
async fn a_denial_is_a_window_that_was_not_read() {
    for action in ["s3:ListBucket", "s3:GetObject"] {
        let mut site = site().await;
        let at = site.now();
        put(&site, at, 0, "a1", &[run("a1", at)]);
        site.deny(&[action]).await;
        assert!(site.read(What::SyncRecords).await.unwrap_err().is_refusal());
        let [(scope, text)] = &site.refused(Source::SyncRecords)[..] else { panic!("{action}") };
        assert!(scope == URL && text.contains(action), "{text}");
    }
}

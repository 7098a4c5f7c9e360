//! Artifacts, their versions and their locks.

use crate::site::Site;
use audit_bridge::hidden::What;
use audit_facts::{Artifact, Body, Fact, Grade, Source};
use lab::{Artifacts, JournalEntry};
use serde_json::json;
use std::time::Duration;

const BUCKET: &str = "audit-artifacts";

async fn site(lock_days: Option<u32>) -> Site {
    let site = Site::of(json!({"artifacts": "s3://audit-artifacts"})).await;
    site.world.add_versioned_bucket(BUCKET, lock_days);
    site
}

fn artifact(fact: &Fact) -> &Artifact {
    match &fact.body {
        Body::Artifact(it) => it,
        other => panic!("{other:?}"),
    }
}

/// How often the auditor made a call.
fn calls(site: &Site, action: &str) -> usize {
    let is = |entry: &&JournalEntry| matches!(entry, JournalEntry::ApiCall { action: made, .. } if made == action);
    site.world.journal().iter().filter(is).count()
}

#[tokio::test]
async fn what_a_task_saved_is_read_once_with_its_lock() {
    let mut site = site(Some(90)).await;
    let task = site.world.tasks()[0].task_id.clone();
    let keys = site.world.stop_task_with(&task, "test", &Artifacts::usual(BUCKET));
    let news = site.news(What::Artifacts).await;
    assert_eq!(news.len(), keys.len());
    for fact in &news {
        let it = artifact(fact);
        assert!(keys.contains(&it.key) && it.retention_read && !it.is_deletion, "{it:?}");
        assert_eq!(it.task_id.as_ref().map(audit_facts::TaskId::as_str), Some(task.as_str()));
        let days = it.retained_until.unwrap().duration_since(it.modified).as_hours() / 24;
        assert_eq!(days, 90);
    }
    let evidence: serde_json::Value = serde_json::from_slice(&site.evidence(&news[0].evidence)).unwrap();
    let page = site.evidence(evidence["page"].as_str().unwrap());
    assert!(String::from_utf8_lossy(&page).contains("ListVersionsResult"));
    assert_eq!(evidence["answers"].as_array().unwrap().len(), keys.len());
    let [window] = &site.coverage(Source::Artifacts)[..] else { panic!() };
    assert_eq!((window.scope.as_str(), window.grade, window.to), (BUCKET, Grade::Proved, site.now()));
    let (kept, heads) = (site.kept(), calls(&site, "s3:HeadObject"));
    site.advance(Duration::from_mins(20));
    site.read(What::Artifacts).await.unwrap();
    assert_eq!((site.kept(), calls(&site, "s3:HeadObject")), (kept, heads));
}

#[tokio::test]
async fn later_versions_and_deletions_are_facts_of_their_own() {
    let mut site = site(Some(90)).await;
    site.world.put_object(BUCKET, "c/i/20261121/x", b"one");
    assert_eq!(site.news(What::Artifacts).await.len(), 1);
    site.advance(Duration::from_mins(14));
    site.world.put_object(BUCKET, "c/i/20261121/x", b"two");
    site.world.delete_object(BUCKET, "c/i/20261121/x");
    assert!(site.news(What::Artifacts).await.is_empty(), "lists are read every quarter of an hour");
    site.advance(Duration::from_mins(1));
    let news = site.news(What::Artifacts).await;
    let mut seen: Vec<(bool, u64)> = news.iter().map(|fact| (artifact(fact).is_deletion, artifact(fact).bytes)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(false, 3), (true, 0)]);
}

#[tokio::test]
async fn a_bucket_without_a_lock_keeps_nothing_and_that_was_read() {
    let mut site = site(None).await;
    site.world.put_object(BUCKET, "c/i/20261121/x", b"one");
    let news = site.news(What::Artifacts).await;
    assert_eq!((artifact(&news[0]).retention_read, artifact(&news[0]).retained_until), (true, None));
}

#[tokio::test]
async fn who_may_not_see_a_lock_does_not_know_it() {
    let mut site = site(Some(90)).await;
    site.world.put_object(BUCKET, "c/i/20261121/x", b"one");
    site.deny(&["s3:GetObjectVersion"]).await;
    let error = site.read(What::Artifacts).await.unwrap_err();
    assert!(error.is_refusal(), "{error}");
    let facts = site.facts();
    assert_eq!((facts.len(), artifact(&facts[0]).retention_read), (1, false));
    assert_eq!(site.coverage(Source::Artifacts)[0].grade, Grade::Proved, "what is there was read");
}

#[tokio::test]
async fn a_list_that_is_denied_is_a_window_that_was_not_read() {
    let mut site = site(Some(90)).await;
    site.deny(&["s3:ListBucketVersions"]).await;
    assert!(site.read(What::Artifacts).await.unwrap_err().is_refusal());
    let [(scope, text)] = &site.refused(Source::Artifacts)[..] else { panic!() };
    assert!(scope == BUCKET && text.contains("s3:ListBucketVersions"), "{text}");
}

#[tokio::test]
async fn a_key_that_no_url_can_hold_hides_no_other_lock() {
    let mut site = site(Some(90)).await;
    for key in ["c/i/20261121/../x", "c/i/20261121/y"] {
        site.world.put_object(BUCKET, key, b"one");
    }
    site.read(What::Artifacts).await.unwrap_err();
    let read: Vec<(String, bool)> =
        site.facts().iter().map(|fact| (artifact(fact).key.clone(), artifact(fact).retention_read)).collect();
    assert!(read.contains(&("c/i/20261121/y".to_owned(), true)), "{read:?}");
    assert!(read.contains(&("c/i/20261121/../x".to_owned(), false)), "{read:?}");
    assert_eq!(site.coverage(Source::Artifacts)[0].grade, Grade::Proved);
    site.advance(Duration::from_mins(15));
    assert!(site.news(What::Artifacts).await.is_empty(), "it was told once");
}

#[tokio::test]
async fn a_reading_that_died_before_its_cursor_moved_asks_for_no_lock_twice() {
    let mut site = site(Some(90)).await;
    site.world.put_object(BUCKET, &format!("c/i/20261121/{}/x", "0".repeat(32)), b"one");
    assert_eq!(site.news(What::Artifacts).await.len(), 1);
    let (kept, heads) = (site.kept(), calls(&site, "s3:HeadObject"));
    site.forget(Source::Artifacts, "artifacts", &["listing", "versions"]);
    site.read(What::Artifacts).await.unwrap();
    assert_eq!((site.kept(), calls(&site, "s3:HeadObject")), (kept, heads));
    assert_eq!(heads, 1);
}

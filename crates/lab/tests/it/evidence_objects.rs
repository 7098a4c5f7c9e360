//! Buckets with versions and Object Lock, and what a stopped task leaves in one.

use lab::{Artifacts, World};
use serde_json::json;

use crate::audit_support::{elements, quick_world, s3_as};
use crate::support::element;

async fn with_bucket(lock_days: Option<u32>) -> World {
    let world = quick_world(|_| {}).await;
    world.add_versioned_bucket("evidence", lock_days);
    world
}

#[tokio::test]
async fn every_version_and_delete_marker_is_listed_the_newest_first() {
    let world = with_bucket(Some(90)).await;
    let keys = world.auditor_keys();
    world.put_object("evidence", "a/one", b"first");
    world.put_object("evidence", "a/one", b"second");
    world.put_object("evidence", "a/two", b"gone");
    world.delete_object("evidence", "a/two");
    world.put_object("evidence", "b", b"x");
    let mut query = "versions&prefix=a%2F&max-keys=2".to_owned();
    let (mut ids, mut markers) = (Vec::new(), 0);
    loop {
        let page = s3_as(&world, &keys, "GET", &format!("/evidence?{query}")).text();
        ids.extend(elements(&page, "VersionId"));
        markers += elements(&page, "DeleteMarker").len();
        if element(&page, "IsTruncated") == "false" {
            break;
        }
        let (key, version) = (element(&page, "NextKeyMarker").replace('/', "%2F"), element(&page, "NextVersionIdMarker"));
        query = format!("versions&prefix=a%2F&max-keys=2&key-marker={key}&version-id-marker={version}");
    }
    let known: Vec<String> = ["a/one", "a/two"]
        .iter()
        .flat_map(|key| world.object_versions("evidence", key))
        .map(|version| version.version_id)
        .collect();
    assert_eq!((ids.clone(), markers), (known, 1));
    let old = s3_as(&world, &keys, "GET", &format!("/evidence/a/one?versionId={}", ids[1]));
    assert_eq!((old.status, old.body.as_slice()), (200, b"first".as_slice()));
    assert_eq!(old.header("etag"), "\"8b04d5e3775d298e78455efc5ca404d5\"");
    assert_eq!(old.header("x-amz-object-lock-mode"), "COMPLIANCE");
    assert!(!old.header("last-modified").is_empty() && !old.header("x-amz-checksum-sha256").is_empty());
    assert_eq!(s3_as(&world, &keys, "GET", "/evidence/a/two").status, 404);
    assert_eq!(s3_as(&world, &keys, "GET", &format!("/evidence/a/two?versionId={}", ids[2])).status, 405);
    let head = s3_as(&world, &keys, "HEAD", "/evidence/a/one");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "6", 0));
}

#[tokio::test]
async fn a_lock_is_told_and_kept() {
    let world = with_bucket(Some(90)).await;
    let keys = world.auditor_keys();
    world.put_object("evidence", "k", b"x");
    let until = element(&s3_as(&world, &keys, "GET", "/evidence/k?retention").text(), "RetainUntilDate");
    let until: jiff::Timestamp = until.parse().unwrap();
    assert_eq!((until.as_second() - world.now().as_second() + 1800) / 3600, 90 * 24);
    let lock = s3_as(&world, &keys, "GET", "/evidence?object-lock").text();
    assert_eq!((element(&lock, "ObjectLockEnabled").as_str(), element(&lock, "Days").as_str()), ("Enabled", "90"));
    assert_eq!(element(&s3_as(&world, &keys, "GET", "/evidence?versioning").text(), "Status"), "Enabled");
    assert_eq!(element(&s3_as(&world, &keys, "GET", "/evidence?encryption").text(), "SSEAlgorithm"), "AES256");
    let id = world.object_versions("evidence", "k")[0].version_id.clone();
    assert_eq!(s3_as(&world, &keys, "DELETE", "/evidence/k").status, 403);
    let refused = s3_as(&world, &world.caller_keys(), "DELETE", &format!("/evidence/k?versionId={id}"));
    assert_eq!((refused.status, element(&refused.text(), "Code").as_str()), (403, "AccessDenied"));
    let marked = s3_as(&world, &world.caller_keys(), "DELETE", "/evidence/k");
    assert_eq!((marked.status, marked.header("x-amz-delete-marker")), (204, "true"));
    assert_eq!(world.object_versions("evidence", "k").len(), 2);
    world.add_versioned_bucket("open", None);
    let none = s3_as(&world, &keys, "GET", "/open?object-lock");
    assert_eq!((none.status, element(&none.text(), "Code").as_str()), (404, "ObjectLockConfigurationNotFoundError"));
}

#[tokio::test]
async fn a_stopped_task_leaves_its_home_whole_or_in_part() {
    let world = with_bucket(Some(90)).await;
    let keys = world.auditor_keys();
    let task = world.tasks()[0].clone();
    let whole = world.stop_task_with(&task.task_id, "done", &Artifacts::usual("evidence"));
    let prefix = format!("rosa-prod-01/inv-123/{}/{}/", world.now().strftime("%Y%m%d"), task.task_id);
    assert!(whole.contains(&format!("{prefix}.bash_history")));
    let mut listed = Vec::new();
    let mut query = format!("list-type=2&prefix={}&max-keys=3", prefix.replace('/', "%2F"));
    loop {
        let page = s3_as(&world, &keys, "GET", &format!("/evidence?{query}")).text();
        listed.extend(elements(&page, "Key"));
        let Some(token) = elements(&page, "NextContinuationToken").pop() else { break };
        query = format!("list-type=2&prefix={}&continuation-token={}", prefix.replace('/', "%2F"), token.replace('/', "%2F"));
    }
    assert_eq!(listed, whole);
    let folders =
        s3_as(&world, &keys, "GET", &format!("/evidence?list-type=2&delimiter=%2F&prefix={}", prefix.replace('/', "%2F")));
    assert_eq!(element(&element(&folders.text(), "CommonPrefixes"), "Prefix"), format!("{prefix}must-gather/"));
    assert_eq!(world.tasks()[0].last_status, "STOPPED");
    let other = world.add_task(lab::TaskSpec::default());
    let part = world.stop_task_with(&other.task_id, "done", &Artifacts { is_partial: true, ..Artifacts::usual("evidence") });
    assert_eq!((part.len(), part.iter().any(|key| key.ends_with(".bash_history"))), (2, false));
    let logs = world.log_streams("/ecs/rosa-boundary-dev");
    let said = &logs[&format!("rosa-boundary/rosa-boundary/{}", other.task_id)];
    assert_eq!(said.last().unwrap().message, "Warning: S3 sync failed or timed out");
    assert_eq!(json!(world.objects("evidence").len()), json!(6));
}

#[tokio::test]
async fn keys_are_encoded_and_the_region_told_on_demand() {
    let world = with_bucket(None).await;
    let keys = world.auditor_keys();
    world.put_object("evidence", "a b/c&d", b"x");
    let plain = s3_as(&world, &keys, "GET", "/evidence?list-type=2").text();
    assert_eq!((elements(&plain, "Key"), element(&plain, "EncodingType")), (vec!["a b/c&amp;d".to_owned()], String::new()));
    let encoded = s3_as(&world, &keys, "GET", "/evidence?encoding-type=url&list-type=2").text();
    assert_eq!((element(&encoded, "Key").as_str(), element(&encoded, "EncodingType").as_str()), ("a%20b/c%26d", "url"));
    let location = s3_as(&world, &keys, "GET", "/evidence?location").text();
    assert!(location.contains(">us-east-2</LocationConstraint>"), "{location}");
}

#[tokio::test]
async fn what_is_put_keeps_its_metadata_and_an_own_retention() {
    const OF_BODY: &str = "Iw2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrLU=";
    let world = with_bucket(None).await;
    let headers = [
        ("x-amz-checksum-sha256", OF_BODY),
        ("x-amz-meta-format", "7"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-object-lock-retain-until-date", "2126-01-01T00:00:00Z"),
    ];
    assert_eq!(crate::support::s3(&world, ("PUT", "/evidence/k"), &headers, b"body").0, 200);
    let head = s3_as(&world, &world.auditor_keys(), "HEAD", "/evidence/k");
    assert_eq!((head.header("x-amz-meta-format"), head.header("x-amz-checksum-sha256")), ("7", OF_BODY));
    assert_eq!(head.header("x-amz-object-lock-retain-until-date"), "2126-01-01T00:00:00.000Z");
    assert_eq!(head.header("x-amz-version-id"), world.object_versions("evidence", "k")[0].version_id);
}

//! The lab checks signatures and policies as AWS does.

use crate::reader;
use aws_credential_types::Credentials;
use aws_reading::s3::{Bucket, ListVersions, PutObject, PutOutcome};
use aws_reading::ssm::SessionState;
use aws_reading::{ReadError, Reader, ecs, ssm};
use lab::{JournalEntry, Profile, World, WorldOptions};
use serde_json::Value;

async fn world() -> (World, Reader) {
    let world = World::start(WorldOptions::of(Profile::Granted)).await.unwrap();
    let keys = world.caller_keys();
    let credentials = Credentials::new(keys.access_key, keys.secret, keys.session_token, None, "lab");
    let reader = reader(&format!("http://{}", world.api_addr()), credentials).await;
    (world, reader)
}

fn put(bucket: &Bucket, key: &str, body: &[u8]) -> PutObject {
    PutObject { object: bucket.object(key), body: body.to_vec(), content_type: "application/json", retention: None }
}

#[tokio::test]
async fn tasks_clusters_and_sessions_are_read_as_they_are() {
    let (world, reader) = world().await;
    let task_id = world.tasks()[0].task_id.clone();
    let page = reader.ask(&ecs::describe_tasks(world.cluster(), &[task_id.as_str()])).await.unwrap();
    let answer: Value = serde_json::from_slice(&page.body).unwrap();
    assert!(answer["tasks"][0]["taskArn"].as_str().unwrap().ends_with(&task_id));
    assert!(page.request_id().is_some());
    let clusters = reader.ask(&ecs::describe_clusters(&[world.cluster()])).await.unwrap();
    assert_eq!(clusters.request.parameters["include"][0], "CONFIGURATIONS");
    let mut tasks = reader.list(ecs::list_tasks(world.cluster(), ecs::DesiredStatus::Running));
    assert_eq!(tasks.next_page().await.unwrap().unwrap().rows, 1);
    let mut sessions = reader.list(ssm::describe_sessions(SessionState::Active, &[]));
    assert_eq!(sessions.next_page().await.unwrap().unwrap().rows, 0);
    assert!(sessions.next_page().await.unwrap().is_none());
}

#[tokio::test]
async fn objects_are_put_once_and_read_with_odd_keys_in_another_region() {
    let (world, reader) = world().await;
    world.add_bucket("evidence", "eu-central-1");
    let bucket = Bucket::new("evidence");
    for key in ["sha256/ab", "a b/ü+&=?#%~'()*!.json", "a//b"] {
        assert!(matches!(reader.put_if_absent(put(&bucket, key, b"one")).await.unwrap(), PutOutcome::Put { .. }));
        assert_eq!(reader.put_if_absent(put(&bucket, key, b"two")).await.unwrap(), PutOutcome::AlreadyThere);
        let mut sink = Vec::new();
        let fetched = reader.get_object(&bucket.object(key), None, &mut sink, 100).await.unwrap();
        assert_eq!((sink.as_slice(), fetched.request.region.as_str()), (&b"one"[..], "eu-central-1"), "{key}");
    }
    assert_eq!(world.objects("evidence").len(), 3);
    let missing = reader.get_object(&bucket.object("none"), None, &mut Vec::new(), 100).await.unwrap_err();
    assert!(missing.is_not_found());
}

#[tokio::test]
async fn a_denial_is_one_and_so_are_expired_credentials() {
    let (world, reader) = world().await;
    world.add_bucket("evidence", "us-east-2");
    world.deny(&["ssm:DescribeSessions", "s3:GetObject"]);
    let list = ssm::describe_sessions(SessionState::Active, &[]);
    let ReadError::Denied(refusal) = reader.list(list.clone()).next_page().await.unwrap_err() else { panic!() };
    assert_eq!(refusal.principal.as_deref(), Some(world.caller_arn()));
    assert_eq!(refusal.missing.as_deref(), Some("ssm:DescribeSessions"));
    let object = Bucket::new("evidence").object("k");
    let denied = reader.get_object(&object, None, &mut Vec::new(), 100).await;
    assert!(matches!(denied, Err(ReadError::Denied(_))));
    world.expire_credentials();
    assert!(matches!(reader.list(list).next_page().await, Err(ReadError::Expired(_))));
}

#[tokio::test]
async fn the_signature_covers_sub_resources_and_escapes() {
    let (world, reader) = world().await;
    world.add_bucket("evidence", "us-east-2");
    let bucket = Bucket::new("evidence");
    // What such a question means is another matter than who asks it: a wrong signature would be told.
    let versions = ListVersions { bucket: bucket.clone(), prefix: "a b/ü+&=~*".to_owned() };
    let list = reader.list_object_versions(versions, None).next_page().await;
    let lock = reader.object_lock_configuration(&bucket).await;
    let retention = reader.object_retention(&bucket.object("a b").version("v/+=")).await;
    for error in [list.err(), lock.err(), retention.err()].into_iter().flatten() {
        assert!(!matches!(&error, ReadError::Expired(_) | ReadError::Denied(_)), "{error:?}");
    }
    let journal = world.journal();
    let errors: Vec<&str> = journal.iter().filter_map(error_of_call).collect();
    assert_eq!(journal.iter().filter(|entry| matches!(entry, JournalEntry::ApiCall { .. })).count(), 3);
    assert!(!errors.iter().any(|error| error.contains("Signature")), "{errors:?}");
}

fn error_of_call(entry: &JournalEntry) -> Option<&str> {
    match entry {
        JournalEntry::ApiCall { error, .. } => error.as_deref(),
        _ => None,
    }
}

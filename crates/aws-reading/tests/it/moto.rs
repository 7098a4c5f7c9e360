//! moto, another's stand-in for AWS, where `moto_server` is installed. It checks no signatures: the lab does.

use crate::{keys, reader};
use aws_reading::s3::{Bucket, ByteRange, ListObjects, ListVersions, PutObject, PutOutcome, Retention, RetentionMode};
use aws_reading::{ReadError, Reader, cloudtrail, ecs, logs};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A server that dies with it.
struct Moto {
    url: String,
    http: reqwest::Client,
    _child: Child,
}

impl Moto {
    /// Starts one; none where it is not installed.
    async fn start() -> Option<Self> {
        let server = match Self::listening("moto_server", &[]).await {
            None => Self::listening("python3", &["-m", "moto.server"]).await,
            there => there,
        };
        if server.is_none() {
            say("skipped: moto_server is not installed");
        }
        let (url, child) = server?;
        let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
        Some(Self { url, http, _child: child })
    }

    /// Waits for the line that says where it listens; a shim without a program behind it ends instead.
    async fn listening(program: &str, arguments: &[&str]) -> Option<(String, Child)> {
        let mut command = Command::new(program);
        command.args(arguments).args(["-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().ok()?;
        let mut lines = BufReader::new(child.stderr.take()?).lines();
        let url = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, address)) = line.split_once("Running on ") {
                    return Some(address.trim().to_owned());
                }
            }
            None
        };
        let url = tokio::time::timeout(Duration::from_mins(2), url).await.ok()??;
        // Its log must be read on, or it would block.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some((url, child))
    }

    async fn reader(&self) -> Reader {
        reader(&self.url, keys()).await
    }

    /// Makes things, which the reader cannot.
    async fn json(&self, service: &str, target: &str, body: Value) {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-2/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = self.http.post(&self.url).header("x-amz-target", target).header("authorization", authorization);
        let request = request.header("content-type", "application/x-amz-json-1.1").body(body.to_string());
        let reply = request.send().await.unwrap();
        assert!(reply.status().is_success(), "{target}: {}", reply.text().await.unwrap());
    }

    async fn s3(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let authorization =
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-2/s3/aws4_request, SignedHeaders=host, Signature=0";
        let mut request = self.http.request(method, format!("{}/{path}", self.url)).header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.body(body.to_owned()).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.text().await.unwrap());
    }

    /// A bucket in the reader's region.
    async fn bucket(&self, name: &str, headers: &[(&str, &str)]) {
        let there = "<CreateBucketConfiguration><LocationConstraint>us-east-2</LocationConstraint></CreateBucketConfiguration>";
        self.s3("PUT", name, headers, there).await;
    }
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests reads it")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn put(bucket: &Bucket, key: &str, body: &[u8], retention: Option<Retention>) -> PutObject {
    PutObject { object: bucket.object(key), body: body.to_vec(), content_type: "text/plain", retention }
}

#[tokio::test]
async fn the_logs_of_a_task_are_read_to_their_end() {
    let Some(moto) = Moto::start().await else { return };
    let target = |action: &str| format!("Logs_20140328.{action}");
    moto.json("logs", &target("CreateLogGroup"), json!({"logGroupName": "/exec"})).await;
    for number in 0..120 {
        let body = json!({"logGroupName": "/exec", "logStreamName": format!("ecs-execute-command-{number:03}")});
        moto.json("logs", &target("CreateLogStream"), body).await;
    }
    let now = Timestamp::now().as_millisecond();
    let events: Vec<Value> = (0..3).map(|number| json!({"timestamp": now, "message": format!("line {number} é\n")})).collect();
    let stream = "ecs-execute-command-007";
    let body = json!({"logGroupName": "/exec", "logStreamName": stream, "logEvents": events});
    moto.json("logs", &target("PutLogEvents"), body).await;

    let reader = moto.reader().await;
    let mut groups = reader.list(logs::describe_log_groups("/e"));
    assert_eq!(groups.next_page().await.unwrap().unwrap().rows, 1);
    let mut pages = reader.list(logs::describe_log_streams("/exec", "ecs-"));
    let mut sizes = Vec::new();
    while let Some(listed) = pages.next_page().await.unwrap() {
        sizes.push(listed.rows);
    }
    assert_eq!(sizes, [50, 50, 20]);
    let mut pages = reader.list(logs::log_events("/exec", stream, true));
    let first = pages.next_page().await.unwrap().unwrap();
    let answer: Value = serde_json::from_slice(&first.page.body).unwrap();
    assert_eq!((first.rows, &answer["events"][2]["message"]), (3, &json!("line 2 é\n")));
    assert_eq!(pages.next_page().await.unwrap().unwrap().rows, 0);
    assert!(pages.next_page().await.unwrap().is_none());
    let mut absent = reader.list(logs::log_events("/exec", "none", true));
    assert!(absent.next_page().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn objects_and_their_versions_are_listed_page_by_page() {
    let Some(moto) = Moto::start().await else { return };
    moto.bucket("transcripts", &[]).await;
    let reader = moto.reader().await;
    let bucket = Bucket::new("transcripts");
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    moto.s3("PUT", "transcripts?versioning", &[], enabled).await;
    for key in ["a b/1 +.log", "a b/2ü.log", "other"] {
        assert!(matches!(reader.put_if_absent(put(&bucket, key, b"first", None)).await.unwrap(), PutOutcome::Put { .. }));
    }
    moto.s3("PUT", "transcripts/a%20b/1%20%2B.log", &[("x-amz-meta-signature", "00ff")], "second!").await;
    moto.s3("DELETE", "transcripts/a%20b/2%C3%BC.log", &[], "").await;

    let list = ListObjects { bucket: bucket.clone(), prefix: "a b/".to_owned(), start_after: None, delimiter: None };
    let listed = reader.list_objects(list).next_page().await.unwrap().unwrap();
    let keys: Vec<(&str, u64)> = listed.rows.objects.iter().map(|row| (row.key.as_str(), row.size)).collect();
    assert_eq!(keys, [("a b/1 +.log", 7)]);
    let mut pages = reader.list_object_versions(ListVersions { bucket: bucket.clone(), prefix: "a b/".to_owned() }, None);
    let rows = pages.next_page().await.unwrap().unwrap().rows;
    assert!(pages.next_page().await.unwrap().is_none());
    let mut kinds: Vec<_> =
        rows.iter().map(|row| (row.key.as_str(), row.is_latest, row.content.as_ref().map(|(size, _)| *size))).collect();
    kinds.sort_unstable();
    let expected = [
        ("a b/1 +.log", false, Some(5)),
        ("a b/1 +.log", true, Some(7)),
        ("a b/2ü.log", false, Some(5)),
        ("a b/2ü.log", true, None),
    ];
    assert_eq!(kinds, expected);

    let old = rows.iter().find(|row| row.key == "a b/1 +.log" && !row.is_latest).unwrap();
    let object = bucket.object(old.key.clone());
    let mut sink = Vec::new();
    let fetched = reader.get_object(&object.clone().version(old.version_id.clone()), None, &mut sink, 100).await.unwrap();
    assert_eq!((sink.as_slice(), fetched.facts.version_id.as_deref()), (&b"first"[..], Some(old.version_id.as_str())));
    let mut sink = Vec::new();
    let range = ByteRange { first: 1, last: Some(3) };
    let part = reader.get_object(&object, Some(range), &mut sink, 100).await.unwrap();
    assert_eq!((sink.as_slice(), part.facts.size), (&b"eco"[..], Some(7)));
    let head = reader.head_object(&object).await.unwrap();
    assert_eq!(head.facts.metadata["signature"], "00ff");
    assert!(head.facts.last_modified.is_some() && head.facts.etag.is_some());
    let deleted = reader.get_object(&bucket.object("a b/2ü.log"), None, &mut Vec::new(), 100).await;
    assert!(deleted.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_lock_is_read_and_a_locked_object_put_once() {
    let Some(moto) = Moto::start().await else { return };
    moto.bucket("plain", &[]).await;
    moto.bucket("locked", &[("x-amz-bucket-object-lock-enabled", "true")]).await;
    let rule = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>90</Days></DefaultRetention></Rule>";
    let lock = format!("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</ObjectLockConfiguration>");
    moto.s3("PUT", "locked?object-lock", &[], &lock).await;
    let reader = moto.reader().await;
    let (plain, locked) = (Bucket::new("plain"), Bucket::new("locked"));
    assert!(reader.object_lock_configuration(&plain).await.unwrap_err().is_not_found());
    let read = reader.object_lock_configuration(&locked).await.unwrap();
    let default = read.facts.default.map(|default| (default.mode, default.days));
    assert_eq!((read.facts.is_enabled, default), (true, Some((RetentionMode::Compliance, Some(90)))));

    let until = Timestamp::from_second(Timestamp::now().as_second()).unwrap() + SignedDuration::from_hours(1);
    let retention = Retention { mode: RetentionMode::Governance, until };
    let outcome = reader.put_if_absent(put(&locked, "k", b"one", Some(retention))).await.unwrap();
    let PutOutcome::Put { version_id: Some(version), .. } = outcome else { panic!("{outcome:?}") };
    let again = reader.put_if_absent(put(&locked, "k", b"two", None)).await.unwrap();
    assert_eq!(again, PutOutcome::AlreadyThere);
    let object = locked.object("k").version(version);
    // moto answers GetObjectRetention with the object itself; its head tells the lock.
    let facts = reader.head_object(&object).await.unwrap().facts;
    assert_eq!((facts.lock_mode.as_deref(), facts.retain_until), (Some("GOVERNANCE"), Some(until)));
    assert!(matches!(reader.object_retention(&object).await, Err(ReadError::Unexpected { .. })));
    match reader.bucket_encryption(&plain).await {
        Ok(read) => assert_eq!(read.facts.algorithm, "AES256"),
        Err(error) => assert!(error.is_not_found(), "{error:?}"),
    }
    let nowhere = reader.object_lock_configuration(&Bucket::new("nowhere-at-all")).await;
    assert!(matches!(nowhere, Err(ReadError::NotFound(refusal)) if refusal.code == "NoSuchBucket"));
}

#[tokio::test]
async fn trails_and_tasks_are_asked_for() {
    let Some(moto) = Moto::start().await else { return };
    moto.bucket("trail-bucket", &[]).await;
    let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail";
    moto.json("cloudtrail", target, json!({"Name": "main-trail", "S3BucketName": "trail-bucket"})).await;
    moto.json("ecs", "AmazonEC2ContainerServiceV20141113.CreateCluster", json!({"clusterName": "c"})).await;
    let reader = moto.reader().await;
    let trails = reader.ask(&cloudtrail::describe_trails(true)).await.unwrap();
    let answer: Value = serde_json::from_slice(&trails.body).unwrap();
    assert_eq!(answer["trailList"][0]["Name"], "main-trail");
    assert!(reader.ask(&cloudtrail::trail_status("main-trail")).await.is_ok());
    let absent = reader.ask(&cloudtrail::trail_status("another-trail")).await.unwrap_err();
    assert!(absent.is_not_found(), "{absent:?}");
    let clusters = reader.ask(&ecs::describe_clusters(&["c"])).await.unwrap();
    let answer: Value = serde_json::from_slice(&clusters.body).unwrap();
    assert_eq!(answer["clusters"][0]["clusterName"], "c");
    let mut tasks = reader.list(ecs::list_tasks("c", ecs::DesiredStatus::Running));
    assert_eq!(tasks.next_page().await.unwrap().unwrap().rows, 0);
}

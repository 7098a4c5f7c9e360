//! moto, another's stand-in for AWS: transcripts in CloudWatch Logs and S3 that a program not written here serves.

use crate::site::{GROUP, reader_at};
use audit_bridge::hidden::{What, Where, read_one};
use audit_bridge::settings::AwsSource;
use audit_facts::Body;
use audit_record::OutputDigest;
use audit_state::State;
use aws_reading::Reader;
use aws_reading::s3::{Bucket, PutObject};
use correlation::Policy;
use evidence_bundle::store::MemoryStore;
use jiff::Timestamp;
use serde_json::json;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const SESSION: &str = "ecs-execute-command-0123456789abcdefghijklmnop";
const SHOWN: &str = "hello from moto";

/// Starts a server; none where moto is not installed. A shim without a program behind it ends instead of telling an address.
async fn start() -> Option<(String, Child)> {
    let mut command = Command::new("moto_server");
    command.args(["-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().ok()?;
    let mut lines = BufReader::new(child.stderr.take()?).lines();
    let told = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, address)) = line.split_once("Running on ") {
                return Some(address.trim().to_owned());
            }
        }
        None
    };
    let url = tokio::time::timeout(Duration::from_mins(2), told).await.ok()??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some((url, child))
}

async fn written(reader: &Reader, now: Timestamp) {
    let log = format!(
        "Script started on 2026-11-21 10:00:00+00:00 [COMMAND=\"cat x\" <not executed on terminal>]\n{SHOWN}\r\n\nScript done on 2026-11-21 10:00:01+00:00 [COMMAND_EXIT_CODE=\"0\"]"
    );
    // These answer with nothing, which is no page; the events show whether they were done.
    drop(reader.json("logs:CreateLogGroup", json!({"logGroupName": GROUP})).await);
    drop(reader.json("logs:CreateLogStream", json!({"logGroupName": GROUP, "logStreamName": SESSION})).await);
    let events = json!([{"timestamp": now.as_millisecond(), "message": log}]);
    reader
        .json("logs:PutLogEvents", json!({"logGroupName": GROUP, "logStreamName": SESSION, "logEvents": events}))
        .await
        .unwrap();
    let object = Bucket::new("transcripts").object(format!("exec/{SESSION}.log"));
    let body = format!("{}\n", log.replace('\n', "\r\n")).into_bytes();
    reader.put_if_absent(PutObject { object, body, content_type: "text/plain", retention: None }).await.unwrap();
}

/// Makes a bucket, which the reader cannot.
async fn make_bucket(url: &str) {
    let address = url.trim_start_matches("http://").to_owned();
    let made = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(&address)?;
        let authorization =
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        write!(
            stream,
            "PUT /transcripts HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        std::io::read_to_string(stream)
    });
    let answer = made.await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transcripts_are_read_from_a_server_of_somebody_elses() {
    let Some((url, _child)) = start().await else {
        let _ = writeln!(std::io::stderr(), "skipped: moto_server is not installed");
        return;
    };
    let (reader, now) = (reader_at(&url).await, Timestamp::now());
    make_bucket(&url).await;
    written(&reader, now).await;
    let settings =
        json!({"name": "moto", "region": "us-east-2", "exec_log_groups": [GROUP], "exec_objects": "s3://transcripts/exec"});
    let source: AwsSource = serde_json::from_value(settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(&folder.path().join("state.sqlite")).unwrap();
    let (evidence, policy) = (MemoryStore::default(), Policy::default());
    let at = Where { source: &source, reader: &reader, account: "123456789012", policy: &policy, now: Timestamp::now() };
    for what in [What::ExecLogs, What::ExecObjects] {
        read_one(what, at, &mut state, &evidence).await.unwrap();
    }
    let facts = state.reader().unwrap().facts_of_kinds(&["transcript"]).unwrap();
    let mut digest = OutputDigest::default();
    digest.update(SHOWN.as_bytes());
    assert_eq!(facts.len(), 2);
    for fact in facts {
        let Body::Transcript(log) = fact.body else { panic!("another fact") };
        assert_eq!((log.ssm_session_id.unwrap().as_str(), log.sha256, log.has_trailer), (SESSION, digest.sha256(), true));
    }
}

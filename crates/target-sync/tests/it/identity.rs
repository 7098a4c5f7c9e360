//! Who a source is asked as: profiles, roles, accounts. Each runs in a process of its own, since the SDK reads the environment.

use crate::support::{AT, ECS_CLUSTER, calls, granted, interest};
use lab::{JournalEntry, TaskSpec, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;
use target_sync::observe::ecs::{Eye, Source};

/// Tells a probe what to look at: a source's table.
const SOURCE: &str = "TARGET_SYNC_PROBE_SOURCE";

/// What begins a line that a probe has seen something.
const SEEN: &str = "SEEN:";

/// The probe: scans once, and once more for every line on its standard input.
#[tokio::test]
#[ignore = "run by the tests of this file, in an environment of its own"]
async fn probe() {
    let Ok(text) = std::env::var(SOURCE) else {
        eprintln!("skipped: {SOURCE} is not set");
        return;
    };
    let eye = Eye::new(toml::from_str::<Source>(&text).unwrap(), interest()).unwrap();
    let mut lines = std::io::stdin().lines();
    loop {
        let scan = eye.scan(&BTreeSet::new(), AT).await;
        let seen = json!({"failure": scan.failure, "account": scan.place.account, "tasks": scan.tasks.len()});
        println!("\n{SEEN}{seen}");
        if lines.next().is_none() {
            return;
        }
    }
}

struct Probe {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Probe {
    fn start(environment: impl IntoIterator<Item = (String, String)>, source: &str) -> Self {
        let text = format!("name = 'prod'\nregion = 'us-east-2'\necs_cluster = '{ECS_CLUSTER}'\n{source}");
        let mut child = Command::new(std::env::current_exe().expect("this test is a program"))
            .args(["identity::probe", "--exact", "--ignored", "--nocapture"])
            .env_clear()
            .envs(environment)
            .env(SOURCE, text)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the probe starts");
        let (input, output) =
            (child.stdin.take().expect("it is piped"), BufReader::new(child.stdout.take().expect("it is piped")));
        Self { child, input, output }
    }

    /// What the probe has seen.
    fn seen(&mut self) -> Value {
        let mut lines = self.output.by_ref().lines().map_while(Result::ok);
        let line = lines.find_map(|line| line.strip_prefix(SEEN).map(str::to_owned));
        serde_json::from_str(&line.expect("the probe tells what it has seen")).expect("it tells it in JSON")
    }

    /// What the probe sees now.
    fn seen_again(&mut self) -> Value {
        self.input.write_all(b"\n").expect("the probe listens");
        self.seen()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn callers(world: &World, wanted: &str) -> Vec<String> {
    let caller = |entry| match entry {
        JournalEntry::ApiCall { action, principal, .. } if action == wanted => Some(principal),
        _ => None,
    };
    world.journal().into_iter().filter_map(caller).collect()
}

#[tokio::test]
async fn a_sources_role_is_assumed_and_its_session_names_the_owner() {
    let world = granted().await;
    world.add_task(TaskSpec::default());
    for external_id in ["", "external_id = 'x-1'\n"] {
        let source = format!("account = '123456789012'\nassume_role = '{}'\n{external_id}", world.role_arn());
        let seen = Probe::start(world.source_environment(), &source).seen();
        assert_eq!(seen, json!({"failure": null, "account": "123456789012", "tasks": 1}), "{external_id}");
        let by = callers(&world, "ecs:ListTasks").pop().unwrap();
        assert!(by.ends_with(":assumed-role/rosa-boundary-dev-sre-shared/target-sync-sync-1"), "{by}");
    }
}

#[tokio::test]
async fn a_caller_without_the_role_may_see_nothing() {
    let world = granted().await;
    let seen = Probe::start(world.source_environment(), "").seen();
    let failure = seen["failure"].as_str().unwrap();
    assert!(failure.contains("user/alice") && failure.contains("the permission ecs:ListTasks is missing"), "{failure}");
}

#[tokio::test]
async fn a_role_that_is_refused_is_told_with_what_lacks() {
    let world = granted().await;
    let role = "arn:aws:iam::123456789012:role/other";
    for external_id in ["", "external_id = 'x-1'\n"] {
        let seen = Probe::start(world.source_environment(), &format!("assume_role = '{role}'\n{external_id}")).seen();
        let failure = seen["failure"].as_str().unwrap();
        assert!(failure.starts_with("failed to open the source prod: ") && failure.contains(role), "{failure}");
        assert_eq!((calls(&world, "ecs:ListTasks"), &seen["account"]), (0, &json!("123456789012")));
    }
}

#[tokio::test]
async fn credentials_of_another_account_are_not_used() {
    let world = granted().await;
    let seen = Probe::start(world.environment(), "account = '210987654321'").seen();
    let failure = seen["failure"].as_str().unwrap();
    assert!(failure.contains("it is in the account 210987654321") && failure.contains("belongs to 123456789012"), "{failure}");
    assert_eq!(calls(&world, "ecs:ListTasks"), 0);
}

#[tokio::test]
async fn a_profile_is_used_and_read_again_when_its_keys_expire() {
    let world = granted().await;
    world.add_task(TaskSpec::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let write = |environment: &[(String, String)]| {
        let of = |name: &str| environment.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let (id, secret, token) = (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"), of("AWS_SESSION_TOKEN"));
        let text = format!("[sync]\naws_access_key_id={id}\naws_secret_access_key={secret}\naws_session_token={token}\n");
        std::fs::write(&file, text).unwrap();
    };
    write(&world.environment());
    let is_key =
        |name: &str| name.starts_with("AWS_ACCESS") || name.starts_with("AWS_SE") || name == "AWS_SHARED_CREDENTIALS_FILE";
    let mut environment: Vec<_> = world.environment().into_iter().filter(|(name, _)| !is_key(name)).collect();
    environment.push(("AWS_SHARED_CREDENTIALS_FILE".to_owned(), file.display().to_string()));
    let mut probe = Probe::start(environment, "profile = 'sync'");
    assert_eq!(probe.seen()["failure"], Value::Null);
    world.expire_credentials();
    write(&world.fresh_environment());
    assert_eq!(probe.seen_again()["failure"], Value::Null, "new keys in the file are found within the same scan");
    world.expire_credentials();
    let expired = probe.seen_again();
    assert!(expired["failure"].as_str().is_some_and(|failure| failure.contains("xpired")), "{expired}");
    write(&world.fresh_environment());
    assert_eq!(probe.seen_again(), json!({"failure": null, "account": "123456789012", "tasks": 1}));
}

#[test]
fn the_external_id_and_nothing_more_is_sent_with_the_role() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || first_request(&listener));
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let source = "assume_role = 'arn:aws:iam::123456789012:role/sync'\nexternal_id = 'x-1'";
    let mut probe = Probe::start(environment.map(|(name, value)| (name.to_owned(), value.to_owned())), source);
    let request = asked.join().unwrap();
    for part in ["Action=AssumeRole&", "ExternalId=x-1", "RoleSessionName=target-sync-sync-1", "role%2Fsync"] {
        assert!(request.contains(part), "{part}: {request}");
    }
    assert!(!request.contains("Tags.member") && !request.contains("SourceIdentity"), "{request}");
    assert!(probe.seen()["failure"].is_string());
}

/// Takes one request, and answers it with a refusal.
fn first_request(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().expect("the probe asks");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it is not zero");
    let mut request = String::new();
    let mut bytes = [0; 4096];
    while !request.contains("RoleArn") {
        let read = stream.read(&mut bytes).expect("the request comes whole");
        assert!(read > 0, "the request ends early: {request}");
        request.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).expect("the probe waits for the answer");
    request
}

//! What the tests of evidence share: calls with the auditor's keys, and whole sessions.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use lab::{JournalEntry, Profile, SigningKeys, StreamForm, World, WorldOptions, sign_request};
use serde_json::Value;

use crate::client::{Client, execute};
use crate::support::{WATCHDOG, call_as};

/// A world whose sessions end soon, with all rights.
pub(crate) async fn quick_world(change: impl FnOnce(&mut WorldOptions)) -> World {
    let mut options = WorldOptions {
        only_via_worker: false,
        stream_form: StreamForm::Loopback,
        agent_drain: Duration::from_millis(500),
        kms: false,
        ..WorldOptions::of(Profile::Granted)
    };
    change(&mut options);
    World::start(options).await.unwrap()
}

/// Runs a command in a session to its end; returns the session's id and what the client was sent.
pub(crate) async fn run_session(world: &World, command: &str) -> (String, Vec<u8>) {
    let opened = execute(world, command);
    let mut client = Client::new(world, &opened);
    client.connect(world, &opened).await;
    client.until(world, "the end", |client| client.closed.is_some()).await;
    let id = opened.id.clone();
    let ended = |entry: &JournalEntry| matches!(entry, JournalEntry::SessionEnded { session_id, .. } if *session_id == id);
    assert!(world.wait_for(|entries| entries.iter().any(&ended), WATCHDOG).await);
    (opened.id, client.output)
}

/// Calls a JSON action as the auditor; it must succeed.
pub(crate) fn audit(world: &World, keys: &SigningKeys, action: &str, body: &Value) -> Value {
    let (status, answer) = call_as(world, keys, action, body).unwrap();
    assert_eq!(status, 200, "{action}: {answer}");
    answer
}

/// Calls a JSON action as the auditor; returns the code of its refusal.
pub(crate) fn refused(world: &World, keys: &SigningKeys, action: &str, body: &Value) -> String {
    let (status, answer) = call_as(world, keys, action, body).unwrap();
    assert_eq!(status, 400, "{action}: {answer}");
    answer["__type"].as_str().unwrap().to_owned()
}

/// An answer of S3's.
pub(crate) struct Object {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Object {
    /// The value of a header, empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)));
        line.map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Calls S3 without a body as a principal.
pub(crate) fn s3_as(world: &World, keys: &SigningKeys, method: &str, target: &str) -> Object {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut headers = vec![
        ("host".to_owned(), world.api_addr().to_string()),
        ("x-amz-content-sha256".to_owned(), empty.to_owned()),
        ("x-amz-checksum-mode".to_owned(), "ENABLED".to_owned()),
    ];
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    headers.extend(sign_request((method, path, query), &headers.clone(), b"", keys, ("us-east-2", "s3", &stamp)));
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut stream = TcpStream::connect(world.api_addr()).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream.write_all(format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n{lines}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Object { status, head, body: answer[end + 4..].to_vec() }
}

/// All texts of an XML element, in order.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&start).skip(1).map(|part| part.split(&end).next().unwrap_or_default().to_owned()).collect()
}

//! The WebSocket upgrade: what is sent, and how each answer is understood.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::support::{Authority, HOST, PATH, QUERY, policy, prepared, read_request, serve, serve_tls, stream_url};
use aws_credential_types::Credentials;
use ssm_channel::{Dialer, Incoming, Signing, StreamUrl, TlsSettings, UPGRADE_TIMEOUT, UpgradeError, prepare};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const SESSION_TOKEN: &str = "SECRETSESSIONTOKEN";

fn signing() -> Signing {
    let credentials = Credentials::new("AKIDEXAMPLE", "SECRETKEY", Some(SESSION_TOKEN.into()), None, "test");
    Signing { credentials, region: "us-east-2".into(), time: SystemTime::now() }
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn switching(request: &str) -> String {
    let accept = derive_accept_key(header(request, "sec-websocket-key").unwrap().as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Answers the upgrade with a fixed text and closes.
async fn answered(answer: &'static str) -> UpgradeError {
    let authority = Authority::new();
    let address = serve_tls(&authority, &[HOST], move |mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    prepared(&authority, address).await.upgrade(&stream_url(), Some(&signing())).await.unwrap_err()
}

#[tokio::test]
async fn the_request_is_signed_and_the_target_is_verbatim() {
    let authority = Authority::new();
    let (sender, mut requests) = mpsc::unbounded_channel();
    let address = serve_tls(&authority, &[HOST], move |mut stream| {
        let sender = sender.clone();
        async move {
            let request = read_request(&mut stream).await;
            // The first message travels in the same record as the answer.
            let answer = [switching(&request).as_bytes(), b"\x81\x02hi"].concat();
            stream.write_all(&answer).await.unwrap();
            sender.send(request).unwrap();
            let _ = stream.read_u8().await;
        }
    })
    .await;
    let mut channel = prepared(&authority, address).await.upgrade(&stream_url(), Some(&signing())).await.unwrap();
    assert_eq!(channel.recv().await.unwrap(), Incoming::Text("hi".into()));
    assert_eq!(channel.peer_addr().unwrap(), address);
    let request = requests.recv().await.unwrap();
    assert!(request.starts_with(&format!("GET {PATH}?{QUERY} HTTP/1.1\r\nHost: {HOST}\r\n")), "{request}");
    assert!(header(&request, "user-agent").unwrap().starts_with("ecs-exec-wrapper/"));
    assert_eq!(header(&request, "x-amz-security-token"), Some(SESSION_TOKEN));
    let authorization = header(&request, "authorization").unwrap();
    assert!(authorization.contains("/us-east-2/ssmmessages/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, "));
    for absent in ["origin", "sec-websocket-protocol", "sec-websocket-extensions"] {
        assert_eq!(header(&request, absent), None);
    }
}

#[tokio::test]
async fn a_refusal_carries_status_body_and_request_id_sanitised() {
    let error =
        answered("HTTP/1.1 403 Forbidden\r\nx-amzn-RequestId: abc-1\r\nContent-Length: 21\r\n\r\n<Error>no\u{1b}[2J</Error>")
            .await;
    let UpgradeError::Refused { status: 403, body, request_id } = &error else { panic!("{error:?}") };
    assert_eq!(body, "<Error>no\\u{1b}[2J</Error>");
    assert_eq!(request_id.as_deref(), Some("abc-1"));
    assert_eq!(error.status(), Some(403));
    assert_eq!(error.to_string(), "upgrade to a WebSocket: HTTP 403: <Error>no\\u{1b}[2J</Error>");
}

#[tokio::test]
async fn bodies_without_length_in_chunks_and_without_end_are_bounded() {
    let error = answered("HTTP/1.1 500 Oops\r\n\r\nuntil the end").await;
    assert!(matches!(&error, UpgradeError::Refused { status: 500, body, .. } if body == "until the end"), "{error:?}");
    let error = answered("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    assert!(matches!(&error, UpgradeError::Refused { body, .. } if body == "hello"), "{error:?}");
    let error = answered(Box::leak(format!("HTTP/1.1 400 Bad\r\n\r\n{}", "x".repeat(100_000)).into_boxed_str())).await;
    assert!(matches!(&error, UpgradeError::Refused { body, .. } if body.chars().count() == 1001), "{error:?}");
}

#[tokio::test]
async fn answers_that_are_no_handshake_are_refused() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        "SSH-2.0-x\r\n",
        "HTTP/1.1 nonsense\r\n\r\n",
    ] {
        let error = answered(answer).await;
        assert!(matches!(error, UpgradeError::NotWebSocket), "{answer}: {error:?}");
    }
    let error = answered("").await;
    assert!(matches!(error, UpgradeError::Closed { received: 0 }), "{error:?}");
    let error = answered("HTTP/1.1").await;
    assert!(matches!(error, UpgradeError::Closed { received: 8 }), "{error:?}");
}

#[tokio::test]
async fn a_silent_gateway_times_out() {
    let authority = Authority::new();
    let (asked, heard) = oneshot::channel();
    let asked = Arc::new(Mutex::new(Some(asked)));
    let address = serve_tls(&authority, &[HOST], move |mut stream| {
        let asked = asked.lock().unwrap().take();
        async move {
            read_request(&mut stream).await;
            asked.unwrap().send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let prepared = prepared(&authority, address).await;
    let attempt = tokio::spawn(async move { prepared.upgrade(&stream_url(), None).await.unwrap_err() });
    heard.await.unwrap();
    tokio::time::pause();
    tokio::time::advance(UPGRADE_TIMEOUT).await;
    assert!(matches!(attempt.await.unwrap(), UpgradeError::TimedOut));
}

#[tokio::test]
async fn a_url_that_does_not_fit_the_connection_sends_nothing() {
    let authority = Authority::new();
    let (sender, mut received) = mpsc::unbounded_channel();
    let address = serve_tls(&authority, &[HOST], move |mut stream| {
        let sender = sender.clone();
        async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            sender.send(all).unwrap();
        }
    })
    .await;
    let elsewhere = StreamUrl::parse(&format!("wss://ssmmessages.us-east-2.api.aws{PATH}?{QUERY}"), &policy()).unwrap();
    let error = prepared(&authority, address).await.upgrade(&elsewhere, None).await.unwrap_err();
    assert!(matches!(&error, UpgradeError::HostNotCovered { host, .. } if host == "ssmmessages.us-east-2.api.aws"));
    assert_eq!(received.recv().await.unwrap(), b"");
    let plain = StreamUrl::parse("ws://127.0.0.1:1/x", &policy()).unwrap();
    let error = prepared(&authority, address).await.upgrade(&plain, None).await.unwrap_err();
    assert!(matches!(error, UpgradeError::Scheme));
    assert_eq!(received.recv().await.unwrap(), b"");
}

#[tokio::test]
async fn plain_loopback_works_for_a_lab() {
    let address = serve(|mut stream: TcpStream| async move {
        let request = read_request(&mut stream).await;
        let answer = [switching(&request).as_bytes(), b"\x82\x01\x07"].concat();
        stream.write_all(&answer).await.unwrap();
    })
    .await;
    let url = StreamUrl::parse(&format!("ws://{address}{PATH}?{QUERY}"), &policy()).unwrap();
    let prepared = prepare(&Dialer::Direct, url.host(), url.port(), &TlsSettings::PlainLoopback).await.unwrap();
    let mut channel = prepared.upgrade(&url, None).await.unwrap();
    assert_eq!(channel.recv().await.unwrap(), Incoming::Binary(vec![7].into()));
    assert_eq!(channel.recv().await.unwrap(), Incoming::Eof { clean_tls: false });
}

/// Collects log records.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_record_holds_a_secret_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let error = answered("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    tracing::trace!("the log works: {error} {error:?} {:?}", stream_url());
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("the log works"), "{text}");
    assert!(!text.contains("SECRET") && !text.contains("cell-number"), "{text}");
}

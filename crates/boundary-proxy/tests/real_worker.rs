//! The client's side against a real Boundary, named by `BOUNDARY_ADDR` (http) and `BOUNDARY_TOKEN`; skipped without them.
//!
//! Wants the development server with its usual ids; its target leads to 127.0.0.1:8443, where the tests put an echo.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking and says on stderr why it is skipped")]

use std::io::ErrorKind;
use std::time::Duration;

use boundary_proxy::{Authorization, ConnectError, Connection, EndedByWorker, Reason, WorkerProxy};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const TARGET: &str = "ttcp_1234567890";
const ENDPOINT: &str = "127.0.0.1:8443";
const WATCHDOG: Duration = Duration::from_mins(1);

/// The endpoint's port is one for all tests.
static PORT: Mutex<()> = Mutex::const_new(());

struct Controller {
    address: String,
    token: String,
    #[expect(dead_code, reason = "the guard is held, never read")]
    port: MutexGuard<'static, ()>,
}

/// Finds the real Boundary and a free endpoint, or says why the test is skipped.
async fn controller() -> Option<(Controller, Echo)> {
    let port = PORT.lock().await;
    let (Ok(address), Ok(token)) = (std::env::var("BOUNDARY_ADDR"), std::env::var("BOUNDARY_TOKEN")) else {
        eprintln!("skipped: BOUNDARY_ADDR and BOUNDARY_TOKEN are not set");
        return None;
    };
    let Some(address) = address.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').to_owned()) else {
        eprintln!("skipped: BOUNDARY_ADDR is not plain http");
        return None;
    };
    let Some(listener) = endpoint().await else {
        eprintln!("skipped: {ENDPOINT} is taken");
        return None;
    };
    Some((Controller { address, token, port }, Echo(tokio::spawn(echo(listener)))))
}

/// Binds the endpoint's port; the test before may take a moment to let go of it.
async fn endpoint() -> Option<TcpListener> {
    for _ in 0..50 {
        match TcpListener::bind(ENDPOINT).await {
            Ok(listener) => return Some(listener),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
    None
}

struct Echo(JoinHandle<()>);

impl Echo {
    async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn echo(listener: TcpListener) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let (mut reader, mut writer) = socket.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
    }
}

impl Controller {
    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        // HTTP/1.0 spares the reading of chunks.
        let head = format!(
            "{method} /v1/{path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            self.token,
            body.len()
        );
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        socket.write_all((head + &body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        assert!(status.starts_with('2'), "{method} {path}: {status}");
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Authorizes a session and hands over the whole item, as a front end would.
    async fn authorize(&self, target: &str) -> Authorization {
        let item = self.call("POST", &format!("targets/{target}:authorize-session"), &json!({})).await;
        let authorization = Authorization::decode(&SecretString::from(item.to_string())).unwrap();
        let bare = SecretString::from(item["authorization_token"].as_str().unwrap());
        assert_eq!(format!("{:?}", Authorization::decode(&bare).unwrap()), format!("{authorization:?}"));
        assert_eq!(authorization.session_id(), item["session_id"].as_str().unwrap());
        assert_eq!(authorization.endpoint(), item["endpoint"].as_str());
        assert_eq!(authorization.expiration(), item["expiration"].as_str().unwrap().parse().ok());
        // What we write says the same as what Boundary wrote.
        assert_eq!(format!("{:?}", Authorization::decode(&authorization.encode()).unwrap()), format!("{authorization:?}"));
        authorization
    }

    async fn session(&self, authorization: &Authorization) -> Value {
        self.call("GET", &format!("sessions/{}", authorization.session_id()), &Value::Null).await
    }

    async fn cancel(&self, authorization: &Authorization) {
        let version = self.session(authorization).await["version"].clone();
        self.call("POST", &format!("sessions/{}:cancel", authorization.session_id()), &json!({ "version": version })).await;
    }

    /// Asks for the session until it is as wished.
    async fn wait_for(&self, authorization: &Authorization, wished: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let session = self.session(authorization).await;
                if wished(&session) {
                    return session;
                }
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(WATCHDOG, asking).await.expect("the session did not become as wished")
    }
}

async fn open(proxy: &WorkerProxy) -> Connection {
    timeout(WATCHDOG, proxy.connect()).await.unwrap().unwrap()
}

/// Sends bytes and compares what comes back.
async fn round_trip(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), length: u32) {
    let sent: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
    let mut back = vec![0; sent.len()];
    let (mut reader, mut writer) = tokio::io::split(stream);
    let both = async { tokio::join!(writer.write_all(&sent), reader.read_exact(&mut back)) };
    let (written, read) = timeout(WATCHDOG, both).await.unwrap();
    written.unwrap();
    read.unwrap();
    assert!(back == sent, "other bytes came back");
}

#[tokio::test]
async fn bytes_pass_and_boundary_counts_the_same() {
    let Some((controller, _echo)) = controller().await else { return };
    let authorization = controller.authorize(TARGET).await;
    let proxy = WorkerProxy::new(authorization.clone()).unwrap();
    let mut connection = open(&proxy).await;
    assert_eq!(connection.connections_left(), None);
    assert_eq!(connection.expiration(), authorization.expiration());
    round_trip(&mut connection, 1_000_000).await;
    assert_eq!(controller.session(&authorization).await["status"], "active");
    connection.shutdown().await.unwrap();
    let closed = controller.wait_for(&authorization, |session| session["connections"][0]["bytes_up"].is_string()).await;
    let monitor = connection.monitor();
    assert_eq!(closed["connections"][0]["bytes_up"], monitor.bytes_up().to_string());
    assert_eq!(closed["connections"][0]["bytes_down"], monitor.bytes_down().to_string());
    assert_eq!((monitor.bytes_up(), monitor.bytes_down()), (1_000_000, 1_000_000));
    proxy.cancel().await.unwrap();
}

#[tokio::test]
async fn a_cancel_at_the_controller_cuts_the_connection() {
    let Some((controller, _echo)) = controller().await else { return };
    let authorization = controller.authorize(TARGET).await;
    let proxy = WorkerProxy::new(authorization.clone()).unwrap();
    let mut connection = open(&proxy).await;
    round_trip(&mut connection, 10).await;
    controller.cancel(&authorization).await;
    let cut = timeout(WATCHDOG, connection.read(&mut [0; 8])).await.unwrap();
    eprintln!("a cancelled connection ends as {cut:?} with {:?}", connection.monitor().ending());
    assert!(matches!(cut, Ok(0) | Err(_)));
    let error = proxy.connect().await.unwrap_err();
    eprintln!("a cancelled session refuses: {}", cli_kit::chain_text(&error));
    assert!(matches!(error, ConnectError::SessionRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_second_process_with_the_same_token_is_refused() {
    let Some((controller, _echo)) = controller().await else { return };
    let authorization = controller.authorize(TARGET).await;
    let (first, second) = (WorkerProxy::new(authorization.clone()).unwrap(), WorkerProxy::new(authorization).unwrap());
    let mut connection = open(&first).await;
    let error = second.connect().await.unwrap_err();
    eprintln!("a second process is told: {}", cli_kit::chain_text(&error));
    assert!(matches!(error, ConnectError::InUse { .. }), "{error:?}");
    round_trip(&mut connection, 10).await;
    first.cancel().await.unwrap();
}

#[tokio::test]
async fn our_cancel_ends_the_session() {
    let Some((controller, _echo)) = controller().await else { return };
    let authorization = controller.authorize(TARGET).await;
    let proxy = WorkerProxy::new(authorization.clone()).unwrap();
    let mut connection = open(&proxy).await;
    round_trip(&mut connection, 10).await;
    proxy.cancel().await.unwrap();
    let ended = |session: &Value| session["status"] == "canceling" || session["status"] == "terminated";
    assert!(ended(&controller.session(&authorization).await));
    assert!(matches!(timeout(WATCHDOG, connection.read(&mut [0; 8])).await.unwrap(), Ok(0) | Err(_)));
    let session = controller.wait_for(&authorization, |session| session["status"] == "terminated").await;
    assert_eq!(session["termination_reason"], "canceled");
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_named() {
    let Some((controller, echo)) = controller().await else { return };
    echo.stop().await;
    let proxy = WorkerProxy::new(controller.authorize(TARGET).await).unwrap();
    let mut connection = open(&proxy).await;
    let error = timeout(WATCHDOG, connection.read(&mut [0; 8])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let EndedByWorker(reason) = error.get_ref().unwrap().downcast_ref().unwrap();
    eprintln!("an endpoint that refuses: {reason}");
    assert!(reason.is_endpoint_failure());
    proxy.cancel().await.unwrap();
}

#[tokio::test]
async fn a_used_up_limit_is_named() {
    let Some((controller, _echo)) = controller().await else { return };
    let target = json!({
        "type": "tcp", "scope_id": "p_1234567890", "name": format!("one connection {}", std::process::id()),
        "address": "127.0.0.1", "session_connection_limit": 1, "attributes": { "default_port": 8443 },
    });
    let target = controller.call("POST", "targets", &target).await["id"].as_str().unwrap().to_owned();
    let authorization = controller.authorize(&target).await;
    assert_eq!(authorization.connection_limit(), Some(1));
    let proxy = WorkerProxy::new(authorization).unwrap();
    let mut connection = open(&proxy).await;
    round_trip(&mut connection, 10).await;
    let (left, refused) = (connection.connections_left(), proxy.connect().await.map(|_| ()));
    controller.call("DELETE", &format!("targets/{target}"), &Value::Null).await;
    assert_eq!(left, Some(0));
    let error = refused.unwrap_err();
    eprintln!("a used up limit: {}", cli_kit::chain_text(&error));
    assert!(matches!(error, ConnectError::ConnectionLimit { reason: Reason::Close { code: 1011, .. }, .. }), "{error:?}");
}

#[tokio::test]
async fn one_session_carries_many_sockets() {
    let Some((controller, _echo)) = controller().await else { return };
    let proxy = WorkerProxy::new(controller.authorize(TARGET).await).unwrap();
    for _ in 0..20 {
        round_trip(&mut proxy.connect_tcp().await.unwrap(), 100_000).await;
    }
    assert!(proxy.last_end().is_none());
    proxy.cancel().await.unwrap();
}

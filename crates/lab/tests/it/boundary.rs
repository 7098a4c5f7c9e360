//! The worker of Boundary's sessions, with the toolkit's own client: to the gateway, counted, cut and misled.

use std::time::Duration;

use boundary_api::SessionStatus;
use boundary_proxy::{Authorization, ConnectError, Connection, WorkerProxy};
use lab::{BoundaryStatus, Elsewhere, JournalEntry, World, WorldOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::client::execute;
use crate::controller::{client_of, world};
use crate::support::WATCHDOG;

const GATEWAY: &str = "ssmmessages.us-east-2.amazonaws.com";

fn session(world: &World) -> (String, WorkerProxy) {
    let token = world.boundary().authorize("ttcp_lab0000001").unwrap();
    let authorization = Authorization::decode(&token).unwrap();
    (authorization.session_id().to_owned(), WorkerProxy::new(authorization).unwrap())
}

/// Ended without a word, as a cut looks, or with the worker's goodbye.
async fn ended(connection: &mut Connection) -> bool {
    match tokio::time::timeout(WATCHDOG, connection.read(&mut [0])).await.expect("the connection ends") {
        Ok(count) => count == 0,
        Err(_) => true,
    }
}

#[tokio::test]
async fn the_worker_leads_to_the_gateway_and_its_record_is_true() {
    let world = world().await;
    let (session_id, proxy) = session(&world);
    let opened = execute(&world, "cat");
    let connection = proxy.connect().await.unwrap();
    let (traffic, port) = (connection.monitor(), connection.local_addr().unwrap().port());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.ca_file()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(std::sync::Arc::new(config));
    let tls = connector.connect(ServerName::try_from(GATEWAY).unwrap(), connection).await.unwrap();
    let (mut socket, response) = tokio_tungstenite::client_async(opened.url, tls).await.unwrap();
    assert_eq!(response.status(), 101, "the gateway knows the worker's socket");
    assert_eq!(world.boundary().status(&session_id), Some(BoundaryStatus::Active));
    socket.get_mut().get_mut().0.shutdown().await.unwrap();
    let counted = |entries: &[JournalEntry]| entries.iter().any(|entry| matches!(entry, JournalEntry::BytesThroughWorker { .. }));
    assert!(world.wait_for(counted, WATCHDOG).await);
    let record = client_of(&world, "alice").sessions().read(&session_id).await.unwrap();
    let [record] = &record.connections[..] else { panic!("one connection") };
    assert_eq!((record.bytes_up, record.bytes_down), (traffic.bytes_up(), traffic.bytes_down()));
    assert!(record.bytes_up > 500 && record.bytes_down > 500);
    assert_eq!((record.client_tcp_port, record.closed_reason.as_str()), (port, "unknown"));
    assert_eq!(
        (record.endpoint_tcp_address.as_str(), world.bytes_through_worker()),
        ("127.0.0.1", (traffic.bytes_up(), traffic.bytes_down()))
    );
}

#[tokio::test]
async fn a_cancel_cuts_after_its_delay() {
    let options = WorldOptions { boundary_cancel_delay: Duration::from_millis(300), ..WorldOptions::default() };
    let world = World::start(options).await.unwrap();
    let (session_id, proxy) = session(&world);
    let mut live = proxy.connect().await.unwrap();
    let asked = std::time::Instant::now();
    assert!(world.boundary().cancel(&session_id));
    assert_eq!(world.boundary().status(&session_id), Some(BoundaryStatus::Canceling));
    assert!(ended(&mut live).await);
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert!(proxy.connect().await.unwrap_err().is_final());
}

#[tokio::test]
async fn orders_of_a_test_reach_the_worker() {
    let world = world().await;
    let (session_id, proxy) = session(&world);
    let mut live = proxy.connect().await.unwrap();
    world.faults().worker_refuses();
    assert!(matches!(proxy.connect().await, Err(ConnectError::SessionRefused { .. })));
    world.faults().cut_worker_connections();
    assert!(ended(&mut live).await);
    world.faults().worker_opens();
    assert!(proxy.connect().await.is_ok(), "the session itself is well");
    assert_eq!(world.boundary().status(&session_id), Some(BoundaryStatus::Active));
    world.faults().worker_leads_elsewhere(Elsewhere::NotTls);
    let mut astray = proxy.connect().await.unwrap();
    let mut words = [0; 7];
    astray.read_exact(&mut words).await.unwrap();
    assert_eq!(&words, b"SSH-2.0");
    world.faults().close_worker_listener();
    let refused = async {
        while !matches!(proxy.connect().await, Err(ConnectError::Unreachable { .. })) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WATCHDOG, refused).await.expect("the listener closes");
    world.faults().worker_opens();
    let again = async {
        while proxy.connect().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WATCHDOG, again).await.expect("the listener opens");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_an_end_without_a_byte() {
    let world = world().await;
    world.boundary().set_target("ttcp_lab0000001", |target| "192.0.2.1".clone_into(&mut target.address));
    let (session_id, proxy) = session(&world);
    let mut connection = proxy.connect().await.unwrap();
    assert!(ended(&mut connection).await);
    connection.shutdown().await.unwrap();
    let record = async {
        loop {
            let read = client_of(&world, "alice").sessions().read(&session_id).await.unwrap();
            if !read.connections.is_empty() && read.connections[0].closed_reason == "unknown" {
                return read;
            }
        }
    };
    let read = tokio::time::timeout(WATCHDOG, record).await.expect("the connection's record");
    assert_eq!(read.status, SessionStatus::Active);
    assert_eq!(read.raw["connections"], serde_json::json!([{ "closed_reason": "unknown" }]));
}

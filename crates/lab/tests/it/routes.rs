//! The ways to the gateway: the worker, the CONNECT proxy, and where a misled worker leads to.

use std::sync::Arc;

use lab::{Elsewhere, JournalEntry, World, WorldOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::execute;
use crate::support::WATCHDOG;

const GATEWAY: &str = "ssmmessages.us-east-2.amazonaws.com";

async fn world() -> World {
    World::start(WorldOptions { kms: false, ..WorldOptions::default() }).await.unwrap()
}

async fn tls(world: &World, stream: TcpStream, name: &'static str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.ca_file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}

async fn connect_through_proxy(world: &World, target: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(world.connect_proxy_addr()).await.unwrap();
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// Upgrades over a stream; the status of the answer.
async fn upgrade(world: &World, stream: TlsStream<TcpStream>) -> u16 {
    let opened = execute(world, "cat");
    match tokio_tungstenite::client_async(opened.url, stream).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("no answer: {error}"),
    }
}

#[tokio::test]
async fn the_worker_leads_to_the_gateway_and_counts() {
    let world = world().await;
    let stream = TcpStream::connect(world.worker_addr()).await.unwrap();
    let stream = tls(&world, stream, GATEWAY).await.unwrap();
    assert_eq!(upgrade(&world, stream).await, 101);
    let counted = |entries: &[JournalEntry]| {
        entries.iter().any(|entry| matches!(entry, JournalEntry::BytesThroughWorker { up: 500.., down: 500.. }))
    };
    assert!(world.wait_for(counted, WATCHDOG).await, "{:?}", world.journal());
}

#[tokio::test]
async fn past_the_worker_the_gateway_refuses_the_upgrade() {
    let world = world().await;
    let (stream, head) = connect_through_proxy(&world, &format!("{GATEWAY}:443")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let stream = tls(&world, stream, GATEWAY).await.unwrap();
    assert_eq!(upgrade(&world, stream).await, 403);
    assert!(world.journal().iter().any(|entry| matches!(entry, JournalEntry::GatewayRefused { .. })));
}

#[tokio::test]
async fn the_proxy_leads_to_the_apis_and_nowhere_else() {
    let world = world().await;
    let (stream, _) = connect_through_proxy(&world, "kms.us-east-2.amazonaws.com:443").await;
    let mut stream = tls(&world, stream, "kms.us-east-2.amazonaws.com").await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    let (_, head) = connect_through_proxy(&world, "example.com:443").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[tokio::test]
async fn a_misled_worker_fails_the_certificate_check() {
    let world = world().await;
    for (elsewhere, expected) in [(Elsewhere::OtherName, "not valid for name"), (Elsewhere::NotTls, "InvalidContentType")] {
        world.faults().worker_leads_elsewhere(elsewhere);
        let stream = TcpStream::connect(world.worker_addr()).await.unwrap();
        let error = tls(&world, stream, GATEWAY).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{elsewhere:?}: {error}");
    }
    world.faults().worker_opens();
    let stream = TcpStream::connect(world.worker_addr()).await.unwrap();
    assert!(tls(&world, stream, GATEWAY).await.is_ok());
}

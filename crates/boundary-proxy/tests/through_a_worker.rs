//! The client's side against a worker in this process: bytes, refusals, the first user's right, limits and ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worker;

use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use boundary_proxy::{
    Authorization, AuthorizationFields, CarryError, ConnectError, Connection, CredentialError, EndedByWorker, Reason, SetupError,
    Step, WorkerProxy,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use worker::{Mood, SESSION_ID, Worker, authorization, expiration, key_pair};

const WATCHDOG: Duration = Duration::from_secs(30);

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(WATCHDOG, work).await.expect("the watchdog bit")
}

fn closed_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn refusal(mood: Mood) -> (ConnectError, Worker) {
    let (worker, authorization) = Worker::with_session(mood, None).await;
    let error = in_time(WorkerProxy::new(authorization).unwrap().connect()).await.unwrap_err();
    (error, worker)
}

async fn round_trip(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await.unwrap();
    back
}

async fn opened(mood: Mood) -> (Connection, WorkerProxy, Worker) {
    let (worker, authorization) = Worker::with_session(mood, None).await;
    let proxy = WorkerProxy::new(authorization).unwrap();
    (in_time(proxy.connect()).await.unwrap(), proxy, worker)
}

#[tokio::test]
async fn bytes_come_back_and_are_counted() {
    let (mut connection, _proxy, worker) = opened(Mood::Dutiful).await;
    assert_eq!(connection.expiration(), Some(expiration()));
    assert_eq!(connection.connections_left(), None);
    assert_eq!(connection.worker(), worker.address.to_string());
    let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
    let monitor = connection.monitor();
    let (mut reader, mut writer) = tokio::io::split(&mut connection);
    let mut back = vec![0; sent.len()];
    let (written, read) = in_time(async { tokio::join!(writer.write_all(&sent), reader.read_exact(&mut back)) }).await;
    written.unwrap();
    read.unwrap();
    assert!(back == sent);
    assert_eq!((monitor.bytes_up(), monitor.bytes_down()), (1_000_000, 1_000_000));
    assert_eq!(worker.seen.bytes_up.load(Ordering::SeqCst), 1_000_000);
}

#[tokio::test]
async fn small_pieces_written_together_are_one_message() {
    let (mut connection, _proxy, worker) = opened(Mood::Dutiful).await;
    let count = connection.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")]).await.unwrap();
    assert_eq!(count, 5);
    let mut back = [0; 5];
    in_time(connection.read_exact(&mut back)).await.unwrap();
    assert_eq!((&back, worker.seen.messages.load(Ordering::SeqCst)), (b"abcde", 1));
}

#[tokio::test]
async fn a_shutdown_closes_both_directions() {
    let (mut connection, _proxy, worker) = opened(Mood::Dutiful).await;
    in_time(connection.shutdown()).await.unwrap();
    assert_eq!(in_time(connection.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(worker.seen.closes.load(Ordering::SeqCst), 1);
    assert_eq!(connection.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn the_first_process_owns_the_session() {
    let (worker, authorization) = Worker::with_session(Mood::Dutiful, None).await;
    let (first, second) = (WorkerProxy::new(authorization.clone()).unwrap(), WorkerProxy::new(authorization).unwrap());
    let _kept = in_time(first.connect()).await.unwrap();
    let error = in_time(second.connect()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::InUse { reason: Reason::Close { code: 1008, .. }, .. }), "{error:?}");
    assert!(error.is_final());
    in_time(first.connect()).await.unwrap();
    assert_eq!(worker.seen.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_limit_counts_down_and_is_named() {
    let (_worker, authorization) = Worker::with_session(Mood::Dutiful, Some(2)).await;
    let proxy = WorkerProxy::new(authorization).unwrap();
    for left in [1, 0] {
        assert_eq!(in_time(proxy.connect()).await.unwrap().connections_left(), Some(left));
    }
    let error = in_time(proxy.connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::ConnectionLimit { .. }), "{error:?}");
}

#[tokio::test]
async fn a_cancel_ends_the_session_and_its_connections() {
    let (mut connection, proxy, _worker) = opened(Mood::Dutiful).await;
    in_time(proxy.cancel()).await.unwrap();
    let cut = in_time(connection.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(connection.monitor().ending(), None);
    assert_eq!(connection.read(&mut [0; 8]).await.unwrap(), 0);
    for error in [in_time(proxy.connect()).await.unwrap_err(), in_time(proxy.cancel()).await.unwrap_err()] {
        assert!(matches!(error, ConnectError::SessionRefused { reason: Reason::TlsAlert(_), .. }), "{error:?}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart_with_the_workers_reason() {
    let (error, worker) = refusal(Mood::KnowsNoSession).await;
    assert!(matches!(&error, ConnectError::SessionRefused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "use the Boundary session: the worker {} refuses it as unauthorized or ended (TLS alert InternalError)",
            worker.address
        )
    );
    let (error, _worker) = refusal(Mood::Http(500)).await;
    assert!(matches!(&error, ConnectError::SessionRefused { reason: Reason::Http(500), .. }), "{error:?}");
    let (error, _worker) = refusal(Mood::Http(404)).await;
    assert!(matches!(&error, ConnectError::Refused { reason: Reason::Http(404), .. }), "{error:?}");
    for reason in ["refusing to activate session", "unable to activate session", "unable to authorize connection"] {
        let (error, _worker) = refusal(Mood::Closes(1011, reason)).await;
        assert!(matches!(&error, ConnectError::SessionRefused { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("WebSocket close 1011: {reason}")), "{error}");
    }
    let (error, _worker) = refusal(Mood::Closes(1011, "worker id \u{1b}[2J is empty")).await;
    assert!(matches!(&error, ConnectError::Refused { .. }), "{error:?}");
    assert!(!error.to_string().contains('\u{1b}'));
    let (error, _worker) = refusal(Mood::SaysText).await;
    assert!(matches!(&error, ConnectError::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn a_lost_handshake_is_tried_once_more() {
    let (mut connection, _proxy, worker) = opened(Mood::LosesHandshakes(1)).await;
    assert_eq!(in_time(round_trip(&mut connection, b"there")).await, b"there");
    assert_eq!(worker.seen.dials.load(Ordering::SeqCst), 2);
    for mood in [
        Mood::LosesHandshakes(2),
        Mood::Closes(1002, "received header with unexpected rsv bits set: false:false:true"),
        Mood::Closes(1008, "invalid handshake received"),
    ] {
        let (error, worker) = refusal(mood).await;
        assert!(matches!(&error, ConnectError::HandshakeLost { .. }), "{error:?}");
        assert_eq!(worker.seen.dials.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_dead_worker_does_not_hide_the_next() {
    let worker = Worker::start(Mood::Dutiful).await;
    let authorization = authorization(&[closed_address(), worker.address], None);
    worker.carry(&authorization);
    let mut connection = in_time(WorkerProxy::new(authorization).unwrap().connect()).await.unwrap();
    assert_eq!(connection.worker(), worker.address.to_string());
    assert_eq!(in_time(round_trip(&mut connection, b"there")).await, b"there");
}

#[tokio::test]
async fn all_workers_that_cannot_be_reached_are_named() {
    let (one, other) = (closed_address(), closed_address());
    let error = WorkerProxy::new(authorization(&[one, other], None)).unwrap().connect().await.unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable { source, .. } if source.kind() == ErrorKind::ConnectionRefused));
    assert_eq!(error.to_string(), format!("reach a Boundary worker at {one}, {other}"));
}

#[tokio::test]
async fn a_refused_session_is_not_carried_to_the_next_worker() {
    let (first, second) = (Worker::start(Mood::KnowsNoSession).await, Worker::start(Mood::Dutiful).await);
    let authorization = authorization(&[first.address, second.address], None);
    let error = in_time(WorkerProxy::new(authorization).unwrap().connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::SessionRefused { .. }), "{error:?}");
    assert_eq!(second.seen.dials.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_worker_is_given_up() {
    let worker = Worker::start(Mood::Silent).await;
    let error = WorkerProxy::new(authorization(&[worker.address], None)).unwrap().connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { step: Step::Tls, .. }), "{error:?}");
}

#[tokio::test]
async fn a_worker_with_another_certificate_is_refused() {
    let worker = Worker::start(Mood::Dutiful).await;
    let (ours, foreign) = (authorization(&[worker.address], None), authorization(&[], None));
    worker.carry(&foreign);
    let error = in_time(WorkerProxy::new(ours).unwrap().connect()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Tls { source, .. } if source.to_string().contains("certificate")), "{error:?}");
}

/// Builds a worker that shows the session's certificate without having its key.
fn impostor_tls(authorization: &Authorization) -> Arc<rustls::ServerConfig> {
    let pkcs8 = boundary_proxy::ed25519_pkcs8(&key_pair(SESSION_ID).1).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice())).unwrap();
    let certificate = CertificateDer::from(authorization.certificate().to_vec());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn a_worker_with_our_certificate_but_not_its_key_is_refused() {
    let (worker, authorization) = Worker::with_session(Mood::Dutiful, None).await;
    worker.use_tls(impostor_tls(&authorization));
    let error = in_time(WorkerProxy::new(authorization).unwrap().connect()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Tls { source, .. } if source.to_string().contains("BadSignature")), "{error:?}");
}

#[tokio::test]
async fn a_worker_refuses_a_client_with_another_certificate() {
    let (worker, authorization) = Worker::with_session(Mood::Dutiful, None).await;
    let pinned = boundary_proxy::worker_tls(&authorization).unwrap();
    // The worker shows what the client expects, yet expects another client.
    let foreign = worker::authorization(&[worker.address], None);
    let mut config = (*boundary_proxy::worker_tls(&foreign).unwrap()).clone();
    config.cert_resolver = Arc::clone(&pinned.cert_resolver);
    worker.use_tls(Arc::new(config));
    let error = in_time(WorkerProxy::new(authorization).unwrap().connect()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Tls { .. }), "{error:?}");
    assert_eq!(worker.seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_named_by_the_worker() {
    let (mut connection, _proxy, _worker) = opened(Mood::EndsWith(3000, "unable to setup proxying")).await;
    let error = in_time(connection.read(&mut [0; 8])).await.unwrap_err();
    let reason = &error.get_ref().unwrap().downcast_ref::<EndedByWorker>().unwrap().0;
    assert!(reason.is_endpoint_failure(), "{reason}");
    assert_eq!(connection.monitor().ending(), Some(reason));
}

#[tokio::test]
async fn a_normal_end_is_an_end_of_input() {
    let (mut connection, _proxy, _worker) = opened(Mood::EndsWith(1000, "done")).await;
    assert_eq!(in_time(connection.read(&mut [0; 8])).await.unwrap(), 0);
    assert!(connection.monitor().ending().unwrap().is_normal());
}

#[tokio::test]
async fn sockets_lead_through_the_worker_and_say_why_they_ended() {
    let (worker, authorization) = Worker::with_session(Mood::Dutiful, None).await;
    let proxy = WorkerProxy::new(authorization).unwrap();
    let (mut one, mut other) = (proxy.connect_tcp().await.unwrap(), proxy.connect_tcp().await.unwrap());
    let sent = vec![7; 50_000];
    assert!(in_time(round_trip(&mut one, &sent)).await == sent);
    assert_eq!(in_time(round_trip(&mut other, b"there")).await, b"there");
    assert!(proxy.last_end().is_none());
    worker.end_session();
    let _ = in_time(one.read(&mut [0; 8])).await;
    assert!(matches!(&*proxy.last_end().unwrap(), CarryError::Worker { .. }));
}

#[tokio::test]
async fn a_socket_that_is_dropped_ends_its_connection() {
    let (_worker, authorization) = Worker::with_session(Mood::Dutiful, None).await;
    let proxy = WorkerProxy::new(authorization).unwrap();
    let mut socket = proxy.connect_tcp().await.unwrap();
    assert_eq!(in_time(round_trip(&mut socket, b"there")).await, b"there");
    drop(socket);
    assert_eq!(in_time(round_trip(&mut proxy.connect_tcp().await.unwrap(), b"again")).await, b"again");
    assert!(proxy.last_end().is_none());
}

#[tokio::test]
async fn an_authorization_without_workers_or_keys_is_refused_early() {
    assert!(matches!(WorkerProxy::new(authorization(&[], None)), Err(SetupError::NoWorker)));
    let (certificate, private_key) = key_pair(SESSION_ID);
    let (foreign_certificate, _) = key_pair(SESSION_ID);
    let (misnamed, its_key) = key_pair("s_other");
    let with = |certificate: &[u8], private_key: &[u8]| {
        let fields = AuthorizationFields {
            session_id: SESSION_ID.into(),
            target_id: None,
            expiration: None,
            connection_limit: None,
            endpoint: None,
            workers: vec!["127.0.0.1:1".into()],
            certificate: certificate.to_vec(),
            private_key: private_key.to_vec().into(),
        };
        match WorkerProxy::new(Authorization::from_fields(fields).unwrap()) {
            Err(SetupError::Credentials(error)) => Err(error),
            Err(other) => panic!("{other:?}"),
            Ok(proxy) => Ok(proxy),
        }
    };
    assert!(with(&certificate, &private_key).is_ok());
    assert!(matches!(with(&[], &private_key), Err(CredentialError::NoCertificate)));
    assert!(matches!(with(&certificate, &private_key[1..]), Err(CredentialError::NoPrivateKey)));
    assert!(matches!(with(&foreign_certificate, &private_key), Err(CredentialError::Unusable(_))));
    assert!(matches!(with(&misnamed, &its_key), Err(CredentialError::Unusable(_))));
    assert!(matches!(with(b"no DER", &private_key), Err(CredentialError::Unusable(_))));
}

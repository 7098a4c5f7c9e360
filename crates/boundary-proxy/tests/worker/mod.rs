//! A Boundary worker with an echo as its endpoint: enough of the protocol to be refused, cut off and counted by.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use boundary_proxy::{
    Authorization, AuthorizationFields, ClientHandshake, Command, HandshakeResult, PROXY_PATH, SUBPROTOCOL, ed25519_pkcs8,
    requested_session, worker_tls,
};
use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ED25519};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub(crate) const SESSION_ID: &str = "s_1234567890";

/// The moment at which the test session expires.
pub(crate) fn expiration() -> Timestamp {
    "2040-11-21T04:11:57.5Z".parse().unwrap()
}

/// An authorization with a new key pair.
pub(crate) fn authorization(workers: &[SocketAddr], connection_limit: Option<u32>) -> Authorization {
    let (certificate, private_key) = key_pair(SESSION_ID);
    Authorization::from_fields(AuthorizationFields {
        session_id: SESSION_ID.into(),
        target_id: Some("ttcp_1234567890".into()),
        expiration: Some(expiration()),
        connection_limit,
        endpoint: Some("tcp://127.0.0.1:443".into()),
        workers: workers.iter().map(SocketAddr::to_string).collect(),
        certificate,
        private_key: private_key.into(),
    })
    .unwrap()
}

/// A certificate as Boundary makes them (an authority with the session's id as name), and its key, seed first.
pub(crate) fn key_pair(session_id: &str) -> (Vec<u8>, Vec<u8>) {
    let mut seed = [0u8; 32];
    rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut seed).unwrap();
    let pkcs8 = ed25519_pkcs8(&[seed, [0; 32]].concat()).unwrap();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()), &PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(vec![session_id.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().to_vec(), [seed.as_slice(), key.public_key_raw()].concat())
}

/// What the worker does other than its duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Dutiful,
    /// Accepts TCP and says nothing.
    Silent,
    /// Answers the TLS hello with the alert for an internal error, as for an unknown session.
    KnowsNoSession,
    /// Answers the upgrade with a status.
    Http(u16),
    /// Answers the handshake with a close.
    Closes(u16, &'static str),
    /// Loses this many handshakes and cuts the connection.
    LosesHandshakes(u32),
    /// Answers the handshake with text.
    SaysText,
    /// Carries, then closes with this code before a byte.
    EndsWith(u16, &'static str),
}

/// What the worker has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub dials: AtomicU32,
    pub connections: AtomicU32,
    pub bytes_up: AtomicU64,
    pub messages: AtomicU64,
    pub closes: AtomicU64,
}

pub(crate) struct Worker {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    session: Arc<Session>,
    accepting: JoinHandle<()>,
}

struct Session {
    tls: Mutex<Option<Arc<ServerConfig>>>,
    mood: Mutex<Mood>,
    limit: Mutex<Option<u32>>,
    tofu_token: Mutex<Option<String>>,
    ended: watch::Sender<bool>,
    seen: Arc<Seen>,
}

impl Worker {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Seen>::default());
        let session = Arc::new(Session {
            tls: Mutex::default(),
            mood: Mutex::new(mood),
            limit: Mutex::default(),
            tofu_token: Mutex::default(),
            ended: watch::Sender::new(false),
            seen: Arc::clone(&seen),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&session)));
        Self { address, seen, session, accepting }
    }

    /// Starts a worker that carries one session, and authorizes it.
    pub(crate) async fn with_session(mood: Mood, connection_limit: Option<u32>) -> (Self, Authorization) {
        let worker = Self::start(mood).await;
        let authorization = authorization(&[worker.address], connection_limit);
        worker.carry(&authorization);
        (worker, authorization)
    }

    pub(crate) fn carry(&self, authorization: &Authorization) {
        *self.session.limit.lock().unwrap() = authorization.connection_limit();
        self.use_tls(worker_tls(authorization).unwrap());
    }

    pub(crate) fn use_tls(&self, config: Arc<ServerConfig>) {
        *self.session.tls.lock().unwrap() = Some(config);
    }

    /// Ends the session as a cancel at the controller does: without a word.
    pub(crate) fn end_session(&self) {
        self.session.ended.send_replace(true);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, session: Arc<Session>) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        session.seen.dials.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(tcp, Arc::clone(&session)));
    }
}

async fn serve(mut tcp: TcpStream, session: Arc<Session>) {
    let mood = *session.mood.lock().unwrap();
    if mood == Mood::Silent {
        return std::future::pending().await;
    }
    if mood == Mood::KnowsNoSession || *session.ended.borrow() {
        tcp.readable().await.unwrap();
        let _ = tcp.read_buf_once().await;
        let _ = tcp.write_all(&[21, 3, 3, 0, 2, 2, 80]).await;
        return;
    }
    let Ok(started) = LazyConfigAcceptor::new(Acceptor::default(), tcp).await else { return };
    assert_eq!(requested_session(&started.client_hello()).as_deref(), Some(SESSION_ID));
    let config = session.tls.lock().unwrap().clone().unwrap();
    let Ok(tls) = started.into_stream(config).await else { return };
    if let Some(stream) = upgrade(tls, mood).await {
        shake_hands(stream, &session, mood).await;
    }
}

trait ReadOnce {
    async fn read_buf_once(&mut self) -> std::io::Result<usize>;
}

impl ReadOnce for TcpStream {
    async fn read_buf_once(&mut self) -> std::io::Result<usize> {
        tokio::io::AsyncReadExt::read(self, &mut [0; 4096]).await
    }
}

type Stream = WebSocketStream<TlsStream<TcpStream>>;

#[expect(clippy::result_large_err, reason = "the library's callback has this form")]
async fn upgrade(tls: TlsStream<TcpStream>, mood: Mood) -> Option<Stream> {
    let check = |request: &Request, mut response: Response| {
        assert_eq!(request.uri().path(), PROXY_PATH);
        assert_eq!(request.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        if let Mood::Http(status) = mood {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = http::StatusCode::from_u16(status).unwrap();
            return Err(refusal);
        }
        response.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        Ok(response)
    };
    tokio_tungstenite::accept_hdr_async(tls, check).await.ok()
}

async fn close(mut stream: Stream, code: u16, reason: &'static str) {
    let frame = CloseFrame { code: code.into(), reason: reason.into() };
    let _ = stream.send(Message::Close(Some(frame))).await;
    while let Some(Ok(_)) = stream.next().await {}
}

async fn shake_hands(mut stream: Stream, session: &Session, mood: Mood) {
    let Some(Ok(Message::Binary(bytes))) = stream.next().await else { return };
    let handshake = ClientHandshake::decode(&bytes).unwrap();
    assert_eq!(handshake.tofu_token.len(), 20);
    match mood {
        Mood::LosesHandshakes(count) if session.seen.dials.load(Ordering::SeqCst) <= count => return,
        Mood::Closes(code, reason) => return close(stream, code, reason).await,
        Mood::SaysText => return stream.send(Message::text("hello")).await.unwrap(),
        _ => {}
    }
    if handshake.command == Command::CancelSession {
        session.ended.send_replace(true);
        return close(stream, 1000, "session canceled").await;
    }
    let mine = session.tofu_token.lock().unwrap().get_or_insert_with(|| handshake.tofu_token.to_string()).clone();
    if mine != *handshake.tofu_token {
        return close(stream, 1008, "tofu token not allowed").await;
    }
    let used = session.seen.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let limit = *session.limit.lock().unwrap();
    if limit.is_some_and(|limit| used > limit) {
        return close(stream, 1011, "unable to authorize connection").await;
    }
    let left = limit.map_or(-1, |limit| i32::try_from(limit - used).unwrap());
    let result = HandshakeResult {
        expiration: Some(expiration()),
        connection_limit: limit.map_or(-1, |limit| i32::try_from(limit).unwrap()),
        connections_left: left,
    };
    stream.send(Message::binary(result.encode())).await.unwrap();
    if let Mood::EndsWith(code, reason) = mood {
        return close(stream, code, reason).await;
    }
    let mut ended = session.ended.subscribe();
    tokio::select! {
        () = echo(stream, &session.seen) => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

async fn echo(mut stream: Stream, seen: &Seen) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) => {
                seen.bytes_up.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                seen.messages.fetch_add(1, Ordering::SeqCst);
                if stream.send(Message::Binary(bytes)).await.is_err() {
                    return;
                }
            }
            Message::Close(_) => {
                seen.closes.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

//! Opens connections of one session through its workers, in the order of the authorization.
//!
//! Owns the way TCP → TLS → WebSocket → handshake, its time limits, and the token that makes this process the session's one
//! user. Carries no bytes. Source: Boundary `api/proxy/websocket.go`, `internal/daemon/worker/handler.go`.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use zeroize::Zeroizing;

use crate::authorization::Authorization;
use crate::connection::Connection;
use crate::error::{ConnectError, ProtocolError, Reason, Step};
use crate::socket::LastEnd;
use crate::tls::{CredentialError, client_tls};
use crate::wire::{ClientHandshake, Command, HandshakeResult, TOFU_TOKEN_BYTES};

/// The subprotocol of the worker's WebSocket.
///
/// Source: Boundary `globals/globals.go`.
pub const SUBPROTOCOL: &str = "boundary-tcp-proxy-v1";

/// The path of the worker's WebSocket.
pub const PROXY_PATH: &str = "/v1/proxy";

/// The time for name resolution and TCP: a lost SYN is repeated after 1, 3 and 7 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for TLS, in which the worker asks its controller for the session.
const TLS_TIMEOUT: Duration = Duration::from_secs(15);

/// The time for the upgrade, which asks nobody.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for the handshake, in which the worker asks its controller twice.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The wait between the upgrade's answer and the handshake.
///
/// A worker that takes over its connection right behind that answer loses the first byte if it comes within microseconds
/// (measured with 0.21.2 on loopback: 12 of 210 handshakes without the wait, none of 220 with it).
const TAKE_OVER_PAUSE: Duration = Duration::from_millis(2);

/// The same wait when a handshake got lost all the same, as on a busy worker.
const PATIENT_PAUSE: Duration = Duration::from_millis(100);

/// The socket's read buffer in bytes: rustls alone would ask the kernel for 4 KiB at a time.
const SOCKET_BUFFER_BYTES: usize = 64 * 1024;

/// The longest message that is taken from a worker, in bytes; Boundary's workers write 32 KiB.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// The WebSocket to a worker.
pub(crate) type WorkerStream = WebSocketStream<TlsStream<BufReader<TcpStream>>>;

/// The client's side of one session: the one process that may use it.
pub struct WorkerProxy {
    authorization: Authorization,
    tls: Arc<ClientConfig>,
    tofu_token: Zeroizing<String>,
    none_left: AtomicBool,
    pub(crate) last_end: LastEnd,
}

/// Why a session cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The authorization names no worker.
    #[error("find a worker in the authorization")]
    NoWorker,
    /// The authorization's key pair cannot be used.
    #[error("prove the Boundary session")]
    Credentials(#[from] CredentialError),
    /// The system gave no random bytes.
    #[error("draw a random token")]
    Random,
}

impl WorkerProxy {
    /// Prepares the use of a session; connects nowhere yet.
    ///
    /// # Errors
    /// The authorization lacks a worker or a usable key pair.
    pub fn new(authorization: Authorization) -> Result<Self, SetupError> {
        if authorization.workers().is_empty() {
            return Err(SetupError::NoWorker);
        }
        let tls = client_tls(&authorization)?;
        Ok(Self {
            authorization,
            tls,
            tofu_token: random_token()?,
            none_left: AtomicBool::new(false),
            last_end: LastEnd::default(),
        })
    }

    /// Shows the session's authorization.
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// Opens a connection through the first worker that carries it. The first one makes the session active.
    ///
    /// The worker dials the endpoint only after this: an endpoint that cannot be reached ends the connection at once.
    ///
    /// # Errors
    /// A refusal of the session at once; else what the worker said that was the last to answer at all.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the session's connection count may have grown.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        let opened = self.through_workers(Command::Connect).await?;
        match opened.answer {
            Answer::Carries(result) => {
                self.none_left.store(result.connections_left == 0, Ordering::Relaxed);
                tracing::debug!(worker = opened.worker, connections_left = result.connections_left, "connected through a worker");
                Ok(Connection::new(opened.stream, opened.worker, &result))
            }
            Answer::Cancelled => Err(unexpected(opened.worker)),
        }
    }

    /// Ends the session, as a client does that is done with it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`ConnectError::SessionRefused`] means that it has ended already.
    pub async fn cancel(&self) -> Result<(), ConnectError> {
        let opened = self.through_workers(Command::CancelSession).await?;
        match opened.answer {
            Answer::Cancelled => Ok(()),
            Answer::Carries(_) => Err(unexpected(opened.worker)),
        }
    }

    async fn through_workers(&self, command: Command) -> Result<Opened<'_>, ConnectError> {
        let mut failure = None;
        for worker in self.authorization.workers() {
            let error = match self.through(worker, command).await {
                Err(error) if !error.is_final() => error,
                settled => return settled,
            };
            tracing::debug!(worker, error = cli_kit::chain_text(&error), "a worker does not do");
            failure = Some(more_telling(failure, error));
        }
        let none = || ConnectError::Unreachable { workers: String::new(), source: io::ErrorKind::AddrNotAvailable.into() };
        Err(failure.unwrap_or_else(none))
    }

    /// Tries a worker, twice if the handshake got lost: it has no effect then.
    async fn through<'a>(&self, worker: &'a str, command: Command) -> Result<Opened<'a>, ConnectError> {
        match self.open(worker, command, TAKE_OVER_PAUSE).await {
            Err(ConnectError::HandshakeLost { .. }) => self.open(worker, command, PATIENT_PAUSE).await,
            settled => settled,
        }
    }

    async fn open<'a>(&self, worker: &'a str, command: Command, pause: Duration) -> Result<Opened<'a>, ConnectError> {
        let tcp = timeout(CONNECT_TIMEOUT, dial(worker)).await.unwrap_or_else(|elapsed| Err(elapsed.into()));
        let tcp = tcp.map_err(|source| ConnectError::Unreachable { workers: worker.to_owned(), source })?;
        let tls = self.encrypt(worker, tcp);
        let tls = bounded(worker, Step::Tls, TLS_TIMEOUT, tls).await?.map_err(|error| ConnectError::from_tls(worker, error))?;
        let stream = bounded(worker, Step::Upgrade, UPGRADE_TIMEOUT, upgrade(worker, tls)).await?;
        let mut stream = stream.map_err(|error| ConnectError::from_upgrade(worker, error))?;
        sleep(pause).await;
        let answer =
            bounded(worker, Step::Handshake, HANDSHAKE_TIMEOUT, self.shake_hands(worker, command, &mut stream)).await??;
        Ok(Opened { stream, worker, answer })
    }

    async fn encrypt(&self, worker: &str, tcp: TcpStream) -> io::Result<TlsStream<BufReader<TcpStream>>> {
        let host = host_of(worker).to_owned();
        let name = ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let buffered = BufReader::with_capacity(SOCKET_BUFFER_BYTES, tcp);
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, buffered).await
    }

    async fn shake_hands(&self, worker: &str, command: Command, stream: &mut WorkerStream) -> Result<Answer, ConnectError> {
        let handshake = ClientHandshake { tofu_token: self.tofu_token.clone(), command };
        let sent = stream.send(Message::Binary(Bytes::from(handshake.encode()))).await;
        if sent.is_err() {
            return Err(ConnectError::HandshakeLost { worker: worker.to_owned(), reason: None });
        }
        let protocol = |source| ConnectError::Protocol { worker: worker.to_owned(), source };
        loop {
            match stream.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    let result = HandshakeResult::decode(&bytes);
                    return result.map(Answer::Carries).map_err(|error| protocol(ProtocolError::Result(error)));
                }
                Some(Ok(Message::Close(frame))) => return self.read_close(worker, command, Reason::close(frame.as_ref())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_) | Message::Frame(_))) => return Err(protocol(ProtocolError::Unexpected)),
                Some(Err(tungstenite::Error::Capacity(error))) => {
                    return Err(protocol(ProtocolError::WebSocket(Box::new(error.into()))));
                }
                Some(Err(_)) | None => return Err(ConnectError::HandshakeLost { worker: worker.to_owned(), reason: None }),
            }
        }
    }

    fn read_close(&self, worker: &str, command: Command, reason: Reason) -> Result<Answer, ConnectError> {
        if command == Command::CancelSession && reason.is_normal() {
            return Ok(Answer::Cancelled);
        }
        Err(ConnectError::from_close(worker, reason, self.none_left.load(Ordering::Relaxed)))
    }
}

impl fmt::Debug for WorkerProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerProxy").field("authorization", &self.authorization).finish_non_exhaustive()
    }
}

/// What a worker answers to a handshake that it accepts.
enum Answer {
    Carries(HandshakeResult),
    Cancelled,
}

struct Opened<'a> {
    stream: WorkerStream,
    worker: &'a str,
    answer: Answer,
}

fn unexpected(worker: &str) -> ConnectError {
    ConnectError::Protocol { worker: worker.to_owned(), source: ProtocolError::Unexpected }
}

/// Keeps the failure of the worker that was reached; all that were not become one.
fn more_telling(before: Option<ConnectError>, error: ConnectError) -> ConnectError {
    match (before, error) {
        (Some(ConnectError::Unreachable { workers, .. }), ConnectError::Unreachable { workers: worker, source }) => {
            ConnectError::Unreachable { workers: format!("{workers}, {worker}"), source }
        }
        (Some(told), ConnectError::Unreachable { .. }) => told,
        (_, error) => error,
    }
}

async fn bounded<T>(worker: &str, step: Step, within: Duration, work: impl Future<Output = T>) -> Result<T, ConnectError> {
    timeout(within, work).await.map_err(|_| ConnectError::TimedOut { worker: worker.to_owned(), step, within })
}

/// Tries the addresses of a name in turn; each gets its share of the time, so that a dead one leaves some to the next.
async fn dial(worker: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host(worker).await?.collect();
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match dial_address(address, share).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn dial_address(address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let stream = timeout(within, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn upgrade(worker: &str, stream: TlsStream<BufReader<TcpStream>>) -> Result<WorkerStream, tungstenite::Error> {
    let uri: http::Uri = format!("ws://{worker}{PROXY_PATH}").parse().map_err(http::Error::from)?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
    // Each message goes out at once: whoever writes has batched already.
    let config = WebSocketConfig::default().write_buffer_size(0).max_message_size(Some(MAX_MESSAGE_BYTES));
    let (stream, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    Ok(stream)
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host_of(worker: &str) -> &str {
    let host = worker.rsplit_once(':').map_or(worker, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn random_token() -> Result<Zeroizing<String>, SetupError> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Zeroizing::new([0u8; TOFU_TOKEN_BYTES]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| SetupError::Random)?;
    let mut token = Zeroizing::new(String::with_capacity(TOFU_TOKEN_BYTES));
    token.extend(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)])));
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_workers_length_and_differ() {
        let (one, other) = (random_token().unwrap(), random_token().unwrap());
        assert_eq!((one.len(), other.len()), (TOFU_TOKEN_BYTES, TOFU_TOKEN_BYTES));
        assert_ne!(one, other);
    }

    #[test]
    fn hosts_lose_port_and_brackets() {
        for (worker, host) in [("worker.example:9202", "worker.example"), ("[::1]:9202", "::1"), ("10.0.0.1:1", "10.0.0.1")] {
            assert_eq!(host_of(worker), host);
            assert!(ServerName::try_from(host).is_ok());
        }
    }

    #[test]
    fn a_worker_that_was_reached_tells_more_than_one_that_was_not() {
        let unreachable =
            |worker: &str| ConnectError::Unreachable { workers: worker.into(), source: io::ErrorKind::ConnectionRefused.into() };
        let both = more_telling(Some(unreachable("a:1")), unreachable("b:1"));
        assert!(matches!(&both, ConnectError::Unreachable { workers, .. } if workers == "a:1, b:1"));
        let refused = ConnectError::Refused { worker: "c:1".into(), reason: Reason::Http(404) };
        let told = more_telling(Some(more_telling(Some(both), refused)), unreachable("d:1"));
        assert!(matches!(&told, ConnectError::Refused { worker, .. } if worker == "c:1"));
    }
}

//! Opens connections through a session's workers. Owns the order of the steps, their time limits, and what a refusal means.

use crate::authorization::{Authorization, AuthorizationFields};
use crate::connection::{Connection, Socket};
use crate::handshake::{ClientHandshake, HandshakeResult, PATH, SUBPROTOCOL, TOFU_TOKEN_LENGTH};
use crate::pair::stream_through;
use crate::tls::{TlsError, client_config};
use aws_lc_rs::rand::SystemRandom;
use cli_kit::printable;
use futures_util::{SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

/// The time for one worker's TCP connection, and again for its TLS and handshake. A worker asks its controller meanwhile.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// Workers of v0.21 lose the first byte of a handshake that comes within microseconds of their answer to the upgrade
/// (`internal/daemon/worker/internal/metric/proxy_ws.go`, measured: one in ten on loopback).
const BEFORE_HANDSHAKE: Duration = Duration::from_millis(3);

/// Before a handshake that got lost all the same is tried once more.
const BEFORE_RETRY: Duration = Duration::from_millis(100);

/// The length of a port's default, when an address names none.
const DEFAULT_PORT: u16 = 9202;

/// Why there is no connection through a worker.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The token names no worker.
    #[error("the session names no worker")]
    NoWorker,
    /// The worker's address cannot be reached.
    #[error("reach the Boundary worker {worker}")]
    Unreachable {
        /// Its address.
        worker: String,
        /// What the system said.
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer from the Boundary worker {worker} within {} s", STEP_LIMIT.as_secs())]
    TimedOut {
        /// Its address.
        worker: String,
    },
    /// The worker does not know the session, or its controller does not: it has ended, was canceled, or never was.
    #[error("the Boundary worker {worker} does not accept the session: it has ended, or its credentials are refused")]
    NotAuthorized {
        /// Its address.
        worker: String,
    },
    /// Another client owns the session: the first to connect does.
    #[error("the Boundary session is in use by another program")]
    InUse,
    /// The session may have no more connections.
    #[error("the Boundary worker refuses another connection: {reason}")]
    Refused {
        /// The worker's words, made printable.
        reason: String,
    },
    /// What answers is no worker of this session.
    #[error("talk TLS with the Boundary worker {worker}")]
    Tls {
        /// Its address.
        worker: String,
        /// What TLS said.
        source: io::Error,
    },
    /// The WebSocket or the handshake went wrong.
    #[error("the Boundary worker {worker} answers otherwise than a worker does: {reason}")]
    Protocol {
        /// Its address.
        worker: String,
        /// What happened, made printable.
        reason: String,
    },
    /// The connection ended in the middle of the handshake.
    #[error("the Boundary worker {worker} closed the connection during the handshake")]
    Lost {
        /// Its address.
        worker: String,
    },
}

impl ConnectError {
    /// Whether the session itself is refused, so that another try or another worker will not help.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NotAuthorized { .. } | Self::InUse | Self::Refused { .. } | Self::NoWorker)
    }

    /// Whether the session has ended or was canceled, as far as the worker tells.
    pub fn is_session_over(&self) -> bool {
        matches!(self, Self::NotAuthorized { .. } | Self::Refused { .. })
    }
}

/// The way through one session's workers. The first connection makes this process the session's owner.
#[derive(Debug)]
pub struct WorkerProxy {
    authorization: Authorization,
    tls: Arc<ClientConfig>,
    tofu_token: String,
    last_error: Mutex<Option<String>>,
}

/// What the client wants of a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Connect,
    Cancel,
}

impl WorkerProxy {
    /// Takes over a session's authorization.
    ///
    /// # Errors
    /// When its certificate or key is of no use.
    pub fn new(authorization: Authorization) -> Result<Self, TlsError> {
        let tls = client_config(authorization.said())?;
        Ok(Self { authorization, tls, tofu_token: tofu_token(), last_error: Mutex::default() })
    }

    /// What the token says.
    pub fn session(&self) -> &AuthorizationFields {
        self.authorization.said()
    }

    /// When the session expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.session().expires_at
    }

    /// Opens one more connection, through the first worker that can be reached.
    ///
    /// # Errors
    /// [`ConnectError`]: of the last worker tried, or the first that refuses the session itself.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        let opened = self.try_workers(Command::Connect).await;
        let error = opened.as_ref().err().map(|error| cli_kit::chain_text(error));
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        opened?.ok_or(ConnectError::NoWorker)
    }

    /// Opens one more connection and returns a local socket whose bytes go through it.
    ///
    /// # Errors
    /// As [`WorkerProxy::connect`]; a loopback connection that cannot be made is [`ConnectError::Unreachable`].
    pub async fn connect_tcp(&self) -> Result<TcpStream, ConnectError> {
        let connection = self.connect().await?;
        let worker = connection.worker().to_owned();
        stream_through(connection).await.map_err(|source| ConnectError::Unreachable { worker, source })
    }

    /// Why the last [`WorkerProxy::connect`] failed, if it did.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks to cancel the session: its connections are cut, and its record ends.
    ///
    /// # Errors
    /// As [`WorkerProxy::connect`].
    pub async fn cancel(&self) -> Result<(), ConnectError> {
        self.try_workers(Command::Cancel).await.map(drop)
    }

    async fn try_workers(&self, command: Command) -> Result<Option<Connection>, ConnectError> {
        let mut last = ConnectError::NoWorker;
        for worker in &self.session().workers {
            match self.try_worker(worker, command).await {
                Err(error) if !error.is_final() => {
                    tracing::debug!(worker, error = %cli_kit::chain_text(&error), "worker not used");
                    last = error;
                }
                other => return other,
            }
        }
        Err(last)
    }

    /// One worker, with one more try when it lost the handshake.
    async fn try_worker(&self, worker: &str, command: Command) -> Result<Option<Connection>, ConnectError> {
        match self.open(worker, command).await {
            Err(ConnectError::Lost { .. }) => {
                tokio::time::sleep(BEFORE_RETRY).await;
                self.open(worker, command).await
            }
            other => other,
        }
    }

    async fn open(&self, worker: &str, command: Command) -> Result<Option<Connection>, ConnectError> {
        let timed_out = |_| ConnectError::TimedOut { worker: worker.to_owned() };
        let tcp = timeout(STEP_LIMIT, dial(worker)).await.map_err(timed_out)?;
        let tcp = tcp.map_err(|source| ConnectError::Unreachable { worker: worker.to_owned(), source })?;
        timeout(STEP_LIMIT, self.greet(tcp, worker, command)).await.map_err(timed_out)?
    }

    async fn greet(&self, tcp: TcpStream, worker: &str, command: Command) -> Result<Option<Connection>, ConnectError> {
        let (host, _) = split_address(worker);
        let name = ServerName::try_from(host.to_owned()).or_else(|_| ServerName::try_from("worker"));
        let name = name.map_err(|_| protocol(worker, "its name is none"))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let tls = connector.connect(name, tcp).await.map_err(|source| tls_error(worker, source))?;
        let mut socket = upgrade(tls, worker).await?;
        let cancel = command == Command::Cancel;
        let handshake = ClientHandshake { tofu_token: self.tofu_token.clone(), cancel };
        tokio::time::sleep(BEFORE_HANDSHAKE).await;
        socket.send(Message::Binary(handshake.encode().into())).await.map_err(|error| lost_or(worker, error))?;
        let answer = read_answer(&mut socket, worker).await?;
        match answer {
            Answer::Result(result) => Ok(Some(Connection::new(socket, worker.to_owned(), result))),
            Answer::Closed(frame) if cancel && frame.code == CloseCode::Normal => Ok(None),
            Answer::Closed(frame) => Err(refusal(worker, &frame)),
        }
    }
}

/// What a worker says to a handshake.
enum Answer {
    Result(HandshakeResult),
    Closed(CloseFrame),
}

async fn dial(worker: &str) -> io::Result<TcpStream> {
    let (host, port) = split_address(worker);
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Splits `host:port`, `[v6]:port` or a bare host.
fn split_address(worker: &str) -> (&str, u16) {
    let (host, port) = match worker.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().unwrap_or(DEFAULT_PORT)),
        _ => (worker, DEFAULT_PORT),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

async fn upgrade(tls: TlsStream<TcpStream>, worker: &str) -> Result<Socket, ConnectError> {
    let wrong = |_| protocol(worker, "its address makes no request");
    let mut request = format!("ws://{worker}{PATH}").into_client_request().map_err(wrong)?;
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", tokio_tungstenite::tungstenite::http::HeaderValue::from_static(SUBPROTOCOL));
    let config =
        WebSocketConfig::default().read_buffer_size(64 * 1024).write_buffer_size(64 * 1024).max_message_size(Some(1 << 20));
    match tokio_tungstenite::client_async_with_config(request, tls, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        // The worker answers 500 when it does not know the session.
        Err(WsError::Http(response)) if response.status().is_server_error() => {
            Err(ConnectError::NotAuthorized { worker: worker.to_owned() })
        }
        Err(WsError::Http(response)) => Err(protocol(worker, &format!("HTTP {}", response.status().as_u16()))),
        // With TLS 1.3 a refused certificate shows only here.
        Err(WsError::Io(source)) => Err(tls_error(worker, source)),
        Err(error) => Err(lost_or(worker, error)),
    }
}

async fn read_answer(socket: &mut Socket, worker: &str) -> Result<Answer, ConnectError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(message))) => {
                return HandshakeResult::decode(&message)
                    .map(Answer::Result)
                    .ok_or_else(|| protocol(worker, "its handshake result does not read"));
            }
            Some(Ok(Message::Close(Some(frame)))) => return Ok(Answer::Closed(frame)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(_)) => return Err(protocol(worker, "no handshake result")),
            Some(Err(error)) => return Err(lost_or(worker, error)),
            None => return Err(ConnectError::Lost { worker: worker.to_owned() }),
        }
    }
}

/// What a close frame in place of the handshake's result means. Source: Boundary `internal/daemon/worker/handler.go`.
fn refusal(worker: &str, frame: &CloseFrame) -> ConnectError {
    let reason = printable(&frame.reason, 125);
    match frame.reason.as_str() {
        "tofu token not allowed" => ConnectError::InUse,
        // It read something else than was sent: the lost first byte.
        "invalid handshake received" => ConnectError::Lost { worker: worker.to_owned() },
        "unable to authorize connection" | "refusing to activate session" | "unable to activate session" => {
            ConnectError::Refused { reason }
        }
        _ if frame.code == CloseCode::Protocol => ConnectError::Lost { worker: worker.to_owned() },
        _ => protocol(worker, &format!("close {} {reason}", u16::from(frame.code))),
    }
}

fn protocol(worker: &str, reason: &str) -> ConnectError {
    ConnectError::Protocol { worker: worker.to_owned(), reason: printable(reason, 200) }
}

fn lost_or(worker: &str, error: WsError) -> ConnectError {
    match error {
        WsError::Io(source) => tls_error(worker, source),
        WsError::ConnectionClosed | WsError::AlreadyClosed | WsError::Protocol(_) => {
            ConnectError::Lost { worker: worker.to_owned() }
        }
        other => protocol(worker, &other.to_string()),
    }
}

/// A worker that does not know a session ends TLS with `internal_error`.
fn tls_error(worker: &str, source: io::Error) -> ConnectError {
    let worker = worker.to_owned();
    let of_tls = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (of_tls, source.kind()) {
        (Some(rustls::Error::AlertReceived(AlertDescription::InternalError | AlertDescription::BadCertificate)), _) => {
            ConnectError::NotAuthorized { worker }
        }
        (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            ConnectError::Lost { worker }
        }
        _ => ConnectError::Tls { worker, source },
    }
}

/// Twenty random letters and digits, as the official client makes them.
fn tofu_token() -> String {
    const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz00";
    let mut bytes = [0; TOFU_TOKEN_LENGTH];
    // A machine without randomness has failed long before; a token of zeros would then only be easy to guess.
    let _ = aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_workers_are_split() {
        assert_eq!(split_address("worker.example:9202"), ("worker.example", 9202));
        assert_eq!(split_address("worker.example"), ("worker.example", DEFAULT_PORT));
        assert_eq!(split_address("[::1]:1234"), ("::1", 1234));
        assert_eq!(split_address("::1"), ("::1", DEFAULT_PORT));
    }

    #[test]
    fn tokens_are_of_the_length_that_workers_want_and_differ() {
        let (one, other) = (tofu_token(), tofu_token());
        assert_eq!(one.len(), TOFU_TOKEN_LENGTH);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }

    #[test]
    fn a_workers_words_are_told_apart() {
        let meaning = |code, reason: &str| refusal("w:1", &CloseFrame { code, reason: reason.to_owned().into() });
        assert!(matches!(meaning(CloseCode::Policy, "tofu token not allowed"), ConnectError::InUse));
        assert!(meaning(CloseCode::Error, "unable to authorize connection").is_session_over());
        assert!(matches!(meaning(CloseCode::Policy, "invalid handshake received"), ConnectError::Lost { .. }));
        let strange = meaning(CloseCode::Error, "\u{1b}[2J").to_string();
        assert!(strange.contains("1011") && !strange.contains('\u{1b}'), "{strange}");
    }
}

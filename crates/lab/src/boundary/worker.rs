//! The worker's side of the real protocol: TLS by the session's certificate, the WebSocket, the handshake and its refusals.
//! Source: boundary internal/daemon/worker/{worker,handler}.go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use boundary_proxy::{ClientHandshake, Command, HandshakeResult, PROXY_PATH, SUBPROTOCOL, TOFU_TOKEN_BYTES};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::boundary::life::Refusal;
use crate::boundary::relay;
use crate::faults::{Order, WorkerMode};
use crate::gateway::transport::finish;
use crate::journal::JournalEntry;
use crate::shared::Shared;
use crate::worker::{Strangers, accept};

pub(crate) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// The time for TLS and the handshake.
const GREETING_LIMIT: Duration = Duration::from_secs(30);

/// A TLS record: the fatal alert `internal_error`, with which Go ends a handshake that has no configuration.
const INTERNAL_ERROR: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 80];

/// Serves until the world ends; orders close and reopen the listener.
pub(crate) async fn serve(listener: TcpListener, strangers: Strangers, shared: Arc<Shared>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut orders = shared.faults.orders();
    let mut listener = Some(listener);
    loop {
        tokio::select! {
            accepted = accept(listener.as_ref()) => {
                if let Ok((client, from)) = accepted {
                    tokio::spawn(carry(client, from, strangers, shared.clone()));
                }
            }
            order = orders.recv() => match order {
                Ok(Order::WorkerListener(false)) => listener = None,
                Ok(Order::WorkerListener(true)) if listener.is_none() => listener = TcpListener::bind(address).await.ok(),
                Err(broadcast::error::RecvError::Closed) => return,
                _ => {}
            }
        }
    }
}

async fn carry(client: TcpStream, from: SocketAddr, strangers: Strangers, shared: Arc<Shared>) {
    let _ = client.set_nodelay(true);
    match tokio::time::timeout(GREETING_LIMIT, greet(client, &shared)).await {
        Ok(Ok(Some((socket, session_id, tofu_token)))) => {
            relay::carry(socket, &session_id, &tofu_token, (from, strangers), &shared).await;
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no session on this connection"),
        Err(_) => tracing::debug!("a client said nothing"),
    }
}

/// TLS, WebSocket and the client's handshake; nothing when all is said already.
async fn greet(client: TcpStream, shared: &Shared) -> io::Result<Option<(Socket, String, String)>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
    let Some((session_id, config)) = session_of(&hello.client_hello(), shared) else {
        let mut client = hello.io;
        client.write_all(&INTERNAL_ERROR).await?;
        finish(client).await;
        return Ok(None);
    };
    let tls = hello.into_stream(config).await?;
    let mut socket = tokio_tungstenite::accept_hdr_async(tls, check_upgrade).await.map_err(io::Error::other)?;
    let handshake = match socket.next().await {
        Some(Ok(Message::Binary(message))) => ClientHandshake::decode(&message).ok(),
        _ => None,
    };
    let Some(handshake) = handshake else {
        close(socket, CloseCode::Policy, "invalid handshake received").await;
        return Ok(None);
    };
    if handshake.tofu_token.len() != TOFU_TOKEN_BYTES {
        close(socket, CloseCode::Unsupported, "invalid tofu token").await;
        return Ok(None);
    }
    if handshake.command == Command::CancelSession {
        cancel(&session_id, shared);
        close(socket, CloseCode::Normal, "session canceled").await;
        return Ok(None);
    }
    Ok(Some((socket, session_id, handshake.tofu_token.to_string())))
}

/// The session stands in the server's name, or else among the protocols. An expired one is as good as unknown.
fn session_of(hello: &rustls::server::ClientHello<'_>, shared: &Shared) -> Option<(String, Arc<rustls::ServerConfig>)> {
    let session_id = boundary_proxy::requested_session(hello)?;
    let now = Timestamp::now();
    let said =
        shared.boundary.with_session(&session_id, |session| (session.expires > now).then(|| session.authorization.clone()))??;
    let config = boundary_proxy::worker_tls(&said).ok()?;
    Some((session_id, config))
}

#[expect(clippy::result_large_err, reason = "the form of tungstenite's callback")]
fn check_upgrade(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if request.uri().path() != PROXY_PATH {
        let mut refused = ErrorResponse::new(None);
        *refused.status_mut() = StatusCode::NOT_FOUND;
        return Err(refused);
    }
    if request.headers().get("sec-websocket-protocol").is_some_and(|offered| offered == SUBPROTOCOL) {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

fn cancel(session_id: &str, shared: &Shared) {
    let user_id = shared.boundary.with_session(session_id, |session| session.user_id.clone()).unwrap_or_default();
    shared.boundary.cancel_by_worker(session_id);
    let session_id = session_id.to_owned();
    shared.journal.push(JournalEntry::BoundarySessionCanceled { session_id, user_id, correlation_id: None });
}

/// Answers the handshake: what is allowed, or a refusal.
pub(crate) async fn authorize(
    mut socket: Socket,
    session_id: &str,
    tofu_token: &str,
    shared: &Shared,
) -> Option<(Socket, crate::boundary::life::Allowed)> {
    let refused = shared.faults.worker_mode() == WorkerMode::Refuse;
    let allowed = if refused { Err(Refusal::Authorize) } else { shared.boundary.allow_connection(session_id, tofu_token) };
    shared.journal.push(JournalEntry::WorkerConnection { accepted: allowed.is_ok() });
    let allowed = match allowed {
        Ok(allowed) => allowed,
        Err(refusal) => {
            let (code, reason) = refusal.words();
            close(socket, code, reason).await;
            return None;
        }
    };
    let result = shared.boundary.with_session(session_id, |session| HandshakeResult {
        expiration: Some(session.expires),
        connection_limit: session.limit(),
        connections_left: allowed.left,
    })?;
    if socket.send(Message::Binary(result.encode().into())).await.is_err() {
        shared.boundary.closed(session_id, allowed.place);
        return None;
    }
    Some((socket, allowed))
}

impl Refusal {
    fn words(self) -> (CloseCode, &'static str) {
        match self {
            Self::Tofu => (CloseCode::Policy, "tofu token not allowed"),
            Self::Activate => (CloseCode::Error, "refusing to activate session"),
            Self::Authorize => (CloseCode::Error, "unable to authorize connection"),
        }
    }
}

/// Says goodbye and waits for the client's.
pub(crate) async fn close(mut socket: Socket, code: CloseCode, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    let goodbye = async {
        if socket.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), goodbye).await;
}

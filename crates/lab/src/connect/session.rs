//! The session behind the stand-in's listener: a real one of the lab's controller, of a token, or none but in name. It owns
//! the way to the worker and the goodbye.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use boundary_proxy::{Authorization, WorkerProxy};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;

/// Largest answer of the controller, bytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// A session with less time left than this is not canceled at the end when it came by a token. Source: boundary
/// api/proxy/proxy.go.
const NO_TEARDOWN: Duration = Duration::from_mins(5);

/// What the command line says of the session.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// To be authorised at a controller.
    Controller { address: String, token: SecretString, target: String },
    /// Authorised by somebody else; its certificate opens the worker.
    Token(Arc<WorkerProxy>),
    /// A name without a controller: bytes go to the lab's plain worker.
    Plain { session_id: String, expiration: Timestamp, connection_limit: i64, worker: String },
}

/// The way to the worker.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    Plain(String),
    Worker(Arc<WorkerProxy>),
}

/// A session to be announced and used.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) expiration: Timestamp,
    pub(crate) connection_limit: i64,
    pub(crate) route: Route,
    always_canceled: bool,
}

impl Session {
    /// Opens the session that the command line names.
    pub(crate) async fn open(source: &Source) -> anyhow::Result<Self> {
        match source {
            Source::Plain { session_id, expiration, connection_limit, worker } => Ok(Self {
                id: session_id.clone(),
                expiration: *expiration,
                connection_limit: *connection_limit,
                route: Route::Plain(worker.clone()),
                always_canceled: false,
            }),
            Source::Token(proxy) => Ok(Self::of(proxy.clone(), false)),
            Source::Controller { address, token, target } => {
                let item = authorize(address, token, target).await.context("failed to authorise a session")?;
                Ok(Self::of(Arc::new(WorkerProxy::new(Authorization::decode(&item)?)?), true))
            }
        }
    }

    fn of(proxy: Arc<WorkerProxy>, always_canceled: bool) -> Self {
        let said = proxy.authorization();
        Self {
            id: said.session_id().to_owned(),
            expiration: said.expiration().unwrap_or_default(),
            connection_limit: said.connection_limit().map_or(-1, i64::from),
            always_canceled,
            route: Route::Worker(proxy),
        }
    }

    /// The time until the session expires; none when it has.
    pub(crate) fn time_left(&self) -> Duration {
        Duration::try_from(self.expiration.duration_since(Timestamp::now())).unwrap_or_default()
    }

    /// Asks the worker to cancel the session, as the CLI does at its end.
    pub(crate) async fn tear_down(&self) {
        let Route::Worker(proxy) = &self.route else { return };
        if (self.always_canceled || self.time_left() > NO_TEARDOWN)
            && let Err(error) = proxy.cancel().await
        {
            tracing::debug!(%error, "teardown");
        }
    }
}

impl Route {
    /// Opens a connection to the worker. An error is the worker's refusal.
    pub(crate) async fn open(&self) -> io::Result<TcpStream> {
        match self {
            Self::Plain(worker) => {
                let address: SocketAddr = worker.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
                TcpStream::connect(address).await
            }
            Self::Worker(proxy) => proxy.connect_tcp().await.map_err(io::Error::other),
        }
    }
}

/// Asks the controller, by plain HTTP, for a session; the answer's JSON holds the token.
async fn authorize(address: &str, token: &SecretString, target: &str) -> anyhow::Result<SecretString> {
    let host = address.trim_end_matches('/').trim_end_matches("/v1").strip_prefix("http://");
    let host = host.context("the stand-in knows only controllers at http://HOST:PORT")?;
    let stream = TcpStream::connect(host).await.with_context(|| format!("failed to reach the controller {host}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::post(format!("/v1/targets/{target}:authorize-session"))
        .header("host", host)
        .header("authorization", format!("Bearer {}", token.expose_secret()))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(b"{}")))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await.map_err(anyhow::Error::from_boxed)?.to_bytes();
    if !status.is_success() {
        bail!("the controller answered {status}");
    }
    Ok(SecretString::from(std::str::from_utf8(&body)?.to_owned()))
}

//! The controller's HTTP API: connections, requests, faults, answers on the wire. What is answered is [`super::requests`]'s.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::boundary::faults::Fate;
use crate::boundary::refusal::{self, Answer};
use crate::boundary::requests;
use crate::shared::Shared;

/// Largest request body, bytes.
const BODY_LIMIT: usize = 1 << 20;
/// What the controller says of its limits when none is reached. Source: boundary v0.21.2, measured.
const POLICY: &str = "30000;w=30;comment=\"total\", 30000;w=30;comment=\"ip-address\", 3000;w=30;comment=\"auth-token\"";

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Below `/v1/`.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) token: Option<String>,
    pub(crate) correlation_id: Option<Uuid>,
    pub(crate) client_ip: String,
    pub(crate) body: Value,
}

impl Asked {
    /// A request that a test makes past HTTP.
    pub(crate) fn by_hand(path: &str, session_id: Option<&str>) -> Self {
        let body = session_id.map_or(Value::Null, |id| serde_json::json!({"id": id}));
        let (token, correlation_id, client_ip) = (None, None, "127.0.0.1".to_owned());
        Self { method: Method::POST, path: path.to_owned(), query: BTreeMap::new(), token, correlation_id, client_ip, body }
    }
}

/// The answer is not sent: the connection ends.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct Cut;

/// Serves the API until the world ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, peer)) = listener.accept().await {
        if shared.boundary.state().faults.is_away() {
            continue;
        }
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve_connection(stream, peer.ip(), shared.clone()));
    }
}

async fn serve_connection(stream: TcpStream, peer: IpAddr, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { exchange(&shared, peer, request).await }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a controller connection ended");
    }
}

async fn exchange(shared: &Shared, peer: IpAddr, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let (fate, latency) = {
        let faults = &mut shared.boundary.state().faults;
        (faults.decide(parts.method.as_str(), parts.uri.path()), faults.latency)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match fate {
        Fate::Cut => Err(Cut),
        Fate::Limited { seconds } => Ok(busy(429, Some(seconds))),
        Fate::Unavailable { seconds } => Ok(busy(503, seconds)),
        Fate::Serve => Ok(written(answer(shared, (&parts, peer), &body))),
        Fate::Lose => {
            answer(shared, (&parts, peer), &body);
            Err(Cut)
        }
    }
}

fn answer(shared: &Shared, (parts, peer): (&http::request::Parts, IpAddr), body: &[u8]) -> Answer {
    match asked(parts, peer, body) {
        Ok(asked) => {
            // The request may take the token, or what it names, away.
            let (caller, id) = {
                let mut state = shared.boundary.state();
                (state.caller(asked.token.as_deref()), requests::id_of(&state, &asked))
            };
            let answer = requests::answer(shared, &asked);
            let now = shared.boundary.state().now();
            shared.boundary.audit.note(&asked, &caller, &id, &answer, now);
            shared.boundary.settle_ending();
            answer
        }
        Err(refused) => refused,
    }
}

fn asked(parts: &http::request::Parts, peer: IpAddr, body: &[u8]) -> Result<Asked, Answer> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let correlation_id = header("x-correlation-id").map(Uuid::parse_str).transpose();
    Ok(Asked {
        method: parts.method.clone(),
        path: parts.uri.path().strip_prefix("/v1/").unwrap_or_default().to_owned(),
        query: read_query(parts.uri.query().unwrap_or_default()),
        token: header("authorization").and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned),
        correlation_id: correlation_id.map_err(|_| refusal::internal("correlation id is not a valid uuid"))?,
        client_ip: peer.to_string(),
        body: serde_json::from_slice(body).unwrap_or_default(),
    })
}

fn written((status, document): Answer) -> Response<Full<Bytes>> {
    let text = if document.is_null() { String::new() } else { document.to_string() };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("ratelimit", HeaderValue::from_static("limit=3000, remaining=2999, reset=30"));
    headers.insert("ratelimit-policy", HeaderValue::from_static(POLICY));
    response
}

/// The answers of a full limit have no body. Source: boundary internal/ratelimit/handler.go.
fn busy(status: u16, seconds: Option<u64>) -> Response<Full<Bytes>> {
    let mut response = written((status, Value::Null));
    if let Some(seconds) = seconds {
        let headers = response.headers_mut();
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        if let Ok(limit) = HeaderValue::from_str(&format!("limit=3000, remaining=0, reset={seconds}")) {
            headers.insert("ratelimit", limit);
        }
    }
    response
}

fn read_query(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescaped(name), unescaped(value))
    };
    text.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (first, None) => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

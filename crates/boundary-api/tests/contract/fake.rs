//! A controller in this process: the answers of a real one, with their quirks, for a handful of collections.
//!
//! Owns HTTP, tokens and faults; what is stored stands in `store`, what a list shows in `list`. Never checks what a client does:
//! it only answers, and keeps what it was asked.

mod actions;
mod list;
mod store;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;

pub(crate) use store::Store;

/// The administrator's token.
pub(crate) const ADMIN_TOKEN: &str = "at_1234567890_s1admin";

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) token: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) body: Value,
}

/// What goes wrong with the next request, in the order in which it was asked for.
pub(crate) enum Fault {
    /// The request is answered with this status, an empty body and `Retry-After`.
    Busy { status: u16, retry_after: Option<&'static str> },
    /// The request is answered with this status and body.
    Says { status: u16, body: &'static str },
    /// The request is carried out and its answer is lost.
    Lost,
    /// The request is answered by a redirect to this address.
    Redirect(String),
}

/// A running fake.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    store: Store,
    faults: VecDeque<Fault>,
    seen: Vec<Seen>,
}

/// An answer's status and document; a deletion has none.
pub(crate) type Answer = (u16, Option<Value>);

/// An error as the controller writes it.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Answer {
    (status, Some(json!({ "kind": kind, "message": message })))
}

impl Fake {
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    pub(crate) async fn start_tls(tls: TlsAcceptor) -> Self {
        Self::listen(Some(tls)).await
    }

    /// Listens on a Unix socket only; the port is none.
    pub(crate) fn start_unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let fake = Self { port: 0, shared: Arc::default() };
        let served = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        fake
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fake = Self { port, shared: Arc::default() };
        let served = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().accept(stream, tls.clone()));
            }
        });
        fake
    }

    async fn accept(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        match tls {
            None => self.serve(stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.serve(stream).await;
                }
            }
        }
    }

    /// Works on what is stored.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Store) -> R) -> R {
        work(&mut self.shared().store)
    }

    pub(crate) fn next_fails(&self, fault: Fault) {
        self.shared().faults.push_back(fault);
    }

    /// Returns what was asked since the last time.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared().seen)
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = hyper::service::service_fn(move |request| self.clone().exchange(request));
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn exchange(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
        let seen = read(request).await;
        let mut shared = self.shared();
        shared.seen.push(seen.clone());
        match shared.faults.pop_front() {
            None => Ok(written(shared.store.answer(&seen))),
            Some(Fault::Lost) => {
                shared.store.answer(&seen);
                Err(io::Error::other("the answer is lost"))
            }
            Some(Fault::Busy { status, retry_after }) => Ok(busy(status, retry_after)),
            Some(Fault::Says { status, body }) => Ok(plain(status, body)),
            Some(Fault::Redirect(to)) => {
                let mut response = plain(307, "");
                response.headers_mut().insert("location", to.parse().unwrap());
                Ok(response)
            }
        }
    }
}

async fn read(request: Request<Incoming>) -> Seen {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let url = Url::parse(&format!("http://fake{}", request.uri())).unwrap();
    let mut seen = Seen {
        method: request.method().to_string(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        token: header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)),
        correlation_id: header("x-correlation-id"),
        body: Value::Null,
    };
    let body = request.into_body().collect().await.unwrap().to_bytes();
    seen.body = serde_json::from_slice(&body).unwrap_or_default();
    seen
}

fn written((status, document): Answer) -> Response<Full<Bytes>> {
    plain(status, &document.map(|document| document.to_string()).unwrap_or_default())
}

fn busy(status: u16, retry_after: Option<&'static str>) -> Response<Full<Bytes>> {
    let mut response = plain(status, "");
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.parse().unwrap());
    }
    response
}

fn plain(status: u16, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

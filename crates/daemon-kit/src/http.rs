//! `/metrics`, `/healthz` and `/readyz`. Owns the routes; everything else is 404.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a client may take for its request line and headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// The numbers of a daemon.
pub trait Scraped: Send + 'static {
    /// Prometheus' text form of all metrics.
    fn text(&self) -> String;

    /// Whether the daemon's last work is recent enough.
    fn is_ready(&self, now: Timestamp) -> bool;
}

/// Listens, and serves beside the runs.
///
/// # Errors
/// When the address cannot be had.
pub async fn serve<M: Scraped>(address: SocketAddr, metrics: Arc<Mutex<M>>) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(event = "listening", address = %listener.local_addr()?, "metrics and health are served");
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let metrics = metrics.clone();
            let service = service_fn(move |request| {
                let answer = answer(&request, &metrics);
                async move { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(async move {
                let mut server = hyper::server::conn::http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    Ok(())
}

fn answer<M: Scraped>(request: &Request<Incoming>, metrics: &Mutex<M>) -> Response<Full<Bytes>> {
    let metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, metrics.text()),
        (&Method::GET, "/healthz") => (StatusCode::OK, "alive\n".to_owned()),
        (&Method::GET, "/readyz") if metrics.is_ready(Timestamp::now()) => (StatusCode::OK, "ready\n".to_owned()),
        (&Method::GET, "/readyz") => (StatusCode::SERVICE_UNAVAILABLE, "no run has succeeded lately\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}

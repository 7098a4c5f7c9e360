//! A stand-in for an AWS endpoint or a proxy: canned or reasoned answers, every request kept.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) requests: mpsc::UnboundedReceiver<String>,
}

/// What a server answers to a request.
pub(crate) type Answer = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Writes an HTTP answer.
pub(crate) fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nx-amzn-RequestId: req-7\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

impl Server {
    /// Serves plain HTTP.
    pub(crate) async fn plain(answer: String) -> Self {
        Self::start(Arc::new(move |_| answer.clone()), None).await
    }

    /// Serves plain HTTP, and answers each request as `answer` says.
    pub(crate) async fn reasoning(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(answer), None).await
    }

    /// Serves HTTPS for 127.0.0.1; returns the CA file and the folder that holds it.
    pub(crate) async fn tls(answer: String) -> (Self, PathBuf, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let (acceptor, pem) = acceptor();
        std::fs::write(&file, pem).unwrap();
        (Self::start(Arc::new(move |_| answer.clone()), Some(acceptor)).await, file, folder)
    }

    async fn start(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(accept(stream, tls.clone(), Arc::clone(&answer), sender.clone()));
            }
        });
        Self { port, requests }
    }

    pub(crate) async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    /// Takes the requests that have arrived.
    pub(crate) fn arrived(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn accept(stream: TcpStream, tls: Option<TlsAcceptor>, answer: Answer, seen: mpsc::UnboundedSender<String>) {
    match tls {
        None => exchange(stream, &answer, &seen).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                exchange(stream, &answer, &seen).await;
            }
        }
    }
}

async fn exchange<S>(mut stream: S, answer: &Answer, seen: &mpsc::UnboundedSender<String>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    let mut request = String::from_utf8(request).unwrap();
    let length = request.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    request.push_str(std::str::from_utf8(&body).unwrap());
    let answer = answer(&request);
    // Whoever looks at the requests may be gone.
    let _ = seen.send(request);
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn acceptor() -> (TlsAcceptor, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

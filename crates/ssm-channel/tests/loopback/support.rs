//! Loopback servers with certificates made on the spot. Every server sets `TCP_NODELAY`.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use ssm_channel::{Dialer, HostPolicy, Prepared, StreamUrl, TlsSettings, prepare, tls_client_config};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) const HOST: &str = "ssmmessages.us-east-2.amazonaws.com";
pub(crate) const QUERY: &str = "role=publish_subscribe&cell-number=SECRETCELL";
pub(crate) const PATH: &str = "/v1/data-channel/ecs-execute-command-0123";

/// A certificate authority of one test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    _folder: tempfile::TempDir,
    pub(crate) file: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, pem).unwrap();
        Self { issuer: Issuer::new(params, key), _folder: folder, file }
    }

    pub(crate) fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) fn trusted(&self) -> TlsSettings {
        tls_client_config(std::slice::from_ref(&self.file)).unwrap().into()
    }
}

/// Accepts connections and hands each to the handler.
pub(crate) async fn serve<F, R>(handler: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(handler(stream));
        }
    });
    address
}

/// Accepts TLS connections for the names and hands each to the handler.
pub(crate) async fn serve_tls<F, R>(authority: &Authority, names: &[&str], handler: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let acceptor = authority.acceptor(names);
    serve(move |stream| {
        let (acceptor, handler) = (acceptor.clone(), handler.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                handler(stream).await;
            }
        }
    })
    .await
}

/// Reads a request up to its blank line.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

pub(crate) fn policy() -> HostPolicy {
    HostPolicy { region: "us-east-2".into(), insecure_loopback: true, ..HostPolicy::default() }
}

pub(crate) fn stream_url() -> StreamUrl {
    StreamUrl::parse(&format!("wss://{HOST}{PATH}?{QUERY}"), &policy()).unwrap()
}

pub(crate) async fn prepared(authority: &Authority, address: SocketAddr) -> Prepared {
    prepare(&Dialer::Listener(address), HOST, 443, &authority.trusted()).await.unwrap()
}

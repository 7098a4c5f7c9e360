//! Dials a route and finishes TLS with the certificate checked, before anything costs a session.
//! Owns the proof that the route leads to the endpoint; sends no HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::channel::Channel;
use crate::dial::{Dial, DialError, seconds};
use crate::stream_url::{StreamUrl, is_loopback};
use crate::tls::{TlsSettings, is_untrusted_issuer};
use crate::upgrade::{Signing, UpgradeError, upgrade};
use crate::wire::{Tcp, Wire, meter};

/// The time for the TLS handshake: as for the connect, three lost packets; a Boundary worker also
/// dials the endpoint within it.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection whose far end has proved to be the endpoint (or is plain loopback).
#[derive(Debug)]
pub struct Prepared {
    wire: Wire,
    host: String,
    leaf: Option<CertificateDer<'static>>,
}

/// Why the route is not proved.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// There is no TCP connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The host can be no server name.
    #[error("use {host} as a TLS server name")]
    Host {
        /// The host.
        host: String,
    },
    /// Plain text was asked for outside of loopback.
    #[error("speak plain text with {host}: it is not loopback")]
    Plain {
        /// The host.
        host: String,
    },
    /// The far end accepted and closed without a byte: a Boundary worker could not reach the
    /// endpoint, or the Boundary session is gone.
    #[error("start TLS with {host}: the far end closed the connection without an answer")]
    ClosedBeforeTls {
        /// The server name.
        host: String,
    },
    /// The far end closed in the middle of the handshake.
    #[error("finish TLS with {host}: the far end closed the connection")]
    ClosedDuringTls {
        /// The server name.
        host: String,
    },
    /// No answer, or half of one, within [`TLS_TIMEOUT`].
    #[error("finish TLS with {host} within {}", seconds(TLS_TIMEOUT))]
    TlsTimedOut {
        /// The server name.
        host: String,
    },
    /// The far end speaks another protocol.
    #[error("start TLS with {host}: the far end does not speak TLS")]
    NotTls {
        /// The server name.
        host: String,
    },
    /// The certificate is for other names.
    #[error("verify the certificate of {host}: it is for {}", list(presented))]
    WrongName {
        /// The server name.
        host: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// No trusted CA issued the certificate.
    #[error("verify the certificate of {host}: its issuer is not trusted here")]
    UnknownIssuer {
        /// The server name.
        host: String,
    },
    /// The certificate is expired or otherwise not valid.
    #[error("verify the certificate of {host}")]
    Certificate {
        /// The server name.
        host: String,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The far end refused the handshake, or broke its rules.
    #[error("finish TLS with {host}")]
    Tls {
        /// The server name.
        host: String,
        /// What happened.
        source: rustls::Error,
    },
    /// The connection failed.
    #[error("exchange TLS messages with {host}")]
    Io {
        /// The server name.
        host: String,
        /// What the system said.
        source: io::Error,
    },
}

impl PrepareError {
    /// Tells whether the route ended at something that is not the endpoint.
    pub fn leads_elsewhere(&self) -> bool {
        matches!(self, Self::NotTls { .. } | Self::WrongName { .. })
    }
}

fn list(names: &[String]) -> String {
    /// A certificate may name hundreds.
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| cli_kit::printable(name, 100)).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "no name at all".to_owned(),
        count if count > SHOWN => format!("{shown} and {} more", count - SHOWN),
        _ => shown,
    }
}

/// Dials `host:port` by the route and verifies the far end's certificate for `host`.
///
/// # Errors
/// Tells a refused, silent, foreign or mistrusted far end apart; see [`PrepareError`].
///
/// Dropping the future closes the connection.
pub async fn prepare<D: Dial>(dialer: &D, host: &str, port: u16, tls: &TlsSettings) -> Result<Prepared, PrepareError> {
    let host = host.to_ascii_lowercase();
    match tls {
        TlsSettings::PlainLoopback if !is_loopback(&host) => Err(PrepareError::Plain { host }),
        TlsSettings::PlainLoopback => {
            let tcp = meter(dialer.dial(&host, port).await?);
            Ok(Prepared { wire: Wire::plain(tcp), host, leaf: None })
        }
        TlsSettings::Verified(config) => {
            let name = server_name(&host).ok_or_else(|| PrepareError::Host { host: host.clone() })?;
            let tcp = meter(dialer.dial(&host, port).await?);
            handshake(tcp, host, name, Arc::clone(config)).await
        }
    }
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

async fn handshake(
    tcp: Tcp,
    host: String,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
) -> Result<Prepared, PrepareError> {
    let traffic = Arc::clone(tcp.get_ref().traffic());
    let connected = timeout(TLS_TIMEOUT, TlsConnector::from(config).connect(name, tcp)).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(classify(host, traffic.received(), error)),
        Err(_) => return Err(PrepareError::TlsTimedOut { host }),
    };
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.clone().into_owned());
    Ok(Prepared { wire: Wire::tls(stream), host, leaf })
}

fn classify(host: String, received: u64, error: io::Error) -> PrepareError {
    if let Some(source) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return classify_tls(host, source.clone());
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            if received == 0 {
                PrepareError::ClosedBeforeTls { host }
            } else {
                PrepareError::ClosedDuringTls { host }
            }
        }
        _ => PrepareError::Io { host, source: error },
    }
}

fn classify_tls(host: String, source: rustls::Error) -> PrepareError {
    match source {
        rustls::Error::InvalidMessage(_) => PrepareError::NotTls { host },
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName) => {
            PrepareError::WrongName { host, presented: Vec::new() }
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            PrepareError::WrongName { host, presented: presented.iter().map(|name| plain_name(name)).collect() }
        }
        rustls::Error::InvalidCertificate(reason) if is_untrusted_issuer(&reason) => PrepareError::UnknownIssuer { host },
        source @ rustls::Error::InvalidCertificate(_) => PrepareError::Certificate { host, source },
        source => PrepareError::Tls { host, source },
    }
}

/// Takes the name out of rustls's `DnsName("…")`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once("(\"").and_then(|(_, rest)| rest.strip_suffix("\")"));
    inner.unwrap_or(name).to_owned()
}

impl Prepared {
    /// Names the host that the far end has proved to be.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Tells whether the far end may also be spoken to as `host`: its certificate covers it.
    pub fn covers(&self, host: &str) -> bool {
        if host.eq_ignore_ascii_case(&self.host) {
            return true;
        }
        let Some(leaf) = &self.leaf else { return is_loopback(host) };
        match (ParsedCertificate::try_from(leaf), server_name(&host.to_ascii_lowercase())) {
            (Ok(certificate), Some(name)) => verify_server_name(&certificate, &name).is_ok(),
            _ => false,
        }
    }

    /// Tells whether the far end has closed meanwhile, as far as the runtime has heard.
    pub fn is_closed(&self) -> bool {
        self.wire.is_closed()
    }

    /// Names our end of the TCP connection: the far end of it is Boundary's client address.
    pub fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.wire.local_addr()
    }

    /// Upgrades to a WebSocket on this connection, signed unless the URL already is.
    ///
    /// # Errors
    /// A refusal carries the HTTP status and what the gateway said; see [`UpgradeError`].
    pub async fn upgrade(self, url: &StreamUrl, signing: Option<&Signing>) -> Result<Channel, UpgradeError> {
        if url.is_secure() != self.wire.is_tls() {
            return Err(UpgradeError::Scheme);
        }
        if !self.covers(url.host()) {
            return Err(UpgradeError::HostNotCovered { host: url.host().to_owned(), proved: self.host });
        }
        upgrade(self.wire, url, signing).await
    }
}

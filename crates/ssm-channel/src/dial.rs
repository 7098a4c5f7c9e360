//! Opens the TCP connection of the data channel by one of the routes. Owns the route; no TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::connect::connect;
use crate::proxy::{self, ProxyUrl};

/// The time for name resolution and connect, and again for a proxy's answer.
///
/// A lost SYN is repeated after 1, 3 and 7 s: 10 s allow for three losses.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens TCP connections to where a host and port lead.
pub trait Dial {
    /// Connects; the result carries bytes unchanged and has `TCP_NODELAY` set.
    ///
    /// # Errors
    /// Says which hop failed and how.
    fn dial(&self, host: &str, port: u16) -> impl Future<Output = Result<TcpStream, DialError>> + Send;
}

/// The routes of the data channel.
#[derive(Debug, Clone)]
pub enum Dialer {
    /// Straight to the endpoint.
    Direct,
    /// Through an HTTP proxy's CONNECT.
    HttpProxy(ProxyUrl),
    /// To Boundary's local listener, wherever its target leads; host and port are not looked at.
    Listener(SocketAddr),
}

impl Dial for Dialer {
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        match self {
            Self::Direct => connect(host, port).await,
            Self::HttpProxy(proxy) => proxy::tunnel(proxy, host, port).await,
            Self::Listener(address) => connect(&address.ip().to_string(), address.port()).await,
        }
    }
}

/// Why there is no TCP connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nothing listens there; on Boundary's listener: the proxy is gone.
    #[error("connect to {address}: refused")]
    Refused {
        /// Host and port.
        address: String,
    },
    /// No answer within [`CONNECT_TIMEOUT`].
    #[error("connect to {address} within {}", seconds(CONNECT_TIMEOUT))]
    TimedOut {
        /// Host and port.
        address: String,
    },
    /// The name could not be resolved.
    #[error("resolve {host}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The network or the operating system refused.
    #[error("connect to {address}")]
    Io {
        /// Host and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The HTTP proxy answered with a status other than 200.
    #[error("reach {address} through the proxy {proxy}: it answered {status} {reason}")]
    ProxyRefused {
        /// The proxy's host and port.
        proxy: String,
        /// The endpoint's host and port.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The status line's text, sanitised.
        reason: String,
    },
    /// The HTTP proxy closed, or answered with something else than HTTP.
    #[error("reach {address} through {proxy}: it does not answer like an HTTP proxy")]
    ProxyBroken {
        /// The proxy's host and port.
        proxy: String,
        /// The endpoint's host and port.
        address: String,
    },
}

impl DialError {
    pub(crate) fn from_io(address: &str, source: io::Error) -> Self {
        let address = address.to_owned();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { address },
            io::ErrorKind::TimedOut => Self::TimedOut { address },
            _ => Self::Io { address, source },
        }
    }
}

pub(crate) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

//! Stage two: the route is proved before anything is started in the task.
//!
//! Dials the way the data channel will go and finishes TLS with the data channel's host: only a far end that shows that host's
//! certificate may cost an ExecuteCommand.

use crate::ending::{Ending, Reason};
use crate::native::Native;
use crate::settings::{Route, Settings};
use boundary_proxy::{ConnectError, WorkerProxy};
use cli_kit::chain_text;
use ssm_channel::{
    Dial, DialError, Dialer, EndpointVariant, HostPolicy, PrepareError, Prepared, TlsSettings, default_host, prepare,
    proxy_from_env, tls_client_config,
};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;

/// The port of every ssmmessages endpoint.
const HTTPS: u16 = 443;

/// Who makes the TCP connection.
#[derive(Debug, Clone)]
enum Hop {
    /// The channel's own ways, Boundary's listener among them.
    Channel(Dialer),
    /// A worker of a Boundary session of our own.
    Worker(Arc<WorkerProxy>),
}

impl Dial for Hop {
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        match self {
            Self::Channel(dialer) => dialer.dial(host, port).await,
            Self::Worker(proxy) => proxy
                .connect_tcp()
                .await
                .map_err(|error| DialError::Io { address: format!("{host} through Boundary"), source: io::Error::other(error) }),
        }
    }
}

/// What the worker said, when the dial ended there.
fn of_worker(error: &PrepareError) -> Option<&ConnectError> {
    match error {
        PrepareError::Dial(DialError::Io { source, .. }) => source.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The way of the data channel, ready to be dialed as often as needed.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    hop: Hop,
    tls: TlsSettings,
    route: Route,
    host: String,
    /// Which hosts a stream URL may name.
    pub(crate) policy: HostPolicy,
}

impl Way {
    /// Prepares the way; no connection yet.
    ///
    /// # Errors
    /// When the trusted authorities or the proxy's address cannot be used.
    pub(crate) fn new(settings: &Settings, region: &str, native: Option<&Native>) -> Result<Self, Ending> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_true = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let variant =
            EndpointVariant { fips: is_true("AWS_USE_FIPS_ENDPOINT"), dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT") };
        let host = default_host(region, variant);
        let hop = match (settings.route, native) {
            (_, Some(native)) => Hop::Worker(Arc::clone(&native.proxy)),
            (Route::Boundary(address), None) => Hop::Channel(Dialer::Listener(address)),
            (Route::Direct | Route::Worker, None) => {
                match proxy_from_env(&host, HTTPS, variable).map_err(|error| configuration(&error))? {
                    Some(proxy) => Hop::Channel(Dialer::HttpProxy(proxy)),
                    None => Hop::Channel(Dialer::Direct),
                }
            }
        };
        let ca_files: Vec<PathBuf> =
            settings.ca_file.clone().or_else(|| variable("AWS_CA_BUNDLE").map(PathBuf::from)).into_iter().collect();
        let tls = tls_client_config(&ca_files).map_err(|error| configuration(&error))?.into();
        let policy = HostPolicy {
            region: region.to_owned(),
            extra_hosts: settings.stream_hosts.clone(),
            insecure_loopback: settings.insecure_loopback,
        };
        Ok(Self { hop, tls, route: settings.route, host, policy })
    }

    /// Dials and finishes TLS with the region's own data channel host.
    ///
    /// # Errors
    /// The ending that says where the way ends.
    pub(crate) async fn prove(&self) -> Result<Prepared, Ending> {
        self.dial(&self.host.clone(), HTTPS, true).await
    }

    /// Dials for a certain host; without TLS only to loopback, where the stream URL says so.
    ///
    /// # Errors
    /// As [`Way::prove`].
    pub(crate) async fn dial(&self, host: &str, port: u16, secure: bool) -> Result<Prepared, Ending> {
        let tls = if secure { self.tls.clone() } else { TlsSettings::PlainLoopback };
        prepare(&self.hop, host, port, &tls).await.map_err(|error| self.not_proved(host, &error))
    }

    /// Dials once more after a cut, to learn whether the way still stands.
    pub(crate) async fn still_stands(&self) -> bool {
        prepare(&self.hop, &self.host, HTTPS, &self.tls).await.is_ok()
    }

    fn not_proved(&self, host: &str, error: &PrepareError) -> Ending {
        let what = format!("failed to {}", chain_text(error));
        if !self.route.is_boundary() {
            return not_trusted(what, error);
        }
        if let Some(refusal) = of_worker(error) {
            return refused_by_worker(refusal);
        }
        if error.leads_elsewhere() {
            let sentence =
                format!("{what}: the Boundary target does not lead to the data channel; its address must be {host}, port 443");
            return Ending::failed(Reason::BoundaryTargetMismatch, sentence);
        }
        match error {
            PrepareError::Dial(DialError::Refused { .. }) => {
                Ending::failed(Reason::BoundaryClosed, format!("{what}: Boundary's proxy is gone"))
            }
            PrepareError::Dial(_)
            | PrepareError::ClosedBeforeTls { .. }
            | PrepareError::ClosedDuringTls { .. }
            | PrepareError::Io { .. } => Ending::failed(
                Reason::BoundaryClosed,
                format!(
                    "{what}: the Boundary session is over, or its worker cannot reach the target's address (it should be {host}, port 443)"
                ),
            ),
            _ => not_trusted(what, error),
        }
    }
}

/// What it means that no worker carries the connection.
fn refused_by_worker(refusal: &ConnectError) -> Ending {
    let reason = if refusal.is_final() { Reason::BoundaryClosed } else { Reason::BoundaryUnreachable };
    Ending::failed(reason, chain_text(refusal))
}

/// What it means that the far end does not show who it is.
fn not_trusted(what: String, error: &PrepareError) -> Ending {
    match error {
        PrepareError::UnknownIssuer { .. } => Ending::failed(
            Reason::Handshake,
            format!("{what}; trust its authority with --ca-file or AWS_CA_BUNDLE if it is yours"),
        ),
        PrepareError::Certificate { .. } | PrepareError::Tls { .. } => Ending::failed(Reason::Handshake, what),
        _ => Ending::failed(Reason::NetworkLost, what),
    }
}

fn configuration(error: &(dyn std::error::Error + 'static)) -> Ending {
    Ending::failed(Reason::Configuration, format!("failed to {}", chain_text(error)))
}

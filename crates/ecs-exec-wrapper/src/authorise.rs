//! Stage two: the route is proved before anything is started in the task.
//!
//! Dials the way the data channel will go and finishes TLS with the data channel's host: only a far end that shows that host's
//! certificate may cost an ExecuteCommand.

use crate::ending::{Ending, Reason};
use crate::settings::{Route, Settings};
use cli_kit::chain_text;
use ssm_channel::{
    DialError, Dialer, EndpointVariant, HostPolicy, PrepareError, Prepared, TlsSettings, default_host, prepare, proxy_from_env,
    tls_client_config,
};
use std::path::PathBuf;

/// The port of every ssmmessages endpoint.
const HTTPS: u16 = 443;

/// The way of the data channel, ready to be dialed as often as needed.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    dialer: Dialer,
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
    pub(crate) fn new(settings: &Settings, region: &str) -> Result<Self, Ending> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_true = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let variant =
            EndpointVariant { fips: is_true("AWS_USE_FIPS_ENDPOINT"), dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT") };
        let host = default_host(region, variant);
        let dialer = match settings.route {
            Route::Boundary(address) => Dialer::Listener(address),
            Route::Direct => match proxy_from_env(&host, HTTPS, variable).map_err(|error| configuration(&error))? {
                Some(proxy) => Dialer::HttpProxy(proxy),
                None => Dialer::Direct,
            },
        };
        let ca_files: Vec<PathBuf> =
            settings.ca_file.clone().or_else(|| variable("AWS_CA_BUNDLE").map(PathBuf::from)).into_iter().collect();
        let tls = tls_client_config(&ca_files).map_err(|error| configuration(&error))?.into();
        let policy = HostPolicy {
            region: region.to_owned(),
            extra_hosts: settings.stream_hosts.clone(),
            insecure_loopback: settings.insecure_loopback,
        };
        Ok(Self { dialer, tls, route: settings.route, host, policy })
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
        prepare(&self.dialer, host, port, &tls).await.map_err(|error| self.not_proved(host, &error))
    }

    /// Dials once more after a cut, to learn whether the way still stands.
    pub(crate) async fn still_stands(&self) -> bool {
        prepare(&self.dialer, &self.host, HTTPS, &self.tls).await.is_ok()
    }

    fn not_proved(&self, host: &str, error: &PrepareError) -> Ending {
        let what = format!("failed to {}", chain_text(error));
        let Route::Boundary(_) = self.route else {
            return not_trusted(what, error);
        };
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

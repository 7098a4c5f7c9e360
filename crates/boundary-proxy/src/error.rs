//! Why a worker carries nothing, in the worker's own words where it gave any.
//!
//! Owns the telling apart of refusals. Source of the words: Boundary `internal/daemon/worker/handler.go`.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::AlertDescription;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::wire::WireError;

/// The longest text of a worker that is kept, in characters; a WebSocket close has 123 bytes at most.
const MAX_TEXT: usize = 200;

const PROTOCOL_ERROR: u16 = 1002;

/// The code of a worker that could not reach the endpoint (`internal/daemon/worker/proxy/websocket_codes.go`).
const SETUP_ERROR: u16 = 3000;

/// How a worker refused or ended something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A TLS alert.
    TlsAlert(AlertDescription),
    /// An HTTP status instead of the WebSocket.
    Http(u16),
    /// A WebSocket close.
    Close {
        /// Its code; 1005 when there was none.
        code: u16,
        /// Its text, sanitised; may be empty.
        text: String,
    },
}

impl Reason {
    pub(crate) fn close(frame: Option<&CloseFrame>) -> Self {
        match frame {
            Some(frame) => Self::Close { code: frame.code.into(), text: cli_kit::printable(&frame.reason, MAX_TEXT) },
            None => Self::Close { code: 1005, text: String::new() },
        }
    }

    /// Tells whether the worker ended without a complaint.
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::Close { code: 1000 | 1001 | 1005, .. })
    }

    /// Tells whether the worker could not reach the session's endpoint.
    pub fn is_endpoint_failure(&self) -> bool {
        matches!(self, Self::Close { code: SETUP_ERROR, .. })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TlsAlert(alert) => write!(f, "TLS alert {alert:?}"),
            Self::Http(status) => write!(f, "HTTP status {status}"),
            Self::Close { code, text } if text.is_empty() => write!(f, "WebSocket close {code}"),
            Self::Close { code, text } => write!(f, "WebSocket close {code}: {text}"),
        }
    }
}

/// Why there is no connection through a worker.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No worker of the session can be reached.
    #[error("reach a Boundary worker at {workers}")]
    Unreachable {
        /// The addresses, joined with commas.
        workers: String,
        /// What the system said of the last one.
        source: io::Error,
    },
    /// A step took too long.
    #[error("{step} with the Boundary worker {worker} within {} s", within.as_secs())]
    TimedOut {
        /// The worker's address.
        worker: String,
        /// The step.
        step: Step,
        /// Its limit.
        within: Duration,
    },
    /// The worker does not prove the session's certificate, or does not accept ours.
    #[error("agree on TLS with the Boundary worker {worker}")]
    Tls {
        /// The worker's address.
        worker: String,
        /// What TLS or the network said.
        source: io::Error,
    },
    /// The session is not authorized (any longer): cancelled, expired or ended.
    #[error("use the Boundary session: the worker {worker} refuses it as unauthorized or ended ({reason})")]
    SessionRefused {
        /// The worker's address.
        worker: String,
        /// The worker's reason.
        reason: Reason,
    },
    /// Another process was the first to use the session and owns it.
    #[error("use the Boundary session: the worker {worker} says that another process uses it ({reason})")]
    InUse {
        /// The worker's address.
        worker: String,
        /// The worker's reason.
        reason: Reason,
    },
    /// The session may open no more connections.
    #[error("use the Boundary session: its connections are used up ({reason})")]
    ConnectionLimit {
        /// The worker's address.
        worker: String,
        /// The worker's reason.
        reason: Reason,
    },
    /// The worker refused with a reason of its own.
    #[error("use the Boundary worker {worker}: it refuses ({reason})")]
    Refused {
        /// The worker's address.
        worker: String,
        /// The worker's reason.
        reason: Reason,
    },
    /// The worker lost or did not understand the handshake, twice.
    ///
    /// Workers up to 0.21 lose the first byte of a handshake that comes while they still take over the connection (measured).
    #[error("shake hands with the Boundary worker {worker}: it lost the message{}", detail(reason.as_ref()))]
    HandshakeLost {
        /// The worker's address.
        worker: String,
        /// The worker's reason, if it gave one.
        reason: Option<Reason>,
    },
    /// The answer is no WebSocket of the protocol.
    #[error("speak the proxy protocol with the Boundary worker {worker}")]
    Protocol {
        /// The worker's address.
        worker: String,
        /// What is wrong.
        source: ProtocolError,
    },
}

/// How an answer breaks the protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The upgrade failed or a frame is damaged.
    #[error("read a WebSocket")]
    WebSocket(#[source] Box<tungstenite::Error>),
    /// The handshake's answer cannot be read.
    #[error("read the handshake's result")]
    Result(#[source] WireError),
    /// The answer is of a kind that has no place here.
    #[error("expect another message than the worker's")]
    Unexpected,
}

/// A step on the way to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// TLS.
    Tls,
    /// The WebSocket upgrade.
    Upgrade,
    /// The handshake of the proxy protocol.
    Handshake,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "agree on TLS",
            Self::Upgrade => "upgrade to a WebSocket",
            Self::Handshake => "shake hands",
        })
    }
}

impl ConnectError {
    /// Tells whether the session itself is refused: then no other worker and no later try will do.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::SessionRefused { .. } | Self::InUse { .. } | Self::ConnectionLimit { .. })
    }

    /// Reads a failure of TLS: a worker that does not know the session answers with the alert for an internal error.
    pub(crate) fn from_tls(worker: &str, source: io::Error) -> Self {
        let worker = worker.to_owned();
        match alert(&source) {
            Some(alert @ AlertDescription::InternalError) => Self::SessionRefused { worker, reason: Reason::TlsAlert(alert) },
            _ => Self::Tls { worker, source },
        }
    }

    /// Reads a failure of the upgrade; a certificate that the worker does not accept shows only here, as TLS 1.3 has it.
    pub(crate) fn from_upgrade(worker: &str, error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Io(source) => Self::from_tls(worker, source),
            tungstenite::Error::Http(response) => {
                let (worker, status) = (worker.to_owned(), response.status().as_u16());
                let reason = Reason::Http(status);
                // A worker that has dropped the session between TLS and HTTP says 500 and no more.
                if status == 500 { Self::SessionRefused { worker, reason } } else { Self::Refused { worker, reason } }
            }
            other => Self::Protocol { worker: worker.to_owned(), source: ProtocolError::WebSocket(Box::new(other)) },
        }
    }

    /// Reads a close in place of the handshake's result; `none_left` is whether the session's connections are used up.
    pub(crate) fn from_close(worker: &str, reason: Reason, none_left: bool) -> Self {
        let worker = worker.to_owned();
        let Reason::Close { code, text } = &reason else { return Self::Refused { worker, reason } };
        match text.as_str() {
            "tofu token not allowed" => Self::InUse { worker, reason },
            "unable to authorize connection" if none_left => Self::ConnectionLimit { worker, reason },
            "unable to authorize connection" | "refusing to activate session" | "unable to activate session" => {
                Self::SessionRefused { worker, reason }
            }
            "invalid handshake received" => Self::HandshakeLost { worker, reason: Some(reason) },
            _ if *code == PROTOCOL_ERROR => Self::HandshakeLost { worker, reason: Some(reason) },
            _ => Self::Refused { worker, reason },
        }
    }
}

fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

fn detail(reason: Option<&Reason>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

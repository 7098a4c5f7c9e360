//! What the controller stores: targets, sessions, their states and connections. It owns the changes of a session's state;
//! it knows neither HTTP nor sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boundary_proxy::Authorization;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

/// Returns the time as the controller's database keeps it: in whole microseconds.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// A target of the lab's controller.
#[derive(Clone, Debug)]
pub struct BoundaryTarget {
    /// The id, `ttcp_…`.
    pub id: String,
    /// The name.
    pub name: String,
    /// The description; its first line is the ownership marker of target-sync.
    pub description: String,
    /// Where the worker connects to: a name of the gateway, or an address of this machine.
    pub address: String,
    /// The port behind it.
    pub port: u16,
    /// The names that may stand for the id.
    pub aliases: Vec<String>,
    /// How many connections a session may have; -1 is any number.
    pub connection_limit: i32,
    /// How long a session may last, seconds.
    pub session_seconds: u32,
    /// Ids of the users who may read it and have sessions.
    pub user_ids: Vec<String>,
    /// What a generic Vault library would broker: the secret's fields.
    pub brokered: Option<Value>,
}

/// The status of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundaryStatus {
    /// Authorised, not used.
    Pending,
    /// In use.
    Active,
    /// To be ended.
    Canceling,
    /// Ended.
    Terminated,
}

impl BoundaryStatus {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Canceling => "canceling",
            Self::Terminated => "terminated",
        }
    }

    pub(crate) fn is_ending(self) -> bool {
        matches!(self, Self::Canceling | Self::Terminated)
    }
}

/// One connection through the worker.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// In audit events only.
    pub(crate) id: String,
    /// Known from the moment when the endpoint was reached.
    pub(crate) ends: Option<(SocketAddr, SocketAddr)>,
    /// What the worker counts.
    pub(crate) counts: Arc<Counts>,
    /// What it last told the controller: up, down.
    pub(crate) reported: (u64, u64),
    pub(crate) closed: bool,
}

/// A connection's payload bytes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
}

impl Counts {
    pub(crate) fn both(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) authorization: Authorization,
    /// Its place in the order of creation.
    pub(crate) place: u64,
    /// Empty when the target is deleted; so are the others.
    pub(crate) target_id: String,
    pub(crate) scope_id: String,
    /// How many connections it may have; -1 is any number.
    pub(crate) connection_limit: i32,
    pub(crate) user_id: String,
    pub(crate) auth_token_id: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) version: u32,
    /// The newest first.
    pub(crate) states: Vec<(BoundaryStatus, Timestamp)>,
    pub(crate) reason: &'static str,
    pub(crate) tofu_token: Option<String>,
    pub(crate) connections: Vec<Connection>,
    /// True ends the live connections.
    pub(crate) cut: watch::Sender<bool>,
}

impl Session {
    pub(crate) fn id(&self) -> &str {
        self.authorization.session_id()
    }

    pub(crate) fn status(&self) -> BoundaryStatus {
        self.states.first().map_or(BoundaryStatus::Pending, |state| state.0)
    }

    pub(crate) fn enter(&mut self, status: BoundaryStatus, now: Timestamp) {
        self.states.insert(0, (status, now));
        (self.updated, self.version) = (now, self.version + 1);
    }

    pub(crate) fn limit(&self) -> i32 {
        self.connection_limit
    }

    /// How many connections are left; -1 is any number.
    pub(crate) fn left(&self) -> i32 {
        let used = i32::try_from(self.connections.len()).unwrap_or(i32::MAX);
        if self.limit() < 0 { -1 } else { (self.limit() - used).max(0) }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.connections.iter().all(|connection| connection.closed)
    }

    /// Ends the session when it is due and nothing is open. Source of the reasons: boundary internal/session/query.go.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        if self.status() == BoundaryStatus::Terminated || !self.is_idle() {
            return;
        }
        let reason = if self.expires <= now {
            "timed out"
        } else if self.status() == BoundaryStatus::Canceling {
            "canceled"
        } else if self.left() == 0 {
            "connection limit"
        } else {
            return;
        };
        self.reason = reason;
        self.enter(BoundaryStatus::Terminated, now);
    }
}

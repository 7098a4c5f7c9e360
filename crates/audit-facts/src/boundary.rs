//! What Boundary says: sessions as the API shows them, and requests as its audit events tell them.
//!
//! Owns the facts' shapes and what follows from one of them alone.

use crate::fact::Key;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a Boundary session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundaryStatus {
    /// None that is known.
    #[default]
    Unknown,
    /// Authorised, never connected so far.
    Pending,
    /// Connected at least once.
    Active,
    /// About to end.
    Canceling,
    /// Ended.
    Terminated,
}

/// A Boundary session as the API showed it at one time; later readings are further facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundarySession {
    /// The id, `s_…`.
    pub id: String,
    /// The version at that time.
    pub version: u32,
    /// The target; none when it was deleted.
    pub target_id: Option<String>,
    /// The user; none when it was deleted.
    pub user_id: Option<String>,
    /// The project.
    pub scope_id: String,
    /// When it was authorised.
    pub created: Option<Timestamp>,
    /// When it ends at the latest.
    pub expiration: Option<Timestamp>,
    /// The state at that time.
    pub status: BoundaryStatus,
    /// When it became active.
    pub active_from: Option<Timestamp>,
    /// When it stopped being usable: began to be canceled, or was terminated.
    pub ended: Option<Timestamp>,
    /// Why it ended, in the controller's words. `canceled` is also a normal end.
    pub termination_reason: Option<String>,
    /// The connections; none when the reading was a list, which leaves them out.
    pub connections: Option<Vec<BoundaryConnection>>,
}

/// A connection of a Boundary session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundaryConnection {
    /// The client's address as the worker saw it, without the port.
    pub client_address: String,
    /// Bytes to the endpoint.
    pub bytes_up: u64,
    /// Bytes from the endpoint.
    pub bytes_down: u64,
    /// Why it was closed; empty while it lives.
    pub closed_reason: String,
}

impl BoundarySession {
    /// Whether it was read with its connections after its end: only then are the byte counts final.
    pub fn is_final(&self) -> bool {
        self.status == BoundaryStatus::Terminated && self.connections.is_some()
    }

    /// Bytes to the endpoint over all connections, when they were read.
    pub fn bytes_up(&self) -> Option<u64> {
        Some(self.connections.as_ref()?.iter().fold(0, |sum, connection| sum.saturating_add(connection.bytes_up)))
    }

    /// Bytes from the endpoint over all connections, when they were read.
    pub fn bytes_down(&self) -> Option<u64> {
        Some(self.connections.as_ref()?.iter().fold(0, |sum, connection| sum.saturating_add(connection.bytes_down)))
    }

    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.push(Key::boundary_session(&self.id));
        keys.extend(self.target_id.iter().map(|id| Key::boundary_target(id)));
    }
}

/// The controller deleted a session, as a refreshed list says; it does so an hour after the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundaryRemoval {
    /// The session.
    pub session_id: String,
    /// When the list was read, UTC.
    pub at: Timestamp,
}

/// What a request to the controller was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundaryEventKind {
    /// A session was asked for.
    AuthorizeSession,
    /// A session was to be canceled.
    CancelSession,
    /// A target, role, alias, grant or account was to be changed.
    Change,
    /// A worker's report on a session or a connection.
    Worker,
    /// Something else.
    Other,
}

/// A request to the controller, as an audit event tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundaryEvent {
    /// The event's id.
    pub event_id: String,
    /// When, UTC.
    pub at: Timestamp,
    /// What about. In JSON `kind` is the fact's own.
    #[serde(rename = "about")]
    pub kind: BoundaryEventKind,
    /// The request's method and path, or the worker's call.
    pub operation: String,
    /// The answer's status, where it is told.
    pub status_code: Option<u16>,
    /// The session that was made or touched.
    pub session_id: Option<String>,
    /// The target.
    pub target_id: Option<String>,
    /// Who asked.
    pub user_id: Option<String>,
    /// From where, without the port.
    pub client_address: Option<String>,
    /// The id that the client gave to the request, or that the controller made.
    pub correlation_id: Option<String>,
    /// The connection that a worker's report is about; a report on many is one fact each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionReport>,
}

/// What a worker reports of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionReport {
    /// The connection, `sc_…`: the one thing that ties a closing to its session.
    pub connection_id: String,
    /// Bytes to the endpoint, at the closing.
    pub bytes_up: Option<u64>,
    /// Bytes from the endpoint, at the closing.
    pub bytes_down: Option<u64>,
    /// Why it was closed.
    pub closed_reason: Option<String>,
}

impl BoundaryEvent {
    /// Whether the controller did it; unknown counts as done.
    pub fn was_done(&self) -> bool {
        self.status_code.is_none_or(|code| (200..300).contains(&code))
    }

    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.extend(self.session_id.iter().map(|id| Key::boundary_session(id)));
        keys.extend(self.target_id.iter().map(|id| Key::boundary_target(id)));
        keys.extend(self.connection.iter().map(|it| Key::boundary_connection(&it.connection_id)));
    }
}

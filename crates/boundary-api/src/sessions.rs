//! Sessions. The controller deletes a terminated one after an hour, and a deleted user or target leaves its id empty.

use crate::client::Client;
use crate::collection::{Collection, Resource};
use crate::error::Error;
use crate::version;
use crate::wire::{self, Item, ScopeInfo};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

/// A session of Boundary. Lists leave the connections out: read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The id, `s_…`.
    pub id: String,
    /// The target; empty when it was deleted.
    pub target_id: String,
    /// The project.
    pub scope_id: String,
    /// The project, in brief.
    pub scope: ScopeInfo,
    /// When it was authorised.
    pub created_time: Option<Timestamp>,
    /// When it last changed.
    pub updated_time: Option<Timestamp>,
    /// When it ends at the latest.
    pub expiration_time: Option<Timestamp>,
    /// The version. It may rise after the end (measured).
    pub version: u32,
    /// `tcp`, `ssh` or `rdp`; empty when the target was deleted.
    #[serde(rename = "type")]
    pub target_type: String,
    /// The auth token that authorised it; empty when that was deleted.
    pub auth_token_id: String,
    /// The user; empty when it was deleted.
    pub user_id: String,
    /// The host; empty for a target with an address.
    pub host_id: String,
    /// The host set; empty for a target with an address.
    pub host_set_id: String,
    /// Where the worker connects to, for example `tcp://127.0.0.1:8443`.
    pub endpoint: String,
    /// The state.
    pub status: SessionStatus,
    /// The states it went through, the newest first.
    pub states: Vec<SessionState>,
    /// Why it ended, in the controller's word, for example `canceled`, `timed out`, `connection limit`.
    pub termination_reason: String,
    /// Its connections.
    pub connections: Vec<Connection>,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// The state of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Authorised, without a connection so far.
    Pending,
    /// In use.
    Active,
    /// About to end.
    Canceling,
    /// Ended.
    Terminated,
    /// None, or one that this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl SessionStatus {
    /// Whether no connection can be made any more.
    pub fn is_ending(self) -> bool {
        matches!(self, Self::Canceling | Self::Terminated)
    }
}

/// One state that a session went through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SessionState {
    /// The state.
    pub status: SessionStatus,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it ended; none for the current one.
    pub end_time: Option<Timestamp>,
}

/// One connection of a session. It has neither an id nor times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// The client's address, as the worker saw it.
    pub client_tcp_address: String,
    /// The client's port, as the worker saw it.
    pub client_tcp_port: u16,
    /// The endpoint's address.
    pub endpoint_tcp_address: String,
    /// The endpoint's port.
    pub endpoint_tcp_port: u16,
    /// Bytes from the client to the endpoint; about 15 s old while the connection lives, exact after it (measured).
    #[serde(deserialize_with = "wire::count")]
    pub bytes_up: u64,
    /// Bytes from the endpoint to the client; as old as `bytes_up`.
    #[serde(deserialize_with = "wire::count")]
    pub bytes_down: u64,
    /// Why it was closed; empty while it lives.
    pub closed_reason: String,
}

impl Client {
    /// The sessions. A list of terminated ones needs [`crate::ListOptions::include_terminated`].
    pub fn sessions(&self) -> Collection<'_, Session> {
        Collection::of(self)
    }
}

impl Collection<'_, Session> {
    /// Cancels a session that has this version; one that is ending already stays as it is, whatever the version.
    ///
    /// # Errors
    /// [`crate::ErrorKind::VersionConflict`] when it has another version.
    pub async fn cancel(&self, id: &str, version: u32) -> Result<Item<Session>, Error> {
        self.act(id, version, "cancel", &json!({})).await
    }

    /// Reads a session and cancels it unless it is ending already; anew when its version has changed meanwhile.
    ///
    /// # Errors
    /// Those of the read and of [`Collection::cancel`].
    pub async fn cancel_current(&self, id: &str) -> Result<Item<Session>, Error> {
        let mut round = 0;
        loop {
            round += 1;
            let current = self.read(id).await?;
            if current.status.is_ending() {
                return Ok(current);
            }
            let outcome = self.cancel(id, current.version).await;
            if !version::begins_anew(&outcome, round) {
                return outcome;
            }
        }
    }
}

impl Resource for Session {
    const PLURAL: &'static str = "sessions";
    const NOUN: &'static str = "session";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_absent_and_bytes_are_text() {
        let text = r#"{"id":"s_1","status":"terminated","states":[{"status":"terminated"},{"status":"dreaming"}],
            "connections":[{"client_tcp_port":4711,"bytes_up":"9007199254740993"},{"closed_reason":"unknown"}]}"#;
        let session: Session = serde_json::from_str(text).unwrap();
        assert_eq!((session.connections[0].bytes_up, session.connections[0].bytes_down), (9_007_199_254_740_993, 0));
        assert_eq!(session.connections[1], Connection { closed_reason: "unknown".to_owned(), ..Connection::default() });
        assert_eq!(session.states[1].status, SessionStatus::Unknown);
        assert!(session.status.is_ending());
    }
}

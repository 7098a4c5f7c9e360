//! The life of a session: authorised, activated by its first connection, ended by a cancel, by its time or by its limit.
//! It owns the tasks that wait for the ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use boundary_proxy::{Authorization, AuthorizationFields};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::boundary::model::{BoundaryStatus, Connection, Counts, Session};
use crate::boundary::rights::Caller;
use crate::boundary::store::{Object, Store};
use crate::boundary::{Boundary, certificate, lock, seed};
use crate::random;

/// The words and codes with which a worker refuses. Source: boundary internal/daemon/worker/handler.go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another client owns the session.
    Tofu,
    /// It ended before its first connection.
    Activate,
    /// It is ending, or its limit is reached.
    Authorize,
}

/// A connection that the controller allows.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// Its place in the session's record.
    pub(crate) place: usize,
    pub(crate) counts: Arc<Counts>,
    pub(crate) cut: watch::Receiver<bool>,
    pub(crate) left: i32,
}

impl Boundary {
    /// Makes a session of a target and its authorization token.
    pub(crate) fn open_session(&self, caller: &Caller, target: &Object) -> anyhow::Result<(String, SecretString)> {
        let created = self.state().now();
        let number = |name: &str| target.fields.get(name).and_then(Value::as_i64).unwrap_or_default();
        let lasts = Duration::from_secs(u64::try_from(number("session_max_seconds")).unwrap_or_default());
        let limit = i32::try_from(number("session_connection_limit")).unwrap_or(-1);
        let expires = created.saturating_add(lasts).unwrap_or(Timestamp::MAX);
        let port = target.fields.get("attributes").and_then(|ports| ports["default_port"].as_u64()).unwrap_or_default();
        let mut said = AuthorizationFields {
            session_id: format!("s_{}", random::hex_id::<5>()),
            target_id: Some(target.id.clone()),
            expiration: Some(expires),
            connection_limit: u32::try_from(limit).ok(),
            endpoint: Some(format!("tcp://{}:{port}", target.text("address"))),
            workers: self.worker.get().map(SocketAddr::to_string).into_iter().collect(),
            certificate: Vec::new(),
            private_key: Zeroizing::default(),
        };
        certificate::certify(&mut said)?;
        let id = said.session_id.clone();
        let authorization = Authorization::from_fields(said)?;
        let token = authorization.encode();
        self.state().sessions.insert(session((authorization, limit), caller, target, (created, expires)));
        self.settle_after(lasts, id.clone());
        Ok((id, token))
    }

    /// Cuts the session's connections after a while, and ends it if it is due.
    fn settle_after(&self, wait: Duration, session_id: String) {
        let state = self.state.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            let mut state = lock(&state);
            let now = state.now();
            if let Some(session) = state.sessions.find_mut(&session_id) {
                session.cut.send_replace(true);
                session.settle(now);
            }
        });
    }

    /// Begins the end of a session; one that is ending already is left as it is.
    pub(crate) fn cancel_session(&self, session_id: &str) -> bool {
        let now = self.state().now();
        let found = self.with_session(session_id, |session| {
            if !session.status().is_ending() {
                session.enter(BoundaryStatus::Canceling, now);
            }
        });
        if found.is_some() {
            self.settle_after(self.cancel_delay, session_id.to_owned());
        }
        found.is_some()
    }

    /// Cancels a session at a worker's word.
    pub(crate) fn cancel_by_worker(&self, session_id: &str) {
        let now = self.state().now();
        self.audit.note_worker("CancelSession", &json!({"session_id": session_id}), &json!({"status": 3}), now);
        self.cancel_session(session_id);
    }

    /// Waits for the ends of sessions that what they need has taken along.
    pub(crate) fn settle_ending(&self) {
        let ending = std::mem::take(&mut self.state().ending);
        for session_id in ending {
            self.settle_after(self.cancel_delay, session_id);
        }
    }

    /// Decides on a new connection, and activates the session by the first.
    pub(crate) fn allow_connection(&self, session_id: &str, tofu_token: &str) -> Result<Allowed, Refusal> {
        let now = self.state().now();
        let tell = |method: &str, request: Value, response: Value| self.audit.note_worker(method, &request, &response, now);
        self.with_session(session_id, |session| {
            match &session.tofu_token {
                Some(known) if known != tofu_token => return Err(Refusal::Tofu),
                Some(_) => {}
                None if session.status() != BoundaryStatus::Pending => return Err(Refusal::Activate),
                None => {
                    session.tofu_token = Some(tofu_token.to_owned());
                    session.enter(BoundaryStatus::Active, now);
                    tell("ActivateSession", json!({"session_id": session_id, "version": 1}), json!({"status": 2}));
                }
            }
            let expired = session.expires <= now;
            if session.status() != BoundaryStatus::Active || expired || session.left() == 0 {
                return Err(Refusal::Authorize);
            }
            let id = Store::fresh_id("sc");
            session.connections.push(Connection { id: id.clone(), ..Connection::default() });
            let request = json!({"session_id": session_id, "worker_id": seed::WORKER_ID});
            tell("AuthorizeConnection", request, json!({"connection_id": id, "status": 1, "connections_left": session.left()}));
            let (place, left, cut) = (session.connections.len() - 1, session.left(), session.cut.subscribe());
            Ok(Allowed { place, counts: session.connections[place].counts.clone(), cut, left })
        })
        .unwrap_or(Err(Refusal::Authorize))
    }

    /// Notes both ends of a connection, once its endpoint is reached.
    pub(crate) fn connected(&self, session_id: &str, place: usize, ends: (SocketAddr, SocketAddr)) {
        let now = self.state().now();
        self.with_session(session_id, |session| {
            let connection = &mut session.connections[place];
            connection.ends = Some(ends);
            let (client, endpoint) = ends;
            let request = json!({
                "connection_id": connection.id, "client_tcp_address": client.ip(), "client_tcp_port": client.port(),
                "endpoint_tcp_address": endpoint.ip(), "endpoint_tcp_port": endpoint.port(), "type": "tcp",
                "user_client_ip": client.ip(),
            });
            self.audit.note_worker("ConnectConnection", &request, &json!({"status": 2}), now);
        });
    }

    /// Notes what a connection has carried so far.
    pub(crate) fn report(&self, session_id: &str, place: usize) {
        self.with_session(session_id, |session| {
            let connection = &mut session.connections[place];
            connection.reported = connection.counts.both();
        });
    }

    /// Notes the end of a connection; the last one may end its session.
    pub(crate) fn closed(&self, session_id: &str, place: usize) {
        self.report(session_id, place);
        let now = self.state().now();
        self.with_session(session_id, |session| {
            let connection = &mut session.connections[place];
            connection.closed = true;
            let (up, down) = connection.reported;
            let data = json!({"connection_id": connection.id, "bytes_up": up, "bytes_down": down, "reason": "unknown"});
            let response = json!({"close_response_data": [{"connection_id": "[REDACTED]", "status": 3}]});
            self.audit.note_worker("CloseConnection", &json!({"close_request_data": [data]}), &response, now);
            session.settle(now);
        });
    }
}

fn session(
    (authorization, connection_limit): (Authorization, i32),
    caller: &Caller,
    target: &Object,
    (created, expires): (Timestamp, Timestamp),
) -> Session {
    Session {
        authorization,
        place: 0,
        target_id: target.id.clone(),
        scope_id: target.parent.clone(),
        connection_limit,
        user_id: caller.user_id.clone(),
        auth_token_id: caller.auth_token_id.clone(),
        created,
        updated: created,
        expires,
        version: 1,
        states: vec![(BoundaryStatus::Pending, created)],
        reason: "",
        tofu_token: None,
        connections: Vec::new(),
        cut: watch::Sender::new(false),
    }
}

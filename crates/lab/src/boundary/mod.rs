//! Boundary on loopback: a controller's HTTP API and a worker that speaks the real protocol, with the sessions that both
//! share. It owns objects, rights, sessions and their ends; what runs through a session is none of its business.
//!
//! ```text
//! client ─ HTTP ─► api ─► requests ─► rights, list, write, members ─► State (store, sessions, tokens, clock)
//! client ─ TLS, WebSocket, handshake ─► worker ─► life ─► State           hand, snapshot: for tests ─► State
//! ```
//!
//! One delay ([`crate::WorldOptions::boundary_cancel_delay`]) stands both for the worker's poll after a cancel and for the
//! controller's ticker. There are no groups of LDAP, host catalogs, storage buckets or session recordings.

mod api;
mod audit;
mod certificate;
mod documents;
mod faults;
mod fields;
mod filter;
mod hand;
mod kind;
mod life;
mod list;
mod members;
mod model;
mod refusal;
mod relay;
mod requests;
mod rights;
mod seed;
mod sessions;
mod snapshot;
mod state;
mod store;
mod worker;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use tokio::runtime::Handle;

use api::Asked;
pub(crate) use api::serve as serve_api;
use audit::Audit;
pub use hand::BoundaryUser;
use kind::Kind;
use model::Session;
pub use model::{BoundaryStatus, BoundaryTarget};
use rights::Caller;
pub use seed::{ADMIN_PASSWORD, AUTH_METHOD_ID, ORG_ID, PROJECT_ID};
use state::State;
use store::Mark;
pub(crate) use worker::serve as serve_worker;

/// The controller's state, and the hand of a test on it.
#[derive(Debug)]
pub struct Boundary {
    state: Arc<Mutex<State>>,
    audit: Audit,
    cancel_delay: Duration,
    runtime: Handle,
    pub(crate) api: OnceLock<SocketAddr>,
    pub(crate) worker: OnceLock<SocketAddr>,
}

impl Boundary {
    pub(crate) fn new(cancel_delay: Duration, runtime: Handle) -> Self {
        let mut state = State::default();
        seed::sow(&mut state);
        let (api, worker) = (OnceLock::new(), OnceLock::new());
        let boundary = Self { state: Arc::new(Mutex::new(state)), audit: Audit::new(), cancel_delay, runtime, api, worker };
        boundary.add_target(BoundaryTarget::default());
        boundary
    }

    /// Authorises a session of alice as the API does, but asks neither rights nor workers, and returns its authorization token;
    /// none without such a target.
    pub fn authorize(&self, target: &str) -> Option<SecretString> {
        let asked = Asked::by_hand(&format!("targets/{target}:authorize-session"), None);
        let (caller, target) = {
            let state = self.state();
            let aliased = state.store.alias(target).map(|alias| alias.text("destination_id").to_owned());
            let target = state.store.one(Kind::Target, aliased.as_deref().unwrap_or(target))?.clone();
            (state.tokens_of(seed::ALICE_ID).first()?.caller.clone(), target)
        };
        let (session_id, token) = self.open_session(&caller, &target).ok()?;
        let state = self.state();
        let session = state.sessions.find(&session_id)?;
        let answer = (200, documents::authorization(&state.store, session, &target, ""));
        self.audit.note(&asked, &caller, &target.id, &answer, state.now());
        drop(state);
        Some(token)
    }

    /// Cancels a session as an administrator does; false if there is none of this id.
    pub fn cancel(&self, session_id: &str) -> bool {
        let caller = Caller { user_id: seed::ADMIN_ID.to_owned(), ..Caller::default() };
        let asked = Asked::by_hand(&format!("sessions/{session_id}:cancel"), Some(session_id));
        let found = self.cancel_session(session_id);
        let answer = if found { (200, json!({"id": session_id})) } else { refusal::not_found() };
        let now = self.state().now();
        self.audit.note(&asked, &caller, session_id, &answer, now);
        found
    }

    /// Returns the ids of all sessions, the oldest first.
    pub fn session_ids(&self) -> Vec<String> {
        self.state().sessions.ids()
    }

    /// Returns a session's status; none if there is none of this id.
    pub fn status(&self, session_id: &str) -> Option<BoundaryStatus> {
        self.with_session(session_id, |session| session.status())
    }

    /// Returns the audit events that were not taken before.
    pub(crate) fn new_audit_events(&self) -> Vec<String> {
        self.audit.take_new()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Notes where the worker listens, once that is known.
    fn know_worker(&self) {
        let Some(address) = self.worker.get() else { return };
        let mut state = self.state();
        let Some(worker) = state.store.find(seed::WORKER_ID).filter(|worker| worker.text("address").is_empty()) else { return };
        let (id, now) = (worker.id.clone(), state.now());
        state.store.edit(&id, Mark::Nothing, now, |fields| drop(fields.insert("address".to_owned(), json!(address.to_string()))));
    }

    pub(crate) fn with_session<R>(&self, session_id: &str, work: impl FnOnce(&mut Session) -> R) -> Option<R> {
        self.state().sessions.find_mut(session_id).map(work)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Boundary on loopback: a controller's HTTP API and a worker that speaks the real protocol, with the sessions that both
//! share. It owns targets, sessions and their ends; what runs through a session is none of its business.
//!
//! ```text
//! client ─ HTTP ─► api ─► Boundary (targets, sessions) ◄─ worker ◄─ TLS, WebSocket, handshake ─ client
//! ```
//!
//! One delay ([`crate::WorldOptions::boundary_cancel_delay`]) stands both for the worker's poll after a cancel and for the
//! controller's ticker. A list is one page, and its list token is refused afterwards, as after a change of grants.

mod api;
mod certificate;
mod documents;
mod filter;
mod life;
mod model;
mod relay;
mod worker;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::runtime::Handle;

use crate::random;
use crate::tls::GATEWAY_NAME;
pub(crate) use api::serve as serve_api;
use model::Session;
pub use model::{BoundaryStatus, BoundaryTarget};
pub(crate) use worker::serve as serve_worker;

/// The organisation.
pub(crate) const ORG_ID: &str = "o_lab0000001";
/// The project of all targets.
pub(crate) const PROJECT_ID: &str = "p_lab0000001";
/// Users with their login names and the ids of their auth tokens.
const USERS: [(&str, &str, &str); 2] = [("u_lab0000001", "alice", "at_lab0000001"), ("u_lab0000002", "bob", "at_lab0000002")];

/// A user whose token came with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) user_id: &'static str,
    pub(crate) auth_token_id: &'static str,
}

#[derive(Debug, Default)]
struct State {
    targets: Vec<BoundaryTarget>,
    sessions: Vec<Session>,
    auditors: HashSet<String>,
}

/// The controller's state, and the hand of a test on it.
#[derive(Debug)]
pub struct Boundary {
    state: Arc<Mutex<State>>,
    secret: String,
    cancel_delay: Duration,
    runtime: Handle,
    pub(crate) api: OnceLock<SocketAddr>,
    pub(crate) worker: OnceLock<SocketAddr>,
}

impl Default for BoundaryTarget {
    fn default() -> Self {
        Self {
            id: "ttcp_lab0000001".to_owned(),
            name: "inv-lab".to_owned(),
            description: String::new(),
            address: GATEWAY_NAME.to_owned(),
            port: 443,
            aliases: vec!["inv-lab.rosa".to_owned()],
            connection_limit: -1,
            session_seconds: 28_800,
            user_ids: USERS.iter().map(|user| user.0.to_owned()).collect(),
            brokered: None,
        }
    }
}

impl Boundary {
    pub(crate) fn new(cancel_delay: Duration, runtime: Handle) -> Self {
        let state = State { targets: vec![BoundaryTarget::default()], ..State::default() };
        let (api, worker) = (OnceLock::new(), OnceLock::new());
        Self { state: Arc::new(Mutex::new(state)), secret: random::hex_id::<20>(), cancel_delay, runtime, api, worker }
    }

    /// Adds a target; one of the same id is replaced.
    pub fn add_target(&self, target: BoundaryTarget) {
        let mut state = self.state();
        state.targets.retain(|known| known.id != target.id);
        state.targets.push(target);
    }

    /// Changes a target; false if there is none of this id. Its sessions do not change.
    pub fn set_target(&self, target_id: &str, change: impl FnOnce(&mut BoundaryTarget)) -> bool {
        self.state().targets.iter_mut().find(|target| target.id == target_id).map(change).is_some()
    }

    /// Lets a user read, list and cancel everybody's sessions.
    pub fn make_auditor(&self, user_id: &str) {
        self.state().auditors.insert(user_id.to_owned());
    }

    /// Returns the environment of a user, by login name: `BOUNDARY_ADDR` and `BOUNDARY_TOKEN`.
    ///
    /// # Panics
    /// When there is no such user.
    pub fn environment_of(&self, login_name: &str) -> Vec<(String, String)> {
        let user = USERS.iter().find(|user| user.1 == login_name).expect("the lab's users are alice and bob");
        let address = self.api.get().map_or_else(String::new, |address| format!("http://{address}"));
        vec![("BOUNDARY_ADDR".to_owned(), address), ("BOUNDARY_TOKEN".to_owned(), format!("{}_s1{}", user.2, self.secret))]
    }

    /// Authorises a session of alice as the API does, and returns its authorization token; none without such a target.
    pub fn authorize(&self, target: &str) -> Option<SecretString> {
        let target = self.find_target(target)?;
        let caller = Caller { user_id: USERS[0].0, auth_token_id: USERS[0].2 };
        self.open_session(caller, &target).ok().map(|(_, token)| token)
    }

    /// Cancels a session as an administrator does; false if there is none of this id.
    pub fn cancel(&self, session_id: &str) -> bool {
        self.cancel_session(session_id)
    }

    /// Returns the ids of all sessions, the oldest first.
    pub fn session_ids(&self) -> Vec<String> {
        self.state().sessions.iter().map(|session| session.authorization.session_id().to_owned()).collect()
    }

    /// Returns a session's status; none if there is none of this id.
    pub fn status(&self, session_id: &str) -> Option<BoundaryStatus> {
        self.with_session(session_id, |session| session.status())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn find_target(&self, id_or_alias: &str) -> Option<BoundaryTarget> {
        let named = |target: &&BoundaryTarget| {
            target.id == id_or_alias || target.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(id_or_alias))
        };
        self.state().targets.iter().find(named).cloned()
    }

    fn caller(&self, token: &str) -> Option<Caller> {
        let (id, secret) = token.rsplit_once("_s1")?;
        let user = USERS.iter().find(|user| user.2 == id && secret == self.secret)?;
        Some(Caller { user_id: user.0, auth_token_id: user.2 })
    }

    fn is_auditor(&self, user_id: &str) -> bool {
        self.state().auditors.contains(user_id)
    }

    pub(crate) fn with_session<R>(&self, session_id: &str, work: impl FnOnce(&mut Session) -> R) -> Option<R> {
        find(&mut self.state(), session_id).map(work)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find<'a>(state: &'a mut State, session_id: &str) -> Option<&'a mut Session> {
    state.sessions.iter_mut().find(|session| session.authorization.session_id() == session_id)
}

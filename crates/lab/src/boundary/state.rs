//! Everything that the controller remembers: objects, sessions, auth tokens, its clock. It owns what ends with what: a token
//! with its time, a session with its token, user, target or project.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::boundary::faults::ControllerFaults;
use crate::boundary::kind::Kind;
use crate::boundary::model::{self, BoundaryStatus, Session};
use crate::boundary::rights::{Caller, Rights};
use crate::boundary::sessions::Sessions;
use crate::boundary::store::Store;
use crate::random;

/// How long a terminated session stays. Source: boundary internal/session/job_delete_terminated_sessions.go.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How long an auth token is good. Source: boundary internal/authtoken/options.go.
const TOKEN_LIFE: Duration = Duration::from_hours(7 * 24);

/// An auth token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) caller: Caller,
    pub(crate) auth_method_id: String,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    secret: String,
}

impl Token {
    /// Returns what a request carries.
    pub(crate) fn text(&self) -> String {
        format!("{}_s1{}", self.caller.auth_token_id, self.secret)
    }
}

/// What the controller remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) faults: ControllerFaults,
    tokens: HashMap<String, Token>,
    rights: HashMap<Caller, (u64, Arc<Rights>)>,
    offset: SignedDuration,
    /// Sessions that began to end, until somebody waits for their ends.
    pub(crate) ending: Vec<String>,
}

impl State {
    /// The controller's time, as its database keeps it.
    pub(crate) fn now(&self) -> Timestamp {
        let now = model::now();
        now.checked_add(self.offset).unwrap_or(now)
    }

    /// Moves the clock on, and ends what is over by then.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.offset = self.offset.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX));
        let now = self.now();
        for session in self.sessions.all_mut() {
            if session.expires <= now {
                session.cut.send_replace(true);
            }
            session.settle(now);
        }
        self.forget_sessions();
    }

    /// Deletes sessions that terminated an hour ago.
    pub(crate) fn forget_sessions(&mut self) {
        let now = self.now();
        let old = |session: &&Session| {
            let ended = session.states.first().filter(|state| state.0 == BoundaryStatus::Terminated);
            ended.is_some_and(|state| now.duration_since(state.1) >= KEPT)
        };
        let old: Vec<String> = self.sessions.newest(u64::MAX).filter(old).map(|session| session.id().to_owned()).collect();
        for id in old {
            self.sessions.remove(&id);
            self.store.note_removed(Kind::Session, &id, now);
        }
    }

    /// Returns the rights of a caller, as they are now.
    pub(crate) fn rights(&mut self, caller: &Caller) -> Arc<Rights> {
        let changes = self.store.rights_changes();
        if let Some((known, rights)) = self.rights.get(caller).filter(|(known, _)| *known == changes) {
            debug_assert_eq!(*known, changes);
            return rights.clone();
        }
        let rights = Arc::new(Rights::of(&self.store, caller));
        self.rights.insert(caller.clone(), (changes, rights.clone()));
        rights
    }

    /// Makes an auth token of a user; `id` is fresh when it is empty.
    pub(crate) fn issue_token(&mut self, (user_id, account_id): (&str, &str), auth_method_id: &str, id: &str) -> Token {
        let id = if id.is_empty() { Store::fresh_id("at") } else { id.to_owned() };
        let (user_id, account_id) = (user_id.to_owned(), account_id.to_owned());
        let created = self.now();
        let token = Token {
            caller: Caller { user_id, account_id, auth_token_id: id.clone() },
            auth_method_id: auth_method_id.to_owned(),
            created,
            expires: created.saturating_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX),
            secret: random::hex_id::<20>(),
        };
        self.tokens.insert(id, token.clone());
        token
    }

    /// Returns who a request's token belongs to: nobody when it is none, or over.
    pub(crate) fn caller(&mut self, text: Option<&str>) -> Caller {
        let Some((id, secret)) = text.and_then(|text| text.rsplit_once("_s1")) else { return Caller::default() };
        let Some(token) = self.tokens.get(id).filter(|token| token.secret == secret) else { return Caller::default() };
        if token.expires > self.now() {
            return token.caller.clone();
        }
        let id = id.to_owned();
        self.end_tokens(|token| token.caller.auth_token_id == id);
        Caller::default()
    }

    /// Returns the auth tokens of a user.
    pub(crate) fn tokens_of(&self, user_id: &str) -> Vec<&Token> {
        let mut tokens: Vec<_> = self.tokens.values().filter(|token| token.caller.user_id == user_id).collect();
        tokens.sort_by_key(|token| token.created);
        tokens
    }

    /// Ends auth tokens, and with each its sessions.
    pub(crate) fn end_tokens(&mut self, which: impl Fn(&Token) -> bool) {
        let ended: Vec<String> = self.tokens.iter().filter(|(_, token)| which(token)).map(|(id, _)| id.clone()).collect();
        for id in ended {
            self.tokens.remove(&id);
            self.end_sessions(|session| session.auth_token_id == id, |session| session.auth_token_id.clear(), true);
        }
    }

    /// Ends the sessions of a target; its id is blanked when it is deleted.
    pub(crate) fn end_sessions_of_target(&mut self, id: &str, deleted: bool) {
        let blank = |session: &mut Session| {
            if deleted {
                session.target_id.clear();
            }
        };
        self.end_sessions(|session| session.target_id == id, blank, deleted);
    }

    pub(crate) fn end_sessions_of_user(&mut self, id: &str) {
        self.end_sessions(|session| session.user_id == id, |session| session.user_id.clear(), true);
    }

    pub(crate) fn end_sessions_of_scope(&mut self, id: &str) {
        self.end_sessions(|session| session.scope_id == id, |session| session.scope_id.clear(), true);
    }

    /// A trigger of the database ends them: their versions do not rise (measured).
    fn end_sessions(&mut self, which: impl Fn(&Session) -> bool, blank: impl Fn(&mut Session), touched: bool) {
        let now = self.now();
        for session in self.sessions.all_mut().filter(|session| which(session)) {
            blank(session);
            if touched {
                session.updated = now;
            }
            if !session.status().is_ending() {
                session.states.insert(0, (BoundaryStatus::Canceling, now));
                self.ending.push(session.authorization.session_id().to_owned());
            }
        }
    }
}

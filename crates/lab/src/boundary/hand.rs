//! The hand of a test on the controller: targets, users, faults, the clock, the worker. It goes past rights and versions; what it
//! changes shows as if an administrator had done it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::boundary::faults::Fate;
use crate::boundary::kind::Kind;
use crate::boundary::model::BoundaryTarget;
use crate::boundary::seed::{self, AUTH_METHOD_ID, PROJECT_ID, USERS};
use crate::boundary::state::State;
use crate::boundary::store::{Fields, GLOBAL, Mark, Object, Store};
use crate::boundary::{Boundary, write};
use crate::tls::GATEWAY_NAME;

/// A user of a test: how he logs in, and a token that he has already.
#[derive(Clone, Debug)]
pub struct BoundaryUser {
    /// The user's id, `u_…`.
    pub user_id: String,
    /// The account's id, `acctpw_…`.
    pub account_id: String,
    /// The role that holds his grants, `r_…`, in the global scope.
    pub role_id: String,
    /// The login name for [`crate::AUTH_METHOD_ID`].
    pub login_name: String,
    /// The password; of no value outside the lab.
    pub password: String,
    /// `BOUNDARY_ADDR` and `BOUNDARY_TOKEN`.
    pub environment: Vec<(String, String)>,
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
            user_ids: USERS[..2].iter().map(|user| user.0.to_owned()).collect(),
            brokered: None,
        }
    }
}

impl Boundary {
    /// Adds a target to the lab's project, with its aliases and a role of its users; one of the same id is replaced. A name that
    /// is taken gets the id behind it, an alias that is taken moves.
    #[expect(clippy::needless_pass_by_value, reason = "each caller makes one for this call")]
    pub fn add_target(&self, target: BoundaryTarget) {
        let mut state = self.state();
        let now = state.now();
        if state.store.find(&target.id).is_none() {
            state.store.insert(Kind::Target, (&target.id, PROJECT_ID), Fields::new(), now);
        }
        put_target(&mut state, &target);
    }

    /// Changes a target; false if there is none of this id. Its sessions do not change.
    pub fn set_target(&self, target_id: &str, change: impl FnOnce(&mut BoundaryTarget)) -> bool {
        let mut state = self.state();
        let Some(object) = state.store.one(Kind::Target, target_id).cloned() else { return false };
        let mut target = read_target(&state, &object);
        change(&mut target);
        put_target(&mut state, &target);
        true
    }

    /// Lets a user read, list and cancel everybody's sessions.
    pub fn make_auditor(&self, user_id: &str) {
        let grants = ["ids=*;type=session;actions=list,read,cancel"];
        seed::add_role(&mut self.state(), GLOBAL, "", (&[user_id], &["descendants"]), &grants);
    }

    /// Returns the environment of a user, by login name: `BOUNDARY_ADDR` and `BOUNDARY_TOKEN`. The users are alice, bob, admin
    /// (who may do everything) and those of [`Boundary::add_user`].
    ///
    /// # Panics
    /// When there is no such user, or none of his tokens is left.
    pub fn environment_of(&self, login_name: &str) -> Vec<(String, String)> {
        let state = self.state();
        let user = state.store.named(Kind::User, seed::ORG_ID, login_name).expect("a user of the lab");
        let token = state.tokens_of(&user.id).last().expect("a token of the user").text();
        let address = self.api.get().map_or_else(String::new, |address| format!("http://{address}"));
        vec![("BOUNDARY_ADDR".to_owned(), address), ("BOUNDARY_TOKEN".to_owned(), token)]
    }

    /// Adds a user of the lab's organisation, with a password, a token and a role of the global scope that holds these grants in
    /// these grant scopes (`this`, `children`, `descendants`, or scope ids).
    pub fn add_user(&self, login_name: &str, grants: &[&str], grant_scopes: &[&str]) -> BoundaryUser {
        let (user_id, account_id) = (Store::fresh_id("u"), Store::fresh_id("acctpw"));
        let password = format!("{login_name}-password");
        let role_id = {
            let mut state = self.state();
            seed::add_user(&mut state, (&user_id, &account_id), login_name, &password);
            state.issue_token((&user_id, &account_id), AUTH_METHOD_ID, "");
            seed::add_role(&mut state, GLOBAL, login_name, (&[&user_id], grant_scopes), grants)
        };
        let environment = self.environment_of(login_name);
        BoundaryUser { user_id, account_id, role_id, login_name: login_name.to_owned(), password, environment }
    }

    /// Adds a project to the lab's organisation; returns its id.
    pub fn add_project(&self, name: &str) -> String {
        let mut state = self.state();
        let (id, now) = (Store::fresh_id("p"), state.now());
        state.store.insert(Kind::Scope, (&id, seed::ORG_ID), seed::fields(json!({ "name": name })), now);
        id
    }

    /// Ends all auth tokens of a user, as their time does: his sessions are cancelled, his next request is answered 401.
    pub fn expire_tokens(&self, user_id: &str) {
        self.state().end_tokens(|token| token.caller.user_id == user_id);
        self.settle_ending();
    }

    /// Deletes an object behind everybody's back, with all that follows from it; false if there is none of this id.
    pub fn delete(&self, id: &str) -> bool {
        let found = {
            let mut state = self.state();
            let found = state.store.find(id).is_some();
            write::delete(&mut state, id);
            found
        };
        self.settle_ending();
        found
    }

    /// Changes fields of an object behind everybody's back, as another writer does: null unsets, the version rises; false if there
    /// is none of this id.
    pub fn interfere(&self, id: &str, changes: &Value) -> bool {
        let mut state = self.state();
        let (found, now) = (state.store.find(id).is_some(), state.now());
        state.store.edit(id, Mark::Version, now, |fields| {
            fields.extend(changes.as_object().cloned().unwrap_or_default());
            fields.retain(|_, value| !value.is_null());
        });
        found
    }

    /// Sets the worker's name and tags, which egress filters see as `/name` and `/tags`; not alive, it serves no new session.
    pub fn set_worker(&self, name: &str, tags: &Value, alive: bool) {
        let mut state = self.state();
        let now = state.now();
        state.store.edit(seed::WORKER_ID, Mark::Time, now, |fields| {
            fields.extend([("name".to_owned(), json!(name)), ("canonical_tags".to_owned(), tags.clone())]);
            fields.insert("config_tags".to_owned(), tags.clone());
            if alive {
                fields.remove("#gone");
            } else {
                fields.insert("#gone".to_owned(), json!(true));
            }
        });
    }

    /// Returns the audit events so far, one line of cloudevents-json each: every write of the API, refused ones too, and what the
    /// workers asked about sessions.
    pub fn audit_events(&self) -> Vec<String> {
        self.audit.lines()
    }

    /// Appends the audit events from here on to a file, too.
    pub fn write_audit_to(&self, file: &Path) {
        self.audit.write_to(file);
    }

    /// Returns the key of the audit events' HMAC-SHA256, which is over the bytes of `serialized`.
    pub fn audit_key(&self) -> &[u8] {
        self.audit.key()
    }

    /// Returns the controller's time.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Moves the controller's clock on: sessions and tokens expire, and sessions that terminated an hour ago are deleted.
    pub fn advance_clock(&self, by: Duration) {
        self.state().advance(by);
    }

    /// Answers the next requests 429, without a body, with `Retry-After` of so many seconds.
    pub fn limit_rate(&self, times: u32, retry_after: u64) {
        self.state().faults.push(Fate::Limited { seconds: retry_after }, times);
    }

    /// Answers the next requests 503, without a body; with `Retry-After`, as a full rate limiter, or without, as a proxy.
    pub fn be_unavailable(&self, times: u32, retry_after: Option<u64>) {
        self.state().faults.push(Fate::Unavailable { seconds: retry_after }, times);
    }

    /// Closes each connection without an answer until [`Boundary::come_back`]; nothing is carried out.
    pub fn go_away(&self) {
        self.state().faults.set_away(true);
    }

    /// Serves again.
    pub fn come_back(&self) {
        self.state().faults.set_away(false);
    }

    /// Carries out the `n`th write request from here on, counted from 1, and cuts the connection instead of an answer. Logins are
    /// no writes.
    pub fn lose_answer_of_write(&self, n: u32) {
        self.state().faults.nth_write(n, Fate::Lose);
    }

    /// Cuts the connection of the `n`th write request from here on, counted from 1, before anything is carried out.
    pub fn cut_write(&self, n: u32) {
        self.state().faults.nth_write(n, Fate::Cut);
    }

    /// Lets each request take so long.
    pub fn set_latency(&self, latency: Duration) {
        self.state().faults.latency = latency;
    }

    /// Forgets all faults and the latency.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Returns how often each method and path was asked for, such as `POST /v1/targets`, refused and cut requests included.
    pub fn request_counts(&self) -> BTreeMap<String, u64> {
        self.state().faults.counts().clone()
    }

    /// Returns how many requests were no reads and no logins.
    pub fn write_count(&self) -> u64 {
        let is_write = |key: &str| !key.starts_with("GET ") && !key.ends_with(":authenticate");
        self.state().faults.counts().iter().filter(|(key, _)| is_write(key)).map(|(_, count)| count).sum()
    }
}

fn put_target(state: &mut State, target: &BoundaryTarget) {
    let now = state.now();
    let taken = state.store.named(Kind::Target, PROJECT_ID, &target.name).is_some_and(|other| other.id != target.id);
    let name = if taken { format!("{} {}", target.name, target.id) } else { target.name.clone() };
    let mut fields = seed::fields(json!({
        "name": name, "description": target.description, "address": target.address, "attributes": { "default_port": target.port },
        "session_max_seconds": target.session_seconds, "session_connection_limit": target.connection_limit,
        "#brokered": target.brokered,
    }));
    fields.retain(|_, value| !(value.is_null() || value == ""));
    let mark =
        if state.store.find(&target.id).is_some_and(|known| known.fields.is_empty()) { Mark::Nothing } else { Mark::Version };
    state.store.edit(&target.id, mark, now, |known| {
        let kept = known.remove("egress_worker_filter");
        *known = fields;
        known.extend(kept.map(|kept| ("egress_worker_filter".to_owned(), kept)));
    });
    put_aliases(state, target);
    put_users(state, target);
}

fn put_aliases(state: &mut State, target: &BoundaryTarget) {
    let now = state.now();
    for id in state.store.aliases_of(&target.id) {
        let value = state.store.find(&id).map(|alias| alias.text("value").to_owned()).unwrap_or_default();
        if !target.aliases.contains(&value) {
            state.store.remove(&id, now);
        }
    }
    for value in &target.aliases {
        if let Some(alias) = state.store.alias(value) {
            let id = alias.id.clone();
            let to = json!(target.id);
            state.store.edit(&id, Mark::Nothing, now, |fields| drop(fields.insert("destination_id".to_owned(), to)));
        } else {
            let fields = seed::fields(json!({ "value": value, "destination_id": target.id }));
            state.store.insert(Kind::Alias, (&Store::fresh_id("alt"), GLOBAL), fields, now);
        }
    }
}

/// The role that a target of this hand has.
fn role_name(target_id: &str) -> String {
    format!("users of {target_id}")
}

fn put_users(state: &mut State, target: &BoundaryTarget) {
    let name = role_name(&target.id);
    let now = state.now();
    if let Some(id) = state.store.named(Kind::Role, PROJECT_ID, &name).map(|role| role.id.clone()) {
        let users = json!(target.user_ids);
        state.store.edit(&id, Mark::Version, now, |fields| drop(fields.insert("principal_ids".to_owned(), users)));
    } else {
        let users: Vec<&str> = target.user_ids.iter().map(String::as_str).collect();
        let grant = format!("ids={};actions=read,authorize-session", target.id);
        seed::add_role(state, PROJECT_ID, &name, (&users, &["this"]), &[&grant, "ids=*;type=target;actions=list"]);
    }
}

fn read_target(state: &State, object: &Object) -> BoundaryTarget {
    let number = |name: &str| object.fields.get(name).and_then(Value::as_i64).unwrap_or_default();
    let port = object.fields.get("attributes").and_then(|ports| ports["default_port"].as_u64()).unwrap_or_default();
    let role = state.store.named(Kind::Role, PROJECT_ID, &role_name(&object.id));
    let alias = |id: &String| state.store.find(id).map(|alias| alias.text("value").to_owned());
    BoundaryTarget {
        id: object.id.clone(),
        name: object.text("name").to_owned(),
        description: object.text("description").to_owned(),
        address: object.text("address").to_owned(),
        port: u16::try_from(port).unwrap_or_default(),
        aliases: state.store.aliases_of(&object.id).iter().filter_map(alias).collect(),
        connection_limit: i32::try_from(number("session_connection_limit")).unwrap_or(-1),
        session_seconds: u32::try_from(number("session_max_seconds")).unwrap_or_default(),
        user_ids: role.map(|role| role.texts("principal_ids").map(str::to_owned).collect()).unwrap_or_default(),
        brokered: object.fields.get("#brokered").cloned(),
    }
}

//! One request of the API: what is asked, who asks, whether it is there, whether he may, then the work. It owns this order, which
//! decides which refusal is told.

use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::boundary::api::Asked;
use crate::boundary::documents::{self, View};
use crate::boundary::filter::Filter;
use crate::boundary::kind::Kind;
use crate::boundary::refusal::{self, Answer};
use crate::boundary::rights::{Caller, Subject};
use crate::boundary::state::State;
use crate::boundary::store::Object;
use crate::boundary::{list, members, write};
use crate::journal::JournalEntry;
use crate::shared::Shared;

/// What a path and a method ask for.
struct Order<'a> {
    kind: Kind,
    id: String,
    action: &'a str,
}

/// Answers a request.
pub(crate) fn answer(shared: &Shared, asked: &Asked) -> Answer {
    shared.boundary.know_worker();
    done(shared, asked).unwrap_or_else(|refused| refused)
}

fn done(shared: &Shared, asked: &Asked) -> Result<Answer, Answer> {
    let (order, caller) = {
        let mut state = shared.boundary.state();
        let order = order(&state, asked)?;
        (order, state.caller(asked.token.as_deref()))
    };
    if order.kind == Kind::Session && !order.id.is_empty() {
        return session(shared, &caller, &order, asked);
    }
    if order.action == "authorize-session" {
        return authorize(shared, &caller, &order.id, asked);
    }
    let mut state = shared.boundary.state();
    match order.action {
        "list" => list::list(&mut state, order.kind, &caller, &asked.query).map(|listing| (200, listing)),
        "create" => create(&mut state, order.kind, &caller, &asked.body),
        _ => with_object(&mut state, &order, &caller, &asked.body),
    }
}

/// The id that a path names, an alias as what it stands for; empty where it names none.
pub(crate) fn id_of(state: &State, asked: &Asked) -> String {
    let rest = asked.path.split_once('/').map_or("", |(_, rest)| rest);
    let id = rest.split(':').next().unwrap_or_default();
    let alias = state.store.alias(id).filter(|_| !id.is_empty() && asked.path.starts_with("targets/"));
    alias.map_or_else(|| id.to_owned(), |alias| alias.text("destination_id").to_owned())
}

/// What is not there is told before anybody is asked who he is (measured).
fn order<'a>(state: &State, asked: &'a Asked) -> Result<Order<'a>, Answer> {
    let (plural, rest) = asked.path.split_once('/').unwrap_or((&asked.path, ""));
    let (id, action) = rest.split_once(':').unwrap_or((rest, ""));
    let kind = Kind::of_plural(plural).ok_or((404, Value::Null))?;
    let action = match (&asked.method, id.is_empty(), action) {
        (&Method::GET, true, "") => "list",
        (&Method::POST, true, "") if kind != Kind::Session && kind != Kind::Worker => "create",
        (&Method::GET, false, "") => "read",
        (&Method::PATCH, false, "") => "update",
        (&Method::DELETE, false, "") => "delete",
        (&Method::GET, false, "list-resolvable-aliases") => action,
        (&Method::POST, false, action) if kind.actions().contains(&action) => action,
        (&Method::POST, false, _) => return Err((400, Value::Null)),
        _ => return Err((405, Value::Null)),
    };
    let id = match state.store.alias(id).filter(|_| kind == Kind::Target && !id.is_empty()) {
        Some(alias) => alias.text("destination_id").to_owned(),
        None => id.to_owned(),
    };
    let there = match kind {
        Kind::Session => state.sessions.find(&id).is_some(),
        _ => state.store.one(kind, &id).is_some(),
    };
    if there || matches!(action, "list" | "create") { Ok(Order { kind, id, action }) } else { Err(refusal::not_found()) }
}

fn denied(caller: &Caller) -> Answer {
    if caller.is_nobody() { refusal::unauthenticated() } else { refusal::forbidden() }
}

fn create(state: &mut State, kind: Kind, caller: &Caller, body: &Value) -> Result<Answer, Answer> {
    let parent = write::parent_of(kind, body)?;
    let holder = state.store.find(&parent).ok_or_else(refusal::not_found)?;
    let chain = if holder.kind == Kind::Scope { state.store.chain(&parent) } else { state.store.scopes_of(holder) };
    let subject = Subject { kind, id: "", parent: &parent, chain: &chain, own: false };
    if !state.rights(caller).allow_collection(subject, "create") {
        return Err(denied(caller));
    }
    let id = write::create(state, kind, &parent, body)?;
    // The caller sees what he made, also when he may not read it.
    let object = state.store.find(&id).cloned().ok_or_else(refusal::not_found)?;
    Ok((200, shown(state, caller, &object, "create")))
}

fn with_object(state: &mut State, order: &Order<'_>, caller: &Caller, body: &Value) -> Result<Answer, Answer> {
    let object = state.store.find(&order.id).cloned().ok_or_else(refusal::not_found)?;
    let chain = state.store.scopes_of(&object);
    let subject = Subject { kind: object.kind, id: &object.id, parent: &object.parent, chain: &chain, own: false };
    if order.action == "authenticate" {
        return login(state, &object, body);
    }
    if !state.rights(caller).allow(subject, order.action) {
        return Err(denied(caller));
    }
    match order.action {
        "read" => {}
        "update" => write::update(state, &object, body)?,
        "delete" => return delete(state, &object),
        "list-resolvable-aliases" => return Ok((200, resolvable(state, &object))),
        action => members::act(state, &object, action, body)?,
    }
    let object = state.store.find(&order.id).cloned().ok_or_else(refusal::not_found)?;
    Ok((200, shown(state, caller, &object, order.action)))
}

/// A document of an object; of one that the caller may do nothing with, its id.
fn shown(state: &mut State, caller: &Caller, object: &Object, action: &str) -> Value {
    let rights = state.rights(caller);
    let view = View { store: &state.store, rights: &rights, caller, in_a_list: false };
    view.object(object, action).unwrap_or_else(|| view.bare(object))
}

fn delete(state: &mut State, object: &Object) -> Result<Answer, Answer> {
    let kept = match object.id.as_str() {
        "u_auth" => "authenticated",
        "u_anon" => "anonymous",
        "u_recovery" => "recovery",
        _ => "",
    };
    if !kept.is_empty() {
        let act =
            format!("users.(Service).deleteFromRepo: unable to delete user: iam.(Repository).DeleteUser: for {}", object.id);
        let rest = format!("deletion of {kept} user not allowed: integrity violation: error #1104");
        let message = format!("{act}: iam.(Repository).delete: db.DoTx: iam.(Repository).delete: db.Delete: {rest}");
        return Err(refusal::internal(&message));
    }
    write::delete(state, &object.id);
    Ok(if object.kind == Kind::AuthMethod { (200, json!({})) } else { (204, Value::Null) })
}

/// Logs in by password. The user is the one who has the account.
fn login(state: &mut State, auth_method: &Object, body: &Value) -> Result<Answer, Answer> {
    let refused = || refusal::error(401, "Unauthenticated", "Unable to authenticate.");
    let said = |name: &str| body["attributes"][name].as_str().unwrap_or_default().to_owned();
    let account = state.store.account(&auth_method.id, &said("login_name")).cloned().ok_or_else(refused)?;
    if account.text("#password") != said("password") || account.text("#password").is_empty() {
        return Err(refused());
    }
    let user_id = state.store.user_of(&account.id).ok_or_else(refused)?;
    let token = state.issue_token((&user_id, &account.id), &auth_method.id, "");
    let attributes = json!({
        "id": token.caller.auth_token_id, "token": token.text(), "user_id": user_id, "account_id": account.id,
        "auth_method_id": token.auth_method_id, "created_time": token.created, "updated_time": token.created,
        "approximate_last_used_time": token.created, "expiration_time": token.expires,
        "scope": documents::scope(&state.store, &auth_method.parent),
        "authorized_actions": ["no-op", "read", "read:self", "delete", "delete:self"],
    });
    Ok((200, json!({ "type": "token", "attributes": attributes, "command": "login" })))
}

/// The aliases of the targets that the user may have sessions with.
fn resolvable(state: &mut State, user: &Object) -> Value {
    let account_id = user.texts("account_ids").next().unwrap_or_default().to_owned();
    let caller = Caller { user_id: user.id.clone(), account_id, auth_token_id: String::new() };
    let rights = state.rights(&caller);
    let item = |alias: &Object| {
        let target = state.store.one(Kind::Target, alias.text("destination_id"))?;
        let chain = state.store.scopes_of(target);
        let subject = Subject { kind: Kind::Target, id: &target.id, parent: &target.parent, chain: &chain, own: false };
        rights.allow(subject, "authorize-session").then(|| {
            json!({ "id": alias.id, "value": alias.text("value"), "destination_id": target.id, "type": "target",
                "created_time": alias.created, "updated_time": alias.updated })
        })
    };
    let items: Vec<Value> = state.store.newest(Kind::Alias, u64::MAX).filter_map(item).collect();
    let mut answer = json!({ "response_type": "complete", "sort_by": "created_time", "sort_dir": "desc" });
    if !items.is_empty() {
        answer["items"] = json!(items);
    }
    answer
}

/// Finds the target if the user may have a session with it now; else the controller's refusal.
pub(crate) fn authorizable(state: &mut State, caller: &Caller, target_id: &str) -> Result<Object, Answer> {
    let target = state.store.one(Kind::Target, target_id).cloned().ok_or_else(refusal::not_found)?;
    let chain = state.store.scopes_of(&target);
    let subject = Subject { kind: Kind::Target, id: &target.id, parent: &target.parent, chain: &chain, own: false };
    if !state.rights(caller).allow(subject, "authorize-session") || caller.is_nobody() {
        return Err(denied(caller));
    }
    if target.text("address").is_empty() {
        return Err(refusal::error(404, "NotFound", "No host sources or address found for given target."));
    }
    let filter = Filter::parse(target.text("egress_worker_filter")).unwrap_or_default();
    let fits = |worker: &Object| {
        let seen = json!({ "name": worker.text("name"), "tags": worker.fields.get("canonical_tags") });
        !worker.fields.contains_key("#gone") && filter.takes(&seen)
    };
    let served = state.store.newest(Kind::Worker, u64::MAX).any(fits);
    if served { Ok(target) } else { Err(refusal::no_worker()) }
}

fn authorize(shared: &Shared, caller: &Caller, target_id: &str, asked: &Asked) -> Result<Answer, Answer> {
    let boundary = &shared.boundary;
    let target = authorizable(&mut boundary.state(), caller, target_id)?;
    let Ok((session_id, token)) = boundary.open_session(caller, &target) else {
        return Err(refusal::internal("the lab cannot make a certificate"));
    };
    shared.journal.push(JournalEntry::BoundarySessionAuthorized {
        session_id: session_id.clone(),
        target_id: target.id.clone(),
        user_id: caller.user_id.clone(),
        correlation_id: asked.correlation_id.map(|id| id.to_string()),
    });
    let state = boundary.state();
    let session = state.sessions.find(&session_id).ok_or_else(refusal::not_found)?;
    Ok((200, documents::authorization(&state.store, session, &target, token.expose_secret())))
}

fn session(shared: &Shared, caller: &Caller, order: &Order<'_>, asked: &Asked) -> Result<Answer, Answer> {
    if !matches!(order.action, "read" | "cancel") {
        return Err((405, Value::Null));
    }
    let boundary = &shared.boundary;
    may_act(&mut boundary.state(), caller, order)?;
    if order.action == "cancel" {
        may_cancel(&boundary.state(), &order.id, &asked.body)?;
        boundary.cancel_session(&order.id);
        shared.journal.push(JournalEntry::BoundarySessionCanceled {
            session_id: order.id.clone(),
            user_id: caller.user_id.clone(),
            correlation_id: asked.correlation_id.map(|id| id.to_string()),
        });
    }
    let mut state = boundary.state();
    let rights = state.rights(caller);
    let session = state.sessions.find(&order.id).ok_or_else(refusal::not_found)?;
    let view = View { store: &state.store, rights: &rights, caller, in_a_list: false };
    view.session(session, order.action).map(|shown| (200, shown)).ok_or_else(|| denied(caller))
}

fn may_act(state: &mut State, caller: &Caller, order: &Order<'_>) -> Result<(), Answer> {
    let rights = state.rights(caller);
    let session = state.sessions.find(&order.id).ok_or_else(refusal::not_found)?;
    let chain = state.store.chain(&session.scope_id);
    let own = !caller.is_nobody() && session.user_id == caller.user_id;
    let subject = Subject { kind: Kind::Session, id: &order.id, parent: &session.scope_id, chain: &chain, own };
    if rights.allow(subject, order.action) { Ok(()) } else { Err(denied(caller)) }
}

/// Idempotent for a session that is ending, whatever the version.
fn may_cancel(state: &State, id: &str, body: &Value) -> Result<(), Answer> {
    let session = state.sessions.find(id).ok_or_else(refusal::not_found)?;
    if session.status().is_ending() || body["version"] == session.version {
        Ok(())
    } else if !body["version"].is_u64() {
        Err(refusal::invalid("version", "Must be specified."))
    } else {
        let message = "session.(Repository).updateState: updated session and 0 rows updated: search issue: error #1101";
        Err(refusal::internal(message))
    }
}

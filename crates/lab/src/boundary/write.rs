//! Creations, changes and deletions of objects, with what follows from each in the database. It owns their rules; whether the
//! caller may is asked before.

use serde_json::{Value, json};

use crate::boundary::fields::{self, Asked};
use crate::boundary::kind::Kind;
use crate::boundary::refusal::{self, Answer, invalid};
use crate::boundary::state::State;
use crate::boundary::store::{Fields, GLOBAL, Mark, Object, Store};

/// Creates an object; returns its id.
pub(crate) fn create(state: &mut State, kind: Kind, parent: &str, body: &Value) -> Result<String, Answer> {
    let mut fields = fields::of_create(kind, body)?;
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    fields::name_is_free(&state.store, kind, parent, &name, "")?;
    complete(state, kind, (parent, body), &mut fields)?;
    let id = Store::fresh_id(prefix(kind, parent, body));
    let now = state.now();
    let aliases = if kind == Kind::Target { with_aliases(state, body)? } else { Vec::new() };
    state.store.insert(kind, (&id, parent), fields, now);
    for value in aliases {
        let fields = Fields::from_iter([("value".to_owned(), value.into()), ("destination_id".to_owned(), json!(id))]);
        state.store.insert(Kind::Alias, (&Store::fresh_id("alt"), GLOBAL), fields, now);
    }
    Ok(id)
}

/// The object that a new one belongs to, if its id has the right form.
pub(crate) fn parent_of(kind: Kind, body: &Value) -> Result<String, Answer> {
    let field = kind.parent();
    let parent = body[field].as_str().unwrap_or_default();
    let is = |prefix: &str| parent.starts_with(prefix);
    let (fits, otherwise) = match kind {
        Kind::Target | Kind::CredentialStore => {
            (is("p_"), "This field is required to have a properly formatted project scope id.")
        }
        Kind::Alias => (parent == GLOBAL, "This field is missing or improperly formatted."),
        Kind::User => (parent == GLOBAL || is("o_"), "Must be 'global' or a valid org scope id."),
        Kind::Scope if parent.is_empty() => (false, "Missing value for scope_id."),
        _ => (!parent.is_empty(), "This field is missing or improperly formatted."),
    };
    if fits { Ok(parent.to_owned()) } else { Err(invalid(field, otherwise)) }
}

fn prefix(kind: Kind, parent: &str, body: &Value) -> &'static str {
    match (kind, body["type"].as_str()) {
        (Kind::Scope, _) if parent != GLOBAL => "p",
        (Kind::AuthMethod, Some("oidc")) => "amoidc",
        (Kind::Account, Some("oidc")) => "acctoidc",
        (Kind::Account | Kind::AuthMethod, Some("ldap")) if kind == Kind::Account => "acctldap",
        (Kind::AuthMethod, Some("ldap")) => "amldap",
        (Kind::ManagedGroup, Some("ldap")) => "mgldap",
        _ => kind.prefix(),
    }
}

/// Adds what a new object has without being asked, and refuses what does not fit its kind.
fn complete(state: &State, kind: Kind, (parent, body): (&str, &Value), fields: &mut Fields) -> Result<(), Answer> {
    let said = body["type"].as_str().unwrap_or_default();
    let mut put = |name: &str, value: Value| {
        if !fields.contains_key(name) {
            fields.insert(name.to_owned(), value);
        }
    };
    match kind {
        Kind::Target if said != "tcp" => return Err(invalid("type", "Unknown type provided.")),
        Kind::Alias if said != "target" => {
            return Err(invalid("type", "This field is required. Current supported values are 'target'."));
        }
        Kind::Target => {
            put("session_max_seconds", json!(28_800));
            put("session_connection_limit", json!(-1));
        }
        Kind::Role => put("grant_scope_ids", json!(["this"])),
        Kind::AuthMethod => put("attributes", json!({ "min_login_name_length": 3, "min_password_length": 8 })),
        Kind::Scope if !(parent == GLOBAL || parent.starts_with("o_")) => {
            let message = "scopes.(Service).createInRepo: unable to create scope: iam.(Repository).CreateScope: missing scope: \
                           parameter violation: error #100";
            return Err(refusal::internal(message));
        }
        Kind::Alias => alias_fits(state, "createInRepo: target.(Repository).CreateAlias", fields, "")?,
        Kind::Account => account_fits(state, parent, fields)?,
        _ => {}
    }
    if matches!(kind, Kind::Account | Kind::ManagedGroup | Kind::AuthMethod | Kind::CredentialStore | Kind::Credential) {
        fields.insert("type".to_owned(), json!(said));
    }
    Ok(())
}

fn account_fits(state: &State, parent: &str, fields: &mut Fields) -> Result<(), Answer> {
    let mut attributes = fields.get("attributes").cloned().unwrap_or_default();
    let login = attributes["login_name"].as_str().unwrap_or_default().to_owned();
    let password = attributes.as_object_mut().and_then(|attributes| attributes.remove("password"));
    let refused = |what: &str| {
        let path = "accounts.(Service).createInRepo: accounts.(Service).createPwInRepo: password.(Repository).CreateAccount";
        Err(refusal::internal(&format!("{path}: {what}")))
    };
    if state.store.account(parent, &login).is_some() {
        return Err(refusal::not_unique());
    }
    if !login.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')) {
        let what = "login name must be all-lowercase alphanumeric, period or hyphen. got:";
        return refused(&format!("{what} {login}: parameter violation: error #100"));
    }
    if password.as_ref().and_then(Value::as_str).is_some_and(|password| password.len() < 8) {
        return refused("must be longer than 8: password violation: error #200");
    }
    fields.insert("attributes".to_owned(), attributes);
    fields.extend(password.map(|password| ("#password".to_owned(), password)));
    Ok(())
}

/// Refuses an alias whose value is taken or misshapen, or whose target is not there.
fn alias_fits(state: &State, act: &str, fields: &Fields, own_id: &str) -> Result<(), Answer> {
    let value = fields.get("value").and_then(Value::as_str).unwrap_or_default();
    let refused = |what: &str, broken: &str| {
        let act_name = act.rsplit(": ").next().unwrap_or_default();
        let verb = if own_id.is_empty() { "Create" } else { "Update" };
        let tail = format!("{broken}: integrity violation: error");
        let message = format!("aliases.(Service).{act}: {what}db.DoTx: {act_name}: db.{verb}: {tail} #1000");
        Err(refusal::internal(&message))
    };
    if let Some(fault) = fields::alias_fault(value) {
        let shape = fault.contains("shape");
        let named = if own_id.is_empty() { format!(" {value:?}") } else { String::new() };
        let what = if shape { format!("alias value{named} contains invalid characters: ") } else { String::new() };
        return refused(&what, &format!("{fault}: check constraint violated"));
    }
    if state.store.alias(value).is_some_and(|other| other.id != own_id) {
        return Err(refusal::not_unique());
    }
    let target = fields.get("destination_id").and_then(Value::as_str).unwrap_or_default();
    if target.is_empty() || state.store.one(Kind::Target, target).is_some() {
        return Ok(());
    }
    // A 404 whose kind is `Internal` (measured).
    let what = format!("target with specified destination id {target:?} was not found: state violation: error #404");
    let broken = "insert or update on table \"alias_target\" violates foreign key constraint \"target_fkey\"";
    let Err((_, document)) = refused(&format!("{what}: "), broken) else { return Ok(()) };
    Err((404, document))
}

fn with_aliases(state: &State, body: &Value) -> Result<Vec<String>, Answer> {
    let mut values: Vec<String> = Vec::new();
    for alias in body["with_aliases"].as_array().into_iter().flatten() {
        let value = alias["value"].as_str().unwrap_or_default().to_owned();
        if alias["scope_id"] != GLOBAL {
            return Err(refusal::forbidden());
        }
        let fields = Fields::from_iter([("value".to_owned(), json!(value))]);
        alias_fits(state, "createInRepo: target.(Repository).CreateAlias", &fields, "")?;
        if values.iter().any(|known| known.eq_ignore_ascii_case(&value)) {
            return Err(refusal::not_unique());
        }
        values.push(value);
    }
    Ok(values)
}

/// Changes an object's fields, if the version is right.
pub(crate) fn update(state: &mut State, object: &Object, body: &Value) -> Result<(), Answer> {
    let (kind, id) = (object.kind, object.id.as_str());
    if body["type"].as_str().is_some_and(|said| kind == Kind::Target && said != "tcp") {
        return Err(invalid("type", "Cannot modify the resource type."));
    }
    let Some(version) = body["version"].as_u64().filter(|version| *version > 0) else {
        return Err(invalid("version", "Existing resource version is required for an update."));
    };
    let asked = fields::of_update(kind, body)?;
    if asked.is_empty() {
        return Err(refusal::nothing_to_update());
    }
    let right = version == u64::from(object.version);
    if kind == Kind::Target && asked.iter().any(|(name, _)| name == "address") {
        return update_address(state, object, &asked, right);
    }
    if !right {
        return Err(refusal::stale(kind, id));
    }
    let fields = fits(state, object, &asked)?;
    let mark = if fields == object.fields { Mark::Nothing } else { Mark::Version };
    let now = state.now();
    state.store.edit(id, mark, now, |known| *known = fields);
    Ok(())
}

/// The controller writes a target's address before it looks at the version (measured): a new address stays although the update is
/// answered 404, and to unset one is answered 200 whatever the version, without the other changes.
fn update_address(state: &mut State, object: &Object, asked: &Asked, right: bool) -> Result<(), Answer> {
    let fields = fits(state, object, asked)?;
    let address = fields.get("address").cloned();
    let had = object.fields.contains_key("address");
    let now = state.now();
    if address.is_none() && had {
        state.end_sessions_of_target(&object.id, false);
    }
    let changes = if right { fields } else { alone(object, address.clone()) };
    let mark = if right { Mark::Version } else { Mark::Nothing };
    state.store.edit(&object.id, mark, now, |known| *known = changes);
    let unset = address.is_none() && had;
    if right || unset { Ok(()) } else { Err(refusal::stale(Kind::Target, &object.id)) }
}

fn alone(object: &Object, address: Option<Value>) -> Fields {
    let mut fields = object.fields.clone();
    fields.remove("address");
    fields.extend(address.map(|address| ("address".to_owned(), address)));
    fields
}

/// Returns the fields after the change, if they may be so.
fn fits(state: &State, object: &Object, asked: &Asked) -> Result<Fields, Answer> {
    let mut fields = object.fields.clone();
    for (name, value) in asked {
        match (name.as_str(), value) {
            ("session_max_seconds", Value::Null) => fields.insert(name.clone(), json!(28_800)),
            ("session_connection_limit", Value::Null) => fields.insert(name.clone(), json!(-1)),
            ("attributes", Value::Object(changes)) => {
                let mut attributes = fields.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
                attributes.extend(changes.clone());
                attributes.retain(|_, value| !value.is_null());
                fields.insert(name.clone(), Value::Object(attributes))
            }
            (_, Value::Null) => fields.remove(name),
            _ => fields.insert(name.clone(), value.clone()),
        };
    }
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
    fields::name_is_free(&state.store, object.kind, &object.parent, name, &object.id)?;
    if object.kind == Kind::Alias {
        alias_fits(state, "updateInRepo: target.(Repository).UpdateAlias", &fields, &object.id)?;
    }
    Ok(fields)
}

/// Deletes an object and what belongs to it, ends the sessions that need it, and blanks what names it.
pub(crate) fn delete(state: &mut State, id: &str) {
    delete_with(state, id, false);
}

fn delete_with(state: &mut State, id: &str, project_goes: bool) {
    let is_scope = state.store.one(Kind::Scope, id).is_some();
    for child in state.store.children(id) {
        delete_with(state, &child, is_scope || project_goes);
    }
    let now = state.now();
    let Some(object) = state.store.remove(id, now) else { return };
    match object.kind {
        Kind::Target => {
            for alias in state.store.aliases_of(id) {
                let mark = if project_goes { Mark::Version } else { Mark::Time };
                state.store.edit(&alias, mark, now, |fields| drop(fields.remove("destination_id")));
            }
            state.end_sessions_of_target(id, true);
        }
        Kind::User | Kind::Group | Kind::ManagedGroup => forget_principal(state, id),
        Kind::Account => forget_account(state, id),
        Kind::Scope => state.end_sessions_of_scope(id),
        Kind::Credential => {}
        _ => {}
    }
    if object.kind == Kind::User {
        state.end_sessions_of_user(id);
    }
}

fn forget_principal(state: &mut State, id: &str) {
    let now = state.now();
    for role in state.store.roles_of(id) {
        state.store.edit(&role, Mark::Nothing, now, |fields| without(fields, "principal_ids", id));
    }
    for group in state.store.groups_of(id) {
        state.store.edit(&group, Mark::Nothing, now, |fields| without(fields, "member_ids", id));
    }
    state.end_tokens(|token| token.caller.user_id == id);
}

fn forget_account(state: &mut State, id: &str) {
    let now = state.now();
    if let Some(user) = state.store.user_of(id) {
        state.store.edit(&user, Mark::Nothing, now, |fields| without(fields, "account_ids", id));
    }
    for group in state.store.groups_of(id) {
        state.store.edit(&group, Mark::Nothing, now, |fields| without(fields, "member_ids", id));
    }
    state.end_tokens(|token| token.caller.account_id == id);
}

fn without(fields: &mut Fields, list: &str, id: &str) {
    if let Some(ids) = fields.get_mut(list).and_then(Value::as_array_mut) {
        ids.retain(|known| known != id);
    }
}

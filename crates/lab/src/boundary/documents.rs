//! The controller's JSON: fields that are zero or empty are left out, byte counts are texts, states stand newest first. It shows
//! what the caller may see, and changes nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::boundary::kind::Kind;
use crate::boundary::model::{BoundaryStatus, Connection, Session};
use crate::boundary::rights::{Caller, Rights, Subject, parse};
use crate::boundary::store::{GLOBAL, Object, Store};

/// What somebody who is not logged in sees.
const FOR_ANYBODY: [&str; 10] = [
    "id",
    "scope_id",
    "scope",
    "name",
    "description",
    "type",
    "is_primary",
    "authorized_actions",
    "authorized_collection_actions",
    "primary_auth_method_id",
];

/// One look at the store by one caller.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) store: &'a Store,
    pub(crate) rights: &'a Rights,
    pub(crate) caller: &'a Caller,
    /// For `read`, or for a list.
    pub(crate) in_a_list: bool,
}

/// Makes a document without its zero and empty fields.
fn document(fields: Value) -> Value {
    let kept = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(truth) => *truth,
    };
    match fields {
        Value::Object(fields) => Value::Object(fields.into_iter().filter(|(_, value)| kept(value)).collect::<Map<_, _>>()),
        other => other,
    }
}

/// A scope as embedded in what lies in it.
pub(crate) fn scope(store: &Store, scope_id: &str) -> Value {
    let Some(scope) = store.one(Kind::Scope, scope_id) else { return Value::Null };
    document(json!({ "id": scope.id, "type": scope_type(scope_id), "name": scope.text("name"),
        "description": scope.text("description"), "parent_scope_id": scope.parent }))
}

fn scope_type(scope_id: &str) -> &'static str {
    match scope_id.split('_').next() {
        Some("o") => "org",
        Some("p") => "project",
        _ => "global",
    }
}

impl View<'_> {
    /// Shows an object; none if the caller may do nothing with it.
    pub(crate) fn object(self, object: &Object, action: &str) -> Option<Value> {
        let chain = self.store.scopes_of(object);
        let subject = Subject { kind: object.kind, id: &object.id, parent: &object.parent, chain: &chain, own: false };
        let actions = self.rights.actions(subject);
        if actions.is_empty() {
            return None;
        }
        let mut fields: Map<String, Value> = object
            .fields
            .iter()
            .filter(|(name, _)| !name.starts_with('#'))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let scope_id =
            if object.kind == Kind::Scope { object.parent.clone() } else { chain.first().cloned().unwrap_or_default() };
        let in_scope = if scope_id.is_empty() { GLOBAL } else { &scope_id };
        fields.extend([
            ("id".to_owned(), json!(object.id)),
            ("scope".to_owned(), scope(self.store, in_scope)),
            (object.kind.parent().to_owned(), json!(object.parent)),
            ("created_time".to_owned(), json!(object.created)),
            ("updated_time".to_owned(), json!(object.updated)),
            ("version".to_owned(), json!(object.version)),
            ("authorized_actions".to_owned(), json!(actions)),
        ]);
        self.particulars(object, &mut fields, action);
        let mut shown = document(Value::Object(fields));
        if object.kind == Kind::Target {
            shown["address"] = json!(object.text("address"));
        }
        Some(self.cut(shown, subject, action))
    }

    /// Shows no more than what an object is.
    pub(crate) fn bare(self, object: &Object) -> Value {
        let scope_id = self.store.scopes_of(object).first().cloned().unwrap_or_default();
        json!({ "id": object.id, object.kind.parent(): object.parent, "scope": scope(self.store, &scope_id), "version": object.version })
    }

    fn cut(self, mut shown: Value, subject: Subject<'_>, action: &str) -> Value {
        let fields = self.rights.fields(subject, action);
        if let Some(known) = shown.as_object_mut() {
            match fields {
                Some(fields) => known.retain(|name, _| fields.contains(name.as_str())),
                None if self.caller.is_nobody() => known.retain(|name, _| FOR_ANYBODY.contains(&name.as_str())),
                None => {}
            }
        }
        shown
    }

    fn particulars(self, object: &Object, fields: &mut Map<String, Value>, action: &str) {
        match object.kind {
            Kind::Target => self.target(object, fields, action),
            Kind::Alias => put(fields, "type", json!("target")),
            Kind::Role => self.role(object, fields),
            Kind::User => self.user(object, fields),
            Kind::Scope => {
                put(fields, "type", json!(scope_type(&object.id)));
                put(fields, "authorized_collection_actions", self.collections(&object.id));
            }
            Kind::AuthMethod => {
                let primary = self.store.find(&object.parent).is_some_and(|scope| scope.text(PRIMARY) == object.id);
                put(fields, "is_primary", json!(primary));
                put(fields, "authorized_collection_actions", self.collections(&object.id));
            }
            Kind::Account if !self.in_a_list => put(fields, "managed_group_ids", json!(self.store.groups_of(&object.id))),
            _ => {}
        }
    }

    fn target(self, object: &Object, fields: &mut Map<String, Value>, action: &str) {
        put(fields, "type", json!("tcp"));
        if self.in_a_list {
            fields.remove("host_source_ids");
            fields.remove("brokered_credential_source_ids");
            return;
        }
        if object.fields.contains_key("#brokered") {
            put(fields, "brokered_credential_source_ids", json!([CREDENTIAL_LIBRARY]));
        }
        // The answer to an update leaves them out (measured).
        if action == "update" {
            return;
        }
        let ids = self.store.aliases_of(&object.id);
        let mut aliases: Vec<&Object> = ids.iter().filter_map(|id| self.store.find(id)).collect();
        aliases.sort_by_key(|alias| (alias.updated, alias.place));
        let aliases: Vec<Value> =
            aliases.into_iter().map(|alias| json!({ "id": alias.id, "value": alias.text("value") })).collect();
        put(fields, "aliases", json!(aliases));
    }

    /// A list leaves out who has the role and what it grants (measured).
    fn role(self, object: &Object, fields: &mut Map<String, Value>) {
        if self.in_a_list {
            fields.remove("principal_ids");
            fields.remove("grant_strings");
            return;
        }
        let principal = |id: &str| {
            let kind = match id.split('_').next() {
                Some("u") => "user",
                Some("g") => "group",
                _ => "managed group",
            };
            let holder = self.store.find(id)?;
            let scope_id = self.store.scopes_of(holder).first().cloned();
            Some(json!({ "id": id, "type": kind, "scope_id": scope_id }))
        };
        let principals: Vec<Value> = object.texts("principal_ids").filter_map(principal).collect();
        let grants: Vec<Value> = object.texts("grant_strings").filter(|text| parse(text).is_some()).map(grant).collect();
        put(fields, "principals", json!(principals));
        put(fields, "grants", json!(grants));
    }

    fn user(self, object: &Object, fields: &mut Map<String, Value>) {
        let primary = self.store.find(&object.parent).map(|scope| scope.text(PRIMARY)).unwrap_or_default();
        let accounts: Vec<&Object> = object.texts("account_ids").filter_map(|id| self.store.find(id)).collect();
        if let Some(account) = accounts.iter().find(|account| !primary.is_empty() && account.parent == primary) {
            let attribute = |name: &str| account.fields.get("attributes").map(|all| all[name].clone()).unwrap_or_default();
            let login = attribute("login_name");
            put(fields, "login_name", if login.is_null() { attribute("subject") } else { login });
            put(fields, "full_name", attribute("full_name"));
            put(fields, "email", attribute("email"));
            put(fields, "primary_account_id", json!(account.id));
        }
        if self.in_a_list {
            fields.remove("account_ids");
            return;
        }
        let scope_id = |account: &&Object| self.store.scopes_of(account).first().cloned();
        let accounts: Vec<Value> =
            accounts.iter().map(|account| json!({ "id": account.id, "scope_id": scope_id(account) })).collect();
        put(fields, "accounts", json!(accounts));
    }

    fn collections(self, scope_id: &str) -> Value {
        let holder = self.store.find(scope_id);
        let chain = holder.filter(|holder| holder.kind != Kind::Scope).map(|holder| self.store.scopes_of(holder));
        let chain = chain.unwrap_or_else(|| self.store.chain(scope_id));
        let mut collections = Map::new();
        for kind in Kind::collections(scope_id) {
            let subject = Subject { kind: *kind, id: "", parent: scope_id, chain: &chain, own: false };
            let may = |action: &&&str| self.rights.allow_collection(subject, action);
            let known: &[&str] = if *kind == Kind::Session { &["list"] } else { &["create", "list"] };
            let actions: Vec<&&str> = known.iter().filter(may).collect();
            if !actions.is_empty() {
                collections.insert(kind.plural().to_owned(), json!(actions));
            }
        }
        Value::Object(collections)
    }

    /// Shows a session; none if the caller may do nothing with it.
    pub(crate) fn session(self, session: &Session, action: &str) -> Option<Value> {
        let chain = self.store.chain(&session.scope_id);
        let own = !session.user_id.is_empty() && session.user_id == self.caller.user_id;
        let subject = Subject { kind: Kind::Session, id: session.id(), parent: &session.scope_id, chain: &chain, own };
        let actions = self.rights.actions(subject);
        if actions.is_empty() {
            return None;
        }
        let connections: Vec<_> = session.connections.iter().filter(|_| !self.in_a_list).map(connection).collect();
        let said = &session.authorization;
        let kind = if session.target_id.is_empty() { "" } else { "tcp" };
        let shown = document(json!({
            "id": said.session_id(), "target_id": session.target_id, "scope": scope(self.store, &session.scope_id),
            "scope_id": session.scope_id, "type": kind, "created_time": session.created, "updated_time": session.updated,
            "version": session.version, "expiration_time": session.expires, "auth_token_id": session.auth_token_id,
            "user_id": session.user_id, "endpoint": said.endpoint(), "states": states(session),
            "status": session.status().text(), "certificate": STANDARD.encode(said.certificate()),
            "termination_reason": session.reason, "authorized_actions": actions, "connections": connections,
        }));
        Some(self.cut(shown, subject, action))
    }
}

/// The field of a scope that names its primary auth method.
pub(crate) const PRIMARY: &str = "primary_auth_method_id";

fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}

fn grant(text: &str) -> Value {
    let part = |name: &str| {
        let parts = text.split(';').filter_map(|part| part.trim().split_once('='));
        parts.into_iter().find(|part| part.0 == name).map(|part| part.1).unwrap_or_default()
    };
    let list = |name: &str| part(name).split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let kind = if part("type").is_empty() { "unknown" } else { part("type") };
    let read = document(json!({ "ids": list("ids"), "type": kind, "actions": list("actions") }));
    let mut actions = list("actions");
    actions.sort();
    let canonical: Vec<String> =
        [("ids", list("ids")), ("type", list("type")), ("actions", actions), ("output_fields", list("output_fields"))]
            .into_iter()
            .filter(|(_, words)| !words.is_empty())
            .map(|(name, words)| format!("{name}={}", words.join(",")))
            .collect();
    json!({ "raw": text, "canonical": canonical.join(";"), "json": read })
}

const CREDENTIAL_LIBRARY: &str = "clvlt_lab0000001";

/// The answer to authorize-session.
pub(crate) fn authorization(store: &Store, session: &Session, target: &Object, token: &str) -> Value {
    let stored = target.texts("brokered_credential_source_ids").filter_map(|id| store.find(id)).map(json_credential);
    let credentials: Vec<_> = target.fields.get("#brokered").map(vault_secret).into_iter().chain(stored).collect();
    let port = target.fields.get("attributes").map(|ports| ports["default_port"].clone());
    document(json!({
        "session_id": session.id(), "target_id": target.id, "scope": scope(store, &target.parent),
        "created_time": session.created, "expiration": session.expires, "user_id": session.user_id, "type": "tcp",
        "authorization_token": token, "connection_limit": session.limit(), "endpoint": session.authorization.endpoint(),
        "endpoint_port": port, "credentials": credentials,
    }))
}

fn json_credential(credential: &Object) -> Value {
    let object = credential.fields.get("attributes").map(|attributes| attributes["object"].clone()).unwrap_or_default();
    let source = document(json!({ "id": credential.id, "name": credential.text("name"), "type": "static",
        "credential_store_id": credential.parent, "credential_type": "json" }));
    let secret = json!({ "raw": STANDARD.encode(object.to_string()), "decoded": object });
    json!({ "credential_source": source, "secret": secret, "credential": object })
}

fn vault_secret(fields: &Value) -> Value {
    let source = json!({
        "id": CREDENTIAL_LIBRARY, "name": "aws", "credential_store_id": "csvlt_lab0000001", "type": "vault-generic",
    });
    json!({ "credential_source": source, "secret": { "raw": STANDARD.encode(fields.to_string()), "decoded": fields } })
}

fn states(session: &Session) -> Vec<Value> {
    let mut ended = None;
    let state = |(status, start): &(BoundaryStatus, Timestamp)| {
        let state = json!({ "status": status.text(), "start_time": start, "end_time": ended });
        ended = Some(*start);
        document(state)
    };
    session.states.iter().map(state).collect()
}

fn connection(connection: &Connection) -> Value {
    let count = |bytes: u64| if bytes == 0 { String::new() } else { bytes.to_string() };
    let (client, endpoint) = connection.ends.unzip();
    let ip = |address: Option<std::net::SocketAddr>| address.map(|address| address.ip().to_string());
    document(json!({
        "client_tcp_address": ip(client), "client_tcp_port": client.map(|address| address.port()),
        "endpoint_tcp_address": ip(endpoint), "endpoint_tcp_port": endpoint.map(|address| address.port()),
        "bytes_up": count(connection.reported.0), "bytes_down": count(connection.reported.1),
        "closed_reason": if connection.closed { "unknown" } else { "" },
    }))
}

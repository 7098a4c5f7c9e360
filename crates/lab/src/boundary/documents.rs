//! The controller's JSON: fields that are zero or empty are left out, byte counts are texts, states stand newest first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::boundary::model::{BoundaryStatus, BoundaryTarget, Connection, Session};
use crate::boundary::{ORG_ID, PROJECT_ID};

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

fn project() -> Value {
    json!({ "id": PROJECT_ID, "type": "project", "name": "rosa", "parent_scope_id": ORG_ID })
}

pub(crate) fn target(target: &BoundaryTarget) -> Value {
    let aliases = target.aliases.iter();
    let aliases: Vec<_> =
        aliases.enumerate().map(|(n, value)| json!({ "id": format!("alt_lab{n:07}"), "value": value })).collect();
    let brokered: Vec<_> = target.brokered.iter().map(|_| CREDENTIAL_LIBRARY).collect();
    document(json!({
        "id": target.id, "scope_id": PROJECT_ID, "scope": project(), "name": target.name, "description": target.description,
        "created_time": "2026-01-01T00:00:00Z", "updated_time": "2026-01-01T00:00:00Z", "version": 1, "type": "tcp",
        "session_max_seconds": target.session_seconds, "session_connection_limit": target.connection_limit,
        "attributes": document(json!({ "default_port": target.port })), "address": target.address, "aliases": aliases,
        "brokered_credential_source_ids": brokered, "authorized_actions": ["no-op", "read", "authorize-session"],
    }))
}

const CREDENTIAL_LIBRARY: &str = "clvlt_lab0000001";

/// The answer to authorize-session.
pub(crate) fn authorization(session: &Session, target: &BoundaryTarget, token: &str) -> Value {
    let credentials: Vec<_> = target.brokered.iter().map(vault_secret).collect();
    document(json!({
        "session_id": session.authorization.session_id(), "target_id": session.authorization.target_id(), "scope": project(),
        "created_time": session.created, "expiration": session.expires, "user_id": session.user_id, "type": "tcp",
        "authorization_token": token, "connection_limit": session.limit(), "endpoint": session.authorization.endpoint(),
        "endpoint_port": target.port, "credentials": credentials,
    }))
}

fn vault_secret(fields: &Value) -> Value {
    let source = json!({
        "id": CREDENTIAL_LIBRARY, "name": "aws", "credential_store_id": "csvlt_lab0000001", "type": "vault-generic",
    });
    json!({ "credential_source": source, "secret": { "raw": STANDARD.encode(fields.to_string()), "decoded": fields } })
}

pub(crate) fn session(session: &Session, in_a_list: bool) -> Value {
    let connections = session.connections.iter().filter(|_| !in_a_list).map(connection).collect::<Vec<_>>();
    let said = &session.authorization;
    document(json!({
        "id": said.session_id(), "target_id": said.target_id(), "scope": project(), "scope_id": PROJECT_ID, "type": "tcp",
        "created_time": session.created, "updated_time": session.updated, "version": session.version,
        "expiration_time": session.expires, "auth_token_id": session.auth_token_id, "user_id": session.user_id,
        "endpoint": said.endpoint(), "states": states(session), "status": session.status().text(),
        "certificate": STANDARD.encode(said.certificate()), "termination_reason": session.reason,
        "authorized_actions": ["no-op", "read", "read:self", "cancel", "cancel:self"], "connections": connections,
    }))
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

pub(crate) fn user(user_id: &str, login_name: &str) -> Value {
    let scope = json!({ "id": ORG_ID, "type": "org", "name": "sre", "parent_scope_id": "global" });
    json!({
        "id": user_id, "scope_id": ORG_ID, "scope": scope, "name": login_name, "login_name": login_name, "version": 1,
        "created_time": "2026-01-01T00:00:00Z", "updated_time": "2026-01-01T00:00:00Z", "authorized_actions": ["no-op", "read"],
    })
}

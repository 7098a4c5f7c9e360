//! What a field may hold: checks of a request's body before anything is stored. It owns the words of these refusals.
//!
//! Source: boundary v0.21.2, measured. Names and descriptions have no limit there: 100 000 characters were taken.

use std::net::Ipv6Addr;

use serde_json::{Value, json};

use crate::boundary::filter::Filter;
use crate::boundary::kind::Kind;
use crate::boundary::refusal::{Answer, invalid, not_unique};
use crate::boundary::store::{Fields, Store};

/// Fields that a request may carry without effect.
const WITHOUT_EFFECT: [&str; 11] = [
    "id",
    "scope_id",
    "scope",
    "type",
    "version",
    "authorized_actions",
    "with_aliases",
    "host_source_ids",
    "aliases",
    "auth_method_id",
    "principal_ids",
];
const READ_ONLY: [&str; 2] = ["created_time", "updated_time"];

/// What a body asks for: fields with their new values, null to unset.
pub(crate) type Asked = Vec<(String, Value)>;

/// Returns the fields of a kind that a request sets.
fn settable(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Target => &[
            "name",
            "description",
            "address",
            "session_max_seconds",
            "session_connection_limit",
            "egress_worker_filter",
            "ingress_worker_filter",
            "worker_filter",
            "attributes",
        ],
        Kind::Alias => &["name", "description", "value", "destination_id", "attributes"],
        Kind::Account | Kind::ManagedGroup | Kind::AuthMethod | Kind::Credential | Kind::CredentialStore => {
            &["name", "description", "attributes"]
        }
        _ => &["name", "description"],
    }
}

/// Picks from a body what an update may change.
pub(crate) fn of_update(kind: Kind, body: &Value) -> Result<Asked, Answer> {
    let mut asked = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        let word = name.as_str();
        if READ_ONLY.contains(&word) {
            return Err(invalid(word, "This is a read only field and cannot be specified in an update request."));
        } else if settable(kind).contains(&word) {
            asked.push((name.clone(), value.clone()));
        } else if !WITHOUT_EFFECT.contains(&word) {
            let message =
                format!("rpc error: code = InvalidArgument desc = could not find field \"{name}\" in {:?}", kind.message());
            return Err(crate::boundary::refusal::internal(&message));
        }
    }
    asked.retain(|(name, value)| !(name == "attributes" && value.is_null()));
    checked(kind, asked)
}

/// Picks from a body what a new object holds; a field that is not known is dropped.
pub(crate) fn of_create(kind: Kind, body: &Value) -> Result<Fields, Answer> {
    if body.get("version").is_some_and(|version| !version.is_null()) {
        return Err(invalid("version", "Cannot specify this field in a create request."));
    }
    let taken = |(name, value): (&String, &Value)| {
        (settable(kind).contains(&name.as_str()) && !value.is_null()).then(|| (name.clone(), value.clone()))
    };
    let asked = body.as_object().into_iter().flatten().filter_map(taken).collect();
    let fields: Fields = checked(kind, asked)?.into_iter().collect();
    required(kind, &fields)?;
    Ok(fields)
}

fn required(kind: Kind, fields: &Fields) -> Result<(), Answer> {
    let missing = match kind {
        Kind::Target if !fields.contains_key("name") => "name",
        Kind::Target if fields.get("attributes").is_none_or(|ports| ports["default_port"].is_null()) => "attributes.default_port",
        Kind::Alias if !fields.contains_key("value") => "value",
        Kind::ManagedGroup if fields.get("attributes").is_none_or(|attributes| attributes["filter"].is_null()) => {
            "attributes.filter"
        }
        _ => return Ok(()),
    };
    Err(invalid(missing, "This field is required."))
}

fn checked(kind: Kind, asked: Asked) -> Result<Asked, Answer> {
    asked.into_iter().map(|(name, value)| Ok((name.clone(), check(kind, &name, value)?))).collect()
}

/// Checks one field, and returns it as it is stored.
fn check(kind: Kind, name: &str, value: Value) -> Result<Value, Answer> {
    let text = value.as_str().map(str::trim);
    match (name, text) {
        ("name", None) if kind == Kind::Target => Err(invalid("name", "This field cannot be set to empty.")),
        ("value", None) => Err(invalid("value", "This field is required.")),
        ("name", Some("")) if kind == Kind::Target => Err(invalid("name", "This field is required.")),
        ("value", Some("")) => Err(invalid("value", "This field is required.")),
        ("name" | "description", Some("")) => Err(invalid(name, &format!("Cannot set empty string as {name}"))),
        ("name", Some(text)) => printable(text, "name", "Name", |_| false),
        ("description", Some(text)) => printable(text, "description", "Description", char::is_whitespace),
        ("address", Some(text)) => address(text),
        ("session_max_seconds", _) => whole(value, name, |number| number > 0, "This must be greater than zero."),
        ("session_connection_limit", _) => {
            let fits = |number| number == -1 || number > 0;
            whole(value, name, fits, "This must be -1 (unlimited) or greater than zero.")
        }
        ("egress_worker_filter", Some(text)) if Filter::parse(text).is_none() => {
            Err(invalid(name, "Unable to successfully parse egress filter expression."))
        }
        ("worker_filter", Some(_)) => Err(invalid(name, "This field is deprecated. Use egress_worker_filter instead.")),
        ("ingress_worker_filter", Some(_)) => Err(invalid(name, "Ingress Worker Filter field is not supported in OSS.")),
        ("destination_id", Some(text)) if !text.starts_with("ttcp_") => Err(invalid(name, "Incorrectly formatted identifier.")),
        ("attributes", _) if kind == Kind::Target => ports(&value),
        _ => Ok(text.map_or_else(|| value.clone(), |text| json!(text))),
    }
}

/// Format characters are unprintable, too, and so is every white space but the blank.
fn printable(text: &str, name: &str, word: &str, also: impl Fn(char) -> bool) -> Result<Value, Answer> {
    let hidden = |c: char| {
        let format =
            matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        (c.is_control() || format || c.is_whitespace() && c != ' ') && (format || !also(c))
    };
    if text.chars().any(hidden) {
        return Err(invalid(name, &format!("{word} contains unprintable characters")));
    }
    Ok(json!(text))
}

fn address(text: &str) -> Result<Value, Answer> {
    let wrong = |what: &str| Err(invalid("address", what));
    if !(3..=255).contains(&text.len()) {
        return wrong("Address length must be between 3 and 255 characters.");
    }
    if text.starts_with('[') {
        return wrong("Error parsing address: address cannot be encapsulated by brackets.");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong("Error parsing address: failed to parse address.");
    }
    if text.contains(':') && text.parse::<Ipv6Addr>().is_err() {
        return wrong("Address does not support a port.");
    }
    Ok(json!(text))
}

fn whole(value: Value, name: &str, fits: impl Fn(i64) -> bool, otherwise: &str) -> Result<Value, Answer> {
    match number(&value) {
        Some(number) if fits(number) => Ok(json!(number)),
        None if value.is_null() => Ok(value),
        _ => Err(invalid(name, otherwise)),
    }
}

/// A number may come as a text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn ports(value: &Value) -> Result<Value, Answer> {
    let Some(fields) = value.as_object() else {
        return Err(invalid("attributes", "Attribute fields do not match the expected format."));
    };
    let mut ports = fields.clone();
    for (name, port) in &mut ports {
        if !matches!(name.as_str(), "default_port" | "default_client_port") {
            return Err(invalid("attributes", "Attribute fields do not match the expected format."));
        }
        let path = format!("attributes.{name}");
        let asked = number(port);
        match asked {
            Some(0) => return Err(invalid(&path, "This field cannot be set to zero.")),
            Some(65_536..) => return Err(invalid(&path, "Value is greater than maximum port number.")),
            None if name == "default_port" => return Err(invalid(&path, "This field is required.")),
            _ => *port = json!(asked),
        }
    }
    Ok(Value::Object(ports))
}

/// Refuses a name that another object beside this one has.
pub(crate) fn name_is_free(store: &Store, kind: Kind, parent: &str, name: &str, own_id: &str) -> Result<(), Answer> {
    match store.named(kind, parent, name) {
        Some(other) if other.id != own_id => Err(not_unique()),
        _ => Ok(()),
    }
}

/// Says which rule of the database an alias's value breaks; none if it breaks none.
pub(crate) fn alias_fault(value: &str) -> Option<String> {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if value.len() > 253 {
        return Some("wt_target_alias_too_long constraint failed".to_owned());
    }
    if !value.split('.').all(label) {
        return Some("wt_target_alias_value_shape constraint failed".to_owned());
    }
    let last = value.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| "wt_target_alias_tld_not_only_numeric constraint failed".to_owned())
}

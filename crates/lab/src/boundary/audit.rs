//! Boundary's audit events, one cloudevents-json line each: every write of the API, refused ones too, and what workers ask about
//! sessions. It owns their form and their sinks. Source: boundary v0.21.2 with `audit_enabled`, measured; reads are left out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::boundary::api::Asked;
use crate::boundary::refusal::Answer;
use crate::boundary::rights::{ANYBODY, Caller};
use crate::boundary::store::Store;
use crate::random;

const REDACTED: &str = "[REDACTED]";
/// Fields that are told as redacted: secrets, and what names a person.
const SECRET: [&str; 6] = ["authorization_token", "token", "password", "login_name", "secret", "credential"];
/// Fields that the protocol wraps, since they may be absent.
const WRAPPED: [&str; 6] =
    ["name", "description", "address", "egress_worker_filter", "session_max_seconds", "session_connection_limit"];

#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    file: Option<PathBuf>,
    shipped: usize,
}

/// The events of a controller.
pub(crate) struct Audit {
    log: Mutex<Log>,
    key: [u8; 32],
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("events", &self.log().lines.len()).finish_non_exhaustive()
    }
}

impl Audit {
    pub(crate) fn new() -> Self {
        Self { log: Mutex::default(), key: random::bytes() }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.log().lines.clone()
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Appends the events from here on to a file, too.
    pub(crate) fn write_to(&self, file: &Path) {
        self.log().file = Some(file.to_owned());
    }

    /// Returns the events that were not taken before.
    pub(crate) fn take_new(&self) -> Vec<String> {
        let mut log = self.log();
        let start = log.shipped;
        log.shipped = log.lines.len();
        log.lines[start..].to_vec()
    }

    /// Notes a request of the API; reads are not noted.
    pub(crate) fn note(&self, asked: &Asked, caller: &Caller, id: &str, (status, document): &Answer, now: Timestamp) {
        if asked.method == Method::GET {
            return;
        }
        let mut info = json!({
            "id": format!("gtraceid_{}", random::hex_id::<10>()), "method": asked.method.as_str(),
            "path": format!("/v1/{}", asked.path), "client_ip": asked.client_ip,
        });
        if let Some((token_id, _)) = asked.token.as_deref().and_then(|token| token.rsplit_once("_s1")) {
            info["public_id"] = json!(token_id);
        }
        let user_id = if caller.is_nobody() { ANYBODY } else { &caller.user_id };
        let mut response = json!({"status_code": status});
        if *status == 200 {
            response["details"] = response_details(asked, document);
        }
        self.push(
            json!({
                "request_info": info,
                // The real one leaves it empty; the token's id is the request's public_id.
                "auth": {"auth_token_id": "", "user_info": {"id": user_id}, "email": REDACTED, "name": REDACTED},
                "request": {"details": request_details(asked, id)},
                "response": response,
                "correlation_id": asked.correlation_id.unwrap_or_else(Uuid::new_v4),
            }),
            now,
        );
    }

    /// Notes what a worker asked about a session.
    pub(crate) fn note_worker(&self, method: &str, request: &Value, response: &Value, now: Timestamp) {
        let method = format!("/controller.servers.services.v1.SessionService/{method}");
        let info = json!({"id": format!("gtraceid_{}", random::hex_id::<10>()), "method": method});
        self.push(json!({"request_info": info, "request": {"details": request}, "response": {"details": response}}), now);
    }

    /// Wraps, signs and keeps an event.
    fn push(&self, mut data: Value, now: Timestamp) {
        data["id"] = json!(Store::fresh_id("e"));
        data["version"] = json!("v0.1");
        data["type"] = json!("APIRequest");
        data["timestamp"] = json!(now);
        // The envelope's member for the type of its contents is really called so.
        let mut event = json!({
            "id": random::hex_id::<5>(), "source": "https://hashicorp.com/boundary/lab/controller+worker", "specversion": "1.0",
            "type": "audit", "data": data, "datacontentype": "application/cloudevents", "time": now,
        });
        let signed = format!("{event}\n");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), signed.as_bytes());
        event["serialized"] = json!(URL_SAFE_NO_PAD.encode(&signed));
        event["serialized_hmac"] = json!(format!("hmac-sha256:{}", URL_SAFE_NO_PAD.encode(tag)));
        let mut log = self.log();
        if let Some(file) = &log.file
            && let Err(error) = append(file, &event)
        {
            tracing::warn!(%error, "an audit event did not reach its file");
        }
        log.lines.push(event.to_string());
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append(file: &Path, event: &Value) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    writeln!(file, "{event}")
}

fn request_details(asked: &Asked, id: &str) -> Value {
    let body = shown(&asked.body);
    let mut details = Map::new();
    if !id.is_empty() {
        let name = if asked.path.ends_with(":authenticate") { "auth_method_id" } else { "id" };
        details.insert(name.to_owned(), json!(id));
    }
    let fields = body.as_object().cloned().unwrap_or_default();
    if asked.path.contains(':') {
        details.extend(fields);
    } else if !fields.is_empty() {
        if asked.method == Method::PATCH {
            details.insert("update_mask".to_owned(), json!({"paths": fields.keys().collect::<Vec<_>>()}));
        }
        details.insert("item".to_owned(), wrapped(fields));
    }
    Value::Object(details)
}

fn response_details(asked: &Asked, document: &Value) -> Value {
    let shown = shown(document);
    if asked.path.ends_with(":authenticate") {
        return json!({"type": "token", "Attrs": {"AuthTokenResponse": shown["attributes"]}, "command": "login"});
    }
    let item = match shown {
        Value::Object(fields) if asked.path.ends_with(":authorize-session") => Value::Object(fields),
        Value::Object(fields) => wrapped(fields),
        _ => return json!({}),
    };
    let mut details = json!({"item": item});
    if asked.method == Method::POST && !asked.path.contains(':') {
        details["uri"] = json!(format!("{}/{}", asked.path, document["id"].as_str().unwrap_or_default()));
    }
    details
}

fn wrapped(fields: Map<String, Value>) -> Value {
    let wrap = |(name, value): (String, Value)| {
        let value = if WRAPPED.contains(&name.as_str()) { json!({"value": value}) } else { value };
        (name, value)
    };
    Value::Object(fields.into_iter().map(wrap).collect())
}

/// A document without secrets, and with times as the protocol has them.
fn shown(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), shown_field(name, value))).collect())
        }
        Value::Array(items) => items.iter().map(shown).collect(),
        other => other.clone(),
    }
}

fn shown_field(name: &str, value: &Value) -> Value {
    if SECRET.contains(&name) {
        return json!(REDACTED);
    }
    let at = value.as_str().filter(|_| name.ends_with("_time") || name == "expiration");
    match at.and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(at) => json!({"seconds": at.as_second(), "nanos": at.subsec_nanosecond()}),
        None => shown(value),
    }
}

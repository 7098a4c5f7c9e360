//! The controller's HTTP API: who asks, what is there, whether he may, then the answer. The state is the module's.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::boundary::filter::Filter;
use crate::boundary::model::{BoundaryStatus, BoundaryTarget, Session};
use crate::boundary::{Caller, ORG_ID, PROJECT_ID, USERS, documents};
use crate::journal::JournalEntry;
use crate::shared::Shared;

/// Largest request body, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// A status and a document.
type Answer = (u16, Value);

/// A request of a known caller.
struct Asked<'a> {
    shared: &'a Shared,
    caller: Caller,
    correlation_id: Option<Uuid>,
    query: BTreeMap<String, String>,
    body: Value,
}

/// Serves the API until the world ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve_connection(stream, shared.clone()));
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { exchange(&shared, request).await }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a controller connection ended");
    }
}

async fn exchange(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let (status, document) = answer(shared, &parts, serde_json::from_slice(&body).unwrap_or_default());
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Source of the errors: boundary internal/daemon/controller/handlers/errors.go, and v0.21.2, measured.
fn error(status: u16, kind: &str, message: &str) -> Answer {
    (status, json!({ "kind": kind, "message": message }))
}

fn not_found() -> Answer {
    error(404, "NotFound", "Resource not found.")
}

fn forbidden() -> Answer {
    error(403, "PermissionDenied", "Forbidden.")
}

fn invalid(field: &str, description: &str) -> Answer {
    let details = json!({ "request_fields": [{ "name": field, "description": description }] });
    (400, json!({ "kind": "InvalidArgument", "message": "Error in provided request.", "details": details }))
}

fn answer(shared: &Shared, parts: &http::request::Parts, body: Value) -> Answer {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let Ok(correlation_id) = header("x-correlation-id").map(Uuid::parse_str).transpose() else {
        return error(500, "Internal", "correlation id is not a valid uuid");
    };
    let path = parts.uri.path().strip_prefix("/v1/").unwrap_or_default();
    let (collection, rest) = path.split_once('/').unwrap_or((path, ""));
    let (id, action) = rest.split_once(':').unwrap_or((rest, ""));
    if !exists(shared, collection, id) {
        return not_found();
    }
    let token = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(caller) = token.and_then(|token| shared.boundary.caller(token)) else {
        return error(401, "Unauthenticated", "Unauthenticated, or invalid token.");
    };
    let query = read_query(parts.uri.query().unwrap_or_default());
    let asked = Asked { shared, caller, correlation_id, query, body };
    match (&parts.method, collection, id, action) {
        (&Method::GET, "sessions", "", "") => asked.list_sessions(),
        (&Method::GET, "sessions", id, "") => asked.read_session(id),
        (&Method::POST, "sessions", id, "cancel") => asked.cancel_session(id),
        (&Method::GET, "targets", id, "") => asked.read_target(id),
        (&Method::POST, "targets", id, "authorize-session") => asked.authorize_session(id),
        (&Method::GET, "users", id, "") => read_user(id),
        _ => error(405, "Unimplemented", "The lab's controller does not do this."),
    }
}

/// What is not there is told before anybody is asked who he is (measured).
fn exists(shared: &Shared, collection: &str, id: &str) -> bool {
    match collection {
        "sessions" => id.is_empty() || shared.boundary.status(id).is_some(),
        "targets" => shared.boundary.find_target(id).is_some(),
        "users" => USERS.iter().any(|user| user.0 == id),
        _ => false,
    }
}

fn read_user(user_id: &str) -> Answer {
    USERS.iter().find(|user| user.0 == user_id).map_or_else(not_found, |user| (200, documents::user(user.0, user.1)))
}

impl Asked<'_> {
    fn readable(&self, id: &str) -> Result<BoundaryTarget, Answer> {
        let target = self.shared.boundary.find_target(id).ok_or_else(not_found)?;
        let granted = target.user_ids.iter().any(|user_id| user_id == self.caller.user_id);
        if granted { Ok(target) } else { Err(forbidden()) }
    }

    fn read_target(&self, id: &str) -> Answer {
        self.readable(id).map_or_else(|refused| refused, |target| (200, documents::target(&target)))
    }

    fn authorize_session(&self, id: &str) -> Answer {
        let target = match self.readable(id) {
            Ok(target) => target,
            Err(refused) => return refused,
        };
        let boundary = &self.shared.boundary;
        let Ok((session_id, token)) = boundary.open_session(self.caller, &target) else {
            return error(500, "Internal", "the lab cannot make a certificate");
        };
        self.shared.journal.push(JournalEntry::BoundarySessionAuthorized {
            session_id: session_id.clone(),
            target_id: target.id.clone(),
            user_id: self.caller.user_id.to_owned(),
            correlation_id: self.correlation_id.map(|id| id.to_string()),
        });
        let document = |session: &mut Session| documents::authorization(session, &target, token.expose_secret());
        boundary.with_session(&session_id, document).map_or_else(not_found, |document| (200, document))
    }

    /// Own sessions are everybody's; others' an auditor's.
    fn may_see(&self, session: &Session, audits: bool) -> bool {
        audits || session.user_id == self.caller.user_id
    }

    fn audits(&self) -> bool {
        self.shared.boundary.is_auditor(self.caller.user_id)
    }

    fn read_session(&self, id: &str) -> Answer {
        let audits = self.audits();
        let read = self.shared.boundary.with_session(id, |session| {
            if self.may_see(session, audits) { (200, documents::session(session, false)) } else { forbidden() }
        });
        read.unwrap_or_else(not_found)
    }

    /// Idempotent for a session that is ending, whatever the version.
    fn cancel_session(&self, id: &str) -> Answer {
        let (audits, boundary) = (self.audits(), &self.shared.boundary);
        let checked = boundary.with_session(id, |session| {
            if !self.may_see(session, audits) {
                Err(forbidden())
            } else if session.status().is_ending() || self.body["version"] == session.version {
                Ok(())
            } else if !self.body["version"].is_u64() {
                Err(invalid("version", "Must be specified."))
            } else {
                Err(error(
                    500,
                    "Internal",
                    "session.(Repository).updateState: updated session and 0 rows updated: search issue: error #1101",
                ))
            }
        });
        if let Err(refused) = checked.unwrap_or_else(|| Err(not_found())) {
            return refused;
        }
        boundary.cancel_session(id);
        self.shared.journal.push(JournalEntry::BoundarySessionCanceled {
            session_id: id.to_owned(),
            user_id: self.caller.user_id.to_owned(),
            correlation_id: self.correlation_id.map(|id| id.to_string()),
        });
        self.read_session(id)
    }

    /// A caller without rights is answered 200 with only his own.
    fn list_sessions(&self) -> Answer {
        let filter = match self.query.get("filter").map(|text| Filter::parse(text)) {
            Some(None) => return invalid("filter", "This field could not be parsed."),
            Some(Some(filter)) => filter,
            None => Filter::default(),
        };
        let scope = self.query.get("scope_id").map_or("", String::as_str);
        let set = |name: &str| self.query.get(name).is_some_and(|value| value == "true");
        match scope {
            PROJECT_ID => {}
            "global" | ORG_ID if set("recursive") => {}
            "global" | ORG_ID => return invalid("scope_id", "This field must be a project, or the list recursive."),
            "" => return invalid("scope_id", "This field is required."),
            _ => return not_found(),
        }
        if self.query.contains_key("list_token") {
            let message = "grants have changed since list token was issued";
            return (400, json!({ "kind": "invalid list token", "op": "listtoken.Validate", "message": message }));
        }
        self.listed(&filter, set("include_terminated"))
    }

    fn listed(&self, filter: &Filter, with_terminated: bool) -> Answer {
        let audits = self.audits();
        let state = self.shared.boundary.state();
        let asked = |session: &&Session| {
            self.may_see(session, audits) && (with_terminated || session.status() != BoundaryStatus::Terminated)
        };
        let items = state.sessions.iter().rev().filter(asked).map(|session| documents::session(session, true));
        let items: Vec<Value> = items.filter(|item| filter.shows(item)).collect();
        if items.is_empty() {
            return (200, json!({ "response_type": "complete" }));
        }
        let sorted = json!({ "items": items, "response_type": "complete", "list_token": "lab", "sort_by": "created_time",
            "sort_dir": "desc", "est_item_count": items.len() });
        (200, sorted)
    }
}

fn read_query(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescaped(name), unescaped(value))
    };
    text.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (first, None) => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

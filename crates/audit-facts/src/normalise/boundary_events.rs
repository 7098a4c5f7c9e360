//! Boundary's audit events: lines of a sink's file, or messages of a log group.
//!
//! Owns their JSON. Sysevents, observations, reads and the workers' chatter are neither facts nor unreadable. A worker's events
//! are flushed late: the moment is that of the data, not of the envelope.
//! Source: boundary `internal/event/event.go`; real events of `boundary dev` 0.21.2.

use super::fields::{Fields, parse};
use super::{Normalised, Reading, Why};
use crate::boundary::{BoundaryEvent, BoundaryEventKind, ConnectionReport};
use crate::fact::Body;
use jiff::Timestamp;
use serde_json::Value;

/// The gRPC service by which workers report on sessions.
const WORKER_CALLS: &str = "/controller.servers.services.v1.SessionService/";

/// The longest nesting of envelopes that is looked into.
const MAX_ENVELOPES: usize = 4;

/// Reads lines of events, one JSON object a line; empty lines do not count as records.
pub fn lines(reading: &Reading, lines: &[u8]) -> Normalised {
    let lines = lines.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    events(reading, lines)
}

/// Reads events one by one, for example the messages of a log group; their order numbers them.
pub fn events<'a>(reading: &Reading, events: impl IntoIterator<Item = &'a [u8]>) -> Normalised {
    let mut read = Normalised::new();
    for (place, event) in events.into_iter().enumerate() {
        let bodies = parse(event).and_then(|value| unwrapped(&value, MAX_ENVELOPES));
        read.add(reading, place + 1, bodies.map(|events| events.into_iter().map(|it| Body::BoundaryEvent(Box::new(it)))));
    }
    read
}

/// The events in a value: it is one, or somebody wrapped it, perhaps as a text.
fn unwrapped(value: &Value, depth: usize) -> Result<Vec<BoundaryEvent>, Why> {
    let fields = Fields::of(value)?;
    if value.get("specversion").is_some() {
        return cloudevent(fields);
    }
    let inner = ["event", "data", "message"].iter().find_map(|name| value.get(name));
    match inner {
        Some(_) if depth == 0 => Err(Why::Malformed("event")),
        Some(Value::String(text)) => unwrapped(&parse(text.as_bytes())?, depth - 1),
        Some(inner @ Value::Object(_)) => unwrapped(inner, depth - 1),
        Some(_) => Err(Why::WrongType("event")),
        None => Err(Why::Missing("specversion")),
    }
}

fn cloudevent(event: Fields<'_>) -> Result<Vec<BoundaryEvent>, Why> {
    if event.required("type")? != "audit" {
        return Ok(Vec::new());
    }
    let data = event.object("data")?.ok_or(Why::Missing("data"))?;
    let Some(request) = data.object("data.request_info")? else { return Err(Why::Missing("data.request_info")) };
    let method = request.required("data.request_info.method")?;
    let path = request.text("data.request_info.path")?.unwrap_or_default();
    let Some(kind) = kind(method, path) else { return Ok(Vec::new()) };
    let event = BoundaryEvent { kind, operation: operation(method, path), ..common(event, data, request)? };
    match kind {
        BoundaryEventKind::Worker => worker(data, event),
        _ => Ok(vec![of_the_api(data, path, event)?]),
    }
}

/// What a request is about; none for those that are no facts.
fn kind(method: &str, path: &str) -> Option<BoundaryEventKind> {
    if method.starts_with('/') {
        return method.starts_with(WORKER_CALLS).then_some(BoundaryEventKind::Worker);
    }
    if !matches!(method, "POST" | "PATCH" | "PUT" | "DELETE") {
        return None;
    }
    let path = path.split('?').next().unwrap_or_default();
    let resource = path.trim_start_matches('/').split('/').nth(1).unwrap_or_default();
    Some(match resource {
        "targets" if path.ends_with(":authorize-session") => BoundaryEventKind::AuthorizeSession,
        "sessions" if path.ends_with(":cancel") => BoundaryEventKind::CancelSession,
        "targets" | "roles" | "aliases" | "accounts" | "users" | "groups" | "managed-groups" => BoundaryEventKind::Change,
        _ => BoundaryEventKind::Other,
    })
}

fn operation(method: &str, path: &str) -> String {
    if path.is_empty() { method.to_owned() } else { format!("{method} {path}") }
}

fn common(event: Fields<'_>, data: Fields<'_>, request: Fields<'_>) -> Result<BoundaryEvent, Why> {
    let user = data.object("data.auth")?.map(|auth| auth.object("data.auth.user_info")).transpose()?.flatten();
    let status = data.object("data.response")?.map(|it| it.small("data.response.status_code")).transpose()?.flatten();
    Ok(BoundaryEvent {
        event_id: event_id(event, data)?,
        at: moment(event, data)?,
        kind: BoundaryEventKind::Other,
        operation: String::new(),
        status_code: status,
        session_id: None,
        target_id: None,
        user_id: user.map(|user| user.owned("data.auth.user_info.id")).transpose()?.flatten(),
        client_address: request.owned("data.request_info.client_ip")?,
        correlation_id: data.owned("data.correlation_id")?,
        connection: None,
    })
}

/// The request's id, which stays when a sink writes the event twice; the envelope's where there is none.
fn event_id(event: Fields<'_>, data: Fields<'_>) -> Result<String, Why> {
    match data.owned("data.id")? {
        Some(id) => Ok(id),
        None => Ok(event.required("id")?.to_owned()),
    }
}

fn moment(event: Fields<'_>, data: Fields<'_>) -> Result<Timestamp, Why> {
    match data.time("data.timestamp")? {
        Some(at) => Ok(at),
        None => event.required_time("time"),
    }
}

/// Adds the ids of a request to the API: by the answer, else by the request, else by the path.
fn of_the_api(data: Fields<'_>, path: &str, event: BoundaryEvent) -> Result<BoundaryEvent, Why> {
    let item = details(data, "data.response")?.map(|it| it.object("data.response.details.item")).transpose()?.flatten();
    let asked = details(data, "data.request")?.map(|it| it.owned("data.request.details.id")).transpose()?.flatten();
    let answered = |path| item.map(|item| item.owned(path)).transpose().map(Option::flatten);
    let own_id = answered("data.response.details.item.id")?;
    let session_id = answered("data.response.details.item.session_id")?;
    let target_id = answered("data.response.details.item.target_id")?;
    let ids = || [own_id.clone(), asked.clone(), id_in(path)].into_iter().flatten();
    let of_kind = |fits: fn(&str) -> bool| ids().find(|id| fits(id));
    Ok(BoundaryEvent {
        session_id: session_id.or_else(|| of_kind(|id| id.starts_with("s_"))),
        target_id: target_id.or_else(|| of_kind(|id| id.starts_with("ttcp_") || id.starts_with("tssh_"))),
        ..event
    })
}

fn details<'a>(data: Fields<'a>, part: &'static str) -> Result<Option<Fields<'a>>, Why> {
    let details = if part == "data.request" { "data.request.details" } else { "data.response.details" };
    Ok(data.object(part)?.map(|part| part.object(details)).transpose()?.flatten())
}

/// The id in `/v1/RESOURCE/ID:action?query`; an alias may stand there too.
fn id_in(path: &str) -> Option<String> {
    let path = path.split('?').next()?;
    let id = path.trim_start_matches('/').split('/').nth(2)?.split(':').next()?;
    Some(id.to_owned()).filter(|id| !id.is_empty())
}

/// A worker's call: one event, or one for each connection that it closes.
fn worker(data: Fields<'_>, event: BoundaryEvent) -> Result<Vec<BoundaryEvent>, Why> {
    let Some(asked) = details(data, "data.request")? else { return Ok(vec![event]) };
    let closed = asked.list("data.request.details.close_request_data")?;
    if !closed.is_empty() {
        let closed = closed.iter().map(|value| closing(Fields::of(value)?));
        return closed.map(|it| Ok(BoundaryEvent { connection: Some(it?), ..event.clone() })).collect();
    }
    let answer = details(data, "data.response")?;
    let made = answer.map(|it| it.owned("data.response.details.connection_id")).transpose()?.flatten();
    let connection_id = made.or(asked.owned("data.request.details.connection_id")?).filter(|id| id.starts_with("sc_"));
    let seen = asked.owned("data.request.details.client_tcp_address")?;
    let client_address = asked.owned("data.request.details.user_client_ip")?.or(seen);
    Ok(vec![BoundaryEvent {
        session_id: asked.owned("data.request.details.session_id")?,
        client_address: client_address.or(event.client_address),
        connection: connection_id.map(|id| ConnectionReport { connection_id: id, ..ConnectionReport::default() }),
        ..event
    }])
}

fn closing(fields: Fields<'_>) -> Result<ConnectionReport, Why> {
    Ok(ConnectionReport {
        connection_id: fields.required("close_request_data.connection_id")?.to_owned(),
        bytes_up: Some(fields.count("close_request_data.bytes_up")?.unwrap_or(0)),
        bytes_down: Some(fields.count("close_request_data.bytes_down")?.unwrap_or(0)),
        closed_reason: fields.owned("close_request_data.reason")?,
    })
}

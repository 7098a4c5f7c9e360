//! Boundary's API on sessions: a page of the list, and the answer to one GET.
//!
//! Owns the JSON of both. Zero, empty and false fields are absent there, and 64-bit numbers are texts.
//! Source: boundary `session.proto`, `handlers/marshaler.go`; lists leave `connections` out.

use super::fields::{Fields, parse};
use super::{Normalised, Reading, Why};
use crate::boundary::{BoundaryConnection, BoundaryRemoval, BoundarySession, BoundaryStatus};
use crate::fact::Body;
use jiff::Timestamp;
use serde_json::Value;

/// How the list goes on, and what is to be read one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionListNext {
    /// The token for the next page, or for the next refresh when this was the last page.
    pub list_token: Option<String>,
    /// Whether this was the last page. A controller that knows no pages sends no type, and all.
    pub is_complete: bool,
    /// The sessions of this page: each wants a GET unless it was read since it had this version and state.
    pub sessions: Vec<BoundarySessionVersion>,
}

/// A session at one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BoundarySessionVersion {
    /// The session.
    pub id: String,
    /// Its version. It can rise after the end: not a key alone.
    pub version: u32,
    /// Its state.
    pub status: BoundaryStatus,
}

/// Reads a page of the list of sessions: sessions without connections, and removals.
pub fn list(reading: &Reading, page: &[u8]) -> Normalised<SessionListNext> {
    match parse(page).and_then(|page| read_list(reading, Fields::of(&page)?)) {
        Ok(read) => read,
        Err(why) => Normalised::unreadable(why),
    }
}

/// Reads the answer to a GET of one session, with its connections.
pub fn one(reading: &Reading, answer: &[u8]) -> Normalised {
    let mut read = Normalised::new();
    let body = parse(answer).and_then(|value| {
        let fields = Fields::of(&value)?;
        let fields = fields.object("item")?.unwrap_or(fields);
        let connections = fields.list("connections")?.iter().map(connection).collect::<Result<_, _>>()?;
        Ok([Body::BoundarySession(Box::new(BoundarySession { connections: Some(connections), ..session(fields)? }))])
    });
    read.add(reading, 1, body);
    read
}

fn read_list(reading: &Reading, page: Fields<'_>) -> Result<Normalised<SessionListNext>, Why> {
    let mut read = Normalised::<SessionListNext>::new();
    read.next.list_token = page.owned("list_token")?;
    read.next.is_complete = match page.text("response_type")? {
        Some("delta") => false,
        Some("complete") | None => true,
        Some(_) => return Err(Why::Malformed("response_type")),
    };
    for (place, item) in page.list("items")?.iter().enumerate() {
        let session = Fields::of(item).and_then(session);
        if let Ok(BoundarySession { id, version, status, .. }) = &session {
            read.next.sessions.push(BoundarySessionVersion { id: id.clone(), version: *version, status: *status });
        }
        read.add(reading, place + 1, session.map(|session| [Body::BoundarySession(Box::new(session))]));
    }
    match page.list("removed_ids") {
        Ok(removed) => removed.iter().for_each(|id| read.add(reading, 0, removal(reading, id).map(|body| [body]))),
        Err(why) => read.refuse(0, why),
    }
    Ok(read)
}

fn removal(reading: &Reading, id: &Value) -> Result<Body, Why> {
    let id = id.as_str().ok_or(Why::WrongType("removed_ids"))?;
    Ok(Body::BoundaryRemoval(BoundaryRemoval { session_id: id.to_owned(), at: reading.at }))
}

fn session(fields: Fields<'_>) -> Result<BoundarySession, Why> {
    let states = fields.list("states")?.iter().map(state).collect::<Result<Vec<_>, _>>()?;
    let start_of = |wanted: &[BoundaryStatus]| {
        let fitting = states.iter().filter(|(status, _)| wanted.contains(status));
        fitting.filter_map(|(_, start)| *start).min()
    };
    Ok(BoundarySession {
        id: fields.required("id")?.to_owned(),
        version: fields.small("version")?.unwrap_or(0),
        target_id: fields.owned("target_id")?,
        user_id: fields.owned("user_id")?,
        scope_id: scope(fields)?,
        created: fields.time("created_time")?,
        expiration: fields.time("expiration_time")?,
        status: fields.text("status")?.map_or(BoundaryStatus::Unknown, status),
        active_from: start_of(&[BoundaryStatus::Active]),
        ended: start_of(&[BoundaryStatus::Canceling, BoundaryStatus::Terminated]),
        termination_reason: fields.owned("termination_reason")?,
        connections: None,
    })
}

fn scope(fields: Fields<'_>) -> Result<String, Why> {
    let outer = fields.text("scope_id")?;
    let inner = fields.object("scope")?.map(|scope| scope.text("scope.id")).transpose()?.flatten();
    Ok(outer.or(inner).unwrap_or_default().to_owned())
}

fn status(word: &str) -> BoundaryStatus {
    match word {
        "pending" => BoundaryStatus::Pending,
        "active" => BoundaryStatus::Active,
        "canceling" => BoundaryStatus::Canceling,
        "terminated" => BoundaryStatus::Terminated,
        _ => BoundaryStatus::Unknown,
    }
}

fn state(value: &Value) -> Result<(BoundaryStatus, Option<Timestamp>), Why> {
    let fields = Fields::of(value)?;
    Ok((fields.text("states.status")?.map_or(BoundaryStatus::Unknown, status), fields.time("states.start_time")?))
}

fn connection(value: &Value) -> Result<BoundaryConnection, Why> {
    let fields = Fields::of(value)?;
    Ok(BoundaryConnection {
        client_address: fields.owned("connections.client_tcp_address")?.unwrap_or_default(),
        bytes_up: fields.count("connections.bytes_up")?.unwrap_or(0),
        bytes_down: fields.count("connections.bytes_down")?.unwrap_or(0),
        closed_reason: fields.owned("connections.closed_reason")?.unwrap_or_default(),
    })
}

//! Pages of CloudWatch Logs: the rows of streams and events that the readers look at.
//!
//! Pure. Owns the shape of the answers; what stands in an event is its reader's matter.

use super::place::CollectError;
use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

const FORM: &str = "a page is not of the service's form";

/// A stream in a list. Its times lag behind by an hour or more, except the first (API reference of DescribeLogStreams).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamRow {
    /// The stream.
    #[serde(rename = "logStreamName")]
    pub(crate) name: String,
    /// When it was made, milliseconds.
    pub(crate) creation_time: Option<i64>,
    /// The last event's own time, milliseconds.
    #[serde(rename = "lastEventTimestamp")]
    pub(crate) last_event_time: Option<i64>,
    /// When the last event came in, milliseconds.
    pub(crate) last_ingestion_time: Option<i64>,
}

/// An event of a stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event<'a> {
    /// Its own time, milliseconds.
    pub(crate) timestamp: Option<i64>,
    /// When it came in, milliseconds.
    pub(crate) ingestion_time: Option<i64>,
    /// What it says.
    #[serde(borrow)]
    pub(crate) message: Cow<'a, str>,
}

/// The rows of a page of DescribeLogStreams.
///
/// # Errors
/// When the page is no such answer.
pub(crate) fn streams(group: &str, body: &[u8]) -> Result<Vec<StreamRow>, CollectError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct StreamsPage {
        log_streams: Vec<StreamRow>,
    }
    let odd = |_| CollectError::Odd(format!("the streams of {group}"), FORM);
    Ok(serde_json::from_slice::<StreamsPage>(body).map_err(odd)?.log_streams)
}

/// The events of a page of GetLogEvents; the name is `GROUP/STREAM`.
///
/// # Errors
/// When the page is no such answer.
pub(crate) fn events<'a>(name: &str, body: &'a [u8]) -> Result<Vec<Event<'a>>, CollectError> {
    #[derive(Deserialize)]
    struct EventsPage<'a> {
        #[serde(borrow)]
        events: Vec<Event<'a>>,
    }
    let odd = |_| CollectError::Odd(format!("the events of {name}"), FORM);
    Ok(serde_json::from_slice::<EventsPage<'_>>(body).map_err(odd)?.events)
}

/// A time as CloudWatch writes it, milliseconds.
pub(crate) fn time(millis: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis?).ok()
}

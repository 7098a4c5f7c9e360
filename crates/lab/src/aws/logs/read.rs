//! What calls read from CloudWatch Logs: groups, streams and events, each in pages. Streams tell the times of their events late,
//! as the service does. Source: CloudWatch Logs API reference.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aws::logs::{Group, LogEvent, no_group, no_stream};
use crate::aws::{ApiError, Call};
use crate::tasks::{ACCOUNT, REGION};

/// How long the list of streams does not know of an event, milliseconds: `lastEventTimestamp` is eventually consistent.
const LIST_LAG: i64 = 30 * 60 * 1000;
/// The most that one page of events holds: events, and bytes with [`EVENT_OVERHEAD`] for each.
const PAGE_EVENTS: usize = 10_000;
const PAGE_BYTES: usize = 1 << 20;
const EVENT_OVERHEAD: usize = 26;
/// The most groups and streams of one page.
const PAGE_ROWS: usize = 50;

/// Lists log groups by prefix.
pub(crate) fn describe_groups(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("logs:DescribeLogGroups", &group_arn("*"), &BTreeMap::new())?;
    let prefix = call.text("logGroupNamePrefix").unwrap_or_default();
    let groups = call.shared.log_groups.groups();
    let matching = groups.iter().filter(|(name, _)| name.starts_with(prefix));
    let (page, next) = page_of(call, matching.map(|(name, group)| (name.clone(), group)))?;
    let shown: Vec<Value> = page.iter().map(|(name, group)| group_json(name, group)).collect();
    Ok(with_next(json!({"logGroups": shown}), next))
}

fn group_json(name: &str, group: &Group) -> Value {
    let arn = group_arn(name);
    let mut shown = json!({
        "logGroupName": name, "creationTime": group.created, "metricFilterCount": 0, "arn": format!("{arn}:*"), "logGroupArn": arn,
        "storedBytes": 0, "logGroupClass": "STANDARD",
    });
    if let Some(days) = group.retention_days {
        shown["retentionInDays"] = json!(days);
    }
    if let Some(key) = &group.kms_key {
        shown["kmsKeyId"] = json!(key);
    }
    shown
}

/// Lists the streams of a group, by name or by the time of their last event.
pub(crate) fn describe_streams(call: &Call<'_>) -> Result<Value, ApiError> {
    let name = group_name(call)?;
    call.authorise("logs:DescribeLogStreams", &format!("{}:log-stream:", group_arn(name)), &BTreeMap::new())?;
    let prefix = call.text("logStreamNamePrefix");
    let by_time = call.text("orderBy") == Some("LastEventTime");
    if by_time && prefix.is_some() {
        return Err(ApiError::invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let groups = call.shared.log_groups.groups();
    let group = groups.get(name).ok_or_else(no_group)?;
    let known_by = call.shared.clock.millis() - LIST_LAG;
    let mut rows: Vec<(String, Value)> = group
        .streams
        .iter()
        .filter(|(stream, _)| stream.starts_with(prefix.unwrap_or_default()))
        .map(|(stream, events)| (stream.clone(), stream_json(name, group, stream, events, known_by)))
        .collect();
    if by_time {
        rows.sort_by_key(|(_, row)| row["lastEventTimestamp"].as_i64());
    }
    if call.body["descending"] == json!(true) {
        rows.reverse();
    }
    let (page, next) = page_of(call, rows.into_iter())?;
    let shown: Vec<Value> = page.into_iter().map(|(_, row)| row).collect();
    Ok(with_next(json!({"logStreams": shown}), next))
}

fn stream_json(group_name: &str, group: &Group, stream: &str, events: &[LogEvent], known_by: i64) -> Value {
    let created = group.stream_births.get(stream).copied().unwrap_or_default();
    let mut row = json!({
        "logStreamName": stream, "creationTime": created, "arn": format!("{}:log-stream:{stream}", group_arn(group_name)),
        "uploadSequenceToken": "1", "storedBytes": 0,
    });
    let known: Vec<&LogEvent> = events.iter().filter(|event| event.ingestion_time <= known_by).collect();
    if let (Some(first), Some(last)) = (known.first(), known.last()) {
        row["firstEventTimestamp"] = json!(first.timestamp);
        row["lastEventTimestamp"] = json!(last.timestamp);
        row["lastIngestionTime"] = json!(known.iter().map(|event| event.ingestion_time).max());
    }
    row
}

/// Reads a page of a stream: from its head, from its end, or from a token on. A token names the place between two events.
pub(crate) fn read_events(call: &Call<'_>) -> Result<Value, ApiError> {
    let (name, stream) = (group_name(call)?, call.required("logStreamName")?);
    call.authorise("logs:GetLogEvents", &format!("{}:log-stream:{stream}", group_arn(name)), &BTreeMap::new())?;
    let key = call.shared.log_groups.groups().get(name).ok_or_else(no_group)?.kms_key.clone();
    if let Some(key) = key {
        call.authorise("kms:Decrypt", &key, &BTreeMap::new())?;
    }
    let groups = call.shared.log_groups.groups();
    let group = groups.get(name).ok_or_else(no_group)?;
    let events = in_time(call, group.streams.get(stream).ok_or_else(no_stream)?);
    let limit = limit(call, PAGE_EVENTS)?;
    let range = match Place::read(call, events.len())? {
        Place::After(start) => start..start + fitting(events[start..].iter(), limit),
        Place::Before(end) => end - fitting(events[..end].iter().rev(), limit)..end,
    };
    let shown: Vec<Value> = events[range.clone()].iter().map(|event| event_json(event)).collect();
    Ok(json!({
        "events": shown, "nextForwardToken": format!("f/{:056}/s", range.end), "nextBackwardToken": format!("b/{:056}/s", range.start),
    }))
}

fn event_json(event: &LogEvent) -> Value {
    json!({"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingestion_time})
}

/// The events of the asked time; its end is not part of it.
fn in_time<'a>(call: &Call<'_>, events: &'a [LogEvent]) -> Vec<&'a LogEvent> {
    let start = call.body["startTime"].as_i64().unwrap_or(i64::MIN);
    let end = call.body["endTime"].as_i64().unwrap_or(i64::MAX);
    events.iter().filter(|event| (start..end).contains(&event.timestamp)).collect()
}

/// Where a page begins or ends.
enum Place {
    After(usize),
    Before(usize),
}

impl Place {
    fn read(call: &Call<'_>, count: usize) -> Result<Self, ApiError> {
        let Some(token) = call.text("nextToken") else {
            return Ok(if call.body["startFromHead"] == json!(true) { Self::After(0) } else { Self::Before(count) });
        };
        let invalid = || ApiError::invalid_parameter("The specified nextToken is invalid.");
        let (way, rest) = token.split_once('/').ok_or_else(invalid)?;
        let at: usize = rest.strip_suffix("/s").and_then(|number| number.parse().ok()).ok_or_else(invalid)?;
        match way {
            "f" => Ok(Self::After(at.min(count))),
            "b" => Ok(Self::Before(at.min(count))),
            _ => Err(invalid()),
        }
    }
}

/// How many of these events one page takes; at least one.
fn fitting<'a>(events: impl Iterator<Item = &'a &'a LogEvent>, limit: usize) -> usize {
    let mut bytes = 0;
    let fits = |event: &&&LogEvent| {
        bytes += event.message.len() + EVENT_OVERHEAD;
        bytes <= PAGE_BYTES
    };
    let mut events = events.take(limit).peekable();
    let any = usize::from(events.peek().is_some());
    events.take_while(fits).count().max(any)
}

fn limit(call: &Call<'_>, most: usize) -> Result<usize, ApiError> {
    let asked = call.body["limit"].as_u64().map_or(most, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if (1..=most).contains(&asked) {
        return Ok(asked);
    }
    let text = format!(
        "1 validation error detected: Value '{asked}' at 'limit' failed to satisfy constraint: Member must have value less than or \
         equal to {most}"
    );
    Err(ApiError::invalid_parameter(&text))
}

/// Takes a page of rows; the token is the number of the next one.
fn page_of<T>(call: &Call<'_>, rows: impl Iterator<Item = T>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = limit(call, PAGE_ROWS)?;
    let invalid = || ApiError::invalid_parameter("The specified nextToken is invalid.");
    let start = call.text("nextToken").map_or(Ok(0), |token| token.parse().map_err(|_| invalid()))?;
    let mut rows = rows.skip(start);
    let page: Vec<_> = rows.by_ref().take(size).collect();
    Ok((page, rows.next().map(|_| (start + size).to_string())))
}

fn with_next(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}

/// The group that is asked for, by name or by ARN.
fn group_name<'a>(call: &'a Call<'_>) -> Result<&'a str, ApiError> {
    match call.text("logGroupIdentifier") {
        Some(identifier) => Ok(identifier.rsplit_once(":log-group:").map_or(identifier, |(_, name)| name).trim_end_matches(":*")),
        None => call.required("logGroupName"),
    }
}

fn group_arn(name: &str) -> String {
    format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}")
}

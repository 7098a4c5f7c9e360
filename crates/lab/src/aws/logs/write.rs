//! What calls write into CloudWatch Logs: streams are made, and events are put into them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::aws::logs::{no_group, no_stream};
use crate::aws::{ApiError, Call};
use crate::tasks::{ACCOUNT, REGION};

/// How old an event may be, milliseconds (PutLogEvents, API reference).
const AGE_LIMIT: i64 = 14 * 24 * 3600 * 1000;
/// How far ahead of our clock an event may be, milliseconds.
const AHEAD_LIMIT: i64 = 2 * 3600 * 1000;

/// Makes a stream.
pub(crate) fn create_stream(call: &Call<'_>) -> Result<Value, ApiError> {
    let (group, stream) = named(call, "logs:CreateLogStream")?;
    let mut groups = call.shared.log_groups.groups();
    let now = call.shared.clock.millis();
    if !groups.get_mut(group).ok_or_else(no_group)?.create_stream(stream, now) {
        return Err(ApiError::new(400, "ResourceAlreadyExistsException", "The specified log stream already exists"));
    }
    Ok(json!({}))
}

/// Puts events into a stream; those of another time are rejected with 200.
pub(crate) fn put_events(call: &Call<'_>) -> Result<Value, ApiError> {
    let (group, stream) = named(call, "logs:PutLogEvents")?;
    let mut groups = call.shared.log_groups.groups();
    let group = groups.get_mut(group).ok_or_else(no_group)?;
    if !group.streams.contains_key(stream) {
        return Err(no_stream());
    }
    if let Some(field) = call.shared.faults.takes_log_rejection() {
        return Ok(json!({"rejectedLogEventsInfo": {field: 0}}));
    }
    let now = call.shared.clock.millis();
    let mut taken = Vec::new();
    let mut rejected = serde_json::Map::new();
    for (at, event) in call.body["logEvents"].as_array().into_iter().flatten().enumerate() {
        let (Some(timestamp), Some(message)) = (event["timestamp"].as_i64(), event["message"].as_str()) else {
            return Err(ApiError::invalid_parameter("An event needs a timestamp and a message."));
        };
        if timestamp < now - AGE_LIMIT {
            rejected.insert("tooOldLogEventEndIndex".to_owned(), json!(at + 1));
        } else if timestamp > now + AHEAD_LIMIT {
            rejected.entry("tooNewLogEventStartIndex").or_insert(json!(at));
        } else {
            taken.push((timestamp, message.to_owned()));
        }
    }
    group.put(stream, taken, now);
    let mut answer = json!({"nextSequenceToken": "1"});
    if !rejected.is_empty() {
        answer["rejectedLogEventsInfo"] = Value::Object(rejected);
    }
    Ok(answer)
}

/// Group and stream of a call that is permitted.
fn named<'a>(call: &'a Call<'_>, action: &str) -> Result<(&'a str, &'a str), ApiError> {
    let (group, stream) = (call.required("logGroupName")?, call.required("logStreamName")?);
    let arn = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{stream}");
    call.authorise(action, &arn, &BTreeMap::new())?;
    if stream.contains([':', '*']) || stream.len() > 512 {
        return Err(ApiError::invalid_parameter("The name of the log stream is not of the permitted form."));
    }
    Ok((group, stream))
}

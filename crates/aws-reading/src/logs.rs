//! The questions to CloudWatch Logs.
//!
//! Pure: parameters by the API's names (API reference 2014-03-28).

use crate::json::{EndsWith, JsonCall, JsonList};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The log groups whose names begin so; an empty prefix is all of them.
pub fn describe_log_groups(prefix: &str) -> JsonList {
    let mut parameters = json!({"limit": 50});
    if !prefix.is_empty() {
        parameters["logGroupNamePrefix"] = Value::from(prefix);
    }
    JsonList::new(JsonCall::new("logs:DescribeLogGroups", parameters).with("logGroups"), "nextToken")
}

/// The streams of a group, a name or an ARN, whose names begin so; an empty prefix is all of them.
pub fn describe_log_streams(group: &str, prefix: &str) -> JsonList {
    let mut parameters = of_group(group);
    parameters.insert("limit".to_owned(), Value::from(50));
    if !prefix.is_empty() {
        parameters.insert("logStreamNamePrefix".to_owned(), Value::from(prefix));
    }
    JsonList::new(call("logs:DescribeLogStreams", parameters, group).with("logStreams"), "nextToken")
}

/// The events of a stream, the oldest first or the newest; each page is of at most 1 MB or 10 000 events.
///
/// The list ends where the service answers with the token that it was asked with. Its last token may be kept: the list goes
/// on there when the stream has grown.
pub fn log_events(group: &str, stream: &str, from_head: bool) -> JsonList {
    let mut parameters = of_group(group);
    parameters.insert("logStreamName".to_owned(), Value::from(stream));
    parameters.insert("startFromHead".to_owned(), Value::from(from_head));
    let question = call("logs:GetLogEvents", parameters, &format!("{group}:log-stream:{stream}")).with("events");
    let token_out = if from_head { "nextForwardToken" } else { "nextBackwardToken" };
    JsonList { question, token_in: "nextToken", token_out, ends_with: EndsWith::SameToken }
}

/// The events of a group between two times, the later one left out, that a pattern fits; an empty pattern is all of them.
///
/// AWS: "designed for human interaction and not for automation", 5 calls a second.
pub fn filter_log_events(group: &str, pattern: &str, from: Timestamp, to: Timestamp) -> JsonList {
    let mut parameters = of_group(group);
    parameters.insert("startTime".to_owned(), Value::from(from.as_millisecond()));
    // The API takes the end in.
    parameters.insert("endTime".to_owned(), Value::from(to.as_millisecond() - 1));
    if !pattern.is_empty() {
        parameters.insert("filterPattern".to_owned(), Value::from(pattern));
    }
    JsonList::new(call("logs:FilterLogEvents", parameters, group).with("events"), "nextToken")
}

fn call(call: &'static str, parameters: Map<String, Value>, resource: &str) -> JsonCall {
    JsonCall::new(call, Value::Object(parameters)).on(format!("log-group:{resource}"))
}

/// A group's name, or the ARN of one that may be another account's; the API takes it without the `:*` of consoles.
fn of_group(group: &str) -> Map<String, Value> {
    let name = if group.starts_with("arn:") { "logGroupIdentifier" } else { "logGroupName" };
    Map::from_iter([(name.to_owned(), Value::from(group.trim_end_matches(":*")))])
}

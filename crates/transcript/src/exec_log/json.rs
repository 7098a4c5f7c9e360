//! The agent's streaming form: one JSON object an event, with lines of plain text.
//!
//! Owns its reading. ECS Exec does not write it today; a log group may hold it, from other sessions.
//! Source: amazon-ssm-agent `cloudwatchlogsservice.go` (CloudWatchMessage).

use jiff::Timestamp;
use serde::Deserialize;

/// Says what the JSON events tell about their session, by the agent's claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonSummary {
    /// The session's id.
    pub session_id: Option<String>,
    /// The node or task that was entered.
    pub target_id: Option<String>,
    /// Who entered.
    pub user_arn: Option<String>,
    /// The operating system's user.
    pub run_as_user: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The earliest event's time.
    pub first_at: Option<Timestamp>,
    /// The latest event's time.
    pub last_at: Option<Timestamp>,
    /// Events that were read.
    pub events: u64,
    /// Lines that are no such event; their text is in the body.
    pub other_lines: u64,
    /// Whether two events disagree on session, target or user: the stream is not one session's.
    pub mixed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(rename = "eventVersion")]
    _version: String,
    #[serde(rename = "eventTime")]
    at: Option<Timestamp>,
    aws_region: Option<String>,
    target: Option<Target>,
    user_identity: Option<Identity>,
    run_as_user: Option<String>,
    session_id: Option<String>,
    #[serde(default)]
    pub(super) session_data: Vec<String>,
}

#[derive(Deserialize)]
struct Target {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Identity {
    arn: Option<String>,
}

/// Reads one event; none for what the agent does not write.
pub(super) fn event(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok()
}

impl JsonSummary {
    pub(super) fn add(&mut self, event: &Event) {
        self.events += 1;
        let target = event.target.as_ref().and_then(|target| target.id.as_ref());
        let arn = event.user_identity.as_ref().and_then(|identity| identity.arn.as_ref());
        self.mixed |= settle(&mut self.session_id, event.session_id.as_ref());
        self.mixed |= settle(&mut self.target_id, target);
        self.mixed |= settle(&mut self.user_arn, arn);
        settle(&mut self.run_as_user, event.run_as_user.as_ref());
        settle(&mut self.region, event.aws_region.as_ref());
        if let Some(at) = event.at {
            self.first_at = Some(self.first_at.map_or(at, |first| first.min(at)));
            self.last_at = Some(self.last_at.map_or(at, |last| last.max(at)));
        }
    }
}

/// Keeps the first value and says whether another one differs.
fn settle(slot: &mut Option<String>, value: Option<&String>) -> bool {
    match (&slot, value) {
        (Some(first), Some(value)) => first != value,
        (None, Some(value)) => {
            *slot = Some(value.clone());
            false
        }
        (_, None) => false,
    }
}

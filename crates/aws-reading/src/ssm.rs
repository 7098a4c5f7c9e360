//! The questions to Systems Manager.
//!
//! Pure: parameters by the API's names (API reference 2014-11-06).

use crate::json::{JsonCall, JsonList};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Which sessions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Those that go on.
    Active,
    /// Those that ended, 30 days back.
    History,
}

/// What sessions must have (API reference, SessionFilter).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionFilter {
    /// Begun after a time.
    InvokedAfter(Timestamp),
    /// Begun before a time.
    InvokedBefore(Timestamp),
    /// What the session is with.
    Target(String),
    /// The ARN of who began it.
    Owner(String),
    /// The status, such as `Terminated`.
    Status(String),
    /// The id.
    SessionId(String),
}

impl SessionFilter {
    fn to_json(&self) -> Value {
        let (key, value) = match self {
            Self::InvokedAfter(at) => ("InvokedAfter", at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            Self::InvokedBefore(at) => ("InvokedBefore", at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            Self::Target(value) => ("Target", value.clone()),
            Self::Owner(value) => ("Owner", value.clone()),
            Self::Status(value) => ("Status", value.clone()),
            Self::SessionId(value) => ("SessionId", value.clone()),
        };
        json!({"key": key, "value": value})
    }
}

/// The sessions of a state that pass all filters.
pub fn describe_sessions(state: SessionState, filters: &[SessionFilter]) -> JsonList {
    let state = match state {
        SessionState::Active => "Active",
        SessionState::History => "History",
    };
    let mut parameters = json!({"State": state, "MaxResults": 200});
    if !filters.is_empty() {
        parameters["Filters"] = filters.iter().map(SessionFilter::to_json).collect();
    }
    JsonList::new(JsonCall::new("ssm:DescribeSessions", parameters).with("Sessions"), "NextToken")
}

//! The questions to CloudTrail.
//!
//! Pure: parameters by the API's names (API reference 2013-11-01).

use crate::json::{JsonCall, JsonList};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What LookupEvents can look for; the API takes one (API reference, LookupAttribute).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupAttribute {
    /// The access key.
    AccessKeyId,
    /// The event's id.
    EventId,
    /// The call, such as `ExecuteCommand`.
    EventName,
    /// The service, such as `ecs.amazonaws.com`.
    EventSource,
    /// `true` or `false`.
    ReadOnly,
    /// The resource.
    ResourceName,
    /// The resource's type.
    ResourceType,
    /// The user's name, or the name of a role's session.
    Username,
}

impl LookupAttribute {
    fn key(self) -> &'static str {
        match self {
            Self::AccessKeyId => "AccessKeyId",
            Self::EventId => "EventId",
            Self::EventName => "EventName",
            Self::EventSource => "EventSource",
            Self::ReadOnly => "ReadOnly",
            Self::ResourceName => "ResourceName",
            Self::ResourceType => "ResourceType",
            Self::Username => "Username",
        }
    }
}

/// The management events of this region between two times, both taken in, the newest first; 90 days back at most.
pub fn lookup_events(attribute: Option<(LookupAttribute, &str)>, from: Timestamp, to: Timestamp) -> JsonList {
    let mut parameters = json!({"StartTime": seconds(from), "EndTime": seconds(to), "MaxResults": 50});
    if let Some((attribute, value)) = attribute {
        parameters["LookupAttributes"] = json!([{"AttributeKey": attribute.key(), "AttributeValue": value}]);
    }
    JsonList::new(JsonCall::new("cloudtrail:LookupEvents", parameters).with("Events"), "NextToken")
}

/// The trails of this region: those of others that cover it too, where `with_shadows`.
pub fn describe_trails(with_shadows: bool) -> JsonCall {
    JsonCall::new("cloudtrail:DescribeTrails", json!({"includeShadowTrails": with_shadows})).with("trailList")
}

/// Whether a trail, a name or an ARN, is logging, and what it delivered last.
pub fn trail_status(trail: &str) -> JsonCall {
    JsonCall::new("cloudtrail:GetTrailStatus", json!({"Name": trail})).with("IsLogging").on(trail)
}

/// The public keys of digest files that were good between two times.
pub fn list_public_keys(from: Timestamp, to: Timestamp) -> JsonList {
    let parameters = json!({"StartTime": seconds(from), "EndTime": seconds(to)});
    JsonList::new(JsonCall::new("cloudtrail:ListPublicKeys", parameters).with("PublicKeyList"), "NextToken")
}

/// Times of JSON 1.1: seconds since 1970.
fn seconds(at: Timestamp) -> Value {
    Value::from(at.as_second())
}

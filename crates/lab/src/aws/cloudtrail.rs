//! CloudTrail: the event history, the trail and the public keys of its digests. Source: CloudTrail API reference.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::aws::{ApiError, Call};
use crate::tasks::REGION;
use crate::trail;

/// The most events of one page.
const PAGE_MAX: usize = 50;
/// How far back the history goes.
const HISTORY: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Finds events of the last 90 days, the newest first; the token is the number of those passed.
pub(crate) fn lookup_events(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("cloudtrail:LookupEvents", "*", &BTreeMap::new())?;
    let size = call.body["MaxResults"].as_u64().map_or(PAGE_MAX, |size| usize::try_from(size).unwrap_or(0));
    if !(1..=PAGE_MAX).contains(&size) {
        return Err(ApiError::new(400, "InvalidMaxResultsException", "The MaxResults must be between 1 and 50."));
    }
    let invalid = || ApiError::new(400, "InvalidNextTokenException", "The NextToken is not valid.");
    let start: usize = call.text("NextToken").map_or(Ok(0), |token| token.parse().map_err(|_| invalid()))?;
    let wanted = Wanted::read(call)?;
    let state = call.shared.trail.state();
    let mut found = state.events.iter().rev().filter(|record| wanted.takes(record)).skip(start);
    let events: Vec<Value> = found.by_ref().take(size).map(shown).collect();
    let mut answer = json!({"Events": events});
    if found.next().is_some() {
        answer["NextToken"] = json!((start + size).to_string());
    }
    Ok(answer)
}

/// What a lookup is asked for: a time, and at most one attribute.
struct Wanted<'a> {
    from: Timestamp,
    to: Timestamp,
    attribute: Option<(&'a str, &'a str)>,
}

impl<'a> Wanted<'a> {
    fn read(call: &'a Call<'_>) -> Result<Self, ApiError> {
        let attributes = call.body["LookupAttributes"].as_array().map(Vec::as_slice).unwrap_or_default();
        if attributes.len() > 1 {
            let text = "You can specify only one lookup attribute.";
            return Err(ApiError::new(400, "InvalidLookupAttributesException", text));
        }
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        let oldest = call.shared.clock.now().checked_sub(HISTORY).unwrap_or(Timestamp::MIN);
        Ok(Self {
            from: instant(&call.body["StartTime"]).unwrap_or(oldest).max(oldest),
            to: instant(&call.body["EndTime"]).unwrap_or(Timestamp::MAX),
            attribute: attributes.first().map(|it| (text(&it["AttributeKey"]), text(&it["AttributeValue"]))),
        })
    }

    fn takes(&self, record: &Value) -> bool {
        let at: Option<Timestamp> = record["eventTime"].as_str().and_then(|text| text.parse().ok());
        let value = |name: &str| record[name].as_str().unwrap_or_default() == self.attribute.map_or("", |(_, value)| value);
        let fits = match self.attribute {
            None => true,
            Some(("EventId", _)) => value("eventID"),
            Some(("EventName", _)) => value("eventName"),
            Some(("EventSource", _)) => value("eventSource"),
            Some(("ReadOnly", wanted)) => record["readOnly"].as_bool().is_some_and(|read_only| read_only.to_string() == wanted),
            Some(("Username", wanted)) => user_name(record) == wanted,
            Some(("AccessKeyId", wanted)) => record["userIdentity"]["accessKeyId"] == wanted,
            Some(("ResourceName", wanted)) => resources(record).iter().any(|resource| resource["ResourceName"] == wanted),
            Some(_) => false,
        };
        fits && at.is_some_and(|at| self.from <= at && at <= self.to)
    }
}

/// A time of a request: seconds since 1970, also with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
fn instant(value: &Value) -> Option<Timestamp> {
    Timestamp::from_millisecond((value.as_f64()? * 1000.0) as i64).ok()
}

fn user_name(record: &Value) -> &str {
    let identity = &record["userIdentity"];
    let of_session = || identity["principalId"].as_str().and_then(|id| id.rsplit_once(':')).map(|(_, name)| name);
    identity["userName"].as_str().or_else(of_session).unwrap_or_default()
}

fn resources(record: &Value) -> Vec<Value> {
    let answer = &record["responseElements"];
    let named = [("AWS::ECS::Task", &answer["taskArn"]), ("AWS::SSM::Session", &answer["sessionId"])];
    named
        .iter()
        .filter(|(_, name)| name.is_string())
        .map(|(kind, name)| json!({"ResourceType": kind, "ResourceName": name}))
        .collect()
}

fn shown(record: &Value) -> Value {
    let at: Timestamp = record["eventTime"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut shown = json!({
        "EventId": record["eventID"], "EventName": record["eventName"], "ReadOnly": record["readOnly"].to_string(),
        "EventTime": at.as_second(), "EventSource": record["eventSource"], "Username": user_name(record),
        "Resources": resources(record), "CloudTrailEvent": record.to_string(),
    });
    if let Some(key) = record["userIdentity"]["accessKeyId"].as_str() {
        shown["AccessKeyId"] = json!(key);
    }
    shown
}

/// Describes the trail, if there is one.
pub(crate) fn describe_trails(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("cloudtrail:DescribeTrails", "*", &BTreeMap::new())?;
    let trails: Vec<Value> = if call.shared.trail.state().is_off { Vec::new() } else { vec![trail_json()] };
    Ok(json!({"trailList": trails}))
}

fn trail_json() -> Value {
    json!({
        "Name": trail::TRAIL, "S3BucketName": trail::bucket(), "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": false,
        "HomeRegion": REGION, "TrailARN": trail::arn(), "LogFileValidationEnabled": true, "HasCustomEventSelectors": false,
        "HasInsightSelectors": false, "IsOrganizationTrail": false,
    })
}

/// Tells whether the trail logs, and when it delivered.
pub(crate) fn trail_status(call: &Call<'_>) -> Result<Value, ApiError> {
    let name = call.required("Name")?;
    call.authorise("cloudtrail:GetTrailStatus", &trail::arn(), &BTreeMap::new())?;
    let state = call.shared.trail.state();
    if state.is_off || (name != trail::TRAIL && name != trail::arn()) {
        return Err(ApiError::new(400, "TrailNotFoundException", &format!("Unknown trail: {name}")));
    }
    let mut answer = json!({"IsLogging": true, "StartLoggingTime": call.shared.trail.started.as_second()});
    if let Some(at) = state.latest_delivery {
        answer["LatestDeliveryTime"] = json!(at.as_second());
        answer["LatestDigestDeliveryTime"] = json!(at.as_second());
    }
    Ok(answer)
}

/// Gives the public key that checks the digests.
pub(crate) fn list_public_keys(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("cloudtrail:ListPublicKeys", "*", &BTreeMap::new())?;
    let (key, started) = (call.shared.trail.key(), call.shared.trail.started.as_second());
    Ok(json!({"PublicKeyList": [{
        "Value": key.public(), "Fingerprint": key.fingerprint(),
        "ValidityStartTime": started - 86_400, "ValidityEndTime": started + 365 * 86_400,
    }]}))
}

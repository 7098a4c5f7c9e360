//! CloudTrail's events: an object of the trail, already unzipped, or a page of LookupEvents.
//!
//! Owns which events are facts. An event says the same by both ways, since only the event itself is read, never what
//! LookupEvents says around it. Sessions on instances, and refused calls that name nothing real, are no facts.
//! Source: CloudTrail user guide, "CloudTrail record contents"; STS, ECS and SSM API references.

use super::fields::{Fields, parse};
use super::principal::principal;
use super::{Normalised, Reading, Why};
use crate::fact::Body;
use crate::ids::{SsmSessionId, TaskId};
use crate::trail::{Execution, RoleAssumption, SessionCall, SessionCallKind, SessionStartCall};
use investigation::BoundarySessionId;
use remote_script::{BOUNDARY_SESSION_ID_VARIABLE, split_like_agent};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The session tag in which a broker may put the Boundary session's id.
pub const TAG_BOUNDARY_SESSION: &str = "BoundarySessionId";

/// The session tag in which the wrapper puts the Boundary user's id.
pub const TAG_BOUNDARY_USER: &str = "BoundaryUserId";

/// The session tag by which the stack names the user.
pub const TAG_USER: &str = "username";

/// Where LookupEvents goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookupNext {
    /// The token of the next page.
    pub next_token: Option<String>,
}

/// Reads an object of the trail, `{"Records": […]}`.
pub fn object(reading: &Reading, json: &[u8]) -> Normalised {
    let mut read = Normalised::new();
    // Nearly all of a trail is of no interest: such a record is looked through, and never made into values.
    if let Ok(page) = serde_json::from_slice::<Object<'_>>(json) {
        for (place, record) in page.records.into_iter().enumerate().filter(|(_, record)| may_matter(record.get())) {
            read.add(reading, place + 1, parse(record.get().as_bytes()).and_then(|record| event(&record)));
        }
        return read;
    }
    let page = match parse(json) {
        Ok(page) => page,
        Err(why) => return Normalised::unreadable(why),
    };
    match Fields::of(&page).and_then(|page| page.page("Records")) {
        Ok(records) => {
            for (place, record) in records.iter().enumerate() {
                read.add(reading, place + 1, event(record));
            }
        }
        Err(why) => read.refuse(0, why),
    }
    read
}

/// An object of the trail, its records as they are written.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

/// What tells whether a record can be a fact.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind<'a> {
    #[serde(borrow)]
    event_source: Cow<'a, str>,
    #[serde(borrow)]
    event_name: Cow<'a, str>,
}

/// Whether a record is one of those that [`event`] reads, or is written as none should be.
fn may_matter(record: &str) -> bool {
    serde_json::from_str::<Kind<'_>>(record).map_or(true, |kind| shape(&kind.event_source, &kind.event_name).is_some())
}

/// Reads a page of LookupEvents, whose events are JSON in texts.
pub fn lookup(reading: &Reading, json: &[u8]) -> Normalised<LookupNext> {
    let page = match parse(json) {
        Ok(page) => page,
        Err(why) => return Normalised::unreadable(why),
    };
    match Fields::of(&page).and_then(|page| read_lookup(reading, page)) {
        Ok(read) => read,
        Err(why) => Normalised::unreadable(why),
    }
}

fn read_lookup(reading: &Reading, page: Fields<'_>) -> Result<Normalised<LookupNext>, Why> {
    let mut read = Normalised::<LookupNext>::new();
    read.next.next_token = page.owned("NextToken")?;
    for (place, wrapped) in page.page("Events")?.iter().enumerate() {
        let text = Fields::of(wrapped).and_then(|wrapped| wrapped.required("CloudTrailEvent"));
        let bodies = text.and_then(|text| event(&parse(text.as_bytes())?));
        read.add(reading, place + 1, bodies);
    }
    Ok(read)
}

/// How an event is read.
type Shape = fn(Fields<'_>) -> Result<Option<Body>, Why>;

/// How the events of a name are read; none when they are no facts.
fn shape(source: &str, name: &str) -> Option<Shape> {
    match (source, name) {
        ("ecs.amazonaws.com", "ExecuteCommand") => Some(execution),
        ("ssm.amazonaws.com", "StartSession") => Some(start),
        ("ssm.amazonaws.com", "TerminateSession") => Some(|event| call(event, SessionCallKind::Terminate)),
        ("ssm.amazonaws.com", "ResumeSession") => Some(|event| call(event, SessionCallKind::Resume)),
        ("sts.amazonaws.com", "AssumeRole" | "AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML") => Some(assumption),
        _ => None,
    }
}

/// Reads one event.
fn event(value: &Value) -> Result<Option<Body>, Why> {
    let event = Fields::of(value)?;
    shape(event.required("eventSource")?, event.required("eventName")?).map_or(Ok(None), |read| read(event))
}

/// The account in which the thing is that was asked for.
fn account(event: Fields<'_>) -> Result<String, Why> {
    Ok(event.owned("recipientAccountId")?.unwrap_or_default())
}

/// An id that AWS answered with: one of another form is not a missing one.
fn answered_session(answer: Option<Fields<'_>>, path: &'static str) -> Result<Option<SsmSessionId>, Why> {
    let Some(text) = answer.map(|it| it.text(path)).transpose()?.flatten() else { return Ok(None) };
    SsmSessionId::parse(text).map(Some).map_err(|_| Why::Malformed(path))
}

fn execution(event: Fields<'_>) -> Result<Option<Body>, Why> {
    let asked = event.object("requestParameters")?;
    let answer = event.object("responseElements")?;
    let asked_for = |path| asked.map(|it| it.text(path)).transpose().map(Option::flatten);
    let task_arn = answer.map(|it| it.owned("responseElements.taskArn")).transpose()?.flatten();
    let task_id = match &task_arn {
        Some(arn) => Some(TaskId::of_reference(arn).map_err(|_| Why::Malformed("responseElements.taskArn"))?),
        None => asked_for("requestParameters.task")?.and_then(|task| TaskId::of_reference(task).ok()),
    };
    let container = answer.map(|it| it.owned("responseElements.containerName")).transpose()?.flatten();
    let session = answer.map(|it| it.object("responseElements.session")).transpose()?.flatten();
    Ok(Some(Body::Execution(Box::new(Execution {
        event_id: event.required("eventID")?.to_owned(),
        at: event.required_time("eventTime")?,
        region: event.owned("awsRegion")?.unwrap_or_default(),
        account: account(event)?,
        principal: principal(event)?,
        task_id,
        task_arn,
        container: container.or(asked_for("requestParameters.container")?.map(str::to_owned)),
        planted: asked_for("requestParameters.command")?.and_then(planted),
        ssm_session_id: answered_session(session, "responseElements.session.sessionId")?,
        error_code: event.owned("errorCode")?,
    }))))
}

/// The Boundary session's id in a command that begins `env … BOUNDARY_SESSION_ID=s_…`; two that differ plant none.
fn planted(command: &str) -> Option<BoundarySessionId> {
    // A line that the agent cannot split runs nothing, and plants nothing.
    let words = split_like_agent(command).ok()?;
    let (first, rest) = words.split_first()?;
    if first != "env" {
        return None;
    }
    let assignments = rest.iter().map_while(|word| word.split_once('=').filter(|(name, _)| is_name(name)));
    let mut ids = assignments.filter(|(name, _)| *name == BOUNDARY_SESSION_ID_VARIABLE).map(|(_, id)| id);
    let id = ids.next()?;
    if ids.any(|other| other != id) { None } else { BoundarySessionId::parse(id).ok() }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn start(event: Fields<'_>) -> Result<Option<Body>, Why> {
    let asked = event.object("requestParameters")?;
    let Some(target) = asked.map(|it| it.text("requestParameters.target")).transpose()?.flatten() else { return Ok(None) };
    if !target.starts_with("ecs:") {
        return Ok(None);
    }
    let document = asked.map(|it| it.owned("requestParameters.documentName")).transpose()?.flatten();
    let answer = event.object("responseElements")?;
    Ok(Some(Body::SessionStartCall(Box::new(SessionStartCall {
        event_id: event.required("eventID")?.to_owned(),
        at: event.required_time("eventTime")?,
        region: event.owned("awsRegion")?.unwrap_or_default(),
        account: account(event)?,
        principal: principal(event)?,
        target: target.to_owned(),
        task_id: TaskId::of_ssm_target(target).ok(),
        document,
        ssm_session_id: answered_session(answer, "responseElements.sessionId")?,
        error_code: event.owned("errorCode")?,
    }))))
}

fn call(event: Fields<'_>, call: SessionCallKind) -> Result<Option<Body>, Why> {
    const SESSION: &str = "requestParameters.sessionId";
    let error_code = event.owned("errorCode")?;
    let named = event.object("requestParameters")?.map(|it| it.text(SESSION)).transpose()?.flatten();
    let session = match (named.map(SsmSessionId::parse), &error_code) {
        (Some(Ok(session)), _) => session,
        // The caller's text, which AWS refused.
        (_, Some(_)) => return Ok(None),
        (Some(Err(_)), None) => return Err(Why::Malformed(SESSION)),
        (None, None) => return Err(Why::Missing(SESSION)),
    };
    Ok(Some(Body::SessionCall(Box::new(SessionCall {
        event_id: event.required("eventID")?.to_owned(),
        at: event.required_time("eventTime")?,
        call,
        ssm_session_id: session,
        principal: principal(event)?,
        error_code,
    }))))
}

fn assumption(event: Fields<'_>) -> Result<Option<Body>, Why> {
    let answer = event.object("responseElements")?;
    let credentials = answer.map(|it| it.object("responseElements.credentials")).transpose()?.flatten();
    let key = credentials.map(|it| it.text("responseElements.credentials.accessKeyId")).transpose()?.flatten();
    let Some(access_key_id) = key else { return Ok(None) };
    let asked = event.object("requestParameters")?.ok_or(Why::Missing("requestParameters"))?;
    let tags = Tags::of(asked)?;
    let subject = answer.map(|it| it.owned("responseElements.subjectFromWebIdentityToken")).transpose()?.flatten();
    let source_identity = answer.map(|it| it.owned("responseElements.sourceIdentity")).transpose()?.flatten();
    Ok(Some(Body::RoleAssumption(Box::new(RoleAssumption {
        event_id: event.required("eventID")?.to_owned(),
        at: event.required_time("eventTime")?,
        role_arn: asked.required("requestParameters.roleArn")?.to_owned(),
        access_key_id: access_key_id.to_owned(),
        role_session_name: asked.owned("requestParameters.roleSessionName")?,
        source_identity: source_identity.or(asked.owned("requestParameters.sourceIdentity")?),
        tagged: tags.find(TAG_BOUNDARY_SESSION).and_then(|id| BoundarySessionId::parse(&id).ok()),
        user: tags.find(TAG_USER).or(subject),
        boundary_user_id: tags.find(TAG_BOUNDARY_USER),
    }))))
}

/// Session tags: a list of pairs for AssumeRole, an object for the tags of a token or an assertion.
struct Tags(Vec<(String, String)>);

impl Tags {
    fn of(asked: Fields<'_>) -> Result<Self, Why> {
        let mut tags = Vec::new();
        for pair in asked.list("requestParameters.tags")? {
            let pair = Fields::of(pair)?;
            let key = pair.required("requestParameters.tags.key")?;
            tags.push((key.to_owned(), pair.owned("requestParameters.tags.value")?.unwrap_or_default()));
        }
        if let Some(given) = asked.object("requestParameters.principalTags")? {
            let given = given.all_texts("requestParameters.principalTags")?;
            tags.extend(given.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        Ok(Self(tags))
    }

    fn find(&self, key: &str) -> Option<String> {
        let found = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_surely_says_nothing_is_looked_through() {
        let of = |source: &str, name: &str| format!(r#"{{"eventSource": {source}, "other": [{{}}, 1.5], "eventName": {name}}}"#);
        assert!(!may_matter(&of(r#""ecs.amazonaws.com""#, r#""ListTasks""#)));
        assert!(!may_matter(&of(r#""s3.amazonaws.com""#, r#""ExecuteCommand""#)));
        assert!(may_matter(&of(r#""ecs.amazonaws.com""#, r#""ExecuteCommand""#)));
        assert!(may_matter(&of(r#""ecs.amazonaws.com""#, r#""\u0045xecuteCommand""#)), "an escaped letter");
        for odd in
            ["null", "7", "[]", "{}", &of("1", r#""ListTasks""#), r#"{"eventName": "a", "eventName": "b", "eventSource": "c"}"#]
        {
            assert!(may_matter(odd), "what is wrong with it is told: {odd}");
        }
    }

    #[test]
    fn a_record_is_named_by_its_place_among_all() {
        let dull = json!({"eventSource": "s3.amazonaws.com", "eventName": "PutObject"});
        let page = json!({"Records": [dull, {"eventSource": "ecs.amazonaws.com", "eventName": "ExecuteCommand"}]}).to_string();
        let place = "t".to_owned();
        let reading =
            Reading { source: crate::Source::CloudTrail, place, at: jiff::Timestamp::UNIX_EPOCH, evidence: String::new() };
        let read = object(&reading, page.as_bytes());
        assert_eq!(read.unreadable.iter().map(|it| it.record).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn an_id_counts_only_where_the_wrapper_plants_it() {
        let of = |command: &str| planted(command).map(String::from);
        let id = Some("s_1234567890".to_owned());
        assert_eq!(of("env BOUNDARY_SESSION_ID=s_1234567890 sh -c 'exec bash'"), id);
        assert_eq!(of("env A=b 'BOUNDARY_SESSION_ID=s_1234567890' sh"), id);
        for bad in [
            "sh -c 'env BOUNDARY_SESSION_ID=s_1234567890 sh'",
            "echo env BOUNDARY_SESSION_ID=s_1234567890",
            "env sh BOUNDARY_SESSION_ID=s_1234567890",
            "env -i BOUNDARY_SESSION_ID=s_1234567890",
            "BOUNDARY_SESSION_ID=s_1234567890 env",
            "env BOUNDARY_SESSION_ID=s_1234567890 BOUNDARY_SESSION_ID=s_0000000000 sh",
            "env BOUNDARY_SESSION_ID=nonsense sh",
            "env BOUNDARY_SESSION_ID=s_1234567890 sh -c 'never closed",
            "env 'A=\nBOUNDARY_SESSION_ID=s_1234567890' sh",
            "",
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}

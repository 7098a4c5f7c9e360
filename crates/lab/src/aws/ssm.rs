//! SSM: sessions started beside ECS Exec, resumed, ended and listed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::agent;
use crate::aws::ecs::resource_tags;
use crate::aws::{ApiError, Call};
use crate::gateway::session::{Kind, Session, SessionPlan};
use crate::journal::JournalEntry;
use crate::random;
use crate::tasks::{ACCOUNT, REGION, TaskView};

/// The most sessions of one page.
const PAGE_MAX: usize = 200;
/// How long an ended session is told of, milliseconds.
const HISTORY_MILLIS: i64 = 30 * 24 * 3600 * 1000;
const SHELL_DOCUMENT: &str = "SSM-SessionManagerRunShell";

/// Starts a session in a container without ECS: no KMS key and no log of ECS Exec's.
pub(crate) fn start_session(call: &Call<'_>) -> Result<Value, ApiError> {
    let target = call.required("Target")?;
    let document = call.text("DocumentName").unwrap_or(SHELL_DOCUMENT);
    let (task, container) = find_target(call, target)?;
    call.authorise("ssm:StartSession", &task.task_arn(), &resource_tags(&task))?;
    let document_arn = format!("arn:aws:ssm:{REGION}::document/{document}");
    call.authorise("ssm:StartSession", &document_arn, &BTreeMap::new())?;
    let command = call.body["Parameters"]["command"][0].as_str().unwrap_or("sh").to_owned();
    let session_name = call.principal.user_id.rsplit(':').next().unwrap_or("user");
    let plan = SessionPlan {
        id: format!("{session_name}-{}", &random::hex_id::<9>()[..17]),
        kind: Kind::Interactive { kms: false },
        target: target.to_owned(),
        task_id: task.task_id.clone(),
        container,
        owner: call.principal.arn.clone(),
        command,
        is_logged: false,
        document: document.to_owned(),
    };
    let (session, inbox) = call.shared.sessions.open(plan, call.shared.clock.millis());
    call.shared.journal.push(JournalEntry::StartSession {
        session_id: session.id.clone(),
        target: target.to_owned(),
        principal: call.principal.arn.clone(),
    });
    tokio::spawn(agent::run(call.shared.clone(), session.clone(), inbox));
    Ok(opened(call, &session))
}

fn opened(call: &Call<'_>, session: &Session) -> Value {
    json!({"SessionId": session.id, "TokenValue": session.issue_token(), "StreamUrl": call.shared.stream_url(&session.id)})
}

fn find_target(call: &Call<'_>, target: &str) -> Result<(TaskView, String), ApiError> {
    let tasks = call.shared.tasks();
    let found = tasks.iter().filter(|task| task.last_status == "RUNNING").find_map(|task| {
        let container = task.containers.iter().find(|container| task.ssm_target(container) == target)?;
        Some((task.clone(), container.name.clone()))
    });
    found.ok_or_else(|| ApiError::new(400, "TargetNotConnected", &format!("{target} is not connected.")))
}

/// Gives a new token and StreamUrl for a session; an ended one gets no token, which clients read as timed out.
pub(crate) fn resume_session(call: &Call<'_>) -> Result<Value, ApiError> {
    let session_id = call.required("SessionId")?;
    call.authorise("ssm:ResumeSession", &session_arn(session_id), &BTreeMap::new())?;
    let session = call.shared.sessions.find(session_id);
    let session = session.ok_or_else(|| ApiError::new(400, "DoesNotExistException", "The session does not exist."))?;
    if session.is_over() {
        return Ok(json!({"SessionId": session.id}));
    }
    call.shared.journal.push(JournalEntry::ResumeSession { session_id: session.id.clone() });
    Ok(opened(call, &session))
}

/// Ends a session; it succeeds for unknown and ended ones too, as in AWS.
pub(crate) fn terminate_session(call: &Call<'_>) -> Result<Value, ApiError> {
    let session_id = call.required("SessionId")?;
    call.authorise("ssm:TerminateSession", &session_arn(session_id), &BTreeMap::new())?;
    call.shared.journal.push(JournalEntry::TerminateSession { session_id: session_id.to_owned() });
    if let Some(session) = call.shared.sessions.find(session_id) {
        session.terminate();
    }
    Ok(json!({"SessionId": session_id}))
}

/// Lists sessions of a state, the newest first.
pub(crate) fn describe_sessions(call: &Call<'_>) -> Result<Value, ApiError> {
    call.authorise("ssm:DescribeSessions", &format!("arn:aws:ssm:{REGION}:{ACCOUNT}:*"), &BTreeMap::new())?;
    let over = match call.required("State")? {
        "Active" => false,
        "History" => true,
        _ => return Err(ApiError::new(400, "InvalidFilterKey", "State must be Active or History.")),
    };
    let size = call.body["MaxResults"].as_u64().map_or(PAGE_MAX, |size| usize::try_from(size).unwrap_or(0));
    if !(1..=PAGE_MAX).contains(&size) {
        return Err(ApiError::new(400, "ValidationException", "MaxResults must be between 1 and 200."));
    }
    let invalid = || ApiError::new(400, "InvalidNextToken", "The specified token isn't valid.");
    let start: usize = call.text("NextToken").map_or(Ok(0), |token| token.parse().map_err(|_| invalid()))?;
    let mut sessions = call.shared.sessions.all();
    let oldest = call.shared.clock.millis() - HISTORY_MILLIS;
    sessions.retain(|session| {
        session.is_over() == over && passes_filters(call, session) && session.ended_millis().is_none_or(|at| at >= oldest)
    });
    sessions.sort_by_key(|session| (std::cmp::Reverse(session.started_millis), session.id.clone()));
    let page: Vec<Value> = sessions.iter().skip(start).take(size).map(|session| describe(session)).collect();
    let mut answer = json!({"Sessions": page});
    if sessions.len() > start + size {
        answer["NextToken"] = json!((start + size).to_string());
    }
    Ok(answer)
}

fn passes_filters(call: &Call<'_>, session: &Session) -> bool {
    call.body["Filters"].as_array().into_iter().flatten().all(|filter| {
        let value = filter["value"].as_str().unwrap_or_default();
        match filter["key"].as_str() {
            Some("SessionId") => session.id == value,
            Some("Target") => session.plan.target == value,
            Some("InvokedAfter") => instant(value).is_none_or(|at| session.started_millis >= at),
            Some("InvokedBefore") => instant(value).is_none_or(|at| session.started_millis <= at),
            Some("Owner") => session.plan.owner == value,
            _ => true,
        }
    })
}

/// A time of a filter, milliseconds since 1970.
fn instant(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit the 53 bits of an f64")]
fn describe(session: &Session) -> Value {
    let started = session.started_millis as f64 / 1000.0;
    let mut view = json!({
        "SessionId": session.id, "Target": session.plan.target, "Owner": session.plan.owner, "DocumentName": session.plan.document,
        "StartDate": started, "AccessType": "Standard", "Status": if session.is_over() { "Terminated" } else { session.connection_status() },
    });
    if let Some(ended) = session.ended_millis() {
        view["EndDate"] = json!(ended as f64 / 1000.0);
    }
    view
}

fn session_arn(session_id: &str) -> String {
    format!("arn:aws:ssm:{REGION}:{ACCOUNT}:session/{session_id}")
}

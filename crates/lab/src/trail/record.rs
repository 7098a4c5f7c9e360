//! The form of a CloudTrail record, version 1.09. Source: CloudTrail user guide, record contents; secrets are told as hidden.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::aws::ApiError;
use crate::iam::{Principal, role_id};
use crate::shared::Shared;
use crate::tasks::{ACCOUNT, REGION, TaskView};

/// What stands where a token was.
const HIDDEN: &str = "Value hidden due to security reasons.";
const ECS: &str = "ecs.amazonaws.com";
const SERVICE_ROLE: &str = "AWSServiceRoleForECS";

/// Who starts the sessions of ECS Exec: the service-linked role, under the name that their ids begin with.
pub(crate) fn exec_owner() -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/{SERVICE_ROLE}/ecs-execute-command")
}

/// Where a call came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) source_ip: String,
    pub(crate) user_agent: String,
}

impl Origin {
    fn of_service(name: &str) -> Self {
        Self { source_ip: name.to_owned(), user_agent: name.to_owned() }
    }
}

/// What a record tells beside who and where.
struct Told<'a> {
    action: &'a str,
    request: Value,
    result: Result<Value, &'a ApiError>,
}

/// Notes a call that CloudTrail records; one of a caller whom nobody knows leaves nothing.
pub(crate) fn note(
    shared: &Shared,
    caller: Option<&Principal>,
    (action, input): (&str, &Value),
    result: &Result<Value, ApiError>,
    origin: &Origin,
) {
    let identity = match (caller, action) {
        (Some(caller), _) => identity_of(caller, shared.clock.now()),
        (None, "sts:AssumeRoleWithWebIdentity") => web_identity(result),
        (None, _) => return,
    };
    let Some(request) = request_of(action, input) else { return };
    let told = Told { action, request, result: result.as_ref().map(|answer| response_of(action, answer)) };
    let mut events = vec![record(&told, &identity, origin, shared.clock.now())];
    if let ("ecs:ExecuteCommand", Ok(answer)) = (action, result) {
        events.extend(service_start(shared, answer));
    }
    shared.trail.state().events.append(&mut events);
}

/// Notes that a service of the site started or stopped a task.
pub(crate) fn note_task(shared: &Shared, action: &str, task: &TaskView) {
    let (function, request, answer) = if action == "ecs:RunTask" {
        let started = task.started_by.clone();
        let tags: Vec<Value> = task.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let request = json!({"cluster": task.ecs_cluster, "taskDefinition": task.task_definition, "startedBy": started,
            "enableExecuteCommand": task.enable_execute_command, "launchType": "FARGATE", "count": 1, "tags": tags});
        let shown = json!({"taskArn": task.task_arn(), "clusterArn": task.cluster_arn(), "lastStatus": "PROVISIONING"});
        ("create-investigation", request, json!({"tasks": [shown], "failures": []}))
    } else {
        let request = json!({"cluster": task.ecs_cluster, "task": task.task_id, "reason": task.stopped_reason});
        (
            "reap-tasks",
            request,
            json!({"task": {"taskArn": task.task_arn(), "clusterArn": task.cluster_arn(), "desiredStatus": "STOPPED"}}),
        )
    };
    let role = format!("rosa-boundary-dev-{function}");
    let now = shared.clock.now();
    let identity = assumed_role((&role, &format!("role/{role}"), &role), &role_id(&role), now, None);
    let origin = Origin {
        source_ip: "203.0.113.10".to_owned(),
        user_agent: "Boto3/1.40 md/Botocore#1.40 exec-env/AWS_Lambda_python3.13".to_owned(),
    };
    let told = Told { action, request, result: Ok(answer) };
    shared.trail.state().events.push(record(&told, &identity, &origin, now));
}

/// The call of SSM that ECS makes for each ExecuteCommand.
fn service_start(shared: &Shared, answer: &Value) -> Option<Value> {
    let session_id = answer["session"]["sessionId"].as_str()?;
    let session = shared.sessions.find(session_id)?;
    let now = shared.clock.now();
    let path = format!("role/aws-service-role/{ECS}/{SERVICE_ROLE}");
    let name = session_id.rsplit_once('-').map_or("", |(name, _)| name);
    let mut identity = assumed_role((SERVICE_ROLE, &path, name), &role_id(SERVICE_ROLE), now, None);
    identity["invokedBy"] = json!(ECS);
    let request = json!({
        "target": session.plan.target, "documentName": session.plan.document, "parameters": {"command": [HIDDEN]},
    });
    let result = Ok(json!({"sessionId": session_id, "tokenValue": HIDDEN, "streamUrl": answer["session"]["streamUrl"]}));
    Some(record(&Told { action: "ssm:StartSession", request, result }, &identity, &Origin::of_service(ECS), now))
}

fn record(told: &Told<'_>, identity: &Value, origin: &Origin, now: Timestamp) -> Value {
    let (service, name) = told.action.split_once(':').unwrap_or(("", told.action));
    let mut record = json!({
        "eventVersion": "1.09",
        "userIdentity": identity,
        "eventTime": seconds(now),
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": origin.source_ip,
        "userAgent": origin.user_agent,
        "requestParameters": told.request,
        "responseElements": told.result.as_ref().ok(),
        "requestID": Uuid::new_v4(),
        "eventID": Uuid::new_v4(),
        "readOnly": service == "sts",
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    });
    if let Err(error) = &told.result {
        // CloudTrail drops the ending of this one.
        let code = if error.code == "AccessDeniedException" { "AccessDenied" } else { &error.code };
        record["errorCode"] = json!(code);
        record["errorMessage"] = json!(error.message);
    }
    record
}

/// A time as records tell it: whole seconds.
pub(crate) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn identity_of(caller: &Principal, now: Timestamp) -> Value {
    let (role_id, session_name) = caller.user_id.split_once(':').unwrap_or((&caller.user_id, ""));
    let role = caller.arn.split('/').nth(1).unwrap_or_default();
    let mut identity = if session_name.is_empty() {
        json!({"type": "IAMUser", "principalId": caller.user_id, "arn": caller.arn, "accountId": ACCOUNT, "userName": role})
    } else {
        let issued = Timestamp::from_second(caller.issued).unwrap_or(now);
        let source = caller.source_identity.as_deref();
        assumed_role((role, &format!("role/{role}"), session_name), role_id, issued, source)
    };
    identity["accessKeyId"] = json!(caller.access_key);
    identity
}

fn assumed_role((role, path, session_name): (&str, &str, &str), role_id: &str, issued: Timestamp, source: Option<&str>) -> Value {
    let mut context = json!({
        "sessionIssuer": {
            "type": "Role", "principalId": role_id, "arn": format!("arn:aws:iam::{ACCOUNT}:{path}"), "accountId": ACCOUNT, "userName": role,
        },
        "attributes": {"creationDate": seconds(issued), "mfaAuthenticated": "false"},
    });
    if let Some(source) = source {
        context["sourceIdentity"] = json!(source);
    }
    json!({
        "type": "AssumedRole", "principalId": format!("{role_id}:{session_name}"),
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session_name}"), "accountId": ACCOUNT, "sessionContext": context,
    })
}

fn web_identity(result: &Result<Value, ApiError>) -> Value {
    let subject = result.as_ref().ok().and_then(|answer| answer["SubjectFromWebIdentityToken"].as_str()).unwrap_or_default();
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/sso.example.com/realms/sre");
    json!({
        "type": "WebIdentityUser", "principalId": format!("{provider}:rosa-boundary:{subject}"), "userName": subject,
        "identityProvider": provider,
    })
}

/// The input as a record tells it; none for a call that is not recorded.
fn request_of(action: &str, input: &Value) -> Option<Value> {
    let members: &[&str] = match action {
        "ecs:ExecuteCommand" => &["cluster", "container", "command", "interactive", "task"],
        "ecs:StopTask" => &["cluster", "task", "reason"],
        "ssm:StartSession" => &["Target", "DocumentName", "Parameters", "Reason"],
        "ssm:TerminateSession" | "ssm:ResumeSession" => &["SessionId"],
        "sts:AssumeRole" => &["RoleArn", "RoleSessionName", "SourceIdentity", "DurationSeconds"],
        "sts:AssumeRoleWithWebIdentity" => &["RoleArn", "RoleSessionName", "DurationSeconds"],
        _ => return None,
    };
    let told = |name: &&&str| input.get(**name).is_some_and(|value| !value.is_null());
    Some(members.iter().filter(told).map(|name| (lower_first(name), input[*name].clone())).collect::<Map<_, _>>().into())
}

fn response_of(action: &str, answer: &Value) -> Value {
    match action {
        "ecs:ExecuteCommand" => {
            let mut shown = answer.clone();
            shown["session"]["tokenValue"] = json!(HIDDEN);
            shown
        }
        "ssm:StartSession" | "ssm:ResumeSession" => {
            json!({"sessionId": answer["SessionId"], "tokenValue": HIDDEN, "streamUrl": answer["StreamUrl"]})
        }
        "ssm:TerminateSession" => json!({"sessionId": answer["SessionId"]}),
        _ => {
            let (credentials, user) = (&answer["Credentials"], &answer["AssumedRoleUser"]);
            let mut shown = json!({
                "credentials": {"accessKeyId": credentials["AccessKeyId"], "expiration": credentials["Expiration"]},
                "assumedRoleUser": {"assumedRoleId": user["AssumedRoleId"], "arn": user["Arn"]},
            });
            if !answer["SubjectFromWebIdentityToken"].is_null() {
                shown["subjectFromWebIdentityToken"] = answer["SubjectFromWebIdentityToken"].clone();
                shown["audience"] = answer["Audience"].clone();
            }
            shown
        }
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

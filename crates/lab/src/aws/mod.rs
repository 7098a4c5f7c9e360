//! The AWS APIs on one HTTP/1.1 port: who calls (SigV4), whether he may (IAM), then the action. Each service's actions are
//! in its own file.

mod authenticate;
mod cloudtrail;
mod ec2;
mod ecs;
mod error;
mod iam;
pub(crate) mod kms;
pub(crate) mod logs;
pub(crate) mod s3;
mod ssm;
mod sts;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

pub(crate) use authenticate::authenticate;
pub(crate) use error::ApiError;

use crate::iam::{Principal, Request};
use crate::journal::JournalEntry;
use crate::shared::Shared;
use crate::sigv4::Authorization;
use crate::trail::{self, Origin};

/// Largest request body, bytes.
const BODY_LIMIT: usize = 16 << 20;

/// One call, authenticated.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) principal: &'a Principal,
    pub(crate) body: &'a Value,
}

/// The wire forms that the services speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Query,
    /// S3's own: a path, headers and bytes.
    Rest,
}

/// Serves the APIs until the world ends.
pub(crate) async fn serve(listener: TcpListener, with_tls: bool, shared: Arc<Shared>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            if !with_tls {
                serve_connection(stream, peer.ip(), shared).await;
            } else if let Ok(stream) = shared.tls.api.accept(stream).await {
                serve_connection(stream, peer.ip(), shared).await;
            }
        });
    }
}

async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin, peer: IpAddr, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { answer(&shared, peer, request).await }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an API connection ended");
    }
}

/// The answer is lost by switch: hyper then closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost by order")]
struct AnswerLost;

async fn answer(
    shared: &Arc<Shared>,
    peer: IpAddr,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, AnswerLost> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await.map(http_body_util::Collected::to_bytes) else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, Bytes::new(), "text/plain"));
    };
    let (action, input, form) = match read_action(&parts, &body) {
        Ok(read) => read,
        Err(error) => return Ok(render(Form::Json, "unknown", Err(error))),
    };
    if shared.faults.is_unreachable(&action) {
        return Err(AnswerLost);
    }
    tokio::time::sleep(shared.faults.api_delay_of(&action)).await;
    let caller = authenticate(shared, &parts, &body, &action);
    let known = caller.as_ref().ok().cloned();
    let principal = caller.as_ref().map_or_else(|_| "anonymous".to_owned(), |principal| principal.arn.clone());
    let result = match (shared.faults.takes_api_error(&action), caller) {
        (Some((code, status)), _) => Err(ApiError::new(status, &code, "the lab was asked to answer so")),
        (None, Err(error)) if !needs_no_signature(&action) => Err(error),
        (None, caller) => run(shared, caller.ok().as_ref(), &action, &input),
    };
    trail::note(shared, known.as_ref(), (&action, &input), &result, &origin(&parts, peer));
    let error = result.as_ref().err().map(|error| error.code.clone());
    shared.journal.push(JournalEntry::ApiCall { action: action.clone(), principal, ok: error.is_none(), error });
    if shared.faults.takes_lost_answer(&action) {
        return Err(AnswerLost);
    }
    Ok(match form {
        Form::Rest => s3::render(&s3::region_at(&shared.buckets, parts.uri.path()), result),
        Form::Json | Form::Query => render(form, &action, result),
    })
}

fn origin(parts: &Parts, peer: IpAddr) -> Origin {
    let user_agent = parts.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("-");
    Origin { source_ip: peer.to_string(), user_agent: user_agent.to_owned() }
}

fn needs_no_signature(action: &str) -> bool {
    action == "sts:AssumeRoleWithWebIdentity"
}

/// Finds the action, its input and the form of the answer.
fn read_action(parts: &Parts, body: &Bytes) -> Result<(String, Value, Form), ApiError> {
    let (headers, uri) = (&parts.headers, &parts.uri);
    if signed_for(headers).is_some_and(|service| service == "s3") {
        let (action, input) = s3::read(parts, body);
        return Ok((action, input, Form::Rest));
    }
    let Some(target) = headers.get("x-amz-target").and_then(|value| value.to_str().ok()) else {
        let text = if body.is_empty() { uri.query().unwrap_or_default() } else { std::str::from_utf8(body).unwrap_or_default() };
        let input = sts::read_form(text);
        let action = input["Action"].as_str().unwrap_or("Unknown");
        let service = match input["Version"].as_str() {
            Some(iam::VERSION) => "iam",
            Some(ec2::VERSION) => "ec2",
            _ => "sts",
        };
        return Ok((format!("{service}:{action}"), input, Form::Query));
    };
    let service = match target.rsplit_once('.') {
        Some(("AmazonEC2ContainerServiceV20141113", action)) => ("ecs", action),
        Some(("AmazonSSM", action)) => ("ssm", action),
        Some(("TrentService", action)) => ("kms", action),
        Some(("Logs_20140328", action)) => ("logs", action),
        Some((name, action)) if name.ends_with("CloudTrail_20131101") => ("cloudtrail", action),
        _ => return Err(ApiError::new(400, "UnknownOperationException", "")),
    };
    let input = if body.is_empty() { Ok(Value::Object(serde_json::Map::new())) } else { serde_json::from_slice(body) };
    let input = input.map_err(|_| ApiError::new(400, "SerializationException", ""))?;
    Ok((format!("{}:{}", service.0, service.1), input, Form::Json))
}

/// The service that a signature is for.
fn signed_for(headers: &HeaderMap) -> Option<String> {
    Some(Authorization::parse(headers.get("authorization")?.to_str().ok()?)?.service)
}

fn run(shared: &Arc<Shared>, principal: Option<&Principal>, action: &str, body: &Value) -> Result<Value, ApiError> {
    let Some(principal) = principal else { return sts::assume_with_web_identity(shared, body) };
    let call = Call { shared, principal, body };
    match action {
        "ec2:DescribeSubnets" => ec2::describe_subnets(&call),
        "ec2:DescribeVpcEndpoints" => ec2::describe_vpc_endpoints(&call),
        "ec2:DescribeRouteTables" => ec2::describe_route_tables(&call),
        "ecs:ListClusters" => ecs::list_clusters(&call),
        "ecs:ListTasks" => ecs::list_tasks(&call),
        "ecs:DescribeTasks" => ecs::describe_tasks(&call),
        "ecs:DescribeClusters" => ecs::describe_clusters(&call),
        "ecs:DescribeTaskDefinition" => ecs::describe_task_definition(&call),
        "ecs:ListTagsForResource" => ecs::list_tags(&call),
        "ecs:ExecuteCommand" => ecs::execute_command(&call),
        "ssm:StartSession" => ssm::start_session(&call),
        "ssm:ResumeSession" => ssm::resume_session(&call),
        "ssm:TerminateSession" => ssm::terminate_session(&call),
        "ssm:DescribeSessions" => ssm::describe_sessions(&call),
        "kms:GenerateDataKey" => kms::generate_data_key(&call),
        "kms:Decrypt" => kms::decrypt(&call),
        "logs:CreateLogStream" => logs::create_stream(&call),
        "logs:PutLogEvents" => logs::put_events(&call),
        "logs:DescribeLogGroups" => logs::describe_groups(&call),
        "logs:DescribeLogStreams" => logs::describe_streams(&call),
        "logs:GetLogEvents" => logs::read_events(&call),
        action if action.starts_with("s3:") => s3::run(&call, action),
        "iam:SimulatePrincipalPolicy" => iam::simulate(&call),
        "sts:GetCallerIdentity" => Ok(sts::caller_identity(&call)),
        "sts:AssumeRole" => sts::assume_role(&call),
        "sts:AssumeRoleWithWebIdentity" => sts::assume_with_web_identity(shared, body),
        "cloudtrail:LookupEvents" => cloudtrail::lookup_events(&call),
        "cloudtrail:DescribeTrails" => cloudtrail::describe_trails(&call),
        "cloudtrail:GetTrailStatus" => cloudtrail::trail_status(&call),
        "cloudtrail:ListPublicKeys" => cloudtrail::list_public_keys(&call),
        _ => Err(ApiError::new(400, "UnknownOperationException", &format!("the lab has no {action}"))),
    }
}

impl Call<'_> {
    /// Checks the caller's rights for this action on a resource.
    pub(crate) fn authorise(&self, action: &str, resource: &str, context: &BTreeMap<String, String>) -> Result<(), ApiError> {
        let request = Request { action, resource, context };
        self.principal.authorise(&request).map_err(|denied| ApiError::denied(&denied))
    }

    /// Returns a text member of the input.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }

    /// Returns a text member that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| ApiError::new(400, "InvalidParameterException", &format!("{name} can not be blank.")))
    }
}

fn render(form: Form, action: &str, result: Result<Value, ApiError>) -> Response<Full<Bytes>> {
    match (form, result) {
        (Form::Json | Form::Rest, Ok(value)) => {
            plain(StatusCode::OK, Bytes::from(value.to_string()), "application/x-amz-json-1.1")
        }
        (Form::Json | Form::Rest, Err(error)) => plain(error.status(), error.to_json(), "application/x-amz-json-1.1"),
        (Form::Query, Ok(value)) if action.starts_with("iam:") => plain(StatusCode::OK, iam::to_xml(action, &value), "text/xml"),
        (Form::Query, Ok(value)) if action.starts_with("ec2:") => plain(StatusCode::OK, ec2::to_xml(action, &value), "text/xml"),
        (Form::Query, Err(error)) if action.starts_with("ec2:") => plain(error.status(), ec2::error_xml(&error), "text/xml"),
        (Form::Query, Ok(value)) => plain(StatusCode::OK, sts::to_xml(action, &value), "text/xml"),
        (Form::Query, Err(error)) => plain(error.status(), error.to_xml(), "text/xml"),
    }
}

fn plain(status: StatusCode, body: Bytes, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    if let Ok(id) = http::HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

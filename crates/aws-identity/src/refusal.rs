//! Explains why a call failed: who asked, what for, on what, and which permission lacks. Owns the
//! reading of AWS's error texts; decides nothing.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use cli_kit::printable;

/// The longest message that is kept, in characters; AWS's stay below 1000.
const MAX_MESSAGE_CHARS: usize = 2000;

/// The class of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// A policy does not allow it.
    Denied,
    /// Too many calls; later may work.
    Throttled,
    /// What was named does not exist.
    NotFound,
    /// The credentials have expired.
    Expired,
    /// There are no credentials, or AWS does not know them.
    Credentials,
    /// The call is malformed for the service.
    Invalid,
    /// The way to AWS failed.
    Network,
    /// No answer in time.
    Timeout,
    /// AWS failed, or refused for a reason of its own: see the code.
    Service,
}

/// A failed call, explained. Everything of remote origin is sanitised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The call, such as `ecs:ExecuteCommand`.
    pub call: &'static str,
    /// The service's error code; empty when no service answered.
    pub code: String,
    /// The service's message, or the chain of local reasons.
    pub message: String,
    /// The service's id of the request.
    pub request_id: Option<String>,
    /// The HTTP status.
    pub http_status: Option<u16>,
    /// Who asked, as the service saw it.
    pub principal: Option<String>,
    /// What it was asked for.
    pub resource: Option<String>,
    /// The permission that lacks.
    pub missing: Option<String>,
    /// The class.
    pub kind: RefusalKind,
}

impl Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}", self.call)?;
        if let Some(principal) = &self.principal {
            write!(f, " as {principal}")?;
        }
        if let Some(resource) = &self.resource {
            write!(f, " on {resource}")?;
        }
        if let Some(missing) = &self.missing {
            write!(f, ": the permission {missing} is missing")?;
        }
        let code = if self.code.is_empty() { String::new() } else { format!("{}: ", self.code) };
        write!(f, ": {code}{}", self.message)?;
        if let Some(request_id) = &self.request_id {
            write!(f, " (request id {request_id})")?;
        }
        Ok(())
    }
}

/// Explains a failed call.
pub fn explain<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> Refusal
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let response = error.raw_response();
    let code = error.code().unwrap_or_default();
    let message = match error.message() {
        Some(message) => message.to_owned(),
        None => chain(error),
    };
    let denial = Denial::parse(&message);
    Refusal {
        call,
        code: printable(code, 200),
        message: printable(&message, MAX_MESSAGE_CHARS),
        request_id: error.request_id().or_else(|| error.meta().request_id()).map(|id| printable(id, 100)),
        http_status: response.map(|response| response.status().as_u16()),
        principal: denial.principal.map(|text| printable(text, 300)),
        resource: denial.resource.map(|text| printable(text, 300)),
        missing: denial.permission.map(|text| printable(text, 100)),
        kind: kind(code, error),
    }
}

/// Explains the answer of a service that was asked without an SDK client.
pub fn explain_answer(call: &'static str, http_status: u16, code: &str, message: &str, request_id: Option<&str>) -> Refusal {
    let denial = Denial::parse(message);
    Refusal {
        call,
        code: printable(code, 200),
        message: printable(message, MAX_MESSAGE_CHARS),
        request_id: request_id.map(|id| printable(id, 100)),
        http_status: Some(http_status),
        principal: denial.principal.map(|text| printable(text, 300)),
        resource: denial.resource.map(|text| printable(text, 300)),
        missing: denial.permission.map(|text| printable(text, 100)),
        kind: kind_of_code(code),
    }
}

impl Refusal {
    /// Explains a call that no service answered.
    pub fn unanswered(call: &'static str, kind: RefusalKind, message: &str) -> Self {
        let message = printable(message, MAX_MESSAGE_CHARS);
        Self {
            call,
            code: String::new(),
            message,
            request_id: None,
            http_status: None,
            principal: None,
            resource: None,
            missing: None,
            kind,
        }
    }
}

fn kind<E>(code: &str, error: &SdkError<E, HttpResponse>) -> RefusalKind
where
    E: Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => RefusalKind::Timeout,
        SdkError::DispatchFailure(failure) => dispatch_kind(failure.as_connector_error(), error),
        SdkError::ConstructionFailure(_) if has_credentials_error(error) => RefusalKind::Credentials,
        SdkError::ConstructionFailure(_) => RefusalKind::Invalid,
        _ => kind_of_code(code),
    }
}

fn dispatch_kind(connector: Option<&ConnectorError>, error: &(dyn Error + 'static)) -> RefusalKind {
    match connector {
        _ if has_credentials_error(error) => RefusalKind::Credentials,
        Some(connector) if connector.is_timeout() => RefusalKind::Timeout,
        _ => RefusalKind::Network,
    }
}

/// Sorts AWS's error codes; the same fault has other names in other services.
fn kind_of_code(code: &str) -> RefusalKind {
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "AuthorizationError" => RefusalKind::Denied,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => RefusalKind::Expired,
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => RefusalKind::Credentials,
        "ValidationException" | "ValidationError" | "InvalidParameterException" | "InvalidParameterValue" => RefusalKind::Invalid,
        "TooManyRequestsException" | "RequestLimitExceeded" | "SlowDown" | "PriorRequestNotComplete" => RefusalKind::Throttled,
        code if code.starts_with("Throttl") => RefusalKind::Throttled,
        code if code.contains("NotFound") || code.starts_with("NoSuch") || code == "DoesNotExistException" => {
            RefusalKind::NotFound
        }
        _ => RefusalKind::Service,
    }
}

fn has_credentials_error(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(<dyn Error>::is::<CredentialsError>)
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Joins an error and its sources, leaving out a text that the one before already ends with.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut joined = String::new();
    for text in sources(error).map(ToString::to_string) {
        if joined.ends_with(&text) {
            continue;
        }
        if !joined.is_empty() {
            joined.push_str(": ");
        }
        joined.push_str(&text);
    }
    joined
}

/// The parts of a denial's text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Denial<'a> {
    principal: Option<&'a str>,
    permission: Option<&'a str>,
    resource: Option<&'a str>,
}

impl<'a> Denial<'a> {
    /// Reads `User: … is not authorized to perform: … on resource: …`, in parts.
    fn parse(message: &'a str) -> Self {
        let Some((before, after)) = message.split_once(" is not authorized to perform: ") else {
            return Self::default();
        };
        let principal = before.rsplit("User: ").next().map(str::trim).filter(|text| !text.contains(char::is_whitespace));
        let resource = after.split_once(" on resource: ").and_then(|(_, rest)| word(rest));
        Self { principal: principal.filter(|text| !text.is_empty()), permission: word(after), resource }
    }
}

/// Takes the first word, without the punctuation around it.
fn word(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let word = word.trim_matches(|c: char| matches!(c, '"' | '\'' | ',' | ';')).trim_end_matches('.');
    Some(word).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    const DENIAL: &str = "User: arn:aws:sts::111122223333:assumed-role/Inv/bob=s_1 is not authorized to perform: \
        ecs:ExecuteCommand on resource: arn:aws:ecs:us-east-2:111122223333:task/c/0123 because no identity-based \
        policy allows the ecs:ExecuteCommand action";

    fn service_error(status: u16, code: &str, message: &str) -> SdkError<GetCallerIdentityError, HttpResponse> {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        response.headers_mut().insert("x-amzn-requestid", "req-1");
        SdkError::service_error(GetCallerIdentityError::generic(metadata), response)
    }

    #[test]
    fn a_denial_names_principal_resource_permission_and_request() {
        let refusal = explain("ecs:ExecuteCommand", &service_error(400, "AccessDeniedException", DENIAL));
        assert_eq!(refusal.kind, RefusalKind::Denied);
        assert_eq!(refusal.principal.as_deref(), Some("arn:aws:sts::111122223333:assumed-role/Inv/bob=s_1"));
        assert_eq!(refusal.resource.as_deref(), Some("arn:aws:ecs:us-east-2:111122223333:task/c/0123"));
        assert_eq!(refusal.missing.as_deref(), Some("ecs:ExecuteCommand"));
        assert_eq!((refusal.http_status, refusal.request_id.as_deref()), (Some(400), Some("req-1")));
        let shown = refusal.to_string();
        assert!(
            shown.starts_with(
                "call ecs:ExecuteCommand as arn:aws:sts::111122223333:assumed-role/Inv/bob=s_1 on \
                 arn:aws:ecs:us-east-2:111122223333:task/c/0123: the permission ecs:ExecuteCommand is missing: "
            ) && shown.ends_with("(request id req-1)"),
            "{shown}"
        );
    }

    #[test]
    fn an_answer_without_an_sdk_is_explained_alike() {
        let by_sdk = explain("ecs:ExecuteCommand", &service_error(400, "AccessDeniedException", DENIAL));
        assert_eq!(explain_answer("ecs:ExecuteCommand", 400, "AccessDeniedException", DENIAL, Some("req-1")), by_sdk);
    }

    #[test]
    fn denials_in_other_shapes_give_what_they_have() {
        let parse = |text: &'static str| {
            let denial = Denial::parse(text);
            (denial.principal, denial.permission, denial.resource)
        };
        assert_eq!(
            parse("User: arn:u is not authorized to perform: s3:PutObject on resource: \"arn:b/k\" with an explicit deny"),
            (Some("arn:u"), Some("s3:PutObject"), Some("arn:b/k"))
        );
        assert_eq!(
            parse("User: anonymous is not authorized to perform: ssm:StartSession."),
            (Some("anonymous"), Some("ssm:StartSession"), None)
        );
        assert_eq!(parse("not allowed"), (None, None, None));
        assert_eq!(parse(" is not authorized to perform: "), (None, None, None));
    }

    #[test]
    fn remote_text_cannot_move_the_cursor() {
        let refusal = explain("x:Y", &service_error(400, "Bad\u{1b}[2J", "line\r\n\u{9b}31mred\u{202e}"));
        let shown = refusal.to_string();
        assert!(!shown.chars().any(char::is_control) && !shown.contains('\u{202e}'), "{shown}");
    }

    #[test]
    fn codes_are_sorted_into_classes() {
        for (code, expected) in [
            ("AccessDenied", RefusalKind::Denied),
            ("ThrottlingException", RefusalKind::Throttled),
            ("Throttling", RefusalKind::Throttled),
            ("ExpiredTokenException", RefusalKind::Expired),
            ("UnrecognizedClientException", RefusalKind::Credentials),
            ("ClusterNotFoundException", RefusalKind::NotFound),
            ("NoSuchBucket", RefusalKind::NotFound),
            ("InvalidParameterException", RefusalKind::Invalid),
            ("TargetNotConnectedException", RefusalKind::Service),
            ("", RefusalKind::Service),
        ] {
            assert_eq!(explain("x:Y", &service_error(400, code, "m")).kind, expected, "{code}");
        }
    }

    #[test]
    fn local_failures_say_what_failed() {
        type Failed = SdkError<GetCallerIdentityError, HttpResponse>;
        let timeout = explain("x:Y", &Failed::timeout_error("too slow"));
        assert_eq!((timeout.kind, timeout.http_status), (RefusalKind::Timeout, None));
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let network = explain("x:Y", &Failed::dispatch_failure(ConnectorError::io(Box::new(refused))));
        assert_eq!(network.kind, RefusalKind::Network);
        assert!(network.to_string().contains("connection refused"), "{network}");
        let absent = CredentialsError::not_loaded("none");
        let unknown = explain("x:Y", &Failed::dispatch_failure(ConnectorError::other(Box::new(absent), None)));
        assert_eq!(unknown.kind, RefusalKind::Credentials);
    }
}

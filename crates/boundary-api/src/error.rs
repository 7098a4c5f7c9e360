//! What can go wrong with a request, and what the controller said about it.
//!
//! Owns the reading of error answers. Their texts are kept with control characters made visible, and bounded.

use cli_kit::printable;
use serde::Deserialize;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Why a request gave no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The controller answered with an error.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// No answer came: no connection, a lost one, or no answer in time.
    #[error("{act}: no answer from the controller")]
    Unreachable {
        /// What was wanted.
        act: String,
        /// The failure of the connection, without the address's query.
        source: reqwest::Error,
    },
    /// The answer is not what this request is answered with.
    #[error("{act}: the controller's answer cannot be read: {wrong}")]
    Answer {
        /// What was wanted.
        act: String,
        /// What is wrong with it, without any value of the answer: that may be a secret.
        wrong: String,
    },
    /// The answer is longer than any that makes sense.
    #[error("{act}: the controller's answer is longer than {limit} bytes")]
    AnswerTooLong {
        /// What was wanted.
        act: String,
        /// The longest that is read, in bytes.
        limit: usize,
    },
    /// A list that is not complete names no way to its next page.
    #[error("{act}: the list breaks off")]
    BrokenList {
        /// What was wanted.
        act: String,
    },
    /// An id or alias that cannot stand in a path.
    #[error("{act}: the id has characters that no id or alias has")]
    Id {
        /// What was wanted, with the id made printable.
        act: String,
    },
    /// A request body that cannot be written as JSON.
    #[error("{act}: the request cannot be written")]
    Request {
        /// What was wanted.
        act: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A login that is not Boundary's own failed, for example because its password cannot be read.
    #[error("log in to Boundary")]
    Login {
        /// Why not.
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// What an error means to the person who is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// No answer came: the address, the network, TLS, or a controller that is down.
    Unreachable,
    /// The token or the login is not accepted: log in again.
    Unauthenticated,
    /// The token is good, but gives no right to this.
    Denied,
    /// There is no such thing, or none that the token may see.
    NotFound,
    /// The controller answers, but cannot serve now: try later.
    Unavailable,
    /// The controller, or this client, refuses the request as it is: it will not do better when sent again.
    Refused,
    /// The controller failed, or answered something that cannot be understood.
    Broken,
}

impl Error {
    /// What this means, in one of few words.
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::Api(error) => error.kind.meaning(),
            Self::Unreachable { .. } => Meaning::Unreachable,
            Self::Answer { .. } | Self::AnswerTooLong { .. } | Self::BrokenList { .. } => Meaning::Broken,
            Self::Id { .. } | Self::Request { .. } => Meaning::Refused,
            Self::Login { .. } => Meaning::Unauthenticated,
        }
    }

    /// The controller's error, when it was one.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }

    /// The kind of the controller's error, when it was one.
    pub fn kind(&self) -> Option<ErrorKind> {
        self.api().map(|error| error.kind)
    }

    /// Whether a write may or may not have been carried out: its intent is settled by reading only.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !source.is_connect(),
            Self::Answer { .. } | Self::AnswerTooLong { .. } => true,
            Self::Api(error) => error.outcome_is_unknown(),
            _ => false,
        }
    }
}

/// What an error answer means. Source: Boundary `internal/daemon/controller/handlers/errors.go` and measured answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 400: a field is wrong; see the request fields.
    InvalidArgument,
    /// 400 with a fixed text: another resource has the same name or value.
    NotUnique,
    /// 400: something that the request needs is missing, for example a worker.
    FailedPrecondition,
    /// 400: the list token is too old, or the caller's grants have changed: list again from the start.
    ///
    /// A token that was never one is answered 500 and counts as this, too (measured).
    InvalidListToken,
    /// 401: the token is not valid, or the login is refused.
    Unauthenticated,
    /// 403: the caller has no right to this.
    PermissionDenied,
    /// 404 from the controller: there is no such resource; for an unknown id also without a good token (measured). A 404 of some
    /// other server is [`ErrorKind::Unknown`].
    NotFound,
    /// 404, or 500 when a session is cancelled: the resource is there, but has another version than the request named.
    VersionConflict,
    /// 405 or 501: the controller does not know this request.
    Unimplemented,
    /// 429 with an empty body: too many requests of this kind.
    RateLimited,
    /// 502 or 503: the controller, or what is before it, cannot serve now.
    Unavailable,
    /// 504: the controller gave up.
    DeadlineExceeded,
    /// 500.
    Internal,
    /// Any other answer.
    Unknown,
}

impl ErrorKind {
    /// What this means, in one of few words.
    pub fn meaning(self) -> Meaning {
        match self {
            Self::Unauthenticated => Meaning::Unauthenticated,
            Self::PermissionDenied => Meaning::Denied,
            Self::NotFound => Meaning::NotFound,
            Self::RateLimited | Self::Unavailable | Self::DeadlineExceeded => Meaning::Unavailable,
            Self::InvalidArgument | Self::NotUnique | Self::FailedPrecondition | Self::InvalidListToken => Meaning::Refused,
            Self::VersionConflict | Self::Unimplemented => Meaning::Refused,
            Self::Internal | Self::Unknown => Meaning::Broken,
        }
    }
}

/// One field of a request that the controller refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct RequestField {
    /// The field's path, for example `attributes.default_port`.
    pub name: String,
    /// What is wrong with it.
    pub description: String,
}

/// An error answer of the controller. Its texts are printable and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// What was wanted, for example `read target ttcp_1234567890`.
    pub act: String,
    /// The HTTP status.
    pub status: u16,
    /// What the answer means.
    pub kind: ErrorKind,
    /// The controller's own word for the kind; empty when the body was.
    pub remote_kind: String,
    /// The controller's function that failed; mostly empty.
    pub op: String,
    /// The controller's message; empty when the body was.
    pub message: String,
    /// The refused fields.
    pub request_fields: Vec<RequestField>,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
    /// The version that the resource has, when the kind is [`ErrorKind::VersionConflict`].
    pub current_version: Option<u32>,
}

/// The longest remote text that is kept, in characters.
const KEPT: usize = 500;
/// The most refused fields that are kept.
const KEPT_FIELDS: usize = 10;

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the controller answered {}", self.act, self.status)?;
        if !self.remote_kind.is_empty() {
            write!(f, " {}", self.remote_kind)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        for field in &self.request_fields {
            write!(f, "; {}: {}", field.name, field.description)?;
        }
        if let Some(version) = self.current_version {
            write!(f, "; its version is {version}")?;
        }
        Ok(())
    }
}

impl StdError for ApiError {}

/// The JSON of an error answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    kind: String,
    op: String,
    message: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    request_fields: Vec<RequestField>,
}

impl ApiError {
    /// Reads an error answer. A body that is empty or not the controller's gives an error with its status alone.
    pub(crate) fn from_answer(act: &str, status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let body: Body = serde_json::from_slice(body).unwrap_or_default();
        let shown = |text: &str| printable(text, KEPT);
        let field = |field: &RequestField| RequestField { name: shown(&field.name), description: shown(&field.description) };
        Self {
            act: act.to_owned(),
            status,
            kind: kind(status, &body),
            remote_kind: shown(&body.kind),
            op: shown(&body.op),
            message: shown(&body.message),
            request_fields: body.details.request_fields.iter().take(KEPT_FIELDS).map(field).collect(),
            retry_after,
            current_version: None,
        }
    }

    /// Whether a write with a version may have failed for that version. Measured: `:cancel` of a session answers 500.
    pub(crate) fn may_be_a_version_conflict(&self) -> bool {
        match self.kind {
            ErrorKind::NotFound => true,
            ErrorKind::Internal => self.message.contains("0 rows updated"),
            _ => false,
        }
    }

    /// A 503 with `Retry-After` comes from the rate limiter, before any work; one without may come from a proxy, after it.
    fn outcome_is_unknown(&self) -> bool {
        match self.kind {
            ErrorKind::Internal | ErrorKind::DeadlineExceeded | ErrorKind::Unknown => true,
            ErrorKind::Unavailable => self.retry_after.is_none(),
            _ => false,
        }
    }
}

fn kind(status: u16, body: &Body) -> ErrorKind {
    if body.kind == "invalid list token" || body.message.starts_with("handlers.ParseListToken") {
        return ErrorKind::InvalidListToken;
    }
    if status == 400 && body.message.contains("same field value that must be unique") {
        return ErrorKind::NotUnique;
    }
    match (status, body.kind.as_str()) {
        (400, "FailedPrecondition") => ErrorKind::FailedPrecondition,
        (400, _) => ErrorKind::InvalidArgument,
        (401, _) => ErrorKind::Unauthenticated,
        (403, _) => ErrorKind::PermissionDenied,
        (404, "") => ErrorKind::Unknown,
        (404, _) => ErrorKind::NotFound,
        (405 | 501, _) => ErrorKind::Unimplemented,
        (429, _) => ErrorKind::RateLimited,
        (500, _) => ErrorKind::Internal,
        (502 | 503, _) => ErrorKind::Unavailable,
        (504, _) => ErrorKind::DeadlineExceeded,
        _ => ErrorKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ApiError {
        ApiError::from_answer("read target ttcp_1", status, None, body.as_bytes())
    }

    #[test]
    fn kinds_follow_the_measured_answers() {
        let unique = r#"{"kind":"InvalidArgument","message":"Invalid request.  Request attempted to make second resource with the same field value that must be unique."}"#;
        let stale = r#"{"kind":"invalid list token","op":"listtoken.Validate","message":"grants have changed since list token was issued"}"#;
        let garbage = r#"{"kind":"Internal","message":"handlers.ParseListToken: unknown, unknown: error #0: proto"}"#;
        assert_eq!(read(400, unique).kind, ErrorKind::NotUnique);
        assert_eq!(read(400, stale).kind, ErrorKind::InvalidListToken);
        assert_eq!(read(400, stale).op, "listtoken.Validate");
        assert_eq!(read(500, garbage).kind, ErrorKind::InvalidListToken);
        assert_eq!(read(400, r#"{"kind":"FailedPrecondition"}"#).kind, ErrorKind::FailedPrecondition);
    }

    #[test]
    fn an_empty_body_leaves_the_status() {
        let error = read(429, "");
        assert_eq!((error.kind, error.remote_kind.as_str(), error.message.as_str()), (ErrorKind::RateLimited, "", ""));
        assert_eq!(error.to_string(), "read target ttcp_1: the controller answered 429");
    }

    #[test]
    fn refused_fields_are_named() {
        let body = r#"{"kind":"InvalidArgument","message":"Error in provided request.","details":{"request_fields":[{"name":"name","description":"This field is required."}]}}"#;
        assert_eq!(
            read(400, body).to_string(),
            "read target ttcp_1: the controller answered 400 InvalidArgument: Error in provided request.; name: This field is required."
        );
    }

    #[test]
    fn a_missing_page_of_another_server_is_no_missing_resource() {
        let meaning = |status, body| read(status, body).kind.meaning();
        assert_eq!(meaning(404, "<html>no such page</html>"), Meaning::Broken);
        assert_eq!(meaning(404, r#"{"kind":"NotFound","message":"Resource not found."}"#), Meaning::NotFound);
        assert_eq!(
            [meaning(401, ""), meaning(403, ""), meaning(429, "")],
            [Meaning::Unauthenticated, Meaning::Denied, Meaning::Unavailable]
        );
    }

    #[test]
    fn no_terminal_escape_passes() {
        let error = read(400, r#"{"kind":"\u001b[2J","message":"a\nb\u001b]0;x\u0007"}"#);
        assert_eq!((error.remote_kind.as_str(), error.message.as_str()), ("\\u{1b}[2J", "a b\\u{1b}]0;x\\u{7}"));
        let shown = error.to_string();
        assert!(!shown.contains(|c: char| c.is_control()), "{shown}");
    }
}

//! What is kept: an answer byte for byte, with the question that it answers.
//!
//! Pure data.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::Value;

/// A question, as evidence tells it: enough to put it again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// The service, such as `logs`.
    pub service: &'static str,
    /// The action, such as `GetLogEvents`.
    pub action: &'static str,
    /// The region that was asked.
    pub region: String,
    /// The parameters by the API's names.
    pub parameters: Value,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// What was asked.
    pub request: Question,
    /// When the answer was complete, by this machine's clock.
    pub at: Timestamp,
    /// The HTTP status.
    pub status: u16,
    /// The headers in the order in which they came, names in lower case; bytes that are no text are replaced.
    pub headers: Vec<(String, String)>,
}

impl Page {
    /// The first header of a name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The service's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.header("x-amzn-requestid").or_else(|| self.header("x-amz-request-id"))
    }
}

/// Headers as texts.
pub(crate) fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

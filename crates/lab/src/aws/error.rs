//! An API's refusal and its two wire forms.

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use crate::iam::Denied;

/// A refusal as the APIs give it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned() }
    }

    pub(crate) fn denied(denied: &Denied) -> Self {
        Self::new(400, "AccessDeniedException", &denied.0)
    }

    pub(crate) fn invalid_parameter(message: &str) -> Self {
        Self::new(400, "InvalidParameterException", message)
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn to_json(&self) -> Bytes {
        Bytes::from(json!({"__type": self.code, "message": self.message}).to_string())
    }

    /// S3 answers a refusal of rights with 403.
    pub(crate) fn s3_status(&self) -> StatusCode {
        if self.code.starts_with("AccessDenied") { StatusCode::FORBIDDEN } else { self.status() }
    }

    /// S3's form.
    pub(crate) fn to_s3_xml(&self) -> Bytes {
        let code = if self.code == "AccessDeniedException" { "AccessDenied" } else { &self.code };
        Bytes::from(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message></Error>",
            escape_xml(&self.message)
        ))
    }

    /// The query protocol's form; it calls a refusal of rights `AccessDenied` and answers it with 403.
    pub(crate) fn to_xml(&self) -> Bytes {
        let code = self.code.strip_suffix("Exception").filter(|code| *code == "AccessDenied").unwrap_or(&self.code);
        let message = escape_xml(&self.message);
        Bytes::from(format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
            uuid::Uuid::new_v4()
        ))
    }
}

/// Escapes text for XML content.
pub(crate) fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

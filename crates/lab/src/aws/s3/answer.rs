//! The wire form of S3's answers: bytes or XML, with the headers of an object, or an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::aws::s3::ObjectVersion;
use crate::aws::{ApiError, plain};

/// Makes an answer of an XML document.
pub(crate) fn xml(root: &str, inner: &str) -> Value {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{root}>"
    );
    json!({"Body": STANDARD.encode(text), "Headers": {"content-type": "application/xml"}})
}

/// Makes the headers that tell of a version.
pub(crate) fn headers_of(version: &ObjectVersion) -> Map<String, Value> {
    let body = version.body.as_deref().unwrap_or_default();
    let mut headers = Map::from_iter([
        ("etag".to_owned(), json!(etag(body))),
        ("last-modified".to_owned(), json!(version.modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())),
        ("x-amz-server-side-encryption".to_owned(), json!("AES256")),
        ("x-amz-version-id".to_owned(), json!(version.version_id)),
    ]);
    headers.extend(version.metadata.iter().map(|(name, value)| (format!("x-amz-meta-{name}"), json!(value))));
    if version.is_gzip {
        headers.insert("content-type".to_owned(), json!("application/json"));
        headers.insert("content-encoding".to_owned(), json!("gzip"));
    }
    if let Some(until) = version.retain_until {
        headers.insert("x-amz-object-lock-mode".to_owned(), json!("COMPLIANCE"));
        headers.insert("x-amz-object-lock-retain-until-date".to_owned(), json!(stamp(until)));
    }
    headers
}

/// The ETag of an object that was put in one part, in quotes.
pub(crate) fn etag(body: &[u8]) -> String {
    format!("\"{:x}\"", md5::compute(body))
}

/// A time as S3's documents tell it.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Makes the answer: bytes with their headers, or an error; each with the bucket's region.
pub(crate) fn render(region: &str, result: Result<Value, ApiError>) -> Response<Full<Bytes>> {
    let mut response = match result {
        Ok(value) => {
            let body = STANDARD.decode(value["Body"].as_str().unwrap_or_default()).unwrap_or_default();
            let mut response = plain(StatusCode::OK, Bytes::from(body), "binary/octet-stream");
            if value["Status"] == json!(204) {
                *response.status_mut() = StatusCode::NO_CONTENT;
            }
            for (name, text) in value["Headers"].as_object().into_iter().flatten() {
                set(&mut response, name, text.as_str().unwrap_or_default());
            }
            response
        }
        Err(error) => plain(error.s3_status(), error.to_s3_xml(), "application/xml"),
    };
    set(&mut response, "x-amz-bucket-region", region);
    response
}

fn set(response: &mut Response<Full<Bytes>>, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        response.headers_mut().insert(name, value);
    }
}

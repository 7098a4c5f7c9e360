//! A request of S3's: method, path and query name the action, headers and bytes are its input.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value, json};

use crate::aws::s3::Buckets;
use crate::aws::sts::read_form;
use crate::sigv4::decode;
use crate::tasks::REGION;

/// The question that every region answers for every bucket.
const LOCATION: &str = "GetBucketLocation";

/// Whether a request asks where a bucket is.
pub(crate) fn asks_for_location(query: &str) -> bool {
    action("GET", "", &read_form(query)) == LOCATION
}

/// Reads a request into an action and its input.
pub(crate) fn read(parts: &Parts, body: &Bytes) -> (String, Value) {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (bucket, key) = split(parts.uri.path());
    let query = read_form(parts.uri.query().unwrap_or_default());
    let metadata: Map<String, Value> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().strip_prefix("x-amz-meta-")?, value.to_str().ok()?)))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let action = action(parts.method.as_str(), &key, &query);
    let input = json!({
        "Bucket": bucket, "Key": key, "Query": query, "Metadata": metadata, "Body": STANDARD.encode(body),
        "IfNoneMatch": header("if-none-match"), "Checksum": header("x-amz-checksum-sha256"), "Digest": header("x-amz-content-sha256"),
        "RetainUntil": header("x-amz-object-lock-retain-until-date"), "ChecksumMode": header("x-amz-checksum-mode"),
    });
    (format!("s3:{action}"), input)
}

fn action(method: &str, key: &str, query: &Value) -> &'static str {
    let asks = |name: &str| query.get(name).is_some();
    match (method, key.is_empty()) {
        ("PUT", false) => "PutObject",
        ("DELETE", false) => "DeleteObject",
        ("HEAD", false) => "HeadObject",
        ("HEAD", true) => "HeadBucket",
        ("GET", false) if asks("retention") => "GetObjectRetention",
        ("GET", false) => "GetObject",
        ("GET", true) if asks("versions") => "ListObjectVersions",
        ("GET", true) if asks("location") => LOCATION,
        ("GET", true) if asks("versioning") => "GetBucketVersioning",
        ("GET", true) if asks("encryption") => "GetBucketEncryption",
        ("GET", true) if asks("object-lock") => "GetObjectLockConfiguration",
        ("GET", true) => "ListObjectsV2",
        _ => "Unknown",
    }
}

/// The region of the bucket that a path leads to; ours where there is none.
pub(crate) fn region_at(buckets: &Buckets, path: &str) -> String {
    buckets.region(&split(path).0).unwrap_or_else(|| REGION.to_owned())
}

fn split(path: &str) -> (String, String) {
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    // A plus is no space in a path.
    (bucket.to_owned(), decode(&key.replace('+', "%2B")))
}

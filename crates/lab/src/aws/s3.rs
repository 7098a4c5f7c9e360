//! S3 as far as records need it: objects are put under conditions and with a checksum, and read. Path-style only.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::aws::{ApiError, Call, plain};
use crate::sigv4::{decode, sha256};
use crate::tasks::REGION;

type Objects = BTreeMap<String, Vec<u8>>;

#[derive(Debug)]
struct Bucket {
    region: String,
    objects: Objects,
}

/// All buckets of a world.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<BTreeMap<String, Bucket>>);

impl Buckets {
    pub(crate) fn add(&self, name: &str, region: &str) {
        self.buckets().entry(name.to_owned()).or_insert_with(|| Bucket { region: region.to_owned(), objects: Objects::new() });
    }

    pub(crate) fn objects(&self, name: &str) -> Objects {
        self.buckets().get(name).map(|bucket| bucket.objects.clone()).unwrap_or_default()
    }

    /// The region of the bucket that a path leads to; ours where there is none.
    pub(crate) fn region_at(&self, path: &str) -> String {
        let (name, _) = split(path);
        self.buckets().get(&name).map_or_else(|| REGION.to_owned(), |bucket| bucket.region.clone())
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a request into an action and its input.
pub(crate) fn read(parts: &Parts, body: &Bytes) -> (String, Value) {
    let action = match parts.method.as_str() {
        "PUT" => "s3:PutObject",
        "GET" => "s3:GetObject",
        _ => "s3:Unknown",
    };
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (bucket, key) = split(parts.uri.path());
    let input = json!({
        "Bucket": bucket, "Key": key, "Body": STANDARD.encode(body), "IfNoneMatch": header("if-none-match"),
        "Checksum": header("x-amz-checksum-sha256"), "Digest": header("x-amz-content-sha256"),
    });
    (action.to_owned(), input)
}

/// Puts an object.
pub(crate) fn put_object(call: &Call<'_>) -> Result<Value, ApiError> {
    let (bucket, key) = (call.required("Bucket")?, call.required("Key")?);
    let if_none_match = call.text("IfNoneMatch").unwrap_or_default();
    let condition = BTreeMap::from([("s3:if-none-match".to_owned(), if_none_match.to_owned())]);
    call.authorise("s3:PutObject", &arn(bucket, key), &if if_none_match.is_empty() { BTreeMap::new() } else { condition })?;
    let body = STANDARD.decode(call.text("Body").unwrap_or_default()).unwrap_or_default();
    if call.text("Digest") != Some(sha256(&body).as_str()) {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(ApiError::new(400, "XAmzContentSHA256Mismatch", text));
    }
    if call.text("Checksum") != Some(STANDARD.encode(digest(&SHA256, &body)).as_str()) {
        let text = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        return Err(ApiError::new(400, "InvalidRequest", text));
    }
    let mut buckets = call.shared.buckets.buckets();
    let objects = &mut buckets.get_mut(bucket).ok_or_else(no_bucket)?.objects;
    if if_none_match == "*" && objects.contains_key(key) {
        let text = "At least one of the pre-conditions you specified did not hold";
        return Err(ApiError::new(412, "PreconditionFailed", text));
    }
    objects.insert(key.to_owned(), body);
    Ok(json!({}))
}

/// Reads an object.
pub(crate) fn get_object(call: &Call<'_>) -> Result<Value, ApiError> {
    let (bucket, key) = (call.required("Bucket")?, call.required("Key")?);
    call.authorise("s3:GetObject", &arn(bucket, key), &BTreeMap::new())?;
    let buckets = call.shared.buckets.buckets();
    let no_key = || ApiError::new(404, "NoSuchKey", "The specified key does not exist.");
    let body = buckets.get(bucket).ok_or_else(no_bucket)?.objects.get(key).ok_or_else(no_key)?;
    Ok(json!({"Body": STANDARD.encode(body)}))
}

/// Makes the answer: the object's bytes, or an error; each with the bucket's region.
pub(crate) fn render(region: &str, result: Result<Value, ApiError>) -> Response<Full<Bytes>> {
    let mut response = match result {
        Ok(value) => {
            let body = STANDARD.decode(value["Body"].as_str().unwrap_or_default()).unwrap_or_default();
            plain(http::StatusCode::OK, Bytes::from(body), "application/json")
        }
        Err(error) => plain(error.s3_status(), error.to_s3_xml(), "application/xml"),
    };
    let headers = response.headers_mut();
    if let Ok(region) = HeaderValue::from_str(region) {
        headers.insert("x-amz-bucket-region", region);
    }
    headers.insert(http::header::ETAG, HeaderValue::from_static("\"00000000000000000000000000000000\""));
    response
}

fn no_bucket() -> ApiError {
    ApiError::new(404, "NoSuchBucket", "The specified bucket does not exist")
}

fn arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

fn split(path: &str) -> (String, String) {
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    // A plus is no space in a path.
    (bucket.to_owned(), decode(&key.replace('+', "%2B")))
}

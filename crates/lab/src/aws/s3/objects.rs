//! Objects of S3's: put under conditions and with a checksum, read by version, deleted, and asked for their retention.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::s3::answer::{headers_of, stamp, xml};
use crate::aws::s3::{Bucket, Content, ObjectVersion, no_bucket, no_key};
use crate::aws::{ApiError, Call};
use crate::sigv4::sha256;

/// Puts an object.
pub(crate) fn put(call: &Call<'_>) -> Result<Value, ApiError> {
    let (bucket, key) = (call.required("Bucket")?, call.required("Key")?);
    let if_none_match = call.text("IfNoneMatch").unwrap_or_default();
    let condition = BTreeMap::from([("s3:if-none-match".to_owned(), if_none_match.to_owned())]);
    call.authorise("s3:PutObject", &arn(bucket, key), &if if_none_match.is_empty() { BTreeMap::new() } else { condition })?;
    let body = STANDARD.decode(call.text("Body").unwrap_or_default()).unwrap_or_default();
    check_digests(call, &body)?;
    let now = call.shared.clock.now();
    let metadata = call.body["Metadata"].as_object().into_iter().flatten();
    let content = Content {
        body,
        metadata: metadata.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        retain_until: call.text("RetainUntil").and_then(|text| text.parse::<Timestamp>().ok()),
        is_gzip: false,
    };
    let put = |bucket: &mut Bucket| {
        if if_none_match == "*" && bucket.body(key).is_some() {
            let text = "At least one of the pre-conditions you specified did not hold";
            return Err(ApiError::new(412, "PreconditionFailed", text));
        }
        Ok(json!({"Headers": headers_of(bucket.put(key, content, now))}))
    };
    call.shared.buckets.with(bucket, put).ok_or_else(no_bucket)?
}

fn check_digests(call: &Call<'_>, body: &[u8]) -> Result<(), ApiError> {
    if call.text("Digest") != Some(sha256(body).as_str()) {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(ApiError::new(400, "XAmzContentSHA256Mismatch", text));
    }
    if call.text("Checksum") != Some(STANDARD.encode(digest(&SHA256, body)).as_str()) {
        let text = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        return Err(ApiError::new(400, "InvalidRequest", text));
    }
    Ok(())
}

/// Reads an object: its newest version, or the one that is asked for.
pub(crate) fn read(call: &Call<'_>) -> Result<Value, ApiError> {
    let version = asked(call, "s3:GetObject", "s3:GetObjectVersion")?;
    let mut headers = headers_of(&version);
    let body = version.body.unwrap_or_default();
    if call.text("ChecksumMode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        headers.insert("x-amz-checksum-sha256".to_owned(), json!(STANDARD.encode(digest(&SHA256, &body))));
        headers.insert("x-amz-checksum-type".to_owned(), json!("FULL_OBJECT"));
    }
    Ok(json!({"Body": STANDARD.encode(body), "Headers": headers}))
}

/// Tells until when Object Lock keeps a version.
pub(crate) fn retention(call: &Call<'_>) -> Result<Value, ApiError> {
    let version = asked(call, "s3:GetObjectRetention", "s3:GetObjectRetention")?;
    let text = "The specified object does not have a ObjectLock configuration";
    let until = version.retain_until.ok_or_else(|| ApiError::new(404, "NoSuchObjectLockConfiguration", text))?;
    Ok(xml("Retention", &format!("<Mode>COMPLIANCE</Mode><RetainUntilDate>{}</RetainUntilDate>", stamp(until))))
}

/// Finds the version that a call asks for; a right of its own is needed for one by id.
fn asked(call: &Call<'_>, newest: &str, by_id: &str) -> Result<ObjectVersion, ApiError> {
    let (bucket, key) = (call.required("Bucket")?, call.required("Key")?);
    let version_id = call.body["Query"]["versionId"].as_str();
    call.authorise(if version_id.is_some() { by_id } else { newest }, &arn(bucket, key), &BTreeMap::new())?;
    let versions = call.shared.buckets.with(bucket, |bucket| bucket.versions.get(key).cloned().unwrap_or_default());
    let mut versions = versions.ok_or_else(no_bucket)?.into_iter();
    let Some(version_id) = version_id else {
        return versions.next().filter(|version| version.body.is_some()).ok_or_else(no_key);
    };
    let found = versions.find(|version| version.version_id == version_id);
    let version = found.ok_or_else(|| ApiError::new(404, "NoSuchVersion", "The specified version does not exist."))?;
    if version.body.is_none() {
        return Err(ApiError::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource."));
    }
    Ok(version)
}

/// Deletes an object: a delete marker hides it, one version goes for good unless a lock keeps it.
pub(crate) fn delete(call: &Call<'_>) -> Result<Value, ApiError> {
    let (bucket, key) = (call.required("Bucket")?, call.required("Key")?);
    let version_id = call.body["Query"]["versionId"].as_str();
    let action = if version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    call.authorise(action, &arn(bucket, key), &BTreeMap::new())?;
    let now = call.shared.clock.now();
    let delete = |bucket: &mut Bucket| {
        if let Some(version_id) = version_id {
            delete_version(bucket, key, version_id, now)
        } else {
            let marker = bucket.delete(key, now);
            let of = |marker: &ObjectVersion| json!({"x-amz-version-id": marker.version_id, "x-amz-delete-marker": "true"});
            Ok(json!({"Status": 204, "Headers": marker.map_or(json!({}), of)}))
        }
    };
    call.shared.buckets.with(bucket, delete).ok_or_else(no_bucket)?
}

fn delete_version(bucket: &mut Bucket, key: &str, version_id: &str, now: Timestamp) -> Result<Value, ApiError> {
    let versions = bucket.versions.entry(key.to_owned()).or_default();
    let kept =
        |version: &ObjectVersion| version.version_id == version_id && version.retain_until.is_some_and(|until| until > now);
    if versions.iter().any(kept) {
        return Err(ApiError::new(403, "AccessDenied", "Access Denied because object protected by object lock."));
    }
    versions.retain(|version| version.version_id != version_id);
    if versions.is_empty() {
        bucket.versions.remove(key);
    }
    Ok(json!({"Status": 204, "Headers": {"x-amz-version-id": version_id}}))
}

fn arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

//! Lists of objects and versions in pages, and the settings of a bucket.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::aws::error::escape_xml;
use crate::aws::s3::answer::{etag, stamp, xml};
use crate::aws::s3::{Bucket, ObjectVersion, no_bucket};
use crate::aws::{ApiError, Call};
use crate::sigv4::encode;

/// The most keys of one page.
const PAGE_MAX: usize = 1000;

/// Answers a call about a bucket that is permitted and there.
fn about(
    call: &Call<'_>,
    action: &str,
    work: impl FnOnce(&Bucket, &Asked<'_>) -> Result<Value, ApiError>,
) -> Result<Value, ApiError> {
    let name = call.required("Bucket")?;
    call.authorise(action, &format!("arn:aws:s3:::{name}"), &BTreeMap::new())?;
    let asked = Asked { name, query: &call.body["Query"] };
    call.shared.buckets.with(name, |bucket| work(bucket, &asked)).ok_or_else(no_bucket)?
}

/// What a list is asked for.
struct Asked<'a> {
    name: &'a str,
    query: &'a Value,
}

impl Asked<'_> {
    fn text(&self, name: &str) -> &str {
        self.query[name].as_str().unwrap_or_default()
    }

    fn size(&self) -> usize {
        self.text("max-keys").parse().unwrap_or(PAGE_MAX).min(PAGE_MAX)
    }

    /// A key as the list tells it.
    fn key(&self, key: &str) -> String {
        if self.text("encoding-type") == "url" {
            return key.split('/').map(encode).collect::<Vec<_>>().join("/");
        }
        escape_xml(key)
    }

    /// What every list begins with.
    fn head(&self) -> String {
        let (name, prefix, size) = (self.name, self.key(self.text("prefix")), self.size());
        let encoding = if self.text("encoding-type") == "url" { "<EncodingType>url</EncodingType>" } else { "" };
        format!("<Name>{name}</Name><Prefix>{prefix}</Prefix><MaxKeys>{size}</MaxKeys>{encoding}")
    }
}

/// Says that a bucket is there.
pub(crate) fn head(call: &Call<'_>) -> Result<Value, ApiError> {
    about(call, "s3:ListBucket", |_, _| Ok(json!({})))
}

/// Lists objects; the token is the last key of the page before.
pub(crate) fn objects(call: &Call<'_>) -> Result<Value, ApiError> {
    about(call, "s3:ListBucket", |bucket, asked| {
        let mut rows = rows_of(bucket, asked).into_iter();
        let page: Vec<Row<'_>> = rows.by_ref().take(asked.size()).collect();
        let is_truncated = rows.next().is_some();
        let mut inner = asked.head();
        for row in &page {
            match &row.common {
                Some(common) => {
                    let _ = write!(inner, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", asked.key(common));
                }
                None => {
                    let _ = write!(inner, "<Contents>{}</Contents>", of_object(asked, row.key, row.version, row.body));
                }
            }
        }
        if let Some(last) = page.last().filter(|_| is_truncated) {
            let _ = write!(inner, "<NextContinuationToken>{}</NextContinuationToken>", escape_xml(last.key));
        }
        let _ = write!(inner, "<KeyCount>{}</KeyCount><IsTruncated>{is_truncated}</IsTruncated>", page.len());
        Ok(xml("ListBucketResult", &inner))
    })
}

/// A row of a list of objects: an object, or what several keys begin with.
struct Row<'a> {
    key: &'a str,
    version: &'a ObjectVersion,
    body: &'a [u8],
    common: Option<&'a str>,
}

/// The rows behind the asked place; only the first key of a common prefix has one.
fn rows_of<'a>(bucket: &'a Bucket, asked: &Asked<'_>) -> Vec<Row<'a>> {
    let (prefix, delimiter) = (asked.text("prefix"), asked.text("delimiter"));
    // The marker is the first version's.
    let after = asked.text("start-after").max(asked.text("continuation-token")).max(asked.text("marker"));
    let mut rows: Vec<Row<'a>> = Vec::new();
    for (key, versions) in bucket.versions.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after) {
        let Some((version, body)) = versions.first().and_then(|version| Some((version, version.body.as_deref()?))) else {
            continue;
        };
        let end = key[prefix.len()..].find(delimiter).filter(|_| !delimiter.is_empty());
        let common = end.map(|at| &key[..prefix.len() + at + delimiter.len()]);
        let known = |common: &str| after.starts_with(common) || rows.last().is_some_and(|row| row.common == Some(common));
        if !common.is_some_and(known) {
            rows.push(Row { key, version, body, common });
        }
    }
    rows
}

fn of_object(asked: &Asked<'_>, key: &str, version: &ObjectVersion, body: &[u8]) -> String {
    format!(
        "<Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass>",
        asked.key(key),
        stamp(version.modified),
        etag(body).replace('"', "&quot;"),
        body.len(),
    )
}

/// Lists versions and delete markers, the newest of a key first; both markers name the last row of the page before.
pub(crate) fn versions(call: &Call<'_>) -> Result<Value, ApiError> {
    about(call, "s3:ListBucketVersions", |bucket, asked| {
        let (prefix, after_key, after_version) =
            (asked.text("prefix"), asked.text("key-marker"), asked.text("version-id-marker"));
        let rows = bucket.versions.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() >= after_key);
        let mut rows = rows.flat_map(|(key, versions)| {
            let seen = versions.iter().position(|version| version.version_id == after_version);
            let skipped = if key == after_key { seen.map_or(versions.len(), |at| at + 1) } else { 0 };
            versions
                .iter()
                .enumerate()
                .skip(if after_key.is_empty() { 0 } else { skipped })
                .map(move |(at, version)| (key, at, version))
        });
        let page: Vec<_> = rows.by_ref().take(asked.size()).collect();
        let is_truncated = rows.next().is_some();
        let (key_marker, version_marker) = (asked.key(after_key), escape_xml(after_version));
        let mut inner = format!(
            "{}<KeyMarker>{key_marker}</KeyMarker><VersionIdMarker>{version_marker}</VersionIdMarker><IsTruncated>{is_truncated}</IsTruncated>",
            asked.head()
        );
        if let Some((key, _, version)) = page.last().filter(|_| is_truncated) {
            let (key, id) = (asked.key(key), &version.version_id);
            let _ = write!(inner, "<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{id}</NextVersionIdMarker>");
        }
        for (key, at, version) in page {
            inner.push_str(&of_version(asked, key, at == 0, version));
        }
        Ok(xml("ListVersionsResult", &inner))
    })
}

fn of_version(asked: &Asked<'_>, key: &str, is_latest: bool, version: &ObjectVersion) -> String {
    let common = format!("<VersionId>{}</VersionId><IsLatest>{is_latest}</IsLatest>", version.version_id);
    match &version.body {
        Some(body) => format!("<Version>{}{common}</Version>", of_object(asked, key, version, body)),
        None => format!(
            "<DeleteMarker><Key>{}</Key>{common}<LastModified>{}</LastModified></DeleteMarker>",
            asked.key(key),
            stamp(version.modified)
        ),
    }
}

/// Tells the region of a bucket.
pub(crate) fn location(call: &Call<'_>) -> Result<Value, ApiError> {
    about(call, "s3:GetBucketLocation", |bucket, _| Ok(xml("LocationConstraint", &bucket.region)))
}

/// Tells whether a bucket has versions.
pub(crate) fn versioning(call: &Call<'_>) -> Result<Value, ApiError> {
    about(call, "s3:GetBucketVersioning", |bucket, _| {
        Ok(xml("VersioningConfiguration", if bucket.has_versions { "<Status>Enabled</Status>" } else { "" }))
    })
}

/// Tells how a bucket is encrypted: as every bucket at least is.
pub(crate) fn encryption(call: &Call<'_>) -> Result<Value, ApiError> {
    about(call, "s3:GetEncryptionConfiguration", |_, _| {
        let rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
                    <BucketKeyEnabled>false</BucketKeyEnabled></Rule>";
        Ok(xml("ServerSideEncryptionConfiguration", rule))
    })
}

/// Tells how Object Lock keeps what is put.
pub(crate) fn object_lock(call: &Call<'_>) -> Result<Value, ApiError> {
    about(call, "s3:GetBucketObjectLockConfiguration", |bucket, _| {
        let text = "Object Lock configuration does not exist for this bucket";
        let days = bucket.lock_days.ok_or_else(|| ApiError::new(404, "ObjectLockConfigurationNotFoundError", text))?;
        let rule = format!("<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>{days}</Days></DefaultRetention></Rule>");
        let rule = if days == 0 { String::new() } else { rule };
        Ok(xml("ObjectLockConfiguration", &format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}")))
    })
}

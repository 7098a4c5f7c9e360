//! PutObject, on the condition that nothing is there: the one write, for a place that keeps evidence.
//!
//! Never replaces and never deletes.

use super::{Draft, ObjectRef};
use crate::asking::Asking;
use crate::error::ReadError;
use crate::page::Page;
use crate::reader::Reader;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

/// The status of an answer whose condition did not hold.
const PRECONDITION_FAILED: u16 = 412;

/// How firmly a version is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionMode {
    /// Nobody can delete it before its time.
    Compliance,
    /// Who has a permission of its own can.
    Governance,
}

/// Until when a version is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The mode.
    pub mode: RetentionMode,
    /// The end; whole seconds reach S3.
    pub until: Timestamp,
}

/// An object to put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObject {
    /// Where; a version cannot be chosen.
    pub object: ObjectRef,
    /// The bytes.
    pub body: Vec<u8>,
    /// The media type.
    pub content_type: &'static str,
    /// How long it is to be kept; else as the bucket says.
    pub retention: Option<Retention>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is there now.
    Put {
        /// Its version, in buckets that have any.
        version_id: Option<String>,
        /// Its entity tag without quotes.
        etag: String,
    },
    /// An object of that key is there, perhaps the same: an attempt whose answer was lost leaves one too.
    AlreadyThere,
}

impl Reader {
    /// Puts an object where none is, with its SHA-256, which S3 checks and which Object Lock demands.
    ///
    /// Needs `s3:PutObject`, and `s3:PutObjectRetention` for a retention. Dropping the future leaves open whether it is there.
    ///
    /// # Errors
    /// Why it is not known to be there.
    pub async fn put_if_absent(&self, put: PutObject) -> Result<PutOutcome, ReadError> {
        let asking = asking(put);
        let page = self.page(&asking).await?;
        outcome(&page).map_err(|why| ReadError::unexpected(asking.call, why))
    }
}

fn asking(put: PutObject) -> Asking {
    let object = ObjectRef { version: None, ..put.object };
    let mut draft = Draft::of_object("s3:PutObject", "s3:PutObject", "PUT", &object);
    draft.header("content-type", "ContentType", put.content_type);
    draft.header("if-none-match", "IfNoneMatch", "*");
    if let Some(Retention { mode, until }) = put.retention {
        draft.header("x-amz-object-lock-mode", "ObjectLockMode", mode.word());
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        draft.header("x-amz-object-lock-retain-until-date", "ObjectLockRetainUntilDate", &until);
    }
    draft.header("x-amz-checksum-sha256", "ChecksumSHA256", &STANDARD.encode(digest(&SHA256, &put.body)));
    draft.header("x-amz-sdk-checksum-algorithm", "ChecksumAlgorithm", "SHA256");
    draft.parameters.insert("ContentLength".to_owned(), Value::from(put.body.len()));
    draft.form.body = put.body;
    draft.form.also_takes = Some(PRECONDITION_FAILED);
    draft.asking()
}

fn outcome(page: &Page) -> Result<PutOutcome, &'static str> {
    if page.status == PRECONDITION_FAILED {
        return Ok(PutOutcome::AlreadyThere);
    }
    let etag = page.header("etag").ok_or("the answer names no entity tag")?.trim_matches('"').to_owned();
    Ok(PutOutcome::Put { version_id: page.header("x-amz-version-id").map(str::to_owned), etag })
}

impl RetentionMode {
    fn word(self) -> &'static str {
        match self {
            Self::Compliance => "COMPLIANCE",
            Self::Governance => "GOVERNANCE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Bucket;
    use crate::s3::tests::{page, request};

    fn put(retention: Option<Retention>) -> PutObject {
        let object = Bucket::owned_by("abc", "123456789012").object("sha256/00").version("v");
        PutObject { object, body: b"bytes".to_vec(), content_type: "application/octet-stream", retention }
    }

    #[test]
    fn a_put_replaces_nothing_and_brings_its_checksum_and_lock() {
        let until = "2033-11-21T10:00:00.5Z".parse().unwrap();
        let request = request(&asking(put(Some(Retention { mode: RetentionMode::Compliance, until }))));
        assert_eq!((request.method, request.url.as_str()), ("PUT", "https://abc.s3.us-east-2.amazonaws.com/sha256/00"));
        for (name, value) in [
            ("if-none-match", "*"),
            ("x-amz-expected-bucket-owner", "123456789012"),
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2033-11-21T10:00:00Z"),
            ("x-amz-checksum-sha256", "J3CJ2RwL308uaGK6fkoHYFEZQx9dE/cm3TUrBvGyBqk="),
        ] {
            assert!(request.headers.contains(&(name, value.to_owned())), "{name}");
        }
        assert_eq!(request.body, b"bytes");
    }

    #[test]
    fn an_answer_says_that_it_is_there_now_or_was_before() {
        let mut answer = page("");
        assert!(outcome(&answer).is_err());
        answer.headers = vec![("etag".to_owned(), "\"e\"".to_owned()), ("x-amz-version-id".to_owned(), "v".to_owned())];
        assert_eq!(outcome(&answer), Ok(PutOutcome::Put { version_id: Some("v".to_owned()), etag: "e".to_owned() }));
        assert_eq!(outcome(&Page { status: 412, ..answer }), Ok(PutOutcome::AlreadyThere));
    }
}

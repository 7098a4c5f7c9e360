//! S3: what is asked of buckets and objects.
//!
//! Owns the names on the wire and what answers say in headers and XML. Each answer comes with the page that it was read from.

mod facts;
mod get;
mod lists;
mod put;
mod settings;

pub use facts::ObjectFacts;
pub use get::{ByteRange, Fetched};
pub use lists::{ListObjects, ListVersions, ObjectRow, ObjectRows, VersionRow};
pub use put::{PutObject, PutOutcome, Retention, RetentionMode};
pub use settings::{Encryption, LockConfiguration, LockDefault, Versioning};

use crate::asking::{Asking, Form, S3Form};
use crate::error::ReadError;
use crate::page::Page;
use crate::reader::Reader;
use crate::xml::Node;
use cli_kit::printable;
use serde_json::{Map, Value};

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The account that must own it: another's answers 403.
    pub owner: Option<String>,
}

/// An object, or one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// The bucket.
    pub bucket: Bucket,
    /// The key.
    pub key: String,
    /// The version; else the newest.
    pub version: Option<String>,
}

/// An answer with what was read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<T> {
    /// The answer as it came.
    pub page: Page,
    /// What it says.
    pub facts: T,
}

impl Bucket {
    /// A bucket of anybody's.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), owner: None }
    }

    /// A bucket that must be an account's.
    pub fn owned_by(name: impl Into<String>, account: impl Into<String>) -> Self {
        Self { name: name.into(), owner: Some(account.into()) }
    }

    /// The newest version of one of its objects.
    pub fn object(&self, key: impl Into<String>) -> ObjectRef {
        ObjectRef { bucket: self.clone(), key: key.into(), version: None }
    }
}

impl ObjectRef {
    /// One of its versions.
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }
}

/// A question on its way to the wire.
struct Draft {
    call: &'static str,
    permission: &'static str,
    form: S3Form,
    parameters: Map<String, Value>,
}

impl Draft {
    fn new(call: &'static str, permission: &'static str, method: &'static str, bucket: &Bucket) -> Self {
        let mut draft = Self {
            call,
            permission,
            form: S3Form { method, bucket: bucket.name.clone(), ..S3Form::default() },
            parameters: Map::from_iter([("Bucket".to_owned(), Value::from(bucket.name.clone()))]),
        };
        if let Some(owner) = &bucket.owner {
            draft.header("x-amz-expected-bucket-owner", "ExpectedBucketOwner", owner);
        }
        draft
    }

    fn of_object(call: &'static str, permission: &'static str, method: &'static str, object: &ObjectRef) -> Self {
        let mut draft = Self::new(call, permission, method, &object.bucket);
        draft.parameters.insert("Key".to_owned(), Value::from(object.key.clone()));
        draft.form.key = Some(object.key.clone());
        if let Some(version) = &object.version {
            draft.query("versionId", "VersionId", version);
        }
        draft
    }

    fn sub_resource(mut self, name: &'static str) -> Self {
        self.form.query.insert(0, (name, None));
        self
    }

    fn query(&mut self, name: &'static str, parameter: &str, value: &str) {
        self.form.query.push((name, Some(value.to_owned())));
        self.parameters.insert(parameter.to_owned(), Value::from(value));
    }

    fn header(&mut self, name: &'static str, parameter: &str, value: &str) {
        self.form.headers.push((name, value.to_owned()));
        self.parameters.insert(parameter.to_owned(), Value::from(value));
    }

    fn asking(self) -> Asking {
        let key = self.form.key.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
        Asking {
            call: self.call,
            permission: self.permission,
            resource: Some(printable(&format!("{}{key}", self.form.bucket), 300)),
            parameters: Value::Object(self.parameters),
            has_token: false,
            form: Form::S3(self.form),
        }
    }
}

/// Reads an answer whose document has a name.
fn document(page: &Page, name: &str) -> Result<Node, &'static str> {
    let text = std::str::from_utf8(&page.body).map_err(|_| "the answer is no text")?;
    let node = Node::read(text).ok_or("the answer is no XML of S3")?;
    if node.name() == name { Ok(node) } else { Err("the answer is another document") }
}

impl Reader {
    async fn answered<T>(
        &self,
        draft: Draft,
        read: impl FnOnce(&Page) -> Result<T, &'static str>,
    ) -> Result<Answered<T>, ReadError> {
        let asking = draft.asking();
        let page = self.page(&asking).await?;
        let facts = read(&page).map_err(|why| ReadError::unexpected(asking.call, why))?;
        Ok(Answered { page, facts })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::endpoints::Endpoints;
    use crate::page::Question;
    use crate::signed::SignedRequest;
    use jiff::Timestamp;

    /// A page with a body.
    pub(crate) fn page(body: &str) -> Page {
        Page {
            body: body.as_bytes().to_vec(),
            request: Question { service: "s3", action: "", region: String::new(), parameters: Value::Null },
            at: Timestamp::UNIX_EPOCH,
            status: 200,
            headers: Vec::new(),
        }
    }

    /// The wire form in `us-east-2`.
    pub(crate) fn request(asking: &Asking) -> SignedRequest {
        asking.request(&Endpoints::default(), "us-east-2").unwrap()
    }
}

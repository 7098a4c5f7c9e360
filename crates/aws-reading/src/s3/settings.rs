//! What a bucket is set to: versions, Object Lock, encryption; and what is set for one version.
//!
//! A setting that was never made is [`ReadError::NotFound`], except versioning's, whose answer is then empty.

use super::{Answered, Bucket, Draft, ObjectRef, Retention, RetentionMode, document};
use crate::error::ReadError;
use crate::page::Page;
use crate::reader::Reader;
use crate::xml::Node;

/// The state of a bucket's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// Each write makes a version.
    Enabled,
    /// Older versions are kept, and no new ones made.
    Suspended,
    /// There never were any.
    Never,
}

/// The Object Lock of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockConfiguration {
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// What a new version gets that says nothing of its own.
    pub default: Option<LockDefault>,
}

/// The retention that new versions get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockDefault {
    /// The mode.
    pub mode: RetentionMode,
    /// The days.
    pub days: Option<u32>,
    /// The years.
    pub years: Option<u32>,
}

/// What new objects are encrypted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The KMS key, where one is named.
    pub kms_key: Option<String>,
}

impl Reader {
    /// Whether a bucket keeps versions.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn bucket_versioning(&self, bucket: &Bucket) -> Result<Answered<Versioning>, ReadError> {
        let draft = Draft::new("s3:GetBucketVersioning", "s3:GetBucketVersioning", "GET", bucket);
        self.answered(draft.sub_resource("versioning"), versioning).await
    }

    /// How a bucket locks its versions.
    ///
    /// # Errors
    /// Why there is no answer; [`ReadError::NotFound`] where it does not lock any.
    pub async fn object_lock_configuration(&self, bucket: &Bucket) -> Result<Answered<LockConfiguration>, ReadError> {
        let draft = Draft::new("s3:GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", "GET", bucket);
        self.answered(draft.sub_resource("object-lock"), lock_configuration).await
    }

    /// How a bucket encrypts.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn bucket_encryption(&self, bucket: &Bucket) -> Result<Answered<Encryption>, ReadError> {
        let draft = Draft::new("s3:GetBucketEncryption", "s3:GetEncryptionConfiguration", "GET", bucket);
        self.answered(draft.sub_resource("encryption"), encryption).await
    }

    /// Until when a version cannot be deleted.
    ///
    /// # Errors
    /// Why there is no answer; [`ReadError::NotFound`] where it has no retention.
    pub async fn object_retention(&self, object: &ObjectRef) -> Result<Answered<Retention>, ReadError> {
        let draft = Draft::of_object("s3:GetObjectRetention", "s3:GetObjectRetention", "GET", object);
        self.answered(draft.sub_resource("retention"), retention).await
    }
}

fn versioning(page: &Page) -> Result<Versioning, &'static str> {
    match document(page, "VersioningConfiguration")?.text_of("Status") {
        "Enabled" => Ok(Versioning::Enabled),
        "Suspended" => Ok(Versioning::Suspended),
        "" => Ok(Versioning::Never),
        _ => Err("the state of versions is an unknown one"),
    }
}

fn lock_configuration(page: &Page) -> Result<LockConfiguration, &'static str> {
    let node = document(page, "ObjectLockConfiguration")?;
    let rule = node.children("Rule").find_map(|rule| rule.children("DefaultRetention").next());
    let default = rule.map(lock_default).transpose()?;
    Ok(LockConfiguration { is_enabled: node.text_of("ObjectLockEnabled") == "Enabled", default })
}

fn lock_default(rule: &Node) -> Result<LockDefault, &'static str> {
    let number = |name| match rule.text_of(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| "the time of a lock is no number"),
    };
    Ok(LockDefault { mode: mode(rule)?, days: number("Days")?, years: number("Years")? })
}

fn encryption(page: &Page) -> Result<Encryption, &'static str> {
    let node = document(page, "ServerSideEncryptionConfiguration")?;
    let rule = node.children("Rule").find_map(|rule| rule.children("ApplyServerSideEncryptionByDefault").next());
    let rule = rule.ok_or("the encryption has no rule")?;
    let kms_key = Some(rule.text_of("KMSMasterKeyID").to_owned()).filter(|key| !key.is_empty());
    Ok(Encryption { algorithm: rule.text_of("SSEAlgorithm").to_owned(), kms_key })
}

fn retention(page: &Page) -> Result<Retention, &'static str> {
    let node = document(page, "Retention")?;
    let until = node.text_of("RetainUntilDate").parse().map_err(|_| "the end of a retention is no time")?;
    Ok(Retention { mode: mode(&node)?, until })
}

fn mode(node: &Node) -> Result<RetentionMode, &'static str> {
    match node.text_of("Mode") {
        "COMPLIANCE" => Ok(RetentionMode::Compliance),
        "GOVERNANCE" => Ok(RetentionMode::Governance),
        _ => Err("the mode of a lock is an unknown one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::page;

    const NS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

    #[test]
    fn versions_may_be_kept_or_not_yet() {
        let read = |inner: &str| versioning(&page(&format!("<VersioningConfiguration {NS}>{inner}</VersioningConfiguration>")));
        assert_eq!(read("<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>"), Ok(Versioning::Enabled));
        assert_eq!(read("<Status>Suspended</Status>"), Ok(Versioning::Suspended));
        assert_eq!(read(""), Ok(Versioning::Never));
        assert!(read("<Status>Perhaps</Status>").is_err());
        assert!(versioning(&page("<Error/>")).is_err());
    }

    #[test]
    fn a_lock_has_a_default_or_none() {
        let read =
            |inner: &str| lock_configuration(&page(&format!("<ObjectLockConfiguration>{inner}</ObjectLockConfiguration>")));
        let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        assert_eq!(read(enabled), Ok(LockConfiguration { is_enabled: true, default: None }));
        let rule = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>90</Days></DefaultRetention></Rule>";
        let default = LockDefault { mode: RetentionMode::Compliance, days: Some(90), years: None };
        assert_eq!(read(&format!("{enabled}{rule}")), Ok(LockConfiguration { is_enabled: true, default: Some(default) }));
        assert!(read("<Rule><DefaultRetention><Mode>X</Mode><Days>90</Days></DefaultRetention></Rule>").is_err());
        assert!(read("<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>-1</Days></DefaultRetention></Rule>").is_err());
    }

    #[test]
    fn encryption_and_retention_are_read() {
        let rule = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
                    <KMSMasterKeyID>arn:k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>";
        let text = format!("<ServerSideEncryptionConfiguration><Rule>{rule}</Rule></ServerSideEncryptionConfiguration>");
        let kms = Encryption { algorithm: "aws:kms".to_owned(), kms_key: Some("arn:k".to_owned()) };
        assert_eq!(encryption(&page(&text)), Ok(kms));
        let text = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2027-01-01T00:00:00Z</RetainUntilDate></Retention>";
        let until = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(retention(&page(text)), Ok(Retention { mode: RetentionMode::Governance, until }));
    }
}

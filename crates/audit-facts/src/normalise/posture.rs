//! Settings: what clusters, log groups, buckets and trails are set to.
//!
//! Owns the answers' JSON; S3's, which are XML, come as small structs. What was not told is never taken for switched off.
//! Source: API references of ECS, CloudWatch Logs, S3 and CloudTrail.

use super::fields::{Fields, parse};
use super::{Normalised, Reading, Why};
use crate::fact::{Body, Fact};
use crate::posture::{Posture, PostureItem};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a listing goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageNext {
    /// The token of the next page.
    pub next_token: Option<String>,
}

fn posture(reading: &Reading, subject: String, item: PostureItem) -> Body {
    Body::Posture(Posture { at: reading.at, subject, item })
}

/// Reads an answer of DescribeClusters that was asked with `include: CONFIGURATIONS`; without it, nothing is configured.
pub fn clusters(reading: &Reading, answer: &[u8]) -> Normalised {
    each(reading, answer, "clusters", |cluster| {
        let (subject, item) = exec_logging(cluster)?;
        Ok(posture(reading, subject, item))
    })
    .with_next(())
}

/// Reads a page of DescribeLogGroups.
pub fn log_groups(reading: &Reading, page: &[u8]) -> Normalised<PageNext> {
    each(reading, page, "logGroups", |group| {
        let (subject, item) = log_group(group)?;
        Ok(posture(reading, subject, item))
    })
}

fn each(
    reading: &Reading,
    page: &[u8],
    list: &'static str,
    one: impl Fn(Fields<'_>) -> Result<Body, Why>,
) -> Normalised<PageNext> {
    let run = |page: Fields<'_>| {
        let mut read = Normalised::<PageNext>::new();
        read.next.next_token = page.owned("nextToken")?;
        for (place, value) in page.page(list)?.iter().enumerate() {
            read.add(reading, place + 1, Fields::of(value).and_then(&one).map(|body| [body]));
        }
        Ok(read)
    };
    parse(page).and_then(|page| run(Fields::of(&page)?)).unwrap_or_else(Normalised::unreadable)
}

fn exec_logging(cluster: Fields<'_>) -> Result<(String, PostureItem), Why> {
    let subject = cluster.required("clusterArn")?.to_owned();
    let configuration = cluster.object("configuration")?;
    let exec = configuration.map(|it| it.object("configuration.executeCommandConfiguration")).transpose()?.flatten();
    let Some(exec) = exec else {
        return Ok((subject, PostureItem::ExecLogging { logging: None, log_group: None, bucket: None, kms: false }));
    };
    let to = exec.object("executeCommandConfiguration.logConfiguration")?;
    let of = |path| to.map(|to| to.owned(path)).transpose().map(Option::flatten);
    let item = PostureItem::ExecLogging {
        logging: exec.owned("executeCommandConfiguration.logging")?,
        log_group: of("logConfiguration.cloudWatchLogGroupName")?,
        bucket: of("logConfiguration.s3BucketName")?,
        kms: exec.text("executeCommandConfiguration.kmsKeyId")?.is_some(),
    };
    Ok((subject, item))
}

fn log_group(group: Fields<'_>) -> Result<(String, PostureItem), Why> {
    let name = group.required("logGroupName")?;
    let arn = match group.text("logGroupArn")? {
        Some(arn) => Some(arn),
        None => group.text("arn")?,
    };
    let subject = arn.unwrap_or(name).trim_end_matches(":*").to_owned();
    let item = PostureItem::LogGroup { retention_days: group.small("retentionInDays")?, kms: group.text("kmsKeyId")?.is_some() };
    Ok((subject, item))
}

/// What S3 answered on a bucket: GetBucketVersioning, GetObjectLockConfiguration and GetBucketEncryption together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// The bucket.
    pub bucket: String,
    /// `Enabled` or `Suspended`; none when versions were never kept.
    pub versioning: Option<String>,
    /// The default retention of Object Lock; none without one.
    pub lock: Option<LockRule>,
    /// Whether there is a rule of encryption.
    pub encrypted: bool,
}

/// A default retention; S3 has days or years.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockRule {
    /// `COMPLIANCE` or `GOVERNANCE`.
    pub mode: String,
    /// Days.
    pub days: Option<u32>,
    /// Years, of 365 days each.
    pub years: Option<u32>,
}

/// The fact of a bucket's settings.
pub fn bucket(reading: &Reading, settings: BucketSettings) -> Fact {
    let days = |rule: &LockRule| rule.days.or_else(|| rule.years.map(|years| years.saturating_mul(365)));
    let item = PostureItem::Bucket {
        versioned: settings.versioning.as_deref() == Some("Enabled"),
        lock_days: settings.lock.as_ref().and_then(days),
        lock_mode: settings.lock.map(|rule| rule.mode),
        encrypted: settings.encrypted,
    };
    reading.fact(posture(reading, settings.bucket, item))
}

/// Reads a region's trails: the answer of DescribeTrails, and of GetTrailStatus by the trail's ARN. A trail whose status was
/// not read is unreadable, not silent.
pub fn trails(reading: &Reading, region: &str, described: &[u8], statuses: &BTreeMap<String, Vec<u8>>) -> Normalised {
    let run = |page: Fields<'_>| {
        let mut read = Normalised::new();
        let list = page.page("trailList")?;
        for (place, value) in list.iter().enumerate() {
            read.add(reading, place + 1, trail(value, statuses).map(|(name, item)| [posture(reading, name, item)]));
        }
        if list.is_empty() {
            let none = PostureItem::Trail { name: None, logging: false, validated: false };
            read.add(reading, 0, Ok([posture(reading, region.to_owned(), none)]));
        }
        Ok(read)
    };
    parse(described).and_then(|page| run(Fields::of(&page)?)).unwrap_or_else(Normalised::unreadable)
}

fn trail(value: &Value, statuses: &BTreeMap<String, Vec<u8>>) -> Result<(String, PostureItem), Why> {
    let fields = Fields::of(value)?;
    let name = fields.required("Name")?.to_owned();
    let arn = fields.text("TrailARN")?.unwrap_or(&name);
    let status = statuses.get(arn).or_else(|| statuses.get(&name)).ok_or(Why::Missing("IsLogging"))?;
    let status = parse(status)?;
    let item = PostureItem::Trail {
        logging: Fields::of(&status)?.truth("IsLogging")?.ok_or(Why::Missing("IsLogging"))?,
        validated: fields.truth("LogFileValidationEnabled")?.unwrap_or(false),
        name: Some(name.clone()),
    };
    Ok((name, item))
}

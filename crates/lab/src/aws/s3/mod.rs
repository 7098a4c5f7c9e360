//! S3, path-style: buckets with versions, delete markers and Object Lock. It owns the state; requests are read in [`request`],
//! objects served in [`objects`], lists and settings in [`listing`], answers made in [`answer`].

mod answer;
mod listing;
mod objects;
mod request;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub(crate) use answer::render;
pub(crate) use request::{asks_for_location, read, region_at};

use crate::aws::{ApiError, Call};
use crate::random;

/// The version of an object in a bucket without versions.
const NO_VERSION: &str = "null";

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its version id, `null` in a bucket without versions.
    pub version_id: String,
    /// Its bytes; none for a delete marker.
    pub body: Option<Vec<u8>>,
    /// When it was made.
    pub modified: Timestamp,
    /// Its user metadata, names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// Until when Object Lock keeps it, in COMPLIANCE mode.
    pub retain_until: Option<Timestamp>,
    /// Whether its bytes are gzip, and its headers say so.
    pub is_gzip: bool,
}

/// What is put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) body: Vec<u8>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) retain_until: Option<Timestamp>,
    pub(crate) is_gzip: bool,
}

/// A bucket: the versions of each key, the newest first.
#[derive(Debug)]
pub(crate) struct Bucket {
    region: String,
    has_versions: bool,
    /// Days that Object Lock keeps each version; none without a lock.
    lock_days: Option<u32>,
    versions: BTreeMap<String, Vec<ObjectVersion>>,
}

impl Bucket {
    fn latest(&self, key: &str) -> Option<&ObjectVersion> {
        self.versions.get(key)?.first()
    }

    /// The object as a plain GET sees it.
    pub(crate) fn body(&self, key: &str) -> Option<&[u8]> {
        self.latest(key)?.body.as_deref()
    }

    /// Puts an object, and returns its version.
    pub(crate) fn put(&mut self, key: &str, content: Content, now: Timestamp) -> &ObjectVersion {
        let kept = self.lock_days.and_then(|days| now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok());
        let retain_until = content.retain_until.or(kept);
        let Content { body, metadata, is_gzip, .. } = content;
        self.push(key, ObjectVersion { body: Some(body), metadata, retain_until, is_gzip, ..self.fresh(now) })
    }

    /// Makes a delete marker, or removes the object of a bucket without versions.
    pub(crate) fn delete(&mut self, key: &str, now: Timestamp) -> Option<&ObjectVersion> {
        if self.has_versions {
            let marker = self.fresh(now);
            return Some(self.push(key, marker));
        }
        self.versions.remove(key);
        None
    }

    /// Removes every trace of a key, as no API can while a lock holds.
    pub(crate) fn erase(&mut self, key: &str) -> bool {
        self.versions.remove(key).is_some()
    }

    /// Changes the bytes of the newest version and leaves no trace of it, as no API can.
    pub(crate) fn falsify(&mut self, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let body = self.versions.get_mut(key).and_then(|versions| versions.first_mut()?.body.as_mut());
        body.map(change).is_some()
    }

    fn fresh(&self, now: Timestamp) -> ObjectVersion {
        let version_id = if self.has_versions { random::hex_id::<16>() } else { NO_VERSION.to_owned() };
        ObjectVersion { version_id, body: None, modified: now, metadata: BTreeMap::new(), retain_until: None, is_gzip: false }
    }

    fn push(&mut self, key: &str, version: ObjectVersion) -> &ObjectVersion {
        let versions = self.versions.entry(key.to_owned()).or_default();
        if !self.has_versions {
            versions.clear();
        }
        versions.insert(0, version);
        &versions[0]
    }
}

/// All buckets of a world.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<BTreeMap<String, Bucket>>);

impl Buckets {
    pub(crate) fn add(&self, name: &str, region: &str, has_versions: bool, lock_days: Option<u32>) {
        let bucket = || Bucket { region: region.to_owned(), has_versions, lock_days, versions: BTreeMap::new() };
        self.buckets().entry(name.to_owned()).or_insert_with(bucket);
    }

    /// The objects as plain GETs see them.
    pub(crate) fn objects(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let buckets = self.buckets();
        let bodies = |bucket: &Bucket| {
            let there = bucket.versions.keys().filter_map(|key| Some((key.clone(), bucket.body(key)?.to_vec())));
            there.collect()
        };
        buckets.get(name).map(bodies).unwrap_or_default()
    }

    /// Works on a bucket; none without it.
    pub(crate) fn with<R>(&self, name: &str, work: impl FnOnce(&mut Bucket) -> R) -> Option<R> {
        self.buckets().get_mut(name).map(work)
    }

    /// The versions of an object, the newest first.
    pub(crate) fn versions(&self, name: &str, key: &str) -> Vec<ObjectVersion> {
        self.with(name, |bucket| bucket.versions.get(key).cloned()).flatten().unwrap_or_default()
    }

    fn region(&self, name: &str) -> Option<String> {
        self.buckets().get(name).map(|bucket| bucket.region.clone())
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out an action of S3's.
pub(crate) fn run(call: &Call<'_>, action: &str) -> Result<Value, ApiError> {
    match action {
        "s3:PutObject" => objects::put(call),
        "s3:GetObject" | "s3:HeadObject" => objects::read(call),
        "s3:DeleteObject" => objects::delete(call),
        "s3:GetObjectRetention" => objects::retention(call),
        "s3:ListObjectsV2" => listing::objects(call),
        "s3:ListObjectVersions" => listing::versions(call),
        "s3:HeadBucket" => listing::head(call),
        "s3:GetBucketLocation" => listing::location(call),
        "s3:GetBucketVersioning" => listing::versioning(call),
        "s3:GetBucketEncryption" => listing::encryption(call),
        "s3:GetObjectLockConfiguration" => listing::object_lock(call),
        _ => Err(ApiError::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")),
    }
}

fn no_bucket() -> ApiError {
    ApiError::new(404, "NoSuchBucket", "The specified bucket does not exist")
}

fn no_key() -> ApiError {
    ApiError::new(404, "NoSuchKey", "The specified key does not exist.")
}

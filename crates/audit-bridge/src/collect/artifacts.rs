//! Artifacts in S3: every version and delete marker, and until when each is kept.
//!
//! Owns when a retention counts as read: the object's head shows it only to who may see it, so that a missing one is asked for
//! by name. Lists of S3 are strongly consistent: one that came to its end is proof.

use super::cadence::{FIRST, LIST_EVERY, at_cursor, is_due, last_at};
use super::fresh::Fresh;
use super::haul::{Haul, KeepError, Ledger};
use super::pages::{keep_page, request};
use super::place::{AwsPlace, CollectError};
use super::troubles::{Troubles, is_of_one};
use audit_facts::normalise::Reading;
use audit_facts::normalise::artifacts::{ObjectVersion, Retention, versions};
use audit_facts::{Body, Grade, Key, Source};
use aws_reading::s3::{Bucket, ListVersions, VersionRow};
use aws_reading::{Page, ReadError};
use jiff::Timestamp;
use record_delivery::Bucket as Place;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const WHAT: &str = "artifacts";

/// The cursors: when the list was last read to its end, and which versions.
const LISTING: &str = "listing";
const VERSIONS: &str = "versions";

/// Reads the artifacts of one account and region.
///
/// # Errors
/// The worst of what was not read; the rest was.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let Some(url) = &place.source.artifacts else { return Ok(()) };
    let at = Place::parse(url).map_err(|_| CollectError::Odd("`artifacts`".to_owned(), "it is no bucket"))?;
    let listed = last_at(ledger.cursor(Source::Artifacts, &place.place(WHAT), LISTING)?);
    let fresh = Fresh::of(ledger.cursor(Source::Artifacts, &place.place(WHAT), VERSIONS)?);
    if !is_due(listed, LIST_EVERY, place.now) {
        return Ok(());
    }
    let known = ledger.state.reader().map_err(KeepError::from)?;
    let bucket = Bucket::new(at.name.clone());
    let mut work = Work {
        place: *place,
        ledger,
        known,
        at,
        bucket,
        fresh,
        has_lock: true,
        may_read_locks: true,
        troubles: Troubles::default(),
    };
    let whole = work.list().await;
    work.end(listed, whole)
}

/// One reading.
struct Work<'w, 'l> {
    place: AwsPlace<'w>,
    ledger: &'w mut Ledger<'l>,
    known: audit_state::Reader,
    at: Place,
    bucket: Bucket,
    fresh: Fresh,
    /// Whether the bucket has Object Lock, as far as it is known.
    has_lock: bool,
    may_read_locks: bool,
    troubles: Troubles,
}

/// What is known of one version's retention, with the answers that say so.
struct Locked {
    retention: Option<Retention>,
    answers: Vec<Value>,
}

impl Work<'_, '_> {
    async fn list(&mut self) -> Result<(), CollectError> {
        let list = ListVersions { bucket: self.bucket.clone(), prefix: self.prefix() };
        let mut pages = self.place.reader.list_object_versions(list, None);
        while let Some(listed) = pages.next_page().await? {
            self.page(&listed.page, listed.rows).await?;
        }
        Ok(())
    }

    fn prefix(&self) -> String {
        if self.at.prefix.is_empty() { String::new() } else { format!("{}/", self.at.prefix) }
    }

    async fn page(&mut self, page: &Page, rows: Vec<VersionRow>) -> Result<(), CollectError> {
        let mut haul = self.place.haul(Source::Artifacts, WHAT);
        let listed = keep_page(&mut haul, self.ledger, page)?;
        let new: Vec<VersionRow> = rows.into_iter().filter(|row| self.fresh.is_new(&name(row), row.last_modified)).collect();
        let settled = self.settled(&listed, &new)?;
        let (mut found, mut heads) = (Vec::new(), Vec::new());
        for row in new {
            self.fresh.take(&name(&row), row.last_modified);
            if settled.contains(&(row.key.clone(), row.version_id.clone())) {
                continue;
            }
            let Locked { retention, answers } = self.retention(&row).await?;
            heads.extend(answers);
            found.push(version(&self.at.name, row, retention));
        }
        let reading = self.keep_heads(&mut haul, listed, &heads)?;
        for fact in versions(&reading, &self.prefix(), found) {
            haul.add(fact);
        }
        self.ledger.commit(haul)?;
        Ok(())
    }

    /// The versions of a page that were read with their retention, or that have none.
    fn settled(&self, listed: &Reading, rows: &[VersionRow]) -> Result<BTreeSet<(String, String)>, KeepError> {
        let bare = rows.iter().map(|row| version(&self.at.name, row.clone(), None));
        let facts = versions(listed, &self.prefix(), bare);
        let keys: BTreeSet<Key> = facts.iter().flat_map(audit_facts::Fact::keys).collect();
        let mut settled = BTreeSet::new();
        for key in &keys {
            for fact in self.known.facts_with(key)? {
                match fact.body {
                    Body::Artifact(it) if it.bucket == self.at.name && (it.retention_read || it.is_deletion) => {
                        settled.insert((it.key, it.version_id));
                    }
                    _ => {}
                }
            }
        }
        Ok(settled)
    }

    /// Keeps the heads with the page that they belong to, where there are any.
    fn keep_heads(&self, haul: &mut Haul, listed: Reading, heads: &[Value]) -> Result<Reading, KeepError> {
        if heads.is_empty() {
            return Ok(listed);
        }
        let document = json!({"page": listed.evidence, "answers": heads}).to_string();
        haul.keep(self.ledger, document.as_bytes(), json!({"call": "s3:HeadObject", "bucket": self.at.name}))
    }

    /// Asks until when a version is kept; a refusal leaves it unknown, and the others too.
    async fn retention(&mut self, row: &VersionRow) -> Result<Locked, CollectError> {
        let mut locked = Locked { retention: None, answers: Vec::new() };
        if row.content.is_none() || !self.may_read_locks {
            return Ok(locked);
        }
        if !self.has_lock {
            locked.retention = Some(Retention::default());
            return Ok(locked);
        }
        let object = self.bucket.object(row.key.as_str()).version(row.version_id.as_str());
        let head = match self.place.reader.head_object(&object).await {
            Ok(head) => head,
            Err(error) => return self.unread(locked, error),
        };
        locked.answers.push(json!({"request": request(&head.page), "headers": head.page.headers}));
        if let Some(until) = head.facts.retain_until {
            locked.retention = Some(Retention { until: Some(until) });
            return Ok(locked);
        }
        match self.place.reader.object_retention(&object).await {
            Ok(asked) => locked.retention = Some(Retention { until: Some(asked.facts.until) }),
            Err(ReadError::NotFound(refusal)) if !is_gone(&refusal.code) => {
                self.has_lock &= refusal.code != "ObjectLockConfigurationNotFoundError";
                locked
                    .answers
                    .push(json!({"call": refusal.call, "key": row.key, "version": row.version_id, "code": refusal.code}));
                locked.retention = Some(Retention::default());
            }
            // "Bucket is missing Object Lock Configuration".
            Err(ReadError::Refused(refusal)) if refusal.code == "InvalidRequest" => {
                self.has_lock = false;
                locked.retention = Some(Retention::default());
            }
            Err(error) => return self.unread(locked, error),
        }
        Ok(locked)
    }

    fn unread(&mut self, locked: Locked, error: ReadError) -> Result<Locked, CollectError> {
        // It was deleted since the list was made: the next list tells.
        if !error.is_not_found() {
            let error = CollectError::from(error);
            self.may_read_locks &= is_of_one(&error);
            self.troubles.note_of_one(error)?;
        }
        Ok(locked)
    }

    fn end(self, listed: Option<Timestamp>, whole: Result<(), CollectError>) -> Result<(), CollectError> {
        let Self { place, ledger, at, mut fresh, may_read_locks, mut troubles, .. } = self;
        let mut haul = place.haul(Source::Artifacts, WHAT);
        if let Err(error) = whole {
            troubles.note(error)?;
            return troubles.settle(ledger, haul, &at.name, listed);
        }
        haul.covered(&at.name, listed.unwrap_or(place.now - FIRST), place.now, Grade::Proved);
        haul.cursor(LISTING, at_cursor(place.now));
        if may_read_locks {
            fresh.end();
            haul.cursor(VERSIONS, fresh.cursor());
        }
        ledger.commit(haul)?;
        troubles.tell()
    }
}

/// Whether the code says that the version is not there, rather than its retention.
fn is_gone(code: &str) -> bool {
    matches!(code, "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "NotFound")
}

fn name(row: &VersionRow) -> String {
    format!("{}\n{}", row.key, row.version_id)
}

fn version(bucket: &str, row: VersionRow, retention: Option<Retention>) -> ObjectVersion {
    let is_delete_marker = row.content.is_none();
    let (bytes, etag) = row.content.map_or((0, None), |(bytes, etag)| (bytes, Some(etag)));
    ObjectVersion {
        bucket: bucket.to_owned(),
        key: row.key,
        version_id: row.version_id,
        modified: row.last_modified,
        bytes,
        etag,
        is_delete_marker,
        retention,
    }
}

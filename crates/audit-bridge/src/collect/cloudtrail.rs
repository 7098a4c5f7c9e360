//! CloudTrail: the trail's objects with their digests; the event history is [`lookup`]'s.
//!
//! Owns the trail's cursor and windows. Objects are never listed by time alone: delivery is late and unordered, so the last days are
//! listed again, and what was read is known by its key. Only digests prove that nothing is missing.

use super::haul::{Haul, Ledger};
use super::place::{AwsPlace, CollectError, not_read};
use super::{lookup, policies};
use crate::settings::{TrailBy, bucket};
use audit_facts::normalise::Normalised;
use audit_facts::normalise::cloudtrail::object;
use audit_facts::normalise::digest::{self, DELIVERY_LAG, DigestFile, ObjectName, PublicKey};
use audit_facts::{Body, Fact, Grade, Posture, PostureItem, Source};
use audit_record::sha256_hex;
use aws_reading::cloudtrail::list_public_keys;
use aws_reading::s3::{Bucket, ListObjects, ObjectFacts};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read as _;

/// How far back the first round looks.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The largest object, bytes; CloudTrail's are below a few MB.
const OBJECT_MAX: u64 = 64 << 20;
/// The largest object unzipped, bytes.
const UNZIPPED_MAX: u64 = 512 << 20;
/// Objects that are kept in one commit.
const AT_ONCE: usize = 25;
/// The cursor's name.
const TRAIL: &str = "trail";

/// Reads one account and region, by the way that is configured.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    match place.source.cloud_trail {
        TrailBy::Off => Ok(()),
        TrailBy::Lookup => lookup::read(place, ledger).await,
        TrailBy::Trail => by_trail(place, ledger).await,
    }
}

/// Takes events; a session that was started past ECS Exec shows that its role may do so.
pub(super) fn take<N>(haul: &mut Haul, read: Normalised<N>) {
    let shown: Vec<Fact> = read.facts.iter().filter_map(unlogged).collect();
    haul.take(read);
    for fact in shown {
        haul.add(fact);
    }
}

/// The setting that a successful StartSession in a task's container shows: the role's right to it.
fn unlogged(fact: &Fact) -> Option<Fact> {
    let Body::SessionStartCall(call) = &fact.body else { return None };
    if call.principal.is_ecs() || call.task_id.is_none() || call.ssm_session_id.is_none() {
        return None;
    }
    let subject = policies::subject_of(&call.principal.arn);
    let item = PostureItem::UnloggedStart { shown_by: "a success in CloudTrail".to_owned(), allowed: true };
    let posture = Posture { at: call.at, subject, item };
    Some(Fact { body: Body::Posture(posture), ..fact.clone() })
}

/// What was read of the trail.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cursor {
    /// When the trail was last listed.
    listed: Option<Timestamp>,
    /// Log files of the last days by key: SHA-256 of their content, unzipped.
    files: BTreeMap<String, String>,
}

/// The trail of one account and region on its way.
struct Trail<'a> {
    place: &'a AwsPlace<'a>,
    bucket: Bucket,
    prefix: String,
    cursor: Cursor,
    days: Vec<Date>,
}

async fn by_trail(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let url = place.source.trail.as_deref().unwrap_or_default();
    let Ok(home) = bucket("trail", url) else { return Err(CollectError::Odd(url.to_owned(), "it is no bucket")) };
    let stored = ledger.cursor(Source::CloudTrail, &place.place("cloudtrail"), TRAIL)?;
    let cursor: Cursor = stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    let from = cursor.listed.map_or(place.now - FIRST_LOOK, |listed| listed - SignedDuration::from_hours(24));
    let listed = cursor.listed;
    let mut trail = Trail { place, bucket: Bucket::new(home.name), prefix: home.prefix, cursor, days: days(from, place.now) };
    if let Err(error) = trail.read(ledger, from).await {
        return not_read(ledger, place.haul(Source::CloudTrail, "cloudtrail"), &place.scope(), listed, error);
    }
    Ok(())
}

impl Trail<'_> {
    async fn read(&mut self, ledger: &mut Ledger<'_>, from: Timestamp) -> Result<(), CollectError> {
        for day in self.days.clone() {
            self.logs_of(day, ledger).await?;
        }
        let digests = self.digests(ledger).await?;
        let mut haul = self.place.haul(Source::CloudTrail, "cloudtrail");
        haul.covered(&self.place.scope(), from, self.place.now - DELIVERY_LAG, Grade::BestEffort);
        let keys = if digests.is_empty() { Vec::new() } else { self.keys(ledger, &mut haul, from).await? };
        haul.windows(self.proved(&digests, &keys));
        self.cursor.listed = Some(self.place.now);
        let kept = self.days.first().copied();
        self.cursor.files.retain(|key, _| kept.is_none_or(|kept| day_of(key).is_none_or(|day| day >= kept)));
        haul.cursor(TRAIL, json!(self.cursor));
        ledger.commit(haul)?;
        Ok(())
    }

    /// What the digests prove, with the log files as they were read.
    fn proved(&self, digests: &[(ObjectName, Vec<u8>, ObjectFacts)], keys: &[PublicKey]) -> Vec<audit_facts::Coverage> {
        let files = digests.iter().map(|(name, content, facts)| DigestFile {
            name: name.clone(),
            content,
            signature: facts.metadata.get("signature").cloned(),
            signature_algorithm: facts.metadata.get("signature-algorithm").cloned(),
        });
        let digests: Vec<DigestFile<'_>> = files.collect();
        let named = |(key, sha256): (&String, &String)| {
            (ObjectName { bucket: self.bucket.name.clone(), key: key.clone() }, sha256.clone())
        };
        let files: BTreeMap<ObjectName, String> = self.cursor.files.iter().map(named).collect();
        let report = digest::verify(&digests, keys, &files);
        report.coverage(&self.place.place("cloudtrail"), &self.place.scope(), DELIVERY_LAG)
    }

    fn folder(&self, what: &str, day: Date) -> String {
        let (account, region) = (self.place.account, &self.place.source.region);
        let prefix = if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) };
        format!("{prefix}AWSLogs/{account}/{what}/{region}/{}/", day.strftime("%Y/%m/%d"))
    }

    async fn list(&self, prefix: String) -> Result<Vec<String>, CollectError> {
        let list = ListObjects { bucket: self.bucket.clone(), prefix, start_after: None, delimiter: None };
        let mut pages = self.place.reader.list_objects(list);
        let mut keys = Vec::new();
        while let Some(page) = pages.next_page().await? {
            keys.extend(page.rows.objects.into_iter().map(|row| row.key).filter(|key| key.ends_with(".json.gz")));
        }
        Ok(keys)
    }

    /// Reads a day's log files that are new.
    async fn logs_of(&mut self, day: Date, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
        let keys = self.list(self.folder("CloudTrail", day)).await?;
        let new: Vec<String> = keys.into_iter().filter(|key| !self.cursor.files.contains_key(key)).collect();
        for some in new.chunks(AT_ONCE) {
            let mut haul = self.place.haul(Source::CloudTrail, "cloudtrail");
            for key in some {
                let (content, reading, _) = self.fetch(key, ledger, &mut haul).await?;
                take(&mut haul, object(&reading, &content));
                self.cursor.files.insert(key.clone(), sha256_hex(&content));
            }
            haul.cursor(TRAIL, json!(self.cursor));
            ledger.commit(haul)?;
        }
        Ok(())
    }

    async fn digests(&self, ledger: &mut Ledger<'_>) -> Result<Vec<(ObjectName, Vec<u8>, ObjectFacts)>, CollectError> {
        let mut digests = Vec::new();
        let mut haul = self.place.haul(Source::CloudTrail, "cloudtrail");
        for day in &self.days {
            for key in self.list(self.folder("CloudTrail-Digest", *day)).await? {
                let (content, _, facts) = self.fetch(&key, ledger, &mut haul).await?;
                digests.push((ObjectName { bucket: self.bucket.name.clone(), key }, content, facts));
            }
        }
        ledger.commit(haul)?;
        Ok(digests)
    }

    /// Fetches an object, keeps it as it is, and unzips it.
    async fn fetch(
        &self,
        key: &str,
        ledger: &Ledger<'_>,
        haul: &mut Haul,
    ) -> Result<(Vec<u8>, audit_facts::normalise::Reading, ObjectFacts), CollectError> {
        let mut zipped = Vec::new();
        let fetched = self.place.reader.get_object(&self.bucket.object(key), None, &mut zipped, OBJECT_MAX).await?;
        let reading = haul.keep(ledger, &zipped, json!({"request": fetched.request, "metadata": fetched.facts.metadata}))?;
        let mut content = Vec::new();
        let unzipped = flate2::read::MultiGzDecoder::new(zipped.as_slice()).take(UNZIPPED_MAX + 1).read_to_end(&mut content);
        if unzipped.is_err() || content.len() as u64 > UNZIPPED_MAX {
            return Err(CollectError::Odd(key.to_owned(), "it cannot be unzipped"));
        }
        Ok((content, reading, fetched.facts))
    }

    async fn keys(&self, ledger: &Ledger<'_>, haul: &mut Haul, from: Timestamp) -> Result<Vec<PublicKey>, CollectError> {
        let mut keys = Vec::new();
        let mut pages = self.place.reader.list(list_public_keys(from, self.place.now));
        while let Some(page) = pages.next_page().await? {
            haul.keep(ledger, &page.page.body, json!(page.page.request))?;
            let (some, _) = digest::public_keys(&page.page.body)
                .map_err(|_| CollectError::Odd("CloudTrail's public keys".to_owned(), "one of them is no key"))?;
            keys.extend(some);
        }
        Ok(keys)
    }
}

/// The days between two moments, UTC, both taken in.
fn days(from: Timestamp, to: Timestamp) -> Vec<Date> {
    let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let (mut day, last) = (date(from), date(to));
    let mut days = Vec::new();
    while day <= last {
        days.push(day);
        let Ok(next) = day.checked_add(Span::new().days(1)) else { break };
        day = next;
    }
    days
}

/// The day in a log file's key, `…/YYYY/MM/DD/NAME`.
fn day_of(key: &str) -> Option<Date> {
    let mut parts = key.rsplit('/').skip(1);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_day() {
        let key = "p/AWSLogs/123456789012/CloudTrail/us-east-2/2026/11/21/123456789012_CloudTrail_us-east-2_x.json.gz";
        assert_eq!(day_of(key), Some(jiff::civil::date(2026, 11, 21)));
        assert_eq!(day_of("x/y"), None);
    }

    #[test]
    fn days_are_taken_in_at_both_ends() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let found = days(at("2026-02-27T23:59:59Z"), at("2026-03-01T00:00:00Z"));
        assert_eq!(found.len(), 3);
    }
}

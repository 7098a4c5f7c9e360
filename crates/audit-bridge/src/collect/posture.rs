//! Settings that evidence rests on: clusters, log groups, buckets, trails.
//!
//! Owns what is asked, and that a setting is a new fact only when it is another one. Each part is read for itself: a refusal
//! says which source's evidence stands on unknown ground.

use super::cadence::{SETTINGS_MEND, at_cursor, is_due, last_at};
use super::destinations::{Destinations, group_here};
use super::haul::{Haul, KeepError, Ledger};
use super::pages::keep_page;
use super::place::{AwsPlace, CollectError};
use super::troubles::Troubles;
use crate::settings::TrailBy;
use audit_facts::normalise::posture::{BucketSettings, LockRule, bucket, clusters, log_groups, trails};
use audit_facts::{Body, Fact, Grade, Posture, PostureItem, Source};
use aws_reading::ecs::{DESCRIBE_MAX, describe_clusters};
use aws_reading::logs::describe_log_groups;
use aws_reading::s3::{Answered, Bucket, LockDefault, RetentionMode, Versioning};
use aws_reading::{Page, ReadError, cloudtrail};
use jiff::{SignedDuration, Timestamp};
use record_delivery::{LogGroup, Place};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const WHAT: &str = "posture";

/// The cursor: when settings were last asked for.
const READ: &str = "read";

/// Settings change seldom.
const EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Reads the settings of one account and region, at most every hour.
///
/// # Errors
/// The worst of what was not read; the rest was.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let last = last_at(ledger.cursor(Source::Ecs, &place.place(WHAT), READ)?);
    if !is_due(last, EVERY, place.now) {
        return Ok(());
    }
    let mut work = Work { place: *place, last, troubles: Troubles::default(), seen: BTreeSet::new() };
    let haul = work.clusters(ledger).await;
    work.part(ledger, Source::Ecs, &place.scope(), haul)?;
    work.log_groups(ledger).await?;
    work.buckets(ledger).await?;
    if place.source.cloud_trail != TrailBy::Off {
        let haul = work.trails(ledger).await;
        work.part(ledger, Source::CloudTrail, &place.scope(), haul)?;
    }
    let mut haul = place.haul(Source::Ecs, WHAT);
    if work.troubles.is_none() {
        work.let_go(ledger, &mut haul)?;
    }
    haul.cursor(READ, at_cursor(place.now));
    ledger.commit(haul).map_err(CollectError::from)?;
    work.troubles.tell()
}

/// One reading.
struct Work<'a> {
    place: AwsPlace<'a>,
    last: Option<Timestamp>,
    troubles: Troubles,
    /// The settings that were read, by subject and kind.
    seen: BTreeSet<(String, String)>,
}

/// What reading one part brought.
type Part = Result<Haul, CollectError>;

impl Work<'_> {
    /// Keeps a part, or notes why there is none and what that leaves unknown.
    fn part(&mut self, ledger: &mut Ledger<'_>, source: Source, scope: &str, part: Part) -> Result<(), CollectError> {
        match part {
            Ok(mut haul) => {
                // What a setting is now mends what was not known of it; no stream's coverage is counted by this.
                haul.covered(scope, self.place.now - SETTINGS_MEND, self.place.now, Grade::BestEffort);
                ledger.commit(haul)?;
                Ok(())
            }
            Err(error) => {
                let mut troubles = Troubles::default();
                troubles.note(error)?;
                match troubles.settle(ledger, self.place.haul(source, WHAT), scope, self.last) {
                    Err(error) => self.troubles.note(error),
                    Ok(()) => Ok(()),
                }
            }
        }
    }

    /// Notes what was read, and leaves what is news.
    fn keep(&mut self, facts: &mut Vec<Fact>, ledger: &Ledger<'_>) -> Result<(), CollectError> {
        let names = facts.iter().filter_map(posture_of).map(|it| (it.subject.clone(), it.item.kind().to_owned()));
        self.seen.extend(names);
        keep_changed(facts, ledger)
    }

    /// Says of what was read before, and is not now that everything was read, that it is looked at no longer.
    fn let_go(&self, ledger: &Ledger<'_>, haul: &mut Haul) -> Result<(), CollectError> {
        let before = watched(&ledger.state.places().map_err(KeepError::from)?.facts, &self.place.place(WHAT));
        let gone: Vec<&(String, String)> = before.difference(&self.seen).collect();
        if !gone.is_empty() {
            let body = json!({"watched": self.seen, "no_longer": gone}).to_string();
            let reading = haul.keep(ledger, body.as_bytes(), json!({"settings": "those that the configuration leads to"}))?;
            for (subject, of) in gone {
                let item = PostureItem::Unwatched { of: of.clone() };
                haul.add(reading.fact(Body::Posture(Posture { at: self.place.now, subject: subject.clone(), item })));
            }
        }
        Ok(())
    }

    async fn clusters(&mut self, ledger: &mut Ledger<'_>) -> Part {
        let mut haul = self.place.haul(Source::Ecs, WHAT);
        for names in self.place.source.ecs_clusters.chunks(DESCRIBE_MAX) {
            let page = self.place.reader.ask(&describe_clusters(names)).await?;
            let reading = keep_page(&mut haul, ledger, &page)?;
            let mut read = clusters(&reading, &page.body);
            self.keep(&mut read.facts, ledger)?;
            haul.take(read);
        }
        Ok(haul)
    }

    async fn log_groups(&mut self, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
        let of_links = self.place.source.links.iter().filter(|text| !text.starts_with("s3:"));
        let of_links = of_links.map(|text| (group_here(&self.place, text), (Source::Links, text.clone())));
        let mut groups: BTreeMap<String, (Source, String)> = of_links.collect();
        let of_shells = Destinations::of(&self.place, ledger)?.log_groups(&self.place);
        groups.extend(of_shells.into_iter().map(|group| (group, (Source::ExecLogs, self.place.scope()))));
        // Another account's or region's groups cannot be described from here.
        groups.retain(|group, _| LogGroup::parse(group).is_ok_and(|it| it.home.is_none()));
        for (group, (source, scope)) in groups {
            let part = self.log_group(ledger, source, &group).await;
            self.part(ledger, source, &scope, part)?;
        }
        Ok(())
    }

    async fn log_group(&mut self, ledger: &mut Ledger<'_>, source: Source, group: &str) -> Part {
        let mut haul = self.place.haul(source, WHAT);
        let mut pages = self.place.reader.list(describe_log_groups(group));
        let subject = format!(":log-group:{group}");
        while let Some(listed) = pages.next_page().await? {
            let reading = keep_page(&mut haul, ledger, &listed.page)?;
            let mut read = log_groups(&reading, &listed.page.body);
            // The list is of all groups whose names begin so.
            read.facts.retain(|fact| posture_of(fact).is_some_and(|it| it.subject == *group || it.subject.ends_with(&subject)));
            self.keep(&mut read.facts, ledger)?;
            haul.take(read);
        }
        Ok(haul)
    }

    async fn buckets(&mut self, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
        for (name, (source, scope)) in self.buckets_in_use(ledger)? {
            let part = self.bucket(ledger, source, &name).await;
            self.part(ledger, source, &scope, part)?;
        }
        Ok(())
    }

    /// Each bucket with the source that stands on it, and what that source's coverage speaks for.
    fn buckets_in_use(&self, ledger: &Ledger<'_>) -> Result<BTreeMap<String, (Source, String)>, CollectError> {
        let (source, here) = (self.place.source, self.place.scope());
        let mut buckets = BTreeMap::new();
        let mut add = |url: Option<&str>, source: Source, scope: &str| {
            if let Some(Ok(Place::Bucket(bucket))) = url.map(Place::parse) {
                let scope = if source == Source::Artifacts { bucket.name.clone() } else { scope.to_owned() };
                buckets.entry(bucket.name).or_insert((source, scope));
            }
        };
        add(source.artifacts.as_deref(), Source::Artifacts, "");
        add(source.exec_objects.as_deref(), Source::ExecObjects, &here);
        for name in Destinations::of(&self.place, ledger)?.buckets() {
            add(Some(&format!("s3://{name}")), Source::ExecObjects, &here);
        }
        add(source.trail.as_deref(), Source::CloudTrail, &here);
        add(source.sync_records.as_deref(), Source::SyncRecords, source.sync_records.as_deref().unwrap_or_default());
        for url in &source.links {
            add(Some(url), Source::Links, url);
        }
        Ok(buckets)
    }

    async fn bucket(&mut self, ledger: &mut Ledger<'_>, source: Source, name: &str) -> Part {
        let mut haul = self.place.haul(source, WHAT);
        let (reader, at) = (self.place.reader, Bucket::new(name));
        let versioning = reader.bucket_versioning(&at).await?;
        let lock = if_set(reader.object_lock_configuration(&at).await)?;
        let encryption = if_set(reader.bucket_encryption(&at).await)?;
        let answers = json!({
            "versioning": text(Some(&versioning.page)), "lock": text(lock.as_ref().map(|it| &it.page)),
            "encryption": text(encryption.as_ref().map(|it| &it.page)),
        });
        let reading = haul.keep(ledger, answers.to_string().as_bytes(), json!({"bucket": name}))?;
        let settings = BucketSettings {
            bucket: name.to_owned(),
            versioning: versioning_word(versioning.facts),
            lock: lock.filter(|it| it.facts.is_enabled).and_then(|it| it.facts.default).map(lock_rule),
            encrypted: encryption.is_some(),
        };
        let mut facts = vec![bucket(&reading, settings)];
        self.keep(&mut facts, ledger)?;
        for fact in facts {
            haul.add(fact);
        }
        Ok(haul)
    }

    async fn trails(&mut self, ledger: &mut Ledger<'_>) -> Part {
        let mut haul = self.place.haul(Source::CloudTrail, WHAT);
        let described = self.place.reader.ask(&cloudtrail::describe_trails(true)).await?;
        let mut statuses = BTreeMap::new();
        for name in trail_names(&described.body) {
            let status = self.place.reader.ask(&cloudtrail::trail_status(&name)).await?;
            statuses.insert(name, status.body);
        }
        let shown: BTreeMap<&String, Value> = statuses.iter().map(|(name, body)| (name, body_text(body))).collect();
        let answers = json!({"trails": text(Some(&described)), "statuses": shown});
        let reading = haul.keep(ledger, answers.to_string().as_bytes(), json!({"call": "cloudtrail:DescribeTrails"}))?;
        let mut read = trails(&reading, &self.place.source.region, &described.body, &statuses);
        self.keep(&mut read.facts, ledger)?;
        haul.take(read);
        Ok(haul)
    }
}

/// A setting that was never made is an answer too.
fn if_set<T>(answer: Result<Answered<T>, ReadError>) -> Result<Option<Answered<T>>, ReadError> {
    match answer {
        Ok(answered) => Ok(Some(answered)),
        Err(ReadError::NotFound(refusal)) if refusal.code != "NoSuchBucket" => Ok(None),
        Err(error) => Err(error),
    }
}

fn text(page: Option<&Page>) -> Value {
    page.map_or(Value::Null, |page| body_text(&page.body))
}

fn body_text(body: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(body))
}

fn versioning_word(versioning: Versioning) -> Option<String> {
    match versioning {
        Versioning::Enabled => Some("Enabled".to_owned()),
        Versioning::Suspended => Some("Suspended".to_owned()),
        Versioning::Never => None,
    }
}

fn lock_rule(rule: LockDefault) -> LockRule {
    let mode = match rule.mode {
        RetentionMode::Compliance => "COMPLIANCE",
        RetentionMode::Governance => "GOVERNANCE",
    };
    LockRule { mode: mode.to_owned(), days: rule.days, years: rule.years }
}

/// The ARNs of described trails, or names where there is none.
fn trail_names(described: &[u8]) -> BTreeSet<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Trail {
        name: Option<String>,
        #[serde(rename = "TrailARN")]
        arn: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Described {
        trail_list: Vec<Trail>,
    }
    // What is odd is told when the facts are made.
    let list = serde_json::from_slice::<Described>(described).map(|it| it.trail_list).unwrap_or_default();
    list.into_iter().filter_map(|trail| trail.arn.or(trail.name)).collect()
}

fn posture_of(fact: &Fact) -> Option<&Posture> {
    match &fact.body {
        Body::Posture(posture) => Some(posture),
        _ => None,
    }
}

/// What a place watches: the settings that it told of, and of which it has not said that it looks at them no longer.
fn watched(stored: &[Fact], place: &str) -> BTreeSet<(String, String)> {
    let mut last: BTreeMap<(String, String), (Timestamp, bool)> = BTreeMap::new();
    for it in stored.iter().filter(|fact| fact.place == place).filter_map(posture_of) {
        let is_watched = !matches!(it.item, PostureItem::Unwatched { .. });
        let known = last.entry((it.subject.clone(), it.item.kind().to_owned())).or_insert((it.at, is_watched));
        *known = (it.at, is_watched).max(*known);
    }
    last.into_iter().filter(|(_, (_, is_watched))| *is_watched).map(|(name, _)| name).collect()
}

/// Leaves those that say something else than the last stored one of the same subject and kind.
pub(super) fn keep_changed(facts: &mut Vec<Fact>, ledger: &Ledger<'_>) -> Result<(), CollectError> {
    let stored = ledger.state.places().map_err(super::haul::KeepError::from)?.facts;
    facts.retain(|fact| posture_of(fact).is_none_or(|new| is_change(new, stored.iter().filter_map(posture_of))));
    Ok(())
}

fn is_change<'p>(new: &Posture, stored: impl Iterator<Item = &'p Posture>) -> bool {
    let same = stored.filter(|it| it.subject == new.subject && it.item.kind() == new.item.kind());
    // Whoever else looks at it has the word over who does no longer.
    same.max_by_key(|it| (it.at, !matches!(it.item, PostureItem::Unwatched { .. }))).is_none_or(|last| {
        match (&last.item, &new.item) {
            // What showed it is not the setting.
            (PostureItem::UnloggedStart { allowed: old, .. }, PostureItem::UnloggedStart { allowed: new, .. }) => old != new,
            (old, new) => old != new,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(at: i64, subject: &str, retention_days: Option<u32>) -> Posture {
        let item = PostureItem::LogGroup { retention_days, kms: false };
        Posture { at: Timestamp::from_second(at).unwrap(), subject: subject.to_owned(), item }
    }

    #[test]
    fn a_setting_is_news_when_it_differs_from_the_last_of_its_kind() {
        let stored = [group(1, "a", Some(7)), group(2, "a", Some(90)), group(3, "b", Some(7))];
        let is_news = |new: &Posture| is_change(new, stored.iter());
        assert!(!is_news(&group(9, "a", Some(90))));
        assert!(is_news(&group(9, "a", Some(7))), "it went back");
        assert!(is_news(&group(9, "c", Some(7))));
        let bucket = PostureItem::Bucket { versioned: true, lock_mode: None, lock_days: None, encrypted: true };
        assert!(is_news(&Posture { item: bucket, ..group(9, "a", None) }));
    }

    #[test]
    fn trails_are_asked_for_by_arn() {
        let names = trail_names(br#"{"trailList":[{"Name":"t","TrailARN":"arn:t"},{"Name":"u"},{}]}"#);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["arn:t", "u"]);
    }
}

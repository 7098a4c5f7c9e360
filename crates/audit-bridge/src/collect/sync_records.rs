//! target-sync's records in S3: pieces of its journal, `PREFIX/sync/OWNER/YYYY/MM/DD/OFFSET-RUN.jsonl`.
//!
//! Owns what is carried from one piece to the next: a write's intent may stand in one object and its outcome, of the same run or
//! of a later one, in another.

use super::cadence::{FIRST, at_cursor, last_at};
use super::fresh::{First, Fresh};
use super::haul::{KeepError, Ledger};
use super::objects::{LATE_DAYS, behind_day, below, day_folders, records, under};
use super::place::{AwsPlace, CollectError};
use super::troubles::{Troubles, is_of_one};
use audit_facts::normalise::sync_records;
use audit_facts::{Body, Fact, Grade, Source};
use audit_record::SyncLine;
use aws_reading::s3::{Bucket, ListObjects, ObjectRow};
use record_delivery::Bucket as Place;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const WHAT: &str = "sync-records";

/// The cursors: when the lists were read to their ends, which objects, and what is carried on, by owner.
const LISTING: &str = "listing";
const OBJECTS: &str = "objects";
const OPEN: &str = "open";
const BEGUN: &str = "first";

/// Lines that are carried on; a run has few open writes.
const CARRIED_MAX: usize = 512;

/// The longest line that is carried on, bytes.
const LINE_MAX: usize = 64 * 1024;

/// Reads the records of one account and region.
///
/// # Errors
/// The worst of what was not read; the rest was.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let Some(url) = &place.source.sync_records else { return Ok(()) };
    let at = Place::parse(url).map_err(|_| CollectError::Odd("`sync_records`".to_owned(), "it is no bucket"))?;
    let listed = last_at(cursor(place, ledger, LISTING)?);
    let mut fresh = Fresh::of(cursor(place, ledger, OBJECTS)?);
    let mut troubles = Troubles::default();
    let first = First::of(cursor(place, ledger, BEGUN)?, place.now);
    if fresh.is_first() {
        let mut haul = place.haul(Source::SyncRecords, WHAT);
        haul.cursor(BEGUN, serde_json::to_value(&first).unwrap_or_default());
        ledger.commit(haul)?;
    }
    if let Err(error) = all(place, ledger, &at, &mut fresh, &mut troubles).await {
        troubles.note(error)?;
        let mut haul = place.haul(Source::SyncRecords, WHAT);
        haul.cursor(OBJECTS, fresh.cursor());
        ledger.commit(haul)?;
        return troubles.settle(ledger, place.haul(Source::SyncRecords, WHAT), url, listed);
    }
    if fresh.is_first() {
        fresh.end_first(&first);
    } else {
        fresh.end();
    }
    let mut haul = place.haul(Source::SyncRecords, WHAT);
    haul.covered(url, listed.unwrap_or(place.now - FIRST), place.now, Grade::BestEffort);
    haul.cursor(LISTING, at_cursor(place.now));
    haul.cursor(OBJECTS, fresh.cursor());
    ledger.commit(haul)?;
    troubles.tell()
}

fn cursor(place: &AwsPlace<'_>, ledger: &Ledger<'_>, name: &str) -> Result<Option<Value>, KeepError> {
    ledger.cursor(Source::SyncRecords, &place.place(WHAT), name)
}

async fn all(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    at: &Place,
    fresh: &mut Fresh,
    troubles: &mut Troubles,
) -> Result<(), CollectError> {
    let bucket = Bucket::new(at.name.clone());
    let is_first = fresh.is_first();
    for owner in owners(place, &bucket, under(&at.prefix, "sync/")).await? {
        let prefixes = if is_first { vec![String::new()] } else { day_folders(place.now, LATE_DAYS) };
        for prefix in prefixes {
            folder(place, ledger, &bucket, (&owner, &prefix), fresh, troubles).await?;
        }
    }
    Ok(())
}

/// The folders of the owners, `PREFIX/sync/OWNER/`.
async fn owners(place: &AwsPlace<'_>, bucket: &Bucket, prefix: String) -> Result<BTreeSet<String>, CollectError> {
    let mut owners = BTreeSet::new();
    let list = ListObjects { delimiter: Some("/".to_owned()), ..below(bucket, prefix) };
    let mut pages = place.reader.list_objects(list);
    while let Some(listed) = pages.next_page().await? {
        owners.extend(listed.rows.prefixes);
    }
    Ok(owners)
}

/// Reads the pieces below a prefix that were not read yet, in the order of their keys, which is the journal's.
async fn folder(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    bucket: &Bucket,
    (owner, prefix): (&str, &str),
    fresh: &mut Fresh,
    troubles: &mut Troubles,
) -> Result<(), CollectError> {
    let begun = format!("{BEGUN}/{owner}");
    let mut first = if fresh.is_first() { Some(First::of(cursor(place, ledger, &begun)?, place.now)) } else { None };
    let start_after = first.as_ref().and_then(|first| first.after.clone());
    let mut pages = place.reader.list_objects(ListObjects { start_after, ..below(bucket, format!("{owner}{prefix}")) });
    while let Some(listed) = pages.next_page().await? {
        let is_new = |row: &&ObjectRow| is_piece(owner, &row.key) && fresh.is_new(&name(row), row.last_modified);
        let new: Vec<ObjectRow> = listed.rows.objects.iter().filter(is_new).cloned().collect();
        for row in new {
            match piece(place, ledger, bucket, owner, &row.key).await {
                Err(error) if !is_of_one(&error) => return Err(error),
                read => read.or_else(|error| troubles.note_of_one(error))?,
            }
            fresh.take(&name(&row), row.last_modified);
            if let Some(kept) = first.as_mut().and_then(|first| first.read(&row.key)) {
                let mut haul = place.haul(Source::SyncRecords, WHAT);
                haul.cursor(&begun, kept);
                ledger.commit(haul)?;
            }
        }
    }
    Ok(())
}

/// Whether a key has the form of target-sync's, `OFFSET-RUN.jsonl` behind the owner's folder and a day's.
fn is_piece(owner: &str, key: &str) -> bool {
    let name = behind_day(owner.trim_end_matches('/'), key).and_then(|name| name.strip_suffix(".jsonl"));
    name.and_then(|name| name.split_once('-')).is_some_and(|(offset, run)| {
        offset.len() == 16 && offset.bytes().all(|b| b.is_ascii_digit()) && run.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn name(row: &ObjectRow) -> String {
    format!("{}\n{}", row.key, row.etag)
}

/// Reads one piece with what the former ones left open.
async fn piece(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    bucket: &Bucket,
    owner: &str,
    key: &str,
) -> Result<(), CollectError> {
    let open = format!("{OPEN}/{owner}");
    let carried: Carried = cursor(place, ledger, &open)?.and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default();
    let mut haul = place.haul(Source::SyncRecords, WHAT);
    let (bytes, reading) = records(place, &mut haul, ledger, &bucket.object(key)).await?;
    let own: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let lines = carried.lines.iter().map(String::as_bytes).chain(own.iter().copied());
    let mut read = sync_records::records(&reading, lines, None);
    let before = carried.open_steps();
    read.facts.retain(|fact| !is_still_open(fact, &before));
    haul.take(read);
    haul.cursor(&open, serde_json::to_value(carried.after(&own)).unwrap_or_default());
    ledger.commit(haul)?;
    Ok(())
}

/// A write that was open before is the fact that it was.
fn is_still_open(fact: &Fact, before: &BTreeSet<Step>) -> bool {
    match &fact.body {
        Body::SyncChange(change) => change.result.is_none() && before.contains(&(change.run_id.clone(), change.number)),
        _ => false,
    }
}

/// A run's id and the number of a write in it.
type Step = (String, u32);

/// Lines of former pieces that the next one may need, as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Carried {
    lines: Vec<String>,
}

#[derive(Deserialize)]
struct Line {
    record: SyncLine,
}

impl Carried {
    fn open_steps(&self) -> BTreeSet<Step> {
        let intent = |line: SyncLine| match line {
            SyncLine::SyncIntent(intent) => Some((intent.run_id, intent.number)),
            _ => None,
        };
        self.lines.iter().filter_map(|line| intent(parse(line)?)).collect()
    }

    /// What is carried on behind a piece: writes without a known outcome, outcomes without a write, their runs and the last run.
    fn after(self, own: &[&[u8]]) -> Self {
        let own =
            own.iter().filter(|line| line.len() <= LINE_MAX).filter_map(|line| Some(std::str::from_utf8(line).ok()?.to_owned()));
        let mut seen = BTreeSet::new();
        let all: Vec<String> = self.lines.into_iter().chain(own).filter(|line| seen.insert(line.clone())).collect();
        let parsed: Vec<(String, SyncLine)> =
            all.into_iter().filter_map(|line| Some((parse(&line)?, line))).map(|(it, line)| (line, it)).collect();
        let book = Book::of(parsed.iter().map(|(_, line)| line));
        let mut lines: Vec<String> = parsed.into_iter().filter(|(_, line)| book.stays_open(line)).map(|(line, _)| line).collect();
        let surplus = lines.len().saturating_sub(CARRIED_MAX);
        lines.drain(..surplus);
        Self { lines }
    }
}

fn parse(line: &str) -> Option<SyncLine> {
    Some(serde_json::from_str::<Line>(line).ok()?.record)
}

/// What lines say about each other.
#[derive(Debug, Default)]
struct Book {
    intents: BTreeSet<Step>,
    /// Whether the last outcome of a step is a known one.
    outcomes: BTreeMap<Step, (jiff::Timestamp, bool)>,
    last_run: Option<String>,
}

impl Book {
    fn of<'l>(lines: impl Iterator<Item = &'l SyncLine>) -> Self {
        let mut book = Self::default();
        for line in lines {
            match line {
                SyncLine::SyncRun(run) => book.last_run = Some(run.run_id.clone()),
                SyncLine::SyncIntent(intent) => {
                    book.intents.insert((intent.run_id.clone(), intent.number));
                }
                SyncLine::SyncOutcome(outcome) => {
                    let kept = book.outcomes.entry((outcome.run_id.clone(), outcome.number)).or_insert((outcome.at, false));
                    if outcome.at >= kept.0 {
                        *kept = (outcome.at, outcome.result != "unknown");
                    }
                }
                _ => {}
            }
        }
        book
    }

    fn is_open(&self, step: &Step) -> bool {
        self.intents.contains(step) && !self.outcomes.get(step).is_some_and(|(_, is_known)| *is_known)
    }

    fn stays_open(&self, line: &SyncLine) -> bool {
        match line {
            SyncLine::SyncRun(run) => {
                let of_run = self.intents.range((run.run_id.clone(), 0)..=(run.run_id.clone(), u32::MAX));
                self.last_run.as_ref() == Some(&run.run_id) || of_run.into_iter().any(|step| self.is_open(step))
            }
            SyncLine::SyncIntent(intent) => self.is_open(&(intent.run_id.clone(), intent.number)),
            SyncLine::SyncOutcome(outcome) => !self.intents.contains(&(outcome.run_id.clone(), outcome.number)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(record: &Value) -> String {
        json!({"prev_sha256": "0", "record": record}).to_string()
    }

    fn run(id: &str) -> String {
        line(&json!({"kind": "sync_run", "format_version": 1, "run_id": id, "at": "2026-11-21T10:00:00Z", "sync_version": "0",
            "owner": "o", "project_id": "p", "plan_sha256": "00"}))
    }

    fn intent(run: &str, number: u32) -> String {
        line(&json!({"kind": "sync_intent", "run_id": run, "number": number, "at": "2026-11-21T10:00:01Z", "action": "create",
            "object": "target", "name": "n", "id": null, "task_arn": "t", "reason": "r", "changes": {}}))
    }

    fn outcome(run: &str, number: u32, result: &str) -> String {
        line(&json!({"kind": "sync_outcome", "run_id": run, "number": number, "at": "2026-11-21T10:00:02Z", "result": result,
            "id": null, "version": null, "error": null}))
    }

    fn after(carried: Carried, lines: &[String]) -> Carried {
        carried.after(&lines.iter().map(String::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_open_is_carried_on_with_its_run_until_it_is_settled() {
        let first = after(
            Carried::default(),
            &[run("a"), intent("a", 1), outcome("a", 1, "done"), intent("a", 2), intent("a", 3), outcome("a", 3, "unknown")],
        );
        assert_eq!(first.lines, [run("a"), intent("a", 2), intent("a", 3)]);
        assert_eq!(first.open_steps(), BTreeSet::from([("a".to_owned(), 2), ("a".to_owned(), 3)]));
        let second = after(first, &[outcome("a", 2, "done"), run("b")]);
        assert_eq!(second.lines, [run("a"), intent("a", 3), run("b")]);
        assert_eq!(after(second, &[outcome("a", 3, "refused")]).lines, [run("b")]);
    }

    #[test]
    fn an_outcome_that_comes_before_its_intent_waits_for_it() {
        let first = after(Carried::default(), &[outcome("a", 1, "done")]);
        assert_eq!(first.lines, [outcome("a", 1, "done")]);
        assert!(after(first, &[intent("a", 1)]).lines.is_empty());
    }

    #[test]
    fn what_is_carried_has_a_bound_and_doubles_count_once() {
        let many: Vec<String> = (0..600).map(|number| intent("a", number)).collect();
        let carried = after(Carried::default(), &many);
        assert_eq!((carried.lines.len(), carried.lines.last()), (CARRIED_MAX, many.last()));
        assert_eq!(after(carried.clone(), &many[500..]), carried);
    }
}

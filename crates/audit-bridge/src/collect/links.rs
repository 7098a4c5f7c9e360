//! The wrapper's records where it delivered them: log groups and buckets.
//!
//! Owns which streams and objects are looked at again. A record may be delivered two weeks late under the day of its session,
//! so older days are looked through too; a stream that holds a session's start and end is not asked again unless it grew.

use super::cadence::{FIRST, at_cursor, is_due, last_at};
use super::destinations::group_here;
use super::fresh::{First, Fresh};
use super::haul::{Haul, KeepError, Ledger};
use super::log_pages::{StreamRow, events, streams as rows};
use super::objects::{LATE_DAYS, behind_day, below, day_folders, records, under};
use super::place::{AwsPlace, CollectError};
use super::troubles::{Troubles, is_of_one};
use audit_facts::normalise::links::record;
use audit_facts::{Body, Grade, Source};
use aws_reading::logs::{describe_log_streams, log_events};
use aws_reading::s3::{Bucket, ListObjects, ObjectRow};
use aws_reading::{ReadError, Token};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use record_delivery::Place;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const WHAT: &str = "links";

/// What the names of the wrapper's streams begin with.
const STREAMS: &str = "ecs-exec-wrapper/";

/// How often the streams of older days are looked through.
const LATE_EVERY: SignedDuration = SignedDuration::from_hours(6);

/// Reads the records of one account and region.
///
/// # Errors
/// The worst of what was not read; the rest was.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let mut troubles = Troubles::default();
    for text in &place.source.links {
        let read = match Place::parse(text) {
            Ok(Place::Bucket(at)) => bucket(place, ledger, text, &at).await,
            Ok(Place::LogGroup(_)) => group(place, ledger, text).await,
            Err(_) => Err(CollectError::Odd("`links`".to_owned(), "it is no place")),
        };
        if let Err(error) = read {
            troubles.note(error)?;
        }
    }
    troubles.tell()
}

fn cursor(place: &AwsPlace<'_>, ledger: &Ledger<'_>, name: &str) -> Result<Option<Value>, KeepError> {
    ledger.cursor(Source::Links, &place.place(WHAT), name)
}

/// Takes a record's line, byte for byte; tells whether it is a start, and whether an end.
fn take_line(haul: &mut Haul, ledger: &Ledger<'_>, line: &[u8], request: &Value) -> Result<[bool; 2], KeepError> {
    let reading = haul.keep(ledger, line, request.clone())?;
    let read = record(&reading, line);
    let is = |what: fn(&Body) -> bool| read.facts.iter().any(|fact| what(&fact.body));
    let found = [is(|body| matches!(body, Body::LinkStart(_))), is(|body| matches!(body, Body::LinkEnd(_)))];
    haul.take(read);
    Ok(found)
}

/// When a log group was looked through.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Looked {
    at: Option<Timestamp>,
    /// With all days on which a late record may be filed.
    late: Option<Timestamp>,
}

impl Looked {
    /// What the names of the streams to look at begin with, and whether that is all of them.
    fn prefixes(self, now: Timestamp) -> (Vec<String>, bool) {
        let Some(at) = self.at else { return (vec![STREAMS.to_owned()], true) };
        let is_late = is_due(self.late, LATE_EVERY, now);
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let since = i64::from(day(at).until(day(now)).map_or(0, |span| span.get_days())).max(0);
        let back = if is_late { LATE_DAYS } else { (since + 1).min(LATE_DAYS) };
        (day_folders(now, back).into_iter().map(|folder| format!("{STREAMS}{folder}")).collect(), is_late)
    }
}

async fn group(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, text: &str) -> Result<(), CollectError> {
    let group = group_here(place, text);
    let name = format!("group/{group}");
    let looked: Looked = cursor(place, ledger, &name)?.and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default();
    let (prefixes, is_late) = looked.prefixes(place.now);
    let mut troubles = Troubles::default();
    for prefix in &prefixes {
        if let Err(error) = streams(place, ledger, &group, prefix).await {
            let is_missing = matches!(&error, CollectError::Aws(ReadError::NotFound(_)));
            if is_missing {
                troubles.note_missing(error)?;
            } else {
                troubles.note(error)?;
            }
            break;
        }
    }
    if is_late && troubles.is_none() {
        forget(place, ledger, &group).await.or_else(|error| troubles.note(error))?;
    }
    let mut haul = place.haul(Source::Links, WHAT);
    if !troubles.is_none() {
        return troubles.settle(ledger, haul, text, looked.at);
    }
    haul.covered(text, looked.at.unwrap_or(place.now - FIRST), place.now, Grade::BestEffort);
    let looked = Looked { at: Some(place.now), late: if is_late { Some(place.now) } else { looked.late } };
    haul.cursor(&name, serde_json::to_value(looked).unwrap_or_default());
    ledger.commit(haul)?;
    Ok(())
}

/// How far a stream was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Read {
    token: Option<Token>,
    start: bool,
    end: bool,
    /// When the last event came in, by the service's clock, milliseconds.
    ingested: Option<i64>,
}

impl Read {
    fn is_done(&self, row: &StreamRow) -> bool {
        self.start && self.end && row.last_ingestion_time <= self.ingested
    }
}

fn stream_cursor(group: &str, stream: &str) -> String {
    format!("stream/{group}/{stream}")
}

async fn streams(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, group: &str, prefix: &str) -> Result<(), CollectError> {
    let mut pages = place.reader.list(describe_log_streams(group, prefix));
    while let Some(listed) = pages.next_page().await? {
        for row in rows(group, &listed.page.body)? {
            let name = stream_cursor(group, &row.name);
            let known: Read = cursor(place, ledger, &name)?.and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default();
            if !known.is_done(&row) {
                stream(place, ledger, group, &row.name, known).await?;
            }
        }
    }
    Ok(())
}

/// Reads what a stream has gained; a token that is no longer good begins it again.
async fn stream(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    group: &str,
    stream: &str,
    known: Read,
) -> Result<(), CollectError> {
    match gained(place, ledger, group, stream, known).await {
        Err(CollectError::Aws(ReadError::TokenGone(_))) => gained(place, ledger, group, stream, Read::default()).await,
        read => read,
    }
}

async fn gained(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    group: &str,
    stream: &str,
    known: Read,
) -> Result<(), CollectError> {
    let list = log_events(group, stream, true);
    let mut pages = match &known.token {
        Some(token) => place.reader.list_from(list, token.clone()),
        None => place.reader.list(list),
    };
    let (mut haul, mut read) = (place.haul(Source::Links, WHAT), known.clone());
    let request = json!({"call": "logs:GetLogEvents", "group": group, "stream": stream});
    while let Some(listed) = pages.next_page().await? {
        for event in events(&format!("{group}/{stream}"), &listed.page.body)? {
            let [start, end] = take_line(&mut haul, ledger, event.message.as_bytes(), &request)?;
            read.start |= start;
            read.end |= end;
            read.ingested = read.ingested.max(event.ingestion_time);
        }
        read.token = listed.next.or(read.token);
    }
    if read != known {
        haul.cursor(&stream_cursor(group, stream), serde_json::to_value(&read).unwrap_or_default());
        ledger.commit(haul)?;
    }
    Ok(())
}

/// Forgets how far the streams of a day were read that is too old for anything to be delivered.
async fn forget(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, group: &str) -> Result<(), CollectError> {
    let folders = day_folders(place.now, LATE_DAYS + 2);
    for folder in folders.iter().take(2) {
        let mut pages = place.reader.list(describe_log_streams(group, &format!("{STREAMS}{folder}")));
        while let Some(listed) = pages.next_page().await? {
            let mut haul = place.haul(Source::Links, WHAT);
            for row in rows(group, &listed.page.body)? {
                haul.cursor(&stream_cursor(group, &row.name), Value::Null);
            }
            ledger.commit(haul)?;
        }
    }
    Ok(())
}

async fn bucket(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    text: &str,
    at: &record_delivery::Bucket,
) -> Result<(), CollectError> {
    let (listing, objects) = (format!("listing/{text}"), format!("objects/{text}"));
    let listed = last_at(cursor(place, ledger, &listing)?);
    let mut fresh = Fresh::of(cursor(place, ledger, &objects)?);
    let prefixes = if fresh.is_first() { vec![String::new()] } else { day_folders(place.now, LATE_DAYS) };
    let begun = format!("first/{text}");
    let mut first = if fresh.is_first() { Some(First::of(cursor(place, ledger, &begun)?, place.now)) } else { None };
    let (bucket, mut troubles) = (Bucket::new(at.name.clone()), Troubles::default());
    for prefix in &prefixes {
        if let Err(error) = folder(place, ledger, &bucket, (at, prefix, &begun), (&mut fresh, &mut first), &mut troubles).await {
            troubles.note(error)?;
            break;
        }
    }
    let mut haul = place.haul(Source::Links, WHAT);
    if !troubles.is_none() {
        haul.cursor(&objects, fresh.cursor());
        ledger.commit(haul)?;
        return troubles.settle(ledger, place.haul(Source::Links, WHAT), text, listed);
    }
    match &first {
        Some(first) => fresh.end_first(first),
        None => fresh.end(),
    }
    haul.covered(text, listed.unwrap_or(place.now - FIRST), place.now, Grade::BestEffort);
    haul.cursor(&listing, at_cursor(place.now));
    haul.cursor(&objects, fresh.cursor());
    ledger.commit(haul)?;
    troubles.tell()
}

/// Reads the records below a prefix that were not read yet.
async fn folder(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    bucket: &Bucket,
    (at, prefix, begun): (&record_delivery::Bucket, &str, &str),
    (fresh, first): (&mut Fresh, &mut Option<First>),
    troubles: &mut Troubles,
) -> Result<(), CollectError> {
    let start_after = first.as_ref().and_then(|first| first.after.clone());
    let mut pages = place.reader.list_objects(ListObjects { start_after, ..below(bucket, under(&at.prefix, prefix)) });
    while let Some(listed) = pages.next_page().await? {
        let is_new = |row: &&ObjectRow| is_record(&at.prefix, &row.key) && fresh.is_new(&object_name(row), row.last_modified);
        let new: Vec<ObjectRow> = listed.rows.objects.iter().filter(is_new).cloned().collect();
        for row in new {
            match object(place, ledger, bucket, &row.key).await {
                Err(error) if !is_of_one(&error) => return Err(error),
                read => read.or_else(|error| troubles.note_of_one(error))?,
            }
            fresh.take(&object_name(&row), row.last_modified);
            if let Some(kept) = first.as_mut().and_then(|first| first.read(&row.key)) {
                let mut haul = place.haul(Source::Links, WHAT);
                haul.cursor(begun, kept);
                ledger.commit(haul)?;
            }
        }
    }
    Ok(())
}

async fn object(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, bucket: &Bucket, key: &str) -> Result<(), CollectError> {
    let mut haul = place.haul(Source::Links, WHAT);
    let (bytes, reading) = records(place, &mut haul, ledger, &bucket.object(key)).await?;
    haul.take(record(&reading, bytes.trim_ascii_end()));
    ledger.commit(haul)?;
    Ok(())
}

/// Whether a key has the form of the wrapper's: `PREFIX/YYYY/MM/DD/RECORD-start.json`, or with `end`.
fn is_record(prefix: &str, key: &str) -> bool {
    let is_id = |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let name = behind_day(prefix, key).and_then(|name| name.strip_suffix(".json"));
    name.and_then(|name| name.rsplit_once('-')).is_some_and(|(id, phase)| is_id(id) && matches!(phase, "start" | "end"))
}

fn object_name(row: &ObjectRow) -> String {
    format!("{}\n{}", row.key, row.etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_looked_at_from_before_the_last_look_and_all_of_them_now_and_then() {
        let now = at("2026-11-21T10:00:00Z");
        assert_eq!(Looked::default().prefixes(now), (vec![STREAMS.to_owned()], true));
        let looked = Looked { at: Some(at("2026-11-20T23:00:00Z")), late: Some(at("2026-11-21T05:00:00Z")) };
        let days: Vec<String> = ["19", "20", "21", "22"].iter().map(|day| format!("{STREAMS}2026/11/{day}/")).collect();
        assert_eq!(looked.prefixes(now), (days, false));
        let (days, is_late) = Looked { late: None, ..looked }.prefixes(now);
        assert_eq!((days.len(), days[0].as_str(), is_late), (17, "ecs-exec-wrapper/2026/11/06/", true));
    }

    #[test]
    fn a_stream_with_both_records_is_done_until_it_grows() {
        let row = |last_ingestion_time| StreamRow {
            name: "s".to_owned(),
            creation_time: None,
            last_event_time: None,
            last_ingestion_time,
        };
        let both = Read { token: None, start: true, end: true, ingested: Some(5) };
        assert!(both.is_done(&row(Some(5))) && both.is_done(&row(None)) && !both.is_done(&row(Some(6))));
        assert!(!Read { end: false, ..both }.is_done(&row(None)));
    }

    #[test]
    fn only_keys_of_the_wrappers_form_are_records() {
        for key in ["p/2026/11/20/00ff-start.json", "p/2026/11/20/00ff-end.json"] {
            assert!(is_record("p", key), "{key}");
        }
        for key in [
            "2026/11/20/00ff-start.json",
            "p/2026/11/20/../00ff-start.json",
            "p/2026/11/x/00ff-start.json",
            "p/2026/11/20/-end.json",
            "p/2026/11/20/00ff-middle.json",
        ] {
            assert!(!is_record("p", key), "{key}");
        }
        assert!(is_record("", "2026/11/20/00ff-start.json"));
    }
}

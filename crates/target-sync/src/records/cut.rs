//! The journal's bytes as objects: where they are cut, and how they are named.
//!
//! Pure; no clock. Objects hold whole lines, line feeds included, so that all of them in the order of their keys are the journal.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use record_delivery::{Item, Stored, day_path};
use serde::Deserialize;

/// Bytes of one object, at most; a line that is longer alone is one object.
const OBJECT_MAX: usize = 256 * 1024;

/// What keys end with.
const SUFFIX: &str = ".jsonl";

/// As much of a line as its object's name takes.
#[derive(Debug, Deserialize)]
struct Line {
    record: Record,
}

#[derive(Debug, Deserialize)]
struct Record {
    kind: String,
    at: Timestamp,
    run_id: Option<String>,
}

/// The whole lines of the journal from `offset` on, as objects; lines without a readable time are filed under `today`.
pub(super) fn cut(journal: &[u8], offset: u64, owner: &str, today: Date) -> Vec<Item> {
    let (mut items, mut offset, mut rest) = (Vec::new(), offset, journal);
    while let Some(length) = next(rest) {
        let (body, after) = rest.split_at(length);
        items.push(item(body, offset, owner, today));
        offset += length as u64;
        rest = after;
    }
    items
}

/// How long the next object is: as many whole lines as fit, at least one.
fn next(bytes: &[u8]) -> Option<usize> {
    let within = &bytes[..bytes.len().min(OBJECT_MAX)];
    let last = within.iter().rposition(|byte| *byte == b'\n');
    last.or_else(|| bytes.iter().position(|byte| *byte == b'\n')).map(|at| at + 1)
}

fn item(body: &[u8], offset: u64, owner: &str, today: Date) -> Item {
    let at = written_at(body);
    let day = at.map_or(today, |at| at.to_zoned(TimeZone::UTC).date());
    let key = format!("sync/{owner}/{}/{offset:016}-{}{SUFFIX}", day_path(day), run_id(body));
    of_key(body, at, day, &key)
}

fn of_key(body: &[u8], at: Option<Timestamp>, day: Date, key: &str) -> Item {
    let midnight = || day.to_zoned(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    let name = key.rsplit('/').next().unwrap_or(key);
    Item {
        body: body.to_owned(),
        at: at.unwrap_or_else(midnight),
        day,
        stem: name.strip_suffix(SUFFIX).unwrap_or(name).to_owned(),
        object: key.to_owned(),
        stream: String::new(),
        begins_stream: false,
        key: Some(key.to_owned()),
    }
}

/// Reads what the spool kept; none when it is not ours.
pub(super) fn read_back(stored: Stored<'_>) -> Option<Item> {
    let key = stored.key?;
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    let is_key = key.starts_with("sync/") && key.strip_suffix(SUFFIX).is_some() && key.split('/').all(is_name);
    is_key.then(|| of_key(stored.body, written_at(stored.body), stored.day, key))
}

/// Where in the journal an object begins.
pub(super) fn offset_of(item: &Item) -> Option<u64> {
    item.stem.split_once('-')?.0.parse().ok()
}

fn records(body: &[u8]) -> impl Iterator<Item = Record> {
    body.split(|byte| *byte == b'\n').filter_map(|line| Some(serde_json::from_slice::<Line>(line).ok()?.record))
}

fn written_at(body: &[u8]) -> Option<Timestamp> {
    records(body).next().map(|record| record.at)
}

/// The run that these lines are of: the first that begins in them, else the first that they name.
fn run_id(body: &[u8]) -> String {
    let fits = |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let begins = records(body).find(|record| record.kind == "sync_run").and_then(|record| record.run_id);
    let named = || records(body).find_map(|record| record.run_id);
    begins.or_else(named).filter(|id| fits(id)).unwrap_or_else(|| "lines".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = jiff::civil::date(2026, 11, 21);

    fn line(kind: &str, at: &str, run_id: Option<&str>) -> String {
        let record = serde_json::json!({"kind": kind, "at": at, "run_id": run_id});
        serde_json::json!({"prev_sha256": "0", "record": record}).to_string() + "\n"
    }

    #[test]
    fn a_run_is_one_object_named_after_its_place_and_its_run() {
        let outcome = line("sync_outcome", "2026-11-20T23:59:59Z", Some("aaa1"));
        let run = line("sync_run", "2026-11-21T00:00:01Z", Some("bbb2"));
        let journal = [outcome, run].concat();
        let [item] = &cut(journal.as_bytes(), 4711, "sync-a", TODAY)[..] else { panic!("one object") };
        assert_eq!(item.object, "sync/sync-a/2026/11/20/0000000000004711-bbb2.jsonl");
        assert_eq!((item.body.as_slice(), offset_of(item)), (journal.as_bytes(), Some(4711)));
    }

    #[test]
    fn the_objects_in_the_order_of_their_keys_are_the_journals_whole_lines() {
        let long = line("sync_task", "2026-11-21T10:00:00Z", None).repeat(5000);
        let journal =
            [long.as_bytes(), b"{\"torn \xff\n", line("sync_end", "2026-11-21T10:00:00Z", Some("c3")).as_bytes()].concat();
        let with_half = [journal.as_slice(), b"{\"half"].concat();
        let mut items = cut(&with_half, 90, "a", TODAY);
        assert!(items.len() > 1 && items.iter().all(|item| item.body.len() <= OBJECT_MAX && item.body.ends_with(b"\n")));
        items.sort_by(|a, b| a.object.cmp(&b.object));
        assert_eq!(items.iter().flat_map(|item| item.body.clone()).collect::<Vec<u8>>(), journal);
    }

    #[test]
    fn a_line_longer_than_an_object_and_a_line_without_time_are_not_lost() {
        let long = [vec![b'x'; OBJECT_MAX + 1], b"\n".to_vec()].concat();
        let [item] = &cut(&long, 0, "a", TODAY)[..] else { panic!("one object") };
        assert_eq!((item.object.as_str(), item.body.len()), ("sync/a/2026/11/21/0000000000000000-lines.jsonl", OBJECT_MAX + 2));
        assert!(cut(b"{\"no line feed", 0, "a", TODAY).is_empty());
    }

    #[test]
    fn a_run_id_that_fits_no_key_is_not_used() {
        let journal = line("sync_run", "2026-11-21T10:00:00Z", Some("../../x"));
        assert!(cut(journal.as_bytes(), 0, "a", TODAY)[0].object.ends_with("/0000000000000000-lines.jsonl"));
    }

    #[test]
    fn what_was_kept_is_read_back_the_same_and_what_is_not_ours_is_not() {
        for body in [line("sync_run", "2026-11-21T10:00:00Z", Some("b2")), "torn\n".to_owned()] {
            let item = cut(body.as_bytes(), 7, "a", TODAY).remove(0);
            let stored = Stored { body: &item.body, day: item.day, key: item.key.as_deref() };
            assert_eq!(read_back(stored).as_ref(), Some(&item));
            for key in [None, Some("sync/../x.jsonl"), Some("other/x.jsonl"), Some("sync/a")] {
                assert_eq!(read_back(Stored { key, ..stored }), None, "{key:?}");
            }
        }
    }
}

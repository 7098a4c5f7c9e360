//! CloudTrail's event history: one call at a time, two requests a second, the newest events first.
//!
//! Owns how far each call was read. A round takes what is new, then goes on backwards with what is still missing, and leaves the
//! rest to the next round when its time is up: a busy account must not keep Boundary, which forgets, from being read.
//!
//! ```text
//! begin ───────────── hole ══════ read ══════════════ hole ═══ now
//!                       ◄── then back here   newest first ◄──
//! ```

use super::cloudtrail::take;
use super::haul::Ledger;
use super::place::{AwsPlace, CollectError, not_read};
use audit_facts::normalise::cloudtrail::lookup;
use audit_facts::{Grade, Source};
use aws_reading::cloudtrail::{LookupAttribute, lookup_events};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The calls that matter; LookupEvents takes one at a time. Those that a busy account has most of are the last.
const CALLS: [&str; 7] = [
    "ExecuteCommand",
    "StartSession",
    "TerminateSession",
    "ResumeSession",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRole",
];
/// How far back the first round begins to look.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the event history keeps an event, less a day: what was not read by then was never read.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(89 * 24);
/// How late the event history may show an event, generously.
const LATEST: SignedDuration = SignedDuration::from_hours(2);
/// How often that is looked back; the other rounds look back as far as CloudTrail is usually late.
const LATE_EVERY: SignedDuration = SignedDuration::from_mins(55);
/// Pages of each call that are read before more is read of any.
const FIRST_PAGES: usize = 4;
/// The time that a round has for this.
const BUDGET: Duration = Duration::from_secs(90);
/// The cursor's name.
const CURSOR: &str = "lookup";

/// A stretch of time that is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hole {
    from: Timestamp,
    to: Timestamp,
}

/// How far the history was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// Where the reading began.
    begin: Option<Timestamp>,
    /// Up to when was asked.
    read: Option<Timestamp>,
    /// When late events were last looked for.
    late: Option<Timestamp>,
    /// By call what was not read yet, the oldest first.
    holes: BTreeMap<String, Vec<Hole>>,
}

impl Cursor {
    /// Notes that everything up to now is to be read, with what may have come late.
    fn ask(&mut self, now: Timestamp, lag: SignedDuration) {
        let begin = *self.begin.get_or_insert(now - FIRST_LOOK);
        let looks_late = self.late.is_none_or(|late| now >= late + LATE_EVERY || now < late);
        let back = if looks_late { LATEST.max(lag) } else { lag };
        let from = self.read.map_or(begin, |read| (read - back).min(now).max(begin));
        let oldest = now - REMEMBERED;
        self.begin = Some(begin.max(oldest));
        for call in CALLS {
            let holes = self.holes.entry(call.to_owned()).or_default();
            holes.push(Hole { from: from.max(oldest), to: now });
            for hole in holes.iter_mut() {
                hole.from = hole.from.max(oldest);
            }
            holes.retain(|hole| hole.from < hole.to);
            *holes = joined(holes);
        }
        self.read = Some(now);
        if looks_late {
            self.late = Some(now);
        }
    }

    /// The newest stretch of a call that is to be read.
    fn next(&self, call: &str) -> Option<Hole> {
        self.holes.get(call)?.last().copied()
    }

    /// Notes that the newest stretch of a call was read down to a time.
    fn done(&mut self, call: &str, down_to: Timestamp) {
        let Some(holes) = self.holes.get_mut(call) else { return };
        if let Some(last) = holes.last_mut() {
            last.to = last.to.min(down_to);
        }
        holes.retain(|hole| hole.from < hole.to);
    }

    /// What was read of all calls, up to a time.
    fn covered(&self, to: Timestamp) -> Vec<Hole> {
        let all: Vec<Hole> = self.holes.values().flatten().copied().collect();
        let mut from = self.begin.unwrap_or(to);
        let mut covered = Vec::new();
        for hole in joined(&all).into_iter().chain([Hole { from: to, to }]) {
            let until = hole.from.min(to);
            if from < until {
                covered.push(Hole { from, to: until });
            }
            from = from.max(hole.to);
        }
        covered
    }
}

/// Stretches in order, those that touch made one.
fn joined(holes: &[Hole]) -> Vec<Hole> {
    let mut sorted = holes.to_vec();
    sorted.sort_by_key(|hole| (hole.from, hole.to));
    let mut joined: Vec<Hole> = Vec::new();
    for hole in sorted {
        match joined.last_mut() {
            Some(last) if hole.from <= last.to => last.to = last.to.max(hole.to),
            _ => joined.push(hole),
        }
    }
    joined
}

/// Reads one account and region.
pub(super) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    read_within(place, ledger, BUDGET).await
}

async fn read_within(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, budget: Duration) -> Result<(), CollectError> {
    let until = Instant::now() + budget;
    let stored = ledger.cursor(Source::CloudTrail, &place.place("cloudtrail"), CURSOR)?;
    let mut cursor: Cursor = stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    let lag = SignedDuration::from_secs(place.policy.trail_lag_seconds.max(0));
    let read = cursor.read;
    cursor.ask(place.now, lag);
    // First of each call the newest; only then what is older.
    for pages in [FIRST_PAGES, usize::MAX] {
        for call in CALLS {
            let Some(hole) = cursor.next(call) else { continue };
            match stretch(place, ledger, call, hole, Limit { pages, until }).await {
                Ok(down_to) => {
                    cursor.done(call, down_to);
                    // A round that is cut goes on from here.
                    keep(place, ledger, &cursor, lag)?;
                }
                Err(error) => {
                    keep(place, ledger, &cursor, lag)?;
                    let haul = place.haul(Source::CloudTrail, "cloudtrail");
                    return not_read(ledger, haul, &place.scope(), read, error);
                }
            }
            if pages > FIRST_PAGES && Instant::now() >= until {
                break;
            }
        }
    }
    Ok(())
}

/// Writes down how far was read.
fn keep(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, cursor: &Cursor, lag: SignedDuration) -> Result<(), CollectError> {
    let mut haul = place.haul(Source::CloudTrail, "cloudtrail");
    // What happened within the lag may still be on its way.
    for it in cursor.covered(place.now - lag) {
        haul.covered(&place.scope(), it.from, it.to, Grade::BestEffort);
    }
    haul.cursor(CURSOR, json!(cursor));
    ledger.commit(haul)?;
    Ok(())
}

/// How much of a call is read at once.
#[derive(Debug, Clone, Copy)]
struct Limit {
    pages: usize,
    until: Instant,
}

/// Reads a stretch of one call within a limit, a page at least; gives down to when it was read.
async fn stretch(
    place: &AwsPlace<'_>,
    ledger: &mut Ledger<'_>,
    call: &str,
    hole: Hole,
    limit: Limit,
) -> Result<Timestamp, CollectError> {
    let mut pages = place.reader.list(lookup_events(Some((LookupAttribute::EventName, call)), hole.from, hole.to));
    let (mut down_to, mut read) = (hole.to, 0);
    while let Some(page) = pages.next_page().await? {
        if page.rows > 0 {
            keep_page(place, ledger, &page.page)?;
            down_to = oldest(&page.page.body, down_to);
        }
        read += 1;
        if (read >= limit.pages || Instant::now() >= limit.until) && down_to < hole.to {
            return Ok(down_to.max(hole.from));
        }
    }
    Ok(hole.from)
}

/// Keeps a page that tells something new: what was read before is shown again in every round.
fn keep_page(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, page: &aws_reading::Page) -> Result<(), CollectError> {
    let mut haul = place.haul(Source::CloudTrail, "cloudtrail");
    let read = lookup(&haul.reading(&page.body), &page.body);
    let reader = ledger.state.reader().map_err(super::haul::KeepError::from)?;
    let mut is_known = read.unreadable.is_empty();
    for fact in &read.facts {
        is_known = is_known && reader.knows(&fact.id()).map_err(super::haul::KeepError::from)?;
    }
    if !is_known {
        haul.keep(ledger, &page.body, json!(page.request))?;
        take(&mut haul, read);
        ledger.commit(haul)?;
    }
    Ok(())
}

/// Down to when a page was read whole: its oldest second may go on in the next one. A page that is not in order says nothing.
fn oldest(body: &[u8], before: Timestamp) -> Timestamp {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let times: Option<Vec<i64>> = answer["Events"].as_array().map(|events| events.iter().map_while(second).collect());
    let count = answer["Events"].as_array().map_or(0, Vec::len);
    let Some(times) = times.filter(|times| times.len() == count && times.is_sorted_by(|one, other| one >= other)) else {
        return before;
    };
    let last = times.last().and_then(|second| Timestamp::from_second(*second + 1).ok());
    last.map_or(before, |last| last.min(before))
}

fn second(event: &Value) -> Option<i64> {
    let time = &event["EventTime"];
    #[expect(clippy::cast_possible_truncation, reason = "seconds of this age fit, and a fraction is cut")]
    let cut = |seconds: f64| seconds.floor() as i64;
    time.as_i64().or_else(|| time.as_f64().map(cut)).or_else(|| Some(time.as_str()?.parse::<Timestamp>().ok()?.as_second()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Asked, Desk, aws, serve};
    use super::*;
    use crate::settings::AwsSource;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const LAG: SignedDuration = SignedDuration::from_mins(20);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn spans(holes: &[Hole]) -> Vec<(i64, i64)> {
        let second = |time: Timestamp| time.as_second() - 1_790_000_000;
        holes.iter().map(|hole| (second(hole.from), second(hole.to))).collect()
    }

    /// Reads so much of what is to be read of each call.
    fn go(cursor: &mut Cursor, length: SignedDuration) {
        for call in CALLS {
            let mut left = length;
            while let Some(hole) = cursor.next(call).filter(|_| left > SignedDuration::ZERO) {
                let down_to = hole.from.max(hole.to - left);
                left -= hole.to.duration_since(down_to);
                cursor.done(call, down_to);
            }
        }
    }

    const ALL: SignedDuration = SignedDuration::from_hours(1000);

    #[test]
    fn the_first_round_reads_the_last_hours_first_and_the_next_ones_go_back() {
        let mut cursor = Cursor::default();
        cursor.ask(at(0), LAG);
        assert_eq!(cursor.next("AssumeRole"), Some(Hole { from: at(-7 * 24 * HOUR), to: at(0) }));
        assert_eq!(spans(&cursor.covered(at(-20 * MINUTE))), []);
        go(&mut cursor, SignedDuration::from_hours(12));
        assert_eq!(spans(&cursor.covered(at(-20 * MINUTE))), [(-12 * HOUR, -20 * MINUTE)]);
        cursor.ask(at(5 * MINUTE), LAG);
        go(&mut cursor, SignedDuration::from_mins(12 * 60 + 25));
        assert_eq!(spans(&cursor.covered(at(-15 * MINUTE))), [(-24 * HOUR, -15 * MINUTE)]);
        go(&mut cursor, ALL);
        assert_eq!(spans(&cursor.covered(at(-15 * MINUTE))), [(-7 * 24 * HOUR, -15 * MINUTE)]);
        assert!(cursor.holes.values().all(Vec::is_empty));
    }

    #[test]
    fn one_call_that_was_not_read_covers_nothing_and_what_is_half_read_goes_on_there() {
        let mut cursor = Cursor::default();
        cursor.ask(at(0), LAG);
        go(&mut cursor, ALL);
        cursor.ask(at(10 * HOUR), LAG);
        for call in &CALLS[..6] {
            cursor.done(call, cursor.next(call).unwrap().from);
        }
        assert_eq!(spans(&cursor.covered(at(10 * HOUR))), [(-7 * 24 * HOUR, -2 * HOUR)]);
        cursor.done("AssumeRole", at(9 * HOUR));
        assert_eq!(spans(&cursor.covered(at(10 * HOUR))), [(-7 * 24 * HOUR, -2 * HOUR), (9 * HOUR, 10 * HOUR)]);
        cursor.ask(at(10 * HOUR + 5 * MINUTE), LAG);
        assert_eq!(spans(&cursor.holes["AssumeRole"]), [(-2 * HOUR, 9 * HOUR), (9 * HOUR + 40 * MINUTE, 10 * HOUR + 5 * MINUTE)]);
        go(&mut cursor, ALL);
        assert!(cursor.holes.values().all(Vec::is_empty));
    }

    #[test]
    fn what_the_history_has_forgotten_is_not_read() {
        const DAY: i64 = 24 * HOUR;
        let mut cursor = Cursor::default();
        cursor.ask(at(0), LAG);
        go(&mut cursor, ALL);
        cursor.ask(at(120 * DAY), LAG);
        assert_eq!(spans(&cursor.holes["AssumeRole"]), [(31 * DAY, 120 * DAY)]);
        go(&mut cursor, SignedDuration::from_hours(10_000));
        assert_eq!(spans(&cursor.covered(at(120 * DAY))), [(31 * DAY, 120 * DAY)]);
    }

    #[test]
    fn late_events_are_looked_for_every_hour() {
        let mut cursor = Cursor::default();
        let mut back = Vec::new();
        for minute in (0..=120).step_by(5) {
            cursor.ask(at(minute * MINUTE), LAG);
            let hole = cursor.next("StartSession").unwrap();
            back.push((at(minute * MINUTE) - hole.from.as_duration()).as_second() / MINUTE);
            go(&mut cursor, ALL);
        }
        assert_eq!(back.iter().filter(|minutes| **minutes == 125).count(), 2, "{back:?}");
        assert!(back[1..].iter().all(|minutes| [25, 125].contains(minutes)), "{back:?}");
    }

    /// Serves an event every ten minutes, fifty a page.
    fn history(asked: &Asked) -> (u16, Vec<u8>) {
        let second = |key: &str| second(&json!({"EventTime": asked.body[key]})).unwrap_or_default();
        let from = second("StartTime");
        let last: i64 = asked.body["NextToken"].as_str().map_or(second("EndTime"), |token| token.parse().unwrap());
        let call = asked.body["LookupAttributes"][0]["AttributeValue"].as_str().unwrap_or_default();
        // Of the others there was none.
        let seconds = if call == "AssumeRole" { (from..=last).rev().step_by(600).take(50).collect() } else { Vec::new() };
        let mut answer = json!({"Events": seconds.iter().map(|second| json!({"EventTime": second})).collect::<Vec<_>>()});
        if let Some(next) = seconds.last().map(|second| second - 600).filter(|next| *next >= from) {
            answer["NextToken"] = json!(next.to_string());
        }
        (200, answer.to_string().into_bytes())
    }

    #[tokio::test]
    async fn a_busy_account_is_read_bit_by_bit_and_in_the_end_whole() {
        let reader = aws(&serve(history).await).await;
        let source: AwsSource = serde_json::from_value(json!({"name": "a", "region": "us-east-2"})).unwrap();
        let policy = correlation::Policy { trail_lag_seconds: 0, ..correlation::Policy::default() };
        let mut desk = Desk::new();
        let mut rounds = 0;
        for minute in (0..).step_by(5) {
            let place = AwsPlace { source: &source, reader: &reader, account: "1", policy: &policy, now: at(minute * MINUTE) };
            read_within(&place, &mut desk.ledger(), Duration::ZERO).await.unwrap();
            let covered = desk.coverage(Source::CloudTrail);
            rounds += 1;
            if covered.len() == 1 && covered[0].from == at(-7 * 24 * HOUR) {
                assert_eq!(covered[0].to, at(minute * MINUTE));
                break;
            }
        }
        assert!((20..200).contains(&rounds), "no round has time for more than a page or two: {rounds}");
    }

    #[test]
    fn a_page_is_read_whole_down_to_the_second_before_its_last() {
        let page = |times: &str| format!("{{\"Events\":[{times}]}}");
        let event = |second: i64| format!("{{\"EventTime\":{}.5}}", 1_790_000_000 + second);
        let down = |text: String| (oldest(text.as_bytes(), at(100)).as_second() - 1_790_000_000).abs();
        assert_eq!(down(page(&[event(90), event(80), event(80)].join(","))), 81);
        assert_eq!(down(page(&[event(80), event(90)].join(","))), 100, "out of order");
        assert_eq!(down(page(&[event(80), "{}".to_owned()].join(","))), 100, "without a time");
        assert_eq!(down("no page".to_owned()), 100);
    }
}

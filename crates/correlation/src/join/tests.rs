//! The join against one that compares all with all, and its cost in steps.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::{Events, Index, JoinError, Sessions, Steps, Tally};

const ONE: NonZeroUsize = NonZeroUsize::MIN;
const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Rows as the tests write them: key, start, end.
type Session = (u64, i64, i64);
/// Key, time.
type Event = (u64, i64);

struct Count(usize);

impl Steps for Count {
    fn add(&mut self, steps: usize) {
        self.0 += steps;
    }
}

/// Pairs of the join, in order, and the steps of the search.
fn joined(sessions: &[Session], events: &[Event], threads: NonZeroUsize) -> (Vec<(u32, u32)>, usize, Index) {
    let keys: Vec<u64> = sessions.iter().map(|row| row.0).collect();
    let starts: Vec<i64> = sessions.iter().map(|row| row.1).collect();
    let ends: Vec<i64> = sessions.iter().map(|row| row.2).collect();
    let sessions = Sessions::new(&keys, &starts, &ends).unwrap();
    let (event_keys, times): (Vec<u64>, Vec<i64>) = events.iter().copied().unzip();
    let events = Events::new(&event_keys, &times).unwrap();
    let index = Index::new(sessions, threads);
    let mut steps = Count(0);
    let mut pairs = Vec::new();
    index.for_each_counted(events, &mut |event, session| pairs.push((event, session)), &mut steps);
    pairs.sort_unstable();
    let mut folded = index.fold(events, threads, Vec::new, |all, event, session| all.push((event, session))).concat();
    folded.sort_unstable();
    assert_eq!(folded, pairs, "threads change nothing");
    assert_eq!(Tally::new(sessions).pairs(events), pairs.len() as u64);
    (pairs, steps.0, index)
}

/// All with all.
fn compared(sessions: &[Session], events: &[Event]) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    for ((key, time), event) in events.iter().zip(0..) {
        for ((of, start, end), session) in sessions.iter().zip(0..) {
            if of == key && start <= time && time <= end {
                pairs.push((event, session));
            }
        }
    }
    pairs
}

fn key() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4_u64, 1 => Just(u64::MAX), 1 => Just(1 << 63), 1 => any::<u64>()]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -20..20_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => any::<i64>()]
}

proptest! {
    #[test]
    fn it_finds_what_comparing_all_with_all_finds(
        sessions in prop::collection::vec((key(), time(), time()), 0..60),
        events in prop::collection::vec((key(), time()), 0..60),
    ) {
        let expected = compared(&sessions, &events);
        let (pairs, _, index) = joined(&sessions, &events, TWO);
        prop_assert_eq!(&pairs, &expected);
        let mut sorted = events.clone();
        sorted.sort_unstable();
        prop_assert_eq!(joined(&sessions, &sorted, TWO).0, compared(&sessions, &sorted), "sorted events are merged");
        for (event, (key, time)) in (0..).zip(events) {
            let of: Vec<u32> = expected.iter().filter(|pair| pair.0 == event).map(|pair| pair.1).collect();
            let mut at: Vec<u32> = index.at(key, time).collect();
            let latest = at.iter().copied().max_by_key(|id| (sessions[*id as usize].1, *id));
            prop_assert_eq!(index.latest_at(key, time), latest);
            at.sort_unstable();
            prop_assert_eq!(at, of);
        }
    }

    #[test]
    fn the_order_of_sessions_and_events_does_not_matter(
        sessions in prop::collection::vec((0..3_u64, 0..50_i64, 0..50_i64), 0..80).prop_flat_map(|all| {
            let places: Vec<usize> = (0..all.len()).collect();
            (Just(all), Just(places).prop_shuffle())
        }),
        events in prop::collection::vec((0..3_u64, 0..50_i64), 0..80),
    ) {
        let (all, places) = sessions;
        let shuffled: Vec<Session> = places.iter().map(|place| all[*place]).collect();
        let events: Vec<Event> = events;
        let reversed: Vec<Event> = events.iter().rev().copied().collect();
        let mut renamed: Vec<(u32, u32)> = joined(&shuffled, &reversed, ONE).0;
        for (event, session) in &mut renamed {
            *event = u32::try_from(events.len()).unwrap() - 1 - *event;
            *session = u32::try_from(places[*session as usize]).unwrap();
        }
        renamed.sort_unstable();
        prop_assert_eq!(renamed, joined(&all, &events, ONE).0);
    }
}

/// A number sequence without a pattern (the multiplier of Knuth's MMIX generator).
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 17
}

fn moment(number: u64, of: u64) -> i64 {
    i64::try_from(scattered(number) % of).unwrap()
}

/// 20 000 sessions and events of a shape: the join is right, and neither its memory nor its steps follow the shape.
fn bounded(name: &str, session: impl Fn(u64, i64) -> Session, event: impl Fn(u64) -> Event) {
    const ROWS: u64 = 20_000;
    let sessions: Vec<Session> = (0..ROWS).zip(0..).map(|(n, at)| session(n, at)).collect();
    let events: Vec<Event> = (0..ROWS).map(event).collect();
    let (pairs, steps, index) = joined(&sessions, &events, TWO);
    let rows = events.len();
    // A key and a window are found in 15 steps each; a list is at most twice what is found of it, or two.
    assert!(steps <= rows * (15 + 15 + 2) + 2 * pairs.len(), "{name}: {steps} steps for {} pairs", pairs.len());
    let size: usize = index.parts.iter().map(super::index::Part::size).sum();
    assert!(size <= 10 * sessions.len(), "{name}: {size} rows in the index");
    let mut sorted = events;
    sorted.sort_unstable();
    let (again, merged, _) = joined(&sessions, &sorted, ONE);
    assert_eq!(again.len(), pairs.len(), "{name}");
    assert!(merged <= steps + 2 * sessions.len(), "{name}: {merged} steps for sorted events, {steps} else");
}

#[test]
fn one_key_with_everything_costs_no_scan_of_the_key() {
    bounded("disjoint", |_, at| (7, 10 * at, 10 * at + 8), |n| (7, moment(n, 200_000)));
}

#[test]
fn a_session_over_everything_costs_its_own_pairs_only() {
    let session = |n, at| if n == 0 { (7, i64::MIN, i64::MAX) } else { (7, 10 * at, 10 * at + 3) };
    bounded("one over all", session, |n| (7, moment(n, 200_000)));
}

#[test]
fn long_and_short_sessions_in_turns_cost_what_overlaps() {
    let session = |n: u64, at| (7, 10 * at, 10 * at + if n.is_multiple_of(100) { 20_000 } else { 5 });
    bounded("mixed", session, |n| (7, moment(n, 220_000)));
}

#[test]
fn nested_sessions_cost_nothing_outside() {
    bounded("nested", |_, at| (7, at, 1_000_000 - at), |n| (7, 998_000 + moment(n, 40_000)));
}

#[test]
fn keys_that_crowd_in_one_bucket_are_searched_not_scanned() {
    let crowd = |n: u64| if n == 0 { u64::MAX } else { n };
    bounded("crowd", |n, _| (crowd(n), 0, 10), |n| (crowd(scattered(n) % 20_000), 5));
}

#[test]
fn sessions_of_one_moment_and_of_none_are_no_burden() {
    bounded("points", |n, at| (n % 2, at, at - i64::from(n.is_multiple_of(3))), |n| (n % 2, moment(n, 20_000)));
}

#[test]
fn many_sessions_at_once_are_counted_without_being_visited() {
    let rows = 100_000;
    let (keys, starts, ends) = (vec![1; rows], vec![i64::MIN; rows], vec![i64::MAX; rows]);
    let sessions = Sessions::new(&keys, &starts, &ends).unwrap();
    let times = vec![0; rows];
    assert_eq!(Tally::new(sessions).pairs(Events::new(&keys, &times).unwrap()), 10_000_000_000);
    let index = Index::new(sessions, TWO);
    assert_eq!((index.latest_at(1, i64::MAX), index.at(1, i64::MIN).next()), (Some(99_999), Some(0)));
}

#[test]
fn columns_of_different_lengths_are_refused() {
    assert_eq!(Sessions::new(&[1], &[1], &[]).unwrap_err(), JoinError::Lengths(1, 0));
    assert_eq!(Events::new(&[1], &[]).unwrap_err(), JoinError::Lengths(1, 0));
    let none = Events::new(&[], &[]).unwrap();
    assert!(none.is_empty());
    assert!(Index::new(Sessions::new(&[], &[], &[]).unwrap(), TWO).at(0, 0).next().is_none());
}

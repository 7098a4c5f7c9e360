//! Repetition, reconnects, and giving up.

use std::time::Duration;

use super::{Bench, MS, SEC, numbers, payloads};
use crate::{
    link::{Event, LinkConfig, LinkEnd, Phase},
    payload::MessageType,
};

/// Types one byte and sends it.
fn one_sent() -> Bench {
    let mut bench = Bench::released();
    bench.link.send_input(b"x");
    assert_eq!(numbers(&bench.messages()), [0]);
    bench
}

/// How long each of the next repetitions took, in milliseconds; other timers pass.
fn repetitions(bench: &mut Bench, count: usize) -> Vec<u128> {
    let mut waits = Vec::new();
    let mut waited = Duration::ZERO;
    while waits.len() < count {
        let (time, why) = bench.next_timeout().unwrap();
        waited += time;
        assert_eq!(numbers(&bench.messages()), vec![0; usize::from(why == "repeat")], "{why}");
        if why == "repeat" {
            waits.push(std::mem::take(&mut waited).as_millis());
        }
    }
    waits
}

#[test]
fn repetitions_become_rarer_up_to_a_cap() {
    let mut bench = one_sent();
    let waits = repetitions(&mut bench, 11);
    assert_eq!(waits, [200, 400, 800, 1000, 1000, 1000, 1000, 1000, 3000, 3000, 3000]);
    assert_eq!(bench.link.counters().resends, 11);
}

#[test]
fn repetitions_do_not_become_rarer_while_the_peer_is_paused() {
    let mut bench = one_sent();
    bench.hear_publication(MessageType::PausePublication);
    assert_eq!(repetitions(&mut bench, 6), [200; 6]);
}

#[test]
fn a_confirmation_teaches_the_round_trip() {
    let mut bench = one_sent();
    bench.wait(140 * MS);
    bench.acknowledge(0);
    assert_eq!(bench.link.shortest_round_trip(), Some(140 * MS));
    bench.link.send_input(b"y");
    bench.sent();
    assert_eq!(bench.next_timeout(), Some((145 * MS, "repeat")), "the check value of the official client");
}

#[test]
fn a_timeout_that_comes_early_does_nothing() {
    let mut bench = one_sent();
    bench.expire(199 * MS);
    assert_eq!(bench.messages(), []);
    bench.expire(MS);
    assert_eq!(numbers(&bench.messages()), [0]);
}

#[test]
fn a_stall_is_told_once_and_its_end_too() {
    let mut bench = one_sent();
    bench.expire((5 * SEC).saturating_sub(MS));
    assert_eq!(bench.events(), []);
    bench.expire(MS);
    assert_eq!(bench.events(), [Event::Stalled { since: 5 * SEC }]);
    bench.expire(10 * SEC);
    assert_eq!(bench.events(), []);
    bench.acknowledge(0);
    assert_eq!(bench.events(), [Event::Resumed]);
}

#[test]
fn silence_ends_the_link_at_its_limit() {
    let mut bench = one_sent();
    let limit = LinkConfig::default().give_up_after;
    bench.expire(limit.saturating_sub(MS));
    assert_eq!(bench.link.closed(), None);
    bench.expire(MS);
    assert_eq!(bench.link.closed(), Some(&LinkEnd::GaveUp { after: limit }));
    assert_eq!((bench.link.phase(), bench.messages()), (Phase::Closed, vec![]));
}

#[test]
fn output_counts_as_a_sign_of_life() {
    let mut bench = one_sent();
    let limit = LinkConfig::default().give_up_after;
    bench.expire(limit.saturating_sub(SEC));
    bench.hear_output(0, "still here");
    bench.expire(limit.saturating_sub(MS));
    assert_eq!(bench.link.closed(), None);
    bench.hear_output(0, "still here");
    bench.expire(MS);
    assert_eq!(bench.link.closed(), Some(&LinkEnd::GaveUp { after: limit }), "a repetition is no new output");
}

#[test]
fn a_link_without_a_connection_never_gives_up() {
    let mut bench = one_sent();
    let limit = LinkConfig::default().give_up_after;
    bench.expire(limit.saturating_sub(SEC));
    bench.disconnect();
    assert_eq!((bench.link.phase(), bench.link.poll_timeout()), (Phase::Connecting, None));
    bench.expire(100 * limit);
    assert_eq!((bench.messages(), bench.link.closed()), (vec![], None));
    bench.connect("second");
    bench.open_frame();
    bench.expire(limit.saturating_sub(MS));
    assert_eq!(bench.link.closed(), None, "the time away does not count");
    bench.expire(MS);
    assert_eq!(bench.link.closed(), Some(&LinkEnd::GaveUp { after: limit }));
}

#[test]
fn a_link_with_nothing_unconfirmed_never_gives_up() {
    let mut bench = one_sent();
    bench.acknowledge(0);
    bench.events();
    assert_eq!(bench.link.poll_timeout(), None);
    bench.expire(100 * LinkConfig::default().give_up_after);
    assert_eq!((bench.events(), bench.link.closed()), (vec![], None));
}

#[test]
fn every_connection_opens_with_its_own_token_and_the_same_client() {
    let mut bench = Bench::new(LinkConfig::default());
    assert_eq!(bench.link.phase(), Phase::Connecting);
    bench.connect("first");
    let first = bench.open_frame();
    assert_eq!(bench.link.phase(), Phase::Opened);
    bench.disconnect();
    bench.connect("second");
    let second = bench.open_frame();
    assert_eq!((first.token.as_str(), second.token.as_str()), ("first", "second"));
    assert_eq!(first.client_id, second.client_id);
    assert_ne!(first.request_id, second.request_id);
    assert_eq!(first.client_version.as_deref(), Some("1.2.896.0"));
    assert_eq!(bench.link.counters().reconnects, 1);
}

#[test]
fn an_open_that_was_not_sent_dies_with_its_connection() {
    let mut bench = Bench::new(LinkConfig::default());
    bench.connect("first");
    bench.disconnect();
    assert_eq!(bench.link.poll_transmit(bench.now()), None);
    bench.connect("second");
    assert_eq!(bench.open_frame().token.as_str(), "second");
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_reconnect_sends_everything_unconfirmed_again_before_new_input() {
    let mut bench = Bench::released();
    let mut before = Vec::new();
    for key in b"abcde" {
        bench.link.send_input(&[*key]);
        before.extend(bench.messages());
    }
    bench.acknowledge(1);
    bench.acknowledge(3);
    bench.hear_output(0, "confirmed on the next connection");
    bench.disconnect();
    assert_eq!(bench.link.send_input(b"typed meanwhile"), 15);
    assert_eq!(bench.sent(), []);
    bench.connect("second");
    bench.open_frame();
    let sent = bench.sent();
    assert_eq!(sent[0].message_type, MessageType::Acknowledge, "confirmations go first");
    assert_eq!(sent[1..4], [before[0].clone(), before[2].clone(), before[4].clone()], "the same bytes in order");
    assert_eq!((numbers(&sent[4..]), payloads(&sent[4..])), (vec![5], b"typed meanwhile".to_vec()));
    assert_eq!(sent.len(), 5);
    assert_eq!(bench.link.counters().resends, 3);
}

#[test]
fn frames_between_connections_are_not_heard() {
    let mut bench = one_sent();
    bench.disconnect();
    bench.hear_output(0, "late");
    bench.acknowledge(0);
    assert_eq!((bench.events(), bench.link.input_idle()), (vec![], false));
}

#[test]
fn a_reconnect_starts_the_waits_anew() {
    let mut bench = one_sent();
    repetitions(&mut bench, 6);
    bench.disconnect();
    bench.wait(20 * SEC);
    bench.connect("second");
    bench.open_frame();
    assert_eq!(numbers(&bench.messages()), [0]);
    assert_eq!(repetitions(&mut bench, 3), [200, 400, 800]);
}

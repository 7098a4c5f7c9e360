//! The gate before input, the window on it, and the size.

use super::{Bench, MS, kinds, numbers, payloads};
use crate::{
    link::{Event, LinkConfig},
    payload::{MessageType, PayloadType, Size},
};

#[test]
fn output_does_not_release_input() {
    let mut bench = Bench::opened(LinkConfig::default());
    assert_eq!(bench.link.send_input(b"ls\r"), 3);
    bench.hear_output(0, "$ ");
    assert_eq!(bench.messages(), [], "only release_input releases");
    bench.link.release_input(bench.now());
    let sent = bench.messages();
    assert_eq!((numbers(&sent), kinds(&sent)), (vec![0], vec![PayloadType::Output]));
    assert_eq!(payloads(&sent), b"ls\r");
}

#[test]
fn released_input_goes_although_the_agent_is_silent() {
    let mut bench = Bench::released();
    bench.link.send_input(b"x");
    assert_eq!(payloads(&bench.messages()), b"x", "a program that prints nothing first gets input too");
}

#[test]
fn a_size_waits_for_the_release_and_goes_before_input() {
    let mut bench = Bench::opened(LinkConfig::default());
    bench.link.send_input(b"x");
    bench.link.resize(80, 24);
    bench.link.resize(120, 40);
    assert_eq!(bench.messages(), []);
    bench.link.release_input(bench.now());
    let sent = bench.messages();
    assert_eq!(kinds(&sent), [PayloadType::Size, PayloadType::Output]);
    assert_eq!(Size::decode(&sent[0].payload), Ok(Size { cols: 120, rows: 40 }), "the last value wins");
    assert_eq!(bench.link.counters().sizes, 1);
}

#[test]
fn while_a_size_is_unconfirmed_the_last_value_waits() {
    let mut bench = Bench::released();
    bench.link.resize(80, 24);
    assert_eq!(kinds(&bench.messages()), [PayloadType::Size]);
    bench.link.resize(90, 24);
    bench.link.resize(100, 24);
    bench.link.send_input(b"x");
    assert_eq!(kinds(&bench.messages()), [PayloadType::Output], "input does not wait for the size");
    bench.acknowledge(1);
    assert_eq!(bench.messages(), [], "another message's confirmation is not the size's");
    bench.acknowledge(0);
    let sent = bench.messages();
    assert_eq!(kinds(&sent), [PayloadType::Size]);
    assert_eq!(Size::decode(&sent[0].payload), Ok(Size { cols: 100, rows: 24 }));
}

#[test]
fn a_zero_side_is_never_sent() {
    let mut bench = Bench::released();
    bench.link.resize(0, 24);
    bench.link.resize(80, 0);
    assert_eq!(bench.messages(), []);
    bench.link.resize(80, 24);
    bench.link.resize(0, 0);
    let sent = bench.messages();
    assert_eq!(Size::decode(&sent[0].payload), Ok(Size { cols: 80, rows: 24 }), "it does not displace a good value");
}

#[test]
fn the_window_opens_as_confirmations_come() {
    let mut bench = Bench::released();
    let typed = vec![b'x'; 20 * 1024];
    bench.link.send_input(&typed);
    let first = bench.messages();
    assert_eq!(payloads(&first).len(), LinkConfig::default().input_window_bytes);
    assert!(first.iter().all(|frame| frame.payload.len() == 1024), "input is cut as the official client cuts it");
    assert_eq!(bench.messages(), []);
    bench.wait(150 * MS);
    bench.acknowledge(2);
    assert_eq!(numbers(&bench.messages()).first(), Some(&8));
}

#[test]
fn many_short_messages_fill_the_window_too() {
    let config = LinkConfig { input_window_ceiling: 8 * 1024, ..LinkConfig::default() };
    let mut bench = Bench::opened(config);
    bench.link.release_input(bench.now());
    for key in 0..20 {
        bench.link.send_input(&[b'a' + key]);
        bench.sent();
    }
    assert_eq!(bench.link.counters().input_messages, 16);
    bench.acknowledge(0);
    assert_eq!(payloads(&bench.messages()), b"qrst", "what waited goes as one");
}

#[test]
fn our_own_bytes_go_before_queued_input_and_outside_the_window() {
    let mut bench = Bench::released();
    bench.link.send_input(&vec![b'x'; 9 * 1024]);
    assert_eq!(bench.messages().len(), 8);
    bench.link.send_control(b"\x04");
    let own = bench.messages();
    assert_eq!((payloads(&own), numbers(&own)), (vec![4], vec![8]));
    for number in 0..8 {
        bench.acknowledge(number);
    }
    assert_eq!(payloads(&bench.messages()), vec![b'x'; 1024]);
    assert_eq!((bench.link.counters().control_bytes, bench.link.counters().input_bytes), (1, 9 * 1024));
}

#[test]
fn our_own_bytes_wait_for_the_release() {
    let mut bench = Bench::opened(LinkConfig::default());
    bench.link.send_control(b"\x04");
    assert_eq!(bench.messages(), []);
    bench.link.release_input(bench.now());
    assert_eq!(payloads(&bench.messages()), [4]);
}

/// As a wrapper that is told to end does it.
#[test]
fn a_closed_input_drops_what_waits_and_still_says_our_own() {
    let mut bench = Bench::released();
    bench.link.send_input(&vec![b'x'; 9 * 1024]);
    bench.sent();
    assert_eq!(bench.link.interrupt().dropped, 1024);
    assert_eq!(bench.link.close_input(), 0);
    assert_eq!((bench.link.send_input(b"more"), bench.link.input_capacity()), (0, 0));
    bench.link.send_control(b"\x03\x04");
    assert_eq!(payloads(&bench.messages()), [3, 4]);
    let counters = bench.link.counters();
    assert_eq!(counters.input_bytes + counters.input_dropped, counters.input_typed);
}

#[test]
fn the_queue_takes_no_more_than_its_limit() {
    let mut bench = Bench::opened(LinkConfig { queue_limit: 10, ..LinkConfig::default() });
    assert_eq!(bench.link.send_input(b"0123456789abc"), 10);
    assert_eq!((bench.link.send_input(b"x"), bench.link.input_capacity()), (0, 0));
    bench.link.release_input(bench.now());
    assert_eq!(payloads(&bench.messages()), b"0123456789");
    assert_eq!(bench.link.input_capacity(), 10);
}

#[test]
fn a_paused_peer_loses_nothing() {
    let mut bench = Bench::released();
    bench.link.send_input(b"one");
    assert_eq!(payloads(&bench.messages()), b"one");
    bench.hear_publication(MessageType::PausePublication);
    bench.hear_publication(MessageType::PausePublication);
    assert_eq!(bench.events(), [Event::PeerPaused], "told once");
    assert!(bench.link.peer_paused());
    bench.link.send_input(b"two");
    bench.wait(50 * MS);
    assert_eq!(payloads(&bench.messages()), b"two");
    bench.wait(60 * MS);
    bench.hear_publication(MessageType::StartPublication);
    assert_eq!(bench.events(), [Event::PeerActive]);
    assert_eq!(numbers(&bench.messages()), [0], "what went out a tick ago goes again at once, the newer has its own timer");
    bench.wait(100 * MS);
    bench.hear_publication(MessageType::StartPublication);
    assert_eq!(numbers(&bench.messages()), [0, 1]);
    assert_eq!((bench.link.counters().pauses, bench.link.counters().resends), (1, 3));
}

#[test]
fn anything_from_the_agent_ends_a_pause() {
    for number in [0, 7] {
        let mut bench = Bench::released();
        bench.hear_publication(MessageType::PausePublication);
        if number == 0 {
            bench.hear_output(0, "$ ");
        } else {
            bench.acknowledge(number);
        }
        assert!(!bench.link.peer_paused());
        assert!(bench.events().contains(&Event::PeerActive));
    }
}

//! Frames that come twice, early, broken, or never.

use bytes::Bytes;

use super::{Bench, SEC, control, numbers, payloads, stream};
use crate::{
    frame::{FLAGS_SYN_FIN, FrameError, MAX_FRAME_LEN},
    link::{Event, LinkConfig, LinkEnd, Phase, incoming::MAX_ACKS_WAITING},
    payload::{Acknowledgement, MessageType, PayloadType},
    receiver::{MAX_EARLY_BYTES, MAX_EARLY_MESSAGES},
};

fn tampered(sequence: i64) -> Bytes {
    let mut bytes = stream(sequence, PayloadType::Output, "hello").encode().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

#[test]
fn a_confirmation_names_the_message() {
    let mut bench = Bench::opened(LinkConfig::default());
    let output = stream(0, PayloadType::Output, "hello");
    bench.hear(&output);
    assert!(!bench.link.all_output_acknowledged());
    let [ack] = bench.sent().try_into().unwrap();
    assert_eq!((ack.message_type, ack.sequence, ack.flags), (MessageType::Acknowledge, 0, FLAGS_SYN_FIN));
    let expected = Acknowledgement {
        acknowledged_message_type: MessageType::OutputStreamData,
        acknowledged_message_id: output.message_id,
        acknowledged_message_sequence_number: 0,
        is_sequential_message: true,
    };
    assert_eq!(Acknowledgement::decode(&ack.payload), Ok(expected));
    assert!(bench.link.all_output_acknowledged());
}

#[test]
fn a_duplicate_is_confirmed_again_and_shown_once() {
    let mut bench = Bench::opened(LinkConfig::default());
    for _ in 0..3 {
        bench.hear_output(0, "hello");
        assert_eq!(bench.confirmed(), [0]);
    }
    bench.hear_output(2, "!");
    bench.hear_output(2, "!");
    assert_eq!(bench.confirmed(), [2, 2], "an early one too");
    assert_eq!(bench.shown(), b"hello");
    let counters = bench.link.counters();
    assert_eq!((counters.duplicates, counters.reordered, counters.output_messages, counters.acks_sent), (3, 1, 1, 5));
}

#[test]
fn early_messages_are_confirmed_at_once_and_shown_in_turn() {
    let mut bench = Bench::opened(LinkConfig::default());
    bench.hear_output(2, "c");
    bench.hear_output(1, "b");
    assert_eq!(bench.confirmed(), [2, 1]);
    assert_eq!(bench.events(), []);
    assert!(!bench.link.all_output_acknowledged(), "something is missing before it");
    bench.hear_output(0, "a");
    assert_eq!(bench.shown(), b"abc");
    assert_eq!(bench.confirmed(), [0]);
    assert!(bench.link.all_output_acknowledged());
}

#[test]
fn a_message_beyond_the_reorder_window_is_as_if_it_never_came() {
    let mut bench = Bench::opened(LinkConfig::default());
    bench.hear_output(MAX_EARLY_MESSAGES, "last");
    bench.hear_output(MAX_EARLY_MESSAGES + 1, "beyond");
    bench.hear_output(i64::MAX, "far beyond");
    assert_eq!(bench.confirmed(), [MAX_EARLY_MESSAGES]);
    assert_eq!(bench.link.counters().beyond_window, 2);
    bench.hear_output(0, "first");
    bench.hear_output(MAX_EARLY_MESSAGES + 1, "beyond");
    assert_eq!(bench.confirmed(), [0, MAX_EARLY_MESSAGES + 1], "the window moves on");
}

#[test]
fn the_reorder_window_is_bounded_in_bytes() {
    let mut bench = Bench::opened(LinkConfig::default());
    let big = Bytes::from(vec![b'x'; 1024 * 1024 - 1024]);
    assert!(big.len() < MAX_FRAME_LEN);
    let fit = i64::try_from(MAX_EARLY_BYTES / big.len()).unwrap();
    for sequence in 1..=fit + 1 {
        bench.hear_output(sequence, big.clone());
    }
    assert_eq!(bench.confirmed(), (1..=fit).collect::<Vec<_>>());
    assert_eq!(bench.link.counters().beyond_window, 1);
    bench.hear_output(fit + 1, "short");
    assert_eq!(bench.confirmed(), [fit + 1], "a short one still fits");
    bench.hear_output(0, "");
    assert_eq!(bench.link.counters().output_bytes, fit.unsigned_abs() * big.len() as u64 + 5);
    bench.hear_output(fit + 3, big.clone());
    assert_eq!(bench.confirmed(), [0, fit + 3], "what was shown makes room");
}

#[test]
fn confirmations_that_cannot_leave_are_bounded() {
    let mut bench = Bench::opened(LinkConfig::default());
    for _ in 0..=MAX_ACKS_WAITING {
        bench.hear_output(0, "x");
    }
    assert_eq!(bench.link.counters().beyond_window, 1);
    assert_eq!(bench.confirmed().len(), MAX_ACKS_WAITING);
}

#[test]
fn a_damaged_message_is_not_confirmed_and_its_repetition_is() {
    let mut bench = Bench::opened(LinkConfig::default());
    bench.link.handle_binary(tampered(0), bench.now());
    assert_eq!((bench.confirmed(), bench.events()), (vec![], vec![]));
    bench.hear_output(0, "hello");
    assert_eq!((bench.confirmed(), bench.shown()), (vec![0], b"hello".to_vec()));
    assert_eq!((bench.link.counters().bad_digest, bench.link.counters().bad_frames), (1, 0));
}

#[test]
fn nothing_but_damage_ends_the_link() {
    let limit = LinkConfig::default().bad_digest_limit;
    let mut bench = Bench::opened(LinkConfig::default());
    for round in 0..limit {
        bench.hear_output(7, "an early one is no progress");
        assert_eq!(bench.link.closed(), None, "round {round}");
        bench.link.handle_binary(tampered(0), bench.now());
    }
    assert_eq!(bench.link.closed(), Some(&LinkEnd::BadDigests { in_a_row: limit }));
    assert_eq!(bench.events().last(), Some(&Event::Ended(LinkEnd::BadDigests { in_a_row: limit })));
}

#[test]
fn progress_forgives_damage() {
    let limit = LinkConfig::default().bad_digest_limit;
    let mut bench = Bench::opened(LinkConfig::default());
    for sequence in 0..3 {
        for _ in 0..limit - 1 {
            bench.link.handle_binary(tampered(sequence), bench.now());
        }
        bench.hear_output(sequence, "x");
    }
    assert_eq!((bench.shown(), bench.link.closed()), (b"xxx".to_vec(), None));
}

#[test]
fn garbage_and_nothing_else_ends_the_link() {
    let limit = LinkConfig::default().bad_frame_limit;
    let mut bench = Bench::opened(LinkConfig::default());
    for _ in 0..2 {
        for _ in 0..limit - 1 {
            bench.link.handle_binary(Bytes::from_static(b"garbage"), bench.now());
        }
        bench.hear_publication(MessageType::StartPublication);
    }
    for _ in 0..limit {
        assert_eq!(bench.link.closed(), None);
        bench.link.handle_text(Bytes::from_static(b"{}"), bench.now());
    }
    let end = LinkEnd::BadFrames { in_a_row: limit, last: FrameError::TooShort { len: 2 } };
    assert_eq!(bench.link.closed(), Some(&end));
    assert_eq!(bench.link.phase(), Phase::Closed);
    assert_eq!(bench.link.counters().bad_frames, u64::from(3 * limit - 2));
}

#[test]
fn a_text_frame_that_carries_a_message_is_that_message() {
    let mut bench = Bench::opened(LinkConfig::default());
    bench.link.handle_text(stream(0, PayloadType::Output, "hello").encode(), bench.now());
    assert_eq!((bench.shown(), bench.confirmed()), (b"hello".to_vec(), vec![0]));
}

#[test]
fn unknown_messages_are_counted_and_not_confirmed() {
    let mut bench = Bench::opened(LinkConfig::default());
    for message_type in [MessageType::Unknown("agent_job".into()), MessageType::AgentSessionState, MessageType::InputStreamData] {
        bench.hear(&control(message_type, Bytes::from_static(b"{}")));
    }
    assert_eq!((bench.confirmed(), bench.events(), bench.link.counters().ignored), (vec![], vec![], 3));
}

#[test]
fn only_what_was_sent_can_be_confirmed() {
    let mut bench = Bench::released();
    bench.link.send_input(b"x");
    for number in [0, 1, 5, i64::MAX, -1] {
        bench.acknowledge(number);
    }
    assert_eq!(numbers(&bench.messages()), [0], "it had no number yet");
    for number in [1, 5, i64::MAX, -1] {
        bench.acknowledge(number);
    }
    assert!(!bench.link.input_idle());
    assert_eq!(bench.link.shortest_round_trip(), None);
    bench.acknowledge(0);
    assert!(bench.link.input_idle());
    bench.link.send_input(b"y");
    assert_eq!(numbers(&bench.messages()), [1], "a forged confirmation took no number away");
}

#[test]
fn a_gap_before_the_last_word_is_counted() {
    let mut bench = Bench::opened(LinkConfig::default());
    bench.hear_output(0, "a");
    for (sequence, text) in [(9, "e"), (2, "b"), (3, "c")] {
        bench.hear_output(sequence, text);
    }
    bench.hear_closed("");
    let output = |text: &'static str| Event::Output(Bytes::from_static(text.as_bytes()));
    let closed = Event::ChannelClosed { output: String::new() };
    assert_eq!(bench.events(), [output("a"), output("b"), output("c"), output("e"), closed]);
    assert_eq!(bench.link.counters().output_lost, 6, "1 and 4 to 8");
    assert_eq!(bench.link.closed(), Some(&LinkEnd::ChannelClosed { output: String::new() }));
    assert_eq!(bench.confirmed(), [0, 9, 2, 3], "confirmations still leave");
}

#[test]
fn nothing_goes_on_after_the_last_word() {
    let mut bench = Bench::released();
    bench.link.send_input(&vec![b'x'; 9 * 1024]);
    bench.sent();
    bench.hear_closed("\n----------ERROR-------\nno");
    let output = "\n----------ERROR-------\nno".to_owned();
    assert_eq!(bench.events(), [Event::ChannelClosed { output }]);
    bench.hear_output(0, "late");
    bench.hear_closed("another");
    assert_eq!(bench.link.send_input(b"y"), 0);
    bench.expire(400 * SEC);
    assert_eq!((bench.link.poll_timeout(), bench.events(), payloads(&bench.messages())), (None, vec![], vec![]));
    assert!(matches!(bench.link.closed(), Some(LinkEnd::ChannelClosed { output }) if output.ends_with("no")));
}

#[test]
fn a_last_word_that_does_not_read_is_no_normal_end() {
    for (payload, output) in [("", "channel_closed without a payload"), ("{", "{"), ("[1]", "[1]")] {
        let mut bench = Bench::opened(LinkConfig::default());
        bench.hear(&control(MessageType::ChannelClosed, Bytes::from_static(payload.as_bytes())));
        assert_eq!(bench.link.closed(), Some(&LinkEnd::ChannelClosed { output: output.to_owned() }));
    }
}

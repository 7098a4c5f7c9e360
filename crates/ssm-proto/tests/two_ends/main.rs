//! Client and agent over a link that loses, doubles, reorders, delays and cuts, in virtual time: exactly the bytes that were
//! sent, both ways, or an end with a reason.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

mod keyboard;
mod plan;
mod scene;

use keyboard::{CLOSE, CTRL_C, OPEN, Typing, paste_is_open};
use plan::Plan;
use proptest::prelude::*;
use scene::Scene;
use std::time::Duration;

/// Bytes that show where something was lost or doubled.
fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 31 + at / 251 + usize::from(seed)) % 256).to_le_bytes()[0])
        .map(|byte| if byte == CTRL_C { 4 } else { byte })
        .collect()
}

fn run(plan: Plan) -> Scene {
    let mut scene = Scene::new(plan);
    scene.run();
    scene
}

#[track_caller]
fn everything_arrived(scene: &Scene) {
    assert_eq!(scene.end(), None, "the link gave up");
    assert!(
        scene.shown() == scene.plan().output,
        "shown {} of {} bytes of output",
        scene.shown().len(),
        scene.plan().output.len()
    );
    input_arrived(scene);
}

/// The typed bytes without what was reported as dropped, in order, each cut paste closed, and nothing else.
#[track_caller]
fn input_arrived(scene: &Scene) {
    let (counters, keyboard, delivered) = (scene.counters(), scene.keyboard(), scene.delivered());
    let expected = keyboard.expected();
    let differs = delivered.iter().zip(&expected.bytes).position(|(is, should)| is != should);
    assert!(
        delivered == expected.bytes,
        "delivered {} of {} bytes of input, different from {differs:?}",
        delivered.len(),
        expected.bytes.len()
    );
    if scene.plan().interrupts.is_empty() {
        assert!(delivered == scene.plan().input, "nothing was interrupted");
    }
    for (at, _) in delivered.iter().enumerate().filter(|(_, byte)| **byte == CTRL_C) {
        assert!(!paste_is_open(&delivered[..at]), "the interrupt at byte {at} is text of a paste");
    }
    assert_eq!(counters.input_typed, keyboard.typed().len() as u64);
    assert_eq!(counters.input_dropped, keyboard.dropped() as u64);
    assert_eq!(counters.input_bytes + counters.input_dropped, counters.input_typed, "delivered + dropped = typed");
    assert_eq!(counters.paste_closers, expected.closers as u64);
    assert_eq!(counters.paste_closer_bytes, (expected.closers * CLOSE.len()) as u64);
}

/// Bytes with a bracketed paste in every `period`, half as long.
fn pasted(length: usize, period: usize) -> Vec<u8> {
    let mut bytes = pattern(length, 1);
    for at in (0..length.saturating_sub(period)).step_by(period) {
        bytes[at..at + OPEN.len()].copy_from_slice(OPEN);
        bytes[at + period / 2..at + period / 2 + CLOSE.len()].copy_from_slice(CLOSE);
    }
    bytes
}

#[test]
fn a_clean_link_carries_both_ways() {
    let scene = run(Plan { input: pattern(10_000, 1), output: pattern(50_000, 2), ..Plan::default() });
    everything_arrived(&scene);
    assert_eq!(scene.counters().resends, 0, "nothing was lost, so nothing is to be sent again");
}

/// The official client freezes here: acknowledgements and frames in the broken connection are lost, the agent then repeats only
/// its oldest unacknowledged frame, and that client, which has shown it, never acknowledges it again.
#[test]
fn a_reconnect_under_output_does_not_freeze() {
    for cut in [4, 5, 7, 9] {
        let plan = Plan {
            input: pattern(500, 1),
            output: pattern(60_000, 2),
            latency: Duration::from_millis(3),
            cuts: vec![cut],
            ..Plan::default()
        };
        let scene = run(plan);
        everything_arrived(&scene);
        assert_eq!(scene.counters().reconnects, 1);
    }
}

#[test]
fn lost_acknowledgements_are_given_again_for_duplicates() {
    let scene = run(Plan { output: pattern(20_000, 2), lose_acks: 60, ..Plan::default() });
    everything_arrived(&scene);
    assert!(scene.counters().duplicates > 0, "the agent repeats what was not acknowledged");
}

#[test]
fn an_agent_that_misses_quick_acknowledgements_gets_them_again() {
    // One message, so that its acknowledgement is the first thing that the agent hears.
    let scene = run(Plan { output: pattern(500, 2), ack_race: true, ..Plan::default() });
    everything_arrived(&scene);
    assert!(scene.counters().duplicates > 0, "the race did not happen");
}

#[test]
fn an_encrypted_session_survives_cuts_with_its_keys() {
    for cut in [5, 20, 60, 150, 400] {
        let plan = Plan {
            input: pattern(3_000, 1),
            output: pattern(30_000, 2),
            encrypted: true,
            cuts: vec![cut, cut + 900],
            ..Plan::default()
        };
        everything_arrived(&run(plan));
    }
}

#[test]
fn half_a_minute_away_in_the_middle_of_megabytes_loses_nothing() {
    let plan = Plan {
        input: pattern(1_000_000, 1),
        output: pattern(5_000_000, 2),
        away: Duration::from_secs(30),
        cuts: vec![60, 30_120],
        ..Plan::default()
    };
    let scene = run(plan);
    everything_arrived(&scene);
    assert_eq!(scene.counters().reconnects, 2);
}

#[test]
fn a_peer_that_never_comes_back_is_a_reason_not_a_hang() {
    let scene = run(Plan { input: pattern(100, 1), output: pattern(100, 2), silent_from: Some(15), ..Plan::default() });
    assert!(matches!(scene.end(), Some(ssm_proto::LinkEnd::GaveUp { .. })), "{:?}", scene.end());
}

/// The property below would hold as well if an interrupt never met anything: here it does.
#[test]
fn interrupts_meet_half_sent_bursts_and_open_pastes() {
    const SCENES: u64 = 100;
    let (mut partial_drops, mut closers, mut torn) = (0, 0, 0);
    for seed in 1..=SCENES {
        let plan = Plan {
            seed: seed * 0x9e37_79b9,
            drop: 5,
            cuts: vec![700 * seed % 3_000],
            typing: Typing::Paced,
            interrupts: vec![3_000, 9_000, 15_000, 15_010, 21_000],
            fixed_window: seed % 2 == 0,
            input: pasted(24_000, 20 + 37 * usize::try_from(seed % 4).unwrap()),
            output: pattern(2_000, 2),
            ..Plan::default()
        };
        let scene = run(plan);
        everything_arrived(&scene);
        let expected = scene.keyboard().expected();
        partial_drops += expected.partial_drops;
        closers += expected.closers;
        torn += expected.kept_ends;
    }
    assert!(partial_drops >= 20, "{partial_drops} partial drops in {SCENES} scenes");
    assert!(closers >= 50, "{closers} closers in {SCENES} scenes");
    assert!(torn >= 5, "{torn} torn markers in {SCENES} scenes");
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_link_delivers_exactly(
        seed in any::<u64>(),
        (drop, duplicate, reorder, lose_acks) in (0u8..15, 0u8..15, 0u8..20, 0u8..20),
        latency in 0u64..60,
        cuts in proptest::collection::vec(1u64..6_000, 0..4),
        pauses in proptest::collection::vec(1u64..4_000, 0..3),
        (encrypted, ack_race, paced) in any::<(bool, bool, bool)>(),
        (input, output) in (0usize..12_000, 0usize..24_000),
    ) {
        let plan = Plan {
            seed, drop, duplicate, reorder, lose_acks, cuts, pauses, encrypted, ack_race,
            typing: if paced { Typing::Paced } else { Typing::AtOnce },
            latency: Duration::from_millis(latency),
            input: pattern(input, 1),
            output: pattern(output, 2),
            ..Plan::default()
        };
        everything_arrived(&run(plan));
    }

    #[test]
    fn with_interrupts_delivered_and_dropped_are_what_was_typed(
        seed in any::<u64>(),
        (drop, duplicate, reorder) in (0u8..10, 0u8..10, 0u8..10),
        latency in 0u64..60,
        cuts in proptest::collection::vec(1u64..6_000, 0..3),
        pauses in proptest::collection::vec(1u64..4_000, 0..2),
        (encrypted, fixed_window, at_once) in (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)),
        interrupts in proptest::collection::vec(0usize..40_000, 1..6),
        input in 4_000usize..40_000,
        period in prop_oneof![14usize..60, 60usize..4_000],
    ) {
        let plan = Plan {
            seed, drop, duplicate, reorder, cuts, pauses, interrupts, encrypted, fixed_window,
            typing: if at_once { Typing::AtOnce } else { Typing::Paced },
            latency: Duration::from_millis(latency),
            input: pasted(input, period),
            output: pattern(2_000, 2),
            ..Plan::default()
        };
        everything_arrived(&run(plan));
    }
}

//! Client and agent over a link that loses, doubles, reorders, delays and cuts, in virtual time: exactly the bytes that were
//! sent, both ways, or an end with a reason.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

mod scene;

use proptest::prelude::*;
use scene::{Plan, Scene};
use std::time::Duration;

/// Bytes that show where something was lost or doubled.
fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 31 + at / 251 + usize::from(seed)) % 256).to_le_bytes()[0])
        .map(|byte| if byte == 3 { 4 } else { byte })
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
    let counters = scene.counters();
    assert_eq!(counters.input_typed, scene.plan().input.len() as u64);
    assert_eq!(counters.input_bytes + counters.input_dropped, counters.input_typed, "delivered + dropped = typed");
    if scene.plan().interrupts.is_empty() {
        assert!(
            scene.delivered() == scene.plan().input,
            "delivered {} of {} bytes of input",
            scene.delivered().len(),
            scene.plan().input.len()
        );
    } else {
        let closers = usize::try_from(counters.paste_closer_bytes).unwrap();
        assert_eq!(scene.delivered().len(), usize::try_from(counters.input_bytes).unwrap() + closers + scene.interrupts_sent());
    }
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
fn a_peer_that_never_comes_back_is_a_reason_not_a_hang() {
    let scene = run(Plan { input: pattern(100, 1), output: pattern(100, 2), silent_from: Some(15), ..Plan::default() });
    assert!(matches!(scene.end(), Some(ssm_proto::LinkEnd::GaveUp { .. })), "{:?}", scene.end());
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
        (encrypted, ack_race) in any::<(bool, bool)>(),
        (input, output) in (0usize..12_000, 0usize..24_000),
    ) {
        let plan = Plan {
            seed, drop, duplicate, reorder, lose_acks, cuts, pauses, encrypted, ack_race,
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
        cuts in proptest::collection::vec(1u64..3_000, 0..3),
        interrupts in proptest::collection::vec(0usize..12_000, 1..4),
        input in 4_000usize..12_000,
        paste in any::<bool>(),
    ) {
        let mut bytes = pattern(input, 1);
        if paste {
            bytes.splice(100..106, *b"\x1b[200~");
        }
        let plan = Plan {
            seed, drop, duplicate, reorder, cuts, interrupts,
            latency: Duration::from_millis(latency),
            input: bytes,
            output: pattern(2_000, 2),
            ..Plan::default()
        };
        everything_arrived(&run(plan));
    }
}

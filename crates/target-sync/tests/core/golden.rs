//! The same input gives the same plan, byte for byte; and the stored form is what it was.

use crate::world::World;
use jiff::SignedDuration;
use std::path::Path;
use target_sync::plan::Plan;

#[test]
fn a_plan_is_the_same_whatever_the_order_in_which_things_were_seen() {
    let mut world = World::new();
    for n in 0..20 {
        world.start("prod-01", &format!("inv-{}", n % 7), if n % 2 == 0 { "alice" } else { "bob" });
    }
    let plan = world.plan();
    assert_eq!(plan.digest(), world.clone().plan().digest());
    let numbers: Vec<usize> = plan.steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, (1..=plan.steps.len()).collect::<Vec<_>>());
    let stored = serde_json::to_string_pretty(&plan).unwrap();
    let read: Plan = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.digest(), plan.digest());
}

/// A task that is replaced by another owner's: every kind of step, with its order and its words.
///
/// `UPDATE_GOLDEN=1 cargo test -p target-sync --test core golden` writes the file anew.
#[test]
fn the_plan_of_a_replacement_is_what_it_was() {
    let mut world = World::new();
    let first = world.start("prod-01", "inv-7", "alice");
    world.settle(5, &mut |_, _| {});
    world.stop(&first);
    world.pass(SignedDuration::from_mins(1));
    world.start("prod-01", "inv-7", "bob");
    let plan = format!("{}\n", serde_json::to_string_pretty(&world.plan()).unwrap());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core/golden/replacement.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &plan).unwrap();
    }
    assert_eq!(plan, std::fs::read_to_string(&file).unwrap_or_default(), "the plan has changed: read the difference as a review");
}

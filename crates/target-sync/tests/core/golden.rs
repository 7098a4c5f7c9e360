//! The same input gives the same plan, byte for byte; and the stored form is what it was.

use crate::world::World;
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

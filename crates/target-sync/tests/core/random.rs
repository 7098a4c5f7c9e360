//! Any history of tasks, people and accidents: within five rounds there is nothing left to do, and nobody was ever where he
//! does not belong.

use crate::judge::{at_any_time, at_rest, strangers};
use crate::world::World;
use investigation::TaskArn;
use jiff::SignedDuration;
use proptest::prelude::*;
use target_sync::facts::TargetFacts;

#[derive(Debug, Clone)]
enum Event {
    Start { investigation: u8, owner: bool },
    Stop(u8),
    Forget(u8),
    Open(u8),
    Pass(u16),
    Meddle(u8),
    DeleteByHand(u8),
    Cut(u8),
    ShortList(bool),
    Stranger(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u8..4, any::<bool>()).prop_map(|(investigation, owner)| Event::Start { investigation, owner }),
        3 => any::<u8>().prop_map(Event::Stop),
        1 => any::<u8>().prop_map(Event::Forget),
        3 => any::<u8>().prop_map(Event::Open),
        4 => (0u16..400).prop_map(Event::Pass),
        1 => any::<u8>().prop_map(Event::Meddle),
        1 => any::<u8>().prop_map(Event::DeleteByHand),
        2 => (0u8..12).prop_map(Event::Cut),
        1 => any::<bool>().prop_map(Event::ShortList),
        1 => (0u8..4).prop_map(Event::Stranger),
    ]
}

fn pick<'a, T>(items: impl Iterator<Item = &'a T>, at: u8) -> Option<&'a T> {
    let items: Vec<&T> = items.collect();
    if items.is_empty() { None } else { items.get(usize::from(at) % items.len()).copied() }
}

fn apply(world: &mut World, event: &Event) {
    match *event {
        Event::Start { investigation, owner } => {
            world.start("prod-01", &format!("inv-{investigation}"), if owner { "alice" } else { "bob" });
        }
        Event::Stop(at) => {
            if let Some(arn) = pick(world.tasks.keys(), at).cloned() {
                world.stop(&arn);
            }
        }
        Event::Forget(at) => {
            let dead: Vec<TaskArn> = world.tasks.values().filter(|task| task.is_dead()).map(|task| task.arn.clone()).collect();
            if let Some(arn) = pick(dead.iter(), at) {
                world.forget(arn);
            }
        }
        Event::Open(at) => {
            if let Some(id) = pick(world.boundary.targets.keys(), at).cloned() {
                let _ = world.open("u_alice", &id).or_else(|| world.open("u_bob", &id));
            }
        }
        Event::Pass(minutes) => world.pass(SignedDuration::from_mins(minutes.into())),
        Event::Meddle(at) => {
            if let Some(id) = pick(world.boundary.targets.keys(), at).cloned() {
                let target = world.boundary.targets.get_mut(&id).unwrap();
                target.version += 1;
                "127.0.0.1".clone_into(&mut target.address);
                target.session_max_seconds = 40_000;
            }
        }
        Event::DeleteByHand(at) => {
            let unused =
                |id: &&String| !world.sessions.iter().any(|session| session.target_id == **id && session.ends > world.now);
            let ids: Vec<String> = world.boundary.targets.keys().filter(unused).cloned().collect();
            if let Some(id) = pick(ids.iter(), at) {
                world.boundary.targets.remove(id);
                for alias in world.boundary.aliases.values_mut().filter(|alias| alias.destination_id == *id) {
                    alias.destination_id.clear();
                }
            }
        }
        Event::Cut(steps) => {
            let mut plan = world.plan();
            plan.steps.truncate(steps.into());
            world.carry_out(&plan, &mut |world, _| at_any_time(world));
        }
        Event::ShortList(short) => world.ecs_fails = short,
        Event::Stranger(at) => {
            let id = format!("ttcp_stranger{at}");
            let name = format!("somebody's {at}");
            world.boundary.targets.entry(id.clone()).or_insert(TargetFacts { id, name, version: 1, ..TargetFacts::default() });
        }
    }
}

proptest! {
    #[test]
    fn any_history_comes_to_rest(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        for event in &events {
            let before = strangers(&world);
            let meddled = matches!(event, Event::Stranger(_) | Event::DeleteByHand(_) | Event::Meddle(_));
            apply(&mut world, event);
            prop_assert!(meddled || strangers(&world) == before, "{event:?} touched what is not ours");
        }
        world.ecs_fails = false;
        let before = strangers(&world);
        world.settle(5, &mut |world, _| at_any_time(world));
        at_rest(&world);
        // Everything ends: after the graces nothing of ours is left, and nobody was cut.
        let arns: Vec<TaskArn> = world.tasks.keys().cloned().collect();
        for arn in arns {
            world.stop(&arn);
        }
        world.settle(5, &mut |world, _| at_any_time(world));
        world.pass(SignedDuration::from_mins(3));
        world.settle(5, &mut |world, _| at_any_time(world));
        world.pass(SignedDuration::from_hours(24));
        world.settle(5, &mut |world, _| at_any_time(world));
        prop_assert_eq!(strangers(&world), before);
        let left: Vec<_> = world.boundary.targets.values().filter(|target| target.description.contains("owner=sync-a")).collect();
        prop_assert!(left.is_empty() && world.boundary.roles.is_empty() && world.boundary.aliases.is_empty(), "{:#?}", world.boundary);
    }
}

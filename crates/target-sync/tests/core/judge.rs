//! Who may enter what, judged from the world alone: the rules of the product, not those of the program.

use crate::world::{Opened, World};
use std::collections::BTreeMap;
use target_sync::facts::{AliasFacts, RoleFacts, TargetFacts};

/// What must never change: everything that carries no marker of ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strangers {
    targets: BTreeMap<String, TargetFacts>,
    roles: BTreeMap<String, RoleFacts>,
    aliases: BTreeMap<String, AliasFacts>,
}

pub(crate) fn strangers(world: &World) -> Strangers {
    let foreign = |description: &str| !description.starts_with("ecs-exec-target/1 owner=sync-a ");
    let boundary = &world.boundary;
    Strangers {
        targets: boundary.targets.clone().into_iter().filter(|(_, target)| foreign(&target.description)).collect(),
        roles: boundary.roles.clone().into_iter().filter(|(_, role)| foreign(&role.description)).collect(),
        aliases: boundary.aliases.clone().into_iter().filter(|(_, alias)| foreign(&alias.description)).collect(),
    }
}

/// Holds after every single step: nobody but the task's owner may enter by our grants, an alias that leads somewhere leads
/// to what its investigation's owner may enter or to what nobody may, and no session was cut.
pub(crate) fn at_any_time(world: &World) {
    for user_id in world.boundary.users.keys() {
        for target in
            world.boundary.targets.values().filter(|target| target.description.starts_with("ecs-exec-target/1 owner=sync-a"))
        {
            if !world.may_open(user_id, &target.id) || is_broad(world, user_id) {
                continue;
            }
            let task = world.tasks.values().find(|task| target.description.contains(&format!("task={} ", task.arn)));
            let owner =
                task.and_then(|task| task.labels.tags.get("oidc_sub")).map(|sub| format!("u_{}", sub.trim_start_matches("sub-")));
            if let Some(owner) = owner {
                assert_eq!(*user_id, owner, "somebody else's target is open: {target:#?}");
            }
        }
    }
    if let Some(Opened { id, .. }) = world.sessions.iter().find(|session| session.cut) {
        panic!("the live session {id} was cut");
    }
}

fn is_broad(world: &World, user_id: &str) -> bool {
    world.boundary.roles.values().any(|role| role.principals.contains(user_id) && role.grants.contains("ids=*;type=*;actions=*"))
}

/// Holds once all is settled: each running task's owner enters it, and nobody enters an ended one.
pub(crate) fn at_rest(world: &World) {
    for task in world.tasks.values().filter(|task| task.labels.key().is_some()) {
        let target = world.target_of(&task.arn);
        if task.is_dead() {
            let open = target.is_some_and(|target| world.boundary.users.keys().any(|user| world.may_open(user, &target.id)));
            assert!(!open, "an ended task's target is open: {target:#?}");
            continue;
        }
        let target = target.unwrap_or_else(|| panic!("no target for {}", task.arn));
        let owner = format!("u_{}", task.labels.tags["oidc_sub"].trim_start_matches("sub-"));
        if world.boundary.users.contains_key(&owner) {
            assert!(world.may_open(&owner, &target.id), "{owner} cannot enter {target:#?}");
        }
        let leads = world.boundary.aliases.values().any(|alias| alias.destination_id == target.id);
        assert!(leads, "no alias leads to {target:#?}");
    }
}

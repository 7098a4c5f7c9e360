//! Each story that the plan must tell rightly, by name.

use crate::judge::{at_any_time, at_rest, strangers};
use crate::world::{ISSUER, METHOD, World};
use jiff::SignedDuration;
use target_sync::desire::desire;
use target_sync::facts::{AccountFacts, AliasFacts, RoleFacts, TargetFacts};
use target_sync::plan::{Action, HeldBy, Level, Reason};
use target_sync::rules::{OnActive, Policy};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn settled() -> World {
    let mut world = World::new();
    world.start("prod-01", "inv-7", "alice");
    settle(&mut world);
    world
}

fn settle(world: &mut World) {
    world.settle(5, &mut |world, _| at_any_time(world));
    at_rest(world);
}

fn codes(world: &World) -> Vec<String> {
    world.plan().notes.into_iter().filter(|note| note.level >= Level::Warning).map(|note| note.code).collect()
}

fn actions(world: &World) -> Vec<(Action, &'static str)> {
    world.plan().due(world.now).map(|step| (step.action, step.kind.word())).collect()
}

#[test]
fn a_new_task_is_entered_by_its_owner_under_its_alias() {
    let world = settled();
    let alias = world.alias("inv-7.prod-01").unwrap();
    assert!(world.may_open("u_alice", &alias.destination_id) && !world.may_open("u_bob", &alias.destination_id));
    let target = &world.boundary.targets[&alias.destination_id];
    assert_eq!((target.name.as_str(), target.address.as_str()), ("prod-01/inv-7", "ssmmessages.us-east-2.amazonaws.com"));
    assert_eq!((target.session_max_seconds, target.connection_limit), (7200, -1));
    assert!(world.plan().steps.is_empty(), "{:#?}", world.plan());
}

#[test]
fn an_ended_task_is_closed_at_once_and_deleted_when_no_session_can_live() {
    let mut world = settled();
    let arn = world.tasks.keys().next().unwrap().clone();
    let target_id = world.target_of(&arn).unwrap().id.clone();
    let session = world.open("u_alice", &target_id).unwrap();
    world.stop(&arn);
    settle(&mut world);
    assert!(world.boundary.targets[&target_id].egress_worker_filter.contains("quarantined"));
    assert!(world.boundary.roles.values().all(|role| role.principals.is_empty()) && world.boundary.aliases.is_empty());
    world.pass(SignedDuration::from_secs(7200) + MINUTE * 89);
    assert_eq!(world.round(&mut |_, _| {}), 0, "too early");
    world.pass(MINUTE);
    settle(&mut world);
    assert!(world.boundary.targets.is_empty() && world.boundary.roles.is_empty());
    assert!(!world.sessions.iter().any(|opened| opened.id == session && opened.cut));
}

#[test]
fn a_list_that_comes_back_short_changes_nothing() {
    let mut world = settled();
    world.start("prod-01", "inv-8", "bob");
    settle(&mut world);
    world.ecs_fails = true;
    assert!(world.plan().steps.is_empty(), "{:#?}", world.plan());
    assert!(codes(&world).contains(&"source_unread".to_owned()));
    let before = world.boundary.clone();
    world.tasks.clear();
    world.ecs_fails = false;
    assert!(world.plan().steps.is_empty(), "absence alone retires nothing");
    assert_eq!(before.targets, world.boundary.targets);
}

#[test]
fn a_task_that_ecs_has_forgotten_goes_after_two_looks() {
    let mut world = settled();
    let arn = world.tasks.keys().next().unwrap().clone();
    world.forget(&arn);
    assert_eq!(actions(&world), [(Action::MarkMissing, "target")]);
    world.round(&mut |_, _| {});
    world.pass(MINUTE);
    assert!(world.plan().steps.is_empty(), "one minute is too soon");
    world.pass(MINUTE);
    assert_eq!(actions(&world)[0], (Action::Quarantine, "target"));
    world.tasks = settled().tasks;
    world.forgotten.clear();
    settle(&mut world);
    assert!(!world.target_of(&arn).unwrap().description.contains("missing@"), "it was there after all");
}

#[test]
fn more_than_the_limit_is_held_back_unless_forced_and_the_dead_go_all_the_same() {
    let mut world = World::new();
    let arns: Vec<_> = (0..12).map(|n| world.start("prod-01", &format!("inv-{n}"), "alice")).collect();
    settle(&mut world);
    for arn in &arns[..4] {
        world.forget(arn);
    }
    world.stop(&arns[4]);
    world.round(&mut |_, _| {});
    world.pass(MINUTE * 3);
    let plan = world.plan();
    assert!(plan.is_limited());
    assert_eq!(plan.held.iter().filter(|held| held.by == HeldBy::Limit && held.action == Action::Quarantine).count(), 4);
    assert!(plan.due(world.now).next().is_none(), "the dead one went in the round before");
    world.rules.force = true;
    assert_eq!(world.plan().due(world.now).filter(|step| step.action == Action::Quarantine).count(), 4);
}

#[test]
fn a_replacing_task_takes_name_and_alias_before_the_old_one_is_closed() {
    let mut world = settled();
    let old = world.tasks.keys().next().unwrap().clone();
    let old_id = world.target_of(&old).unwrap().id.clone();
    world.stop(&old);
    world.pass(MINUTE);
    let new = world.start("prod-01", "inv-7", "bob");
    let mut order = Vec::new();
    let plan = world.plan();
    world.carry_out(&plan, &mut |world, step| {
        at_any_time(world);
        order.push((step.action, step.kind.word()));
        let alias = world.alias("inv-7.prod-01").unwrap();
        let leads_to_ready = alias.destination_id == old_id || world.may_open("u_bob", &alias.destination_id);
        assert!(leads_to_ready, "the alias leads to what is not ready, after {step:#?}");
    });
    let new_id = &world.target_of(&new).unwrap().id;
    assert_eq!(world.alias("inv-7.prod-01").unwrap().destination_id, *new_id);
    assert_eq!(world.boundary.targets[new_id].name, "prod-01/inv-7");
    assert!(world.boundary.targets[&old_id].name.starts_with("prod-01/inv-7 ~0000"));
    let moved = order.iter().position(|step| *step == (Action::Update, "alias")).unwrap();
    let closed = order.iter().position(|step| *step == (Action::Quarantine, "target")).unwrap();
    assert!(moved < closed);
    settle(&mut world);
}

#[test]
fn of_two_tasks_the_earlier_keeps_the_alias_and_the_later_inherits_it() {
    let mut world = settled();
    let first = world.tasks.keys().next().unwrap().clone();
    world.pass(MINUTE);
    let second = world.start("prod-01", "inv-7", "bob");
    settle(&mut world);
    let leads_to = |world: &World, value: &str| world.alias(value).map(|alias| alias.destination_id.clone());
    let id = |world: &World, arn| world.target_of(arn).unwrap().id.clone();
    assert_eq!(leads_to(&world, "inv-7.prod-01"), Some(id(&world, &first)));
    assert_eq!(world.boundary.aliases.len(), 2);
    assert!(world.plan().notes.iter().any(|note| note.text.contains("an earlier task")));
    world.stop(&first);
    settle(&mut world);
    assert_eq!(leads_to(&world, "inv-7.prod-01"), Some(id(&world, &second)));
    assert_eq!(world.target_of(&second).unwrap().name, "prod-01/inv-7");
    assert_eq!(world.boundary.aliases.len(), 1, "its own alias has gone");
}

#[test]
fn a_reopened_investigation_is_a_new_target_under_the_same_alias() {
    let mut world = settled();
    let old = world.tasks.keys().next().unwrap().clone();
    world.stop(&old);
    settle(&mut world);
    world.pass(MINUTE * 30);
    let new = world.start("prod-01", "inv-7", "alice");
    settle(&mut world);
    assert_eq!(world.boundary.targets.len(), 2);
    assert_eq!(world.alias("inv-7.prod-01").unwrap().destination_id, world.target_of(&new).unwrap().id);
}

#[test]
fn a_changed_owner_withdraws_and_alarms_and_nobody_comes_in() {
    let mut world = settled();
    let arn = world.tasks.keys().next().unwrap().clone();
    world.task(&arn).labels.tags.insert("oidc_sub".to_owned(), "sub-bob".to_owned());
    world.settle(5, &mut |_, _| {});
    let target_id = world.target_of(&arn).unwrap().id.clone();
    assert!(!world.may_open("u_alice", &target_id) && !world.may_open("u_bob", &target_id));
    assert!(codes(&world).contains(&"owner_changed".to_owned()), "the alarm stays");
    world.pass(SignedDuration::from_hours(48));
    assert_eq!(world.round(&mut |_, _| {}), 0, "while the task runs its target stays, closed");
}

#[test]
fn grants_changed_under_us_are_put_back() {
    let mut world = settled();
    let role = world.boundary.roles.values_mut().next().unwrap();
    role.version += 2;
    role.principals.insert("u_bob".to_owned());
    role.grants.insert("ids=*;type=*;actions=*".to_owned());
    world.settle(2, &mut |_, _| {});
    at_rest(&world);
    at_any_time(&world);
    let role = world.boundary.roles.values().next().unwrap();
    assert_eq!((role.principals.len(), role.grants.len()), (1, 3));
}

#[test]
fn what_was_deleted_by_hand_is_made_again() {
    let mut world = settled();
    let target_id = world.boundary.targets.pop_first().unwrap().0;
    for alias in world.boundary.aliases.values_mut().filter(|alias| alias.destination_id == target_id) {
        alias.destination_id.clear();
    }
    assert_eq!(world.plan().steps[0].reason, Reason::DeletedByHand);
    settle(&mut world);
}

#[test]
fn what_cannot_be_seen_is_not_made_a_second_time() {
    let mut world = settled();
    let mut snapshot = world.snapshot();
    snapshot.boundary.targets.clear();
    snapshot.boundary.gone.clear();
    let plan = target_sync::plan::plan(&snapshot, &desire(&snapshot, &world.rules), &world.rules, world.now);
    assert!(plan.steps.is_empty(), "{plan:#?}");
    assert!(plan.notes.iter().any(|note| note.code == "unseen"));
    world.recorded.clear();
    let target = world.boundary.targets.values_mut().next().unwrap();
    "somebody wrote this".clone_into(&mut target.description);
    assert!(codes(&world).contains(&"name_taken".to_owned()));
    assert!(!world.plan().steps.iter().any(|step| step.action == Action::Create));
}

#[test]
fn a_lost_marker_is_reported_and_not_replaced() {
    let mut world = settled();
    let target = world.boundary.targets.values_mut().next().unwrap();
    "a better text".clone_into(&mut target.description);
    let plan = world.plan();
    assert!(codes(&world).contains(&"marker_lost".to_owned()));
    assert!(!plan.steps.iter().any(|step| step.kind.word() == "target"), "{plan:#?}");
}

#[test]
fn strangers_keep_every_byte_also_where_they_stand_in_the_way() {
    let mut world = World::new();
    let target =
        TargetFacts { id: "ttcp_foreign".to_owned(), version: 3, name: "prod-01/inv-7".to_owned(), ..TargetFacts::default() };
    let alias =
        AliasFacts { id: "alt_foreign".to_owned(), version: 2, value: "inv-8.prod-01".to_owned(), ..AliasFacts::default() };
    let role = RoleFacts {
        id: "r_foreign".to_owned(),
        scope_id: "global".to_owned(),
        grant_scopes: ["descendants".to_owned()].into(),
        grants: ["ids=*;type=*;actions=*".to_owned()].into(),
        principals: ["u_root".to_owned()].into(),
        ..RoleFacts::default()
    };
    world.boundary.targets.insert(target.id.clone(), target);
    world.boundary.aliases.insert(alias.id.clone(), alias);
    world.boundary.roles.insert(role.id.clone(), role);
    let before = strangers(&world);
    world.start("prod-01", "inv-7", "alice");
    let reached = world.start("prod-01", "inv-8", "alice");
    world.settle(5, &mut |world, _| at_any_time(world));
    assert_eq!(strangers(&world), before);
    assert!(world.target_of(&reached).is_some(), "only the alias is taken");
    let codes = codes(&world);
    for code in ["name_taken", "alias_taken", "foreign_grant"] {
        assert!(codes.contains(&code.to_owned()), "{code} in {codes:?}");
    }
}

#[test]
fn a_short_list_of_accounts_takes_nothing_away_but_a_second_match_does() {
    let mut world = settled();
    let accounts = std::mem::take(&mut world.boundary.accounts);
    assert!(world.plan().steps.is_empty(), "{:#?}", world.plan());
    world.boundary.accounts = accounts;
    let twin = AccountFacts {
        id: "acctoidc_twin".to_owned(),
        auth_method_id: METHOD.to_owned(),
        issuer: ISSUER.to_owned(),
        subject: "sub-alice".to_owned(),
        ..AccountFacts::default()
    };
    world.boundary.accounts.push(twin);
    let plan = world.plan();
    assert_eq!((plan.steps[0].action, plan.steps[0].reason), (Action::Withdraw, Reason::MappingRefused));
}

#[test]
fn a_session_that_lives_when_its_target_is_due_defers_or_is_canceled() {
    let mut world = settled();
    let arn = world.tasks.keys().next().unwrap().clone();
    let target_id = world.target_of(&arn).unwrap().id.clone();
    world.open("u_alice", &target_id).unwrap();
    world.stop(&arn);
    settle(&mut world);
    world.pass(SignedDuration::from_hours(24));
    world.sessions[0].ends = world.now.checked_add(MINUTE).unwrap();
    let plan = world.plan();
    assert!(plan.steps.is_empty() && plan.held.iter().any(|held| held.by == HeldBy::LiveSession), "{plan:#?}");
    world.rules.on_active = OnActive::Cancel;
    assert_eq!(actions(&world), [(Action::Cancel, "session"), (Action::Delete, "role"), (Action::Delete, "target")]);
}

#[test]
fn policies_leave_out_what_they_forbid_with_all_that_rests_on_it() {
    let mut world = settled();
    let arn = world.tasks.keys().next().unwrap().clone();
    world.stop(&arn);
    world.pass(MINUTE);
    world.start("prod-01", "inv-7", "bob");
    world.start("prod-01", "inv-9", "bob");
    world.rules.policy = Policy::UpsertOnly;
    let plan = world.plan();
    assert!(plan.steps.iter().all(|step| !matches!(step.action, Action::Quarantine | Action::Withdraw | Action::Delete)));
    assert!(plan.steps.iter().any(|step| step.reason == Reason::Superseded));
    world.rules.policy = Policy::CreateOnly;
    let plan = world.plan();
    assert!(plan.steps.iter().all(|step| step.name.contains("inv-9") || step.name.starts_with("ecs-exec ")), "{plan:#?}");
    assert_eq!(plan.steps.len(), 5, "the whole of the one new task, and nothing of the one that would have to rename");
}

#[test]
fn late_tags_are_waited_for_and_lost_tags_close_nothing() {
    let mut world = World::new();
    let arn = world.start("prod-01", "inv-7", "alice");
    let tags = std::mem::take(&mut world.task(&arn).labels.tags);
    assert!(world.plan().steps.is_empty());
    let snapshot = world.snapshot();
    assert_eq!(desire(&snapshot, &world.rules).without[&arn].code(), "tags_pending");
    world.task(&arn).labels.tags = tags;
    settle(&mut world);
    world.task(&arn).labels.tags.clear();
    assert!(world.plan().steps.is_empty());
    assert!(codes(&world).contains(&"tags_gone".to_owned()));
}

#[test]
fn what_is_raised_by_hand_is_put_back_and_waited_for() {
    let mut world = settled();
    let target = world.boundary.targets.values_mut().next().unwrap();
    (target.session_max_seconds, target.version) = (604_800, 2);
    settle(&mut world);
    let target = world.boundary.targets.values().next().unwrap();
    assert_eq!(target.session_max_seconds, 7200);
    assert!(target.description.contains("max=604800"), "{}", target.description);
    let arn = world.tasks.keys().next().unwrap().clone();
    world.stop(&arn);
    settle(&mut world);
    world.pass(SignedDuration::from_hours(24 * 6));
    assert_eq!(world.round(&mut |_, _| {}), 0, "a session of a week may still live");
}

#[test]
fn a_run_that_was_cut_short_is_finished_by_the_next() {
    let mut whole = World::new();
    whole.start("prod-01", "inv-7", "alice");
    let steps = whole.plan().steps.len();
    for cut in 0..steps {
        let mut world = World::new();
        let arn = world.start("prod-01", "inv-7", "alice");
        let mut plan = world.plan();
        plan.steps.truncate(cut);
        world.carry_out(&plan, &mut |world, _| at_any_time(world));
        settle(&mut world);
        world.stop(&arn);
        let mut plan = world.plan();
        plan.steps.truncate(cut);
        world.carry_out(&plan, &mut |world, _| at_any_time(world));
        settle(&mut world);
    }
}

#[test]
fn what_another_keeper_has_marked_is_a_strangers() {
    let mut world = settled();
    for target in world.boundary.targets.values_mut() {
        target.description = target.description.replace("owner=sync-a", "owner=sync-b");
    }
    world.recorded.clear();
    let before = strangers(&world);
    let arn = world.tasks.keys().next().unwrap().clone();
    world.stop(&arn);
    world.settle(2, &mut |_, _| {});
    assert_eq!(strangers(&world).clone(), before);
    assert!(!world.boundary.targets.is_empty());
}

#[test]
fn a_cluster_that_is_not_active_says_nothing_of_its_tasks() {
    let mut world = settled();
    let arn = world.tasks.keys().next().unwrap().clone();
    world.forget(&arn);
    world.cluster_is_active = false;
    assert!(world.plan().steps.is_empty());
}

#[test]
fn a_limit_raised_just_before_the_end_is_waited_for() {
    let mut world = settled();
    world.boundary.targets.values_mut().next().unwrap().session_max_seconds = 604_800;
    let arn = world.tasks.keys().next().unwrap().clone();
    world.stop(&arn);
    let plan = world.plan();
    let deletion = plan.steps.iter().find(|step| step.action == Action::Delete && step.kind.word() == "target").unwrap();
    let wait = deletion.not_before.unwrap().duration_since(world.now);
    assert_eq!(wait, SignedDuration::from_secs(604_800) + MINUTE * 90);
}

#[test]
fn an_old_target_is_not_closed_while_the_alias_has_not_moved() {
    let mut world = settled();
    let old = world.tasks.keys().next().unwrap().clone();
    world.stop(&old);
    world.start("prod-01", "inv-7", "bob");
    let plan = world.plan();
    let number =
        |action, kind: &str| plan.steps.iter().find(|step| step.action == action && step.kind.word() == kind).unwrap().number;
    let closed = &plan.steps[number(Action::Quarantine, "target") - 1];
    assert!(closed.after.contains(&number(Action::Update, "alias")), "{closed:#?}");
}

/// A second instance, with its own look at the same world, does everything that it planned in the middle of the first one's
/// run; before each step once.
#[test]
fn a_second_instance_in_the_middle_of_a_run_does_no_harm() {
    let stories: [fn(&mut World); 3] = [
        |world| drop(world.start("prod-01", "inv-7", "alice")),
        |world| {
            let arn = world.start("prod-01", "inv-7", "alice");
            settle(world);
            world.stop(&arn);
        },
        |world| {
            let arn = world.start("prod-01", "inv-7", "alice");
            settle(world);
            world.stop(&arn);
            world.pass(MINUTE);
            world.start("prod-01", "inv-7", "bob");
        },
    ];
    for story in stories {
        let mut told = World::new();
        story(&mut told);
        for at in 1..=told.plan().steps.len() {
            let mut world = told.clone();
            let (first, second) = (world.plan(), world.plan());
            let recorded = world.recorded.clone();
            world.carry_out_disturbed(&first, &mut |world, number| {
                if number == at {
                    world.carry_out_disturbed(&second, &mut |world, _| at_any_time(world));
                }
                at_any_time(world);
            });
            // Each has its own records; neither knows what the other made.
            world.recorded = recorded;
            settle(&mut world);
            assert!(world.boundary.targets.len() <= 2 && world.boundary.aliases.len() <= 1, "{:#?}", world.boundary);
        }
    }
}

#[test]
fn a_target_that_a_person_retired_goes_in_its_time_although_no_source_covers_it() {
    let mut world = settled();
    let arn = world.tasks.keys().next().unwrap().clone();
    let id = world.target_of(&arn).unwrap().id.clone();
    let asked = |world: &World| {
        let mut snapshot = world.snapshot();
        snapshot.sources.clear();
        (target_sync::plan::retire_asked(&snapshot, &world.rules, world.now, &id), snapshot)
    };
    let alive = target_sync::plan::retire_asked(&world.snapshot(), &world.rules, world.now, &id);
    assert_eq!(alive, Err(target_sync::plan::NotRetired::Alive));
    let (plan, _) = asked(&world);
    world.carry_out(&plan.unwrap(), &mut |_, _| {});
    assert!(!world.may_open("u_alice", &id));
    world.pass(SignedDuration::from_hours(12));
    let (again, snapshot) = asked(&world);
    assert_eq!(again, Err(target_sync::plan::NotRetired::Quarantined));
    let plan = target_sync::plan::plan(&snapshot, &desire(&snapshot, &world.rules), &world.rules, world.now);
    let deleted: Vec<_> = plan.due(world.now).map(|step| (step.action, step.kind.word())).collect();
    assert_eq!(deleted, [(Action::Delete, "role"), (Action::Delete, "target")]);
}

//! The bad days: lost answers, refusals, bursts, a controller that goes away. Nothing may be lost, opened or cut by them.

use crate::harness::{GRANTS, Setting, text};
use crate::judge::{at_rest, strangers};
use lab::PROJECT_ID;
use serde_json::json;
use std::process::Stdio;

/// Whatever happens at any single write, the next runs put it right, and nobody is let in meanwhile who should not be.
#[test]
fn every_write_may_be_cut_or_lose_its_answer() {
    let writes = {
        let setting = Setting::new();
        let before = setting.world.boundary().write_count();
        setting.settle(3);
        setting.world.boundary().write_count() - before
    };
    for n in 1..=u32::try_from(writes).unwrap() {
        for lost in [true, false] {
            let setting = Setting::new();
            let before = strangers(&setting);
            if lost {
                setting.world.boundary().lose_answer_of_write(n);
            } else {
                setting.world.boundary().cut_write(n);
            }
            let ran = setting.run(&["apply"]);
            assert!([0, 1, 3].contains(&ran.code), "{ran:?}");
            setting.world.boundary().clear_faults();
            setting.settle(4);
            at_rest(&setting, &[&setting.world.tasks()[0]], &[]);
            assert_eq!(strangers(&setting), before, "write {n}, lost: {lost}");
            assert_eq!(setting.all("targets").len(), 1, "write {n}, lost: {lost}");
        }
    }
}

#[test]
fn a_retirement_may_be_cut_anywhere() {
    for n in 1..=5 {
        let setting = Setting::new();
        setting.settle(3);
        let task = setting.world.tasks().remove(0);
        setting.world.stop_task(&task.task_id, "done");
        setting.world.boundary().lose_answer_of_write(n);
        setting.run(&["apply"]);
        setting.world.boundary().clear_faults();
        setting.settle(4);
        at_rest(&setting, &[], &[&task]);
        assert!(setting.all("aliases").is_empty());
    }
}

#[test]
fn a_second_instance_that_does_the_same_does_no_harm() {
    let setting = Setting::new();
    let mut second = setting.command(&["apply"]);
    second.env("TARGET_SYNC_STATE_DIR", setting.folder.path().join("second")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut second = second.spawn().unwrap();
    let first = setting.run(&["apply"]);
    second.wait().unwrap();
    assert!([0, 3].contains(&first.code), "{first:?}");
    setting.settle(4);
    at_rest(&setting, &[&setting.world.tasks()[0]], &[]);
    assert_eq!((setting.all("targets").len(), setting.all("aliases").len()), (1, 1));
}

#[test]
fn bursts_of_429_and_503_are_waited_out() {
    let setting = Setting::new();
    setting.world.boundary().limit_rate(2, 1);
    setting.world.boundary().be_unavailable(1, Some(1));
    setting.settle(4);
    at_rest(&setting, &[&setting.world.tasks()[0]], &[]);
}

#[test]
fn a_controller_that_is_away_is_told_and_nothing_is_lost() {
    let setting = Setting::new();
    setting.settle(2);
    setting.world.boundary().go_away();
    let ran = setting.run(&["apply"]);
    assert!(ran.code == 1 && ran.err.contains("controller"), "{ran:?}");
    setting.world.boundary().come_back();
    setting.settle(2);
    at_rest(&setting, &[&setting.world.tasks()[0]], &[]);
}

#[test]
fn strangers_in_the_way_keep_every_byte() {
    let setting = Setting::new();
    setting.world.boundary().add_target(lab::BoundaryTarget {
        id: "ttcp_stranger01".to_owned(),
        name: "rosa-prod-01/inv-123".to_owned(),
        aliases: vec!["inv-9.rosa-prod-01".to_owned()],
        ..lab::BoundaryTarget::default()
    });
    let before = strangers(&setting);
    let other = setting.start("inv-9", "bob");
    for _ in 0..3 {
        assert_eq!(setting.run(&["apply"]).code, 0);
    }
    assert_eq!(strangers(&setting), before);
    let orphans = setting.run(&["orphans"]).out;
    assert!(orphans.contains("not ours") && orphans.contains("alias `inv-9.rosa-prod-01`"), "{orphans}");
    assert!(setting.target_of(&other).is_some());
}

#[test]
fn another_sync_that_keeps_the_name_is_a_conflict_of_owners() {
    let setting = Setting::new();
    let arn = setting.world.tasks()[0].task_arn();
    setting.world.boundary().add_target(lab::BoundaryTarget {
        id: "ttcp_othersync1".to_owned(),
        name: "rosa-prod-01/inv-123".to_owned(),
        description: format!("ecs-exec-target/1 owner=sync-b task={arn} container=rosa-boundary state=live"),
        aliases: Vec::new(),
        ..lab::BoundaryTarget::default()
    });
    let ran = setting.run(&["apply"]);
    assert!(ran.code == 5 && ran.out.contains("sync-b"), "{ran:?}");
}

#[test]
fn a_source_that_cannot_be_read_is_told_and_its_targets_stay() {
    let setting = Setting::new();
    setting.settle(2);
    let before = setting.all("targets");
    setting.world.deny(&["ecs:ListTasks", "ecs:DescribeTasks"]);
    let ran = setting.run(&["apply"]);
    assert!(ran.code == 3 && ran.out.contains("ecs:ListTasks"), "{ran:?}");
    assert_eq!(setting.all("targets"), before);
}

#[test]
fn a_renamed_user_keeps_his_way_in() {
    let setting = Setting::new();
    setting.settle(2);
    let writes = setting.world.boundary().write_count();
    let alice = setting.user_id("alice");
    setting.world.boundary().interfere(&alice, &json!({ "name": "alice-married" }));
    setting.settle(2);
    assert_eq!(setting.world.boundary().write_count(), writes);
    let target = text(&setting.target_of(&setting.world.tasks()[0]).unwrap(), "id");
    assert!(setting.world.boundary().may_authorize(&alice, &target));
}

/// The run works with its grants, and fails clearly with one less; with fewer rights nothing is taken away.
#[test]
fn each_grant_is_needed_and_named_when_it_is_missing() {
    for (missing, (grant, _)) in GRANTS.iter().enumerate() {
        let whole = Setting::new();
        whole.settle(2);
        let rest: Vec<&str> = GRANTS.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, (grant, _))| *grant).collect();
        let setting = Setting::with_grants(&rest);
        let ran = setting.run(&["apply"]);
        let kind = grant.split("type=").nth(1).unwrap().split(';').next().unwrap();
        let told = format!("{}{}", ran.out, ran.err);
        assert!(told.contains(&format!("type={kind};")) || told.contains("sessions"), "without {kind}: {ran:?}");
    }
}

#[test]
fn rights_lost_on_the_way_delete_nothing() {
    let setting = Setting::new();
    setting.settle(2);
    let task = setting.world.tasks().remove(0);
    let before = setting.all("targets");
    setting.world.boundary().interfere(
        &setting.sync.role_id,
        &json!({ "grant_strings": GRANTS.iter().skip(1).map(|(grant, _)| *grant).chain(["ids=*;type=target;actions=list"]).collect::<Vec<_>>() }),
    );
    for _ in 0..3 {
        setting.run(&["apply"]);
    }
    assert_eq!(setting.all("targets"), before);
    at_rest(&setting, &[&task], &[]);
    assert_eq!(text(&before[0], "scope_id"), PROJECT_ID);
}

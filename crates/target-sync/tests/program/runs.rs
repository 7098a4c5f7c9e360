//! The ordinary days: plan, apply, replace, close, reopen, repair.

use crate::harness::{Ran, Setting, text};
use crate::judge::{at_rest, strangers};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_first_run_lets_the_owner_in_and_a_second_one_only_looks() {
    let setting = Setting::new();
    let before = strangers(&setting);
    let planned = setting.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(planned.code, 2, "{planned:?}");
    assert!(planned.out.contains("create target") && planned.out.contains("inv-123.rosa-prod-01"), "{}", planned.out);
    assert!(setting.all("targets").is_empty(), "a plan changes nothing");
    setting.settle(2);
    let tasks = setting.world.tasks();
    at_rest(&setting, &[&tasks[0]], &[]);
    assert_eq!(strangers(&setting), before);
    let writes = setting.world.boundary().write_count();
    let counts = setting.world.boundary().request_counts();
    let ran = setting.run(&["apply", "-o", "json"]);
    assert_eq!((ran.code, &ran.json()["done"]), (0, &json!(0)));
    assert_eq!(setting.world.boundary().write_count(), writes, "nothing is written");
    let made: u64 = setting.world.boundary().request_counts().values().sum::<u64>() - counts.values().sum::<u64>();
    assert!(made <= 9, "a run without changes makes a bounded number of requests, not {made}");
    assert_eq!(setting.run(&["plan", "--detailed-exitcode"]).code, 0);
}

#[test]
fn intents_stand_before_outcomes_and_snapshots_are_written_once() {
    let setting = Setting::new();
    setting.settle(2);
    setting.settle(2);
    let kinds: Vec<String> = setting.journal().iter().map(|line| text(line, "kind")).collect();
    let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
    assert_eq!((count("sync_intent"), count("sync_outcome")), (5, 5), "{kinds:?}");
    assert_eq!((count("sync_task"), count("sync_user")), (1, 1), "{kinds:?}");
    let first = setting.journal().into_iter().find(|line| line["kind"] == "sync_intent").unwrap();
    assert_eq!((text(&first, "action"), text(&first, "object")), ("create".to_owned(), "target".to_owned()));
    let bytes = std::fs::read(setting.folder.path().join("state/sync.jsonl")).unwrap();
    let verified = audit_record::verify::<audit_record::SyncLine>(&bytes).unwrap();
    assert!(verified.torn_lines.is_empty());
}

#[test]
fn a_task_is_replaced_closed_and_reopened_under_one_alias() {
    let setting = Setting::new();
    setting.settle(2);
    let first = setting.world.tasks().remove(0);
    setting.world.stop_task(&first.task_id, "done");
    let second = setting.start("inv-123", "bob");
    setting.settle(3);
    at_rest(&setting, &[&second], &[&first]);
    let alias = || text(&setting.alias("inv-123.rosa-prod-01").unwrap(), "destination_id");
    assert_eq!(alias(), text(&setting.target_of(&second).unwrap(), "id"));
    setting.world.stop_task(&second.task_id, "done");
    setting.settle(3);
    at_rest(&setting, &[], &[&first, &second]);
    let third = setting.start("inv-123", "alice");
    setting.settle(3);
    at_rest(&setting, &[&third], &[&first, &second]);
    assert_eq!(alias(), text(&setting.target_of(&third).unwrap(), "id"));
}

#[test]
fn a_quarantine_refuses_new_sessions_and_leaves_a_live_one_alone() {
    let setting = Setting::new();
    setting.settle(2);
    let task = setting.world.tasks().remove(0);
    let target = text(&setting.target_of(&task).unwrap(), "id");
    setting.world.boundary().authorize(&target).unwrap();
    let session = setting.world.boundary().session_ids().pop().unwrap();
    setting.world.stop_task(&task.task_id, "done");
    setting.settle(3);
    assert_eq!(setting.world.boundary().status(&session), Some(lab::BoundaryStatus::Pending));
    assert!(!setting.world.boundary().may_authorize(&setting.user_id("alice"), &target));
}

#[test]
fn what_was_changed_or_deleted_by_hand_is_put_right() {
    let setting = Setting::new();
    setting.settle(2);
    let task = setting.world.tasks().remove(0);
    let target = text(&setting.target_of(&task).unwrap(), "id");
    setting.world.boundary().interfere(&target, &json!({ "address": "127.0.0.1", "session_max_seconds": 60 }));
    let role = setting.all("roles").into_iter().find(|role| text(role, "name").starts_with("ecs-exec ")).unwrap();
    setting.world.boundary().interfere(&text(&role, "id"), &json!({ "grant_strings": ["ids=*;type=*;actions=*"] }));
    setting.settle(3);
    at_rest(&setting, &[&task], &[]);
    setting.world.boundary().delete(&target);
    setting.settle(3);
    at_rest(&setting, &[&task], &[]);
    assert_ne!(text(&setting.target_of(&task).unwrap(), "id"), target);
}

#[test]
fn a_reviewed_plan_is_carried_out_as_it_is_and_refuses_what_has_moved() {
    let setting = Setting::new();
    let file = setting.folder.path().join("plan.json");
    let out = file.to_str().unwrap();
    assert_eq!(setting.run(&["plan", "--out", out]).code, 0);
    assert_eq!(setting.run(&["apply", "--plan", out]).code, 0);
    at_rest(&setting, &[&setting.world.tasks()[0]], &[]);
    let again = setting.run(&["apply", "--plan", out]);
    assert_eq!(again.code, 3, "{again:?}");
    assert_eq!(setting.all("targets").len(), 1);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("rosa-prod-01/inv-123", "rosa-prod-01/inv-124")).unwrap();
    let forged = setting.run(&["apply", "--plan", out]);
    assert!(forged.code == 1 && forged.err.contains("changed after it was written"), "{forged:?}");
}

#[test]
fn explain_says_why_and_who() {
    let setting = Setting::new();
    setting.settle(2);
    let task = setting.world.tasks().remove(0);
    let ran = setting.run(&["explain", &task.task_id[..8], "-o", "json"]);
    let account = ran.json();
    assert_eq!(account["owner"]["user_id"], setting.user_id("alice").as_str());
    assert_eq!(account["targets"][0]["state"], "live");
    let shown = setting.run(&["explain", &task.task_arn()]);
    assert!(shown.out.contains("inv-123.rosa-prod-01") && shown.out.contains("granted"), "{}", shown.out);
    assert_eq!(setting.run(&["explain", "ffff"]).code, 1);
}

#[test]
fn upsert_takes_the_arn_and_nothing_else() {
    let setting = Setting::new();
    let other = setting.start("inv-7", "bob");
    let file = setting.folder.path().join("task.json");
    let input = json!({ "task_arn": other.task_arn(), "cluster_id": "elsewhere", "owner": "alice", "ecs_cluster": "x" });
    std::fs::write(&file, input.to_string()).unwrap();
    let ran = setting.run(&["upsert", "--from-json", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    at_rest(&setting, &[&other], &[]);
    assert_eq!(setting.all("targets").len(), 1, "only that one");
}

#[test]
fn a_lost_marker_is_reported_and_adopted() {
    let setting = Setting::new();
    setting.settle(2);
    let task = setting.world.tasks().remove(0);
    let target = text(&setting.target_of(&task).unwrap(), "id");
    setting.world.boundary().interfere(&target, &json!({ "description": "somebody's text" }));
    let orphans = setting.run(&["orphans"]);
    assert!(orphans.out.contains("marker is gone") && orphans.out.contains(&target), "{orphans:?}");
    setting.settle(2);
    assert_eq!(setting.all("targets").len(), 1, "it is not made a second time");
    assert_eq!(setting.run(&["adopt", &target]).code, 0);
    assert!(setting.target_of(&task).is_none(), "without --yes it is only shown");
    assert_eq!(setting.run(&["adopt", &target, "--yes"]).code, 0);
    setting.settle(2);
    at_rest(&setting, &[&task], &[]);
}

#[test]
fn two_runs_do_not_meet() {
    let setting = Setting::new();
    std::fs::create_dir_all(setting.folder.path().join("state")).unwrap();
    let lock = std::fs::File::create(setting.folder.path().join("state/lock")).unwrap();
    lock.lock().unwrap();
    let ran = setting.run(&["apply"]);
    assert!(ran.code == 5 && ran.err.contains("another target-sync"), "{ran:?}");
}

#[test]
fn the_daemon_serves_metrics_and_stops_at_once() {
    let setting = Setting::new();
    let mut child = setting
        .command_with("", &["run", "--interval", "5s", "--listen", "127.0.0.1:0", "-v", "--log-format", "json"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    let until = |what: &str| loop {
        let line = receiver.recv_timeout(Duration::from_mins(1)).unwrap_or_else(|_| panic!("no {what}"));
        if line.contains(what) {
            break serde_json::from_str::<serde_json::Value>(&line).unwrap();
        }
    };
    let address = until("listening")["fields"]["address"].as_str().unwrap().to_owned();
    until("run_done");
    let get = |path: &str| {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let metrics = get("/metrics");
    assert!(
        metrics.contains("target_sync_targets{state=\"live\"}") && metrics.contains("target_sync_steps_done_total 5"),
        "{metrics}"
    );
    assert!(get("/readyz").starts_with("HTTP/1.1 200") && get("/healthz").starts_with("HTTP/1.1 200"));
    // The second run refreshes its lists: what changed meanwhile is seen all the same.
    let task = setting.world.tasks().remove(0);
    let target = text(&setting.target_of(&task).unwrap(), "id");
    setting.world.boundary().interfere(&target, &json!({ "address": "127.0.0.1" }));
    let other = setting.start("inv-8", "bob");
    until("run_done");
    assert_ne!(text(&setting.target_of(&task).unwrap(), "address"), "127.0.0.1");
    at_rest(&setting, &[&task, &other], &[]);
    // Between two runs others may have the store; a second daemon may not.
    let third = setting.start("inv-9", "alice");
    let file = setting.folder.path().join("task.json");
    std::fs::write(&file, json!({ "task_arn": third.task_arn() }).to_string()).unwrap();
    let ran = setting.run(&["upsert", "--from-json", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(setting.run(&["run", "--interval", "5s"]).code, 5);
    nix_kill(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_daemon_that_is_stopped_in_a_run_begins_nothing_more_and_leaves_nothing_open() {
    let setting = Setting::new();
    (0..30).for_each(|n| drop(setting.start(&format!("inv-{n}"), "bob")));
    setting.world.boundary().set_latency(Duration::from_millis(20));
    let arguments = ["run", "--interval", "5s", "--concurrency", "1", "-v", "--log-format", "json"];
    let mut child = setting.command(&arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    for line in lines.map_while(Result::ok) {
        if line.contains("a step has ended") {
            nix_kill(child.id());
            break;
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let count = |kind: &str| setting.journal().iter().filter(|line| line["kind"] == kind).count();
    assert!(count("sync_intent") < 100, "{} of 155 steps were begun", count("sync_intent"));
    assert_eq!(count("sync_intent"), count("sync_outcome"));
    setting.world.boundary().set_latency(Duration::ZERO);
    setting.settle(3);
    assert_eq!(setting.all("targets").len(), 31);
}

fn nix_kill(pid: u32) {
    let sent = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn the_daemon_wants_to_be_told_its_policy() {
    let setting = Setting::new();
    let file = setting.config("");
    let text = std::fs::read_to_string(&file).unwrap().replace("policy = 'sync'\n", "");
    let other = setting.folder.path().join("other.toml");
    std::fs::write(&other, text).unwrap();
    let mut command = setting.command(&["run"]);
    command.env("TARGET_SYNC_CONFIG", &other);
    let arguments: Vec<_> = ["--config", other.to_str().unwrap(), "run"].into();
    let mut bare = std::process::Command::new(env!("CARGO_BIN_EXE_target-sync"));
    bare.env_clear().envs(setting.world.environment()).env("HOME", setting.folder.path()).args(arguments);
    let ran = Ran::of(bare.output().unwrap());
    assert!(ran.code == 78 && ran.err.contains("--policy"), "{ran:?}");
}

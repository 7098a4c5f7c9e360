//! How sessions end, and what is said about it: each ending has its reason, its code and a sentence.

use crate::harness::{OnTerminal, Setting, local_user, records};
use lab::{Cut, Elsewhere, JournalEntry};
use nix::sys::signal::Signal;
use std::process::{Command, Output, Stdio};

/// Runs a command that is expected to fail, and checks code and reason.
#[track_caller]
fn fails(output: &Output, code: i32, reason: &str) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(&format!("[{reason}]")), "not {reason}: {stderr}");
    stderr
}

fn executed(setting: &Setting) -> usize {
    setting.count(|entry| matches!(entry, JournalEntry::ExecuteCommand { .. }))
}

fn terminated(setting: &Setting) -> usize {
    setting.count(|entry| matches!(entry, JournalEntry::TerminateSession { .. }))
}

#[test]
fn wrong_usage_is_64_and_says_what_to_do() {
    let setting = Setting::rosa();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(crate::harness::WRAPPER);
        command.env_clear().envs(setting.environment()).args(arguments).output().unwrap()
    };
    assert_eq!(run(&["--no-such-flag"]).status.code(), Some(64));
    fails(&run(&[]), 64, "usage");
    fails(&run(&["dev", "a b"]), 64, "usage");
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn without_boundary_nothing_is_asked_of_aws() {
    let setting = Setting::rosa();
    let output = setting.wrapper(&["--", "true"]).env_remove("BOUNDARY_PROXIED_ADDR").stdin(Stdio::null()).output().unwrap();
    fails(&output, 255, "boundary-missing");
    assert_eq!(setting.world.journal(), []);
}

#[test]
fn a_route_that_leads_elsewhere_costs_no_session() {
    for elsewhere in [Elsewhere::NotTls, Elsewhere::OtherName] {
        let setting = Setting::rosa();
        setting.world.faults().worker_leads_elsewhere(elsewhere);
        let stderr = fails(&setting.piped(&["--", "true"], b""), 255, "boundary-target-mismatch");
        assert!(stderr.contains("ssmmessages.us-east-2.amazonaws.com, port 443"), "{stderr}");
        assert_eq!(executed(&setting), 0);
    }
}

#[test]
fn a_worker_that_refuses_is_boundarys_end() {
    let setting = Setting::rosa();
    setting.world.faults().worker_refuses();
    fails(&setting.piped(&["--", "true"], b""), 255, "boundary-closed");
    assert_eq!(executed(&setting), 0);
}

#[test]
fn going_around_boundary_reaches_a_gateway_that_refuses() {
    let setting = Setting::granted();
    let proxy = format!("http://{}", setting.world.connect_proxy_addr());
    let output =
        setting.wrapper(&["--via", "direct", "--", "true"]).env("HTTPS_PROXY", proxy).stdin(Stdio::null()).output().unwrap();
    fails(&output, 255, "handshake");
    // Once signed, once more unsigned: a missing permission would refuse the first only.
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::GatewayRefused { .. })), 2);
    assert_eq!(terminated(&setting), 1, "a session that never opened was left behind");
}

#[test]
fn going_around_boundary_works_where_it_may() {
    let options = lab::WorldOptions { only_via_worker: false, ..lab::WorldOptions::default() };
    let setting = Setting::new(options);
    let proxy = format!("http://{}", setting.world.connect_proxy_addr());
    let output = setting
        .wrapper(&["--via", "direct", "--", "sh", "-c", "exit 8"])
        .env("HTTPS_PROXY", proxy)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tasks_that_cannot_be_entered_say_why() {
    let setting = Setting::rosa();
    let task = setting.task_id();
    setting.world.set_task(&task, |task| task.enable_execute_command = false);
    fails(&setting.piped(&["--", "true"], b""), 255, "exec-disabled");
    setting.world.stop_task(&task, "Task deadline exceeded \u{1b}[31m");
    let stderr = fails(&setting.piped(&["--", "true"], b""), 255, "task-stopped");
    assert!(stderr.contains("deadline exceeded") && !stderr.contains('\u{1b}'), "{stderr}");
    setting.world.forget_task(&task);
    let mut command = Command::new(crate::harness::WRAPPER);
    command.env_clear().envs(setting.environment()).args(["rosa-boundary-dev", task.as_str()]);
    fails(&command.stdin(Stdio::null()).output().unwrap(), 255, "task-not-found");
    assert_eq!(executed(&setting), 0);
}

#[test]
fn an_agent_that_is_late_is_waited_for_and_told() {
    let setting = Setting::rosa();
    let task = setting.task_id();
    setting.world.set_task(&task, |task| task.containers.iter_mut().for_each(|c| c.agent_status = Some("PENDING".to_owned())));
    fails(&setting.piped(&["--wait=0", "--", "true"], b""), 255, "target-not-connected");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| setting.piped(&["--", "sh", "-c", "exit 3"], b""));
        assert!(setting.wait_for(|journal| {
            journal.iter().filter(|e| matches!(e, JournalEntry::ApiCall { action, .. } if action == "ecs:DescribeTasks")).count()
                >= 3
        }));
        setting
            .world
            .set_task(&task, |task| task.containers.iter_mut().for_each(|c| c.agent_status = Some("RUNNING".to_owned())));
        let output = waiting.join().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&output.stderr).contains("waiting for the ECS Exec agent"));
    });
}

#[test]
fn not_connected_is_tried_again_and_a_lost_answer_is_not() {
    let setting = Setting::granted();
    setting.world.faults().api_error("ecs:ExecuteCommand", "TargetNotConnectedException", 400, 2);
    assert_eq!(setting.piped(&["--", "sh", "-c", "exit 3"], b"").status.code(), Some(3));
    assert_eq!(executed(&setting), 1);

    setting.world.faults().lose_answers("ecs:ExecuteCommand", 1);
    fails(&setting.piped(&["--", "true"], b""), 255, "execute-command-unknown");
    assert_eq!(executed(&setting), 2, "ExecuteCommand was sent again after its answer was lost");
}

#[test]
fn a_refusal_names_call_principal_and_permission() {
    let setting = Setting::rosa();
    setting.world.deny(&["ecs:ExecuteCommand"]);
    let stderr = fails(&setting.piped(&["--", "true"], b""), 255, "auth");
    for part in ["ecs:ExecuteCommand", setting.world.caller_arn(), "rosa-boundary-dev"] {
        assert!(stderr.contains(part), "{part} is missing in: {stderr}");
    }
    setting.world.expire_credentials();
    fails(&setting.piped(&["--", "true"], b""), 255, "auth");
}

#[test]
fn a_prefix_or_tags_find_the_task_and_doubt_lists_the_candidates() {
    let setting = Setting::rosa();
    let task = setting.world.tasks()[0].clone();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(crate::harness::WRAPPER);
        command.env_clear().envs(setting.environment()).args(arguments).args(["--user", &local_user()]);
        command.args(["--container", "rosa-boundary", "--", "sh", "-c", "exit 3"]).stdin(Stdio::null()).output().unwrap()
    };
    let tags = |name: &str| task.tags[name].clone();
    assert_eq!(run(&["rosa-boundary-dev", &task.task_id[..8]]).status.code(), Some(3));
    let (cluster_id, investigation_id) = (tags("cluster_id"), tags("investigation_id"));
    let by_tags = ["rosa-boundary-dev", "--cluster-id", &cluster_id, "--investigation-id", &investigation_id];
    assert_eq!(run(&by_tags).status.code(), Some(3));
    let twin = setting.world.add_task(lab::TaskSpec::default());
    let stderr = fails(&run(&by_tags), 255, "task-not-found");
    assert!(stderr.contains(&task.task_id) && stderr.contains(&twin.task_id), "{stderr}");
}

#[test]
fn several_containers_need_a_word() {
    let setting = Setting::rosa();
    let mut command = Command::new(crate::harness::WRAPPER);
    command.env_clear().envs(setting.environment()).args([setting.world.cluster(), &setting.task_id()]);
    let stderr = fails(&command.stdin(Stdio::null()).output().unwrap(), 255, "container-not-found");
    assert!(stderr.contains("rosa-boundary") && stderr.contains("kube-proxy"), "{stderr}");
}

#[test]
fn a_task_that_stops_under_the_session_explains_its_end() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::wrapper(&setting, &["--", "sh", "-c", "echo rea''dy; sleep 60"]);
    shell.expect("ready");
    setting.world.stop_task(&setting.task_id(), "Task deadline exceeded");
    setting.world.faults().cut(Cut::Fin);
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[task-stopped]") && shell.seen().contains("deadline exceeded"), "{}", shell.seen());
}

#[test]
fn a_cut_connection_is_the_network_while_boundarys_proxy_stands() {
    for cut in [Cut::Fin, Cut::Rst, Cut::CloseFrame(1000, "Bye".to_owned())] {
        let setting = Setting::rosa();
        let mut shell =
            OnTerminal::under_boundary(&setting, &["--reconnect-timeout", "0", "--", "sh", "-c", "echo rea''dy; sleep 60"]);
        shell.expect("ready");
        setting.world.faults().cut(cut);
        assert_eq!(shell.exit_code(), Some(255));
        assert!(shell.seen().contains("[network-lost]"), "{}", shell.seen());
    }
}

#[test]
fn a_closed_proxy_is_boundarys_end() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::under_boundary(&setting, &["--", "sh", "-c", "echo rea''dy; sleep 60"]);
    shell.expect("ready");
    setting.control("close");
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[boundary-closed]"), "{}", shell.seen());
}

#[test]
fn an_expired_boundary_session_is_named_so() {
    let setting = Setting::rosa();
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let token = lab::connect::authz_token(&lab::connect::AuthzToken::new(
        "s_1234567890",
        "ttcp_lab0000001",
        now + 7,
        setting.world.worker_addr(),
    ));
    let (arguments, mut environment) = setting.under_boundary(&[
        "--result-file",
        &setting.result_file().display().to_string(),
        "--",
        "sh",
        "-c",
        "echo rea''dy; sleep 60",
    ]);
    environment.push(("BOUNDARY_CONNECT_AUTHZ_TOKEN".to_owned(), token));
    let arguments: Vec<std::ffi::OsString> = arguments
        .into_iter()
        .filter(|argument| !["-target-id", "ttcp_lab0000001"].contains(&argument.as_str()))
        .map(Into::into)
        .collect();
    let mut shell = OnTerminal::start(
        crate::harness::stand_in().as_os_str(),
        arguments.iter().map(std::ffi::OsString::as_os_str),
        &environment,
    );
    shell.expect("ready");
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[boundary-expired]"), "{}", shell.seen());
    let result = setting.result();
    assert_eq!(
        (result["boundary_session_id"].as_str(), result["boundary_session_id_source"].as_str()),
        (Some("s_1234567890"), Some("token"))
    );
}

#[test]
fn a_flood_of_term_is_one_end_and_one_terminate_session() {
    let setting = Setting::granted();
    let mut shell =
        OnTerminal::wrapper(&setting, &["--", "sh", "-c", "trap '' INT HUP; echo rea''dy; while :; do sleep 60; done"]);
    shell.expect("ready");
    let before = shell.mode();
    setting.world.faults().api_delay("ssm:TerminateSession", std::time::Duration::from_secs(3));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(shell.child.id()).unwrap());
    // The child stays a zombie until it is waited for, so its id is nobody else's.
    for _ in 0..100_000 {
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    }
    assert_eq!(shell.exit_code(), Some(143));
    assert_eq!(terminated(&setting), 1);
    assert!(before.local_flags != shell.mode().local_flags, "the terminal was not given back");
}

#[test]
fn signals_end_with_128_and_their_number_and_end_the_remote_side() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130), (Signal::SIGQUIT, 131)] {
        let setting = Setting::rosa();
        let result = setting.result_file().display().to_string();
        let mut shell = OnTerminal::wrapper(&setting, &["--result-file", &result, "--", "sh", "-c", "echo rea''dy; sleep 60"]);
        shell.expect("ready");
        shell.signal(signal);
        assert_eq!(shell.exit_code(), Some(code), "{signal}: {}", shell.seen());
        // The caller of this world may not terminate, but an interrupt ends the command and the gateway confirms it.
        assert_eq!(setting.result()["remote_end"], "confirmed", "{signal}");
        assert_eq!(setting.result()["reason"], "signal");
    }
}

#[test]
fn a_remote_end_that_aws_denies_is_told() {
    let setting = Setting::rosa();
    let result = setting.result_file().display().to_string();
    let mut shell = OnTerminal::wrapper(
        &setting,
        &["--result-file", &result, "--", "sh", "-c", "trap '' INT HUP; echo rea''dy; while :; do sleep 60; done"],
    );
    shell.expect("ready");
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.exit_code(), Some(143));
    assert_eq!(setting.result()["remote_end"], "denied");
    assert!(shell.seen().contains("may still run"), "{}", shell.seen());
}

#[test]
fn a_session_closed_by_somebody_else_has_no_exit_code() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::wrapper(&setting, &["--", "sh", "-c", "echo rea''dy; sleep 60"]);
    shell.expect("ready");
    let session = setting.world.journal().into_iter().find_map(|entry| match entry {
        JournalEntry::ExecuteCommand { session_id, .. } => Some(session_id),
        _ => None,
    });
    setting.world.terminate(&session.unwrap());
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[exit-unknown]"), "{}", shell.seen());
}

#[test]
fn garbage_from_the_gateway_does_not_end_a_session_and_endless_garbage_does() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::wrapper(&setting, &[]);
    shell.expect("opening");
    shell.type_in("echo he''llo\r");
    shell.expect("hello");
    setting.world.faults().garbage_frame();
    setting.world.faults().bad_header();
    shell.type_in("echo st''ill\r");
    shell.expect("still");
    for _ in 0..64 {
        setting.world.faults().garbage_frame();
    }
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[protocol]"), "{}", shell.seen());
}

#[test]
fn a_refused_token_and_a_refused_upgrade_end_the_session_at_aws() {
    let setting = Setting::granted();
    setting.world.faults().refuse_upgrades(2);
    fails(&setting.piped(&["--", "true"], b""), 255, "handshake");
    assert_eq!(terminated(&setting), 1);
}

#[test]
fn kms_troubles_are_named() {
    let setting = Setting::rosa();
    setting.world.deny(&["kms:GenerateDataKey"]);
    let stderr = fails(&setting.piped(&["--", "true"], b""), 255, "kms");
    assert!(stderr.contains("kms:GenerateDataKey"), "{stderr}");
}

#[test]
fn encryption_must_be_as_the_cluster_says() {
    let setting = Setting::new(lab::WorldOptions { kms: false, ..lab::WorldOptions::default() });
    fails(&setting.piped(&["--encryption", "required", "--", "true"], b""), 255, "kms");
    assert_eq!(setting.piped(&["--", "sh", "-c", "exit 3"], b"").status.code(), Some(3));
}

#[test]
fn without_our_script_the_code_is_never_known_and_this_is_said_first() {
    let setting = Setting::new(lab::WorldOptions { kms: false, ..lab::WorldOptions::of(lab::Profile::Granted) });
    let mut command = Command::new(crate::harness::WRAPPER);
    command.env_clear().envs(setting.environment()).args([
        "--no-wrap",
        setting.world.cluster(),
        &setting.task_id(),
        "rosa-boundary",
        "root",
    ]);
    let output = command.args(["--", "echo", "plain"]).stdin(Stdio::null()).output().unwrap();
    let stderr = fails(&output, 255, "exit-unknown");
    assert!(stderr.contains("cannot be known"), "{stderr}");
    assert_eq!(output.stdout, b"plain\r\n");
}

#[test]
fn a_worker_that_refuses_under_boundarys_parent_is_boundarys_end_and_not_a_signal() {
    let setting = Setting::rosa();
    setting.world.faults().worker_refuses();
    // The refusal and the flood of SIGTERM that follows it come while AWS is still being asked.
    setting.world.faults().api_delay("sts:GetCallerIdentity", std::time::Duration::from_millis(800));
    let (arguments, environment) = setting.under_boundary(&["--", "true"]);
    let mut command = Command::new(crate::harness::stand_in());
    let child = command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    fails(&crate::harness::wait_with_output(child.unwrap()), 255, "boundary-closed");
}

/// A policy file for debug builds; release builds look at /etc only.
fn under_policy(setting: &Setting, policy: &str, arguments: &[&str]) -> std::process::Output {
    let path = setting.home.path().join("policy.toml");
    std::fs::write(&path, policy).unwrap();
    let mut wrapper = setting.wrapper(arguments);
    wrapper.env("ECS_EXEC_TEST_POLICY", path).stdin(std::process::Stdio::null()).output().unwrap()
}

#[test]
fn a_policy_is_not_loosened_by_flags_and_nothing_is_opened() {
    let setting = Setting::rosa();
    let cases: [(&str, &[&str], &str); 9] = [
        ("via = \"boundary\"", &["--via", "direct"], "via"),
        ("record = \"required\"", &["--record", "best-effort"], "record"),
        ("reason = \"required\"", &[], "--reason"),
        ("wrap = \"required\"", &["--no-wrap"], "wrap"),
        ("mark_commands = \"required\"", &["--no-wrap"], "mark_commands"),
        ("users = [\"nobody-of-ours\"]", &[], "nobody-of-ours"),
        ("clusters = [\"another\"]", &[], "another"),
        ("boundary_session_id = \"required\"", &[], "boundary_session_id"),
        ("boundary_session_id = \"required\"", &["--boundary-session-id", "s_1234567890"], "boundary_session_id"),
    ];
    for (policy, flags, rule) in cases {
        let output = under_policy(&setting, policy, &[flags, &["--", "true"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(255), "{policy}: {stderr}");
        assert!(stderr.contains("[policy]") && stderr.contains(rule), "{policy}: {stderr}");
    }
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::ChildStarted { .. })), 0);
    let unusable = under_policy(&setting, "vias = 1", &["--", "true"]);
    assert_eq!(unusable.status.code(), Some(78), "{}", String::from_utf8_lossy(&unusable.stderr));
}

#[test]
fn a_policy_that_is_kept_only_adds() {
    let setting = Setting::rosa();
    let policy = "via = \"boundary\"\nrecord = \"required\"\ntranscript = \"required\"\nreason = \"required\"";
    let output = under_policy(&setting, policy, &["--reason", "INC-7", "--", "sh", "-c", "exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let transcripts = setting.home.path().join("state/ecs-exec-wrapper/transcripts");
    assert_eq!(std::fs::read_dir(transcripts).unwrap().count(), 1);
}

#[test]
fn a_dry_run_tells_the_plan_and_opens_nothing() {
    let setting = Setting::rosa();
    let output = setting.piped(&["--dry-run", "--", "echo", "hello"], b"");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains(&setting.task_arn()) && stdout.contains("rosa-boundary") && stdout.contains("hello"), "{stdout}");
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::ChildStarted { .. })), 0);
    assert!(
        !setting.journal_file().exists() || records(&setting.journal_file()).is_empty(),
        "nothing was opened, so nothing is recorded"
    );
}

#[test]
fn who_types_nothing_is_disconnected() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::wrapper(
        &setting,
        &["--idle-timeout", "2s", "--", "sh", "-c", "echo re''ady; while :; do echo on; sleep 0.1; done"],
    );
    shell.expect("ready");
    assert_eq!(shell.exit_code(), Some(255), "{}", shell.seen());
    assert!(shell.seen().contains("[idle-timeout]"), "{}", shell.seen());
    let refused = setting.piped(&["--idle-timeout", "2s", "--", "true"], b"");
    assert_eq!(refused.status.code(), Some(64));
}

#[test]
fn the_status_tells_the_ends_that_are_known() {
    let setting = Setting::rosa();
    setting.world.set_task(&setting.task_id(), |task| {
        task.tags.insert("deadline".to_owned(), "2099-01-01T00:00:00".to_owned());
    });
    let shell = OnTerminal::wrapper(&setting, &["--env", "PS1=prompt> ", "--idle-timeout", "1h", "--", "sh", "-i"]);
    shell.expect("prompt> ");
    shell.type_in("\r~s");
    shell.expect("the task is stopped in");
    shell.expect("without a key");
    shell.expect("AWS ends it in 20 min");
}

/// The environment of an IAM user who may only take on the shared role.
fn as_source(setting: &Setting, arguments: &[&str]) -> Output {
    let mut wrapper = setting.wrapper(arguments);
    let is_key = |name: &str| name.starts_with("AWS_") && (name.contains("KEY") || name.contains("TOKEN"));
    for (name, _) in setting.environment().iter().filter(|(name, _)| is_key(name)) {
        wrapper.env_remove(name);
    }
    wrapper.envs(setting.world.source_environment()).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_role_is_taken_on_in_the_sessions_name() {
    let setting = Setting::rosa();
    let role = setting.world.role_arn();
    let session = "s_1234567890";
    let role_flags = ["--assume-role", &role, "--boundary-session-id", session];
    let output = as_source(&setting, &[&role_flags[..], &["--", "true"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // The shared role's policy compares the tag `username`, which an IAM user's session does not bring along.
    assert_eq!(output.status.code(), Some(255), "{stderr}");
    assert!(stderr.contains("[auth]") && stderr.contains("username"), "{stderr}");
    assert!(stderr.contains(&format!("={session}")), "the refusal names the session: {stderr}");
}

#[test]
fn plain_needs_a_role() {
    fails(&Setting::rosa().piped(&["--assume-role-plain", "--", "true"], b""), 64, "usage");
}

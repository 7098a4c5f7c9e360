//! `connect`, and what a Boundary token adds under `-exec`: against the lab's controller and worker.

use crate::harness::{OnTerminal, Setting, WRAPPER, local_user, stand_in, wait_with_output};
use lab::{BoundaryStatus, JournalEntry, Profile, WorldOptions};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const TARGET: &str = "ttcp_lab0000001";
const ALIAS: &str = "inv-lab.rosa";

/// A world whose target is marked for its task.
fn marked(options: WorldOptions) -> Setting {
    let setting = Setting::new(options);
    mark(&setting, &setting.task_arn(), " container=rosa-boundary");
    setting
}

fn mark(setting: &Setting, task_arn: &str, container: &str) {
    let marker = format!("ecs-exec-target/1 owner=test task={task_arn}{container} state=live");
    setting.world.boundary().set_target(TARGET, |target| target.description = marker);
}

/// The environment of `connect`: no listener, a token.
fn environment(setting: &Setting) -> Vec<(String, String)> {
    let mut environment = setting.environment();
    environment.retain(|(name, _)| name != "BOUNDARY_PROXIED_ADDR");
    environment.extend(setting.world.boundary_environment());
    environment.push(("ECS_EXEC_USER".to_owned(), local_user()));
    environment
}

fn connect(setting: &Setting, arguments: &[&str]) -> Command {
    let mut wrapper = Command::new(WRAPPER);
    wrapper.env_clear().envs(environment(setting)).arg("connect").args(arguments);
    wrapper.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    wrapper
}

fn run(mut command: Command) -> Output {
    wait_with_output(command.spawn().unwrap())
}

#[track_caller]
fn ends(output: &Output, code: i32, reason: &str) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(&format!("[{reason}]")), "{reason}: {stderr}");
    stderr
}

#[track_caller]
fn session(setting: &Setting) -> String {
    setting.world.boundary().session_ids().pop().expect("a Boundary session")
}

#[test]
fn the_marked_task_is_entered_through_the_worker_and_the_session_is_canceled_after() {
    let setting = marked(WorldOptions::default());
    let result = setting.result_file().display().to_string();
    let output = run(connect(&setting, &[ALIAS, "--result-file", &result, "--", "sh", "-c", "echo hello; exit 7"]));
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
    let session = session(&setting);
    assert_eq!(setting.result()["boundary_session_id"], session);
    assert_eq!(setting.result()["boundary_session_id_source"], "authorized");
    assert!(setting.world.boundary().status(&session).is_some_and(|status| status != BoundaryStatus::Active));
    let records = crate::harness::records(&setting.journal_file());
    let audit_record::SessionLine::SessionStart(start) = &records[0] else { panic!("{records:?}") };
    assert_eq!(start.boundary_target_id.as_deref(), Some(TARGET));
    assert!(start.boundary_user_id.is_some() && start.boundary_correlation_id.is_some());
    let correlated = |entry: &JournalEntry| matches!(entry, JournalEntry::BoundarySessionAuthorized { correlation_id, .. } if *correlation_id == start.boundary_correlation_id);
    assert_eq!(setting.count(correlated), 1, "the record and Boundary's audit name one correlation id");
}

#[test]
fn brokered_credentials_are_used_and_never_shown() {
    let setting = marked(WorldOptions::default());
    let keys = setting.world.caller_keys();
    let brokered = serde_json::json!({
        "access_key": keys.access_key, "secret_key": keys.secret, "security_token": keys.session_token,
    });
    setting.world.boundary().set_target(TARGET, |target| target.brokered = Some(brokered));
    let mut wrapper = connect(&setting, &[ALIAS, "-vvv", "--", "true"]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        wrapper.env_remove(name);
    }
    let output = run(wrapper);
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains(&keys.secret) && !said.contains(&keys.session_token.unwrap()), "a secret was shown");
    let token = setting.world.boundary_environment().into_iter().find(|(name, _)| name == "BOUNDARY_TOKEN").unwrap().1;
    assert!(!said.contains(&token));
}

#[test]
fn a_cancel_and_an_expiry_are_told_apart() {
    let setting = marked(WorldOptions::default());
    let child = connect(&setting, &[ALIAS, "--", "sleep", "60"]).spawn().unwrap();
    assert!(setting.wait_for(|journal| journal.iter().any(|entry| matches!(entry, JournalEntry::ChildStarted { .. }))));
    assert!(setting.world.boundary().cancel(&session(&setting)));
    ends(&wait_with_output(child), 255, "boundary-canceled");

    setting.world.boundary().set_target(TARGET, |target| target.session_seconds = 3);
    ends(&run(connect(&setting, &[ALIAS, "--", "sleep", "60"])), 255, "boundary-expired");
}

#[test]
fn the_session_is_resumed_through_a_worker_that_was_away() {
    let setting = marked(WorldOptions { kms: true, ..WorldOptions::of(Profile::Granted) });
    let mut environment = environment(&setting);
    environment.push(("PS1".to_owned(), "local> ".to_owned()));
    let arguments = ["connect", ALIAS, "--env", "PS1=prompt> ", "--", "sh", "-i"].map(std::ffi::OsString::from);
    let mut shell = OnTerminal::start(WRAPPER.as_ref(), arguments.iter().map(std::ffi::OsString::as_os_str), &environment);
    shell.expect("prompt> ");
    shell.type_in("echo be''fore\r");
    shell.expect("before");
    setting.world.faults().close_worker_listener();
    setting.world.faults().cut_worker_connections();
    shell.expect("resuming");
    shell.type_in("echo af''ter\r");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!shell.seen().contains("after"), "there is no way yet: {}", shell.seen());
    setting.world.faults().worker_opens();
    shell.expect("after");
    shell.type_in("exit 9\r");
    assert_eq!(shell.exit_code(), Some(9), "{}", shell.seen());
    let opened = |entry: &JournalEntry| matches!(entry, JournalEntry::BoundarySessionAuthorized { .. });
    assert_eq!(setting.count(opened), 1, "one Boundary session carried both connections");
}

#[test]
fn refusals_name_who_refused_and_what_to_do() {
    let setting = marked(WorldOptions::default());
    let unknown = ends(&run(connect(&setting, &["no-such.rosa", "--", "true"])), 255, "boundary-denied");
    assert!(unknown.contains("no-such.rosa"), "{unknown}");
    let mut strange = connect(&setting, &[ALIAS, "--", "true"]);
    strange.env("BOUNDARY_TOKEN", "at_0000000000_s1wrong");
    assert!(!ends(&run(strange), 255, "boundary-auth").contains("s1wrong"));
    let mut nobody = connect(&setting, &[ALIAS, "--", "true"]);
    nobody.env("BOUNDARY_ADDR", "http://127.0.0.1:1").env("BOUNDARY_MAX_RETRIES", "0");
    ends(&run(nobody), 255, "boundary-unreachable");
    let mut tokenless = connect(&setting, &[ALIAS, "--", "true"]);
    tokenless.env_remove("BOUNDARY_TOKEN").env("PATH", "/nonexistent");
    ends(&run(tokenless), 255, "boundary-auth");
    setting.world.faults().close_worker_listener();
    ends(&run(connect(&setting, &[ALIAS, "--", "true"])), 255, "boundary-unreachable");
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::ChildStarted { .. })), 0);
}

#[test]
fn a_target_of_another_task_or_container_is_refused() {
    let setting = marked(WorldOptions::default());
    let other = setting.task_arn().replace(&setting.task_id(), &"f".repeat(32));
    mark(&setting, &other, "");
    let (cluster, task) = (setting.world.cluster().to_owned(), setting.task_id());
    let stderr = ends(
        &run(connect(&setting, &[ALIAS, "--cluster", &cluster, "--task", &task, "--container", "rosa-boundary", "--", "true"])),
        255,
        "boundary-target-mismatch",
    );
    assert!(stderr.contains(&other), "{stderr}");
    mark(&setting, &setting.task_arn(), " container=another");
    ends(&run(connect(&setting, &[ALIAS, "--container", "rosa-boundary", "--", "true"])), 255, "boundary-target-mismatch");
    setting.world.boundary().set_target(TARGET, |target| target.description.clear());
    ends(&run(connect(&setting, &[ALIAS, "--", "true"])), 64, "usage");
    let named =
        run(connect(&setting, &[ALIAS, "--cluster", &cluster, "--task", &task, "--container", "rosa-boundary", "--", "true"]));
    assert_eq!(named.status.code(), Some(0), "{}", String::from_utf8_lossy(&named.stderr));
}

#[test]
fn under_the_parent_a_token_finds_the_session_and_tells_a_cancel() {
    let setting = marked(WorldOptions::default());
    let result = setting.result_file().display().to_string();
    let under_parent = |command: &[&str]| {
        let wrapper = setting.wrapper(&[&["--result-file", &result], command].concat());
        let mut parent = Command::new(stand_in());
        parent.args(["-exec", WRAPPER, "-target-id", TARGET, "--"]).args(wrapper.get_args());
        parent.env_clear().envs(environment(&setting)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        parent
    };
    let output = run(under_parent(&["--", "true"]));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found = setting.result();
    assert_eq!(
        (&found["boundary_session_id"], &found["boundary_session_id_source"]),
        (&session(&setting).into(), &"discovered".into())
    );

    let child = under_parent(&["--", "sleep", "60"]).spawn().unwrap();
    let started =
        |journal: &[JournalEntry]| journal.iter().filter(|entry| matches!(entry, JournalEntry::ChildStarted { .. })).count() == 2;
    assert!(setting.wait_for(started));
    assert!(setting.world.boundary().cancel(&session(&setting)));
    ends(&wait_with_output(child), 255, "boundary-canceled");
}

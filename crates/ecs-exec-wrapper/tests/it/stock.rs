//! Programs that were not written here, where they are on PATH: so that lab and wrapper do not share one misunderstanding.

use crate::harness::{OnTerminal, Setting, WRAPPER, local_user, wait_with_output};
use lab::{JournalEntry, WorldOptions};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Says that a test is skipped, unless the program is there.
fn on_path(program: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("{program} is not on PATH"));
    }
    found
}

/// Past the test runner's capture, so that it is seen.
fn skipped(why: &str) {
    drop(writeln!(std::io::stderr(), "skipped: {why}"));
}

#[test]
fn the_aws_cli_and_its_plugin_reach_the_labs_agent() {
    let (Some(aws), Some(_)) = (on_path("aws"), on_path("session-manager-plugin")) else { return };
    for kms in [false, true] {
        let setting = Setting::new(WorldOptions { only_via_worker: false, kms, ..WorldOptions::default() });
        let mut environment = setting.environment();
        environment.push(("HTTPS_PROXY".to_owned(), format!("http://{}", setting.world.connect_proxy_addr())));
        let task = setting.task_id();
        let arguments = [
            "ecs",
            "execute-command",
            "--cluster",
            setting.world.cluster(),
            "--task",
            &task,
            "--container",
            "rosa-boundary",
            "--interactive",
            "--command",
            "sh -i",
        ]
        .map(OsString::from);
        let mut shell = OnTerminal::start(aws.as_os_str(), arguments.iter().map(OsString::as_os_str), &environment);
        shell.expect("# ");
        shell.type_in("echo he''llo\r");
        shell.expect("hello");
        shell.type_in("exit 7\r");
        // The stock client says 0 whatever the command said; the lab knows better.
        assert_eq!(shell.exit_code(), Some(0), "{}", shell.seen());
        let seven = |entry: &JournalEntry| matches!(entry, JournalEntry::ChildExited { status: lab::ChildStatus::Code(7), .. });
        assert!(setting.wait_for(|journal| journal.iter().any(seven)), "kms: {kms}");
    }
}

/// A real controller and worker, reached as the CLI reaches them: `BOUNDARY_ADDR` and `BOUNDARY_TOKEN` must be set.
fn boundary() -> Option<PathBuf> {
    let program = on_path("boundary")?;
    if std::env::var_os("BOUNDARY_ADDR").is_none() || std::env::var_os("BOUNDARY_TOKEN").is_none() {
        skipped("BOUNDARY_ADDR and BOUNDARY_TOKEN of a running `boundary dev` are not set");
        return None;
    }
    Some(program)
}

fn boundary_json(program: &PathBuf, arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(program).args(arguments).args(["-format", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A target of the real Boundary that leads to the lab's gateway.
fn target(program: &PathBuf, setting: &Setting) -> String {
    described_target(program, setting, "for a test")
}

fn described_target(program: &PathBuf, setting: &Setting, description: &str) -> String {
    let port = setting.world.worker_addr().port().to_string();
    let name = format!("lab-{}-{port}-{}", std::process::id(), description.len());
    let scope = std::env::var("BOUNDARY_TEST_PROJECT").unwrap_or_else(|_| "p_1234567890".to_owned());
    let created = boundary_json(
        program,
        &[
            "targets",
            "create",
            "tcp",
            "-scope-id",
            &scope,
            "-name",
            &name,
            "-description",
            description,
            "-address",
            "127.0.0.1",
            "-default-port",
            &port,
        ],
    );
    created["item"]["id"].as_str().unwrap().to_owned()
}

fn connect(program: &PathBuf, setting: &Setting, target: &str, command: &[&str]) -> std::process::Child {
    let mut environment = setting.environment();
    environment.retain(|(name, _)| name != "BOUNDARY_PROXIED_ADDR");
    let wrapper = setting.wrapper(command);
    let mut connect = Command::new(program);
    connect.args(["connect", "-target-id", target, "-exec", WRAPPER, "--"]).args(wrapper.get_args()).envs(environment);
    connect.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_real_boundary_carries_the_shell_and_counts_its_bytes() {
    let Some(program) = boundary() else { return };
    let setting = Setting::rosa();
    let target = target(&program, &setting);
    let output = wait_with_output(connect(&program, &setting, &target, &["--", "sh", "-c", "echo hello; exit 7"]));
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("hello\n"));
    let (up, down) = setting.world.bytes_through_worker();
    let session = sessions(&program, &target).pop().unwrap();
    let connection = boundary_json(&program, &["sessions", "read", "-id", &session])["item"]["connections"][0].clone();
    let counted = |name: &str| connection[name].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!((counted("bytes_up"), counted("bytes_down")), (up, down), "Boundary counted other bytes than the lab's worker");
}

#[test]
fn a_real_boundarys_cancel_cuts_the_shell() {
    let Some(program) = boundary() else { return };
    let setting = Setting::rosa();
    let target = target(&program, &setting);
    let child = connect(&program, &setting, &target, &["--", "sh", "-c", "echo started; sleep 60"]);
    assert!(setting.wait_for(|journal| journal.iter().any(|entry| matches!(entry, JournalEntry::ChildStarted { .. }))));
    let session = sessions(&program, &target).pop().unwrap();
    boundary_json(&program, &["sessions", "cancel", "-id", &session]);
    let output = wait_with_output(child);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{stderr}");
    assert!(stderr.contains("[boundary-canceled]"), "{stderr}");
}

#[test]
fn the_session_that_carries_us_is_found_at_a_real_controller() {
    let Some(program) = boundary() else { return };
    let setting = Setting::rosa();
    let target = target(&program, &setting);
    let result = setting.result_file().display().to_string();
    let output = wait_with_output(connect(&program, &setting, &target, &["--result-file", &result, "--", "true"]));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let session = sessions(&program, &target).pop().unwrap();
    let result = setting.result();
    assert_eq!((&result["boundary_session_id"], &result["boundary_session_id_source"]), (&session.into(), &"discovered".into()));
}

#[test]
fn a_target_marked_for_another_task_is_refused() {
    let Some(program) = boundary() else { return };
    let setting = Setting::rosa();
    let other = setting.task_arn().replace(&setting.task_id(), &"f".repeat(32));
    let target = described_target(&program, &setting, &format!("ecs-exec-target/1 owner=test task={other} state=live"));
    let output = wait_with_output(connect(&program, &setting, &target, &["--", "true"]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(255), "{stderr}");
    assert!(stderr.contains("[boundary-target-mismatch]") && stderr.contains(&other), "{stderr}");
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::ChildStarted { .. })), 0);
}

/// `ecs-exec-wrapper connect`, with the environment's token.
fn native(setting: &Setting, arguments: &[&str]) -> Command {
    let mut wrapper = Command::new(WRAPPER);
    wrapper.env_clear().envs(setting.environment()).env_remove("BOUNDARY_PROXIED_ADDR").env("ECS_EXEC_USER", local_user());
    for name in ["BOUNDARY_ADDR", "BOUNDARY_TOKEN"] {
        wrapper.env(name, std::env::var_os(name).unwrap());
    }
    wrapper.arg("connect").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    wrapper
}

#[test]
fn without_its_program_a_real_boundary_carries_the_shell_of_the_marked_task() {
    let Some(program) = boundary() else { return };
    let setting = Setting::rosa();
    let marker = format!("ecs-exec-target/1 owner=test task={} container=rosa-boundary state=live", setting.task_arn());
    let target = described_target(&program, &setting, &marker);
    let result = setting.result_file().display().to_string();
    let arguments = [&target, "--result-file", &result, "--", "sh", "-c", "echo hello; exit 7"];
    let output = wait_with_output(native(&setting, &arguments).spawn().unwrap());
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "stdout holds nothing of Boundary's");
    let session = sessions(&program, &target).pop().unwrap();
    assert_eq!(setting.result()["boundary_session_id"], session);
    assert_eq!(setting.result()["boundary_session_id_source"], "authorized");
    let read = boundary_json(&program, &["sessions", "read", "-id", &session])["item"].clone();
    let counted = |name: &str| read["connections"][0][name].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!((counted("bytes_up"), counted("bytes_down")), setting.world.bytes_through_worker());
    assert!(["canceling", "terminated"].contains(&read["status"].as_str().unwrap()), "{read}");
}

#[test]
fn without_its_program_a_real_boundarys_cancel_and_expiry_cut_the_shell() {
    let Some(program) = boundary() else { return };
    let setting = Setting::rosa();
    let marker = format!("ecs-exec-target/1 owner=test task={} state=live", setting.task_arn());
    let target = described_target(&program, &setting, &marker);
    let child =
        native(&setting, &[&target, "--container", "rosa-boundary", "--", "sh", "-c", "echo started; sleep 60"]).spawn().unwrap();
    assert!(setting.wait_for(|journal| journal.iter().any(|entry| matches!(entry, JournalEntry::ChildStarted { .. }))));
    boundary_json(&program, &["sessions", "cancel", "-id", &sessions(&program, &target).pop().unwrap()]);
    let output = wait_with_output(child);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(255) && stderr.contains("[boundary-canceled]"), "{stderr}");

    boundary_json(&program, &["targets", "update", "tcp", "-id", &target, "-session-max-seconds", "8"]);
    let child = native(&setting, &[&target, "--container", "rosa-boundary", "--", "sleep", "60"]).spawn().unwrap();
    let output = wait_with_output(child);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(255) && stderr.contains("[boundary-expired]"), "{stderr}");
}

#[test]
fn a_real_boundarys_refusals_say_what_to_do() {
    if boundary().is_none() {
        return;
    }
    let setting = Setting::rosa();
    let refused = |arguments: &[&str], token: Option<&str>| {
        let mut wrapper = native(&setting, arguments);
        if let Some(token) = token {
            wrapper.env("BOUNDARY_TOKEN", token);
        }
        let output = wait_with_output(wrapper.spawn().unwrap());
        assert_eq!(output.status.code(), Some(255));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let unknown = refused(&["no-such-alias.example"], None);
    assert!(unknown.contains("[boundary-denied]") && unknown.contains("no-such-alias.example"), "{unknown}");
    let strange = refused(&["ttcp_1234567890"], Some("at_0000000000_s1wrong"));
    assert!(strange.contains("[boundary-auth]") && !strange.contains("s1wrong"), "{strange}");
}

fn sessions(program: &PathBuf, target: &str) -> Vec<String> {
    let filter = format!("\"/item/target_id\" == \"{target}\"");
    let listed = boundary_json(
        program,
        &["sessions", "list", "-recursive", "-scope-id", "global", "-include-terminated", "-filter", &filter],
    );
    let items = listed["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

//! `doctor` against the lab: what it says, what it never says, and that it leaves no trace.

use crate::harness::{OnTerminal, PATIENCE, Setting, WRAPPER};
use lab::{Elsewhere, JournalEntry};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

/// The report of one run.
struct Report {
    document: Value,
    code: Option<i32>,
}

impl Report {
    /// Verdict and sentence of a check.
    #[track_caller]
    fn check(&self, id: &str) -> &Value {
        let checks = self.document["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id} in {:#}", self.document))
    }

    #[track_caller]
    fn verdict(&self, id: &str) -> &str {
        self.check(id)["verdict"].as_str().unwrap()
    }

    /// The ids of the checks of a verdict.
    fn such(&self, verdict: &str) -> Vec<&str> {
        let checks = self.document["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["verdict"] == verdict).map(|check| check["id"].as_str().unwrap()).collect()
    }
}

fn command(setting: &Setting, arguments: &[&str]) -> Command {
    let mut command = Command::new(WRAPPER);
    command.env_clear().envs(setting.environment()).arg("doctor").args(arguments).stdin(Stdio::null());
    command
}

fn output(setting: &Setting, arguments: &[&str]) -> Output {
    command(setting, arguments).output().unwrap()
}

#[track_caller]
fn read(output: &Output) -> Report {
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    Report { document, code: output.status.code() }
}

/// A run for the task of the world, as JSON.
#[track_caller]
fn examined(setting: &Setting, more: &[&str]) -> Report {
    let task_arn = setting.task_arn();
    let arguments = [&[setting.world.cluster(), task_arn.as_str(), "rosa-boundary", "-o", "json"], more].concat();
    read(&output(setting, &arguments))
}

#[test]
fn the_caller_is_named_and_nothing_is_changed() {
    let setting = Setting::granted();
    let report = examined(&setting, &[]);
    assert_eq!(report.verdict("credentials"), "ok");
    assert!(report.check("identity")["what"].as_str().unwrap().contains(setting.world.caller_arn()));
    assert_eq!((report.verdict("region"), report.verdict("account"), report.verdict("clock")), ("ok", "ok", "ok"));
    assert_eq!(report.such("failed"), [""; 0]);
    assert_eq!(report.code, Some(0));
    let changes = setting.count(|entry| match entry {
        JournalEntry::ApiCall { action, .. } => action == "ecs:ExecuteCommand" || action == "ssm:StartSession",
        JournalEntry::ExecuteCommand { .. } | JournalEntry::StartSession { .. } | JournalEntry::TerminateSession { .. } => true,
        _ => false,
    });
    assert_eq!(changes, 0);
    assert!(!setting.home.path().join("state").exists(), "doctor wrote a record");
}

#[test]
fn all_is_well_for_a_caller_who_may_do_everything() {
    let setting = Setting::granted();
    let report = examined(&setting, &[]);
    for id in ["task-found", "task-running", "exec-enabled", "container", "agent", "sidecars", "platform", "task-role"] {
        assert_eq!(report.verdict(id), "ok", "{:#}", report.document);
    }
    for id in [
        "read-only-root",
        "aws-environment",
        "init-process",
        "pid-mode",
        "deadline",
        "cluster-found",
        "cluster-key",
        "agent-route",
    ] {
        assert_eq!(report.verdict(id), "ok", "{:#}", report.document);
    }
    for id in
        ["execute-command", "open-data-channel", "resume-session", "terminate-session", "task-role-channel", "task-role-logs"]
    {
        assert_eq!(report.verdict(id), "ok", "{:#}", report.check(id));
    }
    assert_eq!(report.such("unknown"), ["credential-expiry"]);
    assert_eq!(report.such("warning"), ["start-session", "locale"]);
    assert!(report.check("sidecars")["what"].as_str().unwrap().contains("kube-proxy"));
    assert_eq!(report.code, Some(0));
}

#[test]
fn the_way_is_proved_with_one_connection() {
    let setting = Setting::granted();
    let report = examined(&setting, &[]);
    assert_eq!((report.verdict("route"), report.verdict("data-channel")), ("ok", "ok"));
    assert!(report.check("data-channel")["what"].as_str().unwrap().contains("one connection"));
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::WorkerConnection { .. })), 1);
}

#[test]
fn a_target_that_leads_elsewhere_fails() {
    for elsewhere in [Elsewhere::NotTls, Elsewhere::OtherName] {
        let setting = Setting::granted();
        setting.world.faults().worker_leads_elsewhere(elsewhere);
        let report = examined(&setting, &[]);
        assert_eq!((report.such("failed"), report.code), (vec!["data-channel"], Some(255)));
        let what = report.check("data-channel")["what"].as_str().unwrap();
        assert!(what.contains("ssmmessages.us-east-2.amazonaws.com, port 443"), "{what}");
    }
}

#[test]
fn a_worker_that_refuses_fails() {
    let setting = Setting::granted();
    setting.world.faults().worker_refuses();
    let report = examined(&setting, &[]);
    assert_eq!((report.such("failed"), report.code), (vec!["data-channel"], Some(255)));
}

#[test]
fn without_boundary_the_route_is_unknown_and_the_way_to_start_is_named() {
    let setting = Setting::granted();
    let arguments = [setting.world.cluster(), &setting.task_id(), "rosa-boundary", "-o", "json"];
    let run = |listener: Option<&str>| {
        let mut command = command(&setting, &arguments);
        command.env_remove("BOUNDARY_PROXIED_ADDR");
        command.envs(listener.map(|listener| ("BOUNDARY_PROXIED_ADDR", listener)));
        read(&command.output().unwrap())
    };
    let report = run(None);
    assert_eq!((report.verdict("route"), report.code), ("unknown", Some(0)));
    assert!(report.check("route")["remedy"].as_str().unwrap().contains("boundary connect -exec"));
    let report = run(Some("nowhere"));
    assert_eq!((report.verdict("route"), report.code), ("failed", Some(255)));
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::WorkerConnection { .. })), 0);
}

#[test]
fn a_direct_way_is_proved_and_warned_of() {
    let setting = Setting::granted();
    setting.world.faults().close_worker_listener();
    let proxy = format!("http://{}", setting.world.connect_proxy_addr());
    let mut command =
        command(&setting, &[setting.world.cluster(), &setting.task_id(), "rosa-boundary", "-o", "json", "--via", "direct"]);
    command.env_remove("BOUNDARY_PROXIED_ADDR").env("HTTPS_PROXY", proxy);
    let report = read(&command.output().unwrap());
    assert_eq!((report.verdict("route"), report.verdict("data-channel"), report.code), ("warning", "ok", Some(0)));
}

#[test]
fn records_that_cannot_be_written_fail() {
    let setting = Setting::granted();
    let blocker = setting.home.path().join("a-file");
    std::fs::write(&blocker, b"").unwrap();
    let mut command = command(&setting, &[setting.world.cluster(), &setting.task_id(), "rosa-boundary", "-o", "json"]);
    let report = read(&command.env("XDG_STATE_HOME", &blocker).output().unwrap());
    assert_eq!((report.such("failed"), report.code), (vec!["records"], Some(255)));
}

#[test]
fn places_of_the_record_are_judged_where_they_are_configured() {
    let setting = Setting::granted();
    let flags = ["--record-log-group", "/links", "--record-bucket", "s3://audit-links/x"];
    let judged = |report: &Report| ["record-log-group", "record-bucket"].map(|id| report.verdict(id).to_owned());
    assert_eq!(judged(&examined(&setting, &flags)), ["ok", "ok"]);
    setting.world.deny(&["logs:PutLogEvents", "s3:PutObject"]);
    let report = examined(&setting, &flags);
    assert_eq!(judged(&report), ["failed", "failed"]);
    assert!(report.check("record-log-group")["what"].as_str().unwrap().contains("logs:PutLogEvents"));
    let without = examined(&setting, &[]);
    let checks = without.document["checks"].as_array().unwrap();
    assert!(!checks.iter().any(|check| check["id"].as_str().unwrap().starts_with("record-")));
}

#[test]
fn record_lines_that_wait_are_told() {
    let setting = Setting::granted();
    let spool = setting.home.path().join("state/ecs-exec-wrapper/spool");
    std::fs::create_dir_all(spool.join("expired")).unwrap();
    for name in ["20261121T100000.000000Z-1-start-logs.json", "expired/20261101T100000.000000Z-1-start-logs.json"] {
        std::fs::write(spool.join(name), "{}").unwrap();
    }
    let report = examined(&setting, &[]);
    assert_eq!(report.verdict("records-waiting"), "warning");
    let what = report.check("records-waiting")["what"].as_str().unwrap();
    assert!(what.contains("1 record line waits") && what.contains("1 was set aside"), "{what}");
}

#[test]
fn a_denied_read_is_unknown_and_names_the_permission() {
    let setting = Setting::rosa();
    setting.world.deny(&["ecs:DescribeTaskDefinition"]);
    let report = examined(&setting, &[]);
    for id in ["cluster-found", "cluster-key", "cluster-logging"] {
        assert_eq!(report.verdict(id), "unknown");
        assert!(report.check(id)["remedy"].as_str().unwrap().contains("ecs:DescribeClusters"), "{:#}", report.check(id));
    }
    for id in ["task-role", "read-only-root", "aws-environment", "init-process", "pid-mode"] {
        assert_eq!(report.verdict(id), "unknown");
        assert!(report.check(id)["remedy"].as_str().unwrap().contains("ecs:DescribeTaskDefinition"));
    }
    assert_eq!((report.such("failed"), report.code), (vec![], Some(0)));
}

#[test]
fn permissions_that_may_not_be_simulated_are_unknown() {
    let setting = Setting::rosa();
    let report = examined(&setting, &[]);
    for id in ["execute-command", "open-data-channel", "resume-session", "terminate-session", "start-session"] {
        assert_eq!(report.verdict(id), "unknown");
        assert!(report.check(id)["remedy"].as_str().unwrap().contains("iam:SimulatePrincipalPolicy"), "{:#}", report.check(id));
    }
    assert_eq!((report.verdict("data-key"), report.verdict("task-role-channel")), ("unknown", "unknown"));
    let asked = setting.count(|entry| matches!(entry, JournalEntry::ApiCall { action, .. } if action.starts_with("iam:")));
    assert_eq!(asked, 2, "a refusal is not asked for again");
}

#[test]
fn a_condition_on_session_tags_is_unknown_even_to_the_simulator() {
    let setting = Setting::rosa();
    setting.world.allow(&["iam:SimulatePrincipalPolicy", "ecs:DescribeClusters"]);
    let report = examined(&setting, &[]);
    assert_eq!(report.verdict("execute-command"), "unknown");
    assert!(report.check("execute-command")["what"].as_str().unwrap().contains("aws:PrincipalTag/username"));
    assert_eq!((report.verdict("data-key"), report.verdict("task-role-key")), ("ok", "ok"));
    assert_eq!((report.verdict("resume-session"), report.verdict("terminate-session")), ("warning", "warning"));
    assert_eq!((report.verdict("start-session"), report.code), ("warning", Some(0)));
}

#[test]
fn a_denied_permission_fails_and_a_denied_way_around_is_well() {
    let setting = Setting::granted();
    setting.world.deny(&["ecs:ExecuteCommand", "ssm:StartSession"]);
    let report = examined(&setting, &[]);
    assert_eq!((report.such("failed"), report.code), (vec!["execute-command"], Some(255)));
    assert_eq!(report.verdict("start-session"), "ok");
    assert!(report.check("start-session")["what"].as_str().unwrap().starts_with("denied"));
}

#[test]
fn a_task_that_may_not_be_described_fails_as_a_session_would() {
    let setting = Setting::granted();
    setting.world.deny(&["ecs:DescribeTasks"]);
    let report = examined(&setting, &[]);
    assert_eq!((report.verdict("task-found"), report.code), ("failed", Some(255)));
    assert!(report.check("task-found")["what"].as_str().unwrap().contains("the permission ecs:DescribeTasks is missing"));
}

#[test]
fn exec_that_is_off_fails_with_the_way_to_turn_it_on() {
    let setting = Setting::granted();
    setting.world.set_task(&setting.task_id(), |task| task.enable_execute_command = false);
    let report = examined(&setting, &[]);
    assert_eq!((report.verdict("exec-enabled"), report.code), ("failed", Some(255)));
    assert!(report.check("exec-enabled")["remedy"].as_str().unwrap().contains("--enable-execute-command"));
}

#[test]
fn an_agent_that_stopped_fails() {
    let setting = Setting::granted();
    setting.world.set_task(&setting.task_id(), |task| task.containers[0].agent_status = Some("STOPPED".to_owned()));
    let report = examined(&setting, &[]);
    assert_eq!((report.such("failed"), report.code), (vec!["agent"], Some(255)));
}

#[test]
fn a_subnet_without_a_way_to_aws_fails_and_one_that_may_not_be_described_is_unknown() {
    let setting = Setting::granted();
    setting.world.faults().isolate_subnet();
    let report = examined(&setting, &[]);
    assert_eq!((report.such("failed"), report.code), (vec!["agent-route"], Some(255)));
    let what = report.check("agent-route")["what"].as_str().unwrap();
    assert!(what.contains("vpc-0b") && what.contains("subnet-0a"), "{what}");
    for action in ["ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints", "ec2:DescribeSubnets"] {
        setting.world.deny(&[action]);
        let report = examined(&setting, &[]);
        assert_eq!((report.verdict("agent-route"), report.code), ("unknown", Some(0)));
        assert!(report.check("agent-route")["remedy"].as_str().unwrap().contains(action), "{:#}", report.check("agent-route"));
    }
}

#[test]
fn a_read_only_container_is_recognised() {
    let setting = Setting::granted();
    let report = read(&output(&setting, &["--task", &setting.task_arn(), "--container", "kube-proxy", "-o", "json"]));
    assert_eq!(report.verdict("read-only-root"), "warning");
    setting.world.set_task(&setting.task_id(), |task| task.containers[1].agent_status = Some("STOPPED".to_owned()));
    let report = read(&output(&setting, &["--task", &setting.task_arn(), "--container", "kube-proxy", "-o", "json"]));
    assert_eq!(report.verdict("read-only-root"), "failed");
}

#[test]
fn a_task_or_cluster_that_is_not_there_fails() {
    let setting = Setting::granted();
    let report = read(&output(&setting, &["elsewhere", &setting.task_id(), "-o", "json"]));
    assert_eq!((report.verdict("task-found"), report.verdict("cluster-found")), ("failed", "failed"));
    setting.world.stop_task(&setting.task_id(), "deadline \u{1b}[2J exceeded");
    let report = examined(&setting, &[]);
    assert_eq!(report.verdict("task-running"), "failed");
    let what = report.check("task-running")["what"].as_str().unwrap();
    assert!(what.contains("deadline \\u{1b}[2J exceeded"), "{what}");
}

#[test]
fn expired_credentials_fail_and_make_nothing_else_ok() {
    let setting = Setting::granted();
    setting.world.expire_credentials();
    let report = examined(&setting, &[]);
    assert_eq!(report.verdict("identity"), "failed");
    assert!(report.check("identity")["what"].as_str().unwrap().contains("expired"));
    assert_eq!((report.verdict("task-found"), report.verdict("cluster-found")), ("unknown", "unknown"));
    assert_eq!(report.code, Some(255));
}

#[test]
fn foreign_credentials_fail() {
    let setting = Setting::granted();
    let mut command = command(&setting, &[setting.world.cluster(), &setting.task_id(), "-o", "json"]);
    command.env("AWS_ACCESS_KEY_ID", "ASIAFOREIGN");
    let report = read(&command.output().unwrap());
    assert_eq!((report.verdict("identity"), report.code), ("failed", Some(255)));
}

#[test]
fn another_region_than_the_tasks_fails() {
    let setting = Setting::granted();
    let report = examined(&setting, &["--region", "eu-west-1"]);
    assert_eq!((report.verdict("region"), report.code), ("failed", Some(255)));
    assert!(report.check("region")["remedy"].as_str().unwrap().contains("us-east-2"));
}

#[test]
fn without_credentials_the_login_is_named() {
    let setting = Setting::granted();
    let mut command = command(&setting, &["-o", "json", "--profile", "nobody"]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        command.env_remove(name);
    }
    let report = read(&command.output().unwrap());
    assert_eq!((report.verdict("configuration"), report.code), ("failed", Some(255)));
    assert!(report.check("configuration")["what"].as_str().unwrap().contains("nobody"));
}

/// A controller that answers one question, and the variables that lead to it.
fn controller(status: &str, body: String) -> [(&'static str, String); 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let status = status.to_owned();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("GET /v1/targets/inv-7.rosa HTTP/1.1"), "{head}");
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).unwrap();
    });
    [("BOUNDARY_ADDR", format!("http://{address}")), ("BOUNDARY_TOKEN", "at_1234567890_secret".to_owned())]
}

fn target(task_arn: &str, address: &str) -> String {
    json!({
        "id": "ttcp_1234567890", "scope_id": "p_1234567890", "name": "inv-7", "version": 1, "type": "tcp", "address": address,
        "description": format!("ecs-exec-target/1 owner=a task={task_arn} container=rosa-boundary state=live"),
        "session_max_seconds": 3600, "session_connection_limit": 1, "attributes": {"default_port": 443},
        "authorized_actions": ["read", "authorize-session"],
    })
    .to_string()
}

#[test]
fn the_target_says_the_task_and_is_judged() {
    let setting = Setting::granted();
    let answer = target(&setting.task_arn(), "ssmmessages.us-east-2.amazonaws.com");
    let mut command = command(&setting, &["--target", "inv-7.rosa", "-o", "json"]);
    let report = read(&command.envs(controller("200 OK", answer)).output().unwrap());
    for id in ["boundary-token", "boundary-target", "authorize-session", "target-address", "target-marker", "task-found", "agent"]
    {
        assert_eq!(report.verdict(id), "ok", "{:#}", report.document);
    }
    assert_eq!((report.verdict("connection-limit"), report.code), ("warning", Some(0)));
    assert!(!report.document.to_string().contains("at_1234567890"), "the token is in the report");
}

#[test]
fn a_target_of_something_else_fails() {
    let setting = Setting::granted();
    let other_task = setting.task_arn().replace(&setting.task_id(), &"0".repeat(32));
    let answer = target(&other_task, "ssmmessages.eu-west-1.amazonaws.com");
    let arguments = [setting.world.cluster(), &setting.task_id(), "rosa-boundary", "--target", "inv-7.rosa", "-o", "json"];
    let report = read(&command(&setting, &arguments).envs(controller("200 OK", answer)).output().unwrap());
    assert_eq!((report.such("failed"), report.code), (vec!["target-address", "target-marker"], Some(255)));
}

#[test]
fn a_token_that_boundary_refuses_fails() {
    let setting = Setting::granted();
    let answer = json!({"kind": "Unauthenticated", "message": "Unauthenticated, or invalid token."}).to_string();
    let mut command = command(&setting, &["--target", "inv-7.rosa", "-o", "json"]);
    let report = read(&command.envs(controller("401 Unauthorized", answer)).output().unwrap());
    assert_eq!((report.such("failed"), report.code), (vec!["boundary-token"], Some(255)));
    assert!(report.check("boundary-token")["remedy"].as_str().unwrap().contains("boundary authenticate"));
}

#[test]
fn wrong_usage_is_64() {
    let setting = Setting::granted();
    assert_eq!(output(&setting, &["-o", "xml"]).status.code(), Some(64));
    assert_eq!(output(&setting, &["dev", "a b"]).status.code(), Some(64));
    assert_eq!(setting.world.journal(), []);
}

#[test]
fn the_table_is_plain_and_fits_where_there_is_no_terminal() {
    let setting = Setting::granted();
    let output = output(&setting, &[setting.world.cluster(), &setting.task_id(), "rosa-boundary"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("caller\n  ok      credentials load"), "{table}");
    assert!(!table.contains('\u{1b}') && table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

#[test]
fn an_interrupt_ends_it() {
    let setting = Setting::granted();
    setting.world.faults().api_delay("sts:GetCallerIdentity", PATIENCE);
    let mut child = command(&setting, &["-o", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    // A signal before the program watches for it is kept by the kernel: it is blocked from the first line of `main`.
    while std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/status")).unwrap().contains("SigBlk:\t0000000000000000") {}
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(crate::harness::wait(&mut child).code(), Some(130));
}
#[test]
fn on_a_terminal_the_table_has_its_width_and_colours_unless_unwanted() {
    let setting = Setting::rosa();
    let arguments: Vec<OsString> =
        ["doctor", setting.world.cluster(), &setting.task_id(), "rosa-boundary"].into_iter().map(Into::into).collect();
    let screen = |extra: Option<(&str, &str)>| {
        let mut environment = setting.environment();
        environment.extend(extra.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let arguments = arguments.iter().map(OsString::as_os_str);
        let mut terminal = OnTerminal::start(WRAPPER.as_ref(), arguments, &environment);
        assert_eq!(terminal.exit_code(), Some(0), "{}", terminal.seen());
        terminal.seen()
    };
    let plain = screen(Some(("NO_COLOR", "1")));
    assert!(!plain.contains('\u{1b}') && plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
    assert!(plain.contains("cluster-key is not known: you may not call ecs:DescribeClusters"), "{plain}");
    assert!(screen(None).contains("\u{1b}[36munknown\u{1b}[0m"));
}

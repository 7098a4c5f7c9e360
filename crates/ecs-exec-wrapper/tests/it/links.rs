//! The record's two lines elsewhere: in a log group and a bucket, before the session and after it, whatever happens on the way.

use crate::harness::{OnTerminal, PATIENCE, Setting};
use lab::JournalEntry;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

const GROUP: &str = "/boundary/links";
const BUCKET: &str = "audit.links";

/// A world with group and bucket that the caller may write to.
fn setting() -> Setting {
    let setting = Setting::rosa();
    setting.world.add_log_group(GROUP);
    setting.world.add_bucket(BUCKET, "us-east-2");
    setting.world.allow(&["logs:CreateLogStream", "logs:PutLogEvents", "s3:PutObject"]);
    setting
}

const TO_BOTH: [&str; 4] = ["--record-log-group", GROUP, "--record-bucket", "s3://audit.links/of wrappers"];
const TO_GROUP: [&str; 2] = ["--record-log-group", GROUP];

fn run(setting: &Setting, flags: &[&str], command: &[&str]) -> Output {
    setting.piped(&[flags, &["--"], command].concat(), b"")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The journal's lines, as they stand there.
fn lines(setting: &Setting) -> Vec<String> {
    std::fs::read_to_string(setting.journal_file()).unwrap().lines().map(str::to_owned).collect()
}

/// The messages of all streams, and the number of streams.
fn logged(setting: &Setting) -> (Vec<String>, usize) {
    let streams = setting.world.log_streams(GROUP);
    (streams.values().flatten().map(|event| event.message.clone()).collect(), streams.len())
}

/// The objects' texts, starts before ends.
fn stored(setting: &Setting) -> Vec<String> {
    let objects = setting.world.objects(BUCKET);
    assert!(objects.keys().all(|key| key.starts_with("of wrappers/20")), "{:?}", objects.keys());
    let of = |end: &str| -> Vec<String> {
        objects.iter().filter(|(key, _)| key.ends_with(end)).map(|(_, body)| String::from_utf8(body.clone()).unwrap()).collect()
    };
    [of("-start.json"), of("-end.json")].concat()
}

fn spool(setting: &Setting) -> PathBuf {
    setting.home.path().join("state/ecs-exec-wrapper/spool")
}

/// The files in a folder of the spool, by name.
fn spooled(setting: &Setting, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(spool(setting).join(folder)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Runs sessions side by side that last until nothing waits in the spool.
fn run_until_swept<const COUNT: usize>(setting: &Setting, flags: &[&str]) -> [Output; COUNT] {
    let done = setting.home.path().join("swept");
    let command = format!("while [ ! -e '{}' ]; do sleep 0.05; done", done.display());
    std::thread::scope(|scope| {
        let running: [_; COUNT] = std::array::from_fn(|_| scope.spawn(|| run(setting, flags, &["sh", "-c", &command])));
        let until = Instant::now() + PATIENCE;
        while !spooled(setting, "").is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::write(&done, "").unwrap();
        running.map(|one| one.join().unwrap())
    })
}

fn calls(setting: &Setting) -> Vec<(String, bool)> {
    let call = |entry| match entry {
        JournalEntry::ApiCall { action, ok, .. } => Some((action, ok)),
        _ => None,
    };
    setting.world.journal().into_iter().filter_map(call).collect()
}

fn count(setting: &Setting, action: &str) -> usize {
    calls(setting).iter().filter(|(called, _)| called == action).count()
}

fn executed(setting: &Setting) -> usize {
    setting.count(|entry| matches!(entry, JournalEntry::ExecuteCommand { .. }))
}

#[test]
fn both_places_have_the_start_before_the_session_and_the_end_after_it() {
    let setting = setting();
    let output = run(&setting, &TO_BOTH, &["sh", "-c", "exit 5"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let lines = lines(&setting);
    assert_eq!(lines.len(), 2);
    assert_eq!(logged(&setting), (lines.clone(), 1));
    assert_eq!(stored(&setting), lines);
    let order: Vec<String> = calls(&setting).into_iter().map(|(action, _)| action).collect();
    let at =
        |wanted: &str| order.iter().enumerate().filter(|(_, action)| *action == wanted).map(|(at, _)| at).collect::<Vec<_>>();
    let execute = at("ecs:ExecuteCommand")[0];
    for action in ["logs:PutLogEvents", "s3:PutObject"] {
        let [start, end] = at(action)[..] else { panic!("{order:?}") };
        assert!(start < execute && execute < end, "{order:?}");
    }
    assert_eq!(spooled(&setting, "").len(), 0, "what arrived is not kept");
    let events = setting.world.log_streams(GROUP).into_values().next().unwrap();
    let start: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    let written_at: jiff::Timestamp = start["record"]["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(events[0].timestamp, written_at.as_millisecond());
}

#[test]
fn without_a_place_nothing_is_sent_or_spooled() {
    let setting = setting();
    assert_eq!(run(&setting, &[], &["true"]).status.code(), Some(0));
    assert_eq!(count(&setting, "logs:PutLogEvents") + count(&setting, "s3:PutObject"), 0);
    assert!(!spool(&setting).exists());
}

#[test]
fn no_session_opens_when_a_place_refuses_the_record() {
    for (denied, flags) in [("logs:CreateLogStream", &TO_BOTH), ("logs:PutLogEvents", &TO_BOTH), ("s3:PutObject", &TO_BOTH)] {
        let setting = setting();
        setting.world.deny(&[denied]);
        let output = run(&setting, flags, &["true"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(255), "{said}");
        assert!(said.contains("[record]") && said.contains(&format!("the permission {denied} is missing")), "{said}");
        assert!(said.contains(setting.world.caller_arn()) && said.contains("arn:aws:"), "{said}");
        assert_eq!(executed(&setting), 0, "{denied}");
        // The other place has both lines: that this session was wanted, and why it was not opened.
        let lines = lines(&setting);
        let has = if denied == "s3:PutObject" { logged(&setting).0 } else { stored(&setting) };
        assert_eq!(has, lines, "{denied}");
        assert!(lines[1].contains("\"ending\":\"record\""), "{}", lines[1]);
        assert_eq!(spooled(&setting, "").len(), 2, "{denied}");
    }
}

#[test]
fn a_group_that_rejects_with_a_200_refuses() {
    let setting = setting();
    setting.world.faults().reject_log_events("tooNewLogEventStartIndex");
    let output = run(&setting, &TO_GROUP, &["true"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("set this machine's clock"), "{}", stderr(&output));
    assert_eq!((executed(&setting), logged(&setting).0.len()), (0, 0));
}

#[test]
fn a_group_of_another_account_is_refused_before_anything_is_sent() {
    let setting = setting();
    let arn = "arn:aws:logs:us-east-2:999999999999:log-group:/boundary/links";
    let output = run(&setting, &["--record-log-group", arn], &["true"]);
    assert!(stderr(&output).contains("of the account 999999999999"), "{}", stderr(&output));
    assert_eq!((output.status.code(), executed(&setting), count(&setting, "logs:CreateLogStream")), (Some(255), 0, 0));
}

#[test]
fn a_service_that_cannot_be_reached_counts_as_the_mode_says() {
    let setting = setting();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = |mode: &str| {
        let mut command = setting.wrapper(&[&TO_BOTH[..], &["--record", mode, "--", "sh", "-c", "exit 4"]].concat());
        command.env("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", format!("http://{closed}")).stdin(Stdio::null()).output().unwrap()
    };
    let required = run("required");
    assert_eq!(required.status.code(), Some(255));
    assert!(stderr(&required).contains("[record]") && stderr(&required).contains("Connection refused"), "{}", stderr(&required));
    assert_eq!((executed(&setting), stored(&setting)), (0, lines(&setting)));
    let best_effort = run("best-effort");
    assert_eq!(best_effort.status.code(), Some(4), "{}", stderr(&best_effort));
    let (mut stored, mut lines) = (stored(&setting), lines(&setting));
    stored.sort();
    lines.sort();
    assert_eq!((stored, logged(&setting).1), (lines, 0));
}

#[test]
fn a_throttled_service_is_asked_again() {
    let setting = setting();
    setting.world.faults().api_error("logs:PutLogEvents", "ThrottlingException", 400, 2);
    setting.world.faults().api_error("s3:PutObject", "SlowDown", 503, 2);
    let output = run(&setting, &TO_BOTH, &["true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((count(&setting, "logs:PutLogEvents"), count(&setting, "s3:PutObject")), (4, 4));
    assert_eq!((logged(&setting).0, stored(&setting)), (lines(&setting), lines(&setting)));
}

#[test]
fn an_object_whose_answer_was_lost_is_there_once() {
    let setting = setting();
    setting.world.faults().lose_answers("s3:PutObject", 1);
    let output = run(&setting, &["--record-bucket", "s3://audit.links/of wrappers"], &["true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stored(&setting), lines(&setting));
    let refused = calls(&setting).into_iter().filter(|(action, ok)| action == "s3:PutObject" && !ok).count();
    assert_eq!(refused, 1, "412: it was already there");
}

#[test]
fn a_bucket_in_another_region_is_followed() {
    let setting = setting();
    setting.world.add_bucket("audit-elsewhere", "eu-west-1");
    let output = run(&setting, &["--record-bucket", "s3://audit-elsewhere"], &["true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(setting.world.objects("audit-elsewhere").len(), 2);
}

#[test]
fn what_could_not_be_sent_is_sent_once_by_the_next_session() {
    let setting = setting();
    let best_effort = [&TO_BOTH[..], &["--record", "best-effort"]].concat();
    for service in ["logs", "s3"] {
        setting.world.faults().unreachable(service, true);
    }
    let output = run(&setting, &best_effort, &["sh", "-c", "exit 6"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("the end of this session's record waits in"), "{said}");
    let files = spooled(&setting, "");
    assert_eq!(files.len(), 4, "a start and an end for each place: {files:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&files[0]).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    for service in ["logs", "s3"] {
        setting.world.faults().unreachable(service, false);
    }
    let [next] = run_until_swept(&setting, &TO_BOTH);
    assert_eq!(next.status.code(), Some(0), "{}", stderr(&next));
    assert_eq!(spooled(&setting, "").len(), 0);
    let (mut lines, mut logged, mut stored) = (lines(&setting), logged(&setting).0, stored(&setting));
    for all in [&mut lines, &mut logged, &mut stored] {
        all.sort();
    }
    assert_eq!(logged, lines, "each line once");
    assert_eq!(stored, lines);
}

#[test]
fn an_end_that_cannot_be_sent_leaves_the_exit_code_alone() {
    let setting = setting();
    let done = setting.home.path().join("done");
    let command = format!("while [ ! -e '{}' ]; do sleep 0.05; done; exit 9", done.display());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&setting, &TO_GROUP, &["sh", "-c", &command]));
        assert!(setting.wait_for(|journal| journal.iter().any(|entry| matches!(entry, JournalEntry::ExecuteCommand { .. }))));
        setting.world.faults().unreachable("logs", true);
        std::fs::write(&done, "").unwrap();
        let output = running.join().unwrap();
        assert_eq!(output.status.code(), Some(9));
        assert!(stderr(&output).contains("the end of this session's record waits in"), "{}", stderr(&output));
    });
    assert_eq!(spooled(&setting, "").len(), 1);
}

#[test]
fn a_line_that_is_too_old_is_told_once_and_kept_apart() {
    let setting = setting();
    setting.world.faults().unreachable("logs", true);
    run(&setting, &[&TO_GROUP[..], &["--record", "best-effort"]].concat(), &["true"]);
    setting.world.faults().unreachable("logs", false);
    let [start, _end] = &spooled(&setting, "")[..] else { panic!("two lines wait") };
    let mut page: serde_json::Value = serde_json::from_slice(&std::fs::read(start).unwrap()).unwrap();
    let mut line: serde_json::Value = serde_json::from_str(page["line"].as_str().unwrap()).unwrap();
    line["record"]["at"] = "2026-01-01T00:00:00Z".into();
    page["line"] = line.to_string().into();
    std::fs::write(start, page.to_string()).unwrap();
    std::fs::write(spool(&setting).join("0-broken.json"), "{").unwrap();

    let [output] = run_until_swept(&setting, &TO_GROUP);
    let said = stderr(&output);
    assert!(said.contains("too old for its log group") && said.contains("is no record line"), "{said}");
    assert_eq!(
        (spooled(&setting, "expired").len(), spooled(&setting, "unreadable").len(), spooled(&setting, "").len()),
        (1, 1, 0)
    );
    assert_eq!(logged(&setting).0.len(), 3, "the end of the first session, and the second session");
    let again = stderr(&run(&setting, &TO_GROUP, &["true"]));
    assert!(!again.contains("too old") && !again.contains("set aside"), "{again}");
}

#[test]
fn wrappers_at_once_send_what_waits_once() {
    let setting = setting();
    setting.world.faults().unreachable("logs", true);
    let best_effort = [&TO_GROUP[..], &["--record", "best-effort"]].concat();
    for _ in 0..3 {
        run(&setting, &best_effort, &["true"]);
    }
    setting.world.faults().unreachable("logs", false);
    let waiting = spooled(&setting, "").len();
    assert_eq!(waiting, 6);
    for output in run_until_swept::<2>(&setting, &TO_GROUP) {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let (mut logged, mut lines) = (logged(&setting).0, lines(&setting));
    logged.sort();
    lines.sort();
    assert_eq!(logged, lines);
}

#[test]
fn a_session_that_a_signal_ends_still_sends_its_end() {
    let setting = setting();
    let mut shell = OnTerminal::wrapper(&setting, &[&TO_BOTH[..], &["--env", "PS1=prompt> ", "--", "sh", "-i"]].concat());
    shell.expect("prompt> ");
    shell.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(shell.exit_code(), Some(143));
    let lines = lines(&setting);
    assert!(lines[1].contains("\"ending\":\"signal\""), "{}", lines[1]);
    assert_eq!((logged(&setting).0, stored(&setting)), (lines.clone(), lines));
}

#[test]
fn the_policy_chooses_the_place() {
    let setting = setting();
    let policy = setting.home.path().join("policy.toml");
    std::fs::write(&policy, format!("record_log_group = \"{GROUP}\"")).unwrap();
    let run = |flags: &[&str]| {
        let mut command = setting.wrapper(&[flags, &["--", "true"]].concat());
        command.env("ECS_EXEC_TEST_POLICY", &policy).stdin(Stdio::null()).output().unwrap()
    };
    assert_eq!(run(&[]).status.code(), Some(0));
    assert_eq!(logged(&setting).0, lines(&setting));
    let other = run(&["--record-log-group", "/my/own"]);
    assert!(stderr(&other).contains("[policy]") && stderr(&other).contains(GROUP), "{}", stderr(&other));
}

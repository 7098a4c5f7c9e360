//! What is left behind: the session record, the result file, and that both agree with what really happened.

use crate::harness::{Setting, records};
use audit_record::SessionLine;
use std::process::Stdio;

#[test]
fn start_and_end_are_recorded_and_agree_with_the_agents_own_log() {
    let setting = Setting::rosa();
    let result = setting.result_file().display().to_string();
    let output = setting.piped(
        &[
            "--result-file",
            &result,
            "--reason",
            "INC-7",
            "--boundary-session-id",
            "s_1234567890",
            "--",
            "sh",
            "-c",
            "echo é; exit 9",
        ],
        b"",
    );
    assert_eq!(output.status.code(), Some(9));
    let lines = records(&setting.journal_file());
    let [SessionLine::SessionStart(start), SessionLine::SessionEnd(end)] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(start.record_id, end.record_id);
    assert_eq!((start.reason.as_deref(), start.route.as_str()), (Some("INC-7"), "boundary"));
    assert_eq!(
        (start.boundary_session_id.as_deref(), start.boundary_session_id_source.as_str()),
        (Some("s_1234567890"), "given")
    );
    assert_eq!(start.principal_arn.as_deref(), Some(setting.world.caller_arn()));
    assert_eq!(
        (end.exit_code, end.exit_source.as_str(), end.ending.as_str(), end.remote_end.as_str()),
        (9, "marker", "exited", "confirmed")
    );

    let transcript = setting.world.transcript(end.ssm_session_id.as_deref().unwrap()).unwrap();
    let mut digest = audit_record::OutputDigest::default();
    digest.update(&transcript);
    assert_eq!(end.output_sha256, digest.sha256(), "the agent logged other bytes than we received");
    assert_eq!(end.bytes_out, transcript.len() as u64);

    let result = setting.result();
    assert_eq!(result["exit_code"], 9);
    assert_eq!(result["exit_source"], "marker");
    assert_eq!(result["reason"], "exited");
    assert_eq!(result["remote_end"], "confirmed");
    assert_eq!(result["ssm_session_id"], end.ssm_session_id.as_deref().unwrap());
    assert_eq!(result["task_arn"], start.task_arn.as_str());
    let keys = [
        "format_version",
        "exit_code",
        "exit_source",
        "reason",
        "boundary_session_id",
        "boundary_session_id_source",
        "ssm_session_id",
        "task_arn",
        "route",
        "bytes_in",
        "bytes_out",
        "input_dropped",
        "resumes",
        "remote_end",
        "started_at",
        "ended_at",
    ];
    assert!(keys.iter().all(|key| result.get(key).is_some()), "{result}");
}

#[test]
fn no_session_opens_without_a_record_unless_told() {
    let setting = Setting::rosa();
    std::fs::write(setting.home.path().join("state"), b"a file where the folder should be").unwrap();
    let refused = setting.piped(&["--", "true"], b"");
    assert_eq!(refused.status.code(), Some(255));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("[record]"));
    assert_eq!(
        setting.count(|entry| matches!(entry, lab::JournalEntry::ApiCall { .. })),
        0,
        "AWS was asked before the record was sure"
    );
    let allowed = setting.piped(&["--record", "best-effort", "--", "sh", "-c", "exit 6"], b"");
    assert_eq!(allowed.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&allowed.stderr).contains("not recorded"));
}

#[test]
fn two_hundred_wrappers_at_once_leave_whole_lines() {
    const COUNT: usize = 200;
    let setting = Setting::rosa();
    // Refused at the last step: the start line is written before ExecuteCommand leaves.
    setting.world.deny(&["ecs:ExecuteCommand"]);
    let start =
        |_| setting.wrapper(&["--", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut children: Vec<_> = (0..COUNT).map(start).collect();
    for child in &mut children {
        assert_eq!(crate::harness::wait(child).code(), Some(255));
    }
    // On a crowded machine some give up on the way; each that came to ExecuteCommand has its two lines, and no line is torn.
    let asked =
        setting.count(|entry| matches!(entry, lab::JournalEntry::ApiCall { action, .. } if action == "ecs:ExecuteCommand"));
    let records = records(&setting.journal_file());
    let starts = records.iter().filter(|record| matches!(record, SessionLine::SessionStart(_))).count();
    assert!(asked > COUNT / 2, "only {asked} of {COUNT} came that far");
    assert!(starts >= asked, "{asked} ExecuteCommands but {starts} start lines");
    assert_eq!(records.len(), 2 * starts);
}

#[test]
fn nothing_secret_is_written_anywhere() {
    let setting = Setting::rosa();
    let log = setting.home.path().join("log").display().to_string();
    let output = setting.piped(&["-vvv", "--log-file", &log, "--", "true"], b"");
    assert_eq!(output.status.code(), Some(0));
    let secrets: Vec<String> = setting
        .world
        .environment()
        .into_iter()
        .filter(|(name, _)| matches!(name.as_str(), "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN"))
        .map(|(_, value)| value)
        .collect();
    let written = [std::fs::read_to_string(&log).unwrap(), std::fs::read_to_string(setting.journal_file()).unwrap()].concat();
    assert!(!written.is_empty());
    assert!(secrets.iter().all(|secret| !written.contains(secret.as_str())));
    assert!(
        !written.contains("role=publish_subscribe") && !written.contains("TokenValue"),
        "the stream URL or its token is in the log"
    );
}

#[test]
fn a_transcript_is_a_recording_chained_to_the_record() {
    let setting = Setting::rosa();
    let mut shell =
        crate::harness::OnTerminal::wrapper(&setting, &["--transcript", "auto", "--env", "PS1=prompt> ", "--", "sh", "-i"]);
    shell.expect("prompt> ");
    shell.resize(100, 30);
    assert!(
        setting.wait_for(|journal| journal
            .iter()
            .any(|entry| matches!(entry, lab::JournalEntry::SizeSet { cols: 100, rows: 30, .. })))
    );
    shell.type_in("echo sh''own; exit 7\r");
    assert_eq!(shell.exit_code(), Some(7));
    let lines = records(&setting.journal_file());
    let Some(SessionLine::SessionEnd(end)) = lines.last() else { panic!("{lines:?}") };
    let transcript = end.transcript.as_ref().unwrap();
    let bytes = std::fs::read(&transcript.file).unwrap();
    assert!(transcript.complete);
    assert_eq!(transcript.sha256, audit_record::sha256_hex(&bytes));
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.lines();
    let header: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!((header["version"].as_u64(), header["term"]["cols"].as_u64()), (Some(3), Some(80)));
    let events: Vec<(f64, String, String)> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |code: &str| events.iter().filter(|event| event.1 == code).map(|event| event.2.as_str()).collect::<Vec<_>>();
    assert!(of("o").concat().contains("shown\r\n") && !text.contains("7337"), "{text}");
    assert!(of("r").contains(&"100x30"));
    assert_eq!(of("x"), ["7"]);
    assert!(of("i").is_empty(), "input was recorded without being asked for");
}

#[test]
fn a_shell_that_marks_nothing_is_told_and_counts_nothing() {
    let (root, user) = (nix::unistd::getuid().is_root(), nix::unistd::User::from_name("nobody").unwrap());
    if !root || user.is_none_or(|user| user.shell.ends_with("bash")) {
        eprintln!("skipped: no root, or nobody has a bash");
        return;
    }
    let setting = Setting::rosa();
    let arguments = [setting.world.cluster(), &setting.task_id(), "rosa-boundary", "nobody", "--mark-commands"];
    let arguments = arguments.map(std::ffi::OsStr::new).into_iter();
    let mut shell = crate::harness::OnTerminal::start(crate::harness::WRAPPER.as_ref(), arguments, &setting.environment());
    assert_ne!(shell.exit_code(), Some(0), "{}", shell.seen());
    assert_eq!(shell.seen().matches("commands are not marked: the shell is no bash").count(), 1, "{}", shell.seen());
    assert!(!shell.seen().contains("7337"), "{}", shell.seen());
    let lines = records(&setting.journal_file());
    let Some(SessionLine::SessionEnd(end)) = lines.last() else { panic!("{lines:?}") };
    assert_eq!((end.commands_marked, end.exit_source.as_str()), (None, "marker"));
}

#[test]
fn commands_of_a_login_bash_are_marked_in_record_and_transcript_and_not_on_the_screen() {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
    if !user.shell.ends_with("bash") {
        eprintln!("skipped: the shell of {} is no bash", user.name);
        return;
    }
    let setting = Setting::rosa();
    let mut shell = crate::harness::OnTerminal::wrapper(&setting, &["--mark-commands", "--transcript", "auto"]);
    shell.type_in("HISTFILE= PS1='ma''rk> '\r");
    for (line, prompts) in
        [("echo o''ne; false\r", 1), ("printf '\\033]7337;ecs-exec;%032d;command;2;ls\\007' 7\r", 2), ("exit 3\r", 3)]
    {
        shell.expect_count("mark> ", prompts);
        shell.type_in(line);
    }
    assert_eq!(shell.exit_code(), Some(3), "{}", shell.seen());
    let seen = shell.seen();
    let forged = format!("\u{1b}]7337;ecs-exec;{:032};command;2;ls\u{7}", 7);
    assert!(seen.contains("one\r\n") && seen.contains(&forged), "{seen:?}");
    assert_eq!(seen.matches("\u{1b}]7337").count(), 1, "a mark on the screen: {seen:?}");

    let lines = records(&setting.journal_file());
    let Some(SessionLine::SessionEnd(end)) = lines.last() else { panic!("{lines:?}") };
    assert_eq!(end.commands_marked, Some(4));
    let logged = setting.world.transcript(end.ssm_session_id.as_deref().unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&logged).contains(";command;6;exit 3\u{7}"));
    let mut digest = audit_record::OutputDigest::default();
    digest.update(&logged);
    assert_eq!(end.output_sha256, digest.sha256(), "the marks are in the agent's log and not in the digest");

    let cast = std::fs::read_to_string(&end.transcript.as_ref().unwrap().file).unwrap();
    let events: Vec<(f64, String, String)> = cast.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |code: &str| events.iter().filter(|event| event.1 == code).map(|event| event.2.as_str()).collect::<Vec<_>>();
    assert_eq!(of("m")[1..3], ["echo o''ne; false", "(ended with 1)"]);
    assert_eq!(of("m").last(), Some(&"exit 3"));
    assert_eq!(of("o").concat().matches("7337;ecs-exec").count(), 2, "the typed text and what it printed, no mark: {cast}");
}

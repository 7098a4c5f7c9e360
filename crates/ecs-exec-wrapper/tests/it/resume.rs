//! Lost connections: resumed without a byte lost or doubled, or ended with the exact reason.

use crate::harness::{OnTerminal, Setting};
use lab::{Cut, JournalEntry, Profile, WorldOptions};
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

/// A world where resuming is permitted, encrypted as the users' own.
fn setting() -> Setting {
    Setting::new(WorldOptions { kms: true, ..WorldOptions::of(Profile::Granted) })
}

/// The wrapper's authorization token: it names the worker, so that nobody waits for Boundary blindly.
fn token(setting: &Setting) -> (String, String) {
    let hour =
        3_600 + i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let token = lab::connect::AuthzToken::new("s_1234567890", "ttcp_lab0000001", hour, setting.world.worker_addr());
    ("BOUNDARY_CONNECT_AUTHZ_TOKEN".to_owned(), lab::connect::authz_token(&token))
}

fn on_terminal(setting: &Setting, arguments: &[&str]) -> OnTerminal {
    let command = setting.wrapper(arguments);
    let mut environment = setting.environment();
    environment.push(token(setting));
    OnTerminal::start(command.get_program(), command.get_args(), &environment)
}

fn resumed(setting: &Setting) -> usize {
    setting.count(|entry| matches!(entry, JournalEntry::GatewayOpened { .. })) - 1
}

#[test]
fn output_and_input_survive_cuts_of_every_kind() {
    let setting = setting();
    let bytes: Vec<u8> = (0..400_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    let mut command =
        setting.wrapper(&["--", "sh", "-c", "sha256sum; head -c 5000000 /dev/zero | tr '\\0' 'x' | sed 's/x\\{100\\}/&-/g'"]);
    let (name, value) = token(&setting);
    let mut child = command.env(name, value).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let feeder = std::thread::spawn(move || stdin.write_all(&sent));
    assert!(setting.wait_for(|journal| journal.iter().any(|entry| matches!(entry, JournalEntry::ChildStarted { .. }))));
    let world = &setting.world;
    let output = std::thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            for cut in [Cut::CloseFrame(1000, "Bye".to_owned()), Cut::Fin, Cut::Rst, Cut::Fin] {
                std::thread::sleep(Duration::from_millis(700));
                world.faults().cut(cut);
            }
        });
        let output = crate::harness::wait_with_output(child);
        cutter.join().unwrap();
        output
    });
    feeder.join().unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = format!("{}  -\n{}", audit_record::sha256_hex(&bytes), format!("{}-", "x".repeat(100)).repeat(50_000));
    assert!(output.stdout == expected.as_bytes(), "{} of {} bytes", output.stdout.len(), expected.len());
    assert!(resumed(&setting) >= 1, "nothing was cut in time");
}

#[test]
fn twenty_four_byes_in_one_session() {
    let setting = setting();
    let result = setting.result_file().display().to_string();
    let mut shell = on_terminal(&setting, &["--result-file", &result, "--env", "PS1=prompt> ", "--", "sh", "-i"]);
    shell.expect("prompt> ");
    for hour in 1..=24 {
        setting.world.faults().cut(Cut::CloseFrame(1000, "Bye".to_owned()));
        assert!(
            setting.wait_for(
                |journal| journal.iter().filter(|e| matches!(e, JournalEntry::GatewayOpened { .. })).count() == hour + 1
            )
        );
        shell.type_in(&format!("echo ho''ur-{hour}-\r"));
        shell.expect(&format!("hour-{hour}-"));
    }
    shell.type_in("exit 7\r");
    assert_eq!(shell.exit_code(), Some(7), "{}", shell.seen());
    assert_eq!(setting.result()["resumes"], 24);
}

#[test]
fn keys_typed_during_an_outage_arrive_after_it() {
    let setting = setting();
    let mut shell = on_terminal(&setting, &["--env", "PS1=prompt> ", "--", "sh", "-i"]);
    shell.expect("prompt> ");
    setting.world.faults().close_worker_listener();
    setting.world.faults().cut(Cut::Rst);
    shell.expect("resuming");
    shell.type_in("echo aft''er; exit 7\r");
    std::thread::sleep(Duration::from_millis(500));
    setting.world.faults().worker_opens();
    assert_eq!(shell.exit_code(), Some(7), "{}", shell.seen());
    assert!(shell.seen().contains("after"));
    assert_eq!(resumed(&setting), 1);
}

#[test]
fn an_outage_can_be_left_by_escape_and_by_signal() {
    for by_signal in [false, true] {
        let setting = setting();
        let mut shell = on_terminal(&setting, &["--", "sh", "-c", "echo rea''dy; sleep 60"]);
        shell.expect("ready");
        setting.world.faults().close_worker_listener();
        setting.world.faults().cut(Cut::Rst);
        shell.expect("resuming");
        if by_signal {
            shell.signal(nix::sys::signal::Signal::SIGINT);
        } else {
            shell.type_in("~.");
        }
        assert_eq!(shell.exit_code(), Some(if by_signal { 130 } else { 255 }), "{}", shell.seen());
    }
}

#[test]
fn without_the_right_to_resume_the_reason_is_exact_and_told_at_the_next_start() {
    let setting = Setting::rosa();
    let arguments = ["--", "sh", "-c", "echo rea''dy; sleep 60"];
    let mut shell = on_terminal(&setting, &arguments);
    shell.expect("ready");
    setting.world.faults().cut(Cut::CloseFrame(1000, "Bye".to_owned()));
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[resume-denied]") && shell.seen().contains("ssm:ResumeSession"), "{}", shell.seen());
    let mut next = on_terminal(&setting, &arguments);
    next.expect("ready");
    assert!(next.seen().contains("may not resume sessions"), "{}", next.seen());
    next.type_in("~.");
    next.exit_code();
}

#[test]
fn a_canceled_boundary_session_is_not_resumed() {
    let setting = setting();
    let (arguments, environment) = setting.under_boundary(&["--", "sh", "-c", "echo rea''dy; sleep 60"]);
    let arguments: Vec<std::ffi::OsString> = arguments
        .into_iter()
        .filter(|argument| !["-target-id", "ttcp_lab0000001"].contains(&argument.as_str()))
        .map(Into::into)
        .collect();
    let environment: Vec<(String, String)> = environment.into_iter().chain([token(&setting)]).collect();
    let mut shell = OnTerminal::start(
        crate::harness::stand_in().as_os_str(),
        arguments.iter().map(std::ffi::OsString::as_os_str),
        &environment,
    );
    shell.expect("ready");
    setting.world.faults().cancel_boundary_session();
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[boundary-closed]"), "{}", shell.seen());
}

#[test]
fn a_session_that_aws_has_ended_is_named_so() {
    let setting = setting();
    let mut shell = on_terminal(&setting, &["--", "sh", "-c", "echo rea''dy; sleep 60"]);
    shell.expect("ready");
    let session = setting.world.journal().into_iter().find_map(|entry| match entry {
        JournalEntry::ExecuteCommand { session_id, .. } => Some(session_id),
        _ => None,
    });
    setting.world.faults().close_worker_listener();
    setting.world.faults().cut(Cut::Rst);
    shell.expect("resuming");
    setting.world.terminate(&session.unwrap());
    assert!(setting.wait_for(|journal| journal.iter().any(|entry| matches!(entry, JournalEntry::SessionEnded { .. }))));
    std::thread::sleep(Duration::from_secs(11));
    setting.world.faults().worker_opens();
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[session-timed-out]"), "{}", shell.seen());
}

/// How much is typed or piped in while the way is gone.
const INPUT: usize = 1_000_000;

/// Prints numbers of seven digits, five megabytes of them, over some seconds, so that a cut falls into the middle.
const FIVE_MEGABYTES: &str = "i=100; while [ $i -lt 163 ]; do seq ${i}0000 ${i}9999; sleep 0.03; i=$((i+1)); done";

fn five_megabytes() -> String {
    (1_000_000..1_630_000).map(|n| format!("{n}\n")).collect()
}

/// Bytes that a terminal in raw mode carries as they are, without any two neighbourhoods alike, and without our escape.
fn input() -> Vec<u8> {
    let words = (0..).map(|n: u32| format!("{:x}.", n.wrapping_mul(2_654_435_761)));
    words.flat_map(String::into_bytes).take(INPUT).collect()
}

/// Neither AWS nor the worker can be reached for so long; the worker comes back only when AWS has answered.
fn outage(setting: &Setting, length: Duration) {
    let faults = setting.world.faults();
    faults.lose_answers("ssm:ResumeSession", u32::MAX);
    faults.close_worker_listener();
    faults.cut(Cut::Rst);
    std::thread::sleep(length);
    faults.lose_answers("ssm:ResumeSession", 0);
    let lost = tries(setting);
    until("an answer", || tries(setting) > lost);
    std::thread::sleep(Duration::from_millis(500));
    faults.worker_opens();
}

fn tries(setting: &Setting) -> usize {
    setting.count(|entry| matches!(entry, JournalEntry::ApiCall { action, .. } if action == "ssm:ResumeSession"))
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + crate::harness::PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < limit, "waited for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn assert_same(what: &str, got: &[u8], expected: &[u8]) {
    let (got_sha256, expected_sha256) = (audit_record::sha256_hex(got), audit_record::sha256_hex(expected));
    assert_eq!(got_sha256, expected_sha256, "{what}: {} of {} bytes", got.len(), expected.len());
}

fn pipes_survive_an_outage_of(length: Duration) {
    let setting = setting();
    let script = format!("({FIVE_MEGABYTES}) & sha256sum >&2; wait; exit 5");
    let mut command = setting.wrapper(&["-q", "--", "sh", "-c", &script]);
    let (name, value) = token(&setting);
    let mut child = command.env(name, value).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut stderr = child.stderr.take().unwrap();
    let (bytes, mut output, mut errors) = (input(), vec![0; 500_000], Vec::new());
    std::thread::scope(|scope| {
        let feeder = scope.spawn(|| {
            stdin.write_all(&bytes[..INPUT / 2]).unwrap();
            until("the outage", || tries(&setting) > 0);
            stdin.write_all(&bytes[INPUT / 2..]).unwrap();
            drop(stdin);
        });
        stdout.read_exact(&mut output).unwrap();
        let cutter = scope.spawn(|| outage(&setting, length));
        stdout.read_to_end(&mut output).unwrap();
        stderr.read_to_end(&mut errors).unwrap();
        feeder.join().unwrap();
        cutter.join().unwrap();
    });
    let errors = String::from_utf8_lossy(&errors);
    assert_eq!(crate::harness::wait(&mut child).code(), Some(5), "{errors}");
    assert_same("output", &output, five_megabytes().as_bytes());
    assert_eq!(errors, format!("{}  -\n", audit_record::sha256_hex(&bytes)), "input");
    assert_eq!(resumed(&setting), 1);
    assert!(tries(&setting) > 3, "only {} tries", tries(&setting));
}

fn a_paste_survives_an_outage_of(length: Duration) {
    let setting = setting();
    let script =
        format!("stty raw -echo; echo ready; ({FIVE_MEGABYTES}) & s=$(head -c {INPUT} | sha256sum); wait; echo \"$s\"; exit 5");
    let mut shell = on_terminal(&setting, &["-q", "--", "sh", "-c", &script]);
    shell.expect("ready");
    let bytes = input();
    let typist = shell.typist();
    typist.send(bytes[..INPUT / 2].to_vec()).unwrap();
    until("some output", || shell.seen_bytes() > 500_000);
    assert!(shell.seen_bytes() < 4_500_000, "the output was over before the cut");
    std::thread::scope(|scope| {
        scope.spawn(|| outage(&setting, length));
        until("the outage", || tries(&setting) > 0);
        typist.send(bytes[INPUT / 2..].to_vec()).unwrap();
    });
    assert_eq!(shell.exit_code(), Some(5));
    let expected = format!("ready\n{}{}  -\n", five_megabytes(), audit_record::sha256_hex(&bytes));
    assert_same("screen", shell.seen().as_bytes(), expected.as_bytes());
    assert_eq!(resumed(&setting), 1);
    assert!(tries(&setting) > 3, "only {} tries", tries(&setting));
}

#[test]
fn an_outage_amid_five_megabytes_out_and_one_in_loses_and_doubles_nothing_in_pipes() {
    pipes_survive_an_outage_of(Duration::from_secs(4));
}

#[test]
fn an_outage_amid_five_megabytes_out_and_a_paste_of_one_loses_and_doubles_nothing_on_a_terminal() {
    a_paste_survives_an_outage_of(Duration::from_secs(4));
}

#[test]
#[ignore = "takes over a minute of real time: the same with thirty seconds"]
fn an_outage_of_thirty_seconds_loses_and_doubles_nothing() {
    pipes_survive_an_outage_of(Duration::from_secs(30));
    a_paste_survives_an_outage_of(Duration::from_secs(30));
}

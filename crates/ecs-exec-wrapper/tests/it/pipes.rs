//! Pipe mode: bytes, codes, latency, and commands that do not read.

use crate::harness::{Setting, wait_with_output};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

#[test]
fn a_commands_output_and_code_come_back_without_a_banner() {
    let setting = Setting::rosa();
    let output = setting.piped(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"], b"");
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
}

#[test]
fn arguments_arrive_as_they_were_given() {
    let setting = Setting::granted();
    let given = ["{{.State}}", "a b", "$HOME", "`id`", "'", "\"", "\\", "#x", "*", "", "é\u{fffd}", "a\nb", "-n"];
    let mut arguments = vec!["--", "printf", "[%s]"];
    arguments.extend(given);
    let output = setting.piped(&arguments, b"");
    let expected: String = given.iter().map(|argument| format!("[{argument}]")).collect();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn ten_megabytes_of_every_value_are_exact_with_stderr_in_between() {
    let setting = Setting::rosa();
    let script = r#"python3 -c "
import sys
block = bytes(range(256)) * 160
for n in range(256):
    sys.stdout.buffer.write(block); sys.stdout.buffer.flush()
    sys.stderr.write('line %d\n' % n); sys.stderr.flush()
""#;
    let output = setting.piped(&["--", "sh", "-c", script], b"");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let block: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(160);
    assert_eq!(output.stdout.len(), block.len() * 256);
    assert!(output.stdout.chunks(block.len()).all(|chunk| chunk == block), "a byte was changed, lost or doubled");
    let expected: String = (0..256).map(|n| format!("line {n}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

#[test]
fn a_megabyte_goes_in_and_comes_back() {
    let setting = Setting::rosa();
    let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let output = setting.piped(&["--", "cat"], &bytes);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == bytes, "{} of {} bytes came back", output.stdout.len(), bytes.len());
}

#[test]
fn a_request_is_answered_before_the_next_one() {
    let setting = Setting::rosa();
    let mut command = setting.wrapper(&["--", "sh", "-c", "while read -r line; do echo \"got $line\"; done; exit 3"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut requests = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in 0..20 {
        writeln!(requests, "{n}").unwrap();
        // Would block for ever if anything waited for more input or for the end.
        assert_eq!(answers.next().unwrap().unwrap(), format!("got {n}"));
    }
    drop(requests);
    assert!(answers.next().is_none());
    assert_eq!(crate::harness::wait(&mut child).code(), Some(3));
}

#[test]
fn a_command_that_never_reads_a_megabyte_ends_all_the_same() {
    let setting = Setting::rosa();
    let output = setting.piped(&["--", "sh", "-c", "echo done; exit 5"], &vec![b'x'; 1_000_000]);
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(5), &b"done\n"[..]),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn dev_null_and_files_are_input_too() {
    let setting = Setting::rosa();
    let output = wait_with_output(
        setting.wrapper(&["--", "wc", "-c"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    let path = setting.home.path().join("input");
    std::fs::write(&path, [0, 1, 2, 3, 4, 10, 13, 255]).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let output = wait_with_output(
        setting.wrapper(&["--", "od", "-An", "-tu1"]).stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3", "4", "10", "13", "255"]
    );
}

#[test]
fn a_closed_stdout_ends_the_session() {
    let setting = Setting::granted();
    let mut command = setting.wrapper(&["--", "sh", "-c", "while :; do echo line; done"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "line\n");
    assert_eq!(crate::harness::wait(&mut child).code(), Some(141));
    assert!(setting.wait_for(|journal| journal.iter().any(|entry| matches!(entry, lab::JournalEntry::ChildExited { .. }))));
}

#[test]
fn without_encoding_text_still_passes() {
    let setting = Setting::rosa();
    let output = setting.piped(&["--pipe-encoding", "none", "--", "sh", "-c", "cat; exit 4"], b"one\ntwo\n");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(4), "one\ntwo\n"));
}

#[test]
fn the_exit_code_of_a_killed_command_is_128_and_its_signal() {
    let setting = Setting::rosa();
    assert_eq!(setting.piped(&["--", "sh", "-c", "kill -9 $$"], b"").status.code(), Some(137));
    assert_eq!(setting.piped(&["--", "no-such-program"], b"").status.code(), Some(127));
}

#[test]
fn the_planted_variables_are_in_the_command_and_in_the_container() {
    let setting = Setting::rosa();
    let output = setting.piped(
        &["--boundary-session-id", "s_1234567890", "--env", "A=b c", "--", "sh", "-c", "echo $BOUNDARY_SESSION_ID $A"],
        b"",
    );
    assert_eq!(output.stdout, b"s_1234567890 b c\n");
    let planted = setting.count(
        |entry| matches!(entry, lab::JournalEntry::ExecuteCommand { command, .. } if command.starts_with("env BOUNDARY_SESSION_ID=s_1234567890 ")),
    );
    assert_eq!(planted, 1);
}

#[test]
fn under_boundarys_parent_arguments_and_code_survive_and_only_its_own_lines_come_first() {
    let setting = Setting::rosa();
    let (arguments, environment) =
        setting.under_boundary(&["--", "sh", "-c", "printf '%s\\n' \"$@\"; exit 7", "sh", "{{.State}}", "{{ x }}", "a b"]);
    let mut command = std::process::Command::new(crate::harness::stand_in());
    command.args(arguments).env_clear().envs(environment);
    let output = wait_with_output(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.trim_start().starts_with("Proxy listening information"), "{stdout}");
    assert!(stdout.ends_with("\n{{.State}}\n{{ x }}\na b\n"), "{stdout}");
}

#[test]
fn a_bad_link_loses_and_doubles_nothing() {
    let setting = Setting::new(lab::WorldOptions { agent_ack_race: true, ..lab::WorldOptions::default() });
    let bad = lab::Impairment {
        drop_percent: 3,
        duplicate_percent: 5,
        reorder_percent: 5,
        lose_acks_percent: 5,
        ..lab::Impairment::default()
    };
    setting.world.faults().impair_to_client(bad);
    setting.world.faults().impair_to_agent(bad);
    let bytes: Vec<u8> = (0..60_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let output = setting.piped(&["--", "cat"], &bytes);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == bytes, "{} of {} bytes came back", output.stdout.len(), bytes.len());
}

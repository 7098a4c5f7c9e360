//! Pipe mode, with base64 and as given.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use remote_script::{Mode, PipeEncoding, Refusal};

use crate::client::{Client, Seen, launch, left_of, piped};
use crate::shells::for_each_shell;

/// All 256 values in an order that no line or block length divides.
fn every_value(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 167 + at / 251) % 256).to_le_bytes()[0]).collect()
}

fn assert_clean(seen: &Seen) {
    assert_eq!(String::from_utf8_lossy(&seen.garbage), "");
    assert_eq!(String::from_utf8_lossy(&seen.preface), "");
    assert!(seen.took < Duration::from_secs(50), "{:?}", seen.took);
}

#[test]
fn exit_code_and_streams_are_the_programs() {
    for_each_shell(|shell| {
        let client = piped(shell, &["sh", "-c", "printf out; printf err >&2; exit 42"]);
        let session_id = client.session_id();
        let seen = client.finish();
        assert_eq!((seen.code(), seen.status), (Some(42), Some(42)));
        assert_eq!((seen.text().as_str(), seen.stderr.as_slice()), ("out", &b"err"[..]));
        assert_clean(&seen);
        assert_eq!(left_of(session_id), Vec::<String>::new());
        let seen = piped(shell, &["sh", "-c", "kill -INT $$; exit 1"]).finish();
        assert_eq!(seen.code(), Some(130), "SIGINT is not ignored");
        let seen = piped(shell, &["no-such-program"]).finish();
        assert_eq!(seen.code(), Some(127));
        assert!(String::from_utf8_lossy(&seen.stderr).contains("no-such-program"));
    });
}

#[test]
fn the_program_sees_pipes_and_no_other_descriptor() {
    for_each_shell(|shell| {
        let script = "for n in 0 1 2; do [ -p /proc/$$/fd/$n ] && echo $n; done; \
                      for n in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done";
        let seen = piped(shell, &["sh", "-c", script]).finish();
        assert_eq!(seen.text(), "0\n1\n2\n");
    });
}

#[test]
fn ten_megabytes_out_are_exact_with_stderr_between() {
    for_each_shell(|shell| {
        let folder = tempfile::tempdir().expect("a folder");
        let (out, err) = (every_value(10_000_000), every_value(1_000_001));
        std::fs::write(folder.path().join("out"), &out).expect("writes");
        std::fs::write(folder.path().join("err"), &err).expect("writes");
        let path = folder.path().display().to_string();
        let script = "cat $0/err >&2 & cat $0/out; wait; exit 3";
        let seen = piped(shell, &["sh", "-c", script, &path]).finish();
        report(shell.name, "10 MB out and 1 MB err", out.len() + err.len(), seen.took);
        assert!(seen.output == out, "stdout differs: {} bytes", seen.output.len());
        assert!(seen.stderr == err, "stderr differs: {} bytes", seen.stderr.len());
        assert_eq!(seen.code(), Some(3));
        assert_clean(&seen);
    });
}

#[test]
fn a_megabyte_in_and_out_is_exact() {
    for_each_shell(|shell| {
        let bytes = every_value(1_000_003);
        let mut client = piped(shell, &["cat"]);
        for piece in bytes.chunks(65_536) {
            client.send(piece);
        }
        client.end();
        let seen = client.finish();
        report(shell.name, "1 MB in and out", bytes.len(), seen.took);
        assert!(seen.output == bytes, "{} bytes came back", seen.output.len());
        assert_eq!(seen.code(), Some(0));
        assert_clean(&seen);
    });
}

#[test]
fn ten_megabytes_in_are_exact() {
    for_each_shell(|shell| {
        let bytes = every_value(10_000_000);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("in");
        let mut client = piped(shell, &["sh", "-c", "cat >$0", &file.display().to_string()]);
        client.send(&bytes);
        client.end();
        let seen = client.finish();
        report(shell.name, "10 MB in", bytes.len(), seen.took);
        assert!(std::fs::read(&file).expect("reads") == bytes);
        assert_eq!(seen.code(), Some(0));
    });
}

#[test]
fn a_request_is_answered_at_once() {
    for_each_shell(|shell| {
        let mut client = piped(shell, &["cat"]);
        let mut expected = String::new();
        let mut slowest = Duration::ZERO;
        for round in 0..30 {
            write!(expected, "line {round};").expect("a string");
            let start = Instant::now();
            client.send(format!("line {round};").as_bytes());
            client.until_text(&expected);
            slowest = slowest.max(start.elapsed());
        }
        println!("{}: slowest of 30 answers {slowest:?}", shell.name);
        client.end();
        let seen = client.finish();
        assert_eq!((seen.text(), seen.code()), (expected, Some(0)));
    });
}

#[test]
fn a_program_that_does_not_read_still_ends() {
    for_each_shell(|shell| {
        for (script, code) in [("exit 5", 5), ("sleep 0.5; exit 6", 6), ("exec <&-; sleep 0.3", 0)] {
            let mut client = piped(shell, &["sh", "-c", script]);
            client.send(&every_value(1_000_000));
            client.end();
            let seen = client.finish();
            assert_eq!(seen.code(), Some(code), "{script}");
            assert_eq!(seen.status, Some(i32::from(code)), "{script}");
            assert!(seen.took < Duration::from_secs(12), "{script}: {:?}", seen.took);
        }
    });
}

#[test]
fn a_batch_cut_short_does_not_swallow_the_confirmation() {
    for_each_shell(|shell| {
        for cut in [1, 3, 4, 700, 5000, 40_000] {
            let mut client = piped(shell, &["sh", "-c", "sleep 0.2; exit 5"]);
            client.send(&every_value(100_000));
            client.cut_input(cut);
            let seen = client.finish();
            assert_eq!(seen.status, Some(5), "cut after {cut}");
            assert!(seen.took < Duration::from_secs(12), "cut after {cut}: {:?}", seen.took);
        }
    });
}

#[test]
fn end_of_input_is_no_end_of_output() {
    for_each_shell(|shell| {
        let mut client = piped(shell, &["sh", "-c", "wc -c; sleep 0.2; echo late"]);
        client.end();
        let seen = client.finish();
        let text: Vec<String> = seen.text().split_whitespace().map(str::to_owned).collect();
        assert_eq!((text, seen.code()), (vec!["0".to_owned(), "late".to_owned()], Some(0)));
        assert_clean(&seen);
    });
}

#[test]
fn a_holder_of_the_output_is_waited_for_with_a_limit() {
    for_each_shell(|shell| {
        let mut client = piped(shell, &["sh", "-c", "sleep 25 & echo hi; exit 3"]);
        client.end();
        let seen = client.finish();
        assert_eq!((seen.text().as_str(), seen.code()), ("hi\n", Some(3)));
        assert_eq!(seen.status, Some(3));
        assert!(seen.took < Duration::from_secs(12), "{:?}", seen.took);
        let late = "(sleep 1; echo late) & echo hi; exit 3";
        let mut client = piped(shell, &["sh", "-c", late]);
        client.end();
        assert_eq!(client.finish().text(), "hi\nlate\n");
    });
}

#[test]
fn a_lost_confirmation_ends_by_the_watchdog() {
    for_each_shell(|shell| {
        for end in [true, false] {
            let mut client = piped(shell, &["sh", "-c", "exit 7"]);
            client.confirms = false;
            if end {
                client.end();
            }
            let seen = client.finish();
            assert_eq!(seen.code(), Some(7));
            assert!(seen.took < Duration::from_secs(30), "{:?}", seen.took);
        }
    });
}

#[test]
fn missing_tools_are_named_before_the_program_runs() {
    for_each_shell(|shell| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ran").display().to_string();
        for missing in ["base64", "dd", "stty", "sleep"] {
            let tools: Vec<&str> =
                ["base64", "dd", "stty", "sleep", "printf", "touch"].into_iter().filter(|tool| *tool != missing).collect();
            let seen = piped(&shell.with_tools(&tools), &["touch", &file]).finish();
            let named = seen.ready.as_ref().map(|ready| ready.missing.join(","));
            let builtin = named.as_deref() == Some("") && seen.code() == Some(0);
            if builtin {
                println!("skipped: {missing} is part of {}", shell.name);
                std::fs::remove_file(&file).expect("the program ran");
                continue;
            }
            assert_eq!(named.as_deref(), Some(missing));
            assert_eq!(seen.exit.and_then(|exit| exit.refusal), Some(Refusal::MissingTool));
            assert!(!std::path::Path::new(&file).exists());
        }
    });
}

#[test]
fn a_refusal_comes_as_stderr() {
    for_each_shell(|shell| {
        let mut launch = launch(Mode::Pipes(PipeEncoding::Base64), &["true"]);
        launch.user = "no-such-user".to_owned();
        let seen = Client::start(shell, &launch).finish();
        assert_eq!(seen.exit.and_then(|exit| exit.refusal), Some(Refusal::UnknownUser));
        assert!(String::from_utf8_lossy(&seen.stderr).contains("no user no-such-user"));
        assert_clean(&seen);
    });
}

#[test]
fn a_login_shell_reads_its_commands_from_the_pipe() {
    for_each_shell(|shell| {
        let mut client = piped(shell, &[]);
        client.send(b"echo $((40 + 2)); pwd >&2; exit 5\nexit 6\n");
        let seen = client.finish();
        assert_eq!((seen.text().as_str(), seen.code()), ("42\n", Some(5)));
        assert_eq!(seen.stderr, format!("{}\n", crate::client::current_home()).as_bytes());
    });
}

#[test]
fn plain_text_passes_as_given() {
    for_each_shell(|shell| {
        let mut client = Client::start(shell, &launch(Mode::Pipes(PipeEncoding::None), &["sh", "-c", "cat; exit 4"]));
        let text = "a\r\nb\x03\x16\x7f\x15\x11\tc\n\u{e4} without an end";
        client.send(text.as_bytes());
        client.end();
        let seen = client.finish();
        assert_eq!((seen.text().as_str(), seen.code(), seen.status), (text, Some(4), Some(4)));
    });
}

fn report(shell: &str, what: &str, bytes: usize, took: Duration) {
    crate::say(&format!("{shell}: {what} in {took:?}, {} kB/s", bytes as u128 / took.as_millis().max(1)));
}

//! Terminal mode.

use std::time::Duration;

use remote_script::{Mode, Refusal};

use crate::client::{Client, launch, left_of, processes_of, terminal};
use crate::shells::{Shell, for_each_shell};

/// Starts the shell under test as an interactive shell and waits for its prompt.
fn interactive(shell: &Shell) -> Client {
    let mut client = terminal(shell, &["sh", "-i"]);
    client.send(b"PS1=PROM; PS1=${PS1}PT\r");
    client.until_text("PROMPT");
    client
}

fn exit_code_of(shell: &Shell, keys: &[u8]) -> (Option<u8>, Option<i32>) {
    let mut client = interactive(shell);
    client.send(keys);
    let seen = client.finish();
    assert!(seen.took < Duration::from_secs(14), "waited for the watchdog: {:?}", seen.took);
    (seen.code(), seen.status)
}

#[test]
fn the_exit_code_is_the_programs() {
    for_each_shell(|shell| {
        for code in [0, 1, 42, 255] {
            let seen = terminal(shell, &["sh", "-c", &format!("exit {code}")]).finish();
            assert_eq!(seen.code(), Some(code));
            assert_eq!(seen.status, Some(i32::from(code)));
            assert_eq!((seen.text().as_str(), seen.preface.len()), ("", 0));
        }
        let seen = terminal(shell, &["sh", "-c", "kill -9 $$"]).finish();
        assert_eq!((seen.code(), seen.status), (Some(137), Some(137)));
        assert_eq!(seen.text(), "", "no word of the script's own shell about it");
    });
}

#[test]
fn a_program_that_cannot_run_has_126_or_127_and_says_so() {
    for_each_shell(|shell| {
        let seen = terminal(shell, &["no-such-program", "x"]).finish();
        assert_eq!(seen.code(), Some(127));
        assert!(seen.text().contains("no-such-program"), "{:?}", seen.text());
        let seen = terminal(shell, &["/etc/passwd"]).finish();
        assert_eq!(seen.code(), Some(126));
        let seen = terminal(shell, &["exit", "3"]).finish();
        assert_eq!(seen.code(), Some(127), "a name of a builtin is no builtin");
    });
}

#[test]
fn arguments_and_environment_arrive_untouched() {
    for_each_shell(|shell| {
        let argv = ["printf", "<%s>", "", "a b", "*", "$HOME", "'\"\\", "{{x}}", "-n", "\u{e4}", "#"];
        let seen = terminal(shell, &argv).finish();
        assert_eq!(seen.text(), "<><a b><*><$HOME><'\"\\><{{x}}><-n><\u{e4}><#>");
        let seen = terminal(shell, &["sh", "-c", "echo $BOUNDARY_SESSION_ID; env | grep ^_[a-z]"]);
        assert_eq!(seen.finish().text(), "s_1234567890\r\n", "none of the script's variables");
        let script = "for n in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done";
        let seen = terminal(shell, &["sh", "-c", script]).finish();
        assert_eq!(seen.text(), "", "no descriptor of the script's");
    });
}

#[test]
fn the_program_starts_with_the_size() {
    for_each_shell(|shell| {
        let seen = terminal(shell, &["stty", "size"]).finish();
        assert_eq!(seen.text(), "40 120\r\n");
        let mut client = terminal(shell, &["echo", "runs"]);
        client.size = None;
        let seen = client.finish();
        assert_eq!(seen.text(), "runs\r\n", "a size that never comes does not stop it");
    });
}

#[test]
fn type_ahead_is_discarded() {
    for_each_shell(|shell| {
        let keys = b"exit 3\rsome words\rmore\x04\x04\x16\x1b[A\xc3 \x7f\x15words without an end";
        assert_eq!(exit_code_of(shell, keys), (Some(3), Some(3)));
        let mut keys = b"sleep 0.3; exit 4\r".to_vec();
        keys.extend(b"line\r".repeat(300));
        assert_eq!(exit_code_of(shell, &keys), (Some(4), Some(4)));
    });
}

#[test]
fn a_killed_inner_shell_is_137() {
    for_each_shell(|shell| {
        assert_eq!(exit_code_of(shell, b"kill -9 $$\r").0, Some(137));
        let mut client = terminal(shell, &["sh", "-ic", "sleep 0.1; kill -9 $$"]);
        client.send(b"words");
        assert_eq!(client.finish().code(), Some(137));
    });
}

#[test]
fn an_exec_in_the_shell_keeps_the_code() {
    for_each_shell(|shell| {
        assert_eq!(exit_code_of(shell, b"exec sh -c 'exit 9'\r"), (Some(9), Some(9)));
    });
}

#[test]
fn a_terminal_left_raw_does_not_matter() {
    for_each_shell(|shell| {
        assert_eq!(exit_code_of(shell, b"stty raw -echo; exit 5\r"), (Some(5), Some(5)));
        let odd = b"stty -icanon -echo -icrnl inlcr igncr tostop min 0 time 0; exit 6\r";
        assert_eq!(exit_code_of(shell, odd), (Some(6), Some(6)));
        assert_eq!(exit_code_of(shell, b"stty -opost olcuc -isig; exit 7\r").0, Some(7));
    });
}

#[test]
fn jobs_left_behind_do_not_hold_the_end() {
    for_each_shell(|shell| {
        let mut client = interactive(shell);
        let session_id = client.session_id();
        client.send(b"sleep 5 & (trap '' HUP; sleep 5) &\rexit 4\rexit 4\r");
        let seen = client.finish_at_confirmed();
        assert_eq!((seen.code(), seen.status), (Some(4), Some(4)));
        assert!(seen.took < Duration::from_secs(4), "{:?}", seen.took);
        assert!(!processes_of(session_id).is_empty(), "jobs were not killed");
    });
}

#[test]
fn interrupts_reach_the_program_and_not_the_script() {
    for_each_shell(|shell| {
        let mut client = interactive(shell);
        client.send(b"\x03");
        client.until_text("^C");
        // What is typed right after an interrupt may be dropped by terminal and shell.
        client.send(b"\r\r\r");
        client.until(|seen| seen.text().matches("PROMPT").count() > 1);
        client.send(b"exit 6\r");
        assert_eq!(client.finish().code(), Some(6));
        for (argv, key, code) in [
            (&["cat"][..], b"\x03", 130),
            (&["cat"], b"\x1c", 131),
            (&["sh", "-c", "trap 'exit 12' INT; cat; exit 1"], b"\x03", 12),
        ] {
            let mut client = terminal(shell, argv);
            client.send(b"up\r");
            client.until_text("up\r\nup");
            client.send(key);
            assert_eq!(client.finish().code(), Some(code), "{argv:?}");
        }
    });
}

#[test]
fn a_nested_shell_is_nothing_special() {
    for_each_shell(|shell| {
        let keys = b"sh -i\rexit 1\rexit 8\r";
        assert_eq!(exit_code_of(shell, keys), (Some(8), Some(8)));
    });
}

#[test]
fn all_output_arrives() {
    for_each_shell(|shell| {
        assert_eq!(terminal(shell, &["printf", "no line feed"]).finish().text(), "no line feed");
        let five = "dd if=/dev/zero bs=1000 count=5000 2>/dev/null | tr '\\0' x; exit 3";
        let seen = terminal(shell, &["sh", "-c", five]).finish();
        assert_eq!((seen.output.len(), seen.code()), (5_000_000, Some(3)));
        assert!(seen.output.iter().all(|&byte| byte == b'x'));
    });
}

#[test]
fn a_lost_confirmation_ends_by_the_watchdog() {
    for_each_shell(|shell| {
        let mut client = terminal(shell, &["sh", "-c", "exit 7"]);
        client.confirms = false;
        let session_id = client.session_id();
        let seen = client.finish();
        assert_eq!((seen.code(), seen.confirmed), (Some(7), false));
        let killed = if shell.name == "mksh" { None } else { Some(7) };
        assert_eq!(seen.status, killed);
        assert!(seen.took >= Duration::from_secs(14), "{:?}", seen.took);
        assert!(seen.took < Duration::from_secs(30), "{:?}", seen.took);
        assert_eq!(left_of(session_id), Vec::<String>::new());
    });
}

#[test]
fn nothing_is_left_running() {
    for_each_shell(|shell| {
        let client = terminal(shell, &["true"]);
        let session_id = client.session_id();
        assert_eq!(client.finish().code(), Some(0));
        assert_eq!(processes_of(session_id), Vec::<String>::new());
    });
}

#[test]
fn a_missing_stty_or_sleep_does_not_matter() {
    for_each_shell(|shell| {
        let poor = shell.with_tools(&["printf", "env"]);
        let mut client = terminal(&poor, &["sh", "-c", "read x; exit $x"]);
        client.send(b"7\rwords\rwords");
        let seen = client.finish();
        assert_eq!((seen.code(), seen.confirmed), (Some(7), true), "{:?}", seen.text());
    });
}

#[test]
fn an_unknown_user_is_refused() {
    for_each_shell(|shell| {
        let mut launch = launch(Mode::Terminal, &["true"]);
        launch.user = "no-such-user".to_owned();
        let seen = Client::start(shell, &launch).finish();
        let exit = seen.exit.expect("an exit mark");
        assert_eq!((exit.code, exit.refusal), (126, Some(Refusal::UnknownUser)));
        assert!(seen.text().contains("no user no-such-user"), "{:?}", seen.text());
        assert_eq!(seen.status, Some(126));
    });
}

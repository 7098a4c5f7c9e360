//! Becoming another user. Needs root and a test user, else each test says "skipped".

use std::process::Command;
use std::sync::LazyLock;

use remote_script::{CommandMark, CommandText, Launch, Mode, PipeEncoding, Refusal};

use crate::client::{Client, launch};
use crate::shells::{Shell, for_each_shell, which};

const USER: &str = "rs-test-user";
/// What every case needs beside the tool under test.
const TOOLS: [&str; 12] = ["printf", "stty", "sleep", "base64", "dd", "id", "true", "pwd", "env", "cat", "bash", "tty"];

/// Makes the test user if this process may, and says whether there is one.
fn have_user() -> bool {
    static MADE: LazyLock<bool> = LazyLock::new(|| {
        if !nix::unistd::geteuid().is_root() {
            return false;
        }
        if user_exists() {
            return true;
        }
        let made = Command::new("useradd").args(["-m", "-s", "/bin/bash", USER]).status();
        made.is_ok_and(|status| status.success()) && user_exists()
    });
    if !*MADE {
        crate::say(&format!("skipped: no root, or no user {USER}"));
    }
    *MADE
}

fn user_exists() -> bool {
    std::fs::read_to_string("/etc/passwd").is_ok_and(|text| text.contains(&format!("{USER}:")))
}

fn as_user(mode: Mode, argv: &[&str]) -> Launch {
    let mut launch = launch(mode, argv);
    USER.clone_into(&mut launch.user);
    launch
}

/// Calls the case with one PATH for each tool that this machine has.
fn for_each_tool(shell: &Shell, case: impl Fn(&Shell, &str)) {
    for tool in ["runuser", "su", "setpriv", "su-exec", "gosu"] {
        if which(tool).is_none() || shell.is_applets_only() {
            crate::say(&format!("skipped: no {tool} with {} on this machine", shell.name));
            continue;
        }
        let mut tools = TOOLS.to_vec();
        tools.push(tool);
        case(&shell.with_tools(&tools), tool);
    }
}

#[test]
fn a_program_runs_as_the_user() {
    if !have_user() {
        return;
    }
    for_each_shell(|shell| {
        for_each_tool(shell, |shell, tool| {
            let script = "printf '%s\\n' $(id -un) $HOME $USER $LOGNAME $SHELL $BOUNDARY_SESSION_ID \"$@\"; exit 9";
            let argv = ["sh", "-c", script, "sh", "a b", "", "$x'\"\\"];
            for mode in [Mode::Terminal, Mode::Pipes(PipeEncoding::Base64)] {
                let seen = Client::start(shell, &as_user(mode, &argv)).finish();
                let text = seen.text().replace("\r\n", "\n");
                let expected = format!("{USER}\n/home/{USER}\n{USER}\n{USER}\n/bin/bash\ns_1234567890\na b\n\n$x'\"\\\n");
                assert_eq!(text, expected, "{tool} {mode:?} {:?}", String::from_utf8_lossy(&seen.stderr));
                assert_eq!(seen.code(), Some(9), "{tool}");
            }
        });
    });
}

#[test]
fn the_bash_of_a_user_marks_its_commands() {
    if !have_user() {
        return;
    }
    for_each_shell(|shell| {
        for_each_tool(shell, |shell, tool| {
            let mut launch = as_user(Mode::Terminal, &[]);
            launch.mark_commands = true;
            let mut client = Client::start(shell, &launch);
            client.until(|seen| seen.commands.contains(&CommandMark::Ended(0)));
            client.send(b" HISTFILE=; (id -un; pwd; exit 4)\rexit 5\r");
            let seen = client.finish();
            assert!(seen.text().contains(&format!("{USER}\r\n/home/{USER}\r\n")), "{tool}: {:?}", seen.text());
            let last = CommandMark::Began(CommandText { bytes: Some(b"exit 5".to_vec()), cut: false });
            assert_eq!(seen.commands.first(), Some(&CommandMark::On), "{tool}");
            assert_eq!(seen.commands[seen.commands.len() - 2..], [CommandMark::Ended(4), last], "{tool}");
            assert_eq!(seen.code(), Some(5), "{tool}");
        });
    });
}

#[test]
fn a_login_shell_has_job_control_and_starts_at_home() {
    if !have_user() {
        return;
    }
    for_each_shell(|shell| {
        for_each_tool(shell, |shell, tool| {
            let mut client = Client::start(shell, &as_user(Mode::Terminal, &[]));
            client.send(b"PS1=PR; PS1=${PS1}OMPT\r");
            client.until_text("PROMPT");
            client.send(b"shopt -q login_shell && echo =login=; echo =$(/bin/pwd)=$(/usr/bin/id -un)=\r");
            client.until_text(&format!("=/home/{USER}={USER}="));
            client.until_text("=login=\r\n");
            client.send(b"case $- in *m*) echo =jobs=;; esac\r");
            client.until_text("=jobs=\r\n");
            client.send(b"exit 6\r");
            let seen = client.finish();
            assert_eq!((seen.code(), seen.status), (Some(6), Some(6)), "{tool}");
            assert!(!seen.text().contains("no job control"), "{tool}: {}", seen.text());
        });
    });
}

#[test]
fn an_interrupt_reaches_the_users_program_only() {
    if !have_user() {
        return;
    }
    for_each_shell(|shell| {
        for_each_tool(shell, |shell, tool| {
            let argv = ["bash", "-c", "trap 'exit 12' INT; cat; exit 1"];
            let mut client = Client::start(shell, &as_user(Mode::Terminal, &argv));
            client.send(b"up\r");
            client.until_text("up\r\nup");
            client.send(b"\x03");
            let seen = client.finish();
            assert_eq!((seen.code(), seen.status), (Some(12), Some(12)), "{tool}");
            assert_eq!(seen.text(), "up\r\nup\r\n^C", "{tool}");
        });
    });
}

#[test]
fn a_killed_login_shell_is_137() {
    if !have_user() {
        return;
    }
    for_each_shell(|shell| {
        for_each_tool(shell, |shell, tool| {
            let mut client = Client::start(shell, &as_user(Mode::Terminal, &[]));
            client.send(b"kill -9 $$\r");
            let seen = client.finish();
            assert_eq!(seen.code(), Some(137), "{tool}: {}", seen.text());
            assert!(seen.took.as_secs() < 14, "{tool}: {:?}", seen.took);
        });
    });
}

#[test]
fn a_script_that_is_not_root_runs_its_own_user_only() {
    if !have_user() {
        return;
    }
    for_each_shell(|shell| {
        let user = nix::unistd::User::from_name(USER).expect("a database").expect("the user");
        let ids = Some((user.uid.as_raw(), user.gid.as_raw()));
        for mode in [Mode::Terminal, Mode::Pipes(PipeEncoding::Base64)] {
            let argv = ["sh", "-c", "id -un; read x; echo $x $HOME; exit 9"];
            let mut client = Client::start_as(ids, shell, &as_user(mode, &argv));
            client.send(b"in\n");
            let seen = client.finish();
            let text = seen.text().replace("\r\n", "\n");
            let text = text.strip_prefix("in\n").unwrap_or(&text).replace("\nin\n", "\n");
            assert_eq!(text, format!("{USER}\nin /home/{USER}\n"), "{mode:?}");
            assert_eq!((seen.code(), seen.status), (Some(9), Some(9)));
        }
        let seen = Client::start_as(ids, shell, &launch(Mode::Terminal, &["id"])).finish();
        assert_eq!(seen.exit.and_then(|exit| exit.refusal), Some(Refusal::NoUserTool));
        assert!(!seen.text().contains("uid="));
    });
}

#[test]
fn without_a_tool_nothing_runs_as_root() {
    if !have_user() {
        return;
    }
    for_each_shell(|shell| {
        let seen = Client::start(&shell.with_tools(&TOOLS), &as_user(Mode::Terminal, &["id"])).finish();
        let exit = seen.exit.expect("an exit mark");
        assert_eq!((exit.code, exit.refusal), (126, Some(Refusal::NoUserTool)));
        assert!(seen.text().contains(&format!("cannot become {USER}")), "{}", seen.text());
        assert!(!seen.text().contains("uid="));
    });
}

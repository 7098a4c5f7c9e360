//! Marks around the commands of a real bash, started by every shell.

use std::path::{Path, PathBuf};

use remote_script::{CommandMark, CommandText, Mode};
use tempfile::TempDir;

use crate::client::{Client, Seen, launch, words_of};
use crate::shells::{Shell, for_each_shell, which};

/// What each home's profile begins with.
const PROMPT: &str = "PS1='P> '; unset PROMPT_COMMAND PS0; HISTFILE=; HISTCONTROL=ignorespace; HISTTIMEFORMAT='%F %T '\n";

/// A home folder whose `.bash_profile` holds this.
fn home(profile: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".bash_profile"), format!("{PROMPT}{profile}")).expect("writes");
    folder
}

fn bash() -> Option<PathBuf> {
    let bash = which("bash");
    if bash.is_none() {
        crate::say("skipped: no bash on this machine");
    }
    bash
}

/// The login shell with marks, at its first prompt, where home and shell are these.
fn start(shell: &Shell, home: &Path, login_shell: &Path) -> Client {
    let mut launch = launch(Mode::Terminal, &[]);
    launch.mark_commands = true;
    let mut words = words_of(&launch);
    let at = words.len() - 6;
    let variables = [format!("HOME={}", home.display()), format!("SHELL={}", login_shell.display())];
    words.splice(at..at, ["env".to_owned()].into_iter().chain(variables));
    Client::start_words(None, shell, &launch, &words)
}

fn marked(shell: &Shell, home: &Path) -> Option<Client> {
    let mut client = start(shell, home, &bash()?);
    at_prompt(&mut client, 1);
    assert_eq!(client.seen.commands.first(), Some(&CommandMark::On));
    Some(client)
}

fn prompts(seen: &Seen) -> usize {
    seen.commands.iter().filter(|mark| matches!(mark, CommandMark::Ended(_))).count()
}

fn at_prompt(client: &mut Client, count: usize) {
    client.until(|seen| prompts(seen) >= count && seen.text().ends_with("P> "));
}

/// Types a line and waits for the next prompt.
fn run(client: &mut Client, line: &[u8]) {
    let before = prompts(&client.seen);
    client.send(&[line, b"\r"].concat());
    at_prompt(client, before + 1);
}

/// The commands and how they ended; none for a text that is not known.
fn told(seen: &Seen) -> Vec<(Option<String>, u8)> {
    let mut open = None;
    let mut told = Vec::new();
    for mark in &seen.commands {
        match mark {
            CommandMark::Began(text) => open = Some(text.bytes.as_deref().map(|b| String::from_utf8_lossy(b).into_owned())),
            CommandMark::Ended(status) => told.extend(open.take().map(|text| (text, *status))),
            CommandMark::On | CommandMark::Off => {}
        }
    }
    told
}

fn known(text: &str, status: u8) -> (Option<String>, u8) {
    (Some(text.to_owned()), status)
}

#[test]
fn each_command_is_told_with_its_status_and_the_users_hooks_go_on() {
    for_each_shell(|shell| {
        for hooks in [
            "export PROMPT_COMMAND='echo \"one[$?]\"'; PS0='<ps0>'",
            "PROMPT_COMMAND=('echo \"one[$?]\"' 'echo \"two[$?]\"'); PS0='<ps0>'",
        ] {
            let home = home(hooks);
            let Some(mut client) = marked(shell, home.path()) else { return };
            for line in [&b"(exit 3)"[..], b"", b"echo a; echo b", b" echo hidden", b"for i in 1 2; do\recho $i\rdone"] {
                run(&mut client, line);
            }
            client.send(b"exit 7\r");
            let seen = client.finish();
            let loops = known("for i in 1 2; do echo $i; done", 0);
            assert_eq!(told(&seen), [known("(exit 3)", 3), known("echo a; echo b", 0), (None, 0), loops]);
            assert_eq!(seen.code(), Some(7));
            let text = seen.text();
            assert!(text.contains("one[3]") && text.contains("<ps0>hidden") && !text.contains("ecs"), "{text:?}");
            assert_eq!(text.contains("two[3]"), hooks.contains("two") && array_hooks());
        }
    });
}

/// Whether this bash runs every element of `PROMPT_COMMAND`: since 5.1.
fn array_hooks() -> bool {
    let test = "[ ${BASH_VERSINFO[0]}${BASH_VERSINFO[1]} -ge 51 ]";
    bash().is_some_and(|bash| std::process::Command::new(bash).args(["-c", test]).status().is_ok_and(|status| status.success()))
}

#[test]
fn odd_texts_arrive_byte_for_byte_and_long_ones_are_cut() {
    for_each_shell(|shell| {
        let home = home("bind 'set enable-bracketed-paste off'");
        let Some(mut client) = marked(shell, home.path()) else { return };
        run(&mut client, b": \x16\x1b]0;x\x16\x07 %41 ';' \xc3\xbc '\"`\\ \" \"'");
        run(&mut client, b"echo 'a\rb'");
        let long = [b": ".as_slice(), &b"x".repeat(100_000)].concat();
        run(&mut client, &long);
        client.send(b"exit\r");
        let seen = client.finish();
        let texts = told(&seen);
        assert_eq!(
            texts[0],
            known(": \u{1b}]0;x\u{7} %41 ';' \u{fc} '\"`\\ \" \"'", 127),
            "the terminal's title is two commands"
        );
        assert_eq!(texts[1], known("echo 'a\nb'", 0));
        let cut = CommandText { bytes: Some(long[..2048].to_vec()), cut: true };
        assert!(seen.commands.contains(&CommandMark::Began(cut)), "{} commands", texts.len());
    });
}

#[test]
fn strict_options_of_the_user_neither_end_the_shell_nor_are_lost() {
    for_each_shell(|shell| {
        let home = home("PROMPT_COMMAND='echo \"one[$?]\"'\nset -eu");
        let Some(mut client) = marked(shell, home.path()) else { return };
        run(&mut client, b"! true");
        run(&mut client, b"echo \"flags $-\"; set -x");
        run(&mut client, b"set +x");
        client.send(b"false\r");
        let seen = client.finish();
        assert_eq!(told(&seen)[0], known("! true", 1));
        assert_eq!(seen.code(), Some(1), "set -e of the user");
        let text = seen.text();
        let flags = text.split("flags ").nth(2).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        assert!(flags.contains('e') && flags.contains('u') && text.contains("one[1]"), "{text:?}");
        assert!(!text.contains(&"0".repeat(8)), "the nonce in a trace: {text:?}");
    });
}

#[test]
fn what_replaces_the_shell_or_runs_below_it_is_not_told() {
    for_each_shell(|shell| {
        let home = home("export PROMPT_COMMAND='echo one'");
        let Some(mut client) = marked(shell, home.path()) else { return };
        run(&mut client, b"(echo sub; true)");
        client.send(b"PS1='IN''NER ' \"$BASH\" --norc\r");
        client.until_text("INNER ");
        client.send(b"echo below''-it; exit 4\r");
        let before = prompts(&client.seen);
        at_prompt(&mut client, before + 1);
        client.send(b"PS1='NE''XT ' exec sh\r");
        client.until_text("NEXT ");
        client.send(b"echo in''stead; exit 7\r");
        let seen = client.finish();
        let texts = told(&seen);
        assert_eq!(texts, [known("(echo sub; true)", 0), known("PS1='IN''NER ' \"$BASH\" --norc", 4)]);
        assert!(seen.text().contains("below-it") && seen.text().contains("instead"), "{:?}", seen.text());
        assert!(!seen.text().contains("__ecs_exec"), "{:?}", seen.text());
        assert_eq!(seen.code(), Some(7));
    });
}

#[test]
fn neither_the_nonce_nor_a_descriptor_nor_a_file_reaches_the_user() {
    for_each_shell(|shell| {
        let home = home("set -a");
        let temporary = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join(".bash_profile"), format!("{PROMPT}set -a; TMPDIR={}", temporary.path().display()))
            .expect("writes");
        let Some(mut client) = marked(shell, home.path()) else { return };
        run(&mut client, b"true");
        run(&mut client, b"env -u X | while read -r l; do case $l in *ecs_exec*|*7337*) echo \"le\"\"ak $l\";; esac; done");
        run(&mut client, b"for n in 3 4 5 6 7 8 9 62 63; do [ -e /proc/$$/fd/$n ] && echo \"op\"\"en $n\"; done");
        run(
            &mut client,
            b"case $(echo /proc/$$/environ; cat /proc/$$/environ | tr '\\0' ' ') in *ecs_exec*) echo \"le\"\"ak\";; esac",
        );
        client.send(b"exit\r");
        let seen = client.finish();
        assert!(!seen.text().contains("leak") && !seen.text().contains("open "), "{:?}", seen.text());
        let left = |folder: &Path| std::fs::read_dir(folder).expect("lists").count();
        assert_eq!((left(home.path()), left(temporary.path())), (1, 0));
    });
}

#[test]
fn the_files_of_a_login_shell_are_read_in_its_order() {
    for_each_shell(|shell| {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join(".bashrc"), "echo rc; return 3\n").expect("writes");
        let profile = format!("{PROMPT}echo profile; . ~/.bashrc; HISTFILE=; false\n");
        std::fs::write(home.path().join(".profile"), profile).expect("writes");
        let Some(mut client) = marked(shell, home.path()) else { return };
        run(&mut client, b"pwd");
        client.send(b"exit\r");
        let text = client.finish().text();
        assert!(text.starts_with("profile\r\nrc\r\n"), "{text:?}");
        assert!(text.contains(&format!("\r{}\r\n", home.path().display())), "not at home: {text:?}");
        std::fs::write(home.path().join(".bash_login"), PROMPT).expect("writes");
        let Some(mut client) = marked(shell, home.path()) else { return };
        client.send(b"exit\r");
        assert!(!client.finish().text().contains("profile"));
    });
}

#[test]
fn a_shell_that_cannot_mark_says_so_and_starts_as_ever() {
    for_each_shell(|shell| {
        let Some(bash) = bash() else { return };
        let home = home("readonly PROMPT_COMMAND='echo \"mine[$?]\"'");
        // An older bash: its version is judged by itself, the rest is today's.
        let old = home.path().join("bash");
        let script = "#!/bin/sh\ncase $1 in -c) exit 1;; esac\nPS1=\"#P> \"; export PS1; exec sh -i\n";
        std::fs::write(&old, script).expect("writes");
        std::fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own file");
        std::fs::write(home.path().join(".profile"), "PS1='P> '\n").expect("writes");
        let other = which("dash").unwrap_or_else(|| "/bin/sh".into());
        for login_shell in [&bash, &old, &other] {
            let mut client = start(shell, home.path(), login_shell);
            client.until_text("P> ");
            client.send(b"exit 6\r");
            let seen = client.finish();
            assert_eq!(seen.commands, [CommandMark::Off], "{}", login_shell.display());
            assert_eq!(seen.code(), Some(6));
        }
    });
}

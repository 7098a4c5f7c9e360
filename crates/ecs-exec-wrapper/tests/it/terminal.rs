//! The terminal promises: three states, restored on every way out, size, suspend, escapes, interrupts.

use crate::harness::{OnTerminal, PATIENCE, Setting};
use lab::JournalEntry;
use nix::sys::termios::{LocalFlags, OutputFlags, Termios};
use std::time::{Duration, Instant};

fn is_raw(mode: &Termios) -> bool {
    !mode.local_flags.intersects(LocalFlags::ISIG | LocalFlags::ICANON | LocalFlags::ECHO)
        && !mode.output_flags.contains(OutputFlags::OPOST)
}

fn is_users(mode: &Termios) -> bool {
    mode.local_flags.contains(LocalFlags::ISIG | LocalFlags::ICANON | LocalFlags::ECHO)
        && mode.output_flags.contains(OutputFlags::OPOST)
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn sizes(setting: &Setting) -> Vec<(u16, u16)> {
    let of = |entry| match entry {
        JournalEntry::SizeSet { cols, rows, .. } => Some((cols, rows)),
        _ => None,
    };
    setting.world.journal().into_iter().filter_map(of).collect()
}

/// A login shell whose prompt is known.
fn shell(setting: &Setting) -> OnTerminal {
    let shell = OnTerminal::wrapper(setting, &["--env", "PS1=prompt> ", "--", "sh", "-i"]);
    shell.expect("prompt> ");
    shell
}

#[test]
fn a_shell_leaves_with_its_code_and_the_terminal_comes_back() {
    let setting = Setting::rosa();
    let mut shell = shell(&setting);
    until("raw", || is_raw(&shell.mode()));
    shell.type_in("stty size; echo he''llo\r");
    shell.expect("24 80");
    shell.expect("hello");
    shell.type_in("exit 7\r");
    assert_eq!(shell.exit_code(), Some(7), "{}", shell.seen());
    assert!(is_users(&shell.mode()));
    assert!(!shell.seen().contains("7337"), "a mark reached the screen");
}

#[test]
fn under_boundarys_parent_the_code_is_the_same() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::under_boundary(&setting, &["--env", "PS1=prompt> ", "--", "sh", "-i"]);
    shell.expect("prompt> ");
    shell.type_in("exit 7\r");
    assert_eq!(shell.exit_code(), Some(7), "{}", shell.seen());
    assert!(is_users(&shell.mode()));
}

#[test]
fn a_login_shell_starts_in_the_home_folder() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::wrapper(&setting, &[]);
    shell.expect("opening");
    shell.type_in("echo \"[$(pwd)]\"; exit 0\r");
    let home = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().dir;
    shell.expect(&format!("[{}]", home.display()));
    assert_eq!(shell.exit_code(), Some(0), "{}", shell.seen());
}

#[test]
fn a_resize_reaches_the_remote_program() {
    let setting = Setting::rosa();
    let shell = shell(&setting);
    shell.resize(132, 43);
    until("the new size", || sizes(&setting).contains(&(132, 43)));
    shell.type_in("stty size\r");
    shell.expect("43 132");
}

#[test]
fn a_program_starts_with_our_size_although_the_agent_reads_late() {
    // The real agent's own second before its first read.
    let setting = Setting::new(lab::WorldOptions { agent_start_delay: Duration::from_secs(1), ..lab::WorldOptions::default() });
    let mut program = OnTerminal::wrapper(&setting, &["--", "stty", "size"]);
    assert_eq!(program.exit_code(), Some(0), "{}", program.seen());
    assert!(program.seen().contains("24 80"), "{}", program.seen());
}

#[test]
fn ctrl_c_interrupts_the_remote_program_and_not_us() {
    let setting = Setting::rosa();
    let mut shell = shell(&setting);
    // The program itself says that it runs: an echo of the line comes before the shell has started it.
    shell.type_in("sh -c 'echo go\\ing; exec sleep 100'\r");
    shell.expect("going");
    shell.type_in("\u{3}");
    shell.expect_count("prompt> ", 2);
    shell.type_in("exit 9\r");
    assert_eq!(shell.exit_code(), Some(9));
}

#[test]
fn keys_typed_before_the_shell_is_ready_are_kept() {
    let setting = Setting::rosa();
    setting.world.faults().api_delay("ecs:DescribeTasks", Duration::from_millis(400));
    let mut shell = OnTerminal::wrapper(&setting, &["--", "sh", "-i"]);
    until("the waiting state", || !shell.mode().local_flags.contains(LocalFlags::ICANON));
    assert!(shell.mode().output_flags.contains(OutputFlags::OPOST), "status lines would run off");
    shell.type_in("exit 12\r");
    assert_eq!(shell.exit_code(), Some(12), "{}", shell.seen());
}

#[test]
fn a_lone_ctrl_c_before_the_shell_is_ready_cancels() {
    let setting = Setting::granted();
    setting.world.faults().api_delay("ecs:ExecuteCommand", Duration::from_millis(600));
    let mut shell = OnTerminal::wrapper(&setting, &[]);
    shell.expect("opening");
    shell.type_in("\u{3}");
    assert_eq!(shell.exit_code(), Some(130), "{}", shell.seen());
    assert!(is_users(&shell.mode()));
    assert!(shell.seen().contains("[user-canceled]"));
    assert_eq!(setting.count(|entry| matches!(entry, JournalEntry::TerminateSession { .. })), 1, "the session was left open");
}

#[test]
fn the_escapes_answer_and_end() {
    let setting = Setting::rosa();
    let mut shell = shell(&setting);
    shell.type_in("~?");
    shell.expect("~^Z suspend");
    shell.type_in("~s");
    shell.expect("ECS Exec session ecs-execute-command-");
    shell.type_in("echo a~.b ~~\r");
    shell.expect("a~.b ~~");
    shell.type_in("~.");
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("[user-disconnect]"), "{}", shell.seen());
    assert!(is_users(&shell.mode()));
}

#[test]
fn a_paste_of_two_hundred_kilobytes_arrives_whole() {
    let setting = Setting::rosa();
    let mut shell =
        OnTerminal::wrapper(&setting, &["--", "sh", "-c", "stty raw -echo; echo rea''dy; head -c 200000 | sha256sum; exit 5"]);
    shell.expect("ready");
    let paste: String = (0..200_000).map(|n: u32| char::from(b'a' + u8::try_from(n * 7 % 26).unwrap())).collect();
    shell.type_in(&paste);
    shell.expect(&audit_record::sha256_hex(paste.as_bytes()));
    assert_eq!(shell.exit_code(), Some(5));
}

#[test]
fn ctrl_q_ctrl_s_and_line_feeds_are_the_remote_programs() {
    let setting = Setting::rosa();
    let mut shell =
        OnTerminal::wrapper(&setting, &["--", "sh", "-c", "stty raw -echo; echo rea''dy; head -c 6 | od -An -tx1; exit 5"]);
    shell.expect("ready");
    shell.type_in("\u{11}\u{13}\n\r\u{1a}\u{1c}");
    shell.expect("11 13 0a 0d 1a 1c");
    assert_eq!(shell.exit_code(), Some(5));
}

#[test]
fn suspending_gives_the_terminal_back_and_continuing_takes_it_again() {
    let setting = Setting::rosa();
    let (arguments, environment) = setting.under_boundary(&["--env", "PS1=prompt> ", "--", "sh", "-i"]);
    let environment: Vec<(String, String)> = environment
        .into_iter()
        .chain([
            ("PS1".to_owned(), "local$ ".to_owned()),
            // The shell itself tells each code, whenever its prompt comes back.
            ("PROMPT_COMMAND".to_owned(), "echo \"[code=$?]\"".to_owned()),
        ])
        .collect();
    // A job-control shell, with the stand-in between it and us.
    let local = ["--norc", "-i"].map(std::ffi::OsString::from);
    let mut terminal = OnTerminal::start("bash".as_ref(), local.iter().map(std::ffi::OsString::as_os_str), &environment);
    terminal.expect("local$ ");
    let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    terminal.type_in(&format!("'{}' {}\r", crate::harness::stand_in().display(), quoted.join(" ")));
    terminal.expect("prompt> ");
    until("raw", || is_raw(&terminal.mode()));
    terminal.type_in("\r");
    terminal.expect_count("prompt> ", 2);
    terminal.type_in("~\u{1a}");
    terminal.expect("Stopped");
    terminal.type_in("echo lo''cal-again\r");
    terminal.expect("local-again");
    terminal.resize(100, 30);
    terminal.type_in("fg\r");
    until("raw again", || is_raw(&terminal.mode()));
    until("the size is sent again", || sizes(&setting).contains(&(100, 30)));
    terminal.type_in("exit 7\r");
    terminal.expect("[code=7]");
    terminal.type_in("exit 0\r");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn a_full_screen_program_gets_its_bytes_unchanged() {
    let setting = Setting::rosa();
    let mut shell = OnTerminal::wrapper(
        &setting,
        &["--", "sh", "-c", "printf '\\033[?1049h\\033[2J\\033[5;10Hmid\\n\\033[?1049l'; stty raw; printf 'a\\nb\\r\\n'; exit 0"],
    );
    assert_eq!(shell.exit_code(), Some(0));
    assert!(shell.seen().contains("\u{1b}[?1049h\u{1b}[2J\u{1b}[5;10Hmid\r\n\u{1b}[?1049l"), "{:?}", shell.seen());
    assert!(shell.seen().contains("a\nb\r\n"), "the local terminal changed remote output: {:?}", shell.seen());
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_our_own_failure() {
    let setting = Setting::rosa();
    let mut environment = setting.environment();
    environment.push(("ECS_EXEC_TEST_PANIC".to_owned(), "1".to_owned()));
    let command = setting.wrapper(&[]);
    let mut shell = OnTerminal::start(command.get_program(), command.get_args(), &environment);
    assert_eq!(shell.exit_code(), Some(255));
    assert!(shell.seen().contains("asked to panic"), "{}", shell.seen());
    assert!(is_users(&shell.mode()));
}

/// A profile whose credentials come from a program that asks on the terminal, as a program for a second factor does.
fn with_prompting_provider(setting: &Setting) -> Vec<(String, String)> {
    let (keys, others): (Vec<_>, Vec<_>) = setting.environment().into_iter().partition(|(name, _)| {
        matches!(name.as_str(), "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" | "AWS_CONFIG_FILE")
    });
    let key = |name: &str| keys.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()).unwrap();
    let credentials = serde_json::json!({
        "Version": 1, "AccessKeyId": key("AWS_ACCESS_KEY_ID"), "SecretAccessKey": key("AWS_SECRET_ACCESS_KEY"),
        "SessionToken": key("AWS_SESSION_TOKEN"),
    });
    let script = setting.home.path().join("provider.sh");
    let text = format!(
        "grep SigBlk /proc/self/status > '{}'\nprintf 'code? ' > /dev/tty\nread -r code < /dev/tty\n[ \"$code\" = 123456 ] && echo '{credentials}'\n",
        setting.home.path().join("mask").display()
    );
    std::fs::write(&script, text).unwrap();
    let config = setting.home.path().join("aws-config");
    std::fs::write(&config, format!("[profile asking]\ncredential_process = /bin/sh {}\nregion = us-east-2\n", script.display()))
        .unwrap();
    let added = [("AWS_CONFIG_FILE", config.display().to_string()), ("ECS_EXEC_PROFILE", "asking".to_owned())];
    others.into_iter().chain(added.map(|(name, value)| (name.to_owned(), value))).collect()
}

#[test]
fn a_provider_that_asks_gets_the_users_terminal_and_an_empty_signal_mask() {
    let setting = Setting::rosa();
    let environment = with_prompting_provider(&setting);
    let command = setting.wrapper(&["--", "sh", "-c", "exit 4"]);
    let mut shell = OnTerminal::start(command.get_program(), command.get_args(), &environment);
    shell.expect("code? ");
    assert!(is_users(&shell.mode()), "the provider cannot read a line, or Ctrl-C cannot end it");
    shell.type_in("123456\r");
    assert_eq!(shell.exit_code(), Some(4), "{}", shell.seen());
    let mask = std::fs::read_to_string(setting.home.path().join("mask")).unwrap();
    assert_eq!(mask.split_whitespace().nth(1), Some("0000000000000000"), "a child must be endable by signals");
}

#[test]
fn keys_make_no_signals_from_the_start() {
    let setting = Setting::rosa();
    setting.world.faults().api_delay("sts:GetCallerIdentity", Duration::from_millis(500));
    let mut shell = OnTerminal::under_boundary(&setting, &["--", "sh", "-i"]);
    shell.expect("Proxy listening information");
    until("no signals from keys", || !shell.mode().local_flags.contains(LocalFlags::ISIG));
    shell.type_in("\u{3}");
    assert_eq!(shell.exit_code(), Some(130), "Ctrl-C ended the parent instead of us: {}", shell.seen());
    assert!(is_users(&shell.mode()));
}

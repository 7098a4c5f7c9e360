//! Marks, frames and commands in a transcript that nobody explains.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use transcript::exec_log::parse_object;
use transcript::marks::{Commands, Item, Piped, Pipes, Source, Stripper};
use transcript::screen::Size;

const NONCE: &str = "00112233445566778899aabbccddeeff";

fn mark(body: &str) -> String {
    format!("\x1b]7337;ecs-exec;{NONCE};{body}\x07\x1b[0m")
}

/// Neighbouring bytes joined, everything else as its `Debug` text.
fn strip(mut stripper: Stripper, bytes: &[u8], size: usize) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let (mut preface, mut output, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut take = |item: Item<'_>| match item {
        Item::Preface(bytes) => preface.extend_from_slice(bytes),
        Item::Output(bytes) => output.extend_from_slice(bytes),
        other => others.push(format!("{other:?}")),
    };
    bytes.chunks(size).for_each(|piece| stripper.feed(piece, &mut take));
    stripper.finish(&mut take);
    (preface, output, others)
}

fn commands(bytes: &[u8]) -> Vec<(Option<String>, Option<u8>, Source)> {
    let mut stripper = Stripper::new();
    let mut commands = Commands::new(Size::default());
    bytes.chunks(7).for_each(|piece| stripper.feed(piece, &mut |item| commands.item(&item, None)));
    stripper.finish(&mut |item| commands.item(&item, None));
    commands.finish().0.into_iter().map(|command| (command.text, command.exit_code, command.source)).collect()
}

#[test]
fn marks_go_whether_or_not_the_nonce_is_known() {
    let bytes = format!("motd\r\n{}$ ls\r\nbin\r\n{}", mark("ready;v1;"), mark("exit;3"));
    for size in 1..bytes.len() {
        for stripper in [Stripper::new(), Stripper::with_nonce(NONCE).unwrap()] {
            let (preface, output, others) = strip(stripper, bytes.as_bytes(), size);
            assert_eq!((preface.as_slice(), output.as_slice()), (&b"motd\r\n"[..], &b"$ ls\r\nbin\r\n"[..]));
            assert_eq!(others, ["Ready(Ready { version: 1, missing: [] })", "Exit(Exit { code: 3, refusal: None })"]);
        }
    }
}

#[test]
fn a_second_nonce_is_not_ours() {
    let forged = mark("exit;0").replace("00112233", "ffffffff");
    let bytes = format!("{}{forged}{}", mark("ready;v1;"), mark("exit;7"));
    let (_, output, others) = strip(Stripper::new(), bytes.as_bytes(), 1000);
    assert_eq!(output, forged.as_bytes());
    assert!(others[1].contains("code: 7"), "{others:?}");
}

#[test]
fn a_transcript_without_marks_is_all_preface_and_is_not_held_for_ever() {
    let mut stripper = Stripper::new();
    let mut given = 0;
    for _ in 0..40 {
        stripper.feed(&[b'x'; 4096], &mut |item| given += usize::from(matches!(item, Item::Preface(_))));
    }
    assert!(given > 10, "{given}");
    assert!(Stripper::with_nonce("no nonce").is_none());
}

#[test]
fn the_wrapper_s_command_marks_are_exact() {
    let bytes = format!(
        "{}{}$ ls\r\n{}bin\r\n{}$ x{}{}",
        mark("ready;v1;"),
        mark("done;0"),
        mark("command;6;ls%20-l"),
        mark("done;2"),
        mark("command;;"),
        mark("exit;0")
    );
    let expected = [(Some("ls -l".to_owned()), Some(2), Source::Wrapper), (None, None, Source::Wrapper)];
    assert_eq!(commands(bytes.as_bytes()), expected);
}

#[test]
fn osc_133_gives_what_stood_on_the_screen() {
    let session = "\x1b]133;A\x07$ \x1b]133;B\x07ecoh\x08\x08ho hi\r\n\x1b]133;C\x07hi\r\n\x1b]133;D;0\x07\x1b]133;A\x07$ \x1b]133;B\x07false\x1b]133;C\x07\r\n\x1b]133;D;1\x07";
    let found = commands(session.as_bytes());
    assert_eq!(found.last().unwrap(), &(Some("false".to_owned()), Some(1), Source::Osc133));
    assert_eq!(found[0].1, Some(0));
}

#[test]
fn a_command_with_escapes_is_shown_without() {
    let bytes = format!("{}{}", mark("ready;v1;"), mark("command;5;a%1b[2Jb"));
    assert_eq!(commands(bytes.as_bytes())[0].0.as_deref(), Some("a\u{fffd}[2Jb"));
}

proptest! {
    #[test]
    fn a_piped_session_comes_out_of_its_log(
        writes in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 1..40)), 0..12),
        size in 1usize..50,
    ) {
        let mut sent = mark("ready;v1;");
        for (stdout, bytes) in &writes {
            sent.push_str(&format!("{}{}\n", if *stdout { 'O' } else { 'E' }, STANDARD.encode(bytes)));
        }
        sent.push_str(&mark("exit;0"));
        let log = parse_object(format!("Script started on 2026-11-21 13:07:56+00:00 [X]\n{}\nScript done on 2026-11-21 13:07:56+00:00 [X]\n", sent.replace('\n', "\r\r\n")).as_bytes());
        let (_, output, _) = strip(Stripper::new(), &log.body, size);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut garbage = 0;
        let mut pipes = Pipes::new();
        let mut take = |item: Piped| match item {
            Piped::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            Piped::Stderr(bytes) => stderr.extend_from_slice(&bytes),
            Piped::Garbage(_) => garbage += 1,
        };
        output.chunks(size).for_each(|piece| pipes.feed(piece, &mut take));
        pipes.finish(&mut take);
        let expected = |which: bool| writes.iter().filter(|(stdout, _)| *stdout == which).flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
        prop_assert_eq!((stdout, stderr, garbage), (expected(true), expected(false), 0));
    }

    #[test]
    fn nothing_panics(pieces in proptest::collection::vec(prop_oneof![
        Just(mark("ready;v1;")), Just(mark("command;2;ls")), Just("\x1b]133;A\x07".to_owned()), Just("\x1b]133;B\x07".to_owned()),
        Just("\x1b]133;C\x07".to_owned()), Just("\x1b]133;D;1\x07".to_owned()), ".{0,9}", "\\x1b\\[[0-9;]{0,4}[A-Za-z]",
    ], 0..30)) {
        for (text, _, _) in commands(pieces.concat().as_bytes()) {
            prop_assert!(!text.unwrap_or_default().chars().any(char::is_control));
        }
    }
}

//! A replay in virtual time, and what it writes to an auditor's terminal.

use proptest::prelude::*;
use std::time::Duration;
use transcript::cast::{Cast, Event, Header, What};
use transcript::player::{Key, Next, Player};
use transcript::screen::Size;

const SIZE: (u32, u32) = (20, 5);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn cast(events: Vec<(u64, What)>) -> Cast {
    let header = Header { version: 3, size: Size::new(SIZE.0, SIZE.1), began: None, title: None, paced: false };
    Cast { header, events: events.into_iter().map(|(millis, what)| Event { at: at(millis), what }).collect(), other_lines: 0 }
}

fn out(text: &str) -> What {
    What::Output(text.to_owned())
}

fn mark(label: &str) -> What {
    What::Marker(label.to_owned())
}

fn player(events: Vec<(u64, What)>) -> Player {
    Player::new(cast(events), Size::new(SIZE.0, SIZE.1), None, Duration::ZERO)
}

/// Polls until there is nothing to write, on a terminal that shows it.
fn settle(player: &mut Player, shown: &mut avt::Terminal, now: Duration) -> Next {
    for _ in 0..1_000 {
        match player.poll(now) {
            Next::Write(bytes) => shown.feed(std::str::from_utf8(&bytes).expect("the painter writes text")),
            Next::WaitUntil(until) if until <= now => {}
            next => return next,
        }
    }
    panic!("the player does not come to rest");
}

fn terminal() -> avt::Terminal {
    avt::Terminal::new(20, 5).expect("a size")
}

fn first_row(shown: &avt::Terminal) -> String {
    shown.screen().line(0).expect("a row").text().trim_end().to_owned()
}

#[test]
fn it_plays_in_time_and_ends() {
    let mut player = player(vec![(1_000, out("a")), (3_000, out("b"))]);
    let mut shown = terminal();
    assert_eq!(settle(&mut player, &mut shown, at(0)), Next::WaitUntil(at(1_000)));
    assert_eq!(first_row(&shown), "");
    assert_eq!(settle(&mut player, &mut shown, at(1_000)), Next::WaitUntil(at(3_000)));
    assert_eq!(first_row(&shown), "a");
    assert_eq!(settle(&mut player, &mut shown, at(9_000)), Next::Ended);
    assert_eq!((first_row(&shown).as_str(), player.place(at(9_000)), player.duration()), ("ab", at(3_000), at(3_000)));
}

#[test]
fn speed_and_pause_change_when_things_are_due() {
    let mut player = player(vec![(1_000, out("a")), (9_000, out("b"))]);
    let mut shown = terminal();
    player.handle_key(Key::Faster, at(1_000));
    assert_eq!(settle(&mut player, &mut shown, at(1_000)), Next::WaitUntil(at(5_000)));
    player.handle_key(Key::Pause, at(2_000));
    assert_eq!(settle(&mut player, &mut shown, at(80_000)), Next::WaitForKey);
    assert_eq!((player.place(at(80_000)), player.paused()), (at(3_000), true));
    player.handle_key(Key::Pause, at(80_000));
    (0..3).for_each(|_| player.handle_key(Key::Slower, at(80_000)));
    assert!((player.speed() - 0.25).abs() < f64::EPSILON);
    assert_eq!(settle(&mut player, &mut shown, at(80_000)), Next::WaitUntil(at(104_000)));
    (0..99).for_each(|_| player.handle_key(Key::Faster, at(80_000)));
    assert!((player.speed() - 64.0).abs() < f64::EPSILON);
}

#[test]
fn idle_time_is_shortened() {
    let events = vec![(500, out("a")), (3_600_000, out("b"))];
    let player = Player::new(cast(events), Size::default(), Some(at(2_000)), Duration::ZERO);
    assert_eq!(player.duration(), at(2_500));
}

#[test]
fn back_is_the_screen_as_it_was() {
    let mut player = player(vec![(0, out("one\r\n")), (4_000, out("\x1b[31mtwo\r\n")), (9_000, out("\x1b[2J\x1b[Hthree"))]);
    let (mut shown, mut fresh) = (terminal(), terminal());
    settle(&mut player, &mut fresh, at(4_500));
    let as_it_was = fresh.screen().text();
    settle(&mut player, &mut shown, at(9_500));
    assert_eq!(first_row(&shown), "three");
    player.handle_key(Key::Pause, at(9_500));
    player.handle_key(Key::Back, at(9_600));
    settle(&mut player, &mut shown, at(9_600));
    assert_eq!(shown.screen().text(), as_it_was);
    assert_eq!(player.place(at(9_600)), at(4_000));
}

#[test]
fn marks_are_found_both_ways() {
    let mut player =
        player(vec![(0, out("x")), (10_000, mark("ls")), (11_000, out("y")), (20_000, mark("rm")), (30_000, out("z"))]);
    player.handle_key(Key::Pause, at(0));
    for (key, place, label) in [
        (Key::NextMark, 10_000, Some("ls")),
        (Key::NextMark, 20_000, Some("rm")),
        (Key::NextMark, 20_000, Some("rm")),
        (Key::PreviousMark, 10_000, Some("ls")),
        (Key::PreviousMark, 0, None),
        (Key::Step, 10_000, Some("ls")),
        (Key::Step, 11_000, Some("ls")),
        (Key::End, 30_000, Some("rm")),
        (Key::Start, 0, None),
    ] {
        player.handle_key(key, at(1));
        assert_eq!((player.place(at(1)), player.marker(at(1))), (at(place), label), "{key:?}");
    }
    player.handle_key(Key::Quit, at(1));
    assert_eq!(player.poll(at(1)), Next::Quit);
}

#[test]
fn keys_are_read_among_noise() {
    assert_eq!(Key::read(b"zz\x1b[C "), Some((Key::Forward, 5)));
    assert_eq!(Key::read(b"\x1bOA"), Some((Key::PreviousMark, 3)));
    assert_eq!(Key::read(b"\x03"), Some((Key::Quit, 1)));
    assert_eq!(Key::read(b"z\x1b"), None);
}

#[test]
fn a_long_way_is_gone_in_pieces() {
    let mut player = player((0..100).map(|n| (n, out(&"x\r\n".repeat(10_000)))).collect());
    assert_eq!(player.poll(at(1_000)), Next::WaitUntil(at(1_000)), "a key can come in between");
    assert_eq!(settle(&mut player, &mut terminal(), at(1_000)), Next::Ended);
}

#[test]
fn a_smaller_terminal_shows_the_upper_left() {
    let mut player =
        Player::new(cast(vec![(0, out("0123456789\r\n\u{754c}\u{754c}\r\nthird"))]), Size::new(3, 2), None, Duration::ZERO);
    let mut shown = avt::Terminal::new(3, 2).unwrap();
    settle(&mut player, &mut shown, at(1));
    assert_eq!(shown.screen().text(), ["012", "\u{754c}"]);
    player.handle_resize(Size::new(20, 5));
    let mut shown = terminal();
    settle(&mut player, &mut shown, at(2));
    assert_eq!(shown.screen().text()[2].trim_end(), "third");
}

fn with_status(events: Vec<(u64, What)>, viewer: (u32, u32)) -> Player {
    Player::new(cast(events), Size::new(viewer.0, viewer.1), None, Duration::ZERO).with_status()
}

fn rows(shown: &avt::Terminal) -> Vec<String> {
    shown.screen().text().iter().map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn the_last_row_says_where_the_replay_stands() {
    let mut player = with_status(vec![(0, out("a")), (90_000, out("b"))], (70, 6));
    let mut shown = avt::Terminal::new(70, 6).unwrap();
    let status = |shown: &avt::Terminal| rows(shown)[5].clone();
    assert_eq!(settle(&mut player, &mut shown, at(0)), Next::WaitUntil(at(1_000)), "the next second is to be told");
    assert_eq!(status(&shown), "▶ 00:00 / 01:30  1×  space pause · ←→ seek · +- speed · q quit");
    settle(&mut player, &mut shown, at(1_000));
    assert!(status(&shown).starts_with("▶ 00:01 / 01:30  1×"), "{}", status(&shown));
    player.handle_key(Key::Faster, at(1_000));
    player.handle_key(Key::Pause, at(1_000));
    assert_eq!(settle(&mut player, &mut shown, at(60_000)), Next::WaitForKey);
    assert!(status(&shown).starts_with("‖ 00:01 / 01:30  2×  paused"), "{}", status(&shown));
    player.handle_key(Key::End, at(60_000));
    assert_eq!(settle(&mut player, &mut shown, at(60_000)), Next::Ended);
    assert_eq!(status(&shown), "■ 01:30 / 01:30  end — q quits, ← goes back");
    player.handle_key(Key::Back, at(60_000));
    assert_eq!(settle(&mut player, &mut shown, at(60_000)), Next::WaitForKey);
    assert!(status(&shown).starts_with("‖ 01:25 / 01:30"), "{}", status(&shown));
}

#[test]
fn a_fast_replay_does_not_repaint_the_status_without_end() {
    let mut player = with_status(vec![(0, out("a")), (9_000_000, out("b"))], (70, 6));
    (0..9).for_each(|_| player.handle_key(Key::Faster, at(0)));
    let mut shown = avt::Terminal::new(70, 6).unwrap();
    assert_eq!(settle(&mut player, &mut shown, at(0)), Next::WaitUntil(at(100)));
}

#[test]
fn with_a_status_the_rows_around_the_cursor_are_seen() {
    let lines = "one\r\ntwo\r\nthree\r\nfour\r\nfive";
    let mut player = with_status(vec![(0, out(lines)), (5_000, out("\x1b[H"))], SIZE);
    let mut shown = terminal();
    settle(&mut player, &mut shown, at(0));
    assert_eq!(rows(&shown)[..4], ["two", "three", "four", "five"], "the row that is written in");
    assert_eq!((shown.cursor().col, shown.cursor().row), (4, 3));
    settle(&mut player, &mut shown, at(5_000));
    assert_eq!(rows(&shown)[..4], ["one", "two", "three", "four"]);
    player.handle_resize(Size::new(20, 1));
    let mut flat = avt::Terminal::new(20, 1).unwrap();
    settle(&mut player, &mut flat, at(5_000));
    assert_eq!(rows(&flat), ["one"], "one row is the recording's alone");
}

/// What is left when all that the painter may write is taken out: text alone.
fn text_alone(bytes: &str) -> String {
    let mut rest = bytes;
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        text.push_str(before);
        let length = after.find(|ch: char| !(ch.is_ascii_digit() || ch == ';' || ch == '?')).unwrap_or(after.len());
        let (parameters, tail) = after.split_at(length);
        let letter = tail.chars().next().expect("a sequence has an end");
        let allowed = match letter {
            'H' | 'm' => !parameters.contains('?'),
            'K' | 'J' => parameters == "2",
            'h' | 'l' => parameters == "?25",
            _ => false,
        };
        assert!(allowed, "CSI {parameters} {letter}");
        rest = &tail[1..];
    }
    text + rest
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        "[ -~\u{754c}\u{202e}\u{200b}\u{80}-\u{9f}\\r\\n\\x08\\t\\x0e\\x0f]{0,12}",
        "\\x1b\\[[0-9;?>=!]{0,8}[@-ac-~]",
        "\\x1b[\\]PX^_][0-9a-z;?]{0,9}(\\x07|\\x1b\\\\\\\\)?",
        "\\x1b[ -/]?[0-~]",
        Just("\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b[6n\x1b[c\x1bP+q544e\x1b\\\x1b[?1000h\x1b[?2004h\x1b[21t".to_owned()),
        Just("\x1b[?1049h".to_owned()),
        Just("\x1b[?1049l".to_owned()),
        Just("\x1b[?25l".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn only_safe_sequences_and_the_same_screen_reach_the_auditor(
        steps in proptest::collection::vec((0u64..3_000, prop_oneof![6 => hostile().prop_map(What::Output), 1 => (1u32..30, 1u32..8).prop_map(|(c, r)| What::Resize(Size::new(c, r))), 1 => ".{0,5}".prop_map(What::Input)]), 0..25),
        keys in proptest::collection::vec((0u64..2_000, 0usize..10), 0..12),
    ) {
        let mut time = 0;
        let events: Vec<(u64, What)> = steps.into_iter().map(|(gap, what)| { time += gap; (time, what) }).collect();
        let mut model = avt::Terminal::new(20, 5).unwrap();
        for (_, what) in &events {
            match what {
                What::Output(text) => model.feed(text.as_str()),
                What::Resize(size) => model.resize(size.columns().into(), size.rows().into()),
                _ => {}
            }
        }
        let mut player = player(events);
        let mut written = String::new();
        let mut now = Duration::ZERO;
        let all = [Key::Pause, Key::Faster, Key::Slower, Key::Forward, Key::Back, Key::NextMark, Key::PreviousMark, Key::Start, Key::End, Key::Step];
        for (gap, key) in keys {
            now += at(gap);
            if let Next::Write(bytes) = player.poll(now) {
                written.push_str(std::str::from_utf8(&bytes).unwrap());
            }
            player.handle_key(all[key], now);
        }
        player.handle_key(Key::End, now);
        let mut shown = terminal();
        player.handle_resize(Size::new(SIZE.0, SIZE.1));
        loop {
            match player.poll(now) {
                Next::Write(bytes) => {
                    written.push_str(std::str::from_utf8(&bytes).unwrap());
                    shown.feed(std::str::from_utf8(&bytes).unwrap());
                }
                Next::WaitUntil(until) if until <= now => {}
                _ => break,
            }
        }
        prop_assert!(!text_alone(&written).chars().any(char::is_control));
        let (columns, rows) = model.size();
        for row in 0..rows.min(5) {
            let expected: String = model.screen().line(row).unwrap().cells().iter().take(20).filter(|cell| cell.width() > 0).map(avt::Cell::char).collect();
            let painted = shown.screen().line(row).unwrap().text();
            let clean = expected.chars().map(|ch| if ch.is_control() { '\u{fffd}' } else { ch }).collect::<String>();
            if columns <= 20 && !clean.chars().any(|ch| "\u{200b}\u{202e}".contains(ch)) && clean.is_ascii() {
                prop_assert_eq!(painted.trim_end(), clean.trim_end());
            }
        }
    }
}

//! Recordings of the wrapper, of strangers, and of logs without times.

use audit_record::{Asciicast, Beginning};
use jiff::Timestamp;
use proptest::prelude::*;
use std::time::Duration;
use transcript::cast::{CastError, Event, PACED, Pace, What, read, to_asciicast};
use transcript::screen::Size;

fn recorded() -> String {
    let at = Timestamp::from_second(1_700_000_000).expect("a time in range");
    let (mut cast, mut lines) =
        Asciicast::begin(Beginning { columns: 100, rows: 30, terminal_type: Some("xterm"), at, title: "a\u{1b}b" });
    lines += &cast.output(Duration::from_millis(1_500), b"$ \x1b[1mls");
    lines += &cast.input(Duration::from_millis(1_600), b"l");
    lines += &cast.marker(Duration::from_millis(1_700), "ls");
    lines += &cast.resize(Duration::from_millis(1_800), 120, 40);
    lines += &cast.end(Duration::from_secs(2), 7);
    lines
}

#[test]
fn what_the_wrapper_wrote_is_read() {
    let cast = read(recorded().as_bytes()).unwrap();
    assert_eq!((cast.header.version, cast.header.size, cast.header.paced), (3, Size::new(100, 30), false));
    assert_eq!(cast.header.title.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(cast.header.began.unwrap().as_second(), 1_700_000_000);
    let expected = [
        (1_500, What::Output("$ \u{1b}[1mls".into())),
        (1_600, What::Input("l".into())),
        (1_700, What::Marker("ls".into())),
        (1_800, What::Resize(Size::new(120, 40))),
        (2_000, What::Exit(7)),
    ];
    let expected = expected.map(|(millis, what)| Event { at: Duration::from_millis(millis), what });
    assert_eq!((cast.events.as_slice(), cast.other_lines), (&expected[..], 0));
}

#[test]
fn version_two_has_absolute_times() {
    let cast =
        read(b"{\"version\":2,\"width\":80,\"height\":24}\n[1.5,\"o\",\"a\"]\n[2.0,\"o\",\"b\"]\n[1.0,\"o\",\"c\"]").unwrap();
    let times: Vec<u128> = cast.events.iter().map(|event| event.at.as_millis()).collect();
    assert_eq!(times, [1_500, 2_000, 2_000], "time never runs backwards");
}

#[test]
fn hostile_lines_are_counted_and_bounded() {
    let long = format!("[0,\"o\",\"{}\"]\n", "x".repeat(2 << 20));
    let text = [
        "{\"version\":3,\"term\":{\"cols\":4000000000,\"rows\":0}}\n",
        "# comment\n",
        "\n",
        "[1e300,\"o\",\"a\"]\n",
        "[-1,\"o\",\"a\"]\n",
        "[null,\"o\",\"a\"]\n",
        "[1e9,\"o\",\"late\"]\n",
        "[0,\"z\",\"?\"]\n",
        "[0,\"r\",\"axb\"]\n",
        "[0,\"x\",\"900\"]\n",
        "nonsense\n",
        &long,
        "[0,\"m\",\"\\u001b]0;t\\u0007\"]\n",
    ]
    .concat();
    let cast = read(text.as_bytes()).unwrap();
    assert_eq!(cast.header.size, Size::new(400, 1));
    let shown: Vec<&What> = cast.events.iter().map(|event| &event.what).collect();
    assert_eq!(shown, [&What::Output("late".into()), &What::Marker("\u{fffd}]0;t\u{fffd}".into())]);
    assert_eq!(cast.other_lines, 8);
    assert_eq!(cast.events[0].at, Duration::from_hours(31 * 24));
}

#[test]
fn what_is_no_recording_is_refused() {
    assert_eq!(read(b"").unwrap_err(), CastError::NoHeader);
    assert_eq!(read(b"hello\n").unwrap_err(), CastError::NoHeader);
    assert_eq!(read(b"{\"version\":1}\n").unwrap_err(), CastError::Version(1));
}

#[test]
fn a_log_without_times_says_that_it_is_paced() {
    let mark = |body: &str| format!("\x1b]7337;ecs-exec;00112233445566778899aabbccddeeff;{body}\x07\x1b[0m");
    let body = format!("{}$ ls\r\n{}bin \u{fc}\r\n{}", mark("ready;v1;"), mark("command;2;ls"), mark("exit;3"));
    let mut lines = String::new();
    let pace = Pace { characters_a_second: 10, line_end: Duration::from_secs(1) };
    to_asciicast(body.as_bytes(), Size::default(), pace, "s\x1b", Timestamp::UNIX_EPOCH, &mut |line| lines.push_str(line));
    let cast = read(lines.as_bytes()).unwrap();
    assert!(cast.header.paced);
    assert_eq!(cast.header.title.as_deref(), Some("paced: s\u{fffd}"));
    let events: Vec<(u128, &What)> = cast.events.iter().map(|event| (event.at.as_millis(), &event.what)).collect();
    let expected = [
        (0, &What::Marker(PACED.into())),
        (0, &What::Output("$ ls\r\n".into())),
        (1_600, &What::Marker("ls".into())),
        (1_600, &What::Output("bin \u{fc}\r\n".into())),
        (3_300, &What::Exit(3)),
    ];
    assert_eq!(events, expected);
}

proptest! {
    #[test]
    fn a_paced_log_shows_what_the_log_shows(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut lines = String::new();
        to_asciicast(&bytes, Size::default(), Pace::default(), "", Timestamp::UNIX_EPOCH, &mut |line| lines.push_str(line));
        let cast = read(lines.as_bytes()).unwrap();
        let shown: String = cast.events.iter().filter_map(|event| if let What::Output(text) = &event.what { Some(text.as_str()) } else { None }).collect();
        prop_assert_eq!(shown, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn reading_never_panics(text in "(\\{\"version\":3\\}\n)?([\\[\\]{}\",0-9eoxmr.#\n-]{0,30}\n?){0,9}") {
        let _ = read(text.as_bytes());
    }
}

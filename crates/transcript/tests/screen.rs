//! What a reader saw, line by line, and what a hostile transcript cannot do.

use proptest::prelude::*;
use std::time::Duration;
use transcript::screen::{Line, Renderer, Size, guess_columns, plain, render};

fn text(bytes: &[u8]) -> String {
    render(bytes, Size::default(), 1 << 30).text()
}

fn narrow(bytes: &[u8]) -> String {
    render(bytes, Size::new(10, 3), 1 << 30).text()
}

#[test]
fn colours_go_and_text_stays() {
    assert_eq!(text(b"\x1b[01;34mbin\x1b[0m  etc\r\r\n$ exit\r\n"), "bin  etc\n$ exit\n");
}

#[test]
fn what_was_corrected_while_typing_is_shown_as_it_ended() {
    assert_eq!(text(b"$ lx\x08\x1b[Ks -l\r\n$ cat\r$ dog\r\n"), "$ ls -l\n$ dog\n");
}

#[test]
fn lines_that_scrolled_off_are_kept_and_wrapped_rows_are_joined() {
    assert_eq!(narrow(b"0123456789abcdefghijklm\r\n1\r\n2\r\n3\r\n4\r\n"), "0123456789abcdefghijklm\n1\n2\n3\n4\n");
}

#[test]
fn no_way_of_clearing_hides_what_was_there() {
    for clear in ["\x1b[H\x1b[2J", "\x1b[H\x1b[2J\x1b[3J", "\x1b[H\x1b[J", "\x1b[1;1H\x1b[0J", "\x1bc"] {
        let shown = text(format!("secret plan\r\n$ clear{clear}$ next\r\n").as_bytes());
        assert!(shown.starts_with("secret plan\n$ clear\n") && shown.ends_with("$ next\n"), "{clear:?}: {shown:?}");
    }
}

#[test]
fn the_alternate_screen_is_a_note_in_its_place() {
    let session = "before\r\n$ vi\r\n\x1b[?1049hall of vi\x1b[?1049lafter\r\n";
    assert_eq!(text(session.as_bytes()), "before\n$ vi\n[alternate screen: 17 bytes]\nafter\n");
    let scrolled = format!("{session}{}", "line\r\n".repeat(30));
    let shown = text(scrolled.as_bytes());
    let lines: Vec<&str> = shown.lines().take(5).collect();
    assert_eq!(lines, ["before", "$ vi", "[alternate screen: 17 bytes]", "after", "line"]);
    assert_eq!(text(b"$ less\r\n\x1b[?1047hnever left"), "$ less\n[alternate screen: 10 bytes]\n");
}

#[test]
fn a_note_says_how_long_when_times_are_known() {
    let mut lines = Vec::new();
    let mut renderer = Renderer::new(Size::default());
    for (seconds, bytes) in [(1, "$ vi\r\n\x1b[?1049h"), (2, "text"), (13, "\x1b[?1049l$ ")] {
        renderer.feed(bytes.as_bytes(), Some(Duration::from_secs(seconds)), &mut |line| lines.push(line));
    }
    renderer.finish(None, &mut |line| lines.push(line));
    let shown: Vec<String> = lines.iter().map(Line::to_string).collect();
    assert_eq!(shown, ["$ vi", "[alternate screen: 12 bytes in 12.0 s]", "$"]);
}

#[test]
fn what_cannot_be_seen_does_not_come_through() {
    assert_eq!(text("a\u{202e}b\u{200b}c\u{feff}\x1b]0;title\x07\x1bP1$qx\x1b\\d\x1b]52;c;AAAA\x07e\r\n".as_bytes()), "abcde\n");
    assert_eq!(plain(b"a\x1b[31m\x9b\xe2\x80\xae\nb", 20), "a\u{fffd}[31m\u{fffd}\u{fffd}b");
}

#[test]
fn a_rendering_is_cut_where_it_is_told_to() {
    let rendered = render(&b"0123456789\r\n".repeat(100), Size::default(), 110);
    assert_eq!((rendered.lines.len(), rendered.cut), (10, true));
}

#[test]
fn small_sequences_cannot_ask_for_much_work() {
    let screen_wide = [
        "\x1b[2J\x1b[150;400Hx",
        "\x1bM",
        "\x1b[65535L",
        "\x1b[?1049h\x1b[?1049l",
        "\x1bc",
        "\x1b#8",
        "\x1b[65535S",
        "\x1b[H\x1b[J",
    ];
    for attack in screen_wide {
        let bytes = attack.repeat(30_000 / attack.len());
        let rendered = render(bytes.as_bytes(), Size::new(u32::MAX, u32::MAX), 1 << 20);
        assert!(rendered.operations_left_out > 100, "{attack:?}: {}", rendered.operations_left_out);
    }
    let repeats = "a\x1b[65535b".repeat(2_000);
    let text = render(repeats.as_bytes(), Size::new(u32::MAX, u32::MAX), 1 << 30).text();
    assert!(text.len() < repeats.len() * 64, "{}", text.len());
}

#[test]
fn ordinary_full_screen_work_is_not_limited() {
    let redraw = format!("\x1b[H\x1b[2J{}", "some text of a monitor\r\n".repeat(20));
    assert_eq!(render(redraw.repeat(100).as_bytes(), Size::new(200, 50), 1 << 30).operations_left_out, 0);
}

#[test]
fn a_long_command_is_whole_at_the_width_that_the_shell_knew() {
    let raw = include_bytes!("corpus/bash-60-columns.raw");
    assert_eq!(guess_columns(raw), Some(60));
    let command = format!("$ echo {}", "0123456789".repeat(9));
    assert!(!text(raw).contains(&command), "at another width it is overwritten");
    let shown = render(raw, Size::new(60, 24), 1 << 20).text();
    assert!(shown.starts_with(&format!("{command}\n{}\n", "0123456789".repeat(9))), "{shown}");
    assert_eq!(guess_columns(include_bytes!("corpus/bash.raw")), None);
}

#[test]
fn a_line_without_end_does_not_pile_up() {
    let mut renderer = Renderer::new(Size::default());
    let mut longest = 0;
    for _ in 0..200 {
        renderer.feed(&[b'x'; 4096], None, &mut |line| longest = longest.max(line.length()));
    }
    assert!((60_000..70_000).contains(&longest), "{longest}");
}

#[test]
fn golden_sessions_render_as_reviewed() {
    let cases: [(&str, &[u8], &str); 2] = [
        ("bash", include_bytes!("corpus/bash.raw"), include_str!("corpus/bash.txt")),
        ("hostile", include_bytes!("corpus/hostile.raw"), include_str!("corpus/hostile.txt")),
    ];
    for (name, raw, expected) in cases {
        assert_eq!(text(raw), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_comes_the_text_is_free_of_controls_and_splits_do_not_matter(
        pieces in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..20),
                "\\x1b\\[[0-9;?]{0,6}[@-~]".prop_map(String::into_bytes),
                "[ -~\u{e0}-\u{17f}\u{200b}-\u{202e}\\r\\n\\x08]{0,20}".prop_map(String::into_bytes),
                Just(b"\x1b[?1049h".to_vec()),
                Just(b"\x1b[?1049l".to_vec()),
                Just(b"\x1bc".to_vec()),
            ],
            0..30,
        ),
        cut in 1usize..30,
    ) {
        let bytes = pieces.concat();
        let whole = render(&bytes, Size::new(9, 4), 1 << 20);
        for line in &whole.lines {
            prop_assert!(!line.to_string().chars().any(char::is_control));
        }
        let mut lines = Vec::new();
        let mut renderer = Renderer::new(Size::new(9, 4));
        bytes.chunks(cut).for_each(|piece| renderer.feed(piece, None, &mut |line| lines.push(line)));
        renderer.finish(None, &mut |line| lines.push(line));
        prop_assert_eq!(lines, whole.lines);
    }
}

//! All stages in a row, as an auditor's program puts them together.

use proptest::prelude::*;
use transcript::cast::{Pace, read, to_asciicast};
use transcript::exec_log::{ExecLogReader, LogSummary, parse_object};
use transcript::marks::{Commands, Item, Stripper};
use transcript::redact::Redactor;
use transcript::screen::{Renderer, Size};

/// Log to text without secrets, in one pass.
fn text(log: &[u8], piece: usize) -> (LogSummary, Vec<String>, Vec<Option<String>>) {
    let size = Size::default();
    let (mut stripper, mut renderer) = (Stripper::new(), Renderer::new(size));
    let (mut commands, mut redactor, mut lines) = (Commands::new(size), Redactor::default(), Vec::new());
    let mut show = |item: Item<'_>| {
        commands.item(&item, None);
        if let Item::Preface(bytes) | Item::Output(bytes) = item {
            renderer.feed(bytes, None, &mut |line| lines.push(line.to_string()));
        }
    };
    let mut reader = ExecLogReader::new();
    for piece in log.chunks(piece) {
        reader.push(piece, &mut |body| stripper.feed(body, &mut show));
    }
    let summary = reader.finish(&mut |body| stripper.feed(body, &mut show));
    stripper.finish(&mut show);
    renderer.finish(None, &mut |line| lines.push(line.to_string()));
    let lines = lines.iter().map(|line| redactor.line(line).text).collect();
    (summary, lines, commands.finish().0.into_iter().map(|command| command.text).collect())
}

#[test]
fn a_session_of_the_wrapper_reads_as_reviewed() {
    let (summary, lines, commands) = text(include_bytes!("corpus/session.log"), 10);
    assert_eq!(lines.join("\n") + "\n", include_str!("corpus/session.txt"));
    assert_eq!(commands, [Some("export DB_PASSWORD=hunter2".to_owned()), Some("vi notes".to_owned()), Some("exit".to_owned())]);
    assert!(summary.claims_to_be_whole());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_a_log_holds_no_stage_breaks(bytes in proptest::collection::vec(any::<u8>(), 0..600), piece in 1usize..100) {
        let (_, lines, _) = text(&bytes, piece);
        prop_assert!(!lines.iter().any(|line| line.chars().any(char::is_control)));
        let mut cast = String::new();
        let body = parse_object(&bytes).body;
        to_asciicast(&body, Size::default(), Pace::default(), "", jiff::Timestamp::UNIX_EPOCH, &mut |line| cast.push_str(line));
        prop_assert!(read(cast.as_bytes()).is_ok_and(|cast| cast.header.paced && cast.other_lines == 0));
    }
}

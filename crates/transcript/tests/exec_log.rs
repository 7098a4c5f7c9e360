//! Logs as the agent leaves them, whole, cut, edited and forged, against the digest of what was sent.

use audit_record::OutputDigest;
use proptest::prelude::*;
use std::process::{Command, Stdio};
use transcript::exec_log::{
    Comparison, ExecLogReader, Expected, Form, LogSummary, Program, Trailer, Unfit, compare, parse, parse_object,
};

const HEADER: &str =
    "Script started on 2026-11-21 13:07:56+00:00 [COMMAND=\"cat /var/lib/amazon/ssm/a\" <not executed on terminal>]\n";
const TRAILER: &str = "\nScript done on 2026-11-21 13:07:57+00:00 [COMMAND_EXIT_CODE=\"0\"]\n";

fn digest(sent: &[u8]) -> OutputDigest {
    let mut digest = OutputDigest::default();
    digest.update(sent);
    digest
}

fn against(log: &LogSummary, sent: &OutputDigest) -> Comparison {
    compare(log, Expected { sha256: &sent.sha256(), canonical_bytes: sent.canonical_bytes(), checkpoints: sent.checkpoints() })
}

/// What `script` makes of the terminal's bytes: its own terminal adds a CR to every LF.
fn object(sent: &[u8]) -> Vec<u8> {
    let body = sent.iter().flat_map(|&byte| if byte == b'\n' { vec![b'\r', b'\n'] } else { vec![byte] });
    HEADER.bytes().chain(body).chain(TRAILER.bytes()).collect()
}

/// What the agent makes of that: text events, CRLF to LF, no LF at an event's end.
fn events(sent: &[u8], lines_an_event: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(&object(sent)).replace("\r\n", "\n");
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(&text).split('\n').collect();
    lines.chunks(lines_an_event).map(|lines| lines.join("\n")).collect()
}

fn session(lines: usize) -> Vec<u8> {
    (0..lines).flat_map(|n| format!("\x1b[32mline {n:06} of \u{fc}\x1b[0m\r\n").into_bytes()).collect()
}

#[test]
fn both_destinations_give_the_digest_of_what_was_sent() {
    let sent = session(20_000);
    let record = digest(&sent);
    let object = parse_object(&object(&sent));
    assert_eq!(against(&object.summary, &record), Comparison::Equal { forged_trailer: false });
    assert_eq!(object.summary.form, Form::Raw);
    assert_eq!(object.summary.header.as_ref().unwrap().program, Program::UtilLinux);
    assert!(matches!(object.summary.trailer, Trailer::Present { copy_exit_code: Some(0), .. }));
    for lines_an_event in [1, 7, 100_000] {
        let log = parse(events(&sent, lines_an_event));
        assert_eq!(
            against(&log.summary, &record),
            Comparison::Equal { forged_trailer: false },
            "{lines_an_event} lines an event"
        );
        assert!(log.summary.claims_to_be_whole());
    }
}

#[test]
fn a_cut_log_is_a_prefix_as_far_as_checkpoints_show() {
    let sent = session(20_000);
    let record = digest(&sent);
    let whole = object(&sent);
    let log = parse_object(&whole[..400_000]);
    assert_eq!(log.summary.trailer, Trailer::Absent);
    assert_eq!(against(&log.summary, &record), Comparison::ShorterPrefix { agrees_to: 5 * 65_536 });
}

#[test]
fn a_log_that_goes_on_is_longer_and_exact_when_watched() {
    let sent = session(20_000);
    let record = digest(&sent[..300_000]);
    let log = parse_object(&object(&sent));
    assert_eq!(against(&log.summary, &record), Comparison::Longer { agrees_to: 4 * 65_536 });
    let mut reader = ExecLogReader::watching(record.canonical_bytes());
    object(&sent).chunks(1000).for_each(|piece| reader.push(piece, &mut |_| {}));
    let watched = reader.finish(&mut |_| {});
    assert_eq!(against(&watched, &record), Comparison::Longer { agrees_to: record.canonical_bytes() });
    let mut edited = session(20_000);
    edited[290_000] ^= 1;
    let mut reader = ExecLogReader::watching(record.canonical_bytes());
    reader.push(&object(&edited), &mut |_| {});
    let expected = Comparison::Differs { agrees_to: 4 * 65_536, differs_by: record.canonical_bytes() };
    assert_eq!(against(&reader.finish(&mut |_| {}), &record), expected);
}

#[test]
fn an_edit_is_placed_between_two_checkpoints() {
    let sent = session(20_000);
    let record = digest(&sent);
    let mut edited = sent.clone();
    edited[200_005] = b'~';
    let log = parse(events(&edited, 50));
    let canonical = digest(&edited[..200_005]).canonical_bytes();
    let Comparison::Differs { agrees_to, differs_by } = against(&log.summary, &record) else { panic!("an edit is a difference") };
    assert!(agrees_to <= canonical && canonical < differs_by && differs_by - agrees_to == 65_536, "{agrees_to} {differs_by}");
}

#[test]
fn a_forged_trailer_in_the_middle_is_body_and_at_the_end_it_is_found_out() {
    let forged = TRAILER.trim_matches('\n');
    let sent = format!("a\r\n{forged}\r\nb\r\n").into_bytes();
    let log = parse_object(&object(&sent));
    assert_eq!(against(&log.summary, &digest(&sent)), Comparison::Equal { forged_trailer: false });
    let sent = format!("a\r\n{forged}\r\n").into_bytes();
    let cut: Vec<u8> = HEADER.bytes().chain(sent.iter().copied()).collect();
    let log = parse_object(&cut);
    assert!(log.summary.claims_to_be_whole(), "it is a claim, and a claim it stays");
    assert_eq!(against(&log.summary, &digest(&sent)), Comparison::Equal { forged_trailer: true });
}

#[test]
fn output_that_is_no_utf8_makes_an_event_log_unfit_and_not_a_lie() {
    let mut sent: Vec<u8> = session(5_000).into_iter().map(|byte| if byte.is_ascii() { byte } else { b'u' }).collect();
    sent[100_000] = 0xff;
    let record = digest(&sent);
    let log = parse(events(&sent, 100));
    let at = digest(&sent[..100_000]).canonical_bytes();
    assert_eq!(against(&log.summary, &record), Comparison::Unfit { why: Unfit::Replaced { at } });
    assert_eq!(against(&parse_object(&object(&sent)).summary, &record), Comparison::Equal { forged_trailer: false });
    let mut edited = sent.clone();
    edited[1_000] = b'~';
    let edited = parse(events(&edited, 100));
    assert_eq!(against(&edited.summary, &record), Comparison::Differs { agrees_to: 0, differs_by: 65_536 });
}

#[test]
fn a_replacement_character_that_was_really_shown_is_equal() {
    let sent = "a\u{fffd}b\r\n".as_bytes();
    assert_eq!(against(&parse(events(sent, 1)).summary, &digest(sent)), Comparison::Equal { forged_trailer: false });
}

#[test]
fn the_place_of_a_replacement_does_not_depend_on_the_pieces() {
    let text = "a\r\nb\u{ef}\u{fffd}".as_bytes();
    for cut in 0..=text.len() {
        let mut reader = ExecLogReader::new();
        reader.push(&text[..cut], &mut |_| {});
        reader.push(&text[cut..], &mut |_| {});
        assert_eq!(reader.finish(&mut |_| {}).replaced_at, Some(4), "cut at {cut}");
    }
}

#[test]
fn up_to_three_lost_bytes_at_the_end_are_no_accusation() {
    let sent = "some text \u{1f642}".as_bytes();
    for lost in 1..=3 {
        let log = parse_object(&object(&sent[..sent.len() - 4 + (4 - lost)]));
        let expected = Comparison::Unfit { why: Unfit::EndLost { bytes: lost as u64 } };
        assert_eq!(against(&log.summary, &digest(sent)), expected);
    }
    let log = parse_object(&object(&sent[..sent.len() - 4]));
    assert_eq!(against(&log.summary, &digest(sent)), Comparison::ShorterPrefix { agrees_to: 0 });
}

#[test]
fn no_log_and_the_json_form_are_unfit() {
    let record = digest(b"x");
    assert_eq!(against(&parse([""; 0]).summary, &record), Comparison::Unfit { why: Unfit::Empty });
    let log = parse(include_str!("corpus/streaming.jsonl").lines());
    assert_eq!(against(&log.summary, &record), Comparison::Unfit { why: Unfit::Form });
    let json = log.summary.json.unwrap();
    assert_eq!(json.session_id.as_deref(), Some("ecs-execute-command-0abcdefghij1234567890klmno"));
    assert_eq!(json.target_id.as_deref(), Some("i-0123456789abcdef0"));
    assert_eq!(json.user_arn.as_deref(), Some("arn:aws:sts::123456789012:assumed-role/sre/alice"));
    assert_eq!((json.events, json.other_lines, json.mixed), (3, 1, false));
    assert_eq!(json.first_at.unwrap().to_string(), "2026-11-21T13:00:00Z");
    assert_eq!(json.last_at.unwrap().to_string(), "2026-11-21T13:00:09Z");
    assert_eq!(log.body, b"sh-5.2$ ls\na  b\nnot an event\nsh-5.2$ exit\n");
}

#[test]
fn a_mixed_stream_is_said_to_be_mixed() {
    let event = |id: &str| format!("{{\"eventVersion\":\"1.0\",\"sessionId\":\"{id}\",\"sessionData\":[]}}");
    assert!(parse([event("a"), event("b")]).summary.json.unwrap().mixed);
}

#[test]
fn json_in_a_terminal_is_raw() {
    let sent = b"{\"eventVersion\":\"1.0\",\"sessionData\":[\"x\"]}\r\n";
    let log = parse_object(&object(sent));
    assert_eq!((log.summary.form, log.summary.json.is_none()), (Form::Raw, true));
    assert_eq!(against(&log.summary, &digest(sent)), Comparison::Equal { forged_trailer: false });
}

#[test]
fn a_huge_line_is_not_held() {
    let mut reader = ExecLogReader::new();
    let mut given = 0usize;
    for start in [&b"Script done on "[..], b"{\"", b"plain"] {
        reader.push(start, &mut |bytes| given += bytes.len());
        (0..1024).for_each(|_| reader.push(&[b'9'; 4096], &mut |bytes| given += bytes.len()));
        assert!(given > 1023 * 4096, "{given}");
        reader.push(b"\n", &mut |bytes| given += bytes.len());
        given = 0;
    }
}

#[test]
fn golden_logs_of_old_and_other_scripts_are_read() {
    let old = parse_object(include_bytes!("corpus/old-util-linux.log"));
    assert_eq!(old.summary.header.as_ref().unwrap().program, Program::Old);
    assert!(matches!(old.summary.trailer, Trailer::Present { copy_exit_code: None, .. }));
    assert_eq!(old.body, b"sh-4.2# ls\r\r\nbin  etc\r\r\nsh-4.2# exit\r\r\n\n");
    let bare = parse_object(include_bytes!("corpus/no-frame.log"));
    assert_eq!((bare.summary.header, bare.summary.trailer), (None, Trailer::Absent));
    assert_eq!(bare.body, include_bytes!("corpus/no-frame.log"));
}

#[test]
fn the_real_script_frames_as_we_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().join("ipc");
    let log = folder.path().join("log");
    let sent = "\x1b[1mhello\x1b[0m \u{fc}\r\nScript done on 2026-01-01 00:00:00+00:00 [COMMAND_EXIT_CODE=\"0\"]\r\n\u{1f642}\r\nno line end";
    std::fs::write(&shown, sent).unwrap();
    let command = format!("cat {}", shown.display());
    let run = Command::new("script")
        .arg(&log)
        .args(["-c", &command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !run.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no util-linux `script` here");
        return;
    }
    let bytes = std::fs::read(&log).unwrap();
    let read = parse_object(&bytes);
    assert!(read.summary.header.is_some(), "{}", bytes.escape_ascii());
    assert!(read.summary.claims_to_be_whole());
    assert_eq!(against(&read.summary, &digest(sent.as_bytes())), Comparison::Equal { forged_trailer: false });
    let begun = read.summary.header.unwrap().stamp.at;
    assert!(begun.is_none_or(|at| at.as_second() > 1_700_000_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_the_bytes_are_cut_does_not_matter(
        pieces in proptest::collection::vec(
            prop_oneof![Just(HEADER.to_owned()), Just(TRAILER.to_owned()), Just("Script done on ".to_owned()), "[a\\r\\n{\"\u{fffd}]{0,9}"],
            0..9,
        ),
        size in 1_usize..40,
    ) {
        let text = pieces.concat();
        let whole = parse_object(text.as_bytes());
        let mut body = Vec::new();
        let mut reader = ExecLogReader::new();
        for piece in text.as_bytes().chunks(size) {
            reader.push(piece, &mut |bytes| body.extend_from_slice(bytes));
        }
        let summary = reader.finish(&mut |bytes| body.extend_from_slice(bytes));
        prop_assert_eq!(&summary, &whole.summary);
        prop_assert_eq!(&body, &whole.body);
        prop_assert_eq!(digest(&body).sha256(), summary.sha256);
    }

    #[test]
    fn nothing_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let log = parse_object(&bytes);
        prop_assert!(log.summary.header.is_some() || log.summary.claims_to_be_whole() || log.body == bytes);
    }

    /// The mutation test: whatever byte is changed into whatever else, a line end into another line end excepted, it is never equal.
    #[test]
    fn one_changed_byte_is_never_equal(text in "[a-z\\x1b\\[\u{fc}\\r\\n]{1,80}", at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let at = at.index(text.len());
        let was = text.as_bytes()[at];
        let line_end = |byte: u8| matches!(byte, b'\r' | b'\n');
        prop_assume!(was != byte && !(line_end(was) && line_end(byte)));
        let mut edited = text.clone().into_bytes();
        edited[at] = byte;
        let record = digest(text.as_bytes());
        for log in [parse_object(&object(&edited)), parse(events(&edited, 2))] {
            let said = against(&log.summary, &record);
            prop_assert!(!matches!(said, Comparison::Equal { .. }), "{said:?}");
        }
    }
}

//! What people read, as it stands in `src/golden`.

use super::*;
use crate::grade::coverage_grade;
use crate::samples::{HOSTILE, Scene, account, at, fact, finding, is_golden, steers, story, sync_change, target};
use crate::timeline::timeline;
use crate::{access_at, access_between as accesses_between};
use audit_facts::{Fact, Source, TaskId};
use correlation::{Account, Code, Finding, State};

const PAPER: Paper = Paper { width: 100, colours: false };

fn accounts() -> Vec<Account> {
    Scene::of(6).sessions.into_iter().map(|(account, ..)| account).collect()
}

fn some_findings() -> Vec<Finding> {
    let other = |code: Code, state| Finding { code, severity: code.severity(), state, ..finding() };
    vec![
        other(Code::SessionOverlap, State::Confirmed),
        finding(),
        other(Code::LogLate, State::Resolved),
        other(Code::BypassExec, State::Confirmed),
    ]
}

fn access_facts() -> Vec<Fact> {
    let task = TaskId::parse(crate::samples::TASK).unwrap();
    [sync_change(at(0), &task), target(at(2), &task)].map(|body| fact(Source::SyncRecords, body)).into()
}

#[test]
fn sessions_are_a_list_of_two_lines_each() {
    is_golden("sessions.txt", &sessions(&accounts(), PAPER));
}

#[test]
fn a_session_has_a_page() {
    let it = account();
    is_golden("session.txt", &session(&it, &timeline(&story(&it)), &[finding()], PAPER));
}

#[test]
fn findings_begin_with_the_worst() {
    is_golden("findings.txt", &findings(&some_findings(), PAPER));
}

#[test]
fn coverage_is_a_sentence_and_bars() {
    let sources = [Source::BoundaryApi, Source::CloudTrail, Source::ExecLogs, Source::Artifacts];
    is_golden("coverage.txt", &coverage(&coverage_grade(&Scene::of(0).windows, &sources, at(0), at(86_400)), PAPER));
}

#[test]
fn access_says_who_where_and_by_which_change() {
    is_golden("access.txt", &access(&access_at(&access_facts(), at(10)), PAPER));
    is_golden("access_between.txt", &access_between(&accesses_between(&access_facts(), at(0), at(10)), PAPER));
}

#[test]
fn a_finding_says_of_links_and_witnesses_only_what_means_something() {
    let of = |code: Code, assurance: &str, has_session: bool| {
        let mut it = Finding { code, assurance: assurance.to_owned(), ..finding() };
        if !has_session {
            (it.ssm_session_id, it.boundary_session_id, it.agree, it.applicable) = (None, None, 0, 0);
        }
        findings(&[it], PAPER)
    };
    let setting = of(Code::LoggingDisabled, "none", false);
    assert!(!setting.contains("link") && !setting.contains("witness"), "{setting}");
    let bypass = of(Code::BypassExec, "none", true);
    assert!(bypass.contains("no link between Boundary and AWS") && !bypass.contains("agree"), "{bypass}");
    assert!(of(Code::LogLate, "asserted", true).contains("link asserted, 2 of 3 witnesses agree"));
}

#[test]
fn what_to_do_stands_out() {
    let text = findings(&[finding()], Paper { colours: true, ..PAPER });
    assert!(text.contains("\u{1b}[1mWhat to do: "), "{text}");
}

#[test]
fn one_witness_agrees_and_without_a_link_none_does() {
    let mut it = account();
    it.witnesses.truncate(1);
    assert!(session(&it, &[], &[], PAPER).contains("\n1 of 1 witness agrees\n"));
    it.assurance = correlation::Assurance::None;
    assert!(session(&it, &[], &[], PAPER).contains("\n1 of 1 witness knows of it\n"));
    let list = sessions(&[it], PAPER);
    assert!(list.contains("no link") && !list.contains("agree") && !list.contains("witnesses"), "{list}");
}

#[test]
fn nothing_is_wider_than_a_terminal_of_eighty_unless_it_is_one_word_and_nothing_ends_blank() {
    let narrow = Paper { width: 80, colours: false };
    let it = account();
    let (rows, accesses) = (access_at(&access_facts(), at(10)), accesses_between(&access_facts(), at(0), at(10)));
    let overall = coverage_grade(&Scene::of(0).windows, &[Source::ExecLogs, Source::Artifacts], at(0), at(86_400));
    let texts = [
        sessions(&accounts(), narrow),
        session(&it, &timeline(&story(&it)), &[finding()], narrow),
        findings(&some_findings(), narrow),
        coverage(&overall, narrow),
        access(&rows, narrow),
        access_between(&accesses, narrow),
    ];
    for text in texts {
        // One word that is too long stands alone, and an ARN with its name before it.
        let broken = |line: &&str| line.trim().contains(' ') && !line.contains(" arn:");
        let wide = text.lines().filter(|line| line.chars().count() > 80).find(broken);
        assert_eq!(wide, None, "{text}");
        assert!(text.contains("UTC") && text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
    }
}

#[test]
fn a_change_says_whom_it_let_in_and_whom_it_kept_out() {
    let accesses = accesses_between(&access_facts(), at(0), at(10));
    let mut closed = accesses.clone();
    closed.spans[0].until = Some(at(5));
    closed.spans[0].closed_by = closed.spans[0].row.by.take();
    let text = |it| access_between(it, Paper { width: 400, colours: false });
    let task = crate::samples::TASK;
    assert!(text(&accesses).contains(&format!("): task {task} opened to u_1234567890\n")), "{}", text(&accesses));
    assert!(text(&closed).contains(&format!("): task {task} closed to u_1234567890\n")), "{}", text(&closed));
    assert!(text(&closed).contains("2026-09-21 13:33:20 to 2026-09-21 13:33:25"), "{}", text(&closed));
}

#[test]
fn no_text_of_others_reaches_the_terminal_unescaped() {
    for text in HOSTILE {
        let scene = Scene::filled(text);
        let accounts: Vec<Account> = scene.sessions.iter().map(|(account, ..)| account.clone()).collect();
        let overall = coverage_grade(&scene.windows, &[Source::ExecLogs], at(0), at(86_400));
        let mut shown = sessions(&accounts, PAPER) + &findings(&scene.findings, PAPER) + &coverage(&overall, PAPER);
        shown.push_str(&session(&accounts[0], &timeline(&story(&account())), &scene.findings, PAPER));
        let steering = shown.chars().find(|c| steers(*c));
        assert_eq!(steering, None, "{text:?}");
    }
}

#[test]
fn colours_only_repeat_what_words_say() {
    let coloured = Paper { colours: true, ..PAPER };
    let text = findings(&some_findings(), coloured) + &sessions(&accounts(), coloured);
    assert!(text.contains("\u{1b}[1;31mcritical"));
    let mut plain = String::new();
    for (at, part) in text.split('\u{1b}').enumerate() {
        plain.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(plain, findings(&some_findings(), PAPER) + &sessions(&accounts(), PAPER));
}

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

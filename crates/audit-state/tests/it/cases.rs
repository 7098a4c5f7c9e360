//! Which cases are judged again, and what becomes of their rows.

use crate::world::{
    Place, at, batch, boundary_id, boundary_session, bypass, credentials, judge, posture, settle, shell, ssm_id, task_id, user,
    window,
};
use audit_facts::{Body, Grade, Key, Source};
use audit_state::{AccountFilter, FindingFilter, Judgement, State};
use correlation::finding::Basis;
use correlation::{Code, Finding, State as Settled, Subject};

fn states(state: &State) -> Vec<(String, Settled)> {
    let found = state.reader().unwrap().findings(&FindingFilter::default()).unwrap();
    found.into_iter().map(|it| (it.finding.ssm_session_id.unwrap(), it.finding.state)).collect()
}

fn trail(state: &State, n: u8) -> Vec<(Option<String>, String, String)> {
    let id = Finding::id_of(Code::BypassExec, &Subject::SsmSession(ssm_id(n).as_str().to_owned()));
    let history = state.reader().unwrap().history(&id).unwrap();
    history.into_iter().map(|it| (it.from, it.to, it.why)).collect()
}

fn text(from: Option<&str>, to: &str, why: &str) -> (Option<String>, String, String) {
    (from.map(str::to_owned), to.to_owned(), why.to_owned())
}

#[test]
fn a_finding_is_raised_advances_with_time_and_is_explained_by_a_late_fact() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, Some(1), 0)], 5)).unwrap();
    settle(&mut state, at(60)).unwrap();
    assert_eq!(states(&state), [(ssm_id(1).as_str().to_owned(), Settled::Open)]);
    assert!(state.next_case(at(61)).unwrap().is_none(), "its time has not come");
    settle(&mut state, at(4000)).unwrap();
    assert_eq!(states(&state)[0].1, Settled::Confirmed);
    assert!(state.next_case(at(400_000)).unwrap().is_none(), "it is settled");
    state.commit(&batch(&[boundary_session(1, 1, 0)], 5000)).unwrap();
    settle(&mut state, at(5000)).unwrap();
    assert_eq!(states(&state)[0].1, Settled::Resolved);
    let wanted = [
        text(None, "open", "raised"),
        text(Some("open"), "confirmed", "advanced with time or better coverage"),
        text(Some("confirmed"), "resolved", "explained by later facts"),
    ];
    assert_eq!(trail(&state, 1), wanted);
    assert_eq!(state.reader().unwrap().verify().unwrap().history.0, 3);
}

#[test]
fn a_state_goes_back_only_when_coverage_was_lost() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, None, 0)], 5)).unwrap();
    let case = state.next_case(at(60)).unwrap().unwrap();
    let Body::Execution(it) = &case.facts[0].body else { panic!("another fact") };
    let mut judged = |to: Settled, grade| {
        let mut finding = bypass(it, to);
        finding.coverage = vec![Basis { source: Source::BoundaryApi, from: at(0), to: at(60), grade }];
        let judgement = Judgement { findings: vec![finding], ..Judgement::default() };
        state.record_judgement(&case, &judgement, at(60)).unwrap();
        states(&state)[0].1
    };
    assert_eq!(judged(Settled::Confirmed, Grade::Proved), Settled::Confirmed);
    assert_eq!(judged(Settled::Open, Grade::Proved), Settled::Confirmed);
    assert_eq!(judged(Settled::Provisional, Grade::Proved), Settled::Confirmed);
    assert_eq!(judged(Settled::Provisional, Grade::BestEffort), Settled::Provisional);
    let why = "coverage was lost: boundary_api from 2026-05-01T10:00:00Z to 2026-05-01T10:01:00Z";
    assert_eq!(trail(&state, 1).last(), Some(&text(Some("confirmed"), "provisional", why)));
}

#[test]
fn a_late_fact_that_makes_two_cases_one_replaces_the_rows_of_both() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, Some(2), 0), shell(2, 2, Some(1), 0)], 5)).unwrap();
    settle(&mut state, at(4000)).unwrap();
    assert_eq!(state.reader().unwrap().figures(at(4000)).unwrap().cases, 2);
    // A shell in the first task claims the second case's Boundary session, and the first case's own turns up.
    state.commit(&batch(&[shell(3, 1, Some(1), 30), boundary_session(2, 1, 0)], 4100)).unwrap();
    assert_eq!(settle(&mut state, at(4100)).unwrap().len(), 1, "one case is judged once");
    let reader = state.reader().unwrap();
    let figures = reader.figures(at(4100)).unwrap();
    assert_eq!((figures.cases, figures.waiting), (1, 0));
    let case = reader.case_of(&Key::task(task_id(2).as_str())).unwrap().unwrap();
    assert_eq!(case.id, format!("bs:{}", boundary_id(1)));
    assert_eq!(case.facts.len(), 4);
    let accounts = reader.sessions(&AccountFilter::default()).unwrap();
    assert_eq!(accounts.len(), 3);
    assert!(accounts.iter().all(|it| it.facts.len() == 4), "an account of a former case stayed");
    let findings = reader.findings(&FindingFilter::default()).unwrap();
    assert!(findings.iter().all(|it| it.case_id.as_deref() == Some(case.id.as_str())));
    let state_of = |n: u8| {
        findings.iter().find(|it| it.finding.ssm_session_id.as_deref() == Some(ssm_id(n).as_str())).unwrap().finding.state
    };
    assert_eq!(
        (state_of(1), state_of(2)),
        (Settled::Resolved, Settled::Confirmed),
        "the first case's name is gone, its finding is not"
    );
}

#[test]
fn news_of_a_person_or_credentials_ask_the_cases_that_mention_them() {
    let place = Place::new();
    let mut state = place.open();
    let facts = [shell(1, 1, Some(1), 0), boundary_session(1, 1, 0), shell(2, 2, Some(2), 0), boundary_session(2, 2, 0)];
    state.commit(&batch(&facts, 5)).unwrap();
    settle(&mut state, at(4000)).unwrap();
    let done = state.commit(&batch(&[user(1, "alice", 10)], 4100)).unwrap();
    assert_eq!(done.touched_keys.len(), 1);
    assert_eq!(settle(&mut state, at(4100)).unwrap().len(), 1, "only the case that mentions her");
    let names = |user: &str| {
        let filter = AccountFilter { user: Some(user.to_owned()), ..AccountFilter::default() };
        state.reader().unwrap().sessions(&filter).unwrap().len()
    };
    assert_eq!((names("alice"), names("u_2"), names("bob")), (1, 1, 0));
    assert_eq!(state.commit(&batch(&[credentials(2, 0)], 4200)).unwrap().touched_keys.len(), 1, "shell 2's credentials");
    let case = state.next_case(at(4200)).unwrap().unwrap();
    assert!(state.mentioned(&case).unwrap().iter().any(|fact| matches!(fact.body, Body::RoleAssumption(_))));
    assert_eq!(state.commit(&batch(&[user(3, "nobody's", 10)], 4300)).unwrap().touched_keys.len(), 0);
}

#[test]
fn settings_and_missed_windows_ask_the_places_and_repairs_ask_unsettled_cases() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, None, 0), shell(2, 2, None, -90_000)], 5)).unwrap();
    settle(&mut state, at(60)).unwrap();
    assert!(state.next_places().unwrap().is_none());
    assert!(state.commit(&batch(&[posture("group", 1)], 6)).unwrap().places_touched);
    assert_eq!(state.next_places().unwrap().unwrap().facts.len(), 1);
    settle(&mut state, at(60)).unwrap();
    let mut read = |from, to, grade| {
        let mut read = batch(&[], 7);
        read.coverage.push(window(Source::BoundaryApi, from, to, grade));
        let done = state.commit(&read).unwrap();
        settle(&mut state, at(60)).unwrap();
        (done.touched_keys.len(), done.places_touched)
    };
    assert_eq!(read(0, 100, Grade::BestEffort), (0, false), "time goes on");
    assert_eq!(read(100, 200, Grade::None), (0, true), "a window was missed");
    assert_eq!(read(200, 300, Grade::BestEffort), (0, false), "time goes on beside it");
    // Shell 2 is confirmed by now, shell 1 is open.
    assert_eq!(read(100, 200, Grade::BestEffort), (1, true), "a repair");
    assert_eq!(read(100, 200, Grade::BestEffort), (0, false), "nothing new");
}

#[test]
fn a_fact_that_comes_between_reading_and_judging_a_case_is_not_lost() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, Some(1), 0)], 5)).unwrap();
    let case = state.next_case(at(60)).unwrap().unwrap();
    state.commit(&batch(&[boundary_session(1, 1, 0)], 6)).unwrap();
    state.record_judgement(&case, &judge(&case, &[], at(60)), at(60)).unwrap();
    let again = state.next_case(at(60)).unwrap().expect("the case waits still");
    assert_eq!(again.facts.len(), 2);
}

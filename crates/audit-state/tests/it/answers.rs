//! What the command line gets for its questions.

use crate::world::{Place, at, batch, boundary_id, boundary_session, settle, shell, ssm_id, task, task_id, user, window};
use audit_facts::{Grade, Source};
use audit_state::{AccountFilter, FindingFilter, State, StateError};
use correlation::{Assurance, Code, Severity, State as Settled};
use rusqlite::Connection;

fn world(place: &Place) -> State {
    let mut state = place.open();
    let facts = [
        task(1, 0),
        shell(1, 1, Some(1), 0),
        boundary_session(1, 1, 0),
        user(1, "alice", 0),
        shell(2, 2, None, 600),
        shell(3, 3, None, 3600),
    ];
    let mut read = batch(&facts, 3700);
    read.coverage.push(window(Source::CloudTrail, 0, 100, Grade::Proved));
    read.coverage.push(window(Source::CloudTrail, 100, 200, Grade::None));
    state.commit(&read).unwrap();
    settle(&mut state, at(3700)).unwrap();
    state
}

#[test]
fn accounts_are_found_by_each_filter() {
    let place = Place::new();
    let state = world(&place);
    let found = |filter: AccountFilter| {
        let accounts = state.reader().unwrap().sessions(&filter).unwrap();
        accounts.into_iter().map(|it| it.id.chars().last().unwrap()).collect::<String>()
    };
    let all = AccountFilter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(all()), "321", "the latest first");
    assert_eq!(found(AccountFilter { limit: Some(2), ..all() }), "32");
    assert_eq!(found(AccountFilter { user: text("alice"), ..all() }), "1");
    assert_eq!(found(AccountFilter { user: text("' OR 1=1 --"), ..all() }), "");
    assert_eq!(found(AccountFilter { task: text(task_id(2).as_str()), ..all() }), "2");
    assert_eq!(found(AccountFilter { investigation: text("inv-1"), ..all() }), "1");
    assert_eq!(found(AccountFilter { session: text(&boundary_id(1)), ..all() }), "1");
    assert_eq!(found(AccountFilter { session: text(ssm_id(3).as_str()), ..all() }), "3");
    assert_eq!(found(AccountFilter { assurance: Some(Assurance::None), ..all() }), "32");
    assert_eq!(found(AccountFilter { to: Some(at(600)), ..all() }), "1", "the end is exclusive");
    assert_eq!(found(AccountFilter { from: Some(at(9000)), ..all() }), "321", "none of them has ended");
}

#[test]
fn findings_are_found_by_each_filter() {
    let place = Place::new();
    let state = world(&place);
    let found = |filter: FindingFilter| {
        let findings = state.reader().unwrap().findings(&filter).unwrap();
        findings.into_iter().map(|it| it.finding.ssm_session_id.unwrap().pop().unwrap()).collect::<String>()
    };
    let all = FindingFilter::default;
    assert_eq!(found(all()), "32");
    assert_eq!(found(FindingFilter { states: vec![Settled::Open], ..all() }), "3");
    assert_eq!(found(FindingFilter { states: vec![Settled::Open, Settled::Confirmed], ..all() }), "32");
    assert_eq!(found(FindingFilter { severity: Some(Severity::Critical), limit: Some(1), ..all() }), "3");
    assert_eq!(found(FindingFilter { code: Some(Code::SessionNoLog), ..all() }), "");
    assert_eq!(found(FindingFilter { from: Some(at(0)), to: Some(at(3600)), ..all() }), "2");
}

#[test]
fn coverage_is_cut_to_the_period_and_figures_count() {
    let place = Place::new();
    let state = world(&place);
    let reader = state.reader().unwrap();
    let found = reader.coverage(at(50), at(150)).unwrap();
    let spans: Vec<_> = found.iter().map(|it| (it.from, it.to, it.grade, it.lack.is_some())).collect();
    assert_eq!(spans, [(at(50), at(100), Grade::Proved, false), (at(100), at(150), Grade::None, true)]);
    assert!(reader.coverage(at(200), at(300)).unwrap().is_empty(), "the end is exclusive");

    let figures = reader.figures(at(3700)).unwrap();
    assert_eq!((figures.cases, figures.unsettled, figures.due, figures.waiting), (3, 1, 0, 0));
    assert_eq!(figures.findings[&("critical".to_owned(), "confirmed".to_owned())], 1);
    assert_eq!((figures.accounts["none"], figures.accounts["asserted"]), (2, 1));
    assert_eq!(figures.last_commit, Some(at(3700)));
    assert_eq!(reader.figures(at(90_000)).unwrap().due, 1);
}

#[test]
fn facts_of_an_account_come_in_order_of_time() {
    let place = Place::new();
    let state = world(&place);
    let reader = state.reader().unwrap();
    let filter = AccountFilter { session: Some(boundary_id(1)), ..AccountFilter::default() };
    let account = reader.sessions(&filter).unwrap().remove(0);
    let facts = reader.facts(&account.facts).unwrap();
    assert_eq!(facts.len(), 3);
    let times: Vec<_> = facts.iter().map(|fact| audit_state::natural_time(&fact.body)).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn the_history_can_only_grow_and_a_changed_row_is_found() {
    let place = Place::new();
    let state = world(&place);
    let db = Connection::open(place.path()).unwrap();
    for sql in [
        "UPDATE finding_history SET why = 'x'",
        "DELETE FROM finding_history",
        "UPDATE commits SET root = ''",
        "DELETE FROM commits",
    ] {
        assert!(db.execute(sql, []).unwrap_err().to_string().contains("append-only"), "{sql}");
    }
    state.reader().unwrap().verify().unwrap();
    db.execute_batch("DROP TRIGGER finding_history_no_update; UPDATE finding_history SET why = 'x' WHERE n = 2").unwrap();
    let broken = state.reader().unwrap().verify().unwrap_err();
    assert!(matches!(broken, StateError::Chain { table: "finding_history", n: 2 }), "{broken}");
}

#[test]
fn a_run_without_an_end_was_cut() {
    let place = Place::new();
    let mut state = place.open();
    let first = state.begin_run("collect", at(0)).unwrap();
    let second = state.begin_run("collect", at(60)).unwrap();
    state.end_run(second, at(61)).unwrap();
    let db = Connection::open(place.path()).unwrap();
    let cut: Vec<i64> = db
        .prepare("SELECT id FROM runs WHERE ended IS NULL")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(cut, [first]);
}

//! No statement of a round, nor of a look at one session, walks through a table that grows with the years.
//!
//! The statements are those that SQLite was really given, heard on the connections themselves.

use crate::{AccountFilter, Extent, FindingFilter, Reader, State};
use audit_facts::{Grade, Key, Source};
use correlation::{Code, Severity, State as Settled};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use world::{Place, at, batch, boundary_id, boundary_session, credentials, posture, settle, shell, ssm_id, task, user, window};

#[path = "../tests/it/world.rs"]
mod world;

const DAY: i64 = 86_400;

/// Tables that hold what waits, the gaps in what was read, and each principal once: they do not grow with the years.
const SMALL: [&str; 3] = ["dirty", "coverage", "principals"];

type Heard = Arc<Mutex<BTreeSet<String>>>;

fn listen(db: &mut Connection, heard: &Heard) {
    let heard = heard.clone();
    let note = move |event: TraceEvent<'_>| {
        // Within a trigger SQLite tells a comment; the statement that fired it was told before.
        if let TraceEvent::Stmt(statement, text) = event
            && !text.starts_with("--")
        {
            heard.lock().unwrap().insert(statement.sql().into_owned());
        }
    };
    db.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
}

fn reader(state: &State, heard: &Heard) -> Reader {
    let mut reader = state.reader().unwrap();
    listen(&mut reader.db, heard);
    reader
}

/// The walks through whole tables in a statement's plan; the first or last row of an index is none.
fn walks(db: &Connection, sql: &str) -> Vec<String> {
    let first = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
    if !first.iter().any(|word| sql.trim_start().starts_with(word)) {
        return Vec::new();
    }
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // Without values: the plan does not depend on them.
    let lines: Vec<String> = statement.raw_query().mapped(|row| row.get(3)).map(Result::unwrap).collect();
    let is_one_row = sql.trim_end().ends_with("DESC LIMIT 1") && !lines.iter().any(|line| line.contains("TEMP B-TREE"));
    let is_walk = |line: &String| {
        let table = line.trim_start().strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
        table.is_some_and(|table| table != "CONSTANT" && !SMALL.contains(&table)) && (!is_one_row || sql.contains("WHERE"))
    };
    lines.into_iter().filter(is_walk).collect()
}

fn check(state: &State, heard: &Heard) {
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    assert!(heard.len() > 5, "{heard:?}");
    let walks: Vec<_> = heard.iter().flat_map(|sql| walks(&state.db, sql).into_iter().map(move |line| (line, sql))).collect();
    assert!(walks.is_empty(), "{walks:#?}");
}

#[test]
fn no_statement_of_a_round_walks_through_a_table_that_grows() {
    let place = Place::new();
    let mut state = place.open();
    let heard = Heard::default();
    listen(&mut state.db, &heard);
    let run = state.begin_run("collect", at(0)).unwrap();
    let mut first = batch(&[task(1, 0), shell(1, 1, Some(1), 0), credentials(1, 0), user(1, "alice", 0), posture("g", 0)], 5);
    first.coverage.push(window(Source::CloudTrail, 0, 60, Grade::Proved));
    state.commit(&first).unwrap();
    let mut second = batch(&[shell(1, 1, Some(1), 0), boundary_session(1, 1, 0), user(1, "alice", 9)], 6);
    second.coverage.push(window(Source::CloudTrail, 20, 70, Grade::None));
    second.cursors[0].value = serde_json::Value::Null;
    state.commit(&second).unwrap();
    settle(&mut state, at(DAY)).unwrap();
    state.places().unwrap();
    let read = reader(&state, &heard);
    read.cursor(Source::CloudTrail, "home", "next").unwrap();
    read.coverage(at(0), at(DAY)).unwrap();
    read.shells(at(0), at(0)).unwrap();
    read.facts_with(&Key::ssm_session(ssm_id(1).as_str())).unwrap();
    read.case_of(&Key::ssm_session(ssm_id(1).as_str())).unwrap();
    read.knows(&task(1, 0).id()).unwrap();
    read.figures(at(DAY)).unwrap();
    let states = vec![Settled::Provisional, Settled::Confirmed];
    let standing = FindingFilter { severity: Some(Severity::High), states, limit: Some(1), ..FindingFilter::default() };
    read.findings(&standing).unwrap();
    state.purge(at(DAY), at(DAY)).unwrap();
    state.end_run(run, at(DAY)).unwrap();
    check(&state, &heard);
}

#[test]
fn no_look_at_one_session_person_task_or_day_walks_through_a_table_that_grows() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[task(1, 0), shell(1, 1, Some(1), 0)], 5)).unwrap();
    settle(&mut state, at(DAY)).unwrap();
    let heard = Heard::default();
    let read = reader(&state, &heard);
    let text = |text: &str| Some(text.to_owned());
    let all = AccountFilter::default;
    for filter in [
        AccountFilter { from: Some(at(0)), to: Some(at(DAY)), ..all() },
        AccountFilter { from: Some(at(0)), ..all() },
        AccountFilter { user: text("alice"), ..all() },
        AccountFilter { user: text("alice"), from: Some(at(0)), ..all() },
        AccountFilter { task: text("t"), ..all() },
        AccountFilter { investigation: text("inv-1"), ..all() },
        AccountFilter { session: Some(boundary_id(1)), ..all() },
        AccountFilter { session_begins: text("s_00"), ..all() },
    ] {
        read.sessions(&filter).unwrap();
    }
    let all = FindingFilter::default;
    for filter in [
        FindingFilter { sessions: vec![boundary_id(1)], ..all() },
        FindingFilter { states: vec![Settled::Open], ..all() },
        FindingFilter { from: Some(at(0)), to: Some(at(DAY)), ..all() },
        FindingFilter { states: vec![Settled::Open], code: Some(Code::BypassExec), from: Some(at(0)), ..all() },
    ] {
        for known in read.findings(&filter).unwrap() {
            read.history(&known.finding.id).unwrap();
        }
    }
    read.facts(&[task(1, 0).id()]).unwrap();
    check(&state, &heard);
}

#[test]
fn what_is_counted_is_what_is_there() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[task(1, 0), shell(1, 1, None, 0), shell(2, 2, Some(2), 9 * DAY)], 5)).unwrap();
    settle(&mut state, at(60)).unwrap();
    state.commit(&batch(&[boundary_session(2, 1, 9 * DAY)], 6)).unwrap();
    settle(&mut state, at(10 * DAY)).unwrap();
    state.purge(at(5 * DAY), at(10 * DAY)).unwrap();
    let released = state.released().unwrap();
    state.forget_evidence(&released, at(10 * DAY)).unwrap();
    state.commit(&batch(&[shell(1, 1, None, 0)], 7)).unwrap();
    settle(&mut state, at(11 * DAY)).unwrap();
    let counted = |sql: &str| {
        let mut statement = state.db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok(format!("{}={}", row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>()
    };
    for (what, sql) in [
        ("facts", "SELECT kind, count(*) FROM facts GROUP BY 1 ORDER BY 1"),
        ("accounts", "SELECT assurance, count(*) FROM accounts GROUP BY 1 ORDER BY 1"),
        ("findings", "SELECT severity || ' ' || state, count(*) FROM findings GROUP BY 1 ORDER BY 1"),
        ("cases", "SELECT 'all', count(*) FROM cases"),
        (
            "evidence",
            "SELECT 'bytes', sum(bytes) FROM evidence WHERE forgotten_at IS NULL
             UNION ALL SELECT 'pieces', count(*) FROM evidence WHERE forgotten_at IS NULL",
        ),
    ] {
        let kept = counted(&format!("SELECT word, n FROM tallies WHERE what = '{what}' AND n <> 0 ORDER BY 1"));
        assert_eq!(kept, counted(sql), "{what}: {}", state.reader().unwrap().dump(Extent::Knowledge).unwrap());
    }
}

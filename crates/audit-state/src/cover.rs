//! Coverage in the database, kept in order: each moment of a scope once, with the best that is known of it.
//!
//! Owns which judgements a change of coverage asks for: time that goes on asks for none, since cases wait for their time
//! anyway; what changes before the newest moment that was read is a repair, and asks the unsettled cases of that time.

use crate::error::StateError;
use crate::micros;
use crate::windows::{Reading, Window, changed, normalise, reading_at};
use audit_facts::{Coverage, Grade, Lack, Source};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// How far from a case's own times a source's silence still bears on it: CloudTrail's and the logs' overlap.
const BEARING: SignedDuration = SignedDuration::from_hours(24);

/// What new coverage changed.
#[derive(Debug, Default)]
pub(crate) struct Covered {
    pub(crate) changed: bool,
    pub(crate) places_touched: bool,
    pub(crate) cases: BTreeSet<String>,
}

/// Adds what was read.
pub(crate) fn write(tx: &Connection, coverage: &[Coverage]) -> Result<Covered, StateError> {
    let mut scopes: BTreeMap<(Source, &str, &str), Vec<Window>> = BTreeMap::new();
    for it in coverage {
        let reading = Reading { grade: it.grade, lack: it.lack.clone().filter(|_| it.grade == Grade::None) };
        let window = Window { from: micros::up(it.from), to: micros::down(it.to), reading };
        if window.from < window.to {
            scopes.entry((it.source, &it.place, &it.scope)).or_default().push(window);
        }
    }
    let mut covered = Covered::default();
    for ((source, place, scope), windows) in scopes {
        add(tx, (source.word(), place, scope), windows, &mut covered)?;
    }
    Ok(covered)
}

fn add(tx: &Connection, scope: (&str, &str, &str), new: Vec<Window>, covered: &mut Covered) -> Result<(), StateError> {
    let from = new.iter().map(|it| it.from).min().unwrap_or_default();
    let to = new.iter().map(|it| it.to).max().unwrap_or_default();
    let before = touching(tx, scope, from, to)?;
    let mut all = before.clone();
    all.extend(new);
    let after = normalise(&all);
    if after == before {
        return Ok(());
    }
    let newest: Option<i64> = tx
        .prepare_cached("SELECT max(to_at) FROM coverage WHERE source = ? AND place = ? AND scope = ?")?
        .query_row([scope.0, scope.1, scope.2], |row| row.get(0))?;
    replace(tx, scope, &before, &after)?;
    covered.changed = true;
    for (from, to) in changed(&before, &after) {
        let is_repair = newest.is_some_and(|newest| from < newest);
        let is_lack = reading_at(&after, from).is_some_and(|it| it.grade == Grade::None);
        covered.places_touched |= is_repair || is_lack;
        if is_repair {
            covered.cases.extend(unsettled(tx, from, to)?);
        }
    }
    Ok(())
}

/// The windows that overlap a span or lie beside it, in order.
fn touching(tx: &Connection, scope: (&str, &str, &str), from: i64, to: i64) -> Result<Vec<Window>, StateError> {
    let mut statement = tx.prepare_cached(
        "SELECT from_at, to_at, grade, lack FROM coverage
         WHERE source = ? AND place = ? AND scope = ? AND from_at <= ? AND to_at >= ? ORDER BY from_at",
    )?;
    let mut rows = statement.query(params![scope.0, scope.1, scope.2, to, from])?;
    let mut windows = Vec::new();
    while let Some(row) = rows.next()? {
        windows.push(window_of(row, 0)?);
    }
    Ok(windows)
}

/// A window from four columns: from, to, grade, lack.
fn window_of(row: &rusqlite::Row<'_>, first: usize) -> Result<Window, StateError> {
    let word: String = row.get(first + 2)?;
    let lack: Option<String> = row.get(first + 3)?;
    let lack: Option<Lack> = lack.map(|text| serde_json::from_str(&text)).transpose()?;
    let grade = grade_of(&word).ok_or_else(|| StateError::value("coverage", &word))?;
    Ok(Window { from: row.get(first)?, to: row.get(first + 1)?, reading: Reading { grade, lack } })
}

fn replace(tx: &Connection, scope: (&str, &str, &str), before: &[Window], after: &[Window]) -> Result<(), StateError> {
    let mut delete = tx.prepare_cached("DELETE FROM coverage WHERE source = ? AND place = ? AND scope = ? AND from_at = ?")?;
    for window in before {
        delete.execute(params![scope.0, scope.1, scope.2, window.from])?;
    }
    let mut insert = tx.prepare_cached(
        "INSERT INTO coverage (source, place, scope, from_at, to_at, grade, lack) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    for it in after {
        let lack = it.reading.lack.as_ref().map(serde_json::to_string).transpose()?;
        let grade = grade_word(it.reading.grade);
        insert.execute(params![scope.0, scope.1, scope.2, it.from, it.to, grade, lack])?;
    }
    Ok(())
}

/// Cases that are not settled and on which a span bears.
fn unsettled(tx: &Connection, from: i64, to: i64) -> Result<Vec<String>, StateError> {
    let bearing = i64::try_from(BEARING.as_micros()).unwrap_or(i64::MAX);
    let mut statement = tx.prepare_cached("SELECT id FROM cases WHERE final = 0 AND first_at < ? AND last_at >= ?")?;
    let ids = statement.query_map([to.saturating_add(bearing), from.saturating_sub(bearing)], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What was read in a period, cut to it, in order of source, place, scope and time.
pub(crate) fn read(db: &Connection, from: Timestamp, to: Timestamp) -> Result<Vec<Coverage>, StateError> {
    let (low, high) = (micros::down(from), micros::up(to));
    let mut statement = db.prepare_cached(
        "SELECT source, place, scope, from_at, to_at, grade, lack FROM coverage
         WHERE from_at < ? AND to_at > ? ORDER BY source, place, scope, from_at",
    )?;
    let mut rows = statement.query([high, low])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let window = window_of(row, 3)?;
        let (from, to) = (micros::time(window.from).max(from), micros::time(window.to).min(to));
        let Reading { grade, lack } = window.reading;
        let source = source_of("coverage", &row.get::<_, String>(0)?)?;
        found.push(Coverage { source, place: row.get(1)?, scope: row.get(2)?, from, to, grade, lack });
    }
    Ok(found)
}

/// A source by its word.
pub(crate) fn source_of(table: &'static str, word: &str) -> Result<Source, StateError> {
    Source::ALL.into_iter().find(|source| source.word() == word).ok_or_else(|| StateError::value(table, word))
}

fn grade_word(grade: Grade) -> &'static str {
    match grade {
        Grade::None => "none",
        Grade::BestEffort => "best_effort",
        Grade::Proved => "proved",
    }
}

fn grade_of(word: &str) -> Option<Grade> {
    [Grade::None, Grade::BestEffort, Grade::Proved].into_iter().find(|grade| grade_word(*grade) == word)
}

//! Figures for metrics and for an operator's look: how much there is, how much waits.
//!
//! Owns the counts and the list of runs.

use crate::error::StateError;
use crate::micros;
use crate::open::{Reader, State};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// How much there is, and how much waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Facts by kind.
    pub facts: BTreeMap<String, i64>,
    /// Accounts by assurance.
    pub accounts: BTreeMap<String, i64>,
    /// Findings by severity and state.
    pub findings: BTreeMap<(String, String), i64>,
    /// Cases that were judged.
    pub cases: i64,
    /// Cases that are not settled.
    pub unsettled: i64,
    /// Cases whose time has come.
    pub due: i64,
    /// Keys that wait for a judgement.
    pub waiting: i64,
    /// Pieces of evidence that are kept, and their bytes.
    pub evidence: (i64, i64),
    /// The last commit, UTC.
    pub last_commit: Option<Timestamp>,
    /// Bytes of the database, without its log.
    pub database_bytes: i64,
}

impl Reader {
    /// Counts.
    ///
    /// # Errors
    /// Those of the database.
    pub fn figures(&self, now: Timestamp) -> Result<Figures, StateError> {
        let tx = self.db.unchecked_transaction()?;
        let number = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, i64>(0));
        let last: Option<i64> = tx.query_row("SELECT max(at) FROM commits", [], |row| row.get(0))?;
        let due = "SELECT count(*) FROM cases WHERE due <= ?";
        let evidence = "SELECT count(*), coalesce(sum(bytes), 0) FROM evidence WHERE forgotten_at IS NULL";
        Ok(Figures {
            facts: counts(&tx, "SELECT kind, count(*) FROM facts GROUP BY 1")?,
            accounts: counts(&tx, "SELECT assurance, count(*) FROM accounts GROUP BY 1")?,
            findings: finding_counts(&tx)?,
            cases: number("SELECT count(*) FROM cases")?,
            unsettled: number("SELECT count(*) FROM cases WHERE final = 0")?,
            due: tx.query_row(due, [micros::down(now)], |row| row.get(0))?,
            waiting: number("SELECT count(*) FROM dirty")?,
            evidence: tx.query_row(evidence, [], |row| Ok((row.get(0)?, row.get(1)?)))?,
            last_commit: last.map(micros::time),
            database_bytes: number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?),
        })
    }
}

impl State {
    /// Notes that a run begins; returns its number.
    ///
    /// # Errors
    /// Those of the database.
    pub fn begin_run(&mut self, what: &str, now: Timestamp) -> Result<i64, StateError> {
        self.db.execute("INSERT INTO runs (began, what) VALUES (?, ?)", params![micros::down(now), what])?;
        Ok(self.db.last_insert_rowid())
    }

    /// Notes that a run ended; one without an end was cut.
    ///
    /// # Errors
    /// Those of the database.
    pub fn end_run(&mut self, id: i64, now: Timestamp) -> Result<(), StateError> {
        self.db.execute("UPDATE runs SET ended = ? WHERE id = ?", params![micros::down(now), id])?;
        Ok(())
    }
}

fn counts(db: &Connection, sql: &str) -> Result<BTreeMap<String, i64>, StateError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn finding_counts(db: &Connection) -> Result<BTreeMap<(String, String), i64>, StateError> {
    let mut statement = db.prepare_cached("SELECT severity, state, count(*) FROM findings GROUP BY 1, 2")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

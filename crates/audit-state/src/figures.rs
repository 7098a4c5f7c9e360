//! Figures for metrics and for an operator's look: how much there is, how much waits.
//!
//! Owns the counts and the list of runs. What there is much of is never counted: triggers keep its tally (`schema/3.sql`).

use crate::error::StateError;
use crate::micros;
use crate::open::{Reader, State};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
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
        let last = tx.query_row("SELECT at FROM commits ORDER BY n DESC LIMIT 1", [], |row| row.get(0)).optional()?;
        let due = "SELECT count(*) FROM cases WHERE due <= ?";
        let evidence = tallies(&tx, "evidence")?;
        let of_evidence = |word: &str| evidence.get(word).copied().unwrap_or_default();
        Ok(Figures {
            facts: tallies(&tx, "facts")?,
            accounts: tallies(&tx, "accounts")?,
            findings: by_severity_and_state(tallies(&tx, "findings")?),
            cases: tallies(&tx, "cases")?.into_values().sum(),
            unsettled: number("SELECT count(*) FROM cases WHERE final = 0")?,
            due: tx.query_row(due, [micros::down(now)], |row| row.get(0))?,
            waiting: number("SELECT count(*) FROM dirty")?,
            evidence: (of_evidence("pieces"), of_evidence("bytes")),
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

/// What is there of a kind, by its words.
fn tallies(db: &Connection, what: &str) -> Result<BTreeMap<String, i64>, StateError> {
    let mut statement = db.prepare_cached("SELECT word, n FROM tallies WHERE what = ? AND n <> 0")?;
    let rows = statement.query_map([what], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn by_severity_and_state(tallies: BTreeMap<String, i64>) -> BTreeMap<(String, String), i64> {
    let parts = |(words, n): (String, i64)| words.split_once(' ').map(|(one, other)| ((one.to_owned(), other.to_owned()), n));
    tallies.into_iter().filter_map(parts).collect()
}

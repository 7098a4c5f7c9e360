//! What a reading of a source brought: evidence, facts, coverage and moved cursors, kept all together or not at all.
//!
//! Owns the order of that one transaction. The raw evidence itself lies in its own store before a batch comes here.
//!
//! ```text
//! Batch ─ evidence ─► facts ─► coverage ─► cursors ─► dirty keys ─► commit chained ─► durable ─► Committed
//! ```

use crate::body;
use crate::chain;
use crate::cover;
use crate::error::StateError;
use crate::kill::KillPoint;
use crate::micros;
use crate::open::{Hook, State, pass};
use audit_facts::{Coverage, Fact, Key, Source};
use evidence_bundle::Sha256;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::Value;
use std::collections::BTreeSet;

/// The key under which places and settings wait for their judgement.
pub(crate) const PLACES: &str = "places";

/// Raw evidence that lies in its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRow {
    /// SHA-256 of the raw bytes, hexadecimal.
    pub sha256: String,
    /// What was asked for, without secrets.
    pub request: Value,
    /// When it was read, UTC.
    pub at: Timestamp,
    /// How many bytes.
    pub bytes: u64,
}

/// Where a source is to be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorChange {
    /// Which of the source's cursors.
    pub name: String,
    /// Its new place; [`Value::Null`] forgets it.
    pub value: Value,
}

/// What a reading of a source brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The kind of source.
    pub source: Source,
    /// Which of the configured sources, by its name.
    pub place: String,
    /// When it was read, UTC.
    pub at: Timestamp,
    /// The raw evidence.
    pub evidence: Vec<EvidenceRow>,
    /// What it says.
    pub facts: Vec<Fact>,
    /// What was read.
    pub coverage: Vec<Coverage>,
    /// Where to read on.
    pub cursors: Vec<CursorChange>,
}

/// What a batch changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The commit's number; none when there was nothing new.
    pub commit: Option<i64>,
    /// Facts that were not known.
    pub new_facts: usize,
    /// Keys whose cases wait for a judgement because of this batch.
    pub touched_keys: BTreeSet<Key>,
    /// Whether places and settings wait for a judgement because of this batch.
    pub places_touched: bool,
}

/// What is gathered on the way.
#[derive(Debug, Default)]
struct Gathered {
    evidence: Vec<Sha256>,
    changed: bool,
    done: Committed,
    dirty: BTreeSet<String>,
}

impl State {
    /// Keeps a batch, all of it or nothing. What is known already changes nothing.
    ///
    /// # Errors
    /// [`StateError::Full`] and [`StateError::ReadOnly`] when it cannot be written; then nothing of it is kept.
    pub fn commit(&mut self, batch: &Batch) -> Result<Committed, StateError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let hook = &mut self.hook;
        pass(hook, KillPoint::BatchBegun)?;
        let gathered = write(&tx, hook, batch)?;
        let done = seal(&tx, gathered, batch.at)?;
        pass(hook, KillPoint::CommitChained)?;
        tx.commit()?;
        pass(hook, KillPoint::BatchDurable)?;
        Ok(done)
    }
}

fn write(tx: &Transaction<'_>, hook: &mut Option<Hook>, batch: &Batch) -> Result<Gathered, StateError> {
    let n = chain::last_commit(tx)? + 1;
    let mut gathered = Gathered::default();
    for row in &batch.evidence {
        list_evidence(tx, batch, row, n, &mut gathered)?;
    }
    pass(hook, KillPoint::EvidenceListed)?;
    for fact in &batch.facts {
        write_fact(tx, fact, &mut gathered)?;
    }
    pass(hook, KillPoint::FactsWritten)?;
    let covered = cover::write(tx, &batch.coverage)?;
    gathered.changed |= covered.changed;
    gathered.done.places_touched |= covered.places_touched;
    gathered.dirty.extend(covered.cases);
    pass(hook, KillPoint::CoverageWritten)?;
    for cursor in &batch.cursors {
        gathered.changed |= move_cursor(tx, batch, cursor)?;
    }
    pass(hook, KillPoint::CursorsMoved)?;
    Ok(gathered)
}

/// Chains the commit and lists the keys that wait, when anything changed.
fn seal(tx: &Transaction<'_>, mut gathered: Gathered, at: Timestamp) -> Result<Committed, StateError> {
    if !gathered.changed {
        return Ok(Committed::default());
    }
    gathered.evidence.sort();
    let n = chain::add_commit(tx, micros::down(at), &gathered.evidence)?;
    if gathered.done.places_touched {
        mark(tx, PLACES, n)?;
    }
    for key in &gathered.dirty {
        mark(tx, key, n)?;
    }
    gathered.done.commit = Some(n);
    gathered.done.touched_keys = gathered.dirty.into_iter().map(Key::from_index).collect();
    Ok(gathered.done)
}

fn mark(tx: &Connection, key: &str, n: i64) -> Result<(), StateError> {
    tx.prepare_cached(
        "INSERT INTO dirty (key, commit_n) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET commit_n = excluded.commit_n",
    )?
    .execute(params![key, n])?;
    Ok(())
}

/// Lists evidence; of several readings of the same bytes the first in time stands.
fn list_evidence(tx: &Connection, batch: &Batch, row: &EvidenceRow, n: i64, gathered: &mut Gathered) -> Result<(), StateError> {
    let bytes = i64::try_from(row.bytes).unwrap_or(i64::MAX);
    let values = params![row.sha256, batch.source.word(), batch.place, row.request.to_string(), micros::down(row.at), bytes, n];
    let is_new = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO evidence (sha256, source, place, request, at, bytes, commit_n) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(values)?;
    if is_new > 0 {
        gathered.evidence.push(row.sha256.parse().map_err(|_| StateError::value("evidence", &row.sha256))?);
        gathered.changed = true;
        return Ok(());
    }
    let moved = tx
        .prepare_cached(
            "UPDATE evidence SET source = ?2, place = ?3, request = ?4, at = ?5
             WHERE sha256 = ?1 AND (at, source, place, request) > (?5, ?2, ?3, ?4)",
        )?
        .execute(params![row.sha256, batch.source.word(), batch.place, row.request.to_string(), micros::down(row.at)])?;
    let back = tx
        .prepare_cached(
            "UPDATE evidence SET released_at = NULL, forgotten_at = NULL WHERE sha256 = ? AND released_at IS NOT NULL",
        )?
        .execute([&row.sha256])?;
    gathered.changed |= moved + back > 0;
    Ok(())
}

/// Writes a fact; of several readings the earliest stands, and each one's evidence is kept.
fn write_fact(tx: &Connection, fact: &Fact, gathered: &mut Gathered) -> Result<(), StateError> {
    let id = fact.id();
    let observed = micros::down(fact.observed_at);
    let at = body::natural_time(&fact.body).map(micros::down);
    let text = serde_json::to_string(&fact.body)?;
    let values = params![id, fact.source.word(), fact.place, body::kind(&fact.body), at, observed, fact.evidence, text];
    let is_new = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO facts (id, source, place, kind, at, observed_at, evidence, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(values)?
        > 0;
    let is_earlier = !is_new
        && tx
            .prepare_cached(
                "UPDATE facts SET observed_at = ?2, place = ?3, evidence = ?4
                 WHERE id = ?1 AND (observed_at, place, evidence) > (?2, ?3, ?4)",
            )?
            .execute(params![id, observed, fact.place, fact.evidence])?
            > 0;
    let proves = tx
        .prepare_cached("INSERT OR IGNORE INTO fact_evidence (fact_id, sha256) VALUES (?, ?)")?
        .execute([&id, &fact.evidence])?;
    gathered.changed |= is_new || is_earlier || proves > 0;
    if is_new {
        gathered.done.new_facts += 1;
        index(tx, fact, &id)?;
    }
    if is_new || is_earlier {
        touch(tx, fact, gathered)?;
    }
    Ok(())
}

fn index(tx: &Connection, fact: &Fact, id: &str) -> Result<(), StateError> {
    let keys = fact.keys();
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO fact_keys (key, fact_id) VALUES (?, ?)")?;
    for key in &keys {
        insert.execute([key.as_str(), id])?;
    }
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO fact_mentions (key, tells, fact_id) VALUES (?, ?, ?)")?;
    for key in fact.mentions() {
        insert.execute(params![key.as_str(), keys.is_empty(), id])?;
    }
    Ok(())
}

/// Notes whose case a fact touches: its own, or those that mention whom it is about.
fn touch(tx: &Connection, fact: &Fact, gathered: &mut Gathered) -> Result<(), StateError> {
    let keys = fact.keys();
    gathered.dirty.extend(keys.iter().map(|key| key.as_str().to_owned()));
    if !keys.is_empty() {
        return Ok(());
    }
    let mentions = fact.mentions();
    gathered.done.places_touched |= mentions.is_empty();
    let mut mentioning = tx.prepare_cached(
        "SELECT min(fact_keys.key) FROM fact_mentions JOIN fact_keys USING (fact_id) WHERE fact_mentions.key = ? AND tells = 0 GROUP BY fact_id",
    )?;
    for key in mentions {
        for found in mentioning.query_map([key.as_str()], |row| row.get(0))? {
            gathered.dirty.insert(found?);
        }
    }
    Ok(())
}

/// Moves a cursor; tells whether it was elsewhere.
fn move_cursor(tx: &Connection, batch: &Batch, cursor: &CursorChange) -> Result<bool, StateError> {
    let (source, value) = (batch.source.word(), cursor.value.to_string());
    let moved = if cursor.value.is_null() {
        tx.prepare_cached("DELETE FROM cursors WHERE source = ? AND place = ? AND name = ?")?.execute([
            source,
            &batch.place,
            &cursor.name,
        ])?
    } else {
        tx.prepare_cached(
            "INSERT INTO cursors (source, place, name, value, updated) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (source, place, name) DO UPDATE SET value = excluded.value, updated = excluded.updated
             WHERE cursors.value <> excluded.value",
        )?
        .execute(params![source, batch.place, cursor.name, value, micros::down(batch.at)])?
    };
    Ok(moved > 0)
}

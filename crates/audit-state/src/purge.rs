//! Retention: closed cases that are old enough go, with all that only they rest on.
//!
//! Owns what stays: findings and their history, the list of evidence, every case that is not settled. A finding whose facts
//! are gone is sealed, so that no later judgement takes the missing facts for an explanation.
//!
//! Evidence goes in three steps, each safe to repeat: released here, deleted from its store by the caller, then forgotten.

use crate::cases::walk;
use crate::error::StateError;
use crate::kill::KillPoint;
use crate::micros;
use crate::open::{State, pass};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::BTreeSet;

/// Cases that go in one transaction.
const AT_ONCE: i64 = 200;

/// What a purge removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Cases.
    pub cases: usize,
    /// Facts.
    pub facts: usize,
}

impl State {
    /// Removes settled cases whose last moment is before a time, and releases the evidence that only they needed.
    ///
    /// # Errors
    /// Those of the database; what went before is gone, the rest stays whole.
    pub fn purge(&mut self, before: Timestamp, now: Timestamp) -> Result<Purged, StateError> {
        let mut purged = Purged::default();
        let before = micros::down(before);
        let mut last = (i64::MIN, String::new());
        loop {
            let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let ids = closed(&tx, before, &last)?;
            for (_, id) in &ids {
                purged.facts += remove_case(&tx, id, &mut purged.cases)?;
                pass(&mut self.hook, KillPoint::CasePurged)?;
            }
            if ids.is_empty() {
                purged.facts += remove_credentials(&tx, before)?;
                release(&tx, before, micros::down(now))?;
            }
            tx.commit()?;
            pass(&mut self.hook, KillPoint::PurgeDurable)?;
            let Some(id) = ids.into_iter().next_back() else { break };
            last = id;
        }
        Ok(purged)
    }

    /// The evidence that nothing rests on any more, from all purges, until it is forgotten: SHA-256, in order.
    ///
    /// # Errors
    /// Those of the database.
    pub fn released(&self) -> Result<Vec<String>, StateError> {
        let mut statement = self
            .db
            .prepare("SELECT sha256 FROM evidence WHERE released_at IS NOT NULL AND forgotten_at IS NULL ORDER BY sha256")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes that released evidence is deleted from its store.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_evidence(&mut self, sha256: &[String], now: Timestamp) -> Result<(), StateError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut forget = tx.prepare_cached(
                "UPDATE evidence SET forgotten_at = ? WHERE sha256 = ? AND released_at IS NOT NULL AND forgotten_at IS NULL",
            )?;
            for hash in sha256 {
                forget.execute(params![micros::down(now), hash])?;
            }
        }
        Ok(tx.commit()?)
    }
}

/// Settled cases with their last moments, the oldest first.
fn closed(tx: &Connection, before: i64, (at, id): &(i64, String)) -> Result<Vec<(i64, String)>, StateError> {
    let mut statement = tx.prepare_cached(
        "SELECT last_at, id FROM cases WHERE final = 1 AND last_at < ? AND (last_at, id) > (?, ?) ORDER BY last_at, id LIMIT ?",
    )?;
    let ids = statement.query_map(params![before, at, id, AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Removes a case, unless something touched it since its judgement; returns how many facts went.
fn remove_case(tx: &Connection, id: &str, cases: &mut usize) -> Result<usize, StateError> {
    let (keys, facts) = walk(tx, id)?;
    if is_waiting(tx, &keys)? {
        return Ok(0);
    }
    for fact in &facts {
        remove_fact(tx, fact)?;
    }
    let mut accounts = tx.prepare_cached("DELETE FROM accounts WHERE case_id = ?")?;
    let mut seal = tx.prepare_cached("UPDATE findings SET case_id = NULL WHERE case_id = ?")?;
    for key in &keys {
        accounts.execute([key])?;
        seal.execute([key])?;
    }
    tx.prepare_cached("DELETE FROM cases WHERE id = ?")?.execute([id])?;
    *cases += 1;
    Ok(facts.len())
}

fn is_waiting(tx: &Connection, keys: &BTreeSet<String>) -> Result<bool, StateError> {
    let mut statement = tx.prepare_cached("SELECT 1 FROM dirty WHERE key = ?")?;
    for key in keys {
        if statement.query_row([key], |_| Ok(())).optional()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn remove_fact(tx: &Connection, id: &str) -> Result<(), StateError> {
    for sql in [
        "DELETE FROM fact_keys WHERE fact_id = ?",
        "DELETE FROM fact_mentions WHERE fact_id = ?",
        "DELETE FROM fact_evidence WHERE fact_id = ?",
        "DELETE FROM facts WHERE id = ?",
    ] {
        tx.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// Removes assumed roles that no kept fact mentions; users and settings stay, they are few.
fn remove_credentials(tx: &Connection, before: i64) -> Result<usize, StateError> {
    let mut statement = tx.prepare_cached(
        "SELECT id FROM facts WHERE kind = 'role_assumption' AND at < ? AND NOT EXISTS (
           SELECT 1 FROM fact_mentions AS own JOIN fact_mentions AS other USING (key)
           WHERE own.fact_id = facts.id AND other.tells = 0)",
    )?;
    let ids = statement.query_map([before], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for id in &ids {
        remove_fact(tx, id)?;
    }
    Ok(ids.len())
}

fn release(tx: &Connection, before: i64, now: i64) -> Result<(), StateError> {
    tx.execute(
        "UPDATE evidence SET released_at = ? WHERE released_at IS NULL AND at < ?
         AND NOT EXISTS (SELECT 1 FROM fact_evidence WHERE fact_evidence.sha256 = evidence.sha256)",
        params![now, before],
    )?;
    Ok(())
}

//! What the correlator made of a case, kept with its history, in one transaction with the end of the case's waiting.
//!
//! Owns which rows a judgement replaces: those of every former name of the case, since a late fact may make two cases one.
//!
//! ```text
//! Judgement ─ accounts ─► findings ─ transition ─► history (chained) ─► case settled ─► durable ─► Recorded
//! ```

use crate::batch::PLACES;
use crate::body;
use crate::cases::Case;
use crate::chain::{self, Entry};
use crate::error::StateError;
use crate::kill::KillPoint;
use crate::micros;
use crate::open::{State, pass};
use crate::transition::{Cause, transition};
use correlation::finding::Basis;
use correlation::{Account, Assurance, Finding, State as Settled};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The pause before an unsettled case is looked at again, at least: a reading's round.
const SOONEST: SignedDuration = SignedDuration::from_mins(15);
/// The pause at most: old cases seldom change.
const LATEST: SignedDuration = SignedDuration::from_hours(24);

/// What the correlator made of a case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The findings.
    pub findings: Vec<Finding>,
    /// When it would come to another result by time alone, UTC; none leaves it to [`next_look`].
    pub due: Option<Timestamp>,
}

/// What a judgement changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Accounts that are new, changed or gone.
    pub accounts: usize,
    /// Findings that are new or changed.
    pub findings: usize,
    /// Findings that went from one state to another.
    pub transitions: usize,
    /// Whether nothing is left to wait for.
    pub is_final: bool,
}

/// When an unsettled case is looked at again: after a quarter of its age, between a quarter of an hour and a day.
pub fn next_look(now: Timestamp, last_moment: Timestamp) -> Timestamp {
    let quarter = SignedDuration::from_secs(now.duration_since(last_moment).as_secs() / 4);
    now.saturating_add(quarter.clamp(SOONEST, LATEST)).unwrap_or(Timestamp::MAX)
}

impl State {
    /// Keeps a judgement, all of it or nothing; the same judgement again changes nothing but when the case is due.
    ///
    /// # Errors
    /// [`StateError::Full`] and [`StateError::ReadOnly`] when it cannot be written; then the case still waits.
    pub fn record_judgement(&mut self, case: &Case, judgement: &Judgement, now: Timestamp) -> Result<Recorded, StateError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let hook = &mut self.hook;
        pass(hook, KillPoint::JudgementBegun)?;
        let mut recorded = Recorded { accounts: write_accounts(&tx, case, &judgement.accounts)?, ..Recorded::default() };
        pass(hook, KillPoint::AccountsWritten)?;
        (recorded.findings, recorded.transitions) = write_findings(&tx, case, &judgement.findings, now)?;
        pass(hook, KillPoint::FindingsWritten)?;
        recorded.is_final = settle(&tx, case, judgement, now)?;
        pass(hook, KillPoint::CaseSettled)?;
        tx.commit()?;
        pass(hook, KillPoint::JudgementDurable)?;
        Ok(recorded)
    }
}

fn write_accounts(tx: &Transaction<'_>, case: &Case, accounts: &[Account]) -> Result<usize, StateError> {
    let kept: BTreeSet<&str> = accounts.iter().map(|it| it.id.as_str()).collect();
    let mut changes = 0;
    let mut delete = tx.prepare_cached("DELETE FROM accounts WHERE id = ?")?;
    for id in ids_of(tx, "SELECT id FROM accounts WHERE case_id = ?", case)? {
        if !kept.contains(id.as_str()) {
            changes += delete.execute([id])?;
        }
    }
    for account in accounts {
        changes += write_account(tx, &case.id, account)?;
    }
    Ok(changes)
}

fn write_account(tx: &Connection, case_id: &str, it: &Account) -> Result<usize, StateError> {
    let text = serde_json::to_string(it)?;
    let (agree, applicable) = it.agreement();
    let grade = it.grade.map(serde_json::to_value).transpose()?;
    let known = |at: Option<Timestamp>| at.map(micros::down);
    Ok(tx
        .prepare_cached(
            "INSERT INTO accounts (id, case_id, ssm_session_id, boundary_session_id, task_arn, task_id, cluster_id,
               investigation_id, container, method, assurance, grade, alternatives, user_id, user_name, principal_arn,
               client_address, started, ended, exit_code, ending, bytes_down, transcript, agree, applicable, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET (case_id, ssm_session_id, boundary_session_id, task_arn, task_id, cluster_id,
               investigation_id, container, method, assurance, grade, alternatives, user_id, user_name, principal_arn,
               client_address, started, ended, exit_code, ending, bytes_down, transcript, agree, applicable, body)
             = (excluded.case_id, excluded.ssm_session_id, excluded.boundary_session_id, excluded.task_arn, excluded.task_id,
               excluded.cluster_id, excluded.investigation_id, excluded.container, excluded.method, excluded.assurance,
               excluded.grade, excluded.alternatives, excluded.user_id, excluded.user_name, excluded.principal_arn,
               excluded.client_address, excluded.started, excluded.ended, excluded.exit_code, excluded.ending,
               excluded.bytes_down, excluded.transcript, excluded.agree, excluded.applicable, excluded.body)
             WHERE accounts.body <> excluded.body OR accounts.case_id <> excluded.case_id",
        )?
        .execute(params![
            it.id,
            case_id,
            it.ssm_session_id.as_ref().map(audit_facts::SsmSessionId::as_str),
            it.boundary_session_id,
            it.task_arn,
            it.task_id,
            it.cluster_id,
            it.investigation_id,
            it.container,
            it.method.word(),
            it.assurance.word(),
            grade.as_ref().and_then(Value::as_str),
            it.alternatives,
            it.user_id,
            it.user_name,
            it.principal_arn,
            it.client_address,
            known(it.started),
            known(it.ended),
            it.exit_code,
            it.ending,
            it.bytes_down.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            it.transcript,
            agree,
            applicable,
            text
        ])?)
}

/// A finding as it is kept.
struct Kept {
    finding: Finding,
    case_id: Option<String>,
    first_seen: i64,
}

fn write_findings(tx: &Transaction<'_>, case: &Case, findings: &[Finding], now: Timestamp) -> Result<(usize, usize), StateError> {
    let judged: BTreeMap<&str, &Finding> = findings.iter().map(|it| (it.id.as_str(), it)).collect();
    let mut ids = ids_of(tx, "SELECT id FROM findings WHERE case_id = ?", case)?;
    ids.extend(judged.keys().map(|id| (*id).to_owned()));
    let (mut changes, mut transitions) = (0, 0);
    for id in ids {
        let (changed, moved) = write_finding(tx, &case.id, &id, judged.get(id.as_str()).copied(), micros::down(now))?;
        changes += usize::from(changed);
        transitions += usize::from(moved);
    }
    Ok((changes, transitions))
}

fn write_finding(
    tx: &Connection,
    case_id: &str,
    id: &str,
    judged: Option<&Finding>,
    now: i64,
) -> Result<(bool, bool), StateError> {
    let kept = kept(tx, id)?;
    let lost = kept.as_ref().zip(judged).is_some_and(|(old, new)| lost_coverage(&old.finding.coverage, &new.coverage).is_some());
    let change = transition(kept.as_ref().map(|it| it.finding.state), judged.map(|it| it.state), lost);
    let Some(mut next) = judged.cloned().or_else(|| kept.as_ref().map(|it| it.finding.clone())) else {
        return Ok((false, false));
    };
    match (&change, &kept) {
        (Some(change), _) => next.state = change.to,
        (None, Some(old)) => next.state = old.finding.state,
        // It was explained before anybody saw it.
        (None, None) => return Ok((false, false)),
    }
    if let Some(change) = change {
        let why = why(change.cause, kept.as_ref(), judged);
        let from = change.from.map(Settled::word);
        chain::add_history(tx, &Entry { finding_id: id, at: now, from, to: change.to.word(), why: &why })?;
    }
    let is_same = kept.as_ref().is_some_and(|old| old.finding == next && old.case_id.as_deref() == Some(case_id));
    if !is_same {
        put_finding(tx, case_id, &next, kept.map_or(now, |old| old.first_seen), now)?;
    }
    Ok((!is_same, change.is_some()))
}

fn why(cause: Cause, kept: Option<&Kept>, judged: Option<&Finding>) -> String {
    let lost = kept.zip(judged).and_then(|(old, new)| lost_coverage(&old.finding.coverage, &new.coverage));
    match lost.filter(|_| cause == Cause::CoverageLost) {
        Some(basis) => format!("{}: {} from {} to {}", cause.words(), basis.source, basis.from, basis.to),
        None => cause.words().to_owned(),
    }
}

/// The first window that a finding rested on and that is covered worse now, or not named any more.
fn lost_coverage<'a>(old: &'a [Basis], new: &[Basis]) -> Option<&'a Basis> {
    old.iter().find(|was| {
        let now = new.iter().filter(|it| it.source == was.source).map(|it| it.grade).min();
        now.is_none_or(|grade| grade < was.grade)
    })
}

fn kept(tx: &Connection, id: &str) -> Result<Option<Kept>, StateError> {
    let row: Option<(String, Option<String>, i64)> = tx
        .prepare_cached("SELECT body, case_id, first_seen FROM findings WHERE id = ?")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((text, case_id, first_seen)) = row else { return Ok(None) };
    Ok(Some(Kept { finding: serde_json::from_str(&text)?, case_id, first_seen }))
}

fn put_finding(tx: &Connection, case_id: &str, it: &Finding, first_seen: i64, now: i64) -> Result<(), StateError> {
    let text = serde_json::to_string(it)?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO findings (id, code, severity, severity_rank, state, subject, case_id, at, boundary_session_id,
           ssm_session_id, task_arn, user_id, principal_arn, assurance, first_seen, last_changed, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        it.id,
        it.code.word(),
        it.severity.word(),
        rank(it.severity),
        it.state.word(),
        it.subject.text(),
        case_id,
        it.at.map(micros::down),
        it.boundary_session_id,
        it.ssm_session_id,
        it.task_arn,
        it.user_id,
        it.principal_arn,
        it.assurance,
        first_seen,
        now,
        text
    ])?;
    Ok(())
}

/// A severity as a number that grows with it.
pub(crate) fn rank(severity: correlation::Severity) -> u8 {
    severity as u8
}

/// Ids of rows under any of a case's former names.
fn ids_of(tx: &Connection, sql: &str, case: &Case) -> Result<BTreeSet<String>, StateError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut ids = BTreeSet::new();
    for name in &case.keys {
        for id in statement.query_map([name], |row| row.get(0))? {
            ids.insert(id?);
        }
    }
    Ok(ids)
}

/// Ends the case's waiting, as far as it was seen, and sets when it is looked at again.
fn settle(tx: &Connection, case: &Case, judgement: &Judgement, now: Timestamp) -> Result<bool, StateError> {
    let is_final = judgement.findings.iter().all(|it| matches!(it.state, Settled::Confirmed | Settled::Resolved))
        && judgement.accounts.iter().all(|it| it.assurance != Assurance::Unknown);
    let first = case.facts.iter().map(|it| body::natural_time(&it.body).unwrap_or(it.observed_at)).min().unwrap_or(now);
    let last = case.facts.iter().map(body::last_moment).max().unwrap_or(now);
    let fallback = (!is_final).then(|| next_look(now, last));
    let due = judgement.due.or(fallback).map(micros::up);
    let mut undirty = tx.prepare_cached("DELETE FROM dirty WHERE key = ? AND commit_n <= ?")?;
    let mut forget = tx.prepare_cached("DELETE FROM cases WHERE id = ? AND id <> ?")?;
    for key in &case.keys {
        undirty.execute(params![key, case.as_of])?;
        forget.execute([key, &case.id])?;
    }
    if case.id == PLACES {
        // It is judged whenever it is touched; time alone is the caller's round.
        return Ok(is_final);
    }
    let facts = i64::try_from(case.facts.len()).unwrap_or(i64::MAX);
    tx.prepare_cached("INSERT OR REPLACE INTO cases (id, first_at, last_at, facts, final, due) VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![case.id, micros::down(first), micros::up(last), facts, is_final, due])?;
    Ok(is_final)
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit_facts::{Grade, Source};

    #[test]
    fn the_older_an_unsettled_case_the_longer_its_pause() {
        let now: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let ago = |hours| now.checked_sub(SignedDuration::from_hours(hours)).unwrap();
        let pause = |hours| next_look(now, ago(hours)).duration_since(now);
        assert_eq!(pause(-5), SOONEST, "it ends later");
        assert_eq!(pause(0), SOONEST);
        assert_eq!(pause(8), SignedDuration::from_hours(2));
        assert_eq!(pause(24 * 365), LATEST);
    }

    #[test]
    fn coverage_is_lost_when_a_source_is_worse_or_not_named() {
        let basis = |source, grade| Basis { source, from: Timestamp::UNIX_EPOCH, to: Timestamp::MAX, grade };
        let old = [basis(Source::CloudTrail, Grade::Proved), basis(Source::BoundaryApi, Grade::BestEffort)];
        assert_eq!(lost_coverage(&old, &old), None);
        let better = [basis(Source::CloudTrail, Grade::Proved), basis(Source::BoundaryApi, Grade::Proved)];
        assert_eq!(lost_coverage(&old, &better), None);
        assert_eq!(lost_coverage(&better, &old), Some(&better[1]));
        assert_eq!(lost_coverage(&old, &old[..1]), Some(&old[1]));
    }
}

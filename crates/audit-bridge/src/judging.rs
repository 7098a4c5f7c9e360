//! Judges what is new: the cases that were touched, and those whose time has come.
//!
//! Owns the loop. Each case is taken, judged and written by itself: a kill in between leaves it waiting.

use crate::collect::haul::{KeepError, Ledger};
use crate::expected::counting;
use crate::settings::Settings;
use audit_facts::{Coverage, Fact, Source};
use audit_state::{Judgement, StateError};
use correlation::{Context, CoverageMap, Directory, Outcome, Sample, Skews, State, judge_case, judge_places, samples};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Under which name what was learned of clocks and habits is kept.
const SKEWS: &str = "skews";
/// Samples that are kept; the estimates are medians, and a few thousand say what a million would.
const SAMPLES_MAX: usize = 4096;

/// When a case with an open finding is judged again.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// What a round of judging did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Judged {
    /// Cases that were looked at.
    pub(crate) cases: usize,
    /// Findings that are new or have changed.
    pub(crate) changed: usize,
}

/// Judges until nothing waits.
pub(crate) fn judge(ledger: &mut Ledger<'_>, run: &Settings, now: Timestamp) -> Result<Judged, KeepError> {
    let coverage = all_coverage(ledger)?;
    let policy = &run.policy;
    let map = CoverageMap::of(&counting(run, &coverage));
    let settings = ledger.state.places()?.facts;
    let mut learned = learned(ledger)?;
    let skews = Skews::learn(&learned);
    let mut judged = Judged::default();
    let (before, mut is_new) = (learned.len(), false);
    while let Some(case) = ledger.state.next_case(now)? {
        let mentioned = ledger.state.mentioned(&case)?;
        let directory = Directory::of(mentioned.iter().chain(&settings));
        let context = Context { policy, coverage: &map, directory: &directory, skews: &skews, now };
        let facts: Vec<&Fact> = case.facts.iter().collect();
        let outcome = judge_case(&facts, &context);
        learned.extend(samples(&facts, &context));
        // A first round has many: no more of them are held than twice what is kept.
        if learned.len() > 2 * SAMPLES_MAX {
            learned.drain(..learned.len() - SAMPLES_MAX);
            is_new = true;
        }
        judged.changed += record(ledger, &case, outcome, now)?;
        judged.cases += 1;
    }
    if is_new || learned.len() > before {
        let from = learned.len().saturating_sub(SAMPLES_MAX);
        keep_learned(ledger, &learned[from..], now)?;
    }
    while let Some(case) = ledger.state.next_places()? {
        let directory = Directory::default();
        let context = Context { policy, coverage: &map, directory: &directory, skews: &skews, now };
        let findings = judge_places(&case.facts, &coverage, &context);
        judged.changed += record(ledger, &case, Outcome { accounts: Vec::new(), findings }, now)?;
    }
    Ok(judged)
}

/// Writes a judgement down; gives the number of findings that changed.
fn record(ledger: &mut Ledger<'_>, case: &audit_state::Case, outcome: Outcome, now: Timestamp) -> Result<usize, StateError> {
    // What waits for its time is looked at again soon.
    let is_open = outcome.findings.iter().any(|finding| finding.state == State::Open);
    let due = is_open.then(|| now + SOON);
    let judgement = Judgement { accounts: outcome.accounts, findings: outcome.findings, due };
    let recorded = ledger.state.record_judgement(case, &judgement, now)?;
    Ok(recorded.findings)
}

fn all_coverage(ledger: &Ledger<'_>) -> Result<Vec<Coverage>, StateError> {
    ledger.state.reader()?.coverage(Timestamp::MIN, Timestamp::MAX)
}

fn learned(ledger: &Ledger<'_>) -> Result<Vec<Sample>, KeepError> {
    let stored = ledger.cursor(Source::Links, "", SKEWS)?;
    Ok(stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
}

fn keep_learned(ledger: &mut Ledger<'_>, samples: &[Sample], now: Timestamp) -> Result<(), KeepError> {
    let mut haul = crate::collect::haul::Haul::new(Source::Links, "", now);
    haul.cursor(SKEWS, json!(samples));
    ledger.commit(haul)?;
    Ok(())
}

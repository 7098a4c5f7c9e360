//! One run of ours as the program does it: facts are kept in a state on disk, and one case after another is judged out of it.
//!
//! Owns what may be in memory at once: the facts of the files that are being read, a short queue of them, and one case.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use audit_facts::{Fact, Source};
use audit_state::{Batch, Judgement, State};
use correlation::{Context, CoverageMap, Directory, Policy, Skews, judge_case};
use jiff::Timestamp;

use super::ours::{THREADS, count, coverage};
use super::{Counts, Ran, files, read};
use crate::memory::Peak;
use crate::{report, say};

/// Files that are read and wait to be kept.
const QUEUE: usize = 4;

/// Reads the files of a folder, keeps and judges what they tell and prints what that took.
pub(crate) fn kept(folder: &Path) -> anyhow::Result<()> {
    let home = tempfile::TempDir::with_prefix("audit-bench-")?;
    let now = files::read_at()?;
    let peak = Peak::begin()?;
    let began = Instant::now();
    let mut state = State::open(&home.path().join("state.sqlite"))?;
    let new_facts = keep_all(folder, &mut state, now)?;
    let kept_in = began.elapsed().as_secs_f64();
    let (cases, counts) = judge(&mut state, now)?;
    let seconds = began.elapsed().as_secs_f64();
    say(&format!("  {new_facts} facts kept in {kept_in:.2} s, {cases} cases judged in {:.2} s", seconds - kept_in));
    report(&serde_json::to_string(&Ran { seconds, counts, peak: peak.above_start()? })?);
    Ok(())
}

/// Keeps each file's facts in one batch, while the next ones are read.
fn keep_all(folder: &Path, state: &mut State, now: Timestamp) -> anyhow::Result<usize> {
    let (sender, receiver) = sync_channel(QUEUE);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            read::each_file(folder, THREADS, |source, facts| {
                // Who keeps them tells why it stopped.
                let _ = sender.send((source, facts));
                Ok(())
            })
        });
        let new_facts = keep(state, &receiver, now);
        drop(receiver);
        reading.join().map_err(|_| anyhow::anyhow!("a reading thread died"))??;
        new_facts
    })
}

fn keep(state: &mut State, files: &Receiver<(Source, Vec<Fact>)>, now: Timestamp) -> anyhow::Result<usize> {
    let batch = |source, facts, coverage| Batch {
        source,
        place: "bench".to_owned(),
        at: now,
        evidence: Vec::new(),
        facts,
        coverage,
        cursors: Vec::new(),
    };
    state.commit(&batch(Source::CloudTrail, Vec::new(), coverage()))?;
    let mut new_facts = 0;
    for (source, facts) in files {
        new_facts += state.commit(&batch(source, facts, Vec::new()))?.new_facts;
    }
    Ok(new_facts)
}

/// Judges until nothing waits; gives the number of cases and what they hold.
fn judge(state: &mut State, now: Timestamp) -> anyhow::Result<(usize, Counts)> {
    let (policy, coverage, skews) = (Policy::default(), CoverageMap::of(&coverage()), Skews::default());
    let (mut cases, mut counts) = (0, Counts::default());
    while let Some(case) = state.next_case(now)? {
        let directory = Directory::of(&state.mentioned(&case)?);
        let context = Context { policy: &policy, coverage: &coverage, directory: &directory, skews: &skews, now };
        let facts: Vec<&Fact> = case.facts.iter().collect();
        let judged = judge_case(&facts, &context);
        count(&mut counts, &facts, &judged);
        state.record_judgement(&case, &Judgement { accounts: judged.accounts, findings: judged.findings, due: None }, now)?;
        cases += 1;
    }
    Ok((cases, counts))
}

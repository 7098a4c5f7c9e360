//! One run of ours in memory: raw files, facts, cases, accounts and findings, nothing kept.
//!
//! Owns the threads and what is counted. What can be counted from accounts and findings is counted from these.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use audit_facts::{Body, Coverage, Fact, Grade, Source, SsmSessionId};
use correlation::{
    Account, Code, Context, CoverageMap, Directory, Method, Outcome, Policy, Skews, judge_case, partition, samples,
};
use jiff::Timestamp;

use super::{Counts, Ran, files, read};
use crate::memory::Peak;
use crate::{report, say};

/// Threads that read, of either way.
pub(super) const THREADS: usize = 2;

/// Reads the files of a folder, judges what they tell and prints what that took.
pub(crate) fn ours(folder: &Path) -> anyhow::Result<()> {
    let peak = Peak::begin()?;
    let began = Instant::now();
    let facts = read::facts(folder, THREADS)?;
    let read_in = began.elapsed().as_secs_f64();
    let cases = partition(&facts);
    let parted_in = began.elapsed().as_secs_f64();
    let counts = judge(&facts, &cases)?;
    let seconds = began.elapsed().as_secs_f64();
    say(&format!(
        "  {} facts read in {read_in:.2} s, {} cases made in {:.2} s, judged in {:.2} s",
        facts.len(),
        cases.len(),
        parted_in - read_in,
        seconds - parted_in
    ));
    report(&serde_json::to_string(&Ran { seconds, counts, peak: peak.above_start()? })?);
    Ok(())
}

/// Learns from all cases, then judges each.
fn judge(facts: &[Fact], cases: &[Vec<usize>]) -> anyhow::Result<Counts> {
    let (policy, directory, coverage) = (Policy::default(), Directory::of(facts), CoverageMap::of(&coverage()));
    let plain = Skews::default();
    let context = Context { policy: &policy, coverage: &coverage, directory: &directory, skews: &plain, now: files::read_at()? };
    let of = |case: &[usize]| case.iter().map(|at| &facts[*at]).collect::<Vec<&Fact>>();
    let learned = each(cases, |all, case| Vec::extend(all, samples(&of(case), &context)))?;
    let skews = Skews::learn(&learned.concat());
    let context = Context { skews: &skews, ..context };
    let counted = each(cases, |counts: &mut Counts, case| {
        let facts = of(case);
        count(counts, &facts, &judge_case(&facts, &context));
    })?;
    Ok(counted.into_iter().fold(Counts::default(), |mut all, counts| {
        all.add(&counts);
        all
    }))
}

/// Does something for every case, on all threads; one result a thread.
fn each<T: Default + Send>(cases: &[Vec<usize>], act: impl Fn(&mut T, &[usize]) + Sync) -> anyhow::Result<Vec<T>> {
    /// Cases that a thread takes at once.
    const SHARE: usize = 256;
    let next = AtomicUsize::new(0);
    let shares: Vec<_> = cases.chunks(SHARE).collect();
    let work = || {
        let mut result = T::default();
        while let Some(share) = shares.get(next.fetch_add(1, Ordering::Relaxed)) {
            share.iter().for_each(|case| act(&mut result, case));
        }
        result
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow::anyhow!("a judging thread died")));
        joined.collect()
    })
}

/// Everything was read, and provably.
pub(super) fn coverage() -> Vec<Coverage> {
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let of = |(source, scope): (Source, &str)| Coverage {
        source,
        place: "bench".to_owned(),
        scope: scope.to_owned(),
        from,
        to,
        grade: Grade::Proved,
        lack: None,
    };
    let scopes = [(Source::CloudTrail, "123456789012/us-east-2"), (Source::ExecLogs, "123456789012/us-east-2")];
    scopes.into_iter().chain([(Source::BoundaryApi, "p_1234567890")]).map(of).collect()
}

/// What the sources of one case tell of.
#[derive(Default)]
struct Told<'a> {
    execs: BTreeSet<&'a str>,
    logs: BTreeSet<&'a str>,
    /// Boundary sessions, each with its target.
    sessions: BTreeMap<&'a str, Option<&'a str>>,
    /// Targets with their tasks.
    targets: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Told<'a> {
    fn by(facts: &[&'a Fact]) -> Self {
        let mut told = Self::default();
        for fact in facts {
            match &fact.body {
                Body::Execution(it) => told.execs.extend(it.ssm_session_id.as_ref().map(SsmSessionId::as_str)),
                Body::Transcript(it) => told.logs.extend(it.ssm_session_id.as_ref().map(SsmSessionId::as_str)),
                Body::BoundarySession(it) => drop(told.sessions.insert(&it.id, it.target_id.as_deref())),
                Body::BoundaryTarget(it) => drop(told.targets.insert((&it.target_id, it.task_id.as_str()))),
                _ => {}
            }
        }
        told
    }

    fn is_executed(&self, account: &Account) -> bool {
        account.ssm_session_id.as_ref().is_some_and(|id| self.execs.contains(id.as_str()))
    }

    /// Whether an account's Boundary session is to the target of its task.
    fn is_at_task(&self, account: &Account) -> bool {
        let target = account.boundary_session_id.as_deref().and_then(|id| *self.sessions.get(id)?);
        target.zip(account.task_id.as_deref()).is_some_and(|pair| self.targets.contains(&pair))
    }
}

/// Adds what one case holds.
pub(super) fn count(counts: &mut Counts, facts: &[&Fact], judged: &Outcome) {
    let told = Told::by(facts);
    let shells: Vec<&Account> = judged.accounts.iter().filter(|account| told.is_executed(account)).collect();
    let linked: Vec<&&Account> = shells.iter().filter(|account| account.method == Method::Command).collect();
    let found = |code| number(judged.findings.iter().filter(|finding| finding.code == code).count());
    counts.add(&Counts {
        boundary_sessions: number(told.sessions.len()),
        execs: number(told.execs.len()),
        logs: number(told.logs.len()),
        exec_to_log: number(shells.iter().filter(|account| account.transcript.is_some()).count()),
        exec_to_boundary_session: number(linked.len()),
        session_to_task: number(linked.iter().filter(|account| told.is_at_task(account)).count()),
        exec_without_boundary_session: found(Code::LinkForged) + found(Code::BypassExec),
        exec_without_log: found(Code::SessionNoLog),
        log_without_exec: found(Code::LogNoCloudTrail),
    });
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

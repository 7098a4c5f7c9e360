//! `audit-bench incremental`: how much is judged again when a little comes late.
//!
//! Owns the split of a world into what is there at first and what comes late, and the counting. The result is the number of
//! cases that are looked at again; times are an aside.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use audit_facts::{Body, Coverage, Fact, Source};
use audit_state::{Batch, Judgement, State};
use audit_world::{Huge, Shape};
use correlation::{Context, CoverageMap, Directory, Policy, Skews, judge_case};
use jiff::{SignedDuration, Timestamp};

use crate::report;

/// Tasks whose facts come in one batch.
const TASKS_OF_BATCH: usize = 100;
/// Of so many sessions one has a late fact: one in a hundred.
const LATE: usize = 100;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Number of sessions.
    #[arg(long, default_value_t = 20_000)]
    sessions: usize,
    /// The seed of the world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What one run did.
struct Run {
    new_facts: usize,
    cases: usize,
    commit_seconds: f64,
    judge_seconds: f64,
}

/// A world that is kept and judged bit by bit.
struct Site {
    state: State,
    policy: Policy,
    coverage: CoverageMap,
}

/// Builds the world, runs three times, checks the counts and prints them.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::TempDir::with_prefix("audit-bench-")?;
    let mut world = Huge::new(arguments.seed, &Shape::huge(arguments.sessions));
    let (coverage, policy, now) = (world.coverage().to_vec(), world.policy().clone(), world.now());
    let mut site = Site::open(&folder.path().join("state.db"), policy, &coverage, now)?;
    let mut late = Late::default();
    let mut full = Run { new_facts: 0, cases: 0, commit_seconds: 0.0, judge_seconds: 0.0 };
    loop {
        let tasks: Vec<Vec<Fact>> = world.by_ref().take(TASKS_OF_BATCH).collect();
        if tasks.is_empty() {
            break;
        }
        let facts = late.hold_back(tasks.concat());
        site.commit(facts, now, &mut full)?;
    }
    site.judge(now, &mut full)?;
    // Soon enough that nothing is due by time alone.
    let later = now + SignedDuration::from_mins(1);
    let [again, nothing] = [site.round(late.held.clone(), later)?, site.round(late.held.clone(), later)?];
    report(&table(&[("all", &full), ("late facts", &again), ("the same again", &nothing)], late.sessions.len()));
    anyhow::ensure!(again.new_facts == late.held.len() && again.cases > 0, "the late facts were not new");
    anyhow::ensure!(again.cases * 20 <= full.cases, "{} of {} cases were looked at again", again.cases, full.cases);
    anyhow::ensure!(nothing.cases == 0 && nothing.new_facts == 0, "{} cases were looked at for nothing", nothing.cases);
    Ok(())
}

/// What comes late: what SSM shows of one session in a hundred.
#[derive(Default)]
struct Late {
    seen: usize,
    sessions: BTreeSet<String>,
    held: Vec<Fact>,
}

impl Late {
    /// Takes out what comes late; the rest is there at first.
    fn hold_back(&mut self, facts: Vec<Fact>) -> Vec<Fact> {
        let mut known = BTreeSet::new();
        let mut first = Vec::with_capacity(facts.len());
        for fact in facts {
            let Body::SsmSession(it) = &fact.body else {
                first.push(fact);
                continue;
            };
            let id = it.ssm_session_id.as_str();
            if known.insert(id.to_owned()) {
                self.seen += 1;
                if self.seen.is_multiple_of(LATE) {
                    self.sessions.insert(id.to_owned());
                }
            }
            if self.sessions.contains(id) { self.held.push(fact) } else { first.push(fact) }
        }
        first
    }
}

impl Site {
    fn open(path: &Path, policy: Policy, windows: &[Coverage], now: Timestamp) -> anyhow::Result<Self> {
        let mut state = State::open(path).context("failed to make the state")?;
        state.commit(&Batch { coverage: windows.to_vec(), ..batch(Vec::new(), now) })?;
        Ok(Self { state, policy, coverage: CoverageMap::of(windows) })
    }

    fn round(&mut self, facts: Vec<Fact>, now: Timestamp) -> anyhow::Result<Run> {
        let mut run = Run { new_facts: 0, cases: 0, commit_seconds: 0.0, judge_seconds: 0.0 };
        self.commit(facts, now, &mut run)?;
        self.judge(now, &mut run)?;
        Ok(run)
    }

    fn commit(&mut self, facts: Vec<Fact>, now: Timestamp, run: &mut Run) -> anyhow::Result<()> {
        let began = Instant::now();
        run.new_facts += self.state.commit(&batch(facts, now)).context("failed to keep a batch")?.new_facts;
        run.commit_seconds += began.elapsed().as_secs_f64();
        Ok(())
    }

    /// Judges until nothing waits, as the program does.
    fn judge(&mut self, now: Timestamp, run: &mut Run) -> anyhow::Result<()> {
        let began = Instant::now();
        let skews = Skews::default();
        while let Some(case) = self.state.next_case(now)? {
            let mentioned = self.state.mentioned(&case)?;
            let directory = Directory::of(&mentioned);
            let (policy, coverage) = (&self.policy, &self.coverage);
            let context = Context { policy, coverage, directory: &directory, skews: &skews, now };
            let judged = judge_case(&case.facts.iter().collect::<Vec<&Fact>>(), &context);
            let judgement = Judgement { accounts: judged.accounts, findings: judged.findings, due: None };
            self.state.record_judgement(&case, &judgement, now).context("failed to keep a judgement")?;
            run.cases += 1;
        }
        run.judge_seconds += began.elapsed().as_secs_f64();
        Ok(())
    }
}

fn batch(facts: Vec<Fact>, at: Timestamp) -> Batch {
    let (evidence, coverage, cursors) = (Vec::new(), Vec::new(), Vec::new());
    Batch { source: Source::CloudTrail, place: "bench".to_owned(), at, evidence, facts, coverage, cursors }
}

fn table(runs: &[(&str, &Run)], late: usize) -> String {
    let mut out = format!(
        "{late} sessions have something that comes late.\n\n\
         | run | new facts | cases judged | of all | s, keeping | s, judging | time, to all |\n|---|---|---|---|---|---|---|"
    );
    let all = runs[0].1;
    for (name, run) in runs {
        let share = 100.0 * ratio(run.cases, all.cases);
        let time = (run.commit_seconds + run.judge_seconds) / (all.commit_seconds + all.judge_seconds);
        out.push_str(&format!(
            "\n| {name} | {} | {} | {share:.1} % | {:.2} | {:.2} | {time:.4} |",
            run.new_facts, run.cases, run.commit_seconds, run.judge_seconds
        ));
    }
    out
}

fn ratio(part: usize, whole: usize) -> f64 {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    float(part) / float(whole)
}

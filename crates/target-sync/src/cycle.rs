//! One run: observe → desire → plan → apply, and what is written down about it.
//!
//! Owns the order, and the second look: an object that has moved since it was seen is seen and planned again.

use crate::apply::{Ended, Hands, Report};
use crate::desire::{Desired, desire};
use crate::facts::{BoundaryScan, Recorded, Snapshot};
use crate::news::news;
use crate::observe::boundary::{self, Memory, ObserveError, Scope};
use crate::observe::ecs::{Eye, SOURCES_AT_ONCE, scan_all};
use crate::plan::{Plan, plan};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use audit_record::{FORMAT_VERSION, JournalError, SyncEnd, SyncLine, SyncRun};
use boundary_api::Client;
use investigation::{Marker, TaskArn};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often one run looks, at most.
const LOOKS: usize = 3;

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// Boundary cannot be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal cannot be written: nothing more is changed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What was seen, and what follows.
#[derive(Debug)]
pub struct Look {
    /// What was seen.
    pub snapshot: Snapshot,
    /// What should be.
    pub desired: Desired,
    /// What is to be done.
    pub plan: Arc<Plan>,
}

/// What a run has come to.
#[derive(Debug)]
pub struct Outcome {
    /// The last look.
    pub look: Look,
    /// What came of each look's plan.
    pub reports: Vec<(Arc<Plan>, Report)>,
}

impl Outcome {
    /// Steps that were done.
    pub fn done(&self) -> usize {
        self.reports.iter().map(|(_, report)| report.done()).sum()
    }

    /// Due steps that were not done in the last look.
    pub fn failed(&self) -> usize {
        self.reports.last().map_or(0, |(_, report)| report.failed())
    }
}

/// Eyes and hands of one configuration.
pub struct Sync<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The controller.
    pub client: &'a Client,
    /// The sources.
    pub eyes: &'a [Eye],
    /// The clock.
    pub clock: &'a dyn Fn() -> Timestamp,
    /// Told of each step that has ended.
    pub progress: &'a dyn Fn(&Ended<'_>),
    /// Once it is set nothing more is begun.
    pub stopping: &'a AtomicBool,
}

impl Sync<'_> {
    /// Sees and plans; changes nothing.
    ///
    /// # Errors
    /// [`ObserveError`]. A source that cannot be read is no error: its tasks stay as they are.
    pub async fn look(&self, recorded: BTreeMap<String, Recorded>, memory: &mut Memory) -> Result<Look, ObserveError> {
        let rules = &self.settings.rules;
        let auth_methods = rules.principals.iter().flat_map(|rule| rule.auth_methods.clone()).collect();
        let scope = Scope { project_id: rules.project_id.clone(), auth_methods, aliases: rules.alias.is_some() };
        let boundary = boundary::observe(self.client, &scope, &recorded, memory).await?;
        let also = tasks_of(&boundary, &rules.owner);
        let sources = scan_all(self.eyes, &also, (self.clock)(), SOURCES_AT_ONCE).await;
        let snapshot = Snapshot { sources, boundary, recorded };
        let desired = desire(&snapshot, rules);
        let plan = Arc::new(plan(&snapshot, &desired, rules, (self.clock)()));
        Ok(Look { snapshot, desired, plan })
    }

    /// Sees, plans and does what is due; sees again what has moved meanwhile, three times at most.
    ///
    /// `only` narrows the plan.
    ///
    /// # Errors
    /// [`CycleError`]. What was done until then stands in the journal.
    pub async fn run(&self, store: &mut Store, only: &dyn Fn(Plan) -> Plan) -> Result<Outcome, CycleError> {
        let mut reports = Vec::new();
        loop {
            let recorded = store.recorded();
            let good_for = self.settings.daemon.full_scan;
            let mut look = self.look(recorded, store.memory((self.clock)(), good_for)).await?;
            if store.settle(&look.snapshot.boundary, &self.settings.rules.owner, (self.clock)())? > 0 {
                look.snapshot.recorded = store.recorded();
                look.plan = Arc::new(plan(&look.snapshot, &look.desired, &self.settings.rules, (self.clock)()));
            }
            look.plan = Arc::new(only(Arc::unwrap_or_clone(look.plan)));
            let report = self.carry_out(store, &look).await?;
            let stopping = self.stopping.load(Ordering::Relaxed);
            let again = report.asks_for_another_look() && reports.len() + 1 < LOOKS && !stopping;
            reports.push((Arc::clone(&look.plan), report));
            if !again {
                return Ok(Outcome { look, reports });
            }
        }
    }

    /// Carries out one look's plan, with its lines in the journal; a run that changes nothing and saw nothing new writes none.
    async fn carry_out(&self, store: &mut Store, look: &Look) -> Result<Report, CycleError> {
        let run_id = uuid::Uuid::new_v4().simple().to_string();
        let now = (self.clock)();
        let news = news(store, look, now);
        let due = look.plan.due(now).count();
        if due > 0 || !news.is_empty() {
            let run = self.run_line(&run_id, &look.plan);
            store.journal.append_all(std::iter::once(run).chain(news))?;
        }
        let report = self.execute(store, &look.plan, &run_id).await?;
        if due > 0 {
            store.journal.append(self.end_line(&run_id, &look.plan, &report))?;
        }
        store.save()?;
        Ok(report)
    }

    /// Carries out a plan that is given, as it is.
    ///
    /// # Errors
    /// [`CycleError`].
    pub async fn carry_out_given(&self, store: &mut Store, plan: &Plan) -> Result<Report, CycleError> {
        let run_id = uuid::Uuid::new_v4().simple().to_string();
        store.journal.append(self.run_line(&run_id, plan))?;
        let report = self.execute(store, plan, &run_id).await?;
        store.journal.append(self.end_line(&run_id, plan, &report))?;
        store.save()?;
        Ok(report)
    }

    fn run_line(&self, run_id: &str, plan: &Plan) -> SyncLine {
        SyncLine::SyncRun(SyncRun {
            format_version: FORMAT_VERSION,
            run_id: run_id.to_owned(),
            at: (self.clock)(),
            sync_version: env!("CARGO_PKG_VERSION").to_owned(),
            owner: plan.owner.clone(),
            project_id: plan.project_id.clone(),
            plan_sha256: plan.digest(),
        })
    }

    fn end_line(&self, run_id: &str, plan: &Plan, report: &Report) -> SyncLine {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (done, failed, held) = (count(report.done()), count(report.failed()), count(plan.held.len()));
        let exit_code = if failed > 0 { crate::exit::IN_PART } else { cli_kit::exit::OK };
        SyncLine::SyncEnd(SyncEnd { run_id: run_id.to_owned(), at: (self.clock)(), done, failed, held, exit_code })
    }

    async fn execute(&self, store: &mut Store, plan: &Plan, run_id: &str) -> Result<Report, CycleError> {
        let mut hands = Hands {
            client: self.client,
            journal: &mut store.journal,
            run_id,
            clock: self.clock,
            concurrency: self.settings.concurrency,
            progress: self.progress,
            stopping: self.stopping,
        };
        let report = hands.carry_out(plan).await?;
        let memory = store.memory((self.clock)(), std::time::Duration::MAX);
        for role in report.roles.values() {
            memory.put_role(&role.0);
        }
        Ok(report)
    }
}

/// The tasks that our objects name: whether they have ended is asked of ECS by their ARNs.
fn tasks_of(boundary: &BoundaryScan, owner: &str) -> BTreeSet<TaskArn> {
    let descriptions = (boundary.targets.values().map(|target| &target.description))
        .chain(boundary.roles.values().map(|role| &role.description))
        .chain(boundary.aliases.values().map(|alias| &alias.description));
    let markers = descriptions.filter_map(|description| Marker::parse(description).ok());
    markers.filter(|marker| marker.owner == owner).map(|marker| marker.task_arn).collect()
}

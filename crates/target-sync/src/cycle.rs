//! One run: observe → desire → plan → apply, and what is written down about it.
//!
//! Owns the order, and the second look: an object that has moved since it was seen is seen and planned again.

use crate::apply::{Hands, Report, StepResult};
use crate::desire::{Desired, desire};
use crate::facts::{BoundaryScan, Recorded, Snapshot};
use crate::observe::boundary::{self, Memory, ObserveError, Scope};
use crate::observe::ecs::Eye;
use crate::plan::{Plan, Step, plan};
use crate::principal::Mapping;
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use audit_record::{FORMAT_VERSION, JournalError, SyncEnd, SyncLine, SyncRefusal, SyncRun, SyncTarget, SyncTask, SyncUser};
use boundary_api::Client;
use futures_util::{StreamExt, stream};
use investigation::{Marker, TaskArn};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How often one run looks, at most.
const LOOKS: usize = 3;
/// How many sources are scanned at once.
const SOURCES: usize = 4;

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
    pub plan: Plan,
}

/// What a run has come to.
#[derive(Debug)]
pub struct Outcome {
    /// The last look.
    pub look: Look,
    /// What came of each look's plan.
    pub reports: Vec<(Plan, Report)>,
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
    pub progress: &'a dyn Fn(&Step, &StepResult),
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
        let (at, also) = ((self.clock)(), &also);
        let scans = stream::iter(self.eyes).map(|eye| async move { (eye.source().name.clone(), eye.scan(also, at).await) });
        let sources = scans.buffer_unordered(SOURCES).collect().await;
        let snapshot = Snapshot { sources, boundary, recorded };
        let desired = desire(&snapshot, rules);
        let plan = plan(&snapshot, &desired, rules, (self.clock)());
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
                look.plan = plan(&look.snapshot, &look.desired, &self.settings.rules, (self.clock)());
            }
            look.plan = only(look.plan);
            let report = self.carry_out(store, &look).await?;
            let again = report.asks_for_another_look() && reports.len() + 1 < LOOKS;
            reports.push((look.plan.clone(), report));
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
            let run = SyncRun {
                format_version: FORMAT_VERSION,
                run_id: run_id.clone(),
                at: now,
                sync_version: env!("CARGO_PKG_VERSION").to_owned(),
                owner: look.plan.owner.clone(),
                project_id: look.plan.project_id.clone(),
                plan_sha256: look.plan.digest(),
            };
            store.journal.append_all(std::iter::once(SyncLine::SyncRun(run)).chain(news))?;
        }
        let report = self.execute(store, &look.plan, &run_id).await?;
        if due > 0 {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let (done, failed, held) = (count(report.done()), count(report.failed()), count(look.plan.held.len()));
            let exit_code = if failed > 0 { crate::exit::IN_PART } else { cli_kit::exit::OK };
            store.journal.append(SyncLine::SyncEnd(SyncEnd { run_id, at: (self.clock)(), done, failed, held, exit_code }))?;
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
        let run = SyncRun {
            format_version: FORMAT_VERSION,
            run_id: run_id.clone(),
            at: (self.clock)(),
            sync_version: env!("CARGO_PKG_VERSION").to_owned(),
            owner: plan.owner.clone(),
            project_id: plan.project_id.clone(),
            plan_sha256: plan.digest(),
        };
        store.journal.append(SyncLine::SyncRun(run))?;
        let report = self.execute(store, plan, &run_id).await?;
        store.save()?;
        Ok(report)
    }

    async fn execute(&self, store: &mut Store, plan: &Plan, run_id: &str) -> Result<Report, CycleError> {
        let mut hands = Hands {
            client: self.client,
            journal: &mut store.journal,
            run_id,
            clock: self.clock,
            concurrency: self.settings.concurrency,
            progress: self.progress,
        };
        let report = hands.carry_out(plan).await?;
        let memory = store.memory((self.clock)(), std::time::Duration::MAX);
        for role in &report.roles {
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

/// The snapshots that the journal does not hold yet: what the services will forget.
fn news(store: &mut Store, look: &Look, now: Timestamp) -> Vec<SyncLine> {
    let (snapshot, mut lines) = (&look.snapshot, Vec::new());
    let served: BTreeSet<&TaskArn> = look.desired.targets.keys().collect();
    let boundary = &snapshot.boundary;
    for task in
        snapshot.sources.values().flat_map(|scan| scan.tasks.values()).filter(|task| served.contains(&task.arn) || task.is_dead())
    {
        let key = task.labels.key();
        let line = SyncTask {
            at: Timestamp::UNIX_EPOCH,
            task_arn: task.arn.to_string(),
            cluster_id: key.as_ref().map(|key| key.cluster_id.clone()),
            investigation_id: key.map(|key| key.investigation_id),
            last_status: task.last_status.clone(),
            created_at: task.created_at,
            started_by: task.started_by.clone(),
            family: task.family.clone(),
            tags: task.labels.tags.clone(),
        };
        if store.is_news(format!("task {}", task.arn), &line) {
            lines.push(SyncLine::SyncTask(Box::new(SyncTask { at: now, ..line })));
        }
    }
    for target in boundary.targets.values() {
        let Ok(marker) = Marker::parse(&target.description) else { continue };
        if marker.owner != look.plan.owner {
            continue;
        }
        let line = target_line(boundary, target, &marker);
        if store.is_news(format!("target {}", target.id), &line) {
            lines.push(SyncLine::SyncTarget(Box::new(SyncTarget { at: now, ..line })));
        }
    }
    for (task_arn, wanted) in &look.desired.targets {
        lines.extend(owner_line(store, boundary, task_arn, &wanted.mapping, now));
    }
    lines
}

fn target_line(boundary: &BoundaryScan, target: &crate::facts::TargetFacts, marker: &Marker) -> SyncTarget {
    let grant = format!("ids={};actions=read,authorize-session", target.id);
    let users = boundary.roles.values().filter(|role| role.grants.contains(&grant)).flat_map(|role| role.principals.clone());
    SyncTarget {
        at: Timestamp::UNIX_EPOCH,
        target_id: target.id.clone(),
        version: target.version,
        name: target.name.clone(),
        task_arn: marker.task_arn.to_string(),
        container: marker.container.clone(),
        state: marker.state.to_string(),
        alias: boundary.aliases.values().find(|alias| alias.destination_id == target.id).map(|alias| alias.value.clone()),
        user_ids: users.collect::<BTreeSet<_>>().into_iter().collect(),
    }
}

/// The user who is granted, or the refusal to grant.
fn owner_line(
    store: &mut Store,
    boundary: &BoundaryScan,
    task_arn: &TaskArn,
    mapping: &Mapping,
    now: Timestamp,
) -> Option<SyncLine> {
    match mapping {
        Mapping::User { user_id, account_id, .. } => {
            let account = boundary.accounts.iter().find(|account| account.id == *account_id)?;
            let subject = if account.subject.is_empty() { &account.login_name } else { &account.subject };
            let line = SyncUser {
                at: Timestamp::UNIX_EPOCH,
                user_id: user_id.clone(),
                name: boundary.users.get(user_id).map(|user| user.name.clone()).unwrap_or_default(),
                account_id: account_id.clone(),
                issuer: Some(account.issuer.clone()).filter(|issuer| !issuer.is_empty()),
                subject: subject.clone(),
            };
            store.is_news(format!("user {user_id}"), &line).then_some(SyncLine::SyncUser(SyncUser { at: now, ..line }))
        }
        Mapping::Refused(refusal) => {
            let (code, text) = (refusal.code().to_owned(), refusal.to_string());
            let line = SyncRefusal { at: Timestamp::UNIX_EPOCH, task_arn: task_arn.to_string(), code, text };
            let new = store.is_news(format!("refusal {task_arn}"), &line);
            new.then_some(SyncLine::SyncRefusal(SyncRefusal { at: now, ..line }))
        }
    }
}

//! The hands: carry out a plan, each object by itself.
//!
//! Owns the order of requests and the record of them. Never plans: a step whose object has moved is refused, with those that
//! rest on it; the others go on. An intent is on disk before its request is sent.

mod queue;

use crate::facts::Kind;
use crate::grants::owners_grants;
use crate::plan::{Object, Operation, Plan, Step, TargetChanges, TargetFields};
use audit_record::{Journal, JournalError, SyncIntent, SyncLine, SyncOutcome};
use boundary_api::{
    AliasPatch, Change, Client, Error, ErrorKind, Meaning, NewAlias, NewRole, NewTarget, Role, RolePatch, TargetAttributes,
    TargetPatch,
};
use cli_kit::chain_text;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use investigation::Marker;
use jiff::Timestamp;
use queue::Queue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// How many requests are under way at a time, unless configured.
pub const CONCURRENCY: usize = 8;
/// After so many requests in a row without an answer nothing more is sent: the controller is away.
const UNANSWERED: usize = 3;

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// It was done.
    Done {
        /// The object.
        id: String,
    },
    /// It was refused.
    Refused {
        /// In words.
        error: String,
        /// Whether looking again and planning anew may do better.
        moved: bool,
    },
    /// No answer came: it may or may not have been done, and the next run reads which.
    Unknown {
        /// In words.
        error: String,
    },
    /// A step that it rests on was not done.
    Skipped,
    /// Its time has not come.
    NotDue,
}

/// What came of a plan, by step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The steps' numbers, with what came of them.
    pub results: BTreeMap<usize, StepResult>,
    /// Roles as they are now, by id, where a request answered with one.
    pub roles: BTreeMap<String, RoleAnswer>,
}

/// A role as a request answered with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAnswer(pub Role);

impl Report {
    /// How many steps were done.
    pub fn done(&self) -> usize {
        self.count(|result| matches!(result, StepResult::Done { .. }))
    }

    /// How many due steps were not.
    pub fn failed(&self) -> usize {
        self.count(|result| matches!(result, StepResult::Refused { .. } | StepResult::Unknown { .. } | StepResult::Skipped))
    }

    /// Whether looking again may do better.
    pub fn asks_for_another_look(&self) -> bool {
        self.count(|result| matches!(result, StepResult::Refused { moved: true, .. } | StepResult::Unknown { .. })) > 0
    }

    fn count(&self, which: impl Fn(&StepResult) -> bool) -> usize {
        self.results.values().filter(|result| which(result)).count()
    }
}

/// A step that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'s> {
    /// The step.
    pub step: &'s Step,
    /// What came of it.
    pub result: &'s StepResult,
    /// How many steps of the plan are due in all.
    pub due: usize,
}

/// Where a plan is carried out.
pub struct Hands<'a> {
    /// The controller.
    pub client: &'a Client,
    /// The sync journal.
    pub journal: &'a mut Journal,
    /// Joins the lines of this run.
    pub run_id: &'a str,
    /// The clock, for the lines and for what is due.
    pub clock: &'a dyn Fn() -> Timestamp,
    /// How many requests are under way at a time.
    pub concurrency: usize,
    /// Told of each step that has ended.
    pub progress: &'a dyn Fn(&Ended<'_>),
    /// Once it is set no further step is begun; what is under way is waited for.
    pub stopping: &'a AtomicBool,
}

/// What is known of objects while a plan is carried out.
#[derive(Default)]
struct Known {
    made: BTreeMap<usize, String>,
    versions: BTreeMap<String, u32>,
}

/// An object after a request.
struct After {
    id: String,
    version: Option<u32>,
    role: Option<Role>,
}

impl Hands<'_> {
    /// Carries out what is due.
    ///
    /// # Errors
    /// [`JournalError`] when an intent cannot be written: nothing is changed without its record.
    pub async fn carry_out(&mut self, plan: &Plan) -> Result<Report, JournalError> {
        let now = (self.clock)();
        let mut report = Report::default();
        let (due, later): (Vec<&Step>, Vec<&Step>) =
            plan.steps.iter().partition(|step| step.not_before.is_none_or(|time| time <= now));
        let due_in_all = due.len();
        let mut queue = Queue::of(due.into_iter());
        for step in later {
            report.results.insert(step.number, StepResult::NotDue);
            queue.not_done(step.number, &mut report);
        }
        let mut known = Known::default();
        let mut unanswered = 0;
        let mut under_way = FuturesUnordered::new();
        let mut outcomes: Vec<SyncLine> = Vec::new();
        loop {
            let room = self.concurrency.saturating_sub(under_way.len());
            let goes_on = unanswered < UNANSWERED && !self.stopping.load(Ordering::Relaxed);
            let ready = if goes_on { queue.take(room) } else { Vec::new() };
            if !ready.is_empty() {
                let intents = ready.iter().map(|step| self.intent(step));
                let lines: Vec<SyncLine> = std::mem::take(&mut outcomes).into_iter().chain(intents).collect();
                self.journal.append_all(lines)?;
            }
            for step in ready {
                let request = Request::of(step, &known);
                let client = self.client;
                under_way.push(async move { (step, request.send(client, plan).await) });
            }
            let Some(first) = under_way.next().await else { break };
            // What has been answered meanwhile shares one write to the disk.
            let others = std::iter::from_fn(|| under_way.next().now_or_never().flatten());
            for (step, result) in std::iter::once(first).chain(others) {
                let unreachable = matches!(&result, Err(failure) if failure.is_unanswered());
                unanswered = if unreachable { unanswered + 1 } else { 0 };
                let (result, line) = self.settle(step, result, &mut known, &mut report);
                outcomes.push(line);
                (self.progress)(&Ended { step, result: &result, due: due_in_all });
                match &result {
                    StepResult::Done { .. } => queue.done(step.number),
                    _ => queue.not_done(step.number, &mut report),
                }
                report.results.insert(step.number, result);
            }
        }
        queue.skip_the_rest(&mut report);
        self.journal.append_all(outcomes)?;
        Ok(report)
    }

    fn intent(&self, step: &Step) -> SyncLine {
        SyncLine::SyncIntent(Box::new(SyncIntent {
            run_id: self.run_id.to_owned(),
            number: u32::try_from(step.number).unwrap_or(u32::MAX),
            at: (self.clock)(),
            action: step.action.word().to_owned(),
            object: step.kind.word().to_owned(),
            name: step.name.clone(),
            id: step.id.clone(),
            task_arn: step.task_arn.clone(),
            reason: reason_word(step),
            changes: step.changes.iter().map(|change| (change.field.clone(), (change.from.clone(), change.to.clone()))).collect(),
        }))
    }

    fn settle(
        &self,
        step: &Step,
        result: Result<After, Failure>,
        known: &mut Known,
        report: &mut Report,
    ) -> (StepResult, SyncLine) {
        let mut outcome = SyncOutcome {
            run_id: self.run_id.to_owned(),
            number: u32::try_from(step.number).unwrap_or(u32::MAX),
            at: (self.clock)(),
            result: "done".to_owned(),
            id: step.id.clone(),
            version: None,
            error: None,
        };
        let result = match result {
            Ok(after) => {
                known.made.insert(step.number, after.id.clone());
                known.versions.extend(after.version.map(|version| (after.id.clone(), version)));
                report.roles.extend(after.role.map(|role| (role.id.clone(), RoleAnswer(role))));
                (outcome.id, outcome.version) = (Some(after.id.clone()), after.version);
                StepResult::Done { id: after.id }
            }
            Err(failure) => {
                let error = failure.to_string();
                let unknown = failure.outcome_is_unknown();
                (if unknown { "unknown" } else { "refused" }).clone_into(&mut outcome.result);
                outcome.error = Some(error.clone());
                if unknown { StepResult::Unknown { error } } else { StepResult::Refused { error, moved: failure.moved() } }
            }
        };
        (result, SyncLine::SyncOutcome(outcome))
    }
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The request failed.
    #[error("{}", chain_text(.0))]
    Api(Error),
    /// The object is not what the plan was made for.
    #[error("the {kind} {id} {what}; nothing was done to it", kind = kind.word())]
    Moved { kind: Kind, id: String, what: &'static str },
    /// The plan speaks of an object that no step has made.
    #[error("the plan is not whole: an object that a step should have made is not there")]
    Plan,
}

impl Failure {
    fn is_unanswered(&self) -> bool {
        matches!(self, Self::Api(error) if matches!(error.meaning(), Meaning::Unreachable))
    }

    fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Api(error) if error.outcome_is_unknown())
    }

    fn moved(&self) -> bool {
        match self {
            Self::Moved { .. } => true,
            Self::Api(error) => {
                matches!(error.kind(), Some(ErrorKind::VersionConflict | ErrorKind::NotFound | ErrorKind::NotUnique))
            }
            Self::Plan => false,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Api(error)
    }
}

/// A step with the ids and versions that are known when it is sent.
struct Request<'p> {
    operation: &'p Operation,
    ids: [Option<String>; 2],
    version: Option<u32>,
}

impl<'p> Request<'p> {
    fn of(step: &'p Step, known: &Known) -> Self {
        let id_of = |object: &Object| match object {
            Object::Id(id) => Some(id.clone()),
            Object::MadeBy(number) => known.made.get(number).cloned(),
        };
        let (objects, version): ([Option<&Object>; 2], Option<u32>) = match &step.operation {
            Operation::CreateTarget(_) | Operation::CreateRole { .. } | Operation::CancelSession { .. } => ([None, None], None),
            Operation::UpdateTarget { target, version, .. } | Operation::DeleteTarget { target, version } => {
                ([Some(target), None], *version)
            }
            Operation::UpdateRole { role, version, .. }
            | Operation::SetGrantScopes { role, version }
            | Operation::SetPrincipals { role, version, .. }
            | Operation::DeleteRole { role, version } => ([Some(role), None], *version),
            Operation::SetGrants { role, version, target } => ([Some(role), Some(target)], *version),
            Operation::CreateAlias { target, .. } => ([None, Some(target)], None),
            Operation::UpdateAlias { alias, version, target, .. } => ([Some(alias), Some(target)], *version),
            Operation::DeleteAlias { alias, version } => ([Some(alias), None], *version),
        };
        let ids = objects.map(|object| object.and_then(id_of));
        let version = version.or_else(|| ids[0].as_ref().and_then(|id| known.versions.get(id)).copied());
        Self { operation: &step.operation, ids, version }
    }

    async fn send(self, client: &Client, plan: &Plan) -> Result<After, Failure> {
        match self.operation {
            Operation::CreateTarget(fields) => {
                let target = client.targets().create(&new_target(&plan.project_id, fields)).await?;
                Ok(After { id: target.id.clone(), version: Some(target.version), role: None })
            }
            Operation::UpdateTarget { fields, .. } => {
                let (id, version) = (self.first()?, self.version()?);
                let target = client.targets().update(id, version, &target_patch(fields)).await?;
                Ok(After { id: target.id.clone(), version: Some(target.version), role: None })
            }
            Operation::CreateRole { name, description } => {
                let (name, description) = (Some(name.clone()), Some(description.clone()));
                role(client.roles().create(&NewRole { scope_id: plan.project_id.clone(), name, description }).await?.known)
            }
            Operation::UpdateRole { name, description, .. } => {
                let patch = RolePatch { name: set(name.as_ref()), description: set(description.as_ref()) };
                role(client.roles().update(self.first()?, self.version()?, &patch).await?.known)
            }
            Operation::SetGrants { .. } => {
                let grants = owners_grants(self.second()?);
                role(client.roles().set_grants(self.first()?, self.version()?, &grants).await?.known)
            }
            Operation::SetGrantScopes { .. } => {
                role(client.roles().set_grant_scopes(self.first()?, self.version()?, &["this"]).await?.known)
            }
            Operation::SetPrincipals { principal_ids, .. } => {
                role(client.roles().set_principals(self.first()?, self.version()?, principal_ids).await?.known)
            }
            Operation::CreateAlias { value, description, .. } => {
                let new = NewAlias { description: Some(description.clone()), ..NewAlias::of_target(value, self.second()?) };
                let alias = client.aliases().create(&new).await?;
                Ok(After { id: alias.id.clone(), version: Some(alias.version), role: None })
            }
            Operation::UpdateAlias { description, .. } => {
                let destination_id = Change::Set(self.second()?.to_owned());
                let patch = AliasPatch { destination_id, description: Change::Set(description.clone()), ..AliasPatch::default() };
                let alias = client.aliases().update(self.first()?, self.version()?, &patch).await?;
                Ok(After { id: alias.id.clone(), version: Some(alias.version), role: None })
            }
            Operation::DeleteTarget { .. } | Operation::DeleteRole { .. } | Operation::DeleteAlias { .. } => {
                self.delete(client, &plan.owner).await
            }
            Operation::CancelSession { session_id } => {
                let session = client.sessions().cancel_current(session_id).await?;
                Ok(After { id: session.id.clone(), version: Some(session.version), role: None })
            }
        }
    }

    /// Deletes what is still as the plan saw it: Boundary asks no version for that, so it is read first.
    async fn delete(&self, client: &Client, owner: &str) -> Result<After, Failure> {
        let id = self.first()?;
        let (kind, description, version) = match self.operation {
            Operation::DeleteTarget { .. } => {
                let target = client.targets().read(id).await?;
                (Kind::Target, target.description.clone(), target.version)
            }
            Operation::DeleteRole { .. } => {
                let role = client.roles().read(id).await?;
                (Kind::Role, role.description.clone(), role.version)
            }
            _ => {
                let alias = client.aliases().read(id).await?;
                (Kind::Alias, alias.description.clone(), alias.version)
            }
        };
        let moved = |what| Failure::Moved { kind, id: id.to_owned(), what };
        if !Marker::parse(&description).is_ok_and(|marker| marker.owner == owner) {
            return Err(moved("carries our marker no longer"));
        }
        if self.version.is_some_and(|planned| planned != version) {
            return Err(moved("has changed since the plan was made"));
        }
        match kind {
            Kind::Target => client.targets().delete(id).await?,
            Kind::Role => client.roles().delete(id).await?,
            Kind::Alias | Kind::Session => client.aliases().delete(id).await?,
        }
        Ok(After { id: id.to_owned(), version: None, role: None })
    }

    fn first(&self) -> Result<&str, Failure> {
        self.ids[0].as_deref().ok_or(Failure::Plan)
    }

    fn second(&self) -> Result<&str, Failure> {
        self.ids[1].as_deref().ok_or(Failure::Plan)
    }

    fn version(&self) -> Result<u32, Failure> {
        self.version.ok_or(Failure::Plan)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends an arm whose requests may fail")]
fn role(role: Role) -> Result<After, Failure> {
    Ok(After { id: role.id.clone(), version: Some(role.version), role: Some(role) })
}

fn new_target(project_id: &str, fields: &TargetFields) -> NewTarget {
    NewTarget {
        description: Some(fields.description.clone()),
        session_max_seconds: Some(fields.session_max_seconds),
        session_connection_limit: Some(-1),
        egress_worker_filter: Some(fields.egress_worker_filter.clone()).filter(|filter| !filter.is_empty()),
        ..NewTarget::tcp(project_id, &fields.name, &fields.address, fields.port)
    }
}

fn target_patch(fields: &TargetChanges) -> TargetPatch {
    let filter = fields.egress_worker_filter.as_ref();
    TargetPatch {
        name: set(fields.name.as_ref()),
        description: set(fields.description.as_ref()),
        address: set(fields.address.as_ref()),
        session_max_seconds: set(fields.session_max_seconds.as_ref()),
        session_connection_limit: set(fields.connection_limit.as_ref()),
        egress_worker_filter: if filter.is_some_and(String::is_empty) { Change::Clear } else { set(filter) },
        attributes: fields
            .port
            .map_or(Change::Keep, |default_port| Change::Set(TargetAttributes { default_port, default_client_port: None })),
    }
}

fn set<T: Clone>(value: Option<&T>) -> Change<T> {
    value.map_or(Change::Keep, |value| Change::Set(value.clone()))
}

fn reason_word(step: &Step) -> String {
    serde_json::to_value(step.reason).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The steps of a plan that are due and were not done, for a summary.
pub fn undone<'p>(plan: &'p Plan, report: &'p Report) -> impl Iterator<Item = (&'p Step, &'p StepResult)> {
    let failed: BTreeSet<usize> = report
        .results
        .iter()
        .filter(|(_, result)| !matches!(result, StepResult::Done { .. } | StepResult::NotDue))
        .map(|(number, _)| *number)
        .collect();
    plan.steps.iter().filter(move |step| failed.contains(&step.number)).map(|step| (step, &report.results[&step.number]))
}

//! From the facts of a case to its accounts and findings.
//!
//! Owns the order of the steps and what they all need. Each group of findings has its own file.

mod artifact;
mod boundary;
mod bypass;
mod identity;
mod log;
mod place;
mod raise;
mod task;
mod witness;

pub use place::judge_places;

use crate::account::{Account, Assurance, Method};
use crate::assign::{Inferred, infer};
use crate::case::partition;
use crate::coverage::CoverageMap;
use crate::finding::Finding;
use crate::link::Links;
use crate::observe::{BoundaryView, Named, Observed, SsmView};
use crate::person::Directory;
use crate::policy::Policy;
use crate::skew::{Sample, Skews};
use audit_facts::{Coverage, Fact, Grade, LinkEnd, Source, SsmSessionId};
use investigation::TaskArn;
use jiff::{SignedDuration, Timestamp};
use raise::Raiser;
use std::collections::{BTreeMap, BTreeSet};

/// What a judgement needs beside the case.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The operator's expectations.
    pub policy: &'a Policy,
    /// What was read.
    pub coverage: &'a CoverageMap,
    /// People and credentials.
    pub directory: &'a Directory,
    /// Clocks and habits.
    pub skews: &'a Skews,
    /// The time of the judgement, UTC.
    pub now: Timestamp,
}

/// What a judgement comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The accounts, by id.
    pub accounts: Vec<Account>,
    /// The findings, by id.
    pub findings: Vec<Finding>,
}

impl Context<'_> {
    pub(crate) fn skew(&self) -> SignedDuration {
        SignedDuration::from_secs(self.policy.skew_seconds.max(0))
    }

    pub(crate) fn boundary_lag(&self) -> SignedDuration {
        SignedDuration::from_secs(self.policy.boundary_lag_seconds.max(0))
    }

    pub(crate) fn trail_lag(&self) -> SignedDuration {
        SignedDuration::from_secs(self.policy.trail_lag_seconds.max(0))
    }

    /// How sure it is that all Boundary sessions of a window are known: by the API, or by audit events.
    pub(crate) fn boundary_grade(&self, from: Timestamp, to: Timestamp) -> Grade {
        let by = |source| self.coverage.grade(source, None, from, to);
        by(Source::BoundaryApi).max(by(Source::BoundaryEvents))
    }

    /// How sure it is that all was read that a source of the task's account and region has.
    pub(crate) fn grade_of_task(&self, source: Source, task_arn: Option<&str>, from: Timestamp, to: Timestamp) -> Grade {
        let scope = task_arn.and_then(|arn| TaskArn::parse(arn).ok()).map(|arn| format!("{}/{}", arn.account(), arn.region()));
        self.coverage.grade(source, scope.as_deref(), from, to)
    }

    /// How sure it is that all of CloudTrail's events on a task are known.
    pub(crate) fn trail_grade(&self, task_arn: Option<&str>, from: Timestamp, to: Timestamp) -> Grade {
        self.grade_of_task(Source::CloudTrail, task_arn, from, to)
    }
}

/// Judges everything: the whole in one go.
pub fn judge_all(facts: &[Fact], coverage: &[Coverage], policy: &Policy, now: Timestamp) -> Outcome {
    let directory = Directory::of(facts);
    let map = CoverageMap::of(coverage);
    let cases = partition(facts);
    let of = |case: &Vec<usize>| case.iter().map(|at| &facts[*at]).collect::<Vec<&Fact>>();
    let plain = Skews::default();
    let context = Context { policy, coverage: &map, directory: &directory, skews: &plain, now };
    let samples: Vec<Sample> = cases.iter().flat_map(|case| samples(&of(case), &context)).collect();
    let skews = Skews::learn(&samples);
    let context = Context { skews: &skews, ..context };
    let mut outcome = Outcome::default();
    for case in &cases {
        let judged = judge_case(&of(case), &context);
        outcome.accounts.extend(judged.accounts);
        outcome.findings.extend(judged.findings);
    }
    outcome.findings.extend(judge_places(facts, coverage, &context));
    outcome.sorted()
}

/// Judges one case: all facts that share keys, and no others.
pub fn judge_case(facts: &[&Fact], context: &Context<'_>) -> Outcome {
    let named = named(facts);
    let seen = Observed::of(&named);
    let links = Links::of(&seen, context);
    let inferred = infer(&seen, &links, context);
    let case = Case { seen: &seen, links: &links, inferred: &inferred, context };
    let mut raiser = Raiser::default();
    bypass::judge(&case, &mut raiser);
    log::judge(&case, &mut raiser);
    boundary::judge(&case, &mut raiser);
    identity::judge(&case, &mut raiser);
    task::judge(&case, &mut raiser);
    artifact::judge(&case, &mut raiser);
    let mut accounts = case.accounts();
    for account in &mut accounts {
        account.witnesses = witness::hear(&case, account, &raiser);
    }
    let findings = raiser.finish(&accounts);
    Outcome { accounts, findings }.sorted()
}

/// What the exact links of a case teach about clocks and habits.
pub fn samples(facts: &[&Fact], context: &Context<'_>) -> Vec<Sample> {
    let named = named(facts);
    let seen = Observed::of(&named);
    let links = Links::of(&seen, context);
    links.exact.iter().filter_map(|(id, link)| sample(&seen.ssm[id], &seen.boundary.get(&link.boundary)?.whole)).collect()
}

fn sample(view: &SsmView<'_>, session: &audit_facts::BoundarySession) -> Option<Sample> {
    let started = view.started()?;
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
    let host = view.link_start().map(|start| (start.host.clone(), seconds(started, start.at)));
    Some(Sample {
        start_gap: session.active_from.map(|from| seconds(from, started)),
        end_gap: view.ended_by_aws().zip(session.ended).map(|(shell, session)| seconds(shell, session)),
        host,
    })
}

/// Facts with their ids, in the order of these, each once.
fn named<'a>(facts: &[&'a Fact]) -> Vec<Named<'a>> {
    let by_id: BTreeMap<String, &'a Fact> = facts.iter().map(|fact| (fact.id(), *fact)).collect();
    by_id.into_iter().map(|(id, fact)| Named { id, fact }).collect()
}

/// A case on its way through the judges.
pub(crate) struct Case<'a> {
    pub(crate) seen: &'a Observed<'a>,
    pub(crate) links: &'a Links,
    pub(crate) inferred: &'a BTreeMap<SsmSessionId, Inferred>,
    pub(crate) context: &'a Context<'a>,
}

impl<'a> Case<'a> {
    /// The Boundary session of an SSM session, however it was found.
    pub(crate) fn boundary_of(&self, id: &SsmSessionId) -> Option<&str> {
        let exact = self.links.exact.get(id).map(|link| link.boundary.as_str());
        exact.or_else(|| self.inferred.get(id).map(|it| it.boundary.as_str()))
    }

    /// The view of the Boundary session that an exact link leads to.
    pub(crate) fn linked(&self, id: &SsmSessionId) -> Option<&BoundaryView<'a>> {
        self.seen.boundary.get(&self.links.exact.get(id)?.boundary)
    }

    /// The ARN of the task of an SSM session.
    pub(crate) fn task_arn(&self, view: &SsmView<'_>) -> Option<String> {
        let executed = view.executions.iter().find_map(|said| said.it.task_arn.clone());
        executed.or_else(|| self.arn_of(view.task_id()?).map(str::to_owned))
    }

    pub(crate) fn arn_of(&self, task_id: &str) -> Option<&str> {
        self.seen.tasks.get(task_id)?.task_arn()
    }

    /// When an SSM session ended, by AWS, else by its Boundary session, else by the client.
    pub(crate) fn ended(&self, id: &SsmSessionId, view: &SsmView<'_>) -> Option<Timestamp> {
        let by_boundary = || self.seen.boundary.get(self.boundary_of(id)?)?.whole.ended;
        view.ended_by_aws().or_else(by_boundary).or_else(|| view.link_end().map(|end| end.at))
    }

    /// The SSM sessions of a task.
    pub(crate) fn shells_of(&self, task_id: &str) -> Vec<(&'a SsmSessionId, &'a SsmView<'a>)> {
        self.seen.ssm.iter().filter(|(_, view)| view.is_known_to_aws() && view.task_id() == Some(task_id)).collect()
    }

    fn accounts(&self) -> Vec<Account> {
        let shells = self.seen.ssm.iter().map(|(id, view)| self.account(id, view));
        let mut accounts: Vec<Account> = shells.collect();
        let used: BTreeSet<String> = accounts.iter().filter_map(|account| account.boundary_session_id.clone()).collect();
        let alone = self.seen.boundary.iter().filter(|(id, view)| view.exists() && !used.contains(*id));
        accounts.extend(alone.map(|(id, _)| self.boundary_alone(id)));
        accounts
    }

    fn account(&self, id: &SsmSessionId, view: &SsmView<'_>) -> Account {
        let boundary_id = self.boundary_of(id).map(str::to_owned);
        let mut account = self.described(boundary_id.as_deref(), view.task_id());
        account.id = id.to_string();
        account.ssm_session_id = Some(id.clone());
        account.task_arn = self.task_arn(view).or(account.task_arn);
        (account.method, account.assurance) = self.link_words(id, view);
        if let Some(inferred) = self.inferred.get(id) {
            account.grade = Some(inferred.grade);
            account.alternatives = inferred.alternatives;
            account.features = Some(inferred.features);
        }
        account.started = view.started().or(account.started);
        account.ended = self.ended(id, view);
        account.container = view.executions.iter().find_map(|said| said.it.container.clone());
        let principals = view.executions.iter().map(|said| &said.it.principal);
        let principal = principals.chain(view.starts.iter().map(|said| &said.it.principal)).next();
        account.principal_arn = principal.map(|it| it.arn.clone());
        account.client_address = principal.and_then(|it| it.client_address.clone());
        account.reason = view.link_start().and_then(|start| start.reason.clone());
        (account.exit_code, account.ending) =
            view.link_end().map_or((None, None), |end| (exit_code(end), Some(end.ending.clone())));
        let transcript = view.transcript();
        account.transcript = transcript.map(|said| said.it.name.clone());
        account.transcript_evidence = transcript.map(|said| said.by.fact.evidence.clone());
        let mut ids = view.fact_ids();
        ids.extend(boundary_id.and_then(|id| self.seen.boundary.get(&id)).into_iter().flat_map(BoundaryView::fact_ids));
        account.facts = ids.into_iter().collect();
        account
    }

    /// The method and assurance of an account; without a link, whether one can be denied.
    fn link_words(&self, id: &SsmSessionId, view: &SsmView<'_>) -> (Method, Assurance) {
        if let Some(link) = self.links.exact.get(id) {
            return (link.method, link.assurance);
        }
        if self.inferred.contains_key(id) {
            return (Method::Assignment, Assurance::Inferred);
        }
        let at = view.some_moment();
        let covered = at.is_some_and(|at| self.context.boundary_grade(at, at) > Grade::None);
        (Method::None, if covered { Assurance::None } else { Assurance::Unknown })
    }

    fn boundary_alone(&self, id: &str) -> Account {
        let view = &self.seen.boundary[id];
        let mut account = self.described(Some(id), self.seen.task_of_session(&view.whole));
        id.clone_into(&mut account.id);
        let grade = account.started.map_or(Grade::None, |from| {
            let to = account.ended.unwrap_or(self.context.now);
            self.context.trail_grade(account.task_arn.as_deref(), from, to.max(from))
        });
        account.assurance = if grade > Grade::None { Assurance::None } else { Assurance::Unknown };
        account.facts = view.fact_ids().into_iter().collect();
        account
    }

    /// What a Boundary session and a task say, without the shell.
    fn described(&self, boundary_id: Option<&str>, task_id: Option<&str>) -> Account {
        let view = boundary_id.and_then(|id| self.seen.boundary.get(id));
        let task = task_id.and_then(|id| self.seen.tasks.get(id));
        let user_id = view.and_then(|view| view.whole.user_id.clone());
        let text = |of: fn(&audit_facts::Task) -> Option<&String>| task.and_then(|task| task.text(of)).map(str::to_owned);
        Account {
            id: String::new(),
            ssm_session_id: None,
            boundary_session_id: boundary_id.map(str::to_owned),
            task_arn: task.and_then(|task| task.task_arn()).map(str::to_owned),
            task_id: task_id.map(str::to_owned),
            cluster_id: text(|task| task.cluster_id.as_ref()),
            investigation_id: text(|task| task.investigation_id.as_ref()),
            container: None,
            method: Method::None,
            assurance: Assurance::None,
            grade: None,
            alternatives: 0,
            features: None,
            user_name: user_id.as_deref().and_then(|id| self.context.directory.name(id)).map(str::to_owned),
            user_id,
            principal_arn: None,
            client_address: None,
            reason: None,
            started: view.and_then(BoundaryView::created),
            ended: view.and_then(|view| view.whole.ended),
            exit_code: None,
            ending: None,
            bytes_up: view.and_then(|view| view.whole.bytes_up()),
            bytes_down: view.and_then(|view| view.whole.bytes_down()),
            transcript: None,
            transcript_evidence: None,
            witnesses: Vec::new(),
            facts: Vec::new(),
        }
    }
}

fn exit_code(end: &LinkEnd) -> Option<u8> {
    (end.exit_source == "marker").then_some(end.exit_code)
}

impl Outcome {
    fn sorted(mut self) -> Self {
        self.accounts.sort_by(|one, other| one.id.cmp(&other.id));
        self.findings.sort_by(|one, other| one.id.cmp(&other.id));
        self
    }
}

//! How a finding is raised: with its state by time and coverage, and what it rests on.
//!
//! Owns the one table that says which state which coverage permits.

use crate::account::Account;
use crate::finding::{Basis, Code, Finding, State, Subject};
use audit_facts::{Grade, SsmSessionId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The state of a statement that something is absent; none when it may not be made.
pub(super) fn state_of_absence(grade: Grade, due: Timestamp, now: Timestamp) -> Option<State> {
    match grade {
        Grade::None => None,
        Grade::BestEffort | Grade::Proved if now < due => Some(State::Open),
        Grade::BestEffort => Some(State::Provisional),
        Grade::Proved => Some(State::Confirmed),
    }
}

/// A finding that is being put together.
pub(super) struct Raised {
    finding: Finding,
}

/// Collects findings, each code about each subject once.
#[derive(Default)]
pub(super) struct Raiser {
    raised: BTreeMap<String, Finding>,
}

impl Raised {
    pub(super) fn new(code: Code, subject: Subject, state: State, text: String) -> Self {
        let (mut ssm_session_id, mut boundary_session_id) = (None, None);
        match &subject {
            Subject::SsmSession(id) => ssm_session_id = Some(id.clone()),
            Subject::BoundarySession(id) => boundary_session_id = Some(id.clone()),
            _ => {}
        }
        let finding = Finding {
            id: Finding::id_of(code, &subject),
            code,
            severity: code.severity(),
            state,
            subject,
            text,
            at: None,
            boundary_session_id,
            ssm_session_id,
            task_arn: None,
            user_id: None,
            principal_arn: None,
            assurance: "none".to_owned(),
            agree: 0,
            applicable: 0,
            evidence: Vec::new(),
            coverage: Vec::new(),
        };
        Self { finding }
    }

    pub(super) fn of_shell(code: Code, id: &SsmSessionId, state: State, text: String) -> Self {
        Self::new(code, Subject::SsmSession(id.to_string()), state, text)
    }

    pub(super) fn at(mut self, at: Option<Timestamp>) -> Self {
        self.finding.at = at;
        self
    }

    pub(super) fn task(mut self, arn: Option<&str>) -> Self {
        self.finding.task_arn = arn.map(str::to_owned);
        self
    }

    pub(super) fn boundary(mut self, id: Option<&str>) -> Self {
        self.finding.boundary_session_id = id.map(str::to_owned).or(self.finding.boundary_session_id);
        self
    }

    pub(super) fn user(mut self, id: Option<&str>) -> Self {
        self.finding.user_id = id.map(str::to_owned);
        self
    }

    pub(super) fn principal(mut self, arn: Option<&str>) -> Self {
        self.finding.principal_arn = arn.map(str::to_owned);
        self
    }

    pub(super) fn evidence(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        let all: BTreeSet<String> = self.finding.evidence.into_iter().chain(ids).collect();
        self.finding.evidence = all.into_iter().collect();
        self
    }

    pub(super) fn basis(mut self, basis: Basis) -> Self {
        self.finding.coverage.push(basis);
        self
    }
}

impl Raiser {
    pub(super) fn raise(&mut self, raised: Raised) {
        self.raised.entry(raised.finding.id.clone()).or_insert(raised.finding);
    }

    /// Whether a code was raised about an SSM session.
    pub(super) fn has(&self, code: Code, id: &SsmSessionId) -> bool {
        self.raised.contains_key(&Finding::id_of(code, &Subject::SsmSession(id.to_string())))
    }

    /// Whether a code was raised about a Boundary session.
    pub(super) fn has_boundary(&self, code: Code, id: &str) -> bool {
        self.raised.contains_key(&Finding::id_of(code, &Subject::BoundarySession(id.to_owned())))
    }

    /// The findings, with what the accounts that they stand in know.
    pub(super) fn finish(self, accounts: &[Account]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.raised.into_values().collect();
        let (mut of_shell, mut of_boundary) = (BTreeMap::new(), BTreeMap::new());
        for account in accounts {
            if let Some(id) = &account.ssm_session_id {
                of_shell.entry(id.as_str()).or_insert(account);
            }
            if let Some(id) = &account.boundary_session_id {
                of_boundary.entry(id.as_str()).or_insert(account);
            }
        }
        for finding in &mut findings {
            let by_shell = finding.ssm_session_id.as_deref().and_then(|id| of_shell.get(id));
            let account = by_shell.or_else(|| of_boundary.get(finding.boundary_session_id.as_deref()?));
            if let Some(account) = account {
                complete(finding, account);
            }
        }
        findings
    }
}

fn complete(finding: &mut Finding, account: &Account) {
    account.assurance.word().clone_into(&mut finding.assurance);
    (finding.agree, finding.applicable) = account.agreement();
    finding.boundary_session_id = finding.boundary_session_id.take().or_else(|| account.boundary_session_id.clone());
    finding.task_arn = finding.task_arn.take().or_else(|| account.task_arn.clone());
    finding.user_id = finding.user_id.take().or_else(|| account.user_id.clone());
    finding.principal_arn = finding.principal_arn.take().or_else(|| account.principal_arn.clone());
    finding.at = finding.at.or(account.started);
}

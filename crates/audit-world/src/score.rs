//! How well accounts and findings agree with the truth.
//!
//! Owns the counting and its table.

use crate::world::{Truth, World};
use audit_facts::SsmSessionId;
use correlation::{Account, Assurance, Code, Finding, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Links counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCount {
    /// Links that are asserted and true.
    pub right: usize,
    /// Links that are asserted.
    pub asserted: usize,
    /// Links that there are.
    pub existing: usize,
}

impl LinkCount {
    /// Precision and recall.
    pub fn rates(self) -> (f64, f64) {
        (rate(self.right, self.asserted), rate(self.right, self.existing))
    }
}

/// One code counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeScore {
    /// Subjects that have it in truth.
    pub positives: usize,
    /// Innocent look-alikes.
    pub negatives: usize,
    /// Raised and true.
    pub right: usize,
    /// Raised and not true, with the reason where it is a known look-alike.
    pub wrong: Vec<(String, &'static str)>,
    /// True and not raised.
    pub missed: Vec<String>,
}

impl CodeScore {
    /// Precision: of the raised ones how many are true.
    pub fn precision(&self) -> f64 {
        rate(self.right, self.right + self.wrong.len())
    }

    /// Recall: of the true ones how many are raised.
    pub fn recall(&self) -> f64 {
        rate(self.right, self.right + self.missed.len())
    }
}

/// Everything counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    /// Links between shells and Boundary sessions.
    pub links: LinkCount,
    /// Links that are not the true ones: shell, asserted, true.
    pub wrong_links: Vec<(String, Option<String>, Option<String>)>,
    /// Claims on somebody else's living session that were taken for more than a claim.
    pub believed_claims: Vec<String>,
    /// By code.
    pub codes: BTreeMap<Code, CodeScore>,
}

/// Compares a judgement with the truth.
pub fn score(world: &World, accounts: &[Account], findings: &[Finding]) -> Score {
    let truth = &world.truth;
    let links = links_of(accounts);
    let raised: BTreeMap<(Code, String), State> = findings
        .iter()
        .filter(|finding| finding.state != State::Resolved)
        .map(|finding| ((finding.code, finding.subject.text()), finding.state))
        .collect();
    Score {
        links: of_links(truth, &links),
        wrong_links: wrong_links(truth, &links),
        believed_claims: believed_claims(truth, accounts, &raised),
        codes: Code::ALL.iter().map(|code| (*code, of_code(truth, *code, &raised))).collect(),
    }
}

fn links_of(accounts: &[Account]) -> BTreeMap<SsmSessionId, Option<String>> {
    let link = |account: &Account| Some((account.ssm_session_id.clone()?, account.boundary_session_id.clone()));
    accounts.iter().filter_map(link).collect()
}

fn counts(truth: &Truth) -> impl Iterator<Item = (&SsmSessionId, &Option<String>)> {
    truth.links.iter().filter(|(id, _)| !truth.unknowable.contains(*id) && !truth.claims.contains_key(*id))
}

/// Counts links against the truth; those that nobody can know are left out.
pub fn of_links(truth: &Truth, links: &BTreeMap<SsmSessionId, Option<String>>) -> LinkCount {
    let mut count = LinkCount::default();
    for (id, real) in counts(truth) {
        let asserted = links.get(id).and_then(Option::as_ref);
        count.existing += usize::from(real.is_some());
        count.asserted += usize::from(asserted.is_some());
        count.right += usize::from(asserted.is_some() && asserted == real.as_ref());
    }
    count
}

fn wrong_links(truth: &Truth, links: &BTreeMap<SsmSessionId, Option<String>>) -> Vec<(String, Option<String>, Option<String>)> {
    let told = |id| links.get(id).cloned().flatten();
    counts(truth).filter(|(id, real)| told(*id) != **real).map(|(id, real)| (id.to_string(), told(id), real.clone())).collect()
}

fn believed_claims(truth: &Truth, accounts: &[Account], raised: &BTreeMap<(Code, String), State>) -> Vec<String> {
    let is_believed = |(ssm, bs): &(&SsmSessionId, &String)| {
        let is_contested = raised.contains_key(&(Code::LinkContested, format!("bs:{bs}")));
        let account = accounts.iter().find(|account| account.ssm_session_id.as_ref() == Some(ssm));
        !is_contested
            && account.is_some_and(|it| it.boundary_session_id.as_ref() == Some(bs) && it.assurance > Assurance::Asserted)
    };
    truth.claims.iter().filter(is_believed).map(|(ssm, _)| ssm.to_string()).collect()
}

fn of_code(truth: &Truth, code: Code, raised: &BTreeMap<(Code, String), State>) -> CodeScore {
    let why: BTreeMap<&str, &'static str> =
        truth.near_misses.iter().filter(|it| it.code == code).map(|it| (it.subject.as_str(), it.why)).collect();
    let mut score = CodeScore { negatives: why.len(), ..CodeScore::default() };
    let positives: BTreeSet<&String> = truth.findings.iter().filter(|(it, _)| *it == code).map(|(_, subject)| subject).collect();
    score.positives = positives.len();
    for subject in &positives {
        if raised.contains_key(&(code, (*subject).clone())) {
            score.right += 1;
        } else {
            score.missed.push((*subject).clone());
        }
    }
    for ((_, subject), state) in raised.iter().filter(|((it, subject), _)| *it == code && !positives.contains(subject)) {
        let key = (code, subject.clone());
        let is_excused = truth.tolerated.contains(&key) || (*state == State::Open && truth.pending.contains(&key));
        if !is_excused {
            score.wrong.push((subject.clone(), why.get(subject.as_str()).copied().unwrap_or("nothing happened")));
        }
    }
    score
}

fn rate(part: usize, whole: usize) -> f64 {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 1.0 } else { float(part) / float(whole) }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (precision, recall) = self.links.rates();
        let LinkCount { right, asserted, existing } = self.links;
        writeln!(
            f,
            "links: {right} right of {asserted} asserted, {existing} existing: precision {precision:.4}, recall {recall:.4}"
        )?;
        writeln!(f, "claims taken for more: {}", self.believed_claims.len())?;
        writeln!(
            f,
            "{:26} {:>5} {:>5} {:>5} {:>5} {:>6} {:>9} {:>6}",
            "code", "pos", "near", "right", "wrong", "missed", "precision", "recall"
        )?;
        for (code, it) in &self.codes {
            writeln!(
                f,
                "{:26} {:>5} {:>5} {:>5} {:>5} {:>6} {:>9.3} {:>6.3}",
                code.word(),
                it.positives,
                it.negatives,
                it.right,
                it.wrong.len(),
                it.missed.len(),
                it.precision(),
                it.recall()
            )?;
        }
        Ok(())
    }
}

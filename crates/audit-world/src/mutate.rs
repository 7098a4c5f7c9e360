//! Small changes to what one ordinary shell left behind, each with the finding that must follow.
//!
//! Owns mutation tests of a judge: whoever changes or removes one fact is seen, or it does not matter.

mod links;
mod logs;
mod removals;
mod windows;

use crate::world::World;
use audit_facts::{Body, BoundarySession, Coverage, Fact, Source, SsmSessionId};
use correlation::Code;
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// What a change must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This finding, by the subject's text, which was not there before.
    Raised(Code, String),
    /// Not this finding.
    NotRaised(Code, String),
    /// Nothing: accounts and findings stay the same.
    Unchanged,
    /// No finding that was not there before; accounts may know less.
    NothingNew,
}

/// A change.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// What was done.
    pub name: &'static str,
    /// To whose facts.
    pub source: Source,
    /// The facts before.
    pub before: Vec<Fact>,
    /// The facts after.
    pub facts: Vec<Fact>,
    /// The coverage after; before it was the world's.
    pub coverage: Vec<Coverage>,
    /// What must follow.
    pub expected: Expected,
}

/// One ordinary shell, alone in its task, with its subjects' texts.
struct Case<'a> {
    world: &'a World,
    facts: Vec<Fact>,
    ssm: String,
    bs: String,
    task: String,
}

/// All changes to the first three ordinary shells that are alone in their stopped task.
pub fn mutations(world: &World) -> impl Iterator<Item = Mutation> + '_ {
    plain(world).into_iter().take(3).flat_map(|case| {
        let mut found = case.removals();
        found.extend(case.log_changes());
        found.extend(case.link_changes());
        found.extend(case.coverage_changes());
        found.extend(case.harmless());
        found
    })
}

fn plain(world: &World) -> Vec<Case<'_>> {
    let innocent = world.truth.near_misses.iter().map(|it| it.subject.as_str());
    let told: BTreeSet<&str> =
        world.truth.findings.iter().chain(&world.truth.tolerated).map(|(_, subject)| subject.as_str()).chain(innocent).collect();
    let alone = world.truth.tasks.iter().filter(|(task, ids)| ids.len() == 1 && !told.contains(format!("task:{task}").as_str()));
    let mut cases = Vec::new();
    for (task, ids) in alone {
        let ssm = &ids[0];
        let Some(Some(bs)) = world.truth.links.get(ssm) else { continue };
        if told.contains(format!("ssm:{ssm}").as_str()) || told.contains(format!("bs:{bs}").as_str()) {
            continue;
        }
        let case =
            Case { world, facts: facts_of(world, task, ssm, bs), ssm: ssm.to_string(), bs: bs.clone(), task: task.clone() };
        if case.is_ordinary() {
            cases.push(case);
        }
        if cases.len() == 3 {
            break;
        }
    }
    cases
}

/// Facts that name the task, the shell or the Boundary session, and those about people.
fn facts_of(world: &World, task: &str, ssm: &SsmSessionId, bs: &str) -> Vec<Fact> {
    let names = [format!("task:{task}"), format!("ssm:{ssm}"), format!("bs:{bs}")];
    let belongs = |fact: &&Fact| match &fact.body {
        Body::BoundaryUser(_) => true,
        _ => fact.keys().iter().any(|key| names.iter().any(|name| name == key.as_str())),
    };
    world.facts.iter().filter(belongs).cloned().collect()
}

impl Case<'_> {
    /// Long enough, large enough, saved, removed and complete: so that every change shows.
    fn is_ordinary(&self) -> bool {
        let has = |fits: fn(&Body) -> bool| self.facts.iter().filter(|fact| fits(&fact.body)).count();
        let is_long = self.facts.iter().any(|fact| match &fact.body {
            Body::SsmSession(it) => {
                it.started.zip(it.ended).is_some_and(|(from, to)| to.duration_since(from) > SignedDuration::from_mins(15))
            }
            _ => false,
        });
        let is_large = self.facts.iter().any(|fact| matches!(&fact.body, Body::Transcript(it) if (3000..1_000_000).contains(&it.canonical_bytes) && it.exact_until.is_none() && it.has_trailer));
        let removals = has(|body| matches!(body, Body::BoundaryRemoval(_)));
        let (logs, ends) = (
            has(|body| matches!(body, Body::Transcript(_))),
            has(|body| matches!(body, Body::LinkEnd(it) if it.exit_source == "marker")),
        );
        let saved = has(|body| matches!(body, Body::Artifact(_)));
        let stands = has(|body| matches!(body, Body::BoundarySession(it) if it.is_final() && is_told_to_the_end(it)));
        is_long && is_large && (removals, logs, ends, stands) == (1, 1, 1, 1) && saved >= 2
    }

    fn ssm(&self) -> String {
        format!("ssm:{}", self.ssm)
    }

    fn with(&self, name: &'static str, source: Source, facts: Vec<Fact>, expected: Expected) -> Mutation {
        Mutation { name, source, before: self.facts.clone(), facts, coverage: self.world.coverage.clone(), expected }
    }

    fn without(&self, name: &'static str, source: Source, gone: impl Fn(&Body) -> bool, expected: Expected) -> Mutation {
        let facts = self.facts.iter().filter(|fact| !gone(&fact.body)).cloned().collect();
        self.with(name, source, facts, expected)
    }

    fn changed(&self, name: &'static str, source: Source, change: impl Fn(&mut Body), expected: Expected) -> Mutation {
        let mut facts = self.facts.clone();
        for fact in &mut facts {
            change(&mut fact.body);
        }
        self.with(name, source, facts, expected)
    }
}

/// One connection, closed as it should be: its bytes are all there.
fn is_told_to_the_end(session: &BoundarySession) -> bool {
    let wires = session.connections.as_deref().unwrap_or_default();
    wires.len() == 1 && wires[0].closed_reason == "closed by end-user"
}

//! A plan on its way: steps as they are found, with what each rests on.
//!
//! Owns numbering, versions within a plan, and what policy and limits take out again together with everything that needs it.

use super::holdings::Holdings;
use super::step::{Action, Held, HeldBy, Level, Note, Object, Operation, PLAN_FORMAT, Plan, Reason, Step};
use crate::facts::{AliasFacts, Kind, Snapshot};
use crate::rules::{Policy, Rules};
use investigation::{Marker, MarkerState, TaskArn};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of right a step needs from the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Create,
    Update,
    Retire,
}

/// A step as its finder gives it.
pub(super) struct Found {
    pub(super) class: Class,
    pub(super) action: Action,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) object: Option<Object>,
    pub(super) task_arn: TaskArn,
    pub(super) reason: Reason,
    pub(super) changes: Vec<super::step::FieldChange>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) after: Vec<usize>,
    pub(super) operation: Operation,
    /// Whether it counts against the limits.
    pub(super) limited: bool,
}

struct Entry {
    step: Step,
    class: Class,
    limited: bool,
}

/// A plan on its way.
pub(super) struct Draft<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) rules: &'a Rules,
    pub(super) now: Timestamp,
    pub(super) holdings: Holdings<'a>,
    /// All aliases, by their values in small letters.
    aliases: BTreeMap<String, &'a AliasFacts>,
    entries: Vec<Entry>,
    /// The last step of this plan on an object, by id.
    last: BTreeMap<String, usize>,
    /// Targets from which an alias moves away, with the step.
    pub(super) moved_from: BTreeMap<String, usize>,
    /// Objects that a running task uses.
    pub(super) used: BTreeSet<String>,
    /// Targets to be taken out of use although their task runs, and why.
    pub(super) condemned: BTreeMap<String, Reason>,
    held: Vec<Held>,
    notes: Vec<Note>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, rules: &'a Rules, now: Timestamp) -> Self {
        Self {
            snapshot,
            rules,
            now,
            holdings: Holdings::of(snapshot, &rules.owner),
            aliases: snapshot.boundary.aliases.values().rev().map(|alias| (alias.value.to_ascii_lowercase(), alias)).collect(),
            entries: Vec::new(),
            last: BTreeMap::new(),
            moved_from: BTreeMap::new(),
            used: BTreeSet::new(),
            condemned: BTreeMap::new(),
            held: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a step and returns its number. It comes after the last one on the same object.
    pub(super) fn push(&mut self, found: Found) -> usize {
        let number = self.entries.len() + 1;
        let id = match &found.object {
            Some(Object::Id(id)) => Some(id.clone()),
            _ => None,
        };
        let mut after = found.after;
        if let Some(Object::MadeBy(step)) = found.object {
            after.push(step);
        }
        after.extend(id.iter().filter_map(|id| self.last.insert(id.clone(), number)));
        after.sort_unstable();
        after.dedup();
        let step = Step {
            number,
            action: found.action,
            kind: found.kind,
            name: found.name,
            id,
            task_arn: found.task_arn.to_string(),
            reason: found.reason,
            changes: found.changes,
            not_before: found.not_before,
            after,
            operation: found.operation,
        };
        self.entries.push(Entry { step, class: found.class, limited: found.limited });
        number
    }

    /// The version that a step must find: the one that was seen, or none when an earlier step of this plan writes the object.
    pub(super) fn version(&self, id: &str, seen: u32) -> Option<u32> {
        (!self.last.contains_key(id)).then_some(seen)
    }

    /// The alias of a value, whatever its case and whoever's it is.
    pub(super) fn alias(&self, value: &str) -> Option<&'a AliasFacts> {
        self.aliases.get(&value.to_ascii_lowercase()).copied()
    }

    /// The last step on an object.
    pub(super) fn last_on(&self, id: &str) -> Option<usize> {
        self.last.get(id).copied()
    }

    pub(super) fn note(&mut self, level: Level, code: &str, task_arn: Option<&TaskArn>, id: Option<&str>, text: String) {
        let (code, id) = (code.to_owned(), id.map(str::to_owned));
        self.notes.push(Note { level, code, task_arn: task_arn.map(ToString::to_string), id, text });
    }

    pub(super) fn hold(&mut self, held: Held) {
        self.held.push(held);
    }

    /// The marker of a role or an alias, whose retirement is told by the target's.
    pub(super) fn companion_marker(&self, task_arn: &TaskArn, container: &str) -> Marker {
        Marker {
            owner: self.rules.owner.clone(),
            task_arn: task_arn.clone(),
            container: Some(container.to_owned()),
            state: MarkerState::Live,
            max_seconds: None,
            owner_digest: None,
        }
    }

    pub(super) fn finish(mut self) -> Plan {
        let by = self.withheld();
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let mut steps = Vec::new();
        for entry in self.entries {
            let step = entry.step;
            let Some(by) = by.get(&step.number).copied() else {
                numbers.insert(step.number, numbers.len() + 1);
                steps.push(renumbered(step, &numbers));
                continue;
            };
            let Step { action, kind, name, id, task_arn, .. } = step;
            self.held.push(Held { by, action, kind, name, id, task_arn });
        }
        self.notes.sort_by(|a, b| {
            b.level.cmp(&a.level).then_with(|| (&a.code, &a.task_arn, &a.id).cmp(&(&b.code, &b.task_arn, &b.id)))
        });
        let (owner, project_id) = (self.rules.owner.clone(), self.rules.project_id.clone());
        Plan { format_version: PLAN_FORMAT, owner, project_id, steps, held: self.held, notes: self.notes }
    }

    /// The steps that policy or limits take out, with all that rest on them.
    fn withheld(&self) -> BTreeMap<usize, HeldBy> {
        let permitted = match self.rules.policy {
            Policy::Sync => Class::Retire,
            Policy::UpsertOnly => Class::Update,
            Policy::CreateOnly => Class::Create,
        };
        let limited = self.entries.iter().filter(|entry| entry.limited).count();
        let over = !self.rules.force && !self.rules.limits.permit(limited, self.holdings.live());
        let mut by: BTreeMap<usize, HeldBy> = BTreeMap::new();
        for entry in &self.entries {
            let own = match () {
                () if entry.class > permitted => Some(HeldBy::Policy),
                () if entry.limited && over => Some(HeldBy::Limit),
                () => None,
            };
            let inherited = || entry.step.after.iter().find_map(|number| by.get(number)).copied();
            if let Some(reason) = own.or_else(inherited) {
                by.insert(entry.step.number, reason);
            }
        }
        by
    }
}

/// A description: the marker, and below it what people read.
pub(super) fn described(marker: &Marker, text: &str) -> String {
    if text.is_empty() { marker.to_string() } else { format!("{marker}\n{text}") }
}

/// Gives a step its place among those that stay.
fn renumbered(mut step: Step, numbers: &BTreeMap<usize, usize>) -> Step {
    let new = |number: &usize| numbers.get(number).copied().unwrap_or(*number);
    step.number = new(&step.number);
    step.after = step.after.iter().map(new).collect();
    for object in objects(&mut step.operation) {
        if let Object::MadeBy(number) = object {
            *number = new(number);
        }
    }
    step
}

fn objects(operation: &mut Operation) -> Vec<&mut Object> {
    match operation {
        Operation::CreateTarget(_) | Operation::CreateRole { .. } | Operation::CancelSession { .. } => Vec::new(),
        Operation::UpdateTarget { target, .. }
        | Operation::DeleteTarget { target, .. }
        | Operation::CreateAlias { target, .. } => {
            vec![target]
        }
        Operation::UpdateRole { role, .. }
        | Operation::SetGrantScopes { role, .. }
        | Operation::SetPrincipals { role, .. }
        | Operation::DeleteRole { role, .. } => vec![role],
        Operation::SetGrants { role, target, .. } => vec![role, target],
        Operation::UpdateAlias { alias, target, .. } => vec![alias, target],
        Operation::DeleteAlias { alias, .. } => vec![alias],
    }
}

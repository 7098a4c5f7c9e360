//! What of Boundary is ours: objects whose marker names us, and those that our records say we made.
//!
//! Owns that question and nothing else. An object without our marker is never changed, whatever its name.

use crate::facts::{AliasFacts, Kind, RoleFacts, Snapshot, TargetFacts};
use investigation::{Marker, MarkerState, TaskArn};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// An object with its marker; a clone costs nothing.
#[derive(Debug)]
pub(super) struct Owned<'a, T> {
    pub(super) facts: &'a T,
    pub(super) marker: Rc<Marker>,
}

impl<T> Clone for Owned<'_, T> {
    fn clone(&self) -> Self {
        Self { facts: self.facts, marker: Rc::clone(&self.marker) }
    }
}

/// All that is ours, by task; several of a kind for one task are duplicates, the one to keep first.
#[derive(Debug, Default)]
pub(super) struct Holdings<'a> {
    pub(super) targets: BTreeMap<TaskArn, Vec<Owned<'a, TargetFacts>>>,
    pub(super) roles: BTreeMap<TaskArn, Vec<Owned<'a, RoleFacts>>>,
    pub(super) aliases: BTreeMap<TaskArn, Vec<Owned<'a, AliasFacts>>>,
    /// Recorded as ours and seen, but its marker is gone or names another: kind, id and task.
    pub(super) marker_lost: Vec<(Kind, String, TaskArn)>,
    /// Recorded as ours, not seen, and not known to be gone: kind, id and task.
    pub(super) unseen: Vec<(Kind, String, TaskArn)>,
    /// Recorded as ours and known to be gone.
    pub(super) gone: BTreeSet<(Kind, TaskArn)>,
    /// The ids of all that is ours.
    ids: BTreeSet<&'a str>,
    /// Our aliases, by where they lead.
    leading: BTreeMap<&'a str, Vec<&'a AliasFacts>>,
    /// Kind and task of what is in `marker_lost` or `unseen`.
    uncertain: BTreeSet<(Kind, TaskArn)>,
}

impl<'a> Holdings<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, owner: &str) -> Self {
        let boundary = &snapshot.boundary;
        let mut holdings = Self::default();
        for facts in boundary.targets.values() {
            claim(&mut holdings.targets, facts, &facts.description, owner);
        }
        for facts in boundary.roles.values() {
            claim(&mut holdings.roles, facts, &facts.description, owner);
        }
        for facts in boundary.aliases.values() {
            claim(&mut holdings.aliases, facts, &facts.description, owner);
        }
        for owned in holdings.targets.values_mut() {
            owned.sort_by_key(|target| (matches!(target.marker.state, MarkerState::Quarantined(_)), target.facts.id.clone()));
        }
        holdings.index();
        holdings.hold_against_records(snapshot);
        holdings
    }

    fn index(&mut self) {
        self.ids = (self.targets.values().flatten().map(|owned| &owned.facts.id))
            .chain(self.roles.values().flatten().map(|owned| &owned.facts.id))
            .chain(self.aliases.values().flatten().map(|owned| &owned.facts.id))
            .map(String::as_str)
            .collect();
        for alias in self.aliases.values().flatten() {
            self.leading.entry(&alias.facts.destination_id).or_default().push(alias.facts);
        }
    }

    fn hold_against_records(&mut self, snapshot: &Snapshot) {
        let boundary = &snapshot.boundary;
        let (mut lost, mut unseen, mut gone) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (id, recorded) in &snapshot.recorded {
            let seen = match recorded.kind {
                Kind::Target => boundary.targets.contains_key(id),
                Kind::Role => boundary.roles.contains_key(id),
                Kind::Alias => boundary.aliases.contains_key(id),
                Kind::Session => continue,
            };
            let entry = (recorded.kind, id.clone(), recorded.task_arn.clone());
            match () {
                () if self.ids.contains(id.as_str()) => {}
                () if seen => lost.push(entry),
                () if boundary.gone.contains(id) => drop(gone.insert((recorded.kind, recorded.task_arn.clone()))),
                () => unseen.push(entry),
            }
        }
        self.uncertain = lost.iter().chain(&unseen).map(|(kind, _, task_arn)| (*kind, task_arn.clone())).collect();
        (self.marker_lost, self.unseen, self.gone) = (lost, unseen, gone);
    }

    /// Whether an object of this kind may be there for a task although none of ours is seen.
    pub(super) fn may_exist(&self, kind: Kind, task_arn: &TaskArn) -> bool {
        !self.uncertain.is_empty() && self.uncertain.contains(&(kind, task_arn.clone()))
    }

    /// Whether an object is ours.
    pub(super) fn holds(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Our aliases that lead to a target.
    pub(super) fn leading_to(&self, target_id: &str) -> Vec<&'a AliasFacts> {
        self.leading.get(target_id).cloned().unwrap_or_default()
    }

    /// How many targets are in use.
    pub(super) fn live(&self) -> usize {
        let in_use = |owned: &&Owned<'_, TargetFacts>| !matches!(owned.marker.state, MarkerState::Quarantined(_));
        self.targets.values().flatten().filter(in_use).count()
    }
}

fn claim<'a, T>(into: &mut BTreeMap<TaskArn, Vec<Owned<'a, T>>>, facts: &'a T, description: &str, owner: &str) {
    if let Ok(marker) = Marker::parse(description)
        && marker.owner == owner
    {
        into.entry(marker.task_arn.clone()).or_default().push(Owned { facts, marker: Rc::new(marker) });
    }
}

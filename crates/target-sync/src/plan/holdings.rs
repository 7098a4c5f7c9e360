//! What of Boundary is ours: objects whose marker names us, and those that our records say we made.
//!
//! Owns that question and nothing else. An object without our marker is never changed, whatever its name.

use crate::facts::{AliasFacts, Kind, RoleFacts, Snapshot, TargetFacts};
use investigation::{Marker, MarkerState, TaskArn};
use std::collections::{BTreeMap, BTreeSet};

/// An object with its marker.
#[derive(Debug, Clone)]
pub(super) struct Owned<T> {
    pub(super) facts: T,
    pub(super) marker: Marker,
}

/// All that is ours, by task; several of a kind for one task are duplicates, the one to keep first.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub(super) targets: BTreeMap<TaskArn, Vec<Owned<TargetFacts>>>,
    pub(super) roles: BTreeMap<TaskArn, Vec<Owned<RoleFacts>>>,
    pub(super) aliases: BTreeMap<TaskArn, Vec<Owned<AliasFacts>>>,
    /// Recorded as ours and seen, but its marker is gone or names another: kind, id and task.
    pub(super) marker_lost: Vec<(Kind, String, TaskArn)>,
    /// Recorded as ours, not seen, and not known to be gone: kind, id and task.
    pub(super) unseen: Vec<(Kind, String, TaskArn)>,
    /// Recorded as ours and known to be gone.
    pub(super) gone: BTreeSet<(Kind, TaskArn)>,
}

impl Holdings {
    pub(super) fn of(snapshot: &Snapshot, owner: &str) -> Self {
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
        holdings.hold_against_records(snapshot);
        holdings
    }

    fn hold_against_records(&mut self, snapshot: &Snapshot) {
        let ours: BTreeSet<&String> = (self.targets.values().flatten().map(|owned| &owned.facts.id))
            .chain(self.roles.values().flatten().map(|owned| &owned.facts.id))
            .chain(self.aliases.values().flatten().map(|owned| &owned.facts.id))
            .collect();
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
                () if ours.contains(id) => {}
                () if seen => lost.push(entry),
                () if boundary.gone.contains(id) => drop(gone.insert((recorded.kind, recorded.task_arn.clone()))),
                () => unseen.push(entry),
            }
        }
        (self.marker_lost, self.unseen, self.gone) = (lost, unseen, gone);
    }

    /// Whether an object of this kind may be there for a task although none of ours is seen.
    pub(super) fn may_exist(&self, kind: Kind, task_arn: &TaskArn) -> bool {
        self.marker_lost.iter().chain(&self.unseen).any(|(k, _, task)| *k == kind && task == task_arn)
    }

    /// How many targets are in use.
    pub(super) fn live(&self) -> usize {
        let in_use = |owned: &&Owned<TargetFacts>| !matches!(owned.marker.state, MarkerState::Quarantined(_));
        self.targets.values().flatten().filter(in_use).count()
    }
}

fn claim<T: Clone>(into: &mut BTreeMap<TaskArn, Vec<Owned<T>>>, facts: &T, description: &str, owner: &str) {
    if let Ok(marker) = Marker::parse(description)
        && marker.owner == owner
    {
        into.entry(marker.task_arn.clone()).or_default().push(Owned { facts: facts.clone(), marker });
    }
}

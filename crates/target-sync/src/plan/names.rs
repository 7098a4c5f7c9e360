//! Names that change hands: the old target of an investigation makes room before the new one takes its name.
//!
//! Owns the renames and the names that cannot be had. A name that is a stranger's is left alone.

use super::draft::{Class, Draft, Found};
use super::live::change;
use super::step::{Action, Level, Object, Operation, Reason, TargetChanges};
use crate::desire::DesiredTarget;
use crate::facts::{Kind, TargetFacts};
use crate::template::with_task;
use investigation::{Marker, TaskArn};
use std::collections::{BTreeMap, BTreeSet};

/// Old targets whose name a running task takes, with the step that renames them; and tasks whose name is a stranger's.
#[derive(Default)]
pub(super) struct Names {
    /// The names that old targets get, by the target's id.
    renamed: BTreeMap<String, String>,
    /// The steps that free a name, by the name.
    freed: BTreeMap<String, usize>,
    taken: BTreeSet<TaskArn>,
}

impl Names {
    /// Plans the renames that make room.
    pub(super) fn make_room(draft: &mut Draft<'_>, desired: &BTreeMap<TaskArn, DesiredTarget>) -> Self {
        let mut names = Self::default();
        let by_name: BTreeMap<&str, &TargetFacts> =
            draft.snapshot.boundary.targets.values().map(|target| (target.name.as_str(), target)).collect();
        for wanted in desired.values() {
            let Some(holder) = by_name.get(wanted.name.as_str()) else { continue };
            match marker_of_ours(draft, holder) {
                Some(marker) if marker.task_arn == wanted.task_arn => {}
                Some(marker) => names.rename(draft, holder, &marker.task_arn, wanted),
                None => names.refuse(draft, holder, wanted),
            }
        }
        names
    }

    /// The step that frees a name for the task that takes it.
    pub(super) fn freed(&self, name: &str) -> Option<usize> {
        self.freed.get(name).copied()
    }

    /// Whether a task's name is a stranger's.
    pub(super) fn is_taken(&self, task_arn: &TaskArn) -> bool {
        self.taken.contains(task_arn)
    }

    /// The name that a target has once room is made.
    pub(super) fn now_of<'t>(&'t self, target: &'t TargetFacts) -> &'t str {
        self.renamed.get(&target.id).unwrap_or(&target.name)
    }

    fn rename(&mut self, draft: &mut Draft<'_>, facts: &TargetFacts, task_arn: &TaskArn, wanted: &DesiredTarget) {
        let name = with_task(&facts.name, task_arn.task_id());
        let number = draft.push(Found {
            class: Class::Update,
            action: Action::Update,
            kind: Kind::Target,
            name: facts.name.clone(),
            object: Some(Object::Id(facts.id.clone())),
            task_arn: task_arn.clone(),
            reason: Reason::Superseded,
            changes: vec![change("name", Some(&wanted.name), &name)],
            not_before: None,
            after: Vec::new(),
            operation: Operation::UpdateTarget {
                target: Object::Id(facts.id.clone()),
                version: draft.version(&facts.id, facts.version),
                fields: TargetChanges { name: Some(name.clone()), ..TargetChanges::default() },
            },
            limited: false,
        });
        self.renamed.insert(facts.id.clone(), name);
        self.freed.insert(wanted.name.clone(), number);
    }

    fn refuse(&mut self, draft: &mut Draft<'_>, holder: &TargetFacts, wanted: &DesiredTarget) {
        self.taken.insert(wanted.task_arn.clone());
        if draft.holdings.marker_lost.iter().any(|(_, id, _)| *id == holder.id) {
            // It is ours, and that it has lost its marker is told already.
            return;
        }
        let what = format!("the name `{}` is that of a target", wanted.name);
        tell_taken(draft, wanted, "name_taken", &holder.id, &holder.description, &what);
    }
}

/// Tells that somebody else's object stands in the way; another sync's is a conflict of owners.
pub(super) fn tell_taken(draft: &mut Draft<'_>, wanted: &DesiredTarget, code: &str, id: &str, description: &str, what: &str) {
    let (code, text) = match Marker::parse(description) {
        Ok(marker) => ("owner_conflict", format!("{what} that the sync `{}` keeps: two syncs look at one task", marker.owner)),
        Err(_) => (code, format!("{what} which is not ours; rename that one, or change the template")),
    };
    draft.note(Level::Alarm, code, Some(&wanted.task_arn), Some(id), text);
}

/// The marker of a target, if it is ours.
fn marker_of_ours(draft: &Draft<'_>, target: &TargetFacts) -> Option<Marker> {
    Marker::parse(&target.description).ok().filter(|marker| marker.owner == draft.rules.owner)
}

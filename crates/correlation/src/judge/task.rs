//! Tasks: without tags, with several people, with shells side by side.

use super::Case;
use super::raise::{Raised, Raiser};
use crate::finding::{Code, State, Subject};
use crate::observe::SsmView;
use crate::person::same;
use audit_facts::SsmSessionId;
use jiff::Timestamp;
use std::collections::BTreeSet;

type Shell<'a> = (&'a SsmSessionId, &'a SsmView<'a>);

pub(super) fn judge(case: &Case<'_>, raiser: &mut Raiser) {
    let tasks: BTreeSet<&str> = case.seen.ssm.values().filter_map(SsmView::task_id).collect();
    for task_id in tasks {
        let mut shells = case.shells_of(task_id);
        shells.sort_by_key(|(id, view)| (view.started(), *id));
        if !shells.is_empty() {
            untagged(case, task_id, &shells, raiser);
            several(case, task_id, &shells, raiser);
            side_by_side(case, &shells, raiser);
        }
    }
}

fn raised(case: &Case<'_>, code: Code, task_id: &str, shells: &[Shell<'_>], text: String) -> Raised {
    let raised = Raised::new(code, Subject::Task(task_id.to_owned()), State::Confirmed, text);
    let at = shells.iter().filter_map(|(_, view)| view.started()).min();
    let facts = shells.iter().flat_map(|(_, view)| view.fact_ids());
    raised.at(at).task(case.arn_of(task_id)).evidence(facts)
}

fn untagged(case: &Case<'_>, task_id: &str, shells: &[Shell<'_>], raiser: &mut Raiser) {
    // What was never read may well have tags.
    let Some(task) = case.seen.tasks.get(task_id).filter(|task| !task.readings.is_empty()) else { return };
    if !task.is_tagged() && task.targets.is_empty() {
        let text = "a shell was opened in a task without tags".to_owned();
        raiser.raise(raised(case, Code::TaskUntagged, task_id, shells, text));
    }
}

fn several(case: &Case<'_>, task_id: &str, shells: &[Shell<'_>], raiser: &mut Raiser) {
    let mut people: Vec<BTreeSet<String>> = Vec::new();
    let principals = shells.iter().flat_map(|(_, view)| view.executions.iter().map(|said| &said.it.principal));
    for names in principals.filter_map(|principal| case.context.directory.principal(principal, case.context.policy)) {
        if !people.iter().any(|known| same(known, &names)) {
            people.push(names);
        }
    }
    if people.len() > 1 {
        let text = format!("{} people entered the task", people.len());
        raiser.raise(raised(case, Code::MultiSessionTask, task_id, shells, text));
    }
}

fn side_by_side(case: &Case<'_>, shells: &[Shell<'_>], raiser: &mut Raiser) {
    // Sorted by their beginning: the one that reaches farthest is enough to see an overlap, per Boundary session the two farthest.
    let mut open: Vec<(Timestamp, Option<&str>, &SsmSessionId)> = Vec::new();
    for (id, view) in shells {
        let (Some(from), Some(to)) = (view.started(), case.ended(id, view)) else { continue };
        let boundary = case.boundary_of(id);
        open.retain(|(end, _, _)| *end > from);
        let other = open.iter().find(|(_, other, _)| other.is_none() || boundary.is_none() || *other != boundary);
        if let Some((_, _, other)) = other {
            let text = format!("a shell was open in the task beside {other}");
            let raised = Raised::of_shell(Code::SessionOverlap, id, State::Confirmed, text);
            raiser.raise(raised.at(Some(from)).task(case.task_arn(view).as_deref()).evidence(view.fact_ids()));
        }
        open.push((to, boundary, id));
    }
}

//! People: the Boundary user, the AWS principal and the task's owner are to be one.

use super::Case;
use super::raise::{Raised, Raiser};
use crate::finding::{Code, State};
use crate::observe::{BoundaryView, SsmView};
use crate::person::{forms, same};
use audit_facts::SsmSessionId;
use std::collections::BTreeSet;

pub(super) fn judge(case: &Case<'_>, raiser: &mut Raiser) {
    for (id, view) in &case.seen.ssm {
        if case.links.exact.contains_key(id) {
            mismatch(case, id, view, raiser);
        }
    }
}

fn mismatch(case: &Case<'_>, id: &SsmSessionId, view: &SsmView<'_>, raiser: &mut Raiser) {
    let session = case.linked(id);
    let user_id = session.and_then(|session| session.whole.user_id.as_deref());
    let principal = view.executions.iter().map(|said| &said.it.principal).next();
    if principal.is_some_and(|it| case.context.policy.is_shared(&it.arn) || case.context.policy.is_break_glass(&it.arn)) {
        return;
    }
    let user = case.context.directory.user(user_id).cloned();
    let person = principal.and_then(|it| case.context.directory.principal(it, case.context.policy));
    let (named, owner) = owner(case, view);
    // A principal has a name; an owner who is told by his subject alone can be held against the Boundary user only.
    let pairs = [
        ("the Boundary user is not the AWS principal", &user, &person),
        ("the Boundary user is not the task's owner", &user, &owner),
        ("the AWS principal is not the task's owner", &person, &named),
    ];
    let differ = |one: &Option<BTreeSet<String>>, other: &Option<BTreeSet<String>>| {
        one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| !same(one, other))
    };
    let apart: Vec<&str> = pairs.into_iter().filter(|(_, one, other)| differ(one, other)).map(|(text, _, _)| text).collect();
    if !apart.is_empty() {
        let raised = Raised::of_shell(Code::IdentityMismatch, id, State::Confirmed, apart.join("; "));
        let raised = raised.user(user_id).principal(principal.map(|it| it.arn.as_str())).task(case.task_arn(view).as_deref());
        let facts = session.map(BoundaryView::fact_ids).unwrap_or_default();
        raiser.raise(raised.at(view.started()).evidence(view.fact_ids()).evidence(facts));
    }
}

/// The names of a task's owner by its tags: those of the name alone, and with those of the subject.
fn owner(case: &Case<'_>, view: &SsmView<'_>) -> (Option<BTreeSet<String>>, Option<BTreeSet<String>>) {
    let Some(task) = view.task_id().and_then(|id| case.seen.tasks.get(id)) else { return (None, None) };
    let named: BTreeSet<String> = task.text(|task| task.owner_name.as_ref()).map(forms).unwrap_or_default();
    let all: BTreeSet<String> =
        task.text(|task| task.owner_subject.as_ref()).map(forms).into_iter().flatten().chain(named.clone()).collect();
    let known = |names: BTreeSet<String>| (!names.is_empty()).then_some(names);
    (known(named), known(all))
}

//! Boundary sessions: unused, refused, outlived, forgotten.

use super::Case;
use super::raise::{Raised, Raiser, state_of_absence};
use crate::finding::{Basis, Code, State, Subject};
use crate::observe::BoundaryView;
use audit_facts::{BoundaryEventKind, BoundaryStatus, Source};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// Bytes above which a session without a shell is no idle connection.
const IDLE: u64 = 64 * 1024;

pub(super) fn judge(case: &Case<'_>, raiser: &mut Raiser) {
    // A session that any shell claims, rightly or not, is told of by the shell's findings.
    let claims = case.links.claims.values().flatten().filter(|claim| claim.refused.is_none());
    let shells = case.seen.ssm.keys().filter_map(|id| case.boundary_of(id));
    let used: BTreeSet<&str> = shells.chain(claims.map(|claim| claim.boundary.as_str())).collect();
    for (id, view) in &case.seen.boundary {
        lost(case, id, view, raiser);
        if !used.contains(id.as_str()) {
            unused(case, id, view, raiser);
        }
    }
    for said in &case.seen.refused {
        let principal = &said.it.principal;
        let code = said.it.error_code.as_deref().unwrap_or("no reason");
        let text = format!("ExecuteCommand was refused: {}", super::bypass::shown(code));
        let arn = said.it.task_id.as_ref().and_then(|task| case.arn_of(task.as_str()));
        let raised = Raised::new(Code::SessionExecDenied, Subject::Event(said.it.event_id.clone()), State::Confirmed, text);
        let planted = said.it.planted.as_ref().map(investigation::BoundarySessionId::as_str);
        let raised = raised.at(Some(said.it.at)).principal(Some(&principal.arn)).task(arn).boundary(planted);
        raiser.raise(raised.evidence([said.by.id.clone()]));
    }
    for said in &case.seen.refused_starts {
        let code = said.it.error_code.as_deref().unwrap_or("no reason");
        let text = format!("StartSession was refused: {}", super::bypass::shown(code));
        let arn = said.it.task_id.as_ref().and_then(|task| case.arn_of(task.as_str()));
        let raised = Raised::new(Code::SessionExecDenied, Subject::Event(said.it.event_id.clone()), State::Confirmed, text);
        let raised = raised.at(Some(said.it.at)).principal(Some(&said.it.principal.arn)).task(arn);
        raiser.raise(raised.evidence([said.by.id.clone()]));
    }
    outlived(case, raiser);
}

fn raised(code: Code, id: &str, view: &BoundaryView<'_>, state: State, text: String) -> Raised {
    let raised = Raised::new(code, Subject::BoundarySession(id.to_owned()), state, text);
    raised.at(view.created()).user(view.whole.user_id.as_deref()).evidence(view.fact_ids())
}

/// A session that ended without a shell.
fn unused(case: &Case<'_>, id: &str, view: &BoundaryView<'_>, raiser: &mut Raiser) {
    let (Some(from), Some(to)) = (view.created(), view.whole.ended) else { return };
    if view.whole.status != BoundaryStatus::Terminated {
        return;
    }
    let task = case.seen.task_of_session(&view.whole);
    let arn = task.and_then(|task| case.arn_of(task));
    let grade = case.context.trail_grade(arn, from, to.max(from));
    let due = to + case.context.trail_lag();
    let carried = view.whole.bytes_down().unwrap_or_default();
    if view.whole.active_from.is_none() {
        let text = "authorised, and never connected".to_owned();
        raiser.raise(raised(Code::SessionUnused, id, view, State::Confirmed, text).task(arn));
    } else if let Some(state) = state_of_absence(grade, due, case.context.now).filter(|state| *state > State::Open) {
        let basis = Basis { source: Source::CloudTrail, from, to, grade };
        let (code, text) = if carried < IDLE {
            (Code::SessionUnused, "connected, and no shell was opened".to_owned())
        } else {
            (Code::CloudTrailGap, format!("{carried} bytes passed through it, and CloudTrail has no shell for it"))
        };
        // What it carried may have been a shell past every key: then that one is reported.
        if code == Code::SessionUnused || !has_unlinked_shell(case, task) {
            raiser.raise(raised(code, id, view, state, text).task(arn).basis(basis));
        }
    }
}

fn has_unlinked_shell(case: &Case<'_>, task: Option<&str>) -> bool {
    task.is_some_and(|task| case.shells_of(task).iter().any(|(id, _)| case.boundary_of(id).is_none()))
}

/// A session that Boundary forgot, or never showed, before it was read.
fn lost(case: &Case<'_>, id: &str, view: &BoundaryView<'_>, raiser: &mut Raiser) {
    let ended = view.whole.status == BoundaryStatus::Terminated;
    if let Some(at) = view.removed.filter(|_| !ended) {
        let text = format!("Boundary deleted it before its end was read (seen gone at {at})");
        raiser.raise(raised(Code::BoundaryHarvestGap, id, view, State::Confirmed, text));
        return;
    }
    let made = view.events.iter().find(|said| said.it.kind == BoundaryEventKind::AuthorizeSession && said.it.was_done());
    let (Some(made), true) = (made, view.readings.is_empty()) else { return };
    // Boundary keeps it for its life and an hour more: only then is it lost.
    let due = made.it.at + case.context.boundary_lag();
    let has_api = case.context.coverage.has(Source::BoundaryApi);
    if has_api && case.context.now >= due {
        let text = "an audit event says that it was authorised, and the API never showed it".to_owned();
        raiser.raise(raised(Code::BoundaryHarvestGap, id, view, State::Confirmed, text).user(made.it.user_id.as_deref()));
    }
}

/// Shells that went on after their Boundary session.
fn outlived(case: &Case<'_>, raiser: &mut Raiser) {
    let tolerance = SignedDuration::from_secs(case.context.policy.outlive_tolerance_seconds.max(0)) + case.context.skew();
    for id in case.links.exact.keys() {
        let view = &case.seen.ssm[id];
        let Some(session) = case.linked(id) else { continue };
        let Some((shell, boundary)) = view.ended_by_aws().zip(session.whole.ended) else { continue };
        if shell > boundary + tolerance {
            let seconds = shell.duration_since(boundary).as_secs();
            let text = format!("the shell went on for {seconds} s after its Boundary session had ended");
            let raised = Raised::of_shell(Code::SessionOutlivesBoundary, id, State::Confirmed, text);
            let raised = raised.at(Some(boundary)).task(case.task_arn(view).as_deref());
            raiser.raise(raised.evidence(view.fact_ids()).evidence(session.fact_ids()));
        }
    }
}

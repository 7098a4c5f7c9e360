//! Shells that were opened past Boundary, and links that cannot be true.

use super::Case;
use super::raise::{Raised, Raiser, state_of_absence};
use crate::account::LinkGrade;
use crate::finding::{Basis, Code, State, Subject};
use crate::link::{Claim, Refused};
use crate::moment::after;
use crate::observe::SsmView;
use audit_facts::{Grade, Source, SsmSessionId};
use jiff::Timestamp;

pub(super) fn judge(case: &Case<'_>, raiser: &mut Raiser) {
    for (id, view) in &case.seen.ssm {
        started_past_ecs(case, id, view, raiser);
        refused_claims(case, id, view, raiser);
        executed_past_boundary(case, id, view, raiser);
        never_made(case, id, view, raiser);
    }
    for (boundary, why) in &case.links.contested {
        let claimants = case.links.exact.iter().filter(|(_, link)| link.boundary == *boundary);
        let facts = claimants.flat_map(|(id, _)| case.seen.ssm[id].fact_ids()).chain(case.seen.boundary[boundary].fact_ids());
        let subject = Subject::BoundarySession(boundary.clone());
        raiser.raise(Raised::new(Code::LinkContested, subject, State::Confirmed, why.clone()).evidence(facts));
    }
    for id in &case.links.divided {
        let text = "its claims name several Boundary sessions".to_owned();
        raiser.raise(Raised::of_shell(Code::LinkContested, id, State::Confirmed, text).evidence(case.seen.ssm[id].fact_ids()));
    }
}

/// StartSession by anybody but ECS; also one that only SSM knows of.
fn started_past_ecs(case: &Case<'_>, id: &SsmSessionId, view: &SsmView<'_>, raiser: &mut Raiser) {
    let by_owner = |said: &&crate::observe::Said<'_, audit_facts::SsmSession>| {
        said.it.task_id.is_some() && !said.it.owner.is_empty() && !is_ecs_owner(&said.it.owner) && !id.is_of_ecs_exec()
    };
    let called = view.starts.iter().find(|said| said.it.task_id.is_some());
    let owned = view.described.iter().find(by_owner).filter(|_| view.executions.is_empty());
    let principal = match (called, owned) {
        (Some(said), _) => said.it.principal.arn.as_str(),
        (None, Some(said)) => said.it.owner.as_str(),
        (None, None) => return,
    };
    let glass = case.context.policy.is_break_glass(principal);
    let code = if glass { Code::BreakGlassUsed } else { Code::BypassStartSession };
    let text = format!("StartSession by {} in a task's container went past ECS Exec and its log", shown(principal));
    let raised = Raised::of_shell(code, id, State::Confirmed, text).principal(Some(principal));
    raiser.raise(raised.at(view.started()).task(case.task_arn(view).as_deref()).evidence(view.fact_ids()));
}

/// SSM shows ECS's own sessions under the role of ECS, or under a session name that it gives itself.
fn is_ecs_owner(owner: &str) -> bool {
    owner.contains("AWSServiceRoleForECS") || owner.contains("ecs-execute-command")
}

/// Claims that cannot be true.
fn refused_claims(case: &Case<'_>, id: &SsmSessionId, view: &SsmView<'_>, raiser: &mut Raiser) {
    let refused = case.links.claims.get(id).into_iter().flatten().filter_map(|claim| Some((claim, claim.refused?)));
    for (claim, why) in refused {
        raiser.raise(of_refusal(case, id, view, claim, why));
    }
}

fn of_refusal(case: &Case<'_>, id: &SsmSessionId, view: &SsmView<'_>, claim: &Claim, why: Refused) -> Raised {
    let boundary = shown(&claim.boundary);
    let (code, state, text) = match why {
        Refused::NoSuchSession(grade) => {
            let state = if grade == Grade::Proved { State::Confirmed } else { State::Provisional };
            let read = read_words(grade);
            (Code::LinkForged, state, format!("{} names {boundary}, which is none of {read}", claim.method.word()))
        }
        Refused::OtherTime => {
            let text =
                format!("{} names {boundary}, which did not live then by the times that Boundary gives", claim.method.word());
            (Code::LinkForged, State::Confirmed, text)
        }
        Refused::RecordOfOtherTime => {
            (Code::LinkForged, State::Confirmed, format!("the wrapper's record that names {boundary} is of another time"))
        }
        Refused::OtherTask => {
            let text = format!("{} names {boundary}, whose target is another task's", claim.method.word());
            (Code::TargetTaskMismatch, State::Confirmed, text)
        }
    };
    let raised = Raised::of_shell(code, id, state, text).boundary(Some(&claim.boundary)).evidence(claim.facts.iter().cloned());
    let raised = raised.at(view.started()).task(case.task_arn(view).as_deref()).evidence(view.fact_ids());
    match (why, view.started()) {
        (Refused::NoSuchSession(grade), Some(at)) => raised.basis(boundary_basis(at, grade)),
        _ => raised,
    }
}

/// A shell in a managed task without a Boundary session.
fn executed_past_boundary(case: &Case<'_>, id: &SsmSessionId, view: &SsmView<'_>, raiser: &mut Raiser) {
    let Some(at) = view.started() else { return };
    let by_exec = !view.executions.is_empty() || (view.starts.is_empty() && !view.described.is_empty());
    let has_claims = !case.links.is_unclaimed(id);
    if !by_exec || has_claims || !is_managed(case, view) || raiser.has(Code::BypassStartSession, id) {
        return;
    }
    let inferred = case.inferred.get(id);
    // Who only SSM knows of cannot be told from others: any candidate explains it.
    let explained = inferred.is_some_and(|it| it.grade == LinkGrade::Strong || view.executions.is_empty());
    if explained {
        return;
    }
    let principal = view.executions.first().map(|said| said.it.principal.arn.as_str());
    if let Some(arn) = principal.filter(|arn| case.context.policy.is_break_glass(arn)) {
        let text = format!("{} entered past Boundary; it is on the break-glass list", shown(arn));
        let raised = Raised::of_shell(Code::BreakGlassUsed, id, State::Confirmed, text).principal(principal);
        raiser.raise(raised.at(Some(at)).task(case.task_arn(view).as_deref()).evidence(view.fact_ids()));
        return;
    }
    let grade = case.context.boundary_grade(at, at);
    let Some(mut state) = state_of_absence(grade, at + case.context.boundary_lag(), case.context.now) else { return };
    let who = shown(principal.unwrap_or("somebody"));
    let mut text = format!("{who} opened a shell, and none of {} belongs to it", read_words(grade));
    if let Some(inferred) = inferred {
        state = state.min(State::Provisional);
        text.push_str(&format!("; {} would fit, too weakly to clear it", shown(&inferred.boundary)));
    }
    let raised = Raised::of_shell(Code::BypassExec, id, state, text).principal(principal).basis(boundary_basis(at, grade));
    raiser.raise(raised.at(Some(at)).task(case.task_arn(view).as_deref()).evidence(view.fact_ids()));
}

/// A session that only the client's record knows, although everything of AWS's was read.
fn never_made(case: &Case<'_>, id: &SsmSessionId, view: &SsmView<'_>, raiser: &mut Raiser) {
    let Some(end) = view.link_end().filter(|_| !view.is_known_to_aws() && view.transcripts.is_empty()) else { return };
    let from = view.link_start().map_or(end.at, |start| start.at).min(end.at);
    let grade = case.context.trail_grade(case.arn_of(end.task_id.as_ref().map_or("", |id| id.as_str())), from, end.at);
    let due = after(end.at, case.context.trail_lag());
    if grade != Grade::Proved || case.context.now < due {
        return;
    }
    let text =
        "a wrapper's record names an SSM session that nothing of AWS's knows, and CloudTrail of that time is proved".to_owned();
    let basis = Basis { source: Source::CloudTrail, from, to: end.at, grade };
    raiser.raise(Raised::of_shell(Code::LinkForged, id, State::Confirmed, text).evidence(view.fact_ids()).basis(basis));
}

/// Whether entering the task is Boundary's matter.
pub(super) fn is_managed(case: &Case<'_>, view: &SsmView<'_>) -> bool {
    let task = view.task_id().and_then(|id| case.seen.tasks.get(id));
    case.context.policy.all_tasks_managed || task.is_some_and(|task| !task.targets.is_empty() || task.is_tagged())
}

fn boundary_basis(at: Timestamp, grade: Grade) -> Basis {
    Basis { source: Source::BoundaryApi, from: at, to: at, grade }
}

/// What was looked through for a Boundary session, and how sure it is that this was all.
fn read_words(grade: Grade) -> &'static str {
    match grade {
        Grade::Proved => "the Boundary sessions that were read (coverage then: proved)",
        Grade::BestEffort => "the Boundary sessions that were read (coverage then: best effort, so one may be missing)",
        Grade::None => "the Boundary sessions that were read (coverage then: none, so one may well be missing)",
    }
}

/// A remote text without anything that a terminal or page could act on.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(|c| if c.is_control() { '\u{fffd}'.to_string().chars().collect() } else { vec![c] }).collect()
}

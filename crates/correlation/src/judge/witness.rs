//! What each witness says on an account.
//!
//! A witness that could not know, or was not read, is not applicable: silence counts only where speech was due.

use super::Case;
use super::log::{Comparison, compare};
use super::raise::Raiser;
use crate::account::{Account, Assurance, Method, Testimony, Word};
use crate::finding::Code;
use crate::observe::SsmView;
use audit_facts::{Grade, SsmSessionId, Witness};

pub(super) fn hear(case: &Case<'_>, account: &Account, raiser: &Raiser) -> Vec<Testimony> {
    let Some(id) = &account.ssm_session_id else { return alone(account) };
    let view = &case.seen.ssm[id];
    let words = [
        (Witness::Aws, aws(case, view)),
        (Witness::Operator, operator(case, account, id, raiser)),
        (Witness::Container, container(view, id, raiser)),
        (Witness::Client, client(case, view, id, raiser)),
    ];
    words.into_iter().map(|(witness, (word, why))| Testimony { witness, word, why: why.to_owned() }).collect()
}

/// A Boundary session without a shell: only Boundary speaks.
fn alone(account: &Account) -> Vec<Testimony> {
    let says = |witness, word, why: &str| Testimony { witness, word, why: why.to_owned() };
    let aws = if account.assurance == Assurance::None { "no shell in CloudTrail" } else { "CloudTrail was not read" };
    vec![
        says(Witness::Aws, Word::NotApplicable, aws),
        says(Witness::Operator, Word::Agrees, "Boundary shows the session"),
        says(Witness::Container, Word::NotApplicable, "no shell"),
        says(Witness::Client, Word::NotApplicable, "no shell"),
    ]
}

fn aws(case: &Case<'_>, view: &SsmView<'_>) -> (Word, &'static str) {
    match (view.is_in_trail(), view.described.is_empty()) {
        (true, false) => (Word::Agrees, "CloudTrail and SSM have it"),
        (true, true) => (Word::Agrees, "CloudTrail has it"),
        (false, false) => (Word::Agrees, "SSM has it"),
        (false, true) => {
            let at = view.some_moment();
            let covered = at.is_some_and(|at| case.context.trail_grade(case.task_arn(view).as_deref(), at, at) > Grade::None);
            if covered {
                (Word::Silent, "CloudTrail was read and does not have it")
            } else {
                (Word::NotApplicable, "CloudTrail was not read")
            }
        }
    }
}

fn operator(case: &Case<'_>, account: &Account, id: &SsmSessionId, raiser: &Raiser) -> (Word, &'static str) {
    let contested = account.boundary_session_id.as_deref().is_some_and(|id| raiser.has_boundary(Code::LinkContested, id));
    let refused = [Code::LinkForged, Code::TargetTaskMismatch, Code::LinkContested].iter().any(|code| raiser.has(*code, id));
    match account.assurance {
        _ if contested || refused => (Word::Disagrees, "what is claimed and what Boundary shows do not fit"),
        _ if raiser.has(Code::IdentityMismatch, id) => (Word::Disagrees, "Boundary's user is another person"),
        _ if raiser.has(Code::LogOversize, id) => (Word::Disagrees, "fewer bytes passed than were logged"),
        Assurance::Unknown => (Word::NotApplicable, "Boundary was not read for that time"),
        Assurance::None => (Word::Silent, "Boundary has no session for it"),
        Assurance::Inferred if account.method == Method::Assignment => (Word::NotApplicable, "its session is only inferred"),
        _ if case.linked(id).is_none() => (Word::NotApplicable, "the session that is named was not read"),
        _ => (Word::Agrees, "Boundary's session, target and times fit"),
    }
}

fn container(view: &SsmView<'_>, id: &SsmSessionId, raiser: &Raiser) -> (Word, &'static str) {
    let bad = [Code::LogTampered, Code::LogTruncated, Code::LogRewritten, Code::LogEmpty, Code::LogDuplicate];
    if bad.iter().any(|code| raiser.has(*code, id)) {
        return (Word::Disagrees, "the log is not what it should be");
    }
    let log = view.transcript();
    match (log, view.link_end().zip(log)) {
        (None, _) if raiser.has(Code::SessionNoLog, id) => (Word::Silent, "there is no log"),
        (None, _) => (Word::NotApplicable, "no log was read, and none is due"),
        (Some(_), Some((end, log))) if compare(log.it, end) == Comparison::Equal => {
            (Word::Agrees, "the log is what the client saw")
        }
        (Some(_), _) => (Word::Agrees, "there is a log, and nothing speaks against it"),
    }
}

fn client(case: &Case<'_>, view: &SsmView<'_>, id: &SsmSessionId, raiser: &Raiser) -> (Word, &'static str) {
    let Some(end) = view.link_end() else {
        return (Word::NotApplicable, "no record of a wrapper was read");
    };
    let claimed = end.boundary_session_id.as_ref().map(investigation::BoundarySessionId::as_str);
    let linked = case.links.exact.get(id).map(|link| link.boundary.as_str());
    match (claimed, linked) {
        _ if raiser.has(Code::LinkForged, id) => (Word::Disagrees, "its record cannot be true"),
        (Some(claimed), Some(linked)) if claimed != linked => (Word::Disagrees, "its record names another Boundary session"),
        _ if raiser.has(Code::LogTampered, id) => (Word::Disagrees, "it saw something else than the log has"),
        _ if is_contradicted(view) => (Word::Disagrees, "there are two records of this session, and they differ"),
        _ => (Word::Agrees, "the wrapper's record fits"),
    }
}

/// Whether two records tell of one session, by whoever wrote the second: one wrapper writes one beginning and one end.
fn is_contradicted(view: &SsmView<'_>) -> bool {
    view.link_ends.windows(2).any(|pair| pair[0].it != pair[1].it)
        || view.link_starts.windows(2).any(|pair| pair[0].it != pair[1].it)
}

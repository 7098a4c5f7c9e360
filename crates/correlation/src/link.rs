//! Which Boundary session an SSM session claims to belong to, and whether the claim can be true.
//!
//! Owns the exact keys: what was planted or recorded, its validation against target, time and bytes, and its assurance.

use crate::account::{Assurance, Method};
use crate::judge::Context;
use crate::moment::{after, before};
use crate::observe::{BoundaryView, Observed, SsmView};
use crate::person::same;
use audit_facts::{Grade, SsmSessionId};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a payload that need a header of their own, and the header (agent source: 1024 and 120).
const PAYLOAD: u64 = 1024;
const HEADER: u64 = 120;
/// The least that a data channel brings down before the first output: the gateway's certificate chain and the handshake.
const OPENING: u64 = 2_000;
/// How far a client's clock may be off when nothing is known of its host.
const UNKNOWN_HOST: SignedDuration = SignedDuration::from_mins(10);

/// How far a clock may have been moved, when the record is otherwise that of the session.
const MOVED_CLOCK: SignedDuration = SignedDuration::from_hours(14);
/// By how much the lengths of a record and its session may differ: the dial before it and the settling after it.
const SAME_LENGTH: SignedDuration = SignedDuration::from_mins(1);

/// Reasons of Boundary's for which a connection's bytes were counted to the end.
const COUNTED: [&str; 1] = ["closed by end-user"];
/// Reasons of Boundary's for which a session's end was no cut. `canceled` is also how `boundary connect` ends.
const NORMAL_ENDS: [&str; 3] = ["closed by end-user", "connection limit", "canceled"];

/// Why a claim cannot be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    /// There is no such Boundary session.
    NoSuchSession(Grade),
    /// It did not live at that time.
    OtherTime,
    /// Its target is another task's.
    OtherTask,
    /// The record's own times are not those of the session that it names.
    RecordOfOtherTime,
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) method: Method,
    pub(crate) boundary: String,
    pub(crate) facts: BTreeSet<String>,
    pub(crate) refused: Option<Refused>,
}

/// A claim that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) boundary: String,
    pub(crate) method: Method,
    pub(crate) assurance: Assurance,
}

/// What the claims of a case come to.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) claims: BTreeMap<SsmSessionId, Vec<Claim>>,
    /// The claims that hold, one a session.
    pub(crate) exact: BTreeMap<SsmSessionId, Link>,
    /// How many of them lead to each Boundary session.
    pub(crate) sharers: BTreeMap<String, usize>,
    /// Boundary sessions for which more is claimed than passed through them, with why.
    pub(crate) contested: BTreeMap<String, String>,
    /// SSM sessions whose claims name several Boundary sessions.
    pub(crate) divided: BTreeSet<SsmSessionId>,
}

impl Links {
    /// Finds and validates the claims of a case.
    pub(crate) fn of(seen: &Observed<'_>, context: &Context<'_>) -> Self {
        let mut links = Self::default();
        for (id, view) in &seen.ssm {
            let claims = claims(seen, view, context);
            if let Some(link) = accepted(&claims, context) {
                links.exact.insert(id.clone(), link);
            }
            let ids: BTreeSet<&str> = claims.iter().filter(|it| it.refused.is_none()).map(|it| it.boundary.as_str()).collect();
            if ids.len() > 1 {
                links.divided.insert(id.clone());
            }
            links.claims.insert(id.clone(), claims);
        }
        links.weigh(seen, context);
        links
    }

    /// Whether nothing at all claims a Boundary session for it.
    pub(crate) fn is_unclaimed(&self, id: &SsmSessionId) -> bool {
        self.claims.get(id).is_none_or(Vec::is_empty)
    }

    /// Lays what is claimed beside what passed through Boundary.
    fn weigh(&mut self, seen: &Observed<'_>, context: &Context<'_>) {
        let mut claimants: BTreeMap<&str, Vec<&SsmSessionId>> = BTreeMap::new();
        for (id, link) in &self.exact {
            claimants.entry(&link.boundary).or_default().push(id);
        }
        let mut verdicts: Vec<(SsmSessionId, Assurance)> = Vec::new();
        for (boundary, ids) in claimants {
            let Some(session) = seen.boundary.get(boundary) else { continue };
            let views: Vec<&SsmView<'_>> = ids.iter().filter_map(|id| seen.ssm.get(*id)).collect();
            let why = overclaimed(session, &views);
            let holds = why.is_none() && covers(session, &views);
            self.sharers.insert(boundary.to_owned(), ids.len());
            if let Some(why) = why {
                self.contested.insert(boundary.to_owned(), why);
            }
            for (id, view) in ids.into_iter().zip(views) {
                // A colleague behind the same address is still another person: his id is only asserted.
                let same_person = same_user(view, session, context) != Some(false);
                if holds && same_person && address_agrees(session, view) == Some(true) {
                    verdicts.push((id.clone(), Assurance::Corroborated));
                }
            }
        }
        for (id, assurance) in verdicts {
            if let Some(link) = self.exact.get_mut(&id).filter(|link| link.assurance == Assurance::Asserted) {
                link.assurance = assurance;
            }
        }
        let (divided, contested) = (&self.divided, &self.contested);
        for (id, link) in &mut self.exact {
            if divided.contains(id) || contested.contains_key(&link.boundary) {
                link.assurance = link.assurance.min(Assurance::Asserted);
            }
        }
    }
}

/// All claims of a session, the strongest method first.
fn claims(seen: &Observed<'_>, view: &SsmView<'_>, context: &Context<'_>) -> Vec<Claim> {
    let mut found: BTreeMap<(Method, String), BTreeSet<String>> = BTreeMap::new();
    let mut add = |method: Method, id: Option<String>, fact: &str| {
        if let Some(id) = id {
            found.entry((method, id)).or_default().insert(fact.to_owned());
        }
    };
    let executed = view.executions.iter().map(|said| (&said.by.id, &said.it.principal));
    for (fact, principal) in executed.chain(view.starts.iter().map(|said| (&said.by.id, &said.it.principal))) {
        let assumption = context.directory.assumption(principal);
        add(Method::SourceIdentity, principal.session_in_source_identity().map(String::from), fact);
        add(Method::RoleSessionName, principal.session_in_name().map(String::from), fact);
        add(Method::SessionTag, assumption.and_then(|role| role.tagged.clone()).map(String::from), fact);
    }
    for said in &view.executions {
        add(Method::Command, said.it.planted.clone().map(String::from), &said.by.id);
    }
    for said in &view.link_ends {
        add(Method::LinkRecord, said.it.boundary_session_id.clone().map(String::from), &said.by.id);
    }
    for said in &view.digest_ends {
        add(Method::OutputDigest, said.it.boundary_session_id.clone().map(String::from), &said.by.id);
    }
    let judged = |((method, boundary), facts): ((Method, String), BTreeSet<String>)| {
        let refused = refusal(seen, view, method, &boundary, context);
        Claim { method, boundary, facts, refused }
    };
    found.into_iter().map(judged).collect()
}

/// Why a claim cannot be true; none when it can.
fn refusal(seen: &Observed<'_>, view: &SsmView<'_>, method: Method, boundary: &str, context: &Context<'_>) -> Option<Refused> {
    let started = view.started();
    if method == Method::LinkRecord && record_is_of_other_time(view, context) {
        return Some(Refused::RecordOfOtherTime);
    }
    let Some(session) = seen.boundary.get(boundary).filter(|session| session.has_been()) else {
        let at = started?;
        let grade = context.boundary_grade(at, at);
        return (grade > Grade::None && context.now >= at + context.boundary_lag()).then_some(Refused::NoSuchSession(grade));
    };
    let tasks = view.task_id().zip(seen.task_of_session(&session.whole));
    if tasks.is_some_and(|(one, other)| one != other) {
        return Some(Refused::OtherTask);
    }
    let started = started?;
    let skew = context.skew();
    // CloudTrail tells whole seconds.
    let late_start = started + SignedDuration::from_secs(1) + skew;
    let too_early = session.created().is_some_and(|created| late_start < created);
    let too_late = session.whole.ended.or(session.removed).is_some_and(|ended| started > ended + skew);
    (too_early || too_late).then_some(Refused::OtherTime)
}

/// Whether the wrapper's record tells times in which the session that it names did not live, its clock allowed for.
fn record_is_of_other_time(view: &SsmView<'_>, context: &Context<'_>) -> bool {
    let Some(started) = view.started() else { return false };
    let Some(end) = view.link_end() else { return false };
    let (offset, slack) =
        view.link_start().and_then(|start| context.skews.of_host(&start.host)).unwrap_or((SignedDuration::ZERO, UNKNOWN_HOST));
    let told = |at: Timestamp| before(at, offset);
    let begun_later = view.link_start().is_some_and(|start| told(start.at) > after(started, slack));
    let ended_earlier = after(told(end.at), slack) < started;
    (begun_later || ended_earlier) && !is_moved_clock(view, started)
}

/// Whether the record is that of the session by a clock that was wrong that day: as long, and within hours of it.
fn is_moved_clock(view: &SsmView<'_>, started: Timestamp) -> bool {
    let (Some(start), Some(end), Some(ended)) = (view.link_start(), view.link_end(), view.ended_by_aws()) else { return false };
    let (told, true_length) = (end.at.duration_since(start.at), ended.duration_since(started));
    (told - true_length).abs() <= SAME_LENGTH && start.at.duration_since(started).abs() <= MOVED_CLOCK
}

/// The claim that counts, with what its method is worth.
fn accepted(claims: &[Claim], context: &Context<'_>) -> Option<Link> {
    // A claim that cannot be true makes the others of the same session no truer, but it does not take them away either.
    let claim = claims.iter().filter(|claim| claim.refused.is_none()).min_by_key(|claim| claim.method)?;
    let enforced = match claim.method {
        Method::SourceIdentity => context.policy.source_identity_enforced,
        Method::RoleSessionName => context.policy.session_name_enforced,
        _ => false,
    };
    let assurance = if enforced { Assurance::Attested } else { Assurance::Asserted };
    Some(Link { boundary: claim.boundary.clone(), method: claim.method, assurance })
}

/// Why more is claimed than passed; none when it fits, or cannot be said.
fn overclaimed(session: &BoundaryView<'_>, views: &[&SsmView<'_>]) -> Option<String> {
    if !session.whole.is_final() {
        return None;
    }
    let connections = session.whole.connections.as_deref().unwrap_or_default();
    if views.len() > connections.len() {
        return Some(format!("{} shells claim it, and it had {} connections", views.len(), connections.len()));
    }
    let down = session.whole.bytes_down()?;
    let least = least_of_all(views);
    let by_client = views.iter().all(|view| view.transcripts.is_empty());
    // One shell with a log that is too long is the log's matter.
    ((views.len() > 1 || by_client) && bytes_count(session) && least > down)
        .then(|| format!("its shells brought {least} bytes at least, and {down} passed through it"))
}

/// Whether the bytes were counted to the end, so that they can be held against a claim.
pub(crate) fn bytes_count(session: &BoundaryView<'_>) -> bool {
    let connections = session.whole.connections.as_deref().unwrap_or_default();
    let normal = session.whole.termination_reason.as_deref().is_none_or(|reason| NORMAL_ENDS.contains(&reason));
    session.whole.is_final() && normal && connections.iter().all(|it| COUNTED.contains(&it.closed_reason.as_str()))
}

/// Whether what passed suffices for all that is claimed.
pub(crate) fn covers(session: &BoundaryView<'_>, views: &[&SsmView<'_>]) -> bool {
    let least = least_of_all(views);
    session.whole.is_final() && session.whole.bytes_down().is_some_and(|down| least <= down)
}

fn least_of_all(views: &[&SsmView<'_>]) -> u64 {
    views.iter().fold(0, |sum, view| sum.saturating_add(least_bytes(view)))
}

/// The least that a shell's output takes on the way down.
pub(crate) fn least_bytes(view: &SsmView<'_>) -> u64 {
    let logged = view.transcript().map(|said| said.it.canonical_bytes);
    let shown = logged.or_else(|| view.link_end().map(|end| end.bytes_out)).unwrap_or_default();
    shown.saturating_add(shown.div_ceil(PAYLOAD).saturating_mul(HEADER)).saturating_add(OPENING)
}

/// Whether the person who executed is the Boundary user; none when one of them is not known.
pub(crate) fn same_user(view: &SsmView<'_>, session: &BoundaryView<'_>, context: &Context<'_>) -> Option<bool> {
    let user = context.directory.user(session.whole.user_id.as_deref())?;
    let mut people = view.executions.iter().filter_map(|said| context.directory.principal(&said.it.principal, context.policy));
    people.next().map(|names| same(user, &names))
}

/// Whether AWS and Boundary saw the same client address; none when one of them saw none.
pub(crate) fn address_agrees(session: &BoundaryView<'_>, view: &SsmView<'_>) -> Option<bool> {
    let addresses = session.addresses();
    let seen: BTreeSet<&str> = view.executions.iter().filter_map(|said| said.it.principal.client_address.as_deref()).collect();
    (!addresses.is_empty() && !seen.is_empty()).then(|| addresses.intersection(&seen).next().is_some())
}

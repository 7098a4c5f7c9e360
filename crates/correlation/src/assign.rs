//! What no key joins: the most likely one-to-one assignment of shells to Boundary sessions of the same task.
//!
//! Owns the likelihoods and the grades. A Boundary session that has an exact link is never assigned to another shell, and what is
//! assigned is an inference however good it looks.

use crate::account::{Features, LinkGrade};
use crate::judge::Context;
use crate::link::{Links, address_agrees, bytes_count, covers, same_user};
use crate::matching::{Edge, assign};
use crate::observe::{BoundaryView, Observed, SsmView};
use audit_facts::SsmSessionId;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Boundary sessions that a shell is compared with in the end; those that fit best on their own.
const CANDIDATES: usize = 16;
/// Logarithm of the density, per second, of a start or end that has nothing to do with the other one's: once in ten minutes.
const CHANCE: f64 = -6.4;
/// The share of starts and ends that follow no habit: later retries, idle shells, lost clients.
const UNUSUAL: f64 = 0.05;
/// The density, per second, of unusual gaps: somewhere in twenty minutes.
const UNUSUAL_DENSITY: f64 = 1.0 / 1200.0;
/// How much a shared name speaks for it, and another one against it: logarithms of likelihood ratios.
const SAME_USER: f64 = 3.0;
const OTHER_USER: f64 = -6.0;
/// The same for client addresses, which an office shares and a proxy changes.
const SAME_ADDRESS: f64 = 1.5;
const OTHER_ADDRESS: f64 = -1.0;
/// By how much the best must be above the next to be clear, and within how much another counts as an alternative.
const CLEAR: f64 = 3.0;
/// Below this much above the next it could as well be the other.
const UNCLEAR: f64 = 1.0;
/// The least that a strong link's own likelihood speaks for it.
const GOOD: f64 = 4.0;

/// An assignment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inferred {
    pub(crate) boundary: String,
    pub(crate) grade: LinkGrade,
    pub(crate) alternatives: u32,
    pub(crate) features: Features,
}

/// A Boundary session that could be a shell's.
#[derive(Debug, Clone)]
struct Candidate {
    column: usize,
    score: f64,
    features: Features,
}

/// Assigns what has no key.
pub(crate) fn infer(seen: &Observed<'_>, links: &Links, context: &Context<'_>) -> BTreeMap<SsmSessionId, Inferred> {
    let linked: BTreeSet<&str> = links.exact.values().map(|link| link.boundary.as_str()).collect();
    let mut boundary: BTreeMap<&str, Vec<(&str, &BoundaryView<'_>)>> = BTreeMap::new();
    for (id, view) in seen.boundary.iter().filter(|(id, view)| !linked.contains(id.as_str()) && view.whole.active_from.is_some())
    {
        if let Some(task) = seen.task_of_session(&view.whole) {
            boundary.entry(task).or_default().push((id, view));
        }
    }
    let mut shells: BTreeMap<&str, Vec<(&SsmSessionId, &SsmView<'_>)>> = BTreeMap::new();
    for (id, view) in
        seen.ssm.iter().filter(|(id, view)| links.is_unclaimed(id) && view.is_known_to_aws() && view.starts.is_empty())
    {
        if let Some(task) = view.task_id() {
            shells.entry(task).or_default().push((id, view));
        }
    }
    let mut inferred = BTreeMap::new();
    for (task, shells) in shells {
        if let Some(sessions) = boundary.get_mut(task) {
            sessions.sort_by_key(|(id, view)| (view.whole.active_from, *id));
            in_task(&shells, sessions, context, &mut inferred);
        }
    }
    inferred
}

/// Assigns within one task.
fn in_task(
    shells: &[(&SsmSessionId, &SsmView<'_>)],
    sessions: &[(&str, &BoundaryView<'_>)],
    context: &Context<'_>,
    inferred: &mut BTreeMap<SsmSessionId, Inferred>,
) {
    let reach = reach(sessions);
    let candidates: Vec<Vec<Candidate>> = shells.iter().map(|(_, view)| candidates(view, sessions, &reach, context)).collect();
    let edge = |candidate: &Candidate| Edge { column: candidate.column, weight: candidate.score };
    let edges: Vec<Vec<Edge>> = candidates.iter().map(|row| row.iter().map(edge).collect()).collect();
    let mut rivals: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for (row, candidate) in candidates.iter().enumerate().flat_map(|(row, list)| list.iter().map(move |it| (row, it))) {
        rivals.entry(candidate.column).or_default().push((row, candidate.score));
    }
    for (row, column) in assign(&edges, sessions.len()).into_iter().enumerate() {
        let Some(best) = column.and_then(|column| candidates[row].iter().find(|it| it.column == column)) else { continue };
        let others = candidates[row].iter().filter(|it| it.column != best.column).map(|it| it.score);
        let near = others.clone().filter(|score| *score > best.score - CLEAR).count();
        let rivals = rivals.get(&best.column).into_iter().flatten().filter(|(other, _)| *other != row).map(|(_, score)| *score);
        let next = others.chain(rivals).max_by(f64::total_cmp);
        let mut features = best.features;
        features.margin = next.map(|next| best.score - next);
        let grade = grade(best.score, &features);
        let alternatives = u32::try_from(near).unwrap_or(u32::MAX);
        let boundary = sessions[best.column].0.to_owned();
        inferred.insert(shells[row].0.clone(), Inferred { boundary, grade, alternatives, features });
    }
}

/// For each session the latest end of it and all before it; none where one of them has not ended.
fn reach(sessions: &[(&str, &BoundaryView<'_>)]) -> Vec<Option<Timestamp>> {
    let mut latest = Some(Timestamp::MIN);
    let mut grow = |session: &BoundaryView<'_>| {
        latest = latest.zip(session.whole.ended).map(|(latest, ended)| latest.max(ended));
        latest
    };
    sessions.iter().map(|(_, session)| grow(session)).collect()
}

/// The Boundary sessions that a shell could belong to, best first.
fn candidates(
    view: &SsmView<'_>,
    sessions: &[(&str, &BoundaryView<'_>)],
    reach: &[Option<Timestamp>],
    context: &Context<'_>,
) -> Vec<Candidate> {
    let Some(started) = view.started() else { return Vec::new() };
    let skew = context.skew();
    // Sorted by their beginning: those that begin after the shell are out.
    let begun = sessions.partition_point(|(_, session)| session.whole.active_from.is_some_and(|from| from <= started + skew));
    let alive = |session: &BoundaryView<'_>| session.whole.ended.is_none_or(|ended| started <= ended + skew);
    // From the last that has begun backwards, until everything before has ended.
    let mut found: Vec<Candidate> = (0..begun)
        .rev()
        .take_while(|at| reach[*at].is_none_or(|latest| started <= latest + skew))
        .map(|column| (column, sessions[column].1))
        .filter(|(_, session)| alive(session))
        .filter_map(|(column, session)| candidate(column, view, session, started, context))
        .collect();
    found.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.column.cmp(&other.column)));
    found.truncate(CANDIDATES);
    found
}

fn candidate(
    column: usize,
    view: &SsmView<'_>,
    session: &BoundaryView<'_>,
    started: Timestamp,
    context: &Context<'_>,
) -> Option<Candidate> {
    let bytes_suffice = bytes_count(session).then(|| covers(session, &[view]));
    if bytes_suffice == Some(false) {
        return None;
    }
    let start_gap_seconds = started.duration_since(session.whole.active_from?).as_secs_f64();
    let ended = view.ended_by_aws().zip(session.whole.ended);
    let end_gap_seconds = ended.map(|(shell, session)| session.duration_since(shell).as_secs_f64());
    let features = Features {
        same_user: same_user(view, session, context),
        start_gap_seconds,
        end_gap_seconds,
        same_address: address_agrees(session, view),
        bytes_suffice,
        margin: None,
    };
    let score = score(&features, view.described.is_empty(), context);
    (score > 0.0).then_some(Candidate { column, score, features })
}

/// How much more likely the features are for a pair than for two strangers, as a logarithm.
fn score(features: &Features, whole_seconds: bool, context: &Context<'_>) -> f64 {
    let (mean, deviation) = context.skews.start;
    // CloudTrail's seconds are cut: the middle of the second is the best guess.
    let gap = features.start_gap_seconds + if whole_seconds { 0.5 } else { 0.0 };
    let habit = lognormal(gap.max(0.05), mean, deviation);
    let start = ((1.0 - UNUSUAL) * habit + UNUSUAL * UNUSUAL_DENSITY).ln() - CHANCE;
    let (median, spread) = context.skews.end;
    let end = features
        .end_gap_seconds
        .map_or(0.0, |gap| ((1.0 - UNUSUAL) * laplace(gap, median, spread) + UNUSUAL * UNUSUAL_DENSITY).ln() - CHANCE);
    let person = features.same_user.map_or(0.0, |same| if same { SAME_USER } else { OTHER_USER });
    let address = features.same_address.map_or(0.0, |same| if same { SAME_ADDRESS } else { OTHER_ADDRESS });
    start + end + person + address
}

fn lognormal(value: f64, mean: f64, deviation: f64) -> f64 {
    let z = (value.ln() - mean) / deviation;
    (-0.5 * z * z).exp() / (value * deviation * (2.0 * std::f64::consts::PI).sqrt())
}

fn laplace(value: f64, median: f64, spread: f64) -> f64 {
    (-(value - median).abs() / spread).exp() / (2.0 * spread)
}

fn grade(score: f64, features: &Features) -> LinkGrade {
    let margin = features.margin.unwrap_or(f64::INFINITY);
    let solid = features.same_user == Some(true) && features.bytes_suffice == Some(true) && features.same_address != Some(false);
    match () {
        () if margin < UNCLEAR => LinkGrade::Ambiguous,
        () if solid && score >= GOOD && margin >= CLEAR => LinkGrade::Strong,
        () => LinkGrade::Weak,
    }
}

//! The steps that take targets out of use, and away.
//!
//! Owns the way of an ended task's target: `live` → (`missing`) → `quarantined` → deleted, with the state in the target's
//! marker, so that any run on any host goes on from there. Quarantine is a worker filter that fits no worker: nobody opens a
//! new session, live ones keep theirs. Deletion waits until no session that ever was can live.

use super::draft::{Class, Draft, Found, described};
use super::fate::{self, Fate};
use super::holdings::Owned;
use super::live::change;
use super::step::{Action, FieldChange, Held, HeldBy, Level, Object, Operation, Reason, TargetChanges};
use crate::desire::{Desired, Without};
use crate::facts::{AliasFacts, Kind, RoleFacts, TargetFacts};
use crate::rules::OnActive;
use investigation::{Marker, MarkerState, TaskArn};
use jiff::{SignedDuration, Timestamp};

/// A worker filter that fits no worker.
pub const QUARANTINE_FILTER: &str = "\"/name\" == \"quarantined by target-sync\"";
/// How long ECS must not have known a task, over two scans at least.
const MISSING_FOR: SignedDuration = SignedDuration::from_mins(2);
/// How long after the last possible session a target stays: Boundary keeps an ended session for an hour, and the bridge reads
/// its target's id there.
const AFTER_SESSIONS: SignedDuration = SignedDuration::from_mins(90);

/// Plans the retirement of everything of ours that no running task uses.
pub(super) fn retire(draft: &mut Draft<'_>, desired: &Desired) {
    let targets: Vec<Owned<'_, TargetFacts>> = draft.holdings.targets.values().flatten().cloned().collect();
    for target in &targets {
        if !draft.used.contains(&target.facts.id) {
            retire_target(draft, desired, target);
        }
    }
    let roles: Vec<Owned<'_, RoleFacts>> = draft.holdings.roles.values().flatten().cloned().collect();
    for role in &roles {
        if !draft.holdings.targets.contains_key(&role.marker.task_arn) {
            retire_lone_role(draft, role);
        }
    }
    let aliases: Vec<Owned<'_, AliasFacts>> = draft.holdings.aliases.values().flatten().cloned().collect();
    for alias in &aliases {
        retire_lone_alias(draft, alias);
    }
}

fn retire_target(draft: &mut Draft<'_>, desired: &Desired, target: &Owned<'_, TargetFacts>) {
    let task_arn = &target.marker.task_arn;
    let fate = fate::of(draft.snapshot, task_arn);
    if let MarkerState::Quarantined(at) = target.marker.state {
        return go_on_from_quarantine(draft, target, at, fate);
    }
    let condemned = draft.condemned.get(&target.facts.id).copied();
    match (condemned, target.marker.state, fate) {
        (Some(reason), ..) => quarantine(draft, target, reason, false),
        (None, _, Fate::Dead) => quarantine(draft, target, Reason::TaskEnded, false),
        (None, MarkerState::Live, Fate::Missing) => mark_missing(draft, target),
        (None, MarkerState::Missing(since), Fate::Missing) if draft.now.duration_since(since) >= MISSING_FOR => {
            quarantine(draft, target, Reason::TaskMissing, true);
        }
        (None, _, Fate::Alive) => judge_refused(draft, desired, target),
        (None, _, Fate::Missing | Fate::Unknown | Fate::Uncovered) => {}
    }
}

/// A task that runs, but that desire gives no target.
fn judge_refused(draft: &mut Draft<'_>, desired: &Desired, target: &Owned<'_, TargetFacts>) {
    let task_arn = &target.marker.task_arn;
    match desired.without.get(task_arn) {
        Some(why @ (Without::NoExec | Without::NoContainer | Without::StartedBy | Without::NoDeadline)) => {
            let text = format!("its target is taken out of use: {why}");
            draft.note(Level::Alarm, "refused", Some(task_arn), Some(&target.facts.id), text);
            quarantine(draft, target, Reason::RefusedByRules, true);
        }
        Some(why @ (Without::NotOurs | Without::TagsPending)) => {
            let text = format!("its target stays as it is, but {why}");
            draft.note(Level::Warning, "tags_gone", Some(task_arn), Some(&target.facts.id), text);
        }
        Some(Without::Leaving | Without::ShortArn) | None => {}
    }
}

fn mark_missing(draft: &mut Draft<'_>, target: &Owned<'_, TargetFacts>) {
    let marker = Marker { state: MarkerState::Missing(draft.now), ..(*target.marker).clone() };
    let fields = TargetChanges { description: Some(remarked(target.facts, &marker)), ..TargetChanges::default() };
    let changes = vec![change("state", Some(&target.marker.state.to_string()), &marker.state.to_string())];
    update(draft, target, Action::MarkMissing, Reason::TaskMissing, changes, fields, Vec::new(), false);
}

pub(super) fn quarantine(draft: &mut Draft<'_>, target: &Owned<'_, TargetFacts>, reason: Reason, limited: bool) {
    let facts = target.facts;
    let most = target.marker.max_seconds.unwrap_or(draft.rules.session_cap).max(facts.session_max_seconds);
    let marker = Marker { state: MarkerState::Quarantined(draft.now), max_seconds: Some(most), ..(*target.marker).clone() };
    let fields = TargetChanges {
        description: Some(remarked(facts, &marker)),
        egress_worker_filter: Some(QUARANTINE_FILTER.to_owned()),
        ..TargetChanges::default()
    };
    let changes = vec![
        change("state", Some(&target.marker.state.to_string()), &marker.state.to_string()),
        change("egress_worker_filter", Some(&facts.egress_worker_filter), QUARANTINE_FILTER),
    ];
    let after = draft.moved_from.get(&facts.id).copied().into_iter().collect();
    let step = update(draft, target, Action::Quarantine, reason, changes, fields, after, limited);
    let withdrawn = withdraw(draft, target, reason, Some(step));
    let gone = drop_aliases(draft, target, reason, Some(step));
    let _ = plan_deletion(draft, target, due(draft.now, most), step.max(withdrawn.unwrap_or(0)).max(gone.unwrap_or(0)), reason);
}

/// The first run after a quarantine may have been cut short: what is lacking is done, and in its time the target goes.
fn go_on_from_quarantine(draft: &mut Draft<'_>, target: &Owned<'_, TargetFacts>, at: Timestamp, fate: Fate) {
    let facts = target.facts;
    let mut last = None;
    if facts.egress_worker_filter != QUARANTINE_FILTER {
        let changes = vec![change("egress_worker_filter", Some(&facts.egress_worker_filter), QUARANTINE_FILTER)];
        let fields = TargetChanges { egress_worker_filter: Some(QUARANTINE_FILTER.to_owned()), ..TargetChanges::default() };
        last = Some(update(draft, target, Action::Quarantine, Reason::Drift, changes, fields, Vec::new(), false));
    }
    let after = draft.moved_from.get(&facts.id).copied().or(last);
    let withdrawn = withdraw(draft, target, Reason::Drift, after);
    let gone = drop_aliases(draft, target, Reason::LeadsNowhere, after);
    let last = [last, withdrawn, gone].into_iter().flatten().max();
    if matches!(fate, Fate::Dead | Fate::Missing | Fate::Uncovered) {
        let most = target.marker.max_seconds.unwrap_or(draft.rules.session_cap).max(facts.session_max_seconds);
        plan_deletion(draft, target, due(at, most), last.unwrap_or(0), Reason::Expired);
    } else if fate == Fate::Unknown {
        let text = "its target is out of use and stays so: ECS no longer says whether the task has ended".to_owned();
        draft.note(Level::Info, "fate_unknown", Some(&target.marker.task_arn), Some(&facts.id), text);
    }
}

/// When the last session that the target ever permitted is over, and read.
fn due(quarantined: Timestamp, most_seconds: u32) -> Timestamp {
    let wait = SignedDuration::from_secs(i64::from(most_seconds)) + AFTER_SESSIONS;
    quarantined.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// Takes our principals out of the target's role.
fn withdraw(draft: &mut Draft<'_>, target: &Owned<'_, TargetFacts>, reason: Reason, after: Option<usize>) -> Option<usize> {
    if draft.condemned.get(&target.facts.id) == Some(&Reason::Duplicate) {
        return None;
    }
    let role = lone(draft.holdings.roles.get(&target.marker.task_arn))?;
    if role.facts.principals.is_empty() || draft.used.contains(&role.facts.id) {
        return None;
    }
    let facts = role.facts;
    let before = facts.principals.iter().map(String::as_str).collect::<Vec<_>>().join(" | ");
    let operation = Operation::SetPrincipals {
        role: Object::Id(facts.id.clone()),
        version: draft.version(&facts.id, facts.version),
        principal_ids: Vec::new(),
    };
    let changes = vec![change("principal_ids", Some(&before), "")];
    Some(push(
        draft,
        Action::Withdraw,
        Kind::Role,
        &facts.name,
        &facts.id,
        &target.marker.task_arn,
        reason,
        changes,
        None,
        after,
        operation,
    ))
}

/// Deletes our aliases that still lead to a quarantined target.
fn drop_aliases(draft: &mut Draft<'_>, target: &Owned<'_, TargetFacts>, reason: Reason, after: Option<usize>) -> Option<usize> {
    let leading = draft.holdings.leading_to(&target.facts.id);
    let mut last = None;
    for alias in leading {
        if !draft.used.insert(alias.id.clone()) {
            continue;
        }
        last = Some(delete_alias(draft, alias, &target.marker.task_arn, reason, after.into_iter().collect(), None));
    }
    last
}

pub(super) fn delete_alias(
    draft: &mut Draft<'_>,
    alias: &AliasFacts,
    task_arn: &TaskArn,
    reason: Reason,
    after: Vec<usize>,
    not_before: Option<Timestamp>,
) -> usize {
    let version = draft.version(&alias.id, alias.version);
    let operation = Operation::DeleteAlias { alias: Object::Id(alias.id.clone()), version };
    draft.push(Found {
        class: Class::Retire,
        action: Action::Delete,
        kind: Kind::Alias,
        name: alias.value.clone(),
        object: Some(Object::Id(alias.id.clone())),
        task_arn: task_arn.clone(),
        reason,
        changes: Vec::new(),
        not_before,
        after,
        operation,
        limited: false,
    })
}

/// Plans the deletion of role and target for when it is due; a session that is seen to live holds it back even then.
fn plan_deletion(
    draft: &mut Draft<'_>,
    target: &Owned<'_, TargetFacts>,
    due: Timestamp,
    after: usize,
    reason: Reason,
) -> Option<usize> {
    let (facts, task_arn) = (target.facts, &target.marker.task_arn);
    let reason = if due > draft.now { Reason::Expired } else { reason };
    let mut last = (after > 0).then_some(after);
    let sessions = draft.snapshot.boundary.live_sessions.get(&facts.id).cloned().unwrap_or_default();
    if due <= draft.now && !sessions.is_empty() {
        if draft.rules.on_active == OnActive::Defer {
            let (id, task_arn) = (Some(facts.id.clone()), task_arn.to_string());
            draft.hold(Held {
                by: HeldBy::LiveSession,
                action: Action::Delete,
                kind: Kind::Target,
                name: facts.name.clone(),
                id,
                task_arn,
            });
            return None;
        }
        for session in sessions {
            let operation = Operation::CancelSession { session_id: session.id.clone() };
            last = Some(push(
                draft,
                Action::Cancel,
                Kind::Session,
                &session.id,
                &session.id,
                task_arn,
                reason,
                Vec::new(),
                None,
                last,
                operation,
            ));
        }
    }
    let duplicate = draft.condemned.get(&facts.id) == Some(&Reason::Duplicate)
        || draft.holdings.targets.get(task_arn).is_some_and(|all| all.len() > 1);
    if !duplicate && let Some(role) = lone(draft.holdings.roles.get(task_arn)).filter(|role| !draft.used.contains(&role.facts.id))
    {
        draft.used.insert(role.facts.id.clone());
        let version = draft.version(&role.facts.id, role.facts.version);
        let operation = Operation::DeleteRole { role: Object::Id(role.facts.id.clone()), version };
        let RoleFacts { id, name, .. } = role.facts;
        last = Some(push(draft, Action::Delete, Kind::Role, name, id, task_arn, reason, Vec::new(), Some(due), last, operation));
    }
    let version = draft.version(&facts.id, facts.version);
    let operation = Operation::DeleteTarget { target: Object::Id(facts.id.clone()), version };
    Some(push(
        draft,
        Action::Delete,
        Kind::Target,
        &facts.name,
        &facts.id,
        task_arn,
        reason,
        Vec::new(),
        Some(due),
        last,
        operation,
    ))
}

/// A role whose target is not there authorises nothing; once its task has ended it goes.
fn retire_lone_role(draft: &mut Draft<'_>, role: &Owned<'_, RoleFacts>) {
    let task_arn = &role.marker.task_arn;
    let ended = matches!(fate::of(draft.snapshot, task_arn), Fate::Dead | Fate::Missing);
    if draft.used.contains(&role.facts.id) || !ended || draft.holdings.may_exist(Kind::Target, task_arn) {
        return;
    }
    let RoleFacts { id, name, version, .. } = role.facts;
    let operation = Operation::DeleteRole { role: Object::Id(id.clone()), version: draft.version(id, *version) };
    push(draft, Action::Delete, Kind::Role, name, id, task_arn, Reason::LeadsNowhere, Vec::new(), None, None, operation);
}

/// An alias that leads nowhere, or to what is not there, goes once its task has ended.
fn retire_lone_alias(draft: &mut Draft<'_>, alias: &Owned<'_, AliasFacts>) {
    let task_arn = alias.marker.task_arn.clone();
    let leads = draft.snapshot.boundary.targets.contains_key(&alias.facts.destination_id);
    let ended = matches!(fate::of(draft.snapshot, &task_arn), Fate::Dead | Fate::Missing);
    if leads || !ended || draft.used.contains(&alias.facts.id) || draft.holdings.may_exist(Kind::Target, &task_arn) {
        return;
    }
    delete_alias(draft, alias.facts, &task_arn, Reason::LeadsNowhere, Vec::new(), None);
}

#[expect(clippy::too_many_arguments, reason = "each is one column of the step")]
fn update(
    draft: &mut Draft<'_>,
    target: &Owned<'_, TargetFacts>,
    action: Action,
    reason: Reason,
    changes: Vec<FieldChange>,
    fields: TargetChanges,
    after: Vec<usize>,
    limited: bool,
) -> usize {
    let facts = target.facts;
    let version = draft.version(&facts.id, facts.version);
    draft.push(Found {
        class: Class::Retire,
        action,
        kind: Kind::Target,
        name: facts.name.clone(),
        object: Some(Object::Id(facts.id.clone())),
        task_arn: target.marker.task_arn.clone(),
        reason,
        changes,
        not_before: None,
        after,
        operation: Operation::UpdateTarget { target: Object::Id(facts.id.clone()), version, fields },
        limited,
    })
}

#[expect(clippy::too_many_arguments, reason = "each is one column of the step")]
fn push(
    draft: &mut Draft<'_>,
    action: Action,
    kind: Kind,
    name: &str,
    id: &str,
    task_arn: &TaskArn,
    reason: Reason,
    changes: Vec<FieldChange>,
    not_before: Option<Timestamp>,
    after: Option<usize>,
    operation: Operation,
) -> usize {
    draft.push(Found {
        class: Class::Retire,
        action,
        kind,
        name: name.to_owned(),
        object: Some(Object::Id(id.to_owned())),
        task_arn: task_arn.clone(),
        reason,
        changes,
        not_before,
        after: after.into_iter().collect(),
        operation,
        limited: false,
    })
}

/// The description with another marker in its first line.
fn remarked(facts: &TargetFacts, marker: &Marker) -> String {
    described(marker, facts.description.split_once('\n').map_or("", |(_, text)| text))
}

fn lone<'a, T>(owned: Option<&Vec<Owned<'a, T>>>) -> Option<Owned<'a, T>> {
    owned.and_then(|owned| owned.first()).cloned()
}

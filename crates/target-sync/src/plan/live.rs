//! The steps that bring a running task its target, role and alias.
//!
//! Owns their order: target, then role with grants, then principals, then the alias. Whoever finds the alias can connect.

use super::draft::{Class, Draft, Found, described};
use super::holdings::Owned;
use super::names::Names;
use super::step::{Action, FieldChange, Level, Object, Operation, Reason, TargetChanges, TargetFields};
use crate::desire::DesiredTarget;
use crate::facts::{AliasFacts, Kind, RoleFacts, TargetFacts};
use crate::grants::{TARGET, owners_grants};
use crate::principal::Mapping;
use investigation::{Marker, MarkerState};
use std::collections::BTreeSet;

/// Any number of connections: a session is resumed over a new one.
const CONNECTION_LIMIT: i32 = -1;

/// Plans everything for one running task.
pub(super) fn bring(draft: &mut Draft<'_>, names: &Names, wanted: &DesiredTarget) {
    for warning in &wanted.warnings {
        draft.note(Level::Warning, "task", Some(&wanted.task_arn), None, warning.clone());
    }
    let Some((target, step)) = bring_target(draft, names, wanted) else { return };
    let ready = bring_role(draft, wanted, &target, step);
    bring_alias(draft, wanted, &target, ready);
}

/// Returns the target, and the step after which it is as it should be.
fn bring_target(draft: &mut Draft<'_>, names: &Names, wanted: &DesiredTarget) -> Option<(Object, Option<usize>)> {
    let owned = draft.holdings.targets.get(&wanted.task_arn).cloned().unwrap_or_default();
    let Some((kept, duplicates)) = owned.split_first() else { return create_target(draft, names, wanted) };
    for duplicate in duplicates {
        draft.condemned.insert(duplicate.facts.id.clone(), Reason::Duplicate);
    }
    if owner_changed(&kept.marker, wanted) {
        let text = "the tags that name its owner have changed since its target was made; nobody is granted any more".to_owned();
        draft.note(Level::Alarm, "owner_changed", Some(&wanted.task_arn), Some(&kept.facts.id), text);
        draft.condemned.insert(kept.facts.id.clone(), Reason::OwnerChanged);
        return None;
    }
    draft.used.insert(kept.facts.id.clone());
    let step = update_target(draft, names, wanted, kept);
    Some((Object::Id(kept.facts.id.clone()), step))
}

fn owner_changed(marker: &Marker, wanted: &DesiredTarget) -> bool {
    matches!((&marker.owner_digest, &wanted.owner_digest), (Some(first), Some(now)) if first != now)
}

fn create_target(draft: &mut Draft<'_>, names: &Names, wanted: &DesiredTarget) -> Option<(Object, Option<usize>)> {
    if names.is_taken(&wanted.task_arn) || draft.holdings.may_exist(Kind::Target, &wanted.task_arn) {
        return None;
    }
    let marker = Marker {
        max_seconds: Some(wanted.session_max_seconds),
        owner_digest: wanted.owner_digest.clone(),
        ..draft.companion_marker(&wanted.task_arn, &wanted.container)
    };
    let fields = TargetFields {
        name: wanted.name.clone(),
        description: described(&marker, &wanted.text),
        address: wanted.address.clone(),
        port: wanted.port,
        session_max_seconds: wanted.session_max_seconds,
        egress_worker_filter: wanted.egress_worker_filter.clone(),
    };
    let mut changes = vec![
        change("name", None, &fields.name),
        change("description", None, &fields.description),
        change("address", None, &format!("{}:{}", fields.address, fields.port)),
        change("session_max_seconds", None, &fields.session_max_seconds.to_string()),
    ];
    if !fields.egress_worker_filter.is_empty() {
        changes.push(change("egress_worker_filter", None, &fields.egress_worker_filter));
    }
    let deleted = draft.holdings.gone.contains(&(Kind::Target, wanted.task_arn.clone()));
    let number = draft.push(Found {
        class: Class::Create,
        action: Action::Create,
        kind: Kind::Target,
        name: wanted.name.clone(),
        object: None,
        task_arn: wanted.task_arn.clone(),
        reason: if deleted { Reason::DeletedByHand } else { Reason::NewTask },
        changes,
        not_before: None,
        after: names.freed(&wanted.name).into_iter().collect(),
        operation: Operation::CreateTarget(fields),
        limited: false,
    });
    Some((Object::MadeBy(number), Some(number)))
}

fn update_target(draft: &mut Draft<'_>, names: &Names, wanted: &DesiredTarget, kept: &Owned<'_, TargetFacts>) -> Option<usize> {
    let (facts, seen) = (kept.facts, &*kept.marker);
    let marker = Marker {
        state: MarkerState::Live,
        container: seen.container.clone().or_else(|| Some(wanted.container.clone())),
        max_seconds: Some(seen.max_seconds.unwrap_or(0).max(facts.session_max_seconds).max(wanted.session_max_seconds)),
        owner_digest: seen.owner_digest.clone().or_else(|| wanted.owner_digest.clone()),
        ..seen.clone()
    };
    let name = names.now_of(facts);
    let name_is_free = !names.is_taken(&wanted.task_arn);
    let (mut fields, mut changes) = (TargetChanges::default(), Vec::new());
    let description = described(&marker, &wanted.text);
    if name_is_free {
        differ("name", &name, &wanted.name, &mut fields.name, &mut changes);
    }
    differ("description", &facts.description, &description, &mut fields.description, &mut changes);
    differ("address", &facts.address, &wanted.address, &mut fields.address, &mut changes);
    differ(
        "egress_worker_filter",
        &facts.egress_worker_filter,
        &wanted.egress_worker_filter,
        &mut fields.egress_worker_filter,
        &mut changes,
    );
    differ(
        "session_max_seconds",
        &facts.session_max_seconds,
        &wanted.session_max_seconds,
        &mut fields.session_max_seconds,
        &mut changes,
    );
    differ("session_connection_limit", &facts.connection_limit, &CONNECTION_LIMIT, &mut fields.connection_limit, &mut changes);
    differ("default_port", &facts.port, &wanted.port, &mut fields.port, &mut changes);
    if changes.is_empty() {
        return draft.last_on(&facts.id);
    }
    let restored = seen.state != MarkerState::Live;
    Some(draft.push(Found {
        class: Class::Update,
        action: if restored { Action::Restore } else { Action::Update },
        kind: Kind::Target,
        name: wanted.name.clone(),
        object: Some(Object::Id(facts.id.clone())),
        task_arn: wanted.task_arn.clone(),
        reason: if restored { Reason::TaskIsAlive } else { Reason::Drift },
        changes,
        not_before: None,
        after: names.freed(&wanted.name).into_iter().collect(),
        operation: Operation::UpdateTarget {
            target: Object::Id(facts.id.clone()),
            version: draft.version(&facts.id, facts.version),
            fields,
        },
        limited: false,
    }))
}

/// Returns the step after which the owner can connect, or the target's when nobody is granted.
fn bring_role(draft: &mut Draft<'_>, wanted: &DesiredTarget, target: &Object, target_step: Option<usize>) -> Option<usize> {
    let owned = draft.holdings.roles.get(&wanted.task_arn).and_then(|roles| roles.first()).cloned();
    match (&wanted.mapping, owned) {
        (Mapping::User { user_id, .. }, Some(role)) => update_role(draft, wanted, target, target_step, &role, user_id),
        (Mapping::User { user_id, .. }, None) => create_role(draft, wanted, target, target_step, user_id).or(target_step),
        (Mapping::Refused(refusal), Some(role)) => {
            draft.used.insert(role.facts.id.clone());
            if refusal.is_proved() && !role.facts.principals.is_empty() {
                return Some(set_principals(
                    draft,
                    wanted,
                    role.facts,
                    &[],
                    Action::Withdraw,
                    Reason::MappingRefused,
                    Vec::new(),
                ));
            }
            target_step
        }
        (Mapping::Refused(_), None) => target_step,
    }
}

/// The role's name is the task's alone, so that it never has to make room.
pub(super) fn role_name(task_id: &str) -> String {
    format!("ecs-exec {task_id}")
}

fn create_role(
    draft: &mut Draft<'_>,
    wanted: &DesiredTarget,
    target: &Object,
    target_step: Option<usize>,
    user_id: &str,
) -> Option<usize> {
    if draft.holdings.may_exist(Kind::Role, &wanted.task_arn) {
        return None;
    }
    let name = role_name(wanted.task_arn.task_id());
    let description = described(&draft.companion_marker(&wanted.task_arn, &wanted.container), &wanted.text);
    let found = |action, object, changes, after, operation| Found {
        class: Class::Create,
        action,
        kind: Kind::Role,
        name: name.clone(),
        object,
        task_arn: wanted.task_arn.clone(),
        reason: Reason::NewTask,
        changes,
        not_before: None,
        after,
        operation,
        limited: false,
    };
    let changes = vec![change("name", None, &name), change("description", None, &description)];
    let create = Operation::CreateRole { name: name.clone(), description: description.clone() };
    let made = draft.push(found(Action::Create, None, changes, target_step.into_iter().collect(), create));
    let role = Object::MadeBy(made);
    let grants = Operation::SetGrants { role: role.clone(), version: None, target: target.clone() };
    let changes = vec![change("grant_strings", None, &owners_grants(shown(target)).join(" | "))];
    let granted = draft.push(found(Action::Update, Some(role.clone()), changes, Vec::new(), grants));
    let principals = Operation::SetPrincipals { role: role.clone(), version: None, principal_ids: vec![user_id.to_owned()] };
    let changes = vec![change("principal_ids", None, user_id)];
    Some(draft.push(found(Action::Update, Some(role), changes, vec![granted], principals)))
}

fn update_role(
    draft: &mut Draft<'_>,
    wanted: &DesiredTarget,
    target: &Object,
    target_step: Option<usize>,
    role: &Owned<'_, RoleFacts>,
    user_id: &str,
) -> Option<usize> {
    let facts = role.facts;
    draft.used.insert(facts.id.clone());
    let object = Object::Id(facts.id.clone());
    let drift = |changes, after, operation| Found {
        class: Class::Update,
        action: Action::Update,
        kind: Kind::Role,
        name: facts.name.clone(),
        object: Some(object.clone()),
        task_arn: wanted.task_arn.clone(),
        reason: Reason::Drift,
        changes,
        not_before: None,
        after,
        operation,
        limited: false,
    };
    let description = described(&role.marker, &wanted.text);
    let (mut name_to, mut description_to, mut changes) = (None, None, Vec::new());
    differ("name", &facts.name, &role_name(wanted.task_arn.task_id()), &mut name_to, &mut changes);
    differ("description", &facts.description, &description, &mut description_to, &mut changes);
    let mut last = target_step;
    if !changes.is_empty() {
        let version = draft.version(&facts.id, facts.version);
        let update = Operation::UpdateRole { role: object.clone(), version, name: name_to, description: description_to };
        last = Some(draft.push(drift(changes, Vec::new(), update)));
    }
    if facts.grant_scopes != ["this".to_owned()].into() {
        let version = draft.version(&facts.id, facts.version);
        let changes = vec![change("grant_scope_ids", Some(&joined(&facts.grant_scopes)), "this")];
        last = Some(draft.push(drift(changes, Vec::new(), Operation::SetGrantScopes { role: object.clone(), version })));
    }
    let grants = owners_grants(shown(target));
    if facts.grants != grants.iter().cloned().collect() {
        let version = draft.version(&facts.id, facts.version);
        let changes = vec![change("grant_strings", Some(&joined(&facts.grants)), &grants.join(" | "))];
        let set = Operation::SetGrants { role: object.clone(), version, target: target.clone() };
        last = Some(draft.push(drift(changes, target_step.into_iter().collect(), set)));
    }
    if facts.principals != [user_id.to_owned()].into() {
        let after = last.into_iter().collect();
        last = Some(set_principals(draft, wanted, facts, &[user_id.to_owned()], Action::Update, Reason::Drift, after));
    }
    last
}

fn set_principals(
    draft: &mut Draft<'_>,
    wanted: &DesiredTarget,
    role: &RoleFacts,
    principal_ids: &[String],
    action: Action,
    reason: Reason,
    after: Vec<usize>,
) -> usize {
    let version = draft.version(&role.id, role.version);
    let object = Object::Id(role.id.clone());
    draft.push(Found {
        class: Class::Update,
        action,
        kind: Kind::Role,
        name: role.name.clone(),
        object: Some(object.clone()),
        task_arn: wanted.task_arn.clone(),
        reason,
        changes: vec![change("principal_ids", Some(&joined(&role.principals)), &principal_ids.join(" | "))],
        not_before: None,
        after,
        operation: Operation::SetPrincipals { role: object, version, principal_ids: principal_ids.to_vec() },
        limited: false,
    })
}

fn bring_alias(draft: &mut Draft<'_>, wanted: &DesiredTarget, target: &Object, ready: Option<usize>) {
    let Some(value) = &wanted.alias else { return };
    let step = match draft.alias(value) {
        None if draft.holdings.may_exist(Kind::Alias, &wanted.task_arn) => return,
        None => Some(create_alias(draft, wanted, value, target, ready)),
        Some(alias) if draft.holdings.holds(&alias.id) => lead_alias(draft, wanted, alias, target, ready),
        Some(alias) => {
            let what = format!("the alias `{value}` is one");
            return super::names::tell_taken(draft, wanted, "alias_taken", &alias.id, &alias.description, &what);
        }
    };
    drop_other_aliases(draft, wanted, value, step);
}

fn create_alias(draft: &mut Draft<'_>, wanted: &DesiredTarget, value: &str, target: &Object, ready: Option<usize>) -> usize {
    let description = described(&draft.companion_marker(&wanted.task_arn, &wanted.container), &wanted.text);
    let mut after: Vec<usize> = ready.into_iter().collect();
    if let Object::MadeBy(step) = target {
        after.push(*step);
    }
    draft.push(Found {
        class: Class::Create,
        action: Action::Create,
        kind: Kind::Alias,
        name: value.to_owned(),
        object: None,
        task_arn: wanted.task_arn.clone(),
        reason: Reason::NewTask,
        changes: vec![change("value", None, value), change("destination_id", None, shown(target))],
        not_before: None,
        after,
        operation: Operation::CreateAlias { value: value.to_owned(), description, target: target.clone() },
        limited: false,
    })
}

fn lead_alias(
    draft: &mut Draft<'_>,
    wanted: &DesiredTarget,
    alias: &AliasFacts,
    target: &Object,
    ready: Option<usize>,
) -> Option<usize> {
    draft.used.insert(alias.id.clone());
    let description = described(&draft.companion_marker(&wanted.task_arn, &wanted.container), &wanted.text);
    let mut changes = Vec::new();
    let (mut leads_to, mut text) = (None, None);
    differ("destination_id", &alias.destination_id, &shown(target).to_owned(), &mut leads_to, &mut changes);
    differ("description", &alias.description, &description, &mut text, &mut changes);
    if changes.is_empty() {
        return None;
    }
    let moves = leads_to.is_some() && !alias.destination_id.is_empty();
    let mut after: Vec<usize> = ready.into_iter().collect();
    if let Object::MadeBy(step) = target {
        after.push(*step);
    }
    let number = draft.push(Found {
        class: Class::Update,
        action: Action::Update,
        kind: Kind::Alias,
        name: alias.value.clone(),
        object: Some(Object::Id(alias.id.clone())),
        task_arn: wanted.task_arn.clone(),
        reason: if moves { Reason::Superseded } else { Reason::Drift },
        changes,
        not_before: None,
        after,
        operation: Operation::UpdateAlias {
            alias: Object::Id(alias.id.clone()),
            version: draft.version(&alias.id, alias.version),
            target: target.clone(),
            description,
        },
        limited: false,
    });
    if moves {
        draft.moved_from.insert(alias.destination_id.clone(), number);
    }
    Some(number)
}

/// Once a task leads its investigation, the alias that was its own alone goes; so does the old one after a change of template.
fn drop_other_aliases(draft: &mut Draft<'_>, wanted: &DesiredTarget, value: &str, step: Option<usize>) {
    let others: Vec<&AliasFacts> =
        draft.holdings.aliases.get(&wanted.task_arn).into_iter().flatten().map(|owned| owned.facts).collect();
    for alias in others.into_iter().filter(|alias| !alias.value.eq_ignore_ascii_case(value)) {
        if !draft.used.insert(alias.id.clone()) {
            continue;
        }
        super::retire::delete_alias(draft, alias, &wanted.task_arn, Reason::Superseded, step.into_iter().collect(), None);
    }
}

/// Compares a field and takes note of the change.
fn differ<T, S>(field: &str, seen: &S, wanted: &T, into: &mut Option<T>, changes: &mut Vec<FieldChange>)
where
    T: Clone + std::fmt::Display,
    S: PartialEq<T> + std::fmt::Display,
{
    if *seen != *wanted {
        *into = Some(wanted.clone());
        changes.push(change(field, Some(&seen.to_string()), &wanted.to_string()));
    }
}

pub(super) fn change(field: &str, from: Option<&str>, to: &str) -> FieldChange {
    FieldChange { field: field.to_owned(), from: from.map(str::to_owned), to: to.to_owned() }
}

fn joined(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
}

fn shown(target: &Object) -> &str {
    match target {
        Object::Id(id) => id,
        Object::MadeBy(_) => TARGET,
    }
}

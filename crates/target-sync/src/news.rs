//! What a run has seen and the journal does not hold yet: tasks, targets, owners, refusals, as the services will forget them.
//!
//! Owns the form of these lines and the indexes by which each is put together without a search. Writes nothing by itself.

use crate::cycle::Look;
use crate::facts::{AccountFacts, BoundaryScan, Snapshot, TargetFacts, TaskFacts};
use crate::grants::granted_target;
use crate::principal::Mapping;
use crate::store::Store;
use audit_record::{SyncLine, SyncRefusal, SyncTarget, SyncTask, SyncUser};
use investigation::{Marker, TaskArn};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The lines that the journal does not hold yet.
pub(crate) fn news(store: &mut Store, look: &Look, now: Timestamp) -> Vec<SyncLine> {
    let seen = Seen::of(&look.snapshot.boundary);
    let mut lines = Vec::new();
    for task in look.snapshot.sources.values().flat_map(|scan| scan.tasks.values()) {
        if task.is_dead() || look.desired.targets.contains_key(&task.arn) {
            lines.extend(task_line(store, task, now));
        }
    }
    for target in look.snapshot.boundary.targets.values() {
        let marker = Marker::parse(&target.description).ok().filter(|marker| marker.owner == look.plan.owner);
        lines.extend(marker.and_then(|marker| target_line(store, &seen, target, &marker, now)));
    }
    for (task_arn, wanted) in &look.desired.targets {
        lines.extend(owner_line(store, &seen, task_arn, &wanted.mapping, now));
    }
    store.forget_told(|of| may_be_there(of, &look.snapshot));
    lines
}

/// Whether something that was told may still be there: it was seen, or not everything was.
fn may_be_there(of: &str, snapshot: &Snapshot) -> bool {
    let scans = || snapshot.sources.values();
    match of.split_once(' ') {
        Some(("task" | "refusal", text)) => {
            let is_seen = |arn: TaskArn| scans().any(|scan| scan.tasks.contains_key(&arn));
            scans().any(|scan| scan.failure.is_some()) || TaskArn::parse(text).is_ok_and(is_seen)
        }
        Some(("target", id)) => snapshot.boundary.targets.contains_key(id),
        Some(("user", id)) => !snapshot.boundary.unreadable.is_empty() || snapshot.boundary.users.contains_key(id),
        _ => false,
    }
}

/// Boundary, by what a line looks for.
struct Seen<'a> {
    boundary: &'a BoundaryScan,
    /// Who has our grants on a target, by its id.
    users: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The alias that leads to a target, by its id.
    aliases: BTreeMap<&'a str, &'a str>,
    accounts: BTreeMap<&'a str, &'a AccountFacts>,
}

impl<'a> Seen<'a> {
    fn of(boundary: &'a BoundaryScan) -> Self {
        let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for role in boundary.roles.values() {
            for target_id in role.grants.iter().filter_map(|grant| granted_target(grant)) {
                users.entry(target_id).or_default().extend(role.principals.iter().map(String::as_str));
            }
        }
        // Of several aliases the first by id is told.
        let aliases = boundary.aliases.values().rev().map(|alias| (alias.destination_id.as_str(), alias.value.as_str()));
        let accounts = boundary.accounts.iter().map(|account| (account.id.as_str(), account));
        Self { boundary, users, aliases: aliases.collect(), accounts: accounts.collect() }
    }
}

fn task_line(store: &mut Store, task: &TaskFacts, now: Timestamp) -> Option<SyncLine> {
    let key = task.labels.key();
    let line = SyncTask {
        at: Timestamp::UNIX_EPOCH,
        task_arn: task.arn.to_string(),
        cluster_id: key.as_ref().map(|key| key.cluster_id.clone()),
        investigation_id: key.map(|key| key.investigation_id),
        last_status: task.last_status.clone(),
        created_at: task.created_at,
        started_by: task.started_by.clone(),
        family: task.family.clone(),
        tags: task.labels.tags.clone(),
    };
    let new = store.is_news(format!("task {}", task.arn), &line);
    new.then(|| SyncLine::SyncTask(Box::new(SyncTask { at: now, ..line })))
}

fn target_line(store: &mut Store, seen: &Seen<'_>, target: &TargetFacts, marker: &Marker, now: Timestamp) -> Option<SyncLine> {
    let users = seen.users.get(target.id.as_str()).into_iter().flatten();
    let line = SyncTarget {
        at: Timestamp::UNIX_EPOCH,
        target_id: target.id.clone(),
        version: target.version,
        name: target.name.clone(),
        task_arn: marker.task_arn.to_string(),
        container: marker.container.clone(),
        state: marker.state.to_string(),
        alias: seen.aliases.get(target.id.as_str()).map(|value| (*value).to_owned()),
        user_ids: users.map(|user_id| (*user_id).to_owned()).collect(),
    };
    let new = store.is_news(format!("target {}", target.id), &line);
    new.then(|| SyncLine::SyncTarget(Box::new(SyncTarget { at: now, ..line })))
}

/// The user who is granted, or the refusal to grant.
fn owner_line(store: &mut Store, seen: &Seen<'_>, task_arn: &TaskArn, mapping: &Mapping, now: Timestamp) -> Option<SyncLine> {
    match mapping {
        Mapping::User { user_id, account_id, .. } => {
            let account = seen.accounts.get(account_id.as_str())?;
            let subject = if account.subject.is_empty() { &account.login_name } else { &account.subject };
            let line = SyncUser {
                at: Timestamp::UNIX_EPOCH,
                user_id: user_id.clone(),
                name: seen.boundary.users.get(user_id).map(|user| user.name.clone()).unwrap_or_default(),
                account_id: account_id.clone(),
                issuer: Some(account.issuer.clone()).filter(|issuer| !issuer.is_empty()),
                subject: subject.clone(),
            };
            store.is_news(format!("user {user_id}"), &line).then_some(SyncLine::SyncUser(SyncUser { at: now, ..line }))
        }
        Mapping::Refused(refusal) => {
            let (code, text) = (refusal.code().to_owned(), refusal.to_string());
            let line = SyncRefusal { at: Timestamp::UNIX_EPOCH, task_arn: task_arn.to_string(), code, text };
            let new = store.is_news(format!("refusal {task_arn}"), &line);
            new.then_some(SyncLine::SyncRefusal(SyncRefusal { at: now, ..line }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Place, SourceScan};

    #[test]
    fn what_is_gone_is_forgotten_and_what_could_not_be_looked_at_is_kept() {
        let place = Place { partition: String::new(), account: String::new(), region: String::new(), ecs_cluster: String::new() };
        let (tasks, missing) = (BTreeMap::new(), BTreeSet::new());
        let scan = SourceScan { place, at: Timestamp::UNIX_EPOCH, failure: None, cluster_is_active: true, tasks, missing };
        let mut snapshot = Snapshot { sources: [("main".to_owned(), scan)].into(), ..Snapshot::default() };
        snapshot.boundary.targets.insert("ttcp_1".to_owned(), TargetFacts::default());
        let task = "task arn:aws:ecs:us-east-2:123456789012:task/c/0123456789abcdef0123456789abcdef";
        let kept =
            |snapshot: &Snapshot| [task, "target ttcp_1", "target ttcp_2", "user u_1"].map(|of| may_be_there(of, snapshot));
        assert_eq!(kept(&snapshot), [false, true, false, false]);
        snapshot.sources.values_mut().for_each(|scan| scan.failure = Some("denied".to_owned()));
        snapshot.boundary.unreadable.push("users".to_owned());
        assert_eq!(kept(&snapshot), [true, true, false, true]);
    }
}

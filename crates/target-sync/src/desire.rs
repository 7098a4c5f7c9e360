//! What should be: for each running investigation task a target, or the reason why it has none.
//!
//! Owns every decision that follows from a task's own facts and the operator's rules. Takes no clock: the same snapshot desires
//! the same, and a session's longest time is a function of the task alone.

use crate::facts::{Snapshot, SourceScan, TaskFacts};
use crate::principal::{self, Mapping, People};
use crate::rules::{NoDeadline, Rules, StartedBy};
use crate::template::{Values, alias_with_task, with_task};
use audit_record::sha256_hex;
use investigation::{InvestigationKey, TaskArn};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The shortest time of a session, seconds.
const SESSION_MIN: u32 = 900;
/// Digits of a digest that the launcher writes into `startedBy`.
const STARTED_BY: usize = 36;
/// How much of a description is for people; the marker takes up to 700 of Boundary's 1023.
const TEXT_MAX: usize = 300;

/// What should be in Boundary.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The targets, by task.
    pub targets: BTreeMap<TaskArn, DesiredTarget>,
    /// The tasks that have none, and why.
    pub without: BTreeMap<TaskArn, Without>,
}

/// One target with its alias and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredTarget {
    /// The task.
    pub task_arn: TaskArn,
    /// The source's name.
    pub source: String,
    /// The investigation.
    pub key: InvestigationKey,
    /// Which labels said so.
    pub dialect: &'static str,
    /// The container.
    pub container: String,
    /// Whether the investigation's plain name and alias are this task's.
    pub leads: bool,
    /// The target's name.
    pub name: String,
    /// The alias, when aliases are on.
    pub alias: Option<String>,
    /// What people read below the marker.
    pub text: String,
    /// Where workers connect to.
    pub address: String,
    /// The port they connect to.
    pub port: u16,
    /// The longest time of a session, seconds.
    pub session_max_seconds: u32,
    /// Which workers connect; empty for any.
    pub egress_worker_filter: String,
    /// A digest of the owner's tags; nothing while there are none.
    pub owner_digest: Option<String>,
    /// Who is granted.
    pub mapping: Mapping,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// Why a task has no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// It is no investigation, as far as its labels and family say.
    NotOurs,
    /// It is being stopped, or has ended.
    Leaving,
    /// It looks like an investigation, but its tags are not there yet.
    TagsPending,
    /// It was not started with ECS Exec.
    NoExec,
    /// It has no container of the configured name.
    NoContainer,
    /// `startedBy` does not belong to its investigation.
    StartedBy,
    /// It has no deadline, and the rules refuse that.
    NoDeadline,
    /// Its ARN is of the short form, and names no ECS cluster.
    ShortArn,
}

impl Without {
    /// A stable code for records and machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotOurs => "not_ours",
            Self::Leaving => "leaving",
            Self::TagsPending => "tags_pending",
            Self::NoExec => "no_exec",
            Self::NoContainer => "no_container",
            Self::StartedBy => "started_by",
            Self::NoDeadline => "no_deadline",
            Self::ShortArn => "short_arn",
        }
    }
}

impl std::fmt::Display for Without {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotOurs => "it carries no investigation's labels",
            Self::Leaving => "it is being stopped or has ended",
            Self::TagsPending => "its family is an investigation's, but it has no tags yet",
            Self::NoExec => "it was started without ECS Exec, and that cannot be changed",
            Self::NoContainer => "it has no container of the configured name",
            Self::StartedBy => "its startedBy does not belong to the investigation in its tags",
            Self::NoDeadline => "it has no deadline, and `no_deadline = \"refuse\"`",
            Self::ShortArn => "its ARN names no ECS cluster: switch the account to the long form",
        })
    }
}

/// Says what should be.
pub fn desire(snapshot: &Snapshot, rules: &Rules) -> Desired {
    let mut desired = Desired::default();
    let people = People::of(&rules.principals, &snapshot.boundary);
    for (source, scan) in &snapshot.sources {
        for task in scan.tasks.values() {
            match investigated(task, rules) {
                Ok((key, dialect)) => {
                    let target = target(source, scan, task, key, dialect, &people, rules);
                    desired.targets.insert(task.arn.clone(), target);
                }
                Err(why) => drop(desired.without.insert(task.arn.clone(), why)),
            }
        }
    }
    settle_leaders(&mut desired, snapshot);
    desired
}

/// The investigation that a task serves, or why it has no target.
fn investigated(task: &TaskFacts, rules: &Rules) -> Result<(InvestigationKey, &'static str), Without> {
    if task.is_leaving() {
        return Err(Without::Leaving);
    }
    let (Some(key), Some(dialect)) = (task.labels.key(), task.labels.dialect()) else {
        let ours = rules.family_prefix.as_ref().is_some_and(|prefix| task.family.as_ref().is_some_and(|f| f.starts_with(prefix)));
        return Err(if ours || is_launchers(task.started_by.as_deref()) { Without::TagsPending } else { Without::NotOurs });
    };
    if task.arn.ecs_cluster().is_none() {
        return Err(Without::ShortArn);
    }
    if !started_by_fits(task.started_by.as_deref(), &key, rules.started_by) {
        return Err(Without::StartedBy);
    }
    if !task.exec_enabled {
        return Err(Without::NoExec);
    }
    if !task.containers.contains(&rules.container) {
        return Err(Without::NoContainer);
    }
    if rules.no_deadline == NoDeadline::Refuse && task.labels.deadline().is_none() {
        return Err(Without::NoDeadline);
    }
    Ok((key, dialect))
}

fn target(
    source: &str,
    scan: &SourceScan,
    task: &TaskFacts,
    key: InvestigationKey,
    dialect: &'static str,
    people: &People<'_>,
    rules: &Rules,
) -> DesiredTarget {
    let mapping = principal::map(&rules.principals, &rules.abac_key, task, people);
    let values: Values<'_> = [
        ("cluster_id", key.cluster_id.as_str()),
        ("investigation_id", key.investigation_id.as_str()),
        ("source", source),
        ("account", scan.place.account.as_str()),
        ("region", scan.place.region.as_str()),
        ("ecs_cluster", scan.place.ecs_cluster.as_str()),
    ]
    .into();
    let (address, port) =
        rules.endpoint.clone().unwrap_or_else(|| (ssm_channel::endpoint_host("ssmmessages", task.arn.region(), false), 443));
    let mut warnings = Vec::new();
    if task.labels.deadline().is_none() {
        warnings.push("it has no deadline: nothing stops it, and its sessions may last as long as any".to_owned());
    }
    if let Mapping::Refused(refusal) = &mapping {
        warnings.push(format!("nobody is granted: {refusal}"));
    }
    DesiredTarget {
        task_arn: task.arn.clone(),
        source: source.to_owned(),
        dialect,
        container: rules.container.clone(),
        leads: true,
        name: rules.name.name(&values),
        alias: rules.alias.as_ref().map(|alias| alias.alias(&values)),
        text: rules.description.text(&values, TEXT_MAX),
        address,
        port,
        session_max_seconds: session_seconds(task, rules.session_cap),
        egress_worker_filter: rules.egress_worker_filter.clone(),
        owner_digest: principal::owner_digest(&rules.abac_key, task),
        mapping,
        warnings,
        key,
    }
}

/// Of several tasks of one investigation the earliest leads; the others carry their own mark in name and alias.
fn settle_leaders(desired: &mut Desired, snapshot: &Snapshot) {
    type Rank<'a> = (Option<Timestamp>, &'a TaskArn);
    let created = |target: &DesiredTarget| {
        snapshot.sources.get(&target.source).and_then(|scan| scan.tasks.get(&target.task_arn)).and_then(|task| task.created_at)
    };
    let mut leaders: BTreeMap<(String, InvestigationKey), (Option<Timestamp>, TaskArn)> = BTreeMap::new();
    for target in desired.targets.values() {
        let at = created(target);
        let rank: Rank<'_> = (Some(at.unwrap_or(Timestamp::MAX)), &target.task_arn);
        let leader = leaders.entry((target.source.clone(), target.key.clone())).or_insert((rank.0, rank.1.clone()));
        if rank < (leader.0, &leader.1) {
            *leader = (rank.0, rank.1.clone());
        }
    }
    for target in desired.targets.values_mut() {
        let leader = &leaders[&(target.source.clone(), target.key.clone())].1;
        if *leader == target.task_arn {
            continue;
        }
        target.leads = false;
        target.name = with_task(&target.name, target.task_arn.task_id());
        target.alias = target.alias.as_ref().map(|alias| alias_with_task(alias, &target.task_arn.to_string()));
        target.warnings.push(format!("the investigation has an earlier task, which keeps name and alias: {leader}"));
    }
}

/// The longest time of a session: until the deadline, as counted from the task's creation, within bounds.
fn session_seconds(task: &TaskFacts, cap: u32) -> u32 {
    let (Some(deadline), Some(created)) = (task.labels.deadline(), task.created_at) else { return cap };
    let seconds = deadline.duration_since(created).as_secs();
    u32::try_from(seconds).unwrap_or(if seconds < 0 { 0 } else { u32::MAX }).clamp(SESSION_MIN.min(cap), cap)
}

fn is_launchers(started_by: Option<&str>) -> bool {
    started_by.is_some_and(|text| text.len() == STARTED_BY && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn started_by_fits(started_by: Option<&str>, key: &InvestigationKey, rule: StartedBy) -> bool {
    let expected = &sha256_hex(format!("{}:{}", key.cluster_id, key.investigation_id).as_bytes())[..STARTED_BY];
    match rule {
        StartedBy::Ignore => true,
        StartedBy::Check => !is_launchers(started_by) || started_by == Some(expected),
        StartedBy::Require => started_by == Some(expected),
    }
}

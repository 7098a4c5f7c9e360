//! `explain` and `orphans`: why things are as they are, for people and machines. Changes nothing.

use crate::args::OutputWord;
use crate::cycle::Look;
use crate::facts::{Snapshot, TaskFacts};
use crate::plan::{Level, Note, Plan};
use crate::principal::Mapping;
use crate::program::{Tools, failed, failed_store, print, print_json};
use crate::{exit, show};
use cli_kit::{chain_text, exit as shared, printable};
use investigation::{Marker, MarkerError, MarkerState, TaskArn};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Notes that `orphans` lists.
const LEFT_OVER: [&str; 9] = [
    "marker_lost",
    "unseen",
    "name_taken",
    "alias_taken",
    "owner_conflict",
    "foreign_grant",
    "fate_unknown",
    "tags_gone",
    "owner_changed",
];

async fn look(tools: &Tools) -> Result<Look, u8> {
    let (recorded, mut memory) = crate::store::peek(&tools.settings.state_dir).map_err(|error| failed_store(&error))?;
    let looked = tools.sync(&|_| {}).look(recorded, &mut memory).await;
    looked.map_err(|error| failed(&chain_text(&error)))
}

/// Says everything about one task.
pub(crate) async fn explain(tools: &Tools, wanted: &str) -> u8 {
    let look = match look(tools).await {
        Ok(look) => look,
        Err(code) => return code,
    };
    let task_arn = match choose(&look.snapshot, wanted) {
        Ok(task_arn) => task_arn,
        Err(text) => return failed(&text),
    };
    let account = account_of(&look, &task_arn);
    if tools.output == OutputWord::Json {
        print_json(&account);
    } else {
        print(&told(&account));
        let mut plan = Plan::clone(&look.plan);
        plan.steps.retain(|step| step.task_arn == task_arn.to_string());
        plan.held.retain(|held| held.task_arn == task_arn.to_string());
        plan.notes.retain(|note| note.task_arn.as_deref() == Some(&task_arn.to_string()));
        print(&show::plan(&plan, Timestamp::now(), tools.paper));
    }
    shared::OK
}

/// The one task that a text names: an ARN, an id, or the beginning of an id; among running tasks and those of our objects.
fn choose(snapshot: &Snapshot, wanted: &str) -> Result<TaskArn, String> {
    let seen = snapshot.sources.values().flat_map(|scan| scan.tasks.keys().chain(&scan.missing).cloned());
    let marked = snapshot.boundary.targets.values().filter_map(|target| Some(Marker::parse(&target.description).ok()?.task_arn));
    let fits = |arn: &TaskArn| arn.to_string() == wanted || (wanted.len() >= 4 && arn.task_id().starts_with(wanted));
    let found: BTreeSet<TaskArn> = seen.chain(marked).filter(fits).collect();
    match found.len() {
        1 => Ok(found.into_iter().next().expect("there is one")),
        0 => Err(format!(
            "no task `{}` is seen in any source, nor named by any target (four characters of an id are enough)",
            printable(wanted, 200)
        )),
        _ => {
            let list: Vec<String> = found.iter().map(ToString::to_string).collect();
            Err(format!("`{}` fits several tasks: {}", printable(wanted, 200), list.join(", ")))
        }
    }
}

/// The account of one task, as JSON.
fn account_of(look: &Look, task_arn: &TaskArn) -> Value {
    let text = task_arn.to_string();
    let seen = look.snapshot.sources.iter().find_map(|(name, scan)| Some((name, scan.tasks.get(task_arn)?)));
    let missing = look.snapshot.sources.values().any(|scan| scan.missing.contains(task_arn));
    let wanted = look.desired.targets.get(task_arn);
    let why_not = look.desired.without.get(task_arn);
    let owner = wanted.map(|wanted| match &wanted.mapping {
        Mapping::User { user_id, account_id, weak } => json!({ "user_id": user_id, "account_id": account_id, "weak": weak }),
        Mapping::Refused(refusal) => json!({ "refused": refusal.code(), "why": refusal.to_string() }),
    });
    let targets: Vec<Value> =
        look.snapshot.boundary.targets.values().filter_map(|target| target_json(look, target, task_arn)).collect();
    let steps: Vec<&crate::plan::Step> = look.plan.steps.iter().filter(|step| step.task_arn == text).collect();
    json!({
        "format_version": 1,
        "task_arn": text,
        "source": seen.map(|(name, _)| name),
        "ecs": seen.map_or_else(|| json!({ "last_status": if missing { "MISSING" } else { "not seen" } }), |(_, task)| task_json(task)),
        "desired": wanted.map(|wanted| json!({
            "name": wanted.name, "alias": wanted.alias, "leads": wanted.leads, "container": wanted.container, "labels": wanted.dialect,
            "session_max_seconds": wanted.session_max_seconds, "address": format!("{}:{}", wanted.address, wanted.port),
            "warnings": wanted.warnings,
        })),
        "without": why_not.map(|why| json!({ "code": why.code(), "why": why.to_string() })),
        "owner": owner,
        "targets": targets,
        "steps": steps,
    })
}

fn task_json(task: &TaskFacts) -> Value {
    let key = task.labels.key();
    json!({
        "last_status": task.last_status, "created_at": task.created_at, "exec_enabled": task.exec_enabled,
        "started_by": task.started_by, "family": task.family, "containers": task.containers,
        "cluster_id": key.as_ref().map(|key| &key.cluster_id), "investigation_id": key.as_ref().map(|key| &key.investigation_id),
        "owner_subject": task.labels.owner_subject(), "owner_name": task.labels.owner_name(), "deadline": task.labels.deadline(),
    })
}

fn target_json(look: &Look, target: &crate::facts::TargetFacts, task_arn: &TaskArn) -> Option<Value> {
    let marker = Marker::parse(&target.description).ok().filter(|marker| marker.task_arn == *task_arn)?;
    let boundary = &look.snapshot.boundary;
    let grant = format!("ids={};actions=read,authorize-session", target.id);
    let users: BTreeSet<&String> =
        boundary.roles.values().filter(|role| role.grants.contains(&grant)).flat_map(|role| &role.principals).collect();
    let aliases: Vec<&String> =
        boundary.aliases.values().filter(|alias| alias.destination_id == target.id).map(|alias| &alias.value).collect();
    let live = boundary.live_sessions.get(&target.id).map_or(0, Vec::len);
    Some(json!({
        "id": target.id, "name": target.name, "owner": marker.owner, "state": marker.state.to_string(), "user_ids": users,
        "aliases": aliases, "live_sessions_seen": live,
    }))
}

fn told(account: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &Value| {
        let shown = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => printable(text, 500),
            Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        let _ = writeln!(text, "{name:<22} {shown}");
    };
    line("task", &account["task_arn"]);
    line("source", &account["source"]);
    for (name, key) in [
        ("status", "last_status"),
        ("investigated cluster", "cluster_id"),
        ("investigation", "investigation_id"),
        ("owner's subject", "owner_subject"),
        ("owner's name", "owner_name"),
        ("deadline", "deadline"),
    ] {
        line(name, &account["ecs"][key]);
    }
    if !account["without"].is_null() {
        line("no target, since", &account["without"]["why"]);
    }
    for (name, key) in [("name", "name"), ("alias", "alias"), ("labels", "labels")] {
        line(name, &account["desired"][key]);
    }
    match &account["owner"]["user_id"] {
        Value::Null => line("nobody is granted", &account["owner"]["why"]),
        user => line("granted", user),
    }
    if account["owner"]["weak"] == true {
        line("  matched by", &json!("a name that may be given again"));
    }
    for target in account["targets"].as_array().into_iter().flatten() {
        for (name, key) in [
            ("target", "id"),
            ("  state", "state"),
            ("  users", "user_ids"),
            ("  aliases", "aliases"),
            ("  live sessions seen", "live_sessions_seen"),
        ] {
            line(name, &target[key]);
        }
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| printable(text, 200))
}

/// Lists what is left over, lost, or stands in the way.
pub(crate) async fn orphans(tools: &Tools) -> u8 {
    let look = match look(tools).await {
        Ok(look) => look,
        Err(code) => return code,
    };
    let mut notes: Vec<Note> = look.plan.notes.iter().filter(|note| LEFT_OVER.contains(&note.code.as_str())).cloned().collect();
    notes.extend(unowned(&look));
    if tools.output == OutputWord::Json {
        print_json(&json!({ "format_version": 1, "orphans": notes }));
    } else if notes.is_empty() {
        print("nothing is left over\n");
    } else {
        print(&show::notes(&notes, tools.paper));
    }
    if look.plan.is_limited() { exit::LIMITED } else { shared::OK }
}

/// Targets that look like ours and are not, and targets of ours that no source covers.
fn unowned(look: &Look) -> Vec<Note> {
    let note = |code: &str, id: &str, text: String| Note {
        level: Level::Info,
        code: code.to_owned(),
        task_arn: None,
        id: Some(id.to_owned()),
        text,
    };
    let mut notes = Vec::new();
    for target in look.snapshot.boundary.targets.values() {
        match Marker::parse(&target.description) {
            Ok(marker) if marker.owner != look.plan.owner => {
                let text = format!("`{}` is kept by another sync, `{}`", printable(&target.name, 130), marker.owner);
                notes.push(note("other_owner", &target.id, text));
            }
            Ok(Marker { state: MarkerState::Quarantined(_), .. }) => {}
            Ok(marker) if !look.snapshot.sources.values().any(|scan| scan.place.holds(&marker.task_arn)) => {
                let text =
                    format!("no source covers its task {}: it stays as it is; `retire {}` closes it", marker.task_arn, target.id);
                notes.push(note("no_source", &target.id, text));
            }
            Err(MarkerError::Absent) if target.address.starts_with("ssmmessages.") => {
                let text =
                    format!("`{}` leads to the message gateway, but nobody's marker is on it", printable(&target.name, 130));
                notes.push(note("unmarked", &target.id, text));
            }
            Ok(_) | Err(_) => {}
        }
    }
    notes
}

//! `doctor`: everything that a run needs, looked at one by one, each failure with what to do.

use crate::args::OutputWord;
use crate::exit;
use crate::observe::boundary::{
    ACCOUNT_GRANT, ALIAS_GRANT, FOREIGN_ROLE_GRANT, ROLE_GRANT, SESSION_GRANT, TARGET_GRANT, USER_GRANT,
};
use crate::plan::QUARANTINE_FILTER;
use crate::program::{Tools, print, print_json};
use crate::records::Waiting;
use boundary_api::{Error, ListOptions, Meaning};
use cli_kit::{chain_text, exit as shared, printable};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;

/// One check.
struct Check {
    id: &'static str,
    verdict: &'static str,
    what: String,
}

fn ok(id: &'static str, what: impl Into<String>) -> Check {
    Check { id, verdict: "ok", what: what.into() }
}

fn warning(id: &'static str, what: impl Into<String>) -> Check {
    Check { id, verdict: "warning", what: what.into() }
}

fn failed(id: &'static str, what: impl Into<String>) -> Check {
    Check { id, verdict: "failed", what: what.into() }
}

/// Looks at everything; changes nothing.
pub(crate) async fn examine(tools: &Tools) -> u8 {
    let mut checks = vec![state(tools)];
    checks.extend(boundary(tools).await);
    for eye in &tools.eyes {
        let scan = eye.scan(&BTreeSet::new(), Timestamp::now()).await;
        let name = &eye.source().name;
        checks.push(match &scan.failure {
            Some(why) => failed("source", format!("{name}: {}", printable(why, 1000))),
            None if !scan.cluster_is_active => failed("source", format!("{name}: the ECS cluster is not active")),
            None => {
                let ours = scan.tasks.values().filter(|task| task.labels.key().is_some()).count();
                ok(
                    "source",
                    format!("{name}: {} tasks in {}, {ours} of investigations", scan.tasks.len(), scan.place.ecs_cluster),
                )
            }
        });
    }
    checks.push(records(tools));
    checks.extend(rules(tools));
    tell(tools, &checks)
}

fn tell(tools: &Tools, checks: &[Check]) -> u8 {
    if tools.output == OutputWord::Json {
        let list: Vec<_> =
            checks.iter().map(|check| json!({ "id": check.id, "verdict": check.verdict, "what": check.what })).collect();
        print_json(&json!({ "format_version": 1, "checks": list }));
    } else {
        let lines: String =
            checks.iter().map(|check| format!("{:>8}  {:<16} {}\n", check.verdict, check.id, check.what)).collect();
        print(&lines);
    }
    if checks.iter().any(|check| check.verdict == "failed") { exit::FAILED } else { shared::OK }
}

fn state(tools: &Tools) -> Check {
    let folder = &tools.settings.state_dir;
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let written =
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"")).and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => ok("state", format!("`{}` can be written", folder.display())),
        Err(error) => failed("state", format!("`{}` cannot be written: {error}", folder.display())),
    }
}

/// Whether the journal's lines are all where they belong; nothing is sent.
fn records(tools: &Tools) -> Check {
    let Some(records) = &tools.records else {
        return ok("records", "stay on this machine: `record_bucket` is not set");
    };
    let place = records.place();
    match records.waiting() {
        Ok(waiting) if waiting == Waiting::default() => ok("records", format!("nothing waits for {place}")),
        Ok(Waiting { objects, set_aside, bytes }) => warning(
            "records",
            format!(
                "for {place} wait {objects} objects in the spool and {bytes} bytes of the journal, and {set_aside} objects were \
                 set aside; the next run says why (`records_unsent`): it needs s3:PutObject there"
            ),
        ),
        Err(error) => failed("records", format!("failed to read the journal: {error}")),
    }
}

async fn boundary(tools: &Tools) -> Vec<Check> {
    let (client, rules) = (&tools.client, &tools.settings.rules);
    let project = || ListOptions::in_scope(&rules.project_id).page_size(1);
    let global = || ListOptions::in_scope("global").page_size(1);
    let (targets, roles, aliases, users) = (client.targets(), client.roles(), client.aliases(), client.users());
    let mut checks = vec![
        listed("targets", targets.list(project()).next().await.map(drop), TARGET_GRANT, &rules.project_id, true),
        listed("roles", roles.list(project()).next().await.map(drop), ROLE_GRANT, &rules.project_id, true),
        listed("sessions", client.sessions().list(project()).next().await.map(drop), SESSION_GRANT, &rules.project_id, false),
        listed("users", users.list(global().recursive()).next().await.map(drop), USER_GRANT, "the users' scope", true),
    ];
    if rules.alias.is_some() {
        checks.push(listed("aliases", aliases.list(global()).next().await.map(drop), ALIAS_GRANT, "global", true));
    }
    for method in rules.principals.iter().flat_map(|rule| &rule.auth_methods).collect::<BTreeSet<_>>() {
        let list = client.accounts().list(ListOptions::of_auth_method(method).page_size(1)).next().await;
        checks.push(listed("accounts", list.map(drop), ACCOUNT_GRANT, method, true));
    }
    checks.push(foreign_roles(tools).await);
    checks.push(workers(tools).await);
    checks
}

fn listed(id: &'static str, list: Result<(), Error>, grant: &str, place: &str, needed: bool) -> Check {
    match list {
        Ok(()) => ok(id, "can be listed"),
        Err(error) if error.meaning() == Meaning::Denied && !needed => {
            warning(id, format!("cannot be listed; add `{grant}` in {place}"))
        }
        Err(error) if error.meaning() == Meaning::Denied => failed(id, format!("cannot be listed; add `{grant}` in {place}")),
        Err(error) => failed(id, chain_text(&error)),
    }
}

/// Whether broad roles of others would be seen: a list without rights is short, and no refusal.
async fn foreign_roles(tools: &Tools) -> Check {
    let project_id = &tools.settings.rules.project_id;
    let listed = tools.client.roles().list_all(ListOptions::in_scope("global").recursive()).await;
    let seen = listed.map(|roles| roles.items.iter().filter(|role| role.scope_id != *project_id).count());
    match seen {
        Ok(0) | Err(_) => warning(
            "foreign-roles",
            format!(
                "none is seen outside the project, so nobody is told of broad ones; add `{FOREIGN_ROLE_GRANT}` in global, for descendants too"
            ),
        ),
        Ok(seen) => {
            ok("foreign-roles", format!("{seen} roles outside the project are seen, and told when they reach our targets"))
        }
    }
}

/// A quarantine holds only if no worker fits its filter.
async fn workers(tools: &Tools) -> Check {
    match tools.client.workers().list_all(ListOptions::in_scope("global")).await {
        Ok(workers) if workers.items.iter().any(|worker| QUARANTINE_FILTER.contains(&format!("\"{}\"", worker.name))) => {
            failed("workers", "a worker has the name that the quarantine's filter speaks of: rename it")
        }
        Ok(workers) if workers.items.is_empty() => warning(
            "workers",
            "none is seen: either there is none, or the account lacks `ids=*;type=worker;actions=list,no-op` in global",
        ),
        Ok(workers) => ok("workers", format!("{} seen, and none fits the quarantine's filter", workers.items.len())),
        Err(error) => warning(
            "workers",
            format!("cannot be listed, so the quarantine's filter is not held against their names: {}", chain_text(&error)),
        ),
    }
}

fn rules(tools: &Tools) -> Vec<Check> {
    let settings = &tools.settings;
    let mut checks = Vec::new();
    let address = std::env::var("BOUNDARY_ADDR").ok().or_else(|| settings.boundary_addr.clone()).unwrap_or_default();
    let loopback = ["http://127.", "http://localhost", "http://[::1]"].iter().any(|prefix| address.starts_with(prefix));
    if address.starts_with("http://") && !loopback {
        checks.push(warning(
            "address",
            "the controller is reached without TLS: password and tokens go over the network as they are",
        ));
    }
    if std::env::var("BOUNDARY_TLS_INSECURE").is_ok_and(|value| value != "false" && value != "0") {
        checks.push(warning("address", "BOUNDARY_TLS_INSECURE: anybody may pass for the controller"));
    }
    if !settings.policy_was_said {
        checks.push(warning(
            "policy",
            "none is said: `plan` and `apply` then create and update, but retire nothing; `run` refuses",
        ));
    }
    if settings.rules.principals.iter().any(|rule| rule.by.is_weak()) {
        checks.push(warning("principals", "owners are matched by names or addresses, which may be given to others"));
    }
    checks
}

//! What `desire` and `plan` alone cost: for so many tasks, in memory, without any service.
//!
//! ```sh
//! cargo run --release -p target-sync --example plan_cost -- 1000 10000 50000
//! ```

use investigation::{TaskArn, TaskLabels};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Instant;
use target_sync::desire::desire;
use target_sync::facts::{
    AccountFacts, AliasFacts, BoundaryScan, Place, RoleFacts, Snapshot, SourceScan, TargetFacts, TaskFacts, UserFacts,
};
use target_sync::grants::owners_grants;
use target_sync::plan::{Object, Operation, Plan, plan};
use target_sync::principal::{MatchBy, PrincipalRule};
use target_sync::rules::{Limits, NoDeadline, OnActive, Policy, Rules, StartedBy};
use target_sync::template::Template;

const PROJECT: &str = "p_1234567890";
const METHOD: &str = "ampw_1234567890";
/// How often each size is done; the fastest counts.
const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked: Result<Vec<usize>, _> = std::env::args().skip(1).map(|text| text.parse()).collect();
    let sizes = asked.ok().filter(|sizes| !sizes.is_empty()).unwrap_or_else(|| vec![1000, 10_000, 50_000]);
    let rules = rules()?;
    println!(
        "| tasks | first plan, ms | µs a task | steps | plan with nothing to do, ms | µs a task | steps |\n|---|---|---|---|---|---|---|"
    );
    for tasks in sizes {
        let mut snapshot = snapshot(tasks)?;
        let (first, ms) = timed(&snapshot, &rules);
        settle(&mut snapshot.boundary, &first);
        let (idle, idle_ms) = timed(&snapshot, &rules);
        let each = |ms: f64| 1e3 * ms / f64::from(u32::try_from(tasks).unwrap_or(u32::MAX));
        println!(
            "| {tasks} | {ms:.1} | {:.1} | {} | {idle_ms:.1} | {:.1} | {} |",
            each(ms),
            first.steps.len(),
            each(idle_ms),
            idle.steps.len()
        );
    }
    Ok(())
}

/// The plan, and the milliseconds that desire and plan took together.
fn timed(snapshot: &Snapshot, rules: &Rules) -> (Plan, f64) {
    let mut best: Option<(Plan, f64)> = None;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let made = plan(snapshot, &desire(snapshot, rules), rules, Timestamp::UNIX_EPOCH);
        let ms = began.elapsed().as_secs_f64() * 1e3;
        if best.as_ref().is_none_or(|(_, least)| ms < *least) {
            best = Some((made, ms));
        }
    }
    best.unwrap_or_else(|| (plan(snapshot, &desire(snapshot, rules), rules, Timestamp::UNIX_EPOCH), 0.0))
}

fn rules() -> Result<Rules, Box<dyn std::error::Error>> {
    let rule = PrincipalRule {
        by: MatchBy::LoginName,
        auth_methods: [METHOD.to_owned()].into(),
        issuer: None,
        when_tags: BTreeMap::new(),
        require_claims: BTreeMap::new(),
    };
    Ok(Rules {
        owner: "bench".to_owned(),
        project_id: PROJECT.to_owned(),
        policy: Policy::Sync,
        force: false,
        limits: Limits::default(),
        on_active: OnActive::Defer,
        container: "rosa-boundary".to_owned(),
        abac_key: "username".to_owned(),
        family_prefix: Some("rosa-boundary-dev".to_owned()),
        started_by: StartedBy::Check,
        no_deadline: NoDeadline::Warn,
        name: Template::parse("{cluster_id}/{investigation_id}")?,
        alias: Some(Template::parse("{investigation_id}.{cluster_id}")?),
        description: Template::parse("Investigation {investigation_id} of {cluster_id}.")?,
        session_cap: 28_800,
        endpoint: None,
        egress_worker_filter: String::new(),
        principals: vec![rule],
    })
}

/// Tasks of as many investigations, of one user for every ten of them; in Boundary there are users only.
fn snapshot(tasks: usize) -> Result<Snapshot, Box<dyn std::error::Error>> {
    let place = Place {
        partition: "aws".to_owned(),
        account: "123456789012".to_owned(),
        region: "us-east-2".to_owned(),
        ecs_cluster: "rosa-boundary-dev".to_owned(),
    };
    let mut scan = SourceScan {
        place,
        at: Timestamp::UNIX_EPOCH,
        failure: None,
        cluster_is_active: true,
        tasks: BTreeMap::new(),
        missing: [].into(),
    };
    let mut boundary = BoundaryScan::default();
    for number in 0..tasks {
        let task = task(number)?;
        scan.tasks.insert(task.arn.clone(), task);
        if number % 10 == 0 {
            add_user(&mut boundary, &format!("user{}", number / 10));
        }
    }
    Ok(Snapshot { sources: [("main".to_owned(), scan)].into(), boundary, recorded: BTreeMap::new() })
}

fn task(number: usize) -> Result<TaskFacts, Box<dyn std::error::Error>> {
    let arn = TaskArn::parse(&format!("arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/{number:032x}"))?;
    let tags = [
        ("cluster_id", format!("rosa-prod-{:02}", number % 50)),
        ("investigation_id", format!("inv-{number:05}")),
        ("username", format!("user{}", number / 10)),
        ("deadline", "2026-01-01T02:00:00".to_owned()),
    ];
    Ok(TaskFacts {
        arn,
        last_status: "RUNNING".to_owned(),
        created_at: Some("2026-01-01T00:00:00Z".parse()?),
        exec_enabled: true,
        started_by: None,
        family: Some("rosa-boundary-dev-x".to_owned()),
        containers: vec!["rosa-boundary".to_owned()],
        labels: TaskLabels {
            tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            environment: BTreeMap::new(),
        },
    })
}

fn add_user(boundary: &mut BoundaryScan, name: &str) {
    let account = AccountFacts {
        id: format!("acctpw_{name}"),
        auth_method_id: METHOD.to_owned(),
        login_name: name.to_owned(),
        ..AccountFacts::default()
    };
    let user = UserFacts { id: format!("u_{name}"), version: 1, name: name.to_owned(), account_ids: [account.id.clone()].into() };
    boundary.accounts.push(account);
    boundary.users.insert(user.id.clone(), user);
}

/// Puts into Boundary what a first plan creates; ids tell the step.
fn settle(boundary: &mut BoundaryScan, plan: &Plan) {
    let id = |object: &Object| match object {
        Object::Id(id) => id.clone(),
        Object::MadeBy(number) => made(*number),
    };
    for step in &plan.steps {
        let new = made(step.number);
        match &step.operation {
            Operation::CreateTarget(fields) => {
                let target = TargetFacts {
                    id: new.clone(),
                    version: 1,
                    name: fields.name.clone(),
                    description: fields.description.clone(),
                    address: fields.address.clone(),
                    port: fields.port,
                    session_max_seconds: fields.session_max_seconds,
                    connection_limit: -1,
                    egress_worker_filter: fields.egress_worker_filter.clone(),
                };
                boundary.targets.insert(new, target);
            }
            Operation::CreateRole { name, description } => {
                let role = RoleFacts {
                    id: new.clone(),
                    version: 1,
                    scope_id: PROJECT.to_owned(),
                    name: name.clone(),
                    description: description.clone(),
                    grant_scopes: ["this".to_owned()].into(),
                    ..RoleFacts::default()
                };
                boundary.roles.insert(new, role);
            }
            Operation::SetGrants { role, target, .. } => {
                let grants = owners_grants(&id(target)).into_iter().collect();
                boundary.roles.entry(id(role)).and_modify(|role| role.grants = grants);
            }
            Operation::SetPrincipals { role, principal_ids, .. } => {
                let principals = principal_ids.iter().cloned().collect();
                boundary.roles.entry(id(role)).and_modify(|role| role.principals = principals);
            }
            Operation::CreateAlias { value, description, target } => {
                let alias = AliasFacts {
                    id: new.clone(),
                    version: 1,
                    value: value.clone(),
                    description: description.clone(),
                    destination_id: id(target),
                };
                boundary.aliases.insert(new, alias);
            }
            _ => {}
        }
    }
}

fn made(number: usize) -> String {
    format!("made_{number:08}")
}

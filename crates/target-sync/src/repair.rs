//! `adopt` and `retire`: what a person decides where nothing else may. Shown first, done only with `--yes`.

use crate::apply::StepResult;
use crate::facts::Kind;
use crate::plan::{Action, FieldChange, Object, Operation, PLAN_FORMAT, Plan, Reason, Step, TargetChanges};
use crate::program::{Tools, failed, failed_cycle, failed_store, print};
use crate::show;
use crate::store::Store;
use crate::{exit, plan};
use cli_kit::{chain_text, exit as shared, printable};
use investigation::{Marker, MarkerState, TaskArn};
use jiff::Timestamp;
use std::time::Duration;

/// How long a run of the daemon is waited for.
const OTHERS_WITHIN: Duration = Duration::from_secs(30);

/// An object that is to have our marker.
struct Lost {
    kind: Kind,
    name: String,
    description: String,
    version: u32,
    operation: Box<dyn Fn(String) -> Operation>,
    max_seconds: Option<u32>,
}

/// Puts our marker back on an object.
pub(crate) async fn adopt(tools: &Tools, id: &str, task: Option<&str>, yes: bool) -> u8 {
    let mut store = match Store::open_within(&tools.settings.state_dir, OTHERS_WITHIN).await {
        Ok(store) => store,
        Err(error) => return failed_store(&error),
    };
    let recorded = store.recorded().get(id).map(|recorded| recorded.task_arn.clone());
    let task_arn = match (task.map(TaskArn::parse), recorded) {
        (Some(Ok(task_arn)), _) | (None, Some(task_arn)) => task_arn,
        (Some(Err(error)), _) => return failed(&error.to_string()),
        (None, None) => return failed(&format!("our records do not know `{}`: say --task ARN", printable(id, 100))),
    };
    let lost = match read(tools, id).await {
        Ok(lost) => lost,
        Err(text) => return failed(&text),
    };
    if let Ok(marker) = Marker::parse(&lost.description) {
        if marker.owner == tools.settings.rules.owner {
            print("it has our marker; there is nothing to do\n");
            return shared::OK;
        }
        print(&format!("it is kept by `{}` until now\n", marker.owner));
    }
    let marker = Marker {
        owner: tools.settings.rules.owner.clone(),
        task_arn: task_arn.clone(),
        container: Some(tools.settings.rules.container.clone()),
        state: MarkerState::Live,
        max_seconds: lost.max_seconds,
        owner_digest: None,
    };
    let description = format!("{marker}\nAdopted; the next run writes what stands here.");
    let plan = one_step(tools, id, &task_arn, &lost, description);
    carry_out(tools, &mut store, &plan, yes).await
}

async fn read(tools: &Tools, id: &str) -> Result<Lost, String> {
    let (object, client) = (Object::Id(id.to_owned()), &tools.client);
    let said = |error: boundary_api::Error| chain_text(&error);
    match id.split_once('_').map(|(prefix, _)| prefix) {
        Some("ttcp") => {
            let target = client.targets().read(id).await.map_err(said)?;
            let version = target.version;
            let operation = move |description| Operation::UpdateTarget {
                target: object.clone(),
                version: Some(version),
                fields: TargetChanges { description: Some(description), ..TargetChanges::default() },
            };
            let (name, description) = (target.name.clone(), target.description.clone());
            let max_seconds = Some(target.session_max_seconds);
            Ok(Lost { kind: Kind::Target, name, description, version, operation: Box::new(operation), max_seconds })
        }
        Some("r") => {
            let role = client.roles().read(id).await.map_err(said)?;
            let version = role.version;
            let operation = move |description| Operation::UpdateRole {
                role: object.clone(),
                version: Some(version),
                name: None,
                description: Some(description),
            };
            let (name, description) = (role.name.clone(), role.description.clone());
            Ok(Lost { kind: Kind::Role, name, description, version, operation: Box::new(operation), max_seconds: None })
        }
        Some("alt") => {
            let alias = client.aliases().read(id).await.map_err(said)?;
            let (version, destination) = (alias.version, Object::Id(alias.destination_id.clone()));
            if alias.destination_id.is_empty() {
                return Err("the alias leads nowhere: delete it by hand, and the next run makes it anew".to_owned());
            }
            let operation = move |description| Operation::UpdateAlias {
                alias: object.clone(),
                version: Some(version),
                target: destination.clone(),
                description,
            };
            let (name, description) = (alias.value.clone(), alias.description.clone());
            Ok(Lost { kind: Kind::Alias, name, description, version, operation: Box::new(operation), max_seconds: None })
        }
        _ => Err(format!("`{}` is the id of no target (ttcp_…), role (r_…) or alias (alt_…)", printable(id, 100))),
    }
}

fn one_step(tools: &Tools, id: &str, task_arn: &TaskArn, lost: &Lost, description: String) -> Plan {
    let changes =
        vec![FieldChange { field: "description".to_owned(), from: Some(lost.description.clone()), to: description.clone() }];
    let step = Step {
        number: 1,
        action: Action::Update,
        kind: lost.kind,
        name: lost.name.clone(),
        id: Some(id.to_owned()),
        task_arn: task_arn.to_string(),
        reason: Reason::Asked,
        changes,
        not_before: None,
        after: Vec::new(),
        operation: (lost.operation)(description),
    };
    tracing::debug!(id, version = lost.version, "an object is adopted");
    let rules = &tools.settings.rules;
    Plan {
        format_version: PLAN_FORMAT,
        owner: rules.owner.clone(),
        project_id: rules.project_id.clone(),
        steps: vec![step],
        held: Vec::new(),
        notes: Vec::new(),
    }
}

/// Takes a target out of use although nothing says that its task has ended.
pub(crate) async fn retire(tools: &Tools, wanted: &str, yes: bool) -> u8 {
    let mut store = match Store::open_within(&tools.settings.state_dir, OTHERS_WITHIN).await {
        Ok(store) => store,
        Err(error) => return failed_store(&error),
    };
    let now = Timestamp::now();
    let recorded = store.recorded();
    let good_for = tools.settings.daemon.full_scan;
    let look = match tools.sync(&|_| {}).look(recorded, store.memory(now, good_for)).await {
        Ok(look) => look,
        Err(error) => return failed(&chain_text(&error)),
    };
    match plan::retire_asked(&look.snapshot, &tools.settings.rules, now, wanted) {
        Ok(plan) => carry_out(tools, &mut store, &plan, yes).await,
        Err(refusal) => failed(&format!("`{}`: {refusal}", printable(wanted, 200))),
    }
}

async fn carry_out(tools: &Tools, store: &mut Store, plan: &Plan, yes: bool) -> u8 {
    print(&show::plan(plan, Timestamp::now(), tools.paper));
    if !yes {
        print("nothing was done: say --yes to do it\n");
        return shared::OK;
    }
    let code = match tools.sync(&|_| {}).carry_out_given(store, plan).await {
        Ok(report) => {
            print(&show::report(plan, &report, tools.paper));
            let whole = !report.results.values().any(|result| !matches!(result, StepResult::Done { .. } | StepResult::NotDue));
            if whole { shared::OK } else { exit::IN_PART }
        }
        Err(error) => failed_cycle(&error),
    };
    tools.deliver(store).await;
    code
}

//! `upsert --from-json`: one task its target now, right after it was started.
//!
//! Owns the reading of start-task's output. Of it only the task's ARN is used; everything else is asked of ECS.

use crate::plan::Plan;
use crate::program::{Tools, conclude, failed, failed_cycle, failed_store, tell};
use crate::store::Store;
use crate::{exit, observe::ecs::Source};
use cli_kit::printable;
use investigation::TaskArn;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::Duration;

/// The longest input that is read, bytes.
const INPUT_MAX: u64 = 1 << 20;
/// How long a run of the daemon is waited for.
const OTHERS_WITHIN: Duration = Duration::from_secs(30);
/// How long a task's tags and container are waited for.
const WITHIN: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(5);

/// Brings the task of the input its target.
pub(crate) async fn upsert(tools: &Tools, from: &str) -> u8 {
    let task_arn = match read(from).and_then(|text| task_of(&text)) {
        Ok(task_arn) => task_arn,
        Err(text) => return failed(&text),
    };
    if !tools.settings.sources.iter().any(|source| covers(source, &task_arn)) {
        return failed(&format!("no [[source]] looks at the ECS cluster of {task_arn}"));
    }
    let mut store = match Store::open_within(&tools.settings.state_dir, OTHERS_WITHIN).await {
        Ok(store) => store,
        Err(error) => return failed_store(&error),
    };
    let code = bring(tools, &mut store, &task_arn).await;
    tools.deliver(&store).await;
    code
}

/// Runs until the task has its target, or cannot have one.
async fn bring(tools: &Tools, store: &mut Store, task_arn: &TaskArn) -> u8 {
    let text = task_arn.to_string();
    let until = std::time::Instant::now() + WITHIN;
    loop {
        let outcome = match tools.sync(&|_| {}).run(store, &|plan| only(plan, &text)).await {
            Ok(outcome) => outcome,
            Err(error) => return failed_cycle(&error),
        };
        if outcome.look.desired.targets.contains_key(task_arn) {
            return conclude(tools, &outcome);
        }
        let why = match outcome.look.desired.without.get(task_arn) {
            Some(why) => why.to_string(),
            None => "ECS does not know it".to_owned(),
        };
        let waits = matches!(
            outcome.look.desired.without.get(task_arn),
            None | Some(crate::desire::Without::TagsPending | crate::desire::Without::NotOurs)
        );
        if !waits || std::time::Instant::now() >= until {
            tell(&format!("{text} has no target: {why}"));
            return exit::FAILED;
        }
        tracing::info!(event = "waiting", task_arn = %text, %why, "the task is not ready for its target");
        tokio::time::sleep(PAUSE).await;
    }
}

fn read(from: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = if from == "-" {
        std::io::stdin().lock().take(INPUT_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(from).and_then(|file| file.take(INPUT_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| format!("failed to read `{}`: {error}", printable(from, 200)))?;
    Ok(text)
}

fn task_of(text: &str) -> Result<TaskArn, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("the input is no JSON: {error}"))?;
    let arn = value["task_arn"].as_str().ok_or("the input has no `task_arn`: give it what start-task --output json printed")?;
    TaskArn::parse(arn).map_err(|error| error.to_string())
}

fn covers(source: &Source, task_arn: &TaskArn) -> bool {
    source.region == task_arn.region()
        && Some(source.ecs_cluster.as_str()) == task_arn.ecs_cluster()
        && source.account.as_ref().is_none_or(|account| account == task_arn.account())
}

/// The steps of one task, with those that they rest on.
fn only(mut plan: Plan, task_arn: &str) -> Plan {
    let mut kept: BTreeSet<usize> = plan.steps.iter().filter(|step| step.task_arn == task_arn).map(|step| step.number).collect();
    for step in plan.steps.iter().rev() {
        if kept.contains(&step.number) {
            kept.extend(step.after.iter().copied());
        }
    }
    plan.steps.retain(|step| kept.contains(&step.number));
    plan.held.retain(|held| held.task_arn == task_arn);
    plan.notes.retain(|note| note.task_arn.as_deref() == Some(task_arn));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arn_is_taken_from_start_tasks_output() {
        let arn = "arn:aws:ecs:us-east-2:123456789012:task/c/0123456789abcdef0123456789abcdef";
        let text = format!(r#"{{"ecs_cluster":"other","cluster_id":"x","task_id":"y","task_arn":"{arn}","role_arn":"z"}}"#);
        assert_eq!(task_of(&text).unwrap().to_string(), arn);
        assert!(task_of("{}").unwrap_err().contains("task_arn"));
        assert!(task_of("arn").is_err() && task_of(r#"{"task_arn":"x"}"#).is_err());
    }
}

//! ECS's tasks, while it remembers them: whose they are, and when they stopped.

use super::haul::Ledger;
use super::place::{AwsPlace, CollectError, not_read};
use audit_facts::normalise::ecs::tasks;
use audit_facts::{Grade, Source};
use aws_reading::ecs::{DesiredStatus, describe_tasks, list_tasks};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Tasks that DescribeTasks takes at a time (API reference).
const AT_ONCE: usize = 100;
/// ECS shows a stopped task for an hour or so: rounds farther apart miss tags and stop times.
const KEPT: SignedDuration = SignedDuration::from_mins(50);
/// The cursor's name.
const CURSOR: &str = "described";

/// Reads the tasks of all clusters of one account and region.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let name = place.place("ecs");
    let read: Option<Timestamp> = ledger.cursor(Source::Ecs, &name, CURSOR)?.and_then(|value| serde_json::from_value(value).ok());
    for cluster in &place.source.ecs_clusters {
        if let Err(error) = of_cluster(place, ledger, cluster).await {
            return not_read(ledger, place.haul(Source::Ecs, "ecs"), &place.scope(), read, error);
        }
    }
    let mut haul = place.haul(Source::Ecs, "ecs");
    let from = read.unwrap_or(place.now - KEPT).max(place.now - KEPT);
    haul.covered(&place.scope(), from, place.now, Grade::BestEffort);
    haul.cursor(CURSOR, json!(place.now));
    ledger.commit(haul)?;
    Ok(())
}

async fn of_cluster(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, cluster: &str) -> Result<(), CollectError> {
    let mut arns: Vec<String> = Vec::new();
    for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
        let mut pages = place.reader.list(list_tasks(cluster, status));
        while let Some(page) = pages.next_page().await? {
            let body: Value = serde_json::from_slice(&page.page.body).unwrap_or_default();
            arns.extend(body["taskArns"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    for some in arns.chunks(AT_ONCE) {
        let page = place.reader.ask(&describe_tasks(cluster, some)).await?;
        let mut haul = place.haul(Source::Ecs, "ecs");
        let reading = haul.keep(ledger, &page.body, json!(page.request))?;
        haul.take(tasks(&reading, &page.body, None));
        ledger.commit(haul)?;
    }
    Ok(())
}

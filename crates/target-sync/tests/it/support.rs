//! Worlds, sources and eyes.

use aws_credential_types::Credentials;
use investigation::TaskArn;
use jiff::Timestamp;
use lab::{JournalEntry, Profile, TaskSpec, TaskView, World, WorldOptions};
use std::collections::{BTreeMap, BTreeSet};
use target_sync::facts::{SourceScan, TaskFacts};
use target_sync::observe::ecs::{Connection, Eye, Interest, Source};

/// The ECS cluster of every world.
pub(crate) const ECS_CLUSTER: &str = "rosa-boundary-dev";

/// When every scan begins.
pub(crate) const AT: Timestamp = Timestamp::constant(1_771_243_200, 0);

/// A world without tasks.
pub(crate) async fn world(profile: Profile) -> World {
    let world = World::start(WorldOptions::of(profile)).await.expect("the lab starts");
    let task = world.tasks().remove(0);
    world.forget_task(&task.task_id);
    world
}

/// A world without tasks, whose caller may do everything.
pub(crate) async fn granted() -> World {
    world(Profile::Granted).await
}

pub(crate) fn source() -> Source {
    Source::new("prod", "us-east-2", ECS_CLUSTER)
}

pub(crate) fn interest() -> Interest {
    Interest {
        owner: "sync-1".to_owned(),
        container: "rosa-boundary".to_owned(),
        family_prefix: Some("rosa-boundary-dev-".to_owned()),
    }
}

/// An eye on a source of a world, with the world's own credentials.
pub(crate) async fn eye(world: &World, source: Source) -> Eye {
    let keys = world.caller_keys();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(source.region.clone()))
        .endpoint_url(format!("http://{}", world.api_addr()))
        .credentials_provider(Credentials::new(keys.access_key, keys.secret, keys.session_token, None, "lab"))
        .load()
        .await;
    let connection = Connection::over(&source, &config).await.expect("STS answers");
    Eye::new(source, interest()).expect("the source fits").through(connection)
}

/// One scan of the world's cluster.
pub(crate) async fn scan(world: &World) -> SourceScan {
    scan_also(world, &[]).await
}

/// One scan, with tasks that must be asked for.
pub(crate) async fn scan_also(world: &World, also: &[&str]) -> SourceScan {
    eye(world, source()).await.scan(&arns(also), AT).await
}

pub(crate) fn arns(texts: &[&str]) -> BTreeSet<TaskArn> {
    texts.iter().map(|text| TaskArn::parse(text).expect("it is a task's ARN")).collect()
}

pub(crate) fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A task with nothing on it but what is given.
pub(crate) fn bare(investigation_id: &str) -> TaskSpec {
    TaskSpec { investigation_id: investigation_id.to_owned(), is_usual: false, ..TaskSpec::default() }
}

/// Adds many tasks.
pub(crate) fn add(world: &World, count: usize) -> Vec<TaskView> {
    let spec = |at: usize| TaskSpec { investigation_id: format!("inv-{at}"), ..TaskSpec::default() };
    (0..count).map(|at| world.add_task(spec(at))).collect()
}

/// What a scan says of a task.
pub(crate) fn seen<'a>(scan: &'a SourceScan, task: &TaskView) -> &'a TaskFacts {
    let arn = TaskArn::parse(&task.task_arn()).expect("the lab gives ARNs");
    scan.tasks.get(&arn).unwrap_or_else(|| panic!("{arn} was not seen: {:?}", scan.failure))
}

/// How often an action was called.
pub(crate) fn calls(world: &World, wanted: &str) -> usize {
    world.journal().iter().filter(|entry| matches!(entry, JournalEntry::ApiCall { action, .. } if action == wanted)).count()
}

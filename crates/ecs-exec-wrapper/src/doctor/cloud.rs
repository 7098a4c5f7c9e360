//! What AWS is asked, in the order in which one answer makes the next question possible.
//!
//! Owns no judgement: each group's file makes the checks of its facts.

use super::caller::{self, CallerFacts};
use super::check::{Check, Reading};
use super::cluster::{self, ClusterFacts};
use super::depends_on;
use super::legs;
use super::network::{self, NetworkFacts};
use super::permissions::{self, PermissionFacts};
use super::query::QueryClient;
use super::task::{self, TaskFacts, TaskReading};
use super::task_checks;
use crate::settings::{ChooseBy, Settings};
use aws_identity::{Aws, IdentityError, Leg};
use investigation::{ClusterRef, TaskArn, TaskRef};
use jiff::Timestamp;

/// Everything that AWS has answered.
#[derive(Debug)]
pub(super) struct Asked {
    caller: CallerFacts,
    /// The legs of the credential chain.
    chain: Vec<Leg>,
    /// `None` when no task is named.
    task: Option<TaskReading>,
    /// The cluster's name with the answer; `None` when no cluster is named.
    cluster: Option<(String, Reading<Option<ClusterFacts>>)>,
    /// `None` when the task has no network interface of its own.
    network: Option<Reading<NetworkFacts>>,
    /// `None` when no task is named.
    permissions: Option<Reading<PermissionFacts>>,
}

impl Asked {
    /// Asks.
    pub(super) async fn of(settings: &Settings, aws: &Aws) -> Self {
        let (credentials, facts) = caller::credentials(aws).await;
        let ca_file = record_delivery::ca_file(settings.ca_file.as_deref());
        let query = credentials.map(|credentials| QueryClient::new(credentials, aws.region(), ca_file.as_deref()));
        let of_chain = identity(settings, Some(aws.region().to_owned()));
        let (caller, chain) = tokio::join!(caller::gather(aws, query.as_ref(), facts), legs::gather(&of_chain));
        let is_known = caller.arn().is_some();
        let (task, cluster) = tokio::join!(task_of(settings, aws, is_known), cluster_of(settings, aws, is_known));
        let permissions = async {
            match &task {
                Some(task) => Some(permissions_of(settings, query.as_ref(), caller.arn(), task, cluster.as_ref()).await),
                None => None,
            }
        };
        let (permissions, network) = tokio::join!(permissions, network_of(query.as_ref(), task.as_ref()));
        Self { caller, chain, task, cluster, network, permissions }
    }

    /// What the answers add up to.
    pub(super) fn checks(&self, settings: &Settings) -> Vec<Check> {
        let now = Timestamp::now();
        let wanted = wanted_task(settings).map(|arn| (arn.region(), arn.account()));
        let mut checks = caller::checks(&self.caller, wanted, now);
        checks.extend(legs::checks(&self.chain, self.caller.arn().is_some()));
        checks.extend(self.task.iter().flat_map(|task| task_checks::checks(task, settings, now)));
        checks.extend(self.task().map(|_| network::check(self.network.as_ref())));
        checks.extend(self.cluster.iter().flat_map(|(name, facts)| cluster::checks(name, facts, settings.encryption)));
        checks.extend(self.permissions.iter().flat_map(permissions::checks));
        checks
    }

    /// The task, when it was found.
    pub(super) fn task(&self) -> Option<&TaskFacts> {
        match &self.task {
            Some(TaskReading::Found(facts)) => Some(facts),
            _ => None,
        }
    }

    /// When the credentials expire, if they say so.
    pub(super) fn credentials_expire_at(&self) -> Option<Timestamp> {
        self.caller.credentials.as_ref().ok().and_then(|credentials| credentials.expires_at)
    }
}

async fn task_of(settings: &Settings, aws: &Aws, is_known: bool) -> Option<TaskReading> {
    match settings.task.by {
        ChooseBy::Marker => None,
        _ if !is_known => Some(TaskReading::Unread(depends_on("the caller"))),
        _ => Some(task::gather(settings, aws.config()).await),
    }
}

async fn cluster_of(settings: &Settings, aws: &Aws, is_known: bool) -> Option<(String, Reading<Option<ClusterFacts>>)> {
    let name = cluster_name(settings)?;
    let facts = if is_known { cluster::gather(aws.config(), &name).await } else { Err(depends_on("the caller")) };
    Some((name, facts))
}

async fn permissions_of(
    settings: &Settings,
    query: Option<&Reading<QueryClient>>,
    caller_arn: Option<&str>,
    task: &TaskReading,
    cluster: Option<&(String, Reading<Option<ClusterFacts>>)>,
) -> Reading<PermissionFacts> {
    let caller_arn = caller_arn.ok_or_else(|| depends_on("the caller"))?;
    let query = query.ok_or_else(|| depends_on("the caller"))?.as_ref().map_err(Clone::clone)?;
    let TaskReading::Found(task) = task else { return Err(depends_on("the task")) };
    let cluster = match cluster {
        Some((_, Ok(Some(facts)))) => Ok(facts.clone()),
        Some((_, Err(unread))) => Err(unread.clone()),
        Some((_, Ok(None))) | None => Err(depends_on("the ECS cluster")),
    };
    let container = task.container(settings).map(|container| container.name.as_str());
    Ok(permissions::gather(query, caller_arn, task, container, &cluster, &settings.record_places).await)
}

async fn network_of(query: Option<&Reading<QueryClient>>, task: Option<&TaskReading>) -> Option<Reading<NetworkFacts>> {
    let Some(TaskReading::Found(task)) = task else { return None };
    let interface = task.interface.as_ref()?;
    Some(match query {
        Some(Ok(query)) => network::gather(query, interface, task.view.arn.account()).await,
        Some(Err(unread)) => Err(unread.clone()),
        None => Err(depends_on("the caller")),
    })
}

/// The ECS cluster's name, from the task's ARN or as given.
fn cluster_name(settings: &Settings) -> Option<String> {
    let of_task = wanted_task(settings).and_then(TaskArn::ecs_cluster);
    of_task.or(settings.task.ecs_cluster.as_ref().map(ClusterRef::name)).map(str::to_owned)
}

/// The task's ARN, when the command line says it.
fn wanted_task(settings: &Settings) -> Option<&TaskArn> {
    match &settings.task.by {
        ChooseBy::Name(TaskRef::Arn(arn)) => Some(arn),
        _ => None,
    }
}

/// What the identity is loaded with.
pub(super) fn identity(settings: &Settings, region: Option<String>) -> aws_identity::Settings {
    aws_identity::Settings { profile: settings.profile.clone(), region, ca_file: settings.ca_file.clone(), credentials: None }
}

/// As for a session: flag and environment first, the configuration file's region last.
///
/// # Errors
/// What is wrong with the AWS configuration.
pub(super) async fn load(settings: &Settings) -> Result<Aws, IdentityError> {
    let of = |region| identity(settings, region);
    match (aws_identity::load(&of(settings.region.clone())).await, &settings.configured_region) {
        (Err(IdentityError::NoRegion { .. }), Some(region)) => aws_identity::load(&of(Some(region.clone()))).await,
        (loaded, _) => loaded,
    }
}

//! Stage one: who we are, which task, which container, and whether its agent is there. Reads only.

use crate::attention::Attention;
use crate::ecs::Services;
use crate::ending::{Ending, Reason};
use crate::native::BrokeredKeys;
use crate::record::local_user;
use crate::say::Say;
use crate::settings::{ChooseBy, Settings};
use crate::task::{NoChoice, Readiness, TaskView, choose_container, only_one, readiness};
use aws_credential_types::Credentials;
use aws_identity::{AssumeRole, Aws, Caller, IdentityError, Refusal, RefusalKind};
use cli_kit::chain_text;
use investigation::{RoleSessionName, TaskArn, TaskRef, ssm_target};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often a task that is not ready is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// AWS, ready to be asked.
#[derive(Debug)]
pub(crate) struct Cloud {
    /// Configuration, region and credentials.
    pub(crate) aws: Aws,
    /// The clients.
    pub(crate) services: Services,
}

/// A task that ExecuteCommand can be sent for.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// Who we are.
    pub(crate) caller: Caller,
    /// The task.
    pub(crate) task_arn: TaskArn,
    /// Its ECS cluster's name.
    pub(crate) ecs_cluster: String,
    /// The container.
    pub(crate) container: String,
    /// The container's runtime id.
    pub(crate) runtime_id: String,
    /// The data channel's target string.
    pub(crate) ssm_target: String,
    /// The task's tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// When the task is stopped, as its tags say.
    pub(crate) deadline: Option<Timestamp>,
}

/// Loads the AWS configuration; asks for credentials when a provider might prompt, with the terminal lent to it.
///
/// # Errors
/// The ending that says what is missing.
pub(crate) async fn connect_cloud(
    settings: &Settings,
    brokered: Option<&BrokeredKeys>,
    attention: &mut Attention,
) -> Result<Cloud, Ending> {
    let of = |region: Option<String>| aws_identity::Settings {
        profile: settings.profile.clone(),
        region,
        ca_file: settings.ca_file.clone(),
        credentials: brokered.map(credentials_of),
    };
    let first = of(settings.region.clone());
    let mut loaded = attention.during(aws_identity::load(&first)).await?;
    if let (Err(IdentityError::NoRegion { .. }), Some(region)) = (&loaded, &settings.configured_region) {
        let second = of(Some(region.clone()));
        loaded = attention.during(aws_identity::load(&second)).await?;
    }
    let aws = loaded.map_err(|error| identity_ending(&error))?;
    if aws.may_prompt() {
        attention.terminal.lend();
        let asked = attention.during(aws.credentials()).await?;
        attention.terminal.reenter();
        asked.map_err(|error| identity_ending(&error))?;
    }
    let aws = match &settings.assume_role {
        Some(role_arn) => {
            let wanted = role_of(settings, role_arn, &aws).await;
            let assumed = attention.during(aws.assume_role(&wanted)).await?;
            assumed.map_err(|error| Ending::failed(Reason::Auth, format!("failed to {}", chain_text(&error))))?
        }
        None => aws,
    };
    let services = Services::new(aws.config());
    Ok(Cloud { aws, services })
}

/// What the role's session is to say of us: Boundary's user where it is known, else the local one.
async fn role_of(settings: &Settings, role_arn: &str, aws: &Aws) -> AssumeRole {
    let boundary = &settings.boundary;
    let user = boundary.user_id.clone().unwrap_or_else(local_user);
    let tags = aws.session_tags().await.unwrap_or_default();
    AssumeRole {
        role_arn: role_arn.to_owned(),
        session_name: RoleSessionName::new(&user, boundary.id.as_ref()),
        boundary_user_id: boundary.user_id.clone(),
        boundary_target_id: boundary.target_id.clone(),
        abac_tag: tags.get(&settings.abac_tag).map(|value| (settings.abac_tag.clone(), value.clone())),
        source_identity: Some(user),
        plain: settings.assume_role_plain,
    }
}

fn credentials_of(keys: &BrokeredKeys) -> Credentials {
    let session_token = keys.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    Credentials::new(&keys.access_key, keys.secret_key.expose_secret(), session_token, None, "Boundary")
}

/// Finds the task once, without waiting: the first look.
///
/// # Errors
/// The ending that says why there is no such task.
pub(crate) async fn first_look(settings: &Settings, services: &Services) -> Result<TaskView, Ending> {
    if settings.task.by == ChooseBy::Marker {
        return Err(no_marker());
    }
    let cluster = cluster_name(settings)?;
    match &settings.task.by {
        ChooseBy::Name(TaskRef::Arn(arn)) => describe_one(services, &cluster, &arn.to_string()).await,
        ChooseBy::Name(TaskRef::Id(id)) => describe_one(services, &cluster, id).await,
        ChooseBy::Name(TaskRef::Prefix(prefix)) => {
            let arns = services.running_tasks(&cluster).await.map_err(|refusal| refused(&refusal))?;
            let fits = |arn: &String| TaskArn::parse(arn).is_ok_and(|arn| arn.task_id().starts_with(prefix.as_str()));
            let fitting: Vec<String> = arns.into_iter().filter(fits).collect();
            let views = services.describe(&cluster, &fitting).await.map_err(|refusal| refused(&refusal))?;
            choose(&views.iter().collect::<Vec<_>>(), &format!("in {cluster} whose id begins with {prefix}"))
        }
        ChooseBy::Marker => Err(no_marker()),
        ChooseBy::Tags { cluster_id, investigation_id } => {
            let arns = services.running_tasks(&cluster).await.map_err(|refusal| refused(&refusal))?;
            let views = services.describe(&cluster, &arns).await.map_err(|refusal| refused(&refusal))?;
            let same = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
            let fits = |task: &&TaskView| {
                same(cluster_id, task.labels.cluster_id()) && same(investigation_id, task.labels.investigation_id())
            };
            let wanted = wanted_tags(cluster_id.as_deref(), investigation_id.as_deref());
            choose(&views.iter().filter(fits).collect::<Vec<_>>(), &format!("in {cluster} with {wanted}"))
        }
    }
}

/// Waits until the task and its agent are ready, telling what it waits for.
///
/// # Errors
/// The ending: never ready, or not in time.
pub(crate) async fn wait_until_ready(
    settings: &Settings,
    services: &Services,
    mut task: TaskView,
    caller: Caller,
    say: Say,
) -> Result<Resolved, Ending> {
    let cluster = cluster_name(settings)?;
    let until = Instant::now() + settings.wait;
    let mut told = String::new();
    loop {
        let container = choose_container(&task, settings.container.as_deref(), settings.configured_container.as_deref());
        let container = container.map_err(|no| no_choice(&no))?;
        let what = match readiness(&task, container) {
            Readiness::Ready(runtime_id) => return Ok(resolved(&task, &cluster, &container.name, runtime_id, caller)),
            Readiness::Never(no) => return Err(no_choice(&no)),
            Readiness::Waiting(what) => what,
        };
        if Instant::now() >= until {
            return Err(Ending::failed(
                Reason::TargetNotConnected,
                format!("waited {} for {what}", humantime::format_duration(settings.wait)),
            ));
        }
        if told != what {
            say.status(&format!("waiting for {what}"));
            told = what;
        }
        tokio::time::sleep(LOOK_AGAIN.min(until.saturating_duration_since(Instant::now()))).await;
        task = describe_one(services, &cluster, &task.arn.to_string()).await?;
    }
}

/// Turns a refusal of AWS into an ending.
pub(crate) fn refused(refusal: &Refusal) -> Ending {
    let reason = match refusal.kind {
        RefusalKind::Denied | RefusalKind::Expired | RefusalKind::Credentials => Reason::Auth,
        RefusalKind::NotFound => Reason::TaskNotFound,
        _ => Reason::Aws,
    };
    Ending::failed(reason, refusal.to_string())
}

/// Turns an identity error into an ending.
pub(crate) fn identity_ending(error: &IdentityError) -> Ending {
    Ending::failed(Reason::Auth, format!("failed to {}", chain_text(error)))
}

fn no_marker() -> Ending {
    Ending::failed(Reason::Usage, "the Boundary target has no marker that says which task it leads to: give --cluster and --task")
}

fn no_choice(no: &NoChoice) -> Ending {
    Ending::failed(no.reason, no.sentence.clone())
}

fn choose(fitting: &[&TaskView], wanted: &str) -> Result<TaskView, Ending> {
    only_one(fitting, wanted).cloned().map_err(|no| no_choice(&no))
}

async fn describe_one(services: &Services, cluster: &str, task: &str) -> Result<TaskView, Ending> {
    let views = services.describe(cluster, &[task.to_owned()]).await.map_err(|refusal| refused(&refusal))?;
    let missing = || {
        Ending::failed(
            Reason::TaskNotFound,
            format!("ECS knows no task {task} in the cluster {cluster}; it forgets stopped tasks within the hour"),
        )
    };
    views.into_iter().next().ok_or_else(missing)
}

fn cluster_name(settings: &Settings) -> Result<String, Ending> {
    let of_arn = match &settings.task.by {
        ChooseBy::Name(TaskRef::Arn(arn)) => arn.ecs_cluster(),
        _ => None,
    };
    let named = settings.task.ecs_cluster.as_ref().map(investigation::ClusterRef::name);
    of_arn.or(named).map(str::to_owned).ok_or_else(|| Ending::failed(Reason::Usage, "no ECS cluster is given"))
}

fn wanted_tags(cluster_id: Option<&str>, investigation_id: Option<&str>) -> String {
    let show = |name: &str, value: Option<&str>| value.map(|value| format!("{name} {}", cli_kit::printable(value, 64)));
    [show("cluster_id", cluster_id), show("investigation_id", investigation_id)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
}

fn resolved(task: &TaskView, cluster: &str, container: &str, runtime_id: String, caller: Caller) -> Resolved {
    Resolved {
        caller,
        ssm_target: ssm_target(cluster, task.arn.task_id(), &runtime_id),
        task_arn: task.arn.clone(),
        ecs_cluster: cluster.to_owned(),
        container: container.to_owned(),
        runtime_id,
        tags: task.labels.tags.clone(),
        deadline: task.labels.deadline(),
    }
}

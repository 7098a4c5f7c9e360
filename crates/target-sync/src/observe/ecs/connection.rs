//! Who we are at a source: its profile, its role, its account, and the one ECS client that follows.
//!
//! Owns the order in which these are found and checked. Credentials of a role are renewed by themselves, for weeks.

use super::source::Source;
use crate::facts::Place;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_identity::{AssumeRole, AssumeRoleError, Aws, Caller, IdentityError, Refusal, Settings, explain, load};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::SharedCredentialsProvider;
use cli_kit::printable;
use investigation::RoleSessionName;

/// How often a call is made before its failure counts; the pauses between grow from 1 s by halves and doubles, at random.
///
/// Source: ECS refills its buckets at 20 a second for reads of a cluster's tasks (ECS API, request throttling); all five fit into
/// the 40 s that `aws-identity` gives a call.
const ATTEMPTS: u32 = 5;

/// Why nobody can be asked at a source.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// There is no usable configuration, or there are no credentials.
    #[error("open the source {source_name}")]
    Identity {
        /// The source.
        source_name: String,
        /// What is missing.
        source: IdentityError,
    },
    /// The source's role was not taken on.
    #[error("open the source {source_name}")]
    Role {
        /// The source.
        source_name: String,
        /// What AWS said.
        source: Box<AssumeRoleError>,
    },
    /// AWS does not say who we are.
    #[error("open the source {source_name}")]
    Caller {
        /// The source.
        source_name: String,
        /// What AWS said.
        source: Box<Refusal>,
    },
    /// The credentials belong to another account.
    #[error(
        "open the source {source_name}: it is in the account {wanted}, but {} belongs to {}",
        printable(caller_arn, 300),
        printable(found, 20)
    )]
    Account {
        /// The source.
        source_name: String,
        /// The account that is configured.
        wanted: String,
        /// The caller's.
        found: String,
        /// The caller.
        caller_arn: String,
    },
    /// The caller's ARN is none.
    #[error("open the source {source_name}: AWS calls us {}", printable(caller_arn, 300))]
    Arn {
        /// The source.
        source_name: String,
        /// What AWS said.
        caller_arn: String,
    },
}

/// A way to ask a source's ECS, and who asks.
#[derive(Debug, Clone)]
pub struct Connection {
    client: Client,
    caller: Caller,
    partition: String,
    region: String,
}

impl Connection {
    /// Finds credentials, takes on the source's role, and checks the account. Asks STS once or twice.
    ///
    /// # Errors
    /// [`ConnectionError`] names the source and the step.
    pub async fn open(source: &Source, owner: &str) -> Result<Self, ConnectionError> {
        let settings = Settings { profile: source.profile.clone(), region: Some(source.region.clone()), ..Settings::default() };
        let identity = |error| ConnectionError::Identity { source_name: source.name.clone(), source: error };
        let aws = load(&settings).await.map_err(identity)?;
        aws.credentials().await.map_err(identity)?;
        let config = in_role(source, owner, &aws).await?;
        Self::over(source, &config).await
    }

    /// Checks the account that a configuration's credentials belong to, and makes the client. Asks STS once.
    ///
    /// # Errors
    /// [`ConnectionError`] when STS does not answer, or names another account than the source's.
    pub async fn over(source: &Source, config: &SdkConfig) -> Result<Self, ConnectionError> {
        let source_name = source.name.clone();
        let caller = match who(config).await {
            Ok(caller) => caller,
            Err(refusal) => return Err(ConnectionError::Caller { source_name, source: Box::new(refusal) }),
        };
        let Some(partition) = partition(&caller) else {
            return Err(ConnectionError::Arn { source_name, caller_arn: caller.arn });
        };
        if let Some(wanted) = source.account.clone().filter(|wanted| *wanted != caller.account) {
            return Err(ConnectionError::Account { source_name, wanted, found: caller.account, caller_arn: caller.arn });
        }
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let client = Client::from_conf(aws_sdk_ecs::config::Builder::from(config).retry_config(retry).build());
        Ok(Self { client, partition, region: source.region.clone(), caller })
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Where an ECS cluster of this name is.
    pub fn place(&self, ecs_cluster: &str) -> Place {
        Place {
            partition: self.partition.clone(),
            account: self.caller.account.clone(),
            region: self.region.clone(),
            ecs_cluster: ecs_cluster.to_owned(),
        }
    }

    /// The client.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// The configuration with the credentials of the source's role, if it has one.
async fn in_role(source: &Source, owner: &str, aws: &Aws) -> Result<SdkConfig, ConnectionError> {
    let session_name = RoleSessionName::new(&format!("target-sync-{owner}"), None);
    match (&source.assume_role, &source.external_id) {
        (None, _) => Ok(aws.config().clone()),
        (Some(role_arn), None) => {
            let role = |error| ConnectionError::Role { source_name: source.name.clone(), source: Box::new(error) };
            let assumed = aws.assume_role(&plain(role_arn, session_name)).await;
            Ok(assumed.map_err(role)?.config().clone())
        }
        (Some(role_arn), Some(external_id)) => {
            let role = AssumeRoleProvider::builder(role_arn).external_id(external_id).session_name(session_name.to_string());
            let provider = role.configure(aws.config()).build().await;
            Ok(aws.config().to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build())
        }
    }
}

/// A machine's role: its session has a name, and no tags or source identity, which its trust would have to permit.
fn plain(role_arn: &str, session_name: RoleSessionName) -> AssumeRole {
    AssumeRole {
        role_arn: role_arn.to_owned(),
        session_name,
        boundary_user_id: None,
        boundary_target_id: None,
        abac_tag: None,
        source_identity: None,
        plain: true,
    }
}

async fn who(config: &SdkConfig) -> Result<Caller, Refusal> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| explain("sts:GetCallerIdentity", &error))?;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Ok(Caller { account: text(answer.account()), arn: text(answer.arn()), user_id: text(answer.user_id()) })
}

/// The partition that a caller's ARN names.
fn partition(caller: &Caller) -> Option<String> {
    let mut parts = caller.arn.split(':');
    let partition = parts.nth(1).filter(|_| caller.arn.starts_with("arn:"))?;
    (!partition.is_empty() && !caller.account.is_empty()).then(|| partition.to_owned())
}

//! Loads the SDK configuration once and tells who it makes us. Owns the order in which region,
//! profile and credentials are found where the SDK's own would be slow or silent.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::IdentityCache;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::assume::{AssumeRole, AssumeRoleError, Assumed, Assumer};
use crate::cache::Cache;
use crate::connector::{CaFileError, http_client};
use crate::profile::{self, Selected};
use crate::refusal::{Refusal, chain, explain};
use cli_kit::printable;

/// The time for one attempt of a call; control-plane calls answer within 2 s (general experience).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// The time for a call with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(40);

/// The time for credentials: a user may have to type a code or find a device.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_mins(3);

/// What the operator chose; everything absent comes from the environment and the profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The profile; unlike `AWS_PROFILE` it also wins over keys in the environment, as in the AWS CLI.
    pub profile: Option<String>,
    /// The region; else `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's.
    pub region: Option<String>,
    /// PEM certificates that replace the system's roots; else `AWS_CA_BUNDLE`.
    pub ca_file: Option<PathBuf>,
    /// Credentials that were handed to us; they replace every other source.
    pub credentials: Option<Credentials>,
}

/// Why it is not known who we are.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No region was given anywhere.
    #[error("find the AWS region: give --region, set AWS_REGION, or add `region = …` to the profile {profile}")]
    NoRegion {
        /// The profile in force.
        profile: String,
    },
    /// The region has a character that no region has; host names are made of it.
    #[error("use {} as an AWS region", printable(region, 100))]
    Region {
        /// The region as given.
        region: String,
    },
    /// The profile that was asked for is in no profile file.
    #[error("find the AWS profile {profile} that {origin} names")]
    ProfileMissing {
        /// The profile.
        profile: String,
        /// Where it was named.
        origin: &'static str,
    },
    /// A profile file could not be read or parsed.
    #[error("read the AWS profile files")]
    ProfileFiles {
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file that the environment names cannot be opened.
    #[error("open {}, which {variable} names", path.display())]
    NamedFile {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The CA file cannot be used.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// Nothing offered credentials.
    #[error("find AWS credentials: neither environment, profile {profile}, web identity, container nor instance has any")]
    NoCredentials {
        /// The profile in force.
        profile: String,
    },
    /// A provider failed.
    #[error("get AWS credentials: {detail}")]
    Credentials {
        /// The provider's chain of reasons, sanitised.
        detail: String,
    },
    /// No provider answered in time.
    #[error("get AWS credentials within {} s", CREDENTIALS_TIMEOUT.as_secs())]
    CredentialsTimedOut,
    /// The role that was assumed before could not be assumed again.
    #[error("take the role on again")]
    AssumeRole(#[source] Box<AssumeRoleError>),
}

/// Who the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account id.
    pub account: String,
    /// The principal's ARN.
    pub arn: String,
    /// The unique id: for a role, its id and the session name.
    pub user_id: String,
}

/// One AWS identity, shared by all clients.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    region: String,
    profile: String,
    may_prompt: bool,
    settings: Settings,
    role: Option<(AssumeRole, Assumed)>,
}

/// Loads configuration, profile and region; asks no network.
///
/// The credential chain is the SDK's own; the region is never looked for on the instance, which
/// would cost seconds wherever there is none.
///
/// # Errors
/// Names what was asked for and is missing.
pub async fn load(settings: &Settings) -> Result<Aws, IdentityError> {
    let selected = profile::select(settings.profile.as_deref()).await?;
    of_profile(settings, &selected).await
}

/// Does the rest of [`load`], with a profile that need not be there.
pub(crate) async fn of_profile(settings: &Settings, selected: &Selected) -> Result<Aws, IdentityError> {
    let region = region(settings, selected)?;
    let ca_file = settings.ca_file.clone().or_else(|| profile::variable("AWS_CA_BUNDLE").map(PathBuf::from));
    let client = http_client(ca_file.as_deref())?;
    let config = sdk_config(settings, &region, client).await;
    Ok(Aws {
        config,
        region,
        profile: selected.name().to_owned(),
        may_prompt: may_prompt(settings, selected),
        settings: settings.clone(),
        role: None,
    })
}

fn region(settings: &Settings, selected: &Selected) -> Result<String, IdentityError> {
    let region = settings
        .region
        .clone()
        .filter(|region| !region.is_empty())
        .or_else(|| profile::variable("AWS_REGION"))
        .or_else(|| profile::variable("AWS_DEFAULT_REGION"))
        .or_else(|| selected.region())
        .ok_or_else(|| IdentityError::NoRegion { profile: selected.name().to_owned() })?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.bytes().all(fits) { Ok(region) } else { Err(IdentityError::Region { region }) }
}

fn may_prompt(settings: &Settings, selected: &Selected) -> bool {
    let environment_wins = settings.profile.is_none() && profile::has_environment_credentials();
    !environment_wins && settings.credentials.is_none() && selected.may_prompt()
}

async fn sdk_config(settings: &Settings, region: &str, client: SharedHttpClient) -> SdkConfig {
    let region = Region::new(region.to_owned());
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).operation_timeout(OPERATION_TIMEOUT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .http_client(client.clone())
        .timeout_config(timeouts)
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build());
    if let Some(credentials) = &settings.credentials {
        loader = loader.credentials_provider(credentials.clone());
    } else if let Some(profile) = &settings.profile {
        loader = with_profile(loader, profile, region, client);
    }
    let config = loader.load().await;
    match config.credentials_provider() {
        Some(chain) => {
            let cache = SharedCredentialsProvider::new(Cache::new(chain));
            config.into_builder().credentials_provider(cache).build()
        }
        None => config,
    }
}

/// Takes the credentials from the profile alone.
fn with_profile(loader: ConfigLoader, profile: &str, region: Region, client: SharedHttpClient) -> ConfigLoader {
    let provider_config = ProviderConfig::without_region().with_region(Some(region)).with_http_client(client);
    let provider = ProfileFileCredentialsProvider::builder().configure(&provider_config).profile_name(profile).build();
    loader.profile_name(profile).credentials_provider(provider)
}

impl Aws {
    /// The configuration for service clients; its HTTP connector and credentials are shared.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Names the region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Names the profile in force, `default` if none was chosen.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Tells whether getting credentials may ask the user something: the terminal must then be in
    /// the user's mode. Read from the profile, so an estimate.
    pub fn may_prompt(&self) -> bool {
        self.may_prompt
    }

    /// Gets credentials, from memory unless they are about to expire.
    ///
    /// Call this before the first service call if [`Aws::may_prompt`]: a user takes longer than a
    /// call's timeout.
    ///
    /// # Errors
    /// Tells absent credentials from a provider that failed.
    pub async fn credentials(&self) -> Result<Credentials, IdentityError> {
        let Some(provider) = self.config.credentials_provider() else { return Err(self.no_credentials()) };
        match tokio::time::timeout(CREDENTIALS_TIMEOUT, provider.provide_credentials()).await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(CredentialsError::CredentialsNotLoaded(_))) => Err(self.no_credentials()),
            Ok(Err(CredentialsError::ProviderTimedOut(_))) | Err(_) => Err(IdentityError::CredentialsTimedOut),
            Ok(Err(error)) => Err(IdentityError::Credentials { detail: printable(&chain(&error), 1000) }),
        }
    }

    fn no_credentials(&self) -> IdentityError {
        IdentityError::NoCredentials { profile: self.profile.clone() }
    }

    /// Asks AWS who we are.
    ///
    /// # Errors
    /// Passes on why AWS, or the way to it, refused.
    pub async fn caller(&self) -> Result<Caller, Refusal> {
        let client = aws_sdk_sts::Client::new(&self.config);
        let answer = client.get_caller_identity().send().await;
        let answer = answer.map_err(|error| explain("sts:GetCallerIdentity", &error))?;
        Ok(Caller {
            account: answer.account.unwrap_or_default(),
            arn: answer.arn.unwrap_or_default(),
            user_id: answer.user_id.unwrap_or_default(),
        })
    }

    /// Takes on a role; its credentials replace ours, and are renewed with fresh ones of ours before they expire.
    ///
    /// Asks STS once, twice if the calling session seems to have a source identity of its own. If [`Aws::may_prompt`], call
    /// [`Aws::credentials`] before.
    ///
    /// # Errors
    /// [`AssumeRoleError`] names the permission that lacks and the policy statements to add.
    pub async fn assume_role(&self, wanted: &AssumeRole) -> Result<Self, AssumeRoleError> {
        // Our own cache renews earlier than the SDK's, so that the call is never made with credentials about to expire.
        let asking = self.config.to_builder().identity_cache(IdentityCache::no_cache()).build();
        let mut assumer = Assumer::new(aws_sdk_sts::Client::new(&asking), wanted.clone())?;
        let (credentials, assumed) = assumer.first().await?;
        let cache = Cache::holding(SharedCredentialsProvider::new(assumer), credentials);
        let config = self.config.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(cache)).build();
        Ok(Self { config, role: Some((wanted.clone(), assumed)), ..self.clone() })
    }

    /// What this identity was loaded with.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The session of the role that was assumed, if one was.
    pub fn assumed(&self) -> Option<&Assumed> {
        self.role.as_ref().map(|(_, assumed)| assumed)
    }

    /// Loads everything again from files and environment, and takes the role on again: a user may have logged in meanwhile.
    ///
    /// # Errors
    /// As [`load`]; and as [`Aws::credentials`] and [`Aws::assume_role`] if a role was assumed.
    pub async fn reload(&self) -> Result<Self, IdentityError> {
        let base = load(&self.settings).await?;
        let Some((wanted, _)) = &self.role else { return Ok(base) };
        base.credentials().await?;
        base.assume_role(wanted).await.map_err(|error| IdentityError::AssumeRole(Box::new(error)))
    }
}

//! Goes the credential chain leg by leg and asks STS who it makes us at each. Owns the calls and their order; what a leg is,
//! and what can be behind its failure, is told elsewhere.
//!
//! ```text
//! files, environment ─ gather ─► Sources ─ describe ─► Step… ─ try one after the other ─► Leg…
//! ```

use std::fmt;
use std::path::Path;
use std::time::Duration;

use aws_config::credential_process::CredentialProcessProvider;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sso::SsoCredentialsProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::Client;
use cli_kit::{chain_text, printable};

use crate::assume::sts_credentials;
use crate::causes::{self, Failed};
use crate::chain::{Act, LegKind, Sources, Step, describe};
use crate::identity::{self, IdentityError, Settings};
use crate::profile::{self, Selected};
use crate::refusal::{Refusal, chain, explain};
use crate::sources::{gather, read_token};
use crate::token::TokenClaims;

/// The time for a source of credentials: a program may ask the user something.
const SOURCE_TIMEOUT: Duration = Duration::from_mins(3);

/// The name of the sessions that a leg opens when its profile names none.
const SESSION_NAME: &str = "credentials-check";

/// One leg of the credential chain, tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// What it is.
    pub kind: LegKind,
    /// What it is called: the role, the program, the variable.
    pub title: String,
    /// Where it comes from, and what is known of it; of a token its claims, never the token.
    pub detail: String,
    /// How it went.
    pub outcome: Outcome,
}

/// How a leg went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its credentials work.
    Passed {
        /// Who they make us.
        arn: String,
    },
    /// It failed.
    Failed {
        /// How.
        failure: LegFailure,
        /// What can be behind it, the surest first; where two sides must permit, both are there.
        causes: Vec<String>,
    },
    /// A leg before it failed.
    NotTried,
}

/// What a leg failed of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegFailure {
    /// STS refused, or was not reached.
    Refused(Box<Refusal>),
    /// It did not come to a call: a file, a profile or a program.
    Here {
        /// What is wrong, sanitised.
        detail: String,
    },
}

impl fmt::Display for LegFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Here { detail } => f.write_str(detail),
        }
    }
}

/// Describes the credential chain in force and tries its legs one after the other.
///
/// Each leg opens a session of its own and is asked `sts:GetCallerIdentity`; nothing is kept. A source that offers nothing
/// is told as failed and passed over, as the SDK does. If [`crate::Aws::may_prompt`], it may ask the user something.
pub async fn explain_chain(settings: &Settings) -> Vec<Leg> {
    let selected = match profile::open(settings.profile.as_deref()).await {
        Ok(selected) => selected,
        Err(error) => return vec![configuration(&error, None)],
    };
    let sources = gather(settings, selected.all());
    let steps = describe(&sources);
    let unreadable = profile::check_named_files(settings.profile.is_some()).err();
    if let Some(error) = unreadable.filter(|error| !belongs_to_a_leg(error, &steps)) {
        let rest = steps.into_iter().filter(|step| step.kind != LegKind::Configuration).map(not_tried);
        return [configuration(&error, Some(&sources))].into_iter().chain(rest).collect();
    }
    let config = match identity::of_profile(settings, &selected).await {
        Ok(aws) => aws.config().clone(),
        Err(error) => {
            return [configuration(&error, Some(&sources))].into_iter().chain(steps.into_iter().map(not_tried)).collect();
        }
    };
    Walk { config, selected, sources, at: None }.all(steps).await
}

/// Tells whether a file is the token of a leg, which then tells more of it.
fn belongs_to_a_leg(error: &IdentityError, steps: &[Step]) -> bool {
    let IdentityError::NamedFile { path, .. } = error else { return false };
    steps.iter().any(|step| matches!(&step.act, Act::WebIdentity { token_file, .. } if token_file == path))
}

/// Reads the claims of the web identity token when that token alone makes us who we are.
pub(crate) async fn sole_web_identity(settings: &Settings) -> Option<TokenClaims> {
    let selected = profile::open(settings.profile.as_deref()).await.ok()?;
    let sources = gather(settings, selected.all());
    match describe(&sources).as_slice() {
        [Step { act: Act::WebIdentity { token_file, .. }, .. }] => sources.tokens.get(token_file)?.clone().ok(),
        _ => None,
    }
}

fn configuration(error: &IdentityError, sources: Option<&Sources>) -> Leg {
    let failure = LegFailure::Here { detail: printable(&chain_text(error), 1000) };
    let outcome = Outcome::Failed { failure, causes: causes::configuration(error, sources) };
    Leg { kind: LegKind::Configuration, title: "files, profile and region".to_owned(), detail: String::new(), outcome }
}

fn not_tried(step: Step) -> Leg {
    Leg { kind: step.kind, title: step.title, detail: step.detail, outcome: Outcome::NotTried }
}

/// The way so far.
struct Walk {
    config: SdkConfig,
    selected: Selected,
    sources: Sources,
    at: Option<Place>,
}

/// What the leg before gave.
struct Place {
    credentials: Credentials,
    arn: String,
}

impl Walk {
    async fn all(mut self, steps: Vec<Step>) -> Vec<Leg> {
        let mut legs = Vec::with_capacity(steps.len());
        let mut is_open = true;
        for step in steps {
            if !is_open {
                legs.push(not_tried(step));
                continue;
            }
            let outcome = self.go(&step.act).await;
            let passed = matches!(outcome, Outcome::Passed { .. });
            is_open = passed || matches!(step.act, Act::PassedOver { .. });
            legs.push(Leg { kind: step.kind, title: step.title, detail: step.detail, outcome });
        }
        legs
    }

    async fn go(&mut self, act: &Act) -> Outcome {
        if let Act::Broken { reason, causes } | Act::PassedOver { reason, causes } = act {
            let failure = LegFailure::Here { detail: printable(reason, 1000) };
            return Outcome::Failed { failure, causes: causes.iter().map(|cause| printable(cause, 1500)).collect() };
        }
        match self.place(act).await {
            Ok(place) => {
                let arn = place.arn.clone();
                self.at = Some(place);
                Outcome::Passed { arn }
            }
            Err(failure) => Outcome::Failed { causes: self.causes(act, &failure), failure },
        }
    }

    async fn place(&self, act: &Act) -> Result<Place, LegFailure> {
        let credentials = self.credentials(act).await?;
        let answer = self.client(Some(credentials.clone())).get_caller_identity().send().await;
        let answer = answer.map_err(|error| refused(explain("sts:GetCallerIdentity", &error)))?;
        Ok(Place { credentials, arn: printable(answer.arn().unwrap_or_default(), 300) })
    }

    async fn credentials(&self, act: &Act) -> Result<Credentials, LegFailure> {
        match act {
            Act::WebIdentity { role_arn, token_file, session_name } => {
                self.web_identity(role_arn, token_file, session_name.as_deref()).await
            }
            Act::AssumeRole { role_arn, external_id, session_name, .. } => {
                self.assume_role(role_arn, external_id.as_deref(), session_name.as_deref()).await
            }
            Act::ProfileKeys { profile } => self.profile_keys(profile),
            Act::EnvironmentKeys => fetched(EnvironmentVariableCredentialsProvider::new()).await,
            Act::Process { profile } => {
                let command = self.key(profile, "credential_process").unwrap_or_default();
                fetched(CredentialProcessProvider::new(command.to_owned())).await
            }
            Act::Sso { profile } => match self.sso(profile) {
                Some(provider) => fetched(provider).await,
                None => Err(here("the profile lacks sso_account_id, sso_role_name, sso_region or sso_start_url")),
            },
            Act::Container => fetched(EcsCredentialsProvider::builder().configure(&self.provider_config()).build()).await,
            Act::Instance => fetched(ImdsCredentialsProvider::builder().configure(&self.provider_config()).build()).await,
            Act::Broken { reason, .. } | Act::PassedOver { reason, .. } => Err(here(reason)),
        }
    }

    async fn web_identity(&self, role_arn: &str, file: &Path, session_name: Option<&str>) -> Result<Credentials, LegFailure> {
        let token = read_token(file).map_err(|error| here(&format!("read the token file {}: {error}", file.display())))?;
        TokenClaims::decode(&token).map_err(|error| here(&format!("{error} in {}", file.display())))?;
        let call = self.client(None).assume_role_with_web_identity().role_arn(role_arn).web_identity_token(token);
        let answer = call.role_session_name(session_name.unwrap_or(SESSION_NAME)).send().await;
        let answer = answer.map_err(|error| refused(explain("sts:AssumeRoleWithWebIdentity", &error)))?;
        answer.credentials.as_ref().and_then(sts_credentials).ok_or_else(no_credentials)
    }

    async fn assume_role(
        &self,
        role_arn: &str,
        external_id: Option<&str>,
        session_name: Option<&str>,
    ) -> Result<Credentials, LegFailure> {
        let client = self.client(self.at.as_ref().map(|place| place.credentials.clone()));
        let call = client.assume_role().role_arn(role_arn).set_external_id(external_id.map(str::to_owned));
        let answer = call.role_session_name(session_name.unwrap_or(SESSION_NAME)).send().await;
        let answer = answer.map_err(|error| refused(explain("sts:AssumeRole", &error)))?;
        answer.credentials.as_ref().and_then(sts_credentials).ok_or_else(no_credentials)
    }

    fn profile_keys(&self, profile: &str) -> Result<Credentials, LegFailure> {
        let key = |name: &str| self.key(profile, name).map(str::to_owned);
        let (Some(key_id), Some(secret)) = (key("aws_access_key_id"), key("aws_secret_access_key")) else {
            return Err(no_credentials());
        };
        Ok(Credentials::new(key_id, secret, key("aws_session_token"), None, "profile"))
    }

    fn sso(&self, profile: &str) -> Option<SsoCredentialsProvider> {
        let session_name = self.key(profile, "sso_session");
        let session = session_name.and_then(|name| self.selected.all().sso_session(name));
        let either = |name: &str| self.key(profile, name).or_else(|| session?.get(name));
        let builder = SsoCredentialsProvider::builder()
            .configure(&self.provider_config())
            .account_id(self.key(profile, "sso_account_id")?)
            .role_name(self.key(profile, "sso_role_name")?)
            .region(Region::new(either("sso_region")?.to_owned()))
            .start_url(either("sso_start_url")?);
        Some(match session_name {
            Some(name) => builder.session_name(name).build(),
            None => builder.build(),
        })
    }

    fn key(&self, profile: &str, name: &str) -> Option<&str> {
        self.selected.all().get_profile(profile)?.get(name)
    }

    fn client(&self, credentials: Option<Credentials>) -> Client {
        let provider = credentials.map(SharedCredentialsProvider::new);
        let mut config = self.config.to_builder();
        config.set_credentials_provider(provider);
        Client::new(&config.build())
    }

    fn provider_config(&self) -> ProviderConfig {
        let config = ProviderConfig::without_region().with_region(self.config.region().cloned());
        match self.config.http_client() {
            Some(client) => config.with_http_client(client),
            None => config,
        }
    }

    fn causes(&self, act: &Act, failure: &LegFailure) -> Vec<String> {
        let token_file = match act {
            Act::WebIdentity { token_file, .. } => Some(token_file),
            _ => None,
        };
        let causes = match failure {
            LegFailure::Here { .. } => causes::here(act),
            LegFailure::Refused(refusal) => causes::causes(&Failed {
                act,
                refusal,
                caller_arn: self.at.as_ref().map(|place| place.arn.as_str()),
                claims: token_file.and_then(|file| self.sources.tokens.get(file)?.as_ref().ok()),
                now: self.sources.now,
            }),
        };
        causes.iter().map(|cause| printable(cause, 1500)).collect()
    }
}

async fn fetched(provider: impl ProvideCredentials) -> Result<Credentials, LegFailure> {
    match tokio::time::timeout(SOURCE_TIMEOUT, provider.provide_credentials()).await {
        Ok(Ok(credentials)) => Ok(credentials),
        Ok(Err(error)) => Err(here(&chain(&error))),
        Err(_) => Err(here(&format!("no answer within {} s", SOURCE_TIMEOUT.as_secs()))),
    }
}

fn refused(refusal: Refusal) -> LegFailure {
    LegFailure::Refused(Box::new(refusal))
}

fn here(detail: &str) -> LegFailure {
    LegFailure::Here { detail: printable(detail, 1000) }
}

fn no_credentials() -> LegFailure {
    here("no usable credentials were given")
}

//! Describes the credential chain in force from files and environment given as data. Owns the SDK's order of sources and
//! hops; reads no file, asks no network.
//!
//! ```text
//! Sources ─ describe ─► Step, Step, … : one source, then a hop for each role that is taken on from there
//! ```
//!
//! The order is the SDK's: keys of the environment, profile, web identity of the environment, container, instance. Source:
//! aws-config 1.13, `default_provider/credentials.rs` and `profile/credentials/repr.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use cli_kit::printable;

use crate::steps::{
    circle, empty_profile, environment_keys, has_keys, hop, missing_profile, named_source, nothing, profile_keys, roleless_token,
    sso, unclear, web_identity,
};
use crate::token::TokenClaims;

/// The kind of one leg of the credential chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegKind {
    /// The files, the profile and the region, before any credentials.
    Configuration,
    /// Access keys in the environment.
    EnvironmentKeys,
    /// Access keys in a profile.
    ProfileKeys,
    /// A token of an OpenID provider, traded for a role by `sts:AssumeRoleWithWebIdentity`.
    WebIdentity,
    /// A role taken on with the credentials of the leg before, by `sts:AssumeRole`.
    AssumeRole,
    /// A program that prints credentials.
    CredentialProcess,
    /// IAM Identity Center.
    Sso,
    /// The credentials endpoint of an ECS or EKS container.
    Container,
    /// The metadata service of an EC2 instance.
    Instance,
}

/// A profile's keys; secrets are empty texts.
pub(crate) type Keys = BTreeMap<&'static str, String>;

/// Who chose the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Flag,
    Variable,
    Nobody,
}

/// Files and environment, as far as credentials hang on them; holds no secret.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) now: SystemTime,
    pub(crate) config_file: String,
    pub(crate) choice: Choice,
    pub(crate) profile: String,
    pub(crate) profiles: BTreeMap<String, Keys>,
    pub(crate) sso_sessions: BTreeMap<String, Keys>,
    /// Variables of [`VARIABLES`] that are set; secrets are empty texts.
    pub(crate) environment: Keys,
    /// What the token files hold, or why they cannot be read.
    pub(crate) tokens: BTreeMap<PathBuf, Result<TokenClaims, String>>,
}

/// The variables that decide on credentials.
pub(crate) const VARIABLES: [&str; 9] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
];

/// The keys of a profile that decide on credentials.
pub(crate) const PROFILE_KEYS: [&str; 16] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "credential_process",
    "credential_source",
    "external_id",
    "login_session",
    "mfa_serial",
    "role_arn",
    "role_session_name",
    "source_profile",
    "sso_account_id",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// What a leg does when it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    EnvironmentKeys,
    ProfileKeys {
        profile: String,
    },
    WebIdentity {
        role_arn: String,
        token_file: PathBuf,
        session_name: Option<String>,
    },
    AssumeRole {
        role_arn: String,
        external_id: Option<String>,
        session_name: Option<String>,
        with_mfa: bool,
    },
    Process {
        profile: String,
    },
    Sso {
        profile: String,
    },
    Container,
    Instance,
    /// Cannot be tried; nothing after it is.
    Broken {
        reason: String,
        causes: Vec<String>,
    },
    /// Offers nothing; the SDK goes on without it.
    PassedOver {
        reason: String,
        causes: Vec<String>,
    },
}

/// One leg, not yet tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: LegKind,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) act: Act,
}

impl Step {
    pub(crate) fn new(kind: LegKind, title: impl AsRef<str>, detail: impl AsRef<str>, act: Act) -> Self {
        Self { kind, title: printable(title.as_ref(), 300), detail: printable(detail.as_ref(), 1500), act }
    }
}

/// Lists the legs in the order in which the SDK goes them; a chosen profile that is not there is an error, as in `load`.
pub(crate) fn describe(sources: &Sources) -> Vec<Step> {
    if sources.choice != Choice::Nobody && !sources.profiles.contains_key(&sources.profile) {
        return vec![missing_profile(sources, &sources.profile, "is not there")];
    }
    if sources.choice != Choice::Flag && sources.has_environment_keys() {
        return vec![environment_keys(sources)];
    }
    let from_profile = from_profile(sources);
    if !from_profile.is_empty() || sources.choice == Choice::Flag {
        return if from_profile.is_empty() { vec![empty_profile(sources)] } else { from_profile };
    }
    from_surroundings(sources)
}

/// Follows the profile to its source, then lists the source first.
fn from_profile(sources: &Sources) -> Vec<Step> {
    let mut hops = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut name = sources.profile.as_str();
    let mut base = loop {
        let Some(keys) = sources.profiles.get(name) else {
            // Without a chosen profile the default one need not exist.
            if seen.is_empty() {
                return Vec::new();
            }
            break vec![missing_profile(sources, name, "is named as source_profile and is not there")];
        };
        if seen.contains(&name) {
            break vec![circle(&seen, name)];
        }
        seen.push(name);
        if seen.len() > 1 && has_keys(keys) {
            break vec![profile_keys(name, keys)];
        }
        match next(name, keys) {
            Next::Base => break base_of(sources, name, keys),
            Next::Circle => {
                hops.push(hop(name, keys));
                break base_of(sources, name, keys);
            }
            Next::Profile(source) => {
                hops.push(hop(name, keys));
                name = source;
            }
            Next::Unclear(reason) => break vec![unclear(name, reason)],
        }
    };
    if base.is_empty() && !hops.is_empty() {
        base.push(unclear(name, "says nothing of credentials, and another profile has it as source_profile"));
    }
    base.extend(hops.into_iter().rev());
    base
}

enum Next<'a> {
    /// The profile offers credentials of its own.
    Base,
    /// It takes on a role with credentials of its own.
    Circle,
    /// It takes on a role with credentials of another.
    Profile(&'a str),
    Unclear(&'static str),
}

fn next<'a>(name: &str, keys: &'a Keys) -> Next<'a> {
    if keys.contains_key("web_identity_token_file") || !keys.contains_key("role_arn") {
        return Next::Base;
    }
    match (keys.get("source_profile"), keys.get("credential_source")) {
        (Some(source), None) if source == name => Next::Circle,
        (Some(source), None) => Next::Profile(source),
        (None, Some(_)) => Next::Circle,
        (Some(_), Some(_)) => Next::Unclear("has both source_profile and credential_source"),
        (None, None) => Next::Unclear("has role_arn, but neither source_profile, credential_source nor web_identity_token_file"),
    }
}

/// Describes what the profile itself offers; nothing if it offers nothing.
fn base_of(sources: &Sources, name: &str, keys: &Keys) -> Vec<Step> {
    let step = if let Some(source) = keys.get("credential_source") {
        named_source(name, source)
    } else if let Some(token_file) = keys.get("web_identity_token_file") {
        match keys.get("role_arn") {
            Some(role_arn) => {
                let session_name = keys.get("role_session_name").cloned();
                web_identity(sources, &format!("profile {name}"), role_arn, token_file, session_name)
            }
            None => unclear(name, "has web_identity_token_file, but no role_arn"),
        }
    } else if ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"].iter().any(|key| keys.contains_key(key)) {
        sso(sources, name, keys)
    } else if keys.contains_key("login_session") {
        unclear(name, "has login_session, which this program cannot use")
    } else if let Some(program) = keys.get("credential_process") {
        let act = Act::Process { profile: name.to_owned() };
        Step::new(
            LegKind::CredentialProcess,
            format!("program {program}"),
            format!("credential_process of the profile {name}"),
            act,
        )
    } else if has_keys(keys) {
        profile_keys(name, keys)
    } else {
        return Vec::new();
    };
    vec![step]
}

/// Lists what is left when no profile offers anything: web identity, then container, then instance.
fn from_surroundings(sources: &Sources) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(token_file) = sources.variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
        if let Some(role_arn) = sources.variable("AWS_ROLE_ARN") {
            let session_name = sources.variable("AWS_ROLE_SESSION_NAME").map(str::to_owned);
            return vec![web_identity(sources, "environment", role_arn, token_file, session_name)];
        }
        steps.push(roleless_token(sources, token_file));
    }
    steps.push(if sources.has_container() {
        Step::new(LegKind::Container, "container credentials", "AWS_CONTAINER_CREDENTIALS_*", Act::Container)
    } else if sources.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        nothing(sources)
    } else {
        Step::new(LegKind::Instance, "instance metadata", "nothing else offers credentials", Act::Instance)
    });
    steps
}

impl Sources {
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    fn has_environment_keys(&self) -> bool {
        self.environment.contains_key("AWS_ACCESS_KEY_ID") && self.environment.contains_key("AWS_SECRET_ACCESS_KEY")
    }

    fn has_container(&self) -> bool {
        let variables = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
        variables.iter().any(|name| self.environment.contains_key(name))
    }
}

#[cfg(test)]
mod tests;

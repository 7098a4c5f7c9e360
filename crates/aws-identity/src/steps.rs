//! Words each leg of the credential chain. Owns titles and details, and what can be wrong with a profile; the order of the
//! legs is not known here.

use std::path::PathBuf;

use crate::chain::{Act, Choice, Keys, LegKind, Sources, Step};

pub(crate) fn environment_keys(sources: &Sources) -> Step {
    let key_id = sources.variable("AWS_ACCESS_KEY_ID").unwrap_or_default();
    let mut detail = format!("access key {key_id}{}", temporary(sources.environment.contains_key("AWS_SESSION_TOKEN")));
    if sources.choice == Choice::Variable {
        detail.push_str(&format!("; they win over AWS_PROFILE={}", sources.profile));
    }
    Step::new(LegKind::EnvironmentKeys, "keys in AWS_ACCESS_KEY_ID", detail, Act::EnvironmentKeys)
}

fn temporary(has_token: bool) -> &'static str {
    if has_token { ", temporary" } else { "" }
}

pub(crate) fn missing_profile(sources: &Sources, profile: &str, what: &str) -> Step {
    let known: Vec<&str> = sources.profiles.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "it has no profile at all".to_owned() } else { format!("it has {}", known.join(", ")) };
    let causes = vec![
        format!("{} was written without this profile, or not yet: {known}", sources.config_file),
        "the profile's name is misspelt, or the user lost the role that it stands for".to_owned(),
    ];
    let reason = format!("the profile {profile} {what}");
    broken(LegKind::Configuration, &format!("profile {profile}"), &in_file(sources), reason, causes)
}

pub(crate) fn empty_profile(sources: &Sources) -> Step {
    let reason = format!("the profile {} says nothing of credentials", sources.profile);
    let causes = vec![
        "it lacks role_arn, web_identity_token_file, credential_process, sso_session and keys".to_owned(),
        "another profile was meant".to_owned(),
    ];
    broken(LegKind::Configuration, &format!("profile {}", sources.profile), &in_file(sources), reason, causes)
}

fn broken(kind: LegKind, title: &str, detail: &str, reason: String, causes: Vec<String>) -> Step {
    Step::new(kind, title, detail, Act::Broken { reason, causes })
}

fn in_file(sources: &Sources) -> String {
    format!("in {} and the shared credentials file", sources.config_file)
}

pub(crate) fn circle(seen: &[&str], name: &str) -> Step {
    let reason = format!("the source profiles lead in a circle: {} → {name}", seen.join(" → "));
    broken(LegKind::Configuration, "source profiles", "", reason, vec!["one source_profile names the wrong profile".to_owned()])
}

pub(crate) fn unclear(name: &str, reason: &str) -> Step {
    let causes = vec!["the file was written by hand or by a tool that knows another dialect".to_owned()];
    broken(LegKind::Configuration, &format!("profile {name}"), "", format!("the profile {name} {reason}"), causes)
}

pub(crate) fn hop(name: &str, keys: &Keys) -> Step {
    let role_arn = keys.get("role_arn").cloned().unwrap_or_default();
    let external_id = keys.get("external_id").cloned();
    let with_mfa = keys.contains_key("mfa_serial");
    let mut detail = format!("profile {name}, sts:AssumeRole with the credentials of the leg before");
    if external_id.is_some() {
        detail.push_str(", with an external id");
    }
    if with_mfa {
        detail.push_str(", without the MFA code that mfa_serial asks for");
    }
    let session_name = keys.get("role_session_name").cloned();
    let title = format!("role {role_arn}");
    Step::new(LegKind::AssumeRole, title, detail, Act::AssumeRole { role_arn, external_id, session_name, with_mfa })
}

pub(crate) fn has_keys(keys: &Keys) -> bool {
    keys.contains_key("aws_access_key_id") && keys.contains_key("aws_secret_access_key")
}

pub(crate) fn profile_keys(name: &str, keys: &Keys) -> Step {
    let key_id = keys.get("aws_access_key_id").map(String::as_str).unwrap_or_default();
    let detail = format!("access key {key_id}{}", temporary(keys.contains_key("aws_session_token")));
    let act = Act::ProfileKeys { profile: name.to_owned() };
    Step::new(LegKind::ProfileKeys, format!("keys in the profile {name}"), detail, act)
}

pub(crate) fn named_source(name: &str, source: &str) -> Step {
    let detail = format!("credential_source of the profile {name}");
    match source.to_ascii_lowercase().as_str() {
        "environment" => Step::new(LegKind::EnvironmentKeys, "keys in AWS_ACCESS_KEY_ID", detail, Act::EnvironmentKeys),
        "ecscontainer" => Step::new(LegKind::Container, "container credentials", detail, Act::Container),
        "ec2instancemetadata" => Step::new(LegKind::Instance, "instance metadata", detail, Act::Instance),
        _ => unclear(name, "has a credential_source that is none of Environment, EcsContainer, Ec2InstanceMetadata"),
    }
}

pub(crate) fn sso(sources: &Sources, name: &str, keys: &Keys) -> Step {
    let session = keys.get("sso_session").and_then(|session| sources.sso_sessions.get(session));
    let start_url = keys.get("sso_start_url").or_else(|| session.and_then(|session| session.get("sso_start_url")));
    let shown = |key: &str| keys.get(key).map_or("absent", String::as_str);
    let detail = format!(
        "profile {name}, start URL {}, account {}, role {}",
        start_url.map_or("absent", String::as_str),
        shown("sso_account_id"),
        shown("sso_role_name")
    );
    Step::new(LegKind::Sso, "IAM Identity Center", detail, Act::Sso { profile: name.to_owned() })
}

pub(crate) fn web_identity(
    sources: &Sources,
    origin: &str,
    role_arn: &str,
    token_file: &str,
    session_name: Option<String>,
) -> Step {
    let token_file = PathBuf::from(token_file);
    let token = match sources.tokens.get(&token_file) {
        Some(Ok(claims)) => claims.summary(sources.now),
        Some(Err(reason)) => format!("unreadable: {reason}"),
        None => "not read".to_owned(),
    };
    let detail = format!("{origin}, token file {}: {token}", token_file.display());
    let act = Act::WebIdentity { role_arn: role_arn.to_owned(), token_file, session_name };
    Step::new(LegKind::WebIdentity, format!("web identity for role {role_arn}"), detail, act)
}

pub(crate) fn roleless_token(sources: &Sources, token_file: &str) -> Step {
    let known: Vec<&str> = sources.profiles.keys().map(String::as_str).collect();
    let mut causes = vec!["AWS_ROLE_ARN is not set: the token alone names no role".to_owned()];
    if !known.is_empty() {
        causes.push(format!("no profile was chosen: give --profile or set AWS_PROFILE to one of {}", known.join(", ")));
    }
    let reason = "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN".to_owned();
    let described = web_identity(sources, "environment", "absent", token_file, None);
    Step { act: Act::PassedOver { reason, causes }, ..described }
}

pub(crate) fn nothing(sources: &Sources) -> Step {
    let mut causes = vec!["no keys, no token, no profile and no container endpoint are in the environment".to_owned()];
    if !sources.profiles.is_empty() {
        let known: Vec<&str> = sources.profiles.keys().map(String::as_str).collect();
        causes.push(format!("no profile was chosen: there are {}", known.join(", ")));
    }
    broken(LegKind::Configuration, "credentials", "", "nothing offers credentials".to_owned(), causes)
}

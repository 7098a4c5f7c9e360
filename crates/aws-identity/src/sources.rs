//! Gathers what the credential chain hangs on: profile files, environment, token files. Owns their reading; keeps no secret
//! and judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_config::profile::ProfileSet;
use cli_kit::printable;

use crate::chain::{Choice, Keys, PROFILE_KEYS, Sources, VARIABLES};
use crate::identity::Settings;
use crate::profile::variable;
use crate::token::TokenClaims;

/// The longest token file that is read, in bytes; AWS takes tokens of 20 000.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// Gathers everything of `profiles` and the environment.
pub(crate) fn gather(settings: &Settings, profiles: &ProfileSet) -> Sources {
    let choice = match (&settings.profile, variable("AWS_PROFILE")) {
        (Some(_), _) => Choice::Flag,
        (None, Some(_)) => Choice::Variable,
        (None, None) => Choice::Nobody,
    };
    let all: BTreeMap<String, Keys> =
        profiles.profiles().filter_map(|name| Some((name.to_owned(), profile_keys(profiles, name)?))).collect();
    let session = |name: &str| {
        let session = profiles.sso_session(name)?;
        let start_url = session.get("sso_start_url").map(|url| ("sso_start_url", url.to_owned()));
        Some((name.to_owned(), start_url.into_iter().collect()))
    };
    let environment = environment();
    let token_files = all.values().chain([&environment]).filter_map(token_file).collect::<BTreeSet<_>>();
    Sources {
        now: SystemTime::now(),
        config_file: variable("AWS_CONFIG_FILE").unwrap_or_else(|| "~/.aws/config".to_owned()),
        choice,
        profile: profiles.selected_profile().to_owned(),
        profiles: all,
        sso_sessions: profiles.sso_sessions().filter_map(session).collect(),
        environment,
        tokens: token_files.into_iter().map(|path| (path.clone(), claims(&path))).collect(),
    }
}

fn profile_keys(profiles: &ProfileSet, name: &str) -> Option<Keys> {
    let profile = profiles.get_profile(name)?;
    let kept = |key: &'static str| Some((key, without_secret(key, profile.get(key)?)));
    Some(PROFILE_KEYS.into_iter().filter_map(kept).collect())
}

fn environment() -> Keys {
    VARIABLES.into_iter().filter_map(|name| Some((name, without_secret(name, &variable(name)?)))).collect()
}

/// Drops secrets, and the arguments of a program, which may hold some.
fn without_secret(key: &str, value: &str) -> String {
    match key.to_ascii_lowercase().as_str() {
        "aws_secret_access_key" | "aws_session_token" => String::new(),
        "credential_process" => value.split_whitespace().next().unwrap_or_default().to_owned(),
        _ => value.to_owned(),
    }
}

fn token_file(keys: &Keys) -> Option<PathBuf> {
    keys.get("web_identity_token_file").or_else(|| keys.get("AWS_WEB_IDENTITY_TOKEN_FILE")).map(PathBuf::from)
}

fn claims(path: &Path) -> Result<TokenClaims, String> {
    let token = read_token(path).map_err(|error| printable(&error.to_string(), 200))?;
    TokenClaims::decode(&token).map_err(|error| error.to_string())
}

/// Reads a token file.
pub(crate) fn read_token(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut token = String::new();
    std::fs::File::open(path)?.take(MAX_TOKEN_BYTES).read_to_string(&mut token)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_leave_the_files() {
        assert_eq!(without_secret("AWS_SECRET_ACCESS_KEY", "hunter2"), "");
        assert_eq!(without_secret("aws_session_token", "hunter2"), "");
        assert_eq!(without_secret("credential_process", "/bin/creds --password hunter2"), "/bin/creds");
        assert_eq!(without_secret("role_arn", "arn"), "arn");
    }
}

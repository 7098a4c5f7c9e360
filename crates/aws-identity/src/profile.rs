//! Reads the profile that is in force. Owns which one that is and whether its credentials may ask
//! the user something; fetches no credentials.

use std::path::PathBuf;

use aws_config::profile::{self, ProfileFileLoadError, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};

use crate::identity::IdentityError;

/// The longest chain of source profiles that is followed; a longer one is a loop.
const MAX_CHAIN: usize = 16;

/// Keys of a profile whose credentials may talk to the user or to a browser.
const PROMPTING: [&str; 4] = ["credential_process", "mfa_serial", "sso_session", "sso_start_url"];

/// The profile in force.
#[derive(Debug)]
pub(crate) struct Selected {
    profiles: ProfileSet,
}

/// Loads the profile files and checks what was named explicitly.
///
/// # Errors
/// Names a file or profile that was asked for and is not there.
pub(crate) async fn select(name: Option<&str>) -> Result<Selected, IdentityError> {
    check_named_files(name.is_some())?;
    let Selected { profiles } = open(name).await?;
    let origin = match name {
        Some(_) => Some("the --profile flag"),
        None => variable("AWS_PROFILE").map(|_| "AWS_PROFILE"),
    };
    let selected = profiles.selected_profile();
    match origin {
        Some(origin) if profiles.get_profile(selected).is_none() => {
            Err(IdentityError::ProfileMissing { profile: selected.to_owned(), origin })
        }
        _ => Ok(Selected { profiles }),
    }
}

/// Loads the profile files; the profile in force need not be there.
pub(crate) async fn open(name: Option<&str>) -> Result<Selected, IdentityError> {
    let override_name = name.map(|name| name.to_owned().into());
    let profiles = profile::load(&Fs::real(), &Env::real(), &<_>::default(), override_name)
        .await
        .map_err(|source: ProfileFileLoadError| IdentityError::ProfileFiles { source: Box::new(source) })?;
    Ok(Selected { profiles })
}

/// Checks files that the environment names: the SDK would go on silently without them.
pub(crate) fn check_named_files(profile_given: bool) -> Result<(), IdentityError> {
    check_file("AWS_CONFIG_FILE")?;
    let token_file_unused = profile_given || has_environment_credentials();
    if token_file_unused { Ok(()) } else { check_file("AWS_WEB_IDENTITY_TOKEN_FILE") }
}

fn check_file(variable_name: &'static str) -> Result<(), IdentityError> {
    let Some(path) = variable(variable_name).map(PathBuf::from) else { return Ok(()) };
    match std::fs::File::open(&path) {
        Ok(_) => Ok(()),
        Err(source) => Err(IdentityError::NamedFile { variable: variable_name, path, source }),
    }
}

/// Reads a variable; an empty one counts as absent, as in the SDK.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn has_environment_credentials() -> bool {
    variable("AWS_ACCESS_KEY_ID").is_some() && variable("AWS_SECRET_ACCESS_KEY").is_some()
}

impl Selected {
    /// Everything that the profile files say.
    pub(crate) fn all(&self) -> &ProfileSet {
        &self.profiles
    }

    /// Reads the region of the profile.
    pub(crate) fn region(&self) -> Option<String> {
        self.profiles.get("region").map(str::to_owned)
    }

    /// Names the profile.
    pub(crate) fn name(&self) -> &str {
        self.profiles.selected_profile()
    }

    /// Tells whether the profile or one of its source profiles may prompt.
    pub(crate) fn may_prompt(&self) -> bool {
        let mut name = self.profiles.selected_profile();
        for _ in 0..MAX_CHAIN {
            let Some(profile) = self.profiles.get_profile(name) else { return false };
            if PROMPTING.iter().any(|key| profile.get(key).is_some()) {
                return true;
            }
            match profile.get("source_profile") {
                Some(source) if source != name => name = source,
                _ => return false,
            }
        }
        false
    }
}

//! The way to the controller: its address, our account, our own rate.
//!
//! Owns where the secret comes from: `BOUNDARY_TOKEN`, else the password's file, else `TARGET_SYNC_PASSWORD`.

use crate::settings::{Account, Settings};
use boundary_api::{Client, PasswordLogin, RateLimit, SettingsError};
use secrecy::SecretString;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A variable of Boundary's cannot be used.
    #[error("failed to {0}")]
    Variables(#[source] SettingsError),
    /// The password's file cannot be read.
    #[error("failed to read the password in `{}`", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Neither token nor account.
    #[error("nothing says who this is at Boundary: set boundary.auth_method_id and boundary.login_name, or BOUNDARY_TOKEN")]
    Nobody,
    /// No password.
    #[error("the password of `{0}` is nowhere: set boundary.password_file, or TARGET_SYNC_PASSWORD")]
    Password(String),
}

/// Makes the client; it logs in when it is first used, and again at each 401.
///
/// # Errors
/// [`LoginError`].
pub fn client(settings: &Settings) -> Result<Client, LoginError> {
    let variable = |name: &str| {
        let set = std::env::var(name).ok().filter(|value| !value.is_empty());
        if name == "BOUNDARY_ADDR" { set.or_else(|| settings.boundary_addr.clone()) } else { set }
    };
    let mut boundary = boundary_api::Settings::from_variables(variable).map_err(LoginError::Variables)?;
    boundary.rate_limit.get_or_insert(RateLimit { per_second: settings.requests_per_second, burst: 20 });
    if boundary.token.is_some() {
        return Client::connect(&boundary).map_err(LoginError::Variables);
    }
    let account = settings.account.as_ref().ok_or(LoginError::Nobody)?;
    let login = PasswordLogin::new(&account.auth_method_id, &account.login_name, password(account)?);
    Client::with_login(&boundary, login).map_err(LoginError::Variables)
}

fn password(account: &Account) -> Result<SecretString, LoginError> {
    match &account.password_file {
        Some(path) => read(path).map_err(|error| LoginError::File(path.clone(), error)),
        None => match std::env::var("TARGET_SYNC_PASSWORD").ok().filter(|password| !password.is_empty()) {
            Some(password) => Ok(password.into()),
            None => Err(LoginError::Password(account.login_name.clone())),
        },
    }
}

/// A closing line end is an editor's, not the password's.
fn read(path: &Path) -> io::Result<SecretString> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}

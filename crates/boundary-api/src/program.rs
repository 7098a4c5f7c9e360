//! The way of a program to the controller: its address, its own account, its own rate.
//!
//! Owns where the secret comes from: `BOUNDARY_TOKEN`, else the password's file, else a variable.

use crate::auth::PasswordLogin;
use crate::client::Client;
use crate::settings::{RateLimit, Settings, SettingsError};
use secrecy::SecretString;
use std::io;
use std::path::{Path, PathBuf};

/// Requests that may be sent at once before the rate counts.
const BURST: u32 = 20;

/// How a program logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramAccount {
    /// The auth method, `ampw_…` or `amldap_…`.
    pub auth_method_id: String,
    /// The login name.
    pub login_name: String,
    /// The file with the password; else the variable of [`ProgramLogin::password_variable`].
    pub password_file: Option<PathBuf>,
}

/// What a program's configuration says of the controller.
#[derive(Debug, Clone)]
pub struct ProgramLogin<'a> {
    /// The controller's address; `BOUNDARY_ADDR` wins.
    pub addr: Option<&'a str>,
    /// The account, when the environment has no token.
    pub account: Option<&'a ProgramAccount>,
    /// The most requests a second.
    pub requests_per_second: f64,
    /// The variable with the password, when no file has it.
    pub password_variable: &'static str,
}

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum ProgramLoginError {
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
    #[error("the password of `{0}` is nowhere: set boundary.password_file, or {1}")]
    Password(String, &'static str),
}

impl ProgramLogin<'_> {
    /// Makes the client; it logs in when it is first used, and again at each 401.
    ///
    /// # Errors
    /// [`ProgramLoginError`].
    pub fn client(&self) -> Result<Client, ProgramLoginError> {
        let variable = |name: &str| {
            let set = std::env::var(name).ok().filter(|value| !value.is_empty());
            if name == "BOUNDARY_ADDR" { set.or_else(|| self.addr.map(str::to_owned)) } else { set }
        };
        let mut settings = Settings::from_variables(variable).map_err(ProgramLoginError::Variables)?;
        settings.rate_limit.get_or_insert(RateLimit { per_second: self.requests_per_second, burst: BURST });
        if settings.token.is_some() {
            return Client::connect(&settings).map_err(ProgramLoginError::Variables);
        }
        let account = self.account.ok_or(ProgramLoginError::Nobody)?;
        let login = PasswordLogin::new(&account.auth_method_id, &account.login_name, self.password(account)?);
        Client::with_login(&settings, login).map_err(ProgramLoginError::Variables)
    }

    fn password(&self, account: &ProgramAccount) -> Result<SecretString, ProgramLoginError> {
        match &account.password_file {
            Some(path) => read(path).map_err(|error| ProgramLoginError::File(path.clone(), error)),
            None => match std::env::var(self.password_variable).ok().filter(|password| !password.is_empty()) {
                Some(password) => Ok(password.into()),
                None => Err(ProgramLoginError::Password(account.login_name.clone(), self.password_variable)),
            },
        }
    }
}

/// A closing line end is an editor's, not the password's.
fn read(path: &Path) -> io::Result<SecretString> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}

//! Logins: how a token comes about, and how a daemon gets a new one.
//!
//! OIDC is interactive and not for daemons; they have a password or LDAP account.

use crate::client::{Call, Client};
use crate::error::Error;
use crate::wire;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::pin::Pin;

/// A token and whose it is. `Debug` redacts the token.
#[derive(Debug, Clone, Deserialize)]
pub struct AuthToken {
    /// The token's id, `at_…`; no secret, and what sessions name.
    pub id: String,
    /// The token.
    #[serde(deserialize_with = "wire::secret")]
    pub token: SecretString,
    /// The user.
    #[serde(default)]
    pub user_id: String,
    /// The account.
    #[serde(default)]
    pub account_id: String,
    /// The auth method.
    #[serde(default)]
    pub auth_method_id: String,
    /// When it ends, used or not; unless used it goes stale before, after a day by default.
    #[serde(default)]
    pub expiration_time: Option<Timestamp>,
}

/// The answer of a login.
#[derive(Deserialize)]
struct Authenticated {
    attributes: AuthToken,
}

/// The future of a login.
pub type LoginFuture<'a> = Pin<Box<dyn Future<Output = Result<SecretString, Error>> + Send + 'a>>;

/// Gets a token for a client that has none, or whose token was refused.
pub trait Login: Send + Sync {
    /// Logs in. May call [`Client::authenticate_password`] and [`Client::authenticate_ldap`], which need no token; any other
    /// call of this client would wait for this very login.
    fn log_in<'a>(&'a self, client: &'a Client) -> LoginFuture<'a>;
}

/// A login with a name and a password that do not change.
pub struct PasswordLogin {
    auth_method_id: String,
    login_name: String,
    password: SecretString,
}

impl PasswordLogin {
    /// A login with an auth method of passwords (`ampw_…`) or of LDAP (`amldap_…`).
    pub fn new(auth_method_id: &str, login_name: &str, password: SecretString) -> Self {
        Self { auth_method_id: auth_method_id.to_owned(), login_name: login_name.to_owned(), password }
    }
}

impl fmt::Debug for PasswordLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordLogin").field("auth_method_id", &self.auth_method_id).finish_non_exhaustive()
    }
}

impl Login for PasswordLogin {
    fn log_in<'a>(&'a self, client: &'a Client) -> LoginFuture<'a> {
        Box::pin(async move {
            let token = client.authenticate_password(&self.auth_method_id, &self.login_name, &self.password).await?;
            Ok(token.token)
        })
    }
}

impl Client {
    /// Logs in with a name and a password; sends no token and changes none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unauthenticated`] when the controller refuses them; [`crate::ErrorKind::NotFound`] for an unknown auth
    /// method (measured).
    pub async fn authenticate_password(
        &self,
        auth_method_id: &str,
        login_name: &str,
        password: &SecretString,
    ) -> Result<AuthToken, Error> {
        let act = format!("log in with auth method {}", cli_kit::printable(auth_method_id, 100));
        if !auth_method_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Error::Id { act });
        }
        let attributes = json!({ "login_name": login_name, "password": password.expose_secret() });
        let call = Call::new(Method::POST, format!("auth-methods/{auth_method_id}:authenticate"), act);
        let call = call.json(&json!({ "type": "token", "attributes": attributes }))?;
        self.fetch_anonymously::<Authenticated>(&call).await.map(|answer| answer.attributes)
    }

    /// Logs in with LDAP: the same request as with a password.
    ///
    /// # Errors
    /// As of [`Client::authenticate_password`].
    pub async fn authenticate_ldap(
        &self,
        auth_method_id: &str,
        login_name: &str,
        password: &SecretString,
    ) -> Result<AuthToken, Error> {
        self.authenticate_password(auth_method_id, login_name, password).await
    }
}

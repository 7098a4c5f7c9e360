//! The authorisation of a session: the one request that makes it, and the secrets that its answer brings.
//!
//! Owns the reading of these secrets; each is a `SecretString` from here on. The bytes of the answer itself are freed, not
//! overwritten.

use crate::collection::Collection;
use crate::error::Error;
use crate::targets::Target;
use crate::wire::{self, ScopeInfo};
use jiff::Timestamp;
use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A session that was authorised, with the secrets that open it. Never printed: `Debug` redacts them.
#[derive(Debug, Clone, Deserialize)]
pub struct SessionAuthorization {
    /// The session, `s_…`.
    pub session_id: String,
    /// The target, also when its alias was named.
    #[serde(default)]
    pub target_id: String,
    /// The target's project.
    #[serde(default)]
    pub scope: ScopeInfo,
    /// When it was authorised.
    #[serde(default)]
    pub created_time: Option<Timestamp>,
    /// When it ends at the latest.
    #[serde(default)]
    pub expiration: Option<Timestamp>,
    /// The user.
    #[serde(default)]
    pub user_id: String,
    /// The host; empty for a target with an address.
    #[serde(default)]
    pub host_id: String,
    /// `tcp`, `ssh` or `rdp`.
    #[serde(default, rename = "type")]
    pub target_type: String,
    /// Where the worker connects to, for example `tcp://127.0.0.1:8443`.
    #[serde(default)]
    pub endpoint: String,
    /// The port of the endpoint.
    #[serde(default)]
    pub endpoint_port: u16,
    /// The most connections; -1 for any number.
    #[serde(default)]
    pub connection_limit: i32,
    /// What `boundary connect` takes as `BOUNDARY_CONNECT_AUTHZ_TOKEN`; it contains the private key of the session.
    #[serde(deserialize_with = "wire::secret")]
    pub authorization_token: SecretString,
    /// The credentials that the user is given.
    #[serde(default)]
    pub credentials: Vec<BrokeredCredential>,
}

/// A credential that a session brings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct BrokeredCredential {
    /// Where it comes from.
    pub credential_source: CredentialSource,
    /// A typed credential's fields, for example `username` and `password`; none for an untyped one.
    #[serde(deserialize_with = "secret_fields")]
    pub credential: BTreeMap<String, SecretString>,
    /// What the source gave.
    pub secret: CredentialSecret,
}

/// What a credential's source gave.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CredentialSecret {
    /// The JSON that the source gave, in base64.
    #[serde(deserialize_with = "wire::secret")]
    pub raw: SecretString,
    /// The fields of that JSON, for example `access_key` of Vault's AWS engine. A text is itself; anything else is its JSON.
    #[serde(deserialize_with = "secret_fields")]
    pub decoded: BTreeMap<String, SecretString>,
}

/// Where a credential comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CredentialSource {
    /// The id of the library or static credential.
    pub id: String,
    /// The name.
    pub name: String,
    /// The kind of source, for example `vault-generic`.
    #[serde(rename = "type")]
    pub source_type: String,
    /// The kind of credential, for example `username_password`; empty for an untyped one.
    pub credential_type: String,
}

fn secret_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, SecretString>, D::Error> {
    let secret = |value| match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    };
    let fields = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(fields.into_iter().map(|(name, value)| (name, secret(value))).collect())
}

impl Collection<'_, Target> {
    /// Authorises a session of a target, named by its id or alias; the controller chooses a host when there are several.
    ///
    /// Use [`crate::Client::with_correlation_id`] to find it again in the controller's audit events.
    ///
    /// # Errors
    /// [`crate::ErrorKind::FailedPrecondition`] when no worker is there; [`crate::ErrorKind::NotFound`] for an unknown alias.
    /// When [`Error::outcome_is_unknown`], a session may have been made: it stays pending until it expires.
    pub async fn authorize_session(&self, id_or_alias: &str) -> Result<SessionAuthorization, Error> {
        self.authorize(id_or_alias, &json!({})).await
    }

    /// Authorises a session with one host of the target's host sources.
    ///
    /// # Errors
    /// As of [`Collection::authorize_session`].
    pub async fn authorize_session_with_host(&self, id_or_alias: &str, host_id: &str) -> Result<SessionAuthorization, Error> {
        self.authorize(id_or_alias, &json!({ "host_id": host_id })).await
    }

    async fn authorize(&self, id_or_alias: &str, body: &Value) -> Result<SessionAuthorization, Error> {
        let call = Self::call(Method::POST, "authorize-session of", id_or_alias, "authorize-session")?.json(body)?;
        self.client.fetch(&call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const ANSWER: &str = r#"{"session_id":"s_1","target_id":"ttcp_1","authorization_token":"3q7uSECRET",
        "expiration":"2026-11-21T06:26:31.098549Z","certificate":"MIIB","credentials":[
        {"credential_source":{"id":"clvlt_1","type":"vault-generic"},
         "secret":{"raw":"aHVudGVyMg==","decoded":{"access_key":"AKIAhunter2","ttl":900,"nested":{"a":"hunter2"},"none":null}}},
        {"credential_source":{"id":"credup_1","credential_type":"username_password"},
         "credential":{"username":"hunter2","password":"hunter2"}}]}"#;

    #[test]
    fn an_authorization_shows_no_secret() {
        let authorization: SessionAuthorization = serde_json::from_str(ANSWER).unwrap();
        let shown = format!("{authorization:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        assert_eq!(authorization.authorization_token.expose_secret(), "3q7uSECRET");
    }

    #[test]
    fn each_field_of_a_credential_is_a_secret() {
        let authorization: SessionAuthorization = serde_json::from_str(ANSWER).unwrap();
        let [vault, typed] = &authorization.credentials[..] else { panic!("two credentials") };
        let fields: Vec<_> = vault.secret.decoded.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(fields, [("access_key", "AKIAhunter2"), ("nested", r#"{"a":"hunter2"}"#), ("none", "null"), ("ttl", "900")]);
        assert!(vault.credential.is_empty() && typed.secret.decoded.is_empty());
        assert_eq!(typed.credential["password"].expose_secret(), "hunter2");
    }

    #[test]
    fn an_authorization_without_its_token_is_none() {
        assert!(serde_json::from_str::<SessionAuthorization>(r#"{"session_id":"s_1"}"#).is_err());
    }

    #[test]
    fn a_mistyped_answer_does_not_show_its_values() {
        let text = r#"{"session_id":"s_1","authorization_token":"3q7uSECRET","connection_limit":"3q7uSECRET"}"#;
        let wrong = wire::answer::<SessionAuthorization>(text.as_bytes()).unwrap_err();
        assert!(wrong.starts_with("a value is not i32") && !wrong.contains("SECRET"), "{wrong}");
    }
}

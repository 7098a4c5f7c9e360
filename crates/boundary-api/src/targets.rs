//! Targets, and the authorisation of sessions.

use crate::client::Client;
use crate::collection::{Collection, Create, Delete, Resource, Update, ids};
use crate::error::Error;
use crate::wire::{self, Change, Item, ScopeInfo};
use jiff::Timestamp;
use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

/// A target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Target {
    /// The id, for example `ttcp_1234567890`.
    pub id: String,
    /// The project.
    pub scope_id: String,
    /// The project, in brief.
    pub scope: ScopeInfo,
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// When it was created.
    pub created_time: Option<Timestamp>,
    /// When it was last changed.
    pub updated_time: Option<Timestamp>,
    /// The version.
    pub version: u32,
    /// `tcp`, `ssh` or `rdp`.
    #[serde(rename = "type")]
    pub target_type: String,
    /// Where the worker connects to, when no host source says so.
    pub address: String,
    /// The longest time of a session, in seconds.
    pub session_max_seconds: u32,
    /// The most connections of a session; -1 for any number.
    pub session_connection_limit: i32,
    /// Which workers connect to the address.
    pub egress_worker_filter: String,
    /// Which workers clients connect to.
    pub ingress_worker_filter: String,
    /// The ports.
    pub attributes: TargetAttributes,
    /// Where hosts come from.
    pub host_source_ids: Vec<String>,
    /// Where credentials come from that the user is given.
    pub brokered_credential_source_ids: Vec<String>,
    /// Its aliases; lists leave them out (measured).
    pub aliases: Vec<AliasOfTarget>,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// The ports of a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetAttributes {
    /// The port the worker connects to; 1 to 65535.
    pub default_port: u16,
    /// The port the client listens on; any when it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_client_port: Option<u16>,
}

/// An alias as embedded in its target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AliasOfTarget {
    /// The id, `alt_…`.
    pub id: String,
    /// What users type.
    pub value: String,
}

/// A TCP target to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTarget {
    /// `tcp`.
    #[serde(rename = "type")]
    pub target_type: String,
    /// The project.
    pub scope_id: String,
    /// The name, unique in the project; up to 127 characters.
    pub name: String,
    /// The description; up to 1023 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the worker connects to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The longest time of a session, in seconds; 8 hours when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_max_seconds: Option<u32>,
    /// The most connections of a session; -1, any number, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_connection_limit: Option<i32>,
    /// Which workers connect to the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_worker_filter: Option<String>,
    /// The ports.
    pub attributes: TargetAttributes,
    /// Aliases that are created in the same transaction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with_aliases: Vec<NewTargetAlias>,
}

/// An alias that is created with its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTargetAlias {
    /// The scope; `global`.
    pub scope_id: String,
    /// What users type.
    pub value: String,
}

impl NewTarget {
    /// A TCP target that leads to one address and port.
    pub fn tcp(scope_id: &str, name: &str, address: &str, port: u16) -> Self {
        Self {
            target_type: "tcp".to_owned(),
            scope_id: scope_id.to_owned(),
            name: name.to_owned(),
            description: None,
            address: Some(address.to_owned()),
            session_max_seconds: None,
            session_connection_limit: None,
            egress_worker_filter: None,
            attributes: TargetAttributes { default_port: port, default_client_port: None },
            with_aliases: Vec::new(),
        }
    }
}

/// Changes of a target. To unset the address cancels its sessions; to change it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TargetPatch {
    /// The name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub name: Change<String>,
    /// The description.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
    /// Where the worker connects to.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub address: Change<String>,
    /// The longest time of a session, in seconds.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub session_max_seconds: Change<u32>,
    /// The most connections of a session; -1 for any number.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub session_connection_limit: Change<i32>,
    /// Which workers connect to the address.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub egress_worker_filter: Change<String>,
}

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
#[derive(Debug, Clone, Deserialize)]
pub struct BrokeredCredential {
    /// Where it comes from.
    #[serde(default)]
    pub credential_source: CredentialSource,
    /// The credential's fields, as JSON text, for example `{"username":…,"password":…}`; `null` for an untyped one.
    #[serde(default = "absent", deserialize_with = "secret_json")]
    pub credential: SecretString,
    /// What the source gave, as JSON text with `raw` and `decoded`.
    #[serde(default = "absent", deserialize_with = "secret_json")]
    pub secret: SecretString,
}

/// Where a credential comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CredentialSource {
    /// The id of the library or static credential.
    pub id: String,
    /// The name.
    pub name: String,
    /// The kind of source.
    #[serde(rename = "type")]
    pub source_type: String,
    /// The kind of credential, for example `username_password`.
    pub credential_type: String,
}

fn secret_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    serde_json::Value::deserialize(deserializer).map(|value| value.to_string().into())
}

fn absent() -> SecretString {
    "null".into()
}

impl Client {
    /// The targets.
    pub fn targets(&self) -> Collection<'_, Target> {
        Collection::of(self)
    }
}

impl Collection<'_, Target> {
    /// Authorises a session of a target, named by its id or alias; the controller chooses a host when there are several.
    ///
    /// Use [`Client::with_correlation_id`] to find it again in the controller's audit events.
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

    async fn authorize(&self, id_or_alias: &str, body: &serde_json::Value) -> Result<SessionAuthorization, Error> {
        let call = self.call(Method::POST, "authorize-session of", id_or_alias, "authorize-session")?.json(body)?;
        self.client.fetch(&call).await
    }

    /// Adds host sources.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn add_host_sources(&self, id: &str, version: u32, sources: &[impl AsRef<str>]) -> Result<Item<Target>, Error> {
        self.act(id, version, "add-host-sources", &ids("host_source_ids", sources)).await
    }

    /// Replaces all host sources; none takes all away.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn set_host_sources(&self, id: &str, version: u32, sources: &[impl AsRef<str>]) -> Result<Item<Target>, Error> {
        self.act(id, version, "set-host-sources", &ids("host_source_ids", sources)).await
    }

    /// Adds sources of credentials that the user is given.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn add_brokered_credential_sources(
        &self,
        id: &str,
        version: u32,
        sources: &[impl AsRef<str>],
    ) -> Result<Item<Target>, Error> {
        self.act(id, version, "add-credential-sources", &ids("brokered_credential_source_ids", sources)).await
    }

    /// Replaces all sources of credentials that the user is given.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn set_brokered_credential_sources(
        &self,
        id: &str,
        version: u32,
        sources: &[impl AsRef<str>],
    ) -> Result<Item<Target>, Error> {
        self.act(id, version, "set-credential-sources", &ids("brokered_credential_source_ids", sources)).await
    }
}

impl Resource for Target {
    const PLURAL: &'static str = "targets";
    const NOUN: &'static str = "target";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Create for Target {
    type New = NewTarget;
}

impl Update for Target {
    type Patch = TargetPatch;
}

impl Delete for Target {}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn an_authorization_shows_no_secret() {
        let text = r#"{"session_id":"s_1","target_id":"ttcp_1","authorization_token":"3q7uSECRET","expiration":"2026-11-21T06:26:31.098549Z",
            "credentials":[{"credential_source":{"id":"clvlt_1","type":"vault-generic"},"credential":{"password":"hunter2"},
            "secret":{"raw":"aHVudGVyMg==","decoded":{"password":"hunter2"}}}],"certificate":"MIIB"}"#;
        let authorization: SessionAuthorization = serde_json::from_str(text).unwrap();
        let shown = format!("{authorization:?}");
        assert!(!shown.contains("SECRET") && !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        assert_eq!(authorization.authorization_token.expose_secret(), "3q7uSECRET");
        assert_eq!(authorization.credentials[0].credential.expose_secret(), r#"{"password":"hunter2"}"#);
    }

    #[test]
    fn an_authorization_without_its_token_is_none() {
        assert!(serde_json::from_str::<SessionAuthorization>(r#"{"session_id":"s_1"}"#).is_err());
    }
}

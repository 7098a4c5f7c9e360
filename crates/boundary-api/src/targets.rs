//! Targets. The authorisation of their sessions stands in its own file.

use crate::client::Client;
use crate::collection::{Collection, Create, Delete, Resource, Update, ids};
use crate::error::Error;
use crate::wire::{Change, Item, ScopeInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// The ports.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub attributes: Change<TargetAttributes>,
}

impl Client {
    /// The targets.
    pub fn targets(&self) -> Collection<'_, Target> {
        Collection::of(self)
    }
}

impl Collection<'_, Target> {
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

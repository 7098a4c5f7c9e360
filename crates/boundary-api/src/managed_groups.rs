//! Managed groups: sets of accounts that a filter over their claims describes. Membership is looked at when somebody logs in.

use crate::client::Client;
use crate::collection::{Collection, Create, Delete, Resource, Update};
use crate::wire::{Change, ScopeInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A managed group. Its filter or its groups stand in the attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ManagedGroup {
    /// The id: `mgoidc_…` or `mgldap_…`.
    pub id: String,
    /// The scope, in brief.
    pub scope: ScopeInfo,
    /// The auth method.
    pub auth_method_id: String,
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
    /// `oidc` or `ldap`.
    #[serde(rename = "type")]
    pub group_type: String,
    /// `filter` for OIDC, `group_names` for LDAP.
    pub attributes: Map<String, Value>,
    /// Its accounts.
    pub member_ids: Vec<String>,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// An OIDC managed group to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewManagedGroup {
    /// The auth method.
    pub auth_method_id: String,
    /// `oidc`.
    #[serde(rename = "type")]
    pub group_type: String,
    /// The name.
    pub name: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The filter.
    pub attributes: Map<String, Value>,
}

impl NewManagedGroup {
    /// An OIDC managed group of the accounts whose claims a go-bexpr filter takes, for example `"/token/sub" == "…"`.
    pub fn oidc(auth_method_id: &str, name: &str, filter: &str) -> Self {
        Self {
            auth_method_id: auth_method_id.to_owned(),
            group_type: "oidc".to_owned(),
            name: name.to_owned(),
            description: None,
            attributes: Map::from_iter([("filter".to_owned(), filter.into())]),
        }
    }
}

/// Changes of a managed group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ManagedGroupPatch {
    /// The name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub name: Change<String>,
    /// The description.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
    /// The filter or the groups.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub attributes: Change<Map<String, Value>>,
}

impl Client {
    /// The managed groups; lists need [`crate::ListOptions::of_auth_method`].
    pub fn managed_groups(&self) -> Collection<'_, ManagedGroup> {
        Collection::of(self)
    }
}

impl Resource for ManagedGroup {
    const PLURAL: &'static str = "managed-groups";
    const NOUN: &'static str = "managed group";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Create for ManagedGroup {
    type New = NewManagedGroup;
}

impl Update for ManagedGroup {
    type Patch = ManagedGroupPatch;
}

impl Delete for ManagedGroup {}

//! Roles: grants, the scopes where they hold, and the principals who have them.
//!
//! Three separate writes, each raising the version unless it changes nothing (measured; then the version is not even looked
//! at). They are not atomic: principals come last when a role is made, and go first when it is taken away.

use crate::client::Client;
use crate::collection::{Collection, Create, Delete, Resource, Update, ids};
use crate::error::Error;
use crate::wire::{Change, Item, ScopeInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A role. A list leaves out principals and grants: read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Role {
    /// The id, `r_…`.
    pub id: String,
    /// The scope.
    pub scope_id: String,
    /// The scope, in brief.
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
    /// Where the grants hold: `this`, `children`, `descendants` or scope ids.
    pub grant_scope_ids: Vec<String>,
    /// Who has the grants.
    pub principal_ids: Vec<String>,
    /// Who has the grants, with kind and scope.
    pub principals: Vec<Principal>,
    /// The grants as they were written.
    pub grant_strings: Vec<String>,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// Who has a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Principal {
    /// The id: `u_…`, `g_…`, `mgoidc_…` or `mgldap_…`.
    pub id: String,
    /// `user`, `group` or `managed group`.
    #[serde(rename = "type")]
    pub principal_type: String,
    /// The scope it lives in.
    pub scope_id: String,
}

/// A role to be created. It starts with the grant scope `this`, without grants and without principals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewRole {
    /// The scope.
    pub scope_id: String,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RolePatch {
    /// The name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub name: Change<String>,
    /// The description.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
}

impl Client {
    /// The roles.
    pub fn roles(&self) -> Collection<'_, Role> {
        Collection::of(self)
    }
}

impl Collection<'_, Role> {
    /// Adds grants.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn add_grants(&self, id: &str, version: u32, grants: &[impl AsRef<str>]) -> Result<Item<Role>, Error> {
        self.act(id, version, "add-grants", &ids("grant_strings", grants)).await
    }

    /// Replaces all grants; none takes all away.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn set_grants(&self, id: &str, version: u32, grants: &[impl AsRef<str>]) -> Result<Item<Role>, Error> {
        self.act(id, version, "set-grants", &ids("grant_strings", grants)).await
    }

    /// Removes grants.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn remove_grants(&self, id: &str, version: u32, grants: &[impl AsRef<str>]) -> Result<Item<Role>, Error> {
        self.act(id, version, "remove-grants", &ids("grant_strings", grants)).await
    }

    /// Replaces the scopes where the grants hold.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn set_grant_scopes(&self, id: &str, version: u32, scopes: &[impl AsRef<str>]) -> Result<Item<Role>, Error> {
        self.act(id, version, "set-grant-scopes", &ids("grant_scope_ids", scopes)).await
    }

    /// Adds principals.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn add_principals(&self, id: &str, version: u32, principals: &[impl AsRef<str>]) -> Result<Item<Role>, Error> {
        self.act(id, version, "add-principals", &ids("principal_ids", principals)).await
    }

    /// Replaces all principals; none takes all away.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn set_principals(&self, id: &str, version: u32, principals: &[impl AsRef<str>]) -> Result<Item<Role>, Error> {
        self.act(id, version, "set-principals", &ids("principal_ids", principals)).await
    }

    /// Removes principals.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn remove_principals(&self, id: &str, version: u32, principals: &[impl AsRef<str>]) -> Result<Item<Role>, Error> {
        self.act(id, version, "remove-principals", &ids("principal_ids", principals)).await
    }
}

impl Resource for Role {
    const PLURAL: &'static str = "roles";
    const NOUN: &'static str = "role";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Create for Role {
    type New = NewRole;
}

impl Update for Role {
    type Patch = RolePatch;
}

impl Delete for Role {}

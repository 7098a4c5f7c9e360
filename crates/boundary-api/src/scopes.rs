//! Scopes: global, organisations, projects.

use crate::client::Client;
use crate::collection::{Collection, Create, Delete, Resource, Update};
use crate::error::Error;
use crate::wire::{Change, Item, ScopeInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// The id: `global`, `o_…` or `p_…`.
    pub id: String,
    /// The scope above.
    pub scope_id: String,
    /// The scope above, in brief.
    pub scope: ScopeInfo,
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// `global`, `org` or `project`.
    #[serde(rename = "type")]
    pub scope_type: String,
    /// When it was created.
    pub created_time: Option<Timestamp>,
    /// When it was last changed.
    pub updated_time: Option<Timestamp>,
    /// The version.
    pub version: u32,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// A scope to be created: an organisation below `global`, a project below an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewScope {
    /// The scope above.
    pub scope_id: String,
    /// The name.
    pub name: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScopePatch {
    /// The name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub name: Change<String>,
    /// The description.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
}

impl Client {
    /// The scopes.
    pub fn scopes(&self) -> Collection<'_, Scope> {
        Collection::of(self)
    }
}

impl Collection<'_, Scope> {
    /// Creates a scope without the admin and default roles that the controller adds otherwise.
    ///
    /// # Errors
    /// As of [`Collection::create`].
    pub async fn create_without_roles(&self, new: &NewScope) -> Result<Item<Scope>, Error> {
        let skip = ["skip_admin_role_creation", "skip_default_role_creation"];
        self.create_with(new, skip.map(|name| (name, "true".to_owned())).to_vec()).await
    }
}

impl Resource for Scope {
    const PLURAL: &'static str = "scopes";
    const NOUN: &'static str = "scope";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Create for Scope {
    type New = NewScope;
}

impl Update for Scope {
    type Patch = ScopePatch;
}

impl Delete for Scope {}

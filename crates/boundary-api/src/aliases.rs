//! Aliases: names for targets. In Boundary's open edition all of them are global.

use crate::client::Client;
use crate::collection::{Collection, Create, Delete, Resource, Update};
use crate::wire::{Change, ScopeInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An alias. Its destination is empty when the target was deleted; the version does not rise then (measured).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Alias {
    /// The id, `alt_…`.
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
    /// `target`.
    #[serde(rename = "type")]
    pub alias_type: String,
    /// What users type.
    pub value: String,
    /// The target's id.
    pub destination_id: String,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// An alias of a target, to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAlias {
    /// The scope; `global`.
    pub scope_id: String,
    /// `target`.
    #[serde(rename = "type")]
    pub alias_type: String,
    /// What users type: labels of lower-case letters, digits and hyphens, below 254 characters; unique, whatever its case.
    pub value: String,
    /// The target's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<String>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl NewAlias {
    /// An alias in the global scope that leads to a target.
    pub fn of_target(value: &str, target_id: &str) -> Self {
        Self {
            scope_id: "global".to_owned(),
            alias_type: "target".to_owned(),
            value: value.to_owned(),
            destination_id: Some(target_id.to_owned()),
            name: None,
            description: None,
        }
    }
}

/// Changes of an alias.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AliasPatch {
    /// What users type.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub value: Change<String>,
    /// The target's id.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub destination_id: Change<String>,
    /// The name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub name: Change<String>,
    /// The description.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
}

impl Client {
    /// The aliases.
    pub fn aliases(&self) -> Collection<'_, Alias> {
        Collection::of(self)
    }
}

impl Resource for Alias {
    const PLURAL: &'static str = "aliases";
    const NOUN: &'static str = "alias";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Create for Alias {
    type New = NewAlias;
}

impl Update for Alias {
    type Patch = AliasPatch;
}

impl Delete for Alias {}

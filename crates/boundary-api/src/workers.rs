//! Workers: read only. Their list has no pages.

use crate::client::Client;
use crate::collection::{Collection, Resource};
use crate::wire::ScopeInfo;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// The id, `w_…`.
    pub id: String,
    /// The scope; `global`.
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
    /// `pki` or `kms`.
    #[serde(rename = "type")]
    pub worker_type: String,
    /// Where clients connect to.
    pub address: String,
    /// The tags that worker filters look at.
    pub canonical_tags: BTreeMap<String, Vec<String>>,
    /// When it last reported.
    pub last_status_time: Option<Timestamp>,
    /// How many connections it carries.
    pub active_connection_count: u32,
    /// Its program's version.
    pub release_version: String,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

impl Client {
    /// The workers.
    pub fn workers(&self) -> Collection<'_, Worker> {
        Collection::of(self)
    }
}

impl Resource for Worker {
    const PLURAL: &'static str = "workers";
    const NOUN: &'static str = "worker";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

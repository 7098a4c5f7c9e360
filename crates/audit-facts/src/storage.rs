//! What S3 says about artifacts: versions of objects, and deletions.
//!
//! Owns the fact's shape. A task's files are copied at its stop: a file does not tell in which session it was made.

use crate::ids::TaskId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A version of an object below the artifacts' prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version.
    pub version_id: String,
    /// The task, when the key has one.
    pub task_id: Option<TaskId>,
    /// The investigated cluster, when the key has one.
    pub cluster_id: Option<String>,
    /// The investigation, when the key has one.
    pub investigation_id: Option<String>,
    /// When this version was made, UTC.
    pub modified: Timestamp,
    /// Bytes; 0 for a deletion.
    pub bytes: u64,
    /// S3's tag; not a digest of the content for parts.
    pub etag: Option<String>,
    /// Whether it is a delete marker.
    pub is_deletion: bool,
    /// Until when the version cannot be deleted, as far as it was read.
    pub retained_until: Option<Timestamp>,
    /// Whether the retention was read: absent without this is not known.
    pub retention_read: bool,
}

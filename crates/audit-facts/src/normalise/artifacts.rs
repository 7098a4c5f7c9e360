//! Versions of artifacts in S3, as another crate took them out of the XML.
//!
//! Owns what a key says. Its layouts: `CLUSTER/INVESTIGATION/YYYYMMDD/TASK/…`, the same with an empty task when the container
//! did not learn its own, and whatever a launcher was told; there the task's id counts wherever it stands.
//! Source: rosa-boundary `entrypoint.sh`.

use super::Reading;
use crate::fact::{Body, Fact};
use crate::ids::TaskId;
use crate::storage::Artifact;
use jiff::Timestamp;

/// A version of an object, or a delete marker, as S3 lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version; `null` in a bucket that kept none.
    pub version_id: String,
    /// When it was made, UTC.
    pub modified: Timestamp,
    /// Bytes; 0 for a delete marker.
    pub bytes: u64,
    /// S3's tag, with or without its quotes.
    pub etag: Option<String>,
    /// Whether it is a delete marker.
    pub is_delete_marker: bool,
    /// Its retention, when it was read.
    pub retention: Option<Retention>,
}

/// The retention of one version, as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Until when it cannot be deleted; none when it can.
    pub until: Option<Timestamp>,
}

/// The facts of a list of versions. The prefix is what stands before the layout, for example `artifacts/`.
pub fn versions(reading: &Reading, prefix: &str, versions: impl IntoIterator<Item = ObjectVersion>) -> Vec<Fact> {
    versions.into_iter().map(|version| reading.fact(Body::Artifact(Box::new(artifact(prefix, version))))).collect()
}

fn artifact(prefix: &str, version: ObjectVersion) -> Artifact {
    let place = KeyPlace::of(prefix, &version.key);
    Artifact {
        task_id: place.task,
        cluster_id: place.cluster,
        investigation_id: place.investigation,
        bucket: version.bucket,
        key: version.key,
        version_id: version.version_id,
        modified: version.modified,
        bytes: version.bytes,
        etag: version.etag.map(|etag| etag.trim_matches('"').to_owned()),
        is_deletion: version.is_delete_marker,
        retention_read: version.retention.is_some(),
        retained_until: version.retention.and_then(|retention| retention.until),
    }
}

/// What a key says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KeyPlace {
    task: Option<TaskId>,
    cluster: Option<String>,
    investigation: Option<String>,
}

impl KeyPlace {
    fn of(prefix: &str, key: &str) -> Self {
        let rest = key.strip_prefix(prefix).unwrap_or(key);
        let folders: Vec<&str> = rest.rsplit_once('/').map_or(Vec::new(), |(folders, _file)| folders.split('/').collect());
        let ids = folders.iter().map(|folder| TaskId::parse(folder).ok());
        // A folder of the user's may look like a task too: the layout's own place, behind the date, is asked first.
        let date = folders.iter().position(|folder| is_date(folder));
        let task = match date.and_then(|date| folders.get(date + 1)) {
            Some(behind) if date == Some(2) => TaskId::parse(behind).ok(),
            _ => ids.flatten().next(),
        };
        let named = |at: usize| folders.get(at).filter(|name| !name.is_empty()).map(|name| (*name).to_owned());
        let (cluster, investigation) = if date == Some(2) { (named(0), named(1)) } else { (None, None) };
        Self { task, cluster, investigation }
    }
}

fn is_date(folder: &str) -> bool {
    folder.len() == 8 && folder.bytes().all(|b| b.is_ascii_digit()) && folder.parse::<jiff::civil::Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "0123456789abcdef0123456789abcdef";

    fn of(prefix: &str, key: &str) -> (Option<String>, Option<String>, Option<String>) {
        let place = KeyPlace::of(prefix, key);
        (place.task.map(String::from), place.cluster, place.investigation)
    }

    #[test]
    fn every_layout_is_read() {
        let (task, cluster, inv) = (Some(TASK.to_owned()), Some("rosa-1".to_owned()), Some("inv-7".to_owned()));
        let all = (task.clone(), cluster.clone(), inv.clone());
        assert_eq!(of("", &format!("rosa-1/inv-7/20260216/{TASK}/home/x")), all);
        assert_eq!(of("a/", &format!("a/rosa-1/inv-7/20260216/{TASK}/.bash_history")), all);
        assert_eq!(of("", "rosa-1/inv-7/20260216//.bash_history"), (None, cluster, inv));
        assert_eq!(of("", &format!("escrow/case/{TASK}/x")), (task, None, None));
        assert_eq!(of("", "ssm-sessions/x.log"), (None, None, None));
        assert_eq!(of("", &format!("escrow/{TASK}")), (None, None, None), "a file is no folder");
    }

    #[test]
    fn a_users_folder_does_not_become_the_task() {
        let other = "f".repeat(32);
        assert_eq!(of("", &format!("rosa-1/inv-7/20260216/{TASK}/{other}/x")).0, Some(TASK.to_owned()));
        assert_eq!(of("", &format!("rosa-1/inv-7/20260216//{other}/x")).0, None);
    }
}

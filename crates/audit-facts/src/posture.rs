//! Settings that evidence rests on: with these off, absence means nothing and presence little.
//!
//! Owns the facts' shapes; what is bad about a value is the judge's matter.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A setting as it stood when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posture {
    /// When, UTC.
    pub at: Timestamp,
    /// Of what: a cluster's, group's or role's ARN, a bucket's or trail's name, an id.
    pub subject: String,
    /// The setting.
    pub item: PostureItem,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "setting", rename_all = "snake_case")]
pub enum PostureItem {
    /// A cluster's logging of ECS Exec: `NONE`, `DEFAULT` or `OVERRIDE`; none when nothing is configured.
    ExecLogging {
        /// The value.
        logging: Option<String>,
        /// The log group.
        log_group: Option<String>,
        /// The bucket.
        bucket: Option<String>,
        /// Whether a KMS key encrypts the data channel.
        kms: bool,
    },
    /// A log group.
    LogGroup {
        /// Days that it keeps; none keeps for ever.
        retention_days: Option<u32>,
        /// Whether a KMS key encrypts it.
        kms: bool,
    },
    /// A bucket.
    Bucket {
        /// Whether versions are kept.
        versioned: bool,
        /// `COMPLIANCE` or `GOVERNANCE`; none without Object Lock.
        lock_mode: Option<String>,
        /// Days of the default retention.
        lock_days: Option<u32>,
        /// Whether it encrypts by default.
        encrypted: bool,
    },
    /// A region's trails; none means that nothing is kept beyond the event history.
    Trail {
        /// The trail's name.
        name: Option<String>,
        /// Whether it is logging.
        logging: bool,
        /// Whether digest files are written.
        validated: bool,
    },
    /// Whether a principal may start sessions past ECS Exec and its log.
    UnloggedStart {
        /// Whether a policy simulation or a success showed it.
        shown_by: String,
        /// Whether it may.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        allowed: bool,
    },
    /// A role that is not target-sync's authorises sessions on many of its targets.
    ForeignGrant {
        /// The grant string; empty once the role has none such.
        grant: String,
        /// The role's principals.
        principals: Vec<String>,
    },
    /// A setting is looked at no longer: what has it is not configured any more, or gone.
    Unwatched {
        /// Its kind, see [`PostureItem::kind`].
        of: String,
    },
}

impl PostureItem {
    /// The kind of setting: of one subject and kind the last reading counts.
    pub fn kind(&self) -> &str {
        match self {
            Self::ExecLogging { .. } => "exec_logging",
            Self::LogGroup { .. } => "log_group",
            Self::Bucket { .. } => "bucket",
            Self::Trail { .. } => "trail",
            Self::UnloggedStart { .. } => "unlogged_start",
            Self::ForeignGrant { .. } => "foreign_grant",
            Self::Unwatched { of } => of,
        }
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_done_is_written_as_ever_and_what_may_not_is_said() {
        let item = |allowed| PostureItem::UnloggedStart { shown_by: "a".to_owned(), allowed };
        let text = |item: &PostureItem| serde_json::to_string(item).unwrap();
        assert_eq!(text(&item(true)), r#"{"setting":"unlogged_start","shown_by":"a"}"#, "facts are named by their content");
        assert_eq!(serde_json::from_str::<PostureItem>(&text(&item(true))).unwrap(), item(true));
        assert_eq!(serde_json::from_str::<PostureItem>(&text(&item(false))).unwrap(), item(false));
    }
}

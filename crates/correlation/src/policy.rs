//! What the operator expects: graces, tolerances, allow-lists.
//!
//! Owns the defaults, each with its reason.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The longest upload that is waited for, seconds: how much was shown is also a claim of whoever writes records.
const LONGEST_UPLOAD_SECONDS: i64 = 24 * 3600;

/// The operator's expectations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How long Boundary's sessions may lag behind, seconds: the longest pause between two readings with a margin.
    pub boundary_lag_seconds: i64,
    /// How long CloudTrail may lag behind, seconds: it delivers within minutes, seldom later than a quarter of an hour.
    pub trail_lag_seconds: i64,
    /// How long a log may take after the end beside its upload, seconds.
    pub log_grace_seconds: i64,
    /// When a log counts as late, seconds after the end beside its upload.
    pub log_late_seconds: i64,
    /// Bytes a second that the agent uploads: four events of 200 000 bytes (agent source).
    pub upload_bytes_per_second: u64,
    /// How long a task's sync may take after the stop, seconds.
    pub artifact_grace_seconds: i64,
    /// By how much a shell may outlive its Boundary session, seconds: the wrapper's own settling and AWS's.
    pub outlive_tolerance_seconds: i64,
    /// How far two clocks may differ before skew is estimated, seconds.
    pub skew_seconds: i64,
    /// Days that logs are to be kept.
    pub log_retention_days: u32,
    /// Days that artifacts are to be locked.
    pub artifact_retention_days: u32,
    /// Principals who may enter past Boundary in an emergency: ARNs, `*` stands for anything.
    pub break_glass: Vec<String>,
    /// Principals that several people share on purpose: ARNs, `*` stands for anything.
    pub shared_principals: Vec<String>,
    /// Roles of Boundary that may authorise sessions on managed targets beside target-sync's.
    pub allowed_roles: Vec<String>,
    /// Whether every task of the watched clusters is managed, also one without tags and without a target.
    pub all_tasks_managed: bool,
    /// Whether the operator's broker sets the source identity, so that users cannot choose it.
    pub source_identity_enforced: bool,
    /// Whether a trust policy ties the role session name to the Boundary session.
    pub session_name_enforced: bool,
    /// Prefixes that launchers put before a user's name in role session names.
    pub name_prefixes: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            boundary_lag_seconds: 20 * 60,
            trail_lag_seconds: 20 * 60,
            log_grace_seconds: 75 * 60,
            log_late_seconds: 60 * 60,
            upload_bytes_per_second: 800_000,
            artifact_grace_seconds: 30 * 60,
            outlive_tolerance_seconds: 120,
            skew_seconds: 5,
            log_retention_days: 90,
            artifact_retention_days: 90,
            break_glass: Vec::new(),
            shared_principals: Vec::new(),
            allowed_roles: Vec::new(),
            all_tasks_managed: false,
            source_identity_enforced: false,
            session_name_enforced: false,
            name_prefixes: vec!["rosa-boundary-".to_owned()],
        }
    }
}

impl Policy {
    /// Whether a principal is on the break-glass list.
    pub fn is_break_glass(&self, arn: &str) -> bool {
        self.break_glass.iter().any(|pattern| matches(pattern, arn))
    }

    /// Whether a principal is shared on purpose.
    pub fn is_shared(&self, arn: &str) -> bool {
        self.shared_principals.iter().any(|pattern| matches(pattern, arn))
    }

    /// How long a log of so many bytes may take after the end until its absence counts; a day of upload at most.
    pub fn log_due_after(&self, bytes: u64) -> SignedDuration {
        let upload = self.upload_seconds(bytes).clamp(15 * 60, LONGEST_UPLOAD_SECONDS);
        SignedDuration::from_secs(upload.saturating_add(self.log_grace_seconds.max(0)))
    }

    /// How long the upload of so many bytes takes, seconds, rounded up.
    pub fn upload_seconds(&self, bytes: u64) -> i64 {
        i64::try_from(bytes.div_ceil(self.upload_bytes_per_second.max(1))).unwrap_or(i64::MAX / 4)
    }
}

/// Whether a text fits a pattern in which `*` stands for any text. Linear in practice: no backtracking over more than one star.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let arn = "arn:aws:sts::123456789012:assumed-role/break-glass/alice";
        for fits in ["*", arn, "arn:aws:sts::*:assumed-role/break-glass/*", "*alice", "arn:*break*alice", "**"] {
            assert!(matches(fits, arn), "{fits}");
        }
        for other in ["", "arn:aws:sts::123456789012", "*bob", "*break-glass/*/alice", "arn:*alice*x"] {
            assert!(!matches(other, arn), "{other}");
        }
        assert!(!matches("ab*b", "ab"), "the star's sides do not overlap");
    }

    #[test]
    fn a_log_gets_its_uploads_time() {
        let policy = Policy::default();
        assert_eq!(policy.log_due_after(0), SignedDuration::from_mins(90));
        assert_eq!(policy.upload_seconds(800_001), 2);
        assert_eq!(policy.log_due_after(96_000_000 * 60), SignedDuration::from_mins(75 + 120));
    }
}

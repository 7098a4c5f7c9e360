//! What the operator has decided, checked.
//!
//! Owns the meaning of each rule and what may not be combined. Reading files and environment is the program's.

use crate::principal::PrincipalRule;
use crate::template::Template;

/// What a run may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Create, update and retire.
    Sync,
    /// Create and update; nothing is taken away from a task that has ended.
    UpsertOnly,
    /// Create only.
    CreateOnly,
}

/// What `startedBy` is held against: the launcher writes the first 36 digits of the key's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartedBy {
    /// One of that form must agree; others are no matter.
    #[default]
    Check,
    /// It must be there and agree.
    Require,
    /// It is not looked at.
    Ignore,
}

/// What is done with a task that has no deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoDeadline {
    /// It has a target, with the longest session time, and the plan says so.
    #[default]
    Warn,
    /// It has none.
    Refuse,
}

/// What is done about live sessions of a target that is due for deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnActive {
    /// The deletion waits for them.
    #[default]
    Defer,
    /// They are canceled.
    Cancel,
}

/// How much may be retired without ECS having said that a task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most targets in one run.
    pub max_retire: usize,
    /// The most targets in one run, in percent of those that are live.
    pub max_retire_percent: usize,
    /// Below this many live targets the percentage is not looked at.
    pub min_existing: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_retire: 20, max_retire_percent: 30, min_existing: 10 }
    }
}

impl Limits {
    /// Whether so many of so many live targets may be retired at once.
    pub fn permit(self, retired: usize, live: usize) -> bool {
        let percentage_fits = live < self.min_existing || retired * 100 <= live * self.max_retire_percent;
        retired <= self.max_retire && percentage_fits
    }
}

/// Everything that `desire` and `plan` follow.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who we are in markers.
    pub owner: String,
    /// Our project.
    pub project_id: String,
    /// What a run may do.
    pub policy: Policy,
    /// Whether a limit on retirements may be passed over, this once.
    pub force: bool,
    /// The limits.
    pub limits: Limits,
    /// What is done about live sessions at deletion.
    pub on_active: OnActive,
    /// The container that people enter.
    pub container: String,
    /// The tag by which the site's ABAC knows the owner.
    pub abac_key: String,
    /// What the families of investigation tasks begin with: such a task without tags is waited for.
    pub family_prefix: Option<String>,
    /// What `startedBy` is held against.
    pub started_by: StartedBy,
    /// What is done without a deadline.
    pub no_deadline: NoDeadline,
    /// The names of targets.
    pub name: Template,
    /// The aliases; none when aliases are off.
    pub alias: Option<Template>,
    /// What people read below the marker.
    pub description: Template,
    /// The longest time of any session, seconds.
    pub session_cap: u32,
    /// Where workers connect to instead of the region's ssmmessages endpoint.
    pub endpoint: Option<(String, u16)>,
    /// Which workers connect.
    pub egress_worker_filter: String,
    /// Who is granted.
    pub principals: Vec<PrincipalRule>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_both_ways_and_leave_the_small_alone() {
        let limits = Limits::default();
        assert!(limits.permit(9, 9), "a small site may lose all");
        assert!(limits.permit(3, 10) && !limits.permit(4, 10));
        assert!(limits.permit(20, 1000) && !limits.permit(21, 1000));
    }
}

//! What was seen: ECS tasks by source, and what Boundary shows of targets, roles, aliases, accounts and users.
//!
//! Owns the shapes only; who fills them asks the services. A list is never evidence that something does not exist, neither
//! ECS's (eventually consistent) nor Boundary's (filtered by grants): each shape says what was positively answered.

use investigation::{TaskArn, TaskLabels};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that one run has seen.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The ECS clusters, by the name of their source.
    pub sources: BTreeMap<String, SourceScan>,
    /// Boundary.
    pub boundary: BoundaryScan,
    /// What this program's own records say it has made, by id.
    pub recorded: BTreeMap<String, Recorded>,
}

/// One ECS cluster, as one scan saw it.
#[derive(Debug, Clone)]
pub struct SourceScan {
    /// Where it is.
    pub place: Place,
    /// When the scan began.
    pub at: Timestamp,
    /// Why the scan is not whole, when it is not. Nothing that it lacks is then missing.
    pub failure: Option<String>,
    /// Whether DescribeClusters, or the answers to the scan, said that the cluster is active.
    pub cluster_is_active: bool,
    /// The tasks that were described, by ARN.
    pub tasks: BTreeMap<TaskArn, TaskFacts>,
    /// The tasks of which DescribeTasks said MISSING.
    pub missing: BTreeSet<TaskArn>,
}

/// Where an ECS cluster is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The partition, for example `aws`.
    pub partition: String,
    /// The account, twelve digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// The ECS cluster's name.
    pub ecs_cluster: String,
}

impl Place {
    /// Whether a task runs here. An ARN of the short form names no cluster and fits none.
    pub fn holds(&self, task_arn: &TaskArn) -> bool {
        task_arn.partition() == self.partition
            && task_arn.account() == self.account
            && task_arn.region() == self.region
            && task_arn.ecs_cluster() == Some(self.ecs_cluster.as_str())
    }
}

/// One task, as DescribeTasks told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// The task.
    pub arn: TaskArn,
    /// ECS's word for its state, for example `RUNNING`.
    pub last_status: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Whether it was started with ECS Exec.
    pub exec_enabled: bool,
    /// `startedBy`, when it is set.
    pub started_by: Option<String>,
    /// The family of its task definition.
    pub family: Option<String>,
    /// Its containers' names, in ECS's order.
    pub containers: Vec<String>,
    /// Its tags and the environment of its container overrides, or that of its task definition.
    pub labels: TaskLabels,
}

impl TaskFacts {
    /// Whether ECS says that it has ended. Source: design of retirement; the task life cycle of ECS.
    pub fn is_dead(&self) -> bool {
        matches!(self.last_status.as_str(), "DEPROVISIONING" | "STOPPED" | "DELETED")
    }

    /// Whether it is on its way out, so that no new target is made for it.
    pub fn is_leaving(&self) -> bool {
        self.is_dead() || matches!(self.last_status.as_str(), "DEACTIVATING" | "STOPPING")
    }
}

/// What Boundary has shown.
#[derive(Debug, Clone, Default)]
pub struct BoundaryScan {
    /// The targets of our project, by id.
    pub targets: BTreeMap<String, TargetFacts>,
    /// The roles of our project, and those elsewhere that we may see, by id.
    pub roles: BTreeMap<String, RoleFacts>,
    /// The aliases, by id.
    pub aliases: BTreeMap<String, AliasFacts>,
    /// The accounts of the configured auth methods.
    pub accounts: Vec<AccountFacts>,
    /// The users, by id.
    pub users: BTreeMap<String, UserFacts>,
    /// Sessions that have not ended, by target id. Zero is no evidence.
    pub live_sessions: BTreeMap<String, Vec<LiveSession>>,
    /// What was read by its id and answered 404: it is gone.
    pub gone: BTreeSet<String>,
    /// What could not be listed or read, in words.
    pub unreadable: Vec<String>,
}

/// A session that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// The id, `s_…`.
    pub id: String,
    /// The version.
    pub version: u32,
    /// When it ends at the latest.
    pub expires: Option<Timestamp>,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetFacts {
    /// The id.
    pub id: String,
    /// The version.
    pub version: u32,
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// Where workers connect to.
    pub address: String,
    /// The port they connect to.
    pub port: u16,
    /// The longest time of a session, seconds.
    pub session_max_seconds: u32,
    /// The most connections of a session.
    pub connection_limit: i32,
    /// Which workers connect.
    pub egress_worker_filter: String,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleFacts {
    /// The id.
    pub id: String,
    /// The version.
    pub version: u32,
    /// The scope it lives in.
    pub scope_id: String,
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// The grants as written.
    pub grants: BTreeSet<String>,
    /// Where they hold.
    pub grant_scopes: BTreeSet<String>,
    /// Who has them.
    pub principals: BTreeSet<String>,
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AliasFacts {
    /// The id.
    pub id: String,
    /// The version.
    pub version: u32,
    /// What users type.
    pub value: String,
    /// The description.
    pub description: String,
    /// The target's id; empty when it leads nowhere.
    pub destination_id: String,
}

/// An account of a configured auth method.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AccountFacts {
    /// The id.
    pub id: String,
    /// The auth method.
    pub auth_method_id: String,
    /// The issuer; OIDC only.
    pub issuer: String,
    /// The subject; OIDC only.
    pub subject: String,
    /// The login name; password and LDAP.
    pub login_name: String,
    /// The e-mail address.
    pub email: String,
    /// The claims of the last login, of token and user info, where Boundary shows them.
    pub claims: BTreeMap<String, Value>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFacts {
    /// The id.
    pub id: String,
    /// The version.
    pub version: u32,
    /// The name.
    pub name: String,
    /// The accounts that are known to be his.
    pub account_ids: BTreeSet<String>,
}

/// What our own records say of an object that we have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it is.
    pub kind: Kind,
    /// The task that it serves.
    pub task_arn: TaskArn,
}

/// Kinds of Boundary objects that this program makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A target.
    Target,
    /// A role.
    Role,
    /// An alias.
    Alias,
    /// A session.
    Session,
}

impl Kind {
    /// Boundary's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Role => "role",
            Self::Alias => "alias",
            Self::Session => "session",
        }
    }
}

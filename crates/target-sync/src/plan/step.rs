//! The plan's form: steps that leave the hand no choice, and what goes with them.
//!
//! Owns the stored form and its version. A plan is a value: what made it cannot be asked again by whoever carries it out.

use crate::facts::Kind;
use audit_record::sha256_hex_of_json;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of the plan's JSON form.
pub const PLAN_FORMAT: u32 = 1;

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// See [`PLAN_FORMAT`].
    pub format_version: u32,
    /// Whose objects it changes.
    pub owner: String,
    /// In which project.
    pub project_id: String,
    /// The steps; each comes after those that it needs.
    pub steps: Vec<Step>,
    /// What is not done although it was due, and why.
    pub held: Vec<Held>,
    /// What people should know.
    pub notes: Vec<Note>,
}

/// One request to the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number, from 1.
    pub number: usize,
    /// What is done.
    pub action: Action,
    /// To what kind of object.
    pub kind: Kind,
    /// The object's name, or an alias's value.
    pub name: String,
    /// The object's id; nothing when an earlier step makes it.
    pub id: Option<String>,
    /// The task on whose account it is done.
    pub task_arn: String,
    /// Why.
    pub reason: Reason,
    /// What changes, field by field.
    pub changes: Vec<FieldChange>,
    /// Not before this time.
    pub not_before: Option<Timestamp>,
    /// The steps without which it is not done.
    pub after: Vec<usize>,
    /// The request.
    pub operation: Operation,
}

/// What a step does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Makes an object.
    Create,
    /// Changes an object.
    Update,
    /// Lets an object be used again.
    Restore,
    /// Notes that ECS does not know the task.
    MarkMissing,
    /// Takes an object out of use.
    Quarantine,
    /// Takes grants away.
    Withdraw,
    /// Ends a session.
    Cancel,
    /// Removes an object.
    Delete,
}

impl Action {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Restore => "restore",
            Self::MarkMissing => "mark missing",
            Self::Quarantine => "quarantine",
            Self::Withdraw => "withdraw",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
        }
    }
}

/// Why a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A task runs that has none.
    NewTask,
    /// The object differs from what the task asks for.
    Drift,
    /// The object was deleted by somebody else.
    DeletedByHand,
    /// Another task of the investigation takes the name or alias.
    Superseded,
    /// ECS says that the task has ended.
    TaskEnded,
    /// ECS does not know the task.
    TaskMissing,
    /// The task runs after all.
    TaskIsAlive,
    /// The tags that name the owner have changed.
    OwnerChanged,
    /// The rules refuse the task.
    RefusedByRules,
    /// The owner is no longer one exact user.
    MappingRefused,
    /// A second object for one task.
    Duplicate,
    /// The time of every session that may have used it is over.
    Expired,
    /// Nothing leads there any more.
    LeadsNowhere,
    /// A person asked for it.
    Asked,
}

impl Reason {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NewTask => "a new task",
            Self::Drift => "differs from the task",
            Self::DeletedByHand => "was deleted by hand",
            Self::Superseded => "another task takes over",
            Self::TaskEnded => "the task has ended",
            Self::TaskMissing => "ECS does not know the task",
            Self::TaskIsAlive => "the task is alive",
            Self::OwnerChanged => "the owner's tags changed",
            Self::RefusedByRules => "the rules refuse the task",
            Self::MappingRefused => "the owner is not one exact user",
            Self::Duplicate => "a second one of the task",
            Self::Expired => "every session that used it has ended",
            Self::LeadsNowhere => "leads nowhere",
            Self::Asked => "asked for",
        }
    }
}

/// One field's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Boundary's name of the field.
    pub field: String,
    /// What is there; nothing when the object is new.
    pub from: Option<String>,
    /// What will be there.
    pub to: String,
}

/// An object that a step speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// One that is there.
    Id(String),
    /// The one that an earlier step makes.
    MadeBy(usize),
}

/// A request, with the version that the object must have; without one, that which an earlier step of this plan has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Operation {
    /// `POST targets`; refused when the name is taken.
    CreateTarget(TargetFields),
    /// `PATCH targets/ID`.
    UpdateTarget {
        /// The target.
        target: Object,
        /// Its version.
        version: Option<u32>,
        /// The fields that change.
        fields: TargetChanges,
    },
    /// `DELETE targets/ID`, after it was read again.
    DeleteTarget {
        /// The target.
        target: Object,
        /// Its version.
        version: Option<u32>,
    },
    /// `POST roles`; refused when the name is taken.
    CreateRole {
        /// The name.
        name: String,
        /// The description.
        description: String,
    },
    /// `PATCH roles/ID`.
    UpdateRole {
        /// The role.
        role: Object,
        /// Its version.
        version: Option<u32>,
        /// The name, when it changes.
        name: Option<String>,
        /// The description, when it changes.
        description: Option<String>,
    },
    /// `POST roles/ID:set-grants`.
    SetGrants {
        /// The role.
        role: Object,
        /// Its version.
        version: Option<u32>,
        /// The target of the grants.
        target: Object,
    },
    /// `POST roles/ID:set-grant-scopes`, to `this`.
    SetGrantScopes {
        /// The role.
        role: Object,
        /// Its version.
        version: Option<u32>,
    },
    /// `POST roles/ID:set-principals`.
    SetPrincipals {
        /// The role.
        role: Object,
        /// Its version.
        version: Option<u32>,
        /// Who has the grants afterwards.
        principal_ids: Vec<String>,
    },
    /// `DELETE roles/ID`, after it was read again.
    DeleteRole {
        /// The role.
        role: Object,
        /// Its version.
        version: Option<u32>,
    },
    /// `POST aliases`; refused when the value is taken.
    CreateAlias {
        /// What users type.
        value: String,
        /// The description.
        description: String,
        /// Where it leads.
        target: Object,
    },
    /// `PATCH aliases/ID`.
    UpdateAlias {
        /// The alias.
        alias: Object,
        /// Its version.
        version: Option<u32>,
        /// Where it leads.
        target: Object,
        /// The description.
        description: String,
    },
    /// `DELETE aliases/ID`, after it was read again.
    DeleteAlias {
        /// The alias.
        alias: Object,
        /// Its version.
        version: Option<u32>,
    },
    /// `POST sessions/ID:cancel`.
    CancelSession {
        /// The session.
        session_id: String,
    },
}

/// A new target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFields {
    /// The name.
    pub name: String,
    /// The description, marker first.
    pub description: String,
    /// Where workers connect to.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The longest time of a session, seconds.
    pub session_max_seconds: u32,
    /// Which workers connect; empty for any.
    pub egress_worker_filter: String,
}

/// Changes of a target; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChanges {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The longest time of a session, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_max_seconds: Option<u32>,
    /// The most connections of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i32>,
    /// Which workers connect; an empty text unsets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_worker_filter: Option<String>,
}

/// Something due that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// By what.
    pub by: HeldBy,
    /// What would be done.
    pub action: Action,
    /// To what kind.
    pub kind: Kind,
    /// The object's name.
    pub name: String,
    /// The object's id.
    pub id: Option<String>,
    /// The task.
    pub task_arn: String,
}

/// What holds a step back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// More would be retired without a positive answer than the limits permit.
    Limit,
    /// The policy permits no such step.
    Policy,
    /// A session lives.
    LiveSession,
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// How loud.
    pub level: Level,
    /// A stable code.
    pub code: String,
    /// The task, when it is about one.
    pub task_arn: Option<String>,
    /// The object, when it is about one.
    pub id: Option<String>,
    /// In words.
    pub text: String,
}

/// How loud a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Odd; look in the morning.
    Warning,
    /// Look now.
    Alarm,
}

impl Plan {
    /// A digest of everything in it, hexadecimal SHA-256.
    ///
    /// # Panics
    /// Never: a plan is made of texts and numbers.
    pub fn digest(&self) -> String {
        sha256_hex_of_json(self).expect("a plan is JSON")
    }

    /// The steps that may be done at a time.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.not_before.is_none_or(|time| time <= now))
    }

    /// Whether a limit holds something back.
    pub fn is_limited(&self) -> bool {
        self.held.iter().any(|held| held.by == HeldBy::Limit)
    }
}

//! What CloudTrail says: who asked AWS for which session.
//!
//! Owns the facts' shapes. An event is AWS's statement about a request; what the request's own text claims is its sender's.

use crate::fact::Key;
use crate::ids::{SsmSessionId, TaskId};
use investigation::{BoundarySessionId, RoleSessionName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who made a call, in `userIdentity`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The ARN, for example `arn:aws:sts::123456789012:assumed-role/sre/alice=s_1234567890`.
    pub arn: String,
    /// The session's name, for an assumed role.
    pub role_session_name: Option<String>,
    /// The source identity, which stays through role chains.
    pub source_identity: Option<String>,
    /// The temporary credentials.
    pub access_key_id: Option<String>,
    /// The service that made the call on somebody's behalf, for example `ecs.amazonaws.com`.
    pub invoked_by: Option<String>,
    /// The caller's address, or a service's name.
    pub client_address: Option<String>,
    /// The caller's program, in its own words.
    pub user_agent: Option<String>,
}

impl Principal {
    /// The Boundary session in the role session name, when it holds one.
    pub fn session_in_name(&self) -> Option<BoundarySessionId> {
        RoleSessionName::parse(self.role_session_name.as_deref()?).ok()?.boundary_session_id().cloned()
    }

    /// The Boundary session in the source identity, when it holds one.
    pub fn session_in_source_identity(&self) -> Option<BoundarySessionId> {
        let text = self.source_identity.as_deref()?;
        BoundarySessionId::parse(text).ok().or_else(|| RoleSessionName::parse(text).ok()?.boundary_session_id().cloned())
    }

    /// Whether AWS's ECS made the call itself: the second half of every ExecuteCommand.
    pub fn is_ecs(&self) -> bool {
        self.invoked_by.as_deref() == Some("ecs.amazonaws.com") || self.arn.contains(":assumed-role/AWSServiceRoleForECS/")
    }

    fn keys(&self, keys: &mut Vec<Key>) {
        let planted = [self.session_in_name(), self.session_in_source_identity()];
        keys.extend(planted.iter().flatten().map(|id| Key::boundary_session(id.as_str())));
    }

    /// The credentials as a key, unless they are a service's own.
    pub(crate) fn access_key(&self) -> Option<Key> {
        self.access_key_id.as_deref().filter(|_| !self.is_ecs()).map(Key::access_key)
    }
}

/// ExecuteCommand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// CloudTrail's id of the event.
    pub event_id: String,
    /// When, UTC; whole seconds.
    pub at: Timestamp,
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
    /// Who.
    pub principal: Principal,
    /// The task; none when the request named none that exists.
    pub task_id: Option<TaskId>,
    /// The task's ARN, when AWS answered with it.
    pub task_arn: Option<String>,
    /// The container.
    pub container: Option<String>,
    /// The Boundary session planted in the command, when it begins with one. The rest of the command is not kept.
    pub planted: Option<BoundarySessionId>,
    /// The session that was made; none when it was refused.
    pub ssm_session_id: Option<SsmSessionId>,
    /// Why it was refused, in AWS's code.
    pub error_code: Option<String>,
}

impl Execution {
    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.extend(self.task_id.iter().map(|id| Key::task(id.as_str())));
        keys.extend(self.ssm_session_id.iter().map(|id| Key::ssm_session(id.as_str())));
        keys.extend(self.planted.iter().map(|id| Key::boundary_session(id.as_str())));
        self.principal.keys(keys);
        // A refused call may name nothing that exists: it is a case of its own.
        if keys.is_empty() {
            keys.push(Key::event(&self.event_id));
        }
    }
}

/// StartSession: ECS's own, or somebody's past ECS Exec and its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStartCall {
    /// CloudTrail's id of the event.
    pub event_id: String,
    /// When, UTC; whole seconds.
    pub at: Timestamp,
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
    /// Who.
    pub principal: Principal,
    /// The target as it was given.
    pub target: String,
    /// The task in the target; none for other targets.
    pub task_id: Option<TaskId>,
    /// The document.
    pub document: Option<String>,
    /// The session that was made; none when it was refused.
    pub ssm_session_id: Option<SsmSessionId>,
    /// Why it was refused, in AWS's code.
    pub error_code: Option<String>,
}

impl SessionStartCall {
    pub(crate) fn keys(&self, keys: &mut Vec<Key>) {
        keys.extend(self.task_id.iter().map(|id| Key::task(id.as_str())));
        keys.extend(self.ssm_session_id.iter().map(|id| Key::ssm_session(id.as_str())));
        self.principal.keys(keys);
        if keys.is_empty() {
            keys.push(Key::event(&self.event_id));
        }
    }
}

/// Which call touched a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionCallKind {
    /// TerminateSession.
    Terminate,
    /// ResumeSession.
    Resume,
}

/// A call that touched a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCall {
    /// CloudTrail's id of the event.
    pub event_id: String,
    /// When, UTC; whole seconds.
    pub at: Timestamp,
    /// Which.
    pub call: SessionCallKind,
    /// The session.
    pub ssm_session_id: SsmSessionId,
    /// Who.
    pub principal: Principal,
    /// Why it was refused, in AWS's code.
    pub error_code: Option<String>,
}

/// A role was assumed: what its name, identity and tags say holds for every call with these credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAssumption {
    /// CloudTrail's id of the event.
    pub event_id: String,
    /// When, UTC; whole seconds.
    pub at: Timestamp,
    /// The role.
    pub role_arn: String,
    /// The credentials that were given.
    pub access_key_id: String,
    /// The session's name.
    pub role_session_name: Option<String>,
    /// The source identity.
    pub source_identity: Option<String>,
    /// The Boundary session in a session tag.
    pub tagged: Option<BoundarySessionId>,
    /// The user in a session tag or the identity provider's subject.
    pub user: Option<String>,
    /// The Boundary user in a session tag, `u_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary_user_id: Option<String>,
}

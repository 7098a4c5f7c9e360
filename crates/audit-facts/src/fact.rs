//! A fact: one statement of one source, named by its content.
//!
//! Owns what all facts have in common: where they come from, which things they are about, and their identity.

use crate::boundary::{BoundaryEvent, BoundaryRemoval, BoundarySession};
use crate::posture::Posture;
use crate::storage::Artifact;
use crate::sync::{BoundaryTarget, BoundaryUser, ChainBreak, LinkEnd, LinkStart, SyncChange};
use crate::task::Task;
use crate::trail::{Execution, RoleAssumption, SessionCall, SessionStartCall};
use crate::transcript::{SsmSession, Transcript, TranscriptAbsence};
use audit_record::sha256_hex_of_json;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which kind of source a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The Boundary controller's API.
    BoundaryApi,
    /// Boundary's audit events, from files or a log group.
    BoundaryEvents,
    /// CloudTrail, from the trail's objects or LookupEvents.
    CloudTrail,
    /// ECS Exec's transcripts in CloudWatch Logs.
    ExecLogs,
    /// ECS Exec's transcripts in S3.
    ExecObjects,
    /// Artifacts in S3.
    Artifacts,
    /// SSM's DescribeSessions.
    SsmSessions,
    /// ECS.
    Ecs,
    /// Records of the wrapper.
    Links,
    /// Records of target-sync.
    SyncRecords,
}

impl Source {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::BoundaryApi,
        Self::BoundaryEvents,
        Self::CloudTrail,
        Self::ExecLogs,
        Self::ExecObjects,
        Self::Artifacts,
        Self::SsmSessions,
        Self::Ecs,
        Self::Links,
        Self::SyncRecords,
    ];

    /// Who vouches for what the source says.
    pub fn witness(self) -> Witness {
        match self {
            Self::BoundaryApi | Self::BoundaryEvents | Self::SyncRecords => Witness::Operator,
            Self::CloudTrail | Self::SsmSessions | Self::Ecs => Witness::Aws,
            Self::ExecLogs | Self::ExecObjects | Self::Artifacts => Witness::Container,
            Self::Links => Witness::Client,
        }
    }

    /// The stable word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::BoundaryApi => "boundary_api",
            Self::BoundaryEvents => "boundary_events",
            Self::CloudTrail => "cloud_trail",
            Self::ExecLogs => "exec_logs",
            Self::ExecObjects => "exec_objects",
            Self::Artifacts => "artifacts",
            Self::SsmSessions => "ssm_sessions",
            Self::Ecs => "ecs",
            Self::Links => "links",
            Self::SyncRecords => "sync_records",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A class of independent witnesses: whoever would have to lie for the statement to be false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// AWS itself.
    Aws,
    /// Whoever runs Boundary and target-sync.
    Operator,
    /// The container, in which the user is root.
    Container,
    /// The user's own machine.
    Client,
}

impl Witness {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Operator => "operator",
            Self::Container => "container",
            Self::Client => "client",
        }
    }
}

/// A thing that facts are about. Facts that share a key belong to one case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key(String);

impl Key {
    /// An ECS task.
    pub fn task(id: &str) -> Self {
        Self(format!("task:{id}"))
    }

    /// An SSM session.
    pub fn ssm_session(id: &str) -> Self {
        Self(format!("ssm:{id}"))
    }

    /// A Boundary session.
    pub fn boundary_session(id: &str) -> Self {
        Self(format!("bs:{id}"))
    }

    /// A connection of a Boundary session.
    pub fn boundary_connection(id: &str) -> Self {
        Self(format!("conn:{id}"))
    }

    /// A Boundary target.
    pub fn boundary_target(id: &str) -> Self {
        Self(format!("target:{id}"))
    }

    /// A run of the wrapper.
    pub fn record(id: &str) -> Self {
        Self(format!("record:{id}"))
    }

    /// Temporary credentials.
    pub fn access_key(id: &str) -> Self {
        Self(format!("akid:{id}"))
    }

    /// An event of CloudTrail that is about nothing else.
    pub fn event(id: &str) -> Self {
        Self(format!("event:{id}"))
    }

    /// A user of Boundary.
    pub fn user(id: &str) -> Self {
        Self(format!("user:{id}"))
    }

    /// The digest of an output; only outputs that are long enough to be told from others have one.
    pub fn output(sha256: &str) -> Self {
        Self(format!("output:{sha256}"))
    }

    /// The key as it stands in an index.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key as it was taken from an index.
    pub fn from_index(text: String) -> Self {
        Self(text)
    }
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A Boundary session, as the API showed it at one time.
    BoundarySession(Box<BoundarySession>),
    /// A request to Boundary's controller.
    BoundaryEvent(Box<BoundaryEvent>),
    /// The controller deleted a session.
    BoundaryRemoval(BoundaryRemoval),
    /// ExecuteCommand.
    Execution(Box<Execution>),
    /// StartSession.
    SessionStartCall(Box<SessionStartCall>),
    /// TerminateSession or ResumeSession.
    SessionCall(Box<SessionCall>),
    /// AssumeRole and its relatives.
    RoleAssumption(Box<RoleAssumption>),
    /// An SSM session, as DescribeSessions showed it.
    SsmSession(Box<SsmSession>),
    /// The log of an SSM session.
    Transcript(Box<Transcript>),
    /// There was no log of an SSM session.
    TranscriptAbsence(TranscriptAbsence),
    /// A version of an object in S3.
    Artifact(Box<Artifact>),
    /// A task, as ECS or target-sync showed it.
    Task(Box<Task>),
    /// A target, as target-sync recorded it.
    BoundaryTarget(Box<BoundaryTarget>),
    /// A user, as target-sync recorded him.
    BoundaryUser(Box<BoundaryUser>),
    /// A write of target-sync.
    SyncChange(Box<SyncChange>),
    /// The wrapper was about to open a session.
    LinkStart(Box<LinkStart>),
    /// The wrapper's session had ended.
    LinkEnd(Box<LinkEnd>),
    /// A chain of records does not hold.
    ChainBreak(ChainBreak),
    /// A setting that evidence rests on.
    Posture(Posture),
}

/// One statement of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The kind of source.
    pub source: Source,
    /// Which of the configured sources, by its name.
    pub place: String,
    /// The first reading that had it, UTC. No part of the identity.
    pub observed_at: Timestamp,
    /// SHA-256 of the raw evidence, hexadecimal. No part of the identity: one statement may stand in several readings.
    pub evidence: String,
    /// What it says.
    pub body: Body,
}

impl Fact {
    /// The fact's identity: SHA-256, hexadecimal, over the kind of source and what it says.
    pub fn id(&self) -> String {
        // Facts hold text, numbers and lists of them: they always have a JSON form.
        sha256_hex_of_json(&(self.source, &self.body)).unwrap_or_default()
    }

    /// What it is about, without doubles.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.body.keys(&mut keys);
        keys.sort();
        keys.dedup();
        keys
    }

    /// The people and credentials that it mentions. They bind no facts together, since one person enters many tasks; but when
    /// more becomes known of them, the cases that mention them are looked at again.
    pub fn mentions(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.body.mentions(&mut keys);
        keys
    }
}

impl Body {
    fn keys(&self, keys: &mut Vec<Key>) {
        match self {
            Self::BoundarySession(it) => it.keys(keys),
            Self::BoundaryEvent(it) => it.keys(keys),
            Self::BoundaryRemoval(it) => keys.push(Key::boundary_session(&it.session_id)),
            Self::Execution(it) => it.keys(keys),
            Self::SessionStartCall(it) => it.keys(keys),
            Self::SessionCall(it) => keys.push(Key::ssm_session(it.ssm_session_id.as_str())),
            Self::SsmSession(it) => it.keys(keys),
            Self::Transcript(it) => it.keys(keys),
            Self::TranscriptAbsence(it) => keys.push(Key::ssm_session(it.ssm_session_id.as_str())),
            Self::Artifact(it) => keys.extend(it.task_id.iter().map(|id| Key::task(id.as_str()))),
            Self::Task(it) => keys.push(Key::task(it.task_id.as_str())),
            Self::BoundaryTarget(it) => it.keys(keys),
            Self::SyncChange(it) => keys.extend(it.task_id.iter().map(|id| Key::task(id.as_str()))),
            Self::LinkStart(it) => it.keys(keys),
            Self::LinkEnd(it) => it.keys(keys),
            // They are about a place, a person or a person's credentials, not about one task.
            Self::BoundaryUser(_) | Self::RoleAssumption(_) | Self::ChainBreak(_) | Self::Posture(_) => {}
        }
    }

    fn mentions(&self, keys: &mut Vec<Key>) {
        match self {
            Self::BoundarySession(it) => keys.extend(it.user_id.iter().map(|id| Key::user(id))),
            Self::BoundaryUser(it) => keys.push(Key::user(&it.user_id)),
            Self::Execution(it) => keys.extend(it.principal.access_key()),
            Self::SessionStartCall(it) => keys.extend(it.principal.access_key()),
            Self::RoleAssumption(it) => keys.push(Key::access_key(&it.access_key_id)),
            _ => {}
        }
    }
}

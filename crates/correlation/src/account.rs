//! An account: one SSM session with the Boundary session that it belongs to, or one of them alone.
//!
//! Owns the shape of the correlator's answer: every link with its method and assurance, every witness with its word.

use audit_facts::{SsmSessionId, Witness};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a Boundary session was found to belong to an SSM session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The source identity holds its id.
    SourceIdentity,
    /// The role session name holds its id.
    RoleSessionName,
    /// A session tag of the assumed role holds its id.
    SessionTag,
    /// The command begins with its id.
    Command,
    /// The wrapper's record holds both ids.
    LinkRecord,
    /// The wrapper's record and the log have one digest.
    OutputDigest,
    /// Nothing holds its id: task, person, times and bytes fit best.
    Assignment,
    /// There is none.
    None,
}

impl Method {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::SourceIdentity => "source_identity",
            Self::RoleSessionName => "role_session_name",
            Self::SessionTag => "session_tag",
            Self::Command => "command",
            Self::LinkRecord => "link_record",
            Self::OutputDigest => "output_digest",
            Self::Assignment => "assignment",
            Self::None => "none",
        }
    }
}

/// How much a link can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Sources that it would take were not read: whether there is a link cannot be said.
    Unknown,
    /// There is no link, and what was read suffices to say so.
    None,
    /// It was assigned; see the grade.
    Inferred,
    /// Its id was planted by the client, and nothing more.
    Asserted,
    /// Its id was planted by the client, and Boundary's bytes, connections and addresses agree.
    Corroborated,
    /// Its id was written or enforced by AWS or the operator.
    Attested,
}

impl Assurance {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Inferred => "inferred",
            Self::Asserted => "asserted",
            Self::Corroborated => "corroborated",
            Self::Attested => "attested",
        }
    }
}

/// How clear an assignment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkGrade {
    /// Another assignment fits about as well.
    Ambiguous,
    /// It is the best, and not good.
    Weak,
    /// It is good, and no other comes near.
    Strong,
}

/// What an assignment rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Whether user and principal are the same person; none when names are missing.
    pub same_user: Option<bool>,
    /// Seconds from the Boundary session's first connection to the shell's start.
    pub start_gap_seconds: f64,
    /// Seconds from the shell's end to the Boundary session's; none when one of them has not ended.
    pub end_gap_seconds: Option<f64>,
    /// Whether the client's address is the same on both sides; none when it is not known.
    pub same_address: Option<bool>,
    /// Whether Boundary's bytes suffice for the output; none when they are not final.
    pub bytes_suffice: Option<bool>,
    /// By how much the logarithm of its likelihood is above the next best alternative's; none without one.
    pub margin: Option<f64>,
}

/// A witness's word on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It says the same as the others.
    Agrees,
    /// It says something else.
    Disagrees,
    /// It should say something and does not.
    Silent,
    /// It cannot know, or was not read.
    NotApplicable,
}

/// What one witness says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// Whose word.
    pub witness: Witness,
    /// What.
    pub word: Word,
    /// Why, in words.
    pub why: String,
}

/// One SSM session with its Boundary session, or one of them alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Stable: by the SSM session, else by the Boundary session.
    pub id: String,
    /// The SSM session.
    pub ssm_session_id: Option<SsmSessionId>,
    /// The Boundary session.
    pub boundary_session_id: Option<String>,
    /// The task.
    pub task_arn: Option<String>,
    /// The task's id.
    pub task_id: Option<String>,
    /// The investigated cluster.
    pub cluster_id: Option<String>,
    /// The investigation.
    pub investigation_id: Option<String>,
    /// The container.
    pub container: Option<String>,
    /// How the two were joined.
    pub method: Method,
    /// How much that carries.
    pub assurance: Assurance,
    /// How clear, for an assignment.
    pub grade: Option<LinkGrade>,
    /// Boundary sessions that could have been it as well.
    pub alternatives: u32,
    /// What an assignment rests on.
    pub features: Option<Features>,
    /// The Boundary user.
    pub user_id: Option<String>,
    /// The Boundary user's name.
    pub user_name: Option<String>,
    /// The AWS principal.
    pub principal_arn: Option<String>,
    /// The client's address as AWS saw it.
    pub client_address: Option<String>,
    /// Why, in the user's words.
    pub reason: Option<String>,
    /// When it began: the shell, else the Boundary session, UTC.
    pub started: Option<Timestamp>,
    /// When it ended, UTC.
    pub ended: Option<Timestamp>,
    /// The exit code, by the wrapper's record.
    pub exit_code: Option<u8>,
    /// How it ended, by the wrapper's record.
    pub ending: Option<String>,
    /// Bytes that Boundary carried up; none in an account that was judged before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_up: Option<u64>,
    /// Bytes that Boundary carried down.
    pub bytes_down: Option<u64>,
    /// Where its log is.
    pub transcript: Option<String>,
    /// Evidence of its log: SHA-256 of the raw readings.
    pub transcript_evidence: Option<String>,
    /// The witnesses.
    pub witnesses: Vec<Testimony>,
    /// Ids of the facts in it.
    pub facts: Vec<String>,
}

impl Account {
    /// Witnesses that agree, and those that could say something.
    pub fn agreement(&self) -> (u32, u32) {
        let count =
            |fits: fn(Word) -> bool| u32::try_from(self.witnesses.iter().filter(|it| fits(it.word)).count()).unwrap_or(u32::MAX);
        (count(|word| word == Word::Agrees), count(|word| word != Word::NotApplicable))
    }
}

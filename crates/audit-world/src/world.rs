//! A world and its truth.
//!
//! Owns the two shapes; who fills them is in the scenes.

use audit_facts::{Coverage, Fact, SsmSessionId};
use correlation::{Code, Policy};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What the sources show of a world, and what really happened in it.
#[derive(Debug, Clone)]
pub struct World {
    /// The facts, in no order that means anything.
    pub facts: Vec<Fact>,
    /// What was read.
    pub coverage: Vec<Coverage>,
    /// What the operator expects.
    pub policy: Policy,
    /// The instant of the judgement, UTC.
    pub now: Timestamp,
    /// What really happened.
    pub truth: Truth,
}

/// An innocent look-alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NearMiss {
    /// The code that a hasty judge would raise.
    pub code: Code,
    /// The subject's text.
    pub subject: String,
    /// Why it is innocent.
    pub why: &'static str,
}

/// What really happened.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Each shell's Boundary session; none when it went past Boundary.
    pub links: BTreeMap<SsmSessionId, Option<String>>,
    /// Shells whose link nobody can know from what was read.
    pub unknowable: BTreeSet<SsmSessionId>,
    /// Shells that claim somebody else's living Boundary session: it is contested, or the claim stays `asserted`.
    pub claims: BTreeMap<SsmSessionId, String>,
    /// Findings that must be there, by the subject's text.
    pub findings: BTreeSet<(Code, String)>,
    /// Findings that must not be there although it looks like them.
    pub near_misses: Vec<NearMiss>,
    /// Findings that follow from what happened and may be there or not.
    pub tolerated: BTreeSet<(Code, String)>,
    /// Findings that may be open, and nothing more: their explanation may still come.
    pub pending: BTreeSet<(Code, String)>,
    /// Shells by task.
    pub tasks: BTreeMap<String, Vec<SsmSessionId>>,
}

impl Truth {
    /// Positives of a code.
    pub fn positives(&self, code: Code) -> usize {
        self.findings.iter().filter(|(it, _)| *it == code).count()
    }

    /// Near misses of a code.
    pub fn negatives(&self, code: Code) -> usize {
        self.near_misses.iter().filter(|it| it.code == code).count()
    }
}

//! Turns what a source answered, byte for byte, into facts.
//!
//! Pure, one file a source. It never decides what a fact means, and never loses one silently: a record that cannot be read is
//! told by its place and the field, beside the facts of all the others.
//!
//! ```text
//! Reading + raw bytes ─► Normalised { facts, unreadable, next: what the collector needs to go on }
//! ```

pub mod artifacts;
pub mod boundary_events;
pub mod boundary_sessions;
pub mod cloudtrail;
pub mod digest;
pub mod ecs;
mod fields;
mod journal;
pub mod links;
pub mod logs;
pub mod posture;
mod principal;
pub mod ssm;
pub mod sync_records;

use crate::fact::{Body, Fact, Source};
use jiff::Timestamp;
use std::fmt;

/// What is known of a reading beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The kind of source.
    pub source: Source,
    /// Which of the configured sources, by its name.
    pub place: String,
    /// When it was read, UTC.
    pub at: Timestamp,
    /// SHA-256 of the raw bytes, hexadecimal: the name of the evidence.
    pub evidence: String,
}

/// What came of one reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalised<N = ()> {
    /// The facts, in the order of the records.
    pub facts: Vec<Fact>,
    /// The records that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// What the collector needs to go on: tokens, missing things.
    pub next: N,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unreadable {
    /// The record's number, from 1; 0 is the page as a whole.
    pub record: usize,
    /// Why.
    pub why: Why,
}

/// Why a record could not be read. The fields are named as the source writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Why {
    /// The bytes are no JSON.
    #[error("it is no JSON")]
    NotJson,
    /// A JSON object was expected.
    #[error("it is no JSON object")]
    NotAnObject,
    /// A field that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is of another type.
    #[error("`{0}` is of another type")]
    WrongType(&'static str),
    /// A field has the right type, and a value that cannot be.
    #[error("`{0}` has an impossible value")]
    Malformed(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            0 => write!(f, "the page: {}", self.why),
            record => write!(f, "record {record}: {}", self.why),
        }
    }
}

impl Reading {
    /// The fact that this reading says something.
    pub fn fact(&self, body: Body) -> Fact {
        Fact { source: self.source, place: self.place.clone(), observed_at: self.at, evidence: self.evidence.clone(), body }
    }
}

impl<N: Default> Normalised<N> {
    fn new() -> Self {
        Self { facts: Vec::new(), unreadable: Vec::new(), next: N::default() }
    }

    /// A page of which nothing can be read.
    fn unreadable(why: Why) -> Self {
        Self { unreadable: vec![Unreadable { record: 0, why }], ..Self::new() }
    }
}

impl<N> Normalised<N> {
    /// Adds what came of one record: any number of bodies, or why it cannot be read.
    fn add(&mut self, reading: &Reading, record: usize, bodies: Result<impl IntoIterator<Item = Body>, Why>) {
        match bodies {
            Ok(bodies) => self.facts.extend(bodies.into_iter().map(|body| reading.fact(body))),
            Err(why) => self.refuse(record, why),
        }
    }

    fn refuse(&mut self, record: usize, why: Why) {
        self.unreadable.push(Unreadable { record, why });
    }

    fn with_next<M>(self, next: M) -> Normalised<M> {
        Normalised { facts: self.facts, unreadable: self.unreadable, next }
    }
}

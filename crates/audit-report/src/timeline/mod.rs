//! One list of what all sources say of one session, in the order of time.
//!
//! Owns the sentences. It repeats what a source says and by whose clock; it never decides between two sources that disagree.

mod aws;
mod boundary;
mod ours;

use crate::legible::legible;
use audit_facts::{Body, Fact, Source, Witness};
use jiff::Timestamp;
use serde::Serialize;

/// How a time came about, and so how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// A server's clock, with fractions of a second.
    Instant,
    /// A server's clock, whole seconds.
    Second,
    /// The clock of the user's machine.
    ClientClock,
    /// When it was seen or uploaded: it happened at that time or before.
    NotLater,
}

impl Precision {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Second => "second",
            Self::ClientClock => "client_clock",
            Self::NotLater => "not_later",
        }
    }

    /// The sign in front of a time: `~` by the user's machine, `≤` not later than.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Instant | Self::Second => "",
            Self::ClientClock => "~",
            Self::NotLater => "≤",
        }
    }
}

/// One statement of one source about one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When, UTC.
    pub at: Timestamp,
    /// By whose clock.
    pub precision: Precision,
    /// Which source says so.
    pub source: Source,
    /// Who vouches for it.
    pub witness: Witness,
    /// What, as one short sentence; remote text in it is harmless.
    pub what: String,
    /// The fact that it was taken from.
    pub fact_id: String,
}

/// Puts everything that facts say about times into one order. Several readings of one thing give one moment.
pub fn timeline(facts: &[Fact]) -> Vec<Moment> {
    let mut moments = Moments::default();
    boundary::sessions(facts, &mut moments);
    aws::ssm_sessions(facts, &mut moments);
    aws::artifacts(facts, &mut moments);
    for fact in facts {
        of(fact, &mut moments);
    }
    moments.finish()
}

fn of(fact: &Fact, moments: &mut Moments) {
    match &fact.body {
        Body::BoundaryEvent(it) => boundary::event(fact, it, moments),
        Body::BoundaryRemoval(it) => boundary::removal(fact, it, moments),
        Body::Execution(it) => aws::execution(fact, it, moments),
        Body::SessionStartCall(it) => aws::start_call(fact, it, moments),
        Body::SessionCall(it) => aws::call(fact, it, moments),
        Body::RoleAssumption(it) => aws::assumption(fact, it, moments),
        Body::Transcript(it) => aws::transcript(fact, it, moments),
        Body::TranscriptAbsence(it) => aws::absence(fact, it, moments),
        Body::Task(it) => aws::task(fact, it, moments),
        Body::BoundaryTarget(it) => ours::target(fact, it, moments),
        Body::SyncChange(it) => ours::change(fact, it, moments),
        Body::LinkStart(it) => ours::link_start(fact, it, moments),
        Body::LinkEnd(it) => ours::link_end(fact, it, moments),
        // Merged above, or about no time in the life of a session.
        Body::BoundarySession(_)
        | Body::SsmSession(_)
        | Body::Artifact(_)
        | Body::BoundaryUser(_)
        | Body::ChainBreak(_)
        | Body::Posture(_) => {}
    }
}

/// Moments as they are gathered.
#[derive(Debug, Default)]
struct Moments(Vec<Moment>);

impl Moments {
    fn add(&mut self, fact: &Fact, at: Timestamp, precision: Precision, what: String) {
        let (source, witness) = (fact.source, fact.source.witness());
        self.0.push(Moment { at, precision, source, witness, what, fact_id: fact.id() });
    }

    fn finish(mut self) -> Vec<Moment> {
        self.0.sort_by(|one, other| {
            let key = |it: &Moment| (it.at, it.precision, it.source);
            key(one).cmp(&key(other)).then_with(|| one.what.cmp(&other.what)).then_with(|| one.fact_id.cmp(&other.fact_id))
        });
        self.0.dedup_by(|one, other| (one.at, one.source, &one.what) == (other.at, other.source, &other.what));
        self.0
    }
}

/// A name of somebody or something else, harmless and short enough for a sentence.
fn name(text: &str) -> String {
    legible(text, 160)
}

/// A name, or that there is none.
fn or_unknown(text: Option<&str>) -> String {
    text.map_or_else(|| "unknown".to_owned(), name)
}

#[cfg(test)]
mod tests;

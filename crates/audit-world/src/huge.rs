//! Large worlds, one task after another, in bounded memory.
//!
//! Owns the stream of facts for benchmarks; their truth is not kept.

use crate::builder::Builder;
use crate::scenes::{daily, windows};
use crate::shape::Shape;
use crate::time::stamp;
use audit_facts::{Coverage, Fact};
use correlation::Policy;
use jiff::Timestamp;

/// The facts of so many sessions, task by task; first those about people.
pub struct Huge {
    builder: Builder,
    left: usize,
}

impl Huge {
    /// A stream of a seed and a shape; see [`Shape::huge`].
    pub fn new(seed: u64, shape: &Shape) -> Self {
        let mut builder = Builder::new(seed, shape);
        builder.emit_people();
        windows::play(&mut builder);
        Self { builder, left: shape.sessions }
    }

    /// What was read.
    pub fn coverage(&self) -> &[Coverage] {
        &self.builder.coverage
    }

    /// What the operator expects.
    pub fn policy(&self) -> &Policy {
        &self.builder.policy
    }

    /// The instant of the judgement, UTC.
    pub fn now(&self) -> Timestamp {
        stamp(self.builder.now)
    }
}

impl Iterator for Huge {
    type Item = Vec<Fact>;

    fn next(&mut self) -> Option<Vec<Fact>> {
        if self.builder.facts.is_empty() && self.left > 0 {
            self.left -= daily::play_task_of(&mut self.builder, self.left);
            self.builder.truth = crate::world::Truth::default();
        }
        Some(std::mem::take(&mut self.builder.facts)).filter(|facts| !facts.is_empty())
    }
}

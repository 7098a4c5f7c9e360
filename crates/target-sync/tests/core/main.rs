//! `desire` and `plan` against a world in memory: ECS and Boundary as far as they matter, on a clock that the test turns.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

mod golden;
mod judge;
mod random;
mod scenarios;
mod world;

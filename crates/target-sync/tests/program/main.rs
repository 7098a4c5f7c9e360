//! The real binary against the lab: ECS and Boundary on loopback, with their quirks.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

mod deploy;
mod harness;
mod judge;
mod records;
mod runs;
mod stock;
mod trouble;

//! The state as its users see it: facts in any order, kills anywhere, several processes, old and damaged files.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

mod answers;
mod cases;
mod files;
mod kills;
mod order;
mod retention;
mod world;

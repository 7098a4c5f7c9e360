//! Every source's raw form, from a committed corpus of real shapes, against the facts that it must give.

#![expect(clippy::unwrap_used, reason = "a helper of a test may end it")]

mod digest;
mod golden;
mod meaning;
mod merge;
mod mutation;
mod properties;
mod sources;

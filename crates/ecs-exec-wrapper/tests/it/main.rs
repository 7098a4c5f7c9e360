//! The real binary against the lab: pipes, terminal, endings, records.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]
#![expect(clippy::cast_possible_truncation, reason = "test data is made of the low bytes of numbers")]

mod doctor;
mod endings;
mod extras;
mod harness;
mod links;
mod native;
mod pipes;
mod records;
mod resume;
mod stock;
mod terminal;

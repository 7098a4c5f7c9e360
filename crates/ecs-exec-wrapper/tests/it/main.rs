//! The real binary against the lab: pipes, terminal, endings, records.

mod endings;
mod harness;
mod pipes;
mod records;
mod terminal;

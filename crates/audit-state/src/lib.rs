//! What audit-bridge remembers between runs: cursors, facts, coverage, cases, accounts and findings with their history.
//!
//! One SQLite database, one writer, any number of readers. Each step is one transaction: a process that is killed anywhere
//! leaves what was before the step or what is after it, and the same step again changes nothing. What is known does not depend
//! on the order in which it came. It never talks to a source, judges nothing, and holds no raw evidence, only its hashes.
//! The caller gives the time.
//!
//! ```text
//! Batch ─ commit ─► facts + coverage + cursors + waiting keys ─ next_case ─► Case ─ (correlation) ─► Judgement
//!                                                                              ▲                        │
//!                                                                              └─ due ── record_judgement ─► accounts, findings, history
//! ```

// The tests' world names this crate as its users do.
#[cfg(test)]
extern crate self as audit_state;

mod batch;
mod body;
mod cases;
mod chain;
mod cover;
mod dump;
mod error;
mod figures;
mod judgement;
mod kill;
mod micros;
mod open;
#[cfg(test)]
mod plans;
mod purge;
mod query;
mod schema;
mod transition;
pub mod windows;

pub use batch::{Batch, Committed, CursorChange, EvidenceRow};
pub use body::{kind, last_moment, natural_time};
pub use cases::Case;
pub use chain::Heads;
pub use dump::Extent;
pub use error::StateError;
pub use figures::Figures;
pub use judgement::{Judgement, Recorded, next_look};
pub use kill::KillPoint;
pub use open::{Hook, Options, Reader, State};
pub use purge::Purged;
pub use query::{AccountFilter, FindingFilter, HistoryEntry, KnownFinding, Shell};
pub use schema::FORMAT;
pub use transition::{Cause, Change, transition};

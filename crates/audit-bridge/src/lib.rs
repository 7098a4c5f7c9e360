//! audit-bridge: one account of every session, with what is missing, forged or bypassed.
//!
//! ```text
//! sources ─ collect ─► evidence + facts + coverage ─ judge ─► accounts, findings ─ look, report ─► people, machines
//! ```

pub mod args;
mod canary;
mod collect;
mod complete;
mod daemon;
mod doctor;
mod evidence;
mod exit;
mod expected;
mod judging;
mod look;
mod metrics;
mod program;
mod replay;
mod report;
pub mod settings;

pub use program::main;

/// For this program's own tests.
#[doc(hidden)]
pub mod hidden {
    pub use crate::collect::haul::KeepError;
    pub use crate::collect::one::{What, Where, read_one};
    pub use crate::collect::place::CollectError;
}

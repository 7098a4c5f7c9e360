//! What was read of a source, and how sure it is that nothing is missing: absence rests on this.
//!
//! Owns windows and their grades. A window that nobody reports is not covered.

use crate::fact::Source;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How sure it is that everything in a window was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It was not read, or not all of it.
    None,
    /// All that the source showed was read; the source may show less than there is.
    BestEffort,
    /// Something independent shows that it was all.
    Proved,
}

/// Why a window was not read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Lack {
    /// The source refused: the call and what is missing.
    CannotRead {
        /// In words.
        text: String,
    },
    /// Nobody asked in time, and the source forgets.
    Missed,
    /// The source's own proof of completeness does not hold.
    Broken {
        /// In words.
        text: String,
    },
}

/// A window of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The kind of source.
    pub source: Source,
    /// Which of the configured sources, by its name.
    pub place: String,
    /// The account and region, or project, that it speaks for.
    pub scope: String,
    /// From, UTC.
    pub from: Timestamp,
    /// To, exclusive, UTC.
    pub to: Timestamp,
    /// How sure.
    pub grade: Grade,
    /// Why not, for [`Grade::None`].
    pub lack: Option<Lack>,
}

//! Moments that somebody else has told: a record may name the end of time, and arithmetic on it ends there.

use jiff::{SignedDuration, Timestamp};

/// A moment so much later, or the last that there is.
pub(crate) fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// A moment so much earlier, or the first that there is.
pub(crate) fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(at)
}

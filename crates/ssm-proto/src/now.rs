//! The one notion of time: both clocks, read once by the caller.
//! Never reads a clock itself.

use std::time::Instant;

/// One reading of the monotonic and of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for timers and round trips.
    pub instant: Instant,
    /// Milliseconds since the Unix epoch, for the message's creation date only.
    pub unix_millis: u64,
}

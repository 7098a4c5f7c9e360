//! The clock of the world's AWS services, which a test can turn forward. It owns the offset only; signatures and credentials
//! go by the machine's own time, as their clients do.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// A clock that is ahead of the machine's by some milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicI64);

impl Clock {
    pub(crate) fn millis(&self) -> i64 {
        Timestamp::now().as_millisecond().saturating_add(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis()).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

//! When each event is shown.
//!
//! Owns the shortening of idle time.

use crate::cast::Event;
use std::time::Duration;

/// The events' times, never decreasing.
#[derive(Debug)]
pub(super) struct Timeline(Vec<Duration>);

impl Timeline {
    pub(super) fn new(events: &[Event], idle_limit: Option<Duration>) -> Self {
        let (mut last, mut shown) = (Duration::ZERO, Duration::ZERO);
        let times = events.iter().map(|event| {
            let gap = event.at.saturating_sub(last);
            last = last.max(event.at);
            shown = shown.saturating_add(idle_limit.map_or(gap, |limit| gap.min(limit)));
            shown
        });
        Self(times.collect())
    }

    /// The time of the event, if there is one.
    pub(super) fn at(&self, index: usize) -> Option<Duration> {
        self.0.get(index).copied()
    }

    /// How many events are over at a place.
    pub(super) fn reached(&self, place: Duration) -> usize {
        self.0.partition_point(|at| *at <= place)
    }

    /// The last event's time.
    pub(super) fn end(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

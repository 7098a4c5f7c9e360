//! Watches whether the peer still confirms: first a notice, much later the end.
//! Never looks at messages; the link tells it what happened.

use std::time::{Duration, Instant};

/// What the watch found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    Stalled(Duration),
    TooLong(Duration),
}

/// Two clocks that run only while something waits for confirmation on an open connection.
#[derive(Debug)]
pub(crate) struct StallWatch {
    stall_after: Duration,
    give_up_after: Duration,
    /// The last confirmation, or when waiting began.
    unconfirmed_since: Option<Instant>,
    /// As above, and new output counts too: a program that does not read its terminal blocks the
    /// agent's confirmations, yet it lives.
    silent_since: Option<Instant>,
    stalled: bool,
}

impl StallWatch {
    pub(crate) fn new(stall_after: Duration, give_up_after: Duration) -> Self {
        Self { stall_after, give_up_after, unconfirmed_since: None, silent_since: None, stalled: false }
    }

    /// Something waits for confirmation, perhaps for longer already.
    pub(crate) fn waiting(&mut self, now: Instant) {
        self.unconfirmed_since.get_or_insert(now);
        self.silent_since.get_or_insert(now);
    }

    /// A confirmation came; true when it ends a stall.
    pub(crate) fn confirmed(&mut self, now: Instant, still_waiting: bool) -> bool {
        self.unconfirmed_since = still_waiting.then_some(now);
        self.silent_since = self.unconfirmed_since;
        std::mem::take(&mut self.stalled)
    }

    pub(crate) fn output_came(&mut self, now: Instant) {
        if let Some(since) = &mut self.silent_since {
            *since = now;
        }
    }

    pub(crate) fn disconnected(&mut self) {
        self.unconfirmed_since = None;
        self.silent_since = None;
    }

    pub(crate) fn check(&mut self, now: Instant) -> Option<Silence> {
        let silent = now.saturating_duration_since(self.silent_since?);
        if silent >= self.give_up_after {
            return Some(Silence::TooLong(silent));
        }
        let unconfirmed = now.saturating_duration_since(self.unconfirmed_since?);
        if self.stalled || unconfirmed < self.stall_after {
            return None;
        }
        self.stalled = true;
        Some(Silence::Stalled(unconfirmed))
    }

    pub(crate) fn next_check(&self) -> Option<Instant> {
        let give_up = self.silent_since? + self.give_up_after;
        let notice = self.unconfirmed_since.filter(|_| !self.stalled).map(|since| since + self.stall_after);
        Some(notice.map_or(give_up, |notice| notice.min(give_up)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn notice_once_then_the_end() {
        let start = Instant::now();
        let mut watch = StallWatch::new(5 * SEC, 300 * SEC);
        watch.waiting(start);
        assert_eq!(watch.next_check(), Some(start + 5 * SEC));
        assert_eq!(watch.check(start + 5 * SEC), Some(Silence::Stalled(5 * SEC)));
        assert_eq!(watch.next_check(), Some(start + 300 * SEC));
        assert_eq!(watch.check(start + 299 * SEC), None);
        assert_eq!(watch.check(start + 300 * SEC), Some(Silence::TooLong(300 * SEC)));
    }

    #[test]
    fn output_delays_the_end_but_not_the_notice() {
        let start = Instant::now();
        let mut watch = StallWatch::new(5 * SEC, 300 * SEC);
        watch.waiting(start);
        watch.output_came(start + 4 * SEC);
        assert_eq!(watch.check(start + 5 * SEC), Some(Silence::Stalled(5 * SEC)));
        assert_eq!(watch.check(start + 303 * SEC), None);
        assert!(watch.confirmed(start + 304 * SEC, false));
        assert_eq!(watch.next_check(), None);
    }

    #[test]
    fn nothing_runs_while_the_connection_is_away() {
        let start = Instant::now();
        let mut watch = StallWatch::new(5 * SEC, 300 * SEC);
        watch.waiting(start);
        watch.disconnected();
        assert_eq!(watch.next_check(), None);
        assert_eq!(watch.check(start + 999 * SEC), None);
    }
}

//! The retransmission timer's estimate, with the numbers that both official ends use.
//! Never looks at messages. Source: amazon-ssm-agent `session/config/config.go`,
//! session-manager-plugin `datachannel/streaming.go`.

use std::time::Duration;

const INITIAL_RTT: Duration = Duration::from_millis(100);
const INITIAL_RTO: Duration = Duration::from_millis(200);
const MAX_RTO: Duration = Duration::from_secs(1);
const GRANULARITY: Duration = Duration::from_millis(10);

/// Smoothed round trip, its variation, and the timeout that follows from them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RttEstimate {
    smoothed: Duration,
    variation: Duration,
    timeout: Duration,
    smallest: Option<Duration>,
}

impl RttEstimate {
    pub(crate) fn new() -> Self {
        Self { smoothed: INITIAL_RTT, variation: Duration::ZERO, timeout: INITIAL_RTO, smallest: None }
    }

    /// Takes in one measured round trip.
    pub(crate) fn sample(&mut self, round_trip: Duration) {
        let distance = self.smoothed.abs_diff(round_trip);
        self.variation = self.variation * 3 / 4 + distance / 4;
        self.smoothed = self.smoothed * 7 / 8 + round_trip / 8;
        self.timeout = MAX_RTO.min(self.smoothed + GRANULARITY.max(self.variation * 4));
        self.smallest = Some(self.smallest.map_or(round_trip, |smallest| smallest.min(round_trip)));
    }

    /// How long to wait for an acknowledgement before repeating a message for the first time.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    #[cfg(test)]
    /// The smoothed round trip; `None` before the first sample.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smallest.map(|_| self.smoothed)
    }

    /// The smallest round trip seen; `None` before the first sample.
    pub(crate) fn smallest(&self) -> Option<Duration> {
        self.smallest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_official_client_holds() {
        let mut estimate = RttEstimate::new();
        assert_eq!(estimate.timeout(), Duration::from_millis(200));
        estimate.sample(Duration::from_millis(140));
        assert_eq!(estimate.smoothed(), Some(Duration::from_millis(105)));
        assert_eq!(estimate.variation, Duration::from_millis(10));
        assert_eq!(estimate.timeout(), Duration::from_millis(145));
    }

    #[test]
    fn timeout_is_capped_and_has_a_floor() {
        let mut estimate = RttEstimate::new();
        for _ in 0..100 {
            estimate.sample(Duration::from_secs(9));
        }
        assert_eq!(estimate.timeout(), MAX_RTO);
        for _ in 0..1000 {
            estimate.sample(Duration::ZERO);
        }
        assert!(estimate.timeout() >= GRANULARITY);
    }
}

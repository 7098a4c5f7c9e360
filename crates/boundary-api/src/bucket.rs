//! The client's own rate limit: a bucket of tokens that fills with time.
//!
//! Pure: time is an argument, counted from whatever moment the caller calls zero. Never waits by itself.

use crate::settings::RateLimit;
use std::time::Duration;

/// A bucket that fills at a steady rate up to its burst, and pays one token for each request.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    limit: RateLimit,
    /// Below zero when requests wait: each takes its place in the queue by going into debt.
    tokens: f64,
    filled_at: Duration,
}

impl TokenBucket {
    /// Starts full, at the moment zero.
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, tokens: f64::from(limit.burst), filled_at: Duration::ZERO }
    }

    /// Takes one token at `now` and returns how long its owner has to wait before it may send.
    ///
    /// A moment before an earlier one counts as that earlier one.
    pub fn take(&mut self, now: Duration) -> Duration {
        let elapsed = now.saturating_sub(self.filled_at);
        self.filled_at = self.filled_at.max(now);
        let filled = elapsed.as_secs_f64().mul_add(self.limit.per_second, self.tokens);
        self.tokens = filled.min(f64::from(self.limit.burst)) - 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.tokens / self.limit.per_second).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn bucket(per_second: f64, burst: u32) -> TokenBucket {
        TokenBucket::new(RateLimit { per_second, burst })
    }

    #[test]
    fn the_burst_passes_at_once_and_the_rest_in_steps() {
        let mut bucket = bucket(10.0, 2);
        let waits: Vec<_> = (0..4).map(|_| bucket.take(MS(0))).collect();
        assert_eq!(waits, [MS(0), MS(0), MS(100), MS(200)]);
    }

    #[test]
    fn time_fills_no_more_than_the_burst() {
        let mut bucket = bucket(10.0, 2);
        for _ in 0..3 {
            bucket.take(MS(0));
        }
        let waits: Vec<_> = (0..3).map(|_| bucket.take(MS(60_000))).collect();
        assert_eq!(waits, [MS(0), MS(0), MS(100)]);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = bucket(1.0, 1);
        assert_eq!(bucket.take(MS(5_000)), MS(0));
        assert_eq!(bucket.take(MS(1_000)), MS(1_000));
        assert_eq!(bucket.take(MS(5_000)), MS(2_000));
    }
}

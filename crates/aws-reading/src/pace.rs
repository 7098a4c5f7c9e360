//! How fast a call may be made: a bucket of tokens for each call that AWS limits.
//!
//! Pure: `now` in, the pause out. It never sleeps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A rate with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time for one call in the long run.
    interval: Duration,
    /// Calls that may be made at once after a rest.
    burst: u32,
}

impl Rate {
    /// So many calls a second, and as many at once after a rest; at least one of each.
    pub fn per_second(calls: u32) -> Self {
        Self::new(calls, calls)
    }

    /// So many calls a second, and `burst` at once after a rest; at least one of each.
    pub fn new(calls_per_second: u32, burst: u32) -> Self {
        Self { interval: Duration::from_secs(1) / calls_per_second.max(1), burst: burst.max(1) }
    }
}

/// The rates that AWS documents for an account and region, by call (quotas of CloudTrail and CloudWatch Logs; API references).
pub fn documented_rates() -> BTreeMap<&'static str, Rate> {
    BTreeMap::from([
        ("cloudtrail:LookupEvents", Rate::new(2, 1)),
        ("logs:DescribeLogGroups", Rate::per_second(10)),
        ("logs:DescribeLogStreams", Rate::per_second(25)),
        ("logs:FilterLogEvents", Rate::per_second(5)),
        ("logs:GetLogEvents", Rate::per_second(10)),
    ])
}

/// A bucket of tokens.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    /// When it will be full.
    full_at: Instant,
}

impl Bucket {
    /// Takes a token, if need be one that is not there yet; answers how long it is until then.
    fn reserve(&mut self, now: Instant) -> Duration {
        let Rate { interval, burst } = self.rate;
        let full_at = self.full_at.max(now);
        self.full_at = full_at + interval;
        let lacks = full_at.duration_since(now) + interval;
        lacks.saturating_sub(interval * burst)
    }
}

/// The buckets of one account and region.
#[derive(Debug)]
pub struct Paces {
    rates: BTreeMap<&'static str, Rate>,
    buckets: BTreeMap<&'static str, Bucket>,
}

impl Paces {
    /// Begins rested. A call without a rate is made at once.
    pub fn new(rates: BTreeMap<&'static str, Rate>) -> Self {
        Self { rates, buckets: BTreeMap::new() }
    }

    /// Takes the right to make a call; answers with the pause before it. Who does not call then has wasted it.
    pub fn reserve(&mut self, call: &'static str, now: Instant) -> Duration {
        let Some(rate) = self.rates.get(call).copied() else { return Duration::ZERO };
        self.buckets.entry(call).or_insert(Bucket { rate, full_at: now }).reserve(now)
    }

    /// The same rates, rested: for another account or region.
    pub(crate) fn rested(&self) -> Self {
        Self::new(self.rates.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALL: &str = "logs:GetLogEvents";

    fn paces(rate: Rate) -> Paces {
        Paces::new(BTreeMap::from([(CALL, rate)]))
    }

    fn millis(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_step() {
        let (mut paces, start) = (paces(Rate::new(10, 3)), Instant::now());
        let pauses: Vec<Duration> = (0..6).map(|_| paces.reserve(CALL, start)).collect();
        assert_eq!(pauses, [0, 0, 0, 100, 200, 300].map(millis));
        assert_eq!(paces.reserve(CALL, start + millis(350)), millis(50));
        assert_eq!(paces.reserve("s3:GetObject", start), Duration::ZERO);
    }

    #[test]
    fn a_rest_fills_the_bucket_and_no_more() {
        let (mut paces, start) = (paces(Rate::new(2, 1)), Instant::now());
        assert_eq!(paces.reserve(CALL, start), Duration::ZERO);
        let later = start + Duration::from_hours(1);
        assert_eq!([(); 3].map(|()| paces.reserve(CALL, later)), [0, 500, 1000].map(millis));
    }

    proptest! {
        #[test]
        fn no_second_has_more_calls_than_rate_and_burst(
            calls in 1_u32..50, burst in 1_u32..20, steps in prop::collection::vec(0_u64..400, 1..200),
        ) {
            let (mut paces, start) = (paces(Rate::new(calls, burst)), Instant::now());
            let mut now = start;
            let mut made = Vec::new();
            for step in steps {
                now += millis(step);
                made.push(now + paces.reserve(CALL, now));
            }
            prop_assert!(made.is_sorted());
            for (at, begin) in made.iter().enumerate() {
                let within = made[at..].iter().take_while(|call| call.duration_since(*begin) < Duration::from_secs(1)).count();
                // One more: a second may begin and end with a call.
                prop_assert!(within <= (calls + burst + 1) as usize, "{within}");
            }
        }
    }
}

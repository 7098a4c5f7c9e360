//! How often a question is put again, and after which pauses.
//!
//! Pure: failures and a share of chance in, pauses out. It never sleeps and has no dice of its own.

use std::time::Duration;

/// What is likely to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// Too many calls.
    Throttled,
    /// The service failed, or its answer was lost.
    Failed,
}

/// How long and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Attempts at one question, the first included.
    pub attempts: u32,
    /// The longest pause before the second attempt after a failure; doubled before each further one.
    pub failed: Duration,
    /// The same after throttling.
    pub throttled: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Schedule {
    /// Ten attempts in two minutes at most: nobody waits at a prompt, and a page lost is a list begun again.
    ///
    /// Bases and cap are those of the SDKs' standard retry mode with its throttling base of 1 s and its cap of 20 s.
    fn default() -> Self {
        Self {
            attempts: 10,
            failed: Duration::from_millis(200),
            throttled: Duration::from_secs(1),
            longest: Duration::from_secs(20),
        }
    }
}

/// The attempts at one question.
#[derive(Debug)]
pub struct Attempts {
    schedule: Schedule,
    made: u32,
}

impl Attempts {
    /// Begins with the first attempt.
    pub fn new(schedule: Schedule) -> Self {
        Self { schedule, made: 1 }
    }

    /// The attempts that were made.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// Takes that an attempt failed; answers with the pause before the next, or none when there is to be no further one.
    ///
    /// `share` is from 0 to 1, anew by chance each time: the pause is that share of its longest (full jitter), so that many
    /// who failed together do not come back together. A pause that the service asked for is kept, up to the longest.
    pub fn handle_failure(&mut self, passing: Passing, share: f64, asked_for: Option<Duration>) -> Option<Duration> {
        if self.made >= self.schedule.attempts {
            return None;
        }
        let base = match passing {
            Passing::Throttled => self.schedule.throttled,
            Passing::Failed => self.schedule.failed,
        };
        let doubled = base.saturating_mul(1_u32.checked_shl(self.made - 1).unwrap_or(u32::MAX));
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
        let pause = doubled.min(self.schedule.longest).mul_f64(share);
        self.made += 1;
        Some(pause.max(asked_for.unwrap_or_default().min(self.schedule.longest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks a service that throttles until a time; the time that passes is only counted.
    fn time_until_taken(throttles_until: Duration, share: f64) -> Option<(Duration, u32)> {
        let (mut attempts, mut now) = (Attempts::new(Schedule::default()), Duration::ZERO);
        while now < throttles_until {
            now += attempts.handle_failure(Passing::Throttled, share, None)?;
        }
        Some((now, attempts.made()))
    }

    #[test]
    fn pauses_grow_until_the_service_takes_it() {
        let seconds = Duration::from_secs;
        assert_eq!(time_until_taken(seconds(0), 1.0), Some((seconds(0), 1)));
        assert_eq!(time_until_taken(seconds(7), 1.0), Some((seconds(7), 4)));
        // 1 + 2 + 4 + 8 + 16 + 20 …
        assert_eq!(time_until_taken(seconds(52), 1.0), Some((seconds(71), 8)));
        assert_eq!(time_until_taken(seconds(600), 1.0), None);
    }

    #[test]
    fn chance_shortens_a_pause_and_never_lengthens_it() {
        let first = |share| Attempts::new(Schedule::default()).handle_failure(Passing::Failed, share, None).unwrap();
        assert_eq!(first(0.0), Duration::ZERO);
        assert_eq!(first(0.5), Duration::from_millis(100));
        for odd in [1.0, 7.0, f64::NAN, f64::INFINITY] {
            assert_eq!(first(odd), Duration::from_millis(200), "{odd}");
        }
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_within_bounds() {
        let after = |asked| Attempts::new(Schedule::default()).handle_failure(Passing::Throttled, 0.0, Some(asked)).unwrap();
        assert_eq!(after(Duration::from_secs(3)), Duration::from_secs(3));
        assert_eq!(after(Duration::from_hours(1)), Schedule::default().longest);
    }

    #[test]
    fn the_attempts_end_however_many_there_are() {
        let schedule = Schedule { attempts: 100, ..Schedule::default() };
        let mut attempts = Attempts::new(schedule);
        let pauses = std::iter::from_fn(|| attempts.handle_failure(Passing::Failed, 1.0, None)).collect::<Vec<_>>();
        assert_eq!(pauses.len(), 99);
        assert_eq!(pauses.iter().max(), Some(&schedule.longest));
        assert_eq!(attempts.made(), 100);
    }
}

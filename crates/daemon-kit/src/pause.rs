//! The pause between two runs, a part of it left to chance, so that several daemons do not meet.

use std::time::Duration;

/// The least pause.
const LEAST: Duration = Duration::from_secs(1);

/// The rest of the interval after a run that took `spent`; `jitter_percent` of the interval is left to chance.
pub fn pause(interval: Duration, jitter_percent: u32, spent: Duration) -> Duration {
    let id = uuid::Uuid::new_v4();
    let bytes = id.as_bytes();
    let chance = f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) / f64::from(u32::MAX);
    after(interval, jitter_percent, spent, chance)
}

fn after(interval: Duration, jitter_percent: u32, spent: Duration, chance: f64) -> Duration {
    let part = f64::from(jitter_percent.min(100)) / 100.0;
    interval.mul_f64(1.0 - part / 2.0 + part * chance).saturating_sub(spent).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_the_interval_on_average_and_never_nothing() {
        let minute = Duration::from_mins(1);
        assert_eq!(after(minute, 20, Duration::ZERO, 0.5), minute);
        assert_eq!(after(minute, 20, Duration::ZERO, 0.0), Duration::from_secs(54));
        assert_eq!(after(minute, 0, Duration::from_secs(90), 0.9), LEAST);
    }
}

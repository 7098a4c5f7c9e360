//! Times as the database holds them: microseconds since 1970, UTC.
//!
//! Owns the rounding: times round down, windows round inwards, so that no window claims more than was read.

use jiff::Timestamp;

/// A time, rounded down.
pub(crate) fn down(at: Timestamp) -> i64 {
    let micros = at.as_microsecond();
    if Timestamp::from_microsecond(micros).is_ok_and(|floor| floor > at) { micros - 1 } else { micros }
}

/// A time, rounded up.
pub(crate) fn up(at: Timestamp) -> i64 {
    let micros = down(at);
    if time(micros) < at { micros + 1 } else { micros }
}

/// A time out of the database; outside of all calendars the nearest.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_down_and_up_on_both_sides_of_1970() {
        for (nanos, low, high) in [(1_500, 1, 2), (2_000, 2, 2), (-1_500, -2, -1), (-2_000, -2, -2), (0, 0, 0)] {
            let at = Timestamp::from_nanosecond(nanos).unwrap();
            assert_eq!((down(at), up(at)), (low, high), "{nanos}");
        }
        assert_eq!(time(i64::MAX), Timestamp::MAX);
        assert_eq!(time(i64::MIN), Timestamp::MIN);
    }
}

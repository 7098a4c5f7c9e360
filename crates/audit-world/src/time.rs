//! Milliseconds of a world, and their form as timestamps.
//!
//! Owns the world's first instant. Real clocks have no place here.

use jiff::Timestamp;

/// Milliseconds since the Unix epoch.
pub(crate) type Ms = i64;

/// A second.
pub(crate) const SECOND: Ms = 1000;
/// A minute.
pub(crate) const MINUTE: Ms = 60 * SECOND;
/// An hour.
pub(crate) const HOUR: Ms = 60 * MINUTE;
/// A day.
pub(crate) const DAY: Ms = 24 * HOUR;
/// The first instant of every world: 2026-03-02T00:00:00Z.
pub(crate) const EPOCH: Ms = 1_772_409_600_000;

/// The timestamp of an instant.
pub(crate) fn stamp(at: Ms) -> Timestamp {
    Timestamp::from_millisecond(at).expect("a world lives within a few years of its first instant")
}

/// The timestamp of the whole second in which an instant lies, as CloudTrail writes it.
pub(crate) fn whole_second(at: Ms) -> Timestamp {
    stamp(at - at.rem_euclid(SECOND))
}

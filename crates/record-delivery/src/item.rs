//! What is delivered: bytes that stay as they are, and the names that they get.
//!
//! Pure; no clock.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// CloudWatch Logs takes nothing older (PutLogEvents, API reference).
const LOGS_TAKE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// One delivery: an event of a log stream, or an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is delivered, byte for byte; a log group takes text.
    pub body: Vec<u8>,
    /// When it was written.
    pub at: Timestamp,
    /// The UTC day under which it is filed.
    pub day: Date,
    /// Its name among the files of the spool: letters, digits and `-`.
    pub stem: String,
    /// The object's key below the bucket's prefix.
    pub object: String,
    /// The log stream that it belongs to.
    pub stream: String,
    /// Whether it is the first of its stream, which is then made.
    pub begins_stream: bool,
    /// What names it where its bytes do not; kept beside them.
    pub key: Option<String>,
}

/// What the spool has of an item.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// See [`Item::body`].
    pub body: &'a [u8],
    /// See [`Item::day`].
    pub day: Date,
    /// See [`Item::key`].
    pub key: Option<&'a str>,
}

impl Item {
    /// Whether CloudWatch Logs will not take it any more.
    pub fn is_too_old_for_logs(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > LOGS_TAKE
    }
}

/// A day as names hold it: `YYYY/MM/DD`.
pub fn day_path(day: Date) -> String {
    day.strftime("%Y/%m/%d").to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    pub(crate) const RECORD: &str = "00112233445566778899aabbccddeeff";

    fn item(at: &str, day: Option<&str>, part: &str) -> Item {
        let at: Timestamp = at.parse().unwrap();
        let day = day.map_or_else(|| at.to_zoned(TimeZone::UTC).date(), |day| day.parse().unwrap());
        Item {
            body: format!("{at} {part} é \"").into_bytes(),
            at,
            day,
            stem: format!("{RECORD}-{part}"),
            object: format!("{}/{RECORD}-{part}.json", day_path(day)),
            stream: format!("program/{}/{RECORD}", day_path(day)),
            begins_stream: part == "start",
            key: None,
        }
    }

    /// The reader of this crate's tests: the text is the time, a blank, `start` or `end`.
    pub(crate) fn read(stored: Stored<'_>) -> Option<Item> {
        let text = std::str::from_utf8(stored.body).ok()?;
        let mut words = text.split(' ');
        let (at, part) = (words.next()?, words.next()?);
        at.parse::<Timestamp>().ok()?;
        Some(item(at, Some(&stored.day.to_string()), part))
    }

    pub(crate) fn start(at: &str) -> Item {
        item(at, None, "start")
    }

    pub(crate) fn end(at: &str, day: &str) -> Item {
        item(at, Some(day), "end")
    }

    #[test]
    fn two_weeks_are_the_limit_of_cloudwatch_logs() {
        let item = start("2026-11-07T10:00:00Z");
        let is_too_old = |now: &str| item.is_too_old_for_logs(now.parse().unwrap());
        assert!(!is_too_old("2026-11-21T10:00:00Z"));
        assert!(is_too_old("2026-11-21T10:00:01Z"));
    }
}

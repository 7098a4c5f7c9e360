//! How often lists are read, and how a cursor says when it was.
//!
//! Owns the cursor of the form `{"at": TIME}`. Reads no clock.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The least time between two readings of a whole list.
pub(crate) const LIST_EVERY: SignedDuration = SignedDuration::from_mins(15);

/// How far the first list speaks back.
pub(crate) const FIRST: SignedDuration = SignedDuration::from_hours(24);

/// As long as a refusal to show settings may have stood: what they are now mends all of it.
pub(crate) const SETTINGS_MEND: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The time in a cursor.
pub(crate) fn last_at(cursor: Option<Value>) -> Option<Timestamp> {
    cursor?.get("at")?.as_str()?.parse().ok()
}

/// The cursor of a time.
pub(crate) fn at_cursor(at: Timestamp) -> Value {
    json!({"at": at.to_string()})
}

/// Whether something that is done every so often is to be done now; a clock that was set back lets it wait no longer.
pub(crate) fn is_due(last: Option<Timestamp>, every: SignedDuration, now: Timestamp) -> bool {
    last.is_none_or(|last| now >= last + every || now < last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_waits_for_its_time_but_not_for_a_clock_that_went_back() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(is_due(None, LIST_EVERY, at(5000)));
        assert!(!is_due(Some(at(5000)), LIST_EVERY, at(5899)));
        assert!(is_due(Some(at(5000)), LIST_EVERY, at(5900)) && is_due(Some(at(5000)), LIST_EVERY, at(4999)));
        assert_eq!(last_at(Some(at_cursor(at(5000)))), Some(at(5000)));
    }
}

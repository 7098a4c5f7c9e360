//! Texts of others, and times and sizes of ours, as one reads them.
//!
//! Owns what a reader sees of a character that steers, hides or turns; where the text goes is its caller's matter.

use cli_kit::printable;
use evidence_bundle::table::steers;
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;

/// Returns a text on one line, cut after `limit` characters, with everything that steers a terminal or deceives the eye as a
/// visible escape.
pub(crate) fn legible(text: &str, limit: usize) -> String {
    let text = printable(text, limit);
    if text.chars().any(steers) { text.chars().map(shown).collect() } else { text }
}

/// Returns what stands for a character: itself, or its escape.
pub(crate) fn shown(c: char) -> Cow<'static, str> {
    if steers(c) { Cow::Owned(c.escape_unicode().to_string()) } else { Cow::Owned(c.to_string()) }
}

/// Returns a time as `2026-11-21 14:05:09`, UTC, whole seconds.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Returns a time as `2026-11-21 14:05`, UTC.
pub(crate) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Returns a length of time in its two largest units, such as `3 h 20 min`.
pub(crate) fn length(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min {} s", seconds % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// Returns a number of bytes with a unit, powers of 1000.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let unit = UNITS.iter().find(|(least, _)| bytes >= *least);
    unit.map_or_else(|| format!("{bytes} B"), |(least, unit)| format!("{}.{} {unit}", bytes / least, bytes % least * 10 / least))
}

/// Returns the beginning of a digest, long enough to tell two apart.
pub(crate) fn digest(sha256: &str) -> String {
    legible(&sha256.chars().take(12).collect::<String>(), 12)
}

/// Returns the last part of an ARN: the id of a task, the session of a role.
pub(crate) fn tail(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Returns `1 shell`, `2 shells`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_or_deceives_passes() {
        assert_eq!(
            legible("a\u{1b}[2J\u{202e}b\u{61c}c\u{ad}d\u{e0041}\u{34f}\u{e0100}", 99),
            "a\\u{1b}[2J\\u{202e}b\\u{61c}c\\u{ad}d\\u{e0041}\\u{34f}\\u{e0100}"
        );
        assert_eq!(legible("Grüße\n世界", 99), "Grüße 世界");
    }

    #[test]
    fn lengths_and_sizes_have_their_largest_units() {
        let said = |seconds| length(SignedDuration::from_secs(seconds));
        assert_eq!([said(5), said(61), said(12_000), said(90_000)], ["5 s", "1 min 1 s", "3 h 20 min", "1 d 1 h"]);
        assert_eq!([size(999), size(1000), size(1_234_567)], ["999 B", "1.0 kB", "1.2 MB"]);
    }
}

//! A line of the journal on its way elsewhere: its bytes stay as they are, and what names it is read from them.
//!
//! Pure; no clock.

use audit_record::{ChainedLine, SessionLine};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// CloudWatch Logs takes nothing older (PutLogEvents, API reference).
pub(crate) const LOGS_TAKE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Which of a record's two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first.
    Start,
    /// The last.
    End,
}

impl Phase {
    /// The word in names.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The journal's line, without its line feed.
    pub(crate) text: String,
    /// The record's id.
    pub(crate) record_id: String,
    /// Which line of the record.
    pub(crate) phase: Phase,
    /// When it was written.
    pub(crate) at: Timestamp,
    /// The UTC day on which the record began: both lines are filed under it.
    pub(crate) day: Date,
}

impl Line {
    /// Reads a journal's line; none when it is not one. An end needs the day of its start.
    pub(crate) fn read(text: &str, day: Option<Date>) -> Option<Self> {
        let chained: ChainedLine = serde_json::from_str(text).ok()?;
        let (record_id, phase, at) = match chained.record {
            SessionLine::SessionStart(start) => (start.record_id, Phase::Start, start.at),
            SessionLine::SessionEnd(end) => (end.record_id, Phase::End, end.at),
        };
        // It becomes part of file names and URLs.
        if record_id.is_empty() || record_id.len() > 64 || !record_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let day = day.unwrap_or_else(|| at.to_zoned(TimeZone::UTC).date());
        Some(Self { text: text.to_owned(), record_id, phase, at, day })
    }

    /// Whether CloudWatch Logs will not take it any more.
    pub(crate) fn is_too_old_for_logs(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > LOGS_TAKE
    }

    /// The day as names hold it.
    pub(crate) fn day_path(&self) -> String {
        self.day.strftime("%Y/%m/%d").to_string()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(crate) const RECORD_ID: &str = "00112233445566778899aabbccddeeff";

    fn chained(record: &Value) -> String {
        json!({"prev_sha256": audit_record::chain::GENESIS, "record": record}).to_string()
    }

    fn start_of(record_id: &str, at: &str) -> String {
        chained(&json!({
            "kind": "session_start", "format_version": 1, "record_id": record_id, "at": at, "wrapper_version": "0", "script": "v1",
            "local_user": "u", "host": "h", "principal_arn": null, "boundary_session_id": null,
            "boundary_session_id_source": "unknown", "boundary_target_id": null, "task_arn": "t", "container": "c",
            "runtime_id": "r", "container_user": "u", "route": "boundary", "reason": "é \"", "command_sha256": "00",
        }))
    }

    pub(crate) fn start(at: &str) -> Line {
        Line::read(&start_of(RECORD_ID, at), None).unwrap()
    }

    pub(crate) fn end(at: &str, day: &str) -> Line {
        let text = chained(&json!({
            "kind": "session_end", "format_version": 1, "record_id": RECORD_ID, "at": at, "ssm_session_id": null, "task_arn": "t",
            "boundary_session_id": null, "exit_code": 0, "exit_source": "marker", "ending": "exited", "remote_end": "confirmed",
            "bytes_in": 0, "bytes_out": 0, "input_dropped": 0, "resumes": 0, "output_sha256": "00", "output_canonical_bytes": 0,
            "output_checkpoints": [],
        }));
        Line::read(&text, Some(day.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_line_keeps_its_bytes_and_tells_its_name() {
        let line = start("2026-11-21T10:00:00.5Z");
        assert_eq!((line.record_id.as_str(), line.phase, line.day_path().as_str()), (RECORD_ID, Phase::Start, "2026/11/21"));
        assert_eq!(line.text, start_of(RECORD_ID, "2026-11-21T10:00:00.5Z"));
    }

    #[test]
    fn what_is_no_line_is_told_from_one() {
        for text in ["", "{}", "{\"prev_sha256\":\"0\"}"] {
            assert_eq!(Line::read(text, None), None, "{text}");
        }
        assert_eq!(Line::read(&start_of("../x", "2026-11-21T10:00:00Z"), None), None);
    }

    #[test]
    fn two_weeks_are_the_limit_of_cloudwatch_logs() {
        let line = start("2026-11-07T10:00:00Z");
        let is_too_old = |now: &str| line.is_too_old_for_logs(now.parse().unwrap());
        assert!(!is_too_old("2026-11-21T10:00:00Z"));
        assert!(is_too_old("2026-11-21T10:00:01Z"));
    }
}

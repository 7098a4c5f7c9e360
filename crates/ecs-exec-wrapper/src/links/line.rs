//! A line of the journal as something to deliver: its bytes stay as they are, and what names it is read from them.
//!
//! Pure; no clock. Owns the names of streams and objects.

use audit_record::{ChainedLine, SessionLine};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use record_delivery::{Item, Stored, day_path};

/// Reads a journal's line; none when it is not one. An end needs the day of its start: both are filed under it.
pub(super) fn read(text: &str, day: Option<Date>) -> Option<Item> {
    let chained: ChainedLine = serde_json::from_str(text).ok()?;
    let (record_id, phase, at) = match chained.record {
        SessionLine::SessionStart(start) => (start.record_id, "start", start.at),
        SessionLine::SessionEnd(end) => (end.record_id, "end", end.at),
    };
    // It becomes part of file names and URLs.
    if record_id.is_empty() || record_id.len() > 64 || !record_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let day = day.unwrap_or_else(|| at.to_zoned(TimeZone::UTC).date());
    Some(Item {
        body: text.as_bytes().to_owned(),
        at,
        day,
        stem: format!("{record_id}-{phase}"),
        object: format!("{}/{record_id}-{phase}.json", day_path(day)),
        stream: format!("ecs-exec-wrapper/{}/{record_id}", day_path(day)),
        begins_stream: phase == "start",
        key: None,
    })
}

/// Reads a line that the spool kept.
pub(super) fn read_back(stored: Stored<'_>) -> Option<Item> {
    read(std::str::from_utf8(stored.body).ok()?, Some(stored.day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const RECORD_ID: &str = "00112233445566778899aabbccddeeff";

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

    fn start(at: &str) -> Item {
        read(&start_of(RECORD_ID, at), None).unwrap()
    }

    fn end(at: &str, day: &str) -> Item {
        let text = chained(&json!({
            "kind": "session_end", "format_version": 1, "record_id": RECORD_ID, "at": at, "ssm_session_id": null, "task_arn": "t",
            "boundary_session_id": null, "exit_code": 0, "exit_source": "marker", "ending": "exited", "remote_end": "confirmed",
            "bytes_in": 0, "bytes_out": 0, "input_dropped": 0, "resumes": 0, "output_sha256": "00", "output_canonical_bytes": 0,
            "output_checkpoints": [],
        }));
        read(&text, Some(day.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_line_keeps_its_bytes_and_tells_its_names() {
        let item = start("2026-11-21T10:00:00.5Z");
        assert_eq!(item.body, start_of(RECORD_ID, "2026-11-21T10:00:00.5Z").as_bytes());
        assert_eq!((item.stem, item.begins_stream), (format!("{RECORD_ID}-start"), true));
    }

    #[test]
    fn both_lines_of_a_record_stand_together_under_the_day_of_its_start() {
        let (start, end) = (start("2026-11-20T23:59:59Z"), end("2026-11-21T00:10:00Z", "2026-11-20"));
        assert_eq!(start.stream, "ecs-exec-wrapper/2026/11/20/00112233445566778899aabbccddeeff");
        assert_eq!(start.stream, end.stream);
        assert_eq!(start.object, "2026/11/20/00112233445566778899aabbccddeeff-start.json");
        assert_eq!(end.object, "2026/11/20/00112233445566778899aabbccddeeff-end.json");
    }

    #[test]
    fn an_objects_digest_is_the_link_that_the_journals_next_line_carries() {
        let item = start("2026-11-21T10:00:00Z");
        assert_eq!(
            audit_record::sha256_hex(&item.body),
            audit_record::chain::link(start_of(RECORD_ID, "2026-11-21T10:00:00Z").as_bytes())
        );
    }

    #[test]
    fn what_was_kept_is_read_back_the_same() {
        let item = end("2026-11-21T00:10:00Z", "2026-11-20");
        let stored = Stored { body: &item.body, day: item.day, key: None };
        assert_eq!(read_back(stored), Some(item.clone()));
    }

    #[test]
    fn what_is_no_line_is_told_from_one() {
        for text in ["", "{}", "{\"prev_sha256\":\"0\"}"] {
            assert_eq!(read(text, None), None, "{text}");
        }
        assert_eq!(read(&start_of("../x", "2026-11-21T10:00:00Z"), None), None);
    }
}

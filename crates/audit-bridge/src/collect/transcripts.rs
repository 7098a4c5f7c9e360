//! Transcripts as they come: events of a stream, bytes of an object.
//!
//! Owns what of a parsed log becomes a fact. Holds no transcript: pages and pieces go through.

use super::log_pages::{events, time};
use super::place::CollectError;
use audit_facts::TranscriptForm;
use audit_facts::normalise::logs::{MeasuredTranscript, StoredTranscript};
use std::io::Read;
use transcript::exec_log::{ExecLogReader, Form, LogSummary, Trailer};

/// A stream's events on their way.
pub(crate) struct StreamLog {
    reader: ExecLogReader,
    stored: StoredTranscript,
}

impl StreamLog {
    /// Begins; the name is `GROUP/STREAM`.
    pub(crate) fn new(name: &str, stream: &str) -> Self {
        let stored = StoredTranscript { name: name.to_owned(), stream: stream.to_owned(), ..StoredTranscript::default() };
        Self { reader: ExecLogReader::new(), stored }
    }

    /// Takes a page of GetLogEvents.
    ///
    /// # Errors
    /// When it holds no events of the form that the API promises.
    pub(crate) fn page(&mut self, body: &[u8]) -> Result<(), CollectError> {
        for event in events(&self.stored.name, body)? {
            self.reader.push_event(event.message.as_bytes(), &mut |_| {});
            let stored = &mut self.stored;
            stored.events += 1;
            if let Some(at) = time(event.timestamp) {
                stored.first_uploaded = Some(stored.first_uploaded.map_or(at, |first| first.min(at)));
                stored.last_uploaded = stored.last_uploaded.max(Some(at));
            }
            stored.last_ingested = stored.last_ingested.max(time(event.ingestion_time));
        }
        Ok(())
    }

    /// The whole.
    pub(crate) fn finish(self) -> (StoredTranscript, MeasuredTranscript) {
        (self.stored, measured(self.reader.finish(&mut |_| {})))
    }
}

/// Measures an object's bytes.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn measure(bytes: &mut dyn Read) -> std::io::Result<MeasuredTranscript> {
    let (mut reader, mut piece) = (ExecLogReader::new(), vec![0; 64 * 1024]);
    loop {
        match bytes.read(&mut piece) {
            Ok(0) => return Ok(measured(reader.finish(&mut |_| {}))),
            Ok(count) => reader.push(&piece[..count], &mut |_| {}),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn measured(summary: LogSummary) -> MeasuredTranscript {
    let has_trailer = summary.trailer != Trailer::Absent;
    let is_framed = summary.header.is_some() || has_trailer;
    let form = match summary.form {
        Form::Json => TranscriptForm::Json,
        Form::Raw if is_framed => TranscriptForm::Script,
        Form::Raw | Form::Unknown => TranscriptForm::Unknown,
    };
    // In JSON lines no sequences are left: none of it is byte for byte what was shown.
    let exact_until = if form == TranscriptForm::Json { Some(0) } else { summary.replaced_at };
    MeasuredTranscript {
        form,
        has_trailer,
        body_bytes: summary.body_bytes,
        sha256: summary.sha256,
        canonical_bytes: summary.canonical_bytes,
        checkpoints: summary.checkpoints,
        exact_until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: [&str; 2] = [
        "Script started on 2026-11-21 10:00:00+00:00 [COMMAND=\"cat x\" <not executed on terminal>]\none\r",
        "two\r\n\nScript done on 2026-11-21 10:00:01+00:00 [COMMAND_EXIT_CODE=\"0\"]",
    ];

    fn page(events: &[(i64, &str)]) -> String {
        let events: Vec<serde_json::Value> = events
            .iter()
            .map(|(at, text)| serde_json::json!({"timestamp": at, "ingestionTime": at + 5, "message": text}))
            .collect();
        serde_json::json!({"events": events, "nextForwardToken": "f/1"}).to_string()
    }

    #[test]
    fn pages_of_events_are_one_log_with_its_times() {
        let mut log = StreamLog::new("/exec/s", "s");
        log.page(page(&[(1000, LOG[0])]).as_bytes()).unwrap();
        log.page(page(&[(2000, LOG[1])]).as_bytes()).unwrap();
        log.page(page(&[]).as_bytes()).unwrap();
        let (stored, log) = log.finish();
        assert_eq!((stored.events, stored.first_uploaded, stored.last_uploaded), (2, time(Some(1000)), time(Some(2000))));
        assert_eq!(stored.last_ingested, time(Some(2005)));
        assert_eq!((log.form, log.has_trailer, log.canonical_bytes), (TranscriptForm::Script, true, 6));
        assert_eq!(log.sha256, audit_record::sha256_hex(b"onetwo"));
        assert_eq!(measure(&mut LOG.join("\n").as_bytes()).unwrap(), log);
    }

    #[test]
    fn text_without_a_frame_is_of_no_form_and_odd_pages_are_told() {
        assert_eq!(measure(&mut &b"planted"[..]).unwrap().form, TranscriptForm::Unknown);
        let mut log = StreamLog::new("/exec/s", "s");
        for odd in ["", "[]", "{}", r#"{"events":[{"message":7}]}"#] {
            assert!(log.page(odd.as_bytes()).is_err(), "{odd}");
        }
    }
}

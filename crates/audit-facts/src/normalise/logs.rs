//! CloudWatch Logs on transcripts: one that was measured elsewhere, and one that is not there.
//!
//! It never parses a transcript. A missing group is not a missing stream: where nothing could be written, nothing is absent.
//! Source: CloudWatch Logs API reference, `GetLogEvents`; the service's words for both cases.

use super::fields::{Fields, parse};
use super::{Reading, Why};
use crate::coverage::Lack;
use crate::fact::{Body, Fact};
use crate::ids::SsmSessionId;
use crate::transcript::{Transcript, TranscriptAbsence, TranscriptForm};
use audit_record::Checkpoint;
use jiff::Timestamp;

/// What a parser found in a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredTranscript {
    /// The form.
    pub form: TranscriptForm,
    /// Whether there is a closing line of `script`.
    pub has_trailer: bool,
    /// Bytes between header and trailer.
    pub body_bytes: u64,
    /// SHA-256 of the canonical body, hexadecimal.
    pub sha256: String,
    /// Canonical bytes hashed.
    pub canonical_bytes: u64,
    /// Where the digest stood on the way.
    pub checkpoints: Vec<Checkpoint>,
    /// Canonical bytes before the first replacement character.
    pub exact_until: Option<u64>,
}

/// What the store says of a transcript.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredTranscript {
    /// The group and stream, or bucket and key, as the fact names it: `GROUP/STREAM`.
    pub name: String,
    /// The stream's name, or the key's last part without `.log`: the session's id, as a rule.
    pub stream: String,
    /// Events, or 1 for an object.
    pub events: u64,
    /// The first upload, UTC.
    pub first_uploaded: Option<Timestamp>,
    /// The last upload, UTC.
    pub last_uploaded: Option<Timestamp>,
    /// When the last event came in by the service's own clock, UTC.
    pub last_ingested: Option<Timestamp>,
}

/// The fact of a transcript that was read and measured. A stream of another name is one too: it may be planted.
pub fn transcript(reading: &Reading, stored: StoredTranscript, measured: MeasuredTranscript) -> Fact {
    reading.fact(Body::Transcript(Box::new(Transcript {
        ssm_session_id: SsmSessionId::parse(&stored.stream).ok(),
        name: stored.name,
        form: measured.form,
        has_trailer: measured.has_trailer,
        body_bytes: measured.body_bytes,
        sha256: measured.sha256,
        canonical_bytes: measured.canonical_bytes,
        checkpoints: measured.checkpoints,
        exact_until: measured.exact_until,
        events: stored.events,
        first_uploaded: stored.first_uploaded,
        last_uploaded: stored.last_uploaded,
        last_ingested: stored.last_ingested,
    })))
}

/// What a refusal to show a stream means.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// There is no such stream.
    Absent(Box<Fact>),
    /// It is not known whether there is one.
    Unknown(Lack),
}

/// Reads a refusal of GetLogEvents or of its kin: the error's code and message, in the answer's JSON (`__type`, `message`).
///
/// # Errors
/// [`Why`] when the body is no such error.
pub fn refused(reading: &Reading, group: &str, session: &SsmSessionId, body: &[u8]) -> Result<Refused, Why> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    let code = fields.required("__type")?.rsplit('#').next().unwrap_or_default();
    let message = match fields.text("message")? {
        Some(message) => message,
        None => fields.text("Message")?.unwrap_or_default(),
    };
    Ok(refusal(reading, group, session, code, message))
}

/// As [`refused`], from code and message.
pub fn refusal(reading: &Reading, group: &str, session: &SsmSessionId, code: &str, message: &str) -> Refused {
    let is_stream = code == "ResourceNotFoundException" && message.contains("log stream does not exist");
    if is_stream {
        let absence = TranscriptAbsence { ssm_session_id: session.clone(), name: group.to_owned(), at: reading.at };
        return Refused::Absent(Box::new(reading.fact(Body::TranscriptAbsence(absence))));
    }
    let said: String = message.chars().take(200).flat_map(char::escape_default).collect();
    Refused::Unknown(Lack::CannotRead { text: format!("read log group `{group}`: {code}: {said}") })
}

/// The absence of a transcript that an object store answered with: no key of the session below the prefix.
pub fn absent_object(reading: &Reading, name: &str, session: SsmSessionId) -> Fact {
    let absence = TranscriptAbsence { ssm_session_id: session, name: name.to_owned(), at: reading.at };
    reading.fact(Body::TranscriptAbsence(absence))
}

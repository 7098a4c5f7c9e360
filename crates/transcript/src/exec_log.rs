//! The agent's log of an ECS Exec session, as CloudWatch events or as an S3 object.
//!
//! Owns the form of the log: `script`'s header and trailer around the terminal's bytes, or the agent's JSON lines. Streaming: the
//! reader holds a line's beginning at most, however long the transcript. Never trusts it: whoever was root in the container
//! could write anything here, so header, trailer and body are claims, and only [`compare`] weighs them against a witness.
//!
//! ```text
//! events | object bytes ─ ExecLogReader ─► body bytes (to the caller) and a LogSummary ─ compare(…, Expected) ─► Comparison
//! ```
//!
//! The agent runs `script` after the session has ended, to copy what it had kept. Both stamps are therefore times of the
//! session's **end**; nothing in a raw log says when it began, and nothing says when a line was shown.
//! Source: amazon-ssm-agent `session/shell/shell_unix.go` (generateLogData), `agentlogstocloudwatch`.

mod compare;
mod framing;
mod json;
mod reader;

pub use compare::{Comparison, Expected, Unfit, compare};
pub use framing::{Header, Program, Stamp, Trailer};
pub use json::JsonSummary;
pub use reader::{ExecLogReader, LogSummary};

/// Says which of the agent's forms a log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The terminal's bytes, with or without the frame of `script`: what ECS Exec gives.
    Raw,
    /// JSON lines of the streaming mode, with all terminal sequences taken out: no digest can be computed.
    Json,
    /// Nothing was in it.
    Unknown,
}

/// Holds a whole log, for transcripts that fit in memory; use [`ExecLogReader`] for others.
#[derive(Clone, PartialEq)]
pub struct ExecLog {
    /// What the log says of itself, and the digest of its body.
    pub summary: LogSummary,
    /// The terminal's bytes, or the JSON form's lines joined with line feeds.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for ExecLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecLog").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// Reads the events of one CloudWatch stream, in order.
pub fn parse<I>(events: I) -> ExecLog
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    whole(|reader, body| events.into_iter().for_each(|event| reader.push_event(event.as_ref(), body)))
}

/// Reads an object of the S3 destination.
pub fn parse_object(bytes: &[u8]) -> ExecLog {
    whole(|reader, body| reader.push(bytes, body))
}

fn whole(feed: impl FnOnce(&mut ExecLogReader, &mut dyn FnMut(&[u8]))) -> ExecLog {
    let mut body = Vec::new();
    let mut reader = ExecLogReader::new();
    let mut keep = |bytes: &[u8]| body.extend_from_slice(bytes);
    feed(&mut reader, &mut keep);
    let summary = reader.finish(&mut keep);
    ExecLog { summary, body }
}

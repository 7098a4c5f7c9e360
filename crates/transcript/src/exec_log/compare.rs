//! The log's body against the digest that the wrapper recorded.
//!
//! Owns what a difference means. A log that may lawfully differ is [`Comparison::Unfit`], never an accusation: CloudWatch holds
//! text, so output that was no UTF-8 comes back as U+FFFD, and the agent loses up to three bytes of a character that was not
//! finished at the end. Who adds a U+FFFD early makes a log unfit: that a log is unfit is itself worth a look.

use super::{Form, LogSummary, Trailer};
use audit_record::{Checkpoint, SessionEnd};

/// Bytes of an unfinished character that the agent may lose at the end.
const UNFINISHED: u64 = 3;

/// Holds what the wrapper says of the same output.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// SHA-256 of the canonical output, hexadecimal.
    pub sha256: &'a str,
    /// Canonical bytes.
    pub canonical_bytes: u64,
    /// Where the digest stood on the way.
    pub checkpoints: &'a [Checkpoint],
}

impl<'a> From<&'a SessionEnd> for Expected<'a> {
    fn from(end: &'a SessionEnd) -> Self {
        Self { sha256: &end.output_sha256, canonical_bytes: end.output_canonical_bytes, checkpoints: &end.output_checkpoints }
    }
}

/// Says how a log stands to a record. Offsets are in canonical bytes (no CR, no LF).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The same bytes but for line ends.
    Equal {
        /// Whether they are the same only if the last line, which looks like a trailer, is the user's own text: then it was forged,
        /// and the log is cut after it.
        forged_trailer: bool,
    },
    /// The log ends early; as far as checkpoints show, what is there is what was recorded.
    ShorterPrefix {
        /// Up to here the bytes are proved equal.
        agrees_to: u64,
    },
    /// The log goes on where the record ends, as it does when the client was cut off first.
    Longer {
        /// Up to here the bytes are proved equal; the record's end if the reader watched it.
        agrees_to: u64,
    },
    /// The bytes are others.
    Differs {
        /// Up to here they are proved equal.
        agrees_to: u64,
        /// By here they are proved different.
        differs_by: u64,
    },
    /// Nothing can be said.
    Unfit {
        /// Why.
        why: Unfit,
    },
}

/// Says why a log cannot be held against a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The JSON form has no terminal sequences.
    #[error("its form leaves out what was not text")]
    Form,
    /// There is no log to compare.
    #[error("it is empty")]
    Empty,
    /// The body has U+FFFD, and nothing before it differs.
    #[error("bytes that were no UTF-8 were replaced, first at canonical byte {at}")]
    Replaced {
        /// Canonical bytes before the first one.
        at: u64,
    },
    /// So few bytes are missing that an unfinished last character explains it.
    #[error("its last {bytes} bytes may be an unfinished character that the agent dropped")]
    EndLost {
        /// How many.
        bytes: u64,
    },
}

/// Weighs a log against a record.
pub fn compare(log: &LogSummary, expected: Expected<'_>) -> Comparison {
    let equal = |offset: u64, sha256: &str| offset == expected.canonical_bytes && sha256.eq_ignore_ascii_case(expected.sha256);
    if log.form == Form::Json {
        return Comparison::Unfit { why: Unfit::Form };
    }
    if equal(log.canonical_bytes, &log.sha256) {
        return Comparison::Equal { forged_trailer: false };
    }
    if log.with_trailer.as_ref().is_some_and(|whole| equal(whole.offset, &whole.sha256)) {
        return Comparison::Equal { forged_trailer: true };
    }
    if log.form == Form::Unknown {
        return Comparison::Unfit { why: Unfit::Empty };
    }
    let trusted_to = log.replaced_at.unwrap_or(u64::MAX);
    let (agrees_to, differs_by) = agreement(log, expected, trusted_to);
    if let Some(differs_by) = differs_by {
        return Comparison::Differs { agrees_to, differs_by };
    }
    if let Some(at) = log.replaced_at {
        return Comparison::Unfit { why: Unfit::Replaced { at } };
    }
    by_length(log, expected, agrees_to)
}

/// No checkpoint differs, and the whole does.
fn by_length(log: &LogSummary, expected: Expected<'_>, agrees_to: u64) -> Comparison {
    let (have, want) = (log.canonical_bytes, expected.canonical_bytes);
    match want.checked_sub(have) {
        Some(0) => Comparison::Differs { agrees_to, differs_by: want },
        Some(bytes) if bytes <= UNFINISHED => Comparison::Unfit { why: Unfit::EndLost { bytes } },
        Some(_) => Comparison::ShorterPrefix { agrees_to },
        None => Comparison::Longer { agrees_to },
    }
}

/// Up to where all common offsets agree, and the first that does not.
fn agreement(log: &LogSummary, expected: Expected<'_>, trusted_to: u64) -> (u64, Option<u64>) {
    let end = Checkpoint { offset: expected.canonical_bytes, sha256: expected.sha256.to_owned() };
    let theirs = expected.checkpoints.iter().chain([&end]);
    let own_end = Checkpoint { offset: log.canonical_bytes, sha256: log.sha256.clone() };
    let mut agrees_to = 0;
    for point in theirs.filter(|point| point.offset <= trusted_to) {
        let ours = log.checkpoints.iter().chain(&log.watched).chain([&own_end]).find(|own| own.offset == point.offset);
        match ours {
            Some(own) if own.sha256.eq_ignore_ascii_case(&point.sha256) => agrees_to = agrees_to.max(point.offset),
            Some(own) => return (agrees_to, Some(own.offset)),
            None => {}
        }
    }
    (agrees_to, None)
}

impl LogSummary {
    /// Whether the log claims to be whole: its last line looks like a trailer.
    pub fn claims_to_be_whole(&self) -> bool {
        self.trailer != Trailer::Absent
    }
}

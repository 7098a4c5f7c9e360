//! The transcripts of a report: into the bundle one at a time, and what the page needs of them.
//!
//! Owns `transcripts/ID.txt`, redacted, and `sealed/ID.log.age`, as it was and encrypted. Holds one log at a time; the plain text
//! of a sealed one touches no disk. A log that cannot be read is left out and told, and the rest of the report goes on.

use crate::args::ReportArgs;
use crate::program::tell;
use crate::replay::{self, Redacted};
use crate::settings::Settings;
use audit_report::{TranscriptText, transcript_share};
use audit_state::Reader;
use cli_kit::printable;
use correlation::Account;
use evidence_bundle::bundle::FileSpec;
use evidence_bundle::seal::{Recipient, Sealer};
use evidence_bundle::{BundleError, Writer, names};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The longest reason that is told, characters.
const WHY_MAX: usize = 300;

/// Something that the bundle should have and has not.
#[derive(Debug, Serialize)]
pub(super) struct LeftOut {
    /// The session's id.
    session: String,
    what: &'static str,
    why: String,
}

/// Puts transcripts into a bundle.
pub(super) struct Transcripts<'a> {
    settings: &'a Settings,
    reader: &'a Reader,
    recipients: &'a [Recipient],
    with_text: bool,
    /// How much of each text the page shows, bytes.
    share: usize,
    /// How many secrets of each kind were taken out.
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) left_out: Vec<LeftOut>,
}

impl<'a> Transcripts<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        reader: &'a Reader,
        args: &ReportArgs,
        recipients: &'a [Recipient],
        accounts: &[Account],
    ) -> Self {
        let share = transcript_share(accounts.iter().filter(|account| account.transcript_evidence.is_some()).count());
        let with_text = !args.no_transcripts;
        Self { settings, reader, recipients, with_text, share, counts: BTreeMap::new(), left_out: Vec::new() }
    }

    /// Adds a session's log in the forms that were asked for; gives what the page shows of it.
    ///
    /// # Errors
    /// When the bundle cannot be written.
    pub(super) fn add(&mut self, account: &Account, writer: &mut Writer) -> Result<Option<TranscriptText>, BundleError> {
        if account.transcript_evidence.is_none() || (!self.with_text && self.recipients.is_empty()) {
            return Ok(None);
        }
        let body = match replay::body(self.settings, self.reader, account) {
            Ok(Some(body)) => body,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(self.leave_out(account, &error))),
        };
        let name = names::part_of(&account.id);
        if !self.recipients.is_empty() {
            let path = format!("sealed/{name}.log.age");
            let spec = FileSpec { path: &path, what: "transcript, sealed", media_type: "application/octet-stream" };
            writer.add_with(spec, |to| sealed(&body, self.recipients, to))?;
        }
        if !self.with_text {
            return Ok(None);
        }
        let redacted = replay::redacted(&body);
        drop(body);
        self.text(format!("transcripts/{name}.txt"), redacted, writer).map(Some)
    }

    fn text(&mut self, path: String, redacted: Redacted, writer: &mut Writer) -> Result<TranscriptText, BundleError> {
        let spec = FileSpec { path: &path, what: "transcript, redacted", media_type: "text/plain; charset=utf-8" };
        writer.add(spec, redacted.text.as_bytes())?;
        for (kind, count) in &redacted.counts {
            *self.counts.entry(kind.clone()).or_default() += count;
        }
        let begin = beginning(&redacted.text, self.share);
        Ok(TranscriptText {
            is_beginning: begin.len() < redacted.text.len(),
            text: begin.to_owned(),
            redacted: redacted.counts,
            is_cut: redacted.is_cut,
            file: Some(path),
            unread: None,
        })
    }

    fn leave_out(&mut self, account: &Account, error: &anyhow::Error) -> TranscriptText {
        let why = printable(&format!("{error:#}"), WHY_MAX);
        let session = account.id.clone();
        tell(&format!("the transcript of {} is left out of the report: {why}", printable(&session, 100)));
        self.left_out.push(LeftOut { session, what: "transcript", why: why.clone() });
        TranscriptText { unread: Some(why), ..TranscriptText::default() }
    }
}

fn sealed(body: &[u8], recipients: &[Recipient], to: &mut dyn Write) -> io::Result<()> {
    let mut sealer = Sealer::begin(to, recipients).map_err(io::Error::other)?;
    sealer.write_all(body)?;
    sealer.finish().map(drop)
}

/// As many whole characters as fit.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_never_ends_within_a_character() {
        assert_eq!(beginning("aé", 2), "a");
        assert_eq!(beginning("aé", 3), "aé");
        assert_eq!(beginning("", 3), "");
    }
}

//! What a report is signed with and sealed for.
//!
//! Owns the reading of keys and recipients, all before anything is written.

use crate::args::ReportArgs;
use crate::exit;
use anyhow::Context as _;
use cli_kit::exit as shared;
use evidence_bundle::SigningKey;
use evidence_bundle::seal::{RECIPIENTS_MAX, Recipient, SealError, recipients_in};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The longest list of recipients, bytes: 256 of them, each with a long comment.
const LIST_MAX: u64 = 1 << 20;

/// What was given beside the period.
pub(super) struct Given {
    /// The key that signs.
    pub(super) key: SigningKey,
    /// The second key that countersigns.
    pub(super) anchor: Option<SigningKey>,
    /// For whom the logs are sealed; nobody when none are to be.
    pub(super) recipients: Vec<Recipient>,
}

/// Why a report is not begun, with the exit code that says so.
pub(super) struct Refused {
    pub(super) code: u8,
    pub(super) error: anyhow::Error,
}

impl Given {
    /// Reads keys and recipients.
    pub(super) fn read(args: &ReportArgs) -> Result<Self, Refused> {
        let failed = |error| Refused { code: exit::FAILED, error: anyhow::Error::from(error) };
        let key = SigningKey::load(&args.key).map_err(failed)?;
        let anchor = args.anchor_key.as_deref().map(SigningKey::load).transpose().map_err(failed)?;
        if anchor.as_ref().is_some_and(|anchor| anchor.public() == key.public()) {
            let error = anyhow::anyhow!(
                "--anchor-key is the same key as --key; an anchor is a second party's word, so have that party's key countersign"
            );
            return Err(Refused { code: shared::USAGE, error });
        }
        let recipients = args.seal_to.as_deref().map(recipients).transpose();
        let recipients = recipients.map_err(|error| Refused { code: shared::CONFIGURATION, error })?.unwrap_or_default();
        Ok(Self { key, anchor, recipients })
    }
}

fn recipients(path: &Path) -> anyhow::Result<Vec<Recipient>> {
    let failed = || format!("failed to use the recipients in `{}`", path.display());
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LIST_MAX + 1).read_to_end(&mut bytes)).with_context(failed)?;
    anyhow::ensure!(bytes.len() as u64 <= LIST_MAX, "{}: it has more than {LIST_MAX} bytes", failed());
    // No text of the file is ever told: it may be a key that somebody took for a recipient.
    let text = str::from_utf8(&bytes).ok().with_context(|| format!("{}: it is no text", failed()))?;
    let recipients = recipients_in(text).with_context(failed)?;
    if recipients.len() > RECIPIENTS_MAX {
        return Err(SealError::TooManyRecipients(recipients.len())).with_context(failed);
    }
    Ok(recipients)
}

//! `replay`: plays what a session showed, or writes it out.
//!
//! Owns which bytes are played, exported or printed; the terminal is [`terminal`]'s. Nothing that was recorded reaches it but through
//! the player's own screen model. The timing is real from the wrapper's recording; a log has none, and that is said.

mod terminal;

use crate::args::ReplayArgs;
use crate::collect::pages::PageIndex;
use crate::look::{found, no_session};
use crate::program::{open_reader, print, tell};
use crate::settings::Settings;
use crate::{evidence, exit};
use anyhow::{Context as _, bail};
use audit_facts::Body;
use audit_record::sha256_hex;
use audit_state::Reader;
use cli_kit::exit as shared;
use correlation::Account;
use evidence_bundle::Sha256;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use transcript::cast::{self, Pace};
use transcript::exec_log;
use transcript::marks::{Item, Piped, Pipes, Stripper};
use transcript::redact::{Grade, Redactor};
use transcript::screen::{self, Size};

/// The longest log or recording that is played, bytes.
const LONGEST: u64 = 256 << 20;
/// The longest text that is printed, bytes.
pub(crate) const TEXT_MAX: usize = 16 << 20;

/// Plays a session, exports it, or prints its text.
pub(crate) fn replay(settings: &Settings, args: &ReplayArgs) -> u8 {
    match tried(settings, args) {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

fn tried(settings: &Settings, args: &ReplayArgs) -> anyhow::Result<u8> {
    let reader = open_reader(settings)?;
    let account = one(&reader, &args.session)?;
    if args.text {
        let body = body(settings, &reader, &account)?.context("there is no log of this session")?;
        print(&redacted(&body).text);
        return Ok(shared::OK);
    }
    let bytes = if let Some(file) = &args.recording {
        recording(&reader, &account, file)?
    } else {
        let body = body(settings, &reader, &account)?.context("there is no log of this session; see --recording")?;
        tell("the log has no times: it is played at a steady pace; the wrapper's recording has the real ones (--recording)");
        paced(&account, &without_frames(&body))
    };
    if let Some(file) = &args.export {
        export(file, &bytes)?;
        return Ok(shared::OK);
    }
    terminal::play(cast::read(&bytes).context("failed to read the recording")?, args)
}

/// Writes a recording for its owner alone; it shows the session's secrets. What is there already is not touched.
fn export(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("`{}` exists; remove it or name another", file.display())
        }
        opened => opened.with_context(|| format!("failed to create `{}`", file.display()))?,
    };
    out.write_all(bytes).with_context(|| format!("failed to write `{}`", file.display()))
}

/// The one account of a session.
fn one(reader: &Reader, session: &str) -> anyhow::Result<Account> {
    let mut accounts = found(reader, session)?;
    accounts.retain(|account| account.ssm_session_id.is_some());
    match accounts.len() {
        0 => bail!(no_session("shell", session)),
        1 => Ok(accounts.remove(0)),
        several => bail!("{several} shells fit: give more of the SSM session's id"),
    }
}

/// The wrapper's recording, when it is the one that its record names.
fn recording(reader: &Reader, account: &Account, file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read_most(file, LONGEST)?;
    let sha256 = sha256_hex(&bytes);
    let told = reader.facts(&account.facts)?.into_iter().find_map(|fact| match fact.body {
        Body::LinkEnd(end) => end.transcript_sha256,
        _ => None,
    });
    match told {
        Some(told) if told == sha256 => Ok(bytes),
        Some(_) => bail!("`{}` is not the recording that the wrapper's record names: its digest is another", file.display()),
        None => bail!("the wrapper's record names no recording, so nothing shows that `{}` is this session's", file.display()),
    }
}

/// Reads a file that is no longer than this; a device or a pipe without end is not read to it.
fn read_most(file: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let opened = File::open(file).with_context(|| format!("failed to open `{}`", file.display()))?;
    let mut bytes = Vec::new();
    opened.take(most + 1).read_to_end(&mut bytes).with_context(|| format!("failed to read `{}`", file.display()))?;
    if bytes.len() as u64 > most {
        bail!("`{}` is longer than {most} bytes, the longest that is played", file.display());
    }
    Ok(bytes)
}

/// A log as an asciicast at a steady pace.
fn paced(account: &Account, body: &[u8]) -> Vec<u8> {
    let size = screen::guess_columns(body).map_or(Size::new(80, 24), |columns| Size::new(columns, 24));
    let title = account.ssm_session_id.as_ref().map_or("", |id| id.as_str());
    let mut out = String::new();
    let at = account.ended.or(account.started).unwrap_or_default();
    cast::to_asciicast(body, size, Pace::default(), title, at, &mut |line| out.push_str(line));
    out.into_bytes()
}

/// What a session showed, out of the evidence; none when there is no log.
pub(crate) fn body(settings: &Settings, reader: &Reader, account: &Account) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(sha256) = &account.transcript_evidence else { return Ok(None) };
    let is_object = reader
        .facts(&account.facts)?
        .iter()
        .any(|fact| fact.evidence == *sha256 && fact.source == audit_facts::Source::ExecObjects);
    let evidence = evidence::open(settings)?;
    let sha256: Sha256 = sha256.parse().context("failed to understand the evidence's hash")?;
    let bytes = evidence.get(&sha256, LONGEST)?;
    if is_object {
        return Ok(Some(exec_log::parse_object(&bytes).body));
    }
    let index = PageIndex::read(&bytes).context("failed to understand the evidence of the log")?;
    let mut messages: Vec<String> = Vec::new();
    for page in index.pages {
        let page = evidence.get(&page.parse()?, LONGEST)?;
        let page: serde_json::Value = serde_json::from_slice(&page).context("failed to read a page of the log")?;
        let events = page["events"].as_array().into_iter().flatten();
        messages.extend(events.filter_map(|event| event["message"].as_str().map(str::to_owned)));
    }
    Ok(Some(exec_log::parse(messages.iter().map(String::as_str)).body))
}

/// Text that was shown, without secrets.
pub(crate) struct Redacted {
    pub(crate) text: String,
    pub(crate) counts: std::collections::BTreeMap<String, u64>,
    /// Whether there was more than is shown.
    pub(crate) is_cut: bool,
}

/// Renders what was shown and takes the secrets out; frames of pipes are decoded.
pub(crate) fn redacted(body: &[u8]) -> Redacted {
    let size = screen::guess_columns(body).map_or(Size::new(80, 24), |columns| Size::new(columns, 24));
    let shown = without_frames(body);
    let rendered = screen::render(&shown, size, TEXT_MAX);
    let mut redactor = Redactor::new(Grade::Likely);
    let mut text = String::new();
    for line in rendered.text().lines() {
        text.push_str(&redactor.line(line).text);
        text.push('\n');
    }
    let counts = redactor.counts().iter().map(|(kind, count)| (kind.to_string(), *count)).collect();
    Redacted { text, counts, is_cut: rendered.cut }
}

/// What was shown without the wrapper's marks; the frames of a session through pipes are decoded, both streams in their order.
fn without_frames(body: &[u8]) -> Vec<u8> {
    // What comes before the script's first mark, or a log without any, is no frame of its.
    let (mut before, mut shown) = (Vec::new(), Vec::new());
    let mut stripper = Stripper::new();
    let mut take = |item: Item<'_>| match item {
        Item::Preface(bytes) => before.extend_from_slice(bytes),
        Item::Output(bytes) => shown.extend_from_slice(bytes),
        Item::Ready(_) | Item::Command(_) | Item::Exit(_) | Item::Confirmed => {}
    };
    stripper.feed(body, &mut take);
    stripper.finish(&mut take);
    let (mut decoded, mut is_framed) = (Vec::new(), true);
    let mut pipes = Pipes::new();
    let mut take = |piece: Piped| match piece {
        Piped::Stdout(bytes) | Piped::Stderr(bytes) => decoded.extend_from_slice(&bytes),
        Piped::Garbage(_) => is_framed = false,
    };
    pipes.feed(&shown, &mut take);
    pipes.finish(&mut take);
    if is_framed && !decoded.is_empty() {
        // A pipe's line feeds have no carriage returns, which a terminal needs.
        decoded.split_inclusive(|b| *b == b'\n').for_each(|line| match line.strip_suffix(b"\n") {
            Some(text) => before.extend(text.iter().chain(b"\r\n")),
            None => before.extend(line),
        });
    } else {
        before.extend(shown);
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_without_end_is_not_read_to_it() {
        let refused = read_most(Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(refused.to_string(), "`/dev/zero` is longer than 1000 bytes, the longest that is played");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 1000]).unwrap();
        assert_eq!(read_most(file.path(), 1000).unwrap(), [7; 1000]);
    }

    #[test]
    fn an_export_is_its_owners_alone_and_replaces_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.cast");
        export(&file, b"first").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = export(&file, b"second").unwrap_err();
        assert_eq!(refused.to_string(), format!("`{}` exists; remove it or name another", file.display()));
        assert_eq!(std::fs::read(&file).unwrap(), b"first");
    }

    #[test]
    fn a_short_log_that_shows_more_than_is_kept_is_cut() {
        // Seven bytes show eighty: the terminal repeats a character on request.
        let body = b"a\x1b[79b".repeat(TEXT_MAX / 70);
        assert!(body.len() < TEXT_MAX);
        let redacted = redacted(&body);
        assert!(redacted.is_cut && redacted.text.len() <= TEXT_MAX);
    }
}

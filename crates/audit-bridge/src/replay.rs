//! `replay`: plays what a session showed, or writes it out.
//!
//! Owns the terminal while it plays: raw, on the alternate screen, and as it was afterwards. Nothing that was recorded reaches it but
//! through the player's own screen model. The timing is real from the wrapper's recording; a log has none, and that is said.

use crate::args::ReplayArgs;
use crate::collect::pages::PageIndex;
use crate::look::found;
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
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::time::{Duration, Instant};
use transcript::cast::{self, Pace};
use transcript::exec_log;
use transcript::marks::{Item, Piped, Pipes, Stripper};
use transcript::player::{Key, Next, Player};
use transcript::redact::{Grade, Redactor};
use transcript::screen::{self, Size};

/// The longest log or recording that is played, bytes.
const LONGEST: u64 = 256 << 20;
/// The longest text that is printed, bytes.
pub(crate) const TEXT_MAX: usize = 16 << 20;

/// Plays a session, exports it, or prints its text.
pub(crate) fn replay(settings: &Settings, args: &ReplayArgs) -> u8 {
    match tried(settings, args) {
        Ok(()) => shared::OK,
        Err(error) => {
            tell(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

fn tried(settings: &Settings, args: &ReplayArgs) -> anyhow::Result<()> {
    if !(0.01..=100.0).contains(&args.speed) {
        bail!("--speed takes a number from 0.01 to 100");
    }
    let reader = open_reader(settings)?;
    let account = one(&reader, &args.session)?;
    if args.text {
        let body = body(settings, &reader, &account)?.context("there is no log of this session")?;
        print(&redacted(&body).text);
        return Ok(());
    }
    let size = std::io::stdout().is_terminal().then(|| tcgetwinsize(std::io::stdout()).ok()).flatten();
    let size = size.map_or(Size::new(80, 24), |size| Size::new(size.ws_col.into(), size.ws_row.into()));
    let bytes = if let Some(file) = &args.recording {
        recording(&reader, &account, file)?
    } else {
        let body = body(settings, &reader, &account)?.context("there is no log of this session; see --recording")?;
        tell("the log has no times: it is played at a steady pace; the wrapper's recording has the real ones (--recording)");
        paced(&account, &without_frames(&body))
    };
    if let Some(file) = &args.export {
        std::fs::write(file, &bytes).with_context(|| format!("failed to write `{}`", file.display()))?;
        return Ok(());
    }
    let recording = cast::read(&bytes).context("failed to read the recording")?;
    play(recording, args, size)
}

/// The one account of a session.
fn one(reader: &Reader, session: &str) -> anyhow::Result<Account> {
    let mut accounts = found(reader, session)?;
    accounts.retain(|account| account.ssm_session_id.is_some());
    match accounts.len() {
        0 => bail!("no shell is or begins with `{}`; see audit-bridge sessions", cli_kit::printable(session, 100)),
        1 => Ok(accounts.remove(0)),
        several => bail!("{several} shells fit: give more of the SSM session's id"),
    }
}

/// The wrapper's recording, when it is the one that its record names.
fn recording(reader: &Reader, account: &Account, file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(file).with_context(|| format!("failed to read `{}`", file.display()))?;
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

/// Plays on the terminal until the end or a key ends it.
fn play(recording: cast::Cast, args: &ReplayArgs, size: Size) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("playing needs a terminal; use --export FILE or --text");
    }
    let began = Instant::now();
    let idle_limit = Duration::from_secs_f64(args.idle_limit.clamp(0.0, 3600.0));
    let mut player = Player::new(recording, size, Some(idle_limit), began.elapsed());
    // The player's speeds are powers of two: the nearest is taken.
    let mut speed = args.speed;
    while !(0.7..=1.42).contains(&speed) {
        player.handle_key(if speed > 1.0 { Key::Faster } else { Key::Slower }, began.elapsed());
        speed = if speed > 1.0 { speed / 2.0 } else { speed * 2.0 };
    }
    let _screen = Screen::take().context("failed to take the terminal")?;
    if args.start > 0.0 {
        player.seek(Duration::from_secs_f64(args.start.min(1e9)), began.elapsed());
    }
    let mut ended = false;
    loop {
        match player.poll(began.elapsed()) {
            Next::Write(bytes) => {
                let mut out = std::io::stdout().lock();
                out.write_all(&bytes)?;
                out.flush()?;
            }
            Next::WaitUntil(at) => press(&mut player, &began, Some(at.saturating_sub(began.elapsed())))?,
            Next::WaitForKey => press(&mut player, &began, None)?,
            Next::Ended if ended => return Ok(()),
            Next::Ended => {
                ended = true;
                press(&mut player, &began, None)?;
            }
            Next::Quit => return Ok(()),
        }
    }
}

/// Waits for a key, or until the time is up.
fn press(player: &mut Player, began: &Instant, wait: Option<Duration>) -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    let wait = wait.map(|wait| rustix::event::Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    });
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    if poll(&mut fds, wait.as_ref())? == 0 {
        return Ok(());
    }
    let mut bytes = [0; 16];
    let count = stdin.lock().read(&mut bytes)?;
    if count == 0 {
        player.handle_key(Key::Quit, began.elapsed());
        return Ok(());
    }
    let mut rest = &bytes[..count];
    while let Some((key, used)) = Key::read(rest) {
        player.handle_key(key, began.elapsed());
        rest = &rest[used..];
    }
    Ok(())
}

/// The terminal, raw and on its alternate screen; given back on drop.
struct Screen {
    before: Termios,
}

impl Screen {
    fn take() -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &raw)?;
        let screen = Self { before };
        let mut out = std::io::stdout().lock();
        out.write_all(b"\x1b[?1049h\x1b[H\x1b[2J")?;
        out.flush()?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(b"\x1b[?25h\x1b[0m\x1b[?1049l").and_then(|()| out.flush());
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_log_that_shows_more_than_is_kept_is_cut() {
        // Seven bytes show eighty: the terminal repeats a character on request.
        let body = b"a\x1b[79b".repeat(TEXT_MAX / 70);
        assert!(body.len() < TEXT_MAX);
        let redacted = redacted(&body);
        assert!(redacted.is_cut && redacted.text.len() <= TEXT_MAX);
    }
}

//! The terminal while a session plays: raw, on its alternate screen, and as it was afterwards, whatever ends the replay.
//!
//! Owns keys, signals and the terminal's modes. It shows the player's own bytes only.

use crate::args::ReplayArgs;
use anyhow::{Context as _, bail};
use cli_kit::exit as shared;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use transcript::cast::Cast;
use transcript::player::{Key, Next, Player};
use transcript::screen::Size;

/// A signal as an exit code: 128 and its number.
const BY_SIGNAL: u8 = 128;
/// SIGHUP's number.
const HANGUP: u8 = 1;

/// Plays on the terminal until a key or a signal ends it; returns the exit code.
pub(super) fn play(recording: Cast, args: &ReplayArgs) -> anyhow::Result<u8> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!("playing needs a terminal; use --export FILE or --text");
    }
    // Before the terminal is taken: from here on no signal ends us by itself.
    let signals = Signals::listen().context("failed to watch for signals")?;
    let _screen = Screen::take().context("failed to take the terminal")?;
    let began = Instant::now();
    let mut player = player(recording, args);
    loop {
        let now = began.elapsed();
        let wait = match player.poll(now) {
            Next::Write(bytes) => match write(&bytes) {
                // Keys and signals come first, however much there is to show.
                Ok(()) => Some(Duration::ZERO),
                Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(BY_SIGNAL + HANGUP),
                Err(error) => return Err(error).context("failed to write to the terminal"),
            },
            Next::WaitUntil(at) => Some(at.saturating_sub(now)),
            Next::WaitForKey | Next::Ended => None,
            Next::Quit => return Ok(shared::OK),
        };
        if let Some(code) = attend(&mut player, &signals, began, wait)? {
            return Ok(code);
        }
    }
}

fn player(recording: Cast, args: &ReplayArgs) -> Player {
    let idle_limit = Duration::from_secs_f64(args.idle_limit.clamp(0.0, 3600.0));
    let mut player = Player::new(recording, size(), Some(idle_limit), Duration::ZERO).with_status();
    // The player's speeds are powers of two: the nearest is taken.
    let mut speed = args.speed;
    while !(0.7..=1.42).contains(&speed) {
        player.handle_key(if speed > 1.0 { Key::Faster } else { Key::Slower }, Duration::ZERO);
        speed = if speed > 1.0 { speed / 2.0 } else { speed * 2.0 };
    }
    if args.start > 0.0 {
        player.seek(Duration::from_secs_f64(args.start.min(1e9)), Duration::ZERO);
    }
    player
}

/// The terminal's size; a terminal that does not know it counts as 80 by 24.
fn size() -> Size {
    let known = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or(Size::new(80, 24), |size| Size::new(size.ws_col.into(), size.ws_row.into()))
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Waits for a key or a signal, or until the time is up; returns the exit code when it is over.
fn attend(player: &mut Player, signals: &Signals, began: Instant, wait: Option<Duration>) -> anyhow::Result<Option<u8>> {
    let wait = wait.map(|wait| Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    });
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&signals.heard, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut fds, wait.as_ref()) {
        Ok(_) => {}
        // Whatever interrupted it will be heard.
        Err(Errno::INTR) => return Ok(None),
        Err(error) => return Err(error).context("failed to wait for a key"),
    }
    let [signalled, pressed] = fds.map(|fd| !fd.revents().is_empty());
    if signalled {
        for number in signals.taken() {
            match number {
                number if Signals::ENDS.map(raw).contains(&number) => return Ok(Some(BY_SIGNAL + number)),
                // Another size.
                _ => player.handle_resize(size()),
            }
        }
    }
    if pressed { press(player, began.elapsed()) } else { Ok(None) }
}

/// Takes what was typed; a terminal that is gone ends the replay as its signal does.
fn press(player: &mut Player, now: Duration) -> anyhow::Result<Option<u8>> {
    let mut bytes = [0; 64];
    let count = match rustix::io::read(io::stdin(), &mut bytes) {
        Ok(0) | Err(Errno::IO) => return Ok(Some(BY_SIGNAL + HANGUP)),
        Err(Errno::INTR | Errno::AGAIN) => return Ok(None),
        read => read.context("failed to read a key")?,
    };
    let mut rest = &bytes[..count];
    while let Some((key, used)) = Key::read(rest) {
        player.handle_key(key, now);
        rest = &rest[used..];
    }
    Ok(None)
}

/// The signals that came, where one waits for keys.
struct Signals {
    heard: UnixStream,
}

impl Signals {
    /// Those that end the replay.
    const ENDS: [SignalKind; 4] = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()];

    /// Begins to listen, as long as the process lives.
    fn listen() -> io::Result<Self> {
        let (heard, told) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        told.set_nonblocking(true)?;
        for kind in Self::ENDS.into_iter().chain([SignalKind::window_change()]) {
            let (mut signal, told) = (signal(kind)?, told.try_clone()?);
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    // Full only of signals that were not looked at yet: one of them is enough.
                    let _ = (&told).write(&[raw(kind)]);
                }
            });
        }
        Ok(Self { heard })
    }

    fn taken(&self) -> Vec<u8> {
        let mut numbers = [0; 64];
        let count = (&self.heard).read(&mut numbers).unwrap_or_default();
        numbers[..count].to_vec()
    }
}

fn raw(kind: SignalKind) -> u8 {
    u8::try_from(kind.as_raw_value()).unwrap_or_default()
}

/// The terminal, raw and on its alternate screen; given back on drop, and before a panic is told.
struct Screen {
    before: Termios,
}

impl Screen {
    fn take() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        let (told, of_panic) = (std::panic::take_hook(), before.clone());
        std::panic::set_hook(Box::new(move |panic| {
            give_back(&of_panic);
            told(panic);
        }));
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        let screen = Self { before };
        write(b"\x1b[?1049h\x1b[H\x1b[2J")?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back(&self.before);
    }
}

fn give_back(before: &Termios) {
    let _ = write(b"\x1b[?25h\x1b[0m\x1b[?1049l");
    let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
}

//! The user's terminal: three states, and back to what it was on every way out.
//!
//! *Guarded*: only the keys that make signals are off, so that Ctrl-C does not end the parent `boundary`. *Waiting*: no line
//! editing and no echo, status lines are normal text. *Raw*: the terminal belongs to the remote program. Each state is entered
//! only while we are the foreground group, and [`restore`] is called by the guard's drop, by the panic hook and before a stop.

use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

/// The user's own mode, while ours is in force; the panic hook needs it from anywhere.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// Makes a fault of ours in any thread end the program: the terminal comes back, the fault is told, and the exit code is that
/// of our own failure, not the 101 that a remote command could have returned as well. Nothing unwinds, so that release builds
/// carry no code for it.
pub(crate) fn end_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        tell(info);
        std::process::exit(i32::from(cli_kit::exit::OWN_FAILURE));
    }));
}

/// What the terminal is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the user had it.
    User,
    /// No signals from keys.
    Guarded,
    /// No signals, no line editing, no echo; output as usual.
    Waiting,
    /// Every byte as it is, both ways.
    Raw,
}

/// Standard input as a terminal. Restores it when dropped.
#[derive(Debug)]
pub(crate) struct Terminal {
    managed: bool,
    wanted: Mode,
    applied: Mode,
}

impl Terminal {
    /// Takes note of the user's mode, when standard input is a terminal and `manage` says that we may change it.
    pub(crate) fn new(manage: bool) -> Self {
        let managed = manage && io::stdin().is_terminal();
        Self { managed, wanted: Mode::User, applied: Mode::User }
    }

    /// Whether there is a terminal that we manage.
    pub(crate) fn is_managed(&self) -> bool {
        self.managed
    }

    /// Enters a mode, at once or, from the background, as soon as [`Terminal::reenter`] finds us in front again.
    pub(crate) fn enter(&mut self, mode: Mode) {
        self.wanted = mode;
        self.reenter();
    }

    /// Applies the wanted mode if we are in the foreground; returns whether it is in force.
    pub(crate) fn reenter(&mut self) -> bool {
        if !self.managed {
            return true;
        }
        if !in_foreground() {
            return false;
        }
        match self.wanted {
            Mode::User => restore(),
            mode => apply(mode),
        }
        self.applied = self.wanted;
        true
    }

    /// The mode that is wanted.
    pub(crate) fn mode(&self) -> Mode {
        self.wanted
    }

    /// Gives the terminal back for a while, without forgetting which mode is wanted.
    pub(crate) fn lend(&mut self) {
        if self.managed && in_foreground() {
            restore();
            self.applied = Mode::User;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.managed && in_foreground() {
            restore();
        }
    }
}

/// Sets the terminal back to the user's mode; does nothing when it is there already.
pub(crate) fn restore() {
    let saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(termios) = saved {
        // The terminal may be gone (hang-up): there is then nothing to restore.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &termios);
    }
}

/// The size of the terminal, from standard output or input: columns, rows.
pub(crate) fn size() -> Option<(u32, u32)> {
    let of = |size: rustix::termios::Winsize| (u32::from(size.ws_col), u32::from(size.ws_row));
    let size = rustix::termios::tcgetwinsize(io::stdout()).or_else(|_| rustix::termios::tcgetwinsize(io::stdin())).map(of);
    size.ok().filter(|(columns, rows)| *columns > 0 && *rows > 0)
}

/// The size to tell when there is no terminal of ours: `COLUMNS` and `LINES`, else 80 by 24.
pub(crate) fn size_or_default() -> (u32, u32) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u16>().ok()).filter(|n| *n > 0).map(u32::from);
    size().unwrap_or_else(|| (number("COLUMNS").unwrap_or(80), number("LINES").unwrap_or(24)))
}

/// Whether our process group is the terminal's foreground group.
pub(crate) fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn apply(mode: Mode) {
    let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(current) = tcgetattr(io::stdin()) else { return };
    let original = saved.get_or_insert(current);
    let mut termios = original.clone();
    match mode {
        Mode::User => {}
        Mode::Guarded => termios.local_flags.remove(LocalFlags::ISIG),
        Mode::Waiting => {
            termios.local_flags.remove(LocalFlags::ISIG | LocalFlags::ICANON | LocalFlags::ECHO);
            termios.output_flags.insert(OutputFlags::OPOST);
        }
        Mode::Raw => cfmakeraw(&mut termios),
    }
    let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &termios);
}

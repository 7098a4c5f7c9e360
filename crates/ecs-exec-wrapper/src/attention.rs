//! Listens to the user while the stages in front of the session work: signals always, keys in the waiting state.
//!
//! Keys are kept for the shell; a Ctrl-C that comes alone cancels, as does `~.`.

use crate::boundary::{BoundarySession, listener_is_gone};
use crate::ending::Ending;
use crate::escape::{Command, Escapes};
use crate::input::{Input, Read};
use crate::settings::{Route, Settings};
use crate::signals::Taken;
use crate::terminal::{Mode, Terminal};
use std::pin::pin;
use tokio::sync::mpsc::UnboundedReceiver;

/// Keys kept for the shell, in bytes; beyond, they stay in the terminal.
const KEPT_MAX: usize = 8 * 1024;

const SIGTERM: u8 = 15;

/// Everything that the user reaches us by.
#[derive(Debug)]
pub(crate) struct Attention {
    /// The signal thread's end.
    pub(crate) signals: UnboundedReceiver<Taken>,
    /// The terminal.
    pub(crate) terminal: Terminal,
    /// The reader of standard input, once it runs.
    pub(crate) input: Option<Input>,
    /// Where in a line the user is.
    pub(crate) escapes: Escapes,
    /// Keys for the shell.
    pub(crate) kept: Vec<u8>,
    route: Route,
    /// The Boundary session, as far as it is known.
    pub(crate) boundary: BoundarySession,
}

impl Attention {
    /// Begins without reading keys.
    pub(crate) fn new(signals: UnboundedReceiver<Taken>, terminal: Terminal, settings: &Settings) -> Self {
        let (route, boundary) = (settings.route, settings.boundary.clone());
        Self {
            signals,
            terminal,
            input: None,
            escapes: Escapes::new(settings.escape.filter(|_| settings.io.interactive)),
            kept: Vec::new(),
            route,
            boundary,
        }
    }

    /// From here on keys are read (when there is a terminal that we manage), and a lone Ctrl-C cancels.
    ///
    /// # Errors
    /// When the reading thread cannot be started.
    pub(crate) fn start_waiting(&mut self) -> std::io::Result<()> {
        if self.terminal.is_managed() {
            self.terminal.enter(Mode::Waiting);
            self.input = Some(Input::start()?);
        }
        Ok(())
    }

    /// Works until done, or until the user or a signal ends it.
    ///
    /// # Errors
    /// The ending that was asked for; the work is then dropped.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ending> {
        let mut work = pin!(work);
        loop {
            let wants_keys = self.kept.len() < KEPT_MAX;
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                signal = self.signals.recv() => self.take_signal(signal)?,
                read = next_read(self.input.as_mut()), if wants_keys => self.take_read(read)?,
            }
        }
    }

    fn take_signal(&mut self, signal: Option<Taken>) -> Result<(), Ending> {
        match signal {
            Some(Taken::End(2)) => Err(Ending::canceled()),
            Some(Taken::End(SIGTERM)) if self.boundary_is_gone() => {
                Err(self.boundary.ended("its proxy has ended before the session was ready"))
            }
            Some(Taken::End(number)) => {
                Err(Ending::signal(number, format!("ended by signal {number} before the session was ready")))
            }
            Some(Taken::Suspend) => {
                suspend(&mut self.terminal);
                Ok(())
            }
            Some(Taken::Continued) => {
                self.terminal.reenter();
                Ok(())
            }
            Some(Taken::Resize) | None => Ok(()),
        }
    }

    /// Boundary ends its child when its proxy ends: then the proxy is the reason, not the signal.
    fn boundary_is_gone(&self) -> bool {
        matches!(self.route, Route::Boundary(listener) if listener_is_gone(listener))
    }

    fn take_read(&mut self, read: Read) -> Result<(), Ending> {
        let Read::Bytes(bytes) = read else {
            self.input = None;
            return Ok(());
        };
        if bytes == [0x03] {
            return Err(Ending::canceled());
        }
        match self.escapes.feed(&bytes, &mut self.kept).first() {
            Some(Command::Disconnect) => Err(Ending::canceled()),
            Some(Command::Suspend) => {
                suspend(&mut self.terminal);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Stops the whole process group, the parent `boundary` with it, with the terminal in the user's mode meanwhile.
pub(crate) fn suspend(terminal: &mut Terminal) {
    terminal.lend();
    // Stops here until somebody continues the group; SIGCONT then reaches the signal thread.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(0), nix::sys::signal::Signal::SIGSTOP);
    terminal.reenter();
}

/// The next read, or never when nothing is read.
pub(crate) async fn next_read(input: Option<&mut Input>) -> Read {
    match input {
        Some(input) => input.next().await,
        None => std::future::pending().await,
    }
}

//! Signals, taken by one thread and handed on as values.
//!
//! All of them are blocked before the first thread starts, so every thread inherits that and no system call of ours is ever
//! interrupted. After the first SIGTERM no further one is taken: `boundary` sends it in a tight loop until we are gone, and a
//! blocked signal that is pending already costs nothing.

use nix::sys::signal::{SigSet, Signal};
use std::io;
use tokio::sync::mpsc;

/// What a signal means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// End: INT, TERM, HUP or QUIT, with its number.
    End(u8),
    /// The window has another size.
    Resize,
    /// Suspend, asked from outside.
    Suspend,
    /// Continued after a stop.
    Continued,
}

const ENDS: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// Blocks every signal that this module takes, and those that a background process gets for touching the terminal.
///
/// Must be called before the first thread starts. Children that the standard library starts get an empty mask again.
///
/// # Errors
/// The system's, which never happened to anybody.
pub(crate) fn block() -> io::Result<()> {
    let mut set = taken(true);
    // Setting the terminal's mode from the background must not stop us in the middle of a clean-up.
    set.add(Signal::SIGTTOU);
    set.add(Signal::SIGTTIN);
    set.thread_block().map_err(io::Error::from)
}

/// Starts the thread that takes the signals. It lives as long as the process.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start() -> io::Result<mpsc::UnboundedReceiver<Taken>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("signals".to_owned()).stack_size(64 * 1024).spawn(move || {
        let mut set = taken(true);
        while let Ok(signal) = set.wait() {
            if signal == Signal::SIGTERM {
                set = taken(false);
            }
            if sender.send(meaning(signal)).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

fn taken(with_term: bool) -> SigSet {
    let mut set = SigSet::empty();
    for signal in ENDS.into_iter().chain([Signal::SIGWINCH, Signal::SIGTSTP, Signal::SIGCONT]) {
        if with_term || signal != Signal::SIGTERM {
            set.add(signal);
        }
    }
    set
}

fn meaning(signal: Signal) -> Taken {
    match signal {
        Signal::SIGWINCH => Taken::Resize,
        Signal::SIGTSTP => Taken::Suspend,
        Signal::SIGCONT => Taken::Continued,
        other => Taken::End(u8::try_from(other as i32).unwrap_or(u8::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_first_term_only_the_others_are_taken() {
        assert!(taken(true).contains(Signal::SIGTERM));
        assert!(!taken(false).contains(Signal::SIGTERM) && taken(false).contains(Signal::SIGINT));
    }

    #[test]
    fn numbers_are_the_systems() {
        assert_eq!(meaning(Signal::SIGTERM), Taken::End(15));
        assert_eq!(meaning(Signal::SIGHUP), Taken::End(1));
    }
}

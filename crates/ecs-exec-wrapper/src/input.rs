//! Reads standard input: a terminal in the loop itself, anything else on a thread of its own.
//!
//! A key then reaches the loop without a change of threads. `poll` and `read` on a plain thread work for pipes, files and
//! /dev/null alike. Neither sets a flag on a descriptor that we share with our parent, and both can be stopped: what is typed
//! after the session's end is the local shell's, not ours.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;

/// The most that one read takes, in bytes: enough for pipes.
pub(crate) const READ_MAX: usize = 16 * 1024;

/// The same for a terminal, which never has more ready.
const TERMINAL_READ_MAX: usize = 4 * 1024;

/// How often a read from the background is tried again.
const BACKGROUND_RETRY: Duration = Duration::from_millis(200);

/// One read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The end of input, or an error that means the same.
    End,
}

/// The running reader.
#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The terminal, opened anew, so that the flags of the descriptor that we share with our parent stay as they are.
    Terminal(Receiver),
    /// A thread that reads the descriptor itself. Closing `_stop` ends it.
    Thread { reads: mpsc::Receiver<Read>, _stop: OwnedFd },
    /// Nothing is read any more.
    Stopped,
}

impl Input {
    /// Starts reading. Must be called on the runtime.
    ///
    /// # Errors
    /// When the thread or its wake pipe cannot be made.
    pub(crate) fn start() -> io::Result<Self> {
        let source = match own_terminal(&io::stdin(), OFlag::O_RDONLY).map(Receiver::from_owned_fd_unchecked) {
            Some(Ok(terminal)) => Source::Terminal(terminal),
            _ => start_thread()?,
        };
        Ok(Self { source })
    }

    /// The next read; pends for ever after the end or a stop. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Read {
        let read = match &mut self.source {
            Source::Terminal(terminal) => read_terminal(terminal).await,
            Source::Thread { reads, .. } => reads.recv().await.unwrap_or(Read::End),
            Source::Stopped => std::future::pending().await,
        };
        if read == Read::End {
            self.source = Source::Stopped;
        }
        read
    }

    /// Stops reading; what is not read yet stays for others.
    pub(crate) fn stop(&mut self) {
        self.source = Source::Stopped;
    }
}

/// Opens a terminal once more, without waiting; none when the descriptor is no terminal or cannot be opened.
pub(crate) fn own_terminal(fd: &(impl AsFd + AsRawFd), access: OFlag) -> Option<OwnedFd> {
    if !rustix::termios::isatty(fd) {
        return None;
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    nix::fcntl::open(path.as_str(), flags, nix::sys::stat::Mode::empty()).ok()
}

/// The read happens in the poll that returns it, so a dropped call has taken nothing.
async fn read_terminal(terminal: &Receiver) -> Read {
    let mut buffer = [0; TERMINAL_READ_MAX];
    loop {
        if terminal.readable().await.is_err() {
            return Read::End;
        }
        match terminal.try_read(&mut buffer) {
            Ok(0) => return Read::End,
            Ok(count) => return Read::Bytes(buffer[..count].to_vec()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) if is_in_background(&error) => tokio::time::sleep(BACKGROUND_RETRY).await,
            Err(_) => return Read::End,
        }
    }
}

/// In the background a terminal refuses to be read; it may come to the front again.
fn is_in_background(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EIO as i32) && !crate::terminal::in_foreground()
}

fn start_thread() -> io::Result<Source> {
    let (woken, stop) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (sender, reads) = mpsc::channel(1);
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("input".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || read_all(&runtime, &woken, &sender))?;
    Ok(Source::Thread { reads, _stop: stop })
}

fn read_all(runtime: &tokio::runtime::Handle, woken: &OwnedFd, reads: &mpsc::Sender<Read>) {
    let stdin = io::stdin();
    loop {
        // Room first: nothing is taken from the terminal that nobody wants.
        let Ok(permit) = tokio::runtime::Handle::block_on(runtime, reads.reserve()) else { return };
        let mut fds = [PollFd::new(woken.as_fd(), PollFlags::POLLIN), PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        if fds[0].revents().is_some_and(|events| !events.is_empty()) {
            return;
        }
        let mut buffer = vec![0; READ_MAX];
        match nix::unistd::read(&stdin, &mut buffer) {
            Ok(0) => return permit.send(Read::End),
            Ok(count) => {
                buffer.truncate(count);
                permit.send(Read::Bytes(buffer));
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) if is_in_background(&error.into()) && rustix::termios::isatty(&stdin) => {
                std::thread::sleep(BACKGROUND_RETRY);
            }
            Err(_) => return permit.send(Read::End),
        }
    }
}

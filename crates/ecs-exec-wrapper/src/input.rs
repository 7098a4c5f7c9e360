//! Reads standard input on a thread of its own.
//!
//! `poll` and `read` on a plain thread work for terminals, pipes, files and /dev/null alike, need no flag on a descriptor that
//! we share with our parent, and can be stopped: what is typed after the session's end is the local shell's, not ours.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::sync::mpsc;

/// The most that one read takes, in bytes: enough for pipes; a terminal never has more than 4 KiB ready.
pub(crate) const READ_MAX: usize = 16 * 1024;

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
    reads: mpsc::Receiver<Read>,
    /// Closing it stops the thread.
    stop: Option<OwnedFd>,
}

impl Input {
    /// Starts reading. Must be called on the runtime.
    ///
    /// # Errors
    /// When the thread or its wake pipe cannot be made.
    pub(crate) fn start() -> io::Result<Self> {
        let (woken, stop) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let (sender, reads) = mpsc::channel(1);
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("input".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || read_all(&runtime, &woken, &sender))?;
        Ok(Self { reads, stop: Some(stop) })
    }

    /// The next read; pends for ever after the end or a stop. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Read {
        match self.reads.recv().await {
            Some(read) => read,
            None => std::future::pending().await,
        }
    }

    /// Stops reading; what is not read yet stays for others.
    pub(crate) fn stop(&mut self) {
        self.stop = None;
        self.reads.close();
    }
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
            // In the background a terminal refuses to be read; it may come to the front again.
            Err(Errno::EIO) if !crate::terminal::in_foreground() && rustix::termios::isatty(&stdin) => {
                std::thread::sleep(BACKGROUND_RETRY);
            }
            Err(_) => return permit.send(Read::End),
        }
    }
}

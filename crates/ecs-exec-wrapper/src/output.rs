//! Writes to standard output and standard error, each on a thread of its own; what a terminal takes at once needs none.
//!
//! A terminal that is stopped or slow blocks only its thread: the data channel goes on being acknowledged. What is queued is
//! counted, so that the pump can stop reading the channel before memory fills.

use crate::input::own_terminal;
use bytes::{Buf, Bytes};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Queued bytes above which the pump stops reading the data channel.
pub(crate) const QUEUE_FULL: usize = 8 * 1024 * 1024;

/// Bytes joined into one write: many small messages become few system calls.
const WRITE_JOIN: usize = 64 * 1024;

/// The most that is tried at once: an echo or a line. More is joined by the thread into fewer writes.
const DIRECT_MAX: usize = 512;

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

#[derive(Debug, Default)]
struct Shared {
    queued: AtomicUsize,
    broken: AtomicBool,
    changed: Notify,
}

/// A writer for one stream.
#[derive(Debug)]
pub(crate) struct Output {
    /// The terminal, opened anew so that a write never waits.
    direct: Option<OwnedFd>,
    queue: Option<mpsc::Sender<Bytes>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Output {
    /// Starts the writer.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub(crate) fn start(stream: Stream) -> io::Result<Self> {
        let (queue, bytes) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(128 * 1024)
            .spawn(move || write_all(stream, &bytes, &of_thread))?;
        let direct = match stream {
            Stream::Stdout => own_terminal(&io::stdout(), OFlag::O_WRONLY),
            Stream::Stderr => own_terminal(&io::stderr(), OFlag::O_WRONLY),
        };
        Ok(Self { direct, queue: Some(queue), shared, thread: Some(thread) })
    }

    /// Writes bytes or queues them; those after a write error are dropped.
    pub(crate) fn push(&self, mut bytes: Bytes) {
        if bytes.is_empty() || self.is_broken() {
            return;
        }
        if bytes.len() <= DIRECT_MAX && self.is_idle() {
            bytes.advance(self.write_at_once(&bytes));
            if bytes.is_empty() {
                return;
            }
        }
        self.shared.queued.fetch_add(bytes.len(), Ordering::AcqRel);
        if let Some(queue) = &self.queue {
            // The thread ends only after this sender is gone.
            let _ = queue.send(bytes);
        }
    }

    /// Writes what the terminal takes without waiting and returns how much that was. Its errors are left to the thread, which
    /// meets them again.
    fn write_at_once(&self, bytes: &[u8]) -> usize {
        self.direct.as_ref().and_then(|terminal| nix::unistd::write(terminal, bytes).ok()).unwrap_or(0)
    }

    /// Whether the thread has written everything that came before.
    fn is_idle(&self) -> bool {
        self.shared.queued.load(Ordering::Acquire) == 0
    }

    /// Whether so much is queued that no more should be read.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.queued.load(Ordering::Acquire) > QUEUE_FULL
    }

    /// Whether nobody reads the other end any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Acquire)
    }

    /// Waits until a full queue has drained some, or the stream broke. Cancel-safe.
    pub(crate) async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Writes what is queued, for at most `limit`; returns whether all of it was written.
    pub(crate) fn finish(mut self, limit: Option<Duration>) -> bool {
        self.queue = None;
        let Some(thread) = self.thread.take() else { return true };
        let until = limit.map(|limit| Instant::now() + limit);
        while !thread.is_finished() {
            if until.is_some_and(|until| Instant::now() >= until) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        !self.is_broken()
    }
}

fn write_all(stream: Stream, queue: &mpsc::Receiver<Bytes>, shared: &Shared) {
    let mut joined = Vec::new();
    while let Ok(first) = queue.recv() {
        let mut length = first.len();
        let next = queue.try_recv().ok();
        let result = match next {
            None => write(stream, &first),
            Some(second) => {
                joined.clear();
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&second);
                while joined.len() < WRITE_JOIN {
                    let Ok(more) = queue.try_recv() else { break };
                    joined.extend_from_slice(&more);
                }
                length = joined.len();
                write(stream, &joined)
            }
        };
        if result.is_err() {
            shared.broken.store(true, Ordering::Release);
        }
        let before = shared.queued.fetch_sub(length, Ordering::AcqRel);
        if before > QUEUE_FULL || result.is_err() {
            shared.changed.notify_one();
        }
    }
}

/// Writes everything, also when somebody made the descriptor non-blocking.
fn write(stream: Stream, mut bytes: &[u8]) -> nix::Result<()> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let fd: BorrowedFd<'_> = if stream == Stream::Stdout { stdout.as_fd() } else { stderr.as_fd() };
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! A program under a PTY whose output is read away at once, with a look at the clock. It keeps only the end of what was shown.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pty_process::blocking::{Command, Pty};

/// Nothing that is measured takes longer.
const LIMIT: Duration = Duration::from_secs(40);
/// How much of what was shown is kept, bytes.
const KEPT: usize = 2048;
const READ_MAX: usize = 64 * 1024;

/// A running program.
pub(crate) struct Seat {
    child: Child,
    pty: Pty,
    /// Just before the program was started.
    pub(crate) started: Instant,
    /// The end of what was shown after the mark that was waited for last.
    tail: Vec<u8>,
    buffer: Vec<u8>,
}

impl Seat {
    pub(crate) fn start(command: Command) -> anyhow::Result<Self> {
        let (pty, pts) = pty_process::blocking::open().context("failed to open a pty")?;
        pty.resize(pty_process::Size::new(24, 80)).context("failed to size the pty")?;
        let started = Instant::now();
        let child = command.spawn(pts).context("failed to start the program")?;
        Ok(Self { child, pty, started, tail: Vec::new(), buffer: vec![0; READ_MAX] })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the last thing shown is the shell's prompt.
    pub(crate) fn expect_prompt(&mut self) -> anyhow::Result<()> {
        self.read_until(|tail| tail.ends_with(b"# ") || tail.ends_with(b"$ "))
    }

    /// Waits for a mark; what comes with it after it stays for the next wait.
    pub(crate) fn expect(&mut self, mark: &str) -> anyhow::Result<()> {
        self.read_until(|tail| end_of(tail, mark).is_some())?;
        self.take_up_to(mark);
        Ok(())
    }

    pub(crate) fn type_line(&mut self, line: &str) -> anyhow::Result<()> {
        self.type_bytes(format!("{line}\r").as_bytes())
    }

    pub(crate) fn type_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.pty.write_all(bytes).context("failed to type")
    }

    /// Types what the terminal cannot take at once, reading meanwhile, until a mark is shown.
    pub(crate) fn paste_until(&mut self, bytes: &[u8], mark: &str) -> anyhow::Result<()> {
        let (pty, buffer, tail) = (&self.pty, &mut self.buffer, &mut self.tail);
        std::thread::scope(|scope| {
            let typing = scope.spawn(move || {
                let mut pty = pty;
                pty.write_all(bytes)
            });
            // A program that reads no more holds the typing thread until it ends.
            let shown = read_until(pty, buffer, tail, |tail| end_of(tail, mark).is_some());
            shown.and_then(|()| typing.join().map_or_else(|_| bail!("typing ended"), |typed| Ok(typed?)))
        })?;
        self.take_up_to(mark);
        Ok(())
    }

    pub(crate) fn resize(&self, cols: u16, rows: u16) -> anyhow::Result<()> {
        self.pty.resize(pty_process::Size::new(rows, cols)).context("failed to resize the pty")
    }

    /// Reads until the program closes the terminal, then waits for it.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let _ended = self.read_until(|_| false);
        let until = Instant::now() + LIMIT;
        while self.child.try_wait().context("failed to wait for the program")?.is_none() {
            if Instant::now() > until {
                bail!("the program did not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn take_up_to(&mut self, mark: &str) {
        let end = end_of(&self.tail, mark).unwrap_or_default();
        self.tail.drain(..end);
    }

    fn read_until(&mut self, shown: impl Fn(&[u8]) -> bool) -> anyhow::Result<()> {
        read_until(&self.pty, &mut self.buffer, &mut self.tail, shown)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Closing the terminal hangs up on what the program has started.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_until(mut pty: &Pty, buffer: &mut [u8], tail: &mut Vec<u8>, shown: impl Fn(&[u8]) -> bool) -> anyhow::Result<()> {
    let until = Instant::now() + LIMIT;
    while !shown(tail) {
        if !has_more(pty, until)? {
            bail!("what was waited for did not come; shown last: {}", String::from_utf8_lossy(tail).escape_debug());
        }
        match pty.read(buffer) {
            Ok(length @ 1..) => keep(tail, &buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A PTY says EIO when its last program is gone.
            _ => bail!("the program ended; shown last: {}", String::from_utf8_lossy(tail).escape_debug()),
        }
    }
    Ok(())
}

fn has_more(pty: &Pty, until: Instant) -> anyhow::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pty.as_fd(), PollFlags::POLLIN)], timeout) {
            // A child of the world has ended.
            Err(Errno::EINTR) => {}
            ready => return Ok(ready.context("failed to wait for output")? > 0),
        }
    }
}

fn end_of(shown: &[u8], mark: &str) -> Option<usize> {
    let at = shown.windows(mark.len()).position(|window| window == mark.as_bytes())?;
    Some(at + mark.len())
}

fn keep(tail: &mut Vec<u8>, fresh: &[u8]) {
    tail.extend_from_slice(&fresh[fresh.len().saturating_sub(KEPT)..]);
    let surplus = tail.len().saturating_sub(KEPT);
    tail.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_comes_in_pieces_is_seen() {
        let mut seat = Seat::start(Command::new("sh").args(["-c", "printf EN; sleep 0.05; printf 'D!'; read x"])).unwrap();
        seat.expect("END!").unwrap();
        seat.type_line("").unwrap();
        seat.finish().unwrap();
    }

    #[test]
    fn a_prompt_that_comes_with_the_mark_is_seen() {
        let mut seat = Seat::start(Command::new("sh").args(["-c", "printf 'END!# '; read x"])).unwrap();
        seat.expect("END!").unwrap();
        seat.expect_prompt().unwrap();
        seat.type_line("").unwrap();
        seat.finish().unwrap();
    }

    #[test]
    fn a_program_that_ends_early_is_told_with_its_last_words() {
        let mut seat = Seat::start(Command::new("sh").args(["-c", "printf gone"])).unwrap();
        let error = seat.expect("END!").unwrap_err().to_string();
        assert!(error.contains("ended") && error.contains("gone"), "{error}");
    }

    #[test]
    fn only_the_end_of_what_was_shown_is_kept() {
        let mut tail = vec![b'a'; KEPT];
        keep(&mut tail, b"END!");
        assert_eq!(tail.len(), KEPT);
        assert!(tail.ends_with(b"aEND!"));
    }
}

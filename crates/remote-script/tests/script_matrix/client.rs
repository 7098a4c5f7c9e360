//! The agent's and the client's part: a pseudo-terminal of size 0x0, READY, size, input, confirmation.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pty_process::blocking::{Command, Pty};
use remote_script::{
    CommandMark, Exit, InputEncoder, Launch, Mode, Nonce, PipeDecoder, PipeEncoding, PipeItem, Program, Ready, ScanItem, Scanner,
    Stream, confirmation, split_like_agent,
};

use crate::shells::Shell;

/// Far above anything seen; only a hang reaches it.
const WATCHDOG: Duration = Duration::from_mins(4);

/// One run of the script, seen from outside.
pub(crate) struct Client {
    pty: Pty,
    child: Child,
    nonce: Nonce,
    scanner: Scanner,
    mode: Mode,
    encoder: InputEncoder,
    decoder: PipeDecoder,
    to_send: VecDeque<u8>,
    pub(crate) confirms: bool,
    pub(crate) size: Option<(u16, u16)>,
    pub(crate) seen: Seen,
    started: Instant,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) preface: Vec<u8>,
    pub(crate) ready: Option<Ready>,
    /// Everything in terminal mode, stdout with pipes.
    pub(crate) output: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) garbage: Vec<u8>,
    pub(crate) commands: Vec<CommandMark>,
    pub(crate) exit: Option<Exit>,
    pub(crate) status: Option<i32>,
    pub(crate) took: Duration,
    pub(crate) confirmed: bool,
    closed: bool,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    pub(crate) fn code(&self) -> Option<u8> {
        self.exit.map(|exit| exit.code)
    }
}

/// Makes a launch as root of the given program; an empty argv is the login shell.
pub(crate) fn launch(mode: Mode, argv: &[&str]) -> Launch {
    static COUNTER: AtomicU8 = AtomicU8::new(1);
    let program = match argv {
        [] => Program::LoginShell,
        argv => Program::Argv(argv.iter().map(|word| (*word).to_owned()).collect()),
    };
    Launch {
        nonce: Nonce::new([COUNTER.fetch_add(1, Ordering::Relaxed); 16]),
        mode,
        user: current_user(),
        env: Vec::new(),
        boundary_session_id: Some("s_1234567890".to_owned()),
        program,
        mark_commands: false,
    }
}

pub(crate) fn current_user() -> String {
    this_user().name
}

pub(crate) fn current_home() -> String {
    this_user().dir.display().to_string()
}

fn this_user() -> nix::unistd::User {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    user.expect("a user database").expect("a name for this user")
}

/// Starts a terminal session.
pub(crate) fn terminal(shell: &Shell, argv: &[&str]) -> Client {
    Client::start(shell, &launch(Mode::Terminal, argv))
}

/// Starts a session with base64 pipes.
pub(crate) fn piped(shell: &Shell, argv: &[&str]) -> Client {
    Client::start(shell, &launch(Mode::Pipes(PipeEncoding::Base64), argv))
}

/// Returns the words that the agent makes of a launch.
pub(crate) fn words_of(launch: &Launch) -> Vec<String> {
    let line = launch.command_line().expect("a valid launch");
    split_like_agent(&line).expect("the agent splits it")
}

impl Client {
    pub(crate) fn start(shell: &Shell, launch: &Launch) -> Self {
        Self::start_as(None, shell, launch)
    }

    /// Starts the script itself as a user who is not root, as where a task definition names one.
    pub(crate) fn start_as(ids: Option<(u32, u32)>, shell: &Shell, launch: &Launch) -> Self {
        Self::start_words(ids, shell, launch, &words_of(launch))
    }

    /// Starts these words in place of the launch's own.
    pub(crate) fn start_words(ids: Option<(u32, u32)>, shell: &Shell, launch: &Launch, argv: &[String]) -> Self {
        // One at a time: another thread's child must not inherit this terminal.
        static SPAWN: Mutex<()> = Mutex::new(());
        let _one = SPAWN.lock().expect("no panic while held");
        let (pty, pts) = pty_process::blocking::open().expect("a terminal");
        let mut command = Command::new(crate::shells::which(&argv[0]).expect("env"));
        if let Some((uid, gid)) = ids {
            command = command.uid(uid).gid(gid);
        }
        let child = command
            .args(&argv[1..])
            .env_clear()
            .envs([("PATH", shell.path.as_str()), ("TERM", "xterm-256color"), ("LANG", "C.UTF-8")])
            .current_dir("/")
            .spawn(pts)
            .expect("starts");
        let flags = fcntl(&pty, FcntlArg::F_GETFL).expect("flags");
        let flags = OFlag::from_bits_truncate(flags) | OFlag::O_NONBLOCK;
        fcntl(&pty, FcntlArg::F_SETFL(flags)).expect("flags");
        let encoding = match launch.mode {
            Mode::Pipes(encoding) => encoding,
            Mode::Terminal | Mode::NoWrap => PipeEncoding::None,
        };
        Self {
            pty,
            child,
            nonce: launch.nonce.clone(),
            scanner: Scanner::new(&launch.nonce),
            mode: launch.mode,
            encoder: InputEncoder::new(encoding),
            decoder: PipeDecoder::new(),
            to_send: VecDeque::new(),
            confirms: true,
            size: Some((40, 120)),
            seen: Seen::default(),
            started: Instant::now(),
        }
    }

    /// Queues stdin or key strokes; nothing goes out before READY.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to_send.extend(self.encoder.encode(bytes));
    }

    /// Queues the end of stdin.
    pub(crate) fn end(&mut self) {
        self.to_send.extend(self.encoder.end());
    }

    /// Drops all queued input but its first bytes, as a lost client would.
    pub(crate) fn cut_input(&mut self, bytes: usize) {
        self.to_send.truncate(bytes);
    }

    /// Drives the session until the condition holds or it is closed.
    pub(crate) fn until(&mut self, mut condition: impl FnMut(&Seen) -> bool) {
        let limit = Instant::now() + WATCHDOG;
        while !self.seen.closed && !condition(&self.seen) {
            assert!(Instant::now() < limit, "hangs; so far: {:?}", self.seen.text());
            self.step();
        }
    }

    pub(crate) fn until_text(&mut self, text: &str) {
        self.until(|seen| seen.text().contains(text));
        assert!(self.seen.text().contains(text), "no {text:?} in {:?}", self.seen.text());
    }

    /// Drives the session until the terminal is closed by all who held it.
    pub(crate) fn finish(mut self) -> Seen {
        self.until(|_| false);
        self.settle()
    }

    /// Drives the session until the script has read the confirmation: jobs may still hold the terminal.
    pub(crate) fn finish_at_confirmed(mut self) -> Seen {
        self.until(|seen| seen.confirmed);
        self.settle()
    }

    fn settle(mut self) -> Seen {
        self.seen.took = self.started.elapsed();
        self.seen.status = self.child.wait().expect("a status").code();
        let Self { scanner, decoder, seen, mode, .. } = &mut self;
        scanner.flush(&mut |item| take(item, *mode, decoder, seen));
        decoder.finish(&mut |item| take_pipe(item, seen));
        self.seen
    }

    /// Returns the script's process and session id.
    pub(crate) fn session_id(&self) -> u32 {
        self.child.id()
    }

    fn step(&mut self) {
        let mut events = PollFlags::POLLIN;
        if self.may_send() {
            events |= PollFlags::POLLOUT;
        }
        let mut fds = [PollFd::new(self.pty.as_fd(), events)];
        poll(&mut fds, PollTimeout::from(100_u8)).expect("polls");
        let ready = fds[0].revents().unwrap_or(PollFlags::empty());
        if ready.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.read();
        }
        if ready.contains(PollFlags::POLLOUT) {
            self.write();
        }
    }

    fn may_send(&self) -> bool {
        self.seen.ready.is_some() && !self.to_send.is_empty()
    }

    fn read(&mut self) {
        let mut buffer = vec![0; 65536];
        let Ok(count) = (&self.pty).read(&mut buffer) else {
            self.seen.closed = true;
            return;
        };
        self.seen.closed = count == 0;
        let before = (self.seen.ready.is_some(), self.seen.exit.is_some());
        let Self { scanner, decoder, seen, mode, .. } = self;
        scanner.feed(&buffer[..count], &mut |item| take(item, *mode, decoder, seen));
        if !before.0 && self.seen.ready.is_some() {
            self.resize();
        }
        if !before.1 && self.seen.exit.is_some() {
            self.confirm();
        }
    }

    fn resize(&self) {
        if let (Mode::Terminal, Some((rows, columns))) = (self.mode, self.size) {
            self.pty.resize(pty_process::Size::new(rows, columns)).expect("resizes");
        }
    }

    /// From the exit mark on no user input is forwarded: the queue is dropped wherever it stands.
    fn confirm(&mut self) {
        self.to_send.clear();
        if self.confirms {
            self.to_send.extend(confirmation(&self.nonce));
        }
    }

    fn write(&mut self) {
        // The agent's pieces are 1024 bytes.
        let piece: Vec<u8> = self.to_send.iter().take(1024).copied().collect();
        if let Ok(count) = (&self.pty).write(&piece) {
            self.to_send.drain(..count);
        }
    }
}

fn take(item: ScanItem<'_>, mode: Mode, decoder: &mut PipeDecoder, seen: &mut Seen) {
    match item {
        ScanItem::Preface(bytes) => seen.preface.extend_from_slice(bytes),
        ScanItem::Ready(ready) => seen.ready = Some(ready),
        ScanItem::Command(mark) => seen.commands.push(mark),
        ScanItem::Exit(exit) => seen.exit = Some(exit),
        ScanItem::Confirmed => seen.confirmed = true,
        ScanItem::Output(bytes) if mode == Mode::Pipes(PipeEncoding::Base64) => {
            decoder.feed(bytes, &mut |item| take_pipe(item, seen));
        }
        ScanItem::Output(bytes) => seen.output.extend_from_slice(bytes),
    }
}

fn take_pipe(item: PipeItem, seen: &mut Seen) {
    match item {
        PipeItem::Data(Stream::Stdout, bytes) => seen.output.extend_from_slice(&bytes),
        PipeItem::Data(Stream::Stderr, bytes) => seen.stderr.extend_from_slice(&bytes),
        PipeItem::Garbage(bytes) => seen.garbage.extend_from_slice(&bytes),
    }
}

/// Waits until all processes of a session are gone, and returns the names of those that stay.
pub(crate) fn left_of(session_id: u32) -> Vec<String> {
    let limit = Instant::now() + Duration::from_secs(5);
    loop {
        let left = processes_of(session_id);
        if left.is_empty() || Instant::now() > limit {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the names of all processes of a session, zombies included.
pub(crate) fn processes_of(session_id: u32) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("a process list");
    processes.flatten().filter_map(|entry| process_in(&entry.path(), session_id)).collect()
}

fn process_in(folder: &std::path::Path, session_id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // "pid (name) state ppid pgrp session …"; the name may hold blanks.
    let (name, rest) = stat.rsplit_once(')')?;
    let session: u32 = rest.split_ascii_whitespace().nth(3)?.parse().ok()?;
    (session == session_id).then(|| name.to_owned())
}

//! `replay` on a terminal: what it shows, and that the terminal is as it was whatever ends it.

use crate::seat::Seat;
use pty_process::blocking::{Command, Pty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// Generous: only a hang reaches it.
const WATCHDOG: Duration = Duration::from_mins(1);
const KEYS: &str = "space pause";

/// The program on a terminal.
struct Played {
    pty: Pty,
    child: Child,
    seen: String,
}

impl Played {
    fn of(seat: &Seat, session: &str, arguments: &[&str]) -> Self {
        Self::words(seat, &[&["replay", session], arguments].concat(), "xterm-256color")
    }

    fn words(seat: &Seat, arguments: &[&str], terminal: &str) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let program = seat.command("state", arguments);
        let mut command =
            Command::new(program.get_program()).args(program.get_args()).env("TERM", terminal).env_remove("NO_COLOR");
        for (name, value) in program.get_envs() {
            command = match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self { pty, child: command.spawn(pts).unwrap(), seen: String::new() }
    }

    /// Reads until the text has come since the last time, and forgets what came before it.
    fn until(&mut self, text: &str) {
        let limit = Instant::now() + WATCHDOG;
        while !self.seen.contains(text) {
            assert!(Instant::now() < limit, "no {text:?} in {:?}", self.seen);
            let mut fds = [PollFd::new(&self.pty, PollFlags::IN)];
            if poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })).unwrap() > 0 {
                let mut bytes = [0; 4096];
                let count = self.pty.read(&mut bytes).unwrap_or_else(|error| panic!("{error}: {:?}", self.seen));
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        }
        self.seen = self.seen.split_once(text).unwrap().1.to_owned();
    }

    /// All that comes until it ends.
    fn all(mut self) -> String {
        let mut bytes = [0; 4096];
        while let Ok(count) = self.pty.read(&mut bytes) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        self.child.wait().unwrap();
        self.seen
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.pty).unwrap().local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn kill(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The ending, when the terminal is back on its own screen and in its own mode.
    fn given_back(mut self) -> ExitStatus {
        self.until("\u{1b}[?25h\u{1b}[0m\u{1b}[?1049l");
        let limit = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < limit, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(!self.is_raw(), "the terminal is as it was");
        status
    }
}

async fn played_seat() -> (Seat, String) {
    let seat = Seat::of("cloud_trail = 'lookup'").await;
    let session = seat.shell("seq 1 40").await;
    seat.collect();
    (seat, session)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_replay_gives_the_terminal_back() {
    let (seat, session) = played_seat().await;
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131)] {
        let mut played = Played::of(&seat, &session, &["--speed=0.1"]);
        played.until(KEYS);
        assert!(played.is_raw());
        played.kill(signal);
        let ended = played.given_back();
        assert_eq!((ended.code(), ended.signal()), (Some(code), None), "{signal:?}");
    }
    let mut played = Played::of(&seat, &session, &["--speed=0.1"]);
    played.until(KEYS);
    played.pty.write_all(b"q").unwrap();
    assert_eq!(played.given_back().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_end_one_may_go_back_and_arrive_again() {
    let (seat, session) = played_seat().await;
    let mut played = Played::of(&seat, &session, &["--speed=100"]);
    played.until("end — q quits, ← goes back");
    for _ in 0..2 {
        played.pty.write_all(b"0").unwrap();
        played.until("00:00 / ");
        played.pty.write_all(b"$").unwrap();
        played.until("end — q quits, ← goes back");
    }
    // Another size: all of it is painted anew, the last row where it then is.
    played.pty.resize(pty_process::Size::new(10, 60)).unwrap();
    played.until("\u{1b}[10;1H");
    played.until("end — q quits, ← goes back");
    played.pty.write_all(b"q").unwrap();
    assert_eq!(played.given_back().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dumb_terminal_gets_no_colours() {
    let (seat, _) = played_seat().await;
    let plain = Played::words(&seat, &["findings"], "dumb").all();
    assert!(plain.contains("BYPASS_EXEC") && !plain.contains('\u{1b}'), "{plain:?}");
    assert!(Played::words(&seat, &["findings"], "xterm-256color").all().contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_speed_of_nothing_is_wrong_usage() {
    let (seat, session) = played_seat().await;
    for wrong in ["--speed=0", "--speed=NaN", "--idle-limit=-1"] {
        assert_eq!(seat.run(&["replay", &session, wrong]).status.code(), Some(64), "{wrong}");
    }
}

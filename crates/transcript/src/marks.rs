//! The wrapper's marks and pipe frames in what was shown, and the commands that a shell marked.
//!
//! Owns how a mark is found when nobody says its nonce: the first READY mark names it. The form of marks and frames is
//! [`remote_script`]'s. Marks are the container's claims: a user can print, leave out and change every one of them.
//!
//! Two kinds of command marks are read: the wrapper's own, which carry the command's text as bash's history has it, and OSC 133,
//! which many shells print by themselves and which only tell where on the screen the command stands.

mod commands;
mod pipes;

pub use commands::{Commands, MarkedCommand, Source};
pub use pipes::{Piped, Pipes};

use remote_script::{CommandMark, Exit, Nonce, Ready, ScanItem, Scanner};
use std::fmt;

const OPENING: &[u8] = b"\x1b]7337;ecs-exec;";
const NONCE: usize = 32;

/// A READY mark comes within so many bytes of the start, or the session had no script (`--no-wrap`).
const SEARCHED: usize = 64 * 1024;

/// Tells what one stretch of a transcript is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// Bytes before READY, or all of a transcript without marks.
    Preface(&'a [u8]),
    /// The script had begun.
    Ready(Ready),
    /// The program's bytes, without marks.
    Output(&'a [u8]),
    /// A shell's mark around a command.
    Command(CommandMark),
    /// The program had ended, by the container's claim.
    Exit(Exit),
    /// The script had read the wrapper's confirmation.
    Confirmed,
}

/// Takes the marks out of a transcript, over any split.
#[derive(Clone)]
pub struct Stripper {
    state: State,
}

#[derive(Clone)]
enum State {
    /// Looking for the nonce; these bytes are held.
    Searching(Vec<u8>),
    Found(Scanner),
    /// There is none.
    Unmarked,
}

impl fmt::Debug for Stripper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Searching(_) => "searching",
            State::Found(_) => "found",
            State::Unmarked => "unmarked",
        };
        f.debug_struct("Stripper").field("state", &state).finish()
    }
}

impl Default for Stripper {
    fn default() -> Self {
        Self::new()
    }
}

impl Stripper {
    /// Makes a stripper that answers to the nonce of the first READY mark.
    pub fn new() -> Self {
        Self { state: State::Searching(Vec::new()) }
    }

    /// Makes a stripper that answers to this nonce, as CloudTrail's `ExecuteCommand` shows it; none when it is no nonce.
    pub fn with_nonce(nonce: &str) -> Option<Self> {
        Some(Self { state: State::Found(Scanner::new(&parse_nonce(nonce.as_bytes())?)) })
    }

    /// Takes the next bytes of the transcript.
    pub fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(Item<'_>)) {
        match &mut self.state {
            State::Found(scanner) => scanner.feed(bytes, &mut |item| out(item.into())),
            State::Unmarked => out(Item::Preface(bytes)),
            State::Searching(held) => {
                held.extend_from_slice(bytes);
                // A mark may have begun in what was searched before.
                let from = held.len().saturating_sub(bytes.len() + OPENING.len() + NONCE + 8);
                let found = find_nonce(&held[from..]);
                if found.is_some() || held.len() > SEARCHED {
                    self.settle(found, out);
                }
            }
        }
    }

    /// Ends the transcript.
    pub fn finish(mut self, out: &mut dyn FnMut(Item<'_>)) {
        if matches!(self.state, State::Searching(_)) {
            self.settle(None, out);
        }
        if let State::Found(scanner) = &mut self.state {
            scanner.flush(&mut |item| out(item.into()));
        }
    }

    fn settle(&mut self, nonce: Option<Nonce>, out: &mut dyn FnMut(Item<'_>)) {
        let state = nonce.map_or(State::Unmarked, |nonce| State::Found(Scanner::new(&nonce)));
        if let State::Searching(held) = std::mem::replace(&mut self.state, state)
            && !held.is_empty()
        {
            self.feed(&held, out);
        }
    }
}

impl<'a> From<ScanItem<'a>> for Item<'a> {
    fn from(item: ScanItem<'a>) -> Self {
        match item {
            ScanItem::Preface(bytes) => Self::Preface(bytes),
            ScanItem::Ready(ready) => Self::Ready(ready),
            ScanItem::Output(bytes) => Self::Output(bytes),
            ScanItem::Command(mark) => Self::Command(mark),
            ScanItem::Exit(exit) => Self::Exit(exit),
            ScanItem::Confirmed => Self::Confirmed,
        }
    }
}

/// The nonce of the first mark that says READY.
fn find_nonce(bytes: &[u8]) -> Option<Nonce> {
    let starts =
        bytes.windows(OPENING.len()).enumerate().filter(|(_, window)| *window == OPENING).map(|(at, _)| at + OPENING.len());
    starts
        .filter_map(|at| bytes[at..].split_at_checked(NONCE))
        .find(|(_, rest)| rest.starts_with(b";ready;"))
        .and_then(|(nonce, _)| parse_nonce(nonce))
}

fn parse_nonce(text: &[u8]) -> Option<Nonce> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == NONCE)?;
    let number = u128::from_str_radix(text, 16).ok()?;
    let nonce = Nonce::new(number.to_be_bytes());
    (nonce.as_str() == text).then_some(nonce)
}

//! Commands, as shells marked them.
//!
//! Owns their pairing with exit codes. Every command here has the grade *marked*: an aid, since a user can forge each mark.

use super::Item;
use crate::screen::{Bounded, Size};
use avt::observer::{ShellEvent, ShellTracker};
use remote_script::CommandMark;
use std::time::Duration;

/// Commands kept; beyond, they are only counted.
const MAX_COMMANDS: usize = 100_000;

/// Says which marks tell of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The wrapper's own marks, with the text of bash's history.
    Wrapper,
    /// OSC 133: the text is what stood on the screen.
    Osc133,
}

/// Holds one command as a shell marked it: a claim of the container.
#[derive(Clone, PartialEq, Eq)]
pub struct MarkedCommand {
    /// The command, free of controls but with its secrets: redact it before showing it. None when the shell did not say it.
    pub text: Option<String>,
    /// Whether there was more of it.
    pub cut: bool,
    /// Its exit code, when the shell said it.
    pub exit_code: Option<u8>,
    /// Its beginning in the session, when times are known.
    pub at: Option<Duration>,
    /// Which marks tell of it.
    pub source: Source,
}

impl std::fmt::Debug for MarkedCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("MarkedCommand");
        shown.field("exit_code", &self.exit_code).field("at", &self.at).field("source", &self.source).finish_non_exhaustive()
    }
}

/// Collects commands from a transcript's items.
pub struct Commands {
    bounded: Bounded,
    tracker: ShellTracker,
    kept: Vec<MarkedCommand>,
    more: u64,
    /// The command that has not ended yet, by its place.
    running: Option<usize>,
    by_wrapper: bool,
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands").field("commands", &self.kept.len()).finish_non_exhaustive()
    }
}

impl Commands {
    /// Makes a collector for a terminal of this size.
    pub fn new(size: Size) -> Self {
        Self {
            bounded: Bounded::new(size),
            tracker: ShellTracker::new(),
            kept: Vec::new(),
            more: 0,
            running: None,
            by_wrapper: false,
        }
    }

    /// Takes the next item; `at` is its time in the session, if that is known.
    pub fn item(&mut self, item: &Item<'_>, at: Option<Duration>) {
        match item {
            Item::Command(mark) => self.wrapper_mark(mark, at),
            Item::Output(bytes) | Item::Preface(bytes) => self.output(bytes, at),
            Item::Ready(_) | Item::Exit(_) | Item::Confirmed => {}
        }
    }

    /// The commands, in order, and how many more there were.
    pub fn finish(self) -> (Vec<MarkedCommand>, u64) {
        (self.kept, self.more)
    }

    fn wrapper_mark(&mut self, mark: &CommandMark, at: Option<Duration>) {
        if !std::mem::replace(&mut self.by_wrapper, true) {
            // The wrapper's marks are exact: what OSC 133 told of the same shell is told better from here on.
            self.running = None;
        }
        match mark {
            CommandMark::Began(text) => {
                let shown = text.bytes.as_deref().map(|bytes| crate::screen::plain(bytes, usize::MAX));
                self.begin(MarkedCommand { text: shown, cut: text.cut, exit_code: None, at, source: Source::Wrapper });
            }
            CommandMark::Ended(code) => self.end(Some(*code)),
            CommandMark::On | CommandMark::Off => {}
        }
    }

    fn output(&mut self, bytes: &[u8], at: Option<Duration>) {
        if self.by_wrapper {
            return;
        }
        let Self { bounded, tracker, .. } = self;
        let mut events = Vec::new();
        bounded.feed(bytes, &mut |terminal, function, _| events.extend(terminal.execute_with(function, &mut *tracker)));
        for event in events {
            match event {
                ShellEvent::CommandSubmitted(command) => {
                    let text = command.text.map(|text| crate::screen::plain(text.as_bytes(), usize::MAX));
                    self.begin(MarkedCommand { text, cut: false, exit_code: None, at, source: Source::Osc133 });
                }
                ShellEvent::CommandFinished { exit_status, .. } => self.end(exit_status),
                ShellEvent::PromptStarted(_) | ShellEvent::CommandCancelled { .. } => {}
            }
        }
    }

    fn begin(&mut self, command: MarkedCommand) {
        self.running = (self.kept.len() < MAX_COMMANDS).then_some(self.kept.len());
        if self.running.is_some() {
            self.kept.push(command);
        } else {
            self.more += 1;
        }
    }

    fn end(&mut self, exit_code: Option<u8>) {
        if let Some(command) = self.running.take().and_then(|place| self.kept.get_mut(place)) {
            command.exit_code = exit_code;
        }
    }
}

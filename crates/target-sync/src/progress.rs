//! How far a run is, on a terminal: one line that is written over, and gone at the end.
//!
//! Owns the line. The log has every step, whether anybody looks or not.

use crate::apply::Ended;
use cli_kit::printable;
use std::cell::RefCell;
use std::io::{IsTerminal, Write as _, stderr};
use std::time::{Duration, Instant};

/// How wide the bar is, columns.
const BAR: usize = 20;
/// How often the line is written.
const EVERY: Duration = Duration::from_millis(100);

/// The line. Silent where standard error is no terminal.
pub(crate) struct Progress {
    shown: bool,
    state: RefCell<(usize, Option<Instant>)>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: stderr().is_terminal(), state: RefCell::new((0, None)) }
    }

    /// Takes a step that has ended.
    pub(crate) fn step(&self, ended: &Ended<'_>) {
        log(ended);
        let mut state = self.state.borrow_mut();
        state.0 += 1;
        if self.shown && state.1.is_none_or(|last| last.elapsed() >= EVERY) {
            state.1 = Some(Instant::now());
            drop(write!(stderr(), "\r{}\u{1b}[K", line(state.0, ended)));
        }
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if self.shown && self.state.borrow().1.is_some() {
            drop(write!(stderr(), "\r\u{1b}[K"));
        }
    }
}

/// Logs a step that has ended.
pub(crate) fn log(ended: &Ended<'_>) {
    let step = ended.step;
    let (action, kind, result) = (step.action.word(), step.kind.word(), ended.result);
    tracing::info!(event = "step", action, kind, name = %step.name, task_arn = %step.task_arn, ?result, "a step has ended");
}

fn line(done: usize, ended: &Ended<'_>) -> String {
    let filled = (done * BAR).checked_div(ended.due).unwrap_or(BAR).min(BAR);
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled));
    let step = ended.step;
    format!("[{bar}] {done}/{} {} {} {}", ended.due, step.action.word(), step.kind.word(), printable(&step.name, 40))
}

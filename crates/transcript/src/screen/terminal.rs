//! The terminal model, fed within bounds.
//!
//! Owns the budget of screen-wide work, and what is kept when a program clears the screen.

use super::lines::{Line, Lines, Note};
use crate::utf8::Decoder;
use avt::parser::{DecMode, EdScope, Function};
use avt::{Anchor, Parser, ScreenKind, Terminal};
use std::time::Duration;

/// Cells that a character of input buys for screen-wide operations: a program that redraws its screen needs fewer.
const CELLS_A_CHARACTER: u64 = 64;

/// Cells that may be saved up: some 8000 clears of a usual screen in a row.
const MAX_CREDIT: u64 = 1 << 24;

/// Holds the size of a terminal, within what this crate is willing to model: 400 columns and 150 rows at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    columns: u16,
    rows: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

impl Size {
    /// Makes a size, brought into the bounds when it is outside of them.
    pub fn new(columns: u32, rows: u32) -> Self {
        let within = |value: u32, most: u16| u16::try_from(value).unwrap_or(most).clamp(1, most);
        Self { columns: within(columns, 400), rows: within(rows, 150) }
    }

    /// Columns, 1 to 400.
    pub fn columns(self) -> u16 {
        self.columns
    }

    /// Rows, 1 to 150.
    pub fn rows(self) -> u16 {
        self.rows
    }

    fn cells(self) -> u64 {
        u64::from(self.columns) * u64::from(self.rows)
    }
}

/// A terminal that hostile bytes cannot keep busy.
pub(crate) struct Bounded {
    pub(crate) terminal: Terminal,
    parser: Parser,
    decoder: Decoder,
    size: Size,
    credit: u64,
    taken: u64,
    home: bool,
    left_out: u64,
}

impl Bounded {
    pub(crate) fn new(size: Size) -> Self {
        let terminal = Terminal::new(size.columns.into(), size.rows.into()).expect("a size is never zero");
        let (parser, decoder) = (Parser::new(), Decoder::default());
        Self { terminal, parser, decoder, size, credit: MAX_CREDIT, taken: 0, home: false, left_out: 0 }
    }

    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Changes the size, if the budget has it.
    pub(crate) fn resize<O: avt::Observer>(&mut self, size: Size, observer: O) {
        if self.afford(self.size.cells() + size.cells()) {
            self.size = size;
            self.terminal.resize_with(size.columns.into(), size.rows.into(), observer);
        }
    }

    /// Runs bytes through the terminal; `apply` executes each function, and is told how many bytes of text there were so far.
    pub(crate) fn feed(&mut self, bytes: &[u8], apply: &mut dyn FnMut(&mut Terminal, Function, u64)) {
        let mut decoder = std::mem::take(&mut self.decoder);
        decoder.feed(bytes, &mut |text| text.chars().for_each(|ch| self.character(ch, apply)));
        self.decoder = decoder;
    }

    pub(crate) fn finish(&mut self, apply: &mut dyn FnMut(&mut Terminal, Function, u64)) {
        let mut decoder = std::mem::take(&mut self.decoder);
        decoder.finish(&mut |text| text.chars().for_each(|ch| self.character(ch, apply)));
    }

    fn character(&mut self, ch: char, apply: &mut dyn FnMut(&mut Terminal, Function, u64)) {
        self.taken += ch.len_utf8() as u64;
        self.credit = (self.credit + CELLS_A_CHARACTER).min(MAX_CREDIT);
        if let Some(function) = self.parser.feed(ch)
            && let Some(function) = self.within_bounds(function)
        {
            apply(&mut self.terminal, function, self.taken);
        }
    }

    fn within_bounds(&mut self, function: Function) -> Option<Function> {
        let home = std::mem::replace(&mut self.home, matches!(function, Function::Cup(0 | 1, 0 | 1)));
        match function {
            // No program draws more than a row with it.
            Function::Rep(count) => Some(Function::Rep(count.min(self.size.columns))),
            // What a `clear` without a full clear does: keep what it clears, as a full clear would.
            Function::Ed(EdScope::Below) if home => self.screen_wide(Function::Ed(EdScope::All)),
            function if is_screen_wide(&function) => self.screen_wide(function),
            function => Some(function),
        }
    }

    fn screen_wide(&mut self, function: Function) -> Option<Function> {
        let affordable = self.afford(self.size.cells());
        self.left_out += u64::from(!affordable);
        affordable.then_some(function)
    }

    fn afford(&mut self, cells: u64) -> bool {
        let rest = self.credit.checked_sub(cells);
        self.credit = rest.unwrap_or(self.credit);
        rest.is_some()
    }
}

/// Operations whose cost is the screen's size. Leaving the alternate screen is none: it must never be left out.
fn is_screen_wide(function: &Function) -> bool {
    match function {
        Function::Decset(modes) => {
            modes.as_slice().iter().any(|mode| matches!(mode, DecMode::AltScreenBuffer | DecMode::SaveCursorAltScreenBuffer))
        }
        Function::Ed(_) | Function::Il(_) | Function::Dl(_) | Function::Su(_) | Function::Sd(_) => true,
        Function::Ri | Function::Decaln | Function::Ris => true,
        _ => false,
    }
}

/// Renders a stream of terminal bytes to lines.
pub struct Renderer {
    bounded: Bounded,
    lines: Lines,
    alternate: Option<Alternate>,
}

/// A visit to the alternate screen.
struct Alternate {
    place: Anchor,
    mid_row: bool,
    since_byte: u64,
    since: Option<Duration>,
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renderer").field("size", &self.bounded.size).finish_non_exhaustive()
    }
}

impl Renderer {
    /// Makes a renderer with an empty screen.
    pub fn new(size: Size) -> Self {
        Self { bounded: Bounded::new(size), lines: Lines::default(), alternate: None }
    }

    /// Takes bytes and hands out the lines that they push off the screen; `at` is their time in the session, if that is known.
    pub fn feed(&mut self, bytes: &[u8], at: Option<Duration>, out: &mut dyn FnMut(Line)) {
        // A piece at a time, so that lines do not pile up.
        for piece in bytes.chunks(4 * 1024) {
            let Self { bounded, lines, alternate } = self;
            bounded.feed(piece, &mut |terminal, function, taken| apply(terminal, function, lines, alternate, (taken, at)));
            lines.drain(out);
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, size: Size, out: &mut dyn FnMut(Line)) {
        self.bounded.resize(size, &mut self.lines);
        self.lines.drain(out);
    }

    /// Ends the stream with what is on the screen; returns how many screen-wide operations were left out.
    pub fn finish(mut self, at: Option<Duration>, out: &mut dyn FnMut(Line)) -> u64 {
        let Self { bounded, lines, alternate } = &mut self;
        bounded.finish(&mut |terminal, function, taken| apply(terminal, function, lines, alternate, (taken, at)));
        leave(lines, alternate, (bounded.taken, at));
        lines.take_screen(&bounded.terminal);
        lines.drain(out);
        bounded.left_out()
    }
}

/// Bytes of text so far, and the time if it is known.
type Now = (u64, Option<Duration>);

fn apply(terminal: &mut Terminal, function: Function, lines: &mut Lines, alternate: &mut Option<Alternate>, now: Now) {
    if !matches!(function, Function::Decset(_) | Function::Decrst(_) | Function::Ris) {
        return terminal.execute_with(function, lines);
    }
    let primary = terminal.active_screen_kind() == ScreenKind::Primary;
    let mid_row = terminal.cursor_position().col > 0;
    let place = primary.then(|| terminal.anchor_at_cursor());
    if function == Function::Ris {
        leave(lines, alternate, now);
        lines.take_screen(terminal);
    }
    terminal.execute_with(function, &mut *lines);
    match terminal.active_screen_kind() {
        ScreenKind::Alternate => {
            let (since_byte, since) = now;
            *alternate = place.map(|place| Alternate { place, mid_row, since_byte, since }).or(alternate.take());
        }
        ScreenKind::Primary => leave(lines, alternate, now),
    }
}

fn leave(lines: &mut Lines, alternate: &mut Option<Alternate>, (bytes, at): Now) {
    if let Some(Alternate { place, mid_row, since_byte, since }) = alternate.take() {
        let lasted = at.zip(since).map(|(at, since)| at.saturating_sub(since));
        lines.note(place, mid_row, Note::Alternate { bytes: bytes - since_byte, lasted });
    }
}

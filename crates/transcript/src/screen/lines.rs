//! Lines that have left the terminal's screen.
//!
//! Owns the joining of wrapped rows and the place of notes between lines. Every text that leaves here is free of controls.

use avt::observer::Observation;
use avt::{Anchor, Observer, Terminal};
use std::fmt;
use std::time::Duration;

/// A line of output is cut here, so that one without end does not grow.
const MAX_LINE: usize = 64 * 1024;

/// Notes that wait for their place; beyond, the last one takes the others in.
const MAX_WAITING: usize = 32;

/// Holds one line of a rendered transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// What was shown, without controls and without trailing blanks.
    Text(String),
    /// Something that is not shown as text.
    Note(Note),
}

/// Says what was left out at this place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A full-screen program ran.
    Alternate {
        /// Bytes that it showed.
        bytes: u64,
        /// How long it ran, when times are known.
        lasted: Option<Duration>,
    },
}

impl Line {
    /// Bytes of its text.
    pub fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Note(note) => note.to_string().len(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Note(note) => note.fmt(f),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alternate { bytes, lasted: None } => write!(f, "[alternate screen: {bytes} bytes]"),
            Self::Alternate { bytes, lasted: Some(lasted) } => {
                write!(f, "[alternate screen: {bytes} bytes in {}.{} s]", lasted.as_secs(), lasted.subsec_millis() / 100)
            }
        }
    }
}

/// Takes rows off the screen and makes lines of them.
#[derive(Default)]
pub(super) struct Lines {
    pending: String,
    ready: Vec<Line>,
    waiting: Vec<Waiting>,
}

/// A note on its way to its place.
struct Waiting {
    place: Anchor,
    /// Whether the row at the place comes before the note.
    after: bool,
    note: Note,
}

impl Lines {
    /// Hands out what is whole.
    pub(super) fn drain(&mut self, out: &mut dyn FnMut(Line)) {
        self.ready.drain(..).for_each(out);
    }

    /// Something was left out where the anchor stands.
    pub(super) fn note(&mut self, place: Anchor, after: bool, note: Note) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(Waiting { place, after, note });
        } else if let Some(last) = self.waiting.last_mut() {
            last.note.join(&note);
        }
    }

    /// Takes everything that the primary screen still holds.
    pub(super) fn take_screen(&mut self, terminal: &Terminal) {
        let blank_from =
            terminal.primary_screen().all_lines().enumerate().filter(|(_, row)| !blank(row)).map(|(n, _)| n + 1).last();
        for (n, row) in terminal.primary_screen().all_lines().take(blank_from.unwrap_or(0)).enumerate() {
            let reached = |place: &Anchor| {
                terminal.resolve(place).is_none_or(|position| usize::try_from(position.row).is_ok_and(|row| row <= n))
            };
            self.push_with_notes(row, &reached);
        }
        self.end_line();
        self.ready.extend(self.waiting.drain(..).map(|waiting| Line::Note(waiting.note)));
    }

    /// Takes a row, and the notes whose place has been reached with it.
    fn push_with_notes(&mut self, row: &avt::Line, reached: &dyn Fn(&Anchor) -> bool) {
        let count = self.waiting.iter().take_while(|waiting| reached(&waiting.place)).count();
        let before = self.waiting[..count].iter().take_while(|waiting| !waiting.after).count();
        let begins = self.pending.is_empty();
        if begins {
            self.ready.extend(self.waiting.drain(..before).map(|waiting| Line::Note(waiting.note)));
        }
        self.push(row);
        if self.pending.is_empty() {
            let rest = if begins { count - before } else { count };
            self.ready.extend(self.waiting.drain(..rest).map(|waiting| Line::Note(waiting.note)));
        }
    }

    fn push(&mut self, row: &avt::Line) {
        let cells = if row.is_wrapped() { row.cells() } else { occupied(row.cells()) };
        self.pending.extend(cells.iter().filter(|cell| cell.width() > 0).filter_map(|cell| visible(cell.char())));
        if !row.is_wrapped() {
            self.ready.push(Line::Text(self.pending.trim_end().to_owned()));
            self.pending.clear();
        } else if self.pending.len() > MAX_LINE {
            self.ready.push(Line::Text(std::mem::take(&mut self.pending)));
        }
    }

    /// Ends a line whose continuation never came.
    fn end_line(&mut self) {
        if !self.pending.is_empty() {
            self.ready.push(Line::Text(std::mem::take(&mut self.pending).trim_end().to_owned()));
        }
    }
}

impl Observer for Lines {
    type Output = ();

    fn evicted(&mut self, context: &mut Observation<'_>, row: &avt::Line) {
        self.push_with_notes(row, &|place| context.resolve(place).is_none());
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

impl Note {
    fn join(&mut self, other: &Self) {
        let (Self::Alternate { bytes, lasted }, Self::Alternate { bytes: more, lasted: longer }) = (self, other);
        *bytes += more;
        *lasted = lasted.zip(*longer).map(|(a, b)| a + b);
    }
}

fn blank(row: &avt::Line) -> bool {
    !row.is_wrapped() && occupied(row.cells()).is_empty()
}

/// The cells without the blank ones at the end.
fn occupied(cells: &[avt::Cell]) -> &[avt::Cell] {
    let last = cells.iter().rposition(|cell| cell.char() != ' ' || cell.width() == 0);
    &cells[..last.map_or(0, |last| last + 1)]
}

/// Leaves out what has no width and could hide, reorder or split text; shows a control that came through as U+FFFD.
pub(crate) fn visible(ch: char) -> Option<char> {
    match ch {
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' => None,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e0fff}' => None,
        ch if ch.is_control() => Some('\u{fffd}'),
        ch => Some(ch),
    }
}

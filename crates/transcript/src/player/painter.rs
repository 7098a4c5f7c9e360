//! The model's screen as bytes for the auditor's terminal.
//!
//! Owns every sequence that is ever written there: `CSI row;1H`, SGR, `CSI 2K`, `CSI 2J`, and the cursor's place and visibility;
//! and, where a line of status takes the last row, which of the model's rows are to be seen. Characters are the model's, without
//! controls and without what has no width.

use crate::screen::{Size, visible};
use avt::{Color, Pen, Terminal};

/// Remembers what is painted, so that only rows that changed are painted again.
pub(super) struct Painter {
    viewer: Size,
    painted: Option<Vec<avt::Line>>,
    cursor: Option<(usize, usize)>,
    /// The model's first row that is to be seen.
    top: usize,
    /// The line of status that is painted.
    status: Option<String>,
}

impl Painter {
    pub(super) fn new(viewer: Size) -> Self {
        Self { viewer, painted: None, cursor: None, top: 0, status: None }
    }

    /// The next painting is a full one.
    pub(super) fn forget(&mut self) {
        self.painted = None;
    }

    /// What brings the auditor's terminal to the model's screen, with the status in the last row; empty when it is there.
    pub(super) fn paint(&mut self, terminal: &Terminal, status: Option<String>) -> Vec<u8> {
        let mut out = String::new();
        let room = usize::from(self.viewer.rows()) - usize::from(status.is_some());
        if status.is_some() {
            self.follow(terminal, room);
        }
        let rows: Vec<avt::Line> = terminal.screen().visible_lines().skip(self.top).take(room).cloned().collect();
        let before = self.painted.take().filter(|before| before.len() == rows.len());
        if before.is_none() {
            out.push_str("\x1b[?25l\x1b[0m\x1b[2J");
            self.status = None;
        }
        for (n, row) in rows.iter().enumerate() {
            if before.as_ref().is_none_or(|before| before[n] != *row) {
                self.row(n, row, &mut out);
            }
        }
        self.painted = Some(rows);
        if let Some(status) = status.filter(|status| self.status.as_ref() != Some(status)) {
            out.push_str(&format!("\x1b[{};1H\x1b[0m\x1b[2K\x1b[2m{status}\x1b[0m", self.viewer.rows()));
            self.status = Some(status);
        }
        self.cursor(terminal, room, &mut out);
        out.into_bytes()
    }

    /// Goes no further than it must for the cursor to be seen; a screen that fits is never moved.
    fn follow(&mut self, terminal: &Terminal, room: usize) {
        let lowest = terminal.size().1.saturating_sub(room);
        let row = terminal.cursor().row;
        self.top = self.top.clamp((row + 1).saturating_sub(room), row).min(lowest);
    }

    fn row(&self, n: usize, row: &avt::Line, out: &mut String) {
        out.push_str(&format!("\x1b[{};1H\x1b[0m\x1b[2K", n + 1));
        let mut pen = Pen::default();
        let mut room = usize::from(self.viewer.columns());
        for cell in row.cells().iter().filter(|cell| cell.width() > 0) {
            room = match room.checked_sub(cell.width().into()) {
                Some(room) => room,
                None => break,
            };
            if *cell.pen() != pen {
                pen = *cell.pen();
                sgr(&pen, out);
            }
            out.push(visible(cell.char()).unwrap_or(' '));
        }
        out.push_str("\x1b[0m");
    }

    fn cursor(&mut self, terminal: &Terminal, room: usize, out: &mut String) {
        let within = |(column, row): &(usize, usize)| *column < self.viewer.columns().into() && *row < room;
        let seen = |(column, row): (usize, usize)| Some((column, row.checked_sub(self.top)?));
        let cursor = terminal.cursor().position().and_then(seen).filter(within);
        if out.is_empty() && cursor == self.cursor {
            return;
        }
        self.cursor = cursor;
        match cursor {
            Some((column, row)) => out.push_str(&format!("\x1b[{};{}H\x1b[?25h", row + 1, column + 1)),
            None => out.push_str("\x1b[?25l"),
        }
    }
}

fn sgr(pen: &Pen, out: &mut String) {
    let attributes = [
        (pen.is_bold(), ";1"),
        (pen.is_faint(), ";2"),
        (pen.is_italic(), ";3"),
        (pen.is_underline(), ";4"),
        (pen.is_blink(), ";5"),
        (pen.is_inverse(), ";7"),
        (pen.is_strikethrough(), ";9"),
    ];
    out.push_str("\x1b[0");
    attributes.iter().filter(|(on, _)| *on).for_each(|(_, code)| out.push_str(code));
    for (color, layer) in [(pen.foreground(), 38), (pen.background(), 48)] {
        match color {
            Some(Color::Indexed(index)) => out.push_str(&format!(";{layer};5;{index}")),
            Some(Color::RGB(rgb)) => out.push_str(&format!(";{layer};2;{};{};{}", rgb.r, rgb.g, rgb.b)),
            None => {}
        }
    }
    out.push('m');
}

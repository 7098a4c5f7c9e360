//! Terminal bytes to the lines that a reader saw.
//!
//! Owns the terminal model's bounds: a hostile transcript can neither make it grow nor make it work out of proportion to its
//! length. Streaming: lines are handed out as they scroll off. A line that the terminal wrapped is one line again.
//!
//! Its limits: what was overwritten in place is gone from the text (backspaces, `\r`, cursor movements), as it was gone from the
//! screen; a full clear keeps what it clears. What full-screen programs showed on the alternate screen is left out and noted, so
//! whoever works only there leaves notes only: the replay shows it. A shell wraps long input by the width it knew; without that
//! width (the agent's log does not hold it, and [`guess_columns`] finds it only where a command wrapped) such lines come out
//! overwritten.

mod lines;
mod terminal;
mod width;

pub(crate) use lines::visible;
pub(crate) use terminal::Bounded;

pub use lines::{Line, Note};
pub use terminal::{Renderer, Size};
pub use width::guess_columns;

use crate::utf8::Decoder;

/// Holds a rendered transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The lines, in order.
    pub lines: Vec<Line>,
    /// Whether there were more than fitted.
    pub cut: bool,
    /// Screen-wide operations that were left out because the transcript asked for too many of them.
    pub operations_left_out: u64,
}

impl Rendered {
    /// All lines as one text, notes included, with a line feed after each.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Renders a whole transcript, keeping at most `max_bytes` of text.
pub fn render(bytes: &[u8], size: Size, max_bytes: usize) -> Rendered {
    let mut rendered = Rendered { lines: Vec::new(), cut: false, operations_left_out: 0 };
    let mut held = 0;
    let mut keep = |line: Line| {
        held += line.length() + 1;
        rendered.cut |= held > max_bytes;
        if !rendered.cut {
            rendered.lines.push(line);
        }
    };
    let mut renderer = Renderer::new(size);
    renderer.feed(bytes, None, &mut keep);
    rendered.operations_left_out = renderer.finish(None, &mut keep);
    rendered
}

/// Replaces what must not reach a terminal or a page in a text that was not rendered, such as a title: controls become U+FFFD.
pub fn plain(bytes: &[u8], max_chars: usize) -> String {
    let mut text = String::new();
    let mut decoder = Decoder::default();
    decoder.feed(bytes, &mut |part| text.push_str(part));
    decoder.finish(&mut |part| text.push_str(part));
    text.chars().filter_map(|ch| if ch.is_control() { Some('\u{fffd}') } else { visible(ch) }).take(max_chars).collect()
}

//! A recording of a log that has no times.
//!
//! Owns the made-up speed: so many characters a second, and a pause at each line's end.

use super::PACED;
use crate::marks::{Item, Stripper};
use crate::screen::Size;
use crate::utf8::Decoder;
use audit_record::{Asciicast, Beginning};
use jiff::Timestamp;
use std::time::Duration;

/// Characters of one event at most, so that a player moves evenly.
const EVENT: usize = 64;

/// Holds the speed of a recording without real times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Characters that are shown in a second; 0 counts as 1.
    pub characters_a_second: u32,
    /// What a line's end waits.
    pub line_end: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { characters_a_second: 1_000, line_end: Duration::from_millis(80) }
    }
}

/// Makes a recording of a log's body, line by line into `out`, without the wrapper's marks. `at` goes into the header: the only
/// time that a log has is that of its end. The title begins with `paced:`, and the first event is the marker [`PACED`].
pub fn to_asciicast(body: &[u8], size: Size, pace: Pace, title: &str, at: Timestamp, out: &mut dyn FnMut(&str)) {
    let title = format!("paced: {}", crate::screen::plain(title.as_bytes(), 200));
    let (columns, rows) = (size.columns().into(), size.rows().into());
    let (cast, header) = Asciicast::begin(Beginning { columns, rows, terminal_type: None, at, title: &title });
    out(&header);
    let mut writer = Writer { cast, elapsed: Duration::ZERO, pace, exit_code: None };
    out(&writer.cast.marker(Duration::ZERO, PACED));
    let mut decoder = Decoder::default();
    let mut stripper = Stripper::new();
    let mut take = |item: Item<'_>| writer.item(&item, &mut decoder, out);
    body.chunks(16 * 1024).for_each(|piece| stripper.feed(piece, &mut take));
    stripper.finish(&mut take);
    decoder.finish(&mut |text| writer.text(text, out));
    if let Some(code) = writer.exit_code {
        out(&writer.cast.end(writer.elapsed, code));
    }
}

struct Writer {
    cast: Asciicast,
    elapsed: Duration,
    pace: Pace,
    exit_code: Option<u8>,
}

impl Writer {
    fn item(&mut self, item: &Item<'_>, decoder: &mut Decoder, out: &mut dyn FnMut(&str)) {
        match item {
            Item::Preface(bytes) | Item::Output(bytes) => decoder.feed(bytes, &mut |text| self.text(text, out)),
            Item::Command(remote_script::CommandMark::Began(command)) => {
                let label = crate::screen::plain(command.bytes.as_deref().unwrap_or_default(), 200);
                out(&self.cast.marker(self.elapsed, if label.is_empty() { "command" } else { &label }));
            }
            Item::Exit(exit) => self.exit_code = Some(exit.code),
            Item::Command(_) | Item::Ready(_) | Item::Confirmed => {}
        }
    }

    /// Whole characters only reach this place, so that nothing waits in the recording's own decoder.
    fn text(&mut self, text: &str, out: &mut dyn FnMut(&str)) {
        let mut rest = text;
        while !rest.is_empty() {
            let most = rest.char_indices().nth(EVENT).map_or(rest.len(), |(at, _)| at);
            let line_end = rest[..most].find('\n').map(|at| at + 1);
            let (now, later) = rest.split_at(line_end.unwrap_or(most));
            out(&self.cast.output(self.elapsed, now.as_bytes()));
            let characters = u32::try_from(now.chars().count()).unwrap_or(u32::MAX);
            let shown = Duration::from_secs(1).saturating_mul(characters) / self.pace.characters_a_second.max(1);
            let pause = if line_end.is_some() { self.pace.line_end } else { Duration::ZERO };
            self.elapsed = self.elapsed.saturating_add(shown).saturating_add(pause);
            rest = later;
        }
    }
}

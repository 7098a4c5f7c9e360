//! Tables for people and machines, from content that nobody may trust.
//!
//! Owns two forms: [`Csv`] for spreadsheets, where no cell becomes a formula, and [`JsonLines`] for programs, where nothing is
//! lost. Neither passes a byte that a terminal would obey.

mod csv;
mod json_lines;

pub use csv::{Cell, Column, Csv, CsvError};
pub use json_lines::JsonLines;

/// Whether a character steers a terminal, turns the reading direction, or takes no room.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

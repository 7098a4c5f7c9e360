//! Tables for people and machines, from content that nobody may trust.
//!
//! Owns two forms: [`Csv`] for spreadsheets, where no cell becomes a formula, and [`JsonLines`] for programs, where nothing is
//! lost. Neither passes a byte that a terminal would obey.

mod csv;
mod json_lines;

pub use csv::{Cell, Column, Csv, CsvError};
pub use json_lines::JsonLines;

/// Whether a character steers a terminal, turns the reading direction, or is one that no font shows. The latter are Unicode's
/// `Default_Ignorable_Code_Point`: with them two names differ and look the same.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_that_look_the_same_are_told_apart_in_both_forms() {
        for unseen in ['\u{34f}', '\u{115f}', '\u{180e}', '\u{3164}', '\u{fe0f}', '\u{ffa0}', '\u{e0041}', '\u{e01ef}'] {
            let name = format!("ali{unseen}ce");
            let mut csv = Csv::begin(Vec::new(), vec![Column::text("user")]).unwrap();
            csv.row(&[Cell::Text(&name)]).unwrap();
            assert!(csv.finish().unwrap().ends_with("\"ali\u{fffd}ce\"\r\n".as_bytes()), "{unseen:?}");
            let mut lines = JsonLines::begin(Vec::new());
            lines.row(&name).unwrap();
            assert!(lines.finish().unwrap().is_ascii(), "{unseen:?}");
        }
    }
}

//! CSV after RFC 4180 in which no cell becomes a formula.
//!
//! Owns quoting and defusing. Every text is in quotes; one that a spreadsheet could take for a formula begins with a single
//! quote. Known limit: a spreadsheet that is told to split at something other than the comma may still find a formula behind
//! that sign inside a text; import with the comma, or use JSON Lines.

use super::steers;
use std::io::{self, Write};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: String,
    numeric: bool,
}

impl Column {
    /// A column of texts.
    pub fn text(name: &str) -> Self {
        Self { name: name.to_owned(), numeric: false }
    }

    /// A column of numbers: they stand there as numbers, a minus and all.
    pub fn number(name: &str) -> Self {
        Self { name: name.to_owned(), numeric: true }
    }
}

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// A text; in a column of numbers it passes as a number when it has the form of one.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// A whole number that is never negative.
    Unsigned(u64),
    /// A number; one that is not finite leaves the cell empty.
    Decimal(f64),
}

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The row does not fit the columns.
    #[error("failed to write a row of {found} cells into a table of {columns} columns")]
    Cells {
        /// Cells in the row.
        found: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// The output cannot be written.
    #[error("failed to write the table")]
    Write(#[source] io::Error),
}

/// Writes a table, row by row.
#[derive(Debug)]
pub struct Csv<W> {
    out: W,
    columns: Vec<Column>,
}

impl<W: Write> Csv<W> {
    /// Begins a table with the line of its columns' names.
    ///
    /// # Errors
    /// [`CsvError::Write`].
    pub fn begin(out: W, columns: Vec<Column>) -> Result<Self, CsvError> {
        let mut csv = Self { out, columns };
        let names: Vec<_> = csv.columns.iter().map(|column| quoted(&column.name)).collect();
        csv.line(&names)?;
        Ok(csv)
    }

    /// Writes a row.
    ///
    /// # Errors
    /// [`CsvError`] when it has not one cell for each column, or cannot be written.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), CsvError> {
        if cells.len() != self.columns.len() {
            return Err(CsvError::Cells { found: cells.len(), columns: self.columns.len() });
        }
        let cells: Vec<_> = self.columns.iter().zip(cells).map(|(column, cell)| rendered(column, *cell)).collect();
        self.line(&cells)
    }

    /// Flushes and gives the output back.
    ///
    /// # Errors
    /// [`CsvError::Write`].
    pub fn finish(mut self) -> Result<W, CsvError> {
        self.out.flush().map_err(CsvError::Write)?;
        Ok(self.out)
    }

    fn line(&mut self, cells: &[String]) -> Result<(), CsvError> {
        self.out.write_all(format!("{}\r\n", cells.join(",")).as_bytes()).map_err(CsvError::Write)
    }
}

fn rendered(column: &Column, cell: Cell<'_>) -> String {
    let text = match cell {
        Cell::Empty => return String::new(),
        Cell::Decimal(number) if !number.is_finite() => return String::new(),
        Cell::Text(text) => text.to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Unsigned(number) => number.to_string(),
        Cell::Decimal(number) => number.to_string(),
    };
    if column.numeric && is_number(&text) { text } else { quoted(&text) }
}

/// A number as JSON has it: nothing that a spreadsheet could take for more.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let ends = |c: char| c.is_ascii_digit();
    digits.starts_with(ends) && digits.ends_with(ends) && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn quoted(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 3);
    cell.push('"');
    if is_formula(text) {
        cell.push('\'');
    }
    for c in text.chars() {
        match c {
            '"' => cell.push_str("\"\""),
            '\t' | '\r' | '\n' => cell.push(' '),
            c if steers(c) => cell.push(char::REPLACEMENT_CHARACTER),
            c => cell.push(c),
        }
    }
    cell.push('"');
    cell
}

/// Whether a spreadsheet could take a text for a formula: by its first sign that is seen, or by a control that begins it.
fn is_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r', '\n']) {
        return true;
    }
    let first = text.trim_start_matches(|c: char| c.is_whitespace() || steers(c) || c == '"');
    first.starts_with([
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{2212}', '\u{fe62}', '\u{fe63}', '\u{fe66}',
        '\u{fe6b}',
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(column: Column, cell: Cell<'_>) -> String {
        let mut csv = Csv::begin(Vec::new(), vec![column]).unwrap();
        csv.row(&[cell]).unwrap();
        let text = String::from_utf8(csv.finish().unwrap()).unwrap();
        text.split_once("\r\n").unwrap().1.trim_end_matches("\r\n").to_owned()
    }

    fn text(cell: &str) -> String {
        one(Column::text("a"), Cell::Text(cell))
    }

    #[test]
    fn no_formula_begins_a_cell() {
        for begin in
            ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\u{a0}=", "\u{3000}+", "\u{feff}=", "\u{200b}@", "\u{1b}=", "\"="]
        {
            let cell = text(&format!("{begin}cmd|' /C calc'!A0"));
            assert!(cell.starts_with("\"'"), "{begin:?} gave {cell:?}");
        }
        for wide in ['＝', '＋', '－', '＠', '﹦', '−'] {
            assert!(text(&format!("  {wide}1")).starts_with("\"'"), "{wide}");
        }
        assert_eq!(text("plain = text"), "\"plain = text\"");
    }

    #[test]
    fn numbers_are_numbers_in_their_column_alone() {
        assert_eq!(one(Column::number("n"), Cell::Integer(-5)), "-5");
        assert_eq!(one(Column::number("n"), Cell::Unsigned(u64::MAX)), "18446744073709551615");
        assert_eq!(one(Column::number("n"), Cell::Decimal(-0.5)), "-0.5");
        assert_eq!(one(Column::number("n"), Cell::Text("-1.5e3")), "-1.5e3");
        assert_eq!(one(Column::text("n"), Cell::Integer(-5)), "\"'-5\"");
        for no_number in ["-1+cmd", "+1", "=1", "1,2", "-", " -1", "-1\n", "0x1", "NaN", "-Infinity", "01"] {
            assert!(one(Column::number("n"), Cell::Text(no_number)).starts_with('"'), "{no_number:?}");
        }
        assert_eq!(one(Column::number("n"), Cell::Decimal(f64::NAN)), "");
    }

    #[test]
    fn a_row_stays_on_its_line_and_steers_nothing() {
        assert_eq!(text("a\r\nb\tc\u{1b}[2Jd\u{202e}e\u{9b}"), "\"a  b c\u{fffd}[2Jd\u{fffd}e\u{fffd}\"");
        assert_eq!(text("say \"hi\", twice"), "\"say \"\"hi\"\", twice\"");
    }

    #[test]
    fn names_of_columns_are_no_formulas_either() {
        let csv = Csv::begin(Vec::new(), vec![Column::text("=a"), Column::number("b")]).unwrap();
        assert_eq!(csv.finish().unwrap(), b"\"'=a\",\"b\"\r\n");
    }

    #[test]
    fn a_row_of_another_width_is_refused() {
        let mut csv = Csv::begin(Vec::new(), vec![Column::text("a")]).unwrap();
        assert!(matches!(csv.row(&[]), Err(CsvError::Cells { found: 0, columns: 1 })));
        assert_eq!(csv.finish().unwrap(), b"\"a\"\r\n", "nothing of it was written");
    }
}

//! The paper: its width, its colours, its paragraphs.
//!
//! Owns how a line is broken and toned. Widths are counted in characters: a wide script only ends a line early.

use crate::legible::legible;

/// How wide a line may be, and whether colours mean something there.
#[derive(Debug, Clone, Copy)]
pub struct Paper {
    /// Columns.
    pub width: usize,
    /// Whether to use colours; the caller minds `NO_COLOR`.
    pub colours: bool,
}

/// A colour's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Careful,
    Bad,
    Worst,
    Quiet,
    Strong,
}

impl Paper {
    /// For what is no terminal.
    pub const PLAIN: Self = Self { width: 120, colours: false };

    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Careful => "33",
            Tone::Bad => "31",
            Tone::Worst => "1;31",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        if self.colours && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A paragraph of harmless text, broken between words, each line behind an indent.
    pub(super) fn paragraph(self, indent: usize, tone: Option<Tone>, text: &str) -> String {
        self.lines(indent, tone, &broken(text.split(' '), " ", self.room(indent)))
    }

    /// Harmless parts with dots between them, broken between parts only, each line behind an indent.
    pub(super) fn parts(self, indent: usize, tone: Option<Tone>, parts: &[String]) -> String {
        self.lines(indent, tone, &broken(parts.iter().map(String::as_str), " · ", self.room(indent)))
    }

    /// Harmless text behind a head of so many columns, broken and aligned.
    pub(super) fn hanging(self, head: &str, columns: usize, text: &str) -> String {
        format!("{head}{}", self.paragraph(columns, None, text).trim_start())
    }

    /// The heads of a table, and its rows of harmless cells aligned under them: as many columns as fit the paper, and beside each
    /// row what the others hold.
    pub(super) fn table<const N: usize>(self, heads: [&str; N], rows: &[[String; N]]) -> (String, Vec<(String, Vec<String>)>) {
        // A column of nothing has no head either.
        let is_empty = |column: usize| rows.iter().all(|row| row[column].is_empty());
        let head = std::array::from_fn(|column| if is_empty(column) { String::new() } else { heads[column].to_owned() });
        let first = |count: usize, row: &[String; N]| -> [String; N] {
            std::array::from_fn(|column| if column < count { row[column].clone() } else { String::new() })
        };
        let lines = |count: usize| -> Vec<String> {
            let all: Vec<[String; N]> = std::iter::once(&head).chain(rows).map(|row| first(count, row)).collect();
            aligned(&all)
        };
        let fits = |count: &usize| lines(*count).iter().all(|line| line.chars().count() <= self.width);
        let count = (1..=N).rev().find(fits).unwrap_or(1);
        let mut lines = lines(count).into_iter();
        let head = format!("{}\n", self.tone(Tone::Quiet, &lines.next().unwrap_or_default()));
        let rest = |row: &[String; N]| row[count..].iter().filter(|cell| !cell.is_empty()).cloned().collect();
        (head, lines.zip(rows.iter().map(rest)).collect())
    }

    fn lines(self, indent: usize, tone: Option<Tone>, lines: &[String]) -> String {
        let toned = |line: &str| tone.map_or_else(|| line.to_owned(), |tone| self.tone(tone, line));
        lines.iter().map(|line| format!("{:indent$}{}\n", "", toned(line))).collect()
    }

    fn room(self, indent: usize) -> usize {
        self.width.saturating_sub(indent).max(20)
    }

    /// A name and a text of others beside it, broken and aligned.
    pub(super) fn entry(self, name: &str, text: &str) -> String {
        const NAMES: usize = 14;
        let head = format!("  {}  ", self.tone(Tone::Quiet, &format!("{name:<NAMES$}")));
        self.hanging(&head, NAMES + 4, &legible(text, 2000))
    }

    pub(super) fn heading(self, text: &str) -> String {
        format!("\n{}\n", self.tone(Tone::Strong, text))
    }
}

/// Breaks a text between its parts; a part that is too long for a line stands alone and whole.
fn broken<'a>(parts: impl Iterator<Item = &'a str>, between: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for part in parts.filter(|part| !part.is_empty()) {
        let length = part.chars().count();
        let joined = used + between.chars().count() + length;
        match lines.last_mut() {
            Some(line) if joined <= width => {
                line.push_str(between);
                line.push_str(part);
                used = joined;
            }
            _ => {
                lines.push(part.to_owned());
                used = length;
            }
        }
    }
    lines
}

/// Rows of harmless cells as lines, each column as wide as its widest cell, two blanks between, none at the end.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).filter(|(_, width)| *width > 0).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, width: usize) -> Vec<String> {
        broken(text.split(' '), " ", width)
    }

    #[test]
    fn lines_break_between_words_and_long_words_stay_whole() {
        assert_eq!(words("one two three", 8), ["one two", "three"]);
        assert_eq!(words("a bbbbbbbbbbbb c", 6), ["a", "bbbbbbbbbbbb", "c"]);
        assert_eq!(words("ab cd", 5), ["ab cd"]);
        assert_eq!(words("ab cde", 5), ["ab", "cde"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "", "c"], ["aaa", "", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), ["a    c", "aaa"]);
    }

    #[test]
    fn what_does_not_fit_stands_beside_its_row() {
        let rows = [["a".repeat(12), String::new(), "b".repeat(9)], ["c".to_owned(), String::new(), String::new()]];
        let table = |width| Paper { width, colours: false }.table(["one", "two", "three"], &rows);
        let (head, lines) = table(23);
        assert_eq!(head, "one           three\n", "an empty column has no head");
        assert_eq!(lines, [("aaaaaaaaaaaa  bbbbbbbbb".to_owned(), Vec::new()), ("c".to_owned(), Vec::new())]);
        let (head, lines) = table(22);
        assert_eq!(head, "one\n");
        assert_eq!(lines, [("a".repeat(12), vec!["b".repeat(9)]), ("c".to_owned(), Vec::new())]);
    }

    #[test]
    fn without_colours_nothing_but_text_comes_out() {
        assert_eq!(Paper::PLAIN.tone(Tone::Bad, "x"), "x");
        assert_eq!(Paper { colours: true, ..Paper::PLAIN }.tone(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}

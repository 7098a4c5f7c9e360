//! Tables are read back by a reader that knows nothing of the writer.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

use evidence_bundle::table::{Cell, Column, Csv};
use proptest::prelude::*;
use std::iter::Peekable;
use std::str::Chars;

/// A strict reader of RFC 4180: rows of cells, and whether each was in quotes.
fn parse(text: &str) -> Vec<Vec<(String, bool)>> {
    let mut rows = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let mut row = Vec::new();
        loop {
            let (mut cell, quoted) = (String::new(), chars.next_if_eq(&'"').is_some());
            if quoted {
                read_quoted(&mut chars, &mut cell);
            }
            while let Some(c) = chars.next_if(|c| !quoted && !matches!(c, ',' | '\r')) {
                assert!(!matches!(c, '"' | '\n'), "a bare cell has no quote and no line feed");
                cell.push(c);
            }
            row.push((cell, quoted));
            match chars.next() {
                Some(',') => {}
                Some('\r') => break assert_eq!(chars.next(), Some('\n')),
                other => panic!("{other:?} after a cell"),
            }
        }
        rows.push(row);
    }
    rows
}

/// Reads to the quote that ends a cell.
fn read_quoted(chars: &mut Peekable<Chars<'_>>, cell: &mut String) {
    loop {
        match chars.next().expect("a quoted cell ends") {
            '"' if chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => return,
            c => cell.push(c),
        }
    }
}

fn written(columns: Vec<Column>, rows: &[Vec<Cell<'_>>]) -> Vec<Vec<(String, bool)>> {
    let mut csv = Csv::begin(Vec::new(), columns).unwrap();
    for row in rows {
        csv.row(row).unwrap();
    }
    parse(&String::from_utf8(csv.finish().unwrap()).unwrap())
}

/// What a spreadsheet would calculate, told apart from how the writer tells it.
fn calculates(cell: &str) -> bool {
    cell.chars().find(|c| !c.is_whitespace()).is_some_and(|c| "=+-@＝＋－＠".contains(c))
}

/// Texts that are rich in what matters here.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "=", "+", "-", "@", "\t", "\r", "\n", " ", "\"", ",", "'", "＝", "＋", "\u{3000}", "\u{feff}", "\u{1b}", "1", "a"
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_text_is_one_cell_and_none_calculates(rows in prop::collection::vec((hostile(), hostile()), 0..8)) {
        let cells: Vec<_> = rows.iter().map(|(a, b)| vec![Cell::Text(a), Cell::Text(b)]).collect();
        let read = written(vec![Column::text("a"), Column::number("b")], &cells);
        prop_assert_eq!(read.len(), rows.len() + 1);
        for row in read {
            prop_assert_eq!(row.len(), 2);
            for (cell, quoted) in row {
                prop_assert!(!cell.chars().any(char::is_control), "{:?}", cell);
                prop_assert!(!calculates(&cell) || (!quoted && cell.parse::<f64>().is_ok()), "{:?}", cell);
            }
        }
    }

    #[test]
    fn plain_words_come_back_as_they_were(words in prop::collection::vec("[a-zA-Z0-9äß世,'.:/][a-zA-Z0-9 äß世,\"'.:/=@+-]{0,20}", 1..8)) {
        let cells: Vec<_> = words.iter().map(|word| vec![Cell::Text(word)]).collect();
        let read = written(vec![Column::text("a")], &cells);
        let back: Vec<_> = read.into_iter().skip(1).map(|mut row| row.remove(0).0).collect();
        prop_assert_eq!(back, words);
    }

    #[test]
    fn every_number_comes_back_as_it_was(integer in any::<i64>(), unsigned in any::<u64>(), decimal in any::<f64>()) {
        let columns = vec![Column::number("i"), Column::number("u"), Column::number("d")];
        let read = written(columns, &[vec![Cell::Integer(integer), Cell::Unsigned(unsigned), Cell::Decimal(decimal)]]);
        let [(i, false), (u, false), (d, false)] = &read[1][..] else { panic!("{read:?}") };
        prop_assert_eq!(i.parse(), Ok(integer));
        prop_assert_eq!(u.parse(), Ok(unsigned));
        prop_assert_eq!(d.parse::<f64>().ok(), decimal.is_finite().then_some(decimal));
    }
}

//! The width that a shell knew, read off how it wrapped what was typed.
//!
//! Owns the trace that bash leaves: at the right margin it prints a blank and a carriage return (measured, bash 5.2, readline 8.2).
//! Rendered at another width, the rest of the command would overwrite its beginning.

use super::{Bounded, Size};
use avt::parser::Function;
use std::collections::BTreeMap;

/// Where a shell reads a line: between these two, which every bash since 5.1 and zsh print.
const EDITING: (&[u8], &[u8]) = (b"\x1b[?2004h", b"\x1b[?2004l");

/// A line that is edited longer than this tells nothing.
const MAX_REGION: usize = 16 * 1024;

/// Lines that are looked at: the first ones tell, and nobody makes this long.
const MAX_REGIONS: usize = 1_000;

/// Narrower terminals are no one's, and a chance meeting of blank and return.
const NARROWEST: usize = 20;

/// Guesses the columns of the terminal in which a transcript was made; none when no command was long enough to wrap.
///
/// For the agent's log, which does not say them. A guess: a user can make it wrong, and a resize makes it half right.
pub fn guess_columns(bytes: &[u8]) -> Option<u32> {
    let mut votes = BTreeMap::<usize, u32>::new();
    let mut rest = bytes;
    for _ in 0..MAX_REGIONS {
        let Some(start) = find(rest, EDITING.0) else { break };
        rest = &rest[start + EDITING.0.len()..];
        let end = find(&rest[..rest.len().min(MAX_REGION)], EDITING.1);
        if let Some(columns) = end.and_then(|end| first_margin(&rest[..end])) {
            *votes.entry(columns).or_default() += 1;
        }
    }
    let (columns, _) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    u32::try_from(columns).ok()
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

/// The column at which the first blank is followed by a return, and that by text.
fn first_margin(region: &[u8]) -> Option<usize> {
    let mut model = Bounded::new(Size::new(u32::MAX, 2));
    let (mut blank, mut candidate, mut margin) = (false, None, None);
    model.feed(region, &mut |terminal, function, _| {
        if matches!(function, Function::Print(_)) && margin.is_none() {
            margin = candidate;
        }
        let column = terminal.cursor_position().col;
        candidate = (function == Function::Cr && blank && column > NARROWEST).then(|| column - 1);
        blank = function == Function::Print(' ');
        terminal.execute(function);
    });
    margin
}

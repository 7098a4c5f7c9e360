//! Runs of characters that a token can have.

use std::ops::Range;

/// The longest run of such bytes from `start` on.
pub(super) fn run(line: &str, start: usize, belongs: fn(u8) -> bool) -> Range<usize> {
    let length = line.as_bytes()[start..].iter().position(|&byte| !belongs(byte));
    start..length.map_or(line.len(), |length| start + length)
}

/// The last run of one kind of bytes: however many words begin in it, it is walked once.
#[derive(Debug, Clone, Default)]
pub(super) struct LastRun(Range<usize>);

impl LastRun {
    /// The same as [`run`], which must always be asked for the same bytes.
    pub(super) fn run(&mut self, line: &str, start: usize, belongs: fn(u8) -> bool) -> Range<usize> {
        if !self.0.contains(&start) {
            self.0 = run(line, start, belongs);
        }
        start..self.0.end
    }
}

/// Letters and digits.
pub(super) fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Base64 for URLs, without its end.
pub(super) fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Everything that base64 tokens have, dots and percent signs included.
pub(super) fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=' | b'.' | b'~' | b'%')
}

/// Whether no letter or digit stands before the place.
pub(super) fn begins_word(line: &str, start: usize) -> bool {
    !line[..start].bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Words to look for, all at once: by their first byte.
pub(super) struct Index(Vec<Vec<usize>>);

impl Index {
    pub(super) fn new(words: impl Iterator<Item = &'static str>) -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for (place, word) in words.enumerate() {
            if let Some(first) = word.bytes().next() {
                by_first[usize::from(first)].push(place);
            }
        }
        Self(by_first)
    }

    /// Places in the line, each with the words that may begin there.
    pub(super) fn candidates<'a>(&'a self, line: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
        line.bytes().enumerate().flat_map(|(at, byte)| self.0[usize::from(byte)].iter().map(move |word| (at, *word)))
    }
}

//! Words that look random.
//!
//! Owns the measure: how mixed the letters are, and how often small letters, capitals and digits take turns. Text, paths and
//! identifiers change class seldom; base64 does at two characters in three. Digests and ids in hexadecimal are never taken:
//! an auditor needs them, and a secret in hexadecimal looks the same.

use super::words::run;
use super::{Grade, Kind, Span};

/// Shorter words are too often something else.
const SHORTEST: usize = 32;

/// Shortest word of small letters and digits alone.
const SHORTEST_SMALL: usize = 40;

pub(super) fn find(line: &str, spans: &mut Vec<Span>) {
    let (mut at, mut outer, mut looked) = (0, 0, 0);
    while at < line.len() {
        let body = run(line, at, belongs);
        let word = body.end.min(body.start + leading(&line[body.clone()]))..run(line, body.end, |byte| byte == b'=').end;
        if let Some(end) = line[looked..word.start].rfind([' ', '"', '\'', '(', '=']) {
            outer = looked + end + 1;
        }
        looked = word.start;
        if body.len() >= SHORTEST
            && !is_public(line, outer, word.start, &line[word.clone()])
            && let Some(grade) = grade(&line[word.clone()], line[body.clone()].starts_with('/'))
        {
            spans.push(Span { range: word.clone(), kind: Kind::HighEntropy, grade });
        }
        at = word.end.max(body.end) + line[word.end..].chars().next().map_or(1, char::len_utf8);
    }
}

/// Slashes and dashes in front, as of a URL or an option, belong to no token.
fn leading(word: &str) -> usize {
    word.len() - word.trim_start_matches(['/', '-']).len()
}

fn belongs(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Digests in base64, public keys and resource names are meant to be seen; `outer` is where the text around the word begins.
fn is_public(line: &str, outer: usize, start: usize, word: &str) -> bool {
    let before = &line[..start];
    line[outer..].starts_with("arn:")
        || before.ends_with("SHA256:")
        || ["sha1-", "sha256-", "sha384-", "sha512-"].iter().any(|name| word.starts_with(name))
        || ["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "AAAAGnNrLX", "AAAAInNrLW"].iter().any(|key| word.starts_with(key))
}

fn grade(word: &str, path: bool) -> Option<Grade> {
    // A path is as random as its longest part; base64 has a slash now and then, and hardly two wordy parts.
    let wordy_parts = word.split('/').filter(|part| wordy(part)).count();
    if wordy_parts >= 2 || (wordy_parts == 1 && path) {
        return word.split('/').filter(|part| part.len() >= SHORTEST).filter_map(grade_part).max();
    }
    grade_part(word)
}

/// Whether a part of a path is a plain word.
fn wordy(part: &str) -> bool {
    part.len() >= 3 && turns(part) * 5 < part.len()
}

fn grade_part(word: &str) -> Option<Grade> {
    let word = word.trim_end_matches('=').trim_matches(['-', '_', '/', '+']);
    if word.len() + 4 < SHORTEST || is_hexadecimal(word) || entropy(word) < 3.7 {
        return None;
    }
    let has = |class: fn(&u8) -> bool| word.bytes().any(|byte| class(&byte));
    let share = turns(word) * 100 / (word.len() - 1);
    let digits = has(u8::is_ascii_digit);
    // Names in camel case have no digit and change class at every other letter or less.
    let mixed = share >= if digits { 40 } else { 55 };
    let fairly = share >= 30;
    match (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase)) {
        (true, true) if mixed => Some(Grade::Likely),
        (true, true) if fairly && digits => Some(Grade::Possible),
        (true, false) | (false, true) if fairly && digits && word.len() >= SHORTEST_SMALL && !word.contains(['-', '_', '/']) => {
            Some(Grade::Possible)
        }
        _ => None,
    }
}

/// Digests, UUIDs, and names that end in one.
fn is_hexadecimal(word: &str) -> bool {
    let (head, tail) = word.rsplit_once(['-', '_', '/']).unwrap_or(("", word));
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        || (hexadecimal(tail) && tail.len() >= 8 && turns(head) * 4 < head.len().max(1))
}

/// How often the class of a character differs from the one before.
fn turns(word: &str) -> usize {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    word.as_bytes().windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count()
}

/// Shannon's measure over the word's own characters, bits a character.
fn entropy(word: &str) -> f64 {
    let mut counts = [0u32; 256];
    word.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let total = f64::from(u32::try_from(word.len()).unwrap_or(u32::MAX));
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total).map(|share| -share * share.log2()).sum()
}

//! Makes text that others wrote safe to show on a terminal.
//!
//! Control characters and those that turn the reading direction come out as visible escapes, so that no remote party can move
//! the cursor, set a title or hide words.

/// Returns `text` without blanks around it, with control and direction characters as visible escapes, cut after `limit`
/// characters with an ellipsis. Tabs and line ends become single blanks: a message stays on its line.
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit * 4));
    for (count, c) in text.trim().chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        match c {
            '\t' | '\n' | '\r' => shown.push(' '),
            c if c.is_control() || turns_or_hides(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// Whether a character turns the reading direction or takes no room at all.
fn turns_or_hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_passes() {
        assert_eq!(printable("a\u{1b}]0;t\u{7}b\u{9b}2J\u{202e}c", 100), "a\\u{1b}]0;t\\u{7}b\\u{9b}2J\\u{202e}c");
    }

    #[test]
    fn a_message_stays_on_its_line_and_is_bounded() {
        assert_eq!(printable(" one\r\ntwo\n", 100), "one  two");
        assert_eq!(printable("abcdef", 3), "abc…");
    }

    #[test]
    fn ordinary_words_of_any_language_pass() {
        assert_eq!(printable("Grüße 世界 🙂", 100), "Grüße 世界 🙂");
    }
}

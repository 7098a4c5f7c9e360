//! Renders text of remote origin so that no terminal escape survives. Owns no wording.

/// The replacement for what was cut off.
const ELLIPSIS: char = '…';

/// Renders control and direction-changing characters visibly and cuts after `max_chars`.
pub(crate) fn visible(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars));
    for (count, c) in text.trim().chars().enumerate() {
        if count == max_chars {
            out.push(ELLIPSIS);
            break;
        }
        if is_harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// Tells whether a character can neither move a cursor nor reorder the text around it.
fn is_harmless(c: char) -> bool {
    let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_visible_and_long_text_is_cut() {
        assert_eq!(visible("a\u{1b}[31mb\r\n", 100), "a\\u{1b}[31mb");
        assert_eq!(visible("x\ny", 100), "x\\ny");
        assert_eq!(visible("\u{202e}abc", 100), "\\u{202e}abc");
        assert_eq!(visible("abcdef", 3), "abc…");
    }
}

//! Markup of ours and text of others, kept apart by their types.
//!
//! Owns the one way onto the page: [`Markup::raw`] takes what stands in this program's source, everything else takes text and
//! escapes it. No text of others ever stands in an attribute: ids and links are numbers of ours.

use crate::legible::shown;
use evidence_bundle::table::steers;

/// The most characters of one text, so that no name fills the page.
const TEXT_MAX: usize = 4000;

/// A page as it grows.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Adds markup that stands in the source.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds a number.
    pub(super) fn number(&mut self, number: usize) -> &mut Self {
        self.0.push_str(&number.to_string());
        self
    }

    /// Adds a text of anybody, on one line, without blanks around it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.plain(text.trim())
    }

    fn plain(&mut self, text: &str) -> &mut Self {
        let mut chars = text.chars();
        for c in chars.by_ref().take(TEXT_MAX) {
            self.character(if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c });
        }
        if chars.next().is_some() {
            self.0.push('…');
        }
        self
    }

    /// Adds a text of anybody with its lines and blanks, until it takes `most` bytes of the page; says whether that was all.
    pub(super) fn lines(&mut self, text: &str, most: usize) -> bool {
        let end = self.0.len().saturating_add(most);
        for line in text.lines() {
            for c in line.chars() {
                if self.0.len() >= end {
                    return false;
                }
                if c == '\t' { self.0.push('\t') } else { self.character(c) }
            }
            if self.0.len() >= end {
                return false;
            }
            self.0.push('\n');
        }
        true
    }

    fn character(&mut self, c: char) {
        match c {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            c if steers(c) => {
                self.0.push_str("<span class=odd>");
                self.0.push_str(&shown(c));
                self.0.push_str("</span>");
            }
            c => self.0.push(c),
        }
    }

    /// Adds a text of anybody as code.
    pub(super) fn code(&mut self, text: &str) -> &mut Self {
        self.raw("<code>").text(text).raw("</code>")
    }

    /// Adds a sentence of ours, in which backticks set code apart.
    pub(super) fn sentence(&mut self, sentence: &'static str) -> &mut Self {
        for (at, part) in sentence.split('`').enumerate() {
            if at % 2 == 0 {
                self.plain(part)
            } else {
                self.code(part)
            };
        }
        self
    }

    /// Adds a row of a list of names and values, when there is a value.
    pub(super) fn entry(&mut self, name: &'static str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.raw("<dt>").raw(name).raw("<dd>").text(value);
        }
        self
    }

    /// The same with a sentence of ours.
    pub(super) fn sentence_entry(&mut self, name: &'static str, sentence: &'static str) -> &mut Self {
        self.raw("<dt>").raw(name).raw("<dd>").sentence(sentence)
    }

    /// The same, the value as code.
    pub(super) fn code_entry(&mut self, name: &'static str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.raw("<dt>").raw(name).raw("<dd>").code(value);
        }
        self
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_never_markup() {
        let mut page = Markup::default();
        page.text("<b onclick='x'>&\"\u{202e}\u{1b}\n.");
        assert_eq!(
            page.finish(),
            "&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;<span class=odd>\\u{202e}</span><span class=odd>\\u{1b}</span> ."
        );
    }

    #[test]
    fn lines_end_where_their_room_does() {
        let mut page = Markup::default();
        assert!(!page.lines("ab\ncd\nef", 4));
        assert_eq!(page.finish(), "ab\nc");
    }

    #[test]
    fn lines_keep_their_blanks_and_nothing_else_that_steers() {
        let mut page = Markup::default();
        assert!(page.lines("  a\tb\r\n\u{8}c", 100));
        assert_eq!(page.finish(), "  a\tb\n<span class=odd>\\u{8}</span>c\n");
    }

    #[test]
    fn a_sentence_sets_code_apart() {
        let mut page = Markup::default();
        page.sentence("deny `a<b` here");
        assert_eq!(page.finish(), "deny <code>a&lt;b</code> here");
    }

    #[test]
    fn a_long_text_ends() {
        let mut page = Markup::default();
        page.text(&"x".repeat(TEXT_MAX + 1));
        assert!(page.finish().ends_with("xx…"));
    }
}

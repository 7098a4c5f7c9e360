//! The agent's way of splitting a command line, and quoting that survives it.
//!
//! Owns both directions, so that each tests the other. Never expands anything: the agent runs no shell.

use thiserror::Error;

/// Says why the agent would refuse a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SplitError {
    /// The text ends right after a backslash.
    #[error("split the command: it ends after a backslash")]
    EndAfterBackslash,
    /// The text ends inside quotes.
    #[error("split the command: a quote is not closed")]
    OpenQuote,
}

/// Splits a command line into words exactly as the agent in a container does.
///
/// Single quotes are literal; in double quotes and outside a backslash takes the next character as it is, a line
/// feed too; `#` at the start of a word makes a comment up to the line's end; blank, tab, CR and LF separate.
/// An empty text gives no words (the agent then runs `sh`).
/// Source: google/shlex, amazon-ssm-agent session/shell/shell_unix.go.
///
/// # Errors
/// An open quote or a final backslash; the agent ends such a session after two seconds.
pub fn split_like_agent(text: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut place = Place::Between;
    for character in text.chars() {
        let next = place.after(character);
        match next {
            Next::Take(in_place) => {
                word.push(character);
                place = in_place;
            }
            Next::Skip(in_place) => place = in_place,
            Next::EndWord => {
                words.push(std::mem::take(&mut word));
                place = Place::Between;
            }
        }
    }
    match place {
        Place::Between | Place::Comment => Ok(words),
        Place::Word => {
            words.push(word);
            Ok(words)
        }
        Place::Escape | Place::QuotedEscape => Err(SplitError::EndAfterBackslash),
        Place::Single | Place::Double => Err(SplitError::OpenQuote),
    }
}

/// Where in the text the splitter stands.
#[derive(Clone, Copy)]
enum Place {
    Between,
    Comment,
    Word,
    Escape,
    Single,
    Double,
    QuotedEscape,
}

/// What becomes of one character.
enum Next {
    Take(Place),
    Skip(Place),
    EndWord,
}

impl Place {
    fn after(self, character: char) -> Next {
        match (self, character) {
            (Self::Between, ' ' | '\t' | '\r' | '\n') => Next::Skip(Self::Between),
            (Self::Between, '#') => Next::Skip(Self::Comment),
            (Self::Word, ' ' | '\t' | '\r' | '\n') => Next::EndWord,
            (Self::Between | Self::Word, '\'') => Next::Skip(Self::Single),
            (Self::Between | Self::Word, '"') => Next::Skip(Self::Double),
            (Self::Between | Self::Word, '\\') => Next::Skip(Self::Escape),
            (Self::Comment, '\n') => Next::Skip(Self::Between),
            (Self::Comment, _) => Next::Skip(Self::Comment),
            (Self::Between | Self::Word | Self::Escape, _) => Next::Take(Self::Word),
            (Self::Single, '\'') | (Self::Double, '"') => Next::Skip(Self::Word),
            (Self::Double, '\\') => Next::Skip(Self::QuotedEscape),
            (Self::Single, _) => Next::Take(Self::Single),
            (Self::Double | Self::QuotedEscape, _) => Next::Take(Self::Double),
        }
    }
}

/// Quotes a word so that `split_like_agent` gives it back.
///
/// Two braces never stand side by side in the result: SSM documents read `{{…}}` as a parameter.
pub(crate) fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    let single_cost = 3 * word.matches('\'').count();
    let double_cost = word.matches(['"', '\\']).count();
    if single_cost <= double_cost { single_quoted(word) } else { double_quoted(word) }
}

fn single_quoted(word: &str) -> String {
    format!("'{}'", braces_apart(word.replace('\'', r"'\''"), "''"))
}

fn double_quoted(word: &str) -> String {
    let escaped = word.replace('\\', r"\\").replace('"', "\\\"");
    format!("\"{}\"", braces_apart(escaped, "\"\""))
}

fn braces_apart(text: String, between: &str) -> String {
    if !text.contains("{{") {
        return text;
    }
    let mut apart = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character == '{' && apart.ends_with('{') {
            apart.push_str(between);
        }
        apart.push(character);
    }
    apart
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<String> {
        split_like_agent(text).expect("splits")
    }

    #[test]
    fn words_are_split_as_measured_at_the_agent() {
        assert_eq!(split("echo a #b c"), ["echo", "a"]);
        assert_eq!(split("echo a#b"), ["echo", "a#b"]);
        assert_eq!(split("  a\tb\r\nc  "), ["a", "b", "c"]);
        assert_eq!(split(""), Vec::<String>::new());
        assert_eq!(split("#only\nnext # c"), ["next"]);
    }

    #[test]
    fn quotes_differ_in_what_a_backslash_does() {
        assert_eq!(split(r"'a\b'"), [r"a\b"]);
        assert_eq!(split(r#""a\b\"c""#), ["ab\"c"]);
        assert_eq!(split("a\\\nb \"c\\\nd\""), ["a\nb", "c\nd"]);
        assert_eq!(split(r#"a'b'"c"\ d"#), ["abc d"]);
        assert_eq!(split("'' \"\""), ["", ""]);
        assert_eq!(split("'#' \\#x"), ["#", "#x"]);
    }

    #[test]
    fn what_the_agent_refuses_is_an_error() {
        for text in ["'a", "a \"b", "\"a\\\""] {
            assert_eq!(split_like_agent(text), Err(SplitError::OpenQuote), "{text}");
        }
        for text in ["a\\", "\\", "\"a\\"] {
            assert_eq!(split_like_agent(text), Err(SplitError::EndAfterBackslash), "{text}");
        }
    }

    #[test]
    fn braces_never_stand_side_by_side() {
        for word in ["{{ssm:x}}", "it's {{{x", "\"'{{{{'\"", "'''\"{{"] {
            let quoted = quote(word);
            assert!(!quoted.contains("{{"), "{quoted}");
            assert_eq!(split(&quoted), [word]);
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[ -~\\n\\t\u{e4}\u{1F600}'\"\\\\#{]{0,12}", 0..8)) {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(&line), words);
        }

        #[test]
        fn any_text_splits_or_is_refused(text in "[ab '\"\\\\#\\n]{0,24}") {
            if let Ok(words) = split_like_agent(&text) {
                prop_assert!(words.iter().map(String::len).sum::<usize>() <= text.len());
            }
        }
    }
}

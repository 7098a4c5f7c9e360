//! Prints an error with everything that caused it, once each.

use crate::text::printable;
use std::error::Error;

/// The longest text printed for one error, in characters.
const LIMIT: usize = 2_000;

/// Joins an error and its sources with `: `, fit for a terminal; a source that only repeats the text before it is left out.
pub fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = printable(&error.to_string(), LIMIT);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = printable(&cause.to_string(), LIMIT);
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to read `x`")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn each_cause_is_told_once() {
        let error = Outer(std::io::Error::other("disk \u{1b}[31mgone"));
        assert_eq!(chain_text(&error), "failed to read `x`: disk \\u{1b}[31mgone");
    }
}

//! The text of the remote script.
//!
//! Owns the reduction of `script.sh` to the one line that travels. Never inserts a value into it: nonce, mode,
//! user and argv are positional parameters.

use std::sync::LazyLock;

/// Numbers the script and its marks; READY carries it as `v1`.
pub const SCRIPT_VERSION: u32 = 1;

/// Returns the script as it travels: one line of ASCII, the same for every mode, user and program.
///
/// An auditor may look for this exact text in CloudTrail's `ExecuteCommand` events.
pub fn script_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| one_line(include_str!("script.sh")));
    &TEXT
}

/// Leaves out comment lines and blank ones, trims the others and joins them with a blank.
pub(crate) fn one_line(source: &str) -> String {
    let lines = source.lines().map(str::trim);
    let kept: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_short_line_that_single_quotes_can_hold() {
        let text = script_text();
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        assert!(!text.contains('\''), "a single quote would cost three bytes each");
        assert!(!text.contains("{{"), "read as a parameter by SSM documents");
        assert!(text.len() < 4096, "{} bytes", text.len());
    }

    #[test]
    fn ready_names_this_version() {
        assert!(script_text().contains(&format!("\"ready;v{SCRIPT_VERSION};")));
    }
}

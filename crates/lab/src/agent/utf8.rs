//! The agent's UTF-8 filter with its quirks (amazon-ssm-agent session/shell/shell.go, `processStdoutData`): an invalid byte
//! among the last three holds back itself and all that follows, other invalid bytes pass one by one, and a genuine U+FFFD
//! shrinks to its first byte.

/// A character of this many bytes may still become whole: what the filter waits for.
const LONGEST_CHARACTER: usize = 4;

/// Holds what waits for more output.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    held: Vec<u8>,
}

impl Filter {
    /// Takes a chunk of output and returns what goes out now, possibly nothing.
    pub(crate) fn pass(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(chunk);
        let mut out = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while at < self.held.len() {
            let plain = ascii_length(&self.held[at..]);
            out.extend_from_slice(&self.held[at..at + plain]);
            at += plain;
            if at == self.held.len() {
                break;
            }
            let (character, length) = first_character(&self.held[at..]);
            if character.is_none() && self.held.len() - at < LONGEST_CHARACTER {
                break;
            }
            let taken = if character.is_some() { length } else { 1 };
            out.extend_from_slice(&self.held[at..at + taken]);
            at += length;
        }
        self.held.drain(..at);
        out
    }
}

/// Returns the length of the ASCII text at the start, which always passes: the agent must not be what a measurement measures.
fn ascii_length(bytes: &[u8]) -> usize {
    if bytes.is_ascii() { bytes.len() } else { bytes.iter().take_while(|byte| byte.is_ascii()).count() }
}

/// Returns the first character and its length; none for an invalid byte (length 1) and for U+FFFD itself, which the
/// agent cannot tell apart.
fn first_character(bytes: &[u8]) -> (Option<char>, usize) {
    let whole = (1..=bytes.len().min(LONGEST_CHARACTER)).find_map(|length| {
        let character = std::str::from_utf8(&bytes[..length]).ok()?.chars().next()?;
        Some((character, length))
    });
    match whole {
        Some((char::REPLACEMENT_CHARACTER, length)) => (None, length),
        Some((character, length)) => (Some(character), length),
        None => (None, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_character_waits_for_its_rest() {
        let mut filter = Filter::default();
        assert_eq!(filter.pass(b"caf\xc3"), b"caf");
        assert_eq!(filter.pass(b"\xa9!"), "é!".as_bytes());
    }

    #[test]
    fn an_invalid_byte_near_the_end_holds_back_what_follows() {
        let mut filter = Filter::default();
        assert_eq!(filter.pass(b"..\xff\xffy"), b"..");
        assert_eq!(filter.pass(b"more"), b"\xff\xffymore");
    }

    #[test]
    fn invalid_bytes_in_the_middle_pass() {
        assert_eq!(Filter::default().pass(b"\xff\xfe12345"), b"\xff\xfe12345");
    }

    #[test]
    fn a_genuine_replacement_character_shrinks_to_one_byte() {
        assert_eq!(Filter::default().pass("\u{fffd}12345".as_bytes()), b"\xef12345");
    }
}

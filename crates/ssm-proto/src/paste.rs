//! Knows whether a bracketed paste is open at some point of the input.
//! Looks for the two markers of xterm's bracketed paste mode and nothing else; never holds input.

/// What opens a paste.
#[cfg(test)]
pub(crate) const OPEN: &[u8] = b"\x1b[200~";
/// What closes a paste.
pub(crate) const CLOSE: &[u8] = b"\x1b[201~";

const COMMON: &[u8] = b"\x1b[20";

/// The state after some bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PasteTracker {
    open: bool,
    matched: usize,
    opening: bool,
}

impl PasteTracker {
    /// Whether a paste was begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// How many bytes of a marker stand at the end, 0 to 5.
    pub(crate) fn partial(&self) -> usize {
        self.matched
    }

    pub(crate) fn feed_all(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.feed(byte);
        }
    }

    /// Takes one byte; true when it ends a marker.
    pub(crate) fn feed(&mut self, byte: u8) -> bool {
        match self.matched {
            matched if matched < COMMON.len() && byte == COMMON[matched] => self.matched += 1,
            4 if matches!(byte, b'0' | b'1') => {
                self.opening = byte == b'0';
                self.matched = 5;
            }
            5 if byte == b'~' => {
                self.open = self.opening;
                self.matched = 0;
                return true;
            }
            _ => self.matched = usize::from(byte == COMMON[0]),
        }
        false
    }

    /// How many bytes at the head of `rest` end a marker that began before it; 0 when they do not.
    pub(crate) fn completes(&self, rest: &[u8]) -> usize {
        let mut after = *self;
        for (index, &byte) in rest.iter().enumerate() {
            let before = after.matched;
            if before == 0 {
                return 0;
            }
            if after.feed(byte) {
                return index + 1;
            }
            if after.matched != before + 1 {
                return 0;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(bytes: &[u8]) -> PasteTracker {
        let mut tracker = PasteTracker::default();
        tracker.feed_all(bytes);
        tracker
    }

    #[test]
    fn markers_open_and_close() {
        assert!(after(OPEN).is_open());
        assert!(!after(&[OPEN, b"text", CLOSE].concat()).is_open());
        assert!(after(&[b"\x1b\x1b[2", OPEN].concat()).is_open());
        assert!(!after(b"\x1b[2~\x1b[202~").is_open());
    }

    #[test]
    fn a_marker_in_two_pieces_is_seen() {
        for cut in 1..OPEN.len() {
            let tracker = after(&OPEN[..cut]);
            assert_eq!(tracker.partial(), cut);
            assert_eq!(tracker.completes(&[&OPEN[cut..], b"rest"].concat()), OPEN.len() - cut);
        }
        assert_eq!(after(b"\x1b").completes(b"[A"), 0);
        assert_eq!(after(b"x").completes(OPEN), 0);
        assert_eq!(after(b"\x1b[2").completes(OPEN), 0);
    }
}

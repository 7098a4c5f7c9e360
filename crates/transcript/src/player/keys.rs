//! The player's keys.

/// Names what the auditor can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Stand still, or go on: space.
    Pause,
    /// Twice as fast: `+` or `>`.
    Faster,
    /// Half as fast: `-` or `<`.
    Slower,
    /// Five seconds on: the right arrow or `l`.
    Forward,
    /// Five seconds back: the left arrow or `h`.
    Back,
    /// The next marker: `]` or the down arrow.
    NextMark,
    /// The marker before: `[` or the up arrow.
    PreviousMark,
    /// To the beginning: `0`.
    Start,
    /// To the end: `$`.
    End,
    /// The next event, then stand still: `.`.
    Step,
    /// Leave: `q` or Ctrl-C.
    Quit,
}

impl Key {
    /// Reads the first key of some bytes that were read together, and says how many bytes it is; unknown ones are skipped one by one.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        (0..bytes.len()).find_map(|at| Self::at(&bytes[at..]).map(|(key, length)| (key, at + length)))
    }

    fn at(bytes: &[u8]) -> Option<(Self, usize)> {
        let arrow = bytes.strip_prefix(b"\x1b[").or_else(|| bytes.strip_prefix(b"\x1bO")).and_then(|rest| rest.first());
        if let Some(key) = arrow.and_then(|letter| Self::arrow(*letter)) {
            return Some((key, 3));
        }
        let key = match bytes.first()? {
            b' ' => Self::Pause,
            b'+' | b'>' => Self::Faster,
            b'-' | b'<' => Self::Slower,
            b'l' => Self::Forward,
            b'h' => Self::Back,
            b']' => Self::NextMark,
            b'[' => Self::PreviousMark,
            b'0' => Self::Start,
            b'$' => Self::End,
            b'.' => Self::Step,
            b'q' | 0x03 => Self::Quit,
            _ => return None,
        };
        Some((key, 1))
    }

    fn arrow(letter: u8) -> Option<Self> {
        match letter {
            b'C' => Some(Self::Forward),
            b'D' => Some(Self::Back),
            b'B' => Some(Self::NextMark),
            b'A' => Some(Self::PreviousMark),
            _ => None,
        }
    }
}

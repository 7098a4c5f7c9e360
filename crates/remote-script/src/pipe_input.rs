//! What is written to the remote terminal in pipe mode, and the confirmation of every mode.
//!
//! Owns the framing of stdin and of its end. Never holds bytes back: what is given comes out at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::command_line::PipeEncoding;
use crate::nonce::Nonce;

/// Limits an encoded line, its line feed included, to what a canonical Linux terminal takes (4096, N_TTY).
pub const MAX_LINE: usize = 4089;
/// Bytes of one line: a multiple of three, so that only a batch's last line is padded.
const LINE_BYTES: usize = 3066;
/// Lines of one batch; the remote side starts two processes a batch, and decodes it as a whole.
const BATCH_LINES: usize = 16;
const EOF: u8 = 0x04;

/// Returns what tells the script that everything up to the exit mark has arrived: line feeds, nonce, line feed.
///
/// The line feeds end whatever line or batch of [`InputEncoder`] was cut short, in every mode. Send it once, after
/// [`crate::ScanItem::Exit`], when all output is acknowledged; no user input may follow the mark.
pub fn confirmation(nonce: &Nonce) -> Vec<u8> {
    format!("{}{nonce}\n", "\n".repeat(BATCH_LINES + 1)).into_bytes()
}

/// Encodes piped stdin for the remote terminal.
///
/// With base64 a batch is a line with the number of lines that follow, then those lines. The whole batch must be sent
/// before the next one, and before the end of file.
#[derive(Clone, Debug)]
pub struct InputEncoder {
    encoding: PipeEncoding,
    at_line_start: bool,
}

impl InputEncoder {
    /// Makes an encoder for one run.
    pub fn new(encoding: PipeEncoding) -> Self {
        Self { encoding, at_line_start: true }
    }

    /// Returns the terminal bytes for these bytes of stdin; nothing for nothing.
    pub fn encode(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(&last) = bytes.last() else {
            return Vec::new();
        };
        match self.encoding {
            PipeEncoding::None => {
                self.at_line_start = last == b'\n';
                bytes.to_vec()
            }
            PipeEncoding::Base64 => bytes.chunks(LINE_BYTES * BATCH_LINES).flat_map(batch).collect(),
        }
    }

    /// Returns the terminal bytes for the end of stdin. Nothing but the confirmation may follow.
    pub fn end(&mut self) -> Vec<u8> {
        if self.at_line_start { vec![EOF] } else { vec![EOF, EOF] }
    }
}

fn batch(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.chunks(LINE_BYTES);
    let mut text = format!("{}\n", lines.len());
    for line in lines {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the remote loop does with the text.
    fn decode(text: &[u8]) -> Vec<u8> {
        let mut lines = std::str::from_utf8(text).expect("ascii").lines();
        let mut bytes = Vec::new();
        while let Some(count) = lines.next() {
            let count: usize = count.parse().expect("a count");
            let batch: String = (0..count).map(|_| lines.next().expect("a line")).collect();
            bytes.extend(STANDARD.decode(batch).expect("base64"));
        }
        bytes
    }

    #[test]
    fn a_single_byte_comes_out_at_once() {
        assert_eq!(InputEncoder::new(PipeEncoding::Base64).encode(b"a"), b"1\nYQ==\n");
        assert_eq!(InputEncoder::new(PipeEncoding::Base64).encode(b""), b"");
    }

    #[test]
    fn lines_fit_a_canonical_terminal() {
        let text = InputEncoder::new(PipeEncoding::Base64).encode(&vec![0xff; 200_000]);
        let longest = text.split(|&byte| byte == b'\n').map(|line| line.len() + 1).max();
        assert_eq!(longest, Some(MAX_LINE));
        const { assert!(MAX_LINE < 4096) };
    }

    #[test]
    fn the_end_takes_two_bytes_inside_a_line() {
        let mut plain = InputEncoder::new(PipeEncoding::None);
        assert_eq!(plain.end(), [EOF]);
        assert_eq!(plain.encode(b"a\nb"), b"a\nb");
        assert_eq!(plain.end(), [EOF, EOF]);
        plain.encode(b"\n");
        assert_eq!(plain.end(), [EOF]);
        let mut base64 = InputEncoder::new(PipeEncoding::Base64);
        base64.encode(b"a");
        assert_eq!(base64.end(), [EOF]);
    }

    #[test]
    fn the_confirmation_ends_any_open_batch() {
        let nonce = Nonce::new([1; 16]);
        let text = String::from_utf8(confirmation(&nonce)).expect("ascii");
        let blank = text.lines().take_while(|line| line.is_empty()).count();
        assert!(blank > BATCH_LINES);
        assert!(text.ends_with(&format!("\n{nonce}\n")));
    }

    proptest! {
        #[test]
        fn bytes_come_back(chunks in proptest::collection::vec((0_usize..60_000, any::<u8>()), 0..4)) {
            let mut encoder = InputEncoder::new(PipeEncoding::Base64);
            let chunks: Vec<Vec<u8>> = chunks.into_iter().map(|(len, byte)| vec![byte; len]).collect();
            let text: Vec<u8> = chunks.iter().flat_map(|chunk| encoder.encode(chunk)).collect();
            prop_assert_eq!(decode(&text), chunks.concat());
        }
    }
}

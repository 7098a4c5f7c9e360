//! The program's stdout and stderr, taken out of the lines that carry them.
//!
//! Owns the line format `O<base64>` and `E<base64>`. Never panics on what a container sends, and never hides it:
//! what is no such line is reported as garbage.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Longer than any line of the script (16384 bytes make 21 849 characters).
const MAX_FRAME: usize = 64 * 1024;

/// Names one of the program's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// Tells what one line held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipeItem {
    /// The program wrote these bytes.
    Data(Stream, Bytes),
    /// A line that the script did not write, or not as it should be; hostile like all remote text.
    Garbage(Bytes),
}

/// Decodes the lines of pipe mode over any split of the stream.
#[derive(Clone, Debug, Default)]
pub struct PipeDecoder {
    line: Vec<u8>,
}

impl PipeDecoder {
    /// Makes a decoder at the start of a line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes that [`crate::ScanItem::Output`] gave and hands out what their whole lines held.
    ///
    /// A transcript's CR before the line feed and blank lines are ignored.
    pub fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(PipeItem)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > MAX_FRAME {
                self.take_line(out);
            }
        }
    }

    /// Hands out a last line without line feed, at the end of the stream.
    pub fn finish(&mut self, out: &mut dyn FnMut(PipeItem)) {
        if !self.line.is_empty() {
            out(PipeItem::Garbage(std::mem::take(&mut self.line).into()));
        }
    }

    fn take_line(&mut self, out: &mut dyn FnMut(PipeItem)) {
        let line = std::mem::take(&mut self.line);
        if line.iter().all(|byte| b"\r\n".contains(byte)) {
            return;
        }
        out(decode(&line).unwrap_or_else(|| PipeItem::Garbage(line.into())));
    }
}

fn decode(line: &[u8]) -> Option<PipeItem> {
    let line = line.strip_suffix(b"\n")?;
    let (tag, text) = line.strip_suffix(b"\r").unwrap_or(line).split_first()?;
    let stream = match tag {
        b'O' => Stream::Stdout,
        b'E' => Stream::Stderr,
        _ => return None,
    };
    let bytes = STANDARD.decode(text).ok()?;
    Some(PipeItem::Data(stream, bytes.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_all(chunks: &[&[u8]]) -> Vec<PipeItem> {
        let mut items = Vec::new();
        let mut decoder = PipeDecoder::new();
        for chunk in chunks {
            decoder.feed(chunk, &mut |item| items.push(item));
        }
        decoder.finish(&mut |item| items.push(item));
        items
    }

    fn data(stream: Stream, bytes: &'static [u8]) -> PipeItem {
        PipeItem::Data(stream, Bytes::from_static(bytes))
    }

    #[test]
    fn every_split_gives_the_same_items() {
        let text = b"OaGk=\nEIQ==\r\n\n\r\n";
        let expected = [data(Stream::Stdout, b"hi"), data(Stream::Stderr, b"!")];
        for cut in 0..text.len() {
            assert_eq!(decode_all(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn garbage_is_reported_and_the_next_line_decodes() {
        for garbage in [&b"motd\n"[..], b"O%%%%\n", b"OaGk\n", b"\xff\xfe\n", b"XaGk=\n", b" \n"] {
            let items = decode_all(&[garbage, b"OaGk=\n"]);
            let expected = [PipeItem::Garbage(Bytes::from_static(garbage)), data(Stream::Stdout, b"hi")];
            assert_eq!(items, expected);
        }
    }

    #[test]
    fn an_unfinished_line_is_garbage_at_the_end() {
        assert_eq!(decode_all(&[b"OaGk="]), [PipeItem::Garbage(Bytes::from_static(b"OaGk="))]);
    }

    #[test]
    fn an_endless_line_does_not_grow_without_bound() {
        let chunk = vec![b'A'; 4096];
        let items = decode_all(&vec![&chunk[..]; 100]);
        assert!(items.len() > 5);
        assert!(items.iter().all(|item| matches!(item, PipeItem::Garbage(_))));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let held: usize = decode_all(&[&bytes]).iter().map(|item| match item {
                PipeItem::Garbage(bytes) => bytes.len(),
                PipeItem::Data(_, bytes) => bytes.len().div_ceil(3) * 4 + 2,
            }).sum();
            prop_assert!(held <= bytes.len() + 1);
        }
    }
}

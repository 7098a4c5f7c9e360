//! Bytes to text over any split, as a terminal decodes them.
//!
//! Owns the bytes of a character that is not whole yet. What is no UTF-8 becomes U+FFFD.

/// Decodes a stream of bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoder {
    /// At most three bytes.
    pending: Vec<u8>,
}

impl Decoder {
    /// Hands out the text of the bytes so far.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(&str)) {
        let mut rest = bytes;
        while !self.pending.is_empty()
            && let Some((&first, after)) = rest.split_first()
        {
            self.pending.push(first);
            match std::str::from_utf8(&self.pending) {
                Ok(text) => {
                    out(text);
                    self.pending.clear();
                    rest = after;
                }
                Err(error) if error.error_len().is_none() => rest = after,
                // The new byte does not continue the character: it is read again, by itself.
                Err(_) => {
                    out("\u{fffd}");
                    self.pending.clear();
                }
            }
        }
        for chunk in rest.utf8_chunks() {
            out(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let at_end = std::ptr::eq(invalid.as_ptr_range().end, rest.as_ptr_range().end);
            if at_end && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none()) {
                self.pending.extend_from_slice(invalid);
            } else {
                out("\u{fffd}");
            }
        }
    }

    /// Ends the stream.
    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(&str)) {
        if !std::mem::take(&mut self.pending).is_empty() {
            out("\u{fffd}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_split_gives_what_the_standard_library_gives(
            pieces in proptest::collection::vec(prop_oneof![".{0,4}".prop_map(String::into_bytes), proptest::collection::vec(128u8.., 0..4)], 0..8),
            size in 1usize..6,
        ) {
            let bytes = pieces.concat();
            let mut text = String::new();
            let mut decoder = Decoder::default();
            bytes.chunks(size).for_each(|piece| decoder.feed(piece, &mut |part| text.push_str(part)));
            decoder.finish(&mut |part| text.push_str(part));
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}

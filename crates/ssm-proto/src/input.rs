//! What the user typed and we typed for ourselves, before it gets a number.
//!
//! Owns the bound on waiting input, its cutting into messages, and what an interrupt drops.
//! Never drops a byte without counting it: delivered + dropped = typed. Never looks at time or
//! windows.

use bytes::{Bytes, BytesMut};

use crate::paste::{CLOSE, PasteTracker};

/// Payload bytes of an input message at most: the official client's read size.
pub(crate) const MAX_CHUNK: usize = 1024;

/// What [`Link::interrupt`](crate::Link::interrupt) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Bytes of typed input that will never be sent.
    pub dropped: usize,
}

/// One message's worth of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// How many of them the user typed.
    pub(crate) typed: usize,
    /// Whether the closer of a cut paste is among them.
    pub(crate) closed_paste: bool,
}

/// Waiting input: the closer of a cut paste, our own bytes, the user's bytes.
#[derive(Debug, Default)]
pub(crate) struct InputQueue {
    user: BytesMut,
    /// Bytes at the head of `user` that an interrupt kept: they end a half-sent paste marker.
    kept: usize,
    closer_due: bool,
    control: BytesMut,
    sent: PasteTracker,
    closed: bool,
}

impl InputQueue {
    /// Takes what fits under `limit`; returns how much.
    pub(crate) fn accept(&mut self, bytes: &[u8], limit: usize) -> usize {
        let taken = bytes.len().min(self.capacity(limit));
        self.user.extend_from_slice(&bytes[..taken]);
        taken
    }

    pub(crate) fn capacity(&self, limit: usize) -> usize {
        if self.closed { 0 } else { limit.saturating_sub(self.user.len()) }
    }

    pub(crate) fn accept_control(&mut self, bytes: &[u8]) {
        self.control.extend_from_slice(bytes);
    }

    /// Drops what the user typed and was not numbered; a paste that is open at the far end gets its
    /// closing marker first. Returns the bytes dropped and whether a marker was added.
    pub(crate) fn interrupt(&mut self) -> (usize, bool) {
        if !self.closer_due {
            self.kept = self.sent.completes(&self.user);
        }
        let dropped = self.user.len() - self.kept;
        self.user.truncate(self.kept);
        let mut at_far_end = self.sent;
        at_far_end.feed_all(&self.user);
        let closing = at_far_end.is_open() && !self.closer_due;
        self.closer_due |= closing;
        (dropped, closing)
    }

    /// Drops what the user typed and was not numbered, for good. What an interrupt kept stays due: our
    /// own last bytes must not land in an open paste.
    pub(crate) fn close(&mut self) -> usize {
        let dropped = self.user.len() - self.kept;
        self.user.truncate(self.kept);
        self.closed = true;
        dropped
    }

    /// Cuts the next message: at most `window` bytes of the user's, at most [`MAX_CHUNK`] in all.
    /// Our own bytes go alone and need no window, nor does what must go before them.
    pub(crate) fn next_chunk(&mut self, window: usize) -> Option<Chunk> {
        let chunk = if self.closer_due || (self.kept > 0 && !self.control.is_empty()) {
            self.cut_kept(window)?
        } else if !self.control.is_empty() {
            let len = self.control.len().min(MAX_CHUNK);
            Chunk { bytes: self.control.split_to(len).freeze(), typed: 0, closed_paste: false }
        } else {
            self.cut_typed(window)?
        };
        self.sent.feed_all(&chunk.bytes);
        Some(chunk)
    }

    /// The kept end of a marker, the closer if it is due, and what was typed since, in one message.
    fn cut_kept(&mut self, window: usize) -> Option<Chunk> {
        if window == 0 && self.control.is_empty() {
            return None;
        }
        let mut bytes = self.user.split_to(self.kept);
        let mut typed = std::mem::take(&mut self.kept);
        let closed_paste = std::mem::take(&mut self.closer_due);
        if closed_paste {
            bytes.extend_from_slice(CLOSE);
        }
        if self.control.is_empty() {
            let more = self.user.len().min(window.saturating_sub(typed)).min(MAX_CHUNK - bytes.len());
            bytes.extend_from_slice(&self.user.split_to(more));
            typed += more;
        }
        Some(Chunk { bytes: bytes.freeze(), typed, closed_paste })
    }

    fn cut_typed(&mut self, window: usize) -> Option<Chunk> {
        let mut len = self.user.len().min(window).min(MAX_CHUNK);
        if len < self.user.len() {
            len -= self.marker_cut_at(len);
        }
        self.kept = self.kept.saturating_sub(len);
        (len > 0).then(|| Chunk { bytes: self.user.split_to(len).freeze(), typed: len, closed_paste: false })
    }

    /// Bytes of a paste marker that a cut at `len` would tear off, so that an interrupt in between
    /// never leaves half a marker at the far end.
    fn marker_cut_at(&self, len: usize) -> usize {
        let mut after = self.sent;
        after.feed_all(&self.user[..len]);
        let partial = after.partial();
        let tears = partial < len && after.completes(&self.user[len..]) > 0;
        if tears { partial } else { 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.control.is_empty() && !self.closer_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paste::OPEN;

    const LIMIT: usize = 1 << 20;

    fn drain(queue: &mut InputQueue) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(chunk) = queue.next_chunk(usize::MAX) {
            out.extend_from_slice(&chunk.bytes);
        }
        out
    }

    #[test]
    fn reads_are_joined_into_full_messages() {
        let mut queue = InputQueue::default();
        for _ in 0..300 {
            queue.accept(b"0123456789", LIMIT);
        }
        let sizes: Vec<_> = std::iter::from_fn(|| queue.next_chunk(usize::MAX)).map(|chunk| chunk.typed).collect();
        assert_eq!(sizes, [1024, 1024, 952]);
    }

    #[test]
    fn the_bound_is_kept() {
        let mut queue = InputQueue::default();
        assert_eq!(queue.accept(b"abcdef", 4), 4);
        assert_eq!(queue.capacity(4), 0);
        assert_eq!(queue.close(), 4);
        assert_eq!(queue.accept(b"x", 4), 0);
    }

    #[test]
    fn own_bytes_go_before_the_users_and_alone() {
        let mut queue = InputQueue::default();
        queue.accept(b"typed", LIMIT);
        queue.accept_control(b"\x04");
        let own = Chunk { bytes: Bytes::from_static(b"\x04"), typed: 0, closed_paste: false };
        assert_eq!(queue.next_chunk(0), Some(own));
        assert_eq!(queue.next_chunk(0), None);
        assert_eq!(drain(&mut queue), b"typed");
    }

    #[test]
    fn interrupt_closes_the_paste_that_the_far_end_began() {
        let mut queue = InputQueue::default();
        queue.accept(&[OPEN, b"abcdef"].concat(), LIMIT);
        assert_eq!(queue.next_chunk(8).unwrap().typed, 8);
        assert_eq!(queue.interrupt(), (4, true));
        queue.accept(b"\x03", LIMIT);
        assert_eq!(queue.interrupt(), (1, false), "a second one adds no second marker");
        queue.accept(b"\x03", LIMIT);
        assert_eq!(queue.next_chunk(0), None, "the closer waits for the window like input");
        assert_eq!(drain(&mut queue), [CLOSE, b"\x03"].concat());
        assert_eq!(queue.interrupt(), (0, false));
    }

    #[test]
    fn interrupt_outside_a_paste_adds_nothing() {
        let mut queue = InputQueue::default();
        queue.accept(&[OPEN, b"unsent", CLOSE].concat(), LIMIT);
        assert_eq!(queue.interrupt(), (18, false));
        assert_eq!(drain(&mut queue), b"");
    }

    #[test]
    fn a_half_sent_marker_is_finished_before_the_paste_is_closed() {
        let mut queue = InputQueue::default();
        queue.accept(&OPEN[..3], LIMIT);
        assert_eq!(queue.next_chunk(usize::MAX).unwrap().typed, 3);
        queue.accept(&[&OPEN[3..], b"abc"].concat(), LIMIT);
        assert_eq!(queue.interrupt(), (3, true));
        queue.accept(b"\x03", LIMIT);
        assert_eq!(queue.interrupt(), (1, false));
        let chunk = queue.next_chunk(usize::MAX).unwrap();
        assert_eq!(&chunk.bytes[..], [&OPEN[3..], CLOSE].concat());
        assert_eq!(chunk.typed, OPEN.len() - 3);
    }

    #[test]
    fn closing_the_input_keeps_the_closer_that_an_interrupt_owes() {
        let mut queue = InputQueue::default();
        queue.accept(&[OPEN, b"abcdef"].concat(), LIMIT);
        assert_eq!(queue.next_chunk(8).unwrap().typed, 8);
        assert_eq!(queue.interrupt(), (4, true));
        assert_eq!(queue.close(), 0);
        queue.accept_control(b"\x03");
        let closer = Chunk { bytes: Bytes::from_static(CLOSE), typed: 0, closed_paste: true };
        assert_eq!(queue.next_chunk(0), Some(closer), "our own bytes wait for no window, nor does what precedes them");
        assert_eq!(drain(&mut queue), b"\x03");
    }

    #[test]
    fn our_own_bytes_do_not_tear_a_half_sent_marker() {
        let mut queue = InputQueue::default();
        queue.accept(&[OPEN, b"ab", &CLOSE[..3]].concat(), LIMIT);
        queue.next_chunk(usize::MAX).unwrap();
        queue.accept(&[&CLOSE[3..], b"cd"].concat(), LIMIT);
        assert_eq!(queue.interrupt(), (2, false), "the paste ends with what is kept");
        assert_eq!(queue.close(), 0);
        queue.accept_control(b"\x03");
        let end = Chunk { bytes: Bytes::from_static(&CLOSE[3..]), typed: 3, closed_paste: false };
        assert_eq!(queue.next_chunk(0), Some(end));
        assert_eq!(drain(&mut queue), b"\x03");
    }

    #[test]
    fn messages_do_not_tear_paste_markers() {
        let mut queue = InputQueue::default();
        queue.accept(&[&[b'x'; 1021][..], OPEN, b"y"].concat(), LIMIT);
        assert_eq!(queue.next_chunk(usize::MAX).unwrap().typed, 1021);
        assert_eq!(queue.next_chunk(usize::MAX).unwrap().typed, OPEN.len() + 1);
    }
}

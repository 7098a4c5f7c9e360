//! Puts the peer's stream messages into order.
//!
//! Owns the expected number and what arrived too early, within limits; never acknowledges.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::payload::PayloadType;

/// Messages kept out of order at most; the official client's figure.
pub(crate) const MAX_EARLY_MESSAGES: i64 = 10_000;
/// Bytes kept out of order at most.
pub(crate) const MAX_EARLY_BYTES: usize = 16 * 1024 * 1024;

/// What a number means to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Seen before: confirm once more.
    Duplicate,
    /// The one expected.
    InOrder,
    /// Ahead of the one expected, and stored.
    Early,
    /// Outside the window: as if it never came.
    Beyond,
}

/// The expected number and the early messages.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    expected: i64,
    early: BTreeMap<i64, (PayloadType, Bytes)>,
    early_bytes: usize,
}

impl Receiver {
    /// Judges a message and stores it when it is early. One in order is the caller's: the
    /// expectation moves on.
    pub(crate) fn place(&mut self, number: i64, kind: PayloadType, payload: &Bytes) -> Place {
        if number < self.expected || self.early.contains_key(&number) {
            return Place::Duplicate;
        }
        if number == self.expected {
            self.expected += 1;
            return Place::InOrder;
        }
        let too_far = number - self.expected > MAX_EARLY_MESSAGES;
        if too_far || self.early_bytes + payload.len() > MAX_EARLY_BYTES {
            return Place::Beyond;
        }
        self.early_bytes += payload.len();
        self.early.insert(number, (kind, payload.clone()));
        Place::Early
    }

    /// Takes the early message whose turn it is.
    pub(crate) fn next_in_order(&mut self) -> Option<(i64, PayloadType, Bytes)> {
        let number = self.expected;
        let (kind, payload) = self.early.remove(&number)?;
        self.early_bytes -= payload.len();
        self.expected += 1;
        Some((number, kind, payload))
    }

    /// Takes the next early message whatever is missing before it, with the count of the missing and
    /// its number.
    pub(crate) fn next_over_gap(&mut self) -> Option<(u64, i64, PayloadType, Bytes)> {
        let (number, (kind, payload)) = self.early.pop_first()?;
        let missing = u64::try_from(number - self.expected).unwrap_or(0);
        self.early_bytes -= payload.len();
        self.expected = number + 1;
        Some((missing, number, kind, payload))
    }

    /// Whether something came early and waits for what is missing before it.
    pub(crate) fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(receiver: &mut Receiver, number: i64) -> Place {
        receiver.place(number, PayloadType::Output, &Bytes::from_static(b"x"))
    }

    #[test]
    fn early_messages_wait_for_their_turn() {
        let mut receiver = Receiver::default();
        assert_eq!(place(&mut receiver, 2), Place::Early);
        assert_eq!(place(&mut receiver, 2), Place::Duplicate);
        assert_eq!(place(&mut receiver, 0), Place::InOrder);
        assert!(receiver.next_in_order().is_none());
        assert_eq!(place(&mut receiver, 1), Place::InOrder);
        assert_eq!(receiver.next_in_order().unwrap().0, 2);
        assert_eq!(place(&mut receiver, 0), Place::Duplicate);
        assert!(!receiver.has_gap());
    }

    #[test]
    fn window_is_bounded_in_messages_and_bytes() {
        let mut receiver = Receiver::default();
        assert_eq!(place(&mut receiver, MAX_EARLY_MESSAGES), Place::Early);
        assert_eq!(place(&mut receiver, MAX_EARLY_MESSAGES + 1), Place::Beyond);
        assert_eq!(place(&mut receiver, i64::MAX), Place::Beyond);
        let big = Bytes::from(vec![0; MAX_EARLY_BYTES]);
        assert_eq!(receiver.place(5, PayloadType::Output, &big), Place::Beyond);
        assert_eq!(receiver.place(0, PayloadType::Output, &big), Place::InOrder);
    }

    #[test]
    fn a_gap_is_counted_when_jumped() {
        let mut receiver = Receiver::default();
        place(&mut receiver, 3);
        place(&mut receiver, 4);
        assert_eq!(receiver.next_over_gap().map(|(missing, ..)| missing), Some(3));
        assert_eq!(receiver.next_over_gap().map(|(missing, ..)| missing), Some(0));
        assert!(receiver.next_over_gap().is_none());
    }
}

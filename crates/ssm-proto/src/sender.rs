//! What we numbered and the peer has not yet confirmed.
//!
//! Owns numbers, repetition and its timers: each message has its own, doubled at each repetition.
//! Never makes a message and never decides whether one may be sent.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::rtt::RttEstimate;

/// Repetitions queued per tick at most.
pub(crate) const RESENDS_PER_TICK: usize = 64;
/// The official resend tick, used here as the pause after a full tick.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The longest wait between two repetitions, for the first attempts and later.
const MAX_WAIT_EARLY: Duration = Duration::from_secs(1);
const MAX_WAIT_LATE: Duration = Duration::from_secs(3);
const EARLY_ATTEMPTS: u32 = 8;
/// Samples beyond this say more about an outage than about the route.
const MAX_SAMPLE: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Sent {
    frame: Bytes,
    input_len: usize,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    attempts: u32,
    due: bool,
    sampled: bool,
}

/// A frame to hand to the socket.
pub(crate) struct Due {
    pub(crate) frame: Bytes,
    pub(crate) repeated: bool,
}

/// What a confirmation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    /// Bytes of user input in the message.
    pub(crate) input_len: usize,
    /// From its sending; none when it was sent more than once after a reconnect, or too long ago.
    pub(crate) round_trip: Option<Duration>,
}

/// The numbered, unconfirmed messages in order.
#[derive(Debug)]
pub(crate) struct Sender {
    next: i64,
    unacked: BTreeMap<i64, Sent>,
    input_messages: usize,
    input_bytes: usize,
    rtt: RttEstimate,
    not_before: Option<Instant>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self { next: 0, unacked: BTreeMap::new(), input_messages: 0, input_bytes: 0, rtt: RttEstimate::new(), not_before: None }
    }

    /// The number that the next message must bear.
    pub(crate) fn next_number(&self) -> i64 {
        self.next
    }

    /// Takes a message over; it is due at once. `input_len` is 0 for what is not user input.
    pub(crate) fn push(&mut self, frame: Bytes, input_len: usize) {
        let sent = Sent { frame, input_len, first_at: None, last_at: None, attempts: 0, due: true, sampled: true };
        self.unacked.insert(self.next, sent);
        self.next += 1;
        self.input_messages += usize::from(input_len > 0);
        self.input_bytes += input_len;
    }

    /// Takes the first due message; `growing` is false while repetitions must not slow down further.
    pub(crate) fn take_due(&mut self, now: Instant, growing: bool) -> Option<Due> {
        let sent = self.unacked.values_mut().find(|sent| sent.due)?;
        sent.due = false;
        sent.first_at.get_or_insert(now);
        let repeated = sent.last_at.replace(now).is_some();
        sent.attempts += u32::from(growing || sent.attempts == 0);
        Some(Due { frame: sent.frame.clone(), repeated })
    }

    /// As [`Sender::take_due`], for messages never handed out: all that an ended link still says.
    pub(crate) fn take_unsent(&mut self, now: Instant) -> Option<Due> {
        let sent = self.unacked.values_mut().find(|sent| sent.due && sent.last_at.is_none())?;
        sent.due = false;
        sent.last_at = Some(now);
        Some(Due { frame: sent.frame.clone(), repeated: false })
    }

    /// Removes the message with this number, wherever it stands; none when there is none, or when it
    /// was never handed out and so cannot have been received.
    pub(crate) fn acknowledge(&mut self, number: i64, now: Instant) -> Option<Confirmed> {
        self.unacked.get(&number)?.last_at?;
        let sent = self.unacked.remove(&number)?;
        self.input_messages -= usize::from(sent.input_len > 0);
        self.input_bytes -= sent.input_len;
        // From the first sending: an answer to the first copy, taken for one to the second, would
        // make the estimate too short and every message go out twice.
        let round_trip = sent.first_at.map(|first| now.saturating_duration_since(first));
        let round_trip = round_trip.filter(|sample| sent.sampled && *sample <= MAX_SAMPLE);
        if let Some(sample) = round_trip {
            self.rtt.sample(sample);
        }
        Some(Confirmed { input_len: sent.input_len, round_trip })
    }

    /// Makes everything unconfirmed due again, after a reconnect.
    pub(crate) fn repeat_all(&mut self) {
        for sent in self.unacked.values_mut() {
            sent.due = true;
            sent.sampled = false;
            sent.attempts = 0;
        }
        self.not_before = None;
    }

    /// Makes everything due again that was sent more than a tick ago, when the peer comes back.
    pub(crate) fn repeat_older_than_a_tick(&mut self, now: Instant) {
        for sent in self.unacked.values_mut() {
            let Some(last) = sent.last_at else { continue };
            if now.saturating_duration_since(last) >= TICK {
                sent.due = true;
                sent.sampled = false;
                sent.attempts = 0;
            }
        }
    }

    /// Makes due what has waited long enough, in order, up to [`RESENDS_PER_TICK`].
    pub(crate) fn repeat_expired(&mut self, now: Instant) {
        if self.not_before.is_some_and(|instant| now < instant) {
            return;
        }
        self.not_before = None;
        let rto = self.rtt.timeout();
        let expired = |sent: &&mut Sent| sent.expires(rto).is_some_and(|instant| instant <= now);
        let mut taken = 0;
        for sent in self.unacked.values_mut().filter(expired).take(RESENDS_PER_TICK) {
            sent.due = true;
            taken += 1;
        }
        if taken == RESENDS_PER_TICK {
            self.not_before = Some(now + TICK);
        }
    }

    /// When [`Sender::repeat_expired`] next has something to do.
    pub(crate) fn next_repeat(&self) -> Option<Instant> {
        let rto = self.rtt.timeout();
        let first = self.unacked.values().filter_map(|sent| sent.expires(rto)).min()?;
        Some(self.not_before.map_or(first, |instant| instant.max(first)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unacked.is_empty()
    }

    pub(crate) fn contains(&self, number: i64) -> bool {
        self.unacked.contains_key(&number)
    }

    /// Messages and bytes of user input on their way.
    pub(crate) fn input_in_flight(&self) -> (usize, usize) {
        (self.input_messages, self.input_bytes)
    }

    pub(crate) fn rtt(&self) -> &RttEstimate {
        &self.rtt
    }
}

impl Sent {
    /// When to repeat; `None` while it waits to be handed out.
    fn expires(&self, rto: Duration) -> Option<Instant> {
        let last = self.last_at.filter(|_| !self.due)?;
        let doublings = self.attempts.saturating_sub(1);
        let cap = if self.attempts <= EARLY_ATTEMPTS { MAX_WAIT_EARLY } else { MAX_WAIT_LATE };
        Some(last + rto.saturating_mul(1 << doublings.min(16)).min(cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sender_with(count: usize) -> (Sender, Instant) {
        let (mut sender, start) = (Sender::new(), Instant::now());
        for _ in 0..count {
            sender.push(Bytes::from_static(b"frame"), 5);
        }
        while sender.take_due(start, true).is_some() {}
        (sender, start)
    }

    #[test]
    fn waits_double_up_to_one_second_then_three() {
        let (mut sender, mut at) = sender_with(1);
        let mut waits = Vec::new();
        for _ in 0..12 {
            let next = sender.next_repeat().unwrap();
            waits.push((next - at).as_millis());
            at = next;
            sender.repeat_expired(at);
            assert!(sender.take_due(at, true).unwrap().repeated);
        }
        assert_eq!(waits, [200, 400, 800, 1000, 1000, 1000, 1000, 1000, 3000, 3000, 3000, 3000]);
    }

    #[test]
    fn waits_do_not_grow_while_the_peer_is_paused() {
        let (mut sender, mut at) = sender_with(1);
        for _ in 0..5 {
            let next = sender.next_repeat().unwrap();
            assert_eq!(next - at, 200 * MS);
            at = next;
            sender.repeat_expired(at);
            sender.take_due(at, false).unwrap();
        }
    }

    #[test]
    fn a_tick_repeats_no_more_than_sixty_four() {
        let (mut sender, start) = sender_with(100);
        let at = start + 200 * MS;
        sender.repeat_expired(at);
        let mut repeated = 0;
        while sender.take_due(at, true).is_some() {
            repeated += 1;
        }
        assert_eq!(repeated, RESENDS_PER_TICK);
        assert_eq!(sender.next_repeat(), Some(at + TICK));
        sender.repeat_expired(at);
        assert!(sender.take_due(at, true).is_none());
    }

    #[test]
    fn what_was_never_sent_cannot_be_confirmed() {
        let (mut sender, start) = (Sender::new(), Instant::now());
        sender.push(Bytes::from_static(b"frame"), 0);
        assert!(sender.acknowledge(0, start).is_none());
        assert!(sender.take_due(start, true).is_some());
        assert!(sender.acknowledge(0, start).is_some());
    }

    #[test]
    fn outages_do_not_spoil_the_round_trip() {
        let (mut sender, start) = sender_with(1);
        sender.repeat_all();
        sender.take_due(start + 900 * MS, true).unwrap();
        assert!(sender.acknowledge(0, start + 901 * MS).is_some());
        assert_eq!(sender.rtt().smoothed(), None);
        assert!(sender.acknowledge(0, start + 902 * MS).is_none());
    }
}

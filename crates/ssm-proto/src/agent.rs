//! The agent's half of the data channel, for the lab and for tests of two ends: numbers, acknowledgements, repetition and
//! encryption, as the real agent does them.
//!
//! Owns no socket and no child, and decides nothing about the handshake: whoever drives it takes [`Arrival::Due`] messages,
//! handles them, and says so. Time is an argument. Conduct of amazon-ssm-agent `session/datachannel/datachannel.go`: digests
//! are not checked, duplicates are acknowledged again, early messages are kept, only the oldest unacknowledged frame is
//! repeated, and a pause holds new output back.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::cipher::SessionCipher;
use crate::entropy::{Entropy, random_uuid};
use crate::frame::{FLAGS_SYN_FIN, Frame};
use crate::now::Now;
use crate::payload::{Acknowledgement, MessageType, PayloadType};
use bytes::Bytes;

/// How often the oldest frame is looked at.
pub const TICK: Duration = Duration::from_millis(100);
const FIRST_RTO: Duration = Duration::from_millis(200);
const MAX_RTO: Duration = Duration::from_secs(1);
const GRANULARITY: Duration = Duration::from_millis(10);

struct Unacknowledged {
    sequence: i64,
    frame: Bytes,
    sent: Instant,
}

/// One end of a data channel.
pub struct AgentLink {
    entropy: Box<dyn Entropy + Send>,
    next: i64,
    expected: i64,
    unacknowledged: VecDeque<Unacknowledged>,
    early: BTreeMap<i64, Frame>,
    held_back: VecDeque<Bytes>,
    paused: bool,
    round_trip: Duration,
    variation: Duration,
    rto: Duration,
    ack_race: bool,
    just_sent: Option<i64>,
    /// Seals and opens terminal bytes, once agreed on.
    pub cipher: Option<SessionCipher>,
}

impl AgentLink {
    /// Makes an end at its first message. With `ack_race` an acknowledgement that comes before anything else is sent is not
    /// understood, as by the real agent on a fast link.
    pub fn new(entropy: Box<dyn Entropy + Send>, ack_race: bool) -> Self {
        Self {
            entropy,
            next: 0,
            expected: 0,
            unacknowledged: VecDeque::new(),
            early: BTreeMap::new(),
            held_back: VecDeque::new(),
            paused: false,
            round_trip: Duration::from_millis(100),
            variation: Duration::ZERO,
            rto: FIRST_RTO,
            ack_race,
            just_sent: None,
            cipher: None,
        }
    }

    /// Numbers and keeps a message; returns the frame to send now, none while paused.
    pub fn send(&mut self, payload_type: PayloadType, payload: &[u8], now: Now) -> Option<Bytes> {
        let sealed = match &mut self.cipher {
            Some(cipher) if payload_type == PayloadType::Output => cipher.seal(payload),
            _ => Bytes::copy_from_slice(payload),
        };
        let sequence = self.next;
        self.next += 1;
        let flags = u64::from(sequence == 0);
        let frame = self.message(MessageType::OutputStreamData, (sequence, flags), payload_type, sealed, now);
        self.unacknowledged.push_back(Unacknowledged { sequence, frame: frame.clone(), sent: now.instant });
        if self.paused {
            self.held_back.push_back(frame);
            return None;
        }
        self.just_sent = Some(sequence);
        Some(frame)
    }

    /// Takes a numbered message: those that are due now, in order, and whether this one is to be acknowledged at once.
    pub fn arrived(&mut self, frame: Frame, now: Now) -> Arrival {
        if frame.sequence < self.expected {
            return Arrival::Again(self.acknowledgement(&frame, now));
        }
        if frame.sequence > self.expected {
            let acknowledged = self.acknowledgement(&frame, now);
            self.early.insert(frame.sequence, frame);
            return Arrival::Early(acknowledged);
        }
        Arrival::Due(frame)
    }

    /// The due message was handled: its acknowledgement, and the next one that is due already.
    pub fn handled(&mut self, frame: &Frame, now: Now) -> (Bytes, Option<Frame>) {
        self.expected = frame.sequence + 1;
        (self.acknowledgement(frame, now), self.early.remove(&self.expected))
    }

    /// An early message that was acknowledged when it came is handled now.
    pub fn handled_early(&mut self, frame: &Frame) -> Option<Frame> {
        self.expected = frame.sequence + 1;
        self.early.remove(&self.expected)
    }

    /// Takes an acknowledgement.
    pub fn acknowledged(&mut self, payload: &[u8], now: Now) {
        let Ok(acknowledgement) = Acknowledgement::decode(payload) else { return };
        let sequence = acknowledgement.acknowledged_message_sequence_number;
        // The real agent notes a frame as sent only after the socket's write: an answer that is quicker is not understood.
        if self.ack_race && self.just_sent.take() == Some(sequence) {
            return;
        }
        let Some(at) = self.unacknowledged.iter().position(|kept| kept.sequence == sequence) else { return };
        let Some(kept) = self.unacknowledged.remove(at) else { return };
        let measured = now.instant.saturating_duration_since(kept.sent);
        self.variation = self.variation * 3 / 4 + self.round_trip.abs_diff(measured) / 4;
        self.round_trip = self.round_trip * 7 / 8 + measured / 8;
        self.rto = (self.round_trip + GRANULARITY.max(self.variation * 4)).min(MAX_RTO);
    }

    /// The oldest frame, when it is time to repeat it. Nothing else is ever repeated.
    pub fn repeat(&mut self, now: Now) -> Option<Bytes> {
        let rto = self.rto;
        let oldest = self.unacknowledged.front_mut().filter(|oldest| now.instant.saturating_duration_since(oldest.sent) > rto)?;
        if self.paused {
            return None;
        }
        oldest.sent = now.instant;
        Some(oldest.frame.clone())
    }

    /// The peer is away: new output is kept back and nothing is repeated.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// The peer is active: what was held back goes now.
    pub fn unpause(&mut self) -> VecDeque<Bytes> {
        self.paused = false;
        std::mem::take(&mut self.held_back)
    }

    /// Whether the peer is away.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether every message was acknowledged.
    pub fn all_acknowledged(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    fn acknowledgement(&mut self, frame: &Frame, now: Now) -> Bytes {
        let payload = Acknowledgement {
            acknowledged_message_type: frame.message_type.clone(),
            acknowledged_message_id: frame.message_id,
            acknowledged_message_sequence_number: frame.sequence,
            is_sequential_message: true,
        };
        self.message(MessageType::Acknowledge, (0, FLAGS_SYN_FIN), PayloadType::Untyped, payload.encode(), now)
    }

    fn message(
        &mut self,
        message_type: MessageType,
        (sequence, flags): (i64, u64),
        payload_type: PayloadType,
        payload: Bytes,
        now: Now,
    ) -> Bytes {
        let message_id = random_uuid(self.entropy.as_mut());
        let created_millis = now.unix_millis.max(1);
        Frame { message_type, schema_version: 1, created_millis, sequence, flags, message_id, payload_type, payload }.encode()
    }
}

/// What became of a numbered message.
pub enum Arrival {
    /// It was handled before: the acknowledgement once more.
    Again(Bytes),
    /// It is early and kept: the acknowledgement.
    Early(Bytes),
    /// It is due: handle it.
    Due(Frame),
}

//! The agent's half of the data channel: numbers, acknowledgements, repetition and encryption, as the real agent does them.
//!
//! Owns no socket and no child; time is an argument. Conduct of amazon-ssm-agent `session/datachannel/datachannel.go`: digests
//! are not checked, duplicates are acknowledged again, early messages are kept, only the oldest unacknowledged frame is
//! repeated, and a pause holds new output back.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ssm_proto::cipher::SessionCipher;
use ssm_proto::frame::{FLAGS_SYN_FIN, Frame};
use ssm_proto::payload::{Acknowledgement, MessageType, PayloadType};
use uuid::Uuid;

/// How often the oldest frame is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(100);
const FIRST_RTO: Duration = Duration::from_millis(200);
const MAX_RTO: Duration = Duration::from_secs(1);
const GRANULARITY: Duration = Duration::from_millis(10);

struct Unacknowledged {
    sequence: i64,
    frame: Bytes,
    sent: Instant,
}

/// One end of a data channel.
pub(crate) struct Link {
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
    pub(crate) cipher: Option<SessionCipher>,
}

impl Link {
    pub(crate) fn new(ack_race: bool) -> Self {
        Self {
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
    pub(crate) fn send(&mut self, payload_type: PayloadType, payload: &[u8], now: Instant) -> Option<Bytes> {
        let sealed = match &mut self.cipher {
            Some(cipher) if payload_type == PayloadType::Output => cipher.seal(payload),
            _ => Bytes::copy_from_slice(payload),
        };
        let sequence = self.next;
        self.next += 1;
        let flags = u64::from(sequence == 0);
        let frame = message(MessageType::OutputStreamData, sequence, flags, payload_type, sealed);
        self.unacknowledged.push_back(Unacknowledged { sequence, frame: frame.clone(), sent: now });
        if self.paused {
            self.held_back.push_back(frame);
            return None;
        }
        self.just_sent = Some(sequence);
        Some(frame)
    }

    /// Takes a numbered message: those that are due now, in order, and whether this one is to be acknowledged at once.
    pub(crate) fn arrived(&mut self, frame: Frame) -> Arrival {
        if frame.sequence < self.expected {
            return Arrival::Again(acknowledgement(&frame));
        }
        if frame.sequence > self.expected {
            let acknowledged = acknowledgement(&frame);
            self.early.insert(frame.sequence, frame);
            return Arrival::Early(acknowledged);
        }
        Arrival::Due(frame)
    }

    /// The due message was handled: its acknowledgement, and the next one that is due already.
    pub(crate) fn handled(&mut self, frame: &Frame) -> (Bytes, Option<Frame>) {
        self.expected = frame.sequence + 1;
        (acknowledgement(frame), self.early.remove(&self.expected))
    }

    /// An early message that was acknowledged when it came is handled now.
    pub(crate) fn handled_early(&mut self, frame: &Frame) -> Option<Frame> {
        self.expected = frame.sequence + 1;
        self.early.remove(&self.expected)
    }

    /// Takes an acknowledgement.
    pub(crate) fn acknowledged(&mut self, payload: &[u8], now: Instant) {
        let Ok(acknowledgement) = Acknowledgement::decode(payload) else { return };
        let sequence = acknowledgement.acknowledged_message_sequence_number;
        // The real agent notes a frame as sent only after the socket's write: an answer that is quicker is not understood.
        if self.ack_race && self.just_sent.take() == Some(sequence) {
            return;
        }
        let Some(at) = self.unacknowledged.iter().position(|kept| kept.sequence == sequence) else { return };
        let Some(kept) = self.unacknowledged.remove(at) else { return };
        let measured = now.saturating_duration_since(kept.sent);
        self.variation = self.variation * 3 / 4 + self.round_trip.abs_diff(measured) / 4;
        self.round_trip = self.round_trip * 7 / 8 + measured / 8;
        self.rto = (self.round_trip + GRANULARITY.max(self.variation * 4)).min(MAX_RTO);
    }

    /// The oldest frame, when it is time to repeat it. Nothing else is ever repeated.
    pub(crate) fn repeat(&mut self, now: Instant) -> Option<Bytes> {
        let rto = self.rto;
        let oldest = self.unacknowledged.front_mut().filter(|oldest| now.saturating_duration_since(oldest.sent) > rto)?;
        if self.paused {
            return None;
        }
        oldest.sent = now;
        Some(oldest.frame.clone())
    }

    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// The peer is active: what was held back goes now.
    pub(crate) fn unpause(&mut self) -> VecDeque<Bytes> {
        self.paused = false;
        std::mem::take(&mut self.held_back)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn all_acknowledged(&self) -> bool {
        self.unacknowledged.is_empty()
    }
}

/// What became of a numbered message.
pub(crate) enum Arrival {
    /// It was handled before: the acknowledgement once more.
    Again(Bytes),
    /// It is early and kept: the acknowledgement.
    Early(Bytes),
    /// It is due: handle it.
    Due(Frame),
}

fn acknowledgement(frame: &Frame) -> Bytes {
    let payload = Acknowledgement {
        acknowledged_message_type: frame.message_type.clone(),
        acknowledged_message_id: frame.message_id,
        acknowledged_message_sequence_number: frame.sequence,
        is_sequential_message: true,
    };
    message(MessageType::Acknowledge, 0, FLAGS_SYN_FIN, PayloadType::Untyped, payload.encode())
}

fn message(message_type: MessageType, sequence: i64, flags: u64, payload_type: PayloadType, payload: Bytes) -> Bytes {
    let created_millis = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(1);
    let message_id = Uuid::new_v4();
    Frame { message_type, schema_version: 1, created_millis, sequence, flags, message_id, payload_type, payload }.encode()
}

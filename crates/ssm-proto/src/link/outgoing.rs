//! Frames to the gateway, in the order in which they matter: open, confirmations, repetitions, new
//! messages.
//!
//! Owns the gate before input and the window on it. Never keeps input back for any other reason.

use bytes::Bytes;

use super::{AckDue, EncryptionPolicy, Link, Transmit};
use crate::{
    entropy::random_uuid,
    frame::{FLAGS_SYN_FIN, Frame},
    input::MAX_CHUNK,
    now::Now,
    paste,
    payload::{Acknowledgement, MessageType, PayloadType},
};

impl Link {
    /// Takes the next thing for the socket; `None` when there is nothing or no connection.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        if !self.connected {
            return None;
        }
        if let Some(open) = self.open.take() {
            return Some(Transmit::Text(open));
        }
        if let Some(ack) = self.acks.pop_front() {
            self.counters.acks_sent += 1;
            return Some(Transmit::Binary(self.acknowledgement(ack, now)));
        }
        if self.end.is_some() {
            return self.sender.take_unsent(now.instant).map(|due| Transmit::Binary(due.frame));
        }
        self.poll_message(now).map(Transmit::Binary)
    }

    fn poll_message(&mut self, now: Now) -> Option<Bytes> {
        let growing = !self.peer_paused;
        let due = match self.sender.take_due(now.instant, growing) {
            Some(due) => due,
            None if self.number_next(now) => self.sender.take_due(now.instant, growing)?,
            None => return None,
        };
        self.stall.waiting(now.instant);
        self.counters.resends += u64::from(due.repeated);
        Some(due.frame)
    }

    fn acknowledgement(&mut self, ack: AckDue, now: Now) -> Bytes {
        let payload = Acknowledgement {
            acknowledged_message_type: MessageType::OutputStreamData,
            acknowledged_message_id: ack.message_id,
            acknowledged_message_sequence_number: ack.sequence,
            is_sequential_message: true,
        };
        let frame = self.frame(MessageType::Acknowledge, PayloadType::Untyped, payload.encode(), now);
        Frame { flags: FLAGS_SYN_FIN, ..frame }.encode()
    }

    /// Gives the next waiting thing a number: the size, then input.
    fn number_next(&mut self, now: Now) -> bool {
        if !self.may_send_input() {
            return false;
        }
        if self.size_in_flight.is_none_or(|number| !self.sender.contains(number))
            && let Some(size) = self.size_waiting.take()
        {
            self.size_in_flight = Some(self.sender.next_number());
            self.counters.sizes += 1;
            self.number(PayloadType::Size, size.encode(), 0, now);
            return true;
        }
        self.number_input(now)
    }

    fn number_input(&mut self, now: Now) -> bool {
        let Some(chunk) = self.input.next_chunk(self.open_window()) else { return false };
        self.count_chunk(chunk.typed, chunk.bytes.len(), chunk.closed_paste);
        let payload = match &mut self.cipher {
            Some(cipher) => cipher.seal(&chunk.bytes),
            None => chunk.bytes,
        };
        self.number(PayloadType::Output, payload, chunk.typed, now);
        true
    }

    fn count_chunk(&mut self, typed: usize, len: usize, closed_paste: bool) {
        let closer = if closed_paste { paste::CLOSE.len() } else { 0 };
        self.counters.input_bytes += typed as u64;
        self.counters.input_messages += u64::from(typed > 0);
        self.counters.paste_closer_bytes += closer as u64;
        self.counters.control_bytes += (len - typed - closer) as u64;
    }

    /// Input goes only when its owner released it and no handshake is under way.
    fn may_send_input(&self) -> bool {
        let encrypted_enough = self.cipher.is_some() || self.config.encryption != EncryptionPolicy::Required;
        self.released && !self.stage.is_handshaking() && encrypted_enough
    }

    /// Bytes of user input that may get a number now.
    fn open_window(&self) -> usize {
        let (messages, bytes) = self.sender.input_in_flight();
        let window = self.window.bytes();
        let window_messages = self.config.input_window.max(window / MAX_CHUNK);
        if messages >= window_messages { 0 } else { window.saturating_sub(bytes) }
    }

    /// Makes a stream message with the next number.
    pub(super) fn number(&mut self, kind: PayloadType, payload: Bytes, input_len: usize, now: Now) {
        let sequence = self.sender.next_number();
        let frame = self.frame(MessageType::InputStreamData, kind, payload, now);
        self.sender.push(Frame { sequence, ..frame }.encode(), input_len);
    }

    fn frame(&mut self, message_type: MessageType, payload_type: PayloadType, payload: Bytes, now: Now) -> Frame {
        Frame {
            message_type,
            schema_version: 1,
            created_millis: now.unix_millis.max(1),
            sequence: 0,
            flags: 0,
            message_id: random_uuid(self.entropy.as_mut()),
            payload_type,
            payload,
        }
    }
}

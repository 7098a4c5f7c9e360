//! Frames from the gateway: check, confirm, order, act.
//!
//! Owns the counting of damage. Every valid stream message is confirmed at once, also the second
//! and the hundredth time: an agent repeats only its oldest unconfirmed message, so one lost
//! confirmation would otherwise stop its output for good.

use bytes::Bytes;
use uuid::Uuid;

use super::{EncryptionMismatch, EncryptionPolicy, Event, Link, LinkEnd, handshake::Stage};
use crate::{
    frame::{Frame, FrameError},
    now::Now,
    payload::{Acknowledgement, ChannelClosed, MessageType, PayloadType, decode_exit_code},
    receiver::Place,
};

/// Confirmations that wait for the socket at most; beyond, messages count as never received.
pub(super) const MAX_ACKS_WAITING: usize = 16 * 1024;

/// A confirmation that waits for the socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct AckDue {
    pub(super) sequence: i64,
    pub(super) message_id: Uuid,
}

impl Link {
    /// A text frame came; one that carries a message counts as that message.
    pub fn handle_text(&mut self, bytes: Bytes, now: Now) {
        self.handle_binary(bytes, now);
    }

    /// A binary frame came.
    pub fn handle_binary(&mut self, bytes: Bytes, now: Now) {
        if self.end.is_some() || !self.connected {
            return;
        }
        match Frame::decode(bytes) {
            Ok(frame) => {
                self.bad_frames_in_a_row = 0;
                self.on_frame(frame, now);
            }
            Err(FrameError::Digest) => self.on_bad_digest(),
            Err(error) => self.on_bad_frame(error),
        }
    }

    fn on_frame(&mut self, frame: Frame, now: Now) {
        match frame.message_type {
            MessageType::OutputStreamData => self.on_stream(frame, now),
            MessageType::Acknowledge => self.on_acknowledgement(&frame.payload, now),
            MessageType::ChannelClosed => self.on_channel_closed(&frame.payload, now),
            MessageType::PausePublication => self.on_pause(),
            MessageType::StartPublication => {
                self.peer_is_active();
                self.sender.repeat_older_than_a_tick(now.instant);
            }
            MessageType::InputStreamData | MessageType::AgentSessionState | MessageType::Unknown(_) => {
                self.counters.ignored += 1;
            }
        }
    }

    fn on_bad_digest(&mut self) {
        self.counters.bad_digest += 1;
        self.bad_digests_in_a_row += 1;
        if self.bad_digests_in_a_row >= self.config.bad_digest_limit {
            self.finish(LinkEnd::BadDigests { in_a_row: self.bad_digests_in_a_row });
        }
    }

    fn on_bad_frame(&mut self, last: FrameError) {
        self.counters.bad_frames += 1;
        self.bad_frames_in_a_row += 1;
        if self.bad_frames_in_a_row >= self.config.bad_frame_limit {
            self.finish(LinkEnd::BadFrames { in_a_row: self.bad_frames_in_a_row, last });
        }
    }

    fn on_stream(&mut self, frame: Frame, now: Now) {
        self.peer_is_active();
        if self.acks.len() >= MAX_ACKS_WAITING {
            self.counters.beyond_window += 1;
            return;
        }
        let place = self.receiver.place(frame.sequence, frame.payload_type, &frame.payload);
        if place == Place::Beyond {
            self.counters.beyond_window += 1;
            return;
        }
        self.acks.push_back(AckDue { sequence: frame.sequence, message_id: frame.message_id });
        match place {
            Place::Duplicate => self.counters.duplicates += 1,
            Place::Early => self.counters.reordered += 1,
            Place::InOrder | Place::Beyond => {
                self.bad_digests_in_a_row = 0;
                self.stall.output_came(now.instant);
                self.on_payload(frame.sequence, frame.payload_type, frame.payload, now);
                self.take_early(now);
            }
        }
    }

    fn take_early(&mut self, now: Now) {
        while self.end.is_none() {
            let Some((sequence, kind, payload)) = self.receiver.next_in_order() else { return };
            self.on_payload(sequence, kind, payload, now);
        }
    }

    fn on_payload(&mut self, sequence: i64, kind: PayloadType, payload: Bytes, now: Now) {
        match kind {
            PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode => {
                self.on_data(sequence, kind, payload);
            }
            PayloadType::HandshakeRequest => self.on_handshake_request(&payload, now),
            PayloadType::EncChallengeRequest => self.on_challenge(sequence, &payload, now),
            PayloadType::HandshakeComplete => self.on_handshake_complete(&payload),
            _ => self.counters.ignored += 1,
        }
    }

    fn on_data(&mut self, sequence: i64, kind: PayloadType, payload: Bytes) {
        if matches!(self.stage, Stage::Fresh) {
            self.stage = Stage::Legacy;
        }
        if self.stage.is_handshaking() {
            return self.finish(LinkEnd::HandshakeOutOfOrder { payload_type: kind });
        }
        let payload = match &self.cipher {
            None if self.config.encryption == EncryptionPolicy::Required => {
                return self.finish(EncryptionMismatch::Missing.into());
            }
            None => payload,
            Some(cipher) => match cipher.open(&payload) {
                Ok(plaintext) => plaintext,
                Err(_) => return self.finish(LinkEnd::DecryptFailed { sequence }),
            },
        };
        self.hand_out(kind, payload);
    }

    fn hand_out(&mut self, kind: PayloadType, payload: Bytes) {
        let len = payload.len() as u64;
        match kind {
            PayloadType::StdErr => {
                self.counters.stderr_bytes += len;
                self.events.push_back(Event::Stderr(payload));
            }
            PayloadType::ExitCode => match decode_exit_code(&payload) {
                Ok(code) => self.events.push_back(Event::ExitCode(code)),
                Err(_) => self.counters.ignored += 1,
            },
            _ => {
                self.counters.output_bytes += len;
                self.counters.output_messages += 1;
                self.events.push_back(Event::Output(payload));
            }
        }
    }

    fn on_acknowledgement(&mut self, payload: &Bytes, now: Now) {
        self.peer_is_active();
        let Ok(ack) = Acknowledgement::decode(payload) else {
            self.counters.ignored += 1;
            return;
        };
        self.counters.acks_received += 1;
        let number = ack.acknowledged_message_sequence_number;
        let (_, on_way) = self.sender.input_in_flight();
        let Some(confirmed) = self.sender.acknowledge(number, now.instant) else { return };
        if confirmed.input_len > 0 {
            self.window.confirmed(confirmed.input_len, on_way, confirmed.round_trip, self.sender.rtt().smallest());
        }
        self.size_in_flight = self.size_in_flight.filter(|size| *size != number);
        if self.stall.confirmed(now.instant, !self.sender.is_empty()) {
            self.events.push_back(Event::Resumed);
        }
    }

    fn on_pause(&mut self) {
        if !self.peer_paused {
            self.peer_paused = true;
            self.counters.pauses += 1;
            self.events.push_back(Event::PeerPaused);
        }
    }

    fn peer_is_active(&mut self) {
        if std::mem::take(&mut self.peer_paused) {
            self.events.push_back(Event::PeerActive);
        }
    }

    /// Hands out what came early, gaps and all, then the gateway's last word.
    fn on_channel_closed(&mut self, payload: &Bytes, now: Now) {
        self.take_early(now);
        while self.end.is_none() {
            let Some((missing, sequence, kind, payload)) = self.receiver.next_over_gap() else { break };
            self.counters.output_lost += missing;
            self.on_payload_over_gap(sequence, kind, payload);
        }
        if self.end.is_none() {
            let output = closing_text(payload);
            self.events.push_back(Event::ChannelClosed { output: output.clone() });
            self.end = Some(LinkEnd::ChannelClosed { output });
        }
    }

    /// No handshake goes on after the gateway's last word, and output that came before its missing end
    /// cannot be told from forged: it is lost, and the last word stays the reason for the end.
    fn on_payload_over_gap(&mut self, sequence: i64, kind: PayloadType, payload: Bytes) {
        match kind {
            PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode if !self.stage.is_handshaking() => {
                self.on_data(sequence, kind, payload);
            }
            _ => self.counters.output_lost += 1,
        }
    }
}

/// The agent's text. A last word that does not read must not look like a normal end, which is empty.
fn closing_text(payload: &[u8]) -> String {
    match ChannelClosed::decode(payload) {
        Ok(closed) => closed.output.unwrap_or_default(),
        Err(_) if payload.is_empty() => "channel_closed without a payload".to_owned(),
        Err(_) => String::from_utf8_lossy(payload).into_owned(),
    }
}

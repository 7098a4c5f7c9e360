//! The agent's part of a scene: the handshake if the plan has one, output while the peer is there, and input as it is read.

use super::{AGENT_CHUNK, KEY, Scene, Stage};
use bytes::Bytes;
use ssm_proto::agent::Arrival;
use ssm_proto::cipher::SessionCipher;
use ssm_proto::frame::Frame;
use ssm_proto::payload::{
    EncChallenge, HandshakeComplete, HandshakeRequest, KmsAction, MessageType, PayloadType, RequestedAction, SessionTypeAction,
};
use ssm_proto::{DataKey, Now};

impl Scene {
    pub(super) fn agent_speaks(&mut self) {
        let now = self.now();
        match self.stage {
            Stage::Fresh if self.plan.encrypted => {
                let session_type =
                    SessionTypeAction { session_type: "InteractiveCommands".to_owned(), properties: serde_json::Value::Null };
                let kms = KmsAction { key_id: "key".to_owned(), challenge: Some("AAAA".to_owned()) };
                let actions = vec![RequestedAction::SessionType(session_type), RequestedAction::KmsEncryption(kms)];
                let request = HandshakeRequest { agent_version: "3.3.987.0".to_owned(), actions };
                self.stage = Stage::AwaitResponse;
                self.agent_sends(PayloadType::HandshakeRequest, &request.encode(), now);
            }
            Stage::Fresh => {
                self.stage = Stage::Running;
                self.agent_outputs(now);
            }
            Stage::Running => self.agent_outputs(now),
            _ => {}
        }
    }

    /// The terminal is read only while the peer is there.
    fn agent_outputs(&mut self, now: Now) {
        for _ in 0..4 {
            if self.agent.is_paused() || self.produced == self.plan.output.len() {
                return;
            }
            let end = (self.produced + AGENT_CHUNK).min(self.plan.output.len());
            let piece = self.plan.output[self.produced..end].to_vec();
            self.produced = end;
            self.agent_sends(PayloadType::Output, &piece, now);
        }
    }

    fn agent_sends(&mut self, payload_type: PayloadType, payload: &[u8], now: Now) {
        if let Some(frame) = self.agent.send(payload_type, payload, now) {
            self.send_to_client(&frame);
        }
    }

    pub(super) fn agent_hears(&mut self, bytes: Bytes) {
        let now = self.now();
        let Ok(frame) = Frame::decode_without_digest(bytes) else { return };
        match frame.message_type {
            MessageType::Acknowledge => self.agent.acknowledged(&frame.payload, now),
            MessageType::InputStreamData => match self.agent.arrived(frame, now) {
                Arrival::Again(ack) | Arrival::Early(ack) => self.send_to_client(&ack),
                Arrival::Due(frame) => {
                    self.agent_handles(&frame);
                    let (ack, mut next) = self.agent.handled(&frame, now);
                    self.send_to_client(&ack);
                    while let Some(early) = next {
                        self.agent_handles(&early);
                        next = self.agent.handled_early(&early);
                    }
                }
            },
            _ => {}
        }
    }

    fn agent_handles(&mut self, frame: &Frame) {
        let now = self.now();
        match (&self.stage, frame.payload_type) {
            (Stage::AwaitResponse, PayloadType::HandshakeResponse) => {
                let mut cipher = SessionCipher::agent(&DataKey::new(KEY), [9; 12]);
                let secret = vec![5; 64];
                let sealed = cipher.seal(&secret);
                self.agent.cipher = Some(cipher);
                self.stage = Stage::AwaitChallenge(secret);
                self.agent_sends(PayloadType::EncChallengeRequest, &EncChallenge { sealed }.encode(), now);
            }
            (Stage::AwaitChallenge(secret), PayloadType::EncChallengeResponse) => {
                let answer = EncChallenge::decode(&frame.payload).unwrap();
                assert_eq!(self.agent.cipher.as_ref().unwrap().open(&answer.sealed).unwrap().as_ref(), secret.as_slice());
                self.stage = Stage::Running;
                let complete = HandshakeComplete { nanos_to_complete: 1, customer_message: String::new() };
                self.agent_sends(PayloadType::HandshakeComplete, &complete.encode(), now);
            }
            (Stage::Running, PayloadType::Output) => {
                let opened = match &self.agent.cipher {
                    Some(cipher) => cipher.open(&frame.payload).unwrap(),
                    None => frame.payload.clone(),
                };
                self.delivered.extend_from_slice(&opened);
            }
            (Stage::Running, PayloadType::Size) => {}
            (_, other) => panic!("early input kills sessions: {other:?}"),
        }
    }
}

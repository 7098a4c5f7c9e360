//! The agent's handshake, which a session has only when its cluster has a key: request, data key, challenge, complete.
//!
//! Source: amazon-ssm-agent `session/datachannel/datachannel.go`. Input that comes early is acknowledged and dropped; input of
//! type 1 before the cipher exists is fatal, as the real agent's nil dereference is.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use ssm_proto::DataKey;
use ssm_proto::cipher::SessionCipher;
use ssm_proto::frame::Frame;
use ssm_proto::payload::{
    ActionStatus, EncChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, KmsAction, MessageType, PayloadType,
    RequestedAction, SessionTypeAction,
};

use ssm_proto::agent::Arrival;

use crate::agent::{Agent, Ending, now};
use crate::gateway::session::{Kind, ToAgent};
use crate::random;

/// The agent waits so long for each answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const AGENT_VERSION: &str = "3.3.987.0";
const TIMED_OUT: &str = "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.";

impl Agent {
    /// Does the handshake if the session has a key; the ending if it failed.
    pub(super) async fn handshake(&mut self) -> Option<Ending> {
        let Kind::Interactive { kms: true } = self.session.plan.kind else { return None };
        let began = Instant::now();
        let challenge = STANDARD.encode(random::bytes::<16>());
        self.send(PayloadType::HandshakeRequest, &self.request(&challenge));
        let response = match self.answer(PayloadType::HandshakeResponse).await {
            Ok(payload) => payload,
            Err(ending) => return Some(ending),
        };
        let key = match self.data_key(&response, &challenge) {
            Ok(key) => key,
            Err(text) => return Some(failed(&text)),
        };
        self.link.cipher = Some(SessionCipher::agent(&key, random::bytes()));
        let secret = random::bytes::<64>();
        let sealed = self.link.cipher.as_mut().map(|cipher| cipher.seal(&secret))?;
        self.send(PayloadType::EncChallengeRequest, &EncChallenge { sealed }.encode());
        let answer = match self.answer(PayloadType::EncChallengeResponse).await {
            Ok(payload) => payload,
            Err(ending) => return Some(ending),
        };
        let opened = EncChallenge::decode(&answer).ok().and_then(|answer| self.link.cipher.as_ref()?.open(&answer.sealed).ok());
        if opened.as_deref() != Some(secret.as_slice()) {
            return Some(failed("Encryption challenge failed"));
        }
        let complete = HandshakeComplete {
            nanos_to_complete: i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX),
            customer_message: "This session is encrypted using AWS KMS.".to_owned(),
        };
        self.send(PayloadType::HandshakeComplete, &complete.encode());
        None
    }

    fn request(&self, challenge: &str) -> Bytes {
        let session_type =
            SessionTypeAction { session_type: "InteractiveCommands".to_owned(), properties: serde_json::Value::Null };
        let kms = KmsAction { key_id: self.shared.keys.arn(), challenge: Some(challenge.to_owned()) };
        let actions = vec![RequestedAction::SessionType(session_type), RequestedAction::KmsEncryption(kms)];
        HandshakeRequest { agent_version: AGENT_VERSION.to_owned(), actions }.encode()
    }

    fn data_key(&self, payload: &[u8], challenge: &str) -> Result<DataKey, String> {
        let response = HandshakeResponse::decode(payload).map_err(|error| error.to_string())?;
        if let Some(refused) = response.actions.iter().find(|action| action.status != ActionStatus::Success) {
            let status = if refused.status == ActionStatus::Failed { 2 } else { 3 };
            return Err(format!("{} failed on client with status {status} error: {}", refused.action_type, refused.error));
        }
        let result = response.actions.iter().find_map(|action| action.result.as_ref()).ok_or("no data key in the response")?;
        let mut context = json!({"aws:ssm:SessionId": self.session.id, "aws:ssm:TargetId": self.session.plan.target});
        if result.challenge_acknowledged {
            context["aws:ssm:RandomChallenge"] = challenge.into();
        }
        let opened = self.shared.keys.open(&result.ciphertext_blob, &context);
        opened
            .and_then(|plain| DataKey::from_slice(&plain))
            .ok_or_else(|| "Fetching data key failed: Unable to retrieve data key, InvalidCiphertextException".to_owned())
    }

    /// Waits for one kind of answer; everything else is acknowledged and dropped.
    async fn answer(&mut self, wanted: PayloadType) -> Result<Bytes, Ending> {
        let until = tokio::time::Instant::now() + ANSWER_WITHIN;
        let mut tick = tokio::time::interval(super::TICK);
        loop {
            let message = tokio::select! {
                message = self.inbox.recv() => message,
                _ = tick.tick() => {
                    if let Some(frame) = self.link.repeat(now()) {
                        self.tell(&frame);
                    }
                    continue;
                }
                () = tokio::time::sleep_until(until) => return Err(failed(TIMED_OUT)),
            };
            let frame = match message {
                Some(ToAgent::Frame(frame)) => frame,
                Some(ToAgent::Close) => return Err(Ending::Normal),
                Some(ToAgent::Die) | None => return Err(Ending::Died),
            };
            if let Some(payload) = self.take_answer(frame, wanted)? {
                return Ok(payload);
            }
        }
    }

    fn take_answer(&mut self, bytes: Bytes, wanted: PayloadType) -> Result<Option<Bytes>, Ending> {
        let Ok(frame) = Frame::decode_without_digest(bytes) else { return Ok(None) };
        match frame.message_type {
            MessageType::Acknowledge => self.link.acknowledged(&frame.payload, now()),
            MessageType::PausePublication => self.link.pause(),
            MessageType::StartPublication => self.unpause(),
            MessageType::InputStreamData => return self.take_input(frame, wanted),
            _ => {}
        }
        Ok(None)
    }

    fn take_input(&mut self, frame: Frame, wanted: PayloadType) -> Result<Option<Bytes>, Ending> {
        let frame = match self.link.arrived(frame, now()) {
            Arrival::Again(ack) | Arrival::Early(ack) => {
                self.tell(&ack);
                return Ok(None);
            }
            Arrival::Due(frame) => frame,
        };
        if frame.payload_type == PayloadType::Output && self.link.cipher.is_none() {
            return Err(Ending::Died);
        }
        let (ack, _) = self.link.handled(&frame, now());
        self.tell(&ack);
        Ok((frame.payload_type == wanted).then_some(frame.payload))
    }

    fn send(&mut self, payload_type: PayloadType, payload: &[u8]) {
        if let Some(frame) = self.link.send(payload_type, payload, now()) {
            self.tell(&frame);
        }
    }
}

fn failed(text: &str) -> Ending {
    Ending::Failed(format!("\n----------ERROR-------\n{text}"))
}

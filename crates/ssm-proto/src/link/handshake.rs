//! The handshake as the client plays it: request, data key, response, challenge, complete.
//!
//! Owns the stage and its deadlines. Never asks KMS: it emits `NeedDataKey` and takes the answer.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{EncryptionMismatch, EncryptionPolicy, Event, GrantedKey, Link, LinkConfig, LinkEnd, Phase};
use crate::{
    cipher::SessionCipher,
    now::Now,
    payload::{
        ActionStatus, EncChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, KmsAction, KmsResult, PayloadType,
        ProcessedAction, RequestedAction,
    },
};

const SHELL_SESSION_TYPES: [&str; 3] = ["Standard_Stream", "InteractiveCommands", "NonInteractiveCommands"];

/// How far the two ends have agreed.
#[derive(Debug)]
pub(super) enum Stage {
    /// The agent has not spoken.
    Fresh,
    /// Output came first: there is no handshake.
    Legacy,
    /// The response waits for KMS; one answer stands for the key, the others are final.
    AwaitingDataKey { answers: Vec<Answer>, deadline: Instant },
    /// The response is on its way; the deadline runs while connected.
    AwaitingAgent { deadline: Option<Instant> },
    /// The agent completed the handshake.
    Complete,
}

/// One entry of the response to come.
#[derive(Debug)]
pub(super) enum Answer {
    Final(ProcessedAction),
    DataKey,
}

impl Stage {
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Fresh => Phase::Opened,
            Self::AwaitingDataKey { .. } | Self::AwaitingAgent { .. } => Phase::Handshaking,
            Self::Legacy | Self::Complete => Phase::Running,
        }
    }

    /// Whether the handshake began and is not complete: no stream bytes have a place then.
    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self, Self::AwaitingDataKey { .. } | Self::AwaitingAgent { .. })
    }

    pub(super) fn connected(&mut self, now: Instant, agent_within: Duration) {
        if let Self::AwaitingAgent { deadline } = self {
            *deadline = Some(now + agent_within);
        }
    }

    pub(super) fn disconnected(&mut self) {
        if let Self::AwaitingAgent { deadline } = self {
            *deadline = None;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::AwaitingDataKey { deadline, .. } => Some(*deadline),
            Self::AwaitingAgent { deadline } => *deadline,
            _ => None,
        }
    }

    pub(super) fn expired(&self, now: Instant, config: &LinkConfig) -> Option<LinkEnd> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        Some(match self {
            Self::AwaitingDataKey { .. } => LinkEnd::DataKeyTimedOut { within: config.response_within },
            _ => LinkEnd::HandshakeTimedOut { within: config.agent_within },
        })
    }
}

impl Link {
    /// The answer to [`Event::NeedDataKey`]; ignored at any other time. A refusal is told to the
    /// agent and ends the link.
    pub fn handle_data_key(&mut self, result: Result<GrantedKey, String>, now: Now) {
        if self.end.is_some() || !matches!(self.stage, Stage::AwaitingDataKey { .. }) {
            return;
        }
        let Stage::AwaitingDataKey { answers, .. } = std::mem::replace(&mut self.stage, Stage::Fresh) else { return };
        match result {
            Ok(key) => {
                self.expand_key(&key);
                let done = KmsResult { ciphertext_blob: key.ciphertext_blob, challenge_acknowledged: key.challenge_acknowledged };
                self.respond(answers, &processed(KMS, ActionStatus::Success, Some(done), ""), now);
            }
            Err(reason) => {
                let error = format!("Failed to process action {KMS}: {reason}");
                self.respond(answers, &processed(KMS, ActionStatus::Failed, None, &error), now);
                self.finish(LinkEnd::DataKeyRefused { reason });
            }
        }
    }

    fn expand_key(&mut self, key: &GrantedKey) {
        let mut first_nonce = [0; 12];
        self.entropy.fill(&mut first_nonce);
        self.cipher = Some(SessionCipher::client(&key.plaintext, first_nonce));
    }

    pub(super) fn on_handshake_request(&mut self, payload: &Bytes, now: Now) {
        let payload_type = PayloadType::HandshakeRequest;
        if !matches!(self.stage, Stage::Fresh) {
            return self.finish(LinkEnd::HandshakeOutOfOrder { payload_type });
        }
        let Ok(request) = HandshakeRequest::decode(payload) else {
            return self.finish(LinkEnd::HandshakeMalformed { payload_type });
        };
        let key = kms_action(&request).cloned();
        let refusal = self.refusal(&request, key.is_some());
        let answers: Vec<_> = request.actions.iter().map(|action| answer(action, refusal.as_ref())).collect();
        match (key, refusal) {
            (_, Some(end)) => {
                self.respond(answers, &processed(KMS, ActionStatus::Failed, None, &end.to_string()), now);
                self.finish(end);
            }
            (Some(key), None) => {
                let deadline = now.instant + self.config.response_within;
                self.stage = Stage::AwaitingDataKey { answers, deadline };
                let challenge = key.challenge.filter(|challenge| !challenge.is_empty());
                self.events.push_back(Event::NeedDataKey { key_id: key.key_id, challenge });
            }
            (None, None) => self.respond(answers, &processed(KMS, ActionStatus::Success, None, ""), now),
        }
    }

    /// Why this request must not be met.
    fn refusal(&self, request: &HandshakeRequest, wants_key: bool) -> Option<LinkEnd> {
        let unknown = request.actions.iter().find_map(|action| match action {
            RequestedAction::SessionType(shell) if !SHELL_SESSION_TYPES.contains(&shell.session_type.as_str()) => {
                Some(shell.session_type.clone())
            }
            _ => None,
        });
        match (self.config.encryption, wants_key, unknown) {
            (_, _, Some(session_type)) => Some(LinkEnd::UnknownSessionType { session_type }),
            (EncryptionPolicy::Required, false, None) => Some(EncryptionMismatch::Missing.into()),
            (EncryptionPolicy::Forbidden, true, None) => Some(EncryptionMismatch::Unwanted.into()),
            _ => None,
        }
    }

    /// Numbers the response; `key` stands where the data key's answer belongs.
    fn respond(&mut self, answers: Vec<Answer>, key: &ProcessedAction, now: Now) {
        let actions: Vec<_> = answers
            .into_iter()
            .map(|answer| match answer {
                Answer::Final(action) => action,
                Answer::DataKey => key.clone(),
            })
            .collect();
        let errors = actions.iter().filter(|action| !action.error.is_empty()).map(|action| action.error.clone());
        let response =
            HandshakeResponse { client_version: self.config.client_version.clone(), errors: errors.collect(), actions };
        self.number(PayloadType::HandshakeResponse, response.encode(), 0, now);
        let deadline = self.connected.then(|| now.instant + self.config.agent_within);
        self.stage = Stage::AwaitingAgent { deadline };
    }

    pub(super) fn on_challenge(&mut self, sequence: i64, payload: &Bytes, now: Now) {
        let payload_type = PayloadType::EncChallengeRequest;
        let (Stage::AwaitingAgent { .. }, Some(cipher)) = (&self.stage, &mut self.cipher) else {
            return self.finish(LinkEnd::HandshakeOutOfOrder { payload_type });
        };
        let Ok(challenge) = EncChallenge::decode(payload) else {
            return self.finish(LinkEnd::HandshakeMalformed { payload_type });
        };
        let Ok(plaintext) = cipher.open(&challenge.sealed) else {
            return self.finish(LinkEnd::DecryptFailed { sequence });
        };
        let answer = EncChallenge { sealed: cipher.seal(&plaintext) };
        self.number(PayloadType::EncChallengeResponse, answer.encode(), 0, now);
        self.stage = Stage::AwaitingAgent { deadline: Some(now.instant + self.config.agent_within) };
    }

    pub(super) fn on_handshake_complete(&mut self, payload: &Bytes) {
        let payload_type = PayloadType::HandshakeComplete;
        if !matches!(self.stage, Stage::AwaitingAgent { .. }) {
            return self.finish(LinkEnd::HandshakeOutOfOrder { payload_type });
        }
        let Ok(complete) = HandshakeComplete::decode(payload) else {
            return self.finish(LinkEnd::HandshakeMalformed { payload_type });
        };
        self.stage = Stage::Complete;
        let customer_message = Some(complete.customer_message).filter(|text| !text.is_empty());
        self.events.push_back(Event::HandshakeComplete { customer_message });
    }
}

const KMS: &str = "KMSEncryption";

fn kms_action(request: &HandshakeRequest) -> Option<&KmsAction> {
    request.actions.iter().find_map(|action| match action {
        RequestedAction::KmsEncryption(key) => Some(key),
        _ => None,
    })
}

/// The answer to one action, as far as it is known before KMS was asked.
fn answer(action: &RequestedAction, refusal: Option<&LinkEnd>) -> Answer {
    let name = action.action_type();
    match (action, refusal) {
        (RequestedAction::Unsupported { .. }, _) => {
            let error = format!("Unsupported action {name}");
            Answer::Final(processed(name, ActionStatus::Unsupported, None, &error))
        }
        (RequestedAction::SessionType(shell), Some(LinkEnd::UnknownSessionType { .. })) => {
            let error = format!("Failed to process action {name}: Unknown session type {}", shell.session_type);
            Answer::Final(processed(name, ActionStatus::Failed, None, &error))
        }
        (RequestedAction::SessionType(_), Some(LinkEnd::EncryptionRefused(EncryptionMismatch::Missing))) => {
            Answer::Final(processed(name, ActionStatus::Failed, None, "encryption is required by the client"))
        }
        (RequestedAction::SessionType(_), _) => Answer::Final(processed(name, ActionStatus::Success, None, "")),
        (RequestedAction::KmsEncryption(_), _) => Answer::DataKey,
    }
}

fn processed(name: &str, status: ActionStatus, result: Option<KmsResult>, error: &str) -> ProcessedAction {
    ProcessedAction { action_type: name.to_owned(), status, result, error: error.to_owned() }
}

//! The handshake's payloads: request, response, complete, and the encryption challenge.
//!
//! Source: amazon-ssm-agent `session/contracts/handshake.go`. Status and member names are as there.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PayloadError, from_json, to_json};

const SESSION_TYPE: &str = "SessionType";
const KMS_ENCRYPTION: &str = "KMSEncryption";

/// What the agent wants to settle before the session starts.
#[derive(Clone, Debug, PartialEq)]
pub struct HandshakeRequest {
    /// Four numbers joined by dots.
    pub agent_version: String,
    /// In the order in which they must be answered.
    pub actions: Vec<RequestedAction>,
}

/// One thing that the client shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestedAction {
    /// Says what kind of session this is.
    SessionType(SessionTypeAction),
    /// Asks for a data key.
    KmsEncryption(KmsAction),
    /// An action that this crate does not know, or one whose parameters do not read.
    Unsupported {
        /// Its name; hostile.
        action_type: String,
    },
}

/// The parameters of `SessionType`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionTypeAction {
    /// `Standard_Stream`, `InteractiveCommands`, `NonInteractiveCommands` or `Port`.
    pub session_type: String,
    /// Null for shells, the document's properties for ports.
    #[serde(default)]
    pub properties: Value,
}

/// The parameters of `KMSEncryption`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsAction {
    /// Key id or ARN.
    #[serde(rename = "KMSKeyId")]
    pub key_id: String,
    /// Base64 of 16 random bytes, from agents since 3.3.808.0.
    #[serde(rename = "Challenge", default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}

impl RequestedAction {
    /// The name that the answer must repeat.
    pub fn action_type(&self) -> &str {
        match self {
            Self::SessionType(_) => SESSION_TYPE,
            Self::KmsEncryption(_) => KMS_ENCRYPTION,
            Self::Unsupported { action_type } => action_type,
        }
    }

    fn from_wire(wire: WireAction) -> Self {
        let known = match wire.action_type.as_str() {
            SESSION_TYPE => serde_json::from_value(wire.action_parameters).ok().map(Self::SessionType),
            KMS_ENCRYPTION => serde_json::from_value(wire.action_parameters).ok().map(Self::KmsEncryption),
            _ => None,
        };
        known.unwrap_or(Self::Unsupported { action_type: wire.action_type })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRequest {
    #[serde(default)]
    agent_version: String,
    requested_client_actions: Vec<WireAction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAction {
    action_type: String,
    #[serde(default)]
    action_parameters: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenRequest<'a> {
    agent_version: &'a str,
    requested_client_actions: Vec<WrittenAction<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenAction<'a> {
    action_type: &'a str,
    action_parameters: WrittenParameters<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WrittenParameters<'a> {
    SessionType(&'a SessionTypeAction),
    Kms(&'a KmsAction),
    Nothing(()),
}

impl HandshakeRequest {
    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        let written = |action| WrittenAction {
            action_type: RequestedAction::action_type(action),
            action_parameters: match action {
                RequestedAction::SessionType(parameters) => WrittenParameters::SessionType(parameters),
                RequestedAction::KmsEncryption(parameters) => WrittenParameters::Kms(parameters),
                RequestedAction::Unsupported { .. } => WrittenParameters::Nothing(()),
            },
        };
        to_json(&WrittenRequest {
            agent_version: &self.agent_version,
            requested_client_actions: self.actions.iter().map(written).collect(),
        })
    }

    /// Reads the JSON form; actions that do not read become [`RequestedAction::Unsupported`].
    ///
    /// # Errors
    /// When the payload is no JSON object with a list of named actions.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        let wire: WireRequest = from_json("handshake request", payload)?;
        let actions = wire.requested_client_actions.into_iter().map(RequestedAction::from_wire).collect();
        Ok(Self { agent_version: wire.agent_version, actions })
    }
}

/// How the client fared with one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionStatus {
    /// 1.
    Success,
    /// 2.
    Failed,
    /// 3.
    Unsupported,
    /// Any other number.
    Unknown(i64),
}

impl From<i64> for ActionStatus {
    fn from(number: i64) -> Self {
        match number {
            1 => Self::Success,
            2 => Self::Failed,
            3 => Self::Unsupported,
            other => Self::Unknown(other),
        }
    }
}

impl From<ActionStatus> for i64 {
    fn from(status: ActionStatus) -> Self {
        match status {
            ActionStatus::Success => 1,
            ActionStatus::Failed => 2,
            ActionStatus::Unsupported => 3,
            ActionStatus::Unknown(number) => number,
        }
    }
}

/// The client's answer to a [`HandshakeRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeResponse {
    /// Four numbers joined by dots; agents switch features on by it.
    pub client_version: String,
    /// One an action of the request, in the same order.
    pub actions: Vec<ProcessedAction>,
    /// Texts of what went wrong; read by nobody.
    pub errors: Vec<String>,
}

/// The answer to one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessedAction {
    /// The request's name for it.
    pub action_type: String,
    /// How it went.
    pub status: ActionStatus,
    /// Set only for a successful `KMSEncryption`.
    pub result: Option<KmsResult>,
    /// Empty unless it failed; shown to the user by the agent.
    pub error: String,
}

/// The data key as only the agent can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsResult {
    /// The CiphertextBlob of GenerateDataKey.
    pub ciphertext_blob: Vec<u8>,
    /// Whether the key's encryption context holds the request's challenge.
    pub challenge_acknowledged: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireResponse {
    #[serde(default)]
    client_version: String,
    processed_client_actions: Option<Vec<WireProcessed>>,
    #[serde(default)]
    errors: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireProcessed {
    action_type: String,
    action_status: i64,
    action_result: Option<WireResult>,
    #[serde(default)]
    error: String,
}

/// Other actions' results may have any form; nobody reads them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WireResult {
    Kms(WireKmsResult),
    Other(Value),
}

#[derive(Serialize, Deserialize)]
struct WireKmsResult {
    #[serde(rename = "KMSCipherTextKey")]
    ciphertext_key: String,
    #[serde(rename = "KMSCipherTextHash", default)]
    ciphertext_hash: Value,
    #[serde(rename = "ChallengeAcknowledgement", default, skip_serializing_if = "std::ops::Not::not")]
    challenge_acknowledgement: bool,
}

impl HandshakeResponse {
    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        to_json(&WireResponse {
            client_version: self.client_version.clone(),
            processed_client_actions: Some(self.actions.iter().map(WireProcessed::from_action).collect()),
            errors: (!self.errors.is_empty()).then(|| self.errors.clone()),
        })
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// When the payload is not this JSON object or the data key is no base64.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        let wire: WireResponse = from_json("handshake response", payload)?;
        let processed = wire.processed_client_actions.unwrap_or_default();
        Ok(Self {
            client_version: wire.client_version,
            actions: processed.into_iter().map(WireProcessed::into_action).collect::<Result<_, _>>()?,
            errors: wire.errors.unwrap_or_default(),
        })
    }
}

impl WireProcessed {
    fn from_action(action: &ProcessedAction) -> Self {
        let result = action.result.as_ref().map(|result| {
            WireResult::Kms(WireKmsResult {
                ciphertext_key: STANDARD.encode(&result.ciphertext_blob),
                ciphertext_hash: Value::Null,
                challenge_acknowledgement: result.challenge_acknowledged,
            })
        });
        Self {
            action_type: action.action_type.clone(),
            action_status: action.status.into(),
            action_result: result,
            error: action.error.clone(),
        }
    }

    fn into_action(self) -> Result<ProcessedAction, PayloadError> {
        let result = match self.action_result {
            Some(WireResult::Kms(kms)) => Some(KmsResult {
                ciphertext_blob: from_base64("handshake response", &kms.ciphertext_key)?,
                challenge_acknowledged: kms.challenge_acknowledgement,
            }),
            Some(WireResult::Other(_)) | None => None,
        };
        let status = self.action_status.into();
        Ok(ProcessedAction { action_type: self.action_type, status, result, error: self.error })
    }
}

/// The end of the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// Nanoseconds that the handshake took at the agent.
    #[serde(rename = "HandshakeTimeToComplete", default)]
    pub nanos_to_complete: i64,
    /// A text for the user, possibly empty; hostile.
    #[serde(default)]
    pub customer_message: String,
}

impl HandshakeComplete {
    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        to_json(self)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// When the payload is no JSON object or a member has the wrong type.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        from_json("handshake complete", payload)
    }
}

/// The encryption challenge, in both directions: nonce and ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncChallenge {
    /// As [`SessionCipher`](crate::cipher::SessionCipher) seals it.
    pub sealed: Bytes,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireChallenge {
    challenge: String,
}

impl EncChallenge {
    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        to_json(&WireChallenge { challenge: STANDARD.encode(&self.sealed) })
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// When the payload is not this JSON object or no base64.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        let wire: WireChallenge = from_json("encryption challenge", payload)?;
        Ok(Self { sealed: from_base64("encryption challenge", &wire.challenge)?.into() })
    }
}

fn from_base64(what: &'static str, text: &str) -> Result<Vec<u8>, PayloadError> {
    STANDARD.decode(text).map_err(|_| PayloadError::Base64 { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_action_is_kept_by_name() {
        let request = HandshakeRequest::decode(br#"{"RequestedClientActions":[{"ActionType":"Dance"}]}"#).unwrap();
        assert_eq!(request.actions, [RequestedAction::Unsupported { action_type: "Dance".into() }]);
    }

    #[test]
    fn known_action_with_broken_parameters_is_unsupported() {
        let text = br#"{"RequestedClientActions":[{"ActionType":"KMSEncryption","ActionParameters":7}]}"#;
        let request = HandshakeRequest::decode(text).unwrap();
        assert_eq!(request.actions, [RequestedAction::Unsupported { action_type: "KMSEncryption".into() }]);
    }

    #[test]
    fn response_of_the_official_client_to_an_unknown_action_reads() {
        let text = br#"{"ClientVersion":"1","ProcessedClientActions":[{"ActionType":"X","ActionStatus":0,"ActionResult":3,"Error":"e"}],"Errors":["e"]}"#;
        let response = HandshakeResponse::decode(text).unwrap();
        assert_eq!(response.actions[0].status, ActionStatus::Unknown(0));
        assert_eq!(response.actions[0].result, None);
    }

    #[test]
    fn request_round_trips() {
        let request = HandshakeRequest {
            agent_version: "3.3.987.0".into(),
            actions: vec![
                RequestedAction::SessionType(SessionTypeAction {
                    session_type: "InteractiveCommands".into(),
                    properties: Value::Null,
                }),
                RequestedAction::KmsEncryption(KmsAction { key_id: "k".into(), challenge: Some("AA==".into()) }),
            ],
        };
        assert_eq!(HandshakeRequest::decode(&request.encode()).unwrap(), request);
    }
}

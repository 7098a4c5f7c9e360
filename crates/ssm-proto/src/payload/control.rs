//! Payloads of the messages that are not numbered: acknowledgement, end of channel, agent state.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{MessageType, PayloadError, from_json, to_json};

/// Confirms one stream message. Only the sequence number is used by either receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Acknowledgement {
    /// The type of the confirmed message.
    pub acknowledged_message_type: MessageType,
    /// The id of the confirmed message.
    pub acknowledged_message_id: Uuid,
    /// The number of the confirmed message.
    pub acknowledged_message_sequence_number: i64,
    /// Always true for stream data.
    pub is_sequential_message: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LenientAcknowledgement {
    acknowledged_message_type: Option<MessageType>,
    acknowledged_message_id: Option<String>,
    acknowledged_message_sequence_number: i64,
    is_sequential_message: Option<bool>,
}

impl Acknowledgement {
    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        to_json(self)
    }

    /// Reads the JSON form; only the sequence number is required.
    ///
    /// # Errors
    /// When the payload is no JSON object or holds no sequence number.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        let read: LenientAcknowledgement = from_json("acknowledgement", payload)?;
        let id = read.acknowledged_message_id.as_deref().and_then(|id| Uuid::parse_str(id).ok());
        Ok(Self {
            acknowledged_message_type: read.acknowledged_message_type.unwrap_or(MessageType::Unknown(String::new())),
            acknowledged_message_id: id.unwrap_or_default(),
            acknowledged_message_sequence_number: read.acknowledged_message_sequence_number,
            is_sequential_message: read.is_sequential_message.unwrap_or(true),
        })
    }
}

/// The end of the channel, from the gateway to both ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    /// The gateway's id of this message.
    pub message_id: Option<String>,
    /// A date as text, in more than one format.
    pub created_date: Option<String>,
    /// The id of the receiver.
    pub destination_id: Option<String>,
    /// The SSM session.
    pub session_id: Option<String>,
    /// `channel_closed` once more.
    pub message_type: Option<String>,
    /// 1 in everything seen.
    pub schema_version: Option<i64>,
    /// Empty after a normal end; else the agent's text, at most about 2500 characters, hostile.
    pub output: Option<String>,
}

impl ChannelClosed {
    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        to_json(self)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// When the payload is no JSON object or a member has the wrong type.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        from_json("channel_closed", payload)
    }
}

/// What an agent tells the gateway about its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionState {
    /// The agent's channel is open.
    Connected,
    /// The remote command ended.
    Terminating,
}

/// The payload of `agent_session_state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentSessionState {
    /// 1 in everything seen.
    pub schema_version: i64,
    /// The state.
    pub session_state: SessionState,
    /// The SSM session.
    pub session_id: String,
}

impl AgentSessionState {
    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        to_json(self)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// When the payload is not this JSON object.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        from_json("agent_session_state", payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgement_needs_nothing_but_the_number() {
        let read = Acknowledgement::decode(br#"{"AcknowledgedMessageSequenceNumber":9}"#).unwrap();
        assert_eq!(read.acknowledged_message_sequence_number, 9);
        assert!(Acknowledgement::decode(br#"{"AcknowledgedMessageId":"x"}"#).is_err());
    }

    #[test]
    fn closing_without_output_reads_as_none() {
        assert_eq!(ChannelClosed::decode(b"{}").unwrap().output, None);
        assert_eq!(ChannelClosed::decode(br#"{"Output":null}"#).unwrap().output, None);
    }

    #[test]
    fn errors_hold_no_remote_byte() {
        let error = ChannelClosed::decode(br#"{"Output":{"evil":"text"}}"#).unwrap_err();
        assert!(!error.to_string().contains("evil"));
    }
}

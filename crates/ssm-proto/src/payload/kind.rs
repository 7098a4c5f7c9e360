//! The names and numbers that say what a message is. Unknown ones are kept, so that they can be counted.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The MessageType field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Client to agent, numbered and acknowledged.
    InputStreamData,
    /// Agent to client, numbered and acknowledged.
    OutputStreamData,
    /// Confirms one stream message; never confirmed itself.
    Acknowledge,
    /// The gateway's last word.
    ChannelClosed,
    /// The peer's channel became active.
    StartPublication,
    /// The peer's channel became inactive.
    PausePublication,
    /// Agent to gateway only.
    AgentSessionState,
    /// Anything else, trimmed; ASCII, at most 32 bytes when it was received.
    Unknown(String),
}

impl MessageType {
    /// Reads the 32-byte field: NULs at both ends go first, then white space.
    /// `None` when nothing is left or a byte is not ASCII.
    pub(crate) fn parse(field: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(field).ok().filter(|text| text.is_ascii())?;
        let name = text.trim_matches('\0').trim();
        (!name.is_empty()).then(|| Self::from(name))
    }

    /// The name on the wire, without padding.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InputStreamData => "input_stream_data",
            Self::OutputStreamData => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::StartPublication => "start_publication",
            Self::PausePublication => "pause_publication",
            Self::AgentSessionState => "agent_session_state",
            Self::Unknown(name) => name,
        }
    }

    /// Whether this is one of the two messages that are not validated.
    pub fn is_publication(&self) -> bool {
        matches!(self, Self::StartPublication | Self::PausePublication)
    }
}

impl From<&str> for MessageType {
    fn from(name: &str) -> Self {
        match name {
            "input_stream_data" => Self::InputStreamData,
            "output_stream_data" => Self::OutputStreamData,
            "acknowledge" => Self::Acknowledge,
            "channel_closed" => Self::ChannelClosed,
            "start_publication" => Self::StartPublication,
            "pause_publication" => Self::PausePublication,
            "agent_session_state" => Self::AgentSessionState,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_str().escape_debug())
    }
}

impl Serialize for MessageType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MessageType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::from(name.as_str()))
    }
}

/// The PayloadType field of a stream message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadType {
    /// 0: every message that is not stream data.
    Untyped,
    /// 1: terminal or keyboard bytes, the only type that is encrypted both ways.
    Output,
    /// 2: reserved, unused by both sides.
    Error,
    /// 3: the terminal's size.
    Size,
    /// 4: reserved, unused by both sides.
    Parameter,
    /// 5: the agent's first message when it wants a handshake.
    HandshakeRequest,
    /// 6: the client's answer.
    HandshakeResponse,
    /// 7: the handshake's end.
    HandshakeComplete,
    /// 8: proves the agent's key.
    EncChallengeRequest,
    /// 9: proves the client's key.
    EncChallengeResponse,
    /// 10: port sessions' signals.
    Flag,
    /// 11: standard error, where it is separate.
    StdErr,
    /// 12: the exit code, where there is one.
    ExitCode,
    /// A number that this crate does not know.
    Unknown(u32),
}

impl From<u32> for PayloadType {
    fn from(number: u32) -> Self {
        match number {
            0 => Self::Untyped,
            1 => Self::Output,
            2 => Self::Error,
            3 => Self::Size,
            4 => Self::Parameter,
            5 => Self::HandshakeRequest,
            6 => Self::HandshakeResponse,
            7 => Self::HandshakeComplete,
            8 => Self::EncChallengeRequest,
            9 => Self::EncChallengeResponse,
            10 => Self::Flag,
            11 => Self::StdErr,
            12 => Self::ExitCode,
            other => Self::Unknown(other),
        }
    }
}

impl From<PayloadType> for u32 {
    fn from(kind: PayloadType) -> Self {
        match kind {
            PayloadType::Untyped => 0,
            PayloadType::Output => 1,
            PayloadType::Error => 2,
            PayloadType::Size => 3,
            PayloadType::Parameter => 4,
            PayloadType::HandshakeRequest => 5,
            PayloadType::HandshakeResponse => 6,
            PayloadType::HandshakeComplete => 7,
            PayloadType::EncChallengeRequest => 8,
            PayloadType::EncChallengeResponse => 9,
            PayloadType::Flag => 10,
            PayloadType::StdErr => 11,
            PayloadType::ExitCode => 12,
            PayloadType::Unknown(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_round_trip() {
        for number in 0..64 {
            assert_eq!(u32::from(PayloadType::from(number)), number);
        }
    }

    #[test]
    fn nul_and_blank_padding_are_trimmed() {
        assert_eq!(MessageType::parse(&[0; 32]), None);
        assert_eq!(MessageType::parse(b"acknowledge\0\0\0"), Some(MessageType::Acknowledge));
        assert_eq!(MessageType::parse(b"\0 acknowledge  \0"), Some(MessageType::Acknowledge));
    }

    #[test]
    fn unknown_names_are_kept() {
        assert_eq!(MessageType::parse(b"agent_job   "), Some(MessageType::Unknown("agent_job".into())));
        assert_eq!(MessageType::parse(&[0xff; 32]), None);
    }
}

//! Small payloads of a terminal session: size, flag, exit code.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{PayloadError, from_json, to_json};

const EXIT_CODE_PREFIX: &str = "EXIT_CODE: ";

/// The terminal's size in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Columns.
    pub cols: u32,
    /// Rows.
    pub rows: u32,
}

impl Size {
    /// A size that an agent can set: `None` for a zero side, larger sides are capped at 65535,
    /// because the agent cuts to 16 bits (amazon-ssm-agent `session/plugins/shell/shell_unix.go`).
    pub fn for_terminal(cols: u32, rows: u32) -> Option<Self> {
        let cap = u32::from(u16::MAX);
        (cols > 0 && rows > 0).then(|| Self { cols: cols.min(cap), rows: rows.min(cap) })
    }

    /// Writes the JSON form.
    pub fn encode(&self) -> Bytes {
        to_json(self)
    }

    /// Reads the JSON form; any number goes, as at the agent.
    ///
    /// # Errors
    /// When the payload is not this JSON object.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        from_json("size", payload)
    }
}

/// The payload of type 10, used by port sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// 1: the client's local connection ended.
    DisconnectToPort,
    /// 2: the client ends the session.
    TerminateSession,
    /// 3: the agent could not connect.
    ConnectToPortError,
    /// Any other number.
    Unknown(u32),
}

impl Flag {
    /// Writes four big-endian bytes.
    pub fn encode(&self) -> Bytes {
        let number: u32 = match self {
            Self::DisconnectToPort => 1,
            Self::TerminateSession => 2,
            Self::ConnectToPortError => 3,
            Self::Unknown(number) => *number,
        };
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    /// Reads four big-endian bytes.
    ///
    /// # Errors
    /// When there are not exactly four.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        let bytes = payload.try_into().map_err(|_| PayloadError::Length { what: "flag", len: payload.len() })?;
        Ok(match u32::from_be_bytes(bytes) {
            1 => Self::DisconnectToPort,
            2 => Self::TerminateSession,
            3 => Self::ConnectToPortError,
            other => Self::Unknown(other),
        })
    }
}

/// Writes the text of payload type 12.
pub fn encode_exit_code(code: i32) -> Bytes {
    format!("{EXIT_CODE_PREFIX}{code}").into()
}

/// Reads the text of payload type 12; a child killed by a signal has −1.
///
/// # Errors
/// When the text is not `EXIT_CODE: ` and a decimal number.
pub fn decode_exit_code(payload: &[u8]) -> Result<i32, PayloadError> {
    std::str::from_utf8(payload)
        .ok()
        .and_then(|text| text.strip_prefix(EXIT_CODE_PREFIX))
        .and_then(|number| number.trim().parse().ok())
        .ok_or(PayloadError::Text { what: "exit code" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_for_a_terminal_is_never_zero_nor_cut() {
        assert_eq!(Size::for_terminal(0, 40), None);
        assert_eq!(Size::for_terminal(120, 0), None);
        assert_eq!(Size::for_terminal(65_536, 1), Some(Size { cols: 65_535, rows: 1 }));
    }

    #[test]
    fn exit_code_is_read_exactly() {
        assert_eq!(decode_exit_code(b"EXIT_CODE: -1"), Ok(-1));
        assert!(decode_exit_code(b"EXIT_CODE: ").is_err());
        assert!(decode_exit_code(b"exit 3").is_err());
        assert_eq!(decode_exit_code(&encode_exit_code(137)), Ok(137));
    }

    #[test]
    fn flag_of_another_length_is_refused() {
        assert_eq!(Flag::decode(&[0, 0, 2]), Err(PayloadError::Length { what: "flag", len: 3 }));
        assert_eq!(Flag::decode(&[0, 0, 0, 9]), Ok(Flag::Unknown(9)));
    }
}

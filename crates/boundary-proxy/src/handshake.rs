//! The two messages that open a connection: what the client says first, and the worker's answer.
//!
//! Source: Boundary `internal/proto/worker/proxy/v1/proxy.proto`.

use crate::protobuf::{fields, put_bytes, put_number, put_timestamp, timestamp};
use jiff::Timestamp;

/// The WebSocket subprotocol of the TCP proxy.
pub const SUBPROTOCOL: &str = "boundary-tcp-proxy-v1";

/// The path of the WebSocket.
pub const PATH: &str = "/v1/proxy";

/// The length of a client's token in characters; a worker refuses any other.
pub const TOFU_TOKEN_LENGTH: usize = 20;

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHandshake {
    /// The token that the first client of a session chooses and every later connection must repeat.
    pub tofu_token: String,
    /// Whether the session is to be canceled instead of used.
    pub cancel: bool,
}

const TOFU_TOKEN: u64 = 10;
const COMMAND: u64 = 20;
const SESSION_CANCEL: i64 = 1;

impl ClientHandshake {
    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Vec::new();
        put_bytes(&mut message, TOFU_TOKEN, self.tofu_token.as_bytes());
        put_number(&mut message, COMMAND, if self.cancel { SESSION_CANCEL } else { 0 });
        message
    }

    /// Reads the message; none when it holds no token.
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (mut tofu_token, mut cancel) = (None, false);
        for (number, value) in fields(message) {
            match number {
                TOFU_TOKEN => tofu_token = Some(value.text()?.to_owned()),
                COMMAND => cancel = value.signed()? == SESSION_CANCEL,
                _ => {}
            }
        }
        Some(Self { tofu_token: tofu_token?, cancel })
    }
}

/// The worker's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeResult {
    /// When the session expires.
    pub expiration: Timestamp,
    /// How many connections the session may have; -1 is any number.
    pub connection_limit: i64,
    /// How many more it may have; -1 is any number.
    pub connections_left: i64,
}

const EXPIRATION: u64 = 10;
const CONNECTION_LIMIT: u64 = 20;
const CONNECTIONS_LEFT: u64 = 30;

impl HandshakeResult {
    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Vec::new();
        put_timestamp(&mut message, EXPIRATION, self.expiration);
        put_number(&mut message, CONNECTION_LIMIT, self.connection_limit);
        put_number(&mut message, CONNECTIONS_LEFT, self.connections_left);
        message
    }

    /// Reads the message; none when it holds no expiration.
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (mut expiration, mut connection_limit, mut connections_left) = (None, 0, 0);
        for (number, value) in fields(message) {
            match number {
                EXPIRATION => expiration = timestamp(value.bytes()?),
                CONNECTION_LIMIT => connection_limit = value.signed()?,
                CONNECTIONS_LEFT => connections_left = value.signed()?,
                _ => {}
            }
        }
        Some(Self { expiration: expiration?, connection_limit, connections_left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_messages_survive_the_way() {
        for cancel in [false, true] {
            let handshake = ClientHandshake { tofu_token: "a".repeat(TOFU_TOKEN_LENGTH), cancel };
            assert_eq!(ClientHandshake::decode(&handshake.encode()), Some(handshake));
        }
        let expiration = Timestamp::from_second(1_700_000_000).unwrap();
        let result = HandshakeResult { expiration, connection_limit: -1, connections_left: -1 };
        assert_eq!(HandshakeResult::decode(&result.encode()), Some(result));
    }

    #[test]
    fn the_bytes_are_those_of_the_definition() {
        let handshake = ClientHandshake { tofu_token: "ab".to_owned(), cancel: true };
        assert_eq!(handshake.encode(), [0x52, 2, b'a', b'b', 0xa0, 1, 1]);
    }

    #[test]
    fn messages_without_their_meaning_are_refused() {
        assert_eq!(ClientHandshake::decode(&[]), None);
        assert_eq!(HandshakeResult::decode(&[0xa0, 1, 5]), None);
    }
}

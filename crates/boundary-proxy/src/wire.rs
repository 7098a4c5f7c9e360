//! The two messages that open a worker connection, and the few protobuf forms they need.
//!
//! Owns bytes only: no socket, no clock. Never panics, whatever the bytes are.
//! Source: Boundary `internal/proto/worker/proxy/v1/proxy.proto`.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

/// The length of a TOFU token in bytes; a worker refuses any other.
///
/// Source: Boundary `internal/daemon/worker/handler.go`.
pub const TOFU_TOKEN_BYTES: usize = 20;

const TOFU_TOKEN: u64 = 10;
const COMMAND: u64 = 20;
const EXPIRATION: u64 = 10;
const CONNECTION_LIMIT: u64 = 20;
const CONNECTIONS_LEFT: u64 = 30;

/// The bytes are no message of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end within a field, or a field's form is unknown.
    #[error("read a protobuf field")]
    Damaged,
    /// A field holds something else than it must.
    #[error("read protobuf field {number}")]
    Field {
        /// The field's number.
        number: u64,
    },
}

/// What a client asks of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Carry a connection.
    Connect,
    /// End the session.
    CancelSession,
}

/// The client's first message.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientHandshake {
    /// The process's token: the first one a session sees owns it.
    pub tofu_token: Zeroizing<String>,
    /// What is asked.
    pub command: Command,
}

impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake").field("command", &self.command).finish_non_exhaustive()
    }
}

impl ClientHandshake {
    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * TOFU_TOKEN_BYTES);
        put_bytes(&mut bytes, TOFU_TOKEN, self.tofu_token.as_bytes());
        put_varint(&mut bytes, COMMAND, u64::from(self.command == Command::CancelSession));
        bytes
    }

    /// Reads the message; unknown fields are skipped.
    ///
    /// # Errors
    /// The bytes are no such message, or the command is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut handshake = Self { tofu_token: Zeroizing::default(), command: Command::Connect };
        for field in Fields::new(bytes) {
            match field? {
                (TOFU_TOKEN, value) => handshake.tofu_token = Zeroizing::new(value.text(TOFU_TOKEN)?.to_owned()),
                (COMMAND, Value::Varint(0)) => handshake.command = Command::Connect,
                (COMMAND, Value::Varint(1)) => handshake.command = Command::CancelSession,
                (COMMAND, _) => return Err(WireError::Field { number: COMMAND }),
                _ => {}
            }
        }
        Ok(handshake)
    }
}

/// The worker's answer to a connection that it will carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HandshakeResult {
    /// When the session expires.
    pub expiration: Option<Timestamp>,
    /// The session's connection limit; -1 means none.
    pub connection_limit: i32,
    /// The connections that the session may still open; -1 means any number.
    pub connections_left: i32,
}

impl HandshakeResult {
    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(expiration) = self.expiration {
            put_bytes(&mut bytes, EXPIRATION, &encode_timestamp(expiration));
        }
        put_int32(&mut bytes, CONNECTION_LIMIT, self.connection_limit);
        put_int32(&mut bytes, CONNECTIONS_LEFT, self.connections_left);
        bytes
    }

    /// Reads the message; unknown fields are skipped.
    ///
    /// # Errors
    /// The bytes are no such message.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut result = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (EXPIRATION, value) => result.expiration = Some(decode_timestamp(value.bytes(EXPIRATION)?)?),
                (CONNECTION_LIMIT, value) => result.connection_limit = value.int32(CONNECTION_LIMIT)?,
                (CONNECTIONS_LEFT, value) => result.connections_left = value.int32(CONNECTIONS_LEFT)?,
                _ => {}
            }
        }
        Ok(result)
    }
}

/// One field's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, which none of our messages has.
    Fixed,
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self, number: u64) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed => Err(WireError::Field { number }),
        }
    }

    pub(crate) fn text(self, number: u64) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes(number)?).map_err(|_| WireError::Field { number })
    }

    pub(crate) fn varint(self, number: u64) -> Result<u64, WireError> {
        match self {
            Self::Varint(value) => Ok(value),
            Self::Bytes(_) | Self::Fixed => Err(WireError::Field { number }),
        }
    }

    /// A negative number is its 64-bit two's complement on the wire.
    pub(crate) fn int32(self, number: u64) -> Result<i32, WireError> {
        i32::try_from(self.varint(number)?.cast_signed()).map_err(|_| WireError::Field { number })
    }
}

/// The fields of a message in order; ends after the first damaged one.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field().ok_or(WireError::Damaged);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Writes a length-delimited field; an empty one is left out, as proto3 has it.
pub(crate) fn put_bytes(into: &mut Vec<u8>, number: u64, value: &[u8]) {
    if !value.is_empty() {
        push_varint(into, number << 3 | 2);
        push_varint(into, value.len() as u64);
        into.extend_from_slice(value);
    }
}

/// Writes a number; zero is left out, as proto3 has it.
pub(crate) fn put_varint(into: &mut Vec<u8>, number: u64, value: u64) {
    if value != 0 {
        push_varint(into, number << 3);
        push_varint(into, value);
    }
}

pub(crate) fn put_int32(into: &mut Vec<u8>, number: u64, value: i32) {
    put_varint(into, number, i64::from(value).cast_unsigned());
}

fn push_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    into.push(value.to_le_bytes()[0]);
}

/// Writes a `google.protobuf.Timestamp`.
pub(crate) fn encode_timestamp(time: Timestamp) -> Vec<u8> {
    // The nanoseconds of a protobuf time count upwards from its second, also before 1970.
    let nanosecond = time.as_nanosecond();
    let second = i64::try_from(nanosecond.div_euclid(1_000_000_000)).unwrap_or_default();
    let mut bytes = Vec::new();
    put_varint(&mut bytes, 1, second.cast_unsigned());
    put_varint(&mut bytes, 2, u64::try_from(nanosecond.rem_euclid(1_000_000_000)).unwrap_or_default());
    bytes
}

/// Reads a `google.protobuf.Timestamp`.
pub(crate) fn decode_timestamp(bytes: &[u8]) -> Result<Timestamp, WireError> {
    let (mut second, mut nanosecond) = (0, 0);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => second = value.varint(1)?.cast_signed(),
            (2, value) => nanosecond = value.int32(2)?,
            _ => {}
        }
    }
    Timestamp::new(second, nanosecond).map_err(|_| WireError::Field { number: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(command: Command) -> ClientHandshake {
        ClientHandshake { tofu_token: Zeroizing::new("abcdefghijABCDEFGHIJ".into()), command }
    }

    fn result() -> HandshakeResult {
        let expiration = "2026-11-21T04:11:57.922036Z".parse().ok();
        HandshakeResult { expiration, connection_limit: -1, connections_left: 7 }
    }

    #[test]
    fn a_handshake_is_the_bytes_of_its_definition() {
        let mut expected = vec![10 << 3 | 2, 20];
        expected.extend_from_slice(b"abcdefghijABCDEFGHIJ");
        assert_eq!(handshake(Command::Connect).encode(), expected);
        expected.extend_from_slice(&[0xa0, 0x01, 1]);
        assert_eq!(handshake(Command::CancelSession).encode(), expected);
    }

    #[test]
    fn messages_survive_the_way_there_and_back() {
        for command in [Command::Connect, Command::CancelSession] {
            assert_eq!(ClientHandshake::decode(&handshake(command).encode()), Ok(handshake(command)));
        }
        assert_eq!(HandshakeResult::decode(&result().encode()), Ok(result()));
        assert_eq!(HandshakeResult::decode(&[]), Ok(HandshakeResult::default()));
        let before_1970: Timestamp = "1969-12-31T23:59:58.5Z".parse().unwrap();
        assert_eq!(decode_timestamp(&encode_timestamp(before_1970)), Ok(before_1970));
    }

    #[test]
    fn unknown_fields_are_skipped_and_wrong_ones_are_named() {
        let mut bytes = vec![1 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 2 << 3 | 5, 0, 0, 0, 0];
        bytes.extend(handshake(Command::CancelSession).encode());
        assert_eq!(ClientHandshake::decode(&bytes), Ok(handshake(Command::CancelSession)));
        assert_eq!(ClientHandshake::decode(&[10 << 3, 1]), Err(WireError::Field { number: 10 }));
        assert_eq!(ClientHandshake::decode(&[0xa0, 0x01, 2]), Err(WireError::Field { number: 20 }));
        assert_eq!(ClientHandshake::decode(&[10 << 3 | 2, 1, 0xff]), Err(WireError::Field { number: 10 }));
        assert_eq!(ClientHandshake::decode(&[3]), Err(WireError::Damaged));
    }

    #[test]
    fn cut_or_changed_bytes_never_panic() {
        for valid in [handshake(Command::CancelSession).encode(), result().encode()] {
            for cut in 0..valid.len() {
                let _ = (ClientHandshake::decode(&valid[..cut]), HandshakeResult::decode(&valid[..cut]));
                for value in [0, 1, 0x7f, 0x80, 0xff, valid[cut] ^ 0x20] {
                    let mut changed = valid.clone();
                    changed[cut] = value;
                    let _ = (ClientHandshake::decode(&changed), HandshakeResult::decode(&changed));
                }
            }
        }
        assert_eq!(HandshakeResult::decode(&[0xff; 40]), Err(WireError::Damaged));
    }

    #[test]
    fn a_tofu_token_is_not_shown() {
        assert!(!format!("{:?}", handshake(Command::Connect)).contains("abcdef"));
    }
}

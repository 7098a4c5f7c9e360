//! What messages carry: one type a payload, each with `encode` and `decode`.
//!
//! Owns the JSON and the byte forms; never decides what to do about them.
//! Decoding is lenient where the official client is (missing members that nobody reads), strict
//! where a wrong value would be acted on.

mod control;
mod handshake;
mod kind;
mod open;
mod terminal;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    control::{Acknowledgement, AgentSessionState, ChannelClosed, SessionState},
    handshake::{
        ActionStatus, EncChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, KmsAction, KmsResult,
        ProcessedAction, RequestedAction, SessionTypeAction,
    },
    kind::{MessageType, PayloadType},
    open::OpenDataChannel,
    terminal::{Flag, Size, decode_exit_code, encode_exit_code},
};

/// Why a payload could not be read. Never holds a byte of it: payloads are hostile or secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not the JSON it should be.
    #[error("{what} is not the expected json (line {line}, column {column})")]
    Json {
        /// The payload's name.
        what: &'static str,
        /// Where parsing stopped.
        line: usize,
        /// Where parsing stopped.
        column: usize,
    },
    /// A base64 member does not decode.
    #[error("{what} holds invalid base64")]
    Base64 {
        /// The payload's name.
        what: &'static str,
    },
    /// A binary payload of the wrong length.
    #[error("{what} has {len} bytes")]
    Length {
        /// The payload's name.
        what: &'static str,
        /// Bytes received.
        len: usize,
    },
    /// A text payload that does not read as it should.
    #[error("{what} is not the expected text")]
    Text {
        /// The payload's name.
        what: &'static str,
    },
}

fn from_json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(bytes).map_err(|error| PayloadError::Json { what, line: error.line(), column: error.column() })
}

fn to_json<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).expect("string-keyed values serialize").into()
}

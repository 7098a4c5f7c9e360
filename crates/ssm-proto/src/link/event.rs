//! What the link tells its owner: events, transmissions, counters, and how it ended.

use std::{fmt, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{cipher::DataKey, frame::FrameError, payload::PayloadType};

/// Something to hand to the socket, one WebSocket message each.
#[derive(Clone, PartialEq, Eq)]
pub enum Transmit {
    /// OpenDataChannel; holds the token.
    Text(Zeroizing<String>),
    /// Everything else.
    Binary(Bytes),
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// Something for the application.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// Terminal bytes, in order, decrypted; hostile.
    Output(Bytes),
    /// Separate standard error, in order, decrypted; hostile.
    Stderr(Bytes),
    /// The exit code, of sessions that have one; −1 for a child that a signal ended.
    ExitCode(i32),
    /// Answer with [`Link::handle_data_key`](crate::Link::handle_data_key) within
    /// [`LinkConfig::response_within`](crate::LinkConfig::response_within).
    NeedDataKey {
        /// The KMS key's id or ARN as the agent names it; hostile.
        key_id: String,
        /// For `aws:ssm:RandomChallenge` in the encryption context.
        challenge: Option<String>,
    },
    /// The handshake ended well.
    HandshakeComplete {
        /// A text for the user; hostile.
        customer_message: Option<String>,
    },
    /// Something we sent has not been confirmed for long.
    Stalled {
        /// How long.
        since: Duration,
    },
    /// A confirmation came after a stall.
    Resumed,
    /// The gateway says that the agent's channel is inactive.
    PeerPaused,
    /// The agent's channel is active again.
    PeerActive,
    /// The gateway's last word, after all output; the link is at its end.
    ChannelClosed {
        /// Empty after a normal end; else the agent's text, raw and hostile.
        output: String,
    },
    /// The link ended by itself; nothing more will come.
    Ended(LinkEnd),
}

impl fmt::Debug for Event {
    /// Shows lengths in place of terminal bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(bytes) => write!(f, "Output({} bytes)", bytes.len()),
            Self::Stderr(bytes) => write!(f, "Stderr({} bytes)", bytes.len()),
            Self::ExitCode(code) => write!(f, "ExitCode({code})"),
            Self::NeedDataKey { key_id, .. } => write!(f, "NeedDataKey({key_id:?})"),
            Self::HandshakeComplete { .. } => f.write_str("HandshakeComplete"),
            Self::Stalled { since } => write!(f, "Stalled({since:?})"),
            Self::Resumed => f.write_str("Resumed"),
            Self::PeerPaused => f.write_str("PeerPaused"),
            Self::PeerActive => f.write_str("PeerActive"),
            Self::ChannelClosed { output } => write!(f, "ChannelClosed({} bytes)", output.len()),
            Self::Ended(end) => write!(f, "Ended({end:?})"),
        }
    }
}

/// How a link came to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkEnd {
    /// The gateway closed the channel.
    #[error("channel closed by the gateway")]
    ChannelClosed {
        /// As in [`Event::ChannelClosed`].
        output: String,
    },
    /// The peer sent garbage and nothing else.
    #[error("{in_a_row} frames in a row were no messages, the last: {last}")]
    BadFrames {
        /// How many.
        in_a_row: u32,
        /// What was wrong with the last.
        last: FrameError,
    },
    /// Every repetition came damaged.
    #[error("{in_a_row} messages came damaged and none intact")]
    BadDigests {
        /// How many.
        in_a_row: u32,
    },
    /// A payload was not sealed with the session's key.
    #[error("message {sequence} could not be decrypted")]
    DecryptFailed {
        /// Its number.
        sequence: i64,
    },
    /// The session is or is not encrypted, against the policy.
    #[error(transparent)]
    EncryptionRefused(#[from] EncryptionMismatch),
    /// KMS gave no data key.
    #[error("no data key: {reason}")]
    DataKeyRefused {
        /// As given to [`Link::handle_data_key`](crate::Link::handle_data_key).
        reason: String,
    },
    /// The data key came too late for the agent.
    #[error("no data key within {within:?}")]
    DataKeyTimedOut {
        /// The limit.
        within: Duration,
    },
    /// The agent did not go on with the handshake.
    #[error("handshake not completed by the agent within {within:?}")]
    HandshakeTimedOut {
        /// The limit.
        within: Duration,
    },
    /// A handshake message does not read.
    #[error("handshake message of type {payload_type:?} does not read")]
    HandshakeMalformed {
        /// Which.
        payload_type: PayloadType,
    },
    /// A message came that has no place in this stage: the stream is not what it claims to be.
    #[error("message of type {payload_type:?} out of place in the handshake")]
    HandshakeOutOfOrder {
        /// Which.
        payload_type: PayloadType,
    },
    /// The session is no shell.
    #[error("session type `{}` is not supported", session_type.escape_debug())]
    UnknownSessionType {
        /// Its name; hostile.
        session_type: String,
    },
    /// Nothing confirmed, nothing new heard.
    #[error("no confirmation for {after:?}")]
    GaveUp {
        /// How long.
        after: Duration,
    },
}

/// Which way the encryption policy was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionMismatch {
    /// The policy requires a key and the agent offers none.
    #[error("session is not encrypted although encryption is required")]
    Missing,
    /// The policy forbids a key and the agent asks for one.
    #[error("session asks for encryption although it is forbidden")]
    Unwanted,
}

/// Where the link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No connection, at first or again.
    Connecting,
    /// Connected, and the agent has not spoken yet.
    Opened,
    /// Between the agent's request and its completion.
    Handshaking,
    /// The remote command's bytes flow.
    Running,
    /// Over; see [`Link::closed`](crate::Link::closed).
    Closed,
}

/// A data key, as GenerateDataKey answers.
#[derive(Debug)]
pub struct GrantedKey {
    /// The 64 bytes.
    pub plaintext: DataKey,
    /// The same, as only the agent can read it.
    pub ciphertext_blob: Vec<u8>,
    /// Whether the encryption context held the challenge.
    pub challenge_acknowledged: bool,
}

/// Everything countable, for the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Bytes accepted by `send_input`.
    pub input_typed: u64,
    /// Typed bytes that got a number.
    pub input_bytes: u64,
    /// Messages that carried typed bytes.
    pub input_messages: u64,
    /// Typed bytes dropped by an interrupt or by closing the input.
    pub input_dropped: u64,
    /// Our own bytes that got a number.
    pub control_bytes: u64,
    /// Closing markers added to cut pastes.
    pub paste_closers: u64,
    /// Bytes of those markers.
    pub paste_closer_bytes: u64,
    /// Window sizes sent.
    pub sizes: u64,
    /// Terminal bytes handed out.
    pub output_bytes: u64,
    /// Messages that carried them.
    pub output_messages: u64,
    /// Separate standard error bytes handed out.
    pub stderr_bytes: u64,
    /// Output messages still missing when the channel closed.
    pub output_lost: u64,
    /// Messages of ours sent again.
    pub resends: u64,
    /// Messages of the peer that we had already.
    pub duplicates: u64,
    /// Messages of the peer that came early.
    pub reordered: u64,
    /// Messages of the peer beyond the window.
    pub beyond_window: u64,
    /// Messages with a wrong digest.
    pub bad_digest: u64,
    /// Frames that were no messages.
    pub bad_frames: u64,
    /// Messages of a type, or with a payload, that has no meaning here.
    pub ignored: u64,
    /// Confirmations handed to the socket.
    pub acks_sent: u64,
    /// Confirmations received.
    pub acks_received: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Times that the gateway called the agent inactive.
    pub pauses: u64,
}

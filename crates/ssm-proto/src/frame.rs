//! One binary message: a header of 120 bytes, then the payload to the end of the frame.
//!
//! Owns the layout and the checks on it; never looks into a payload.
//! Source: amazon-ssm-agent `session/contracts/agentmessage.go`, session-manager-plugin `message/messageparser.go`.

use aws_lc_rs::digest;
use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::payload::{MessageType, PayloadType};

/// Bytes of header that we send; a receiver must skip what a longer header holds.
pub const HEADER_LEN: usize = 120;
/// The HeaderLength field of a 120-byte header: the offset of PayloadLength.
pub const HEADER_LENGTH_FIELD: u32 = 116;
/// The largest frame accepted, in bytes: agents send about 1.2 KiB, handshakes a few KiB.
pub const MAX_FRAME_LEN: usize = 1024 * 1024;
/// Flags of an acknowledgement and of `agent_session_state`: SYN and FIN.
pub const FLAGS_SYN_FIN: u64 = 3;

const TYPE_LEN: usize = 32;
const DIGEST_LEN: usize = 32;
const LENGTH_FIELD_LEN: usize = 4;

/// One message of the data channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the message is for.
    pub message_type: MessageType,
    /// 1 in everything seen.
    pub schema_version: u32,
    /// Milliseconds since the Unix epoch; 0 is refused except in publication messages.
    pub created_millis: u64,
    /// Counts stream messages per direction from 0; 0 in all other messages.
    pub sequence: i64,
    /// Bit 0 SYN, bit 1 FIN; nobody reads them.
    pub flags: u64,
    /// Random; an acknowledgement repeats it.
    pub message_id: Uuid,
    /// What a stream message carries.
    pub payload_type: PayloadType,
    /// The rest of the frame, shared with the received bytes.
    pub payload: Bytes,
}

impl std::fmt::Debug for Frame {
    /// Shows the length of the payload, never its bytes: they are keystrokes and screens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("message_type", &self.message_type)
            .field("sequence", &self.sequence)
            .field("flags", &self.flags)
            .field("message_id", &self.message_id)
            .field("payload_type", &self.payload_type)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than a header.
    #[error("frame of {len} bytes is shorter than a header")]
    TooShort {
        /// Bytes received.
        len: usize,
    },
    /// Longer than [`MAX_FRAME_LEN`].
    #[error("frame of {len} bytes is longer than any message may be")]
    TooLong {
        /// Bytes received.
        len: usize,
    },
    /// The header length points outside the frame, or into the fixed header.
    #[error("header length {header_length} does not fit a frame of {len} bytes")]
    HeaderLength {
        /// The field's value.
        header_length: u32,
        /// Bytes received.
        len: usize,
    },
    /// The message type is empty or not ASCII.
    #[error("message type is empty or not ascii")]
    MessageType,
    /// The creation date is zero.
    #[error("creation date is zero")]
    CreatedDate,
    /// The sequence number is negative.
    #[error("sequence number {sequence} is negative")]
    Sequence {
        /// The field's value.
        sequence: i64,
    },
    /// The digest is not the payload's.
    #[error("payload digest does not match the payload")]
    Digest,
}

impl Frame {
    /// Writes the message with a 120-byte header; the digest is computed here.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_LEN + self.payload.len());
        out.put_u32(HEADER_LENGTH_FIELD);
        out.put_slice(&padded(self.message_type.as_str()));
        out.put_u32(self.schema_version);
        out.put_u64(self.created_millis);
        out.put_i64(self.sequence);
        out.put_u64(self.flags);
        let (first, second) = self.message_id.as_bytes().split_at(8);
        out.put_slice(second);
        out.put_slice(first);
        out.put_slice(sha256(&self.payload).as_ref());
        out.put_u32(self.payload_type.into());
        out.put_u32(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        out.put_slice(&self.payload);
        out.freeze()
    }

    /// Reads a message and checks its digest; the payload shares the given bytes.
    ///
    /// # Errors
    /// [`FrameError::Digest`] alone may be worth waiting for a repetition; all others mean that the
    /// bytes are no message.
    pub fn decode(bytes: Bytes) -> Result<Self, FrameError> {
        let stated: Option<[u8; DIGEST_LEN]> = bytes.get(80..80 + DIGEST_LEN).and_then(|field| field.try_into().ok());
        let frame = Self::decode_without_digest(bytes)?;
        let unchecked = frame.message_type.is_publication() || frame.payload.is_empty();
        if unchecked || stated.is_some_and(|stated| sha256(&frame.payload).as_ref() == stated) {
            Ok(frame)
        } else {
            Err(FrameError::Digest)
        }
    }

    /// Reads a message as the agent does, which never compares the digest.
    ///
    /// # Errors
    /// As [`Frame::decode`], without [`FrameError::Digest`].
    pub fn decode_without_digest(mut bytes: Bytes) -> Result<Self, FrameError> {
        let start = payload_start(&bytes)?;
        let message_type = MessageType::parse(&bytes[4..4 + TYPE_LEN]).ok_or(FrameError::MessageType)?;
        let frame = Self {
            message_type,
            schema_version: u32_at(&bytes, 36),
            created_millis: u64_at(&bytes, 40),
            sequence: u64_at(&bytes, 48).cast_signed(),
            flags: u64_at(&bytes, 56),
            message_id: uuid_at(&bytes, 64),
            payload_type: PayloadType::from(u32_at(&bytes, 112)),
            payload: bytes.split_off(start),
        };
        frame.check_fields()
    }

    fn check_fields(self) -> Result<Self, FrameError> {
        if self.message_type.is_publication() {
            return Ok(self);
        }
        if self.created_millis == 0 {
            return Err(FrameError::CreatedDate);
        }
        if self.sequence < 0 {
            return Err(FrameError::Sequence { sequence: self.sequence });
        }
        Ok(self)
    }
}

/// Checks the sizes and returns the payload's offset, which the received header length decides.
fn payload_start(bytes: &Bytes) -> Result<usize, FrameError> {
    let len = bytes.len();
    if len < HEADER_LEN {
        return Err(FrameError::TooShort { len });
    }
    if len > MAX_FRAME_LEN {
        return Err(FrameError::TooLong { len });
    }
    let header_length = u32_at(bytes, 0);
    let start = usize::try_from(header_length).ok().and_then(|offset| offset.checked_add(LENGTH_FIELD_LEN));
    match start {
        Some(start) if header_length >= HEADER_LENGTH_FIELD && start <= len => Ok(start),
        _ => Err(FrameError::HeaderLength { header_length, len }),
    }
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn padded(name: &str) -> [u8; TYPE_LEN] {
    let mut field = [b' '; TYPE_LEN];
    let kept = name.len().min(TYPE_LEN);
    field[..kept].copy_from_slice(&name.as_bytes()[..kept]);
    field
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(field)
}

/// On the wire the halves are swapped: bytes 8 to 15 come first.
fn uuid_at(bytes: &[u8], at: usize) -> Uuid {
    let mut field = [0; 16];
    field[8..].copy_from_slice(&bytes[at..at + 8]);
    field[..8].copy_from_slice(&bytes[at + 8..at + 16]);
    Uuid::from_bytes(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Frame {
        Frame {
            message_type: MessageType::OutputStreamData,
            schema_version: 1,
            created_millis: 1,
            sequence: 7,
            flags: 0,
            message_id: Uuid::from_u128(0xdd01_e56b_ff48_483e_a508_b5f0_73f3_1b16),
            payload_type: PayloadType::Output,
            payload: Bytes::from_static(b"hello"),
        }
    }

    #[test]
    fn message_id_halves_are_swapped() {
        let bytes = sample().encode();
        assert_eq!(bytes[64..72], [0xa5, 0x08, 0xb5, 0xf0, 0x73, 0xf3, 0x1b, 0x16]);
        assert_eq!(Frame::decode(bytes).unwrap(), sample());
    }

    #[test]
    fn payload_is_not_copied() {
        let bytes = sample().encode();
        let frame = Frame::decode(bytes.clone()).unwrap();
        assert_eq!(frame.payload.as_ptr(), bytes[HEADER_LEN..].as_ptr());
    }

    #[test]
    fn longer_header_is_skipped() {
        let plain = sample().encode();
        let mut longer = BytesMut::from(&plain[..116]);
        longer[..4].copy_from_slice(&120_u32.to_be_bytes());
        longer.put_slice(&[9; 4]);
        longer.put_slice(&plain[116..]);
        assert_eq!(Frame::decode(longer.freeze()).unwrap(), sample());
    }

    #[test]
    fn header_length_outside_the_frame_is_refused() {
        for value in [0_u32, 115, 122, 4096, u32::MAX] {
            let mut bytes = BytesMut::from(&sample().encode()[..]);
            bytes[..4].copy_from_slice(&value.to_be_bytes());
            let refused = Frame::decode(bytes.freeze());
            assert_eq!(refused, Err(FrameError::HeaderLength { header_length: value, len: 125 }));
        }
    }

    #[test]
    fn oversized_frame_is_refused() {
        let frame = Frame { payload: Bytes::from(vec![0; MAX_FRAME_LEN]), ..sample() };
        assert_eq!(Frame::decode(frame.encode()), Err(FrameError::TooLong { len: MAX_FRAME_LEN + HEADER_LEN }));
    }

    #[test]
    fn stated_length_of_zero_does_not_switch_the_digest_check_off() {
        let mut bytes = BytesMut::from(&sample().encode()[..]);
        bytes[116..120].copy_from_slice(&[0; 4]);
        bytes[120] ^= 1;
        assert_eq!(Frame::decode(bytes.freeze()), Err(FrameError::Digest));
    }

    #[test]
    fn zero_date_and_negative_number_are_refused() {
        let undated = Frame { created_millis: 0, ..sample() };
        assert_eq!(Frame::decode(undated.encode()), Err(FrameError::CreatedDate));
        let negative = Frame { sequence: -1, ..sample() };
        assert_eq!(Frame::decode(negative.encode()), Err(FrameError::Sequence { sequence: -1 }));
    }

    #[test]
    fn debug_never_shows_the_payload() {
        assert!(!format!("{:?}", sample()).contains("hello"));
    }
}

//! Every parser of this crate, fed with arbitrary bytes: for fuzz targets and for the test that replays their corpora.
//!
//! Owns no expectation but one: nothing panics, and what reads back from what was written is the same.

use bytes::Bytes;
use std::time::Instant;
use zeroize::Zeroizing;

use crate::frame::Frame;
use crate::payload::{
    Acknowledgement, ChannelClosed, EncChallenge, Flag, HandshakeComplete, HandshakeRequest, HandshakeResponse, MessageType,
    OpenDataChannel, Size, decode_exit_code,
};
use crate::{Link, LinkConfig, Now, SystemEntropy, Transmit};

/// A parser's name, which is also the name of its corpus folder and its fuzz target, and the parser.
pub type Probe = (&'static str, fn(&[u8]));

/// All parsers.
pub const PROBES: [Probe; 11] = [
    ("frame", frame),
    ("acknowledgement", |bytes| drop(Acknowledgement::decode(bytes))),
    ("channel_closed", |bytes| drop(ChannelClosed::decode(bytes))),
    ("handshake_request", |bytes| drop(HandshakeRequest::decode(bytes))),
    ("handshake_response", |bytes| drop(HandshakeResponse::decode(bytes))),
    ("handshake_complete", |bytes| drop(HandshakeComplete::decode(bytes))),
    ("enc_challenge", |bytes| drop(EncChallenge::decode(bytes))),
    ("size", size),
    ("flag", flag),
    ("open_data_channel", |bytes| drop(OpenDataChannel::decode(bytes))),
    ("link", link),
];

/// Feeds one parser by name; false when there is no such parser.
pub fn feed(name: &str, bytes: &[u8]) -> bool {
    let found = PROBES.iter().find(|(known, _)| *known == name);
    found.is_some_and(|(_, probe)| {
        probe(bytes);
        true
    })
}

fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::decode(Bytes::copy_from_slice(bytes)) else { return };
    // Types that nobody knows may hold blanks of other kinds; they are never written.
    if !frame.payload.is_empty() && !matches!(frame.message_type, MessageType::Unknown(_)) {
        let again = Frame::decode(frame.encode()).expect("what was read is written so that it reads");
        assert_eq!(again, frame);
    }
}

fn size(bytes: &[u8]) {
    if let Ok(size) = Size::decode(bytes) {
        assert_eq!(Size::decode(&size.encode()).ok(), Some(size));
    }
}

fn flag(bytes: &[u8]) {
    let known = Flag::decode(bytes).is_ok();
    assert!(!(known && decode_exit_code(bytes).is_ok()), "four bytes are no exit code");
}

/// The bytes are frames behind their lengths, two bytes each.
fn link(bytes: &[u8]) {
    let mut link = Link::new(LinkConfig::default(), Box::new(SystemEntropy));
    let now = Now { instant: Instant::now(), unix_millis: 1 };
    link.handle_connected(Zeroizing::new(String::new()), now);
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (frame, next) = after.split_at(length);
        link.handle_binary(Bytes::copy_from_slice(frame), now);
        while link.poll_event().is_some() {}
        while let Some(transmit) = link.poll_transmit(now) {
            if let Transmit::Binary(bytes) = transmit {
                Frame::decode(bytes).expect("what is sent reads");
            }
        }
        rest = next;
    }
}

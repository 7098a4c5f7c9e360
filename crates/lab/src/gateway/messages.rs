//! The messages that the gateway itself makes, and the one thing that it reads in others' frames.

use bytes::Bytes;
use ssm_proto::frame::{FLAGS_SYN_FIN, Frame};
use ssm_proto::payload::{ChannelClosed, MessageType, PayloadType};
use uuid::Uuid;

/// Tells an end that its peer's channel became active.
pub(crate) fn start_publication() -> Bytes {
    message(MessageType::StartPublication, 0, Bytes::new())
}

/// Tells an end that its peer's channel became inactive.
pub(crate) fn pause_publication() -> Bytes {
    message(MessageType::PausePublication, 0, Bytes::new())
}

/// Ends a channel; an empty output is a normal end.
pub(crate) fn channel_closed(session_id: &str, output: &str) -> Bytes {
    let now = jiff::Timestamp::now();
    let payload = ChannelClosed {
        message_id: Some(Uuid::new_v4().to_string()),
        created_date: Some(now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()),
        destination_id: Some(Uuid::new_v4().to_string()),
        session_id: Some(session_id.to_owned()),
        message_type: Some("channel_closed".to_owned()),
        schema_version: Some(1),
        output: Some(output.to_owned()),
    };
    message(MessageType::ChannelClosed, FLAGS_SYN_FIN, payload.encode())
}

/// Says whether a frame is an acknowledgement, as far as its type field says.
pub(crate) fn is_acknowledgement(frame: &[u8]) -> bool {
    frame.get(4..36).is_some_and(|field| field.trim_ascii_end() == b"acknowledge")
}

fn message(message_type: MessageType, flags: u64, payload: Bytes) -> Bytes {
    let created_millis = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(1);
    let frame = Frame {
        message_type,
        schema_version: 1,
        created_millis,
        sequence: 0,
        flags,
        message_id: Uuid::new_v4(),
        payload_type: PayloadType::Untyped,
        payload,
    };
    frame.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_messages_are_messages() {
        let closed = Frame::decode(channel_closed("s-1", "bad end")).unwrap();
        assert_eq!(closed.message_type, MessageType::ChannelClosed);
        assert_eq!(ChannelClosed::decode(&closed.payload).unwrap().output.as_deref(), Some("bad end"));
        assert_eq!(Frame::decode(pause_publication()).unwrap().message_type, MessageType::PausePublication);
        assert!(!is_acknowledgement(&start_publication()));
        assert!(is_acknowledgement(&message(MessageType::Acknowledge, 3, Bytes::from_static(b"{}"))));
    }
}

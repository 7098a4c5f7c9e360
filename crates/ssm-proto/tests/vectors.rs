//! The protocol byte by byte: vectors that were checked against the reference plugin's own parser.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use bytes::Bytes;
use serde_json::Value;
use ssm_proto::DataKey;
use ssm_proto::cipher::SessionCipher;
use ssm_proto::frame::Frame;
use ssm_proto::payload::{
    Acknowledgement, ChannelClosed, EncChallenge, Flag, HandshakeComplete, HandshakeRequest, HandshakeResponse, MessageType,
    OpenDataChannel, PayloadType, Size,
};

fn file() -> Value {
    serde_json::from_str(include_str!("vectors/ssm-vectors.json")).unwrap()
}

fn vectors() -> Vec<Value> {
    file()["vectors"].as_array().unwrap().clone()
}

fn named(name: &str) -> Value {
    vectors().into_iter().find(|vector| vector["name"] == name).unwrap()
}

fn bytes(vector: &Value) -> Bytes {
    unhex(vector["hex"].as_str().unwrap()).into()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn frame(name: &str) -> Frame {
    Frame::decode(bytes(&named(name))).unwrap()
}

#[test]
fn there_are_thirty_two() {
    assert_eq!(vectors().len(), 32);
}

#[test]
fn every_valid_frame_reads_as_described_and_writes_back_to_the_same_bytes() {
    let valid = vectors().into_iter().filter(|vector| vector["kind"] == "binary_frame" && vector["valid"] == true);
    let mut seen = 0;
    for vector in valid {
        let (name, fields) = (vector["name"].as_str().unwrap(), &vector["fields"]);
        let frame = Frame::decode(bytes(&vector)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(frame.message_type.as_str(), fields["message_type"].as_str().unwrap().trim_matches('\0').trim(), "{name}");
        assert_eq!(u64::from(frame.schema_version), fields["schema_version"].as_u64().unwrap(), "{name}");
        assert_eq!(frame.created_millis, fields["created_date"].as_u64().unwrap(), "{name}");
        assert_eq!(frame.sequence, fields["sequence_number"].as_i64().unwrap(), "{name}");
        assert_eq!(frame.flags, fields["flags"].as_u64().unwrap(), "{name}");
        assert_eq!(frame.message_id.to_string(), fields["message_id"].as_str().unwrap(), "{name}");
        assert_eq!(
            frame.payload_type,
            PayloadType::from(u32::try_from(fields["payload_type"].as_u64().unwrap()).unwrap()),
            "{name}"
        );
        assert_eq!(frame.payload.as_ref(), unhex(fields["payload_hex"].as_str().unwrap_or_default()), "{name}");
        // A NUL-padded type is read but never written: we pad with blanks.
        if !frame.payload.is_empty() {
            assert_eq!(frame.encode(), bytes(&vector), "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 27);
}

#[test]
fn every_invalid_frame_is_refused() {
    let invalid: Vec<Value> = vectors().into_iter().filter(|vector| vector["valid"] == false).collect();
    assert_eq!(invalid.len(), 3);
    for vector in invalid {
        assert!(Frame::decode(bytes(&vector)).is_err(), "{}", vector["name"]);
    }
}

#[test]
fn payloads_read_and_write() {
    let size = Size::decode(&frame("size").payload).unwrap();
    assert_eq!(size.encode(), frame("size").payload);
    assert_eq!(Flag::decode(&frame("flag_terminate").payload).unwrap(), Flag::TerminateSession);
    assert_eq!(Flag::decode(&frame("flag_disconnect").payload).unwrap(), Flag::DisconnectToPort);
    let ack = Acknowledgement::decode(&frame("ack_handshake_request").payload).unwrap();
    assert_eq!(
        (ack.acknowledged_message_type.clone(), ack.acknowledged_message_sequence_number),
        (MessageType::OutputStreamData, 0)
    );
    assert_eq!(ack.encode(), frame("ack_handshake_request").payload);
    assert_eq!(ssm_proto::payload::decode_exit_code(&frame("exit_code").payload).ok(), exit_code_of("exit_code"));
    let closed = ChannelClosed::decode(&frame("channel_closed").payload).unwrap();
    assert_eq!(closed.output.as_deref(), Some(""));
    let failed = ChannelClosed::decode(&frame("channel_closed_error").payload).unwrap();
    assert!(failed.output.unwrap().contains("ERROR"));
}

fn exit_code_of(name: &str) -> Option<i32> {
    named(name)["fields"]["payload_utf8"].as_str()?.strip_prefix("EXIT_CODE: ")?.parse().ok()
}

#[test]
fn the_handshake_reads() {
    assert_eq!(HandshakeRequest::decode(&frame("handshake_request_plain").payload).unwrap().actions.len(), 1);
    let request = HandshakeRequest::decode(&frame("handshake_request_kms").payload).unwrap();
    let [_, ssm_proto::payload::RequestedAction::KmsEncryption(kms)] = request.actions.as_slice() else { panic!("{request:?}") };
    assert!(kms.challenge.is_some());
    for (name, acknowledged) in [("handshake_response_kms", false), ("handshake_response_kms_challenge", true)] {
        let response = HandshakeResponse::decode(&frame(name).payload).unwrap();
        let result = response.actions.iter().find_map(|action| action.result.clone()).unwrap();
        assert_eq!(result.challenge_acknowledged, acknowledged, "{name}");
        assert_eq!(as_json(&response.encode()), as_json(&frame(name).payload), "{name}");
    }
    assert!(HandshakeComplete::decode(&frame("handshake_complete").payload).is_ok());
}

fn as_json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_first_frame_of_both_ends_reads_and_writes() {
    for name in ["open_data_channel_client", "open_data_channel_agent"] {
        let text = bytes(&named(name));
        let open = OpenDataChannel::decode(&text).unwrap();
        assert_eq!(open.client_version.is_some(), name.ends_with("client"));
        assert_eq!(as_json(open.encode().as_bytes()), as_json(&text), "{name}");
    }
}

#[test]
fn sealed_messages_open_under_their_keys_and_under_no_other() {
    let key = || DataKey::from_slice(&unhex(file()["plaintext_key_hex"].as_str().unwrap())).unwrap();
    let (client, agent) = (SessionCipher::client(&key(), [0; 12]), SessionCipher::agent(&key(), [0; 12]));
    let challenge = EncChallenge::decode(&frame("enc_challenge_request").payload).unwrap();
    let answer = EncChallenge::decode(&frame("enc_challenge_response").payload).unwrap();
    assert_eq!(client.open(&challenge.sealed).unwrap(), agent.open(&answer.sealed).unwrap());
    assert!(agent.open(&challenge.sealed).is_err(), "each direction has a key of its own");
    assert!(!client.open(&frame("encrypted_output").payload).unwrap().is_empty());
    assert_eq!(agent.open(&frame("encrypted_input").payload).unwrap().as_ref(), b"ls\n");
}

#[test]
fn sealing_with_the_vectors_nonce_gives_the_vectors_bytes() {
    let key = DataKey::from_slice(&unhex(file()["plaintext_key_hex"].as_str().unwrap())).unwrap();
    let sealed = frame("encrypted_input").payload;
    let mut cipher = SessionCipher::client(&key, sealed[..12].try_into().unwrap());
    assert_eq!(cipher.seal(b"ls\n"), sealed);
}

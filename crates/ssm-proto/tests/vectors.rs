//! The protocol byte by byte: vectors that were checked against the reference plugin's own parser.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

use bytes::Bytes;
use serde_json::Value;
use ssm_proto::DataKey;
use ssm_proto::cipher::{CipherError, OVERHEAD, SessionCipher};
use ssm_proto::frame::{FLAGS_SYN_FIN, Frame, FrameError, HEADER_LEN};
use ssm_proto::payload::{
    Acknowledgement, ActionStatus, AgentSessionState, ChannelClosed, EncChallenge, Flag, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, KmsAction, KmsResult, MessageType, OpenDataChannel, PayloadType, ProcessedAction, RequestedAction,
    SessionState, SessionTypeAction, Size, decode_exit_code, encode_exit_code,
};

const SESSION_ID: &str = "ecs-execute-command-0123456789abcdef0";

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
        assert_eq!(frame.payload.as_ref(), unhex(fields["payload_hex"].as_str().unwrap()), "{name}");
        assert!(!matches!(frame.message_type, MessageType::Unknown(_)), "{name} is a message that we know");
        assert!(!matches!(frame.payload_type, PayloadType::Unknown(_)), "{name} carries what we know");
        // A NUL-padded type is read but never written: we pad with blanks.
        if !frame.payload.is_empty() {
            assert_eq!(frame.encode(), bytes(&vector), "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 27);
}

/// The field's number alone would also pass with two names exchanged.
#[test]
fn payload_types_bear_their_names() {
    let named = [
        ("input_ls", PayloadType::Output),
        ("size", PayloadType::Size),
        ("handshake_request_kms", PayloadType::HandshakeRequest),
        ("handshake_response_kms", PayloadType::HandshakeResponse),
        ("handshake_complete", PayloadType::HandshakeComplete),
        ("enc_challenge_request", PayloadType::EncChallengeRequest),
        ("enc_challenge_response", PayloadType::EncChallengeResponse),
        ("flag_terminate", PayloadType::Flag),
        ("stderr", PayloadType::StdErr),
        ("exit_code", PayloadType::ExitCode),
        ("channel_closed", PayloadType::Untyped),
    ];
    for (name, payload_type) in named {
        assert_eq!(frame(name).payload_type, payload_type, "{name}");
    }
}

#[test]
fn every_invalid_frame_is_refused_for_its_own_reason() {
    assert_eq!(vectors().iter().filter(|vector| vector["valid"] == false).count(), 3);
    let refused = |name: &str| Frame::decode(bytes(&named(name))).unwrap_err();
    assert_eq!(refused("truncated"), FrameError::TooShort { len: 100 });
    assert_eq!(refused("bad_digest"), FrameError::Digest);
    let vector = named("bad_header_length");
    let header_length = u32::try_from(vector["fields"]["header_length"].as_u64().unwrap()).unwrap();
    let len = bytes(&vector).len();
    assert_eq!(refused("bad_header_length"), FrameError::HeaderLength { header_length, len });
}

/// A digest that covers nothing, or less than all, would let one of these through.
#[test]
fn every_changed_payload_byte_is_noticed() {
    let whole = bytes(&named("output_hello"));
    for at in HEADER_LEN..whole.len() {
        let mut changed = whole.to_vec();
        changed[at] ^= 0x20;
        assert_eq!(Frame::decode(changed.into()), Err(FrameError::Digest), "byte {at}");
    }
    assert_eq!(Frame::decode(whole.slice(..whole.len() - 1)), Err(FrameError::Digest), "a byte is missing");
}

#[test]
fn terminal_payloads_read_and_write() {
    let size = Size::decode(&frame("size").payload).unwrap();
    assert_eq!(size, Size { cols: 120, rows: 40 });
    assert_eq!(size.encode(), frame("size").payload);
    for (name, flag) in [("flag_terminate", Flag::TerminateSession), ("flag_disconnect", Flag::DisconnectToPort)] {
        assert_eq!(Flag::decode(&frame(name).payload), Ok(flag), "{name}");
        assert_eq!(flag.encode(), frame(name).payload, "{name}");
    }
    assert_eq!(decode_exit_code(&frame("exit_code").payload), Ok(3));
    assert_eq!(encode_exit_code(3), frame("exit_code").payload);
}

#[test]
fn an_acknowledgement_reads_and_writes() {
    let ack = Acknowledgement::decode(&frame("ack_handshake_request").payload).unwrap();
    let expected = Acknowledgement {
        acknowledged_message_type: MessageType::OutputStreamData,
        acknowledged_message_id: frame("handshake_request_kms").message_id,
        acknowledged_message_sequence_number: 0,
        is_sequential_message: true,
    };
    assert_eq!(ack, expected);
    assert_eq!(ack.encode(), frame("ack_handshake_request").payload);
    assert_eq!(frame("ack_handshake_request").flags, FLAGS_SYN_FIN);
}

#[test]
fn the_last_word_reads_and_writes() {
    let error = "\n----------ERROR-------\nUnable to start command: Failed to start pty: \
                 fork/exec /bin/bash: no such file or directory\n";
    for (name, message_id, output) in [
        ("channel_closed", "00112233-4455-4677-8899-aabbccdd0019", ""),
        ("channel_closed_error", "00112233-4455-4677-8899-aabbccdd001a", error),
    ] {
        let closed = ChannelClosed::decode(&frame(name).payload).unwrap();
        let expected = ChannelClosed {
            message_id: Some(message_id.to_owned()),
            created_date: Some("2023-11-14T22:13:20.000Z".to_owned()),
            destination_id: Some("0b2f1c7e-5d1c-4a4e-8a0e-0d8f8d0b9b11".to_owned()),
            session_id: Some(SESSION_ID.to_owned()),
            message_type: Some("channel_closed".to_owned()),
            schema_version: Some(1),
            output: Some(output.to_owned()),
        };
        assert_eq!(closed, expected, "{name}");
        assert_eq!(closed.encode(), frame(name).payload, "{name}");
    }
}

#[test]
fn the_agents_state_reads_and_writes() {
    let payload = frame("agent_session_state_terminating").payload;
    let state = AgentSessionState::decode(&payload).unwrap();
    let session_id = SESSION_ID.to_owned();
    assert_eq!(state, AgentSessionState { schema_version: 1, session_state: SessionState::Terminating, session_id });
    assert_eq!(state.encode(), payload);
}

#[test]
fn handshake_requests_read_and_write() {
    let shell =
        |name: &str| RequestedAction::SessionType(SessionTypeAction { session_type: name.to_owned(), properties: Value::Null });
    let kms = RequestedAction::KmsEncryption(KmsAction {
        key_id: "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(),
        challenge: Some("AAECAwQFBgcICQoLDA0ODw==".to_owned()),
    });
    for (name, actions) in [
        ("handshake_request_plain", vec![shell("NonInteractiveCommands")]),
        ("handshake_request_kms", vec![shell("InteractiveCommands"), kms]),
    ] {
        let request = HandshakeRequest::decode(&frame(name).payload).unwrap();
        assert_eq!(request, HandshakeRequest { agent_version: "3.3.987.0".to_owned(), actions }, "{name}");
        assert_eq!(as_json(&request.encode()), as_json(&frame(name).payload), "{name}");
    }
}

#[test]
fn handshake_responses_read_and_write() {
    let granted =
        |challenge_acknowledged| KmsResult { ciphertext_blob: b"ciphertext-blob-from-kms".to_vec(), challenge_acknowledged };
    let refused = "Failed to process action KMSEncryption: AccessDenied";
    for (name, version, status, result, error) in [
        ("handshake_response_kms", "1.2.0.0", ActionStatus::Success, Some(granted(false)), ""),
        ("handshake_response_kms_challenge", "1.2.896.0", ActionStatus::Success, Some(granted(true)), ""),
        ("handshake_response_failed", "1.2.0.0", ActionStatus::Failed, None, refused),
    ] {
        let response = HandshakeResponse::decode(&frame(name).payload).unwrap();
        let expected = HandshakeResponse {
            client_version: version.to_owned(),
            actions: vec![
                processed("SessionType", ActionStatus::Success, None, ""),
                processed("KMSEncryption", status, result, error),
            ],
            errors: if error.is_empty() { Vec::new() } else { vec!["AccessDenied".to_owned()] },
        };
        assert_eq!(response, expected, "{name}");
        assert_eq!(as_json(&response.encode()), as_json(&frame(name).payload), "{name}");
    }
}

fn processed(action_type: &str, status: ActionStatus, result: Option<KmsResult>, error: &str) -> ProcessedAction {
    ProcessedAction { action_type: action_type.to_owned(), status, result, error: error.to_owned() }
}

#[test]
fn the_handshakes_end_reads_and_writes() {
    let payload = frame("handshake_complete").payload;
    let complete = HandshakeComplete::decode(&payload).unwrap();
    let customer_message = "This session is encrypted using AWS KMS.".to_owned();
    assert_eq!(complete, HandshakeComplete { nanos_to_complete: 312_345_678, customer_message });
    assert_eq!(complete.encode(), payload);
}

fn as_json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_first_frame_of_both_ends_reads_and_writes() {
    for name in ["open_data_channel_client", "open_data_channel_agent"] {
        let text = bytes(&named(name));
        let open = OpenDataChannel::decode(&text).unwrap();
        let member = |member: &str| as_json(&text)[member].as_str().map(str::to_owned);
        assert_eq!(Some(open.request_id.to_string()), member("RequestId"), "{name}");
        assert_eq!(Some(open.client_id.to_string()), member("ClientId"), "{name}");
        assert_eq!(Some(open.token.as_str().to_owned()), member("TokenValue"), "{name}");
        assert_eq!(open.client_version, member("ClientVersion"), "{name}");
        assert_eq!(open.client_instance_id, member("ClientInstanceId"), "{name}");
        assert_eq!(open.client_version.is_some(), name.ends_with("client"));
        assert_eq!(open.client_instance_id.is_some(), name.ends_with("agent"));
        assert_eq!(as_json(open.encode().as_bytes()), as_json(&text), "{name}");
    }
}

#[test]
fn sealed_messages_open_under_their_keys_and_under_no_other() {
    let (client, agent) = (SessionCipher::client(&key(), [0; 12]), SessionCipher::agent(&key(), [0; 12]));
    let challenge = EncChallenge::decode(&frame("enc_challenge_request").payload).unwrap().sealed;
    let answer = EncChallenge::decode(&frame("enc_challenge_response").payload).unwrap().sealed;
    let (output, input) = (frame("encrypted_output").payload, frame("encrypted_input").payload);
    let secret: Vec<u8> = (0..64).collect();
    for (sealed, plaintext) in [(&challenge, secret.as_slice()), (&output, b"hello\r\n")] {
        assert_eq!(client.open(sealed).unwrap(), plaintext);
        assert_eq!(agent.open(sealed), Err(CipherError::Forged), "each direction has a key of its own");
    }
    for (sealed, plaintext) in [(&answer, secret.as_slice()), (&input, b"ls\n")] {
        assert_eq!(agent.open(sealed).unwrap(), plaintext);
        assert_eq!(client.open(sealed), Err(CipherError::Forged), "each direction has a key of its own");
    }
}

#[test]
fn every_changed_sealed_byte_is_noticed() {
    let agent = SessionCipher::agent(&key(), [0; 12]);
    let sealed = frame("encrypted_input").payload;
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        assert_eq!(agent.open(&changed), Err(CipherError::Forged), "byte {at}");
    }
    assert_eq!(agent.open(&sealed[..OVERHEAD - 1]), Err(CipherError::TooShort { len: OVERHEAD - 1 }));
}

#[test]
fn challenges_write_back_to_the_same_bytes() {
    for name in ["enc_challenge_request", "enc_challenge_response"] {
        let payload = frame(name).payload;
        assert_eq!(EncChallenge::decode(&payload).unwrap().encode(), payload, "{name}");
    }
}

fn key() -> DataKey {
    DataKey::from_slice(&unhex(file()["plaintext_key_hex"].as_str().unwrap())).unwrap()
}

#[test]
fn sealing_with_the_vectors_nonce_gives_the_vectors_bytes() {
    let sealed = frame("encrypted_input").payload;
    let mut cipher = SessionCipher::client(&key(), sealed[..12].try_into().unwrap());
    assert_eq!(cipher.seal(b"ls\n"), sealed);
}

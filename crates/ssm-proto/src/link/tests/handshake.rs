//! The handshake, stage by stage, and each of its ends.

use serde_json::Value;

use super::{Bench, SEC, kinds, numbers, payloads};
use crate::{
    DataKey,
    cipher::SessionCipher,
    link::{EncryptionMismatch, EncryptionPolicy, Event, GrantedKey, LinkConfig, LinkEnd, Phase},
    payload::{
        ActionStatus, EncChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, KmsAction, KmsResult, PayloadType,
        RequestedAction, SessionTypeAction,
    },
};

const KEY: [u8; 64] = [7; 64];
const SECRET: &[u8] = &[5; 64];

fn shell(session_type: &str) -> RequestedAction {
    RequestedAction::SessionType(SessionTypeAction { session_type: session_type.to_owned(), properties: Value::Null })
}

fn kms(challenge: &str) -> RequestedAction {
    RequestedAction::KmsEncryption(KmsAction { key_id: "arn:key".to_owned(), challenge: Some(challenge.to_owned()) })
}

fn asks(bench: &mut Bench, sequence: i64, actions: Vec<RequestedAction>) {
    let request = HandshakeRequest { agent_version: "3.3.987.0".to_owned(), actions };
    bench.hear_stream(sequence, PayloadType::HandshakeRequest, request.encode());
}

fn with_policy(encryption: EncryptionPolicy) -> Bench {
    let mut bench = Bench::opened(LinkConfig { encryption, ..LinkConfig::default() });
    bench.link.release_input(bench.now());
    bench.link.send_input(b"typed early");
    bench
}

/// Asked for a key that nobody granted yet; input is released and waits.
fn asked() -> Bench {
    let mut bench = with_policy(EncryptionPolicy::Allowed);
    asks(&mut bench, 0, vec![shell("InteractiveCommands"), kms("AAAA")]);
    bench
}

/// Granted, and the response sent.
fn responded() -> Bench {
    let mut bench = asked();
    grants(&mut bench);
    response(&mut bench);
    bench.events();
    bench
}

fn grants(bench: &mut Bench) {
    let key = GrantedKey { plaintext: DataKey::new(KEY), ciphertext_blob: vec![1, 2, 3], challenge_acknowledged: true };
    bench.link.handle_data_key(Ok(key), bench.now());
}

#[track_caller]
fn response(bench: &mut Bench) -> HandshakeResponse {
    let sent = bench.messages();
    assert_eq!((kinds(&sent), numbers(&sent)), (vec![PayloadType::HandshakeResponse], vec![0]));
    HandshakeResponse::decode(&sent[0].payload).unwrap()
}

fn statuses(response: &HandshakeResponse) -> Vec<ActionStatus> {
    response.actions.iter().map(|action| action.status).collect()
}

fn agent_cipher(key: [u8; 64]) -> SessionCipher {
    SessionCipher::agent(&DataKey::new(key), [9; 12])
}

fn challenges(bench: &mut Bench, key: [u8; 64]) {
    let sealed = agent_cipher(key).seal(SECRET);
    bench.hear_stream(1, PayloadType::EncChallengeRequest, EncChallenge { sealed }.encode());
}

#[test]
fn without_a_key_the_response_goes_at_once_and_input_after_the_completion() {
    let mut bench = with_policy(EncryptionPolicy::Allowed);
    asks(&mut bench, 0, vec![shell("NonInteractiveCommands"), RequestedAction::Unsupported { action_type: "Dance".to_owned() }]);
    let response = response(&mut bench);
    assert_eq!(statuses(&response), [ActionStatus::Success, ActionStatus::Unsupported]);
    assert_eq!(response.actions[1].error, "Unsupported action Dance");
    assert_eq!(response.client_version, "1.2.896.0");
    bench.acknowledge(0);
    assert_eq!((bench.messages(), bench.link.phase()), (vec![], Phase::Handshaking), "input waits although it is released");
    bench.hear_complete(1);
    assert_eq!(bench.events(), [Event::HandshakeComplete { customer_message: None }]);
    assert_eq!(payloads(&bench.messages()), b"typed early");
    assert_eq!((bench.link.phase(), bench.link.is_encrypted()), (Phase::Running, false));
}

#[test]
fn a_completed_handshake_releases_nothing_by_itself() {
    let mut bench = Bench::opened(LinkConfig::default());
    asks(&mut bench, 0, vec![shell("Standard_Stream")]);
    bench.link.send_input(b"typed early");
    bench.link.resize(80, 24);
    response(&mut bench);
    bench.hear_complete(1);
    assert!(bench.link.handshake_complete());
    assert_eq!(bench.messages(), []);
    bench.link.release_input(bench.now());
    assert_eq!(kinds(&bench.messages()), [PayloadType::Size, PayloadType::Output]);
}

#[test]
fn with_a_key_everything_typed_and_shown_is_sealed() {
    let mut bench = asked();
    let need = Event::NeedDataKey { key_id: "arn:key".to_owned(), challenge: Some("AAAA".to_owned()) };
    assert_eq!(bench.events(), [need]);
    assert_eq!((bench.confirmed(), bench.messages()), (vec![0], vec![]), "confirmed at once, answered when KMS has");
    grants(&mut bench);
    let response = response(&mut bench);
    assert_eq!(statuses(&response), [ActionStatus::Success; 2]);
    let granted = KmsResult { ciphertext_blob: vec![1, 2, 3], challenge_acknowledged: true };
    assert_eq!(response.actions[1].result, Some(granted));
    challenges(&mut bench, KEY);
    let answer = bench.messages();
    assert_eq!(kinds(&answer), [PayloadType::EncChallengeResponse]);
    let sealed = EncChallenge::decode(&answer[0].payload).unwrap().sealed;
    let mut agent = agent_cipher(KEY);
    assert_eq!(agent.open(&sealed).unwrap(), SECRET);
    bench.hear_complete(2);
    let typed = bench.messages();
    assert_eq!(agent.open(&typed[0].payload).unwrap().as_ref(), b"typed early");
    assert_ne!(sealed[..12], typed[0].payload[..12], "each message has a nonce of its own");
    bench.hear_output(3, agent.seal(b"$ "));
    assert_eq!(bench.shown(), b"$ ");
}

#[test]
fn an_empty_challenge_is_none() {
    let mut bench = with_policy(EncryptionPolicy::Allowed);
    asks(&mut bench, 0, vec![shell("InteractiveCommands"), kms("")]);
    assert_eq!(bench.events(), [Event::NeedDataKey { key_id: "arn:key".to_owned(), challenge: None }]);
}

#[test]
fn the_customers_message_is_handed_out() {
    let mut bench = responded();
    let complete = HandshakeComplete { nanos_to_complete: 1, customer_message: "This session is encrypted.".to_owned() };
    bench.hear_stream(1, PayloadType::HandshakeComplete, complete.encode());
    let text = Some("This session is encrypted.".to_owned());
    assert_eq!(bench.events(), [Event::HandshakeComplete { customer_message: text }]);
}

#[test]
fn a_challenge_under_another_key_ends_the_link() {
    let mut bench = responded();
    challenges(&mut bench, [8; 64]);
    assert_eq!(bench.link.closed(), Some(&LinkEnd::DecryptFailed { sequence: 1 }));
    assert_eq!(bench.messages(), [], "nothing proves the wrong key, and nothing typed leaves");
}

#[test]
fn a_challenge_that_does_not_read_ends_the_link() {
    let mut bench = responded();
    bench.hear_stream(1, PayloadType::EncChallengeRequest, r#"{"Challenge":"*"}"#);
    let payload_type = PayloadType::EncChallengeRequest;
    assert_eq!(bench.link.closed(), Some(&LinkEnd::HandshakeMalformed { payload_type }));
}

#[test]
fn a_challenge_before_the_key_ends_the_link() {
    let mut bench = asked();
    challenges(&mut bench, KEY);
    let payload_type = PayloadType::EncChallengeRequest;
    assert_eq!(bench.link.closed(), Some(&LinkEnd::HandshakeOutOfOrder { payload_type }));
}

#[test]
fn output_under_another_key_ends_the_link() {
    let mut bench = responded();
    bench.hear_complete(1);
    bench.hear_output(2, agent_cipher(KEY).seal(b"ok"));
    bench.hear_output(3, "plain although the session is encrypted");
    assert_eq!(bench.link.closed(), Some(&LinkEnd::DecryptFailed { sequence: 3 }));
    assert_eq!(bench.shown(), b"ok");
}

#[test]
fn a_refused_key_is_told_to_the_agent_and_ends_the_link() {
    let mut bench = asked();
    bench.link.handle_data_key(Err("AccessDenied".to_owned()), bench.now());
    assert_eq!(bench.link.closed(), Some(&LinkEnd::DataKeyRefused { reason: "AccessDenied".to_owned() }));
    let response = response(&mut bench);
    assert_eq!(statuses(&response), [ActionStatus::Success, ActionStatus::Failed]);
    assert_eq!(response.actions[1].error, "Failed to process action KMSEncryption: AccessDenied");
    assert_eq!(response.errors, ["Failed to process action KMSEncryption: AccessDenied"]);
    assert_eq!(bench.sent(), [], "nothing typed leaves");
}

#[test]
fn a_key_that_comes_too_late_is_the_reason() {
    let mut bench = asked();
    bench.sent();
    assert_eq!(bench.next_timeout(), Some((15 * SEC, "handshake")));
    assert_eq!(bench.link.closed(), Some(&LinkEnd::DataKeyTimedOut { within: 15 * SEC }));
    grants(&mut bench);
    assert_eq!(bench.sent(), [], "an answer after the end is ignored");
}

#[test]
fn an_unasked_key_is_ignored() {
    let mut bench = with_policy(EncryptionPolicy::Allowed);
    grants(&mut bench);
    assert!(!bench.link.is_encrypted());
    assert_eq!(payloads(&bench.messages()), b"typed early");
}

#[test]
fn an_agent_that_does_not_go_on_is_the_reason_while_connected() {
    let mut bench = responded();
    bench.acknowledge(0);
    bench.disconnect();
    bench.expire(600 * SEC);
    assert_eq!(bench.link.closed(), None);
    bench.connect("second");
    bench.open_frame();
    assert_eq!(bench.next_timeout(), Some((60 * SEC, "handshake")));
    assert_eq!(bench.link.closed(), Some(&LinkEnd::HandshakeTimedOut { within: 60 * SEC }));
}

#[test]
fn required_encryption_lets_nothing_plain_through() {
    let missing = LinkEnd::EncryptionRefused(EncryptionMismatch::Missing);
    let mut bench = with_policy(EncryptionPolicy::Required);
    assert_eq!(bench.messages(), [], "released, yet not encrypted");
    bench.hear_output(0, "$ ");
    assert_eq!(bench.events(), [Event::Ended(missing.clone())], "nothing is shown");
    assert_eq!(bench.messages(), []);

    let mut bench = with_policy(EncryptionPolicy::Required);
    asks(&mut bench, 0, vec![shell("InteractiveCommands")]);
    assert_eq!(bench.link.closed(), Some(&missing));
    assert_eq!(statuses(&response(&mut bench)), [ActionStatus::Failed]);
}

#[test]
fn forbidden_encryption_is_refused_aloud() {
    let mut bench = with_policy(EncryptionPolicy::Forbidden);
    asks(&mut bench, 0, vec![shell("InteractiveCommands"), kms("AAAA")]);
    let unwanted = LinkEnd::EncryptionRefused(EncryptionMismatch::Unwanted);
    assert_eq!(bench.events(), [Event::Ended(unwanted)], "no key is asked for");
    assert_eq!(statuses(&response(&mut bench)), [ActionStatus::Success, ActionStatus::Failed]);
}

#[test]
fn a_session_that_is_no_shell_is_refused() {
    let mut bench = with_policy(EncryptionPolicy::Allowed);
    asks(&mut bench, 0, vec![shell("Port")]);
    assert_eq!(bench.link.closed(), Some(&LinkEnd::UnknownSessionType { session_type: "Port".to_owned() }));
    let response = response(&mut bench);
    assert_eq!(statuses(&response), [ActionStatus::Failed]);
    assert_eq!(response.actions[0].error, "Failed to process action SessionType: Unknown session type Port");
}

#[test]
fn messages_out_of_place_end_the_link() {
    let out_of_order = |payload_type| Some(LinkEnd::HandshakeOutOfOrder { payload_type });
    let mut early_output = responded();
    early_output.hear_output(1, agent_cipher(KEY).seal(b"early"));
    assert_eq!(early_output.link.closed().cloned(), out_of_order(PayloadType::Output));
    assert_eq!(early_output.shown(), b"");

    let mut late_request = Bench::opened(LinkConfig::default());
    late_request.hear_output(0, "$ ");
    asks(&mut late_request, 1, vec![shell("InteractiveCommands"), kms("AAAA")]);
    assert_eq!(late_request.link.closed().cloned(), out_of_order(PayloadType::HandshakeRequest));

    let mut bare_completion = Bench::opened(LinkConfig::default());
    bare_completion.hear_complete(0);
    assert_eq!(bare_completion.link.closed().cloned(), out_of_order(PayloadType::HandshakeComplete));

    let mut unread = Bench::opened(LinkConfig::default());
    unread.hear_stream(0, PayloadType::HandshakeRequest, "[]");
    let payload_type = PayloadType::HandshakeRequest;
    assert_eq!(unread.link.closed(), Some(&LinkEnd::HandshakeMalformed { payload_type }));
}

#[test]
fn a_response_that_was_not_sent_cannot_be_confirmed() {
    let mut bench = asked();
    grants(&mut bench);
    bench.acknowledge(0);
    response(&mut bench);
}

#[test]
fn a_handshake_goes_on_over_a_reconnect() {
    let mut bench = asked();
    bench.sent();
    bench.disconnect();
    grants(&mut bench);
    bench.connect("second");
    bench.open_frame();
    response(&mut bench);
    challenges(&mut bench, KEY);
    bench.hear_complete(2);
    let sent = bench.messages();
    assert_eq!(kinds(&sent), [PayloadType::EncChallengeResponse, PayloadType::Output]);
    assert_eq!(agent_cipher(KEY).open(&sent[1].payload).unwrap().as_ref(), b"typed early");
}

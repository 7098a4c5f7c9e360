//! Sessions through gateway and agent, with the protocol crate's own client.

use std::time::Duration;

use crate::client::{Client, dial, execute, resume};
use crate::support::WATCHDOG;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use lab::{ChildStatus, Cut, Impairment, JournalEntry, Profile, StreamForm, World, WorldOptions};
use ssm_proto::frame::Frame;
use ssm_proto::payload::{Acknowledgement, MessageType, OpenDataChannel, PayloadType};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

async fn world(kms: bool) -> World {
    let options = WorldOptions {
        kms,
        only_via_worker: false,
        stream_form: StreamForm::Loopback,
        agent_drain: Duration::from_millis(500),
        ..WorldOptions::of(Profile::Granted)
    };
    World::start(options).await.unwrap()
}

fn child_status(world: &World) -> Option<ChildStatus> {
    world.journal().into_iter().find_map(|entry| match entry {
        JournalEntry::ChildExited { status, .. } => Some(status),
        _ => None,
    })
}

async fn wait_for(world: &World, what: impl Fn(&JournalEntry) -> bool) {
    let seen = world.wait_for(|entries| entries.iter().any(&what), WATCHDOG).await;
    assert!(seen, "{:#?}", world.journal());
}

const TALK: &str = r#"sh -c "echo who; read name; stty size; echo hello-$name; exit 3""#;

async fn talk(world: &World) -> Client {
    let (mut client, opened) = Client::start(world, TALK).await;
    client.link.resize(132, 43);
    client.until(world, "the question", |client| client.has_shown("who")).await;
    client.link.send_input(b"world\r");
    client.until(world, "the end", |client| client.closed.is_some()).await;
    assert!(
        client.has_shown("43 132\r\n") && client.has_shown("hello-world\r\n"),
        "{:?}",
        String::from_utf8_lossy(&client.output)
    );
    assert_eq!(client.closed.as_deref(), Some(""));
    assert_eq!(world.transcript(&opened.id).unwrap(), client.output);
    assert_eq!(child_status(world), Some(ChildStatus::Code(3)));
    client
}

#[tokio::test]
async fn a_session_without_a_key_has_no_handshake() {
    let world = world(false).await;
    let client = talk(&world).await;
    assert!(!client.link.is_encrypted());
    let sized = |entry: &JournalEntry| matches!(entry, JournalEntry::SizeSet { cols: 132, rows: 43, .. });
    assert!(world.journal().iter().any(sized));
}

#[tokio::test]
async fn a_session_with_a_key_is_encrypted() {
    let world = world(true).await;
    let client = talk(&world).await;
    assert!(client.link.is_encrypted());
    assert!(client.events.iter().any(|event| event.contains("HandshakeComplete")), "{:?}", client.events);
}

#[tokio::test]
async fn a_data_key_of_another_context_ends_the_session() {
    let world = world(true).await;
    let opened = execute(&world, TALK);
    let mut client = Client::new(&world, &opened);
    client.wrong_context = true;
    client.connect(&world, &opened).await;
    client.until(&world, "the end", |client| client.closed.is_some()).await;
    assert!(client.closed.unwrap().contains("InvalidCiphertextException"));
    assert!(!world.journal().iter().any(|entry| matches!(entry, JournalEntry::ChildStarted { .. })));
}

#[tokio::test]
async fn a_command_that_cannot_start_is_told() {
    let world = world(false).await;
    let (mut client, _) = Client::start(&world, "/no/such/program").await;
    client.until(&world, "the end", |client| client.closed.is_some()).await;
    assert!(client.closed.unwrap().contains("Unable to start command"));
}

#[tokio::test]
async fn a_token_opens_once() {
    let world = world(false).await;
    let (mut client, opened) = Client::start(&world, "cat").await;
    wait_for(&world, |entry| matches!(entry, JournalEntry::ChildStarted { .. })).await;
    client
        .until(&world, "the opening", |_| {
            world.journal().iter().any(|e| matches!(e, JournalEntry::GatewayOpened { signed: true, .. }))
        })
        .await;
    let mut second = Client::new(&world, &opened);
    second.connect(&world, &opened).await;
    second.until(&world, "the refusal", |second| !second.is_connected()).await;
    wait_for(&world, |entry| matches!(entry, JournalEntry::GatewayRefused { reason, .. } if reason == "invalid token")).await;
}

#[tokio::test]
async fn an_upgrade_needs_the_worker_and_by_switch_a_signature() {
    let options = WorldOptions { stream_form: StreamForm::Loopback, kms: false, ..WorldOptions::default() };
    let world = World::start(options).await.unwrap();
    let opened = execute(&world, "cat");
    assert!(dial(&world, &opened, true).await.unwrap_err().to_string().contains("403"));
    let world = self::world(false).await;
    let opened = execute(&world, "cat");
    assert!(dial(&world, &opened, false).await.is_ok());
    world.faults().accept_unsigned(false);
    assert!(dial(&world, &opened, false).await.is_err());
    assert!(dial(&world, &opened, true).await.is_ok());
    world.deny(&["ssmmessages:OpenDataChannel"]);
    assert!(dial(&world, &opened, true).await.is_err());
}

#[tokio::test]
async fn terminating_kills_the_direct_child() {
    let world = world(false).await;
    let (mut client, opened) = Client::start(&world, r#"sh -c "trap : HUP TERM INT; echo up; while :; do sleep 1; done""#).await;
    client.until(&world, "the start", |client| client.has_shown("up")).await;
    world.terminate(&opened.id);
    client.until(&world, "the end", |client| client.closed.is_some()).await;
    wait_for(&world, |entry| matches!(entry, JournalEntry::SessionEnded { .. })).await;
    assert_eq!(child_status(&world), Some(ChildStatus::Signal(9)));
}

/// 3000 numbered lines, and what they look like on a terminal.
const LINES: &str = r#"sh -c "i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done; sleep 60""#;

fn lines() -> Vec<u8> {
    (0..3000).flat_map(|at| format!("line-{at}\r\n").into_bytes()).collect()
}

#[tokio::test]
async fn a_lossy_relay_loses_nothing_for_good() {
    let world = world(false).await;
    let bad = Impairment { drop_percent: 5, duplicate_percent: 10, reorder_percent: 20, ..Impairment::default() };
    world.faults().impair_to_client(bad);
    world.faults().impair_to_agent(bad);
    let (mut client, _) = Client::start(&world, LINES).await;
    client.until(&world, "all lines", |client| client.output.len() >= lines().len() || client.closed.is_some()).await;
    assert_eq!(client.output.len(), lines().len());
    assert_eq!(client.output, lines());
    let counters = client.link.counters();
    assert!(counters.duplicates > 0 && counters.reordered > 0, "the faults acted: {counters:?}");
}

#[tokio::test]
async fn every_cut_can_be_resumed() {
    for cut in [Cut::CloseFrame(1000, "Bye".to_owned()), Cut::Fin, Cut::Rst] {
        let world = world(true).await;
        let (mut client, opened) = Client::start(&world, "cat").await;
        client.link.send_input(b"before\r");
        client.until(&world, "the echo", |client| client.has_shown("before\r\nbefore\r\n")).await;
        world.faults().cut(cut.clone());
        client.until(&world, "the cut", |client| !client.is_connected()).await;
        client.link.send_input(b"after\r");
        client.connect(&world, &resume(&world, &opened.id)).await;
        client.until(&world, "the echo after the cut", |client| client.has_shown("after\r\nafter\r\n")).await;
        assert_eq!(client.output, b"before\r\nbefore\r\nafter\r\nafter\r\n", "{cut:?}");
    }
}

#[tokio::test]
async fn a_black_hole_is_silent_and_a_new_client_takes_over() {
    let world = world(false).await;
    let (mut client, opened) = Client::start(&world, "cat").await;
    client.link.send_input(b"one\r");
    client.until(&world, "the echo", |client| client.has_shown("one\r\none\r\n")).await;
    world.faults().cut(Cut::BlackHole);
    wait_for(&world, |entry| matches!(entry, JournalEntry::GatewayClosed { how, .. } if how == "BlackHole")).await;
    client.link.send_input(b"two\r");
    client.until(&world, "silence", |client| !client.link.input_idle()).await;
    assert!(client.is_connected());
    client.hang_up();
    client.connect(&world, &resume(&world, &opened.id)).await;
    client.until(&world, "the echo after", |client| client.has_shown("two\r\ntwo\r\n")).await;
}

#[tokio::test]
async fn the_gateway_says_bye() {
    let world = world(false).await;
    world.faults().bye_after(Some(Duration::from_millis(100)));
    let (mut client, _) = Client::start(&world, "cat").await;
    client.until(&world, "the bye", |client| !client.is_connected()).await;
    wait_for(&world, |entry| matches!(entry, JournalEntry::GatewayClosed { how, .. } if how.contains("1000"))).await;
}

#[tokio::test]
async fn a_pause_holds_output_back() {
    let world = world(false).await;
    let (mut client, _) = Client::start(&world, r#"sh -c "echo up; while :; do sleep 0.05; echo tick; done""#).await;
    client.until(&world, "the start", |client| client.has_shown("tick")).await;
    world.faults().pause_publication();
    client.until(&world, "the pause", |client| client.link.peer_paused()).await;
    world.faults().start_publication();
    client.until(&world, "the end of the pause", |client| !client.link.peer_paused()).await;
    let before = client.output.len();
    client.until(&world, "more output", |client| client.output.len() > before).await;
}

#[tokio::test]
async fn garbage_and_bad_headers_reach_the_client() {
    let world = world(false).await;
    let (mut client, _) = Client::start(&world, "cat").await;
    client.link.send_input(b"x\r");
    client.until(&world, "the echo", |client| client.has_shown("x\r\nx\r\n")).await;
    world.faults().garbage_frame();
    world.faults().bad_header();
    client.until(&world, "two bad frames", |client| client.link.counters().bad_frames == 2).await;
    client.link.send_input(b"y\r");
    client.until(&world, "the echo after", |client| client.has_shown("y\r\ny\r\n")).await;
}

#[tokio::test]
async fn a_stopped_task_takes_its_agent_without_a_word() {
    let world = world(false).await;
    let (mut client, _) = Client::start(&world, r#"sh -c "echo up; sleep 60""#).await;
    client.until(&world, "the start", |client| client.has_shown("up")).await;
    assert!(world.stop_task(&world.tasks()[0].task_id, "Essential container in task exited"));
    wait_for(&world, |entry| matches!(entry, JournalEntry::ChildExited { .. })).await;
    client.until(&world, "the pause", |client| client.link.peer_paused()).await;
    assert_eq!(client.closed, None);
}

#[tokio::test]
async fn a_program_that_does_not_read_blocks_the_acknowledgements() {
    let world = world(false).await;
    let (mut client, opened) = Client::start(&world, r#"sh -c "stty raw -echo; echo up; sleep 60""#).await;
    client.until(&world, "the start", |client| client.has_shown("up")).await;
    client.link.send_input(&vec![b'x'; 64 * 1024]);
    client.until(&world, "a full window", |client| client.link.input_capacity() < 256 * 1024).await;
    for _ in 0..20 {
        client.until(&world, "a turn", |_| true).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!client.link.input_idle(), "a terminal takes about 20 KiB");
    world.terminate(&opened.id);
    client.until(&world, "the end", |client| client.closed.is_some()).await;
}

fn input(sequence: i64, payload_type: PayloadType, payload: &'static [u8]) -> Message {
    let frame = Frame {
        message_type: MessageType::InputStreamData,
        schema_version: 1,
        created_millis: 1,
        sequence,
        flags: 0,
        message_id: Uuid::new_v4(),
        payload_type,
        payload: Bytes::from_static(payload),
    };
    Message::Binary(frame.encode())
}

#[tokio::test]
async fn a_malformed_size_wedges_the_session_as_in_the_real_agent() {
    let world = world(false).await;
    let opened = execute(&world, "cat");
    let mut socket = dial(&world, &opened, true).await.unwrap();
    let open = OpenDataChannel {
        request_id: Uuid::new_v4(),
        token: opened.token.clone().into(),
        client_id: Uuid::new_v4(),
        client_version: Some("1.2.896.0".to_owned()),
        client_instance_id: None,
    };
    socket.send(Message::text(open.encode().as_str())).await.unwrap();
    socket.send(input(0, PayloadType::Size, b"{}")).await.unwrap();
    socket.send(input(1, PayloadType::Output, b"later\r")).await.unwrap();
    let acknowledged = async {
        loop {
            let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() else { continue };
            let frame = Frame::decode(bytes).unwrap();
            assert_ne!(frame.message_type, MessageType::OutputStreamData, "what follows a refused message is not handled");
            if frame.message_type == MessageType::Acknowledge {
                return Acknowledgement::decode(&frame.payload).unwrap().acknowledged_message_sequence_number;
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(WATCHDOG, acknowledged).await.unwrap(),
        1,
        "an early message is acknowledged, the refused one not"
    );
}

//! The conversation in virtual time, with the far end of its link played here.

use super::*;
use ssm_proto::frame::Frame;
use ssm_proto::payload::{ChannelClosed, MessageType, PayloadType};
use ssm_proto::{LinkConfig, SystemEntropy};

const NONCE: [u8; 16] = [0xab; 16];

/// A conversation, the far end of its link, and a clock.
struct Scene {
    conversation: Conversation,
    start: Instant,
    elapsed: Duration,
    sequence: i64,
    acknowledged: i64,
    sent: Vec<u8>,
    sizes: usize,
    acknowledges: bool,
}

impl Scene {
    fn new(dialect: Dialect) -> Self {
        let start = Instant::now();
        let link = Link::new(LinkConfig::default(), Box::new(SystemEntropy));
        let now = Now { instant: start, unix_millis: 1 };
        let conversation = Conversation::new(link, dialect, Some(Escapes::new(Some(b'~'))), now);
        let mut scene = Self {
            conversation,
            start,
            elapsed: Duration::ZERO,
            sequence: 0,
            acknowledged: -1,
            sent: Vec::new(),
            sizes: 0,
            acknowledges: true,
        };
        let now = scene.now();
        scene.conversation.handle_connected(Zeroizing::new("token".to_owned()), now);
        scene.exchange();
        scene
    }

    fn terminal() -> Self {
        Self::new(Dialect::Terminal(Nonce::new(NONCE)))
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.elapsed, unix_millis: 1 + u64::try_from(self.elapsed.as_millis()).unwrap() }
    }

    fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        let now = self.now();
        self.conversation.handle_timeout(now);
        self.exchange();
    }

    /// The agent sends output; what the client then sends is taken and acknowledged.
    fn output(&mut self, bytes: &[u8]) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.receive(MessageType::OutputStreamData, sequence, PayloadType::Output, bytes);
        self.exchange();
    }

    fn close(&mut self, output: &str) {
        let closed = ChannelClosed { output: Some(output.to_owned()), ..ChannelClosed::default() };
        self.receive(MessageType::ChannelClosed, 0, PayloadType::from(0), &closed.encode());
    }

    fn receive(&mut self, message_type: MessageType, sequence: i64, payload_type: PayloadType, payload: &[u8]) {
        let frame = Frame {
            message_type,
            schema_version: 1,
            created_millis: 1,
            sequence,
            flags: 0,
            message_id: serde_json::from_str("\"00112233-4455-4677-8899-aabbccddeeff\"").unwrap(),
            payload_type,
            payload: Bytes::copy_from_slice(payload),
        };
        let now = self.now();
        self.conversation.handle_binary(frame.encode(), now);
    }

    fn exchange(&mut self) {
        while let Some(transmit) = self.conversation.poll_transmit(self.now()) {
            let Transmit::Binary(bytes) = transmit else { continue };
            let frame = Frame::decode(bytes).unwrap();
            if frame.message_type != MessageType::InputStreamData || frame.sequence <= self.acknowledged {
                continue;
            }
            self.acknowledged = frame.sequence;
            match frame.payload_type {
                PayloadType::Size => self.sizes += 1,
                _ => self.sent.extend_from_slice(&frame.payload),
            }
            if self.acknowledges {
                let ack = ssm_proto::payload::Acknowledgement {
                    acknowledged_message_type: frame.message_type,
                    acknowledged_message_id: frame.message_id,
                    acknowledged_message_sequence_number: frame.sequence,
                    is_sequential_message: true,
                };
                self.receive(MessageType::Acknowledge, 0, PayloadType::from(0), &ack.encode());
            }
        }
    }

    fn ready(&mut self) {
        self.output(&mark("ready;v1;"));
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.conversation.poll_action()).collect()
    }

    fn shown(&mut self) -> Vec<u8> {
        let of = |action| match action {
            Action::Stdout(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        };
        self.actions().into_iter().flat_map(of).collect()
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.actions().into_iter().find_map(|action| match action {
            Action::Over(outcome) => Some(outcome),
            _ => None,
        })
    }
}

fn mark(body: &str) -> Vec<u8> {
    format!("\u{1b}]7337;ecs-exec;{};{body}\u{7}\u{1b}[0m", "ab".repeat(16)).into_bytes()
}

#[test]
fn nothing_is_sent_before_ready_and_everything_typed_is_sent_after() {
    let mut scene = Scene::terminal();
    scene.conversation.handle_resize(80, 24);
    scene.conversation.handle_typed(b"ls\r");
    scene.exchange();
    scene.output(b"motd\r\n");
    scene.pass(Duration::from_mins(1));
    assert_eq!((scene.sent.as_slice(), scene.sizes), (&b""[..], 0), "early input kills sessions");
    scene.ready();
    assert_eq!((scene.sent.as_slice(), scene.sizes), (&b"ls\r"[..], 1));
}

#[test]
fn the_code_counts_after_marker_confirmation_and_close() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(b"bye\r\n");
    scene.output(&mark("exit;7"));
    assert!(scene.sent.ends_with(format!("{}\n", "ab".repeat(16)).as_bytes()), "no confirmation");
    scene.close("");
    assert_eq!(scene.shown(), b"bye\r\n");
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(&mark("exit;7"));
    scene.close("");
    assert!(matches!(scene.outcome(), Some(Outcome::Exited { code: 7, not_run: None })));
}

#[test]
fn no_output_follows_the_marker_and_no_input_passes_it() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(&mark("exit;0"));
    let confirmed = scene.sent.len();
    scene.conversation.handle_typed(b"rm -rf /\r");
    scene.output(b"late");
    assert_eq!(scene.sent.len(), confirmed);
    assert_eq!(scene.shown(), b"");
}

#[test]
fn a_close_without_a_marker_is_never_a_code() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.close("");
    assert!(matches!(scene.outcome(), Some(Outcome::ExitUnknown(_))));
}

#[test]
fn a_marker_without_a_close_counts_for_nothing_after_fifteen_seconds() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(&mark("exit;0"));
    scene.pass(CLOSE_WITHIN.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(scene.outcome().is_none());
    scene.pass(Duration::from_millis(1));
    assert!(matches!(scene.outcome(), Some(Outcome::ExitUnknown(_))));
}

#[test]
fn a_job_left_behind_has_aws_end_the_session_and_the_code_still_counts() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(&mark("exit;7"));
    scene.output(&mark("confirmed;"));
    scene.pass(HELD_OPEN_AFTER);
    scene.pass(Duration::from_secs(1));
    let asked = scene.actions().into_iter().filter(|action| matches!(action, Action::EndAtAws)).count();
    assert_eq!(asked, 1);
    scene.close("");
    assert!(matches!(scene.outcome(), Some(Outcome::Exited { code: 7, .. })));
}

#[test]
fn an_error_text_of_the_agent_overrules_the_marker_and_is_told_safely() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(&mark("exit;0"));
    scene.close("\n----------ERROR-------\nHandshake timed out. \u{1b}[2J");
    let Some(Outcome::Refused(reason, text)) = scene.outcome() else { panic!("not refused") };
    assert_eq!(reason, Reason::Handshake);
    assert!(text.contains("Handshake timed out") && !text.contains('\u{1b}'));
}

#[test]
fn what_came_before_ready_explains_a_session_that_never_started() {
    let mut scene = Scene::terminal();
    scene.output(b"exec: \"sh\": not found");
    assert_eq!(scene.shown(), b"", "a preface is no output");
    scene.close("");
    let Some(Outcome::Refused(Reason::ExitUnknown, text)) = scene.outcome() else { panic!("not refused") };
    assert!(text.contains("not found"), "{text}");
}

#[test]
fn a_lone_ctrl_c_cancels_before_ready_and_interrupts_after() {
    let mut scene = Scene::terminal();
    scene.conversation.handle_typed(&[CTRL_C]);
    assert!(matches!(scene.actions().as_slice(), [Action::Canceled]));
    let mut scene = Scene::terminal();
    scene.ready();
    scene.acknowledges = false;
    let paste = vec![b'x'; 100_000];
    scene.conversation.handle_typed(&paste);
    scene.exchange();
    scene.conversation.handle_typed(&[CTRL_C]);
    scene.acknowledges = true;
    let counters = scene.conversation.counters();
    assert!(counters.input_dropped > 0, "an interrupt waits behind a paste");
    assert_eq!(counters.input_typed, 100_001);
    let left = counters.input_typed - counters.input_dropped - counters.input_bytes;
    assert_eq!(left, 1, "only the interrupt itself is left to send");
}

#[test]
fn without_our_script_input_waits_for_output_or_three_seconds() {
    let mut scene = Scene::new(Dialect::Bare { known_unencrypted: true });
    scene.conversation.handle_typed(b"x");
    scene.pass(Duration::from_millis(2_999));
    assert_eq!(scene.sent, b"");
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.sent, b"x");
    let mut unknown = Scene::new(Dialect::Bare { known_unencrypted: false });
    unknown.conversation.handle_typed(b"x");
    unknown.pass(Duration::from_mins(1));
    assert_eq!(unknown.sent, b"", "a session that may be encrypted dies of early input");
    unknown.output(b"$ ");
    assert_eq!(unknown.sent, b"x");
}

#[test]
fn pipes_carry_two_streams_and_nothing_else() {
    let mut scene = Scene::new(Dialect::Pipes(Nonce::new(NONCE), PipeEncoding::Base64));
    scene.conversation.keys = None;
    assert!(!scene.conversation.wants_typed(), "a pipe is not read before the remote side is ready");
    scene.ready();
    scene.output(b"Ob3V0\nEZXJy\nwhat?\n");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for action in scene.actions() {
        match action {
            Action::Stdout(bytes) => out.extend_from_slice(&bytes),
            Action::Stderr(bytes) => err.extend_from_slice(&bytes),
            _ => {}
        }
    }
    assert_eq!((out.as_slice(), err.as_slice()), (&b"out"[..], &b"err"[..]));
    assert!(scene.conversation.garbage() > 0);
}

#[test]
fn marked_commands_are_counted_and_never_shown() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(&[mark("done;0"), b"$ ".to_vec(), mark("command;2;ls")].concat());
    assert_eq!(scene.conversation.commands_marked(), None, "nobody said that commands are marked");
    scene.actions();
    scene.output(&[mark("marking;on"), mark("done;0"), b"$ ".to_vec()].concat());
    let command = mark("command;5;ls%0a%1b");
    scene.output(&command[..9]);
    scene.output(&[&command[9..], b"a\r\n", &mark("done;2"), &mark("done;2")].concat());
    scene.output(&mark("command;;"));
    let (mut shown, mut labels) = (Vec::new(), Vec::new());
    for action in scene.actions() {
        match action {
            Action::Stdout(bytes) => shown.extend_from_slice(&bytes),
            Action::Marked(label) => labels.push(label),
            _ => {}
        }
    }
    assert_eq!(shown, b"$ a\r\n");
    assert!(labels[0].starts_with("ls") && labels[0].ends_with('…') && !labels[0].contains(['\n', '\u{1b}']), "{labels:?}");
    assert_eq!(labels[1..], ["(ended with 2)", "(not in the shell's history)"]);
    assert_eq!(scene.conversation.commands_marked(), Some(2));
}

#[test]
fn a_shell_that_does_not_mark_is_told() {
    let mut scene = Scene::terminal();
    scene.ready();
    scene.output(&mark("marking;off"));
    assert!(scene.actions().iter().any(|action| matches!(action, Action::Notice(Notice::NotMarked))));
    assert_eq!(scene.conversation.commands_marked(), None);
}

#[test]
fn a_late_shell_is_told_once() {
    let mut scene = Scene::terminal();
    scene.pass(READY_NOTICE_AFTER);
    scene.pass(READY_NOTICE_AFTER);
    let told = scene.actions().into_iter().filter(|action| matches!(action, Action::Notice(Notice::StillStarting))).count();
    assert_eq!(told, 1);
}

//! One session as a conversation: what the link says, what the remote script marks, what the user types, and how it all ends.
//!
//! Pure: no socket, no terminal, no clock. The pump feeds it and does what [`Conversation::poll_action`] says.
//!
//! ```text
//! frames, time ─► Link ─► Scanner ─► (PipeDecoder) ─► Stdout, Stderr
//! keys ─► Escapes ─► (InputEncoder) ─► Link ─► frames
//! Starting ─ READY ─► Running ─ exit marker ─► Confirming ─ all acknowledged ─► Confirmed ─ channel_closed ─► Over
//! ```

use crate::ending::Reason;
use crate::escape::{Command, Escapes};
use crate::marks::{Marks, Said};
use audit_record::OutputDigest;
use bytes::Bytes;
use cli_kit::printable;
use remote_script::{
    CommandMark, Exit, InputEncoder, Nonce, PipeDecoder, PipeEncoding, PipeItem, Ready, ScanItem, Scanner, Stream, confirmation,
};
use ssm_proto::{Counters, Event, GrantedKey, Link, LinkEnd, Now, Transmit};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long `channel_closed` may take after the confirmation for the exit code to count.
const CLOSE_WITHIN: Duration = Duration::from_secs(15);

/// How long `channel_closed` may take after the script has gone before AWS is asked to end the session: a job that ignores
/// SIGHUP keeps the agent reading. Measured on Linux 6.18: the agent's read fails at the terminal's last close.
const HELD_OPEN_AFTER: Duration = Duration::from_secs(2);

/// How long the first sign of the shell may take before the user is told that we still wait.
const READY_NOTICE_AFTER: Duration = Duration::from_secs(5);

/// Without our script, and known to be without encryption: how long to wait for output before input may flow.
/// Source: the agent starts the program after a fixed second; a silent program never says more.
const BARE_RELEASE_AFTER: Duration = Duration::from_secs(3);

/// Bytes kept of what the remote side printed before READY, to be shown if it never comes.
const PREFACE_MAX: usize = 16 * 1024;

/// Free bytes that the link's queue must have before more is read from standard input: one read, encoded.
const INPUT_ROOM: usize = 2 * crate::input::READ_MAX;

/// What runs on the remote side and how its bytes are read.
#[derive(Debug)]
pub(crate) enum Dialect {
    /// Our script, with a terminal.
    Terminal(Nonce),
    /// Our script, with pipes.
    Pipes(Nonce, PipeEncoding),
    /// The command as it is.
    Bare {
        /// Whether the cluster is known to have no encryption key.
        known_unencrypted: bool,
    },
}

impl Dialect {
    fn nonce(&self) -> Option<&Nonce> {
        match self {
            Self::Terminal(nonce) | Self::Pipes(nonce, _) => Some(nonce),
            Self::Bare { .. } => None,
        }
    }
}

/// What the pump is asked to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Write to standard output.
    Stdout(Bytes),
    /// Write to standard error.
    Stderr(Bytes),
    /// A command in the container's shell began, or ended otherwise than with 0: what a reader of the recording should find.
    Marked(String),
    /// The remote side is ready: the terminal is its own from here.
    Ready,
    /// The command has ended: read no more input.
    InputClosed,
    /// The user asked something of us.
    Asked(Command),
    /// Ctrl-C, alone, before the remote side was ready.
    Canceled,
    /// Something that the user should know now.
    Notice(Notice),
    /// Ask KMS for a data key.
    NeedDataKey {
        /// The key's id or ARN, as the agent says it.
        key_id: String,
        /// The agent's challenge for the encryption context.
        challenge: Option<String>,
    },
    /// Ask AWS to end the session: the command has ended, but something that it left behind holds its terminal open.
    EndAtAws,
    /// It is over.
    Over(Outcome),
}

/// Something that the user should know while the session runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// READY is late.
    StillStarting,
    /// Nothing is acknowledged.
    Stalled(Duration),
    /// Acknowledgements come again.
    Resumed,
    /// The agent's own words at the end of the handshake.
    Customer(String),
    /// The shell in the container does not mark its commands.
    NotMarked,
}

/// How the conversation ended by itself.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The command's own code, confirmed.
    Exited {
        /// The code.
        code: u8,
        /// Why our script did not run the command at all.
        not_run: Option<String>,
    },
    /// The session is over, the code is not known: why not.
    ExitUnknown(String),
    /// The remote side ended it with an error.
    Refused(Reason, String),
    /// The link gave up.
    Link(LinkEnd),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
    Confirming { exit: Exit },
    Confirmed { exit: Exit, until: Instant },
    Over,
}

/// The conversation.
pub(crate) struct Conversation {
    link: Link,
    dialect: Dialect,
    scanner: Option<Scanner>,
    decoder: Option<PipeDecoder>,
    encoder: Option<InputEncoder>,
    /// A person's keys; none for bytes from a pipe.
    keys: Option<Escapes>,
    phase: Phase,
    started: Instant,
    ready_notice_due: bool,
    typed_end: bool,
    digest: OutputDigest,
    preface: Vec<u8>,
    missing: String,
    /// When the script said that it goes, having read the confirmation.
    script_gone: Option<Instant>,
    held_open: bool,
    garbage: u64,
    marks: Marks,
    actions: VecDeque<Action>,
}

impl Conversation {
    /// Begins with a link that is not connected yet. Without `keys` what is typed is bytes: no escapes, no interrupts.
    pub(crate) fn new(link: Link, dialect: Dialect, keys: Option<Escapes>, now: Now) -> Self {
        let encoding = match &dialect {
            Dialect::Pipes(_, encoding) => Some(*encoding),
            _ => None,
        };
        Self {
            link,
            scanner: dialect.nonce().map(Scanner::new),
            decoder: encoding.filter(|encoding| *encoding == PipeEncoding::Base64).map(|_| PipeDecoder::new()),
            encoder: encoding.map(InputEncoder::new),
            dialect,
            keys,
            phase: Phase::Starting,
            started: now.instant,
            ready_notice_due: true,
            typed_end: false,
            digest: OutputDigest::default(),
            preface: Vec::new(),
            missing: String::new(),
            script_gone: None,
            held_open: false,
            garbage: 0,
            marks: Marks::default(),
            actions: VecDeque::new(),
        }
    }

    /// The WebSocket is open: the token opens the data channel.
    pub(crate) fn handle_connected(&mut self, token: Zeroizing<String>, now: Now) {
        self.link.handle_connected(token, now);
        self.settle_events(now);
    }

    /// A binary frame arrived.
    pub(crate) fn handle_binary(&mut self, frame: Bytes, now: Now) {
        self.link.handle_binary(frame, now);
        self.settle_events(now);
    }

    /// A text frame arrived.
    pub(crate) fn handle_text(&mut self, frame: Bytes, now: Now) {
        self.link.handle_text(frame, now);
        self.settle_events(now);
    }

    /// The connection is gone.
    pub(crate) fn handle_disconnected(&mut self, now: Now) {
        self.link.handle_disconnected(now);
        self.settle_events(now);
    }

    /// A deadline of [`Conversation::poll_timeout`] has passed.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.link.handle_timeout(now);
        match self.phase {
            Phase::Starting => self.starting_timeout(now),
            Phase::Confirmed { exit, until } => self.confirmed_timeout(exit, until, now),
            _ => {}
        }
        self.settle_events(now);
    }

    /// KMS has answered.
    pub(crate) fn handle_data_key(&mut self, result: Result<GrantedKey, String>, now: Now) {
        self.link.handle_data_key(result, now);
        self.settle_events(now);
    }

    /// The user typed, or standard input delivered, these bytes: one read, since a read of Ctrl-C alone is an interrupt.
    pub(crate) fn handle_typed(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Starting | Phase::Running) || self.typed_end {
            return;
        }
        if let Some(encoder) = &mut self.encoder {
            let encoded = encoder.encode(bytes);
            self.send(&encoded);
            return;
        }
        let Some(keys) = &mut self.keys else {
            self.send(bytes);
            return;
        };
        let mut remote = Vec::with_capacity(bytes.len());
        for command in keys.feed(bytes, &mut remote) {
            self.actions.push_back(Action::Asked(command));
        }
        if remote == [CTRL_C] {
            if self.phase == Phase::Starting {
                self.actions.push_back(Action::Canceled);
                return;
            }
            self.link.interrupt();
        }
        self.send(&remote);
    }

    /// Standard input has ended.
    pub(crate) fn handle_typed_end(&mut self) {
        if std::mem::replace(&mut self.typed_end, true) || !matches!(self.phase, Phase::Starting | Phase::Running) {
            return;
        }
        match &mut self.encoder {
            Some(encoder) => {
                let encoded = encoder.end();
                self.send(&encoded);
            }
            // A terminal's end of input is a key; what the remote program still prints goes on being shown.
            None => self.send(&[CTRL_D]),
        }
    }

    /// The window has this size.
    pub(crate) fn handle_resize(&mut self, columns: u32, rows: u32) {
        self.link.resize(columns, rows);
    }

    /// Asks the program in the container to end: an interrupt, then the end of its input.
    pub(crate) fn ask_to_end(&mut self) {
        if self.phase == Phase::Running {
            self.link.interrupt();
            self.link.close_input();
            self.link.send_control(&[CTRL_C]);
            self.link.send_control(&[CTRL_D]);
        }
    }

    /// The next frame to send. Drain it before waiting.
    pub(crate) fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        if let Some(transmit) = self.link.poll_transmit(now) {
            return Some(transmit);
        }
        let Phase::Confirming { exit } = self.phase else { return None };
        let nonce = self.dialect.nonce().filter(|_| self.link.all_output_acknowledged())?;
        self.link.send_control(&confirmation(nonce));
        self.phase = Phase::Confirmed { exit, until: now.instant + CLOSE_WITHIN };
        self.link.poll_transmit(now)
    }

    /// The next thing to do.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Conversation::handle_timeout`] at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Starting => self.starting_deadline(),
            Phase::Confirmed { until, .. } => {
                let held = self.script_gone.filter(|_| !self.held_open).map(|gone| gone + HELD_OPEN_AFTER);
                Some(held.map_or(until, |at| at.min(until)))
            }
            _ => None,
        };
        let link = self.link.poll_timeout().map(|(at, _)| at);
        own.into_iter().chain(link).min()
    }

    /// Whether more of standard input should be read. In front of READY a terminal's keys are read to be kept, a pipe's are not.
    pub(crate) fn wants_typed(&self) -> bool {
        let phase = match self.phase {
            Phase::Starting => self.keys.is_some(),
            Phase::Running => true,
            _ => false,
        };
        phase && !self.typed_end && self.link.input_capacity() >= INPUT_ROOM
    }

    /// Whether the remote side has been ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase != Phase::Starting
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether the session's bytes are encrypted with the cluster's key.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.link.is_encrypted()
    }

    /// The link's counters.
    pub(crate) fn counters(&self) -> Counters {
        self.link.counters()
    }

    /// The smoothed round trip to the agent.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.link.shortest_round_trip()
    }

    /// Bytes of remote output that belong to no stream: in pipe mode only the script's own lines should come.
    pub(crate) fn garbage(&self) -> u64 {
        self.garbage
    }

    /// How many commands the shell marked, by its own claim; none if it marks none.
    pub(crate) fn commands_marked(&self) -> Option<u64> {
        self.marks.count()
    }

    /// The digest of the output so far.
    pub(crate) fn digest(&self) -> &OutputDigest {
        &self.digest
    }

    fn send(&mut self, bytes: &[u8]) {
        // `wants_typed` left room for a whole read; the keys kept before READY are fewer.
        let accepted = self.link.send_input(bytes);
        debug_assert!(accepted == bytes.len(), "input was read without room for it");
    }

    fn starting_deadline(&self) -> Option<Instant> {
        let notice = self.ready_notice_due.then(|| self.started + READY_NOTICE_AFTER);
        let release = match self.dialect {
            Dialect::Bare { known_unencrypted: true } => Some(self.started + BARE_RELEASE_AFTER),
            _ => None,
        };
        notice.into_iter().chain(release).min()
    }

    fn starting_timeout(&mut self, now: Now) {
        let elapsed = now.instant.saturating_duration_since(self.started);
        if matches!(self.dialect, Dialect::Bare { known_unencrypted: true }) && elapsed >= BARE_RELEASE_AFTER {
            self.ready(now);
        } else if elapsed >= READY_NOTICE_AFTER && std::mem::take(&mut self.ready_notice_due) {
            self.actions.push_back(Action::Notice(Notice::StillStarting));
        }
    }

    fn confirmed_timeout(&mut self, exit: Exit, until: Instant, now: Now) {
        if now.instant >= until {
            let why = if self.held_open {
                "a program that it left behind holds the terminal open"
            } else {
                "the session did not close in time"
            };
            self.over(Outcome::ExitUnknown(format!("the command reported its end with code {}, but {why}", exit.code)));
        } else if !self.held_open && self.script_gone.is_some_and(|gone| now.instant >= gone + HELD_OPEN_AFTER) {
            self.held_open = true;
            self.actions.push_back(Action::EndAtAws);
        }
    }

    fn settle_events(&mut self, now: Now) {
        while let Some(event) = self.link.poll_event() {
            self.handle_event(event, now);
        }
    }

    fn handle_event(&mut self, event: Event, now: Now) {
        match event {
            Event::Output(bytes) => self.handle_output(&bytes, now),
            Event::Stderr(bytes) => self.actions.push_back(Action::Stderr(bytes)),
            Event::NeedDataKey { key_id, challenge } => self.actions.push_back(Action::NeedDataKey { key_id, challenge }),
            Event::HandshakeComplete { customer_message } => self.handshake_complete(customer_message, now),
            Event::Stalled { since } => self.actions.push_back(Action::Notice(Notice::Stalled(since))),
            Event::Resumed => self.actions.push_back(Action::Notice(Notice::Resumed)),
            Event::ChannelClosed { output } => self.channel_closed(&output),
            Event::Ended(end) => self.over(Outcome::Link(end)),
            Event::ExitCode(_) | Event::PeerPaused | Event::PeerActive => {}
        }
    }

    fn handshake_complete(&mut self, customer_message: Option<String>, now: Now) {
        if let Some(text) = customer_message {
            self.actions.push_back(Action::Notice(Notice::Customer(printable(&text, 400))));
        }
        if matches!(self.dialect, Dialect::Bare { .. }) {
            self.ready(now);
        }
    }

    fn handle_output(&mut self, bytes: &Bytes, now: Now) {
        self.digest.update(bytes);
        let Some(scanner) = &mut self.scanner else {
            self.ready(now);
            self.actions.push_back(Action::Stdout(bytes.clone()));
            return;
        };
        let mut items = Vec::new();
        scanner.feed(bytes, &mut |item| items.push(Owned::from(item)));
        for item in items {
            self.handle_item(item, now);
        }
    }

    fn handle_item(&mut self, item: Owned, now: Now) {
        match item {
            Owned::Preface(bytes) => self.keep_preface(&bytes),
            Owned::Ready(ready) => {
                if !ready.missing.is_empty() {
                    self.missing = printable(&ready.missing.join(", "), 200);
                }
                self.ready(now);
            }
            Owned::Output(bytes) => self.show(bytes),
            Owned::Command(mark) => self.command_mark(&mark),
            Owned::Exit(exit) => self.exit_marker(exit),
            Owned::Confirmed => self.script_gone = Some(now.instant),
        }
    }

    fn command_mark(&mut self, mark: &CommandMark) {
        self.actions.extend(self.marks.handle(mark).map(|said| match said {
            Said::Label(label) => Action::Marked(label),
            Said::NotMarked => Action::Notice(Notice::NotMarked),
        }));
    }

    fn show(&mut self, bytes: Bytes) {
        let Some(decoder) = &mut self.decoder else {
            self.actions.push_back(Action::Stdout(bytes));
            return;
        };
        let (actions, garbage) = (&mut self.actions, &mut self.garbage);
        decoder.feed(&bytes, &mut |item| match item {
            PipeItem::Data(Stream::Stdout, bytes) => actions.push_back(Action::Stdout(bytes)),
            PipeItem::Data(Stream::Stderr, bytes) => actions.push_back(Action::Stderr(bytes)),
            PipeItem::Garbage(bytes) => *garbage += bytes.len() as u64,
        });
    }

    fn ready(&mut self, now: Now) {
        if self.phase == Phase::Starting {
            self.phase = Phase::Running;
            self.actions.push_back(Action::Ready);
            self.link.release_input(now);
        }
    }

    fn exit_marker(&mut self, exit: Exit) {
        if matches!(self.phase, Phase::Running | Phase::Starting) {
            self.link.close_input();
            self.phase = Phase::Confirming { exit };
            self.actions.push_back(Action::InputClosed);
        }
    }

    fn channel_closed(&mut self, output: &str) {
        self.flush();
        let outcome = match self.phase {
            Phase::Confirmed { exit, .. } if output.is_empty() => {
                Outcome::Exited { code: exit.code, not_run: self.not_run(exit) }
            }
            _ if !output.is_empty() => agent_error(output),
            Phase::Starting => Outcome::Refused(Reason::ExitUnknown, self.never_started()),
            Phase::Confirming { .. } => {
                Outcome::ExitUnknown("the session closed before the end of its output was confirmed".to_owned())
            }
            _ if self.scanner.is_none() => {
                Outcome::ExitUnknown("the session has ended; without our script its exit code is not known".to_owned())
            }
            _ => Outcome::ExitUnknown("the session was closed before the command reported its end".to_owned()),
        };
        self.over(outcome);
    }

    fn not_run(&self, exit: Exit) -> Option<String> {
        Some(match exit.refusal? {
            remote_script::Refusal::MissingTool => format!("the command was not run: the container lacks {}", self.missing),
            remote_script::Refusal::UnknownUser => "the command was not run: the container knows no such user".to_owned(),
            remote_script::Refusal::NoUserTool => {
                "the command was not run: the container has no tool to become the user (runuser, su, setpriv, su-exec, gosu)"
                    .to_owned()
            }
        })
    }

    fn never_started(&self) -> String {
        let said = printable(String::from_utf8_lossy(&self.preface).trim(), 600);
        if said.is_empty() {
            return "the session ended before our script started, without a word; if the image has no `sh`, use --no-wrap"
                .to_owned();
        }
        format!("the session ended before our script started; the container said: {said}")
    }

    /// Hands out what was held because it might have become a mark or a line: nothing more will come.
    pub(crate) fn flush(&mut self) {
        let mut items = Vec::new();
        if let Some(scanner) = &mut self.scanner {
            scanner.flush(&mut |item| items.push(Owned::from(item)));
        }
        for item in items {
            match item {
                Owned::Preface(bytes) => self.keep_preface(&bytes),
                Owned::Output(bytes) => self.show(bytes),
                Owned::Ready(_) | Owned::Command(_) | Owned::Exit(_) | Owned::Confirmed => {}
            }
        }
        let garbage = &mut self.garbage;
        if let Some(decoder) = &mut self.decoder {
            decoder.finish(&mut |item| {
                if let PipeItem::Garbage(bytes) = item {
                    *garbage += bytes.len() as u64;
                }
            });
        }
    }

    fn keep_preface(&mut self, bytes: &[u8]) {
        let room = PREFACE_MAX.saturating_sub(self.preface.len());
        self.preface.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn over(&mut self, outcome: Outcome) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.actions.push_back(Action::Over(outcome));
        }
    }
}

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;

/// A scanned item that owns its bytes.
enum Owned {
    Preface(Bytes),
    Ready(Ready),
    Output(Bytes),
    Command(CommandMark),
    Exit(Exit),
    Confirmed,
}

impl From<ScanItem<'_>> for Owned {
    fn from(item: ScanItem<'_>) -> Self {
        match item {
            ScanItem::Preface(bytes) => Self::Preface(Bytes::copy_from_slice(bytes)),
            ScanItem::Ready(ready) => Self::Ready(ready),
            ScanItem::Output(bytes) => Self::Output(Bytes::copy_from_slice(bytes)),
            ScanItem::Command(mark) => Self::Command(mark),
            ScanItem::Exit(exit) => Self::Exit(exit),
            ScanItem::Confirmed => Self::Confirmed,
        }
    }
}

/// Recognises the agent's own error texts. Source: amazon-ssm-agent, the files named beside each text in its repository.
fn agent_error(output: &str) -> Outcome {
    let text = printable(output.trim().trim_start_matches("----------ERROR-------").trim(), 800);
    let has = |needle: &str| text.contains(needle);
    let reason = if has("KMSEncryption") || has("data key") || has("KMS") || has("encryption is not set up") {
        Reason::Kms
    } else if has("Handshake timed out") {
        Reason::Handshake
    } else {
        Reason::RemoteError
    };
    Outcome::Refused(reason, format!("the agent ended the session: {text}"))
}

#[cfg(test)]
mod tests;

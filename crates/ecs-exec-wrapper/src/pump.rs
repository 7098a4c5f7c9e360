//! Stage four: moves bytes between the terminal, the conversation and the data channel until something ends it.
//!
//! Owns the one loop. Decides nothing about the protocol ([`crate::conversation`]) and nothing about what an end means
//! ([`crate::settle`]).

use crate::attention::{Attention, next_read, suspend};
use crate::conversation::{Action, Conversation, Notice, Outcome};
use crate::deadlines::{Deadlines, Due};
use crate::ecs::{KeyRequest, Services};
use crate::ending::Ending;
use crate::escape::Command;
use crate::input::{Input, Read};
use crate::output::Output;
use crate::say::Say;
use crate::settings::Settings;
use crate::signals::Taken;
use crate::terminal::{self, Mode};
use crate::transcript::Recording;
use aws_identity::Refusal;
use jiff::Timestamp;
use ssm_channel::{Channel, ChannelError, Incoming, Liveness, Reader, Writer};
use ssm_proto::{GrantedKey, Now, Transmit};
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Messages handled before acknowledgements are written: enough to join writes, few enough to stay quick.
const BURST: usize = 256;

/// How often a terminal that we want raw is looked at while we are in the background.
const FOREGROUND_CHECK: Duration = Duration::from_millis(300);

/// Why the pump stopped.
#[derive(Debug)]
pub(crate) enum PumpEnd {
    /// The conversation is over by itself.
    Over(Outcome),
    /// The connection is gone.
    Lost(Loss),
    /// A signal, with its number.
    Signal(u8),
    /// The user's `~.`.
    Disconnect,
    /// Nothing was typed for too long.
    Idle,
    /// Ctrl-C before the shell was ready.
    Canceled,
    /// Nobody reads our stdout.
    StdoutClosed,
    /// The connection is gone for good, and this is why.
    NotResumed(Ending),
    /// The connection is gone and may not be resumed: this is why, unless Boundary has ended it.
    LostForGood(Loss, Ending),
}

/// How the connection went.
#[derive(Debug)]
pub(crate) enum Loss {
    /// The gateway closed the WebSocket, with its code and reason.
    Close(u16, String),
    /// The bytes ended.
    Eof,
    /// No sign of life.
    Silent,
    /// The connection failed.
    Failed(ChannelError),
}

/// Asking KMS, when the agent wants a key.
type KeyWork<'a> = Pin<Box<dyn Future<Output = Result<GrantedKey, Refusal>> + 'a>>;

/// Asking AWS to end a session whose command has ended.
type EndWork<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + 'a>>;

/// Everything that the loop needs.
pub(crate) struct Pump<'a> {
    /// The conversation; what it counted is read after the end.
    pub(crate) conversation: Conversation,
    reader: Reader,
    writer: Writer,
    liveness: Liveness,
    last_received: u64,
    unsent: bool,
    connected: bool,
    key: Option<KeyWork<'a>>,
    ending: Option<EndWork<'a>>,
    key_refusal: Option<String>,
    settings: &'a Settings,
    services: &'a Services,
    session_id: &'a str,
    ssm_target: &'a str,
    say: Say,
    stdout: Output,
    stderr: Output,
    /// The recording, when one was asked for.
    pub(crate) recording: Option<Recording>,
    /// The times at which the session ends by itself.
    pub(crate) deadlines: Deadlines,
    titled: bool,
}

impl<'a> Pump<'a> {
    /// Takes over an open channel.
    ///
    /// # Errors
    /// When a writer's thread cannot be started.
    pub(crate) fn new(
        conversation: Conversation,
        channel: Channel,
        settings: &'a Settings,
        services: &'a Services,
        (session_id, ssm_target): (&'a str, &'a str),
        say: Say,
    ) -> std::io::Result<Self> {
        let (reader, writer) = channel.split();
        Ok(Self {
            conversation,
            reader,
            writer,
            liveness: Liveness::new(Instant::now()),
            last_received: 0,
            unsent: false,
            connected: true,
            key: None,
            ending: None,
            key_refusal: None,
            settings,
            services,
            session_id,
            ssm_target,
            say,
            stdout: Output::start(crate::output::Stream::Stdout)?,
            stderr: Output::start(crate::output::Stream::Stderr)?,
            recording: None,
            deadlines: Deadlines::default(),
            titled: false,
        })
    }

    /// Runs until something ends it.
    pub(crate) async fn run(&mut self, attention: &mut Attention) -> PumpEnd {
        loop {
            if let Some(end) = self.act(attention) {
                return end;
            }
            if let Err(error) = self.transmit() {
                return self.lost(Loss::Failed(error));
            }
            if let Some(end) = self.turn(attention).await {
                return end;
            }
        }
    }

    /// Lives without a connection while `work` goes on: keys are kept for the remote side, escapes and signals count.
    ///
    /// # Errors
    /// What ended the wait; the work is then dropped.
    pub(crate) async fn away<T>(&mut self, attention: &mut Attention, work: impl Future<Output = T>) -> Result<T, PumpEnd> {
        let mut work = std::pin::pin!(work);
        loop {
            if let Some(end) = self.act(attention) {
                return Err(end);
            }
            let wants_typed = self.conversation.wants_typed();
            let deadline = self.conversation.poll_timeout().unwrap_or_else(|| Instant::now() + FOREGROUND_CHECK);
            tokio::select! {
                biased;
                signal = attention.signals.recv() => {
                    if let Some(end) = signal.and_then(|signal| self.take_signal(signal, attention)) {
                        return Err(end);
                    }
                }
                done = &mut work => return Ok(done),
                read = next_read(attention.input.as_mut()), if wants_typed => self.take_read(read),
                () = tokio::time::sleep_until(deadline.into()) => self.conversation.handle_timeout(now()),
            }
        }
    }

    /// Goes on with a new connection: what was not acknowledged is sent again.
    pub(crate) fn reconnect(&mut self, channel: Channel, token: Zeroizing<String>) {
        (self.reader, self.writer) = channel.split();
        self.liveness = Liveness::new(Instant::now());
        self.last_received = 0;
        self.unsent = false;
        self.connected = true;
        self.conversation.handle_connected(token, now());
    }

    /// Says something on the terminal while the session is not over; nothing in pipes.
    pub(crate) fn tell_text(&self, text: &str) {
        if self.settings.quiet || !self.settings.io.interactive {
            tracing::info!(text, "told");
        } else if self.conversation.is_ready() {
            self.say.in_raw(text);
        } else {
            self.say.status(text);
        }
    }

    /// Goes on without the user, so that the remote side can end in good order, until it is over or `until` has come.
    pub(crate) async fn linger(&mut self, attention: &mut Attention, until: Instant) {
        if !self.connected {
            self.conversation.flush();
        }
        while self.connected && !self.conversation.is_over() && Instant::now() < until {
            self.act(attention);
            if self.transmit().is_err() {
                return;
            }
            let deadline = self.deadline().min(until);
            let ended = tokio::select! {
                biased;
                flushed = self.writer.flush(), if self.unsent => { self.unsent = false; flushed.is_err() }
                incoming = self.reader.recv() => self.take(incoming).is_some(),
                () = tokio::time::sleep_until(deadline.into()) => { self.conversation.handle_timeout(now()); false }
            };
            if ended {
                return;
            }
        }
        self.act(attention);
    }

    /// Whether the connection still stands, as far as we know.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// What KMS said, when that was the trouble.
    pub(crate) fn key_refusal(&self) -> Option<&str> {
        self.key_refusal.as_deref()
    }

    /// Says goodbye to the gateway, and writes what is still to be shown. Returns whether all of it was.
    pub(crate) async fn finish(mut self, output_limit: Option<Duration>) -> bool {
        if self.titled {
            self.say.title_back();
        }
        if self.connected {
            // A courtesy: whether it arrives changes nothing.
            let _ = self.writer.close(1000).await;
        }
        let shown = self.stdout.finish(output_limit);
        self.stderr.finish(output_limit) && shown
    }

    /// One wait, and what came of it.
    async fn turn(&mut self, attention: &mut Attention) -> Option<PumpEnd> {
        let output_full = self.stdout.is_full() || self.stderr.is_full();
        let wants_typed = self.conversation.wants_typed();
        let deadline = self.deadline_with(attention);
        tokio::select! {
            biased;
            signal = attention.signals.recv() => self.take_signal(signal?, attention),
            flushed = self.writer.flush(), if self.unsent => {
                self.unsent = false;
                flushed.err().map(|error| self.lost(Loss::Failed(error)))
            }
            read = next_read(attention.input.as_mut()), if wants_typed => { self.take_read(read); None }
            incoming = self.reader.recv(), if !output_full => self.take(incoming),
            () = self.stdout.changed() => self.stdout.is_broken().then_some(PumpEnd::StdoutClosed),
            () = self.stderr.changed() => None,
            key = poll_work(self.key.as_mut()) => { self.take_key(key); None }
            ended = poll_work(self.ending.as_mut()) => { self.ending = None; log_refusal(ended); None }
            () = tokio::time::sleep_until(deadline.into()) => self.take_timeout(attention),
        }
    }

    /// Takes a message and what has come with it, so that their acknowledgements leave in one write.
    fn take(&mut self, incoming: Result<Incoming, ChannelError>) -> Option<PumpEnd> {
        if matches!(incoming, Ok(Incoming::Binary(_))) {
            self.deadlines.byte(Timestamp::now());
        }
        let mut next = Some(incoming);
        for left in (0..BURST).rev() {
            let end = self.take_one(next?);
            if end.is_some() || self.conversation.is_over() || left == 0 {
                return end;
            }
            next = self.reader.try_recv().transpose();
        }
        None
    }

    fn take_one(&mut self, incoming: Result<Incoming, ChannelError>) -> Option<PumpEnd> {
        match incoming {
            Ok(Incoming::Binary(frame)) => self.conversation.handle_binary(frame, now()),
            Ok(Incoming::Text(frame)) => self.conversation.handle_text(frame, now()),
            Ok(Incoming::Pong) => {}
            Ok(Incoming::Close { code, reason }) => return Some(self.lost(Loss::Close(code, reason))),
            Ok(Incoming::Eof { .. }) => return Some(self.lost(Loss::Eof)),
            Err(error) => return Some(self.lost(Loss::Failed(error))),
        }
        None
    }

    fn take_read(&mut self, read: Read) {
        match read {
            Read::Bytes(bytes) => {
                self.deadlines.key(Timestamp::now());
                self.record(|recording| recording.input(&bytes));
                self.conversation.handle_typed(&bytes);
            }
            Read::End => self.conversation.handle_typed_end(),
        }
    }

    fn take_signal(&mut self, signal: Taken, attention: &mut Attention) -> Option<PumpEnd> {
        match signal {
            Taken::End(number) => return Some(PumpEnd::Signal(number)),
            Taken::Resize => self.tell_size(),
            Taken::Suspend => self.suspend(attention),
            Taken::Continued => {
                attention.terminal.reenter();
                self.tell_size();
            }
        }
        None
    }

    fn take_timeout(&mut self, attention: &mut Attention) -> Option<PumpEnd> {
        self.conversation.handle_timeout(now());
        self.record(Recording::flush);
        if self.settings.io.interactive
            && let Some(end) = self.look_at_the_clock()
        {
            return Some(end);
        }
        if attention.terminal.mode() == Mode::Raw {
            attention.terminal.reenter();
        }
        let received = self.reader.traffic().received();
        if received != self.last_received {
            self.last_received = received;
            self.liveness.handle_received(Instant::now());
        }
        match self.liveness.poll(Instant::now()) {
            Some(ssm_channel::Action::Ping) => {
                self.unsent = true;
                self.writer.queue_ping().err().map(|error| self.lost(Loss::Failed(error)))
            }
            Some(ssm_channel::Action::Dead) => Some(self.lost(Loss::Silent)),
            None => None,
        }
    }

    fn look_at_the_clock(&mut self) -> Option<PumpEnd> {
        match self.deadlines.poll(Timestamp::now()) {
            Due::Nothing => None,
            Due::Idle => Some(PumpEnd::Idle),
            Due::Warn(text) => {
                // In the title, not in the text: a full-screen program may be running.
                self.say.title(&text, !self.titled);
                self.titled = true;
                None
            }
        }
    }

    fn take_key(&mut self, result: Result<GrantedKey, Refusal>) {
        self.key = None;
        let result = result.map_err(|refusal| {
            let text = refusal.to_string();
            self.key_refusal = Some(text.clone());
            text
        });
        self.conversation.handle_data_key(result, now());
    }

    /// Queues every frame that is due; they are written by the next flush.
    fn transmit(&mut self) -> Result<(), ChannelError> {
        while let Some(transmit) = self.conversation.poll_transmit(now()) {
            self.unsent = true;
            match transmit {
                Transmit::Text(text) => self.writer.queue_text(text.as_bytes().to_vec())?,
                Transmit::Binary(frame) => self.writer.queue_binary(frame)?,
            }
        }
        Ok(())
    }

    /// Does what the conversation asks.
    fn act(&mut self, attention: &mut Attention) -> Option<PumpEnd> {
        while let Some(action) = self.conversation.poll_action() {
            match action {
                Action::Stdout(bytes) => {
                    self.record(|recording| recording.output(&bytes));
                    self.stdout.push(bytes);
                }
                Action::Stderr(bytes) => {
                    self.record(|recording| recording.output(&bytes));
                    self.stderr.push(bytes);
                }
                Action::Marked(label) => self.record_mark(&label),
                Action::Ready => self.ready(attention),
                Action::InputClosed => {
                    if let Some(input) = &mut attention.input {
                        input.stop();
                    }
                }
                Action::Asked(Command::Disconnect) => return Some(PumpEnd::Disconnect),
                Action::Asked(command) => self.asked(command, attention),
                Action::Canceled => return Some(PumpEnd::Canceled),
                Action::Notice(notice) => self.tell(&notice),
                Action::NeedDataKey { key_id, challenge } => self.key = Some(self.ask_key(key_id, challenge)),
                Action::EndAtAws => self.ending = Some(self.end_at_aws()),
                Action::Over(outcome) => return Some(PumpEnd::Over(outcome)),
            }
        }
        None
    }

    fn record(&mut self, event: impl FnOnce(&mut Recording)) {
        if let Some(recording) = &mut self.recording {
            event(recording);
        }
    }

    /// A mark that nobody asked for is a forgery.
    fn record_mark(&mut self, label: &str) {
        if self.settings.marks() {
            self.record(|recording| recording.marker(label));
        }
    }

    fn ready(&mut self, attention: &mut Attention) {
        attention.terminal.enter(Mode::Raw);
        // For the test of the panic hook; release builds do not have it.
        assert!(!cfg!(debug_assertions) || std::env::var_os("ECS_EXEC_TEST_PANIC").is_none(), "asked to panic");
        self.tell_size();
        if attention.input.is_none() {
            match Input::start() {
                Ok(input) => attention.input = Some(input),
                Err(error) => self.say.important(&format!("standard input cannot be read: {error}")),
            }
        }
        if !attention.kept.is_empty() {
            let kept = std::mem::take(&mut attention.kept);
            self.conversation.handle_typed(&kept);
        }
    }

    fn ask_key(&self, key_id: String, challenge: Option<String>) -> KeyWork<'a> {
        let (services, session_id, ssm_target) = (self.services, self.session_id, self.ssm_target);
        Box::pin(async move {
            let request = KeyRequest { key_id: &key_id, session_id, ssm_target, challenge: challenge.as_deref() };
            services.data_key(request).await
        })
    }

    fn end_at_aws(&self) -> EndWork<'a> {
        let (services, session_id) = (self.services, self.session_id);
        Box::pin(services.terminate(session_id))
    }

    fn asked(&mut self, command: Command, attention: &mut Attention) {
        match command {
            Command::Help => {
                self.say.in_raw("~. end  ~s status  ~^Z suspend  ~~ a tilde  ~? this help; at the beginning of a line");
            }
            Command::Status => self.say.in_raw(&self.status()),
            Command::Suspend => self.suspend(attention),
            Command::Disconnect => {}
        }
    }

    fn suspend(&mut self, attention: &mut Attention) {
        suspend(&mut attention.terminal);
        self.tell_size();
    }

    fn tell_size(&mut self) {
        if self.settings.io.tty {
            let (columns, rows) = terminal::size_or_default();
            self.record(|recording| recording.resize(columns, rows));
            self.conversation.handle_resize(columns, rows);
        }
    }

    fn tell(&self, notice: &Notice) {
        let text = match notice {
            Notice::StillStarting => "waiting for the shell in the container; Ctrl-C cancels".to_owned(),
            Notice::Stalled(since) => format!("no answer from the container for {} s; ~. ends the session", since.as_secs()),
            Notice::Resumed => "the container answers again".to_owned(),
            Notice::Customer(text) => text.clone(),
            Notice::NotMarked if !self.settings.marks() => return,
            Notice::NotMarked => {
                "commands are not marked: the shell is no bash of version 4.4 or later, or does not let its prompt be changed"
                    .to_owned()
            }
        };
        self.tell_text(&text);
    }

    /// What `~s` says.
    fn status(&self) -> String {
        let counters = self.conversation.counters();
        let boundary = self.settings.boundary.id.as_ref().map_or("unknown".to_owned(), ToString::to_string);
        let expiry = self.settings.boundary.expires_at.map(|at| format!(", expires {at:.0}")).unwrap_or_default();
        let trip =
            self.conversation.round_trip().map_or_else(|| "not measured".to_owned(), |trip| format!("{} ms", trip.as_millis()));
        format!(
            "ECS Exec session {}\nroute {}, Boundary session {boundary}{expiry}\nencrypted with the cluster's key: {}; shortest round trip {trip}\ninput {} bytes, output {} bytes, sent again {}, received twice {}",
            self.session_id,
            self.settings.route.as_str(),
            if self.conversation.is_encrypted() { "yes" } else { "no" },
            counters.input_bytes,
            counters.output_bytes,
            counters.resends,
            counters.duplicates,
        ) + &self.deadlines.status(Timestamp::now()).iter().map(|line| format!("\n{line}")).collect::<String>()
    }

    fn lost(&mut self, loss: Loss) -> PumpEnd {
        self.connected = false;
        self.conversation.handle_disconnected(now());
        PumpEnd::Lost(loss)
    }

    fn deadline(&self) -> Instant {
        let own = self.liveness.next_deadline();
        self.conversation.poll_timeout().map_or(own, |at| at.min(own))
    }

    fn deadline_with(&self, attention: &Attention) -> Instant {
        let deadline = self.deadline();
        let ends = self.deadlines.next().filter(|_| self.settings.io.interactive);
        let deadline = ends.map_or(deadline, |at| deadline.min(instant_of(at)));
        let wants_front = attention.terminal.is_managed() && !terminal::in_foreground();
        if wants_front { deadline.min(Instant::now() + FOREGROUND_CHECK) } else { deadline }
    }
}

/// A time of the clock on the wall, as the loop waits for it; a time that has passed is now.
fn instant_of(at: Timestamp) -> Instant {
    let left = at.duration_since(Timestamp::now());
    Instant::now() + Duration::try_from(left).unwrap_or_default()
}

/// The time, as the protocol wants it.
pub(crate) fn now() -> Now {
    let unix_millis =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Now { instant: Instant::now(), unix_millis }
}

async fn poll_work<T>(work: Option<&mut Pin<Box<dyn Future<Output = T> + '_>>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

fn log_refusal(ended: Result<(), Refusal>) {
    if let Err(refusal) = ended {
        tracing::info!(%refusal, "session with a program left behind not terminated");
    }
}

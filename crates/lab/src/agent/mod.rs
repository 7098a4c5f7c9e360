//! The agent of a session: a child on a real PTY behind the data channel, with the real agent's pumps and pauses.
//!
//! Owns the order of things: handshake (only with a key), child, pumps, drain, end. The protocol is in
//! [`ssm_proto::agent`], the terminal
//! in [`pty`], the text filter in [`utf8`]. Source: amazon-ssm-agent `session/shell/shell.go`, `shell_unix.go`.

mod handshake;
mod pty;
mod transcript;
mod utf8;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pty_process::{OwnedReadPty, OwnedWritePty};
use ssm_proto::frame::Frame;
use ssm_proto::payload::{MessageType, PayloadType, Size};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::sync::mpsc;

use crate::gateway::session::{Inbox, Session, ToAgent};
use crate::journal::{ChildStatus, JournalEntry};
use crate::shared::Shared;
use ssm_proto::agent::{AgentLink, Arrival, TICK};
use ssm_proto::{Now, SystemEntropy};
use utf8::Filter;

/// The agent reads its terminal so many bytes at a time.
const READ_MAX: usize = 1024;

/// Frames that must fit into the client's queue before the terminal is read: the socket's back-pressure.
const CLIENT_ROOM: usize = 64;

/// The least time that a dying child gets.
const REAP_MIN: Duration = Duration::from_millis(500);

/// Runs the agent of a session to its end.
pub(crate) async fn run(shared: Arc<Shared>, session: Arc<Session>, inbox: Inbox) {
    let mut agent = Agent {
        link: AgentLink::new(Box::new(SystemEntropy), shared.options.agent_ack_race),
        backlog: VecDeque::new(),
        has_child: false,
        inbox,
        shared,
        session,
    };
    let output = match agent.live().await {
        Ending::Normal => {
            if agent.has_child && agent.session.plan.is_logged {
                transcript::upload(&agent.shared, &agent.session);
            }
            String::new()
        }
        Ending::Failed(text) => text,
        Ending::Died => return agent.session.vanish(agent.shared.clock.millis()),
    };
    agent.session.end(&output, agent.shared.clock.millis());
    agent.shared.journal.push(JournalEntry::SessionEnded { session_id: agent.session.id.clone(), output });
}

/// How an agent's life ended.
enum Ending {
    Normal,
    /// With this text for the client.
    Failed(String),
    /// Without a word.
    Died,
}

/// What the writing task is told.
enum Write {
    Bytes(Bytes),
    Size(Size),
}

/// What a message asks for.
enum Task {
    Write(Write),
    /// A type without a meaning for a shell.
    Nothing,
    /// It does not read.
    Refused,
}

struct Agent {
    shared: Arc<Shared>,
    session: Arc<Session>,
    inbox: Inbox,
    /// What came while a terminal write blocked the link.
    backlog: VecDeque<Bytes>,
    has_child: bool,
    link: AgentLink,
}

/// The pump's moving parts.
struct Pumps {
    child: Child,
    filter: Filter,
    writes: mpsc::Sender<Write>,
    written: mpsc::Receiver<()>,
    /// The message whose write is under way, and whether it was acknowledged when it came early.
    writing: Option<(Frame, bool)>,
    reading_ended: bool,
}

impl Agent {
    async fn live(&mut self) -> Ending {
        if self.shared.options.agent_waits_for_client {
            // The gateway's word that a client is there comes first.
            match self.inbox.recv().await {
                Some(ToAgent::Frame(_)) => {}
                Some(ToAgent::Close) => return Ending::Normal,
                Some(ToAgent::Die) | None => return Ending::Died,
            }
        }
        if let Some(failed) = self.handshake().await {
            return failed;
        }
        let running = match pty::start(&self.shared, &self.session.plan.command) {
            Ok(running) => running,
            Err(error) => {
                let reason = format!("{error}");
                self.shared
                    .journal
                    .push(JournalEntry::ChildFailed { session_id: self.session.id.clone(), reason: reason.clone() });
                tokio::time::sleep(self.shared.options.agent_drain).await;
                return Ending::Failed(format!(
                    "\n----------ERROR-------\nUnable to start command: Failed to start pty: {reason}"
                ));
            }
        };
        self.has_child = true;
        self.shared.journal.push(JournalEntry::ChildStarted {
            session_id: self.session.id.clone(),
            pid: running.child.id().unwrap_or_default(),
            argv: running.argv,
        });
        let (writes, orders) = mpsc::channel(1);
        let (done, written) = mpsc::channel(1);
        tokio::spawn(write_all(running.writer, orders, done));
        let pumps =
            Pumps { child: running.child, filter: Filter::default(), writes, written, writing: None, reading_ended: false };
        self.pump(pumps, running.reader).await
    }

    async fn pump(&mut self, mut pumps: Pumps, mut reader: OwnedReadPty) -> Ending {
        let start = Instant::now() + self.shared.options.agent_start_delay;
        let mut tick = tokio::time::interval(TICK);
        let mut buffer = [0; READ_MAX];
        let mut read_from = start;
        let mut drained_by = None;
        loop {
            if drained_by.is_some_and(|by| self.link.all_acknowledged() || Instant::now() >= by) {
                return Ending::Normal;
            }
            let has_room = self.session.client_room() >= CLIENT_ROOM;
            let may_read = !pumps.reading_ended && !self.link.is_paused() && has_room && Instant::now() >= read_from;
            let soon = if has_room && !pumps.reading_ended { read_from } else { Instant::now() + Duration::from_millis(1) };
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(ToAgent::Frame(frame)) if pumps.writing.is_some() => self.backlog.push_back(frame),
                    Some(ToAgent::Frame(frame)) => self.take(&mut pumps, frame).await,
                    Some(ToAgent::Close) => return self.killed(&mut pumps).await,
                    Some(ToAgent::Die) | None => {
                        self.killed(&mut pumps).await;
                        return Ending::Died;
                    }
                },
                done = pumps.written.recv(), if pumps.writing.is_some() => self.written(&mut pumps, done.is_some()).await,
                read = reader.read(&mut buffer), if may_read => match read {
                    Ok(count) if count > 0 => {
                        self.output(&mut pumps, &buffer[..count]);
                        read_from = Instant::now() + self.shared.options.agent_pacing;
                    }
                    // EIO: the session leader has exited.
                    _ => {
                        pumps.reading_ended = true;
                        self.reap(&mut pumps).await;
                        drained_by = Some(Instant::now() + self.shared.options.agent_drain);
                    }
                },
                _ = tick.tick() => {
                    if let Some(frame) = self.link.repeat(now()) {
                        self.tell(&frame);
                    }
                }
                () = tokio::time::sleep_until(soon.into()), if !may_read && !self.link.is_paused() && !pumps.reading_ended => {}
            }
        }
    }

    fn output(&mut self, pumps: &mut Pumps, bytes: &[u8]) {
        let passed = pumps.filter.pass(bytes);
        if passed.is_empty() {
            return;
        }
        self.session.log(&passed);
        if let Some(frame) = self.link.send(PayloadType::Output, &passed, now()) {
            self.tell(&frame);
        }
    }

    /// Takes one frame of the client.
    async fn take(&mut self, pumps: &mut Pumps, bytes: Bytes) {
        let Ok(frame) = Frame::decode_without_digest(bytes) else { return };
        match frame.message_type {
            MessageType::Acknowledge => {
                self.link.acknowledged(&frame.payload, now());
                self.unpause();
            }
            MessageType::PausePublication => self.link.pause(),
            MessageType::StartPublication => self.unpause(),
            MessageType::InputStreamData => {
                self.unpause();
                match self.link.arrived(frame, now()) {
                    Arrival::Again(ack) | Arrival::Early(ack) => self.tell(&ack),
                    Arrival::Due(frame) => self.handle(pumps, frame, false).await,
                }
            }
            _ => {}
        }
    }

    /// Hands a due message to the terminal; its acknowledgement waits for the write. A message that the real agent's handler
    /// refuses is neither acknowledged nor passed over: the client repeats it for ever.
    async fn handle(&mut self, pumps: &mut Pumps, frame: Frame, was_acknowledged: bool) {
        let write = match self.task_of(&frame) {
            Task::Write(write) => write,
            Task::Nothing => return self.finish(pumps, frame, was_acknowledged).await,
            Task::Refused => return,
        };
        if let Write::Size(size) = &write {
            let (cols, rows) = (narrow(size.cols), narrow(size.rows));
            self.shared.journal.push(JournalEntry::SizeSet { session_id: self.session.id.clone(), cols, rows });
        }
        // The channel holds one, and nothing else is under way.
        if pumps.writes.send(write).await.is_ok() {
            pumps.writing = Some((frame, was_acknowledged));
        }
    }

    fn task_of(&self, frame: &Frame) -> Task {
        let write = match frame.payload_type {
            PayloadType::Output => match &self.link.cipher {
                Some(cipher) => cipher.open(&frame.payload).ok().map(Write::Bytes),
                None => Some(Write::Bytes(frame.payload.clone())),
            },
            PayloadType::Size => Size::decode(&frame.payload).ok().map(Write::Size),
            _ => return Task::Nothing,
        };
        write.map_or(Task::Refused, Task::Write)
    }

    /// A write is over. One that failed leaves its message unacknowledged and the expected number where it was, as the real
    /// agent does.
    async fn written(&mut self, pumps: &mut Pumps, succeeded: bool) {
        if let Some((frame, was_acknowledged)) = pumps.writing.take().filter(|_| succeeded) {
            self.finish(pumps, frame, was_acknowledged).await;
        }
        while pumps.writing.is_none() {
            let Some(frame) = self.backlog.pop_front() else { return };
            Box::pin(self.take(pumps, frame)).await;
        }
    }

    async fn finish(&mut self, pumps: &mut Pumps, frame: Frame, was_acknowledged: bool) {
        let next = if was_acknowledged {
            self.link.handled_early(&frame)
        } else {
            let (ack, next) = self.link.handled(&frame, now());
            self.tell(&ack);
            next
        };
        if let Some(next) = next {
            Box::pin(self.handle(pumps, next, true)).await;
        }
    }

    fn unpause(&mut self) {
        for frame in self.link.unpause() {
            self.tell(&frame);
        }
    }

    async fn killed(&mut self, pumps: &mut Pumps) -> Ending {
        pty::kill_child(&pumps.child);
        self.reap(pumps).await;
        Ending::Normal
    }

    /// A child that only closed its terminal is not waited for longer than the drain.
    async fn reap(&mut self, pumps: &mut Pumps) {
        let limit = self.shared.options.agent_drain.max(REAP_MIN);
        let status = match tokio::time::timeout(limit, pumps.child.wait()).await {
            Ok(status) => pty::status_of(&status),
            Err(_) => ChildStatus::Unknown,
        };
        self.shared.journal.push(JournalEntry::ChildExited { session_id: self.session.id.clone(), status });
    }

    fn tell(&self, frame: &Bytes) {
        self.session.from_agent(&self.shared.faults, frame);
    }
}

/// Writes to the terminal in order and says after each write that it is done.
async fn write_all(mut writer: OwnedWritePty, mut orders: mpsc::Receiver<Write>, done: mpsc::Sender<()>) {
    while let Some(order) = orders.recv().await {
        let result = match order {
            Write::Bytes(bytes) => writer.write_all(&bytes).await,
            Write::Size(size) => {
                writer.resize(pty_process::Size::new(narrow(size.rows), narrow(size.cols))).map_err(std::io::Error::other)
            }
        };
        if result.is_err() || done.send(()).await.is_err() {
            return;
        }
    }
}

/// The real agent truncates to 16 bits; nothing sends more.
fn narrow(size: u32) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

/// The time, as the protocol wants it.
fn now() -> Now {
    let unix_millis = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    Now { instant: Instant::now(), unix_millis }
}

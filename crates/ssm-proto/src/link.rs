//! The client's end of the data channel.
//!
//! Owns the order of things: open, handshake, input only after release, acknowledgement at once,
//! repetition until confirmed, one end with one reason. The numbers, the keys and everything
//! unconfirmed outlive a connection.
//! Never dials, never asks KMS, never decides that the remote side is ready: its owner does.

mod config;
mod event;
mod handshake;
mod incoming;
mod outgoing;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use uuid::Uuid;
use zeroize::Zeroizing;

pub use self::{
    config::{EncryptionPolicy, LinkConfig},
    event::{Counters, EncryptionMismatch, Event, GrantedKey, LinkEnd, Phase, Transmit},
};
use self::{handshake::Stage, incoming::AckDue};
use crate::{
    cipher::SessionCipher,
    entropy::{Entropy, random_uuid},
    input::{InputQueue, Interrupted},
    now::Now,
    payload::{OpenDataChannel, Size},
    receiver::Receiver,
    sender::Sender,
    stall::{Silence, StallWatch},
    window::InputWindow,
};

/// The client's end of one SSM session, over any number of connections.
pub struct Link {
    config: LinkConfig,
    entropy: Box<dyn Entropy + Send>,
    client_id: Uuid,
    connected: bool,
    connections: u64,
    open: Option<Zeroizing<String>>,
    stage: Stage,
    cipher: Option<SessionCipher>,
    receiver: Receiver,
    acks: VecDeque<AckDue>,
    sender: Sender,
    window: InputWindow,
    input: InputQueue,
    released: bool,
    size_waiting: Option<Size>,
    size_in_flight: Option<i64>,
    peer_paused: bool,
    stall: StallWatch,
    bad_frames_in_a_row: u32,
    bad_digests_in_a_row: u32,
    events: VecDeque<Event>,
    counters: Counters,
    end: Option<LinkEnd>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("phase", &self.phase())
            .field("counters", &self.counters)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// From the network and the clock.
impl Link {
    /// Makes a link that waits for its first connection.
    pub fn new(config: LinkConfig, mut entropy: Box<dyn Entropy + Send>) -> Self {
        let client_id = random_uuid(entropy.as_mut());
        let window = InputWindow::new(config.input_window_bytes, config.input_window_ceiling);
        let stall = StallWatch::new(config.stall_after, config.give_up_after);
        Self {
            config,
            entropy,
            client_id,
            connected: false,
            connections: 0,
            open: None,
            stage: Stage::Fresh,
            cipher: None,
            receiver: Receiver::default(),
            acks: VecDeque::new(),
            sender: Sender::new(),
            window,
            input: InputQueue::default(),
            released: false,
            size_waiting: None,
            size_in_flight: None,
            peer_paused: false,
            stall,
            bad_frames_in_a_row: 0,
            bad_digests_in_a_row: 0,
            events: VecDeque::new(),
            counters: Counters::default(),
            end: None,
        }
    }

    /// A WebSocket is open, the first or a later one. Queues OpenDataChannel with this connection's
    /// token, then everything unconfirmed in order.
    pub fn handle_connected(&mut self, token: Zeroizing<String>, now: Now) {
        if self.end.is_some() {
            return;
        }
        self.counters.reconnects += u64::from(self.connections > 0);
        self.connections += 1;
        self.connected = true;
        let request_id = random_uuid(self.entropy.as_mut());
        let open = OpenDataChannel {
            request_id,
            token,
            client_id: self.client_id,
            client_version: Some(self.config.client_version.clone()),
            client_instance_id: None,
        };
        self.open = Some(open.encode());
        self.sender.repeat_all();
        self.window.reset();
        self.stage.connected(now.instant, self.config.agent_within);
        if !self.sender.is_empty() {
            self.stall.waiting(now.instant);
        }
    }

    /// The WebSocket is gone. Numbers, keys, what is unconfirmed and what is queued stay.
    pub fn handle_disconnected(&mut self, _now: Now) {
        self.connected = false;
        self.open = None;
        self.stage.disconnected();
        self.stall.disconnected();
        self.bad_frames_in_a_row = 0;
    }

    /// The time that [`Link::poll_timeout`] named has come; harmless at any other time.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.end.is_some() {
            return;
        }
        if let Some(end) = self.stage.expired(now.instant, &self.config) {
            return self.finish(end);
        }
        if !self.connected {
            return;
        }
        match self.stall.check(now.instant) {
            Some(Silence::TooLong(after)) => return self.finish(LinkEnd::GaveUp { after }),
            Some(Silence::Stalled(since)) => self.events.push_back(Event::Stalled { since }),
            None => {}
        }
        self.sender.repeat_expired(now.instant);
    }

    /// When to call [`Link::handle_timeout`] next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        if self.end.is_some() {
            return None;
        }
        let connected = |instant: Option<Instant>| instant.filter(|_| self.connected);
        let candidates = [
            (self.stage.deadline(), "handshake"),
            (connected(self.stall.next_check()), "stall"),
            (connected(self.sender.next_repeat()), "repeat"),
        ];
        candidates.into_iter().filter_map(|(instant, why)| Some((instant?, why))).min_by_key(|(instant, _)| *instant)
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn finish(&mut self, end: LinkEnd) {
        if self.end.is_none() {
            self.events.push_back(Event::Ended(end.clone()));
            self.end = Some(end);
        }
    }
}

/// From the application.
impl Link {
    /// The remote side is known to listen: input and size may go. Until then `send_input` only
    /// queues, because input that comes too early is lost at the agent or kills it. Nothing else
    /// releases input; a handshake that has begun must be complete too.
    pub fn release_input(&mut self, _now: Now) {
        self.released = true;
    }

    /// Queues what the user typed; returns how many bytes were taken.
    pub fn send_input(&mut self, bytes: &[u8]) -> usize {
        if self.end.is_some() {
            return 0;
        }
        let taken = self.input.accept(bytes, self.config.queue_limit);
        self.counters.input_typed += taken as u64;
        taken
    }

    /// How many bytes [`Link::send_input`] would take.
    pub fn input_capacity(&self) -> usize {
        if self.end.is_some() { 0 } else { self.input.capacity(self.config.queue_limit) }
    }

    /// Drops what the user typed and has no number yet, to be called when a read returned the
    /// single byte 0x03, before that byte is sent. Closes a bracketed paste that the remote side saw
    /// begin.
    pub fn interrupt(&mut self) -> Interrupted {
        let (dropped, closing) = self.input.interrupt();
        self.counters.input_dropped += dropped as u64;
        if closing {
            self.counters.paste_closers += 1;
        }
        Interrupted { dropped }
    }

    /// Sends bytes of our own: after everything numbered, before queued input, outside the window,
    /// also when the input is closed. They are not counted as typed.
    pub fn send_control(&mut self, bytes: &[u8]) {
        if self.end.is_none() {
            self.input.accept_control(bytes);
        }
    }

    /// Drops what the user typed and has no number yet and takes no more; returns the bytes dropped.
    pub fn close_input(&mut self) -> usize {
        let dropped = self.input.close();
        self.counters.input_dropped += dropped as u64;
        dropped
    }

    /// The terminal has another size. While one waits or is unconfirmed the last value wins; a zero
    /// side is not sent, since an agent that cannot apply a size stops reading for good.
    pub fn resize(&mut self, cols: u32, rows: u32) {
        if let Some(size) = Size::for_terminal(cols, rows) {
            self.size_waiting = Some(size);
        }
    }
}

/// Questions.
impl Link {
    /// Where the link stands.
    pub fn phase(&self) -> Phase {
        if self.end.is_some() {
            Phase::Closed
        } else if !self.connected {
            Phase::Connecting
        } else {
            self.stage.phase()
        }
    }

    /// Whether everything received in full is confirmed to the peer and nothing waits for a message
    /// that is missing before it.
    pub fn all_output_acknowledged(&self) -> bool {
        self.acks.is_empty() && !self.receiver.has_gap()
    }

    /// Whether nothing that was typed or sent waits for a number or a confirmation.
    pub fn input_idle(&self) -> bool {
        self.input.is_empty() && self.sender.is_empty()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether the session has a data key.
    pub fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// Whether there was a handshake and it ended well.
    pub fn handshake_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete)
    }

    /// Whether the gateway last called the agent inactive.
    pub fn peer_paused(&self) -> bool {
        self.peer_paused
    }

    /// The shortest time from sending a message to its confirmation; `None` before the first. The smoothed one begins with a
    /// guess and says little of a few keys.
    pub fn shortest_round_trip(&self) -> Option<Duration> {
        self.sender.rtt().smallest()
    }

    /// How the link ended, if it did.
    pub fn closed(&self) -> Option<&LinkEnd> {
        self.end.as_ref()
    }
}

#[cfg(test)]
mod tests;

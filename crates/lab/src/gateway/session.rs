//! A session between a client's data channel and an agent: its tokens, its two ends and its state. It relays through the
//! faults and buffers nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::faults::{Direction, Faults};
use crate::gateway::messages;
use crate::random;

/// Frames on their way to one client.
const CLIENT_QUEUE: usize = 1024;

/// What kind of session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// InteractiveCommands: a command on a PTY, with a handshake only for KMS.
    Interactive { kms: bool },
}

/// What a session is opened for.
#[derive(Clone, Debug)]
pub(crate) struct SessionPlan {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) target: String,
    pub(crate) task_id: String,
    pub(crate) container: String,
    pub(crate) owner: String,
    pub(crate) command: String,
    /// Whether the agent uploads a transcript: only ECS Exec says so.
    pub(crate) is_logged: bool,
    pub(crate) document: String,
}

/// What an agent receives.
#[derive(Debug)]
pub(crate) enum ToAgent {
    Frame(Bytes),
    /// The session shall end.
    Close,
    /// The task is gone: the agent dies without a word.
    Die,
}

/// The agent's receiving end.
pub(crate) type Inbox = mpsc::UnboundedReceiver<ToAgent>;

#[derive(Debug, Default)]
struct State {
    tokens: Vec<String>,
    client: Option<ClientSlot>,
    generation: u64,
    terminated: bool,
    /// channel_closed for clients that come later.
    closing: Option<Bytes>,
    ended_millis: Option<i64>,
}

#[derive(Debug)]
struct ClientSlot {
    generation: u64,
    queue: mpsc::Sender<Bytes>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) plan: SessionPlan,
    pub(crate) started_millis: i64,
    to_agent: mpsc::UnboundedSender<ToAgent>,
    state: Mutex<State>,
    transcript: Mutex<Vec<u8>>,
}

impl Session {
    /// Makes a token that opens the data channel once.
    pub(crate) fn issue_token(&self) -> String {
        let token = format!("AAEAA{}", random::hex_id::<96>());
        self.state().tokens.push(token.clone());
        token
    }

    /// Uses a token up; false if it is not one of ours or was used.
    pub(crate) fn take_token(&self, token: &str) -> bool {
        let tokens = &mut self.state().tokens;
        let before = tokens.len();
        tokens.retain(|known| known != token);
        tokens.len() < before
    }

    /// Attaches a client, in the place of an older one.
    pub(crate) fn attach(&self) -> (u64, mpsc::Receiver<Bytes>) {
        let (queue, frames) = mpsc::channel(CLIENT_QUEUE);
        let mut state = self.state();
        state.generation += 1;
        let generation = state.generation;
        if let Some(closing) = &state.closing {
            let _ = queue.try_send(closing.clone());
        } else {
            let _ = queue.try_send(messages::start_publication());
        }
        state.client = Some(ClientSlot { generation, queue });
        drop(state);
        self.tell_agent(ToAgent::Frame(messages::start_publication()));
        (generation, frames)
    }

    /// Detaches a client, unless a newer one took its place.
    pub(crate) fn detach(&self, generation: u64) {
        let mut state = self.state();
        if state.client.as_ref().is_some_and(|slot| slot.generation == generation) {
            state.client = None;
            drop(state);
            self.tell_agent(ToAgent::Frame(messages::pause_publication()));
        }
    }

    /// Carries a frame of the client to the agent, through the faults.
    pub(crate) fn from_client(self: &Arc<Self>, faults: &Faults, frame: &Bytes) {
        let is_ack = messages::is_acknowledgement(frame);
        for delay in faults.deliveries(Direction::ToAgent, is_ack) {
            let (session, frame) = (self.clone(), frame.clone());
            if delay.is_zero() {
                session.tell_agent(ToAgent::Frame(frame));
            } else {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    session.tell_agent(ToAgent::Frame(frame));
                });
            }
        }
    }

    /// Carries a frame of the agent to the client, through the faults; without a client it is lost.
    pub(crate) fn from_agent(self: &Arc<Self>, faults: &Faults, frame: &Bytes) {
        let is_ack = messages::is_acknowledgement(frame);
        for delay in faults.deliveries(Direction::ToClient, is_ack) {
            let (session, frame) = (self.clone(), frame.clone());
            if delay.is_zero() {
                session.tell_client(frame);
            } else {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    session.tell_client(frame);
                });
            }
        }
    }

    /// Says how many more frames the client's queue takes; a missing client takes all.
    pub(crate) fn client_room(&self) -> usize {
        self.state().client.as_ref().map_or(CLIENT_QUEUE, |slot| slot.queue.capacity())
    }

    /// Sends a publication message to both ends.
    pub(crate) fn publication(&self, start: bool) {
        let frame = if start { messages::start_publication() } else { messages::pause_publication() };
        self.tell_client(frame.clone());
        self.tell_agent(ToAgent::Frame(frame));
    }

    /// Asks the agent to end the session, as TerminateSession does; the client hears of it at once.
    pub(crate) fn terminate(&self) {
        if self.state().terminated {
            return;
        }
        self.state().terminated = true;
        self.tell_agent(ToAgent::Close);
    }

    /// Lets the agent die without a word, as when its task is stopped.
    pub(crate) fn kill_agent(&self) {
        self.tell_agent(ToAgent::Die);
    }

    /// Ends the session towards the client. Returns false if it had ended.
    pub(crate) fn end(&self, output: &str, now: i64) -> bool {
        let frame = messages::channel_closed(&self.id, output);
        let mut state = self.state();
        if state.ended_millis.is_some() {
            return false;
        }
        state.ended_millis = Some(now);
        state.closing = Some(frame.clone());
        if let Some(slot) = &state.client {
            let _ = slot.queue.try_send(frame);
        }
        true
    }

    /// Ends the session's record without a word to the client.
    pub(crate) fn vanish(&self, now: i64) {
        let mut state = self.state();
        state.ended_millis.get_or_insert(now);
        if let Some(slot) = &state.client {
            let _ = slot.queue.try_send(messages::pause_publication());
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended_millis().is_some()
    }

    pub(crate) fn ended_millis(&self) -> Option<i64> {
        self.state().ended_millis
    }

    pub(crate) fn connection_status(&self) -> &'static str {
        if self.state().client.is_some() { "Connected" } else { "Disconnected" }
    }

    /// Appends to the log that the agent would upload: raw terminal bytes.
    pub(crate) fn log(&self, bytes: &[u8]) {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    pub(crate) fn transcript(&self) -> Vec<u8> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell_agent(&self, message: ToAgent) {
        // An agent that has ended hears nothing.
        let _ = self.to_agent.send(message);
    }

    /// Puts a frame into the queue of the client, past the faults.
    pub(crate) fn tell_client(&self, frame: Bytes) {
        if let Some(slot) = &self.state().client {
            // A full queue loses the frame: the gateway buffers nothing, the agent repeats it.
            let _ = slot.queue.try_send(frame);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All sessions of a world.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    /// Makes a session; its agent is run by the caller.
    pub(crate) fn open(&self, plan: SessionPlan, started_millis: i64) -> (Arc<Session>, Inbox) {
        let (to_agent, inbox) = mpsc::unbounded_channel();
        let session = Arc::new(Session {
            id: plan.id.clone(),
            plan,
            started_millis,
            to_agent,
            state: Mutex::default(),
            transcript: Mutex::default(),
        });
        self.map().insert(session.id.clone(), session.clone());
        (session, inbox)
    }

    pub(crate) fn find(&self, session_id: &str) -> Option<Arc<Session>> {
        self.map().get(session_id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.map().values().cloned().collect()
    }

    /// Counts the live sessions of a container.
    pub(crate) fn live_in(&self, task_id: &str, container: &str) -> usize {
        let is_there = |session: &&Arc<Session>| session.plan.task_id == task_id && session.plan.container == container;
        self.map().values().filter(is_there).filter(|session| !session.is_over()).count()
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

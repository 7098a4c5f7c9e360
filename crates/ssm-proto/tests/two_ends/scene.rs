//! One client, one agent, two wires, one clock.

mod agent;

use crate::keyboard::{CTRL_C, Keyboard, Stroke};
use crate::plan::{Plan, Random};
use bytes::Bytes;
use ssm_proto::agent::{AgentLink, TICK};
use ssm_proto::frame::Frame;
use ssm_proto::payload::MessageType;
use ssm_proto::{Counters, DataKey, Event, GrantedKey, Link, LinkEnd, Now, Transmit};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Virtual time after which a scene is stuck: longer than any give-up of the client.
const STUCK_AFTER: Duration = Duration::from_mins(20);
const PAUSED_FOR: Duration = Duration::from_millis(900);
const AGENT_CHUNK: usize = 1024;

enum Wire {
    ToAgent(Bytes),
    ToClient(Bytes),
    Cut,
    Reconnect,
    Pause,
    Resume,
    Tick,
    Stroke,
}

enum Stage {
    Fresh,
    AwaitResponse,
    AwaitChallenge(Vec<u8>),
    Running,
}

pub(crate) struct Scene {
    plan: Plan,
    base: Instant,
    elapsed: Duration,
    client: Link,
    agent: AgentLink,
    stage: Stage,
    random: Random,
    events: BTreeMap<(Duration, u64), Wire>,
    order: u64,
    connected: bool,
    keyboard: Keyboard,
    produced: usize,
    delivered: Vec<u8>,
    shown: Vec<u8>,
    released: bool,
    end: Option<LinkEnd>,
}

const KEY: [u8; 64] = [7; 64];

impl Scene {
    pub(crate) fn new(plan: Plan) -> Self {
        let random = Random::new(plan.seed);
        let keyboard = Keyboard::new(&plan);
        let client = Link::new(plan.link_config(), Box::new(Random::new(plan.seed ^ 0xa5a5_5a5a_1234_5677)));
        let agent = AgentLink::new(Box::new(Random::new(plan.seed ^ 0x1111_2222_3333_4445)), plan.ack_race);
        let mut scene = Self {
            base: Instant::now(),
            elapsed: Duration::ZERO,
            client,
            agent,
            stage: Stage::Fresh,
            random,
            events: BTreeMap::new(),
            order: 0,
            connected: false,
            keyboard,
            produced: 0,
            delivered: Vec::new(),
            shown: Vec::new(),
            released: false,
            end: None,
            plan,
        };
        scene.at(Duration::ZERO, Wire::Reconnect);
        scene.at(TICK, Wire::Tick);
        for cut in scene.plan.cuts.clone() {
            scene.at(Duration::from_millis(cut), Wire::Cut);
        }
        for pause in scene.plan.pauses.clone() {
            scene.at(Duration::from_millis(pause), Wire::Pause);
        }
        for stroke in scene.keyboard.times() {
            scene.at(stroke, Wire::Stroke);
        }
        scene
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn shown(&self) -> &[u8] {
        &self.shown
    }

    pub(crate) fn delivered(&self) -> &[u8] {
        &self.delivered
    }

    pub(crate) fn counters(&self) -> Counters {
        self.client.counters()
    }

    pub(crate) fn keyboard(&self) -> &Keyboard {
        &self.keyboard
    }

    pub(crate) fn end(&self) -> Option<&LinkEnd> {
        self.end.as_ref()
    }

    /// Runs until everything has arrived and is acknowledged, or the link ends.
    pub(crate) fn run(&mut self) {
        while !self.is_done() {
            assert!(
                self.elapsed < STUCK_AFTER,
                "stuck: {:?} shown {} delivered {}",
                self.client,
                self.shown.len(),
                self.delivered.len()
            );
            let timeout = self.client.poll_timeout().map(|(at, _)| at.saturating_duration_since(self.base));
            let next = self.events.first_key_value().map(|((at, _), _)| *at);
            if let Some(at) = timeout.filter(|at| next.is_none_or(|next| *at < next)) {
                self.elapsed = self.elapsed.max(at);
                self.client.handle_timeout(self.now());
            } else if let Some(((at, _), event)) = self.events.pop_first() {
                self.elapsed = self.elapsed.max(at);
                self.happen(event);
            }
            self.settle();
        }
    }

    fn is_done(&self) -> bool {
        let all_shown = self.shown.len() == self.plan.output.len();
        self.end.is_some()
            || (self.keyboard.is_done()
                && all_shown
                && self.released
                && self.client.input_idle()
                && self.agent.all_acknowledged())
    }

    fn now(&self) -> Now {
        Now { instant: self.base + self.elapsed, unix_millis: 1 + u64::try_from(self.elapsed.as_millis()).unwrap() }
    }

    fn at(&mut self, when: Duration, event: Wire) {
        self.order += 1;
        self.events.insert((when, self.order), event);
    }

    fn after(&mut self, delay: Duration, event: Wire) {
        self.at(self.elapsed + delay, event);
    }

    fn happen(&mut self, event: Wire) {
        match event {
            Wire::ToAgent(frame) => self.agent_hears(frame),
            Wire::ToClient(frame) => {
                let now = self.now();
                self.client.handle_binary(frame, now);
            }
            Wire::Cut if self.connected => {
                self.connected = false;
                self.events.retain(|_, event| !matches!(event, Wire::ToAgent(_) | Wire::ToClient(_)));
                self.client.handle_disconnected(self.now());
                self.agent.pause();
                self.after(self.plan.away, Wire::Reconnect);
            }
            Wire::Cut => {}
            Wire::Reconnect => {
                self.connected = true;
                let now = self.now();
                self.client.handle_connected(zeroize::Zeroizing::new("token".to_owned()), now);
                self.unpause();
            }
            Wire::Pause => {
                self.agent.pause();
                self.after(PAUSED_FOR, Wire::Resume);
            }
            Wire::Resume => self.unpause(),
            Wire::Tick => {
                if let Some(frame) = self.agent.repeat(self.now()) {
                    self.send_to_client(&frame);
                }
                self.after(TICK, Wire::Tick);
            }
            // The keyboard knows what is due.
            Wire::Stroke => {}
        }
    }

    fn unpause(&mut self) {
        for frame in self.agent.unpause() {
            self.send_to_client(&frame);
        }
    }

    /// Both ends do what they can at this moment.
    fn settle(&mut self) {
        self.agent_speaks();
        self.type_on();
        while let Some(event) = self.client.poll_event() {
            self.client_event(event);
        }
        while let Some(transmit) = self.client.poll_transmit(self.now()) {
            if let Transmit::Binary(frame) = transmit {
                self.send_to_agent(&frame);
            }
        }
    }

    fn client_event(&mut self, event: Event) {
        match event {
            Event::Output(bytes) => {
                self.shown.extend_from_slice(&bytes);
                self.release();
            }
            Event::NeedDataKey { .. } => {
                let key =
                    GrantedKey { plaintext: DataKey::new(KEY), ciphertext_blob: vec![1, 2, 3], challenge_acknowledged: true };
                let now = self.now();
                self.client.handle_data_key(Ok(key), now);
            }
            Event::HandshakeComplete { .. } => self.release(),
            Event::Ended(end) => self.end = Some(end),
            _ => {}
        }
    }

    fn release(&mut self) {
        self.released = true;
        self.client.release_input(self.now());
    }

    /// Types what fits; without output nothing would ever release the input, so an empty output releases at once.
    fn type_on(&mut self) {
        if self.plan.output.is_empty() && !self.plan.encrypted {
            self.release();
        }
        while let Some(stroke) = self.keyboard.next_due(self.elapsed) {
            match stroke {
                Stroke::Interrupt => self.press_ctrl_c(),
                Stroke::Keys(keys) => {
                    let taken = self.client.send_input(&keys);
                    self.keyboard.note_typed(&keys[..taken]);
                    if taken < keys.len() {
                        return self.keyboard.put_back(&keys[taken..]);
                    }
                }
            }
        }
    }

    fn press_ctrl_c(&mut self) {
        let before = self.client.counters();
        let unsent = usize::try_from(before.input_typed - before.input_bytes - before.input_dropped).unwrap();
        let dropped = self.client.interrupt().dropped;
        self.keyboard.note_interrupt(dropped, unsent);
        assert_eq!(self.client.send_input(&[CTRL_C]), 1, "an interrupt makes room for its key");
        self.keyboard.note_typed(&[CTRL_C]);
    }

    fn send_to_agent(&mut self, frame: &Bytes) {
        self.carry(frame, Wire::ToAgent);
    }

    fn send_to_client(&mut self, frame: &Bytes) {
        self.carry(frame, Wire::ToClient);
    }

    fn carry(&mut self, frame: &Bytes, wire: impl Fn(Bytes) -> Wire) {
        let is_silent = self.plan.silent_from.is_some_and(|from| self.elapsed >= Duration::from_millis(from));
        let is_ack =
            Frame::decode_without_digest(frame.clone()).is_ok_and(|frame| frame.message_type == MessageType::Acknowledge);
        let lost = self.random.percent(self.plan.drop) || (is_ack && self.random.percent(self.plan.lose_acks));
        if !self.connected || is_silent || lost {
            return;
        }
        let copies = 1 + usize::from(self.random.percent(self.plan.duplicate));
        for _ in 0..copies {
            let late = if self.random.percent(self.plan.reorder) {
                Duration::from_millis(self.random.next() % 150)
            } else {
                Duration::ZERO
            };
            let latency = self.plan.latency;
            self.after(latency + late, wire(frame.clone()));
        }
    }
}

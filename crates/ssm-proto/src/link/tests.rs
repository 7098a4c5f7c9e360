//! One link, one hand-made peer, one clock that the test turns: what the scenes of two ends do not reach.

mod damage;
mod gate;
mod handshake;
mod silence;

use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Event, Link, LinkConfig, Transmit};
use crate::{
    entropy::Entropy,
    frame::Frame,
    now::Now,
    payload::{Acknowledgement, ChannelClosed, HandshakeComplete, MessageType, OpenDataChannel, PayloadType},
};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// Counts, so that no two draws are equal.
struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        for (byte, value) in out.iter_mut().zip(self.0.to_le_bytes().into_iter().cycle()) {
            *byte = value;
        }
    }
}

/// A link and the time.
struct Bench {
    link: Link,
    base: Instant,
    elapsed: Duration,
}

impl Bench {
    fn new(config: LinkConfig) -> Self {
        let link = Link::new(config, Box::new(Counting(0)));
        Self { link, base: Instant::now(), elapsed: Duration::ZERO }
    }

    /// Connected, OpenDataChannel sent, the agent silent.
    fn opened(config: LinkConfig) -> Self {
        let mut bench = Self::new(config);
        bench.connect("token");
        bench.open_frame();
        bench
    }

    /// As [`Bench::opened`], and input is released.
    fn released() -> Self {
        let mut bench = Self::opened(LinkConfig::default());
        bench.link.release_input(bench.now());
        bench
    }

    fn now(&self) -> Now {
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap();
        Now { instant: self.base + self.elapsed, unix_millis: 1_700_000_000_000 + millis }
    }

    /// Turns the clock without telling the link.
    fn wait(&mut self, time: Duration) {
        self.elapsed += time;
    }

    /// Turns the clock and lets the timers run.
    fn expire(&mut self, time: Duration) {
        self.wait(time);
        self.link.handle_timeout(self.now());
    }

    /// Turns the clock to what `poll_timeout` names, lets the timers run, and says how long that took and why.
    fn next_timeout(&mut self) -> Option<(Duration, &'static str)> {
        let (at, why) = self.link.poll_timeout()?;
        let waited = at.saturating_duration_since(self.now().instant);
        self.expire(waited);
        Some((waited, why))
    }

    fn connect(&mut self, token: &str) {
        self.link.handle_connected(Zeroizing::new(token.to_owned()), self.now());
    }

    fn disconnect(&mut self) {
        self.link.handle_disconnected(self.now());
    }

    #[track_caller]
    fn open_frame(&mut self) -> OpenDataChannel {
        match self.link.poll_transmit(self.now()) {
            Some(Transmit::Text(text)) => OpenDataChannel::decode(text.as_bytes()).unwrap(),
            other => panic!("the first frame of a connection is {other:?}"),
        }
    }

    /// Everything for the socket, read back.
    fn sent(&mut self) -> Vec<Frame> {
        let frames = std::iter::from_fn(|| self.link.poll_transmit(self.now()));
        let read = |transmit| match transmit {
            Transmit::Binary(bytes) => Frame::decode(bytes).unwrap(),
            Transmit::Text(_) => panic!("a second OpenDataChannel"),
        };
        frames.map(read).collect()
    }

    /// The numbered messages among [`Bench::sent`].
    fn messages(&mut self) -> Vec<Frame> {
        self.sent().into_iter().filter(|frame| frame.message_type == MessageType::InputStreamData).collect()
    }

    /// The numbers that [`Bench::sent`] confirms.
    fn confirmed(&mut self) -> Vec<i64> {
        let acks = self.sent().into_iter().filter(|frame| frame.message_type == MessageType::Acknowledge);
        acks.map(|ack| Acknowledgement::decode(&ack.payload).unwrap().acknowledged_message_sequence_number).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.link.poll_event()).collect()
    }

    /// The bytes of the output among the events; other events are taken too.
    fn shown(&mut self) -> Vec<u8> {
        let output = |event| if let Event::Output(bytes) = event { Some(bytes) } else { None };
        self.events().into_iter().filter_map(output).flatten().collect()
    }

    fn hear(&mut self, frame: &Frame) {
        self.link.handle_binary(frame.encode(), self.now());
    }

    fn hear_stream(&mut self, sequence: i64, kind: PayloadType, payload: impl Into<Bytes>) {
        self.hear(&stream(sequence, kind, payload));
    }

    fn hear_output(&mut self, sequence: i64, payload: impl Into<Bytes>) {
        self.hear_stream(sequence, PayloadType::Output, payload);
    }

    fn hear_complete(&mut self, sequence: i64) {
        let complete = HandshakeComplete { nanos_to_complete: 1, customer_message: String::new() };
        self.hear_stream(sequence, PayloadType::HandshakeComplete, complete.encode());
    }

    fn hear_publication(&mut self, message_type: MessageType) {
        self.hear(&control(message_type, Bytes::new()));
    }

    fn hear_closed(&mut self, output: &str) {
        let closed = ChannelClosed { output: Some(output.to_owned()), ..ChannelClosed::default() };
        self.hear(&control(MessageType::ChannelClosed, closed.encode()));
    }

    fn acknowledge(&mut self, number: i64) {
        let ack = Acknowledgement {
            acknowledged_message_type: MessageType::InputStreamData,
            acknowledged_message_id: Uuid::nil(),
            acknowledged_message_sequence_number: number,
            is_sequential_message: true,
        };
        self.hear(&control(MessageType::Acknowledge, ack.encode()));
    }
}

/// A message of the agent.
fn stream(sequence: i64, payload_type: PayloadType, payload: impl Into<Bytes>) -> Frame {
    let message_id = Uuid::from_u128(0xabcd_0000 + u128::from(sequence.unsigned_abs()));
    let frame = control(MessageType::OutputStreamData, payload.into());
    Frame { sequence, message_id, payload_type, ..frame }
}

/// A message without a number.
fn control(message_type: MessageType, payload: Bytes) -> Frame {
    Frame {
        message_type,
        schema_version: 1,
        created_millis: 1,
        sequence: 0,
        flags: 3,
        message_id: Uuid::from_u128(0xffff),
        payload_type: PayloadType::Untyped,
        payload,
    }
}

fn numbers(frames: &[Frame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.sequence).collect()
}

fn kinds(frames: &[Frame]) -> Vec<PayloadType> {
    frames.iter().map(|frame| frame.payload_type).collect()
}

fn payloads(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.payload.clone()).collect()
}

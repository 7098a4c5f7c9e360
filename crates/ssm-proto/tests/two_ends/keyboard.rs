//! A user who types over virtual time, and what must come of it.
//!
//! Owns the strokes, their times and the log from which the expected input is computed. Knows nothing of messages, numbers
//! or the link's own account of a paste.

use crate::plan::{Plan, Random};
use std::collections::VecDeque;
use std::time::Duration;

pub(crate) const OPEN: &[u8] = b"\x1b[200~";
pub(crate) const CLOSE: &[u8] = b"\x1b[201~";
pub(crate) const CTRL_C: u8 = 3;

/// How the plan's input is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    /// All at the start.
    AtOnce,
    /// Up to 400 bytes every 0 to 80 ms, now and then some KiB at once.
    Paced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    Keys(Vec<u8>),
    Interrupt,
}

/// An interrupt as the link reported it.
struct Cut {
    /// Bytes typed before.
    at: usize,
    dropped: usize,
    /// Typed bytes that were neither numbered nor dropped before.
    unsent: usize,
}

/// The strokes to come and the log of those that were taken.
pub(crate) struct Keyboard {
    strokes: VecDeque<(Duration, Stroke)>,
    typed: Vec<u8>,
    cuts: Vec<Cut>,
}

/// What the far end must have read, computed from the log alone.
pub(crate) struct Expected {
    pub(crate) bytes: Vec<u8>,
    pub(crate) closers: usize,
    /// Interrupts that dropped something of a burst whose head was sent.
    pub(crate) partial_drops: usize,
    /// Interrupts that kept the end of a marker whose beginning was sent.
    pub(crate) kept_ends: usize,
}

impl Keyboard {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut random = Random::new(plan.seed ^ 0x7777_1234_9999_abcd);
        let mut interrupts: VecDeque<usize> = plan.interrupts.iter().map(|at| (*at).min(plan.input.len())).collect();
        interrupts.make_contiguous().sort_unstable();
        let (mut strokes, mut at, mut when) = (VecDeque::new(), 0, Duration::ZERO);
        while at < plan.input.len() || !interrupts.is_empty() {
            if interrupts.front() == Some(&at) {
                interrupts.pop_front();
                strokes.push_back((when, Stroke::Interrupt));
            } else {
                let until = interrupts.front().copied().unwrap_or(plan.input.len());
                let end = until.min(at + plan.typing.piece(&mut random));
                strokes.push_back((when, Stroke::Keys(plan.input[at..end].to_vec())));
                at = end;
            }
            when += plan.typing.pause(&mut random);
        }
        Self { strokes, typed: Vec::new(), cuts: Vec::new() }
    }

    pub(crate) fn times(&self) -> Vec<Duration> {
        self.strokes.iter().map(|(when, _)| *when).collect()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.strokes.is_empty()
    }

    pub(crate) fn next_due(&mut self, now: Duration) -> Option<Stroke> {
        self.strokes.pop_front_if(|(when, _)| *when <= now).map(|(_, stroke)| stroke)
    }

    /// What the link had no room for comes again first.
    pub(crate) fn put_back(&mut self, rest: &[u8]) {
        self.strokes.push_front((Duration::ZERO, Stroke::Keys(rest.to_vec())));
    }

    pub(crate) fn note_typed(&mut self, bytes: &[u8]) {
        self.typed.extend_from_slice(bytes);
    }

    pub(crate) fn note_interrupt(&mut self, dropped: usize, unsent: usize) {
        self.cuts.push(Cut { at: self.typed.len(), dropped, unsent });
    }

    pub(crate) fn typed(&self) -> &[u8] {
        &self.typed
    }

    pub(crate) fn dropped(&self) -> usize {
        self.cuts.iter().map(|cut| cut.dropped).sum()
    }

    /// The typed bytes without the reported ranges, and the closer of an open paste where a range was cut.
    pub(crate) fn expected(&self) -> Expected {
        let mut expected = Expected { bytes: Vec::new(), closers: 0, partial_drops: 0, kept_ends: 0 };
        let (mut from, mut untouchable) = (0, 0);
        for cut in &self.cuts {
            // The burst began with the key of the interrupt before.
            let burst = (cut.at - from).saturating_sub(1);
            expected.bytes.extend_from_slice(&self.typed[from..cut.at]);
            from = cut.at;
            let keep = expected.bytes.len() - cut.dropped;
            assert!(keep >= untouchable, "what was promised before a closer was dropped after it");
            let dropped = expected.bytes.split_off(keep);
            cut.check(&expected.bytes, &dropped);
            expected.partial_drops += usize::from(cut.dropped > 0 && cut.dropped < burst);
            expected.kept_ends += usize::from(cut.unsent > cut.dropped);
            if paste_is_open(&expected.bytes) {
                expected.bytes.extend_from_slice(CLOSE);
                expected.closers += 1;
                untouchable = expected.bytes.len();
            }
        }
        expected.bytes.extend_from_slice(&self.typed[from..]);
        expected
    }
}

impl Cut {
    /// Everything that was not sent is dropped, but for the end of a marker whose beginning was sent.
    fn check(&self, before: &[u8], dropped: &[u8]) {
        let kept = self.unsent - self.dropped;
        assert!(kept < OPEN.len(), "an interrupt at {} kept {kept} bytes", self.at);
        assert!(kept == 0 || before.ends_with(OPEN) || before.ends_with(CLOSE), "what an interrupt keeps ends a marker");
        for marker in [OPEN, CLOSE] {
            let torn = (1..marker.len()).any(|at| before.ends_with(&marker[..at]) && dropped.starts_with(&marker[at..]));
            assert!(!torn, "an interrupt at {} left half a marker at the far end", self.at);
        }
    }
}

impl Typing {
    fn piece(self, random: &mut Random) -> usize {
        match self {
            Self::AtOnce => 700,
            Self::Paced if random.percent(12) => 4_000 + random.below(16_000),
            Self::Paced => 1 + random.below(400),
        }
    }

    fn pause(self, random: &mut Random) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Paced => Duration::from_millis(random.below(81) as u64),
        }
    }
}

/// Whether the last marker opens a paste.
pub(crate) fn paste_is_open(bytes: &[u8]) -> bool {
    let last = |marker: &[u8]| bytes.windows(marker.len()).rposition(|window| window == marker);
    match (last(OPEN), last(CLOSE)) {
        (Some(open), close) => close.is_none_or(|close| close < open),
        (None, _) => false,
    }
}

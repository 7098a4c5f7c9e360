//! What a scene is made of: settings, and the randomness that a seed stands for.

use crate::keyboard::Typing;
use ssm_proto::{Entropy, LinkConfig};
use std::time::Duration;

/// What happens. Percentages are of frames, times in milliseconds after the start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) drop: u8,
    pub(crate) duplicate: u8,
    pub(crate) reorder: u8,
    pub(crate) lose_acks: u8,
    pub(crate) latency: Duration,
    pub(crate) cuts: Vec<u64>,
    /// How long a cut lasts.
    pub(crate) away: Duration,
    pub(crate) pauses: Vec<u64>,
    pub(crate) silent_from: Option<u64>,
    pub(crate) encrypted: bool,
    pub(crate) ack_race: bool,
    pub(crate) input: Vec<u8>,
    pub(crate) typing: Typing,
    /// A Ctrl-C is typed after so many bytes of the input.
    pub(crate) interrupts: Vec<usize>,
    /// The input window never grows.
    pub(crate) fixed_window: bool,
    pub(crate) output: Vec<u8>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            drop: 0,
            duplicate: 0,
            reorder: 0,
            lose_acks: 0,
            latency: Duration::from_millis(10),
            cuts: Vec::new(),
            away: Duration::from_millis(700),
            pauses: Vec::new(),
            silent_from: None,
            encrypted: false,
            ack_race: false,
            input: Vec::new(),
            typing: Typing::AtOnce,
            interrupts: Vec::new(),
            fixed_window: false,
            output: Vec::new(),
        }
    }
}

impl Plan {
    pub(crate) fn link_config(&self) -> LinkConfig {
        let config = LinkConfig::default();
        let ceiling = if self.fixed_window { config.input_window_bytes } else { config.input_window_ceiling };
        LinkConfig { input_window_ceiling: ceiling, ..config }
    }
}

/// xorshift: the same seed, the same scene.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn percent(&mut self, chance: u8) -> bool {
        self.next() % 100 < u64::from(chance)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.next().to_le_bytes()[3];
        }
    }
}

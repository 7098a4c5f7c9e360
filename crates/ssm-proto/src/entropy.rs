//! Where random bytes come from: message ids and the starts of nonce counters.
//! Never decides what they are used for.

use uuid::{Builder, Uuid};

/// A source of random bytes.
pub trait Entropy {
    /// Fills the whole slice.
    fn fill(&mut self, out: &mut [u8]);
}

/// The system's cryptographic generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// When the operating system has no random source, where no session may go on.
    fn fill(&mut self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("the system's random source answers");
    }
}

/// Draws a version 4 UUID.
pub(crate) fn random_uuid(entropy: &mut dyn Entropy) -> Uuid {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}

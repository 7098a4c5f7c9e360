//! Chance for pauses.
//!
//! Owns one source that tests replace. Nothing secret comes from it.

use std::fmt;
use std::sync::Arc;

/// Gives shares from 0 to 1; cheap to clone.
#[derive(Clone)]
pub struct Dice(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Dice {
    /// Shares as a function gives them.
    pub fn new(roll: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(roll))
    }

    pub(crate) fn roll(&self) -> f64 {
        (self.0)()
    }
}

impl Default for Dice {
    /// The system's random source; without it the longest pauses.
    fn default() -> Self {
        Self::new(|| {
            let mut bytes = [0; 4];
            if aws_lc_rs::rand::fill(&mut bytes).is_ok() {
                f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
            } else {
                1.0
            }
        })
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_gives_shares_that_differ() {
        let dice = Dice::default();
        let shares: Vec<f64> = (0..64).map(|_| dice.roll()).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(shares.iter().any(|share| *share < 0.5) && shares.iter().any(|share| *share >= 0.5));
    }
}

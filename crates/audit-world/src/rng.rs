//! A small seeded generator of random numbers, and samplers over it.
//!
//! Owns reproducibility: the same seed gives the same numbers on every machine. Not for secrets.

/// xoshiro256** by Blackman and Vigna, seeded by splitmix64.
#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator of one seed.
    pub fn new(seed: u64) -> Self {
        let mut mixed = seed;
        Self { state: std::array::from_fn(|_| splitmix(&mut mixed)) }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform in `0.0..1.0`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `from..to`; `from` when the range is empty.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = to.saturating_sub(from).max(1).unsigned_abs();
        from + i64::try_from(self.bits() % width).unwrap_or_default()
    }

    /// Uniform in `0..count`.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.bits() % count.max(1) as u64).unwrap_or_default()
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of some values.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Exponential with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Lognormal with the given median and the deviation of its logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Lognormal, drawn again until it lies in a range; rounded down.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "ranges here are far below 2^53")]
    pub fn lognormal_in(&mut self, median: f64, sigma: f64, from: i64, to: i64) -> i64 {
        loop {
            let drawn = self.lognormal(median, sigma);
            if (from as f64..to as f64).contains(&drawn) {
                return drawn as i64;
            }
        }
    }

    /// So many characters of an alphabet.
    pub fn text(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(*self.pick(alphabet))).collect()
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence() {
        let draw = |seed| {
            std::iter::repeat_with({
                let mut rng = Rng::new(seed);
                move || rng.bits()
            })
            .take(8)
            .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn samplers_have_their_moments() {
        let mut rng = Rng::new(1);
        let count = 50_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / f64::from(count);
        let normal: Vec<f64> = (0..count).map(|_| rng.normal()).collect();
        assert!(mean(&normal).abs() < 0.02);
        assert!((mean(&normal.iter().map(|x| x * x).collect::<Vec<_>>()) - 1.0).abs() < 0.03);
        let exponential: Vec<f64> = (0..count).map(|_| rng.exponential(3.0)).collect();
        assert!((mean(&exponential) - 3.0).abs() < 0.1);
        let mut lognormal: Vec<f64> = (0..count).map(|_| rng.lognormal(5.0, 0.7)).collect();
        lognormal.sort_by(f64::total_cmp);
        assert!((lognormal[25_000] - 5.0).abs() < 0.15, "median {}", lognormal[25_000]);
        assert!((0..1000).all(|_| (3..9).contains(&rng.lognormal_in(5.0, 1.0, 3, 9))));
    }
}

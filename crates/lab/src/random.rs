//! Random ids and a small seeded generator for faults. Never used for anything that must be secret outside the lab.

use std::fmt::Write as _;

/// A seeded generator (splitmix64): same seed, same faults.
#[derive(Debug)]
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Says true in about `percent` of 100 calls.
    pub(crate) fn chance(&mut self, percent: u8) -> bool {
        percent > 0 && self.next() % 100 < u64::from(percent)
    }
}

/// Fills an array from the system's generator.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).expect("the system has a random generator");
    out
}

/// Returns `N` random bytes as lower-case hexadecimal.
pub(crate) fn hex_id<const N: usize>() -> String {
    hex(&bytes::<N>())
}

/// Returns 26 characters of lower-case base 32, the form of a new ECS Exec session id (amazon-ssm-agent#653).
pub(crate) fn base32_id() -> String {
    bytes::<26>().iter().map(|byte| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(byte % 32)])).collect()
}

/// Returns random decimal digits.
pub(crate) fn digits<const N: usize>() -> String {
    bytes::<N>().iter().map(|byte| char::from(b'0' + byte % 10)).collect()
}

/// Formats bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let draw = |seed| {
            let mut generator = Seeded::new(seed);
            (0..64).map(|_| generator.chance(30)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let hits = draw(7).iter().filter(|hit| **hit).count();
        assert!((8..32).contains(&hits), "{hits} of 64 at 30 %");
    }

    #[test]
    fn ids_have_their_forms() {
        assert_eq!(hex_id::<16>().len(), 32);
        assert_eq!(base32_id().len(), 26);
        assert!(digits::<10>().chars().all(|c| c.is_ascii_digit()));
    }
}

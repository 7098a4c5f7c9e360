//! People, their machines and offices.
//!
//! Owns who they are; what they do is in the plans.

use crate::rng::Rng;
use crate::time::{MINUTE, Ms, SECOND};

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// The name at Boundary and in role session names.
    pub(crate) name: String,
    /// Boundary's id of the user.
    pub(crate) user_id: String,
    /// The subject at the identity provider.
    pub(crate) subject: String,
    /// The laptop's name.
    pub(crate) host: String,
    /// By how much the laptop's clock is ahead.
    pub(crate) skew: Ms,
    /// The office's address; offices hide everybody behind one.
    pub(crate) address: String,
}

const FIRST: [&str; 20] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "karl", "lena", "mallory", "nina",
    "olaf", "peggy", "quinn", "rupert", "sybil", "trent",
];

impl Person {
    /// The person of a number, from one generator.
    pub(crate) fn of(number: usize, rng: &mut Rng) -> Self {
        let name = format!("{}{}", FIRST[number % FIRST.len()], number / FIRST.len());
        // Most clocks are a few seconds off, one in ten minutes.
        let skew = if rng.chance(0.1) { rng.between(-8 * MINUTE, 8 * MINUTE) } else { rng.between(-4 * SECOND, 4 * SECOND) };
        let office = rng.below(6);
        let address =
            if rng.chance(0.7) { format!("198.51.100.{}", office + 1) } else { format!("203.0.113.{}", number % 250 + 1) };
        Self {
            user_id: format!("u_{}", rng.text(ALPHANUMERIC, 10)),
            subject: format!("subject-{}", rng.text(HEX, 12)),
            host: format!("{name}-laptop"),
            name,
            skew,
            address,
        }
    }
}

/// Letters and digits of Boundary's ids.
pub(crate) const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Lower-case hexadecimal digits.
pub(crate) const HEX: &[u8] = b"0123456789abcdef";
/// Letters and digits of SSM's ids.
pub(crate) const SSM_TAIL: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

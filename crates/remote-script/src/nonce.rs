//! The number that ties marks and confirmation to one run of the script.
//!
//! Owns its text form. Never draws randomness: the caller does.

use std::fmt;

/// Names one run of the remote script: 32 lower-case hexadecimal digits.
///
/// It separates our marks from a program's output; it is no secret, since the container's process list
/// and CloudTrail show it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(String);

impl Nonce {
    /// Makes a nonce of 16 bytes, which should be random.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Returns the 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_are_kept() {
        let nonce = Nonce::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(nonce.as_str(), "000102030405060708090a0b0c0d0eff");
    }
}

//! Base58 with Bitcoin's alphabet, as Boundary writes tokens. Quadratic, which tokens of a few kilobytes can bear.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The longest text that is read.
const TEXT_MAX: usize = 64 * 1024;

/// Reads base58 text; none when it is something else or too long.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > TEXT_MAX {
        return None;
    }
    // Little-endian base 256 while it grows; never reallocated, so that no copy stays behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    for c in text.bytes() {
        let digit = ALPHABET.iter().position(|a| *a == c)?;
        let mut carry = u32::try_from(digit).ok()?;
        for byte in bytes.iter_mut() {
            carry += u32::from(*byte) * 58;
            *byte = low_byte(carry);
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(low_byte(carry));
            carry >>= 8;
        }
    }
    let leading = text.bytes().take_while(|c| *c == b'1').count();
    bytes.extend(std::iter::repeat_n(0, leading));
    bytes.reverse();
    Some(bytes)
}

/// Writes base58 text.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    // Little-endian base 58 while it grows.
    let mut digits: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(bytes.len() * 2));
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in digits.iter_mut() {
            carry += u32::from(*digit) << 8;
            *digit = low_byte(carry % 58);
            carry /= 58;
        }
        while carry > 0 {
            digits.push(low_byte(carry % 58));
            carry /= 58;
        }
    }
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    digits.extend(std::iter::repeat_n(0, leading));
    Zeroizing::new(digits.iter().rev().map(|digit| char::from(ALPHABET[usize::from(*digit)])).collect())
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_known_pairs() {
        for (text, bytes) in [("2NEpo7TZRRrLZSi2U", b"Hello World!".as_slice()), ("1112", &[0, 0, 0, 1]), ("", &[])] {
            assert_eq!(decode(text).unwrap().as_slice(), bytes);
            assert_eq!(encode(bytes).as_str(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        assert!(decode("0OIl").is_none());
        assert!(decode("é").is_none());
        assert!(decode(&"1".repeat(TEXT_MAX + 1)).is_none());
    }
}

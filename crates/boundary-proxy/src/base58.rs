//! Base58 with Bitcoin's alphabet, as Boundary writes authorization tokens: no checksum, no version byte.
//!
//! Owns the arithmetic only. It is quadratic, which tokens of a few kilobytes can bear.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The longest text that is looked at, in bytes; a token with ten workers has below 2 KiB.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Reads base58 text.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let digits = text.bytes().map(|c| ALPHABET.iter().position(|a| *a == c).and_then(|digit| u8::try_from(digit).ok()));
    convert(digits, 58, 256, text.len())
}

/// Writes base58 text.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let digits = convert(bytes.iter().copied().map(Some), 256, 58, bytes.len() * 2).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(digits.len()));
    text.extend(digits.iter().filter_map(|digit| ALPHABET.get(usize::from(*digit))).copied().map(char::from));
    text
}

/// Turns big-endian digits of one base into those of another; leading zeros are kept one for one.
///
/// `room` is at least the number of digits that come out, so that no half-made secret is left behind by a vector that grows.
fn convert(digits: impl Iterator<Item = Option<u8>>, from_base: u32, to_base: u32, room: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut made = Zeroizing::new(Vec::with_capacity(room));
    let mut leading_zeros = 0;
    for digit in digits {
        let mut carry = u32::from(digit?);
        if carry == 0 && made.is_empty() {
            leading_zeros += 1;
            continue;
        }
        for place in made.iter_mut() {
            carry += u32::from(*place) * from_base;
            *place = lowest_byte(carry % to_base);
            carry /= to_base;
        }
        while carry > 0 {
            made.push(lowest_byte(carry % to_base));
            carry /= to_base;
        }
    }
    made.extend(std::iter::repeat_n(0, leading_zeros));
    made.reverse();
    Some(made)
}

fn lowest_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_known_pairs() {
        for (text, bytes) in
            [("2NEpo7TZRRrLZSi2U", b"Hello World!".as_slice()), ("1112", &[0, 0, 0, 1]), ("", &[]), ("11", &[0, 0])]
        {
            assert_eq!(decode(text).unwrap().as_slice(), bytes);
            assert_eq!(encode(bytes).as_str(), text);
        }
    }

    #[test]
    fn every_byte_survives() {
        let bytes: Vec<u8> = (0..=255).rev().collect();
        assert_eq!(decode(&encode(&bytes)).unwrap().as_slice(), bytes);
    }

    #[test]
    fn foreign_and_endless_texts_are_refused() {
        assert!(decode("0OIl").is_none());
        assert!(decode(&"2".repeat(MAX_TEXT_BYTES + 1)).is_none());
    }
}

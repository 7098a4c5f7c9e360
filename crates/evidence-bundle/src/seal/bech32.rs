//! The text form of a recipient: Bech32 (BIP-173) with the prefix `age` and 32 bytes.
//!
//! A key has exactly one text, so [`read`] checks letters and length alone, and the caller compares the text with what [`text`]
//! gives: that is the checksum, the case and the unused bits at once.

/// What the text begins with; BIP-173 calls it the human-readable part.
const PREFIX: &str = "age";

/// What stands between prefix and data.
const SEPARATOR: &str = "1";

/// The letters of the values 0 to 31.
const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// 32 bytes in groups of five bits.
const GROUPS: usize = 52;

/// The letters of the checksum.
const CHECKSUM: usize = 6;

/// The whole text, letters.
pub(super) const LENGTH: usize = PREFIX.len() + SEPARATOR.len() + GROUPS + CHECKSUM;

/// The key that a text of the right letters and length spells, whether its checksum fits or not.
pub(super) fn read(text: &str) -> Option<[u8; 32]> {
    let letters = text.strip_prefix(PREFIX)?.strip_prefix(SEPARATOR)?.as_bytes();
    if letters.len() != GROUPS + CHECKSUM {
        return None;
    }
    let values = letters.iter().map(|letter| LETTERS.iter().position(|l| l == letter)).collect::<Option<Vec<_>>>()?;
    let mut key = [0; 32];
    for bit in (0..256).filter(|bit| values[bit / 5] & (16 >> (bit % 5)) != 0) {
        key[bit / 8] |= 128 >> (bit % 8);
    }
    Some(key)
}

/// The text of a key.
pub(super) fn text(key: &[u8; 32]) -> String {
    let mut groups = [0_u8; GROUPS];
    for bit in (0..256).filter(|bit| key[bit / 8] & (128 >> (bit % 8)) != 0) {
        groups[bit / 5] |= 16 >> (bit % 5);
    }
    let letters = groups.into_iter().chain(checksum(&groups)).map(|value| char::from(LETTERS[usize::from(value)]));
    [PREFIX, SEPARATOR].into_iter().flat_map(str::chars).chain(letters).collect()
}

fn checksum(groups: &[u8]) -> [u8; CHECKSUM] {
    let high = PREFIX.bytes().map(|letter| letter >> 5);
    let low = PREFIX.bytes().map(|letter| letter & 31);
    let sum = polymod(high.chain([0]).chain(low).chain(groups.iter().copied()).chain([0; CHECKSUM])) ^ 1;
    let mut place = 5 * CHECKSUM;
    [(); CHECKSUM].map(|()| {
        place -= 5;
        (sum >> place & 31) as u8
    })
}

/// The remainder of BIP-173's code over GF(32), with its reference's name.
fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let top = sum >> 25;
        GENERATOR.iter().enumerate().filter(|(i, _)| top >> i & 1 == 1).fold(shifted, |sum, (_, term)| sum ^ term)
    })
}

//! As much of protobuf's wire format as a handful of small messages needs. Owns tags, varints and lengths; never panics.

/// One field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A varint; negative numbers are sign-extended to 64 bits.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A signed number of 64 or 32 bits, in protobuf's two's complement.
    pub(crate) fn signed(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number.cast_signed()),
            Self::Bytes(_) => None,
        }
    }
}

/// The fields of a message in order; ends at the first byte that does not fit.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let key = varint(&mut rest)?;
            let skipped = match key & 7 {
                0 => return Some((key >> 3, Value::Number(varint(&mut rest)?))),
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    let (value, after) = rest.split_at_checked(length)?;
                    rest = after;
                    return Some((key >> 3, Value::Bytes(value)));
                }
                1 => 8,
                5 => 4,
                _ => return None,
            };
            rest = rest.get(skipped..)?;
        }
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Appends a text, bytes or message field.
pub(crate) fn put_bytes(message: &mut Vec<u8>, number: u64, value: &[u8]) {
    put_varint(message, number << 3 | 2);
    put_varint(message, value.len() as u64);
    message.extend_from_slice(value);
}

/// Appends a number field; zero is left out, as protobuf does.
pub(crate) fn put_number(message: &mut Vec<u8>, number: u64, value: i64) {
    if value != 0 {
        put_varint(message, number << 3);
        put_varint(message, value.cast_unsigned());
    }
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    message.push(value.to_le_bytes()[0]);
}

/// Reads a `google.protobuf.Timestamp`; none when it is out of range.
pub(crate) fn timestamp(bytes: &[u8]) -> Option<jiff::Timestamp> {
    let (mut seconds, mut nanoseconds) = (0, 0);
    for (number, value) in fields(bytes) {
        match number {
            1 => seconds = value.signed()?,
            2 => nanoseconds = i32::try_from(value.signed()?).ok()?,
            _ => {}
        }
    }
    jiff::Timestamp::new(seconds, nanoseconds).ok()
}

/// Appends a `google.protobuf.Timestamp` field.
pub(crate) fn put_timestamp(message: &mut Vec<u8>, number: u64, at: jiff::Timestamp) {
    let mut inner = Vec::new();
    put_number(&mut inner, 1, at.as_second());
    put_number(&mut inner, 2, i64::from(at.subsec_nanosecond()));
    put_bytes(message, number, &inner);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read() {
        let at = jiff::Timestamp::new(1_700_000_000, 5).unwrap();
        let mut message = Vec::new();
        put_bytes(&mut message, 10, b"text");
        put_number(&mut message, 20, -1);
        put_number(&mut message, 21, 0);
        put_timestamp(&mut message, 30, at);
        let read: Vec<_> = fields(&message).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0], (10, Value::Bytes(b"text")));
        assert_eq!(read[1].1.signed(), Some(-1));
        assert_eq!(timestamp(read[2].1.bytes().unwrap()), Some(at));
    }

    #[test]
    fn fixed_fields_are_passed_over() {
        let mut message = vec![1 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 2 << 3 | 5, 0, 0, 0, 0];
        put_number(&mut message, 3, 7);
        assert_eq!(fields(&message).collect::<Vec<_>>(), [(3, Value::Number(7))]);
    }

    #[test]
    fn no_bytes_panic() {
        for first in 0..=255 {
            for second in [0, 1, 2, 127, 128, 255] {
                for length in 0..12 {
                    let mut bytes = vec![first, second];
                    bytes.resize(2 + length, 0xff);
                    assert!(fields(&bytes).count() <= bytes.len());
                    let _ = timestamp(&bytes);
                }
            }
        }
    }
}

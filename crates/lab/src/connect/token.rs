//! The authorization token of a Boundary session: base58 of a protobuf message, as far as a client reads it.
//! Source: boundary internal/proto/controller/api/resources/targets/v1/target.proto, `SessionAuthorizationData`.

use std::net::SocketAddr;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthzToken {
    /// Field 10.
    pub session_id: String,
    /// Field 20.
    pub target_id: String,
    /// Field 40, seconds since 1970.
    pub created: i64,
    /// Field 90; -1 is no limit.
    pub connection_limit: i32,
    /// Field 105, seconds since 1970.
    pub expiration: i64,
    /// Field 141.
    pub endpoint: String,
    /// Field 150: addresses of workers, the first is to be used.
    pub workers: Vec<String>,
}

impl AuthzToken {
    /// Returns a token of a session to the gateway through a worker, without a connection limit.
    pub fn new(session_id: &str, target_id: &str, expiration: i64, worker: SocketAddr) -> Self {
        Self {
            session_id: session_id.to_owned(),
            target_id: target_id.to_owned(),
            created: expiration - 28_800,
            connection_limit: -1,
            expiration,
            endpoint: "tcp://ssmmessages.us-east-2.amazonaws.com:443".to_owned(),
            workers: vec![worker.to_string()],
        }
    }

    /// Reads a token; none if it is none.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = decode_base58(text)?;
        let mut token = Self {
            session_id: String::new(),
            target_id: String::new(),
            created: 0,
            connection_limit: 0,
            expiration: 0,
            endpoint: String::new(),
            workers: Vec::new(),
        };
        for (number, value) in fields(&bytes)? {
            match (number, value) {
                (10, Value::Bytes(bytes)) => token.session_id = text_of(bytes)?,
                (20, Value::Bytes(bytes)) => token.target_id = text_of(bytes)?,
                (40, Value::Bytes(bytes)) => token.created = seconds_of(bytes)?,
                (90, Value::Number(number)) => token.connection_limit = i32_of(number),
                (105, Value::Bytes(bytes)) => token.expiration = seconds_of(bytes)?,
                (141, Value::Bytes(bytes)) => token.endpoint = text_of(bytes)?,
                (150, Value::Bytes(bytes)) => token.workers.push(address_of(bytes)?),
                _ => {}
            }
        }
        (!token.session_id.is_empty()).then_some(token)
    }
}

/// Writes a token as a controller does, with a certificate and a private key that open nothing.
pub fn authz_token(token: &AuthzToken) -> String {
    let mut out = Vec::new();
    put_bytes(&mut out, 10, token.session_id.as_bytes());
    put_bytes(&mut out, 20, token.target_id.as_bytes());
    put_bytes(&mut out, 40, &timestamp(token.created));
    put_bytes(&mut out, 80, b"tcp");
    put_number(&mut out, 90, i64::from(token.connection_limit).cast_unsigned());
    put_number(&mut out, 102, 443);
    put_bytes(&mut out, 105, &timestamp(token.expiration));
    put_bytes(&mut out, 120, &[0x30; 96]);
    put_bytes(&mut out, 130, &[0x5a; 64]);
    put_bytes(&mut out, 141, token.endpoint.as_bytes());
    for worker in &token.workers {
        let mut info = Vec::new();
        put_bytes(&mut info, 10, worker.as_bytes());
        put_bytes(&mut out, 150, &info);
    }
    encode_base58(&out)
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(take_varint(&mut bytes)?),
            1 => Value::Bytes(take(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            5 => Value::Bytes(take(&mut bytes, 4)?),
            _ => return None,
        };
        found.push((key >> 3, value));
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text_of(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn seconds_of(bytes: &[u8]) -> Option<i64> {
    let seconds = fields(bytes)?.into_iter().find_map(|(number, value)| match (number, value) {
        (1, Value::Number(seconds)) => Some(seconds.cast_signed()),
        _ => None,
    });
    Some(seconds.unwrap_or_default())
}

fn address_of(bytes: &[u8]) -> Option<String> {
    fields(bytes)?.into_iter().find_map(|(number, value)| match (number, value) {
        (10, Value::Bytes(bytes)) => text_of(bytes),
        _ => None,
    })
}

/// Protobuf writes a negative int32 as a 64-bit number.
fn i32_of(number: u64) -> i32 {
    i32::try_from(number.cast_signed()).unwrap_or_default()
}

fn timestamp(seconds: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, 1, seconds.cast_unsigned());
    out
}

fn put_number(out: &mut Vec<u8>, field: u64, number: u64) {
    put_varint(out, field << 3);
    put_varint(out, number);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, u64::try_from(bytes.len()).unwrap_or_default());
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn encode_base58(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let ones = std::iter::repeat_n('1', zeros);
    ones.chain(digits.iter().rev().map(|digit| char::from(ALPHABET[usize::from(*digit)]))).collect()
}

fn decode_base58(text: &str) -> Option<Vec<u8>> {
    let zeros = text.bytes().take_while(|byte| *byte == b'1').count();
    let mut bytes: Vec<u8> = Vec::new();
    for letter in text.bytes() {
        let mut carry = u32::try_from(ALPHABET.iter().position(|known| *known == letter)?).ok()?;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    bytes.extend(std::iter::repeat_n(0, zeros));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = AuthzToken::new("s_1234567890", "ttcp_lab0000001", 1_800_000_000, ([127, 0, 0, 1], 9202).into());
        let text = authz_token(&token);
        assert!(text.chars().all(|c| ALPHABET.contains(&(c as u8))));
        assert_eq!(AuthzToken::decode(&text), Some(token));
    }

    #[test]
    fn base58_has_its_known_values() {
        // The examples of draft-msporny-base58.
        assert_eq!(encode_base58(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
        assert_eq!(encode_base58(&[0, 0, 0x28, 0x7f, 0xb4, 0xcd]), "11233QC4");
        assert_eq!(decode_base58("11233QC4").unwrap(), [0, 0, 0x28, 0x7f, 0xb4, 0xcd]);
    }

    #[test]
    fn garbage_is_no_token() {
        for text in ["", "0OIl", "2NEpo7TZRRrLZSi2U", "1111"] {
            assert_eq!(AuthzToken::decode(text), None, "{text}");
        }
    }
}

//! What we know of the Boundary session that carries us.
//!
//! Owns decoding the authorization token (base58 of a protobuf message `SessionAuthorizationData`; field numbers from Boundary
//! `internal/proto/controller/api/resources/targets/v1/target.proto`). The token also holds the session's private key: it is
//! looked at in place and never copied out.

use crate::ending::{Ending, Reason};
use base64::Engine as _;
use investigation::BoundarySessionId;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// How the Boundary session's id is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdSource {
    /// From the authorization token.
    Token,
    /// Given by the caller.
    Given,
    /// Not known.
    Unknown,
}

impl IdSource {
    /// The word used in records and results.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Given => "given",
            Self::Unknown => "unknown",
        }
    }
}

/// The Boundary session, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BoundarySession {
    /// Its id.
    pub(crate) id: Option<BoundarySessionId>,
    /// How the id is known.
    pub(crate) id_source: IdSource,
    /// Its target's id.
    pub(crate) target_id: Option<String>,
    /// When it expires.
    pub(crate) expires_at: Option<Timestamp>,
    /// `host:port` that the session leads to.
    pub(crate) endpoint: Option<String>,
    /// Addresses of the workers that may carry it, `host:port`.
    pub(crate) workers: Vec<String>,
}

impl BoundarySession {
    /// Nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { id: None, id_source: IdSource::Unknown, target_id: None, expires_at: None, endpoint: None, workers: Vec::new() }
    }

    /// How a run ends that Boundary has ended: its expiry, or anything else.
    pub(crate) fn ended(&self, what: &str) -> Ending {
        if self.expired_at(Timestamp::now()) {
            return Ending::failed(Reason::BoundaryExpired, format!("the Boundary session has expired ({what})"));
        }
        Ending::failed(Reason::BoundaryClosed, format!("the Boundary session is closed ({what})"))
    }

    /// Whether the session had expired at `now`, or was within five seconds of it: then a cut is the expiry, not an accident.
    pub(crate) fn expired_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expiry| now.as_second() >= expiry.as_second() - 5)
    }
}

/// Whether Boundary's proxy has ended: then its listener refuses. Costs a connection of the session when it has not, so it is
/// asked only by somebody who ends anyway.
pub(crate) fn listener_is_gone(listener: std::net::SocketAddr) -> bool {
    std::net::TcpStream::connect_timeout(&listener, LISTENER_ANSWERS_WITHIN).is_err()
}

/// A listener on this machine answers at once or not at all.
const LISTENER_ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_millis(200);

/// Why the token says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It is not base58.
    #[error("the authorization token is not base58 text")]
    NotBase58,
    /// It is no protobuf message, or one without a session id.
    #[error("the authorization token holds no Boundary session id")]
    NoSessionId,
    /// It is the JSON form, damaged.
    #[error("the authorization token looks like JSON but holds no token")]
    Json,
}

/// Reads what an authorization token says about its session.
///
/// Accepts the bare token and the JSON item of `authorize-session` that holds it.
///
/// # Errors
/// [`TokenError`]; the texts never hold a part of the token.
pub(crate) fn read_token(token: &SecretString) -> Result<BoundarySession, TokenError> {
    let text = token.expose_secret().trim();
    if text.starts_with('{') {
        return read_bytes(&decode(&inner_token(text)?)?);
    }
    read_bytes(&decode(text)?)
}

fn inner_token(json: &str) -> Result<Zeroizing<String>, TokenError> {
    #[derive(serde::Deserialize)]
    struct Item {
        authorization_token: String,
    }
    serde_json::from_str::<Item>(json).map(|item| Zeroizing::new(item.authorization_token)).map_err(|_| TokenError::Json)
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    base58(text)
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok().map(Zeroizing::new))
        .ok_or(TokenError::NotBase58)
}

const SESSION_ID: u64 = 10;
const TARGET_ID: u64 = 20;
const EXPIRATION: u64 = 105;
const ENDPOINT: u64 = 141;
const WORKER_INFO: u64 = 150;
const WORKER_ADDRESS: u64 = 10;

fn read_bytes(bytes: &[u8]) -> Result<BoundarySession, TokenError> {
    let mut session = BoundarySession::unknown();
    for (number, value) in fields(bytes) {
        let text = || std::str::from_utf8(value).ok();
        match number {
            SESSION_ID => session.id = text().and_then(|id| BoundarySessionId::parse(id).ok()),
            TARGET_ID => session.target_id = text().filter(|id| is_resource_id(id)).map(str::to_owned),
            EXPIRATION => session.expires_at = timestamp(value),
            WORKER_INFO => session.workers.extend(worker_address(value)),
            ENDPOINT => session.endpoint = text().map(|e| cli_kit::printable(e, 255)),
            _ => {}
        }
    }
    if session.id.is_none() {
        return Err(TokenError::NoSessionId);
    }
    session.id_source = IdSource::Token;
    Ok(session)
}

fn worker_address(info: &[u8]) -> Option<String> {
    let (_, address) = fields(info).find(|(number, _)| *number == WORKER_ADDRESS)?;
    let address = std::str::from_utf8(address).ok().filter(|text| text.len() <= 300 && text.is_ascii())?;
    Some(address.to_owned())
}

fn is_resource_id(id: &str) -> bool {
    id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A `google.protobuf.Timestamp`: seconds in field 1.
fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let value = varint(&mut rest)?;
        if key == 1 << 3 {
            return Timestamp::from_second(i64::try_from(value).ok()?).ok();
        }
    }
    None
}

/// The length-delimited fields of a protobuf message, in order; ends at the first byte that does not fit.
fn fields(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let key = varint(&mut rest)?;
            let skipped = match key & 7 {
                0 => {
                    varint(&mut rest)?;
                    continue;
                }
                1 => 8,
                5 => 4,
                2 => {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    let (value, after) = rest.split_at_checked(length)?;
                    rest = after;
                    return Some((key >> 3, value));
                }
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

/// Base58 with Bitcoin's alphabet, as Boundary writes tokens. Quadratic, which tokens of a few kilobytes can bear.
fn base58(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if text.len() > 64 * 1024 {
        return None;
    }
    // Little-endian base 256 while it grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    for c in text.bytes() {
        let mut carry = u32::try_from(ALPHABET.iter().position(|a| *a == c)?).ok()?;
        for byte in bytes.iter_mut() {
            carry += u32::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    let leading = text.bytes().take_while(|c| *c == b'1').count();
    bytes.extend(std::iter::repeat_n(0, leading));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u64, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, number << 3 | 2);
        push_varint(&mut bytes, value.len() as u64);
        bytes.extend_from_slice(value);
        bytes
    }

    fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
    }

    fn message() -> Vec<u8> {
        let mut expiry = vec![8];
        push_varint(&mut expiry, 1_700_000_000);
        let mut message = field(SESSION_ID, b"s_1234567890");
        push_varint(&mut message, 90 << 3); // connection_limit, a varint in between
        message.push(1);
        message.extend(field(TARGET_ID, b"ttcp_1234567890"));
        message.extend(field(EXPIRATION, &expiry));
        message.extend(field(130, &[0xff; 64]));
        message.extend(field(WORKER_INFO, &field(WORKER_ADDRESS, b"worker.example:9202")));
        message
    }

    #[test]
    fn a_token_says_its_session_target_and_expiry() {
        let session = read_bytes(&message()).unwrap();
        assert_eq!(session.id.unwrap().as_str(), "s_1234567890");
        assert_eq!(session.target_id.as_deref(), Some("ttcp_1234567890"));
        assert_eq!(session.expires_at.unwrap().as_second(), 1_700_000_000);
        assert_eq!(session.id_source, IdSource::Token);
        assert_eq!(session.workers, ["worker.example:9202"]);
    }

    #[test]
    fn base58_agrees_with_known_pairs() {
        assert_eq!(base58("2NEpo7TZRRrLZSi2U").unwrap().as_slice(), b"Hello World!");
        assert_eq!(base58("1112").unwrap().as_slice(), [0, 0, 0, 1]);
        assert!(base58("0OIl").is_none());
    }

    #[test]
    fn expiry_counts_from_five_seconds_before() {
        let mut session = BoundarySession::unknown();
        assert!(!session.expired_at(Timestamp::from_second(1_000).unwrap()));
        session.expires_at = Some(Timestamp::from_second(1_000).unwrap());
        assert!(!session.expired_at(Timestamp::from_second(994).unwrap()));
        assert!(session.expired_at(Timestamp::from_second(995).unwrap()));
    }

    #[test]
    fn a_hostile_token_is_refused_without_being_quoted() {
        for bad in ["", "not base58 0OIl!", "{}", "1111", "{\"authorization_token\":5}"] {
            let error = read_token(&SecretString::from(bad.to_owned())).unwrap_err();
            assert!(!error.to_string().contains("0OIl"));
        }
        for cut in 0..message().len() {
            let _ = read_bytes(&message()[..cut]);
        }
    }
}

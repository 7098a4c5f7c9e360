//! What the answer to `authorize-session` allows: one session, its workers, and the key pair that proves it.
//!
//! Owns the authorization token's form: base58 of the protobuf message `SessionAuthorizationData` (source: Boundary
//! `internal/proto/controller/api/resources/targets/v1/target.proto`). Asks no controller for one, connects nowhere.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::base58;
use crate::wire::{Fields, Value, WireError, decode_timestamp, encode_timestamp, put_bytes, put_int32, put_varint};

const SESSION_ID: u64 = 10;
const TARGET_ID: u64 = 20;
const TYPE: u64 = 80;
const CONNECTION_LIMIT: u64 = 90;
const ENDPOINT_PORT: u64 = 102;
const EXPIRATION: u64 = 105;
const CERTIFICATE: u64 = 120;
const PRIVATE_KEY: u64 = 130;
const ENDPOINT: u64 = 141;
const WORKER_INFO: u64 = 150;
const WORKER_ADDRESS: u64 = 10;

/// The longest id in bytes; Boundary's have 12 to 15.
const MAX_ID_BYTES: usize = 64;

/// The longest endpoint and worker address in bytes: a DNS name has 253 at most.
const MAX_ADDRESS_BYTES: usize = 300;

/// Why a token says nothing; the texts never hold a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not base58.
    #[error("the authorization token is not base58 text")]
    NotBase58,
    /// It is no protobuf message, or a known field has a foreign form.
    #[error("the authorization token is damaged")]
    Damaged(#[source] WireError),
    /// It names no session.
    #[error("the authorization token holds no Boundary session id")]
    NoSessionId,
    /// It looks like the JSON item of `authorize-session` but holds no token.
    #[error("the authorization token looks like JSON but holds no token")]
    Json,
}

/// One authorized Boundary session.
///
/// Only the session id is certain; [`WorkerProxy::new`](crate::WorkerProxy::new) demands the rest. `Debug` shows neither
/// certificate nor key, and both are wiped from memory on drop.
#[derive(Clone)]
pub struct Authorization {
    session_id: String,
    target_id: Option<String>,
    expiration: Option<Timestamp>,
    connection_limit: Option<u32>,
    endpoint: Option<String>,
    workers: Vec<String>,
    certificate: Zeroizing<Vec<u8>>,
    private_key: Zeroizing<Vec<u8>>,
}

/// What a controller puts into an authorization.
pub struct AuthorizationFields {
    /// The session's id, `s_…`.
    pub session_id: String,
    /// The target's id, `ttcp_…`.
    pub target_id: Option<String>,
    /// When the session expires.
    pub expiration: Option<Timestamp>,
    /// How many connections the session may open; without one, any number.
    pub connection_limit: Option<u32>,
    /// The URL that the session leads to, `tcp://host:port`.
    pub endpoint: Option<String>,
    /// The workers' addresses, `host:port`, the best first.
    pub workers: Vec<String>,
    /// The session's certificate, DER.
    pub certificate: Vec<u8>,
    /// The session's ed25519 key: the 32-byte seed, then the 32-byte public key.
    pub private_key: Zeroizing<Vec<u8>>,
}

impl Authorization {
    /// Reads the bare token, or the whole JSON item of `authorize-session` that holds it.
    ///
    /// # Errors
    /// The text is no such token.
    pub fn decode(token: &SecretString) -> Result<Self, TokenError> {
        let text = token.expose_secret().trim();
        let bare = if text.starts_with('{') { inner_token(text)? } else { text };
        Self::from_message(&base58::decode(bare).ok_or(TokenError::NotBase58)?)
    }

    /// Makes an authorization as a controller does.
    ///
    /// # Errors
    /// The session id is none.
    pub fn from_fields(fields: AuthorizationFields) -> Result<Self, TokenError> {
        let made = Self {
            session_id: fields.session_id,
            target_id: fields.target_id,
            expiration: fields.expiration,
            connection_limit: fields.connection_limit,
            endpoint: fields.endpoint,
            workers: fields.workers,
            certificate: Zeroizing::new(fields.certificate),
            private_key: fields.private_key,
        };
        if is_session_id(&made.session_id) { Ok(made) } else { Err(TokenError::NoSessionId) }
    }

    /// Writes the bare token, as a controller does.
    pub fn encode(&self) -> SecretString {
        let room = 512 + self.certificate.len() + self.private_key.len() + self.workers.len() * MAX_ADDRESS_BYTES;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        put_bytes(&mut bytes, SESSION_ID, self.session_id.as_bytes());
        put_bytes(&mut bytes, TARGET_ID, self.target_id.as_deref().unwrap_or_default().as_bytes());
        put_bytes(&mut bytes, TYPE, b"tcp");
        put_int32(&mut bytes, CONNECTION_LIMIT, self.connection_limit.and_then(|limit| i32::try_from(limit).ok()).unwrap_or(-1));
        put_varint(&mut bytes, ENDPOINT_PORT, u64::from(self.endpoint_port().unwrap_or_default()));
        put_bytes(&mut bytes, EXPIRATION, &self.expiration.map(encode_timestamp).unwrap_or_default());
        put_bytes(&mut bytes, CERTIFICATE, &self.certificate);
        put_bytes(&mut bytes, PRIVATE_KEY, &self.private_key);
        put_bytes(&mut bytes, ENDPOINT, self.endpoint.as_deref().unwrap_or_default().as_bytes());
        for worker in &self.workers {
            let mut info = Vec::new();
            put_bytes(&mut info, WORKER_ADDRESS, worker.as_bytes());
            put_bytes(&mut bytes, WORKER_INFO, &info);
        }
        SecretString::from(base58::encode(&bytes).as_str())
    }

    /// Names the session.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Names the target.
    pub fn target_id(&self) -> Option<&str> {
        self.target_id.as_deref()
    }

    /// Tells when the session expires.
    pub fn expiration(&self) -> Option<Timestamp> {
        self.expiration
    }

    /// Counts the connections that the session may open in all; none means any number.
    pub fn connection_limit(&self) -> Option<u32> {
        self.connection_limit
    }

    /// Tells the URL that the session leads to, `tcp://host:port`, sanitised.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Lists the workers' addresses, `host:port`, the best first.
    pub fn workers(&self) -> &[String] {
        &self.workers
    }

    /// Shows the session's certificate, DER; empty if the token held none.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(crate) fn private_key(&self) -> &[u8] {
        &self.private_key
    }

    fn endpoint_port(&self) -> Option<u16> {
        self.endpoint.as_deref()?.rsplit_once(':')?.1.parse().ok()
    }

    fn from_message(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut read = Self::nothing();
        for field in Fields::new(bytes) {
            field.and_then(|(number, value)| read.take(number, value)).map_err(TokenError::Damaged)?;
        }
        if read.session_id.is_empty() { Err(TokenError::NoSessionId) } else { Ok(read) }
    }

    fn nothing() -> Self {
        Self {
            session_id: String::new(),
            target_id: None,
            expiration: None,
            connection_limit: None,
            endpoint: None,
            workers: Vec::new(),
            certificate: Zeroizing::default(),
            private_key: Zeroizing::default(),
        }
    }

    fn take(&mut self, number: u64, value: Value<'_>) -> Result<(), WireError> {
        match number {
            SESSION_ID => self.session_id = id(number, value, is_session_id)?.unwrap_or_default(),
            TARGET_ID => self.target_id = id(number, value, is_resource_id)?,
            CONNECTION_LIMIT => self.connection_limit = u32::try_from(value.int32(number)?).ok().filter(|limit| *limit > 0),
            EXPIRATION => self.expiration = Some(decode_timestamp(value.bytes(number)?)?),
            CERTIFICATE => self.certificate = Zeroizing::new(value.bytes(number)?.to_vec()),
            PRIVATE_KEY => self.private_key = Zeroizing::new(value.bytes(number)?.to_vec()),
            ENDPOINT => self.endpoint = Some(cli_kit::printable(value.text(number)?, MAX_ADDRESS_BYTES)),
            WORKER_INFO => self.workers.extend(worker_address(value.bytes(number)?)?),
            _ => {}
        }
        Ok(())
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("session_id", &self.session_id)
            .field("target_id", &self.target_id)
            .field("expiration", &self.expiration)
            .field("connection_limit", &self.connection_limit)
            .field("endpoint", &self.endpoint)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthorizationFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationFields").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

fn id(number: u64, value: Value<'_>, accept: fn(&str) -> bool) -> Result<Option<String>, WireError> {
    let text = value.text(number)?;
    Ok(accept(text).then(|| text.to_owned()))
}

/// Finds the token in the JSON item without making a copy of it.
fn inner_token(json: &str) -> Result<&str, TokenError> {
    #[derive(serde::Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        authorization_token: &'a str,
    }
    serde_json::from_str::<Item<'_>>(json).map(|item| item.authorization_token).map_err(|_| TokenError::Json)
}

/// A worker address of a foreign form is left out: the others may do.
fn worker_address(info: &[u8]) -> Result<Option<String>, WireError> {
    let mut address = None;
    for field in Fields::new(info) {
        if let (WORKER_ADDRESS, value) = field? {
            address = Some(value.text(WORKER_ADDRESS)?);
        }
    }
    let fits = |text: &&str| text.len() <= MAX_ADDRESS_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
    Ok(address.filter(fits).map(str::to_owned))
}

fn is_session_id(id: &str) -> bool {
    id.len() > 2 && id.starts_with("s_") && is_resource_id(id)
}

fn is_resource_id(id: &str) -> bool {
    id.len() <= MAX_ID_BYTES && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization() -> Authorization {
        Authorization::from_fields(AuthorizationFields {
            session_id: "s_1234567890".into(),
            target_id: Some("ttcp_1234567890".into()),
            expiration: "2026-11-21T04:11:57.922036Z".parse().ok(),
            connection_limit: None,
            endpoint: Some("tcp://gateway.example:443".into()),
            workers: vec!["worker.example:9202".into(), "[::1]:9202".into()],
            certificate: b"certificate-bytes".to_vec(),
            private_key: Zeroizing::new(b"private-key-bytes".to_vec()),
        })
        .unwrap()
    }

    fn token() -> String {
        authorization().encode().expose_secret().to_owned()
    }

    fn decode(text: &str) -> Result<Authorization, TokenError> {
        Authorization::decode(&SecretString::from(text))
    }

    #[test]
    fn a_token_says_all_that_was_put_in() {
        let read = decode(&format!(" {}\n", token())).unwrap();
        assert_eq!(read.session_id(), "s_1234567890");
        assert_eq!(read.target_id(), Some("ttcp_1234567890"));
        assert_eq!(read.expiration(), authorization().expiration());
        assert_eq!(read.connection_limit(), None);
        assert_eq!(read.endpoint(), Some("tcp://gateway.example:443"));
        assert_eq!(read.workers(), ["worker.example:9202", "[::1]:9202"]);
        assert_eq!((read.certificate(), read.private_key()), (&b"certificate-bytes"[..], &b"private-key-bytes"[..]));
        let limited = Authorization { connection_limit: Some(3), ..read };
        assert_eq!(Authorization::decode(&limited.encode()).unwrap().connection_limit(), Some(3));
    }

    #[test]
    fn the_json_item_holds_the_token_too() {
        let json = format!("{{\"session_id\":\"s_other\",\"authorization_token\":\"{}\"}}", token());
        assert_eq!(decode(&json).unwrap().session_id(), "s_1234567890");
    }

    #[test]
    fn a_hostile_token_is_refused_without_being_quoted() {
        for (text, expected) in [
            ("", TokenError::NoSessionId),
            ("not base58 0OIl!", TokenError::NotBase58),
            ("{}", TokenError::Json),
            ("{\"authorization_token\":5}", TokenError::Json),
            ("1111", TokenError::NoSessionId),
        ] {
            let error = decode(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("0OIl"));
        }
    }

    #[test]
    fn cut_and_changed_messages_never_panic() {
        let valid = base58::decode(&token()).unwrap();
        for cut in 0..valid.len() {
            let mut changed = valid.to_vec();
            changed[cut] ^= 0xff;
            let _ = (Authorization::from_message(&valid[..cut]), Authorization::from_message(&changed));
        }
        assert!(matches!(Authorization::from_message(&valid[..valid.len() - 1]), Err(TokenError::Damaged(_))));
    }

    #[test]
    fn foreign_ids_and_addresses_are_left_out() {
        let hostile = Authorization {
            target_id: Some("ttcp_\u{1b}[2J".into()),
            endpoint: Some("tcp://\u{1b}[2J".into()),
            workers: vec!["worker\n:1".into(), "ok:1".into()],
            ..authorization()
        };
        let read = Authorization::decode(&hostile.encode()).unwrap();
        assert_eq!((read.target_id(), read.workers()), (None, &["ok:1".to_owned()][..]));
        assert!(!read.endpoint().unwrap().contains('\u{1b}'));
        for id in ["s_", "ttcp_1", "s_a b", &format!("s_{}", "a".repeat(80))] {
            let fields = Authorization { session_id: id.into(), ..authorization() };
            assert_eq!(Authorization::decode(&fields.encode()).unwrap_err(), TokenError::NoSessionId);
        }
    }

    #[test]
    fn debug_shows_neither_certificate_nor_key() {
        let shown = format!("{:?}", authorization());
        assert!(shown.contains("s_1234567890") && shown.contains("worker.example"));
        let numbers = format!("{:?}", b"private-key-bytes");
        assert!(!shown.contains("bytes") && !shown.contains(numbers.trim_matches(['[', ']'])));
    }
}

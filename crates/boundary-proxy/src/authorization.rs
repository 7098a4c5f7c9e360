//! The authorization token of a session: what it says, and the key that it holds.
//!
//! Base58 of a protobuf message `SessionAuthorizationData`; source: Boundary
//! `internal/proto/controller/api/resources/targets/v1/target.proto`, and tokens of v0.21.2.

use crate::base58;
use crate::protobuf::{Value, fields, put_bytes, put_number, put_timestamp, timestamp};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Why a token says nothing. The texts never hold a part of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
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

/// What an authorization token says about its session.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthorizationFields {
    /// The session's id, `s_…`.
    pub session_id: String,
    /// The target's id, `ttcp_…`.
    pub target_id: String,
    /// When the session was made.
    pub created_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// How many connections it may have; -1 is any number.
    pub connection_limit: i64,
    /// Where it leads, `tcp://host:port`.
    pub endpoint: String,
    /// The workers that may carry it, `host:port`, in the controller's order.
    pub workers: Vec<String>,
    /// The session's certificate, DER.
    pub certificate: Vec<u8>,
    /// The certificate's key: Go's form of ed25519, 32 bytes of seed and 32 of public key.
    pub private_key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for AuthorizationFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationFields")
            .field("session_id", &self.session_id)
            .field("target_id", &self.target_id)
            .field("expires_at", &self.expires_at)
            .field("endpoint", &self.endpoint)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// A decoded authorization token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization(AuthorizationFields);

const SESSION_ID: u64 = 10;
const TARGET_ID: u64 = 20;
const CREATED_TIME: u64 = 40;
const TYPE: u64 = 80;
const CONNECTION_LIMIT: u64 = 90;
const EXPIRATION: u64 = 105;
const CERTIFICATE: u64 = 120;
const PRIVATE_KEY: u64 = 130;
const ENDPOINT: u64 = 141;
const WORKER_INFO: u64 = 150;
const WORKER_ADDRESS: u64 = 10;

/// The longest worker address, in bytes.
const ADDRESS_MAX: usize = 300;

impl Authorization {
    /// Reads a token: the bare text, or the JSON item of `authorize-session` that holds it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn decode(token: &SecretString) -> Result<Self, TokenError> {
        let text = token.expose_secret().trim();
        let inner = if text.starts_with('{') { inner_token(text)? } else { Zeroizing::new(text.to_owned()) };
        let bytes = base58::decode(&inner).ok_or(TokenError::NotBase58)?;
        let mut said = AuthorizationFields::default();
        for (number, value) in fields(&bytes) {
            said.take(number, value);
        }
        if said.session_id.is_empty() { Err(TokenError::NoSessionId) } else { Ok(Self(said)) }
    }

    /// Writes the token that says this, as a controller does.
    pub fn encode(said: &AuthorizationFields) -> SecretString {
        let mut message = Zeroizing::new(Vec::with_capacity(4096));
        put_bytes(&mut message, SESSION_ID, said.session_id.as_bytes());
        put_bytes(&mut message, TARGET_ID, said.target_id.as_bytes());
        if let Some(at) = said.created_at {
            put_timestamp(&mut message, CREATED_TIME, at);
        }
        put_bytes(&mut message, TYPE, b"tcp");
        put_number(&mut message, CONNECTION_LIMIT, said.connection_limit);
        if let Some(at) = said.expires_at {
            put_timestamp(&mut message, EXPIRATION, at);
        }
        put_bytes(&mut message, CERTIFICATE, &said.certificate);
        put_bytes(&mut message, PRIVATE_KEY, &said.private_key);
        put_bytes(&mut message, ENDPOINT, said.endpoint.as_bytes());
        for worker in &said.workers {
            let mut info = Vec::new();
            put_bytes(&mut info, WORKER_ADDRESS, worker.as_bytes());
            put_bytes(&mut message, WORKER_INFO, &info);
        }
        SecretString::from(base58::encode(&message).to_string())
    }

    /// What the token says. Ids are ids; the endpoint is a remote text and may hold anything.
    pub fn said(&self) -> &AuthorizationFields {
        &self.0
    }
}

impl AuthorizationFields {
    fn take(&mut self, number: u64, value: Value<'_>) {
        let id = || value.text().filter(|id| is_resource_id(id)).unwrap_or_default().to_owned();
        match number {
            SESSION_ID => self.session_id = id(),
            TARGET_ID => self.target_id = id(),
            CREATED_TIME => self.created_at = value.bytes().and_then(timestamp),
            EXPIRATION => self.expires_at = value.bytes().and_then(timestamp),
            CONNECTION_LIMIT => self.connection_limit = value.signed().unwrap_or_default(),
            CERTIFICATE => self.certificate = value.bytes().unwrap_or_default().to_vec(),
            PRIVATE_KEY => self.private_key = Zeroizing::new(value.bytes().unwrap_or_default().to_vec()),
            ENDPOINT => value.text().unwrap_or_default().clone_into(&mut self.endpoint),
            WORKER_INFO => self.workers.extend(value.bytes().and_then(worker_address)),
            _ => {}
        }
    }
}

fn inner_token(json: &str) -> Result<Zeroizing<String>, TokenError> {
    #[derive(serde::Deserialize)]
    struct Item {
        authorization_token: String,
    }
    serde_json::from_str::<Item>(json).map(|item| Zeroizing::new(item.authorization_token)).map_err(|_| TokenError::Json)
}

fn worker_address(info: &[u8]) -> Option<String> {
    let (_, address) = fields(info).find(|(number, _)| *number == WORKER_ADDRESS)?;
    let printable = |text: &&str| text.len() <= ADDRESS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    address.text().filter(printable).map(str::to_owned)
}

fn is_resource_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> AuthorizationFields {
        AuthorizationFields {
            session_id: "s_1234567890".to_owned(),
            target_id: "ttcp_1234567890".to_owned(),
            created_at: Timestamp::from_second(1_700_000_000).ok(),
            expires_at: Timestamp::from_second(1_700_003_600).ok(),
            connection_limit: -1,
            endpoint: "tcp://ssmmessages.eu-west-1.amazonaws.com:443".to_owned(),
            workers: vec!["worker-a.example:9202".to_owned(), "worker-b.example:9202".to_owned()],
            certificate: vec![0x30, 0x82, 1],
            private_key: Zeroizing::new(vec![0xab; 64]),
        }
    }

    #[test]
    fn both_forms_of_a_token_say_the_same() {
        let token = Authorization::encode(&said());
        assert_eq!(Authorization::decode(&token).unwrap().said(), &said());
        let json = format!(r#"{{"session_id":"s_x","authorization_token":"{}"}}"#, token.expose_secret());
        assert_eq!(Authorization::decode(&SecretString::from(json)).unwrap().said(), &said());
    }

    #[test]
    fn the_key_does_not_show() {
        let shown = format!("{:?}", Authorization(said()));
        assert!(shown.contains("s_1234567890") && !shown.contains("171") && !shown.contains("ab"), "{shown}");
    }

    #[test]
    fn a_hostile_token_is_refused_without_being_quoted() {
        for bad in ["", "not base58 0OIl!", "{}", "1111", "{\"authorization_token\":5}"] {
            let error = Authorization::decode(&SecretString::from(bad.to_owned())).unwrap_err();
            assert!(!error.to_string().contains("0OIl"));
        }
        let mut odd = said();
        odd.workers = vec!["a\u{1b}[2J:1".to_owned(), "ok:1".to_owned()];
        odd.target_id = "ttcp_\n".to_owned();
        let read = Authorization::decode(&Authorization::encode(&odd)).unwrap();
        assert_eq!((read.said().workers.as_slice(), read.said().target_id.as_str()), (["ok:1".to_owned()].as_slice(), ""));
    }

    #[test]
    fn a_token_that_ends_anywhere_is_no_panic() {
        let token = Authorization::encode(&said());
        let bytes = base58::decode(token.expose_secret()).unwrap();
        for cut in 0..bytes.len() {
            let _ = Authorization::decode(&SecretString::from(base58::encode(&bytes[..cut]).to_string()));
        }
    }
}

//! The authorization token of a Boundary session, as far as the stand-in's tests write one by hand.

use std::net::SocketAddr;

use boundary_proxy::{Authorization, AuthorizationFields};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthzToken {
    /// Id of the session.
    pub session_id: String,
    /// Id of the target.
    pub target_id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// How many connections it may have; -1 is no limit.
    pub connection_limit: i32,
    /// Seconds since 1970.
    pub expiration: i64,
    /// Where it leads, `tcp://host:port`.
    pub endpoint: String,
    /// Addresses of workers, the first is to be used.
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
}

/// Writes a token as a controller does, with a certificate and a private key that open nothing.
pub fn authz_token(token: &AuthzToken) -> String {
    let said = AuthorizationFields {
        session_id: token.session_id.clone(),
        target_id: Some(token.target_id.clone()),
        expiration: Timestamp::from_second(token.expiration).ok(),
        connection_limit: u32::try_from(token.connection_limit).ok(),
        endpoint: Some(token.endpoint.clone()),
        workers: token.workers.clone(),
        certificate: vec![0x30; 96],
        private_key: Zeroizing::new(vec![0x5a; 64]),
    };
    Authorization::from_fields(said).map(|authorization| authorization.encode().expose_secret().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_opens_nothing() {
        let token = AuthzToken::new("s_1234567890", "ttcp_lab0000001", 1_800_000_000, ([127, 0, 0, 1], 9202).into());
        let read = Authorization::decode(&authz_token(&token).into()).unwrap();
        assert_eq!((read.session_id(), read.target_id()), ("s_1234567890", Some("ttcp_lab0000001")));
        assert_eq!((read.connection_limit(), read.expiration()), (None, Timestamp::from_second(1_800_000_000).ok()));
        assert_eq!((read.endpoint(), read.workers()), (Some(token.endpoint.as_str()), token.workers.as_slice()));
        assert!(boundary_proxy::WorkerProxy::new(read).is_err());
    }
}

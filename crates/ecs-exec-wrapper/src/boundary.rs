//! What we know of the Boundary session that carries us.
//!
//! Owns what a session is to us; [`boundary_proxy`] owns the token's form.

use crate::ending::{Ending, Reason};
use boundary_proxy::{Authorization, TokenError};
use investigation::BoundarySessionId;
use jiff::Timestamp;
use secrecy::SecretString;

/// How the Boundary session's id is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdSource {
    /// From the authorization token.
    Token,
    /// Given by the caller.
    Given,
    /// Authorised by ourselves.
    Authorized,
    /// Found at the controller by its connection.
    Discovered,
    /// Not known.
    Unknown,
}

impl IdSource {
    /// The word used in records and results.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Given => "given",
            Self::Authorized => "authorized",
            Self::Discovered => "discovered",
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
    /// Its user's id.
    pub(crate) user_id: Option<String>,
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
        Self {
            id: None,
            id_source: IdSource::Unknown,
            target_id: None,
            user_id: None,
            expires_at: None,
            endpoint: None,
            workers: Vec::new(),
        }
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

/// Reads what an authorization token says about its session: the bare token, or the JSON item of `authorize-session`.
///
/// # Errors
/// [`TokenError`]; the texts never hold a part of the token.
pub(crate) fn read_token(token: &SecretString) -> Result<BoundarySession, TokenError> {
    let authorization = Authorization::decode(token)?;
    let id = BoundarySessionId::parse(authorization.session_id()).map_err(|_| TokenError::NoSessionId)?;
    Ok(BoundarySession {
        id: Some(id),
        id_source: IdSource::Token,
        target_id: authorization.target_id().map(str::to_owned),
        user_id: None,
        expires_at: authorization.expiration(),
        endpoint: authorization.endpoint().map(str::to_owned),
        workers: authorization.workers().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use boundary_proxy::AuthorizationFields;

    #[test]
    fn a_token_says_its_session_target_and_expiry() {
        let fields = AuthorizationFields {
            session_id: "s_1234567890".to_owned(),
            target_id: Some("ttcp_1234567890".to_owned()),
            expiration: Timestamp::from_second(1_700_000_000).ok(),
            connection_limit: None,
            endpoint: None,
            workers: vec!["worker.example:9202".to_owned()],
            certificate: Vec::new(),
            private_key: zeroize::Zeroizing::default(),
        };
        let session = read_token(&Authorization::from_fields(fields).unwrap().encode()).unwrap();
        assert_eq!(session.id.unwrap().as_str(), "s_1234567890");
        assert_eq!(session.target_id.as_deref(), Some("ttcp_1234567890"));
        assert_eq!(session.expires_at.unwrap().as_second(), 1_700_000_000);
        assert_eq!(session.id_source, IdSource::Token);
        assert_eq!(session.workers, ["worker.example:9202"]);
    }

    #[test]
    fn expiry_counts_from_five_seconds_before() {
        let mut session = BoundarySession::unknown();
        assert!(!session.expired_at(Timestamp::from_second(1_000).unwrap()));
        session.expires_at = Some(Timestamp::from_second(1_000).unwrap());
        assert!(!session.expired_at(Timestamp::from_second(994).unwrap()));
        assert!(session.expired_at(Timestamp::from_second(995).unwrap()));
    }
}

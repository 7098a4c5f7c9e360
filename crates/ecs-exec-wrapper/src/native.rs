//! `connect`: a Boundary session of our own, without Boundary's CLI.
//!
//! Owns what the CLI does otherwise: the session is authorised, its data goes through the workers, and it is canceled at the
//! end. Knows more than under `-exec`: the exact session, the target's marker, brokered AWS credentials, the worker's own words.

use crate::boundary::{BoundarySession, IdSource};
use crate::controller::Controller;
use crate::ending::{Ending, Reason};
use boundary_api::{BrokeredCredential, SessionAuthorization};
use boundary_proxy::{Authorization, WorkerProxy};
use cli_kit::{chain_text, printable};
use investigation::{BoundarySessionId, Marker};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// How long the worker may take to hear that the session is over.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// A session of our own.
#[derive(Debug, Clone)]
pub(crate) struct Native {
    /// The way through its workers.
    pub(crate) proxy: Arc<WorkerProxy>,
    /// What is known of it.
    pub(crate) session: BoundarySession,
    /// What the target says of its task.
    pub(crate) marker: Option<Marker>,
    /// AWS credentials that the target brokers.
    pub(crate) credentials: Option<BrokeredKeys>,
}

/// AWS keys from Vault's AWS engine, through Boundary.
#[derive(Debug, Clone)]
pub(crate) struct BrokeredKeys {
    /// The access key's id.
    pub(crate) access_key: String,
    /// The secret key.
    pub(crate) secret_key: SecretString,
    /// The session token, for temporary keys.
    pub(crate) session_token: Option<SecretString>,
}

/// Authorises a session and reads the target's marker.
///
/// # Errors
/// The ending that says what Boundary refused.
pub(crate) async fn open(controller: &Controller, target: &str) -> Result<Native, Ending> {
    let authorization = controller.authorise(target).await?;
    let unusable = |what: String| Ending::failed(Reason::Protocol, format!("Boundary's authorization cannot be used: {what}"));
    let decoded = Authorization::decode(&authorization.authorization_token).map_err(|error| unusable(error.to_string()))?;
    let proxy = WorkerProxy::new(decoded).map_err(|error| unusable(chain_text(&error)))?;
    let session = session_of(&authorization).ok_or_else(|| unusable("its session id is none".to_owned()))?;
    let marker = controller.marker(&authorization.target_id).await;
    Ok(Native { proxy: Arc::new(proxy), session, marker, credentials: keys(&authorization.credentials) })
}

impl Native {
    /// Tells the worker that the session is over, as Boundary's CLI does. A session that is over already is no failure.
    pub(crate) async fn cancel(&self) {
        match tokio::time::timeout(CANCEL_WITHIN, self.proxy.cancel()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %chain_text(&error), "session not canceled"),
            Err(_) => tracing::debug!("session not canceled in time"),
        }
    }
}

fn session_of(authorization: &SessionAuthorization) -> Option<BoundarySession> {
    let text = |text: &str, max| Some(printable(text, max)).filter(|text| !text.is_empty());
    Some(BoundarySession {
        id: Some(BoundarySessionId::parse(&authorization.session_id).ok()?),
        id_source: IdSource::Authorized,
        target_id: text(&authorization.target_id, 64),
        user_id: text(&authorization.user_id, 64),
        expires_at: authorization.expiration,
        endpoint: text(&authorization.endpoint, 255),
        workers: Vec::new(),
    })
}

/// The first credential that holds AWS keys, in the words of Vault's AWS engine.
fn keys(credentials: &[BrokeredCredential]) -> Option<BrokeredKeys> {
    credentials.iter().find_map(|credential| {
        let fields = &credential.secret.decoded;
        let field = |name: &str| fields.get(name).filter(|value| !matches!(value.expose_secret(), "" | "null"));
        Some(BrokeredKeys {
            access_key: field("access_key")?.expose_secret().to_owned(),
            secret_key: field("secret_key")?.clone(),
            session_token: field("security_token").or_else(|| field("session_token")).cloned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(fields: &[(&str, &str)]) -> BrokeredCredential {
        let mut credential = BrokeredCredential::default();
        credential.secret.decoded = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        credential
    }

    #[test]
    fn vaults_aws_keys_are_found_among_other_credentials() {
        let vault = credential(&[
            ("access_key", "AKIA"),
            ("secret_key", "s3cret"),
            ("security_token", "null"),
            ("session_token", "t0ken"),
        ]);
        let keys = keys(&[credential(&[("username", "a")]), vault]).unwrap();
        assert_eq!(keys.access_key, "AKIA");
        assert_eq!(keys.session_token.as_ref().unwrap().expose_secret(), "t0ken");
        assert!(!format!("{keys:?}").contains("s3cret"));
    }

    #[test]
    fn half_a_key_is_none() {
        assert!(keys(&[credential(&[("access_key", "AKIA")])]).is_none());
    }
}

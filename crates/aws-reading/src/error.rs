//! Why something could not be read. A denial is never an empty list.
//!
//! Owns the classes and what belongs to which. Decides on no retry.

use crate::signed::SignedError;
use aws_identity::{IdentityError, Refusal, RefusalKind};

/// Why there is no answer to keep. A [`Refusal`] names the call, and where it is known the principal, resource and permission.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A policy does not allow it: nothing is known of what was asked for, not even whether it is there.
    #[error("{0}")]
    Denied(Box<Refusal>),
    /// What was named does not exist, or has not been configured.
    #[error("{0}")]
    NotFound(Box<Refusal>),
    /// The page token is no longer good: the list must be begun again.
    #[error("go on with a page token that is no longer good: {0}")]
    TokenGone(Box<Refusal>),
    /// AWS does not take the credentials, mostly because they have expired: log in again and use a new reader.
    #[error("{0}")]
    Expired(Box<Refusal>),
    /// There are no credentials.
    #[error(transparent)]
    NoCredentials(#[from] IdentityError),
    /// Too many calls, at every attempt.
    #[error("{refusal}, {attempts} times")]
    Throttled {
        /// The attempts that were made.
        attempts: u32,
        /// The last answer.
        refusal: Box<Refusal>,
    },
    /// The service failed, at every attempt.
    #[error("{refusal}, {attempts} times")]
    Unavailable {
        /// The attempts that were made.
        attempts: u32,
        /// The last answer.
        refusal: Box<Refusal>,
    },
    /// The way to the service failed, at every attempt.
    #[error("call {call}, {attempts} times")]
    Network {
        /// The call, such as `logs:GetLogEvents`.
        call: &'static str,
        /// The attempts that were made.
        attempts: u32,
        /// The last failure.
        #[source]
        source: SignedError,
    },
    /// The question could not be sent, or its answer is too long to be read: nothing that passes.
    #[error("call {call}")]
    Unreadable {
        /// The call.
        call: &'static str,
        /// What is wrong.
        #[source]
        source: SignedError,
    },
    /// The service refused for a reason of its own.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The answer is not what the service's description promises, or the question cannot be put.
    #[error("call {call}: {why}")]
    Unexpected {
        /// The call.
        call: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The object is longer than what was to be read.
    #[error("call {call}: the object has more than {max} bytes")]
    TooLarge {
        /// The call.
        call: &'static str,
        /// The limit, bytes.
        max: u64,
    },
    /// The place for the bytes does not take them.
    #[error("keep the bytes of an object")]
    Sink(#[source] std::io::Error),
}

impl ReadError {
    /// Says what is wrong with an answer.
    pub(crate) fn unexpected(call: &'static str, why: &'static str) -> Self {
        Self::Unexpected { call, why }
    }

    /// Sorts a refusal that will not pass.
    pub(crate) fn of_refusal(refusal: Refusal, had_token: bool) -> Self {
        let is_token = had_token && is_about_token(&refusal);
        let refusal = Box::new(refusal);
        match refusal.kind {
            _ if is_token => Self::TokenGone(refusal),
            RefusalKind::Denied => Self::Denied(refusal),
            RefusalKind::NotFound => Self::NotFound(refusal),
            RefusalKind::Expired | RefusalKind::Credentials => Self::Expired(refusal),
            _ => Self::Refused(refusal),
        }
    }

    /// Whether the service said that there is no such thing: an answer, unlike every other error.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

/// Services call a page token's fault by different codes; most only by words.
fn is_about_token(refusal: &Refusal) -> bool {
    let is_argument = refusal.kind == RefusalKind::Invalid || refusal.code == "InvalidArgument";
    refusal.code.contains("NextToken") || (is_argument && refusal.message.to_ascii_lowercase().contains("token"))
}

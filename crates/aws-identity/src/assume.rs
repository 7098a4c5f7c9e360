//! Takes on a role in the name of the user and of the Boundary session. Owns the `sts:AssumeRole` call, the session tags and
//! the source identity; knows nothing of how the first credentials were found.
//!
//! ```text
//! Aws ─ assume_role ─► tags, source identity ─ sts:AssumeRole ─► Aws with the role's credentials, renewed before they expire
//! ```

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::types::Tag;
use cli_kit::printable;
use investigation::RoleSessionName;

use crate::refusal::{Refusal, explain};
use crate::statement::both_sides;

/// The session tag that carries the Boundary user's id, `u_…`.
pub const TAG_BOUNDARY_USER: &str = "BoundaryUserId";

/// The session tag that carries the Boundary target's id, `ttcp_…`.
pub const TAG_BOUNDARY_TARGET: &str = "BoundaryTargetId";

const ASSUME_ROLE: &str = "sts:AssumeRole";
const TAG_SESSION: &str = "sts:TagSession";
const SET_SOURCE_IDENTITY: &str = "sts:SetSourceIdentity";

/// The longest key and value of a session tag, in characters. Source: the STS API, `Tag`.
const MAX_TAG_CHARS: (usize, usize) = (128, 256);

/// A role to take on, and what its session shall say about us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// The role's ARN.
    pub role_arn: String,
    /// The name of the session; it stands in every event that CloudTrail writes of it.
    pub session_name: RoleSessionName,
    /// The Boundary user's id; becomes the session tag [`TAG_BOUNDARY_USER`].
    pub boundary_user_id: Option<String>,
    /// The Boundary target's id; becomes the session tag [`TAG_BOUNDARY_TARGET`].
    pub boundary_target_id: Option<String>,
    /// Key and value of the tag that the task's policy compares, such as `username`.
    pub abac_tag: Option<(String, String)>,
    /// The Boundary user, or the local one; characters that STS does not take become `_`.
    pub source_identity: Option<String>,
    /// Leaves session tags and source identity out: for roles whose policies do not permit them.
    pub plain: bool,
}

/// What the session of an assumed role was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumed {
    /// The role's session, as STS named it.
    pub arn: String,
    /// The session tags that we passed.
    pub tags: BTreeMap<String, String>,
    /// The source identity in force: ours, or the one that the calling session already had.
    pub source_identity: Option<String>,
}

/// Why the role was not taken on.
#[derive(Debug, thiserror::Error)]
pub enum AssumeRoleError {
    /// STS takes no such tag.
    #[error("use {} as the session tag {}: letters, digits, blanks and _.:/=+-@ only", printable(value, 64), printable(key, 64))]
    Tag {
        /// The tag's key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A permission lacks, on one side or the other.
    #[error("assume the role {} for lack of {permission}: add {statements}{}", printable(role_arn, 200), advice(*plain_helps))]
    MissingPermission {
        /// The role.
        role_arn: String,
        /// The permission, such as `sts:TagSession`.
        permission: String,
        /// The policy statements to add.
        statements: String,
        /// Whether [`AssumeRole::plain`] would do without it.
        plain_helps: bool,
        /// What AWS said.
        source: Box<Refusal>,
    },
    /// AWS, or the way to it, refused for another reason.
    #[error("assume the role {}", printable(role_arn, 200))]
    Refused {
        /// The role.
        role_arn: String,
        /// What AWS said.
        source: Box<Refusal>,
    },
    /// STS agreed but gave no usable credentials.
    #[error("find credentials in the answer for the role {}", printable(role_arn, 200))]
    EmptyAnswer {
        /// The role.
        role_arn: String,
    },
}

impl AssumeRoleError {
    /// What AWS said, if it came to a call.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::MissingPermission { source, .. } | Self::Refused { source, .. } => Some(source),
            Self::Tag { .. } | Self::EmptyAnswer { .. } => None,
        }
    }
}

fn advice(plain_helps: bool) -> &'static str {
    if plain_helps { "; or assume it plainly, without session tags and source identity" } else { "" }
}

impl AssumeRole {
    /// The session tags that are passed; none if plain.
    pub fn session_tags(&self) -> BTreeMap<String, String> {
        if self.plain {
            return BTreeMap::new();
        }
        let own = [(TAG_BOUNDARY_USER, &self.boundary_user_id), (TAG_BOUNDARY_TARGET, &self.boundary_target_id)];
        let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
        own.chain(self.abac_tag.clone()).collect()
    }

    /// The source identity that is passed unless the calling session already has one; none if plain.
    ///
    /// It has the grammar of a role session name. Source: the STS API, `SourceIdentity`.
    pub fn source_identity_to_set(&self) -> Option<String> {
        let given = self.source_identity.as_deref().filter(|_| !self.plain)?;
        Some(RoleSessionName::new(given, None).to_string())
    }
}

/// Calls `sts:AssumeRole` whenever credentials are wanted; the cache before it decides when.
#[derive(Debug)]
pub(crate) struct Assumer {
    client: aws_sdk_sts::Client,
    wanted: AssumeRole,
    source_identity: Option<String>,
}

impl Assumer {
    /// Prepares the calls; `client` must ask with the credentials of the caller.
    pub(crate) fn new(client: aws_sdk_sts::Client, wanted: AssumeRole) -> Result<Self, AssumeRoleError> {
        let unfit = wanted.session_tags().into_iter().find(|(key, value)| !fits(key, value));
        match unfit {
            Some((key, value)) => Err(AssumeRoleError::Tag { key, value }),
            None => Ok(Self { source_identity: wanted.source_identity_to_set(), client, wanted }),
        }
    }

    /// Assumes the role for the first time and finds out whether the calling session already has a source identity.
    ///
    /// Nothing tells that before: STS refuses another identity than the inherited one as it refuses a lacking permission.
    /// A second call without ours decides, and only when its answer names the inherited one is that taken.
    pub(crate) async fn first(&mut self) -> Result<(Credentials, Assumed), AssumeRoleError> {
        match self.assume().await {
            Err(refusal) if self.source_identity.is_some() && lacks(&refusal, SET_SOURCE_IDENTITY) => {
                self.with_inherited_identity(refusal).await
            }
            Err(refusal) => Err(self.explained(refusal, !self.wanted.plain)),
            Ok(answer) => self.taken(answer),
        }
    }

    async fn with_inherited_identity(&mut self, refusal: Refusal) -> Result<(Credentials, Assumed), AssumeRoleError> {
        let ours = self.source_identity.take();
        match self.assume().await {
            Ok(answer) if answer.source_identity.is_some() => self.taken(answer),
            Ok(_) => {
                self.source_identity = ours;
                Err(self.explained(refusal, true))
            }
            // An inherited identity goes along by itself, and the role must permit that too.
            Err(again) => {
                let inherited = lacks(&again, SET_SOURCE_IDENTITY);
                Err(self.explained(again, !inherited && !self.wanted.session_tags().is_empty()))
            }
        }
    }

    async fn assume(&self) -> Result<AssumeRoleOutput, Refusal> {
        let tag = |(key, value)| Tag::builder().key(key).value(value).build().expect("key and value are given");
        let tags: Vec<Tag> = self.wanted.session_tags().into_iter().map(tag).collect();
        let call = self.client.assume_role().role_arn(&self.wanted.role_arn);
        let call = call.role_session_name(self.wanted.session_name.to_string());
        let call = call.set_tags(Some(tags).filter(|tags| !tags.is_empty()));
        let answer = call.set_source_identity(self.source_identity.clone()).send().await;
        answer.map_err(|error| explain(ASSUME_ROLE, &error))
    }

    fn taken(&self, answer: AssumeRoleOutput) -> Result<(Credentials, Assumed), AssumeRoleError> {
        let credentials = answer.credentials.as_ref().and_then(sts_credentials);
        let credentials = credentials.ok_or_else(|| AssumeRoleError::EmptyAnswer { role_arn: self.wanted.role_arn.clone() })?;
        let arn = answer.assumed_role_user.map(|user| user.arn).unwrap_or_default();
        let source_identity = answer.source_identity.or_else(|| self.source_identity.clone());
        let assumed = Assumed {
            arn: printable(&arn, 300),
            tags: self.wanted.session_tags(),
            source_identity: source_identity.map(|identity| printable(&identity, 64)),
        };
        Ok((credentials, assumed))
    }

    fn explained(&self, refusal: Refusal, plain_may_help: bool) -> AssumeRoleError {
        let role_arn = self.wanted.role_arn.clone();
        let Some(permission) = refusal.missing.clone().filter(|missing| missing.starts_with("sts:")) else {
            return AssumeRoleError::Refused { role_arn, source: Box::new(refusal) };
        };
        let statements = both_sides(refusal.principal.as_deref(), &role_arn, &self.actions(&permission));
        let plain_helps = plain_may_help && matches!(permission.as_str(), TAG_SESSION | SET_SOURCE_IDENTITY);
        AssumeRoleError::MissingPermission {
            role_arn,
            permission,
            statements: printable(&statements, 2000),
            plain_helps,
            source: Box::new(refusal),
        }
    }

    /// Lists what the call needs, with what AWS said it lacks.
    fn actions(&self, permission: &str) -> Vec<&'static str> {
        let tags = !self.wanted.session_tags().is_empty();
        let identity = self.source_identity.is_some() || permission == SET_SOURCE_IDENTITY;
        let needed = [(ASSUME_ROLE, true), (TAG_SESSION, tags || permission == TAG_SESSION), (SET_SOURCE_IDENTITY, identity)];
        needed.into_iter().filter_map(|(action, needed)| needed.then_some(action)).collect()
    }

    async fn renewed(&self) -> provider::Result {
        let answer = self.assume().await.map_err(|refusal| CredentialsError::provider_error(self.explained(refusal, false)))?;
        let (credentials, _) = self.taken(answer).map_err(CredentialsError::provider_error)?;
        Ok(credentials)
    }
}

impl ProvideCredentials for Assumer {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.renewed())
    }
}

fn lacks(refusal: &Refusal, permission: &str) -> bool {
    refusal.missing.as_deref() == Some(permission)
}

/// Takes over what STS gave.
pub(crate) fn sts_credentials(given: &aws_sdk_sts::types::Credentials) -> Option<Credentials> {
    let expiry = SystemTime::try_from(given.expiration).ok()?;
    let credentials = Credentials::builder()
        .access_key_id(given.access_key_id.clone())
        .secret_access_key(given.secret_access_key.clone())
        .session_token(given.session_token.clone())
        .expiry(expiry)
        .provider_name("AssumeRole");
    Some(credentials.build())
}

/// Checks a session tag. Source: the STS API, `Tag`: letters, digits, blanks and `_.:/=+-@`.
fn fits(key: &str, value: &str) -> bool {
    let taken = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    let short = |text: &str, most: usize| text.chars().count() <= most && text.chars().all(taken);
    !key.is_empty() && short(key, MAX_TAG_CHARS.0) && short(value, MAX_TAG_CHARS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> AssumeRole {
        AssumeRole {
            role_arn: "arn:aws:iam::111122223333:role/Inv".to_owned(),
            session_name: RoleSessionName::new("bob", None),
            boundary_user_id: Some("u_1234567890".to_owned()),
            boundary_target_id: Some("ttcp_1234567890".to_owned()),
            abac_tag: Some(("username".to_owned(), "bob".to_owned())),
            source_identity: Some("bob smith".to_owned()),
            plain: false,
        }
    }

    #[test]
    fn the_session_says_who_where_and_whose() {
        let tags: Vec<_> = wanted().session_tags().into_iter().collect();
        let expected = [(TAG_BOUNDARY_TARGET, "ttcp_1234567890"), (TAG_BOUNDARY_USER, "u_1234567890"), ("username", "bob")];
        assert_eq!(tags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(wanted().source_identity_to_set().as_deref(), Some("bob_smith"));
    }

    #[test]
    fn a_plain_session_says_nothing_but_its_name() {
        let plain = AssumeRole { plain: true, ..wanted() };
        assert_eq!((plain.session_tags(), plain.source_identity_to_set()), (BTreeMap::new(), None));
    }

    #[test]
    fn a_tag_that_sts_does_not_take_is_known_before_the_call() {
        assert!(fits("username", "bob@example.com") && fits("k", "") && fits("k", "Zoë 1"));
        for (key, value) in [("", "x"), ("k", "a\nb"), ("k", "a,b"), ("k*", "x")] {
            assert!(!fits(key, value), "{key} {value}");
        }
        assert!(!fits("k", &"x".repeat(257)) && !fits(&"k".repeat(129), "x"));
    }
}

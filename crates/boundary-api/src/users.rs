//! Users, and the aliases that they can use.

use crate::client::{Call, Client};
use crate::collection::{Collection, Create, Delete, ListAnswer, Resource, Update, ids};
use crate::error::Error;
use crate::wire::{Change, Item, ScopeInfo};
use crate::{Alias, ListToken};
use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// A user. Login name, full name and e-mail come from the account of the scope's primary auth method.
///
/// For an OIDC account the login name is the subject. Source: Boundary migration 104/01.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct User {
    /// The id, `u_…`.
    pub id: String,
    /// The scope.
    pub scope_id: String,
    /// The scope, in brief.
    pub scope: ScopeInfo,
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// When it was created.
    pub created_time: Option<Timestamp>,
    /// When it was last changed.
    pub updated_time: Option<Timestamp>,
    /// The version.
    pub version: u32,
    /// Its accounts; lists leave them out.
    pub account_ids: Vec<String>,
    /// The primary account.
    pub primary_account_id: String,
    /// The login name or, for OIDC, the subject.
    pub login_name: String,
    /// The full name.
    pub full_name: String,
    /// The e-mail address, as the identity provider gave it.
    pub email: String,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// A user to be created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewUser {
    /// The scope.
    pub scope_id: String,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Changes of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UserPatch {
    /// The name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub name: Change<String>,
    /// The description.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
}

impl Client {
    /// The users.
    pub fn users(&self) -> Collection<'_, User> {
        Collection::of(self)
    }
}

impl Collection<'_, User> {
    /// Adds accounts.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn add_accounts(&self, id: &str, version: u32, accounts: &[impl AsRef<str>]) -> Result<Item<User>, Error> {
        self.act(id, version, "add-accounts", &ids("account_ids", accounts)).await
    }

    /// Replaces all accounts.
    ///
    /// # Errors
    /// As of [`Collection::update`].
    pub async fn set_accounts(&self, id: &str, version: u32, accounts: &[impl AsRef<str>]) -> Result<Item<User>, Error> {
        self.act(id, version, "set-accounts", &ids("account_ids", accounts)).await
    }

    /// Lists the aliases that lead this user to a target.
    ///
    /// # Errors
    /// As of [`Collection::read`].
    pub async fn resolvable_aliases(&self, id: &str) -> Result<Vec<Item<Alias>>, Error> {
        let mut aliases = Vec::new();
        let mut token: Option<ListToken> = None;
        loop {
            let call = Self::resolvable_aliases_call(id, token.as_ref())?;
            let answer: ListAnswer<Item<Alias>> = self.client.fetch(&call).await?;
            let next = ListToken::new(answer.list_token);
            aliases.extend(answer.items);
            if answer.response_type != "delta" {
                return Ok(aliases);
            }
            if token.as_ref() == Some(&next) || next.as_str().is_empty() {
                return Err(Error::BrokenList { act: "list resolvable aliases".to_owned() });
            }
            token = Some(next);
        }
    }

    fn resolvable_aliases_call(id: &str, token: Option<&ListToken>) -> Result<Call, Error> {
        let query = token.map(|token| ("list_token", token.as_str().to_owned())).into_iter().collect();
        Ok(Self::call(Method::GET, "list resolvable aliases of", id, "list-resolvable-aliases")?.query(query))
    }
}

impl Resource for User {
    const PLURAL: &'static str = "users";
    const NOUN: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Create for User {
    type New = NewUser;
}

impl Update for User {
    type Patch = UserPatch;
}

impl Delete for User {}

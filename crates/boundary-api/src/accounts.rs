//! Accounts: how an auth method knows a user.

use crate::client::Client;
use crate::collection::{Collection, Create, Delete, Resource, Update};
use crate::wire::{Change, ScopeInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An account. It does not name its user: join by the user's accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Account {
    /// The id: `acctpw_…`, `acctoidc_…` or `acctldap_…`.
    pub id: String,
    /// The scope, in brief.
    pub scope: ScopeInfo,
    /// The auth method.
    pub auth_method_id: String,
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
    /// `password`, `oidc` or `ldap`.
    #[serde(rename = "type")]
    pub account_type: String,
    /// The attributes of its kind.
    pub attributes: AccountAttributes,
    /// The managed groups that it is in, as of its last login.
    pub managed_group_ids: Vec<String>,
    /// What the caller may do with it.
    pub authorized_actions: Vec<String>,
}

/// The attributes that identify an account; claims stay in [`crate::Item::raw`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountAttributes {
    /// The login name; password and LDAP.
    pub login_name: String,
    /// The issuer; OIDC.
    pub issuer: String,
    /// The subject; OIDC.
    pub subject: String,
    /// The full name; OIDC and LDAP.
    pub full_name: String,
    /// The e-mail address; OIDC and LDAP.
    pub email: String,
}

/// An OIDC account to be created, for a person who has not logged in yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAccount {
    /// The auth method.
    pub auth_method_id: String,
    /// `oidc`.
    #[serde(rename = "type")]
    pub account_type: String,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The attributes of its kind.
    pub attributes: Map<String, Value>,
}

impl NewAccount {
    /// An OIDC account of a subject; its issuer is the auth method's when none is given.
    pub fn oidc(auth_method_id: &str, subject: &str, issuer: Option<&str>) -> Self {
        let mut attributes = Map::new();
        attributes.insert("subject".to_owned(), subject.into());
        if let Some(issuer) = issuer {
            attributes.insert("issuer".to_owned(), issuer.into());
        }
        Self::of_kind("oidc", auth_method_id, attributes)
    }

    /// A password account without a password; nobody can log in to it until one is set.
    pub fn password(auth_method_id: &str, login_name: &str) -> Self {
        let attributes = Map::from_iter([("login_name".to_owned(), login_name.into())]);
        Self::of_kind("password", auth_method_id, attributes)
    }

    fn of_kind(kind: &str, auth_method_id: &str, attributes: Map<String, Value>) -> Self {
        let (auth_method_id, account_type) = (auth_method_id.to_owned(), kind.to_owned());
        Self { auth_method_id, account_type, name: None, description: None, attributes }
    }
}

/// Changes of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountPatch {
    /// The name.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub name: Change<String>,
    /// The description.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub description: Change<String>,
}

impl Client {
    /// The accounts; lists need [`crate::ListOptions::of_auth_method`].
    pub fn accounts(&self) -> Collection<'_, Account> {
        Collection::of(self)
    }
}

impl Resource for Account {
    const PLURAL: &'static str = "accounts";
    const NOUN: &'static str = "account";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u32 {
        self.version
    }
}

impl Create for Account {
    type New = NewAccount;
}

impl Update for Account {
    type Patch = AccountPatch;
}

impl Delete for Account {}

//! A typed client of the Boundary controller's HTTP API, one module a collection.
//!
//! Owns the requests, their errors, paging, versions, rate limits and the login of a daemon. Never reads the process
//! environment for its settings (the system's proxy variables are the HTTP library's own business), never decides what should exist, and never takes a short list for evidence: a caller
//! without rights is answered 200 with only its own things.
//!
//! ```text
//! Settings ─ Client::connect ─► Client ─ targets() roles() sessions() … ─► Collection<T>
//!     Collection<T>: read, list ─► Pages<T> ─► Page<T>, create, update(version), delete, and the sub-actions of T
//!     every answer is an Item<T>: the known fields, typed, and the whole document beside them
//! ```
//!
//! Source of all shapes: the JSON that Boundary v0.21.2 sends, measured, and its `api` package.

mod accounts;
mod aliases;
mod auth;
mod authorize;
mod bucket;
mod client;
mod collection;
mod error;
mod managed_groups;
mod page;
mod program;
mod retry;
mod roles;
mod scopes;
mod sessions;
mod settings;
mod targets;
mod users;
mod version;
mod wire;
mod workers;

pub use accounts::{Account, AccountAttributes, AccountPatch, NewAccount};
pub use aliases::{Alias, AliasPatch, NewAlias};
pub use auth::{AuthToken, Login, LoginFuture, PasswordLogin};
pub use authorize::{BrokeredCredential, CredentialSecret, CredentialSource, SessionAuthorization};
pub use bucket::TokenBucket;
pub use client::Client;
pub use collection::{Collection, Create, Delete, Resource, Update};
pub use error::{ApiError, Error, ErrorKind, Meaning, RequestField};
pub use managed_groups::{ManagedGroup, ManagedGroupPatch, NewManagedGroup};
pub use page::{KnownPage, ListOptions, ListToken, Listing, Page, Pages, VerbatimPage};
pub use program::{ProgramAccount, ProgramLogin, ProgramLoginError};
pub use roles::{NewRole, Principal, Role, RolePatch};
pub use scopes::{NewScope, Scope, ScopePatch};
pub use sessions::{Connection, Session, SessionState, SessionStatus};
pub use settings::{RateLimit, Settings, SettingsError};
pub use targets::{AliasOfTarget, NewTarget, NewTargetAlias, Target, TargetAttributes, TargetPatch};
pub use users::{NewUser, User, UserPatch};
pub use wire::{Change, Item, ScopeInfo};
pub use workers::Worker;

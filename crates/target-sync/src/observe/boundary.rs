//! What Boundary shows: lists, and reads of what the lists leave out.
//!
//! Owns which requests are made. A list of roles or users leaves grants, principals and accounts out, so these are read one by
//! one and remembered by version: a run that changes nothing makes lists only.

use crate::facts::{AccountFacts, AliasFacts, BoundaryScan, Kind, LiveSession, Recorded, RoleFacts, TargetFacts, UserFacts};
use boundary_api::{
    Account, Alias, Client, Collection, Error, ErrorKind, Item, ListOptions, ListToken, Meaning, Resource, Role, Session,
    SessionStatus, Target, User,
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many single reads are made at a time.
const READS: usize = 8;
/// How many objects of our records are looked for one by one. More than that are not gone: the list is filtered.
const LOOKED_FOR: usize = 200;

/// Where to look.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Our project.
    pub project_id: String,
    /// The auth methods whose accounts are matched.
    pub auth_methods: BTreeSet<String>,
    /// Whether aliases are looked at.
    pub aliases: bool,
}

/// What was read one by one, by id; each is good as long as the object has this version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Roles: version, grants, grant scopes, principals.
    roles: BTreeMap<String, RoleMemory>,
    /// Users: version, accounts.
    users: BTreeMap<String, (u32, BTreeSet<String>)>,
    /// Lists that this process has read, to be refreshed. Never stored: another run lists anew.
    #[serde(skip)]
    lists: Lists,
    /// Whether lists are kept, for a next run of this process; a single run needs their room for itself.
    #[serde(skip)]
    pub(crate) keeps_lists: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Lists {
    targets: Listed<TargetFacts>,
    roles: Listed<RoleFacts>,
    foreign_roles: Listed<RoleFacts>,
    aliases: Listed<AliasFacts>,
    users: Listed<UserFacts>,
}

/// A list as it was last seen, by id, with the token that asks for what has changed since.
#[derive(Debug, Clone, PartialEq)]
struct Listed<F> {
    items: BTreeMap<String, F>,
    token: Option<ListToken>,
}

impl<F> Default for Listed<F> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), token: None }
    }
}

impl<F> Listed<F> {
    /// Brings the list up to date: by a refresh where there is a token that is still good, else from the start. Of each item
    /// only what matters here is kept; a page is gone before the next is read.
    async fn refresh<T: Resource>(
        &mut self,
        all: Collection<'_, T>,
        options: ListOptions,
        facts: fn(&T) -> F,
    ) -> Result<(), Error> {
        if let Some(token) = self.token.take() {
            match self.take(all, options.clone().since(token), facts).await {
                Err(error) if error.kind() == Some(ErrorKind::InvalidListToken) => {}
                done => return done,
            }
        }
        self.items.clear();
        self.take(all, options, facts).await
    }

    /// The items; they are kept for a refresh, or handed over.
    fn hand(&mut self, keep: bool) -> BTreeMap<String, F>
    where
        F: Clone,
    {
        if keep {
            return self.items.clone();
        }
        self.token = None;
        std::mem::take(&mut self.items)
    }

    async fn take<T: Resource>(&mut self, all: Collection<'_, T>, options: ListOptions, facts: fn(&T) -> F) -> Result<(), Error> {
        let mut pages = all.list(options);
        while let Some(page) = pages.next_known().await? {
            for id in &page.removed_ids {
                self.items.remove(id);
            }
            self.items.extend(page.items.iter().map(|item| (item.id().to_owned(), facts(item))));
            self.token = page.list_token;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RoleMemory {
    version: u32,
    grants: BTreeSet<String>,
    grant_scopes: BTreeSet<String>,
    principals: BTreeSet<String>,
}

/// Why nothing can be said of Boundary.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A list without which no plan can be made.
    #[error("{act}; the sync's account needs the grant `{grant}` in {place}")]
    Denied {
        /// What was wanted.
        act: String,
        /// The grant.
        grant: &'static str,
        /// Where.
        place: String,
    },
    /// A request failed.
    #[error("failed to read Boundary")]
    Api(#[source] Error),
}

/// The grants that the sync's own account needs, by collection. Kept beside `boundary/` by a test.
pub const TARGET_GRANT: &str = "ids=*;type=target;actions=create,list,read,update,delete";
/// See [`TARGET_GRANT`].
pub const ROLE_GRANT: &str = "ids=*;type=role;actions=create,list,read,update,delete,set-grants,set-grant-scopes,set-principals";
/// See [`TARGET_GRANT`].
pub const ALIAS_GRANT: &str = "ids=*;type=alias;actions=create,list,read,update,delete";
/// See [`TARGET_GRANT`].
pub const SESSION_GRANT: &str = "ids=*;type=session;actions=list,read,cancel";
/// See [`TARGET_GRANT`].
pub const USER_GRANT: &str = "ids=*;type=user;actions=list,read";
/// See [`TARGET_GRANT`].
pub const ACCOUNT_GRANT: &str = "ids=*;type=account;actions=list,read";

/// What it needs, in the global scope and below, to see roles of others that authorise sessions on our targets. Good to have:
/// without it such roles are not told.
pub const FOREIGN_ROLE_GRANT: &str = "ids=*;type=role;actions=list,read";

/// Looks at everything. What may be missing without harm is told in `unreadable`.
///
/// # Errors
/// [`ObserveError`]: without targets, roles and aliases there is no plan.
pub async fn observe(
    client: &Client,
    scope: &Scope,
    recorded: &BTreeMap<String, Recorded>,
    memory: &mut Memory,
) -> Result<BoundaryScan, ObserveError> {
    let project = || ListOptions::in_scope(&scope.project_id);
    let in_project = || format!("the project {}", scope.project_id);
    let anywhere = || ListOptions::in_scope("global").recursive();
    let mut lists = std::mem::take(&mut memory.lists);
    let (targets, roles, aliases) = tokio::join!(
        lists.targets.refresh(client.targets(), project(), target_facts),
        lists.roles.refresh(client.roles(), project(), role_facts),
        list_aliases(client, scope.aliases, &mut lists.aliases),
    );
    let mut live = Listed::default();
    let (sessions, strangers, users) = tokio::join!(
        live.refresh(client.sessions(), project(), live_session),
        lists.foreign_roles.refresh(client.roles(), anywhere(), role_facts),
        lists.users.refresh(client.users(), anywhere(), user_facts),
    );
    needed(targets, TARGET_GRANT, in_project)?;
    needed(aliases, ALIAS_GRANT, || "the global scope".to_owned())?;
    needed(roles, ROLE_GRANT, in_project)?;
    let keep = memory.keeps_lists;
    let mut scan =
        BoundaryScan { targets: lists.targets.hand(keep), aliases: lists.aliases.hand(keep), ..BoundaryScan::default() };
    let mut listed = lists.foreign_roles.hand(keep);
    listed.extend(lists.roles.hand(keep));
    if let Err(error) = strangers {
        optional(error, "roles elsewhere, which may authorise our targets too", &mut scan.unreadable)?;
    }
    read_roles(client, listed, memory, &mut scan).await?;
    match sessions {
        Ok(()) => put_sessions(&mut scan, live.items),
        Err(error) => {
            optional(error, "sessions; a target that is due is deleted although one may be listed", &mut scan.unreadable)?;
        }
    }
    scan.users = lists.users.hand(keep);
    if let Err(error) = users {
        optional(error, &format!("users; nobody new is granted without `{USER_GRANT}`"), &mut scan.unreadable)?;
    }
    memory.lists = lists;
    for method in &scope.auth_methods {
        match client.accounts().list_all(ListOptions::of_auth_method(method)).await {
            Ok(accounts) => scan.accounts.extend(accounts.items.iter().map(account_facts)),
            Err(error) => {
                let what = format!("accounts of {method}; nobody new is granted without `{ACCOUNT_GRANT}`");
                optional(error, &what, &mut scan.unreadable)?;
            }
        }
    }
    read_users(client, memory, &mut scan).await?;
    look_for_recorded(client, recorded, memory, &mut scan).await?;
    Ok(scan)
}

async fn list_aliases(client: &Client, on: bool, known: &mut Listed<AliasFacts>) -> Result<(), Error> {
    if !on {
        return Ok(());
    }
    known.refresh(client.aliases(), ListOptions::in_scope("global"), alias_facts).await
}

fn needed<T>(listed: Result<T, Error>, grant: &'static str, place: impl FnOnce() -> String) -> Result<T, ObserveError> {
    listed.map_err(|error| match error.kind() {
        Some(ErrorKind::PermissionDenied) => ObserveError::Denied { act: error.to_string(), grant, place: place() },
        _ => ObserveError::Api(error),
    })
}

/// Takes a refusal for a note; anything else means that Boundary cannot be read now.
fn optional(error: Error, what: &str, unreadable: &mut Vec<String>) -> Result<(), ObserveError> {
    if !matches!(error.meaning(), Meaning::Denied | Meaning::NotFound) {
        return Err(ObserveError::Api(error));
    }
    unreadable.push(format!("cannot read {what}: {error}"));
    Ok(())
}

async fn read_roles(
    client: &Client,
    listed: BTreeMap<String, RoleFacts>,
    memory: &mut Memory,
    scan: &mut BoundaryScan,
) -> Result<(), ObserveError> {
    let stale = listed.values().filter(|role| memory.roles.get(&role.id).is_none_or(|known| known.version != role.version));
    let ids: Vec<String> = stale.map(|role| role.id.clone()).collect();
    let mut reads = stream::iter(ids).map(|id| async move { (client.roles().read(&id).await, id) }).buffer_unordered(READS);
    while let Some((read, id)) = reads.next().await {
        match read {
            Ok(role) => memory.put_role(&role),
            Err(error) => optional(error, &format!("the role {id}"), &mut scan.unreadable)?,
        }
    }
    drop(reads);
    memory.roles.retain(|id, _| listed.contains_key(id));
    let known = |(id, role)| memory.roles.get(&id).map(|known| known.complete(role)).map(|role| (id, role));
    scan.roles = listed.into_iter().filter_map(known).collect();
    Ok(())
}

/// Reads the accounts of users whose primary account is none of those that are matched.
async fn read_users(client: &Client, memory: &mut Memory, scan: &mut BoundaryScan) -> Result<(), ObserveError> {
    let joined: BTreeSet<String> = scan.users.values().flat_map(|user| user.account_ids.clone()).collect();
    if scan.accounts.iter().all(|account| joined.contains(&account.id)) {
        return Ok(());
    }
    let stale = scan.users.values().filter(|user| memory.users.get(&user.id).is_none_or(|known| known.0 != user.version));
    let ids: Vec<String> = stale.map(|user| user.id.clone()).collect();
    let mut reads = stream::iter(ids).map(|id| async move { (client.users().read(&id).await, id) }).buffer_unordered(READS);
    while let Some((read, id)) = reads.next().await {
        match read {
            Ok(user) => drop(memory.users.insert(id, (user.version, user.account_ids.iter().cloned().collect()))),
            Err(error) => optional(error, &format!("the user {id}"), &mut scan.unreadable)?,
        }
    }
    drop(reads);
    for user in scan.users.values_mut() {
        if let Some((_, accounts)) = memory.users.get(&user.id) {
            user.account_ids.extend(accounts.iter().cloned());
        }
    }
    memory.users.retain(|id, _| scan.users.contains_key(id));
    Ok(())
}

/// What our records name and no list showed is asked for by its id: gone, or only not shown.
async fn look_for_recorded(
    client: &Client,
    recorded: &BTreeMap<String, Recorded>,
    memory: &mut Memory,
    scan: &mut BoundaryScan,
) -> Result<(), ObserveError> {
    let unseen = |(id, recorded): &(&String, &Recorded)| match recorded.kind {
        Kind::Target => !scan.targets.contains_key(*id),
        Kind::Role => !scan.roles.contains_key(*id),
        Kind::Alias => !scan.aliases.contains_key(*id),
        Kind::Session => false,
    };
    let missed: Vec<(String, Kind)> = recorded.iter().filter(unseen).map(|(id, recorded)| (id.clone(), recorded.kind)).collect();
    if missed.len() > LOOKED_FOR {
        let many = missed.len();
        scan.unreadable.push(format!("{many} objects of our records were not listed: the lists seem filtered by grants"));
    }
    for (id, kind) in missed.iter().take(LOOKED_FOR) {
        let missed = match kind {
            Kind::Target => client.targets().read(id).await.map(|target| {
                scan.targets.insert(id.clone(), target_facts(&target));
            }),
            Kind::Role => client.roles().read(id).await.map(|role| {
                memory.put_role(&role);
                scan.roles.insert(id.clone(), memory.roles[id].complete(role_facts(&role)));
            }),
            Kind::Alias => client.aliases().read(id).await.map(|alias| {
                scan.aliases.insert(id.clone(), alias_facts(&alias));
            }),
            Kind::Session => continue,
        };
        match missed {
            Ok(()) => {}
            Err(error) if error.meaning() == Meaning::NotFound => drop(scan.gone.insert(id.clone())),
            Err(error) => optional(error, &format!("the {} {id}", kind.word()), &mut scan.unreadable)?,
        }
    }
    Ok(())
}

/// A session that has not ended, with its target.
fn live_session(session: &Session) -> Option<(String, LiveSession)> {
    let live = LiveSession { id: session.id.clone(), version: session.version, expires: session.expiration_time };
    (session.status != SessionStatus::Terminated).then(|| (session.target_id.clone(), live))
}

fn put_sessions(scan: &mut BoundaryScan, sessions: BTreeMap<String, Option<(String, LiveSession)>>) {
    for (target_id, live) in sessions.into_values().flatten() {
        scan.live_sessions.entry(target_id).or_default().push(live);
    }
}

impl Memory {
    /// Takes a role as it was answered.
    pub(crate) fn put_role(&mut self, role: &Role) {
        let known = RoleMemory {
            version: role.version,
            grants: role.grant_strings.iter().cloned().collect(),
            grant_scopes: role.grant_scope_ids.iter().cloned().collect(),
            principals: role.principal_ids.iter().cloned().collect(),
        };
        self.roles.insert(role.id.clone(), known);
    }
}

impl RoleMemory {
    /// Adds what lists leave out.
    fn complete(&self, role: RoleFacts) -> RoleFacts {
        RoleFacts {
            version: self.version,
            grants: self.grants.clone(),
            grant_scopes: self.grant_scopes.clone(),
            principals: self.principals.clone(),
            ..role
        }
    }
}

/// What a list tells of a role.
fn role_facts(role: &Role) -> RoleFacts {
    RoleFacts {
        id: role.id.clone(),
        version: role.version,
        scope_id: role.scope_id.clone(),
        name: role.name.clone(),
        description: role.description.clone(),
        ..RoleFacts::default()
    }
}

/// Reads a target.
pub(crate) fn target_facts(target: &Target) -> TargetFacts {
    TargetFacts {
        id: target.id.clone(),
        version: target.version,
        name: target.name.clone(),
        description: target.description.clone(),
        address: target.address.clone(),
        port: target.attributes.default_port,
        session_max_seconds: target.session_max_seconds,
        connection_limit: target.session_connection_limit,
        egress_worker_filter: target.egress_worker_filter.clone(),
    }
}

fn alias_facts(alias: &Alias) -> AliasFacts {
    AliasFacts {
        id: alias.id.clone(),
        version: alias.version,
        value: alias.value.clone(),
        description: alias.description.clone(),
        destination_id: alias.destination_id.clone(),
    }
}

fn user_facts(user: &User) -> UserFacts {
    let primary = Some(user.primary_account_id.clone()).filter(|id| !id.is_empty());
    UserFacts { id: user.id.clone(), version: user.version, name: user.name.clone(), account_ids: primary.into_iter().collect() }
}

fn account_facts(account: &Item<Account>) -> AccountFacts {
    let attributes = &account.attributes;
    AccountFacts {
        id: account.id.clone(),
        auth_method_id: account.auth_method_id.clone(),
        issuer: attributes.issuer.clone(),
        subject: attributes.subject.clone(),
        login_name: attributes.login_name.clone(),
        email: attributes.email.clone(),
        claims: claims(&account.raw),
    }
}

/// The claims of the last login: of the user info, over those of the token.
fn claims(raw: &Value) -> BTreeMap<String, Value> {
    let of = |name: &str| raw.pointer(&format!("/attributes/{name}")).and_then(Value::as_object).cloned().unwrap_or_default();
    of("token_claims").into_iter().chain(of("userinfo_claims")).collect()
}

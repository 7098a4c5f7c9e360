//! Grants: read from roles, and asked. It owns who may do what; it changes nothing.
//!
//! Source: boundary internal/perms (grants.go, acl.go), as described in its documentation, and v0.21.2, measured.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::boundary::kind::Kind;
use crate::boundary::store::{Object, Store};

/// Everybody, logged in or not.
pub(crate) const ANYBODY: &str = "u_anon";
/// Everybody who is logged in.
pub(crate) const LOGGED_IN: &str = "u_auth";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_field_names, reason = "they are ids of three kinds")]
pub(crate) struct Caller {
    /// Empty when nobody is logged in.
    pub(crate) user_id: String,
    pub(crate) account_id: String,
    pub(crate) auth_token_id: String,
}

impl Caller {
    pub(crate) fn is_nobody(&self) -> bool {
        self.user_id.is_empty()
    }
}

/// One grant string, read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    ids: Vec<String>,
    /// `*`, or a kind's word; empty when the grant names none.
    kind: String,
    actions: Vec<String>,
    fields: Vec<String>,
}

/// Reads a grant; none if the controller refuses it as improperly formatted.
pub(crate) fn parse(text: &str) -> Option<Grant> {
    let mut grant = Grant::default();
    if text.trim_start().starts_with('{') {
        return parse_json(text);
    }
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.trim().split_once('=')?;
        let list = || value.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect();
        match name {
            "ids" => grant.ids = list(),
            "type" => value.trim().clone_into(&mut grant.kind),
            "actions" => grant.actions = list(),
            "output_fields" => grant.fields = list(),
            _ => return None,
        }
    }
    is_whole(&grant).then_some(grant)
}

/// A grant may also be written as a JSON document.
fn parse_json(text: &str) -> Option<Grant> {
    let read: serde_json::Value = serde_json::from_str(text).ok()?;
    let list = |name: &str| {
        let words = read[name].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        words.map(str::to_owned).collect()
    };
    let kind = read["type"].as_str().unwrap_or_default().to_owned();
    let grant = Grant { ids: list("ids"), kind, actions: list("actions"), fields: list("output_fields") };
    is_whole(&grant).then_some(grant)
}

fn is_whole(grant: &Grant) -> bool {
    let everything = grant.ids.iter().any(|id| id == "*");
    let prefix = |id: &String| id.split('_').next().unwrap_or_default().to_owned();
    let same = grant.ids.iter().map(prefix).collect::<BTreeSet<_>>().len() <= 1;
    let pinned = |kind: &str| grant.ids.iter().all(|id| may_pin(id, kind));
    let known = match grant.kind.as_str() {
        "" => !grant.ids.is_empty() && !everything,
        "*" => everything,
        word => (KNOWN.contains(&word) || Kind::of_grant(word).is_some()) && (everything || pinned(word)),
    };
    let collection_only = grant.actions.iter().all(|action| matches!(action.as_str(), "create" | "list"));
    let acts = |action: &String| action == "*" || is_action(action);
    known
        && same
        && !(grant.actions.is_empty() && grant.fields.is_empty())
        && (!grant.ids.is_empty() || collection_only)
        && grant.actions.iter().all(acts)
}

/// Kinds that the lab does not hold, but grants may name.
const KNOWN: [&str; 12] = [
    "auth-token",
    "billing",
    "credential-library",
    "host",
    "host-catalog",
    "host-set",
    "policy",
    "session-recording",
    "storage-bucket",
    "app-token",
    "controller",
    "unknown",
];

/// Every action that some kind has may stand in every grant (measured).
fn is_action(action: &str) -> bool {
    let base = action.strip_suffix(":self").unwrap_or(action);
    matches!(base, "create" | "list") || OTHERS.contains(&base) || Kind::all().any(|kind| kind.actions().contains(&base))
}

/// Actions of kinds that the lab does not hold.
const OTHERS: [&str; 12] = [
    "add-hosts",
    "set-hosts",
    "remove-hosts",
    "add-worker-tags",
    "set-worker-tags",
    "remove-worker-tags",
    "download",
    "rotate-keys",
    "list-keys",
    "destroy-key-version",
    "create:controller-led",
    "create:worker-led",
];

/// Says whether a grant may name an id with a kind: the id's own, or one that belongs to it. A template may be anything.
fn may_pin(id: &str, kind: &str) -> bool {
    let belongs: &[&str] = match id.split('_').next().unwrap_or_default() {
        "ampw" | "amoidc" | "amldap" => &["account", "managed-group", "auth-method"],
        "csst" | "csvlt" => &["credential", "credential-library", "credential-store"],
        "hcst" | "hcplg" => &["host", "host-set", "host-catalog"],
        "ttcp" | "tssh" | "trdp" => &["target"],
        "o" | "p" | "global" => &["scope"],
        prefix => return Kind::of_grant(kind).is_none_or(|kind| kind.prefix() == prefix) || id.starts_with('{'),
    };
    belongs.contains(&kind)
}

/// A grant with the scopes where it holds.
#[derive(Clone, Debug)]
struct Held {
    grant: Grant,
    role_scope: String,
    scopes: BTreeSet<String>,
}

impl Held {
    /// Says whether it holds in the first of these scopes; the others are above it.
    fn holds(&self, chain: &[String]) -> bool {
        let Some(scope) = chain.first() else { return false };
        self.scopes.iter().any(|word| match word.as_str() {
            "this" => *scope == self.role_scope,
            "children" => chain.get(1) == Some(&self.role_scope),
            "descendants" => chain[1..].contains(&self.role_scope),
            id => id == scope,
        })
    }

    fn allows(&self, action: &str, own: bool) -> bool {
        let names = |word: &str| self.grant.actions.iter().any(|known| known == word);
        names("*") || names(action) || own && names(&format!("{action}:self"))
    }

    fn is_of(&self, kind: Kind, id: &str, parent: &str) -> bool {
        let has = |id: &str| self.grant.ids.iter().any(|known| known == id);
        match self.grant.kind.as_str() {
            "" => has(id),
            "*" => true,
            word => word == kind.grant() && (has("*") || has(id) || has(parent)),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: &'a str,
    /// What it belongs to.
    pub(crate) parent: &'a str,
    /// Its scope, and those above.
    pub(crate) chain: &'a [String],
    pub(crate) own: bool,
}

/// All grants of one caller.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    wide: Vec<Held>,
    by_id: HashMap<String, Vec<Held>>,
    /// A digest of all; list tokens die with it.
    pub(crate) digest: u64,
}

impl Rights {
    /// Collects the grants of a caller.
    pub(crate) fn of(store: &Store, caller: &Caller) -> Self {
        let mut rights = Self::default();
        let mut said = BTreeSet::new();
        for role_id in principals(store, caller).iter().flat_map(|principal| store.roles_of(principal)) {
            if let Some(role) = store.find(&role_id) {
                rights.take(role, caller, &mut said);
            }
        }
        let mut hasher = DefaultHasher::new();
        said.hash(&mut hasher);
        rights.digest = hasher.finish();
        rights
    }

    fn take(&mut self, role: &Object, caller: &Caller, said: &mut BTreeSet<String>) {
        let scopes: BTreeSet<String> = role.texts("grant_scope_ids").map(str::to_owned).collect();
        for text in role.texts("grant_strings") {
            let text = filled(text, caller);
            said.insert(format!("{} {scopes:?} {text}", role.parent));
            let Some(grant) = parse(&text) else { continue };
            let held = Held { grant, role_scope: role.parent.clone(), scopes: scopes.clone() };
            if held.grant.ids.is_empty() || held.grant.ids.iter().any(|id| id == "*") {
                self.wide.push(held);
            } else {
                for id in held.grant.ids.clone() {
                    self.by_id.entry(id).or_default().push(held.clone());
                }
            }
        }
    }

    /// Says whether the caller may do this with one.
    pub(crate) fn allow(&self, subject: Subject<'_>, action: &str) -> bool {
        self.about(subject).any(|held| held.allows(action, subject.own))
    }

    /// Says whether the caller may do this with the collection of a scope, auth method or store.
    pub(crate) fn allow_collection(&self, subject: Subject<'_>, action: &str) -> bool {
        let kind = subject.kind.grant();
        let pinned = self.by_id.get(subject.parent).into_iter().flatten();
        let of_kind = |held: &&Held| held.grant.kind == kind || held.grant.kind == "*";
        self.wide.iter().chain(pinned).filter(of_kind).any(|held| held.holds(subject.chain) && held.allows(action, false))
    }

    /// Says whether a list of a kind is granted in any of these scopes or below one of them.
    pub(crate) fn list_somewhere(&self, kind: Kind, holds_below: impl Fn(&str, &BTreeSet<String>) -> bool) -> bool {
        let of_kind = |held: &&Held| held.grant.kind == kind.grant() || held.grant.kind == "*";
        let all = self.wide.iter().chain(self.by_id.values().flatten());
        all.filter(of_kind).any(|held| held.allows("list", false) && holds_below(&held.role_scope, &held.scopes))
    }

    /// Returns what the caller may do with one.
    pub(crate) fn actions(&self, subject: Subject<'_>) -> Vec<&'static str> {
        let about: Vec<_> = self.about(subject).collect();
        let may = |action: &&&'static str| {
            let (base, own) = action.strip_suffix(":self").map_or((**action, false), |base| (base, subject.own));
            about.iter().any(|held| held.allows(base, own))
        };
        subject.kind.actions().iter().filter(may).copied().collect()
    }

    /// Returns the fields that an answer is cut to; none when it is not.
    pub(crate) fn fields<'a>(&'a self, subject: Subject<'a>, action: &str) -> Option<BTreeSet<&'a str>> {
        let held = self.about(subject).filter(|held| held.allows(action, subject.own));
        let fields: BTreeSet<&str> = held.flat_map(|held| held.grant.fields.iter().map(String::as_str)).collect();
        (!fields.is_empty() && !fields.contains("*")).then_some(fields)
    }

    fn about<'a>(&'a self, subject: Subject<'a>) -> impl Iterator<Item = &'a Held> {
        let ids = [subject.id, subject.parent].into_iter().filter_map(|id| self.by_id.get(id)).flatten();
        let fits = move |held: &&Held| held.is_of(subject.kind, subject.id, subject.parent) && held.holds(subject.chain);
        self.wide.iter().chain(ids).filter(fits)
    }
}

fn principals(store: &Store, caller: &Caller) -> BTreeSet<String> {
    let mut principals = BTreeSet::from([ANYBODY.to_owned()]);
    if !caller.is_nobody() {
        principals.extend([LOGGED_IN.to_owned(), caller.user_id.clone()]);
        principals.extend(store.groups_of(&caller.user_id));
        let accounts = store.find(&caller.user_id).into_iter().flat_map(|user| user.texts("account_ids"));
        principals.extend(accounts.flat_map(|account| store.groups_of(account)));
    }
    principals
}

fn filled(text: &str, caller: &Caller) -> String {
    let mut text = text.to_owned();
    for (names, value) in [([".User.Id", "user.id"], &caller.user_id), ([".Account.Id", "account.id"], &caller.account_id)] {
        for name in names {
            text = text.replace(&format!("{{{{{name}}}}}"), value).replace(&format!("{{{{ {name} }}}}"), value);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_or_refused() {
        for text in [
            "ids=ttcp_1;actions=read,authorize-session",
            "ids=*;type=target;actions=list,no-op;output_fields=id,name",
            "type=target;actions=create,list",
            "ids=*;type=*;actions=*",
            "ids={{.User.Id}};actions=read",
            "ids=*;type=session;actions=list,read:self,cancel:self",
            "ids=*;type=role;actions=authorize-session",
            "ids=ampw_1;type=account;actions=list",
            r#"{"ids":["ttcp_1"],"actions":["read"]}"#,
        ] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in [
            "bogus",
            "ids=*;actions=read",
            "ids=*;type=bogus;actions=read",
            "ids=*;type=target;actions=bogus",
            "type=target;actions=read",
            "ids=ttcp_1",
            "ids=ttcp_1;type=*;actions=read",
            "id=ttcp_1;actions=read",
            "ids=*,ttcp_1;type=target;actions=read",
            "ids=ttcp_1,hst_2;actions=read",
            "ids=r_1;type=target;actions=read",
            "ids=ttcp_1;actions=frobnicate",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

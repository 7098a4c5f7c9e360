//! The kinds of resources: their words in paths, ids, grants and errors. It owns names only; what they hold is the store's.

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Scope,
    AuthMethod,
    Account,
    ManagedGroup,
    User,
    Group,
    Role,
    Target,
    Alias,
    Session,
    Worker,
    CredentialStore,
    Credential,
}

/// The words of a kind.
struct Words {
    kind: Kind,
    plural: &'static str,
    /// In grants.
    grant: &'static str,
    /// In errors.
    noun: &'static str,
    /// Of an id.
    prefix: &'static str,
    /// What may be done with one, beside the collection's `create` and `list`.
    actions: &'static [&'static str],
    /// The field that names what it belongs to.
    parent: &'static str,
}

const PLAIN: &[&str] = &["no-op", "read", "update", "delete"];
const TARGET: &[&str] = &[
    "no-op",
    "read",
    "update",
    "delete",
    "add-host-sources",
    "set-host-sources",
    "remove-host-sources",
    "add-credential-sources",
    "set-credential-sources",
    "remove-credential-sources",
    "authorize-session",
];
const ROLE: &[&str] = &[
    "no-op",
    "read",
    "update",
    "delete",
    "add-principals",
    "set-principals",
    "remove-principals",
    "add-grants",
    "set-grants",
    "remove-grants",
    "add-grant-scopes",
    "set-grant-scopes",
    "remove-grant-scopes",
];
const USER: &[&str] =
    &["no-op", "read", "update", "delete", "add-accounts", "set-accounts", "remove-accounts", "list-resolvable-aliases"];
const GROUP: &[&str] = &["no-op", "read", "update", "delete", "add-members", "set-members", "remove-members"];
const ACCOUNT: &[&str] = &["no-op", "read", "update", "delete", "set-password", "change-password"];
const AUTH_METHOD: &[&str] = &["no-op", "read", "update", "delete", "authenticate"];
const SESSION: &[&str] = &["no-op", "read", "read:self", "cancel", "cancel:self"];

const KINDS: [Words; 13] = [
    words((Kind::Scope, "scopes", "scope", "Scope", "o"), PLAIN, "scope_id"),
    words((Kind::AuthMethod, "auth-methods", "auth-method", "AuthMethod", "ampw"), AUTH_METHOD, "scope_id"),
    words((Kind::Account, "accounts", "account", "Account", "acctpw"), ACCOUNT, "auth_method_id"),
    words((Kind::ManagedGroup, "managed-groups", "managed-group", "ManagedGroup", "mgoidc"), PLAIN, "auth_method_id"),
    words((Kind::User, "users", "user", "User", "u"), USER, "scope_id"),
    words((Kind::Group, "groups", "group", "Group", "g"), GROUP, "scope_id"),
    words((Kind::Role, "roles", "role", "Role", "r"), ROLE, "scope_id"),
    words((Kind::Target, "targets", "target", "Target", "ttcp"), TARGET, "scope_id"),
    words((Kind::Alias, "aliases", "alias", "Alias", "alt"), PLAIN, "scope_id"),
    words((Kind::Session, "sessions", "session", "Session", "s"), SESSION, "scope_id"),
    words((Kind::Worker, "workers", "worker", "Worker", "w"), PLAIN, "scope_id"),
    words((Kind::CredentialStore, "credential-stores", "credential-store", "CredentialStore", "csst"), PLAIN, "scope_id"),
    words((Kind::Credential, "credentials", "credential", "Credential", "credjson"), PLAIN, "credential_store_id"),
];

type Named = (Kind, &'static str, &'static str, &'static str, &'static str);

const fn words(named: Named, actions: &'static [&'static str], parent: &'static str) -> Words {
    let (kind, plural, grant, noun, prefix) = named;
    Words { kind, plural, grant, noun, prefix, actions, parent }
}

impl Kind {
    /// Finds the kind of a collection.
    pub(crate) fn of_plural(plural: &str) -> Option<Self> {
        KINDS.iter().find(|words| words.plural == plural).map(|words| words.kind)
    }

    /// Finds the kind that a grant names.
    pub(crate) fn of_grant(word: &str) -> Option<Self> {
        KINDS.iter().find(|words| words.grant == word).map(|words| words.kind)
    }

    /// Returns every kind.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|words| words.kind)
    }

    pub(crate) fn plural(self) -> &'static str {
        self.words().plural
    }

    /// Its name in grants.
    pub(crate) fn grant(self) -> &'static str {
        self.words().grant
    }

    /// Its name in errors.
    pub(crate) fn noun(self) -> &'static str {
        self.words().noun
    }

    pub(crate) fn prefix(self) -> &'static str {
        self.words().prefix
    }

    pub(crate) fn actions(self) -> &'static [&'static str] {
        self.words().actions
    }

    /// The field that names what it belongs to.
    pub(crate) fn parent(self) -> &'static str {
        self.words().parent
    }

    /// Its message in the controller's interface, as an error about an unknown field names it.
    pub(crate) fn message(self) -> String {
        let package = self.plural().replace('-', "");
        format!("controller.api.resources.{package}.v1.{}", self.noun())
    }

    /// The collections that lie in something of this kind, as its `authorized_collection_actions` name them.
    pub(crate) fn collections(scope_id: &str) -> &'static [Self] {
        match scope_id.split('_').next() {
            Some("global") => &[Self::Alias, Self::AuthMethod, Self::Group, Self::Role, Self::Scope, Self::User, Self::Worker],
            Some("ampw" | "amoidc" | "amldap") => &[Self::Account, Self::ManagedGroup],
            Some("o") => &[Self::AuthMethod, Self::Group, Self::Role, Self::Scope, Self::User],
            _ => &[Self::CredentialStore, Self::Group, Self::Role, Self::Session, Self::Target],
        }
    }

    fn words(self) -> &'static Words {
        KINDS.iter().find(|words| words.kind == self).expect("the table holds every kind")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_by_its_words() {
        for words in &KINDS {
            assert_eq!(Kind::of_plural(words.plural), Some(words.kind));
            assert_eq!(Kind::of_grant(words.grant), Some(words.kind));
            assert_eq!(words.kind.words().prefix, words.prefix);
        }
        assert_eq!(Kind::ManagedGroup.message(), "controller.api.resources.managedgroups.v1.ManagedGroup");
    }
}

//! Whose task it is, as a Boundary user: one exact match, or a refusal that says why.
//!
//! Owns the judgement over what was seen. A match needs exactly one account and exactly one user; the accounts are those of
//! the configured auth methods. Tags are claims of whoever could tag the task: they choose among existing users, never make one.

use crate::facts::{AccountFacts, BoundaryScan, TaskFacts};
use audit_record::sha256_hex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Which field of an account is compared with which label of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchBy {
    /// The subject of an OIDC account, under its issuer, with the tag `oidc_sub` (or `owner_sub`).
    Subject,
    /// The e-mail address, with the owner's name. Weak: identity providers let people change it.
    Email,
    /// The login name of a password or LDAP account, with the owner's name. Weak: names are given again.
    LoginName,
}

impl MatchBy {
    /// Whether somebody else may come to have the same value.
    pub fn is_weak(self) -> bool {
        self != Self::Subject
    }

    fn value(self, account: &AccountFacts) -> &str {
        match self {
            Self::Subject => &account.subject,
            Self::Email => &account.email,
            Self::LoginName => &account.login_name,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Email => "e-mail address",
            Self::LoginName => "login name",
        }
    }
}

/// One way to find the owner. Rules are tried in their order; the first whose tags fit decides.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalRule {
    /// What is compared.
    pub by: MatchBy,
    /// The auth methods whose accounts count.
    pub auth_methods: BTreeSet<String>,
    /// The issuer that an OIDC account must have; needed with [`MatchBy::Subject`].
    pub issuer: Option<String>,
    /// Tags that the task must have, each with one of these values, for the rule to apply.
    pub when_tags: BTreeMap<String, BTreeSet<String>>,
    /// Claims that the account must have: each name or JSON pointer with one of these values, also inside a list.
    pub require_claims: BTreeMap<String, BTreeSet<String>>,
}

/// What came of looking for the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    /// One user.
    User {
        /// The user.
        user_id: String,
        /// The account by which he was found.
        account_id: String,
        /// Whether the match is weak.
        weak: bool,
    },
    /// None, and why.
    Refused(Refusal),
}

/// Why a task's owner has no grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The task names no owner in the form that the rule compares.
    NoOwner(MatchBy),
    /// No rule's tags fit the task.
    NoRule,
    /// No account was seen that matches. No evidence that there is none.
    NoAccount(MatchBy),
    /// Several accounts match.
    ManyAccounts(Vec<String>),
    /// The account belongs to no user that was seen. No evidence that there is none.
    NoUser(String),
    /// Several users have the account's claim to be theirs.
    ManyUsers(Vec<String>),
    /// The account lacks a claim that the rule requires.
    Claim {
        /// The claim's name.
        claim: String,
        /// The account.
        account_id: String,
    },
}

impl Refusal {
    /// Whether this was positively seen. Absence is not: a list may have been filtered, and takes nothing away from anybody.
    pub fn is_proved(&self) -> bool {
        matches!(self, Self::ManyAccounts(_) | Self::ManyUsers(_) | Self::Claim { .. })
    }

    /// A stable code for records and machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoOwner(_) => "no_owner",
            Self::NoRule => "no_rule",
            Self::NoAccount(_) => "no_account",
            Self::ManyAccounts(_) => "many_accounts",
            Self::NoUser(_) => "no_user",
            Self::ManyUsers(_) => "many_users",
            Self::Claim { .. } => "claim",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoOwner(by) => write!(f, "the task has no tag to compare with a {}", by.word()),
            Self::NoRule => f.write_str("no [[principal]] rule's `when_tags` fit the task"),
            Self::NoAccount(by) => write!(f, "no account with the owner's {} was seen", by.word()),
            Self::ManyAccounts(ids) => write!(f, "several accounts match the owner: {}", ids.join(", ")),
            Self::NoUser(account) => write!(f, "no user with the account {account} was seen"),
            Self::ManyUsers(ids) => write!(f, "several users have the owner's account: {}", ids.join(", ")),
            Self::Claim { claim, account_id } => write!(f, "the account {account_id} lacks a required value of `{claim}`"),
        }
    }
}

/// Accounts by what the rules compare, and users by their accounts.
#[derive(Debug)]
pub struct People<'a> {
    accounts: BTreeMap<MatchBy, BTreeMap<&'a str, Vec<&'a AccountFacts>>>,
    users: BTreeMap<&'a str, Vec<&'a String>>,
}

impl<'a> People<'a> {
    /// Indexes what was seen for these rules.
    pub fn of(rules: &[PrincipalRule], boundary: &'a BoundaryScan) -> Self {
        let mut people = Self { accounts: BTreeMap::new(), users: BTreeMap::new() };
        let compared: BTreeSet<MatchBy> = rules.iter().map(|rule| rule.by).collect();
        for account in &boundary.accounts {
            for by in &compared {
                people.accounts.entry(*by).or_default().entry(by.value(account)).or_default().push(account);
            }
        }
        for user in boundary.users.values() {
            for account_id in &user.account_ids {
                people.users.entry(account_id).or_default().push(&user.id);
            }
        }
        people
    }

    fn with_value(&self, by: MatchBy, value: &str) -> &[&'a AccountFacts] {
        self.accounts.get(&by).and_then(|accounts| accounts.get(value)).map_or(&[], Vec::as_slice)
    }

    fn with_account(&self, account_id: &str) -> &[&'a String] {
        self.users.get(account_id).map_or(&[], Vec::as_slice)
    }
}

/// Finds the owner of a task.
pub fn map(rules: &[PrincipalRule], abac_key: &str, task: &TaskFacts, people: &People<'_>) -> Mapping {
    let Some(rule) = rules.iter().find(|rule| rule.applies_to(task)) else {
        return Mapping::Refused(Refusal::NoRule);
    };
    let Some(owner) = owner(rule.by, abac_key, task) else {
        return Mapping::Refused(Refusal::NoOwner(rule.by));
    };
    let same = people.with_value(rule.by, owner).iter().copied();
    let accounts: Vec<&AccountFacts> = same.filter(|account| rule.counts(account)).collect();
    let account = match accounts.as_slice() {
        [] => return Mapping::Refused(Refusal::NoAccount(rule.by)),
        [account] => *account,
        several => return Mapping::Refused(Refusal::ManyAccounts(sorted(several.iter().map(|account| &account.id)))),
    };
    if let Some(claim) = rule.require_claims.iter().find(|(claim, values)| !has_claim(account, claim, values)) {
        return Mapping::Refused(Refusal::Claim { claim: claim.0.clone(), account_id: account.id.clone() });
    }
    match people.with_account(&account.id) {
        [] => Mapping::Refused(Refusal::NoUser(account.id.clone())),
        [user] => Mapping::User { user_id: (*user).clone(), account_id: account.id.clone(), weak: rule.by.is_weak() },
        several => Mapping::Refused(Refusal::ManyUsers(sorted(several.iter().copied()))),
    }
}

/// A short digest of everything by which a task names its owner; a change of any of it is a change of owner.
///
/// Nothing while the task names none: tags may come late.
pub fn owner_digest(abac_key: &str, task: &TaskFacts) -> Option<String> {
    let subject = task.labels.owner_subject();
    let name = task.labels.owner_name_by(abac_key);
    if subject.is_none() && name.is_none() {
        return None;
    }
    let text = format!("{}\0{}", subject.unwrap_or_default(), name.unwrap_or_default());
    Some(sha256_hex(text.as_bytes())[..16].to_owned())
}

impl PrincipalRule {
    fn applies_to(&self, task: &TaskFacts) -> bool {
        self.when_tags.iter().all(|(tag, values)| task.labels.tags.get(tag).is_some_and(|value| values.contains(value)))
    }

    fn counts(&self, account: &AccountFacts) -> bool {
        let issuer_fits = self.issuer.as_ref().is_none_or(|issuer| same_issuer(issuer, &account.issuer));
        self.auth_methods.contains(&account.auth_method_id) && issuer_fits
    }
}

fn owner<'a>(by: MatchBy, abac_key: &str, task: &'a TaskFacts) -> Option<&'a str> {
    match by {
        MatchBy::Subject => task.labels.owner_subject(),
        MatchBy::Email | MatchBy::LoginName => task.labels.owner_name_by(abac_key),
    }
}

/// Issuers differ by a closing slash between documents; by nothing else.
fn same_issuer(wanted: &str, found: &str) -> bool {
    wanted.trim_end_matches('/') == found.trim_end_matches('/')
}

fn has_claim(account: &AccountFacts, claim: &str, values: &BTreeSet<String>) -> bool {
    let (name, pointer) = match claim.strip_prefix('/') {
        Some(path) => path.split_once('/').map_or((path, ""), |(name, _)| (name, &path[name.len()..])),
        None => (claim, ""),
    };
    account.claims.get(name).and_then(|value| value.pointer(pointer)).is_some_and(|value| holds_one(value, values))
}

fn holds_one(value: &Value, wanted: &BTreeSet<String>) -> bool {
    match value {
        Value::String(text) => wanted.contains(text),
        Value::Bool(_) | Value::Number(_) => wanted.contains(&value.to_string()),
        Value::Array(values) => values.iter().any(|value| !value.is_array() && holds_one(value, wanted)),
        Value::Null | Value::Object(_) => false,
    }
}

fn sorted<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    let set: BTreeSet<&String> = ids.collect();
    set.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::UserFacts;
    use investigation::{TaskArn, TaskLabels};

    const ISSUER: &str = "https://idp.example/realms/sre";

    fn map(rules: &[PrincipalRule], abac_key: &str, task: &TaskFacts, scan: &BoundaryScan) -> Mapping {
        super::map(rules, abac_key, task, &People::of(rules, scan))
    }

    fn task(tags: &[(&str, &str)]) -> TaskFacts {
        TaskFacts {
            arn: TaskArn::parse("arn:aws:ecs:us-east-2:123456789012:task/c/0123456789abcdef0123456789abcdef").unwrap(),
            last_status: "RUNNING".to_owned(),
            created_at: None,
            exec_enabled: true,
            started_by: None,
            family: None,
            containers: Vec::new(),
            labels: TaskLabels {
                tags: tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
                ..TaskLabels::default()
            },
        }
    }

    fn account(id: &str, subject: &str, email: &str) -> AccountFacts {
        AccountFacts {
            id: id.to_owned(),
            auth_method_id: "amoidc_1".to_owned(),
            issuer: format!("{ISSUER}/"),
            subject: subject.to_owned(),
            email: email.to_owned(),
            claims: [("roles".to_owned(), serde_json::json!(["sre", "dev"])), ("team".to_owned(), serde_json::json!("blue"))]
                .into(),
            ..AccountFacts::default()
        }
    }

    fn boundary(accounts: Vec<AccountFacts>) -> BoundaryScan {
        let user = |account: &AccountFacts| {
            let id = format!("u_{}", account.id);
            (id.clone(), UserFacts { id, version: 1, name: String::new(), account_ids: [account.id.clone()].into() })
        };
        BoundaryScan { users: accounts.iter().map(user).collect(), accounts, ..BoundaryScan::default() }
    }

    fn rule(by: MatchBy) -> PrincipalRule {
        PrincipalRule {
            by,
            auth_methods: ["amoidc_1".to_owned()].into(),
            issuer: Some(ISSUER.to_owned()),
            when_tags: BTreeMap::new(),
            require_claims: BTreeMap::new(),
        }
    }

    fn one_of(name: &str, values: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        [(name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())].into()
    }

    #[test]
    fn a_subject_is_one_user() {
        let scan = boundary(vec![account("a1", "sub-1", "x@e"), account("a2", "sub-2", "x@e")]);
        let mapping = map(&[rule(MatchBy::Subject)], "username", &task(&[("oidc_sub", "sub-1")]), &scan);
        assert_eq!(mapping, Mapping::User { user_id: "u_a1".to_owned(), account_id: "a1".to_owned(), weak: false });
    }

    #[test]
    fn every_other_number_of_matches_is_a_refusal() {
        let scan = boundary(vec![account("a1", "sub-1", "x@e"), account("a2", "sub-2", "x@e")]);
        let refused = |by, tags: &[(&str, &str)], scan: &BoundaryScan| match map(&[rule(by)], "username", &task(tags), scan) {
            Mapping::Refused(refusal) => refusal,
            Mapping::User { .. } => panic!("granted"),
        };
        assert_eq!(refused(MatchBy::Subject, &[], &scan), Refusal::NoOwner(MatchBy::Subject));
        assert_eq!(refused(MatchBy::Subject, &[("oidc_sub", "s")], &scan), Refusal::NoAccount(MatchBy::Subject));
        let many = refused(MatchBy::Email, &[("username", "x@e")], &scan);
        assert_eq!(many, Refusal::ManyAccounts(vec!["a1".to_owned(), "a2".to_owned()]));
        let userless = BoundaryScan { users: BTreeMap::new(), ..scan.clone() };
        assert_eq!(refused(MatchBy::Subject, &[("oidc_sub", "sub-1")], &userless), Refusal::NoUser("a1".to_owned()));
        assert!(many.is_proved() && !Refusal::NoUser(String::new()).is_proved());
    }

    #[test]
    fn another_issuer_or_auth_method_is_another_person() {
        let mut elsewhere = account("a1", "sub-1", "");
        elsewhere.issuer = "https://other.example".to_owned();
        let mut method = account("a2", "sub-1", "");
        method.auth_method_id = "amoidc_2".to_owned();
        let mapping =
            map(&[rule(MatchBy::Subject)], "username", &task(&[("oidc_sub", "sub-1")]), &boundary(vec![elsewhere, method]));
        assert_eq!(mapping, Mapping::Refused(Refusal::NoAccount(MatchBy::Subject)));
    }

    #[test]
    fn claims_are_or_lists_and_equalities() {
        let scan = boundary(vec![account("a1", "sub-1", "")]);
        let granted = |claims| {
            let rule = PrincipalRule { require_claims: claims, ..rule(MatchBy::Subject) };
            matches!(map(&[rule], "username", &task(&[("oidc_sub", "sub-1")]), &scan), Mapping::User { .. })
        };
        assert!(granted(one_of("roles", &["admin", "dev"])));
        assert!(!granted(one_of("roles", &["admin"])));
        assert!(granted(one_of("team", &["blue"])) && granted(one_of("/team", &["blue"])));
        assert!(!granted(one_of("team", &["red"])) && !granted(one_of("absent", &["x"])));
    }

    #[test]
    fn the_first_rule_whose_tags_fit_decides() {
        let special = PrincipalRule { when_tags: one_of("team", &["red"]), ..rule(MatchBy::Email) };
        let rules = [special, rule(MatchBy::Subject)];
        let scan = boundary(vec![account("a1", "sub-1", "x@e")]);
        let weak = |tags: &[(&str, &str)]| match map(&rules, "username", &task(tags), &scan) {
            Mapping::User { weak, .. } => weak,
            Mapping::Refused(refusal) => panic!("{refusal}"),
        };
        assert!(weak(&[("team", "red"), ("username", "x@e")]));
        assert!(!weak(&[("team", "blue"), ("oidc_sub", "sub-1")]));
    }

    #[test]
    fn any_change_of_the_owners_tags_is_seen() {
        let digest = |tags: &[(&str, &str)]| owner_digest("username", &task(tags));
        assert_eq!(digest(&[]), None);
        assert_ne!(digest(&[("oidc_sub", "a")]), digest(&[("oidc_sub", "b")]));
        assert_ne!(digest(&[("oidc_sub", "a")]), digest(&[("username", "a")]));
    }
}

//! Who is who: one person's names in Boundary, in AWS and on a task.
//!
//! Owns when two names are one person's. A name that is no person's (a program's, a service's) is not known, which is no
//! disagreement.

use crate::policy::Policy;
use audit_facts::{Body, BoundaryUser, Fact, Posture, PostureItem, Principal, RoleAssumption};
use investigation::{RoleSessionName, TaskArn};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Beginnings of session names that programs make up.
const PROGRAMS: [&str; 6] = ["botocore-session-", "aws-go-sdk-", "aws-sdk-", "awscli-session", "i-", "ecs-execute-command"];

/// The length to which a wrapper cuts a user's name in front of an id: 64 characters less the border and `s_` with ten more.
const CUT_AT: usize = 51;

/// People, credentials and clusters: what is not of one case.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    users: BTreeMap<String, BTreeSet<String>>,
    shown: BTreeMap<String, String>,
    assumptions: BTreeMap<String, RoleAssumption>,
    /// Clusters by ARN: when their logging was last read, and whether it was off.
    logging: BTreeMap<String, (Timestamp, bool)>,
}

impl Directory {
    /// Takes the users and the assumed roles among the facts.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut directory = Self::default();
        for fact in facts {
            match &fact.body {
                Body::BoundaryUser(user) => directory.add_user(user),
                Body::RoleAssumption(role) => {
                    // The same credentials are given once: of two statements the smaller is as good as the other.
                    let known = directory.assumptions.entry(role.access_key_id.clone()).or_insert_with(|| (**role).clone());
                    if role.event_id < known.event_id {
                        *known = (**role).clone();
                    }
                }
                Body::Posture(posture) => directory.add_setting(posture),
                _ => {}
            }
        }
        directory
    }

    fn add_user(&mut self, user: &BoundaryUser) {
        let names = self.users.entry(user.user_id.clone()).or_default();
        names.extend([&user.name, &user.subject].into_iter().flat_map(|name| forms(name)));
        let shown = self.shown.entry(user.user_id.clone()).or_insert_with(|| user.name.clone());
        if user.name < *shown {
            shown.clone_from(&user.name);
        }
    }

    fn add_setting(&mut self, posture: &Posture) {
        if let PostureItem::ExecLogging { logging, .. } = &posture.item {
            let read = (posture.at, logging.as_deref() == Some("NONE"));
            let last = self.logging.entry(posture.subject.clone()).or_insert(read);
            *last = read.max(*last);
        }
    }

    /// Whether the cluster of a task does not log ECS Exec.
    pub(crate) fn is_unlogged(&self, task_arn: &str) -> bool {
        let Ok(arn) = TaskArn::parse(task_arn) else { return false };
        let (partition, region, account) = (arn.partition(), arn.region(), arn.account());
        let cluster = arn.ecs_cluster().map(|name| format!("arn:{partition}:ecs:{region}:{account}:cluster/{name}"));
        cluster.and_then(|cluster| self.logging.get(&cluster)).is_some_and(|(_, off)| *off)
    }

    /// The name of a Boundary user.
    pub fn name(&self, user_id: &str) -> Option<&str> {
        self.shown.get(user_id).map(String::as_str)
    }

    /// How a principal's role was assumed.
    pub fn assumption(&self, principal: &Principal) -> Option<&RoleAssumption> {
        self.assumptions.get(principal.access_key_id.as_deref()?)
    }

    /// The names of a Boundary user; none when nothing is known.
    pub(crate) fn user(&self, user_id: Option<&str>) -> Option<&BTreeSet<String>> {
        self.users.get(user_id?).filter(|names| !names.is_empty())
    }

    /// The names of a principal; none when they are no person's, or several people's on purpose.
    pub(crate) fn principal(&self, principal: &Principal, policy: &Policy) -> Option<BTreeSet<String>> {
        if policy.is_shared(&principal.arn) {
            return None;
        }
        let mut names = BTreeSet::new();
        if let Some(name) = principal.role_session_name.as_deref().and_then(|name| person_in(name, policy)) {
            names.extend(forms(&name));
        }
        if let Some(name) = principal.source_identity.as_deref().and_then(|name| person_in(name, policy)) {
            names.extend(forms(&name));
        }
        if let Some(user) = self.assumption(principal).and_then(|role| role.user.as_deref()) {
            names.extend(forms(user));
        }
        if names.is_empty() && principal.arn.contains(":user/") {
            names.extend(principal.arn.rsplit('/').next().map(str::to_lowercase));
        }
        (!names.is_empty()).then_some(names)
    }
}

/// The person in a session name, unless a program made it up.
fn person_in(name: &str, policy: &Policy) -> Option<String> {
    let user = RoleSessionName::parse(name).ok()?.user().to_lowercase();
    let user = policy.name_prefixes.iter().find_map(|prefix| user.strip_prefix(prefix.as_str())).unwrap_or(&user).to_owned();
    let is_program = PROGRAMS.iter().any(|program| user.starts_with(program)) || user.bytes().all(|b| b.is_ascii_digit());
    (!is_program && !user.starts_with("s_") && user != "unknown").then_some(user)
}

/// The forms in which a name may stand elsewhere: in lower case, as session names can hold it, and without a mail domain.
pub(crate) fn forms(name: &str) -> BTreeSet<String> {
    let name = name.trim().to_lowercase();
    let local = name.split_once('@').map(|(local, _)| local.to_owned());
    let plain = [Some(name.clone()), local].into_iter().flatten();
    let mut forms: BTreeSet<String> = plain.filter(|form| !form.is_empty()).collect();
    let fitted: Vec<String> = forms.iter().map(|form| RoleSessionName::new(form, None).user().to_lowercase()).collect();
    forms.extend(fitted);
    forms
}

/// Whether two people share a name; a name that was cut is shared with what begins so.
pub(crate) fn same(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    let cut = |names: &BTreeSet<String>, others: &BTreeSet<String>| {
        names.iter().filter(|name| name.len() >= CUT_AT).any(|name| others.iter().any(|other| other.starts_with(name.as_str())))
    };
    one.intersection(other).next().is_some() || cut(one, other) || cut(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str) -> Principal {
        let arn = format!("arn:aws:sts::123456789012:assumed-role/sre/{name}");
        Principal { arn, role_session_name: Some(name.to_owned()), ..Principal::default() }
    }

    #[test]
    fn a_person_is_found_in_every_launchers_name() {
        let (directory, policy) = (Directory::default(), Policy::default());
        let names = |name: &str| directory.principal(&principal(name), &policy);
        for name in ["alice=s_1234567890", "Alice", "rosa-boundary-alice"] {
            assert!(names(name).is_some_and(|names| same(&names, &forms("alice@example.com"))), "{name}");
        }
        for program in ["botocore-session-1700000000", "1700000000", "i-0123456789abcdef0"] {
            assert_eq!(names(program), None, "{program}");
        }
    }

    #[test]
    fn a_name_that_was_cut_is_still_the_persons() {
        let long = "a.very.long.name.of.a.person.who.has.more.than.fifty.one.letters@example.com";
        let id = investigation::BoundarySessionId::parse("s_1234567890").unwrap();
        let name = RoleSessionName::new(long, Some(&id)).to_string();
        let names = Directory::default().principal(&principal(&name), &Policy::default()).unwrap();
        assert!(same(&names, &forms(long)));
        assert!(!same(&names, &forms("a.very")));
    }

    #[test]
    fn a_shared_principal_is_nobody_in_particular() {
        let policy = Policy { shared_principals: vec!["*assumed-role/sre/ops".to_owned()], ..Policy::default() };
        assert_eq!(Directory::default().principal(&principal("ops"), &policy), None);
    }
}

//! What we grant, and what others grant on what is ours.
//!
//! Owns the form of our grants and a reader of Boundary's grant strings. The reader errs on the side of telling: what it does
//! not understand is taken to authorise.

use crate::facts::RoleFacts;
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands for the target's id until it is known.
pub const TARGET: &str = "{target}";

/// The grants of one task's owner: connect to the one target, and the lists without which CLI and desktop answer 403.
///
/// Lists show only what the caller may do something with, so they tell of nobody else's targets. Sorted, as roles keep them.
pub const OWNERS_GRANTS: [&str; 3] = [
    "ids=*;type=session;actions=list,read:self,cancel:self",
    "ids=*;type=target;actions=list",
    "ids={target};actions=read,authorize-session",
];

/// Puts a target's id into our grants.
pub fn owners_grants(target_id: &str) -> Vec<String> {
    OWNERS_GRANTS.iter().map(|grant| grant.replace(TARGET, target_id)).collect()
}

/// The target that a grant string of our form lets its owner connect to.
pub fn granted_target(grant: &str) -> Option<&str> {
    let (before, after) = OWNERS_GRANTS[2].split_once(TARGET)?;
    grant.strip_prefix(before)?.strip_suffix(after)
}

/// A grant string, as far as authorising sessions is concerned.
#[derive(Debug, Default)]
struct Grant {
    ids: Vec<String>,
    resource_type: String,
    actions: Vec<String>,
}

/// How far a foreign role authorises sessions on our targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// On every target of the project.
    All,
    /// On these of ours.
    Some(Vec<String>),
}

/// Says which of our targets a role authorises sessions on; nothing when none, or when it has no principal.
pub fn reach(role: &RoleFacts, project_id: &str, is_ours: impl Fn(&str) -> bool) -> Option<Reach> {
    if role.principals.is_empty() || !holds_in(role, project_id) {
        return None;
    }
    let grants: Vec<Grant> = role.grants.iter().map(|text| read(text)).filter(Grant::authorises).collect();
    let all = |grant: &Grant| grant.ids.iter().any(|id| id == "*") && matches!(grant.resource_type.as_str(), "*" | "target");
    if grants.iter().any(all) {
        return Some(Reach::All);
    }
    let named: BTreeSet<String> = grants.into_iter().flat_map(|grant| grant.ids).filter(|id| is_ours(id)).collect();
    (!named.is_empty()).then(|| Reach::Some(named.into_iter().collect()))
}

/// Whether a role's grants hold in a project. Source: Boundary's grant scopes `this`, `children`, `descendants` and ids.
fn holds_in(role: &RoleFacts, project_id: &str) -> bool {
    role.grant_scopes.iter().any(|scope| match scope.as_str() {
        "this" => role.scope_id == project_id,
        "children" => role.scope_id.starts_with("o_"),
        "descendants" => role.scope_id == "global",
        id => id == project_id,
    })
}

impl Grant {
    fn authorises(&self) -> bool {
        self.actions.iter().any(|action| action == "*" || action == "authorize-session")
    }
}

/// Reads both forms of a grant string: `ids=…;type=…;actions=…` and JSON.
fn read(text: &str) -> Grant {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str::<Value>(text).map_or_else(|_| anything(), |value| from_json(&value));
    }
    let mut grant = Grant::default();
    for part in text.split(';') {
        let Some((name, value)) = part.split_once('=') else { return anything() };
        match name.trim() {
            "id" | "ids" => grant.ids = listed(value),
            "type" => value.trim().clone_into(&mut grant.resource_type),
            "actions" => grant.actions = listed(value),
            _ => {}
        }
    }
    grant
}

fn from_json(value: &Value) -> Grant {
    let texts = |value: &Value| match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let mut ids = texts(&value["ids"]);
    ids.extend(texts(&value["id"]));
    Grant { ids, resource_type: value["type"].as_str().unwrap_or_default().to_owned(), actions: texts(&value["actions"]) }
}

fn anything() -> Grant {
    Grant { ids: vec!["*".to_owned()], resource_type: "*".to_owned(), actions: vec!["*".to_owned()] }
}

fn listed(value: &str) -> Vec<String> {
    value.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(scope: &str, grant_scope: &str, grants: &[&str]) -> RoleFacts {
        RoleFacts {
            scope_id: scope.to_owned(),
            grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
            grant_scopes: [grant_scope.to_owned()].into(),
            principals: ["u_1".to_owned()].into(),
            ..RoleFacts::default()
        }
    }

    fn reaches(role: &RoleFacts) -> Option<Reach> {
        reach(role, "p_1", |id| matches!(id, "ttcp_a" | "ttcp_b"))
    }

    #[test]
    fn broad_roles_reach_all() {
        for grant in
            ["ids=*;type=*;actions=*", "ids=*;type=target;actions=read,authorize-session", "id=*;type=*;actions=*", "odd"]
        {
            assert_eq!(reaches(&role("p_1", "this", &[grant])), Some(Reach::All), "{grant}");
        }
        let json = r#"{"ids":["*"],"type":"target","actions":["authorize-session"]}"#;
        assert_eq!(reaches(&role("global", "descendants", &[json])), Some(Reach::All));
        assert_eq!(reaches(&role("o_1", "children", &["ids=*;type=*;actions=*"])), Some(Reach::All));
    }

    #[test]
    fn narrow_roles_reach_what_they_name() {
        let named = role("p_1", "this", &["ids=ttcp_b,ttcp_x;actions=authorize-session"]);
        assert_eq!(reaches(&named), Some(Reach::Some(vec!["ttcp_b".to_owned()])));
    }

    #[test]
    fn what_authorises_nothing_is_not_told() {
        assert_eq!(reaches(&role("p_1", "this", &["ids=*;type=target;actions=list,read"])), None);
        assert_eq!(reaches(&role("p_1", "this", &["ids=*;type=session;actions=*"])), None);
        assert_eq!(reaches(&role("p_2", "this", &["ids=*;type=*;actions=*"])), None);
        let nobody = RoleFacts { principals: [].into(), ..role("p_1", "this", &["ids=*;type=*;actions=*"]) };
        assert_eq!(reaches(&nobody), None);
    }

    #[test]
    fn our_own_grants_name_one_target() {
        assert!(OWNERS_GRANTS.is_sorted());
        let grants: Vec<String> = owners_grants("ttcp_a");
        assert_eq!(grants.iter().filter_map(|grant| granted_target(grant)).collect::<Vec<_>>(), ["ttcp_a"]);
        let texts: Vec<&str> = grants.iter().map(String::as_str).collect();
        assert_eq!(reaches(&role("p_1", "this", &texts)), Some(Reach::Some(vec!["ttcp_a".to_owned()])));
    }
}

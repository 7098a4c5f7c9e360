//! The sub-actions that add, set and remove what an object holds: grants, principals, grant scopes, accounts, members, sources.
//!
//! They are not alike (measured): what changes nothing is answered 200 whatever the version; a wrong version is answered 500.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::boundary::kind::Kind;
use crate::boundary::refusal::{self, Answer, invalid_in_action};
use crate::boundary::rights;
use crate::boundary::state::State;
use crate::boundary::store::{Mark, Object};

/// What a sub-action works on: the field, and the controller's words for it.
struct Part {
    /// In the request and in the document.
    field: &'static str,
    /// In a refusal, for add, set and remove.
    acts: [&'static str; 3],
    functions: [&'static str; 3],
}

const GRANTS: Part = Part {
    field: "grant_strings",
    acts: ["add grants to role", "set grants on role", "remove grants from role"],
    functions: ["AddRoleGrants", "SetRoleGrants", "DeleteRoleGrants"],
};
const PRINCIPALS: Part = Part {
    field: "principal_ids",
    acts: ["add principals to role", "set principals on role", "remove principals from role"],
    functions: ["AddPrincipalRoles", "SetPrincipalRoles", "DeletePrincipalRoles"],
};
const GRANT_SCOPES: Part = Part {
    field: "grant_scope_ids",
    acts: ["add grant scopes to role", "set grant scopes on role", "remove grant scopes from role"],
    functions: ["AddRoleGrantScopes", "SetRoleGrantScopes", "DeleteRoleGrantScopes"],
};
const ACCOUNTS: Part = Part {
    field: "account_ids",
    acts: ["add accounts to user", "set accounts for the user", "remove accounts from user"],
    functions: ["AddUserAccounts", "SetUserAccounts", "DeleteUserAccounts"],
};
const MEMBERS: Part = Part {
    field: "member_ids",
    acts: ["add members to group", "set members on group", "remove members from group"],
    functions: ["AddGroupMembers", "SetGroupMembers", "DeleteGroupMembers"],
};
const HOST_SOURCES: Part = Part {
    field: "host_source_ids",
    acts: ["add host sources to target", "set host sources in target", "remove host sources from target"],
    functions: ["AddTargetHostSources", "SetTargetHostSources", "DeleteTargetHostSources"],
};
const CREDENTIAL_SOURCES: Part = Part {
    field: "brokered_credential_source_ids",
    acts: ["add credential sources to target", "set credential sources in target", "remove credential sources from target"],
    functions: ["AddTargetCredentialSources", "SetTargetCredentialSources", "DeleteTargetCredentialSources"],
};

/// Carries out `add-…`, `set-…` or `remove-…`.
pub(crate) fn act(state: &mut State, object: &Object, action: &str, body: &Value) -> Result<(), Answer> {
    let Some((verb, what)) = action.split_once('-') else { return Err(refusal::not_found()) };
    let (Some(verb), Some(part)) = (["add", "set", "remove"].iter().position(|known| *known == verb), part(object.kind, what))
    else {
        return Err(refusal::not_found());
    };
    let Some(version) = body["version"].as_u64().filter(|version| *version > 0) else {
        return Err(invalid_in_action("version", "Required field."));
    };
    let asked: BTreeSet<String> =
        body[part.field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if asked.is_empty() && verb != 1 {
        return Err(invalid_in_action(part.field, "Must be non-empty."));
    }
    check(object, part.field, &asked)?;
    let asked = named(object, part.field, asked);
    let known: BTreeSet<String> = object.texts(part.field).map(str::to_owned).collect();
    if verb == 1 && asked == known {
        return Ok(());
    }
    let refused = || {
        let noun = object.kind.grant();
        Err(refusal::no_rows(part.acts[verb], part.functions[verb], noun))
    };
    if object.kind == Kind::Target && !exist(state, &part, &asked, verb) {
        return Err(refusal::internal(no_source(&part, &asked).as_str()));
    }
    let missing = verb == 2 && part.field == "principal_ids" && !asked.is_subset(&known);
    if version != u64::from(object.version) || missing {
        return refused();
    }
    let clashes = part.field != "account_ids" && verb == 0 && !asked.is_disjoint(&known);
    if clashes || !exist(state, &part, &asked, verb) {
        return Err(broken(&part, verb, clashes));
    }
    let kept: Vec<String> = match verb {
        0 => object.texts(part.field).map(str::to_owned).filter(|id| !asked.contains(id)).chain(asked.clone()).collect(),
        1 => asked.into_iter().collect(),
        _ => known.difference(&asked).cloned().collect(),
    };
    take_accounts(state, object, &part, &kept);
    let now = state.now();
    state.store.edit(&object.id, Mark::Version, now, |fields| drop(fields.insert(part.field.to_owned(), json!(kept))));
    Ok(())
}

fn no_source(part: &Part, asked: &BTreeSet<String>) -> String {
    if part.field == "host_source_ids" {
        return "Failed to add target host sources".to_owned();
    }
    let expected = asked.len();
    format!(
        "Unable to add credential sources to target: target.(Repository).AddTargetCredentialSources: \
         target.(Repository).createSources: mismatch between request and returned source ids, expected {expected} got 0: \
         integrity violation: error #1003."
    )
}

/// What the database says of what is there twice, or of what is not there.
fn broken(part: &Part, verb: usize, twice: bool) -> Answer {
    let (what, table) = match part.field {
        "grant_strings" => ("grants", "iam_role_grant"),
        "principal_ids" => ("users", "iam_user_role"),
        "grant_scope_ids" => ("grant scopes", "iam_role_grant_scope"),
        _ => ("members", "iam_group_member"),
    };
    let fault = if twice {
        format!(
            "duplicate key value violates unique constraint \"{table}_pkey\": unique constraint violation: integrity violation: error #1002."
        )
    } else {
        format!(
            "insert or update on table \"{table}\" violates foreign key constraint \"{table}_principal_id_fkey\": integrity violation: error #1003."
        )
    };
    let (act, function) = (part.acts[verb], part.functions[verb]);
    let head = format!("Unable to {act}: iam.(Repository).{function}: db.DoTx: iam.(Repository).{function}");
    refusal::internal(&format!("{head}: unable to add {what}: db.CreateItems: {fault}"))
}

fn part(kind: Kind, what: &str) -> Option<Part> {
    Some(match (kind, what) {
        (Kind::Role, "grants") => GRANTS,
        (Kind::Role, "principals") => PRINCIPALS,
        (Kind::Role, "grant-scopes") => GRANT_SCOPES,
        (Kind::User, "accounts") => ACCOUNTS,
        (Kind::Group, "members") => MEMBERS,
        (Kind::Target, "host-sources") => HOST_SOURCES,
        (Kind::Target, "credential-sources") => CREDENTIAL_SOURCES,
        _ => return None,
    })
}

fn check(object: &Object, field: &str, asked: &BTreeSet<String>) -> Result<(), Answer> {
    for text in asked {
        let fault = match field {
            "grant_strings" if text.split(';').any(|part| part.trim().starts_with("id=")) => {
                format!("Grant {text:?} uses the \"id\" field which is no longer supported. Please use \"ids\" instead.")
            }
            "grant_strings" if rights::parse(text).is_none() => format!("Improperly formatted grant {text:?}."),
            "principal_ids" if !["u_", "g_", "mgoidc_", "mgldap_"].iter().any(|prefix| text.starts_with(prefix)) => {
                "Must only have valid user, group, and/or managed group ids.".to_owned()
            }
            _ => continue,
        };
        return Err(invalid_in_action(field, &fault));
    }
    if field == "grant_scope_ids" { grant_scopes_fit(object, asked) } else { Ok(()) }
}

fn grant_scopes_fit(object: &Object, asked: &BTreeSet<String>) -> Result<(), Answer> {
    let refused = |what: &str| Err(refusal::wrong("Invalid grant scope.", "grant_scope_ids", what));
    let own = |scope: &String| scope == "this" || *scope == object.parent;
    if object.parent.starts_with("p_") && !asked.iter().all(own) {
        return refused("Project scopes can only have their own scope ID or \"this\" as a grant scope ID.");
    }
    let wide = |scope: &&String| matches!(scope.as_str(), "descendants" | "global");
    match asked.iter().find(wide) {
        Some(scope) if object.parent.starts_with("o_") => {
            refused(&format!("Grant scope ID {scope:?} is not valid to set on an organization role."))
        }
        _ => Ok(()),
    }
}

/// A role's own scope is `this`.
fn named(object: &Object, field: &str, asked: BTreeSet<String>) -> BTreeSet<String> {
    if field != "grant_scope_ids" {
        return asked;
    }
    asked.into_iter().map(|scope| if scope == object.parent { "this".to_owned() } else { scope }).collect()
}

/// Says whether what is named is there; to remove what is gone is no fault.
fn exist(state: &State, part: &Part, asked: &BTreeSet<String>, verb: usize) -> bool {
    let words = ["this", "children", "descendants"];
    let there = |id: &String| match part.field {
        "grant_strings" => true,
        "grant_scope_ids" => words.contains(&id.as_str()) || state.store.one(Kind::Scope, id).is_some(),
        _ => state.store.find(id).is_some(),
    };
    verb == 2 || asked.iter().all(there)
}

/// An account belongs to one user: the last who took it.
fn take_accounts(state: &mut State, object: &Object, part: &Part, kept: &[String]) {
    if part.field != "account_ids" {
        return;
    }
    let now = state.now();
    for account in kept {
        let Some(former) = state.store.user_of(account).filter(|user| *user != object.id) else { continue };
        state.store.edit(&former, Mark::Nothing, now, |fields| {
            if let Some(ids) = fields.get_mut("account_ids").and_then(Value::as_array_mut) {
                ids.retain(|id| id != account);
            }
        });
    }
}

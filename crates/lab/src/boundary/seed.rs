//! What a new controller holds: scopes, users, their roles, the worker. It owns the ids that tests know.

use serde_json::{Value, json};

use crate::boundary::kind::Kind;
use crate::boundary::rights::{ANYBODY, LOGGED_IN};
use crate::boundary::state::State;
use crate::boundary::store::{Fields, GLOBAL, Store};

/// The lab's organisation.
pub const ORG_ID: &str = "o_lab0000001";
/// The lab's first project.
pub const PROJECT_ID: &str = "p_lab0000001";
/// The password auth method of all the lab's users.
pub const AUTH_METHOD_ID: &str = "ampw_lab0000001";
/// The password of alice, bob and admin.
pub const ADMIN_PASSWORD: &str = "lab-password";
pub(crate) const ALICE_ID: &str = "u_lab0000001";
pub(crate) const WORKER_ID: &str = "w_lab0000001";

/// Users with their login names, accounts and the ids of their auth tokens.
pub(crate) const USERS: [(&str, &str, &str, &str); 3] = [
    (ALICE_ID, "alice", "acctpw_lab0000001", "at_lab0000001"),
    ("u_lab0000002", "bob", "acctpw_lab0000002", "at_lab0000002"),
    (ADMIN_ID, "admin", "acctpw_lab0000003", "at_lab0000003"),
];
pub(crate) const ADMIN_ID: &str = "u_lab0000003";

/// Makes fields of a document.
pub(crate) fn fields(document: Value) -> Fields {
    match document {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// Fills an empty controller.
pub(crate) fn sow(state: &mut State) {
    let now = state.now();
    let mut put = |kind, id: &str, parent: &str, document| state.store.insert(kind, (id, parent), fields(document), now);
    put(Kind::Scope, GLOBAL, "", json!({ "name": "global", "description": "Global Scope" }));
    put(Kind::Scope, ORG_ID, GLOBAL, json!({ "name": "sre", "primary_auth_method_id": AUTH_METHOD_ID }));
    put(Kind::Scope, PROJECT_ID, ORG_ID, json!({ "name": "rosa" }));
    put(Kind::User, ANYBODY, GLOBAL, json!({ "name": "anonymous" }));
    put(Kind::User, LOGGED_IN, GLOBAL, json!({ "name": "authenticated" }));
    put(Kind::User, "u_recovery", GLOBAL, json!({ "name": "recovery" }));
    let lengths = json!({ "min_login_name_length": 3, "min_password_length": 8 });
    put(Kind::AuthMethod, AUTH_METHOD_ID, ORG_ID, json!({ "name": "lab", "type": "password", "attributes": lengths }));
    let tags = json!({ "type": ["lab"] });
    let worker = json!({ "name": "w-lab", "type": "pki", "canonical_tags": tags, "config_tags": tags, "release_version": "Boundary v0.21.2" });
    put(Kind::Worker, WORKER_ID, GLOBAL, worker);
    for (user_id, name, account_id, token_id) in USERS {
        add_user(state, (user_id, account_id), name, ADMIN_PASSWORD);
        state.issue_token((user_id, account_id), AUTH_METHOD_ID, token_id);
    }
    roles(state);
}

/// Adds a user of the organisation with an account and a password.
pub(crate) fn add_user(state: &mut State, (user_id, account_id): (&str, &str), name: &str, password: &str) {
    let now = state.now();
    let account = json!({ "type": "password", "attributes": { "login_name": name }, "#password": password });
    state.store.insert(Kind::Account, (account_id, AUTH_METHOD_ID), fields(account), now);
    let user = json!({ "name": name, "account_ids": [account_id] });
    state.store.insert(Kind::User, (user_id, ORG_ID), fields(user), now);
}

/// What everybody may, and the administrator. Source: boundary internal/iam/initial_resources.go, but for `list-resolvable-aliases`
/// and the read of oneself, which the lab's users have together.
fn roles(state: &mut State) {
    let open = ["ids=*;type=scope;actions=list,no-op", "ids=*;type=auth-method;actions=authenticate,list"];
    add_role(state, GLOBAL, "anonymous", (&[ANYBODY], &["this", "descendants"]), &open);
    let own = [
        "ids=*;type=scope;actions=read",
        "ids=*;type=session;actions=list,read:self,cancel:self",
        "ids={{.User.Id}};type=user;actions=read,list-resolvable-aliases",
        "ids={{.Account.Id}};actions=read,change-password",
    ];
    add_role(state, GLOBAL, "authenticated", (&[LOGGED_IN], &["this", "descendants"]), &own);
    add_role(state, GLOBAL, "administration", (&[ADMIN_ID], &["this", "descendants"]), &["ids=*;type=*;actions=*"]);
}

/// Adds a role; returns its id. An empty name is none.
pub(crate) fn add_role(
    state: &mut State,
    scope_id: &str,
    name: &str,
    (principals, scopes): (&[&str], &[&str]),
    grants: &[&str],
) -> String {
    let id = Store::fresh_id("r");
    let mut role = fields(json!({ "principal_ids": principals, "grant_scope_ids": scopes, "grant_strings": grants }));
    if !name.is_empty() {
        role.insert("name".to_owned(), json!(name));
    }
    let now = state.now();
    state.store.insert(Kind::Role, (&id, scope_id), role, now);
    id
}

//! What a list of the fake shows: rights, filters, pages, refreshes.

use super::store::{Entry, Store};
use super::{Answer, error};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Query = BTreeMap<String, String>;

/// A list token: where a list goes on (`offset`), or since when a refresh looks.
struct Token {
    plural: String,
    generation: u64,
    since: u64,
    offset: Option<usize>,
}

impl Token {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let plural = parts.next()?.to_owned();
        let generation = parts.next()?.parse().ok()?;
        let since = parts.next()?.parse().ok()?;
        Some(Self { plural, generation, since, offset: parts.next()?.parse().ok() })
    }

    fn write(&self) -> String {
        let offset = self.offset.map_or("-".to_owned(), |offset| offset.to_string());
        format!("{}.{}.{}.{offset}", self.plural, self.generation, self.since)
    }
}

impl Store {
    pub(super) fn list(&self, user: &str, plural: &str, query: &Query) -> Answer {
        if let Some(answer) = refused(plural, query) {
            return answer;
        }
        let Some(text) = query.get("list_token") else {
            let first = Token { plural: plural.to_owned(), generation: self.grants_generation, since: self.now, offset: Some(0) };
            return self.page(user, query, &first);
        };
        let Some(token) = Token::read(text) else {
            return error(500, "Internal", "handlers.ParseListToken: unknown, unknown: error #0: proto: cannot parse");
        };
        if token.plural != plural || token.generation != self.grants_generation {
            let message = "grants have changed since list token was issued";
            return (400, Some(json!({ "kind": "invalid list token", "op": "listtoken.Validate", "message": message })));
        }
        if token.offset.is_some() { self.page(user, query, &token) } else { self.refresh(user, query, &token) }
    }

    fn page(&self, user: &str, query: &Query, token: &Token) -> Answer {
        let size = query.get("page_size").map_or(1000, |size| size.parse().unwrap());
        let offset = token.offset.unwrap_or_default();
        let all: Vec<_> = self.entries.iter().rev().filter(|entry| self.shows(user, query, &token.plural, entry)).collect();
        let items: Vec<_> = all.iter().skip(offset).take(size).map(|entry| in_a_list(entry)).collect();
        if all.is_empty() {
            return (200, Some(json!({ "response_type": "complete" })));
        }
        let complete = offset + size >= all.len();
        let next = Token { plural: token.plural.clone(), offset: (!complete).then_some(offset + size), ..*token };
        let response_type = if complete { "complete" } else { "delta" };
        (
            200,
            Some(
                json!({ "items": items, "response_type": response_type, "list_token": next.write(), "est_item_count": 4_294_967_293_u64 }),
            ),
        )
    }

    /// Looks back a little, as the controller does, and so repeats what is known.
    fn refresh(&self, user: &str, query: &Query, token: &Token) -> Answer {
        let recent = |entry: &&Entry| entry.changed + 1 >= token.since && self.shows(user, query, &token.plural, entry);
        let mut entries: Vec<_> = self.entries.iter().filter(recent).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.changed));
        let items: Vec<_> = entries.into_iter().map(in_a_list).collect();
        let gone = self.removed.iter().filter(|(when, plural, _)| *when + 1 >= token.since && *plural == token.plural);
        let removed: Vec<_> = gone.map(|(_, _, id)| id).collect();
        let next = Token { plural: token.plural.clone(), since: self.now, ..*token };
        (200, Some(json!({ "items": items, "removed_ids": removed, "response_type": "complete", "list_token": next.write() })))
    }

    fn shows(&self, user: &str, query: &Query, plural: &str, entry: &Entry) -> bool {
        let document = &entry.document;
        let readable = self.allows(user, plural, document["id"].as_str().unwrap(), "read");
        let asked = query.get("include_terminated").is_some() || document["status"] != "terminated";
        let filtered = query.get("filter").is_none_or(|filter| filter.split(" and ").all(|part| holds(part, document)));
        entry.plural == plural && asked && filtered && readable && self.is_in_scope(query, document)
    }

    fn is_in_scope(&self, query: &Query, document: &Value) -> bool {
        let Some(wanted) = query.get("scope_id").or(query.get("auth_method_id")) else { return true };
        let direct = document["scope_id"] == **wanted || document["auth_method_id"] == **wanted;
        let parent = self.entries.iter().find(|entry| entry.document["id"] == document["scope_id"]);
        direct
            || query.contains_key("recursive")
                && (wanted == "global" || parent.is_some_and(|scope| self.is_in_scope(query, &scope.document)))
    }

    /// Whether one of the user's roles allows this. Each role holds everywhere: the fake knows no grant scopes.
    pub(super) fn allows(&self, user: &str, plural: &str, id: &str, action: &str) -> bool {
        let owns = self.entries.iter().any(|entry| entry.document["id"] == id && entry.owner == user);
        let has = |role: &&Entry| role.document["principal_ids"].as_array().is_some_and(|ids| ids.contains(&json!(user)));
        let roles = self.entries.iter().filter(|entry| entry.plural == "roles").filter(has);
        let mut grants = roles.flat_map(|role| role.document["grant_strings"].as_array().into_iter().flatten());
        user == "u_admin" || grants.any(|grant| covers(grant.as_str().unwrap(), plural, id, action, owns))
    }
}

fn covers(grant: &str, plural: &str, id: &str, action: &str, owns: bool) -> bool {
    let parts: BTreeMap<_, _> = grant.split(';').filter_map(|part| part.split_once('=')).collect();
    let has = |name: &str, wanted: &str| parts.get(name).is_some_and(|list| list.split(',').any(|word| word == wanted));
    let kind = plural.trim_end_matches('s');
    let acts = has("actions", action) || owns && has("actions", &format!("{action}:self"));
    acts && (has("ids", id) || has("type", kind) && (has("ids", "*") || action == "list"))
}

/// Reads the two forms of a filter that the checks use.
fn holds(part: &str, document: &Value) -> bool {
    let words: Vec<_> = part.split('"').collect();
    let value = document.pointer(words[1].strip_prefix("/item").unwrap()).and_then(Value::as_str);
    if words[2].contains("contains") { value.is_some_and(|value| value.contains(words[3])) } else { value == Some(words[3]) }
}

fn refused(plural: &str, query: &Query) -> Option<Answer> {
    let field = if query.get("filter").is_some_and(|filter| filter.matches('"').count() % 4 != 0) {
        "filter"
    } else if plural == "targets"
        && query.get("scope_id").is_some_and(|id| !id.starts_with("p_"))
        && !query.contains_key("recursive")
    {
        "scope_id"
    } else {
        return None;
    };
    let details = json!({ "request_fields": [{ "name": field, "description": "This field is refused." }] });
    Some((400, Some(json!({ "kind": "InvalidArgument", "message": "Improperly formatted identifier.", "details": details }))))
}

/// Lists leave out connections and aliases.
fn in_a_list(entry: &Entry) -> Value {
    let mut document = entry.document.clone();
    for field in ["connections", "aliases"] {
        document.as_object_mut().unwrap().remove(field);
    }
    document
}

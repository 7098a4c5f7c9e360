//! What the fake keeps, and how one document is read, created, changed and deleted.

use super::{ADMIN_TOKEN, Answer, Seen, error};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One resource.
pub(crate) struct Entry {
    pub(crate) plural: String,
    pub(crate) document: Value,
    /// Who may act on it with `:self` rights.
    pub(crate) owner: String,
    /// When it was last changed.
    pub(crate) changed: u64,
}

/// All resources.
pub(crate) struct Store {
    pub(crate) entries: Vec<Entry>,
    pub(crate) removed: Vec<(u64, String, String)>,
    pub(crate) now: u64,
    pub(crate) grants_generation: u64,
    pub(crate) users_by_token: BTreeMap<String, String>,
}

impl Default for Store {
    fn default() -> Self {
        let admin = (ADMIN_TOKEN.to_owned(), "u_admin".to_owned());
        let users_by_token = BTreeMap::from([admin]);
        let document = json!({ "id": "u_admin", "version": 1, "scope_id": "global" });
        let user = Entry { plural: "users".to_owned(), document, owner: String::new(), changed: 0 };
        Self { entries: vec![user], removed: Vec::new(), now: 0, grants_generation: 0, users_by_token }
    }
}

const PREFIXES: [(&str, &str); 11] = [
    ("scopes", "o"),
    ("targets", "ttcp"),
    ("aliases", "alt"),
    ("roles", "r"),
    ("users", "u"),
    ("sessions", "s"),
    ("accounts", "acctpw"),
    ("auth-methods", "ampw"),
    ("credential-stores", "csst"),
    ("credentials", "credjson"),
    ("workers", "w"),
];

pub(crate) fn not_found() -> Answer {
    error(404, "NotFound", "Resource not found.")
}

impl Store {
    /// Answers a request.
    pub(crate) fn answer(&mut self, seen: &Seen) -> Answer {
        let path = seen.path.strip_prefix("/v1/").unwrap_or_default().to_owned();
        let (plural, rest) = path.split_once('/').unwrap_or((&path, ""));
        let (id, action) = rest.split_once(':').unwrap_or((rest, ""));
        if action == "authenticate" {
            return self.authenticate(id, &seen.body);
        }
        let id = self.id_of_alias(plural, id);
        if !id.is_empty() && self.find(&id).is_none() {
            return not_found();
        }
        let user = seen.token.as_ref().and_then(|token| self.users_by_token.get(token)).cloned();
        let Some(user) = user else { return error(401, "Unauthenticated", "Unauthenticated, or invalid token.") };
        let verb = verb(&seen.method, &id, action);
        if !self.allows(&user, plural, &id, verb) {
            return error(403, "PermissionDenied", "Forbidden.");
        }
        match (verb, id.is_empty()) {
            ("list", true) if plural == "workers" => (200, Some(json!({ "items": self.documents(plural) }))),
            ("list-resolvable-aliases", false) => {
                (200, Some(json!({ "items": self.documents("aliases"), "response_type": "complete" })))
            }
            ("list", true) => self.list(&user, plural, &seen.query),
            ("create", true) => self.create(&user, plural, &seen.body),
            ("read", false) => (200, self.find(&id).map(|entry| entry.document.clone())),
            ("update", false) => self.update(&id, &seen.body),
            ("delete", false) => self.delete(&id),
            (action, _) => self.act(&user, &id, action, &seen.body),
        }
    }

    pub(crate) fn find(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.document["id"] == id)
    }

    fn documents(&self, plural: &str) -> Vec<&Value> {
        self.entries.iter().filter(|entry| entry.plural == plural).map(|entry| &entry.document).collect()
    }

    fn id_of_alias(&self, plural: &str, id: &str) -> String {
        let alias = |entry: &&Entry| entry.plural == "aliases" && entry.document["value"] == id;
        let named = self.entries.iter().find(alias).filter(|_| plural == "targets");
        named.map_or(id, |entry| entry.document["destination_id"].as_str().unwrap_or("none")).to_owned()
    }

    pub(crate) fn insert(&mut self, user: &str, plural: &str, mut document: Value) -> Value {
        self.now += 1;
        let prefix = PREFIXES.iter().find(|(name, _)| *name == plural).unwrap().1;
        let prefix = if plural == "scopes" && document["scope_id"] != "global" { "p" } else { prefix };
        document["id"] = json!(format!("{prefix}_{:010}", self.now));
        document["version"] = json!(1);
        document["created_time"] = json!(format!("2026-11-21T07:00:00.{:06}Z", self.now));
        document["updated_time"] = document["created_time"].clone();
        document["authorized_actions"] = json!(["no-op", "read", "update", "delete"]);
        let entry = Entry { plural: plural.to_owned(), document, owner: user.to_owned(), changed: self.now };
        self.entries.push(entry);
        self.entries.last().unwrap().document.clone()
    }

    fn create(&mut self, user: &str, plural: &str, body: &Value) -> Answer {
        let mut document = body.clone();
        if self.is_taken(plural, body) {
            let text =
                "Invalid request.  Request attempted to make second resource with the same field value that must be unique.";
            return error(400, "InvalidArgument", text);
        }
        document["scope"] = json!({ "id": body["scope_id"], "type": "project", "name": "invented" });
        match plural {
            "targets" => {
                let limits = json!({ "session_max_seconds": 28800, "session_connection_limit": -1, "invented": {"by": "fake"} });
                document = merged(&limits, &document);
                document["authorized_actions"] = json!(["read"]);
            }
            "scopes" => document["authorized_collection_actions"] = json!({ "targets": ["create", "list"] }),
            "aliases" => document["value"] = json!(body["value"].as_str().unwrap_or_default().to_lowercase()),
            "roles" => document["grant_scope_ids"] = json!(["this"]),
            _ => {}
        }
        let document = self.insert(user, plural, document);
        if let Some(target) = document["destination_id"].as_str().and_then(|id| self.find(id)) {
            target.document["aliases"] = json!([{ "id": document["id"], "value": document["value"] }]);
        }
        (200, Some(document))
    }

    fn is_taken(&self, plural: &str, body: &Value) -> bool {
        let same = |entry: &Entry, field: &str| {
            let text = |document: &Value| document[field].as_str().map(str::to_lowercase);
            text(body).is_some() && text(&entry.document) == text(body)
        };
        let beside = |entry: &Entry| entry.document["scope_id"] == body["scope_id"] && same(entry, "name");
        self.entries.iter().filter(|entry| entry.plural == plural).any(|entry| beside(entry) || same(entry, "value"))
    }

    fn update(&mut self, id: &str, body: &Value) -> Answer {
        let Some(version) = body["version"].as_u64() else { return error(400, "InvalidArgument", "Error in provided request.") };
        if self.find(id).unwrap().document["version"] != version {
            return error(404, "NotFound", &format!("Resource {id:?} not found or incorrect version provided."));
        }
        (200, Some(self.change(id, body)))
    }

    /// Writes fields; null unsets. The version rises.
    pub(crate) fn change(&mut self, id: &str, fields: &Value) -> Value {
        self.now += 1;
        let now = self.now;
        let entry = self.find(id).unwrap();
        let version = entry.document["version"].as_u64().unwrap();
        entry.document = merged(&entry.document, fields);
        entry.document["version"] = json!(version + 1);
        entry.document["updated_time"] = json!(format!("2026-11-21T07:00:00.{now:06}Z"));
        entry.changed = now;
        entry.document.clone()
    }

    fn delete(&mut self, id: &str) -> Answer {
        self.now += 1;
        let place = self.entries.iter().position(|entry| entry.document["id"] == id).unwrap();
        let entry = self.entries.remove(place);
        self.removed.push((self.now, entry.plural, id.to_owned()));
        for entry in &mut self.entries {
            for field in ["destination_id", "target_id"] {
                if entry.document[field] == id {
                    entry.document.as_object_mut().unwrap().remove(field);
                }
            }
        }
        (204, None)
    }
}

fn verb<'a>(method: &str, id: &str, action: &'a str) -> &'a str {
    match (method, id.is_empty()) {
        _ if !action.is_empty() => action,
        ("GET", true) => "list",
        ("GET", false) => "read",
        ("POST", _) => "create",
        ("PATCH", _) => "update",
        _ => "delete",
    }
}

fn merged(document: &Value, fields: &Value) -> Value {
    let mut all: Map<String, Value> = document.as_object().cloned().unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        all.insert(name.clone(), value.clone());
    }
    all.retain(|_, value| !value.is_null());
    all.into()
}

//! The controller's objects, and the indexes by which a request finds them without a search. It knows neither rights nor HTTP;
//! what a field may hold is decided before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::boundary::kind::Kind;
use crate::random;

/// The scope of all scopes.
pub(crate) const GLOBAL: &str = "global";

/// The fields of an object as its document shows them; a name with `#` in front is never shown.
pub(crate) type Fields = Map<String, Value>;

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// The scope, auth method or credential store that it belongs to; empty for the global scope.
    pub(crate) parent: String,
    pub(crate) fields: Fields,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) version: u32,
    /// Its place in the order of creation.
    pub(crate) place: u64,
}

impl Object {
    /// Returns a text field; empty when it is not set.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the texts of a field.
    pub(crate) fn texts(&self, field: &str) -> impl Iterator<Item = &str> {
        self.fields.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }
}

/// How a change shows in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Version and time rise.
    Version,
    /// The time rises.
    Time,
    /// Nothing shows.
    Nothing,
}

type Links = HashMap<String, BTreeSet<String>>;

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: HashMap<String, Object>,
    places: BTreeMap<Kind, BTreeMap<u64, String>>,
    names: HashMap<(Kind, String, String), String>,
    by_value: HashMap<String, String>,
    by_login: HashMap<(String, String), String>,
    children: Links,
    aliases_of: Links,
    roles_of: Links,
    groups_of: Links,
    users_of: Links,
    removed: Vec<(Timestamp, Kind, String)>,
    next: u64,
    rights_changes: u64,
}

impl Store {
    pub(crate) fn find(&self, id: &str) -> Option<&Object> {
        self.objects.get(id)
    }

    /// Finds an object of a kind.
    pub(crate) fn one(&self, kind: Kind, id: &str) -> Option<&Object> {
        self.find(id).filter(|object| object.kind == kind)
    }

    /// Finds by name in what the object belongs to.
    pub(crate) fn named(&self, kind: Kind, parent: &str, name: &str) -> Option<&Object> {
        self.names.get(&(kind, parent.to_owned(), name.to_owned())).and_then(|id| self.find(id))
    }

    /// Finds an alias by its value, whatever the case.
    pub(crate) fn alias(&self, value: &str) -> Option<&Object> {
        self.by_value.get(&value.to_lowercase()).and_then(|id| self.find(id))
    }

    /// Finds an account of an auth method by its login name.
    pub(crate) fn account(&self, auth_method_id: &str, login_name: &str) -> Option<&Object> {
        self.by_login.get(&(auth_method_id.to_owned(), login_name.to_owned())).and_then(|id| self.find(id))
    }

    /// Returns the objects of a kind, the newest first, from before a place.
    pub(crate) fn newest(&self, kind: Kind, before: u64) -> impl Iterator<Item = &Object> {
        let places = self.places.get(&kind).into_iter();
        places.flat_map(move |places| places.range(..before).rev()).filter_map(|(_, id)| self.find(id))
    }

    /// Says how many objects of a kind there are.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.places.get(&kind).map_or(0, BTreeMap::len)
    }

    pub(crate) fn children(&self, parent: &str) -> Vec<String> {
        linked(&self.children, parent)
    }

    pub(crate) fn aliases_of(&self, target_id: &str) -> Vec<String> {
        linked(&self.aliases_of, target_id)
    }

    pub(crate) fn roles_of(&self, principal_id: &str) -> Vec<String> {
        linked(&self.roles_of, principal_id)
    }

    /// Returns the groups of a user, or the managed groups of an account.
    pub(crate) fn groups_of(&self, member_id: &str) -> Vec<String> {
        linked(&self.groups_of, member_id)
    }

    pub(crate) fn user_of(&self, account_id: &str) -> Option<String> {
        self.users_of.get(account_id)?.first().cloned()
    }

    /// Returns what was removed of a kind since a moment.
    pub(crate) fn removed_since(&self, kind: Kind, since: Timestamp) -> Vec<&str> {
        let late = |row: &&(Timestamp, Kind, String)| row.1 == kind && row.0 >= since;
        self.removed.iter().filter(late).map(|row| row.2.as_str()).collect()
    }

    /// Rises with each change that may change somebody's rights.
    pub(crate) fn rights_changes(&self) -> u64 {
        self.rights_changes
    }

    /// Returns the scope that an object's rights are looked up in, and the scopes above it.
    pub(crate) fn scopes_of(&self, object: &Object) -> Vec<String> {
        let mut parent = if object.parent.is_empty() { GLOBAL } else { &object.parent };
        while let Some(holder) = self.find(parent).filter(|holder| holder.kind != Kind::Scope) {
            parent = &holder.parent;
        }
        self.chain(parent)
    }

    /// Returns a scope and the scopes above it.
    pub(crate) fn chain(&self, scope_id: &str) -> Vec<String> {
        let mut chain = Vec::new();
        let mut next = Some(scope_id.to_owned()).filter(|id| !id.is_empty());
        while let Some(id) = next {
            next = self.find(&id).map(|scope| scope.parent.clone()).filter(|parent| !parent.is_empty());
            chain.push(id);
        }
        chain
    }

    /// Makes an id that is not taken.
    pub(crate) fn fresh_id(prefix: &str) -> String {
        format!("{prefix}_{}", random::hex_id::<5>())
    }

    /// Adds an object of version 1.
    pub(crate) fn insert(&mut self, kind: Kind, (id, parent): (&str, &str), fields: Fields, now: Timestamp) {
        self.next += 1;
        let object = Object {
            kind,
            id: id.to_owned(),
            parent: parent.to_owned(),
            fields,
            created: now,
            updated: now,
            version: 1,
            place: self.next,
        };
        self.places.entry(kind).or_default().insert(self.next, id.to_owned());
        self.link(&object, true);
        self.objects.insert(id.to_owned(), object);
    }

    /// Changes an object's fields.
    pub(crate) fn edit(&mut self, id: &str, mark: Mark, now: Timestamp, change: impl FnOnce(&mut Fields)) {
        let Some(mut object) = self.objects.remove(id) else { return };
        self.link(&object, false);
        change(&mut object.fields);
        if mark == Mark::Version {
            object.version += 1;
        }
        if mark != Mark::Nothing {
            object.updated = now;
        }
        self.link(&object, true);
        self.objects.insert(id.to_owned(), object);
    }

    /// Removes an object alone; what follows from it is the caller's.
    pub(crate) fn remove(&mut self, id: &str, now: Timestamp) -> Option<Object> {
        let object = self.objects.remove(id)?;
        self.link(&object, false);
        if let Some(places) = self.places.get_mut(&object.kind) {
            places.remove(&object.place);
        }
        self.removed.push((now, object.kind, id.to_owned()));
        Some(object)
    }

    /// Notes that a session was removed.
    pub(crate) fn note_removed(&mut self, kind: Kind, id: &str, now: Timestamp) {
        self.removed.push((now, kind, id.to_owned()));
    }

    fn link(&mut self, object: &Object, there: bool) {
        let Object { kind, id, parent, .. } = object;
        put(&mut self.children, parent, id, there);
        let name = object.text("name");
        if !name.is_empty() {
            set(&mut self.names, (*kind, parent.clone(), name.to_owned()), id, there);
        }
        match kind {
            Kind::Alias => {
                set(&mut self.by_value, object.text("value").to_lowercase(), id, there);
                put(&mut self.aliases_of, object.text("destination_id"), id, there);
            }
            Kind::Role => object.texts("principal_ids").for_each(|principal| put(&mut self.roles_of, principal, id, there)),
            Kind::User => object.texts("account_ids").for_each(|account| put(&mut self.users_of, account, id, there)),
            Kind::Group | Kind::ManagedGroup => {
                object.texts("member_ids").for_each(|member| put(&mut self.groups_of, member, id, there));
            }
            Kind::Account => {
                let login = object.fields.get("attributes").and_then(|attributes| attributes["login_name"].as_str());
                if let Some(login) = login {
                    set(&mut self.by_login, (parent.clone(), login.to_owned()), id, there);
                }
            }
            _ => {}
        }
        if matches!(kind, Kind::Role | Kind::User | Kind::Group | Kind::ManagedGroup | Kind::Account | Kind::Scope) {
            self.rights_changes += 1;
        }
    }
}

fn linked(links: &Links, of: &str) -> Vec<String> {
    links.get(of).into_iter().flatten().cloned().collect()
}

fn put(links: &mut Links, of: &str, id: &str, there: bool) {
    if of.is_empty() {
        return;
    }
    if there {
        links.entry(of.to_owned()).or_default().insert(id.to_owned());
    } else if let Some(ids) = links.get_mut(of) {
        ids.remove(id);
        if ids.is_empty() {
            links.remove(of);
        }
    }
}

fn set<K: std::hash::Hash + Eq>(index: &mut HashMap<K, String>, key: K, id: &str, there: bool) {
    if there {
        index.insert(key, id.to_owned());
    } else if index.get(&key).is_some_and(|known| known == id) {
        index.remove(&key);
    }
}

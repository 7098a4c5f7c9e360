//! The place of the client's small fake, which the shared checks name; here there is none.

use serde_json::Value;

/// No fake.
#[derive(Clone)]
pub(crate) enum Fake {}

/// What no fake stores.
pub(crate) enum Store {}

impl Fake {
    pub(crate) fn with<R>(&self, _work: impl FnOnce(&mut Store) -> R) -> R {
        match *self {}
    }
}

impl Store {
    pub(crate) fn insert(&mut self, _user: &str, _plural: &str, _document: Value) -> Value {
        match *self {}
    }

    pub(crate) fn change(&mut self, _id: &str, _fields: &Value) -> Value {
        match *self {}
    }
}

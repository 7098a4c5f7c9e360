//! The sessions in the order of their creation, found by id. It owns the order; what happens to one is [`super::life`]'s.

use std::collections::{BTreeMap, HashMap};

use crate::boundary::model::Session;

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    rows: BTreeMap<u64, Session>,
    places: HashMap<String, u64>,
    next: u64,
}

impl Sessions {
    pub(crate) fn insert(&mut self, mut session: Session) {
        self.next += 1;
        session.place = self.next;
        self.places.insert(session.id().to_owned(), self.next);
        self.rows.insert(self.next, session);
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Session> {
        self.rows.get(self.places.get(id)?)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.rows.get_mut(self.places.get(id)?)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(place) = self.places.remove(id) {
            self.rows.remove(&place);
        }
    }

    /// Returns them, the newest first, from before a place.
    pub(crate) fn newest(&self, before: u64) -> impl Iterator<Item = &Session> {
        self.rows.range(..before).rev().map(|(_, session)| session)
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.rows.values_mut()
    }

    /// Returns the ids, the oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.rows.values().map(|session| session.id().to_owned()).collect()
    }
}

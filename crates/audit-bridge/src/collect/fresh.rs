//! Which objects of a list were not read yet, by the store's own clock.
//!
//! Owns the overlap: an object is listed with the time at which its upload began, so it may appear behind newer ones. What was
//! read within the overlap is remembered by name, so that it is not read again.

use audit_record::sha256_hex;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How long an upload may take from its beginning until it is listed; larger objects than ours take longer.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);

/// Objects within the overlap that are remembered; beyond it they are read again, which changes nothing.
const REMEMBERED_MAX: usize = 20_000;

/// After how many objects a first list's place is kept.
const KEPT_EVERY: usize = 100;

/// How far a list was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fresh {
    /// The newest object that was read, by the store's clock.
    newest: Option<Timestamp>,
    /// What was read within the overlap before it.
    #[serde(default)]
    taken: BTreeMap<String, Timestamp>,
    /// The newest object of this reading.
    #[serde(skip)]
    seen: Option<Timestamp>,
}

/// How far a first list was read in the order of its keys: where there is much, it takes several rounds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct First {
    /// When it was begun.
    began: Option<Timestamp>,
    /// The last key that was read.
    pub(crate) after: Option<String>,
    /// Keys since the cursor was kept.
    #[serde(skip)]
    count: usize,
}

impl First {
    /// Reads a cursor, and begins where there is none.
    pub(crate) fn of(cursor: Option<Value>, now: Timestamp) -> Self {
        let mut first: Self = cursor.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
        first.began.get_or_insert(now);
        first
    }

    /// Notes a key that was read; gives the cursor when it is to be kept.
    pub(crate) fn read(&mut self, key: &str) -> Option<Value> {
        self.after = Some(key.to_owned());
        self.count += 1;
        self.count.is_multiple_of(KEPT_EVERY).then(|| serde_json::to_value(&*self).unwrap_or_default())
    }
}

impl Fresh {
    /// Reads a cursor; what cannot be read is a beginning.
    pub(crate) fn of(cursor: Option<Value>) -> Self {
        cursor.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
    }

    /// The cursor.
    pub(crate) fn cursor(&self) -> Value {
        // Texts and times always have a JSON form.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Whether nothing was read yet.
    pub(crate) fn is_first(&self) -> bool {
        self.newest.is_none()
    }

    /// Whether an object, named with its version or tag, is to be read.
    pub(crate) fn is_new(&self, name: &str, modified: Timestamp) -> bool {
        self.newest.is_none_or(|newest| modified >= newest - OVERLAP) && !self.taken.contains_key(&trace(name))
    }

    /// Notes what was read.
    pub(crate) fn take(&mut self, name: &str, modified: Timestamp) {
        let seen = self.seen.map_or(modified, |seen| seen.max(modified));
        self.seen = Some(seen);
        if modified >= seen - OVERLAP {
            self.taken.insert(trace(name), modified);
        }
        if self.taken.len() > 2 * REMEMBERED_MAX {
            self.taken.retain(|_, modified| *modified >= seen - OVERLAP);
        }
        if self.taken.len() > 2 * REMEMBERED_MAX {
            self.taken.clear();
        }
    }

    /// As [`Fresh::end`], of a first list that may have taken several rounds: what came in behind its place meanwhile is new.
    pub(crate) fn end_first(&mut self, first: &First) {
        self.end();
        self.newest = self.newest.map(|newest| first.began.map_or(newest, |began| newest.min(began)));
    }

    /// Where the next reading begins, once this one came to its end.
    pub(crate) fn end(&mut self) {
        self.newest = self.newest.max(self.seen.take());
        let Some(newest) = self.newest else { return };
        self.taken.retain(|_, modified| *modified >= newest - OVERLAP);
        if self.taken.len() > REMEMBERED_MAX {
            self.taken.clear();
        }
    }
}

/// Names may be long.
fn trace(name: &str) -> String {
    let mut hash = sha256_hex(name.as_bytes());
    hash.truncate(32);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(1000 + minute)
    }

    fn taken(names: &[(&str, i64)]) -> Fresh {
        let mut fresh = Fresh::default();
        for (name, minute) in names {
            fresh.take(name, at(*minute));
        }
        fresh.end();
        fresh
    }

    #[test]
    fn at_first_everything_is_new() {
        let fresh = Fresh::of(None);
        assert!(fresh.is_first() && fresh.is_new("a", Timestamp::UNIX_EPOCH));
        assert!(Fresh::of(Some(Value::from("odd"))).is_first());
    }

    #[test]
    fn what_was_read_is_not_new_and_what_came_late_is() {
        let fresh = Fresh::of(Some(taken(&[("a", 0), ("b", 30)]).cursor()));
        assert!(!fresh.is_new("b", at(30)), "it was read");
        assert!(!fresh.is_new("a", at(0)), "it is older than the overlap");
        assert!(fresh.is_new("late", at(16)), "its upload began before the newest");
        assert!(fresh.is_new("c", at(31)));
        assert_eq!(fresh.taken.len(), 1, "only the overlap is remembered");
    }

    #[test]
    fn a_first_list_that_is_cut_goes_on_and_what_came_in_behind_it_is_new() {
        let mut first = First::of(None, at(0));
        let kept: Vec<Value> = (0..250).filter_map(|key| first.read(&format!("{key:03}"))).collect();
        assert_eq!(kept.len(), 2);
        let resumed = First::of(kept.last().cloned(), at(60));
        assert_eq!((resumed.after.as_deref(), resumed.began), (Some("199"), Some(at(0))));
        let mut fresh = Fresh::default();
        fresh.take("249", at(55));
        fresh.end_first(&resumed);
        assert!(fresh.is_new("000-late", at(20)) && fresh.is_new("250", at(58)) && !fresh.is_new("100", at(-16)));
    }

    #[test]
    fn a_reading_without_anything_new_changes_nothing() {
        let before = taken(&[("a", 0), ("b", 10)]);
        let mut after = before.clone();
        after.end();
        assert_eq!(after, before);
    }
}

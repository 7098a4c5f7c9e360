//! CloudWatch Logs: groups with their settings, streams and events. It owns the state; what calls write is in [`write`], what
//! they read in [`read`].

mod read;
mod write;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use read::{describe_groups, describe_streams, read_events};
pub(crate) use write::{create_stream, put_events};

use crate::aws::ApiError;

/// An event of a log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Its time, milliseconds since 1970.
    pub timestamp: i64,
    /// Its text.
    pub message: String,
    /// When it arrived, milliseconds since 1970.
    pub ingestion_time: i64,
}

type Streams = BTreeMap<String, Vec<LogEvent>>;

/// A log group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    created: i64,
    pub(crate) retention_days: Option<u32>,
    pub(crate) kms_key: Option<String>,
    pub(crate) streams: Streams,
    stream_births: BTreeMap<String, i64>,
}

impl Group {
    /// Makes a stream; false if there is one of this name.
    pub(crate) fn create_stream(&mut self, name: &str, now: i64) -> bool {
        if self.streams.contains_key(name) {
            return false;
        }
        self.streams.insert(name.to_owned(), Vec::new());
        self.stream_births.insert(name.to_owned(), now);
        true
    }

    /// Appends events that arrive now, in the order of their times.
    pub(crate) fn put(&mut self, stream: &str, events: impl IntoIterator<Item = (i64, String)>, now: i64) {
        self.create_stream(stream, now);
        let known = self.streams.entry(stream.to_owned()).or_default();
        known.extend(events.into_iter().map(|(timestamp, message)| LogEvent { timestamp, message, ingestion_time: now }));
        known.sort_by_key(|event| event.timestamp);
    }
}

/// All log groups of a world.
#[derive(Debug, Default)]
pub(crate) struct LogGroups(Mutex<BTreeMap<String, Group>>);

impl LogGroups {
    pub(crate) fn add(&self, name: &str, now: i64) {
        self.groups().entry(name.to_owned()).or_insert_with(|| Group { created: now, ..Group::default() });
    }

    pub(crate) fn streams(&self, group: &str) -> Streams {
        self.groups().get(group).map(|group| group.streams.clone()).unwrap_or_default()
    }

    /// Changes a group; none without it.
    pub(crate) fn change<R>(&self, name: &str, change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        self.groups().get_mut(name).map(change)
    }

    /// Changes every group; true if any change says so.
    pub(crate) fn change_all(&self, mut change: impl FnMut(&mut Group) -> bool) -> bool {
        self.groups().values_mut().map(|group| u32::from(change(group))).sum::<u32>() > 0
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_group() -> ApiError {
    not_found("The specified log group does not exist.")
}

fn no_stream() -> ApiError {
    not_found("The specified log stream does not exist.")
}

fn not_found(message: &str) -> ApiError {
    ApiError::new(400, "ResourceNotFoundException", message)
}

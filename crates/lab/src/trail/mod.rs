//! CloudTrail: the record of what was called. It owns the events, the trail's files and its digests' chain; a record's form is
//! made in [`record`], files and digests in [`deliver`], keys and signatures in [`key`].

mod deliver;
mod key;
mod record;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

pub(crate) use deliver::{alter, deliver};
pub(crate) use key::DigestKey;
pub(crate) use record::{Origin, exec_owner, note, note_task};

use crate::tasks::{ACCOUNT, REGION};

/// The trail's name.
pub(crate) const TRAIL: &str = "lab-trail";

/// Name of the trail's bucket.
pub(crate) fn bucket() -> String {
    format!("{ACCOUNT}-lab-trail-{REGION}")
}

/// ARN of the trail.
pub(crate) fn arn() -> String {
    format!("arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}")
}

/// A digest file that was delivered, as far as the next one tells of it.
#[derive(Clone, Debug)]
struct Link {
    object: String,
    hash: String,
    signature: String,
    end: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The records, the oldest first.
    pub(crate) events: Vec<Value>,
    /// How many of the records were delivered.
    delivered: usize,
    /// Keys of the log files, the oldest first.
    pub(crate) files: Vec<String>,
    /// Keys of the digest files, the oldest first.
    pub(crate) digests: Vec<String>,
    last: Option<Link>,
    pub(crate) latest_delivery: Option<Timestamp>,
    pub(crate) is_off: bool,
}

/// The record of a world.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) started: Timestamp,
    state: Mutex<State>,
    key: OnceLock<DigestKey>,
}

impl Trail {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self { started, state: Mutex::default(), key: OnceLock::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that signs digests; made when it is first needed, since that takes a while.
    pub(crate) fn key(&self) -> &DigestKey {
        self.key.get_or_init(DigestKey::generate)
    }

    /// Takes records out of the history, as if they had never been; returns how many.
    pub(crate) fn drop_events(&self, what: impl Fn(&Value) -> bool) -> usize {
        let mut state = self.state();
        let before = state.events.len();
        let delivered = state.events[..state.delivered].iter().filter(|record| !what(record)).count();
        state.events.retain(|record| !what(record));
        state.delivered = delivered;
        before - state.events.len()
    }
}

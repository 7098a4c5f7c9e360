//! What waits in the spool: sent one after the other, a bounded number, each once.
//!
//! Owns which files are tried, and what is to be told of those that never can be sent.

use crate::courier::Courier;
use crate::delivery::Failure;
use crate::place::{Home, Place};
use crate::spool::{Kept, Look, Parcel, Spool};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What somebody should know of what waits.
#[derive(Debug)]
pub enum Note {
    /// Too old for its log group; it was set aside there, unless the system refused.
    Expired(std::io::Result<PathBuf>),
    /// A file was no record and was set aside there.
    Unreadable(PathBuf),
    /// A place did not take an item; what waits for it was not tried further.
    Waits {
        /// The place.
        place: Place,
        /// Why.
        failure: Failure,
    },
}

/// One round over the spool, which may be told to stop.
#[derive(Debug)]
pub struct Sweep {
    most: usize,
    tries_again: bool,
    stopped: AtomicBool,
    notes: Mutex<Vec<Note>>,
}

impl Sweep {
    /// A round that sends so many items at most; what passes is tried again only when that is asked for.
    pub fn new(most: usize, tries_again: bool) -> Self {
        Self { most, tries_again, stopped: AtomicBool::new(false), notes: Mutex::default() }
    }

    /// Nothing new is begun from here on.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// What should be known, so far; also of a sweep that was cut off. Each note is given once.
    pub fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends what waits, the oldest first; the courier is made when there is something to carry.
    ///
    /// Cancel safe: what was not sent stays in the spool.
    ///
    /// # Errors
    /// The courier's, when there can be none.
    pub async fn run<E>(&self, spool: &Spool, home: &Home, courier: impl Fn() -> Result<Courier, E>) -> Result<(), E> {
        let (mut ready, mut failed, mut left) = (None, Vec::new(), self.most);
        for path in spool.waiting() {
            if left == 0 || self.stopped.load(Ordering::Relaxed) {
                break;
            }
            let Some(parcel) = self.sendable(spool, &path) else { continue };
            // Another account's group of the same name is another group.
            if failed.contains(&parcel.place) || parcel.place.seen_from(home).is_err() {
                continue;
            }
            let courier = match &ready {
                Some(courier) => courier,
                None => ready.insert(courier()?),
            };
            left -= 1;
            self.send(courier, *parcel, &mut failed).await;
        }
        Ok(())
    }

    async fn send(&self, courier: &Courier, parcel: Parcel, failed: &mut Vec<Place>) {
        let Parcel { place, item, kept } = parcel;
        let sent =
            if self.tries_again { courier.deliver(&place, &item).await } else { courier.deliver_once(&place, &item).await };
        match sent {
            Ok(()) => {
                tracing::info!(%place, item = %item.stem, "a record that waited is delivered");
                kept.arrived();
            }
            Err(Failure::TooOld) => self.expired(kept),
            Err(failure) => {
                failed.push(place.clone());
                self.note(Note::Waits { place, failure });
            }
        }
    }

    /// A waiting item, unless somebody else sends it or it can never be sent: then it is set aside and told.
    fn sendable(&self, spool: &Spool, path: &Path) -> Option<Box<Parcel>> {
        match spool.take(path) {
            Ok(Look::Parcel(parcel)) if is_too_old(&parcel) => self.expired(parcel.kept),
            Ok(Look::Parcel(parcel)) => return Some(parcel),
            Ok(Look::Taken) => {}
            Ok(Look::Unreadable(there)) => self.note(Note::Unreadable(there)),
            Err(error) => tracing::warn!(path = %path.display(), %error, "a file of the spool cannot be read"),
        }
        None
    }

    fn expired(&self, kept: Kept) {
        self.note(Note::Expired(kept.expire()));
    }

    fn note(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}

fn is_too_old(parcel: &Parcel) -> bool {
    matches!(parcel.place, Place::LogGroup(_)) && parcel.item.is_too_old_for_logs(Timestamp::now())
}

//! What earlier runs left in the spool: sent beside a session, a bounded number of lines, each once.
//!
//! Owns which files are tried, and what the user is told of those that never can be.

use super::courier::Courier;
use super::delivery::Failure;
use super::place::Place;
use super::spool::{Kept, Look, Parcel, Spool};
use super::{Ready, removed};
use cli_kit::printable;
use jiff::Timestamp;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Lines of earlier runs that one run sends.
const SWEEP_MAX: usize = 32;

/// What is going on beside the session.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Nothing new is begun from here on.
    pub(super) stop: AtomicBool,
    notes: Mutex<Vec<String>>,
}

impl Sweep {
    fn note(&self, text: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// What the user should know, so far; also of a sweep that was cut off.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ready {
    /// Sends what earlier runs left, one line after the other, until told to stop.
    pub(super) async fn sweep(&self, sweep: &Sweep) {
        let (mut courier, mut failed, mut left) = (None, Vec::new(), SWEEP_MAX);
        for path in self.spool.waiting() {
            if left == 0 || sweep.stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(parcel) = sendable(&path, sweep) else { continue };
            // Another account's group of the same name is another group.
            if failed.contains(&parcel.place) || parcel.place.seen_from(&self.home).is_err() {
                continue;
            }
            if courier.is_none() {
                courier = self.courier().inspect_err(|why| tracing::warn!(%why, "the spool cannot be sent")).ok();
            }
            let Some(courier) = &courier else { break };
            left -= 1;
            if let Some(note) = self.send_left(courier, *parcel, &mut failed).await {
                sweep.note(note);
            }
        }
    }

    async fn send_left(&self, courier: &Courier, parcel: Parcel, failed: &mut Vec<Place>) -> Option<String> {
        let Parcel { place, line, kept } = parcel;
        match courier.deliver_once(&place, &line).await {
            Ok(()) => {
                tracing::info!(%place, record_id = %line.record_id, "a record line of an earlier session is delivered");
                removed(kept);
                None
            }
            Err(Failure::TooOld) => Some(expired(kept)),
            Err(failure) => {
                let folder = self.spool.folder().display();
                let note = format!("record lines of earlier sessions wait in {folder}: {place}: {failure}");
                failed.push(place);
                Some(note)
            }
        }
    }
}

/// A waiting line, unless somebody else sends it or it can never be sent: then it is set aside and told.
fn sendable(path: &Path, sweep: &Sweep) -> Option<Box<Parcel>> {
    match Spool::take(path) {
        Ok(Look::Parcel(parcel)) if parcel.is_too_old() => sweep.note(expired(parcel.kept)),
        Ok(Look::Parcel(parcel)) => return Some(parcel),
        Ok(Look::Taken) => {}
        Ok(Look::Unreadable(there)) => {
            sweep.note(format!("a file of the spool is no record line and was set aside: {}", shown(&there)));
        }
        Err(error) => tracing::warn!(path = %path.display(), %error, "a file of the spool cannot be read"),
    }
    None
}

impl Parcel {
    fn is_too_old(&self) -> bool {
        matches!(self.place, Place::LogGroup(_)) && self.line.is_too_old_for_logs(Timestamp::now())
    }
}

fn expired(kept: Kept) -> String {
    let there = kept.expire().map_or_else(|error| error.to_string(), |there| shown(&there));
    format!("a record line is too old for its log group, which never had it; it was set aside: {there}")
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), 400)
}

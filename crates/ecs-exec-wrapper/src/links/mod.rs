//! Link records: the session record's two lines go to CloudWatch Logs or S3 as well, so that an auditor has them without this
//! machine.
//!
//! Owns when a line is sent and how long that may take; [`audit_record`] owns what is in it, and the journal its bytes. A line is
//! in the spool before it is sent and leaves it when it has arrived; what an earlier run could not send, a later one does.
//! Delivery is at least once: a log stream may hold a line twice when an answer was lost, a bucket never does.
//!
//! ```text
//! journal's line ─ keep ─► spool ─ courier ─► log stream, object ─► removed
//!                            └─ left by earlier runs ─ sweep ─►┘
//! ```

mod courier;
mod delivery;
mod line;
mod place;
mod request;
mod spool;

use crate::args::RecordMode;
use crate::record::state_folder;
use crate::settings::Settings;
use aws_identity::{Aws, Caller};
use cli_kit::{chain_text, printable};
use courier::Courier;
use delivery::Failure;
use jiff::Timestamp;
use jiff::civil::Date;
use line::Line;
use spool::{Kept, Look, Parcel, Spool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use place::{Bucket, Home, LogGroup, Place, PlaceError};

/// The time for the start line: a session waits for it.
const START_WITHIN: Duration = Duration::from_secs(20);

/// The time for the end line and everything that is still under way: a user waits for it.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Why a line is not known to have arrived when its time is over.
const LATE: &str = "there was no answer in time";

/// Lines of earlier runs that one run sends.
const SWEEP_MAX: usize = 32;

/// The stage: places of a run, and what is under way to them.
#[derive(Debug)]
pub(crate) struct Links {
    places: Vec<Place>,
    ca_file: Option<PathBuf>,
    ready: Option<Arc<Ready>>,
    /// Places that did not take the start: the end is kept for them, not sent.
    closed: Vec<Place>,
    start: Option<JoinHandle<Vec<Undelivered>>>,
    sweep: Option<Sweep>,
}

/// Everything that sending needs, once it is known who we are.
#[derive(Debug)]
struct Ready {
    aws: Aws,
    home: Home,
    principal: String,
    ca_file: Option<PathBuf>,
    spool: Spool,
    places: Vec<Place>,
    day: Date,
}

#[derive(Debug)]
struct Sweep {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<String>>,
}

/// A line that is not at a place yet, and why.
#[derive(Debug)]
struct Undelivered {
    place: Place,
    why: String,
}

impl Links {
    /// Nothing is loaded, and nothing is asked.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            places: settings.record_places.clone(),
            ca_file: crate::signed::ca_file(settings.ca_file.as_deref()),
            ready: None,
            closed: Vec::new(),
            start: None,
            sweep: None,
        }
    }

    /// Sends the start line: to its end when a record is required, else beside the session.
    ///
    /// Cancel safe: what was not sent stays in the spool.
    ///
    /// # Errors
    /// Why a required record is not everywhere, as the end of a sentence.
    pub(crate) async fn start(
        &mut self,
        text: &str,
        aws: &Aws,
        caller: &Caller,
        mode: RecordMode,
    ) -> Result<Vec<String>, String> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        match (self.begin(text, aws, caller), mode) {
            (Ok(parcels), RecordMode::Required) => self.insist(parcels).await.map(|()| Vec::new()),
            (Ok(parcels), RecordMode::BestEffort) => {
                if let Some(ready) = self.ready.clone() {
                    let until = Instant::now() + START_WITHIN;
                    self.start = Some(tokio::spawn(async move { ready.send(parcels, until).await }));
                }
                Ok(Vec::new())
            }
            (Err(why), RecordMode::Required) => Err(why),
            (Err(why), RecordMode::BestEffort) => Ok(vec![format!("the record of this session stays on this machine: {why}")]),
        }
    }

    fn begin(&mut self, text: &str, aws: &Aws, caller: &Caller) -> Result<Vec<Parcel>, String> {
        let home = Home {
            partition: caller.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region: aws.region().to_owned(),
            account: caller.account.clone(),
        };
        let places = self.places.iter().map(|place| place.seen_from(&home)).collect::<Result<Vec<_>, _>>();
        let places = places.map_err(|error| error.to_string())?;
        let line = Line::read(text, None).ok_or("the journal's line cannot be read back")?;
        let folder = state_folder().ok_or("neither XDG_STATE_HOME nor HOME says where the spool is")?;
        let ready = Ready {
            aws: aws.clone(),
            home,
            principal: caller.arn.clone(),
            ca_file: self.ca_file.clone(),
            spool: Spool::below(&folder),
            places,
            day: line.day,
        };
        let parcels = ready.keep(&line, &ready.places)?;
        self.ready = Some(Arc::new(ready));
        Ok(parcels)
    }

    async fn insist(&mut self, parcels: Vec<Parcel>) -> Result<(), String> {
        let Some(ready) = &self.ready else { return Ok(()) };
        let undelivered = ready.send(parcels, Instant::now() + START_WITHIN).await;
        let why = undelivered.iter().map(|left| format!("it is not in {}: {}", left.place, left.why)).collect::<Vec<_>>();
        self.closed = undelivered.into_iter().map(|left| left.place).collect();
        if why.is_empty() { Ok(()) } else { Err(why.join("; ")) }
    }

    /// Sends what earlier runs left, beside the session.
    pub(crate) fn sweep(&mut self) {
        let Some(ready) = self.ready.clone() else { return };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move { ready.sweep(&stopped).await });
        self.sweep = Some(Sweep { stop, task });
    }

    /// Sends the end line and waits, not for long, for what is still under way. Returns what the user should know.
    pub(crate) async fn end(&mut self, text: Option<&str>) -> Vec<String> {
        let until = Instant::now() + END_WITHIN;
        let (start, sweep, ready) = (self.start.take(), self.sweep.take(), self.ready.clone());
        if let Some(sweep) = &sweep {
            sweep.stop.store(true, Ordering::Relaxed);
        }
        let had_start = start.is_some();
        let start = async { waited(start, until).await };
        let end = async {
            match (&ready, text) {
                (Some(ready), Some(text)) => ready.end(text, &self.closed, until).await,
                _ => Ok(Vec::new()),
            }
        };
        let swept = async { waited(sweep.map(|sweep| sweep.task), until).await.unwrap_or_default() };
        let (start, end, mut notes) = tokio::join!(start, end, swept);
        let Some(ready) = ready else { return notes };
        let unknown = || ready.places.iter().map(|place| Undelivered { place: place.clone(), why: LATE.to_owned() }).collect();
        let start: Vec<Undelivered> = start.unwrap_or_else(|| if had_start { unknown() } else { Vec::new() });
        notes.extend(ready.told("start", &start));
        match end {
            Ok(undelivered) => notes.extend(ready.told("end", &undelivered)),
            Err(why) => notes.push(format!("the end of this session's record stays on this machine: {why}")),
        }
        notes
    }
}

impl Ready {
    fn keep(&self, line: &Line, places: &[Place]) -> Result<Vec<Parcel>, String> {
        let kept = |place: &Place| {
            let kept = self.spool.keep(place, line)?;
            Ok(Parcel { place: place.clone(), line: line.clone(), kept })
        };
        let folder = self.spool.folder().display();
        places.iter().map(kept).collect::<std::io::Result<_>>().map_err(|error| format!("failed to write to `{folder}`: {error}"))
    }

    fn courier(&self) -> Result<Courier, String> {
        let courier = Courier::new(&self.aws, &self.home, &self.principal, self.ca_file.as_deref());
        courier.map_err(|error| format!("failed to {}", chain_text(&error)))
    }

    /// Sends lines side by side; returns those that are not there.
    async fn send(&self, parcels: Vec<Parcel>, until: Instant) -> Vec<Undelivered> {
        let left = |place: &Place, why: &str| Undelivered { place: place.clone(), why: why.to_owned() };
        let mut undelivered: Vec<_> = parcels.iter().map(|parcel| left(&parcel.place, "it was not sent")).collect();
        let courier = match self.courier() {
            Ok(courier) => Arc::new(courier),
            Err(why) => return undelivered.iter().map(|parcel| left(&parcel.place, &why)).collect(),
        };
        let mut sending = JoinSet::new();
        for parcel in parcels {
            let courier = Arc::clone(&courier);
            sending.spawn(async move { (parcel.place.clone(), send_one(&courier, parcel, until).await) });
        }
        while let Some(done) = sending.join_next().await {
            let Ok((place, result)) = done else { continue };
            undelivered.retain(|left| left.place != place);
            undelivered.extend(result.err().map(|why| Undelivered { place, why }));
        }
        undelivered
    }

    /// Keeps the end line for all places and sends it to those that took the start.
    async fn end(&self, text: &str, closed: &[Place], until: Instant) -> Result<Vec<Undelivered>, String> {
        let line = Line::read(text, Some(self.day)).ok_or("the journal's line cannot be read back")?;
        let parcels = self.keep(&line, &self.places)?;
        let (open, closed): (Vec<_>, Vec<_>) = parcels.into_iter().partition(|parcel| !closed.contains(&parcel.place));
        drop(closed);
        Ok(if open.is_empty() { Vec::new() } else { self.send(open, until).await })
    }

    /// One line on what is not there.
    fn told(&self, what: &str, undelivered: &[Undelivered]) -> Option<String> {
        let why: Vec<String> = undelivered.iter().map(|left| format!("{}: {}", left.place, left.why)).collect();
        let folder = self.spool.folder().display();
        (!why.is_empty())
            .then(|| format!("the {what} of this session's record waits in {folder} for your next session: {}", why.join("; ")))
    }

    /// Sends what earlier runs left, one line after the other, until told to stop. Returns what the user should know.
    async fn sweep(&self, stop: &AtomicBool) -> Vec<String> {
        let (mut notes, mut failed) = (Vec::new(), Vec::new());
        let (mut courier, mut left) = (None, SWEEP_MAX);
        for path in self.spool.waiting() {
            if left == 0 || stop.load(Ordering::Relaxed) {
                break;
            }
            let parcel = match Spool::take(&path) {
                Ok(Look::Parcel(parcel)) => parcel,
                Ok(Look::Taken) => continue,
                Ok(Look::Unreadable(there)) => {
                    notes.push(format!("a file of the spool is no record line and was set aside: {}", there.display()));
                    continue;
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a file of the spool cannot be read");
                    continue;
                }
            };
            if parcel.is_too_old() {
                notes.push(expired(parcel.kept));
                continue;
            }
            // Another account's group of the same name is another group.
            if failed.contains(&parcel.place) || parcel.place.seen_from(&self.home).is_err() {
                continue;
            }
            if courier.is_none() {
                courier = self.courier().inspect_err(|why| tracing::warn!(%why, "the spool cannot be sent")).ok();
            }
            let Some(courier) = &courier else { break };
            left -= 1;
            notes.extend(self.send_left(courier, *parcel, &mut failed).await);
        }
        notes
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

impl Parcel {
    fn is_too_old(&self) -> bool {
        matches!(self.place, Place::LogGroup(_)) && self.line.is_too_old_for_logs(Timestamp::now())
    }
}

async fn send_one(courier: &Courier, parcel: Parcel, until: Instant) -> Result<(), String> {
    match tokio::time::timeout_at(until.into(), courier.deliver(&parcel.place, &parcel.line)).await {
        Ok(Ok(())) => {
            removed(parcel.kept);
            Ok(())
        }
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(_) => Err(LATE.to_owned()),
    }
}

/// It has arrived; when its file stays, it is sent once more.
fn removed(kept: Kept) {
    if let Err(error) = kept.remove() {
        tracing::warn!(%error, "a delivered line stays in the spool");
    }
}

fn expired(kept: Kept) -> String {
    let there = kept.expire().map_or_else(|error| error.to_string(), |there: PathBuf| shown(&there));
    format!("a record line is too old for its log group, which never had it; it was set aside: {there}")
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), 400)
}

/// The result of a task, if it comes in time; else the task is ended.
async fn waited<T>(task: Option<JoinHandle<T>>, until: Instant) -> Option<T> {
    let mut task = task?;
    let done = tokio::time::timeout_at(until.into(), &mut task).await;
    if done.is_err() {
        task.abort();
    }
    done.ok()?.ok()
}

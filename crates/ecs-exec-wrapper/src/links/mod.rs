//! Link records: the session record's two lines go to CloudWatch Logs or S3 as well, so that an auditor has them without this
//! machine.
//!
//! Owns when a line is sent and how long that may take; [`audit_record`] owns what is in it, the journal its bytes, and
//! [`record_delivery`] the way. A line is in the spool before it is sent and leaves it when it has arrived; what an earlier run
//! could not send, a later one does. Delivery is at least once: a log stream may hold a line twice when an answer was lost, a
//! bucket never does.
//!
//! ```text
//! journal's line ─ keep ─► spool ─ courier ─► log stream, object ─► removed
//!                            └─ left by earlier runs ─ sweep ─►┘
//! ```

mod line;

use crate::args::RecordMode;
use crate::record::state_folder;
use crate::settings::Settings;
use aws_identity::{Aws, Caller};
use cli_kit::{chain_text, printable};
use jiff::civil::Date;
use record_delivery::{Courier, Home, Item, Note, Parcel, Place, Spool, Sweep};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};

/// The time for the start line: a session waits for it.
const START_WITHIN: Duration = Duration::from_secs(20);

/// The time for the end line and everything that is still under way: a user waits for it.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Lines of earlier sessions that one session sends.
const SWEEP_MAX: usize = 32;

/// Why a line is not known to have arrived when its time is over.
const LATE: &str = "there was no answer in time";

/// The stage: places of a run, and what is under way to them.
#[derive(Debug)]
pub(crate) struct Links {
    places: Vec<Place>,
    ca_file: Option<PathBuf>,
    ready: Option<Arc<Ready>>,
    /// Places that did not take the start: the end is kept for them, not sent.
    closed: Vec<Place>,
    start: Option<JoinHandle<Vec<Undelivered>>>,
    sweep: Option<(Arc<Sweep>, JoinHandle<()>)>,
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
            ca_file: record_delivery::ca_file(settings.ca_file.as_deref()),
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
        let line = line::read(text, None).ok_or("the journal's line cannot be read back")?;
        let folder = state_folder().ok_or("neither XDG_STATE_HOME nor HOME says where the spool is")?;
        let ready = Ready {
            aws: aws.clone(),
            home,
            principal: caller.arn.clone(),
            ca_file: self.ca_file.clone(),
            spool: Spool::below(&folder, line::read_back),
            places,
            day: line.day,
        };
        let ready = self.ready.insert(Arc::new(ready));
        ready.keep(&line)
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
        let sweep = Arc::new(Sweep::new(SWEEP_MAX, false));
        let shared = Arc::clone(&sweep);
        self.sweep = Some((sweep, tokio::spawn(async move { ready.sweep(&shared).await })));
    }

    /// Sends the end line and waits, not for long, for what is still under way. Returns what the user should know.
    pub(crate) async fn end(&mut self, text: Option<&str>) -> Vec<String> {
        let until = Instant::now() + END_WITHIN;
        let (start, (sweep, sweeping), ready) = (self.start.take(), self.sweep.take().unzip(), self.ready.clone());
        if let Some(sweep) = &sweep {
            sweep.stop();
        }
        let had_start = start.is_some();
        let start = async { waited(start, until).await };
        let end = async {
            match (&ready, text) {
                (Some(ready), Some(text)) => ready.end(text, &self.closed, until).await,
                _ => Ok(Vec::new()),
            }
        };
        let (start, end, _) = tokio::join!(start, end, waited(sweeping, until));
        let Some(ready) = ready else { return Vec::new() };
        let mut notes: Vec<String> = sweep.iter().flat_map(|sweep| sweep.notes()).map(|note| ready.noted(note)).collect();
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
    fn keep(&self, line: &Item) -> Result<Vec<Parcel>, String> {
        let kept = |place: &Place| {
            let kept = self.spool.keep(place, line)?;
            Ok(Parcel { place: place.clone(), item: line.clone(), kept })
        };
        let folder = self.spool.folder().display();
        self.places
            .iter()
            .map(kept)
            .collect::<std::io::Result<_>>()
            .map_err(|error| format!("failed to write to `{folder}`: {error}"))
    }

    fn courier(&self) -> Result<Courier, String> {
        let courier = Courier::new(&self.aws, &self.home, Some(&self.principal), self.ca_file.as_deref());
        courier.map_err(|error| format!("failed to {}", chain_text(&error)))
    }

    /// Sends what earlier runs left, one line after the other, until told to stop.
    async fn sweep(&self, sweep: &Sweep) {
        if let Err(why) = sweep.run(&self.spool, &self.home, || self.courier()).await {
            tracing::warn!(%why, "the spool cannot be sent");
        }
    }

    /// What the sweep has to tell, in words.
    fn noted(&self, note: Note) -> String {
        let shown = |path: &Path| printable(&path.to_string_lossy(), 400);
        match note {
            Note::Expired(there) => {
                let there = there.map_or_else(|error| error.to_string(), |there| shown(&there));
                format!("a record line is too old for its log group, which never had it; it was set aside: {there}")
            }
            Note::Unreadable(there) => {
                format!("a file of the spool is no record line and was set aside: {}", shown(&there))
            }
            Note::Waits { place, failure } => {
                let folder = self.spool.folder().display();
                format!("record lines of earlier sessions wait in {folder}: {place}: {failure}")
            }
        }
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
        let line = line::read(text, Some(self.day)).ok_or("the journal's line cannot be read back")?;
        let parcels = self.keep(&line)?;
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
}

/// How many lines wait below the program's folder, and how many were set aside there.
pub(crate) fn spooled(state: &Path) -> (usize, usize) {
    let spool = Spool::below(state, line::read_back);
    (spool.waiting().len(), spool.set_aside())
}

async fn send_one(courier: &Courier, parcel: Parcel, until: Instant) -> Result<(), String> {
    match tokio::time::timeout_at(until.into(), courier.deliver(&parcel.place, &parcel.item)).await {
        Ok(Ok(())) => {
            parcel.kept.arrived();
            Ok(())
        }
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(_) => Err(LATE.to_owned()),
    }
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

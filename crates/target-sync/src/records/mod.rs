//! The journal elsewhere: what a run wrote goes to a bucket, so that an auditor has it without this machine.
//!
//! Owns when it is sent and how long that may take. A record that is not delivered never fails a run: it waits in the spool,
//! and what the spool does not take waits in the journal. [`record_delivery`] owns the way, [`cut`] the objects.
//!
//! ```text
//! sync.jsonl from delivered.json's offset ─ cut ─► spool ─ delivered.json ─► bucket ─► removed from the spool
//! ```

mod cut;
mod delivered;

use crate::settings::Settings;
use crate::store::Store;
use aws_identity::{Aws, IdentityError, load};
use cli_kit::chain_text;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use record_delivery::{Bucket, Courier, Home, Item, Look, Note, Place, Spool, Sweep, ca_file};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The time for delivery after one run.
const WITHIN: Duration = Duration::from_secs(10);

/// Objects that one run sends at most, and that the spool holds before lines stay in the journal.
const OBJECTS_MAX: usize = 256;

/// What is not delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Objects in the spool.
    pub(crate) objects: usize,
    /// Objects that were set aside because they cannot be read.
    pub(crate) set_aside: usize,
    /// Bytes of the journal that are not even in the spool.
    pub(crate) bytes: u64,
}

/// The way of the records; cheap until something is to be sent.
#[derive(Debug)]
pub(crate) struct Records {
    folder: PathBuf,
    owner: String,
    place: Place,
    region: String,
    spool: Spool,
    aws: OnceCell<Aws>,
}

impl Records {
    /// None without a bucket.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let bucket: Bucket = settings.record_bucket.clone()?;
        Some(Self {
            folder: settings.state_dir.clone(),
            owner: settings.rules.owner.clone(),
            place: Place::Bucket(bucket),
            region: settings.sources.first().map(|source| source.region.clone()).unwrap_or_default(),
            spool: Spool::below(&settings.state_dir, cut::read_back),
            aws: OnceCell::new(),
        })
    }

    /// Where they go.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Hands on what the journal has gained and sends what waits, for a bounded time; says how many objects still wait.
    ///
    /// The store proves that no other run does the same. Cancel safe: what was not sent stays in the spool.
    pub(crate) async fn deliver(&self, _alone: &Store) -> usize {
        match self.hand_on() {
            Ok(()) if self.spool.waiting().is_empty() => {}
            Ok(()) => self.send().await,
            // An object that left the spool before the offset was written could not be told from a new one.
            Err(error) => {
                let why = format!("failed to use `{}`: {error}", self.folder.display());
                unsent(&self.place, self.spool.waiting().len(), &why);
            }
        }
        self.spool.waiting().len()
    }

    /// What is not delivered, without sending it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn waiting(&self) -> io::Result<Waiting> {
        let bytes = delivered::rest(&self.folder)?.length;
        Ok(Waiting { objects: self.spool.waiting().len(), set_aside: self.spool.set_aside(), bytes })
    }

    /// Puts the journal's new lines into the spool, and remembers that.
    fn hand_on(&self) -> io::Result<()> {
        let room = OBJECTS_MAX.saturating_sub(self.spool.waiting().len());
        let delivered::Rest { mut delivered, bytes, .. } = delivered::rest(&self.folder)?;
        let begin = delivered.offset;
        let known = self.already_kept(begin, &bytes)?;
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let new = &bytes[usize::try_from(known).unwrap_or(bytes.len()).min(bytes.len())..];
        delivered.offset += known;
        for item in cut::cut(new, delivered.offset, &self.owner, today).iter().take(room) {
            drop(self.spool.keep(&self.place, item)?);
            delivered.offset += item.body.len() as u64;
        }
        if delivered.offset == begin { Ok(()) } else { delivered.save(&self.folder) }
    }

    /// How many of these bytes the spool holds although the offset does not say so: a run ended between the two. They would
    /// else go once more, under the same key with more behind them, and what is behind would never arrive.
    fn already_kept(&self, offset: u64, bytes: &[u8]) -> io::Result<u64> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut known: u64 = 0;
        for item in self.kept()? {
            let rest = usize::try_from(known).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
            if cut::offset_of(&item) == Some(offset + known) && rest.starts_with(&item.body) {
                known += item.body.len() as u64;
            }
        }
        Ok(known)
    }

    fn kept(&self) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        for path in self.spool.waiting() {
            match self.spool.take(&path)? {
                Look::Parcel(parcel) => items.push(parcel.item),
                Look::Unreadable(there) => set_aside(&there),
                Look::Taken => {}
            }
        }
        items.sort_by_key(cut::offset_of);
        Ok(items)
    }

    async fn send(&self) {
        let sweep = Sweep::new(OBJECTS_MAX, true);
        let sent = tokio::time::timeout(WITHIN, self.sweep(&sweep)).await;
        let waiting = self.spool.waiting().len();
        for note in sweep.notes() {
            self.tell(note, waiting);
        }
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(why)) => unsent(&self.place, waiting, &why),
            Err(_) => unsent(&self.place, waiting, &format!("not all was answered within {} s", WITHIN.as_secs())),
        }
    }

    async fn sweep(&self, sweep: &Sweep) -> Result<(), String> {
        let said = |error: &(dyn std::error::Error + 'static)| format!("failed to {}", chain_text(error));
        let aws = self.aws.get_or_try_init(|| self.identity()).await.map_err(|error| said(&error))?;
        let home =
            Home { partition: partition(aws.region()).to_owned(), region: aws.region().to_owned(), account: String::new() };
        let courier = || Courier::new(aws, &home, None, ca_file(None).as_deref()).map_err(|error| said(&error));
        sweep.run(&self.spool, &home, courier).await
    }

    /// Who sends: the default chain, never a source's role. Without a region of our own, that of the first source.
    async fn identity(&self) -> Result<Aws, IdentityError> {
        match load(&aws_identity::Settings::default()).await {
            Err(IdentityError::NoRegion { .. }) => {
                let region = Some(self.region.clone());
                load(&aws_identity::Settings { region, ..aws_identity::Settings::default() }).await
            }
            loaded => loaded,
        }
    }

    fn tell(&self, note: Note, waiting: usize) {
        match note {
            Note::Waits { place, failure } => unsent(&place, waiting, &failure.to_string()),
            Note::Unreadable(there) => set_aside(&there),
            Note::Expired(Ok(there)) => set_aside(&there),
            Note::Expired(Err(error)) => unsent(&self.place, waiting, &error.to_string()),
        }
    }
}

fn unsent(place: &Place, waiting: usize, why: &str) {
    tracing::warn!(event = "records_unsent", %place, waiting, why, "sync records wait for the next run");
}

fn set_aside(there: &Path) {
    tracing::warn!(event = "records_set_aside", file = %there.display(), "a file of the spool cannot be sent and was set aside");
}

/// The partition that a region is in, by its prefix.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests;

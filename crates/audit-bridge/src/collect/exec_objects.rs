//! Transcripts in S3, `PREFIX/SESSION.log`: by the names of known shells, and by the list of the bucket.
//!
//! Owns which objects count as transcripts: those that a session names, anywhere below the prefix, and any other `.log` right
//! below it. A user's file with such a name further down is an artifact, not a transcript.

use super::cadence::{FIRST, LIST_EVERY, at_cursor, is_due, last_at};
use super::destinations::Destinations;
use super::fresh::Fresh;
use super::haul::{KeepError, Ledger};
use super::objects::{Fetch, below, under};
use super::place::{AwsPlace, CollectError};
use super::shells::{Known, Look, Shell, look, shells};
use super::transcripts::measure;
use super::troubles::{Troubles, is_of_one};
use audit_facts::normalise::logs::{self, StoredTranscript};
use audit_facts::{Grade, Source, SsmSessionId};
use aws_reading::ReadError;
use aws_reading::s3::Bucket;
use jiff::Timestamp;
use record_delivery::Bucket as Place;
use serde_json::json;

const WHAT: &str = "exec-objects";

/// The cursors: when the list was last read to its end, and which objects.
const LISTING: &str = "listing";
const OBJECTS: &str = "objects";

/// Bytes of one transcript: longer than any that the agent uploads.
const TRANSCRIPT_MAX: u64 = 1 << 30;

const SUFFIX: &str = ".log";

/// Reads the transcripts of one account and region.
///
/// # Errors
/// The worst of what was not read; the rest was.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let Some(url) = &place.source.exec_objects else { return Ok(()) };
    let at = Place::parse(url).map_err(|_| CollectError::Odd("`exec_objects`".to_owned(), "it is no bucket"))?;
    let mut work = Work::begin(*place, ledger, at)?;
    work.by_name().await?;
    if work.lists && !work.is_closed {
        work.by_list().await?;
    }
    work.end()
}

/// One reading.
struct Work<'w, 'l> {
    place: AwsPlace<'w>,
    ledger: &'w mut Ledger<'l>,
    known: audit_state::Reader,
    destinations: Destinations,
    at: Place,
    bucket: Bucket,
    fresh: Fresh,
    listed: Option<Timestamp>,
    lists: bool,
    /// Whether the bucket is not asked again in this reading.
    is_closed: bool,
    troubles: Troubles,
}

impl<'w, 'l> Work<'w, 'l> {
    fn begin(place: AwsPlace<'w>, ledger: &'w mut Ledger<'l>, at: Place) -> Result<Self, KeepError> {
        let cursor = |name| ledger.cursor(Source::ExecObjects, &place.place(WHAT), name);
        let (listed, fresh) = (last_at(cursor(LISTING)?), Fresh::of(cursor(OBJECTS)?));
        let lists = is_due(listed, LIST_EVERY, place.now);
        let (destinations, known) = (Destinations::of(&place, ledger)?, ledger.state.reader()?);
        let (bucket, troubles) = (Bucket::new(at.name.clone()), Troubles::default());
        Ok(Self { place, ledger, known, destinations, at, bucket, fresh, listed, lists, is_closed: false, troubles })
    }

    async fn by_name(&mut self) -> Result<(), CollectError> {
        for shell in shells(&self.place, &self.known)? {
            if self.is_closed || !self.may_be_here(&shell) {
                continue;
            }
            let known = Known::of(&self.known, Source::ExecObjects, &shell.session)?;
            let look = look(&self.place, &shell, &known, self.lists);
            if look == Look::No {
                continue;
            }
            if let Err(error) = self.one(&shell, &known, look == Look::Due).await {
                self.fail(error)?;
            }
        }
        Ok(())
    }

    fn may_be_here(&self, shell: &Shell) -> bool {
        let destination = self.destinations.of_task(shell.task_arn.as_deref());
        destination.is_none_or(|it| it.bucket.as_ref() == Some(&self.at.name))
    }

    fn fail(&mut self, error: CollectError) -> Result<(), CollectError> {
        self.is_closed |= !is_of_one(&error);
        self.troubles.note_of_one(error)
    }

    /// Looks for one shell's transcript under its name.
    async fn one(&mut self, shell: &Shell, known: &Known, is_due: bool) -> Result<(), CollectError> {
        // Where nothing says which of two stores a transcript goes to, its absence in one is none.
        let is_alone =
            self.destinations.of_task(shell.task_arn.as_deref()).is_some() || self.place.source.exec_log_groups.is_empty();
        let is_due = is_due && is_alone;
        let key = under(&self.at.prefix, &format!("{}{SUFFIX}", shell.session.as_str()));
        match self.place.reader.head_object(&self.bucket.object(key.as_str())).await {
            Ok(head) => {
                let read = known.under(&self.name(&key)).map(|it| it.last_uploaded);
                if read.is_none_or(|at| at != head.facts.last_modified) { self.object(&key).await } else { Ok(()) }
            }
            Err(ReadError::NotFound(_)) if is_due && shell.task_arn.is_some() => self.absent(shell, &key),
            Err(ReadError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn absent(&mut self, shell: &Shell, key: &str) -> Result<(), CollectError> {
        let request = json!({"call": "s3:HeadObject", "bucket": self.at.name, "key": key});
        let mut haul = self.place.haul(Source::ExecObjects, WHAT);
        let answer = json!({"request": request, "status": 404}).to_string();
        let reading = haul.keep(self.ledger, answer.as_bytes(), request)?;
        let name = self.name(&self.at.prefix);
        haul.add(logs::absent_object(&reading, name.trim_end_matches('/'), shell.session.clone()));
        self.ledger.commit(haul).map_err(CollectError::from)?;
        Ok(())
    }

    /// The name that facts give an object.
    fn name(&self, key: &str) -> String {
        format!("{}/{key}", self.at.name)
    }

    async fn object(&mut self, key: &str) -> Result<(), CollectError> {
        let mut fetch = Fetch::object(&self.place, &self.bucket.object(key), TRANSCRIPT_MAX).await?;
        let mut haul = self.place.haul(Source::ExecObjects, WHAT);
        let reading = fetch.keep(&mut haul, self.ledger)?;
        let measured = measure(fetch.bytes()?).map_err(ReadError::Sink)?;
        let uploaded = fetch.fetched.facts.last_modified;
        let stored = StoredTranscript {
            name: self.name(key),
            stream: stem(key).to_owned(),
            events: 1,
            first_uploaded: uploaded,
            last_uploaded: uploaded,
            last_ingested: uploaded,
        };
        haul.add(logs::transcript(&reading, stored, measured));
        self.ledger.commit(haul)?;
        Ok(())
    }

    async fn by_list(&mut self) -> Result<(), CollectError> {
        let prefix = if self.at.prefix.is_empty() { String::new() } else { format!("{}/", self.at.prefix) };
        let mut pages = self.place.reader.list_objects(below(&self.bucket, prefix.clone()));
        loop {
            let rows = match pages.next_page().await {
                Ok(Some(listed)) => listed.rows.objects,
                Ok(None) => return Ok(()),
                Err(error) => return self.troubles.note(error.into()),
            };
            for row in rows.iter().filter(|row| row.key.strip_prefix(&prefix).is_some_and(is_transcript)) {
                let name = format!("{}\n{}", row.key, row.etag);
                if !self.fresh.is_new(&name, row.last_modified) || self.is_closed {
                    continue;
                }
                if let Err(error) = self.unless_known(&row.key, row.last_modified).await {
                    self.fail(error)?;
                }
                self.fresh.take(&name, row.last_modified);
            }
        }
    }

    async fn unless_known(&mut self, key: &str, modified: Timestamp) -> Result<(), CollectError> {
        if let Ok(session) = SsmSessionId::parse(stem(key)) {
            let known = Known::of(&self.known, Source::ExecObjects, &session)?;
            // The list tells milliseconds, the object's head whole seconds.
            let is_read = |at: Timestamp| at.as_second() == modified.as_second();
            if known.under(&self.name(key)).and_then(|it| it.last_uploaded).is_some_and(is_read) {
                return Ok(());
            }
        }
        self.object(key).await
    }

    fn end(self) -> Result<(), CollectError> {
        let Self { place, ledger, listed, lists, troubles, mut fresh, .. } = self;
        let scope = place.scope();
        let mut haul = place.haul(Source::ExecObjects, WHAT);
        if !troubles.is_none() {
            return troubles.settle(ledger, haul, &scope, listed);
        }
        if lists {
            fresh.end();
            haul.covered(&scope, listed.unwrap_or(place.now - FIRST), place.now, Grade::BestEffort);
            haul.cursor(LISTING, at_cursor(place.now));
            haul.cursor(OBJECTS, fresh.cursor());
            ledger.commit(haul)?;
        }
        troubles.tell()
    }
}

/// The key's last part without `.log`.
fn stem(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

/// Whether what stands behind the prefix is a transcript's name.
fn is_transcript(rest: &str) -> bool {
    rest.ends_with(SUFFIX) && (!rest.contains('/') || SsmSessionId::parse(stem(rest)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_log_further_down_is_no_transcript() {
        let id = "ecs-execute-command-0123456789abcdef0";
        for name in [format!("{id}.log"), format!("infra-dev/{id}.log"), "planted.log".to_owned()] {
            assert!(is_transcript(&name), "{name}");
        }
        for name in ["a/b/app.log", "x.txt", id] {
            assert!(!is_transcript(name), "{name}");
        }
        assert_eq!(stem(&format!("infra-dev/{id}.log")), id);
    }
}

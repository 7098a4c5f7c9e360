//! Transcripts in CloudWatch Logs: by the names of known shells, and by the lists of the groups' streams.
//!
//! Owns what the absence of a stream means. A stream is absent only where every group that it could be in said so; a missing
//! group is a lack. Streams of the `awslogs` driver, which may share the group, are nobody's transcript.
//!
//! ```text
//! accounts ─ by name ─┐
//!                     ├─► GetLogEvents to the end ─► pages, index (evidence) ─► Transcript | TranscriptAbsence
//! DescribeLogStreams ─┘
//! ```

use super::cadence::{FIRST, LIST_EVERY, at_cursor, is_due, last_at};
use super::destinations::Destinations;
use super::haul::{KeepError, Ledger};
use super::log_pages::{StreamRow, streams, time};
use super::pages::{PageIndex, keep_page};
use super::place::{AwsPlace, CollectError};
use super::shells::{Known, Look, Shell, look, shells};
use super::transcripts::StreamLog;
use super::troubles::{Troubles, is_of_one};
use audit_facts::normalise::logs;
use audit_facts::{Fact, Grade, Source, SsmSessionId, TaskId};
use aws_identity::Refusal;
use aws_reading::ReadError;
use aws_reading::logs::{describe_log_streams, log_events};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const WHAT: &str = "exec-logs";

/// The cursor: when the lists were last read to their ends.
const LISTING: &str = "listing";

/// By how much the times in a list lag behind: an hour or more (CloudWatch Logs API reference).
const LIST_OVERLAP: SignedDuration = SignedDuration::from_hours(2);

/// The cursor that says that a stream was given up: `too-long/GROUP/STREAM`.
fn too_long(name: &str) -> String {
    format!("too-long/{name}")
}

/// Pages of one stream, of 1 MB each: longer than any shell's.
const PAGES_MAX: usize = 4096;

/// Reads the transcripts of one account and region.
///
/// # Errors
/// The worst of what was not read; the rest was.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let mut work = Work::begin(*place, ledger)?;
    if work.groups.is_empty() {
        return Ok(());
    }
    work.by_name().await?;
    if work.lists {
        work.by_lists().await?;
    }
    work.end()
}

/// One reading.
struct Work<'w, 'l> {
    place: AwsPlace<'w>,
    ledger: &'w mut Ledger<'l>,
    known: audit_state::Reader,
    destinations: Destinations,
    groups: BTreeSet<String>,
    /// Groups that are not asked again in this reading.
    closed: BTreeSet<String>,
    listed: Option<Timestamp>,
    lists: bool,
    troubles: Troubles,
}

/// What became of one stream.
enum Stream {
    /// It was read.
    Read,
    /// The service said that there is no such group or stream.
    Missing(Box<Refusal>),
}

impl<'w, 'l> Work<'w, 'l> {
    fn begin(place: AwsPlace<'w>, ledger: &'w mut Ledger<'l>) -> Result<Self, KeepError> {
        let destinations = Destinations::of(&place, ledger)?;
        let groups = destinations.log_groups(&place);
        let listed = last_at(ledger.cursor(Source::ExecLogs, &place.place(WHAT), LISTING)?);
        let known = ledger.state.reader()?;
        let lists = is_due(listed, LIST_EVERY, place.now);
        let (closed, troubles) = (BTreeSet::new(), Troubles::default());
        Ok(Self { place, ledger, known, destinations, groups, closed, listed, lists, troubles })
    }

    async fn by_name(&mut self) -> Result<(), CollectError> {
        for shell in shells(&self.place, &self.known)? {
            let known = Known::of(&self.known, Source::ExecLogs, &shell.session)?;
            match look(&self.place, &shell, &known, self.lists) {
                Look::No => {}
                Look::Yes => self.one(&shell, false).await?,
                Look::Due => self.one(&shell, true).await?,
            }
        }
        Ok(())
    }

    /// Looks for one shell's transcript wherever it can be.
    async fn one(&mut self, shell: &Shell, is_due: bool) -> Result<(), CollectError> {
        let destination = self.destinations.of_task(shell.task_arn.as_deref());
        // Where nothing says which of two stores a transcript goes to, its absence in one is none.
        let is_due = is_due && (destination.is_some() || self.place.source.exec_objects.is_none());
        let groups: Vec<String> = match destination.map(|it| it.log_group.clone()) {
            Some(Some(group)) => vec![group],
            Some(None) => return Ok(()),
            None => self.groups.iter().cloned().collect(),
        };
        let mut absences = Vec::new();
        for group in &groups {
            match self.ask(group, shell.session.as_str()).await? {
                Some(Stream::Read) => return Ok(()),
                Some(Stream::Missing(refusal)) => absences.extend(self.absence(group, &shell.session, &refusal)?),
                None => {}
            }
        }
        if is_due && shell.task_arn.is_some() && absences.len() == groups.len() {
            self.keep_absences(absences)?;
        }
        Ok(())
    }

    /// Reads a stream of a group that answers; none where it does not.
    async fn ask(&mut self, group: &str, stream: &str) -> Result<Option<Stream>, CollectError> {
        if self.closed.contains(group) || self.is_too_long(group, stream)? {
            return Ok(None);
        }
        match self.stream(group, stream).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => {
                // A service that refuses or fails would do so at the next stream too.
                if !is_of_one(&error) {
                    self.closed.insert(group.to_owned());
                }
                self.troubles.note_of_one(error).map(|()| None)
            }
        }
    }

    /// Whether a stream was given up: who fills one must not keep the others from being read.
    fn is_too_long(&self, group: &str, stream: &str) -> Result<bool, KeepError> {
        let cursor = too_long(&format!("{group}/{stream}"));
        Ok(self.ledger.cursor(Source::ExecLogs, &self.place.place(WHAT), &cursor)?.is_some())
    }

    async fn stream(&mut self, group: &str, stream: &str) -> Result<Stream, CollectError> {
        let name = format!("{group}/{stream}");
        let mut haul = self.place.haul(Source::ExecLogs, WHAT);
        let (mut index, mut log) = (PageIndex::new(&name), StreamLog::new(&name, stream));
        let mut pages = self.place.reader.list(log_events(group, stream, true));
        loop {
            let listed = match pages.next_page().await {
                Ok(Some(listed)) => listed,
                Ok(None) => break,
                Err(ReadError::NotFound(refusal)) => return Ok(Stream::Missing(refusal)),
                Err(error) => return Err(error.into()),
            };
            if index.pages.len() >= PAGES_MAX {
                haul.cursor(&too_long(&name), at_cursor(self.place.now));
                self.ledger.commit(haul)?;
                return Err(CollectError::Odd(format!("the stream {name}"), "it has more pages than any shell's"));
            }
            index.pages.push(keep_page(&mut haul, self.ledger, &listed.page)?.evidence);
            log.page(&listed.page.body)?;
        }
        let reading = index.keep(&mut haul, self.ledger).map_err(CollectError::from)?;
        let (stored, measured) = log.finish();
        haul.add(logs::transcript(&reading, stored, measured));
        self.ledger.commit(haul)?;
        Ok(Stream::Read)
    }

    /// What a missing stream or group means; the group's is noted and closes it.
    fn absence(
        &mut self,
        group: &str,
        session: &SsmSessionId,
        refusal: &Refusal,
    ) -> Result<Option<(Fact, Value, Vec<u8>)>, CollectError> {
        let request = json!({"call": refusal.call, "group": group, "stream": session.as_str()});
        let answer = json!({"request": request, "__type": refusal.code, "message": refusal.message});
        let body = answer.to_string().into_bytes();
        let reading = audit_facts::normalise::Reading {
            source: Source::ExecLogs,
            place: self.place.place(WHAT),
            at: self.place.now,
            evidence: audit_record::sha256_hex(&body),
        };
        match logs::refusal(&reading, group, session, &refusal.code, &refusal.message) {
            logs::Refused::Absent(fact) => Ok(Some((*fact, request, body))),
            logs::Refused::Unknown(_) => {
                self.closed.insert(group.to_owned());
                self.troubles.note_missing(ReadError::NotFound(Box::new(refusal.clone())).into())?;
                Ok(None)
            }
        }
    }

    fn keep_absences(&mut self, absences: Vec<(Fact, Value, Vec<u8>)>) -> Result<(), KeepError> {
        let mut haul = self.place.haul(Source::ExecLogs, WHAT);
        for (fact, request, body) in absences {
            haul.keep(self.ledger, &body, request)?;
            haul.add(fact);
        }
        self.ledger.commit(haul)?;
        Ok(())
    }

    async fn by_lists(&mut self) -> Result<(), CollectError> {
        for group in self.groups.clone() {
            if self.closed.contains(&group) {
                continue;
            }
            if let Err(error) = self.list(&group).await {
                self.closed.insert(group);
                match &error {
                    CollectError::Aws(ReadError::NotFound(_)) => self.troubles.note_missing(error)?,
                    _ => self.troubles.note(error)?,
                }
            }
        }
        Ok(())
    }

    async fn list(&mut self, group: &str) -> Result<(), CollectError> {
        let since = self.listed.map(|listed| listed - LIST_OVERLAP);
        let mut pages = self.place.reader.list(describe_log_streams(group, ""));
        while let Some(listed) = pages.next_page().await? {
            for row in streams(group, &listed.page.body)?.iter().filter(|row| may_be_new(row, since)) {
                if !self.is_known(group, row)? {
                    self.ask(group, &row.name).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether the stream was read with all that the list tells of it.
    fn is_known(&self, group: &str, row: &StreamRow) -> Result<bool, KeepError> {
        let Ok(session) = SsmSessionId::parse(&row.name) else { return Ok(false) };
        let known = Known::of(&self.known, Source::ExecLogs, &session)?;
        let last = time(row.last_event_time);
        Ok(known.under(&format!("{group}/{}", row.name)).is_some_and(|it| it.last_uploaded >= last))
    }

    fn end(self) -> Result<(), CollectError> {
        let Self { place, ledger, listed, lists, troubles, .. } = self;
        let scope = place.scope();
        let mut haul = place.haul(Source::ExecLogs, WHAT);
        if !troubles.is_none() {
            return troubles.settle(ledger, haul, &scope, listed);
        }
        if lists {
            haul.covered(&scope, listed.unwrap_or(place.now - FIRST), place.now, Grade::BestEffort);
            haul.cursor(LISTING, at_cursor(place.now));
            ledger.commit(haul)?;
        }
        troubles.tell()
    }
}

/// Whether a stream was made, or grew, since the last list, as far as the list knows.
fn may_be_new(row: &StreamRow, since: Option<Timestamp>) -> bool {
    let times = [row.creation_time, row.last_event_time, row.last_ingestion_time];
    let last = times.into_iter().filter_map(time).max();
    !is_of_awslogs(&row.name) && since.is_none_or(|since| last.is_none_or(|last| last >= since))
}

/// Whether a name has the form of the `awslogs` driver's: `PREFIX/CONTAINER/TASK`. A session's id has no slash.
fn is_of_awslogs(stream: &str) -> bool {
    stream.rsplit_once('/').is_some_and(|(before, task)| before.contains('/') && TaskId::parse(task).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, times: [Option<i64>; 3]) -> StreamRow {
        let [creation_time, last_event_time, last_ingestion_time] = times;
        StreamRow { name: name.to_owned(), creation_time, last_event_time, last_ingestion_time }
    }

    #[test]
    fn a_stream_is_looked_at_when_any_of_its_times_is_new() {
        let since = time(Some(1000));
        assert!(may_be_new(&row("s", [Some(1), Some(1), Some(1000)]), since));
        assert!(may_be_new(&row("s", [Some(1000), None, None]), since));
        assert!(may_be_new(&row("s", [None, None, None]), since), "what tells no time may be new");
        assert!(!may_be_new(&row("s", [Some(1), Some(2), Some(999)]), since));
        assert!(may_be_new(&row("s", [Some(1), None, None]), None));
    }

    #[test]
    fn the_containers_own_log_is_no_transcript() {
        let task = "0123456789abcdef0123456789abcdef";
        assert!(is_of_awslogs(&format!("rosa-boundary/rosa-boundary/{task}")));
        for other in [task.to_owned(), format!("x/{task}"), "a/b/c".to_owned(), "ecs-execute-command-0123".to_owned()] {
            assert!(!is_of_awslogs(&other), "{other}");
        }
    }
}

//! Shells whose transcript is to be looked for, and what is known of it.
//!
//! Owns which accounts are asked for: those of two weeks, a day at a time. Reads the state only.

use super::haul::KeepError;
use super::place::AwsPlace;
use audit_facts::{Body, Fact, Key, Source, SsmSessionId};
use audit_state::{AccountFilter, Reader};
use correlation::Account;
use investigation::TaskArn;
use jiff::{SignedDuration, Timestamp};

/// How far back shells are looked for by their names; later transcripts are found by the lists.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Accounts of such a time are in memory at once.
const STEP: SignedDuration = SignedDuration::from_hours(24);

/// How long after its end a transcript is read again that was there and not complete; later growth is found by the lists.
const GROWS: SignedDuration = SignedDuration::from_hours(24);

/// A shell that may have a transcript here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell {
    pub(crate) session: SsmSessionId,
    pub(crate) task_arn: Option<String>,
    pub(crate) ended: Option<Timestamp>,
    /// Bytes that Boundary carried down.
    bytes_down: Option<u64>,
}

/// What is known of a session's transcript in one kind of source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) transcripts: Vec<KnownTranscript>,
    /// When it was found absent.
    absences: Vec<Timestamp>,
    /// Bytes that the client was shown.
    shown: Option<u64>,
}

/// A transcript as it was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownTranscript {
    pub(crate) name: String,
    pub(crate) has_trailer: bool,
    pub(crate) last_uploaded: Option<Timestamp>,
    body_bytes: u64,
}

/// What is to be done for a shell now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing.
    No,
    /// To look for it.
    Yes,
    /// To look for it; should it not be there, that is a fact.
    Due,
}

/// The shells of the last two weeks on their way.
#[derive(Debug)]
pub(crate) struct Shells {
    from: Option<Timestamp>,
    begin: Timestamp,
    now: Timestamp,
    scope: String,
}

impl Shells {
    /// Begins.
    pub(crate) fn of(place: &AwsPlace<'_>) -> Self {
        let begin = place.now - LOOK_BACK;
        Self { from: Some(begin), begin, now: place.now, scope: place.scope() }
    }

    /// The next ones; none at the end.
    pub(crate) fn next(&mut self, reader: &Reader) -> Result<Option<Vec<Shell>>, KeepError> {
        let Some(from) = self.from else { return Ok(None) };
        let to = Some(from + STEP).filter(|to| *to < self.now);
        self.from = to;
        let filter = AccountFilter { from: Some(from), to, ..AccountFilter::default() };
        let accounts = reader.sessions(&filter)?;
        Ok(Some(accounts.into_iter().filter(|it| self.begins_within(it, from, to)).filter_map(|it| self.shell(it)).collect()))
    }

    /// An account that lasts is in many windows, and counts in the first.
    fn begins_within(&self, account: &Account, from: Timestamp, to: Option<Timestamp>) -> bool {
        match account.started.or(account.ended) {
            Some(at) => (at >= from || from == self.begin) && to.is_none_or(|to| at < to),
            None => to.is_none(),
        }
    }

    fn shell(&self, account: Account) -> Option<Shell> {
        let is_here = account
            .task_arn
            .as_deref()
            .is_none_or(|arn| TaskArn::parse(arn).is_ok_and(|arn| format!("{}/{}", arn.account(), arn.region()) == self.scope));
        let is_settled = account.transcript.is_some() && account.ended.is_some_and(|ended| ended + GROWS < self.now);
        if !is_here || is_settled {
            return None;
        }
        Some(Shell {
            session: account.ssm_session_id?,
            task_arn: account.task_arn,
            ended: account.ended,
            bytes_down: account.bytes_down,
        })
    }
}

impl Known {
    /// What is known of a session in one kind of source.
    pub(crate) fn of(reader: &Reader, source: Source, session: &SsmSessionId) -> Result<Self, KeepError> {
        let case = reader.case_of(&Key::ssm_session(session.as_str()))?;
        Ok(Self::read(case.iter().flat_map(|case| &case.facts), source, session))
    }

    fn read<'f>(facts: impl Iterator<Item = &'f Fact>, source: Source, session: &SsmSessionId) -> Self {
        let mut known = Self::default();
        for fact in facts {
            match &fact.body {
                Body::Transcript(it) if fact.source == source && it.ssm_session_id.as_ref() == Some(session) => {
                    known.transcripts.push(KnownTranscript {
                        name: it.name.clone(),
                        has_trailer: it.has_trailer,
                        last_uploaded: it.last_uploaded,
                        body_bytes: it.body_bytes,
                    });
                }
                Body::TranscriptAbsence(it) if fact.source == source && it.ssm_session_id == *session => {
                    known.absences.push(it.at);
                }
                Body::LinkEnd(it) if it.ssm_session_id.as_ref() == Some(session) => known.shown = Some(it.bytes_out),
                _ => {}
            }
        }
        known
    }

    /// The last reading under a name.
    pub(crate) fn under(&self, name: &str) -> Option<&KnownTranscript> {
        self.transcripts.iter().filter(|it| it.name == name).max_by_key(|it| (it.last_uploaded, it.has_trailer))
    }
}

/// What is to be done for a shell. One that has not ended has no log as a rule: it is looked for with the lists only.
pub(crate) fn look(place: &AwsPlace<'_>, shell: &Shell, known: &Known, lists: bool) -> Look {
    if known.transcripts.iter().any(|it| it.has_trailer) {
        return Look::No;
    }
    let Some(ended) = shell.ended else {
        return if lists { Look::Yes } else { Look::No };
    };
    let read = known.transcripts.iter().map(|it| it.body_bytes).max();
    let bytes = read.or(known.shown).or(shell.bytes_down).unwrap_or_default();
    let due = ended + place.policy.log_due_after(bytes);
    if read.is_some() {
        // One more reading when it is due: what is then missing is cut off.
        let until = due + SignedDuration::from_hours(1);
        return if place.now <= until { Look::Yes } else { Look::No };
    }
    if place.now < due {
        Look::Yes
    } else if known.absences.iter().any(|at| *at >= due) {
        Look::No
    } else {
        Look::Due
    }
}

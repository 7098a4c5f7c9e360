//! Shells whose transcript is to be looked for, and what is known of it.
//!
//! Owns which accounts are asked for: those of two weeks. Reads the state only, and of it no more than it asks for: of a
//! session what names it, not the whole case, in which all shells of a task are.

use super::haul::KeepError;
use super::place::AwsPlace;
use audit_facts::{Body, Fact, Key, Source, SsmSessionId};
use audit_state::Reader;
use investigation::TaskArn;
use jiff::{SignedDuration, Timestamp};

/// How far back shells are looked for by their names; later transcripts are found by the lists.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(14 * 24);

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

/// The shells of the last two weeks in this account and region.
pub(crate) fn shells(place: &AwsPlace<'_>, reader: &Reader) -> Result<Vec<Shell>, KeepError> {
    let rows = reader.shells(place.now - LOOK_BACK, place.now - GROWS)?;
    Ok(rows.into_iter().filter_map(|row| shell(row, &place.scope())).collect())
}

fn shell(row: audit_state::Shell, scope: &str) -> Option<Shell> {
    let of_scope = |arn: &str| TaskArn::parse(arn).is_ok_and(|arn| format!("{}/{}", arn.account(), arn.region()) == scope);
    let audit_state::Shell { ssm_session_id, task_arn, ended, bytes_down } = row;
    let session = SsmSessionId::parse(&ssm_session_id).ok()?;
    task_arn.as_deref().is_none_or(of_scope).then_some(Shell { session, task_arn, ended, bytes_down })
}

impl Known {
    /// What is known of a session in one kind of source.
    pub(crate) fn of(reader: &Reader, source: Source, session: &SsmSessionId) -> Result<Self, KeepError> {
        let facts = reader.facts_with(&Key::ssm_session(session.as_str()))?;
        Ok(Self::read(facts.iter(), source, session))
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

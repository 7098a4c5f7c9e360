//! Logs of shells: missing, cut, edited, planted, late.
//!
//! A container's log and a client's digest are compared only where both can be exact.

use super::raise::{Raised, Raiser, state_of_absence};
use super::{Case, bypass};
use crate::finding::{Basis, Code, State};
use crate::link::bytes_count;
use crate::moment::{after, before};
use crate::observe::{Said, SsmView};
use audit_facts::{Grade, LinkEnd, Source, SsmSessionId, Transcript, TranscriptForm};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Bytes of an unfinished character that the agent may drop at the end.
const UNFINISHED: u64 = 3;
/// Bytes through Boundary above which something was shown, whatever the overhead.
const SHOWN: u64 = 40_000;
/// The longest time before its log's upload in which a session is looked for.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(12);

pub(super) fn judge(case: &Case<'_>, raiser: &mut Raiser) {
    for (id, view) in &case.seen.ssm {
        let log = Log { case, id, view };
        match view.transcript() {
            Some(transcript) => log.there(transcript, raiser),
            None => log.missing(raiser),
        }
        log.without_event(raiser);
    }
}

/// How a log and the client's digest compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// They are the same.
    Equal,
    /// The log ends earlier, and is the same as far as it goes.
    Shorter { agrees_to: u64 },
    /// They differ, by the latest at the second place.
    Differs { agrees_to: u64, by: u64 },
    /// The log goes on after what the client saw.
    Longer { agrees_to: u64 },
    /// They cannot be compared to the end.
    Unfit,
}

/// Compares a log with a client's digest.
pub(super) fn compare(log: &Transcript, end: &LinkEnd) -> Comparison {
    let known: BTreeMap<u64, &str> = log.checkpoints.iter().map(|at| (at.offset, at.sha256.as_str())).collect();
    let exact = |offset: u64| log.exact_until.is_none_or(|until| offset <= until);
    let mut agrees_to = 0;
    for at in &end.output_checkpoints {
        match known.get(&at.offset) {
            Some(sha256) if *sha256 == at.sha256 => agrees_to = at.offset,
            Some(_) if exact(at.offset) => return Comparison::Differs { agrees_to, by: at.offset },
            Some(_) => return Comparison::Unfit,
            None => {}
        }
    }
    let (logged, shown) = (log.canonical_bytes, end.output_canonical_bytes);
    if logged == shown && log.sha256 == end.output_sha256 {
        return Comparison::Equal;
    }
    if !exact(u64::MAX) || end.exit_source != "marker" {
        // A replacement character changes lengths, and a client that was cut knows only the beginning.
        return if logged < shown && !log.has_trailer { Comparison::Shorter { agrees_to } } else { Comparison::Unfit };
    }
    match logged.cmp(&shown) {
        std::cmp::Ordering::Equal => Comparison::Differs { agrees_to, by: shown },
        std::cmp::Ordering::Greater => Comparison::Longer { agrees_to },
        std::cmp::Ordering::Less if log.has_trailer && shown - logged <= UNFINISHED => Comparison::Unfit,
        std::cmp::Ordering::Less if log.has_trailer => Comparison::Differs { agrees_to, by: shown },
        std::cmp::Ordering::Less => Comparison::Shorter { agrees_to },
    }
}

/// Whether a reading shows that a closed log was changed. One from before the end of the upload is shorter, and no change.
fn changes(closed: &Transcript, other: &Transcript) -> bool {
    other.sha256 != closed.sha256
        && other.last_ingested.max(other.last_uploaded) >= closed.last_ingested.max(closed.last_uploaded)
}

/// The log of one shell.
struct Log<'a> {
    case: &'a Case<'a>,
    id: &'a SsmSessionId,
    view: &'a SsmView<'a>,
}

impl Log<'_> {
    fn raised(&self, code: Code, state: State, text: String) -> Raised {
        let arn = self.case.task_arn(self.view);
        Raised::of_shell(code, self.id, state, text).at(self.view.started()).task(arn.as_deref()).evidence(self.view.fact_ids())
    }

    /// When the log must be there at the latest.
    fn due(&self, bytes: u64) -> Option<Timestamp> {
        Some(after(self.case.ended(self.id, self.view)?, self.case.context.policy.log_due_after(bytes)))
    }

    fn is_off(&self) -> bool {
        self.case.task_arn(self.view).is_some_and(|arn| self.case.context.directory.is_unlogged(&arn))
    }

    fn missing(&self, raiser: &mut Raiser) {
        let by_exec = !self.view.executions.is_empty() || (self.view.starts.is_empty() && !self.view.described.is_empty());
        if !by_exec || self.is_off() || raiser.has(Code::BypassStartSession, self.id) {
            return;
        }
        let down = self.case.linked(self.id).and_then(|session| session.whole.bytes_down());
        let shown = self.view.link_end().map(|end| end.bytes_out).or(down).unwrap_or_default();
        let (Some(due), now) = (self.due(shown), self.case.context.now) else { return };
        if now < due {
            return;
        }
        let answered = self.view.absences.iter().any(|said| said.it.at >= due);
        let grade = if answered {
            Grade::Proved
        } else {
            self.case.context.grade_of_task(Source::ExecLogs, self.case.task_arn(self.view).as_deref(), due, due)
        };
        let Some(state) = state_of_absence(grade, due, now) else { return };
        let basis = Basis { source: Source::ExecLogs, from: due, to: due, grade };
        raiser.raise(
            self.raised(Code::SessionNoLog, state, "the shell has ended, and there is no log of it".to_owned()).basis(basis),
        );
    }

    fn there(&self, log: Said<'_, Transcript>, raiser: &mut Raiser) {
        self.rewritten(raiser);
        self.doubled(raiser);
        let ended = self.case.ended(self.id, self.view);
        let due = self.due(log.it.body_bytes);
        let is_due = due.is_none_or(|due| self.case.context.now >= due) && (ended.is_some() || log.it.has_trailer);
        // SSM's JSON form has lost what a digest is made of.
        let comparable = self.view.link_end().filter(|_| log.it.form != TranscriptForm::Json);
        let comparison = comparable.map(|end| compare(log.it, end));
        let rewritten = raiser.has(Code::LogRewritten, self.id);
        match comparison {
            _ if log.it.canonical_bytes == 0 => self.empty(is_due, raiser),
            Some(Comparison::Differs { agrees_to, by }) if !rewritten => self.tampered(agrees_to, by, raiser),
            Some(Comparison::Longer { agrees_to }) if !rewritten => self.tampered(agrees_to, log.it.canonical_bytes, raiser),
            Some(Comparison::Shorter { .. }) if is_due => self.truncated(raiser),
            _ if is_due && !rewritten && !log.it.has_trailer && log.it.form == TranscriptForm::Script => self.truncated(raiser),
            _ => {}
        }
        self.oversize(raiser);
        self.late(log.it, ended, raiser);
    }

    fn empty(&self, is_due: bool, raiser: &mut Raiser) {
        let by_client = self.view.link_end().map(|end| end.output_canonical_bytes);
        let down = self.case.linked(self.id).filter(|session| session.whole.is_final()).and_then(|it| it.whole.bytes_down());
        let shown = by_client.map_or_else(|| down.is_some_and(|down| down > SHOWN), |bytes| bytes > 0);
        if is_due && shown {
            let text = "the log is empty, although something was shown".to_owned();
            raiser.raise(self.raised(Code::LogEmpty, State::Confirmed, text));
        }
    }

    fn tampered(&self, agrees_to: u64, by: u64, raiser: &mut Raiser) {
        let text = format!(
            "the log and what the client saw agree up to byte {agrees_to} and differ by byte {by} (line ends not counted)"
        );
        raiser.raise(self.raised(Code::LogTampered, State::Confirmed, text));
    }

    fn truncated(&self, raiser: &mut Raiser) {
        let text = "the log ends before the session did".to_owned();
        raiser.raise(self.raised(Code::LogTruncated, State::Confirmed, text));
    }

    fn late(&self, log: &Transcript, ended: Option<Timestamp>, raiser: &mut Raiser) {
        let policy = self.case.context.policy;
        let Some((ended, first)) = ended.zip(log.first_uploaded) else { return };
        let allowed = SignedDuration::from_secs(policy.upload_seconds(log.body_bytes) + policy.log_late_seconds.max(0));
        if first > after(ended, allowed) {
            let text = format!("the log came {} minutes after the end", first.duration_since(ended).as_mins());
            raiser.raise(self.raised(Code::LogLate, State::Confirmed, text));
        }
    }

    /// From when on a log's events come one after the other: a script's with its upload, SSM's JSON as long as the session lives.
    fn upload_from(&self, log: &Transcript) -> Option<Timestamp> {
        match log.form {
            TranscriptForm::Json => Some(self.case.ended(self.id, self.view)?.max(log.first_uploaded?)),
            TranscriptForm::Script | TranscriptForm::Unknown => log.first_uploaded,
        }
    }

    /// Events that came long after the rest, and readings of one log that do not continue each other.
    fn rewritten(&self, raiser: &mut Raiser) {
        let policy = self.case.context.policy;
        let appended = self.view.transcripts.iter().any(|said| {
            let allowed = SignedDuration::from_secs(policy.upload_seconds(said.it.body_bytes) * 2 + 15 * 60);
            self.upload_from(said.it)
                .zip(said.it.last_ingested.max(said.it.last_uploaded))
                .is_some_and(|(from, last)| last > after(from, allowed))
        });
        let mut readings: BTreeMap<&str, Vec<&Transcript>> = BTreeMap::new();
        for said in &self.view.transcripts {
            readings.entry(&said.it.name).or_default().push(said.it);
        }
        let closed_and_changed =
            readings.values().any(|list| list.iter().any(|one| one.has_trailer && list.iter().any(|other| changes(one, other))));
        if appended || closed_and_changed {
            let text = "the log was changed after it was complete".to_owned();
            raiser.raise(self.raised(Code::LogRewritten, State::Confirmed, text));
        }
    }

    /// Logs of one session in several places that do not say the same, or its output under a name that is no session's.
    fn doubled(&self, raiser: &mut Raiser) {
        let mut last: BTreeMap<&str, &Transcript> = BTreeMap::new();
        for said in &self.view.transcripts {
            let kept = last.entry(&said.it.name).or_insert(said.it);
            if (said.it.has_trailer, said.it.canonical_bytes) > (kept.has_trailer, kept.canonical_bytes) {
                *kept = said.it;
            }
        }
        let mut digests: Vec<&str> = last.values().filter(|log| log.has_trailer).map(|log| log.sha256.as_str()).collect();
        digests.sort_unstable();
        digests.dedup();
        let named = last.values().any(|log| log.ssm_session_id.is_some());
        let odd = named && last.values().any(|log| log.ssm_session_id.is_none());
        if digests.len() > 1 || odd {
            let names: Vec<String> = last.keys().map(|name| bypass::shown(name)).collect();
            let text = format!("logs of one session: {}", names.join(", "));
            raiser.raise(self.raised(Code::LogDuplicate, State::Confirmed, text));
        }
    }

    /// More in the log than passed through Boundary; only where the bytes were counted to a normal end and nobody else shares them.
    fn oversize(&self, raiser: &mut Raiser) {
        let Some(link) = self.case.links.exact.get(self.id) else { return };
        let Some(session) = self.case.linked(self.id).filter(|session| bytes_count(session)) else { return };
        let is_alone = self.case.links.sharers.get(&link.boundary) == Some(&1);
        let cut = self.view.link_end().is_some_and(|end| end.exit_source != "marker");
        let (Some(down), Some(log)) = (session.whole.bytes_down(), self.view.transcript()) else { return };
        if is_alone && !cut && log.it.canonical_bytes > down {
            let text = format!("the log has {} bytes, and {down} passed through Boundary", log.it.canonical_bytes);
            raiser.raise(self.raised(Code::LogOversize, State::Confirmed, text).evidence(session.fact_ids()));
        }
    }

    /// A log without the event that began its session.
    fn without_event(&self, raiser: &mut Raiser) {
        let uploaded = self.view.transcripts.iter().filter_map(|said| said.it.first_uploaded).min();
        let described = self.view.started().filter(|_| !self.view.described.is_empty());
        if self.view.is_in_trail() {
            return;
        }
        let (code, from, to, text) = match (described, uploaded) {
            (Some(at), _) => (Code::CloudTrailGap, at, at, "SSM shows a session whose beginning CloudTrail does not have"),
            (None, Some(at)) => (Code::LogNoCloudTrail, before(at, LOOK_BACK), at, "a log of a session that nobody at AWS knows"),
            (None, None) => return,
        };
        let arn = self.case.task_arn(self.view);
        let grade = self.case.context.trail_grade(arn.as_deref(), from, to);
        let due = after(to, self.case.context.trail_lag());
        if let Some(state) = state_of_absence(grade, due, self.case.context.now).filter(|state| *state > State::Open) {
            let basis = Basis { source: Source::CloudTrail, from, to, grade };
            raiser.raise(self.raised(code, state, text.to_owned()).basis(basis));
        }
    }
}

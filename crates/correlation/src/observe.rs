//! The facts of one case, gathered around the things that they are about.
//!
//! Owns the views that the later steps read. It decides nothing but which of several readings of one thing counts.

use audit_facts::merge;
use audit_facts::transcript::OUTPUT_KEY_MIN;
use audit_facts::{
    Artifact, Body, BoundaryEvent, BoundaryEventKind, BoundarySession, BoundaryTarget, Execution, Fact, LinkEnd, LinkStart,
    SessionCall, SessionCallKind, SessionStartCall, SsmSession, SsmSessionId, Task, Transcript, TranscriptAbsence,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A fact with its id.
#[derive(Debug, Clone)]
pub(crate) struct Named<'a> {
    pub(crate) id: String,
    pub(crate) fact: &'a Fact,
}

/// A statement with the fact that makes it.
#[derive(Debug)]
pub(crate) struct Said<'a, T> {
    pub(crate) by: &'a Named<'a>,
    pub(crate) it: &'a T,
}

impl<T> Clone for Said<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Said<'_, T> {}

/// Everything that speaks of one SSM session.
#[derive(Debug, Default)]
pub(crate) struct SsmView<'a> {
    pub(crate) executions: Vec<Said<'a, Execution>>,
    /// StartSession by anybody but ECS.
    pub(crate) starts: Vec<Said<'a, SessionStartCall>>,
    pub(crate) has_own_start: bool,
    pub(crate) described: Vec<Said<'a, SsmSession>>,
    pub(crate) calls: Vec<Said<'a, SessionCall>>,
    pub(crate) transcripts: Vec<Said<'a, Transcript>>,
    pub(crate) absences: Vec<Said<'a, TranscriptAbsence>>,
    pub(crate) link_ends: Vec<Said<'a, LinkEnd>>,
    pub(crate) link_starts: Vec<Said<'a, LinkStart>>,
    /// Records that do not name the session, and have the digest of its log alone.
    pub(crate) digest_ends: Vec<Said<'a, LinkEnd>>,
}

/// Everything that speaks of one Boundary session.
#[derive(Debug, Default)]
pub(crate) struct BoundaryView<'a> {
    pub(crate) readings: Vec<Said<'a, BoundarySession>>,
    pub(crate) events: Vec<Said<'a, BoundaryEvent>>,
    pub(crate) removed: Option<Timestamp>,
    /// What the readings say together.
    pub(crate) whole: BoundarySession,
}

/// Everything that speaks of one task.
#[derive(Debug, Default)]
pub(crate) struct TaskView<'a> {
    pub(crate) readings: Vec<Said<'a, Task>>,
    pub(crate) targets: Vec<Said<'a, BoundaryTarget>>,
    pub(crate) artifacts: Vec<Said<'a, Artifact>>,
}

/// One case.
#[derive(Debug, Default)]
pub(crate) struct Observed<'a> {
    pub(crate) ssm: BTreeMap<SsmSessionId, SsmView<'a>>,
    pub(crate) boundary: BTreeMap<String, BoundaryView<'a>>,
    pub(crate) tasks: BTreeMap<String, TaskView<'a>>,
    /// The task of each target.
    pub(crate) task_of_target: BTreeMap<String, String>,
    /// ExecuteCommand that AWS refused.
    pub(crate) refused: Vec<Said<'a, Execution>>,
    /// StartSession that AWS refused.
    pub(crate) refused_starts: Vec<Said<'a, SessionStartCall>>,
    /// Logs under names that are no session's.
    pub(crate) odd_transcripts: Vec<Said<'a, Transcript>>,
    /// Records that name no SSM session.
    pub(crate) odd_ends: Vec<Said<'a, LinkEnd>>,
}

impl<'a> Observed<'a> {
    /// Gathers the facts of a case.
    pub(crate) fn of(facts: &'a [Named<'a>]) -> Self {
        let mut seen = Self::default();
        let mut starts: BTreeMap<&str, Vec<Said<'a, LinkStart>>> = BTreeMap::new();
        for by in facts {
            if let Body::LinkStart(it) = &by.fact.body {
                starts.entry(&it.record_id).or_default().push(Said { by, it });
            } else {
                seen.take(by);
            }
        }
        for view in seen.ssm.values_mut() {
            let records: BTreeSet<&str> = view.link_ends.iter().map(|end| end.it.record_id.as_str()).collect();
            view.link_starts = records.iter().flat_map(|id| starts.get(id).into_iter().flatten().copied()).collect();
        }
        for (id, view) in &mut seen.boundary {
            let readings = view.readings.iter().map(|said| said.it);
            let unread = || BoundarySession { id: id.clone(), ..BoundarySession::default() };
            view.whole = merge::boundary_session(readings).unwrap_or_else(unread);
        }
        seen.adopt_odd_transcripts();
        seen.adopt_odd_ends();
        seen
    }

    fn take(&mut self, by: &'a Named<'a>) {
        match &by.fact.body {
            Body::BoundarySession(it) => self.boundary.entry(it.id.clone()).or_default().readings.push(Said { by, it }),
            Body::BoundaryEvent(it) => self.boundary_event(Said { by, it }),
            Body::BoundaryRemoval(it) => {
                let removed = &mut self.boundary.entry(it.session_id.clone()).or_default().removed;
                *removed = Some(removed.map_or(it.at, |at| at.min(it.at)));
            }
            Body::Execution(it) => match &it.ssm_session_id {
                Some(id) => self.ssm.entry(id.clone()).or_default().executions.push(Said { by, it }),
                None => self.refused.push(Said { by, it }),
            },
            Body::SessionStartCall(it) => self.start_call(Said { by, it }),
            Body::SessionCall(it) => self.view(&it.ssm_session_id).calls.push(Said { by, it }),
            Body::SsmSession(it) => self.view(&it.ssm_session_id).described.push(Said { by, it }),
            Body::Transcript(it) => match &it.ssm_session_id {
                Some(id) => self.ssm.entry(id.clone()).or_default().transcripts.push(Said { by, it }),
                None => self.odd_transcripts.push(Said { by, it }),
            },
            Body::TranscriptAbsence(it) => self.view(&it.ssm_session_id).absences.push(Said { by, it }),
            Body::Artifact(it) => {
                if let Some(id) = &it.task_id {
                    self.tasks.entry(id.as_str().to_owned()).or_default().artifacts.push(Said { by, it });
                }
            }
            Body::Task(it) => self.tasks.entry(it.task_id.as_str().to_owned()).or_default().readings.push(Said { by, it }),
            Body::BoundaryTarget(it) => {
                let task = it.task_id.as_str().to_owned();
                self.task_of_target.entry(it.target_id.clone()).or_insert_with(|| task.clone());
                self.tasks.entry(task).or_default().targets.push(Said { by, it });
            }
            Body::LinkEnd(it) => match &it.ssm_session_id {
                Some(id) => self.ssm.entry(id.clone()).or_default().link_ends.push(Said { by, it }),
                None => self.odd_ends.push(Said { by, it }),
            },
            Body::LinkStart(_) | Body::RoleAssumption(_) | Body::BoundaryUser(_) | Body::SyncChange(_) => {}
            Body::ChainBreak(_) | Body::Posture(_) => {}
        }
    }

    fn view(&mut self, id: &SsmSessionId) -> &mut SsmView<'a> {
        self.ssm.entry(id.clone()).or_default()
    }

    fn boundary_event(&mut self, said: Said<'a, BoundaryEvent>) {
        if let Some(id) = &said.it.session_id {
            self.boundary.entry(id.clone()).or_default().events.push(said);
        }
    }

    fn start_call(&mut self, said: Said<'a, SessionStartCall>) {
        let Some(id) = &said.it.ssm_session_id else {
            self.refused_starts.push(said);
            return;
        };
        let view = self.ssm.entry(id.clone()).or_default();
        if said.it.principal.is_ecs() {
            view.has_own_start = true;
        } else {
            view.starts.push(said);
        }
    }

    /// A log under an odd name is that of the one session whose client saw the same output.
    fn adopt_odd_transcripts(&mut self) {
        for odd in &self.odd_transcripts {
            let same = |view: &SsmView<'a>| {
                view.link_ends
                    .iter()
                    .any(|end| end.it.output_sha256 == odd.it.sha256 && end.it.output_canonical_bytes == odd.it.canonical_bytes)
            };
            let ids: Vec<SsmSessionId> = self.ssm.iter().filter(|(_, view)| same(view)).map(|(id, _)| id.clone()).collect();
            if let [id] = &ids[..] {
                self.ssm.entry(id.clone()).or_default().transcripts.push(*odd);
            }
        }
    }

    /// A record that names no SSM session is that of the one session whose log has its digest.
    fn adopt_odd_ends(&mut self) {
        for odd in self.odd_ends.iter().filter(|said| said.it.output_canonical_bytes >= OUTPUT_KEY_MIN) {
            let same = |view: &SsmView<'a>| view.transcripts.iter().any(|log| log.it.sha256 == odd.it.output_sha256);
            let ids: Vec<SsmSessionId> = self.ssm.iter().filter(|(_, view)| same(view)).map(|(id, _)| id.clone()).collect();
            if let [id] = &ids[..] {
                self.ssm.entry(id.clone()).or_default().digest_ends.push(*odd);
            }
        }
    }

    /// The task of a Boundary session's target, when target-sync recorded it.
    pub(crate) fn task_of_session(&self, session: &BoundarySession) -> Option<&str> {
        self.task_of_target.get(session.target_id.as_deref()?).map(String::as_str)
    }
}

impl SsmView<'_> {
    /// Whether AWS itself knows the session.
    pub(crate) fn is_known_to_aws(&self) -> bool {
        self.is_in_trail() || !self.described.is_empty()
    }

    /// Whether CloudTrail has its beginning.
    pub(crate) fn is_in_trail(&self) -> bool {
        !self.executions.is_empty() || !self.starts.is_empty() || self.has_own_start
    }

    /// The task, by whoever AWS lets speak; by the client's record when there is nobody else.
    pub(crate) fn task_id(&self) -> Option<&str> {
        let executed = self.executions.iter().filter_map(|said| said.it.task_id.as_ref());
        let started = self.starts.iter().filter_map(|said| said.it.task_id.as_ref());
        let described = self.described.iter().filter_map(|said| said.it.task_id.as_ref());
        let linked = self.link_ends.iter().filter_map(|said| said.it.task_id.as_ref());
        executed.chain(started).chain(described).chain(linked).next().map(audit_facts::TaskId::as_str)
    }

    /// When it began: to the fraction by SSM, else to the second by CloudTrail.
    pub(crate) fn started(&self) -> Option<Timestamp> {
        let described = self.described.iter().filter_map(|said| said.it.started).min();
        described.or_else(|| self.started_in_trail())
    }

    /// When it began by CloudTrail, in whole seconds.
    pub(crate) fn started_in_trail(&self) -> Option<Timestamp> {
        let executed = self.executions.iter().map(|said| said.it.at);
        executed.chain(self.starts.iter().map(|said| said.it.at)).min()
    }

    /// When it ended by AWS.
    pub(crate) fn ended_by_aws(&self) -> Option<Timestamp> {
        let described = self.described.iter().filter_map(|said| said.it.ended).max();
        let ends = |said: &&Said<'_, SessionCall>| said.it.call == SessionCallKind::Terminate && said.it.error_code.is_none();
        described.or_else(|| self.calls.iter().filter(ends).map(|said| said.it.at).min())
    }

    /// A moment of its life by whoever tells one: the beginning, else the upload of its log, else the client's end.
    pub(crate) fn some_moment(&self) -> Option<Timestamp> {
        let uploaded = || self.transcripts.iter().filter_map(|said| said.it.first_uploaded).min();
        self.started().or_else(uploaded).or_else(|| self.link_end().map(|end| end.at))
    }

    /// The client's record of the end; the latest when there are several.
    pub(crate) fn link_end(&self) -> Option<&LinkEnd> {
        self.link_ends.iter().max_by_key(|said| (said.it.at, &said.by.id)).map(|said| said.it)
    }

    /// The client's record of the beginning.
    pub(crate) fn link_start(&self) -> Option<&LinkStart> {
        self.link_starts.iter().max_by_key(|said| (said.it.at, &said.by.id)).map(|said| said.it)
    }

    /// The one log that counts: the last reading of the one with the most in it.
    pub(crate) fn transcript(&self) -> Option<Said<'_, Transcript>> {
        self.transcripts
            .iter()
            .max_by_key(|said| (said.it.has_trailer, said.it.canonical_bytes, said.it.last_ingested, &said.by.id))
            .copied()
    }

    /// Ids of all facts on it.
    pub(crate) fn fact_ids(&self) -> BTreeSet<String> {
        fn ids<T>(said: &[Said<'_, T>]) -> impl Iterator<Item = String> {
            said.iter().map(|said| said.by.id.clone())
        }
        ids(&self.executions)
            .chain(ids(&self.starts))
            .chain(ids(&self.described))
            .chain(ids(&self.calls))
            .chain(ids(&self.transcripts))
            .chain(ids(&self.absences))
            .chain(ids(&self.link_ends))
            .chain(ids(&self.link_starts))
            .collect()
    }
}

impl BoundaryView<'_> {
    /// Whether Boundary itself showed it, or an audit event says that it was made.
    pub(crate) fn exists(&self) -> bool {
        let made = |said: &Said<'_, BoundaryEvent>| said.it.kind == BoundaryEventKind::AuthorizeSession && said.it.was_done();
        !self.readings.is_empty() || self.events.iter().any(made)
    }

    /// Whether there ever was such a session: what Boundary has removed, it had.
    pub(crate) fn has_been(&self) -> bool {
        self.exists() || self.removed.is_some()
    }

    /// Ids of all facts on it.
    pub(crate) fn fact_ids(&self) -> BTreeSet<String> {
        let readings = self.readings.iter().map(|said| said.by.id.clone());
        readings.chain(self.events.iter().map(|said| said.by.id.clone())).collect()
    }

    /// When it was authorised, by the API or by an audit event.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        let made = |said: &&Said<'_, BoundaryEvent>| said.it.kind == BoundaryEventKind::AuthorizeSession && said.it.was_done();
        self.whole.created.or_else(|| self.events.iter().filter(made).map(|said| said.it.at).min())
    }

    /// The client's addresses, by the worker and by the controller. Whoever asks for something else about the session, and be it
    /// in vain, is not its client.
    pub(crate) fn addresses(&self) -> BTreeSet<&str> {
        let workers = self.whole.connections.iter().flatten().map(|connection| connection.client_address.as_str());
        let is_of_client = |it: &BoundaryEvent| match it.kind {
            BoundaryEventKind::AuthorizeSession => it.was_done(),
            BoundaryEventKind::Worker => it.connection.is_some(),
            BoundaryEventKind::CancelSession | BoundaryEventKind::Change | BoundaryEventKind::Other => false,
        };
        let events = self.events.iter().filter(|said| is_of_client(said.it)).filter_map(|said| said.it.client_address.as_deref());
        workers.chain(events).filter(|address| !address.is_empty()).collect()
    }
}

impl TaskView<'_> {
    /// The ARN, when any reading has it.
    pub(crate) fn task_arn(&self) -> Option<&str> {
        let tasks = self.readings.iter().map(|said| said.it.task_arn.as_str());
        tasks.chain(self.targets.iter().map(|said| said.it.task_arn.as_str())).min()
    }

    /// When it stopped.
    pub(crate) fn stopped(&self) -> Option<Timestamp> {
        self.readings.iter().filter_map(|said| said.it.stopped).max()
    }

    /// When it was created.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        self.readings.iter().filter_map(|said| said.it.created).min()
    }

    /// Whether tags were seen at any time.
    pub(crate) fn is_tagged(&self) -> bool {
        self.readings.iter().any(|said| said.it.is_tagged())
    }

    /// A text of the latest reading that has it.
    pub(crate) fn text(&self, of: fn(&Task) -> Option<&String>) -> Option<&str> {
        let known = self.readings.iter().filter_map(|said| Some((said.it.seen, &said.by.id, of(said.it)?)));
        known.max().map(|(_, _, text)| text.as_str())
    }
}

//! Files that a task saved at its stop.

use super::Case;
use super::raise::{Raised, Raiser, state_of_absence};
use crate::finding::{Basis, Code, State, Subject};
use crate::observe::{Said, TaskView};
use audit_facts::{Artifact, Grade, Source};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// By how much a retention may fall short of whole days.
const SLACK: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn judge(case: &Case<'_>, raiser: &mut Raiser) {
    for (id, task) in &case.seen.tasks {
        let task = Saved { case, id, task };
        task.presence(raiser);
        task.versions(raiser);
        task.retention(raiser);
    }
}

/// What one task saved.
struct Saved<'a> {
    case: &'a Case<'a>,
    id: &'a str,
    task: &'a TaskView<'a>,
}

impl Saved<'_> {
    fn raised(&self, code: Code, subject: Subject, state: State, text: &str) -> Raised {
        Raised::new(code, subject, state, text.to_owned()).at(self.task.stopped()).task(self.task.task_arn())
    }

    fn of_task(&self, code: Code, state: State, text: &str) -> Raised {
        let facts = self.task.readings.iter().map(|said| said.by.id.clone());
        self.raised(code, Subject::Task(self.id.to_owned()), state, text).evidence(facts)
    }

    /// When the sync after the stop is over at the latest.
    fn due(&self) -> Option<Timestamp> {
        let grace = SignedDuration::from_secs(self.case.context.policy.artifact_grace_seconds.max(0));
        Some(self.task.stopped()? + grace)
    }

    fn presence(&self, raiser: &mut Raiser) {
        let Some(due) = self.due().filter(|due| self.case.context.now >= *due) else { return };
        let shells = self.case.shells_of(self.id);
        let files: Vec<&Said<'_, Artifact>> = self.task.artifacts.iter().filter(|said| !said.it.is_deletion).collect();
        let listed = self.case.context.coverage.grade(Source::Artifacts, None, due, due);
        match (shells.is_empty(), files.is_empty()) {
            (false, true) => {
                if let Some(state) = state_of_absence(listed, due, self.case.context.now) {
                    let basis = Basis { source: Source::Artifacts, from: due, to: due, grade: listed };
                    let text = "the task was entered and has stopped, and nothing of it was saved";
                    raiser.raise(self.of_task(Code::SessionNoArtifact, state, text).basis(basis));
                }
            }
            (false, false) => self.partial(&files, listed, due, raiser),
            (true, false) => self.without_shell(raiser),
            (true, true) => {}
        }
    }

    fn partial(&self, files: &[&Said<'_, Artifact>], listed: Grade, due: Timestamp, raiser: &mut Raiser) {
        let stopped = self.task.stopped();
        let ended_before = self.case.shells_of(self.id).iter().any(|(_, view)| {
            let normal = view.link_end().is_none_or(|end| end.exit_source == "marker");
            normal && view.ended_by_aws().zip(stopped).is_some_and(|(ended, stopped)| ended < stopped)
        });
        let has_history = files.iter().any(|said| said.it.key.ends_with("/.bash_history"));
        let state = state_of_absence(listed, due, self.case.context.now);
        if let (true, false, Some(state)) = (ended_before, has_history, state) {
            let basis = Basis { source: Source::Artifacts, from: due, to: due, grade: listed };
            let facts: Vec<String> = files.iter().map(|said| said.by.id.clone()).collect();
            let text = "files were saved without .bash_history";
            raiser.raise(self.of_task(Code::ArtifactPartial, state, text).evidence(facts).basis(basis));
        }
    }

    fn without_shell(&self, raiser: &mut Raiser) {
        let (Some(from), Some(to)) = (self.task.created(), self.task.stopped()) else { return };
        let grade = self.case.context.trail_grade(self.task.task_arn(), from, to.max(from));
        if let Some(state) = state_of_absence(grade, to + self.case.context.trail_lag(), self.case.context.now) {
            let basis = Basis { source: Source::CloudTrail, from, to, grade };
            let text = "files were saved although nobody entered the task";
            raiser.raise(self.of_task(Code::ArtifactNoSession, state, text).basis(basis));
        }
    }

    /// Later versions and deletions of what was saved.
    fn versions(&self, raiser: &mut Raiser) {
        // Without a stop time nothing says which version is too late; a deletion is none of the sync's at any time.
        let due = self.due();
        let mut objects: BTreeMap<(&str, &str), Vec<&Said<'_, Artifact>>> = BTreeMap::new();
        for said in &self.task.artifacts {
            objects.entry((&said.it.bucket, &said.it.key)).or_default().push(said);
        }
        for ((bucket, key), mut versions) in objects {
            versions.sort_by_key(|said| (said.it.modified, &said.it.version_id));
            let first = versions.iter().find(|said| !said.it.is_deletion);
            let later = versions.iter().find(|said| {
                first.is_some_and(|first| first.it.version_id != said.it.version_id && first.it.modified <= said.it.modified)
                    && (said.it.is_deletion || due.is_some_and(|due| said.it.modified > due))
            });
            if let Some(later) = later {
                let what = if later.it.is_deletion { "was deleted" } else { "got a later version" };
                let text = format!("{} {what} at {}", super::bypass::shown(key), later.it.modified);
                let facts: Vec<String> = versions.iter().map(|said| said.by.id.clone()).collect();
                let subject = Subject::Object(format!("{bucket}/{key}"));
                raiser.raise(self.raised(Code::ArtifactTampered, subject, State::Confirmed, &text).evidence(facts));
            }
        }
    }

    fn retention(&self, raiser: &mut Raiser) {
        let days = i64::from(self.case.context.policy.artifact_retention_days);
        for said in self.task.artifacts.iter().filter(|said| said.it.retention_read && !said.it.is_deletion) {
            let needed = said.it.modified + SignedDuration::from_hours(24 * days) - SLACK;
            if said.it.retained_until.is_none_or(|until| until < needed) {
                let subject = Subject::Object(format!("{}/{}", said.it.bucket, said.it.key));
                let text = match said.it.retained_until {
                    Some(until) => format!("may be deleted from {until} on"),
                    None => "may be deleted at any time".to_owned(),
                };
                raiser.raise(
                    self.raised(Code::ArtifactRetentionWeak, subject, State::Confirmed, &text).evidence([said.by.id.clone()]),
                );
            }
        }
    }
}

//! What may be missing: one fact or several of a kind.
//!
//! Owns removals, with what must follow.

use super::{Case, Expected, Mutation};
use audit_facts::{Body, Source};
use correlation::Code;

impl Case<'_> {
    pub(super) fn removals(&self) -> Vec<Mutation> {
        let raised = |code| Expected::Raised(code, self.ssm());
        let of_task = |code| Expected::Raised(code, format!("task:{}", self.task));
        let is_history = |body: &Body| matches!(body, Body::Artifact(it) if it.key.ends_with(".bash_history"));
        let is_boundary =
            |body: &Body| matches!(body, Body::BoundarySession(_) | Body::BoundaryEvent(_) | Body::BoundaryRemoval(_));
        let is_end = |body: &Body| matches!(body, Body::BoundarySession(it) if it.is_final());
        let is_own_start = |body: &Body| matches!(body, Body::SessionStartCall(_));
        vec![
            self.without(
                "ExecuteCommand and ECS's StartSession removed",
                Source::CloudTrail,
                |body| matches!(body, Body::Execution(_)) || is_own_start(body),
                raised(Code::CloudTrailGap),
            ),
            self.without("ECS's StartSession removed", Source::CloudTrail, is_own_start, Expected::NothingNew),
            self.without(
                "the description removed",
                Source::SsmSessions,
                |body| matches!(body, Body::SsmSession(_)),
                Expected::NothingNew,
            ),
            self.without(
                "the log removed",
                Source::ExecLogs,
                |body| matches!(body, Body::Transcript(_)),
                raised(Code::SessionNoLog),
            ),
            self.without("the end record removed", Source::Links, |body| matches!(body, Body::LinkEnd(_)), Expected::NothingNew),
            self.without(
                "the start record removed",
                Source::Links,
                |body| matches!(body, Body::LinkStart(_)),
                Expected::NothingNew,
            ),
            self.without("all of the Boundary session removed", Source::BoundaryApi, is_boundary, raised(Code::LinkForged)),
            self.without(
                "the last reading removed",
                Source::BoundaryApi,
                is_end,
                Expected::Raised(Code::BoundaryHarvestGap, format!("bs:{}", self.bs)),
            ),
            self.without(
                "the target's record removed",
                Source::SyncRecords,
                |body| matches!(body, Body::BoundaryTarget(_) | Body::SyncChange(_)),
                Expected::NothingNew,
            ),
            self.without(
                "the people removed",
                Source::SyncRecords,
                |body| matches!(body, Body::BoundaryUser(_)),
                Expected::NothingNew,
            ),
            self.without(
                "all saved files removed",
                Source::Artifacts,
                |body| matches!(body, Body::Artifact(_)),
                of_task(Code::SessionNoArtifact),
            ),
            self.without("the history removed", Source::Artifacts, is_history, of_task(Code::ArtifactPartial)),
            self.without(
                "everything but the log removed",
                Source::CloudTrail,
                |body| !matches!(body, Body::Transcript(_) | Body::BoundaryUser(_)),
                raised(Code::LogNoCloudTrail),
            ),
        ]
    }
}

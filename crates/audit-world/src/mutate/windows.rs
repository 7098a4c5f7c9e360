//! Changes to what was read, and changes that do not matter.
//!
//! Owns coverage, order and repeats.

use super::{Case, Expected, Mutation};
use audit_facts::{Body, Coverage, Grade, Lack, Source};
use audit_record::sha256_hex;
use correlation::Code;
use jiff::SignedDuration;

impl Case<'_> {
    pub(super) fn coverage_changes(&self) -> Vec<Mutation> {
        let none = |mut mutation: Mutation, source: Source| {
            mutation.coverage.retain(|window| window.source != source);
            mutation
        };
        let is_log = |body: &Body| matches!(body, Body::Transcript(_));
        let is_saved = |body: &Body| matches!(body, Body::Artifact(_));
        let is_call = |body: &Body| matches!(body, Body::Execution(_) | Body::SessionStartCall(_));
        let not = |code, subject: String| Expected::NotRaised(code, subject);
        let mut refused = self.with("the log group refuses", Source::ExecLogs, self.facts.clone(), Expected::Unchanged);
        let window = refused.coverage.iter().rfind(|window| window.source == Source::BoundaryApi).cloned();
        let added = window.map(|it| Coverage { place: "other".to_owned(), grade: Grade::None, lack: Some(Lack::Missed), ..it });
        if let Some(window) = added {
            let subject = format!("window:{}|{}|{}", window.source, window.place, window.from);
            (refused.name, refused.source) = ("a place was not read in time", Source::BoundaryApi);
            refused.expected = Expected::Raised(Code::BoundaryHarvestGap, subject);
            refused.coverage.push(window);
        }
        vec![
            none(
                self.without("log and its coverage removed", Source::ExecLogs, is_log, not(Code::SessionNoLog, self.ssm())),
                Source::ExecLogs,
            ),
            none(
                self.without(
                    "files and their coverage removed",
                    Source::Artifacts,
                    is_saved,
                    not(Code::SessionNoArtifact, format!("task:{}", self.task)),
                ),
                Source::Artifacts,
            ),
            none(
                self.without(
                    "CloudTrail and its coverage removed",
                    Source::CloudTrail,
                    is_call,
                    not(Code::CloudTrailGap, self.ssm()),
                ),
                Source::CloudTrail,
            ),
            none(self.no_boundary(not(Code::BypassExec, self.ssm())), Source::BoundaryApi),
            none(self.no_boundary(not(Code::LinkForged, self.ssm())), Source::BoundaryApi),
            refused,
        ]
    }

    fn no_boundary(&self, expected: Expected) -> Mutation {
        let gone = |body: &Body| matches!(body, Body::BoundarySession(_) | Body::BoundaryEvent(_) | Body::BoundaryRemoval(_));
        self.without("the Boundary session and its coverage removed", Source::BoundaryApi, gone, expected)
    }

    pub(super) fn harmless(&self) -> Vec<Mutation> {
        let mut doubled = self.facts.clone();
        doubled.extend(self.facts.iter().cloned());
        let reversed = self.facts.iter().rev().cloned().collect();
        let mut rotated = self.facts.clone();
        rotated.rotate_left(self.facts.len() / 2);
        let seen_later = self.facts.iter().cloned().map(|mut fact| {
            fact.observed_at = self.world.now;
            fact.evidence = sha256_hex(b"another page");
            fact
        });
        let slow = |body: &mut Body| {
            if let Body::LinkEnd(end) = body {
                end.at += SignedDuration::from_secs(3);
            }
        };
        vec![
            self.with("every fact twice", Source::Ecs, doubled, Expected::Unchanged),
            self.with("facts reversed", Source::Ecs, reversed, Expected::Unchanged),
            self.with("facts rotated", Source::Ecs, rotated, Expected::Unchanged),
            self.with("facts read again later", Source::Ecs, seen_later.collect(), Expected::NothingNew),
            self.changed("the laptop's clock three seconds on", Source::Links, slow, Expected::NothingNew),
        ]
    }
}

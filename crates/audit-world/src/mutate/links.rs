//! Changes to people, Boundary sessions, claims, tags and saved files.
//!
//! Owns changes of the link and what hangs on it.

use super::{Case, Expected, Mutation};
use audit_facts::{Body, BoundarySession, Execution, Fact, Source, SsmSessionId, TaskId};
use audit_record::sha256_hex;
use correlation::Code;
use jiff::SignedDuration;

impl Case<'_> {
    fn call(&self, name: &'static str, change: impl Fn(&mut Execution), expected: Expected) -> Mutation {
        let change = |body: &mut Body| {
            if let Body::Execution(it) = body {
                change(it);
            }
        };
        self.changed(name, Source::CloudTrail, change, expected)
    }

    fn session(&self, name: &'static str, change: impl Fn(&mut BoundarySession), expected: Expected) -> Mutation {
        let change = |body: &mut Body| {
            if let Body::BoundarySession(it) = body {
                change(it);
            }
        };
        self.changed(name, Source::BoundaryApi, change, expected)
    }

    pub(super) fn link_changes(&self) -> Vec<Mutation> {
        let raised = |code| Expected::Raised(code, self.ssm());
        let bs = || Expected::Raised(Code::LinkContested, format!("bs:{}", self.bs));
        let stranger = |it: &mut Execution| {
            let name = format!("somebodyelse={}", self.bs);
            it.principal.arn = format!("arn:aws:sts::{}:assumed-role/sre/{name}", it.account);
            it.principal.role_session_name = Some(name);
        };
        let shift = |it: &mut BoundarySession| {
            for at in [&mut it.created, &mut it.active_from, &mut it.ended, &mut it.expiration] {
                *at = at.map(|at| at + SignedDuration::from_hours(15));
            }
        };
        let cut =
            |it: &mut BoundarySession| it.ended = it.active_from.zip(it.ended).map(|(at, _)| at + SignedDuration::from_mins(2));
        vec![
            self.call("the caller changed", stranger, raised(Code::IdentityMismatch)),
            self.changed(
                "the owner changed",
                Source::Ecs,
                |body| {
                    if let Body::Task(it) = body {
                        it.owner_name = it.owner_name.as_ref().map(|_| "somebodyelse".to_owned());
                        it.owner_subject = None;
                    }
                },
                raised(Code::IdentityMismatch),
            ),
            self.session("the Boundary session ended early", cut, raised(Code::SessionOutlivesBoundary)),
            self.session_alone("the Boundary session moved by hours", shift, raised(Code::LinkForged)),
            self.session(
                "the bytes down taken away",
                |it| {
                    for wire in it.connections.iter_mut().flatten() {
                        wire.bytes_down = 10;
                    }
                },
                raised(Code::LogOversize),
            ),
            self.other_target(raised(Code::TargetTaskMismatch)),
            self.second_claim(bs()),
            self.unclaimed(raised(Code::BypassExec)),
            self.untagged(),
            self.late_version(),
        ]
    }

    /// The readings and the audit event move together.
    fn session_alone(&self, name: &'static str, change: impl Fn(&mut BoundarySession), expected: Expected) -> Mutation {
        let mut mutation = self.session(name, change, expected);
        mutation.facts.retain(|fact| !matches!(fact.body, Body::BoundaryEvent(_)));
        mutation
    }

    /// The session's target is another task's.
    fn other_target(&self, expected: Expected) -> Mutation {
        let mut facts = self.facts.clone();
        let other = facts.iter().find(|fact| matches!(fact.body, Body::BoundaryTarget(_))).cloned();
        facts.extend(other.map(|mut fact| {
            if let Body::BoundaryTarget(it) = &mut fact.body {
                "ttcp_elsewhere0".clone_into(&mut it.target_id);
                it.task_id = TaskId::parse("ffffffffffffffffffffffffffffffff").unwrap_or_else(|_| it.task_id.clone());
            }
            fact
        }));
        for fact in &mut facts {
            if let Body::BoundarySession(it) = &mut fact.body {
                it.target_id = Some("ttcp_elsewhere0".to_owned());
            }
        }
        self.with("the Boundary session's target is another task's", Source::BoundaryApi, facts, expected)
    }

    /// A second shell with the same planted id, with megabytes of output.
    fn second_claim(&self, expected: Expected) -> Mutation {
        let mut facts = self.facts.clone();
        let twin = SsmSessionId::parse("ecs-execute-command-twintwintwintwin1").expect("the id has the form");
        for fact in &self.facts {
            let mut fact = fact.clone();
            match &mut fact.body {
                Body::Execution(it) => {
                    it.ssm_session_id = Some(twin.clone());
                    it.event_id.push('2');
                    it.at += SignedDuration::from_secs(90);
                }
                Body::SsmSession(it) => {
                    it.ssm_session_id = twin.clone();
                    it.started = it.started.map(|at| at + SignedDuration::from_secs(90));
                }
                Body::Transcript(it) => {
                    (it.ssm_session_id, it.sha256) = (Some(twin.clone()), sha256_hex(b"much"));
                    it.name.push('2');
                    (it.canonical_bytes, it.body_bytes) = (90_000_000, 91_000_000);
                    it.checkpoints.clear();
                }
                _ => continue,
            }
            facts.push(fact);
        }
        self.with("a second shell claims the Boundary session", Source::CloudTrail, facts, expected)
    }

    /// Nothing claims the Boundary session, and it lived at another time.
    fn unclaimed(&self, expected: Expected) -> Mutation {
        let is_record = |body: &Body| matches!(body, Body::LinkStart(_) | Body::LinkEnd(_));
        let mut facts: Vec<Fact> = self.facts.iter().filter(|fact| !is_record(&fact.body)).cloned().collect();
        facts.retain(|fact| !matches!(fact.body, Body::BoundarySession(_) | Body::BoundaryEvent(_) | Body::BoundaryRemoval(_)));
        for fact in &mut facts {
            if let Body::Execution(it) = &mut fact.body {
                let name =
                    it.principal.role_session_name.as_deref().and_then(|name| name.split('=').next()).unwrap_or("x").to_owned();
                it.planted = None;
                it.principal.arn = format!("arn:aws:sts::{}:assumed-role/sre/{name}", it.account);
                it.principal.role_session_name = Some(name);
            }
        }
        self.with("no Boundary session and no claim", Source::BoundaryApi, facts, expected)
    }

    /// No reading has tags, and target-sync made no target.
    fn untagged(&self) -> Mutation {
        let expected = Expected::Raised(Code::TaskUntagged, format!("task:{}", self.task));
        let mut mutation = self.changed("the tags and the target removed", Source::Ecs, untag, expected);
        mutation.facts.retain(|fact| !matches!(fact.body, Body::BoundaryTarget(_) | Body::SyncChange(_)));
        mutation
    }

    /// A file was written again, days later.
    fn late_version(&self) -> Mutation {
        let mut facts = self.facts.clone();
        let mut subject = String::new();
        let first = facts.iter().find(|fact| matches!(fact.body, Body::Artifact(_))).cloned();
        facts.extend(first.map(|mut fact| {
            if let Body::Artifact(it) = &mut fact.body {
                it.version_id.push('2');
                it.modified += SignedDuration::from_hours(9);
                it.retained_until = it.retained_until.map(|at| at + SignedDuration::from_hours(9));
                subject = format!("object:{}/{}", it.bucket, it.key);
            }
            fact
        }));
        self.with("a saved file written again", Source::Artifacts, facts, Expected::Raised(Code::ArtifactTampered, subject))
    }
}

fn untag(body: &mut Body) {
    if let Body::Task(it) = body {
        (it.owner_name, it.owner_subject, it.investigation_id, it.cluster_id) = (None, None, None, None);
    }
}

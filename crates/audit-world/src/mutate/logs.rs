//! Changes to the log: its digest, its length, its times, a second one.
//!
//! Owns changes of the container's word.

use super::{Case, Expected, Mutation};
use audit_facts::{Body, Source, Transcript};
use audit_record::sha256_hex;
use correlation::Code;
use jiff::SignedDuration;

impl Case<'_> {
    fn log(&self, name: &'static str, change: impl Fn(&mut Transcript), expected: Expected) -> Mutation {
        self.changed(
            name,
            Source::ExecLogs,
            |body| {
                if let Body::Transcript(it) = body {
                    change(it);
                }
            },
            expected,
        )
    }

    pub(super) fn log_changes(&self) -> Vec<Mutation> {
        let raised = |code| Expected::Raised(code, self.ssm());
        let other = || sha256_hex(b"another text");
        let hours = |count| SignedDuration::from_hours(count);
        let longer = |it: &mut Transcript| {
            (it.sha256, it.canonical_bytes, it.body_bytes) =
                (other(), it.canonical_bytes + 50_000_000, it.body_bytes + 50_000_000);
        };
        let second = |change: &dyn Fn(&mut Transcript)| {
            let mut facts = self.facts.clone();
            let log = facts.iter().find(|fact| matches!(fact.body, Body::Transcript(_))).cloned();
            facts.extend(log.map(|mut fact| {
                if let Body::Transcript(it) = &mut fact.body {
                    change(it);
                }
                fact
            }));
            facts
        };
        vec![
            self.log("the log's digest changed", |it| it.sha256 = other(), raised(Code::LogTampered)),
            self.log("the log lengthened", longer, raised(Code::LogTampered)),
            self.log("the log lengthened", longer, raised(Code::LogOversize)),
            self.log(
                "the log emptied",
                |it| (it.sha256, it.canonical_bytes, it.body_bytes) = (sha256_hex(b""), 0, 0),
                raised(Code::LogEmpty),
            ),
            self.log(
                "the log halved",
                |it| (it.sha256, it.canonical_bytes, it.has_trailer) = (other(), it.canonical_bytes / 2, false),
                raised(Code::LogTruncated),
            ),
            self.log(
                "the upload moved by hours",
                |it| {
                    for at in [&mut it.first_uploaded, &mut it.last_uploaded, &mut it.last_ingested] {
                        *at = at.map(|at| at + hours(9));
                    }
                },
                raised(Code::LogLate),
            ),
            self.log(
                "the last event moved by days",
                |it| it.last_ingested = it.last_ingested.map(|at| at + hours(70)),
                raised(Code::LogRewritten),
            ),
            self.with(
                "a second reading differs",
                Source::ExecLogs,
                second(&|it| {
                    longer(it);
                    it.last_ingested = it.last_ingested.map(|at| at + hours(70));
                }),
                raised(Code::LogRewritten),
            ),
            self.with(
                "a second place differs",
                Source::ExecObjects,
                second(&|it| (it.sha256, it.name) = (other(), format!("bucket/{}.log", self.ssm))),
                raised(Code::LogDuplicate),
            ),
            self.with(
                "a second place agrees",
                Source::ExecObjects,
                second(&|it| it.name = format!("bucket/{}.log", self.ssm)),
                Expected::NothingNew,
            ),
        ]
    }
}

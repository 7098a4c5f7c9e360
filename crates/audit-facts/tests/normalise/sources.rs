//! The corpus: each file, and how it is read.

use audit_facts::normalise::{
    Normalised, Reading, Unreadable, boundary_events, boundary_sessions, cloudtrail, ecs, links, posture, ssm, sync_records,
};
use audit_facts::{Fact, Source};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What came of a file: facts, and what could not be read.
pub(crate) type Read = (Vec<Fact>, Vec<Unreadable>);

/// A file of the corpus.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) file: &'static str,
    pub(crate) source: Source,
    pub(crate) read: fn(&Reading, &[u8]) -> Read,
    /// Whether it is lines of JSON.
    pub(crate) is_lines: bool,
    /// The list in which the records stand.
    pub(crate) list: &'static str,
}

fn parts<N>(read: Normalised<N>) -> Read {
    (read.facts, read.unreadable)
}

/// The status of the corpus's trails.
fn statuses() -> BTreeMap<String, Vec<u8>> {
    let arn = |name: &str| format!("arn:aws:cloudtrail:us-east-2:641875867446:trail/{name}");
    let status = |logging: bool| format!(r#"{{"IsLogging":{logging},"LatestDeliveryTime":1795264222.0}}"#).into_bytes();
    [(arn("main"), status(true)), (arn("off"), status(false))].into()
}

const fn page(file: &'static str, source: Source, list: &'static str, read: fn(&Reading, &[u8]) -> Read) -> Sample {
    Sample { file, source, read, is_lines: false, list }
}

const fn lines(file: &'static str, source: Source, read: fn(&Reading, &[u8]) -> Read) -> Sample {
    Sample { file, source, read, is_lines: true, list: "" }
}

/// All files, each with its reader.
pub(crate) const SAMPLES: [Sample; 13] = [
    page("session-list.json", Source::BoundaryApi, "items", |to, raw| parts(boundary_sessions::list(to, raw))),
    page("session-one.json", Source::BoundaryApi, "", |to, raw| parts(boundary_sessions::one(to, raw))),
    lines("boundary-events.ndjson", Source::BoundaryEvents, |to, raw| parts(boundary_events::lines(to, raw))),
    lines("boundary-events-wrapped.ndjson", Source::BoundaryEvents, |to, raw| parts(boundary_events::lines(to, raw))),
    page("cloudtrail-object.json", Source::CloudTrail, "Records", |to, raw| parts(cloudtrail::object(to, raw))),
    page("cloudtrail-lookup.json", Source::CloudTrail, "Events", |to, raw| parts(cloudtrail::lookup(to, raw))),
    page("ssm-sessions.json", Source::SsmSessions, "Sessions", |to, raw| parts(ssm::sessions(to, raw))),
    page("ecs-tasks.json", Source::Ecs, "tasks", |to, raw| parts(ecs::tasks(to, raw, Some("uuid")))),
    page("ecs-clusters.json", Source::Ecs, "clusters", |to, raw| parts(posture::clusters(to, raw))),
    page("log-groups.json", Source::ExecLogs, "logGroups", |to, raw| parts(posture::log_groups(to, raw))),
    page("trails.json", Source::CloudTrail, "trailList", |to, raw| parts(posture::trails(to, "us-east-2", raw, &statuses()))),
    lines("links.jsonl", Source::Links, |to, raw| parts(links::journal(to, "laptop", raw))),
    lines("sync.jsonl", Source::SyncRecords, |to, raw| parts(sync_records::journal(to, "sync-a", raw, None))),
];

impl Sample {
    /// The sample of a file.
    pub(crate) fn of(file: &str) -> Sample {
        *SAMPLES.iter().find(|sample| sample.file == file).unwrap()
    }

    /// The file's bytes.
    pub(crate) fn raw(&self) -> Vec<u8> {
        std::fs::read(corpus(self.file)).unwrap()
    }

    /// What comes of some bytes.
    pub(crate) fn read(&self, raw: &[u8]) -> Read {
        (self.read)(&reading(self.source), raw)
    }
}

pub(crate) fn corpus(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(file)
}

pub(crate) fn reading(source: Source) -> Reading {
    let at = "2026-11-21T12:45:00Z".parse().unwrap();
    Reading { source, place: "main".to_owned(), at, evidence: "e".repeat(64) }
}

//! The raw files of a folder as facts, by the normalisers that the program itself uses.
//!
//! Owns the order of reading: file by file, so that raw JSON is in memory one file a thread at most.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use audit_facts::normalise::logs::{self, MeasuredTranscript, StoredTranscript};
use audit_facts::normalise::{Normalised, Reading, boundary_sessions, cloudtrail};
use audit_facts::{Body, BoundaryTarget, Fact, Source, TaskId, TranscriptForm};
use flate2::bufread::GzDecoder;
use jiff::Timestamp;
use serde::Deserialize;

/// A line of the transcripts' digests.
#[derive(Deserialize)]
struct Digest {
    log_group: String,
    log_stream: String,
    bytes: u64,
    sha256: String,
    ended: Timestamp,
}

/// A target and the task that it is bound to.
#[derive(Deserialize)]
struct Target {
    target_id: String,
    task_id: TaskId,
}

/// One file.
enum Raw {
    Trail(PathBuf),
    Boundary(PathBuf),
    Transcripts(PathBuf),
    Targets(PathBuf),
}

/// All facts of a folder, read by so many threads. Their order means nothing.
pub(super) fn facts(folder: &Path, threads: usize) -> anyhow::Result<Vec<Fact>> {
    let all = Mutex::new(Vec::new());
    each_file(folder, threads, |_, mut facts| {
        all.lock().map_err(|_| anyhow::anyhow!("a reading thread died"))?.append(&mut facts);
        Ok(())
    })?;
    Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Hands on the facts of each file of a folder, as one of so many threads has read it.
pub(super) fn each_file(
    folder: &Path,
    threads: usize,
    keep: impl Fn(Source, Vec<Fact>) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let files = files(folder)?;
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut facts = Vec::new();
            file.read(&mut facts).with_context(|| format!("failed to read {}", file.path().display()))?;
            keep(file.source(), facts)?;
        }
        Ok::<_, anyhow::Error>(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a reading thread died"))?)
    })
}

fn files(folder: &Path) -> anyhow::Result<Vec<Raw>> {
    let mut files = vec![Raw::Transcripts(folder.join("transcripts.jsonl")), Raw::Targets(folder.join("targets.json"))];
    for entry in std::fs::read_dir(folder.join("boundary"))? {
        files.push(Raw::Boundary(entry?.path()));
    }
    for entry in std::fs::read_dir(folder.join("cloudtrail"))? {
        files.push(Raw::Trail(entry?.path()));
    }
    Ok(files)
}

impl Raw {
    fn path(&self) -> &Path {
        let (Self::Trail(path) | Self::Boundary(path) | Self::Transcripts(path) | Self::Targets(path)) = self;
        path
    }

    fn source(&self) -> Source {
        match self {
            Self::Trail(_) => Source::CloudTrail,
            Self::Boundary(_) => Source::BoundaryApi,
            Self::Transcripts(_) => Source::ExecLogs,
            Self::Targets(_) => Source::SyncRecords,
        }
    }

    fn read(&self, facts: &mut Vec<Fact>) -> anyhow::Result<()> {
        match self {
            Self::Trail(path) => trail(path, facts),
            Self::Boundary(path) => {
                let page = std::fs::read(path)?;
                keep(boundary_sessions::list(&reading(Source::BoundaryApi, &page)?, &page), facts)
            }
            Self::Transcripts(path) => transcripts(path, facts),
            Self::Targets(path) => targets(path, facts),
        }
    }
}

fn trail(path: &Path, facts: &mut Vec<Fact>) -> anyhow::Result<()> {
    let zipped = std::fs::read(path)?;
    let mut json = Vec::new();
    GzDecoder::new(&zipped[..]).read_to_end(&mut json)?;
    keep(cloudtrail::object(&reading(Source::CloudTrail, &zipped)?, &json), facts)
}

fn transcripts(path: &Path, facts: &mut Vec<Fact>) -> anyhow::Result<()> {
    let reading = reading(Source::ExecLogs, path.as_os_str().as_encoded_bytes())?;
    for line in BufReader::new(File::open(path)?).lines() {
        let Digest { log_group, log_stream, bytes, sha256, ended } = serde_json::from_str(&line?)?;
        let uploaded = Some(ended);
        let name = format!("{log_group}/{log_stream}");
        let stored = StoredTranscript {
            name,
            stream: log_stream,
            events: 1,
            first_uploaded: uploaded,
            last_uploaded: uploaded,
            last_ingested: uploaded,
        };
        let measured = MeasuredTranscript {
            form: TranscriptForm::Script,
            has_trailer: true,
            body_bytes: bytes,
            sha256,
            canonical_bytes: bytes,
            checkpoints: Vec::new(),
            exact_until: None,
        };
        facts.push(logs::transcript(&reading, stored, measured));
    }
    Ok(())
}

/// As target-sync's journal would tell it.
fn targets(path: &Path, facts: &mut Vec<Fact>) -> anyhow::Result<()> {
    let text = std::fs::read(path)?;
    let reading = reading(Source::SyncRecords, &text)?;
    for Target { target_id, task_id } in serde_json::from_slice::<Vec<Target>>(&text)? {
        facts.push(reading.fact(Body::BoundaryTarget(Box::new(BoundaryTarget {
            at: reading.at,
            target_id,
            task_arn: format!("arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary/{task_id}"),
            task_id,
            name: String::new(),
            alias: None,
            state: "live".to_owned(),
            user_ids: Vec::new(),
        }))));
    }
    Ok(())
}

fn reading(source: Source, raw: &[u8]) -> anyhow::Result<Reading> {
    let at = super::files::read_at()?;
    Ok(Reading { source, place: "bench".to_owned(), at, evidence: audit_record::sha256_hex(raw) })
}

fn keep<N>(read: Normalised<N>, facts: &mut Vec<Fact>) -> anyhow::Result<()> {
    if let Some(first) = read.unreadable.first() {
        anyhow::bail!("{first}");
    }
    facts.extend(read.facts);
    Ok(())
}

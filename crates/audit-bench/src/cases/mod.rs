//! `audit-bench cases`: from raw files to findings.
//!
//! Owns the files, the peer and the comparison of the counts. Time is that of the whole way: reading, unpacking, parsing, joining.

mod files;
mod kept;
mod ours;
mod read;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::{child, report, say};
pub(crate) use kept::kept;
pub(crate) use ours::ours;

const PEER: &str = include_str!("peer.py");

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Number of Boundary sessions.
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// CloudTrail records for each session, most of them of no interest.
    #[arg(long, default_value_t = 10)]
    records: u32,
    /// How often each engine runs.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Python with the peer's module.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Writes the files here and keeps them, instead of in a temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What an engine has found. All engines must count the same.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) boundary_sessions: u64,
    /// Successful ExecuteCommand records, each counted once however often it was delivered.
    pub(crate) execs: u64,
    pub(crate) logs: u64,
    /// Execs whose SSM session has a log.
    pub(crate) exec_to_log: u64,
    /// Execs whose command names a Boundary session that there is.
    pub(crate) exec_to_boundary_session: u64,
    /// Of these, those whose Boundary session is to the target of the exec's task.
    pub(crate) session_to_task: u64,
    pub(crate) exec_without_boundary_session: u64,
    pub(crate) exec_without_log: u64,
    pub(crate) log_without_exec: u64,
}

impl Counts {
    /// Adds what another part of the files holds.
    fn add(&mut self, part: &Self) {
        self.boundary_sessions += part.boundary_sessions;
        self.execs += part.execs;
        self.logs += part.logs;
        self.exec_to_log += part.exec_to_log;
        self.exec_to_boundary_session += part.exec_to_boundary_session;
        self.session_to_task += part.session_to_task;
        self.exec_without_boundary_session += part.exec_without_boundary_session;
        self.exec_without_log += part.exec_without_log;
        self.log_without_exec += part.log_without_exec;
    }
}

/// One run of an engine.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ran {
    pub(crate) seconds: f64,
    pub(crate) counts: Counts,
    /// Peak of resident memory above what the process held before, MiB.
    pub(crate) peak: f64,
}

/// Something that reads the files of a folder and counts what it finds there.
///
/// The folder holds `cloudtrail/*.json.gz`, `boundary/*.json`, `targets.json` and `transcripts.jsonl`; see [`files`].
trait Engine {
    fn label(&self) -> &'static str;
    /// Runs once, in a process of its own.
    fn run(&self, folder: &Path) -> anyhow::Result<Ran>;
}

/// This workspace's crates: everything in memory, or by a state on disk.
enum Ours {
    InMemory,
    Kept,
}

impl Engine for Ours {
    fn label(&self) -> &'static str {
        match self {
            Self::InMemory => "ours",
            Self::Kept => "ours, kept",
        }
    }

    fn run(&self, folder: &Path) -> anyhow::Result<Ran> {
        let word = match self {
            Self::InMemory => "cases-ours",
            Self::Kept => "cases-kept",
        };
        child::last_line(Command::new(std::env::current_exe()?).arg(word).arg(folder))
    }
}

/// DuckDB: `read_json` and SQL.
struct Duckdb<'a> {
    python: &'a Path,
    script: PathBuf,
}

impl Engine for Duckdb<'_> {
    fn label(&self) -> &'static str {
        "duckdb"
    }

    fn run(&self, folder: &Path) -> anyhow::Result<Ran> {
        child::last_line(Command::new(self.python).arg(&self.script).arg(folder))
    }
}

/// Writes the files, runs every engine in turn and prints what each took.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    child::check_python(&arguments.python, "duckdb")?;
    let temporary = tempfile::TempDir::with_prefix("audit-bench-")?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().join("files"));
    let expected = files::write(&folder, arguments.sessions, arguments.records).context("failed to write the files")?;
    let script = temporary.path().join("peer.py");
    std::fs::write(&script, PEER).context("failed to write the peer's script")?;
    let duckdb = Duckdb { python: &arguments.python, script };
    let engines: [&dyn Engine; 3] = [&Ours::InMemory, &Ours::Kept, &duckdb];
    let mut out = "| engine | round | s | peak MiB |\n|---|---|---|---|".to_owned();
    for round in 0..arguments.rounds {
        for engine in engines {
            let label = engine.label();
            let ran = engine.run(&folder).with_context(|| format!("failed to run {label}"))?;
            anyhow::ensure!(ran.counts == expected, "{label} found {:?}, where there is {expected:?}", ran.counts);
            say(&format!("round {round}: {label}: {:.2} s", ran.seconds));
            out.push_str(&format!("\n| {label} | {round} | {:.2} | {:.0} |", ran.seconds, ran.peak));
        }
    }
    report(&format!("{}\n\n{out}", serde_json::to_string(&expected)?));
    Ok(())
}

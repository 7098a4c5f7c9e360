//! `audit-bench join`: our interval join beside DuckDB and Polars.
//!
//! Owns the order of the rounds: in each, every engine in turn, each in a fresh process. Time is that of the join and of summing
//! up its pairs; the columns are in memory before, in each engine's own form.

mod data;
mod ours;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::{child, report, say};
use data::Workload;
pub(crate) use data::mix;
pub(crate) use ours::ours;
use table::Table;

const PEERS: &str = include_str!("peers.py");
const MODULES: &str = "duckdb polars numpy pyarrow";

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each engine runs each workload.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Python with the peers' modules.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Number of sessions.
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// Number of events.
    #[arg(long, default_value_t = 10_000_000)]
    events: u32,
    /// Also runs the peers that take from twenty seconds to hours: a hash join under skew, a range join.
    #[arg(long)]
    slow: bool,
}

/// What one run prints.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ran {
    pub(crate) seconds: f64,
    pub(crate) pairs: u64,
    /// Sum over all pairs of the product of the low 16 bits of both ids: it does not depend on the order.
    pub(crate) checksum: u64,
    /// Peak of resident memory above what the process held with the input loaded, MiB.
    pub(crate) above_input: f64,
}

/// Measures every workload and prints the table.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    child::check_python(&arguments.python, MODULES)?;
    let folder = tempfile::TempDir::with_prefix("audit-bench-")?;
    let script = folder.path().join("peers.py");
    std::fs::write(&script, PEERS).context("failed to write the peers' script")?;
    let mut table = Table::default();
    for workload in Workload::ALL {
        let columns = folder.path().join(workload.label());
        data::write(workload, arguments.sessions, arguments.events, &columns)
            .with_context(|| format!("failed to write the columns of {}", workload.label()))?;
        for round in 0..arguments.rounds {
            for engine in workload.engines(arguments.slow) {
                let ran: Ran = child::last_line(&mut command(engine, &arguments.python, &script, &columns)?)
                    .with_context(|| format!("failed to run {engine}"))?;
                say(&format!("{}, round {round}: {engine}: {:.3} s, {} pairs", workload.label(), ran.seconds, ran.pairs));
                table.add(workload, engine, ran)?;
            }
        }
        std::fs::remove_dir_all(&columns)?;
    }
    report(&table.print());
    Ok(())
}

fn command(engine: &str, python: &Path, script: &Path, columns: &Path) -> anyhow::Result<Command> {
    let mut command = if engine == OURS {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("join-ours");
        command
    } else {
        let mut command = Command::new(python);
        command.arg(script).arg(engine);
        command
    };
    command.arg(columns).env("POLARS_MAX_THREADS", "2");
    Ok(command)
}

/// The name of our own engine.
pub(crate) const OURS: &str = "ours";

//! Measures the correlator beside query engines that people would use instead: same data, same run, results compared.
//!
//! Owns the data, the order of the rounds and the tables. The peers are the user's own Python modules; nothing is installed.

mod cases;
mod child;
mod incremental;
mod join;
mod memory;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the correlator beside its peers.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The interval join: events to the sessions that contain them.
    Join(join::Arguments),
    /// From raw files to findings.
    Cases(cases::Arguments),
    /// How much is judged again when a little comes late.
    Incremental(incremental::Arguments),
    /// One run of ours, on the files of a folder.
    #[command(hide = true)]
    CasesOurs {
        /// Where the files are.
        folder: PathBuf,
    },
    /// One run of ours by a state on disk, on the files of a folder.
    #[command(hide = true)]
    CasesKept {
        /// Where the files are.
        folder: PathBuf,
    },
    /// One run of ours, on the columns of a folder.
    #[command(hide = true)]
    JoinOurs {
        /// Where the columns are.
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let ran = match Arguments::parse().command {
        Bench::Join(arguments) => join::run(&arguments),
        Bench::Cases(arguments) => cases::run(&arguments),
        Bench::Incremental(arguments) => incremental::run(&arguments),
        Bench::CasesOurs { folder } => cases::ours(&folder),
        Bench::CasesKept { folder } => cases::kept(&folder),
        Bench::JoinOurs { folder } => join::ours(&folder),
    };
    let Err(error) = ran else { return ExitCode::SUCCESS };
    say(&format!("audit-bench: {error:#}"));
    ExitCode::FAILURE
}

/// Writes a line to stderr.
fn say(line: &str) {
    // Whoever closed it does not want to know.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes the result to stdout.
fn report(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

//! `lab bench-sync`: target-sync against a world of many tasks.
//!
//! Owns the order of the runs: a first `apply`, the same again with nothing to do, a `plan`, then a hundredth of the tasks
//! replaced and an `apply`. It judges nothing; [`table`] prints counts and how they grow with the number of tasks.

mod ran;
mod site;
mod table;

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::demo::build_program;
use crate::{report, say};
use ran::Ran;
use site::Site;
use table::Table;

/// The sizes that are measured unless others are asked for.
pub(crate) const SIZES: [u32; 3] = [1000, 10_000, 50_000];

/// The runs of one size, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Run {
    /// `apply` where nothing is there yet.
    First,
    /// `apply` where nothing is to be done.
    Idle,
    /// `plan -o json` where nothing is to be done.
    Plan,
    /// `apply` after a hundredth of the tasks were replaced.
    Change,
}

impl Run {
    pub(crate) const ALL: [Self; 4] = [Self::First, Self::Idle, Self::Plan, Self::Change];

    fn arguments(self) -> [&'static str; 3] {
        [if self == Self::Plan { "plan" } else { "apply" }, "-o", "json"]
    }

    /// How many tasks a run changes something for.
    pub(crate) fn touched(self, tasks: u32) -> u32 {
        match self {
            Self::First => tasks,
            Self::Idle | Self::Plan => 0,
            Self::Change => replaced(tasks),
        }
    }
}

fn replaced(tasks: u32) -> u32 {
    tasks / 100
}

/// Measures every size and prints the table.
pub(crate) fn run(runtime: &Runtime, sizes: &[u32]) -> anyhow::Result<ExitCode> {
    let program = build_program("target-sync")?;
    report(&format!("target-sync: {}\n", program.display()));
    let mut table = Table::default();
    for tasks in sizes {
        let mut site = Site::new(runtime, &program, *tasks).context("failed to make the world")?;
        for run in Run::ALL {
            if run == Run::Change {
                site.replace(replaced(*tasks));
            }
            say(&format!("lab: {tasks} tasks: {}", run.arguments().join(" ")));
            let ran: Ran = site.run(&run.arguments())?;
            table.add(run, *tasks, ran);
        }
    }
    report(&table.print());
    Ok(ExitCode::SUCCESS)
}

//! `lab bench`: ecs-exec-wrapper beside the stock AWS CLI with session-manager-plugin, in one run on one machine.
//!
//! Owns the rounds: in each, every case does every measurement once, so that a busy moment of the machine falls on all of
//! them. Each sample has a world of its own. It judges nothing; [`table`] prints medians and ratios.

mod case;
mod measure;
mod seat;
mod table;
pub(crate) mod usage;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use tokio::runtime::Runtime;

use crate::demo::build_wrapper;
use crate::{report, say};
use case::{Case, Programs};
use measure::Bench;
use table::Samples;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measurement {
    /// From starting the program to the first prompt, ECS calls included.
    Start,
    /// 50 MB of output: memory before and after, rate and CPU time.
    Output,
    /// 200 kB of typing at once.
    Paste,
    /// 500 keys, one at a time.
    Echo,
    /// 20 changes of the window's size.
    Resize,
}

/// Measures and prints the table; fails only if no sample at all succeeded.
pub(crate) fn run(runtime: &Runtime, rounds: u32, only: Option<Measurement>) -> anyhow::Result<ExitCode> {
    let programs = Programs::find(build_wrapper()?);
    let cases: Vec<Case> = Case::ALL.into_iter().filter(|case| programs.has(*case)).collect();
    let chosen: Vec<Measurement> =
        Measurement::value_variants().iter().copied().filter(|it| only.is_none_or(|only| only == *it)).collect();
    report(&programs.introduction());
    let bench = Bench::new(runtime, &programs).context("failed to prepare the output's file")?;
    let mut samples = Samples::default();
    for round in 1..=rounds {
        for measurement in &chosen {
            say(&format!("lab: round {round} of {rounds}: {measurement:?}"));
            for case in &cases {
                match bench.measure(*measurement, *case) {
                    Ok(values) => samples.add(*case, values),
                    Err(error) => say(&format!("lab: no sample of {measurement:?} for {}: {error:#}", case.name())),
                }
            }
        }
    }
    report(&samples.print(&cases));
    Ok(if samples.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

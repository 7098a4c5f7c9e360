//! `lab`: the toolkit's world on a developer's machine or in CI.
//!
//! - `lab demo` opens an interactive shell through all of it; `lab demo --script` does so by itself and checks everything;
//! - `lab up` keeps a world running and prints how to reach it;
//! - `lab bench` measures the wrapper beside the stock client;
//! - `lab bench-sync` measures target-sync with many tasks;
//! - `lab connect …` is the stand-in for `boundary connect`.

mod bench;
mod bench_sync;
mod demo;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use clap::{Parser, Subcommand, ValueEnum};
use lab::Profile;

#[derive(Parser)]
#[command(name = "lab", about = "ECS Exec and Boundary on loopback: for the demo and for tests")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Opens a shell with ecs-exec-wrapper through the lab's Boundary.
    Demo {
        /// Types by itself, checks what comes, and ends with 0 only if all of it holds.
        #[arg(long)]
        script: bool,
    },
    /// Keeps a world running until Ctrl-C and prints its environment.
    Up {
        /// The caller's rights.
        #[arg(long, value_enum, default_value_t = ProfileArg::Rosa)]
        profile: ProfileArg,
        /// Port of the AWS APIs; the worker and the CONNECT proxy take the two that follow.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Lets data channels in that do not come through the worker.
        #[arg(long)]
        direct: bool,
    },
    /// Measures ecs-exec-wrapper beside the AWS CLI with session-manager-plugin, where they are on PATH.
    Bench {
        /// How often each measurement is done with each program.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Only this measurement.
        #[arg(long, value_enum, value_name = "NAME")]
        only: Option<bench::Measurement>,
    },
    /// Measures target-sync against a world of many tasks: requests, time, memory, and how they grow.
    BenchSync {
        /// How many tasks, for each round one number.
        #[arg(long, value_delimiter = ',', default_values_t = bench_sync::SIZES, value_parser = clap::value_parser!(u32).range(100..))]
        tasks: Vec<u32>,
    },
    /// Stands in for `boundary connect -exec PROGRAM -target-id ID -- ARGUMENTS…`.
    #[command(disable_help_flag = true)]
    Connect {
        /// As for `boundary connect`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProfileArg {
    /// The users' own world.
    Rosa,
    /// Everything granted.
    Granted,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Rosa => Self::Rosa,
            ProfileArg::Granted => Self::Granted,
        }
    }
}

fn main() -> ExitCode {
    // clap would take the `--` that belongs to the stand-in.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == "connect") {
        return lab::connect::run(args.collect());
    }
    let filter: Targets = std::env::var("LAB_LOG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::ERROR));
    tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter)).init();
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("lab: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Demo { script: false } => runtime.block_on(demo::interactive()),
        Command::Demo { script: true } => runtime.block_on(demo::script::run()),
        Command::Up { profile, port, direct } => runtime.block_on(up::run(profile.into(), port, !direct)),
        Command::Bench { rounds, only } => bench::run(&runtime, rounds, only),
        Command::BenchSync { tasks } => bench_sync::run(&runtime, &tasks),
        Command::Connect { args } => Ok(lab::connect::run(args)),
    }
}

#[expect(clippy::print_stderr, reason = "the lab talks to its user on stderr")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the report of the demo and the exports of `up` are the lab's output")]
fn report(text: &str) {
    println!("{text}");
}

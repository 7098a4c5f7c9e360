//! The program: which word was said, what it needs, and the exit code.
//!
//! Owns standard output and the exit codes. The work is the other modules'.

use crate::apply::Ended;
use crate::args::{Cli, Common, ConfigWord, LogWord, OutputWord, Word};
use crate::cycle::{CycleError, Outcome, Sync};
use crate::observe::ecs::{Eye, Interest};
use crate::plan::{Level, Plan};
use crate::progress::Progress;
use crate::records::Records;
use crate::settings::{Settings, SettingsError};
use crate::show::{self, Paper};
use crate::store::{Store, StoreError};
use crate::{daemon, exit, explain, login, repair, settings, upsert};
use boundary_api::Client;
use clap::Parser as _;
use clap::error::ErrorKind;
use cli_kit::logging::{self, LogFormat, LogSettings};
use cli_kit::{chain_text, exit as shared};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log(&cli.common);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(exit::FAILED, &format!("failed to start: {error}")),
    };
    let code = runtime.block_on(say(cli));
    runtime.shutdown_background();
    ExitCode::from(code)
}

fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    ExitCode::from(if asked { shared::OK } else { shared::USAGE })
}

fn log(common: &Common) {
    let format = if common.log_format == LogWord::Json { LogFormat::Json } else { LogFormat::Text };
    let settings = LogSettings { verbosity: common.verbose, quiet: common.quiet, format, file: None };
    drop(logging::init(settings));
}

fn fail(code: u8, text: &str) -> ExitCode {
    tell(text);
    ExitCode::from(code)
}

/// Says something on standard error.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "target-sync: {text}");
}

/// Prints the result. A reader that went away is no failure.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

pub(crate) fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

/// Everything that a word works with.
pub(crate) struct Tools {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) eyes: Vec<Eye>,
    pub(crate) records: Option<Records>,
    pub(crate) output: OutputWord,
    pub(crate) quiet: bool,
    /// Set once the program is asked to stop.
    pub(crate) stopping: AtomicBool,
    pub(crate) paper: Paper,
}

impl Tools {
    fn new(settings: Settings, common: &Common) -> Result<Self, String> {
        let client = login::client(&settings).map_err(|error| chain_text(&error))?;
        let eye = |source: &crate::observe::ecs::Source| Eye::new(source.clone(), Interest::from(&settings.rules));
        let eyes = settings.sources.iter().map(eye).collect::<Result<Vec<_>, _>>().map_err(|error| chain_text(&error))?;
        let records = Records::new(&settings);
        Ok(Self {
            settings,
            client,
            eyes,
            records,
            output: common.output,
            quiet: common.quiet,
            stopping: AtomicBool::new(false),
            paper: paper(),
        })
    }

    /// Sends the journal's new lines to the bucket, if there is one; says how many objects still wait.
    pub(crate) async fn deliver(&self, store: &Store) -> usize {
        match &self.records {
            Some(records) => records.deliver(store).await,
            None => 0,
        }
    }

    /// Eyes and hands on the machine's clock.
    pub(crate) fn sync<'a>(&'a self, progress: &'a dyn Fn(&Ended<'_>)) -> Sync<'a> {
        Sync {
            settings: &self.settings,
            client: &self.client,
            eyes: &self.eyes,
            clock: &Timestamp::now,
            progress,
            stopping: &self.stopping,
        }
    }
}

fn paper() -> Paper {
    let terminal = std::io::stdout().is_terminal();
    if !terminal {
        return Paper::PLAIN;
    }
    let window = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col)).ok();
    let columns = window.filter(|columns| *columns > 0).unwrap_or(110);
    Paper { width: columns, colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
}

async fn say(cli: Cli) -> u8 {
    let run = match &cli.word {
        Word::Run(run) => Some(run),
        _ => None,
    };
    let settled = settings::load(&cli.common).and_then(|files| settings::settle(&cli.common, run, &files));
    let settings = match settled {
        Ok(settings) => settings,
        Err(error) => return misconfigured(&error),
    };
    if let Word::Config { word } = &cli.word {
        return config(word, &settings);
    }
    if run.is_some() && !settings.policy_was_said {
        tell("run: say what may be done: --policy sync, upsert-only or create-only, or `policy` in the file");
        return shared::CONFIGURATION;
    }
    let tools = match Tools::new(settings, &cli.common) {
        Ok(tools) => tools,
        Err(text) => {
            tell(&text);
            return shared::CONFIGURATION;
        }
    };
    match cli.word {
        Word::Plan { detailed_exitcode, out } => plan(&tools, detailed_exitcode, out.as_deref()).await,
        Word::Apply { plan: None } => apply(&tools).await,
        Word::Apply { plan: Some(file) } => apply_file(&tools, &file).await,
        Word::Run(_) => daemon::run(&tools).await,
        Word::Explain { task } => explain::explain(&tools, &task).await,
        Word::Orphans => explain::orphans(&tools).await,
        Word::Adopt { id, task, yes } => repair::adopt(&tools, &id, task.as_deref(), yes).await,
        Word::Retire { id, yes } => repair::retire(&tools, &id, yes).await,
        Word::Upsert { from_json } => upsert::upsert(&tools, &from_json).await,
        Word::Doctor => crate::doctor::examine(&tools).await,
        Word::Config { .. } => shared::OK,
    }
}

fn misconfigured(error: &SettingsError) -> u8 {
    tell(&chain_text(error));
    shared::CONFIGURATION
}

fn config(word: &ConfigWord, settings: &Settings) -> u8 {
    match word {
        ConfigWord::Check => print("the configuration can be used\n"),
        ConfigWord::Show => print(&show::rows(&settings.shown)),
    }
    shared::OK
}

async fn plan(tools: &Tools, detailed: bool, out: Option<&Path>) -> u8 {
    let (recorded, mut memory) = match crate::store::peek(&tools.settings.state_dir) {
        Ok(peeked) => peeked,
        Err(error) => return failed_store(&error),
    };
    let look = match tools.sync(&|_| {}).look(recorded, &mut memory).await {
        Ok(look) => look,
        Err(error) => return failed(&chain_text(&error)),
    };
    let now = Timestamp::now();
    if let Some(file) = out
        && let Err(error) = write_plan(file, &look.plan)
    {
        return failed(&format!("failed to write the plan to `{}`: {error}", file.display()));
    }
    match tools.output {
        OutputWord::Table => print(&show::plan(&look.plan, now, tools.paper)),
        OutputWord::Json => print_json(&plan_json(&look.plan)),
    }
    let pending = look.plan.due(now).next().is_some();
    let half_blind = look.snapshot.sources.values().any(|scan| scan.failure.is_some());
    match () {
        () if half_blind => exit::IN_PART,
        () if look.plan.is_limited() => exit::LIMITED,
        () if detailed && pending => exit::PENDING,
        () => shared::OK,
    }
}

fn plan_json(plan: &Plan) -> Value {
    let mut value = serde_json::to_value(plan).unwrap_or_default();
    value["sha256"] = json!(plan.digest());
    value
}

fn write_plan(file: &Path, plan: &Plan) -> std::io::Result<()> {
    std::fs::write(file, format!("{:#}\n", plan_json(plan)))
}

async fn apply(tools: &Tools) -> u8 {
    let began = std::time::Instant::now();
    let mut store = match Store::open(&tools.settings.state_dir) {
        Ok(store) => store,
        Err(error) => return failed_store(&error),
    };
    let progress = Progress::new();
    let told = |ended: &Ended<'_>| progress.step(ended);
    let outcome = tools.sync(&told).run(&mut store, &|plan| plan).await;
    progress.end();
    let code = match &outcome {
        Ok(outcome) => conclude(tools, outcome),
        Err(error) => failed_cycle(error),
    };
    let waiting = tools.deliver(&store).await;
    daemon::write_metrics(tools, outcome.as_ref().ok(), waiting, began.elapsed());
    code
}

/// Tells what came of a run, and returns its exit code.
pub(crate) fn conclude(tools: &Tools, outcome: &Outcome) -> u8 {
    let plan = &outcome.look.plan;
    match tools.output {
        OutputWord::Json => print_json(&outcome_json(outcome)),
        OutputWord::Table => {
            if let Some((plan, report)) = outcome.reports.last() {
                print(&show::report(plan, report, tools.paper));
            }
            let least = if tools.quiet { Level::Alarm } else { Level::Warning };
            let loud: Vec<_> = plan.notes.iter().filter(|note| note.level >= least).cloned().collect();
            print(&show::notes(&loud, tools.paper));
            if outcome.failed() > 0 || (!tools.quiet && (outcome.done() > 0 || !loud.is_empty())) {
                print(&format!("{} done, {} not done, {} held back\n", outcome.done(), outcome.failed(), plan.held.len()));
            }
        }
    }
    code_of(outcome)
}

/// The exit code of a run.
pub(crate) fn code_of(outcome: &Outcome) -> u8 {
    let look = &outcome.look;
    let half_blind = look.snapshot.sources.values().any(|scan| scan.failure.is_some());
    match () {
        () if outcome.failed() > 0 || half_blind => exit::IN_PART,
        () if look.plan.notes.iter().any(|note| note.code == "owner_conflict") => exit::LOCKED,
        () if outcome.look.plan.is_limited() => exit::LIMITED,
        () => shared::OK,
    }
}

fn outcome_json(outcome: &Outcome) -> Value {
    let plan = &outcome.look.plan;
    json!({ "format_version": 1, "done": outcome.done(), "failed": outcome.failed(), "held": plan.held, "notes": plan.notes })
}

async fn apply_file(tools: &Tools, file: &Path) -> u8 {
    let plan = match read_plan(file, tools) {
        Ok(plan) => plan,
        Err(text) => return failed(&text),
    };
    let mut store = match Store::open(&tools.settings.state_dir) {
        Ok(store) => store,
        Err(error) => return failed_store(&error),
    };
    let progress = Progress::new();
    let told = |ended: &Ended<'_>| progress.step(ended);
    let report = tools.sync(&told).carry_out_given(&mut store, &plan).await;
    progress.end();
    let code = match report {
        Ok(report) => {
            print(&show::report(&plan, &report, tools.paper));
            print(&format!("{} done, {} not done\n", report.done(), report.failed()));
            if report.failed() > 0 { exit::IN_PART } else { shared::OK }
        }
        Err(error) => failed_cycle(&error),
    };
    tools.deliver(&store).await;
    code
}

fn read_plan(file: &Path, tools: &Tools) -> Result<Plan, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("failed to read the plan `{shown}`: {error}"))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("`{shown}` is no plan: {error}"))?;
    let plan: Plan = serde_json::from_value(value.clone()).map_err(|error| format!("`{shown}` is no plan: {error}"))?;
    let rules = &tools.settings.rules;
    match () {
        () if plan.format_version != crate::plan::PLAN_FORMAT => {
            Err(format!("`{shown}` has the format version {}, which this program does not know", plan.format_version))
        }
        () if value["sha256"] != json!(plan.digest()) => Err(format!("`{shown}` was changed after it was written: plan again")),
        () if plan.owner != rules.owner || plan.project_id != rules.project_id => {
            Err(format!("`{shown}` is for the owner {} in {}, not for this configuration", plan.owner, plan.project_id))
        }
        () => Ok(plan),
    }
}

pub(crate) fn failed(text: &str) -> u8 {
    tell(text);
    exit::FAILED
}

pub(crate) fn failed_store(error: &StoreError) -> u8 {
    tell(&chain_text(error));
    if matches!(error, StoreError::Locked(_)) { exit::LOCKED } else { exit::FAILED }
}

pub(crate) fn failed_cycle(error: &CycleError) -> u8 {
    match error {
        CycleError::Store(error) => failed_store(error),
        error => failed(&chain_text(error)),
    }
}

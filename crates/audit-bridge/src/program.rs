//! The program: which word was said, what it needs, and the exit code.
//!
//! Owns standard output and the exit codes. The work is the other modules'.

use crate::args::{Cli, CollectArgs, Common, ConfigWord, FromEnvironment, LogWord, Word};
use crate::settings::{Settings, SettingsError};
use crate::{canary, complete, daemon, doctor, exit, look, replay, report, settings};
use audit_report::Paper;
use audit_state::{Reader, State, StateError};
use clap::Parser as _;
use clap::error::ErrorKind;
use cli_kit::logging::{self, LogFormat, LogSettings};
use cli_kit::{chain_text, exit as shared};
use evidence_bundle::{PublicKey, SigningKey};
use jiff::Timestamp;
use serde_json::Value;
use std::fs::DirBuilder;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Runs the program.
pub fn main() -> ExitCode {
    complete::answer();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log(&cli.common);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("failed to start: {error}"));
            return ExitCode::from(exit::FAILED);
        }
    };
    let code = runtime.block_on(say(cli));
    runtime.shutdown_background();
    ExitCode::from(printed(code))
}

fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    ExitCode::from(if asked { shared::OK } else { shared::USAGE })
}

fn log(common: &Common) {
    let format = if common.log_format == LogWord::Json { LogFormat::Json } else { LogFormat::Text };
    drop(logging::init(LogSettings { verbosity: common.verbose, quiet: common.quiet, format, file: None }));
}

/// Says something on standard error.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "audit-bridge: {text}");
}

/// Why standard output took no more.
static UNPRINTED: OnceLock<String> = OnceLock::new();

/// Prints the result. A reader that went away is no failure; anything else ends the program with one.
pub(crate) fn print(text: &str) {
    note_unprinted(std::io::stdout().lock().write_all(text.as_bytes()));
}

fn note_unprinted(printed: std::io::Result<()>) {
    if let Err(error) = printed
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = UNPRINTED.set(error.to_string());
    }
}

/// The exit code, unless the result could not be printed.
fn printed(code: u8) -> u8 {
    note_unprinted(std::io::stdout().lock().flush());
    let Some(error) = UNPRINTED.get() else { return code };
    tell(&format!("failed to write the result: {error}"));
    exit::FAILED
}

/// Prints one JSON object a line.
pub(crate) fn print_lines(rows: impl IntoIterator<Item = Value>) {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for row in rows {
        if let Err(error) = writeln!(out, "{row}") {
            return note_unprinted(Err(error));
        }
    }
    note_unprinted(out.flush());
}

/// Tells of a failure, and gives its exit code.
pub(crate) fn failed(error: &(dyn std::error::Error + 'static)) -> u8 {
    tell(&chain_text(error));
    exit::FAILED
}

/// The terminal's width and whether colours are wanted.
pub(crate) fn paper() -> Paper {
    if !std::io::stdout().is_terminal() {
        return Paper::PLAIN;
    }
    let window = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col)).ok();
    let width = window.filter(|columns| *columns > 0).unwrap_or(110);
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Paper { width, colours: !is_dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
}

/// Where the database is.
pub(crate) fn database(settings: &Settings) -> PathBuf {
    settings.state_dir.join("state.sqlite")
}

/// Opens the state for writing.
///
/// # Errors
/// As of [`State::open`]; the folder is made for its owner alone.
pub(crate) fn open_state(settings: &Settings) -> Result<State, StateError> {
    let folder = DirBuilder::new().recursive(true).mode(0o700).create(&settings.state_dir);
    folder.map_err(|source| StateError::File(settings.state_dir.clone(), source))?;
    State::open(&database(settings))
}

/// Opens the state for reading.
///
/// # Errors
/// As of [`Reader::open`].
pub(crate) fn open_reader(settings: &Settings) -> Result<Reader, StateError> {
    Reader::open(&database(settings))
}

async fn say(cli: Cli) -> u8 {
    match &cli.word {
        Word::Verify { bundle, key, anchor_key } => return verify(bundle, key, anchor_key.as_deref()),
        Word::Keygen { file } => return keygen(file),
        _ => {}
    }
    if cli.word.period().is_some_and(|period| period.is_reversed(Timestamp::now())) {
        tell("the period ends before it begins: --from must be before --to, and before now where --to is not given");
        return shared::USAGE;
    }
    // What a flag of the collector's can say, the environment can say to every word.
    let collect = match &cli.word {
        Word::Collect(args) => args.clone(),
        // Whatever the collector is to leave out, the others look at everything.
        word => match FromEnvironment::try_parse_from(["audit-bridge"]) {
            Ok(it) => CollectArgs { sources: Vec::new(), ..it.collect },
            Err(error) if matches!(word, Word::Config { .. }) => {
                let _ = error.print();
                return shared::USAGE;
            }
            Err(_) => CollectArgs::default(),
        },
    };
    let settled = settings::load(&cli.common).and_then(|files| settings::settle(&cli.common, &collect, &files));
    let settings = match settled {
        Ok(settings) => settings,
        Err(error) => return misconfigured(&error),
    };
    match &cli.word {
        Word::Collect(args) if args.watch => daemon::watch(&settings, cli.common.quiet).await,
        Word::Collect(_) => daemon::once(&settings, cli.common.quiet).await,
        Word::Sessions(args) => look::sessions(&settings, args),
        Word::Show { session, output } => look::show(&settings, session, *output),
        Word::Findings(args) => look::findings(&settings, args),
        Word::Coverage { period, output } => look::coverage(&settings, period, *output),
        Word::Access(args) => look::access(&settings, args),
        Word::Replay(args) => replay::replay(&settings, args),
        Word::Report(args) => report::write(&settings, args),
        Word::Canary(args) => canary::check(&settings, args),
        Word::Doctor => doctor::examine(&settings).await,
        Word::Config { word } => config(*word, &settings),
        Word::Verify { .. } | Word::Keygen { .. } => shared::OK,
    }
}

fn misconfigured(error: &SettingsError) -> u8 {
    tell(&chain_text(error));
    if matches!(error, SettingsError::Unknown(..)) { shared::USAGE } else { shared::CONFIGURATION }
}

fn config(word: ConfigWord, settings: &Settings) -> u8 {
    match word {
        ConfigWord::Check => {
            let checked = if settings.has_sources() { settings.check_files() } else { Err(SettingsError::NoSource) };
            if let Err(error) = checked {
                return misconfigured(&error);
            }
            print("the configuration can be used\n");
        }
        ConfigWord::Show => {
            let width = |at: usize| settings.shown.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
            let (keys, values) = (width(0), width(1).min(60));
            for [key, value, origin] in &settings.shown {
                print(&format!("{key:keys$}  {value:values$}  {origin}\n"));
            }
        }
    }
    shared::OK
}

fn keygen(file: &Path) -> u8 {
    match SigningKey::create(file) {
        Ok(key) => {
            print(&format!("{}\n", key.public()));
            tell(&format!("the private key is in {}; give auditors the public key only", file.display()));
            shared::OK
        }
        Err(error) => failed(&error),
    }
}

fn verify(bundle: &Path, key: &Path, anchor_key: Option<&Path>) -> u8 {
    let keys = PublicKey::load(key).and_then(|key| Ok((key, anchor_key.map(PublicKey::load).transpose()?)));
    let (key, anchor_key) = match keys {
        Ok(keys) => keys,
        Err(error) => return failed(&error),
    };
    if anchor_key.as_ref() == Some(&key) {
        tell("--anchor-key is the same key as --key; an anchor is a second party's word, so give that party's public key");
        return shared::USAGE;
    }
    if let Err(error) = evidence_bundle::look_at(bundle) {
        return failed(&error);
    }
    let require_anchor = anchor_key.is_some();
    let anchor_keys = anchor_key.into_iter().collect();
    let options = evidence_bundle::Options { anchor_keys, require_anchor, ..evidence_bundle::Options::default() };
    let report = evidence_bundle::verify(bundle, &key, &options);
    print(&report.to_string());
    if report.holds() { shared::OK } else { exit::FAILED }
}

//! The words in the first position that open nothing: `config show`, `man`, and what a shell's completion asks.
//!
//! Owns what they print. None of them changes anything; completion reads task lists and aliases, briefly.

use crate::args::{self, Args};
use crate::complete;
use crate::config::FileConfig;
use clap::ArgMatches;
use clap::parser::ValueSource;
use cli_kit::{FileLayers, chain_text, exit, printable};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Runs such a word; none when the arguments hold another.
pub(crate) fn run(arguments: &[OsString]) -> Option<ExitCode> {
    complete::answer();
    let word = |at: usize| arguments.get(at).and_then(|word| word.to_str());
    match (word(1)?, word(2)) {
        ("config", Some("show")) => Some(report(&config_show(arguments))),
        ("config", _) => Some(report(&Err("say: ecs-exec-wrapper config show [flags]".to_owned()))),
        ("man", page) => Some(report(&man(page))),
        _ => None,
    }
}

fn report(text: &Result<String, String>) -> ExitCode {
    let (written, code) = match text {
        Ok(text) => (std::io::stdout().lock().write_all(text.as_bytes()), exit::OK),
        Err(text) => (writeln!(std::io::stderr().lock(), "ecs-exec-wrapper: {text}"), exit::USAGE),
    };
    // A pager that was closed early is no failure.
    let _ = written;
    ExitCode::from(code)
}

fn man(page: Option<&str>) -> Result<String, String> {
    let command = match page {
        None => args::command(),
        Some(args::CONNECT) => args::connect_command().name("ecs-exec-wrapper-connect"),
        Some(_) => return Err("there are two pages: man, and man connect".to_owned()),
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Each setting with its value and where it comes from.
fn config_show(arguments: &[OsString]) -> Result<String, String> {
    let program = arguments.first().cloned().unwrap_or_default();
    let given = std::iter::once(program).chain(arguments.iter().skip(3).cloned());
    let matches = args::command().try_get_matches_from(given).map_err(|error| error.to_string())?;
    let files = FileLayers::<FileConfig>::load("ecs-exec-wrapper").map_err(|error| chain_text(&error))?;
    let command = args::command();
    let mut rows: Vec<[String; 3]> = command.get_arguments().filter_map(|arg| row(arg, &matches, &files)).collect();
    rows.sort();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (names, values) = (width(0), width(1));
    Ok(rows.iter().map(|[name, value, origin]| format!("{name:names$}  {value:values$}  {origin}\n")).collect())
}

fn row(arg: &clap::Arg, matches: &ArgMatches, files: &FileLayers<FileConfig>) -> Option<[String; 3]> {
    let (id, name) = (arg.get_id().as_str(), arg.get_long()?);
    if matches!(name, "help" | "version") {
        return None;
    }
    let source = matches.value_source(id);
    let of_file = files.origin(|file| file.value(name).map(str::to_owned));
    let (value, origin) = match (source, of_file) {
        (Some(ValueSource::CommandLine), _) => (shown(id, matches), "flag".to_owned()),
        (Some(ValueSource::EnvVariable), _) => (shown(id, matches), variable(arg)),
        (_, Some((path, value))) => (printable(&value, 100), path.display().to_string()),
        (Some(_), None) => (shown(id, matches), "default".to_owned()),
        (None, None) => ("-".to_owned(), "default".to_owned()),
    };
    Some([name.to_owned(), value, origin])
}

/// The values as they were given. Of `--env` only the names: a value may be a secret.
fn shown(id: &str, matches: &ArgMatches) -> String {
    let values = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy());
    let shown = values
        .map(|value| if id == "variables" { value.split('=').next().unwrap_or_default().to_owned() } else { value.into_owned() });
    printable(&shown.collect::<Vec<_>>().join(","), 100)
}

fn variable(arg: &clap::Arg) -> String {
    arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl FileConfig {
    /// The value of the key that belongs to a flag.
    fn value(&self, flag: &str) -> Option<&str> {
        let key = match flag {
            "cluster" => &self.cluster,
            "container" => &self.container,
            "user" => &self.default_user,
            "region" => &self.region,
            "profile" => &self.profile,
            "assume-role" => &self.assume_role,
            "abac-tag" => &self.abac_tag,
            "record-log-group" => &self.record_log_group,
            "record-bucket" => &self.record_bucket,
            "mark-commands" => return self.mark_commands.map(|marks| if marks { "true" } else { "false" }),
            _ => return None,
        };
        key.as_deref()
    }
}

impl Args {
    /// The grammar of these arguments: that of `connect`, or the other one.
    pub(crate) fn grammar(arguments: &[OsString]) -> clap::Command {
        if !arguments.iter().any(|word| word == args::CONNECT) {
            return args::command();
        }
        // Here the word is one of the line; what runs the program has taken it off before.
        args::command().subcommand(args::connect_command().name(args::CONNECT))
    }
}

//! What was typed: flags, their environment variables and the positional form.
//!
//! Owns the command line's grammar only; [`crate::settings`] says what it means together with the configuration files.

use crate::complete;
use clap::parser::ValueSource;
use clap::{ArgAction, Args as _, CommandFactory, FromArgMatches, Parser, ValueEnum};
use clap_complete::ArgValueCompleter;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Opens a shell or a command in an ECS task through HashiCorp Boundary.
///
/// Start it with: boundary connect -exec ecs-exec-wrapper -target-id ttcp_… -- CLUSTER TASK [CONTAINER [USER]] [-- COMMAND…]
#[derive(Debug, Parser)]
#[command(name = "ecs-exec-wrapper", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// ECS cluster, task, container and user, in this order; each has a flag as well.
    #[arg(index = 1, value_names = ["CLUSTER", "TASK", "CONTAINER", "USER"], num_args = 0..=4, add = ArgValueCompleter::new(complete::tasks))]
    pub(crate) positional: Vec<String>,

    /// The command and its arguments, exactly as the program gets them; without it a login shell.
    #[arg(index = 2, last = true, value_name = "COMMAND")]
    pub(crate) argv: Vec<OsString>,

    /// ECS cluster, by name or ARN.
    #[arg(long, env = "ECS_EXEC_CLUSTER", value_name = "NAME|ARN")]
    pub(crate) cluster: Option<String>,

    /// ECS task, by id, ARN or the beginning of its id.
    #[arg(long, env = "ECS_EXEC_TASK", value_name = "ID|ARN|PREFIX", add = ArgValueCompleter::new(complete::tasks))]
    pub(crate) task: Option<String>,

    /// Container in the task. Without it: the only one, else the configured one.
    #[arg(long, env = "ECS_EXEC_CONTAINER", value_name = "NAME")]
    pub(crate) container: Option<String>,

    /// Find the task by its tag `cluster_id` (the investigated cluster, not the ECS cluster).
    #[arg(long, env = "ECS_EXEC_CLUSTER_ID", value_name = "ID")]
    pub(crate) cluster_id: Option<String>,

    /// Find the task by its tag `investigation_id`.
    #[arg(long, env = "ECS_EXEC_INVESTIGATION_ID", value_name = "ID", add = ArgValueCompleter::new(complete::investigations))]
    pub(crate) investigation_id: Option<String>,

    /// AWS region. Without it: the task ARN's, else as the AWS CLI finds it.
    #[arg(long, env = "ECS_EXEC_REGION", value_name = "REGION")]
    pub(crate) region: Option<String>,

    /// AWS profile.
    #[arg(long, env = "ECS_EXEC_PROFILE", value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Take on this role for the session; its events in AWS then name Boundary's session and user.
    #[arg(long, env = "ECS_EXEC_ASSUME_ROLE", value_name = "ARN")]
    pub(crate) assume_role: Option<String>,

    /// Take on the role without session tags and source identity, where its policies do not permit them.
    #[arg(long, env = "ECS_EXEC_ASSUME_ROLE_PLAIN")]
    pub(crate) assume_role_plain: bool,

    /// The tag by which policies match callers and tasks.
    #[arg(long, env = "ECS_EXEC_ABAC_TAG", value_name = "KEY")]
    pub(crate) abac_tag: Option<String>,

    /// User in the container. Without it: the configured one, else root.
    #[arg(long, short = 'u', env = "ECS_EXEC_USER", value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// Environment variable for the command; AWS's audit log shows it. May be given again. [env: ECS_EXEC_ENV, one a line]
    #[arg(long = "env", value_name = "NAME=VALUE", action = ArgAction::Append)]
    pub(crate) variables: Vec<String>,

    /// Permit --env for names that look like credentials, although AWS's audit log shows the value.
    #[arg(long, env = "ECS_EXEC_ALLOW_ENV_IN_CLOUDTRAIL")]
    pub(crate) allow_env_in_cloudtrail: bool,

    /// Use a terminal in the container, also when ours is none.
    #[arg(long, short = 't', env = "ECS_EXEC_TTY")]
    pub(crate) tty: bool,

    /// Use pipes: stdin, stdout and stderr byte for byte. Automatic when stdin or stdout is no terminal.
    #[arg(long, short = 'T', env = "ECS_EXEC_NO_TTY")]
    pub(crate) no_tty: bool,

    /// A command line in one text, split as the agent would split it.
    #[arg(long, short = 'c', env = "ECS_EXEC_COMMAND", value_name = "STRING")]
    pub(crate) command: Option<String>,

    /// Which way the data channel goes.
    #[arg(long, env = "ECS_EXEC_VIA", value_name = "ROUTE", default_value = "boundary")]
    pub(crate) via: Via,

    /// How long to wait for the task and its agent; 0 does not wait.
    #[arg(long, env = "ECS_EXEC_WAIT", value_name = "DURATION", num_args = 0..=1, default_missing_value = "60s",
          default_value = "60s", require_equals = true, value_parser = parse_duration)]
    pub(crate) wait: Duration,

    /// How long a lost connection is tried to be resumed; 0 ends the session at once.
    #[arg(long, env = "ECS_EXEC_RECONNECT_TIMEOUT", value_name = "DURATION", default_value = "10m", value_parser = parse_duration)]
    pub(crate) reconnect_timeout: Duration,

    /// End the session when nothing was typed for so long. Only with a terminal.
    #[arg(long, env = "ECS_EXEC_IDLE_TIMEOUT", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) idle_timeout: Option<Duration>,

    /// Find everything and prove the way, tell what would be done, and do not do it.
    #[arg(long, env = "ECS_EXEC_DRY_RUN")]
    pub(crate) dry_run: bool,

    /// Why the session is opened: a ticket or a sentence, kept in the session record.
    #[arg(long, env = "ECS_EXEC_REASON", value_name = "TEXT")]
    pub(crate) reason: Option<String>,

    /// Write how the session ended to this file, as JSON.
    #[arg(long, env = "ECS_EXEC_RESULT_FILE", value_name = "FILE")]
    pub(crate) result_file: Option<PathBuf>,

    /// Whether a session may open when it cannot be recorded.
    #[arg(long, env = "ECS_EXEC_RECORD", value_name = "MODE", default_value = "required")]
    pub(crate) record: RecordMode,

    /// Send the session record to this log group of CloudWatch Logs as well: a name, or an ARN for another region.
    #[arg(long, env = "ECS_EXEC_RECORD_LOG_GROUP", value_name = "NAME|ARN")]
    pub(crate) record_log_group: Option<String>,

    /// Put the session record into this bucket of S3 as well.
    #[arg(long, env = "ECS_EXEC_RECORD_BUCKET", value_name = "s3://BUCKET[/PREFIX]")]
    pub(crate) record_bucket: Option<String>,

    /// Record what the terminal shows to this file, as an asciicast; `auto` names it and puts it beside the records.
    #[arg(long, env = "ECS_EXEC_TRANSCRIPT", value_name = "FILE|auto")]
    pub(crate) transcript: Option<PathBuf>,

    /// Record what is typed as well, passwords included.
    #[arg(long, env = "ECS_EXEC_TRANSCRIPT_INPUT")]
    pub(crate) transcript_input: bool,

    /// Have a login bash in the container mark each command, for record and transcript. An aid: who types there can undo it.
    #[arg(long, env = "ECS_EXEC_MARK_COMMANDS")]
    pub(crate) mark_commands: bool,

    /// The Boundary session's id, when the caller knows it.
    #[arg(long, env = "ECS_EXEC_BOUNDARY_SESSION_ID", value_name = "s_…")]
    pub(crate) boundary_session_id: Option<String>,

    /// Whether the data channel must be encrypted with the cluster's KMS key. auto: as the cluster says, when it may be asked.
    #[arg(long, env = "ECS_EXEC_ENCRYPTION", value_name = "MODE", default_value = "auto")]
    pub(crate) encryption: Encryption,

    /// PEM file of the authorities to trust instead of the system's.
    #[arg(long, env = "ECS_EXEC_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// One more host that a stream URL may name.
    #[arg(long, env = "ECS_EXEC_ALLOW_STREAM_HOST", value_name = "HOST", value_delimiter = ',', action = ArgAction::Append)]
    pub(crate) allow_stream_host: Vec<String>,

    /// For tests: permit an unencrypted stream URL to a loopback address.
    #[arg(long, env = "ECS_EXEC_INSECURE_LOOPBACK")]
    pub(crate) insecure_loopback: bool,

    /// Send the command as it is, without our script: for images without `sh`. The exit code is then never known.
    #[arg(long, env = "ECS_EXEC_NO_WRAP")]
    pub(crate) no_wrap: bool,

    /// How pipes are carried.
    #[arg(long, env = "ECS_EXEC_PIPE_ENCODING", value_name = "ENCODING", default_value = "base64")]
    pub(crate) pipe_encoding: PipeEncoding,

    /// The escape character, or `none`.
    #[arg(long, short = 'e', env = "ECS_EXEC_ESCAPE", value_name = "CHAR", default_value = "~")]
    pub(crate) escape: String,

    /// Errors only.
    #[arg(long, short = 'q', env = "ECS_EXEC_QUIET")]
    pub(crate) quiet: bool,

    /// Tell more; twice or three times for still more.
    #[arg(long, short = 'v', env = "ECS_EXEC_VERBOSE", action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Write log lines to this file instead of stderr.
    #[arg(long, env = "ECS_EXEC_LOG_FILE", value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// How log lines look.
    #[arg(long, env = "ECS_EXEC_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// The flags that were typed: they beat what came from the environment.
    #[arg(skip)]
    pub(crate) typed: Typed,

    /// The target or alias of `connect`.
    #[arg(skip)]
    pub(crate) connect: Option<String>,

    /// What `doctor` was asked for.
    #[arg(skip)]
    pub(crate) doctor: Option<DoctorArgs>,
}

/// What only `doctor` takes.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Boundary target to look at, by id or alias; it needs a token. Without it: the session's own, when its token is there.
    #[arg(long, value_name = "TARGET|ALIAS")]
    pub(crate) target: Option<String>,

    /// How the report looks.
    #[arg(long, short = 'o', value_name = "FORMAT", default_value = "table")]
    pub(crate) output: ReportForm,
}

/// How the report of `doctor` looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportForm {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Names of the flags that were typed, as opposed to set by an environment variable or a default.
#[derive(Debug, Default, Clone)]
pub(crate) struct Typed(Vec<String>);

impl Typed {
    /// Whether a flag, by its long name with dashes, was typed.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|typed| typed == flag)
    }
}

impl Args {
    /// Reads a command line, the program's name first, and the environment.
    ///
    /// # Errors
    /// clap's, which prints itself; help and version are such errors too.
    pub(crate) fn read(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let first_is = |word: &str| arguments.get(1).is_some_and(|first| first == word);
        let (connects, examines) = (first_is(CONNECT), first_is(DOCTOR));
        if connects || examines {
            arguments.remove(1);
        }
        let command = match (connects, examines) {
            (true, _) => connect_command(),
            (_, true) => doctor_command(),
            _ => Self::command(),
        };
        let flags: Vec<(String, String)> =
            command.get_arguments().filter_map(|arg| Some((arg.get_id().to_string(), arg.get_long()?.to_owned()))).collect();
        let matches = command.try_get_matches_from(arguments)?;
        let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let typed = flags.iter().filter(|(id, _)| is_typed(id)).map(|(_, long)| format!("--{long}")).collect();
        let mut args = Self::from_arg_matches(&matches)?;
        args.typed = Typed(typed);
        args.connect = connects.then(|| args.positional.remove(0));
        args.doctor = examines.then(|| DoctorArgs::from_arg_matches(&matches)).transpose()?;
        if args.variables.is_empty() {
            args.variables = std::env::var("ECS_EXEC_ENV").unwrap_or_default().lines().map(str::to_owned).collect();
        }
        Ok(args)
    }
}

/// The word that makes us open the Boundary session ourselves.
pub(crate) const CONNECT: &str = "connect";

/// The grammar without `connect`.
pub(crate) fn command() -> clap::Command {
    Args::command()
}

/// The word that makes us look for what is wrong.
const DOCTOR: &str = "doctor";

/// The grammar of `doctor`: the main command's, so that the word can be put into the line that does not work.
fn doctor_command() -> clap::Command {
    DoctorArgs::augment_args(Args::command())
        .bin_name("ecs-exec-wrapper doctor")
        .about("Says why a shell does not, or would not, open; opens none and changes nothing")
        .long_about(DOCTOR_ABOUT)
        .after_help(DOCTOR_AFTER_HELP)
}

const DOCTOR_ABOUT: &str = "\
Says why a shell does not, or would not, open; opens none and changes nothing.

Takes everything that the main command takes: put the word doctor into the line that does not work. Without cluster and
task it looks at the caller, the route and this machine only.";

const DOCTOR_AFTER_HELP: &str = "\
Exit code: 0 when no check failed (warnings and unknowns are allowed), 255 when one failed, 64 for wrong usage.";

/// The grammar of `connect`: a target takes the place of cluster, task, container and user.
pub(crate) fn connect_command() -> clap::Command {
    Args::command()
        .bin_name("ecs-exec-wrapper connect")
        .about("Opens a Boundary session itself, without the boundary program, and a shell or command in its ECS task")
        .long_about(CONNECT_ABOUT)
        .mut_args(|arg| if arg.get_id() == "positional" { target_of_connect(arg) } else { arg })
}

fn target_of_connect(positional: clap::Arg) -> clap::Arg {
    positional
        .add(ArgValueCompleter::new(complete::targets))
        .value_names(["TARGET|ALIAS"])
        .num_args(1)
        .action(ArgAction::Set)
        .required(true)
        .help("Boundary target, by id or alias; its marker says which task it leads to")
}

const CONNECT_ABOUT: &str = "\
Opens a Boundary session itself, without the boundary program, and a shell or command in its ECS task.

The controller is BOUNDARY_ADDR. The token is BOUNDARY_TOKEN (the token, env://NAME or file://PATH), else the one that
`boundary authenticate` keeps. Task and container come from the target's marker; without one give --cluster and --task.";

const AFTER_HELP: &str = "\
Without the boundary program: ecs-exec-wrapper connect TARGET|ALIAS [OPTIONS] [-- COMMAND…]; see connect --help
When no shell opens: ecs-exec-wrapper doctor [CLUSTER TASK [CONTAINER]] says why; see doctor --help
Every setting with its origin: ecs-exec-wrapper config show.  Manual page: ecs-exec-wrapper man | man -l -
Completion: source <(COMPLETE=bash ecs-exec-wrapper), or zsh, fish

In the session, at the beginning of a line:  ~.  end it   ~?  help   ~s  status   ~^Z  suspend   ~~  a tilde

Exit code: the remote command's own; 255 when we failed or the outcome is not known; 64 for wrong usage;
128+n when a signal ended us. The reason is on stderr, in --result-file and in the session record.";

/// The data channel's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// Through the listener of `boundary connect`.
    Boundary,
    /// Straight to AWS (or through HTTPS_PROXY): Boundary does not see or cut it.
    Direct,
}

/// What a missing record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordMode {
    /// No session without a record.
    Required,
    /// Warn and go on.
    BestEffort,
}

/// Whether the channel must be encrypted end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encryption {
    /// As the cluster's configuration says; anything when it may not be read.
    Auto,
    /// Refuse a session that is not.
    Required,
    /// Take what the agent asks for, even against the cluster's configuration.
    Any,
}

/// How bytes travel in pipe mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PipeEncoding {
    /// Exact; needs base64 and dd in the image.
    Base64,
    /// As they are: the terminal line discipline and the agent's text filter may change them; stderr joins stdout.
    None,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write for example 90s or 2m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Args::command().debug_assert();
        connect_command().debug_assert();
        doctor_command().debug_assert();
    }

    #[test]
    fn doctor_takes_the_main_commands_line() {
        let args = Args::read(["x", "doctor", "dev", "0123", "rosa-boundary", "sre", "-o", "json", "--", "oc", "get"]).unwrap();
        assert_eq!(args.doctor, Some(DoctorArgs { target: None, output: ReportForm::Json }));
        assert_eq!(args.positional, ["dev", "0123", "rosa-boundary", "sre"]);
        assert_eq!(Args::read(["x", "doctor", "--target", "inv-7"]).unwrap().doctor.unwrap().target.as_deref(), Some("inv-7"));
        assert_eq!(Args::read(["x", "dev", "doctor"]).unwrap().doctor, None);
        assert!(Args::read(["x", "dev", "0123", "-o", "json"]).is_err());
    }

    #[test]
    fn the_old_scripts_positional_form_parses() {
        let args = Args::read(["x", "dev", "0123", "rosa-boundary", "sre", "--", "oc", "get", "nodes", "-o", "wide"]).unwrap();
        assert_eq!(args.positional, ["dev", "0123", "rosa-boundary", "sre"]);
        assert_eq!(args.argv, ["oc", "get", "nodes", "-o", "wide"]);
    }

    #[test]
    fn connect_takes_one_target_and_the_same_flags() {
        let args = Args::read(["x", "connect", "inv-7.rosa", "-u", "sre", "--", "oc", "get"]).unwrap();
        assert_eq!((args.connect.as_deref(), args.user.as_deref()), (Some("inv-7.rosa"), Some("sre")));
        assert!(args.positional.is_empty());
        assert_eq!(args.argv, ["oc", "get"]);
        assert!(Args::read(["x", "connect"]).is_err());
        assert!(Args::read(["x", "connect", "ttcp_1", "0123"]).is_err());
        assert_eq!(Args::read(["x", "dev", "connect"]).unwrap().connect, None);
    }

    #[test]
    fn typed_flags_are_known() {
        let args = Args::read(["x", "--cluster=dev", "-u", "sre", "0123"]).unwrap();
        assert!(args.typed.has("--cluster") && args.typed.has("--user") && !args.typed.has("--task"));
    }

    #[test]
    fn a_value_may_hold_a_comma() {
        assert_eq!(Args::read(["x", "--env", "A=b,c", "--env", "D=e"]).unwrap().variables, ["A=b,c", "D=e"]);
    }

    #[test]
    fn waiting_has_a_default_a_bare_form_and_an_end() {
        let wait = |given: &[&str]| Args::read([&["x"], given].concat()).unwrap().wait;
        assert_eq!(wait(&[]), Duration::from_mins(1));
        assert_eq!(wait(&["--wait", "dev", "0123"]), Duration::from_mins(1));
        assert_eq!(wait(&["--wait=2m"]), Duration::from_mins(2));
        assert_eq!(wait(&["--wait=0"]), Duration::ZERO);
    }
}

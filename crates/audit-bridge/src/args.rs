//! The command line.
//!
//! Owns its words and their help. What a value means together with the file is [`crate::settings`]'s.

use crate::complete;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;
use correlation::{Assurance, Severity, State};
use jiff::Timestamp;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Joins Boundary sessions, ECS Exec logs, artifacts and CloudTrail, and says what is missing, forged or bypassed.
#[derive(Debug, Parser)]
#[command(
    name = "audit-bridge",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 nothing at or above --fail-on; 2 findings at or above it; 3 evidence is incomplete (3 beats 2); 1 failed; 64 wrong usage; 78 wrong configuration.\n\nCompletion: source <(COMPLETE=bash audit-bridge), or zsh, fish"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub word: Word,
    /// What goes for every word.
    #[command(flatten)]
    pub common: Common,
}

/// Flags that every word takes.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Common {
    /// The configuration file, instead of ~/.config/audit-bridge/config.toml and /etc/audit-bridge/config.toml
    #[arg(long, env = "AUDIT_BRIDGE_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Where state and evidence are; $XDG_STATE_HOME/audit-bridge unless given
    #[arg(long, env = "AUDIT_BRIDGE_STATE_DIR", value_name = "FOLDER", global = true)]
    pub state_dir: Option<PathBuf>,
    /// From which severity on findings make the exit code 2
    #[arg(long, env = "AUDIT_BRIDGE_FAIL_ON", value_enum, global = true)]
    pub fail_on: Option<SeverityWord>,
    /// Errors only
    #[arg(short, long, env = "AUDIT_BRIDGE_QUIET", global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More: -v information, -vv details, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// How log lines look
    #[arg(long, env = "AUDIT_BRIDGE_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogWord,
}

/// The words.
#[derive(Debug, Subcommand)]
pub enum Word {
    /// Read every source once and judge what is new: the line for cron
    Collect(CollectArgs),
    /// List who was in which container, through which Boundary session, and who says so
    Sessions(SessionsArgs),
    /// Show everything about one session, in the order in which it happened
    Show {
        /// An SSM session, a Boundary session, or the beginning of one's id
        #[arg(add = ArgValueCompleter::new(complete::sessions))]
        session: String,
        /// How the result looks
        #[arg(short, long, env = "AUDIT_BRIDGE_OUTPUT", value_enum, default_value = "table")]
        output: OutputWord,
    },
    /// List what is missing, forged or bypassed
    Findings(FindingsArgs),
    /// Show what was read, and how sure it is that nothing is missing
    Coverage {
        /// The period
        #[command(flatten)]
        period: PeriodArgs,
        /// How the result looks
        #[arg(short, long, env = "AUDIT_BRIDGE_OUTPUT", value_enum, default_value = "table")]
        output: OutputWord,
    },
    /// Show who could enter what, by whose change, and who was refused
    Access(AccessArgs),
    /// Play what a session showed
    Replay(ReplayArgs),
    /// Write a signed bundle for an auditor: HTML, CSV and JSON lines
    Report(ReportArgs),
    /// Check a bundle, with nothing but its signer's public key
    Verify {
        /// The bundle: a folder or a .tar
        bundle: PathBuf,
        /// The public key's file
        #[arg(long, env = "AUDIT_BRIDGE_PUBLIC_KEY", value_name = "FILE")]
        key: PathBuf,
        /// The public key of whoever countersigns: the bundle must have their word then; without it a countersignature is only claimed
        #[arg(long, env = "AUDIT_BRIDGE_ANCHOR_PUBLIC_KEY", value_name = "FILE")]
        anchor_key: Option<PathBuf>,
    },
    /// Make the key pair that signs bundles
    Keygen {
        /// The private key's file; the public one gets .pub behind its name
        file: PathBuf,
    },
    /// Check that a session of the canary's was seen by every source
    Canary(CanaryArgs),
    /// Check everything that a collection needs
    Doctor,
    /// Look at the configuration
    Config {
        /// What about it
        #[command(subcommand)]
        word: ConfigWord,
    },
}

/// What the environment says of the collector when another word was said.
#[derive(Debug, Parser)]
pub struct FromEnvironment {
    /// Its flags.
    #[command(flatten)]
    pub collect: CollectArgs,
    /// What goes for every word.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of the collector.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct CollectArgs {
    /// Go on until a signal ends it: the daemon
    #[arg(long, env = "AUDIT_BRIDGE_WATCH")]
    pub watch: bool,
    /// The time between two rounds of the daemon; without --watch the time between two runs, which the metrics tell
    #[arg(long, env = "AUDIT_BRIDGE_INTERVAL", value_name = "DURATION", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// Where the daemon serves /metrics, /healthz and /readyz, for example 127.0.0.1:9465
    #[arg(long, env = "AUDIT_BRIDGE_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Read these sources only, by name; may be repeated
    #[arg(long = "source", env = "AUDIT_BRIDGE_SOURCES", value_name = "NAME", value_delimiter = ',')]
    pub sources: Vec<String>,
}

/// A period.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub struct PeriodArgs {
    /// From when on: 2026-11-20, 2026-11-20T08:00:00Z, or a time ago such as 24h
    #[arg(long, env = "AUDIT_BRIDGE_FROM", value_name = "TIME", value_parser = parse_moment)]
    pub from: Option<Timestamp>,
    /// Until when, exclusive
    #[arg(long, env = "AUDIT_BRIDGE_TO", value_name = "TIME", value_parser = parse_moment)]
    pub to: Option<Timestamp>,
}

impl PeriodArgs {
    /// Whether the period ends before it begins; an end that is not given is now.
    pub fn is_reversed(&self, now: Timestamp) -> bool {
        self.from.is_some_and(|from| from > self.to.unwrap_or(now))
    }
}

impl Word {
    /// The period of a word that has one.
    pub fn period(&self) -> Option<PeriodArgs> {
        match self {
            Self::Sessions(args) => Some(args.period),
            Self::Findings(args) => Some(args.period),
            Self::Coverage { period, .. } => Some(*period),
            Self::Access(args) => Some(args.period),
            Self::Report(args) => Some(args.period),
            _ => None,
        }
    }
}

/// Which sessions.
#[derive(Debug, Clone, ClapArgs)]
pub struct SessionsArgs {
    /// The period
    #[command(flatten)]
    pub period: PeriodArgs,
    /// Sessions in this task only: its ARN or id
    #[arg(long, env = "AUDIT_BRIDGE_TASK", value_name = "TASK")]
    pub task: Option<String>,
    /// Sessions of this person only: a Boundary user's id or name, or a part of the AWS principal
    #[arg(long, env = "AUDIT_BRIDGE_USER", value_name = "WHO")]
    pub user: Option<String>,
    /// Sessions of this investigation only
    #[arg(long, env = "AUDIT_BRIDGE_INVESTIGATION", value_name = "ID")]
    pub investigation: Option<String>,
    /// Sessions with this assurance only
    #[arg(long, env = "AUDIT_BRIDGE_ASSURANCE", value_enum)]
    pub assurance: Option<AssuranceWord>,
    /// How the result looks
    #[arg(short, long, env = "AUDIT_BRIDGE_OUTPUT", value_enum, default_value = "table")]
    pub output: OutputWord,
}

/// Which findings.
#[derive(Debug, Clone, ClapArgs)]
pub struct FindingsArgs {
    /// The period
    #[command(flatten)]
    pub period: PeriodArgs,
    /// Findings of this severity or worse
    #[arg(long, env = "AUDIT_BRIDGE_SEVERITY", value_enum, default_value = "info")]
    pub severity: SeverityWord,
    /// Findings in this state only; without it all but resolved ones
    #[arg(long, env = "AUDIT_BRIDGE_STATE", value_enum)]
    pub state: Option<StateWord>,
    /// Findings of this code only, such as BYPASS_EXEC
    #[arg(long, env = "AUDIT_BRIDGE_CODE", value_name = "CODE")]
    pub code: Option<String>,
    /// How the result looks
    #[arg(short, long, env = "AUDIT_BRIDGE_OUTPUT", value_enum, default_value = "table")]
    pub output: OutputWord,
}

/// Which access.
#[derive(Debug, Clone, ClapArgs)]
pub struct AccessArgs {
    /// Who could enter what at this moment
    #[arg(long, env = "AUDIT_BRIDGE_AT", value_name = "TIME", value_parser = parse_moment, conflicts_with_all = ["from", "to"])]
    pub at: Option<Timestamp>,
    /// Who could enter what in this period
    #[command(flatten)]
    pub period: PeriodArgs,
    /// How the result looks
    #[arg(short, long, env = "AUDIT_BRIDGE_OUTPUT", value_enum, default_value = "table")]
    pub output: OutputWord,
}

/// What to play, and how.
#[derive(Debug, Clone, ClapArgs)]
pub struct ReplayArgs {
    /// An SSM session, a Boundary session, or the beginning of one's id
    #[arg(add = ArgValueCompleter::new(complete::sessions))]
    pub session: String,
    /// The wrapper's own recording, for the real timing; its digest must be that of the wrapper's record
    #[arg(long, env = "AUDIT_BRIDGE_RECORDING", value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// How many times as fast, from 0.01 to 100
    #[arg(long, env = "AUDIT_BRIDGE_SPEED", value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_speed)]
    pub speed: f64,
    /// Where to begin, seconds
    #[arg(long, env = "AUDIT_BRIDGE_START", value_name = "SECONDS", default_value_t = 0.0, value_parser = parse_seconds)]
    pub start: f64,
    /// The longest pause, seconds
    #[arg(long, env = "AUDIT_BRIDGE_IDLE_LIMIT", value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_seconds)]
    pub idle_limit: f64,
    /// Write an asciicast into this file, which must not exist, instead of playing
    #[arg(long, env = "AUDIT_BRIDGE_EXPORT", value_name = "FILE", conflicts_with = "text")]
    pub export: Option<PathBuf>,
    /// Print the text that was shown, secrets redacted, instead of playing
    #[arg(long, env = "AUDIT_BRIDGE_TEXT")]
    pub text: bool,
}

/// What to report, and where.
#[derive(Debug, Clone, ClapArgs)]
pub struct ReportArgs {
    /// The period; the last seven days without it
    #[command(flatten)]
    pub period: PeriodArgs,
    /// The bundle's folder, which must not exist; with .tar at its end an archive
    #[arg(long, env = "AUDIT_BRIDGE_OUT", value_name = "PATH")]
    pub out: PathBuf,
    /// The private key that signs; see keygen
    #[arg(long, env = "AUDIT_BRIDGE_KEY", value_name = "FILE")]
    pub key: PathBuf,
    /// A second key that countersigns the root: the anchor
    #[arg(long, env = "AUDIT_BRIDGE_ANCHOR_KEY", value_name = "FILE")]
    pub anchor_key: Option<PathBuf>,
    /// Leave the redacted text of the sessions out
    #[arg(long, env = "AUDIT_BRIDGE_NO_TRANSCRIPTS")]
    pub no_transcripts: bool,
    /// Put each session's log in as it was, encrypted to the age recipients in this file, one a line
    #[arg(long, env = "AUDIT_BRIDGE_SEAL_TO", value_name = "FILE")]
    pub seal_to: Option<PathBuf>,
}

/// What the canary must have left.
#[derive(Debug, Clone, ClapArgs)]
pub struct CanaryArgs {
    /// The canary's principal, `*` stands for anything; canary.principal in the file
    #[arg(long, env = "AUDIT_BRIDGE_CANARY", value_name = "ARN")]
    pub principal: Option<String>,
    /// How old its last session may be
    #[arg(long, env = "AUDIT_BRIDGE_CANARY_WITHIN", value_name = "DURATION", value_parser = parse_duration, default_value = "26h")]
    pub within: Duration,
}

/// About the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigWord {
    /// Say whether it can be used
    Check,
    /// Show each value and where it comes from
    Show,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogWord {
    /// For people
    #[default]
    Text,
    /// For machines, with stable event codes
    Json,
}

/// How results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputWord {
    /// For people
    Table,
    /// For machines: one JSON object a line
    Jsonl,
}

/// See [`Severity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeverityWord {
    /// To know
    Info,
    /// To mend some day
    Low,
    /// To mend
    Medium,
    /// To look at today
    High,
    /// To look at now
    Critical,
}

impl From<SeverityWord> for Severity {
    fn from(word: SeverityWord) -> Self {
        match word {
            SeverityWord::Info => Self::Info,
            SeverityWord::Low => Self::Low,
            SeverityWord::Medium => Self::Medium,
            SeverityWord::High => Self::High,
            SeverityWord::Critical => Self::Critical,
        }
    }
}

/// See [`State`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateWord {
    /// What would explain it may still come
    Open,
    /// What was read does not prove that there is no explanation
    Provisional,
    /// It stands
    Confirmed,
    /// Later facts explained it
    Resolved,
}

impl From<StateWord> for State {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Open => Self::Open,
            StateWord::Provisional => Self::Provisional,
            StateWord::Confirmed => Self::Confirmed,
            StateWord::Resolved => Self::Resolved,
        }
    }
}

/// See [`Assurance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AssuranceWord {
    /// Cannot be said
    Unknown,
    /// No link
    None,
    /// Assigned
    Inferred,
    /// Planted by the client
    Asserted,
    /// Planted, and Boundary's bytes and addresses agree
    Corroborated,
    /// Written or enforced by AWS or the operator
    Attested,
}

impl From<AssuranceWord> for Assurance {
    fn from(word: AssuranceWord) -> Self {
        match word {
            AssuranceWord::Unknown => Self::Unknown,
            AssuranceWord::None => Self::None,
            AssuranceWord::Inferred => Self::Inferred,
            AssuranceWord::Asserted => Self::Asserted,
            AssuranceWord::Corroborated => Self::Corroborated,
            AssuranceWord::Attested => Self::Attested,
        }
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write for example 90s or 5m"))
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.01..=100.0).contains(speed));
    speed.ok_or_else(|| "write a number from 0.01 to 100".to_owned())
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    seconds.ok_or_else(|| "write a number of seconds, 0 or more".to_owned())
}

/// A day, a moment, or a time ago.
fn parse_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, Timestamp::now()).ok_or_else(|| "write for example 2026-11-20, 2026-11-20T08:00:00Z or 24h".to_owned())
}

fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let utc = jiff::tz::TimeZone::UTC;
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // A day is midnight; read as a day alone, a time of day would be cut off.
    if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
        return Some(at.to_zoned(utc).ok()?.timestamp());
    }
    let ago = humantime::parse_duration(text).ok()?;
    now.checked_sub(ago).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_replay_takes_no_speed_and_no_time_that_cannot_be() {
        let parsed = |flag: &str, value: &str| {
            let flag = format!("{flag}={value}");
            Cli::try_parse_from(["audit-bridge", "replay", "s_1234567890", &flag]).map_err(|error| error.kind())
        };
        for (flag, value) in [
            ("--speed", "0"),
            ("--speed", "-1"),
            ("--speed", "NaN"),
            ("--speed", "inf"),
            ("--speed", "fast"),
            ("--idle-limit", "-1"),
            ("--idle-limit", "NaN"),
            ("--start", "-0.5"),
            ("--start", "inf"),
        ] {
            let refused = parsed(flag, value).map(|_| ());
            assert_eq!(refused, Err(clap::error::ErrorKind::ValueValidation), "{flag} {value}");
        }
        assert!(parsed("--speed", "0.5").is_ok() && parsed("--idle-limit", "0").is_ok() && parsed("--start", "1.5").is_ok());
    }

    #[test]
    fn a_moment_is_a_day_a_time_or_a_time_ago() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let at = |text: &str| moment(text, now).map(|at| at.to_string());
        assert_eq!(at("2026-11-20").as_deref(), Some("2026-11-20T00:00:00Z"));
        assert_eq!(at("2026-11-20T08:00:00+02:00").as_deref(), Some("2026-11-20T06:00:00Z"));
        assert_eq!(at("2026-11-20T08:00:00").as_deref(), Some("2026-11-20T08:00:00Z"));
        assert_eq!(at("24h").as_deref(), Some("2026-11-20T10:00:00Z"));
        assert_eq!(at("yesterday"), None);
    }
}

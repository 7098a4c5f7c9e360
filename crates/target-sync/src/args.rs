//! The command line.
//!
//! Owns its words and their help. What a value means together with the file is [`crate::settings`]'s.

use crate::rules::{OnActive, Policy};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Keeps one Boundary target, with grants and alias, per running investigation task on ECS.
#[derive(Debug, Parser)]
#[command(
    name = "target-sync",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 nothing to do or all applied; 2 changes are pending (plan --detailed-exitcode); 3 applied in part, or a source was not read; 4 held back by a limit; 5 another run holds the lock, or another sync keeps what we want; 1 failed; 64 wrong usage; 78 wrong configuration."
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
#[derive(Debug, ClapArgs)]
pub struct Common {
    /// The configuration file, instead of ~/.config/target-sync/config.toml and /etc/target-sync/config.toml
    #[arg(long, env = "TARGET_SYNC_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What may be done: sync, upsert-only or create-only
    #[arg(long, env = "TARGET_SYNC_POLICY", value_enum, global = true)]
    pub policy: Option<PolicyWord>,
    /// Retire more than the limits permit, this once
    #[arg(long, env = "TARGET_SYNC_FORCE", global = true)]
    pub force: bool,
    /// What is done about live sessions of a target that is due for deletion
    #[arg(long, env = "TARGET_SYNC_ON_ACTIVE", value_enum, global = true)]
    pub on_active: Option<OnActiveWord>,
    /// Whether aliases are kept; they are the only thing written outside the project
    #[arg(long, env = "TARGET_SYNC_ALIASES", value_enum, global = true)]
    pub aliases: Option<Switch>,
    /// The most targets that a run retires without ECS having said that their tasks have ended
    #[arg(long, env = "TARGET_SYNC_MAX_RETIRE", value_name = "N", global = true)]
    pub max_retire: Option<usize>,
    /// The same, in percent of the live targets
    #[arg(long, env = "TARGET_SYNC_MAX_RETIRE_PERCENT", value_name = "PERCENT", global = true)]
    pub max_retire_percent: Option<usize>,
    /// Where journal, state and lock are; $XDG_STATE_HOME/target-sync unless given
    #[arg(long, env = "TARGET_SYNC_STATE_DIR", value_name = "FOLDER", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Where the journal's lines go as well: s3://BUCKET or s3://BUCKET/PREFIX
    #[arg(long, env = "TARGET_SYNC_RECORD_BUCKET", value_name = "URL", global = true)]
    pub record_bucket: Option<String>,
    /// How many requests to Boundary are under way at a time
    #[arg(long, env = "TARGET_SYNC_CONCURRENCY", value_name = "N", global = true)]
    pub concurrency: Option<usize>,
    /// Errors and alarms only
    #[arg(short, long, env = "TARGET_SYNC_QUIET", global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More: -v information, -vv details, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// How log lines look
    #[arg(long, env = "TARGET_SYNC_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogWord,
    /// How the result looks
    #[arg(short, long, env = "TARGET_SYNC_OUTPUT", value_enum, default_value = "table", global = true)]
    pub output: OutputWord,
}

/// The words.
#[derive(Debug, Subcommand)]
pub enum Word {
    /// Show what would be done, and change nothing
    Plan {
        /// Exit with 2 when something is to be done
        #[arg(long, env = "TARGET_SYNC_DETAILED_EXITCODE")]
        detailed_exitcode: bool,
        /// Also write the plan into this file, for apply --plan
        #[arg(long, env = "TARGET_SYNC_OUT", value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Do it, once: the line for cron
    Apply {
        /// Do exactly what this file says; a step whose object has moved since is refused
        #[arg(long, env = "TARGET_SYNC_PLAN", value_name = "FILE")]
        plan: Option<PathBuf>,
    },
    /// Do it again and again: the daemon
    Run(RunArgs),
    /// Say why a task has a target or none, who may enter, and what would be done
    Explain {
        /// The task's ARN, id, or the beginning of its id
        task: String,
    },
    /// List what is left over, lost, or stands in the way; change nothing
    Orphans,
    /// Put our marker back on an object that has lost it
    Adopt {
        /// The target, role or alias
        id: String,
        /// The ARN of the task that it serves, when our records do not say
        #[arg(long, env = "TARGET_SYNC_TASK", value_name = "ARN")]
        task: Option<String>,
        /// Do it; without this it is only shown
        #[arg(long)]
        yes: bool,
    },
    /// Take a target of ours out of use although nothing says that its task has ended
    Retire {
        /// The target's id, or the task's ARN
        id: String,
        /// Do it; without this it is only shown
        #[arg(long)]
        yes: bool,
    },
    /// Bring one task its target now: reads what start-task printed
    Upsert {
        /// The file with the JSON, - for standard input; only its task_arn is used
        #[arg(long, env = "TARGET_SYNC_FROM_JSON", value_name = "FILE")]
        from_json: String,
    },
    /// Check everything that a run needs
    Doctor,
    /// Look at the configuration
    Config {
        /// What about it
        #[command(subcommand)]
        word: ConfigWord,
    },
}

/// Flags of the daemon.
#[derive(Debug, Clone, ClapArgs)]
pub struct RunArgs {
    /// The time between two runs
    #[arg(long, env = "TARGET_SYNC_INTERVAL", value_name = "DURATION", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// How much of the interval is left to chance, in percent
    #[arg(long, env = "TARGET_SYNC_JITTER", value_name = "PERCENT")]
    pub jitter: Option<u32>,
    /// How long lists are only refreshed before they are read anew
    #[arg(long, env = "TARGET_SYNC_FULL_SCAN", value_name = "DURATION", value_parser = parse_duration)]
    pub full_scan: Option<Duration>,
    /// Where /metrics, /healthz and /readyz are served, for example 127.0.0.1:9464
    #[arg(long, env = "TARGET_SYNC_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<std::net::SocketAddr>,
}

/// About the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigWord {
    /// Say whether it can be used
    Check,
    /// Show each value and where it comes from
    Show,
}

/// See [`Policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyWord {
    /// Create, update and retire
    Sync,
    /// Create and update
    UpsertOnly,
    /// Create
    CreateOnly,
}

impl From<PolicyWord> for Policy {
    fn from(word: PolicyWord) -> Self {
        match word {
            PolicyWord::Sync => Self::Sync,
            PolicyWord::UpsertOnly => Self::UpsertOnly,
            PolicyWord::CreateOnly => Self::CreateOnly,
        }
    }
}

/// See [`OnActive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnActiveWord {
    /// The deletion waits
    Defer,
    /// They are canceled
    Cancel,
}

impl From<OnActiveWord> for OnActive {
    fn from(word: OnActiveWord) -> Self {
        match word {
            OnActiveWord::Defer => Self::Defer,
            OnActiveWord::Cancel => Self::Cancel,
        }
    }
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogWord {
    /// For people
    Text,
    /// For machines, with stable event codes
    Json,
}

/// How results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputWord {
    /// For people
    Table,
    /// For machines
    Json,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write for example 90s or 5m"))
}

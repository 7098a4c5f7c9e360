//! What goes for one run: flags and environment over the file over defaults.
//!
//! Owns the file's sections and what may not be combined. Reads no secret.

use crate::args::{CollectArgs, Common};
use audit_facts::Source;
use boundary_api::ProgramAccount;
use cli_kit::{ConfigError, FileLayers, printable};
use correlation::{Policy, Severity};
use record_delivery::{Bucket, LogGroup, PlaceError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

mod shown;

use shown::Shown;

/// The longest grace that is a grace.
const YEAR_SECONDS: i64 = 366 * 24 * 3600;

/// Boundary forgets an hour after a session's end: rounds farther apart lose sessions.
const INTERVAL_MAX: Duration = Duration::from_mins(15);

/// Why there is nothing to run with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// A value has no meaning.
    #[error("`{key}` is `{value}`: {wanted}", value = printable(value, 200))]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// A place cannot be used.
    #[error("`{key}`: {error}")]
    Place {
        /// The key.
        key: String,
        /// Why not.
        error: PlaceError,
    },
    /// Two sources have one name.
    #[error("two sources are named `{}`: names tell them apart in cursors and findings", printable(.0, 64))]
    Twice(String),
    /// A source that nothing configures was asked for.
    #[error("no source is named `{name}`; there are {1}", name = printable(.0, 64))]
    Unknown(String, String),
    /// A password's file cannot be read.
    #[error("`boundary.{0}.password_file` is `{path}`, which cannot be read", path = .1.display())]
    Password(String, PathBuf, #[source] std::io::Error),
    /// Nothing is to be read.
    #[error("no source is configured: write [[boundary]], [[aws]], [[boundary_events]] or [[records]] into the file")]
    NoSource,
    /// Nothing says where the state goes.
    #[error("neither --state-dir, XDG_STATE_HOME nor HOME says where the state goes")]
    NoStateDir,
}

/// The file. A section counts as a whole: the first file that has it wins.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    state_dir: Option<PathBuf>,
    fail_on: Option<Severity>,
    retention_days: Option<u32>,
    evidence: Option<String>,
    evidence_aws: Option<String>,
    boundary: Option<Vec<BoundarySource>>,
    boundary_events: Option<Vec<EventsSource>>,
    aws: Option<Vec<AwsSource>>,
    records: Option<Vec<RecordsSource>>,
    policy: Option<Policy>,
    daemon: Option<DaemonSection>,
    canary: Option<CanarySection>,
}

/// A Boundary controller.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundarySource {
    /// Its name in cursors and findings.
    pub name: String,
    /// The controller's address; `BOUNDARY_ADDR` wins.
    #[serde(default)]
    pub addr: Option<String>,
    /// The scope whose sessions are read, with all below.
    #[serde(default = "global")]
    pub scope_id: String,
    /// Whether roles are read too, for those that let others in: needs `ids=*;type=role;actions=list,read`.
    #[serde(default)]
    pub roles: bool,
    /// The auth method, when the environment has no token.
    #[serde(default)]
    pub auth_method_id: Option<String>,
    /// The login name.
    #[serde(default)]
    pub login_name: Option<String>,
    /// The password's file; else `AUDIT_BRIDGE_PASSWORD`.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The most requests a second.
    #[serde(default = "eighty")]
    pub requests_per_second: f64,
}

fn global() -> String {
    "global".to_owned()
}

fn eighty() -> f64 {
    80.0
}

/// Boundary's audit events.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsSource {
    /// Its name in cursors and findings.
    pub name: String,
    /// Files with one event a line.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// A log group, read through the AWS source of that name.
    #[serde(default)]
    pub log_group: Option<String>,
    /// The AWS source that reads the log group.
    #[serde(default)]
    pub aws: Option<String>,
}

/// Where CloudTrail is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrailBy {
    /// The trail's objects, with their digests.
    Trail,
    /// The event history: two requests a second, no proof of completeness.
    #[default]
    Lookup,
    /// Not at all.
    Off,
}

/// One account and region of AWS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSource {
    /// Its name in cursors and findings.
    pub name: String,
    /// The region.
    pub region: String,
    /// The SDK's profile; else its own chain.
    #[serde(default)]
    pub profile: Option<String>,
    /// The account that the caller must belong to.
    #[serde(default)]
    pub account: Option<String>,
    /// The clusters whose tasks and settings are read.
    #[serde(default)]
    pub ecs_clusters: Vec<String>,
    /// How CloudTrail is read.
    #[serde(default)]
    pub cloud_trail: TrailBy,
    /// The trail's bucket and prefix, `s3://BUCKET[/PREFIX]`.
    #[serde(default)]
    pub trail: Option<String>,
    /// Log groups with transcripts; those of the clusters' settings are read besides.
    #[serde(default)]
    pub exec_log_groups: Vec<String>,
    /// Transcripts in S3, `s3://BUCKET[/PREFIX]`.
    #[serde(default)]
    pub exec_objects: Option<String>,
    /// Artifacts in S3, `s3://BUCKET[/PREFIX]`.
    #[serde(default)]
    pub artifacts: Option<String>,
    /// The wrapper's records: log groups and `s3://BUCKET[/PREFIX]`.
    #[serde(default)]
    pub links: Vec<String>,
    /// target-sync's records, `s3://BUCKET[/PREFIX]`.
    #[serde(default)]
    pub sync_records: Option<String>,
    /// Whether SSM's list of sessions is read.
    #[serde(default = "yes")]
    pub ssm_sessions: bool,
    /// Whether IAM is asked if those who open shells may also start sessions past ECS Exec.
    #[serde(default = "yes")]
    pub policies: bool,
}

fn yes() -> bool {
    true
}

/// Whose records a journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordsOf {
    /// The wrapper's.
    Wrapper,
    /// target-sync's.
    TargetSync,
}

/// A journal on this host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsSource {
    /// Its name in cursors and findings.
    pub name: String,
    /// Whose.
    pub of: RecordsOf,
    /// The file.
    pub file: PathBuf,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DaemonSection {
    interval: Option<String>,
    jitter_percent: Option<u32>,
    listen: Option<SocketAddr>,
    metrics_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CanarySection {
    principal: Option<String>,
}

/// How a daemon lives.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// The time between two rounds.
    pub interval: Duration,
    /// How much of it is left to chance, percent.
    pub jitter_percent: u32,
    /// Where metrics and health are served.
    pub listen: Option<SocketAddr>,
    /// Where metrics are written after each round.
    pub metrics_file: Option<PathBuf>,
}

/// Everything that goes for one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where state and evidence are.
    pub state_dir: PathBuf,
    /// From which severity on findings count for the exit code.
    pub fail_on: Severity,
    /// Days that closed cases are kept.
    pub retention_days: u32,
    /// The bucket of the evidence, `s3://BUCKET[/PREFIX]`; else a folder beside the state.
    pub evidence: Option<String>,
    /// The AWS source that writes and reads that bucket.
    pub evidence_aws: Option<String>,
    /// Controllers.
    pub boundary: Vec<BoundarySource>,
    /// Audit events.
    pub boundary_events: Vec<EventsSource>,
    /// Accounts and regions.
    pub aws: Vec<AwsSource>,
    /// Journals on this host.
    pub records: Vec<RecordsSource>,
    /// What the operator expects.
    pub policy: Policy,
    /// How a daemon lives.
    pub daemon: Daemon,
    /// The canary's principal.
    pub canary: Option<String>,
    /// What all sources speak for, whatever of them is read in this run.
    known: Vec<Speaks>,
    /// Each value with its origin, for `config show`.
    pub shown: Vec<[String; 3]>,
}

/// Reads the files, those of the program unless one is named.
///
/// # Errors
/// As of [`FileLayers::load`]; a file that was named must be there.
pub(crate) fn load<T: DeserializeOwned>(common: &Common) -> Result<FileLayers<T>, SettingsError> {
    match &common.config {
        Some(path) => match std::fs::metadata(path) {
            Ok(_) => Ok(FileLayers::load_from(std::slice::from_ref(path))?),
            Err(error) => Err(ConfigError::Read(path.clone(), error).into()),
        },
        None => Ok(FileLayers::load("audit-bridge")?),
    }
}

/// Puts flags, environment, files and defaults together.
///
/// # Errors
/// [`SettingsError`] for the first thing that cannot be used.
pub(crate) fn settle(common: &Common, collect: &CollectArgs, files: &FileLayers<File>) -> Result<Settings, SettingsError> {
    let mut shown = Shown::of(common)?;
    let state_dir = common.state_dir.clone().or_else(|| files.value(|f| f.state_dir.clone())).or_else(default_state_dir);
    let state_dir = state_dir.ok_or(SettingsError::NoStateDir)?;
    shown.row("state_dir", &state_dir, common.state_dir.is_some());
    let fail_on = common.fail_on.map(Severity::from).or_else(|| files.value(|f| f.fail_on)).unwrap_or(Severity::High);
    shown.row("fail_on", &fail_on, common.fail_on.is_some());
    let retention_days = files.value(|f| f.retention_days).unwrap_or(400);
    shown.row("retention_days", &retention_days, false);
    let evidence = files.value(|f| f.evidence.clone());
    shown.row("evidence", &evidence, false);
    let evidence_aws = files.value(|f| f.evidence_aws.clone());
    shown.row("evidence_aws", &evidence_aws, false);
    let boundary = files.value(|f| f.boundary.clone()).unwrap_or_default();
    shown.row("boundary", &boundary, false);
    let boundary_events = files.value(|f| f.boundary_events.clone()).unwrap_or_default();
    shown.row("boundary_events", &boundary_events, false);
    let aws = files.value(|f| f.aws.clone()).unwrap_or_default();
    shown.row("aws", &aws, false);
    let records = files.value(|f| f.records.clone()).unwrap_or_default();
    shown.row("records", &records, false);
    let policy = files.value(|f| f.policy.clone()).unwrap_or_default();
    shown.row("policy", &policy, false);
    let daemon = daemon(collect, files, &mut shown)?;
    let canary = std::env::var("AUDIT_BRIDGE_CANARY").ok().filter(|principal| !principal.is_empty());
    let is_flag = canary.is_some();
    let canary = canary.or_else(|| files.value(|f| f.canary.clone()?.principal));
    shown.row("canary.principal", &canary, is_flag);
    let mut settings = Settings {
        state_dir,
        fail_on,
        retention_days,
        evidence,
        evidence_aws,
        boundary,
        boundary_events,
        aws,
        records,
        policy,
        daemon,
        canary,
        known: Vec::new(),
        shown: shown.rows(),
    };
    settings.check()?;
    settings.known = settings.speaks();
    settings.keep_only(&collect.sources)?;
    Ok(settings)
}

impl Settings {
    /// The names of all sources.
    fn names(&self) -> Vec<&str> {
        let boundary = self.boundary.iter().map(|it| it.name.as_str());
        let events = self.boundary_events.iter().map(|it| it.name.as_str());
        let aws = self.aws.iter().map(|it| it.name.as_str());
        boundary.chain(events).chain(aws).chain(self.records.iter().map(|it| it.name.as_str())).collect()
    }

    /// Whether a window of a place and scope is one that the configuration still leads to.
    pub(crate) fn leads_to(&self, place: &str, scope: &str) -> bool {
        self.known.iter().any(|it| it.place == place && it.takes(scope))
    }

    fn speaks(&self) -> Vec<Speaks> {
        let own = |place: &str, scope: String| Speaks { place: place.to_owned(), scopes: vec![scope], region: String::new() };
        let mut all: Vec<Speaks> = self.boundary.iter().map(|it| own(&it.name, it.scope())).collect();
        all.extend(self.boundary_events.iter().map(|it| own(&it.name, it.name.clone())));
        all.extend(self.records.iter().map(|it| own(&it.name, it.name.clone())));
        for aws in &self.aws {
            let part = |part: Part| Speaks {
                place: format!("{}/{}", aws.name, part.what),
                scopes: part.scopes,
                region: aws.region.clone(),
            };
            all.extend(aws.parts().into_iter().map(part));
        }
        all
    }

    fn check(&self) -> Result<(), SettingsError> {
        let mut seen = BTreeSet::new();
        for name in self.names() {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
                return Err(value("name", name, "1 to 64 letters, digits, `-`, `_` or `.`"));
            }
            if !seen.insert(name) {
                return Err(SettingsError::Twice(name.to_owned()));
            }
        }
        match (&self.evidence, &self.evidence_aws) {
            (Some(url), Some(name)) if self.aws.iter().any(|source| source.name == *name) => drop(bucket("evidence", url)?),
            (Some(_), name) => {
                let name = name.as_deref().unwrap_or_default();
                return Err(value("evidence_aws", name, "the name of the [[aws]] source that writes the evidence"));
            }
            (None, Some(name)) => return Err(value("evidence_aws", name, "nothing, without `evidence`")),
            (None, None) => {}
        }
        check_policy(&self.policy)?;
        self.aws.iter().try_for_each(AwsSource::check)?;
        self.boundary_events.iter().try_for_each(|source| self.check_events(source))?;
        self.boundary.iter().try_for_each(BoundarySource::check)
    }

    /// Whether anything is to be read.
    pub(crate) fn has_sources(&self) -> bool {
        !self.names().is_empty()
    }

    /// Looks at the files that the configuration names.
    ///
    /// # Errors
    /// The first password that cannot be read.
    pub(crate) fn check_files(&self) -> Result<(), SettingsError> {
        for source in &self.boundary {
            if let Some(file) = &source.password_file {
                let read = std::fs::File::open(file).map(drop);
                read.map_err(|error| SettingsError::Password(source.name.clone(), file.clone(), error))?;
            }
        }
        Ok(())
    }

    fn check_events(&self, source: &EventsSource) -> Result<(), SettingsError> {
        let key = format!("boundary_events.{}", source.name);
        match (&source.log_group, &source.aws) {
            (None, None) if source.files.is_empty() => Err(value(&key, "", "`files`, or `log_group` with `aws`")),
            (None, None) => Ok(()),
            (Some(group), Some(aws)) => {
                log_group(&key, group)?;
                let known = self.aws.iter().any(|it| it.name == *aws);
                if known { Ok(()) } else { Err(value(&key, aws, "the name of an [[aws]] source")) }
            }
            _ => Err(value(&key, "", "`log_group` and `aws` go together")),
        }
    }

    fn keep_only(&mut self, names: &[String]) -> Result<(), SettingsError> {
        if names.is_empty() {
            return Ok(());
        }
        if let Some(unknown) = names.iter().find(|name| !self.names().contains(&name.as_str())) {
            return Err(SettingsError::Unknown(unknown.clone(), self.names().join(", ")));
        }
        self.boundary.retain(|it| names.contains(&it.name));
        self.boundary_events.retain(|it| names.contains(&it.name));
        // Log groups of audit events are read through an AWS source, which then reads nothing else.
        self.aws.retain(|it| names.contains(&it.name));
        self.records.retain(|it| names.contains(&it.name));
        Ok(())
    }
}

impl BoundarySource {
    /// What its coverage speaks for: no other controller stands in for this one.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}", self.name, self.scope_id)
    }

    /// How to log in, when the environment has no token.
    pub fn account(&self) -> Option<ProgramAccount> {
        Some(ProgramAccount {
            auth_method_id: self.auth_method_id.clone()?,
            login_name: self.login_name.clone()?,
            password_file: self.password_file.clone(),
        })
    }

    fn check(&self) -> Result<(), SettingsError> {
        let key = format!("boundary.{}", self.name);
        if self.auth_method_id.is_some() != self.login_name.is_some() {
            return Err(value(&key, "", "`auth_method_id` and `login_name` go together"));
        }
        if !(self.requests_per_second > 0.0 && self.requests_per_second <= 10_000.0) {
            return Err(value(&key, &self.requests_per_second.to_string(), "requests_per_second above 0"));
        }
        Ok(())
    }
}

/// What a source speaks for.
#[derive(Debug, Clone)]
struct Speaks {
    place: String,
    /// None where it is the account and region.
    scopes: Vec<String>,
    region: String,
}

impl Speaks {
    fn takes(&self, scope: &str) -> bool {
        let is_here = || scope.split_once('/').is_some_and(|(_, region)| region == self.region);
        if self.scopes.is_empty() { is_here() } else { self.scopes.iter().any(|it| it == scope) }
    }
}

/// One kind of source in one account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The kind.
    pub source: Source,
    /// The reader's name in cursors and coverage, behind the source's and a `/`.
    pub what: &'static str,
    /// What its windows speak for; none for the account and region.
    pub scopes: Vec<String>,
}

impl AwsSource {
    /// The log groups that the configuration names.
    pub fn log_groups(&self) -> impl Iterator<Item = &str> {
        let records = self.links.iter().filter(|place| !place.starts_with("s3:"));
        self.exec_log_groups.iter().chain(records).map(String::as_str)
    }

    /// What is read there: each source with the name of its reader in cursors and coverage.
    pub fn parts(&self) -> Vec<Part> {
        let here = |is_read: bool, source, what| is_read.then(|| Part { source, what, scopes: Vec::new() });
        let own = |source, what, scopes: Vec<String>| (!scopes.is_empty()).then_some(Part { source, what, scopes });
        let artifacts = self.artifacts.iter().filter_map(|url| Some(bucket("", url).ok()?.name)).collect();
        let parts = [
            here(self.cloud_trail != TrailBy::Off, Source::CloudTrail, "cloudtrail"),
            here(self.ssm_sessions, Source::SsmSessions, "ssm"),
            here(!self.ecs_clusters.is_empty(), Source::Ecs, "ecs"),
            own(Source::Links, "links", self.links.clone()),
            own(Source::SyncRecords, "sync-records", self.sync_records.iter().cloned().collect()),
            here(true, Source::ExecLogs, "exec-logs"),
            here(self.exec_objects.is_some(), Source::ExecObjects, "exec-objects"),
            own(Source::Artifacts, "artifacts", artifacts),
        ];
        parts.into_iter().flatten().collect()
    }

    fn check(&self) -> Result<(), SettingsError> {
        let key = |name: &str| format!("aws.{}.{name}", self.name);
        if self.region.is_empty() || !self.region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(value(&key("region"), &self.region, "a region such as us-east-2"));
        }
        if (self.cloud_trail == TrailBy::Trail) != self.trail.is_some() {
            return Err(value(
                &key("trail"),
                self.trail.as_deref().unwrap_or_default(),
                "s3://BUCKET[/PREFIX], with cloud_trail = \"trail\" only",
            ));
        }
        for (name, url) in [
            ("trail", &self.trail),
            ("exec_objects", &self.exec_objects),
            ("artifacts", &self.artifacts),
            ("sync_records", &self.sync_records),
        ] {
            if let Some(url) = url {
                bucket(&key(name), url)?;
            }
        }
        for group in &self.exec_log_groups {
            log_group(&key("exec_log_groups"), group)?;
        }
        for place in &self.links {
            if place.starts_with("s3:") {
                bucket(&key("links"), place)?;
            } else {
                log_group(&key("links"), place)?;
            }
        }
        Ok(())
    }
}

fn check_policy(policy: &Policy) -> Result<(), SettingsError> {
    for (key, seconds) in [
        ("boundary_lag_seconds", policy.boundary_lag_seconds),
        ("trail_lag_seconds", policy.trail_lag_seconds),
        ("log_grace_seconds", policy.log_grace_seconds),
        ("log_late_seconds", policy.log_late_seconds),
        ("artifact_grace_seconds", policy.artifact_grace_seconds),
        ("outlive_tolerance_seconds", policy.outlive_tolerance_seconds),
        ("skew_seconds", policy.skew_seconds),
    ] {
        if !(0..=YEAR_SECONDS).contains(&seconds) {
            return Err(value(&format!("policy.{key}"), &seconds.to_string(), "seconds from 0 to a year"));
        }
    }
    if policy.upload_bytes_per_second == 0 {
        return Err(value("policy.upload_bytes_per_second", "0", "bytes a second above 0"));
    }
    Ok(())
}

/// Reads a bucket.
pub(crate) fn bucket(key: &str, url: &str) -> Result<Bucket, SettingsError> {
    Bucket::parse(url).map_err(|error| SettingsError::Place { key: key.to_owned(), error })
}

fn log_group(key: &str, name: &str) -> Result<LogGroup, SettingsError> {
    LogGroup::parse(name).map_err(|error| SettingsError::Place { key: key.to_owned(), error })
}

fn value(key: &str, value: &str, wanted: &'static str) -> SettingsError {
    SettingsError::Value { key: key.to_owned(), value: value.to_owned(), wanted }
}

fn daemon(collect: &CollectArgs, files: &FileLayers<File>, shown: &mut Shown) -> Result<Daemon, SettingsError> {
    let section = files.value(|f| f.daemon.clone()).unwrap_or_default();
    let said = collect.interval;
    let interval = match (said, &section.interval) {
        (Some(interval), _) => interval,
        (None, Some(text)) => {
            humantime::parse_duration(text).map_err(|_| value("daemon.interval", text, "a time such as 90s or 5m"))?
        }
        (None, None) => Duration::from_mins(5),
    };
    if !(Duration::from_secs(5)..=INTERVAL_MAX).contains(&interval) {
        let text = humantime::format_duration(interval).to_string();
        return Err(value("daemon.interval", &text, "5s to 15m: Boundary forgets a session an hour after its end"));
    }
    let listen = collect.listen.or(section.listen);
    shown.row("daemon.interval", &humantime::format_duration(interval).to_string(), said.is_some());
    shown.row("daemon.listen", &listen, collect.listen.is_some());
    let jitter_percent = section.jitter_percent.unwrap_or(20).min(100);
    shown.row("daemon.jitter_percent", &jitter_percent, false);
    shown.row("daemon.metrics_file", &section.metrics_file, false);
    Ok(Daemon { interval, jitter_percent, listen, metrics_file: section.metrics_file })
}

fn default_state_dir() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state"))).map(|folder| folder.join("audit-bridge"))
}

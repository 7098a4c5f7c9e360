//! What goes for one run: flags and environment over the file over defaults, each with its origin.
//!
//! Owns the file's keys and what may not be combined. Reads no secret: that is [`crate::login`]'s.

use crate::args::{Common, PolicyWord, RunArgs, Switch};
use crate::observe::ecs::{Source, SourceError};
use crate::principal::{MatchBy, PrincipalRule};
use crate::rules::{Limits, NoDeadline, OnActive, Policy, Rules, StartedBy};
use crate::template::{Template, TemplateError};
use boundary_api::ProgramAccount;
use cli_kit::{ConfigError, FileLayers, printable};
use record_delivery::{Bucket, PlaceError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// The shortest and the longest session that an operator may set, seconds. Boundary itself sets no upper bound.
const SESSION_BOUNDS: std::ops::RangeInclusive<u64> = 900..=604_800;

/// Why there is nothing to run with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// Something that has no default is not there.
    #[error("`{key}` is not set: {wanted}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What it is for.
        wanted: &'static str,
    },
    /// A value has no meaning.
    #[error("`{key}` is `{value}`: {wanted}", value = printable(value, 200))]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// A template cannot be used.
    #[error("`{key}`: {error}")]
    Template {
        /// The key.
        key: &'static str,
        /// Why not.
        error: TemplateError,
    },
    /// The records' bucket cannot be used.
    #[error("`record_bucket`: {0}")]
    RecordBucket(PlaceError),
    /// A source cannot be used.
    #[error("`[[source]]`: {0}")]
    Source(#[from] SourceError),
    /// Two sources are the same.
    #[error("`[[source]]`: `{}` and `{}` have the same name or look at the same ECS cluster", printable(.0, 64), printable(.1, 64))]
    Sources(String, String),
    /// A principal rule cannot be used.
    #[error("`[[principal]]` {number}: {wanted}")]
    Principal {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        wanted: &'static str,
    },
}

/// The file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    owner: Option<String>,
    policy: Option<Policy>,
    on_active: Option<OnActive>,
    state_dir: Option<PathBuf>,
    record_bucket: Option<String>,
    concurrency: Option<usize>,
    boundary: BoundarySection,
    source: Vec<Source>,
    task: TaskSection,
    target: TargetSection,
    principal: Vec<PrincipalSection>,
    limits: LimitsSection,
    daemon: DaemonSection,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BoundarySection {
    addr: Option<String>,
    project_id: Option<String>,
    auth_method_id: Option<String>,
    login_name: Option<String>,
    password_file: Option<PathBuf>,
    aliases: Option<bool>,
    requests_per_second: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TaskSection {
    container: Option<String>,
    abac_tag: Option<String>,
    family_prefix: Option<String>,
    started_by: Option<StartedBy>,
    no_deadline: Option<NoDeadline>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TargetSection {
    name: Option<String>,
    alias: Option<String>,
    description: Option<String>,
    session_max: Option<String>,
    egress_worker_filter: Option<String>,
    address: Option<String>,
    port: Option<u16>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrincipalSection {
    #[serde(rename = "match", default = "by_subject")]
    by: MatchBy,
    auth_methods: BTreeSet<String>,
    issuer: Option<String>,
    #[serde(default)]
    allow_weak: bool,
    #[serde(default)]
    when_tags: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    require_claims: BTreeMap<String, OneOrMany>,
}

fn by_subject() -> MatchBy {
    MatchBy::Subject
}

/// A value, or a list of which one must fit.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(BTreeSet<String>),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsSection {
    max_retire: Option<usize>,
    max_retire_percent: Option<usize>,
    min_existing: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DaemonSection {
    interval: Option<String>,
    jitter_percent: Option<u32>,
    full_scan: Option<String>,
    listen: Option<std::net::SocketAddr>,
    metrics_file: Option<PathBuf>,
}

/// How a daemon lives.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// The time between two runs.
    pub interval: Duration,
    /// How much of it is left to chance, percent.
    pub jitter_percent: u32,
    /// How long remembered reads are good.
    pub full_scan: Duration,
    /// Where metrics and health are served.
    pub listen: Option<std::net::SocketAddr>,
    /// Where metrics are written after each run.
    pub metrics_file: Option<PathBuf>,
}

/// Everything that goes for one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What `desire` and `plan` follow.
    pub rules: Rules,
    /// Whether the policy was said, and not assumed.
    pub policy_was_said: bool,
    /// The controller's address, when the file says it; `BOUNDARY_ADDR` wins.
    pub boundary_addr: Option<String>,
    /// How to log in, when the environment has no token.
    pub account: Option<ProgramAccount>,
    /// The most requests to Boundary a second.
    pub requests_per_second: f64,
    /// The sources.
    pub sources: Vec<Source>,
    /// Where journal, state and lock are.
    pub state_dir: PathBuf,
    /// Where the journal's lines go as well.
    pub record_bucket: Option<Bucket>,
    /// How many requests are under way at a time.
    pub concurrency: usize,
    /// How a daemon lives.
    pub daemon: Daemon,
    /// Each value with its origin, for `config show`.
    pub shown: Vec<[String; 3]>,
}

/// Reads the files, those of the programs unless one is named.
///
/// # Errors
/// As of [`FileLayers::load`]; a file that was named must be there.
pub(crate) fn load(common: &Common) -> Result<FileLayers<File>, SettingsError> {
    match &common.config {
        Some(path) => match std::fs::metadata(path) {
            Ok(_) => Ok(FileLayers::load_from(std::slice::from_ref(path))?),
            Err(error) => Err(ConfigError::Read(path.clone(), error).into()),
        },
        None => Ok(FileLayers::load("target-sync")?),
    }
}

/// Puts flags, environment, files and defaults together.
///
/// # Errors
/// [`SettingsError`] for the first thing that cannot be used.
pub(crate) fn settle(common: &Common, run: Option<&RunArgs>, files: &FileLayers<File>) -> Result<Settings, SettingsError> {
    let mut pick = Picker { files, shown: Vec::new() };
    let owner =
        pick.needed("owner", |f| f.owner.clone(), "who this sync is in the markers of its objects, for example sync-prod")?;
    if !is_word(&owner) {
        return Err(SettingsError::Value { key: "owner", value: owner, wanted: "1 to 64 letters, digits, `-`, `_` or `.`" });
    }
    let project_id =
        pick.needed("boundary.project_id", |f| f.boundary.project_id.clone(), "the project that holds the targets, p_…")?;
    if !project_id.starts_with("p_") {
        return Err(SettingsError::Value { key: "boundary.project_id", value: project_id, wanted: "a project's id, p_…" });
    }
    let said = common.policy.is_some() || files.value(|f| f.policy).is_some();
    let policy = pick.flag("policy", common.policy.map(Policy::from), |f| f.policy, Policy::UpsertOnly, |p| word(*p));
    let on_active = pick.flag("on_active", common.on_active.map(OnActive::from), |f| f.on_active, OnActive::Defer, |a| word(*a));
    let aliases =
        pick.flag("boundary.aliases", common.aliases.map(|s| s == Switch::On), |f| f.boundary.aliases, true, ToString::to_string);
    let sources = sources(&mut pick)?;
    let several = sources.len() > 1;
    let (name, alias, description) = templates(&mut pick, several)?;
    let limits = limits(&mut pick, common);
    let text = |pick: &mut Picker<'_>, key, of: fn(&File) -> Option<String>, default: &str| {
        pick.flag(key, None, of, default.to_owned(), std::clone::Clone::clone)
    };
    let rules = Rules {
        owner,
        project_id,
        policy,
        force: common.force,
        limits,
        on_active,
        container: text(&mut pick, "task.container", |f| f.task.container.clone(), "rosa-boundary"),
        abac_key: text(&mut pick, "task.abac_tag", |f| f.task.abac_tag.clone(), "username"),
        family_prefix: pick.optional("task.family_prefix", |f| f.task.family_prefix.clone()),
        started_by: pick.flag("task.started_by", None, |f| f.task.started_by, StartedBy::default(), |v| word(*v)),
        no_deadline: pick.flag("task.no_deadline", None, |f| f.task.no_deadline, NoDeadline::default(), |v| word(*v)),
        name,
        alias: aliases.then_some(alias),
        description,
        session_cap: session_cap(&mut pick)?,
        endpoint: endpoint(&mut pick)?,
        egress_worker_filter: text(&mut pick, "target.egress_worker_filter", |f| f.target.egress_worker_filter.clone(), ""),
        principals: principals(files)?,
    };
    let requests_per_second =
        pick.flag("boundary.requests_per_second", None, |f| f.boundary.requests_per_second, 80.0, ToString::to_string);
    if !(requests_per_second > 0.0 && requests_per_second <= 10_000.0) {
        return Err(SettingsError::Value {
            key: "boundary.requests_per_second",
            value: requests_per_second.to_string(),
            wanted: "a number above 0",
        });
    }
    let concurrency =
        pick.flag("concurrency", common.concurrency, |f| f.concurrency, crate::apply::CONCURRENCY, ToString::to_string);
    if !(1..=64).contains(&concurrency) {
        return Err(SettingsError::Value { key: "concurrency", value: concurrency.to_string(), wanted: "1 to 64" });
    }
    let state_dir = common.state_dir.clone().or_else(|| files.value(|f| f.state_dir.clone())).or_else(default_state_dir);
    let wanted = "neither XDG_STATE_HOME nor HOME says where the journal goes";
    let state_dir = state_dir.ok_or(SettingsError::Missing { key: "state_dir", wanted })?;
    pick.shown.push([
        "state_dir".to_owned(),
        state_dir.display().to_string(),
        origin(common.state_dir.is_some(), files.origin(|f| f.state_dir.clone()).map(|(p, _)| p)),
    ]);
    let record_bucket = record_bucket(&mut pick, common)?;
    let (boundary_addr, account) = account(&mut pick)?;
    let daemon = daemon(&mut pick, run)?;
    let mut shown = pick.shown;
    shown.sort();
    Ok(Settings {
        rules,
        policy_was_said: said,
        boundary_addr,
        account,
        requests_per_second,
        sources,
        state_dir,
        record_bucket,
        concurrency,
        daemon,
        shown,
    })
}

/// Takes values from the first place that has them, and remembers which.
struct Picker<'a> {
    files: &'a FileLayers<File>,
    shown: Vec<[String; 3]>,
}

impl Picker<'_> {
    fn flag<V: Clone>(
        &mut self,
        key: &str,
        flag: Option<V>,
        of: impl Fn(&File) -> Option<V>,
        default: V,
        text: impl Fn(&V) -> String,
    ) -> V {
        let (value, from) = match (flag, self.files.origin(of)) {
            (Some(value), _) => (value, "flag or environment".to_owned()),
            (None, Some((path, value))) => (value, path.display().to_string()),
            (None, None) => (default, "default".to_owned()),
        };
        self.shown.push([key.to_owned(), printable(&text(&value), 200), from]);
        value
    }

    fn optional(&mut self, key: &str, of: impl Fn(&File) -> Option<String>) -> Option<String> {
        let value =
            self.flag(key, None, |f| of(f).map(Some), None, |v: &Option<String>| v.clone().unwrap_or_else(|| "-".to_owned()));
        value.filter(|value| !value.is_empty())
    }

    fn needed(
        &mut self,
        key: &'static str,
        of: impl Fn(&File) -> Option<String>,
        wanted: &'static str,
    ) -> Result<String, SettingsError> {
        self.optional(key, of).ok_or(SettingsError::Missing { key, wanted })
    }

    fn duration(
        &mut self,
        key: &'static str,
        flag: Option<Duration>,
        of: impl Fn(&File) -> Option<String>,
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        let from_file = self.files.origin(of).map(|(path, text)| (path.display().to_string(), text));
        let (value, from) = match (flag, from_file) {
            (Some(value), _) => (value, "flag or environment".to_owned()),
            (None, Some((path, text))) => {
                let value = humantime::parse_duration(&text).map_err(|_| SettingsError::Value {
                    key,
                    value: text,
                    wanted: "a time such as 90s, 5m or 8h",
                })?;
                (value, path)
            }
            (None, None) => (default, "default".to_owned()),
        };
        self.shown.push([key.to_owned(), humantime::format_duration(value).to_string(), from]);
        Ok(value)
    }
}

fn sources(pick: &mut Picker<'_>) -> Result<Vec<Source>, SettingsError> {
    let list = |f: &File| Some(f.source.clone()).filter(|sources| !sources.is_empty());
    let Some(sources) = pick.files.value(list) else {
        return Err(SettingsError::Missing { key: "[[source]]", wanted: "an ECS cluster to look at: name, region, ecs_cluster" });
    };
    for (at, source) in sources.iter().enumerate() {
        source.check()?;
        let same = |other: &&Source| {
            let place = |s: &Source| {
                (s.region.clone(), s.ecs_cluster.clone(), s.account.clone(), s.assume_role.clone(), s.profile.clone())
            };
            other.name == source.name || place(other) == place(source)
        };
        if let Some(other) = sources[..at].iter().find(same) {
            return Err(SettingsError::Sources(other.name.clone(), source.name.clone()));
        }
    }
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let from = pick.files.origin(list).map(|(path, _)| path.display().to_string()).unwrap_or_default();
    pick.shown.push(["source".to_owned(), names.join(", "), from]);
    Ok(sources)
}

fn templates(pick: &mut Picker<'_>, several: bool) -> Result<(Template, Template, Template), SettingsError> {
    let defaults = if several {
        ("{source}/{cluster_id}/{investigation_id}", "{investigation_id}.{cluster_id}.{source}")
    } else {
        ("{cluster_id}/{investigation_id}", "{investigation_id}.{cluster_id}")
    };
    let name = template(pick, "target.name", |f| f.target.name.clone(), defaults.0)?;
    let alias = template(pick, "target.alias", |f| f.target.alias.clone(), defaults.1)?;
    let text = "Investigation {investigation_id} of {cluster_id}. Kept by target-sync: changes are undone.";
    let description = template(pick, "target.description", |f| f.target.description.clone(), text)?;
    name.check_distinct(several).map_err(|error| SettingsError::Template { key: "target.name", error })?;
    let alias_fits = alias.check_distinct(several).and_then(|()| alias.check_alias());
    alias_fits.map_err(|error| SettingsError::Template { key: "target.alias", error })?;
    Ok((name, alias, description))
}

fn template(
    pick: &mut Picker<'_>,
    key: &'static str,
    of: fn(&File) -> Option<String>,
    default: &str,
) -> Result<Template, SettingsError> {
    let text = pick.flag(key, None, of, default.to_owned(), std::clone::Clone::clone);
    Template::parse(&text).map_err(|error| SettingsError::Template { key, error })
}

fn limits(pick: &mut Picker<'_>, common: &Common) -> Limits {
    let default = Limits::default();
    Limits {
        max_retire: pick.flag(
            "limits.max_retire",
            common.max_retire,
            |f| f.limits.max_retire,
            default.max_retire,
            ToString::to_string,
        ),
        max_retire_percent: pick.flag(
            "limits.max_retire_percent",
            common.max_retire_percent,
            |f| f.limits.max_retire_percent,
            default.max_retire_percent,
            ToString::to_string,
        ),
        min_existing: pick.flag(
            "limits.min_existing",
            None,
            |f| f.limits.min_existing,
            default.min_existing,
            ToString::to_string,
        ),
    }
}

fn session_cap(pick: &mut Picker<'_>) -> Result<u32, SettingsError> {
    let cap = pick.duration("target.session_max", None, |f| f.target.session_max.clone(), Duration::from_hours(8))?;
    let seconds = u32::try_from(cap.as_secs()).ok().filter(|seconds| SESSION_BOUNDS.contains(&u64::from(*seconds)));
    let value = || humantime::format_duration(cap).to_string();
    seconds.ok_or_else(|| SettingsError::Value { key: "target.session_max", value: value(), wanted: "15m to 7days" })
}

fn endpoint(pick: &mut Picker<'_>) -> Result<Option<(String, u16)>, SettingsError> {
    let Some(address) = pick.optional("target.address", |f| f.target.address.clone()) else {
        return match pick.files.value(|f| f.target.port) {
            Some(port) => Err(SettingsError::Value {
                key: "target.port",
                value: port.to_string(),
                wanted: "nothing, without target.address",
            }),
            None => Ok(None),
        };
    };
    if !(3..=255).contains(&address.len()) || address.contains(':') {
        return Err(SettingsError::Value {
            key: "target.address",
            value: address,
            wanted: "a host of 3 to 255 characters, without a port",
        });
    }
    let port = pick.flag("target.port", None, |f| f.target.port, 443, ToString::to_string);
    Ok(Some((address, port)))
}

fn principals(files: &FileLayers<File>) -> Result<Vec<PrincipalRule>, SettingsError> {
    let sections = files.value(|f| Some(f.principal.clone()).filter(|list| !list.is_empty())).unwrap_or_default();
    if sections.is_empty() {
        return Err(SettingsError::Missing {
            key: "[[principal]]",
            wanted: "how a task's owner is found: match, auth_methods, issuer",
        });
    }
    sections.into_iter().enumerate().map(|(at, section)| principal(at + 1, section)).collect()
}

fn principal(number: usize, section: PrincipalSection) -> Result<PrincipalRule, SettingsError> {
    let wrong = |wanted| Err(SettingsError::Principal { number, wanted });
    if section.auth_methods.is_empty() {
        return wrong("`auth_methods` names no auth method: accounts of any identity provider would count");
    }
    if section.by == MatchBy::Subject && section.issuer.is_none() {
        return wrong("`match = \"subject\"` needs `issuer`: a subject means somebody only under its issuer");
    }
    if section.by.is_weak() && !section.allow_weak {
        return wrong(
            "this match is weak, since names and addresses are given to others: say `allow_weak = true` if that is meant",
        );
    }
    let sets = |map: BTreeMap<String, OneOrMany>| {
        let set = |value| match value {
            OneOrMany::One(value) => [value].into(),
            OneOrMany::Many(values) => values,
        };
        map.into_iter().map(|(key, value)| (key, set(value))).collect()
    };
    let PrincipalSection { by, auth_methods, issuer, when_tags, require_claims, .. } = section;
    Ok(PrincipalRule { by, auth_methods, issuer, when_tags: sets(when_tags), require_claims: sets(require_claims) })
}

fn record_bucket(pick: &mut Picker<'_>, common: &Common) -> Result<Option<Bucket>, SettingsError> {
    let text = pick.flag(
        "record_bucket",
        common.record_bucket.clone().map(Some),
        |f| f.record_bucket.clone().map(Some),
        None,
        |url: &Option<String>| url.clone().unwrap_or_else(|| "-".to_owned()),
    );
    text.filter(|text| !text.is_empty()).map(|text| Bucket::parse(&text)).transpose().map_err(SettingsError::RecordBucket)
}

fn account(pick: &mut Picker<'_>) -> Result<(Option<String>, Option<ProgramAccount>), SettingsError> {
    let said = std::env::var("BOUNDARY_ADDR").ok().filter(|address| !address.is_empty());
    let text = |addr: &Option<String>| addr.clone().unwrap_or_else(|| "-".to_owned());
    let addr = pick.flag("boundary.addr", said.map(Some), |f| f.boundary.addr.clone().map(Some), None, text);
    let auth_method_id = pick.optional("boundary.auth_method_id", |f| f.boundary.auth_method_id.clone());
    let login_name = pick.optional("boundary.login_name", |f| f.boundary.login_name.clone());
    let path = |path: &Option<PathBuf>| path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    let password_file = pick.flag("boundary.password_file", None, |f| f.boundary.password_file.clone().map(Some), None, path);
    match (auth_method_id, login_name) {
        (Some(auth_method_id), Some(login_name)) => {
            Ok((addr, Some(ProgramAccount { auth_method_id, login_name, password_file })))
        }
        (None, None) => Ok((addr, None)),
        (Some(_), None) => {
            Err(SettingsError::Missing { key: "boundary.login_name", wanted: "it goes with boundary.auth_method_id" })
        }
        (None, Some(_)) => {
            Err(SettingsError::Missing { key: "boundary.auth_method_id", wanted: "it goes with boundary.login_name" })
        }
    }
}

fn daemon(pick: &mut Picker<'_>, run: Option<&RunArgs>) -> Result<Daemon, SettingsError> {
    let interval = run.and_then(|run| run.interval);
    let interval = pick.duration("daemon.interval", interval, |f| f.daemon.interval.clone(), Duration::from_mins(1))?;
    if interval < Duration::from_secs(5) {
        let value = humantime::format_duration(interval).to_string();
        return Err(SettingsError::Value { key: "daemon.interval", value, wanted: "5s or more" });
    }
    let jitter = run.and_then(|run| run.jitter);
    let jitter_percent =
        pick.flag("daemon.jitter_percent", jitter, |f| f.daemon.jitter_percent, 20, ToString::to_string).min(100);
    let full_scan = run.and_then(|run| run.full_scan);
    let full_scan = pick.duration("daemon.full_scan", full_scan, |f| f.daemon.full_scan.clone(), Duration::from_hours(1))?;
    let listen = run.and_then(|run| run.listen);
    let shown = |listen: &Option<std::net::SocketAddr>| listen.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let listen = pick.flag("daemon.listen", listen.map(Some), |f| f.daemon.listen.map(Some), None, shown);
    let path = |path: &Option<PathBuf>| path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    let metrics_file = pick.flag("daemon.metrics_file", None, |f| f.daemon.metrics_file.clone().map(Some), None, path);
    Ok(Daemon { interval, jitter_percent, full_scan, listen, metrics_file })
}

fn default_state_dir() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state"))).map(|folder| folder.join("target-sync"))
}

fn origin(flag: bool, file: Option<&std::path::Path>) -> String {
    match (flag, file) {
        (true, _) => "flag or environment".to_owned(),
        (false, Some(path)) => path.display().to_string(),
        (false, None) => "default".to_owned(),
    }
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().any(|byte| byte != b'.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl PolicyWord {
    /// The policies, for messages.
    pub const ALL: &'static str = "sync, upsert-only or create-only";
}

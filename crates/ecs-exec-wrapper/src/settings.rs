//! What the command line means: flags over configuration files over defaults, checked, with the old script's positional form
//! sorted out.
//!
//! Owns every refusal that needs neither AWS nor the network.

use crate::args::{Args, Encryption, PipeEncoding, RecordMode, Via};
use crate::boundary::{BoundarySession, IdSource, read_token};
use crate::config::FileConfig;
use crate::controller::Controller;
use crate::environment::{BoundaryEnvironment, Listener};
use cli_kit::{FileLayers, printable};
use investigation::{BoundarySessionId, ClusterRef, TaskRef};
use record_delivery::{Bucket, LogGroup, Place, PlaceError};
use remote_script::Program;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The tag that the users' own roles compare.
const ABAC_TAG: &str = "username";

/// The longest reason that is kept, in characters.
const REASON_MAX: usize = 256;

/// Everything the stages need to know, checked as far as possible without asking anybody.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How the task is chosen.
    pub(crate) task: TaskChoice,
    /// The container, when named or configured.
    pub(crate) container: Option<String>,
    /// The container to prefer when the task has several.
    pub(crate) configured_container: Option<String>,
    /// The user in the container.
    pub(crate) user: String,
    /// Whether nobody chose the user, so that root is told.
    pub(crate) user_defaulted: bool,
    /// Variables for the command.
    pub(crate) variables: Vec<(String, String)>,
    /// What to run.
    pub(crate) program: Program,
    /// Terminal, pipes, or without our script.
    pub(crate) io: IoMode,
    /// The data channel's way.
    pub(crate) route: Route,
    /// The Boundary session, as far as it is known.
    pub(crate) boundary: BoundarySession,
    /// Region given by flag or ARN.
    pub(crate) region: Option<String>,
    /// Region to fall back to.
    pub(crate) configured_region: Option<String>,
    /// AWS profile.
    pub(crate) profile: Option<String>,
    /// The role to take on.
    pub(crate) assume_role: Option<String>,
    /// Without session tags and source identity.
    pub(crate) assume_role_plain: bool,
    /// The tag by which policies match callers and tasks.
    pub(crate) abac_tag: String,
    /// How long to wait for task and agent.
    pub(crate) wait: Duration,
    /// How long a lost connection is tried to be resumed; zero is not at all.
    pub(crate) reconnect_timeout: Duration,
    /// Without a key for so long the session ends.
    pub(crate) idle_timeout: Option<Duration>,
    /// Nothing is opened; what would be is told.
    pub(crate) dry_run: bool,
    /// Why the session is opened.
    pub(crate) reason: Option<String>,
    /// Where the result goes.
    pub(crate) result_file: Option<PathBuf>,
    /// What a missing record means.
    pub(crate) record: RecordMode,
    /// Where the record goes besides this machine.
    pub(crate) record_places: Vec<Place>,
    /// Where the recording goes; `auto` names itself.
    pub(crate) transcript: Option<PathBuf>,
    /// Whether typed bytes are recorded too.
    pub(crate) transcript_input: bool,
    /// Whether commands should be marked; see [`Settings::marks`].
    pub(crate) mark_commands: bool,
    /// What encryption is acceptable.
    pub(crate) encryption: Encryption,
    /// Authorities to trust.
    pub(crate) ca_file: Option<PathBuf>,
    /// More hosts that a stream URL may name.
    pub(crate) stream_hosts: Vec<String>,
    /// Plain `ws://` to loopback is permitted.
    pub(crate) insecure_loopback: bool,
    /// The escape character.
    pub(crate) escape: Option<u8>,
    /// Errors only.
    pub(crate) quiet: bool,
    /// The target or alias that `connect` opens a session of.
    pub(crate) connect: Option<String>,
    /// The controller, when a token is at hand.
    pub(crate) controller: Option<Controller>,
}

impl Settings {
    /// Whether commands are to be marked and can be: only in a login shell on a terminal.
    pub(crate) fn marks(&self) -> bool {
        self.mark_commands && self.io.tty && !self.io.no_wrap && self.program == Program::LoginShell
    }
}

/// How the task is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskChoice {
    /// The ECS cluster, when named; a task ARN may name it instead.
    pub(crate) ecs_cluster: Option<ClusterRef>,
    /// By name or by tags.
    pub(crate) by: ChooseBy,
}

/// By what the task is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChooseBy {
    /// By ARN, id or prefix.
    Name(TaskRef),
    /// By the marker of the target that `connect` names.
    Marker,
    /// By tags; at least one is there.
    Tags {
        /// The tag `cluster_id`.
        cluster_id: Option<String>,
        /// The tag `investigation_id`.
        investigation_id: Option<String>,
    },
}

/// The data channel's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through Boundary's listener.
    Boundary(SocketAddr),
    /// Straight to AWS.
    Direct,
    /// Through a worker of a Boundary session of our own (`connect`).
    Worker,
}

impl Route {
    /// The word used in records and results.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Boundary(_) | Self::Worker => "boundary",
            Self::Direct => "direct",
        }
    }

    /// Whether Boundary carries the data.
    pub(crate) fn is_boundary(self) -> bool {
        self != Self::Direct
    }
}

/// How our standard streams meet the remote program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IoMode {
    /// A terminal on the remote side with our terminal or fixed size, else pipes.
    pub(crate) tty: bool,
    /// Standard input is a person's terminal: keys may be escapes and interrupts.
    pub(crate) interactive: bool,
    /// How pipes are carried.
    pub(crate) pipe_encoding: PipeEncoding,
    /// The command goes as it is, without our script.
    pub(crate) no_wrap: bool,
}

/// Which of our standard streams are terminals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminals {
    /// Standard input is one.
    pub(crate) stdin: bool,
    /// Standard output is one.
    pub(crate) stdout: bool,
}

/// Why the settings make no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The same thing is said twice.
    #[error("{0} is given twice: say it once")]
    Twice(&'static str),
    /// No cluster.
    #[error("no ECS cluster is given: name it first, or with --cluster, or give the task's full ARN")]
    NoCluster,
    /// No task.
    #[error("no task is given: name it after the cluster, or find it with --cluster-id and --investigation-id")]
    NoTask,
    /// Task by name and by tags.
    #[error("the task is given by name and by tags: say one of them")]
    TaskTwice,
    /// Too many words in front of `--`.
    #[error(
        "too many arguments before `--`: with --cluster-id or --investigation-id only CLUSTER, CONTAINER and USER by flags are taken"
    )]
    TooMany,
    /// A cluster's name or ARN is wrong.
    #[error("failed to understand the ECS cluster")]
    Cluster(#[source] investigation::ArnError),
    /// A task's name or ARN is wrong.
    #[error("failed to understand the task")]
    Task(#[source] investigation::ArnError),
    /// Task ARN and cluster do not belong together.
    #[error("the task's ARN is of the cluster `{of_task}`, not of `{given}`")]
    ClusterMismatch {
        /// The cluster in the ARN.
        of_task: String,
        /// The cluster given.
        given: String,
    },
    /// A variable is no assignment.
    #[error("--env `{0}` is not NAME=VALUE")]
    Variable(String),
    /// A variable looks like a secret.
    #[error(
        "--env {0} looks like a credential, and AWS's audit log keeps its value: leave it out, or add --allow-env-in-cloudtrail"
    )]
    SecretVariable(String),
    /// An argument is no text.
    #[error("argument {0} of the command is not UTF-8 text, which ECS cannot carry")]
    NotUtf8(usize),
    /// The command text cannot be split.
    #[error("failed to split --command as the agent would")]
    Split(#[source] remote_script::SplitError),
    /// Nothing in the command text.
    #[error("--command is empty: leave it out for a login shell")]
    EmptyCommand,
    /// The escape is not a single character.
    #[error("--escape takes one ASCII character, or none")]
    Escape,
    /// The Boundary session's id is wrong.
    #[error("failed to understand --boundary-session-id")]
    SessionId(#[source] investigation::IdError),
    /// The Boundary session's id is another than the token's.
    #[error("--boundary-session-id says {given}, but the authorization token is of {of_token}")]
    SessionIdMismatch {
        /// What the flag says.
        given: String,
        /// What the token says.
        of_token: String,
    },
    /// The token cannot be read.
    #[error("failed to read BOUNDARY_CONNECT_AUTHZ_TOKEN")]
    Token(#[source] boundary_proxy::TokenError),
    /// No listener.
    #[error("there is no Boundary proxy: BOUNDARY_PROXIED_ADDR is not set")]
    NoListener,
    /// The listener's address is none.
    #[error("BOUNDARY_PROXIED_ADDR is not an address with a port: `{0}`")]
    BadListener(String),
    /// The reason cannot be kept as it is.
    #[error("--reason has {0} characters or control characters; at most 256 printable ones are kept")]
    Reason(usize),
    /// The user's name has characters no user has.
    #[error("`{0}` is no user's name")]
    User(String),
    /// A terminal is wanted and not wanted.
    #[error("-t and -T exclude each other")]
    TtyBoth,
    /// `connect` goes through Boundary or not at all.
    #[error("connect goes through Boundary: --via direct and --boundary-session-id cannot be used with it")]
    ConnectOtherwise,
    /// `--assume-role-plain` without a role.
    #[error("--assume-role-plain needs --assume-role")]
    PlainWithoutRole,
    /// An idle time-out without keys.
    #[error("--idle-timeout needs a terminal: without one nobody types")]
    IdleWithoutTerminal,
    /// Input is to be recorded, but nothing is.
    #[error("--transcript-input needs --transcript")]
    InputWithoutTranscript,
    /// A place for the record is none.
    #[error("failed to understand {0}")]
    Place(&'static str, #[source] PlaceError),
    /// Two flags that exclude each other.
    #[error("--no-wrap sends the command as it is, so {0} cannot be used with it")]
    NoWrap(&'static str),
}

impl SettingsError {
    /// Whether there is no Boundary proxy, which has an advice of its own.
    pub(crate) fn is_boundary_missing(&self) -> bool {
        matches!(self, Self::NoListener | Self::BadListener(_))
    }
}

/// Puts everything together.
///
/// # Errors
/// [`SettingsError`] for the first thing that makes no sense.
pub(crate) fn settle_settings(
    args: Args,
    files: &FileLayers<FileConfig>,
    boundary: &BoundaryEnvironment,
    terminals: Terminals,
) -> Result<Settings, SettingsError> {
    let by_tags = args.cluster_id.is_some() || args.investigation_id.is_some();
    let words = Words::sort(&args, by_tags)?;
    let configured_user = files.value(|f| f.default_user.clone());
    let user_defaulted = words.user.is_none() && configured_user.is_none();
    let user = checked_user(words.user.or(configured_user).unwrap_or_else(|| "root".to_owned()))?;
    let task = task_choice(&args, words.cluster.or_else(|| files.value(|f| f.cluster.clone())), words.task)?;
    let arn_region = match &task.by {
        ChooseBy::Name(TaskRef::Arn(arn)) => Some(arn.region().to_owned()),
        _ => task.ecs_cluster.as_ref().and_then(|cluster| cluster.region().map(str::to_owned)),
    };
    let io = io_mode(&args, terminals)?;
    if args.transcript_input && args.transcript.is_none() {
        return Err(SettingsError::InputWithoutTranscript);
    }
    // What is typed behind `--` beats ECS_EXEC_COMMAND.
    let command_yields = !args.argv.is_empty() && !args.typed.has("--command");
    if !args.argv.is_empty() && args.typed.has("--command") {
        return Err(SettingsError::Twice("the command"));
    }
    if args.no_wrap && args.pipe_encoding == PipeEncoding::Base64 && args.no_tty {
        return Err(SettingsError::NoWrap("-T with --pipe-encoding base64"));
    }
    if args.no_wrap && args.typed.has("--mark-commands") {
        return Err(SettingsError::NoWrap("--mark-commands"));
    }
    let assume_role = args.assume_role.or_else(|| files.value(|f| f.assume_role.clone())).filter(|role| !role.is_empty());
    if args.typed.has("--assume-role-plain") && assume_role.is_none() {
        return Err(SettingsError::PlainWithoutRole);
    }
    let (route, session) = match &args.connect {
        Some(_) if args.typed.has("--via") && args.via == Via::Direct || args.typed.has("--boundary-session-id") => {
            return Err(SettingsError::ConnectOtherwise);
        }
        Some(_) => (Route::Worker, BoundarySession::unknown()),
        // What is wrong with the route is a finding of `doctor`, not the end of it.
        None if args.doctor.is_some() => (route(args.via, boundary).unwrap_or(Route::Worker), BoundarySession::unknown()),
        None => (route(args.via, boundary)?, boundary_session(args.boundary_session_id.as_deref(), boundary)?),
    };
    let record_places = record_places(
        args.record_log_group.or_else(|| files.value(|f| f.record_log_group.clone())),
        args.record_bucket.or_else(|| files.value(|f| f.record_bucket.clone())),
    )?;
    Ok(Settings {
        task,
        container: words.container,
        configured_container: files.value(|f| f.container.clone()),
        user,
        user_defaulted,
        variables: variables(&args.variables, args.allow_env_in_cloudtrail)?,
        program: program(args.argv, args.command.as_deref().filter(|_| !command_yields))?,
        io,
        route,
        boundary: session,
        region: args.region.or(arn_region),
        configured_region: files.value(|f| f.region.clone()),
        profile: args.profile.or_else(|| files.value(|f| f.profile.clone())),
        assume_role,
        assume_role_plain: args.assume_role_plain,
        abac_tag: args.abac_tag.or_else(|| files.value(|f| f.abac_tag.clone())).unwrap_or_else(|| ABAC_TAG.to_owned()),
        wait: args.wait,
        reconnect_timeout: args.reconnect_timeout,
        idle_timeout: idle_timeout(args.idle_timeout, io, args.typed.has("--idle-timeout"))?,
        dry_run: args.dry_run,
        reason: args.reason.map(checked_reason).transpose()?,
        result_file: args.result_file,
        record: args.record,
        record_places,
        transcript: args.transcript,
        transcript_input: args.transcript_input,
        mark_commands: args.mark_commands || files.value(|f| f.mark_commands).unwrap_or(false),
        encryption: args.encryption,
        ca_file: args.ca_file,
        stream_hosts: args.allow_stream_host,
        insecure_loopback: args.insecure_loopback,
        escape: escape(&args.escape)?,
        quiet: args.quiet,
        connect: args.connect,
        controller: None,
    })
}

/// The four words that can stand by position or behind a flag.
struct Words {
    cluster: Option<String>,
    task: Option<String>,
    container: Option<String>,
    user: Option<String>,
}

impl Words {
    fn sort(args: &Args, by_tags: bool) -> Result<Self, SettingsError> {
        let mut positional = args.positional.iter().cloned();
        let mut take = |flag: &Option<String>, name| match (positional.next(), flag) {
            // An empty word holds the place: the old script was called so.
            (Some(word), flag) if word.is_empty() => Ok(flag.clone()),
            (Some(_), Some(_)) if args.typed.has(name) => Err(SettingsError::Twice(name)),
            (Some(word), _) => Ok(Some(word)),
            (None, flag) => Ok(flag.clone()),
        };
        let cluster = take(&args.cluster, "--cluster")?;
        if by_tags {
            return if positional.next().is_some() {
                Err(SettingsError::TooMany)
            } else {
                Ok(Self { cluster, task: args.task.clone(), container: args.container.clone(), user: args.user.clone() })
            };
        }
        Ok(Self {
            cluster,
            task: take(&args.task, "--task")?,
            container: take(&args.container, "--container")?,
            user: take(&args.user, "--user")?,
        })
    }
}

fn task_choice(args: &Args, cluster: Option<String>, task: Option<String>) -> Result<TaskChoice, SettingsError> {
    let ecs_cluster = cluster.map(|text| ClusterRef::parse(&text)).transpose().map_err(SettingsError::Cluster)?;
    if args.cluster_id.is_some() || args.investigation_id.is_some() {
        if task.is_some() && args.typed.has("--task") {
            return Err(SettingsError::TaskTwice);
        }
        if ecs_cluster.is_none() {
            return Err(SettingsError::NoCluster);
        }
        let by = ChooseBy::Tags { cluster_id: args.cluster_id.clone(), investigation_id: args.investigation_id.clone() };
        return Ok(TaskChoice { ecs_cluster, by });
    }
    if task.is_none() && (args.connect.is_some() || args.doctor.is_some()) {
        return Ok(TaskChoice { ecs_cluster, by: ChooseBy::Marker });
    }
    let task = TaskRef::parse(&task.ok_or(SettingsError::NoTask)?).map_err(SettingsError::Task)?;
    match (&task, &ecs_cluster) {
        (TaskRef::Arn(arn), given) => match (arn.ecs_cluster(), given) {
            (None, None) => return Err(SettingsError::NoCluster),
            (Some(of_task), Some(given)) if of_task != given.name() => {
                return Err(SettingsError::ClusterMismatch { of_task: of_task.to_owned(), given: given.name().to_owned() });
            }
            _ => {}
        },
        (_, None) => return Err(SettingsError::NoCluster),
        _ => {}
    }
    Ok(TaskChoice { ecs_cluster, by: ChooseBy::Name(task) })
}

fn io_mode(args: &Args, terminals: Terminals) -> Result<IoMode, SettingsError> {
    let (asks, refuses) = match (args.tty, args.no_tty) {
        (true, true) => (args.typed.has("--tty"), args.typed.has("--no-tty")),
        other => other,
    };
    if asks == refuses && args.tty {
        return Err(SettingsError::TtyBoth);
    }
    let tty = asks || (!refuses && (args.no_wrap || (terminals.stdin && terminals.stdout)));
    Ok(IoMode { tty, interactive: tty && terminals.stdin, pipe_encoding: args.pipe_encoding, no_wrap: args.no_wrap })
}

/// In pipes a time-out from the environment means nothing; one that was typed is a mistake.
fn idle_timeout(given: Option<Duration>, io: IoMode, typed: bool) -> Result<Option<Duration>, SettingsError> {
    let given = given.filter(|timeout| !timeout.is_zero());
    if given.is_some() && typed && !io.interactive {
        return Err(SettingsError::IdleWithoutTerminal);
    }
    Ok(given.filter(|_| io.interactive))
}

/// An empty text is no place: so a flag can undo what a file says.
fn record_places(group: Option<String>, bucket: Option<String>) -> Result<Vec<Place>, SettingsError> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let group = given(group).map(|text| LogGroup::parse(&text).map(Place::LogGroup)).transpose();
    let bucket = given(bucket).map(|text| Bucket::parse(&text).map(Place::Bucket)).transpose();
    let group = group.map_err(|error| SettingsError::Place("--record-log-group", error))?;
    Ok(group.into_iter().chain(bucket.map_err(|error| SettingsError::Place("--record-bucket", error))?).collect())
}

fn checked_user(user: String) -> Result<String, SettingsError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if user.is_empty() || user.len() > 32 || user.starts_with(['-', '.']) || !user.bytes().all(fits) {
        return Err(SettingsError::User(printable(&user, 64)));
    }
    Ok(user)
}

fn checked_reason(reason: String) -> Result<String, SettingsError> {
    let count = reason.chars().count();
    if count > REASON_MAX || reason.chars().any(char::is_control) { Err(SettingsError::Reason(count)) } else { Ok(reason) }
}

fn variables(given: &[String], allow_secrets: bool) -> Result<Vec<(String, String)>, SettingsError> {
    let mut variables = Vec::new();
    for assignment in given.iter().filter(|text| !text.is_empty()) {
        let name_value = assignment.split_once('=').filter(|(name, _)| is_variable_name(name));
        let Some((name, value)) = name_value else {
            // Only the part before `=` is shown: the value may be a secret.
            let name = assignment.split('=').next().unwrap_or_default();
            return Err(SettingsError::Variable(printable(name, 64)));
        };
        if !allow_secrets && looks_secret(name) {
            return Err(SettingsError::SecretVariable(name.to_owned()));
        }
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("AWS_")
        || ["_TOKEN", "_SECRET", "PASSWORD"].iter().any(|end| name.ends_with(end))
        || name == "TOKEN"
        || name == "SECRET"
}

fn program(argv: Vec<std::ffi::OsString>, command: Option<&str>) -> Result<Program, SettingsError> {
    if let Some(text) = command {
        let argv = remote_script::split_like_agent(text).map_err(SettingsError::Split)?;
        return if argv.is_empty() { Err(SettingsError::EmptyCommand) } else { Ok(Program::Argv(argv)) };
    }
    if argv.is_empty() {
        return Ok(Program::LoginShell);
    }
    let texts = argv.into_iter().enumerate().map(|(n, arg)| arg.into_string().map_err(|_| SettingsError::NotUtf8(n + 1)));
    texts.collect::<Result<Vec<_>, _>>().map(Program::Argv)
}

fn route(via: Via, boundary: &BoundaryEnvironment) -> Result<Route, SettingsError> {
    match (via, &boundary.listener) {
        (Via::Direct, _) => Ok(Route::Direct),
        (Via::Boundary, Some(Listener::Address(address))) => Ok(Route::Boundary(*address)),
        (Via::Boundary, Some(Listener::Unusable(text))) => Err(SettingsError::BadListener(printable(text, 64))),
        (Via::Boundary, None) => Err(SettingsError::NoListener),
    }
}

fn boundary_session(given: Option<&str>, environment: &BoundaryEnvironment) -> Result<BoundarySession, SettingsError> {
    let given = given.filter(|id| !id.is_empty()).map(BoundarySessionId::parse).transpose().map_err(SettingsError::SessionId)?;
    let of_token = environment.authz_token.as_ref().map(read_token).transpose().map_err(SettingsError::Token)?;
    match (given, of_token) {
        (Some(given), Some(session)) if session.id.as_ref() != Some(&given) => Err(SettingsError::SessionIdMismatch {
            given: given.to_string(),
            of_token: session.id.map(|id| id.to_string()).unwrap_or_default(),
        }),
        (_, Some(session)) => Ok(session),
        (Some(id), None) => Ok(BoundarySession { id: Some(id), id_source: IdSource::Given, ..BoundarySession::unknown() }),
        (None, None) => Ok(BoundarySession::unknown()),
    }
}

fn escape(text: &str) -> Result<Option<u8>, SettingsError> {
    match text.as_bytes() {
        _ if text == "none" => Ok(None),
        [c] if c.is_ascii_graphic() => Ok(Some(*c)),
        _ => Err(SettingsError::Escape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    const ID: &str = "0123456789abcdef0123456789abcdef";
    const ON_TERMINAL: Terminals = Terminals { stdin: true, stdout: true };

    fn listener() -> BoundaryEnvironment {
        BoundaryEnvironment { listener: Some(Listener::Address(([127, 0, 0, 1], 9).into())), authz_token: None, token: None }
    }

    fn settled(given: &[&str]) -> Result<Settings, SettingsError> {
        let args = Args::read([&["x"], given].concat()).unwrap();
        settle_settings(args, &FileLayers::load_from(&[]).unwrap(), &listener(), ON_TERMINAL)
    }

    #[test]
    fn the_positional_form_is_cluster_task_container_user() {
        let settings = settled(&["dev", ID, "rosa-boundary", "sre"]).unwrap();
        assert_eq!(settings.task.ecs_cluster.unwrap().name(), "dev");
        assert_eq!(settings.task.by, ChooseBy::Name(TaskRef::Id(ID.to_owned())));
        assert_eq!(
            (settings.container.as_deref(), settings.user.as_str(), settings.user_defaulted),
            (Some("rosa-boundary"), "sre", false)
        );
    }

    #[test]
    fn root_is_the_last_resort_and_marked_as_such() {
        let settings = settled(&["dev", ID]).unwrap();
        assert_eq!((settings.user.as_str(), settings.user_defaulted), ("root", true));
    }

    #[test]
    fn an_arn_brings_cluster_and_region() {
        let arn = format!("arn:aws:ecs:eu-west-1:123456789012:task/dev/{ID}");
        let settings = settled(&["--task", &arn]).unwrap();
        assert_eq!(settings.region.as_deref(), Some("eu-west-1"));
        assert!(matches!(settled(&["other", &arn]), Err(SettingsError::ClusterMismatch { .. })));
    }

    #[test]
    fn a_task_needs_a_cluster_and_a_name() {
        assert!(matches!(settled(&[]), Err(SettingsError::NoTask)));
        assert!(matches!(settled(&["--task", "0123"]), Err(SettingsError::NoCluster)));
        assert!(matches!(settled(&["--investigation-id", "7"]), Err(SettingsError::NoCluster)));
        assert!(matches!(settled(&["dev", "--investigation-id", "7", "0123"]), Err(SettingsError::TooMany)));
    }

    #[test]
    fn credentials_do_not_go_into_the_audit_log_by_accident() {
        for name in ["AWS_REGION", "GITHUB_TOKEN", "X_SECRET", "PGPASSWORD", "aws_x"] {
            let assignment = format!("{name}=x");
            assert!(matches!(settled(&["dev", ID, "--env", &assignment]), Err(SettingsError::SecretVariable(_))), "{name}");
            assert!(settled(&["dev", ID, "--env", &assignment, "--allow-env-in-cloudtrail"]).is_ok());
        }
        assert_eq!(settled(&["dev", ID, "--env", "A=b=c"]).unwrap().variables, [("A".to_owned(), "b=c".to_owned())]);
        let error = settled(&["dev", ID, "--env", "1A=s3cret"]).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_command_is_an_argv_or_a_text_split_as_the_agent_would() {
        let by_text = settled(&["dev", ID, "-c", "sh -c 'echo \"a b\"' # comment"]).unwrap().program;
        assert_eq!(by_text, Program::Argv(vec!["sh".into(), "-c".into(), "echo \"a b\"".into()]));
        let by_argv = settled(&["dev", ID, "--", "docker", "inspect", "-f", "{{.State}}"]).unwrap().program;
        assert_eq!(by_argv, Program::Argv(vec!["docker".into(), "inspect".into(), "-f".into(), "{{.State}}".into()]));
        assert!(matches!(settled(&["dev", ID, "-c", "echo 'open"]), Err(SettingsError::Split(_))));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let mut given: Vec<std::ffi::OsString> = ["x", "dev", ID, "--", "echo"].map(Into::into).to_vec();
        given.push(std::ffi::OsString::from_vec(vec![0xff]));
        let args = Args::read(given).unwrap();
        let result = settle_settings(args, &FileLayers::load_from(&[]).unwrap(), &listener(), ON_TERMINAL);
        assert!(matches!(result, Err(SettingsError::NotUtf8(2))));
    }

    #[test]
    fn without_boundary_only_an_explicit_word_goes_around_it() {
        let args = |given: &[&str]| Args::read([&["x", "dev", ID], given].concat()).unwrap();
        let files = FileLayers::load_from(&[]).unwrap();
        let none = BoundaryEnvironment::default();
        let refused = settle_settings(args(&[]), &files, &none, ON_TERMINAL).unwrap_err();
        assert!(refused.is_boundary_missing());
        assert_eq!(settle_settings(args(&["--via", "direct"]), &files, &none, ON_TERMINAL).unwrap().route, Route::Direct);
    }

    #[test]
    fn pipes_are_automatic_and_the_flags_win() {
        let piped = Terminals { stdin: false, stdout: true };
        let mode = |given: &[&str], terminals| {
            let args = Args::read([&["x", "dev", ID], given].concat()).unwrap();
            settle_settings(args, &FileLayers::load_from(&[]).unwrap(), &listener(), terminals).unwrap().io.tty
        };
        assert!(mode(&[], ON_TERMINAL));
        assert!(!mode(&[], piped));
        assert!(mode(&["-t"], piped));
        assert!(!mode(&["-T"], ON_TERMINAL));
    }

    #[test]
    fn what_was_typed_is_said_once() {
        assert!(matches!(settled(&["dev", ID, "--cluster", "other"]), Err(SettingsError::Twice("--cluster"))));
        assert!(matches!(settled(&["dev", ID, "-c", "ls", "--", "ls"]), Err(SettingsError::Twice("the command"))));
        assert!(matches!(settled(&["dev", ID, "-t", "-T"]), Err(SettingsError::TtyBoth)));
    }

    #[test]
    fn a_record_goes_to_a_group_a_bucket_both_or_neither() {
        let places = |given: &[&str]| {
            let settings = settled(&[&["dev", ID], given].concat())?;
            Ok::<_, SettingsError>(settings.record_places.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert!(places(&["--record-log-group", ""]).unwrap().is_empty());
        let both = places(&["--record-bucket", "s3://abc/x", "--record-log-group", "/links"]).unwrap();
        assert_eq!(both, ["/links", "s3://abc/x"]);
        assert!(matches!(places(&["--record-bucket", "abc"]), Err(SettingsError::Place("--record-bucket", _))));
        assert!(matches!(places(&["--record-log-group", "s3://abc"]), Err(SettingsError::Place("--record-log-group", _))));
    }

    #[test]
    fn only_a_login_shell_on_a_terminal_marks_its_commands() {
        assert!(settled(&["dev", ID, "--mark-commands"]).unwrap().marks());
        for given in [&["-T"][..], &["--", "bash"]] {
            assert!(!settled(&[&["dev", ID, "--mark-commands"], given].concat()).unwrap().marks(), "{given:?}");
        }
        assert!(!settled(&["dev", ID]).unwrap().marks());
        assert!(matches!(settled(&["dev", ID, "--mark-commands", "--no-wrap"]), Err(SettingsError::NoWrap(_))));
    }

    #[test]
    fn bytes_from_a_pipe_are_no_keys() {
        let piped = Terminals { stdin: false, stdout: true };
        let args = Args::read(["x", "dev", ID, "-t"]).unwrap();
        let settings = settle_settings(args, &FileLayers::load_from(&[]).unwrap(), &listener(), piped).unwrap();
        assert!(settings.io.tty && !settings.io.interactive);
    }

    #[test]
    fn a_user_is_a_users_name() {
        for bad in ["", "-x", "a b", "a;b", "../x", "$(id)"] {
            assert!(checked_user(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}

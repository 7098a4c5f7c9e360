//! The whole way, from the first line of `main` to the exit code.

use crate::args::{self, Args};
use crate::attention::Attention;
use crate::authorise::Way;
use crate::config::FileConfig;
use crate::controller::Controller;
use crate::conversation::{Conversation, Dialect};
use crate::deadlines::Deadlines;
use crate::ending::{Ending, ExitSource, Reason};
use crate::escape::Escapes;
use crate::native::{self, Native};
use crate::open::{NotOpened, Order, execute, upgrade};
use crate::policy::Policy;
use crate::pump::{Pump, PumpEnd, now};
use crate::record::{Facts, OutputDigestFacts, Record, Recorder, RemoteEnd, ResultFile};
use crate::resolve::{Cloud, Resolved, connect_cloud, first_look, refused, wait_until_ready};
use crate::resume::Resuming;
use crate::rights::Rights;
use crate::say::Say;
use crate::settings::{ChooseBy, Route, Settings, SettingsError, Terminals, settle_settings};
use crate::settle::{Settling, terminate};
use crate::terminal::{Mode, Terminal};
use crate::transcript::{Recording, automatic_path};
use crate::{doctor, environment, extras, signals, terminal};
use cli_kit::logging::{Gate, LogFormat, LogSettings};
use cli_kit::{FileLayers, chain_text, exit};
use investigation::{Marker, TaskRef};
use jiff::Timestamp;
use remote_script::{Launch, Nonce};
use secrecy::ExposeSecret;
use ssm_proto::{EncryptionPolicy, Link, LinkConfig, SystemEntropy};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long ended sessions may take to be ended at AWS when they never opened.
const TERMINATE_WITHIN: Duration = Duration::from_secs(5);

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(code) = extras::run(&arguments) {
        return code;
    }
    let boundary = environment::take();
    terminal::end_on_panic();
    if let Err(error) = signals::block() {
        return report(&Ending::failed(Reason::Protocol, format!("failed to block signals: {error}")), Say { quiet: false });
    }
    // The first random draw costs 20 ms: it overlaps with everything that needs no secret yet.
    let warming = std::thread::Builder::new().name("warm-up".to_owned()).spawn(ssm_channel::warm_up);
    drop(warming);
    let args = match Args::read(arguments) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let say = Say { quiet: args.quiet };
    let gate = match log(&args) {
        Ok(gate) => gate,
        Err(ending) => return report(&ending, say),
    };
    let terminals = Terminals { stdin: std::io::stdin().is_terminal(), stdout: std::io::stdout().is_terminal() };
    let files = match FileLayers::<FileConfig>::load("ecs-exec-wrapper") {
        Ok(files) => files,
        Err(error) => return report(&Ending::failed(Reason::Configuration, chain_text(&error)), say),
    };
    let (result_path, doctor_args) = (args.result_file.clone(), args.doctor.clone());
    let mut settings = match settle_settings(args, &files, &boundary, terminals) {
        Ok(settings) => settings,
        Err(error) => {
            let (ending, facts) = (settings_ending(&error), Facts::new(Timestamp::now()));
            let file = result_path.as_deref().map(ResultFile::prepare).transpose();
            return report(&file.map_or_else(|other| other, |file| with_result(None, file.as_ref(), &facts, ending, say)), say);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Ending::failed(Reason::Protocol, format!("failed to start: {error}")), say),
    };
    if let Some(doctor_args) = doctor_args {
        let code = runtime.block_on(doctor::examine(settings, &boundary, &doctor_args));
        runtime.shutdown_background();
        return ExitCode::from(code);
    }
    let ready = Policy::load().and_then(|policy| {
        policy.apply(&mut settings)?;
        settings.controller = Controller::from_environment(&boundary)?;
        Ok(policy)
    });
    let ending = match ready {
        Ok(policy) => runtime.block_on(run(&mut settings, &policy, say, &gate)),
        Err(ending) => {
            let file = settings.result_file.as_deref().map(ResultFile::prepare).transpose();
            let facts = Facts::new(Timestamp::now());
            file.map_or_else(|other| other, |file| with_result(Some(&settings), file.as_ref(), &facts, ending, say))
        }
    };
    runtime.shutdown_background();
    report(&ending, say)
}

/// One run with settled settings: whatever happens, it is recorded and the result is written.
async fn run(settings: &mut Settings, policy: &Policy, say: Say, gate: &Gate) -> Ending {
    let mut facts = Facts::new(Timestamp::now());
    let result_file = match settings.result_file.as_deref().map(ResultFile::prepare).transpose() {
        Ok(result_file) => result_file,
        Err(ending) => return ending,
    };
    let recorder = match Recorder::open(settings.record, |text| say.important(text)) {
        Ok(recorder) => recorder,
        Err(ending) => return with_result(Some(settings), result_file.as_ref(), &facts, ending, say),
    };
    let mut native = None;
    let mut record = Record::new(recorder, settings);
    let ending = match session(settings, say, gate, &mut record, &mut facts, &mut native, policy).await {
        Ok(ending) | Err(ending) => ending,
    };
    if let Some(native) = native {
        native.cancel().await;
    }
    gate.release();
    record.end(settings, &facts, &ending, say).await;
    tell_remote_end(&facts, say);
    with_result(Some(settings), result_file.as_ref(), &facts, ending, say)
}

/// The session itself. The terminal is the user's again when this returns.
async fn session(
    settings: &mut Settings,
    say: Say,
    gate: &Gate,
    record: &mut Record,
    facts: &mut Facts,
    native: &mut Option<Native>,
    policy: &Policy,
) -> Result<Ending, Ending> {
    let signals =
        signals::start().map_err(|error| Ending::failed(Reason::Protocol, format!("failed to watch signals: {error}")))?;
    let mut terminal = Terminal::new(settings.io.tty);
    terminal.enter(Mode::Guarded);
    let mut attention = Attention::new(signals, terminal, settings);
    if let Some(target) = settings.connect.clone() {
        let opened = attention.during(open_native(settings, &target)).await??;
        attention.boundary = settings.boundary.clone();
        *native = Some(opened);
    }
    let brokered = native.as_ref().and_then(|native| native.credentials.as_ref());
    let cloud = connect_cloud(settings, brokered, &mut attention).await?;
    attention
        .start_waiting()
        .map_err(|error| Ending::failed(Reason::Protocol, format!("failed to read the terminal: {error}")))?;
    let way = Way::new(settings, cloud.aws.region(), native.as_ref())?;
    let until = Instant::now() + settings.wait;

    let (resolved, prepared, has_key) = prepare(settings, &cloud, &way, &mut attention, say).await?;
    facts.task_arn = Some(resolved.task_arn.to_string());
    let marker = native.as_ref().and_then(|native| native.marker.clone());
    attention.during(recognise(settings, &resolved, marker)).await??;
    let settings = &*settings;
    policy.permit(&resolved.ecs_cluster, &settings.boundary)?;
    let nonce = nonce()?;
    let command_line = command_line(settings, &nonce)?;
    if settings.dry_run {
        tell_plan(settings, &resolved, &command_line);
        return Err(Ending::failed(Reason::DryRun, "nothing was opened"));
    }
    let rights = Rights::of(&resolved.caller.arn);
    introduce(settings, &resolved, &rights, say);

    let recording = recording(settings, &resolved, &record.recorder)?;
    attention.during(record.start(settings, &resolved, &command_line, &cloud.aws, say)).await??;
    let caller_tags = cloud.aws.session_tags().await;
    let order = Order {
        services: &cloud.services,
        resolved: &resolved,
        command_line: &command_line,
        until,
        abac_tag: &settings.abac_tag,
        caller_tags: caller_tags.as_ref(),
    };
    let session = match execute(order, &mut attention, say).await {
        Ok(session) => session,
        Err(NotOpened { ending, session_id }) => {
            give_up(&cloud, session_id, facts).await;
            return Err(ending);
        }
    };
    facts.ssm_session_id = Some(session.session_id.clone());
    let channel = match attention.during(upgrade(&cloud, &way, prepared, &session, say)).await.and_then(|result| result) {
        Ok(channel) => channel,
        Err(ending) => {
            give_up(&cloud, Some(session.session_id), facts).await;
            return Err(ending);
        }
    };

    let link = link(settings, &session.session_id, has_key);
    let escapes = std::mem::replace(&mut attention.escapes, Escapes::new(None));
    let conversation =
        Conversation::new(link, dialect(settings, nonce, has_key), settings.io.interactive.then_some(escapes), now());
    let ids = (session.session_id.as_str(), resolved.ssm_target.as_str());
    let mut pump = Pump::new(conversation, channel, settings, &cloud.services, ids, say)
        .map_err(|error| Ending::failed(Reason::Protocol, format!("failed to start writing: {error}")))?;
    pump.recording = recording;
    pump.deadlines = deadlines(settings, &resolved);
    record.links.sweep();
    gate.hold();
    pump.conversation.handle_connected(Zeroizing::new(session.token.expose_secret().to_owned()), now());
    let resuming = Resuming { settings, cloud: &cloud, way: &way, session_id: ids.0, rights: &rights, say };
    let end = run_and_resume(&mut pump, &resuming, &mut attention).await;

    let settling = Settling { settings, services: &cloud.services, way: &way, resolved: &resolved, session_id: ids.0 };
    let (ending, remote_end) = settling.settle(&mut pump, end, &mut attention).await;
    facts.remote_end = remote_end;
    facts.counters = pump.conversation.counters();
    facts.commands_marked = pump.conversation.commands_marked().filter(|_| settings.marks());
    facts.digest = OutputDigestFacts::from(pump.conversation.digest());
    facts.transcript = pump.recording.take().map(|recording| recording.end(ending.exit_code));
    if facts.transcript.as_ref().is_some_and(|transcript| !transcript.complete) {
        say.important("the transcript is incomplete: its file could not be written to the end");
    }
    let patience = (ending.reason != Reason::Exited).then_some(Duration::from_secs(1));
    let garbage = pump.conversation.garbage();
    pump.finish(patience).await;
    drop(attention);
    if garbage > 0 {
        say.important(&format!("{garbage} bytes came from the container outside of its streams; they were left out"));
    }
    Ok(ending)
}

/// A Boundary session of our own, and the task that its target leads to.
async fn open_native(settings: &mut Settings, target: &str) -> Result<Native, Ending> {
    let controller = Controller::for_connect(settings.controller.as_ref()).await?;
    let native = native::open(&controller, target).await?;
    settings.controller = Some(controller);
    settings.boundary = native.session.clone();
    if let Some(marker) = &native.marker {
        if settings.task.by == ChooseBy::Marker {
            settings.task.by = ChooseBy::Name(TaskRef::Arn(marker.task_arn.clone()));
            settings.region.get_or_insert_with(|| marker.task_arn.region().to_owned());
        }
        settings.container = settings.container.take().or_else(|| marker.container.clone());
    }
    Ok(native)
}

/// Finds out which Boundary session carries us, if it is not known, and whether its target is meant for this task.
async fn recognise(settings: &mut Settings, resolved: &Resolved, known: Option<Marker>) -> Result<(), Ending> {
    let Some(controller) = &settings.controller else { return Ok(()) };
    if settings.boundary.id.is_none()
        && matches!(settings.route, Route::Boundary(_))
        && let Some(found) = controller.discover().await
    {
        settings.boundary = found;
    }
    let marker = match (known, &settings.boundary.target_id) {
        (None, Some(target_id)) if settings.route != Route::Worker => controller.marker(target_id).await,
        (known, _) => known,
    };
    marker.map_or(Ok(()), |marker| fits(&marker, resolved))
}

/// A marker is a claim; against another task or container it is a refusal all the same.
fn fits(marker: &Marker, resolved: &Resolved) -> Result<(), Ending> {
    let mismatch = |what: String| Err(Ending::failed(Reason::BoundaryTargetMismatch, what));
    if marker.task_arn != resolved.task_arn {
        return mismatch(format!("the Boundary target is for the task {}, not for {}", marker.task_arn, resolved.task_arn));
    }
    match &marker.container {
        Some(container) if *container != resolved.container => {
            mismatch(format!("the Boundary target is for the container {container}, not for {}", resolved.container))
        }
        _ => Ok(()),
    }
}

/// What `--dry-run` tells, on stdout.
#[expect(clippy::print_stdout, reason = "it is the report that was asked for")]
fn tell_plan(settings: &Settings, resolved: &Resolved, command_line: &str) {
    let boundary = &settings.boundary;
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
    println!("task              {}", resolved.task_arn);
    println!("container         {}", resolved.container);
    println!("user in it        {}", settings.user);
    println!("AWS caller        {}", cli_kit::printable(&resolved.caller.arn, 2048));
    println!("route             {}", settings.route.as_str());
    println!("Boundary target   {}", or_unknown(boundary.target_id.clone()));
    println!("Boundary session  {} ({})", or_unknown(boundary.id.as_ref().map(ToString::to_string)), boundary.id_source.as_str());
    println!("task ends         {}", or_unknown(resolved.deadline.map(|at| at.to_string())));
    let program = match &settings.program {
        remote_script::Program::LoginShell if settings.marks() => "a login shell that marks its commands".to_owned(),
        remote_script::Program::LoginShell => "a login shell".to_owned(),
        remote_script::Program::Argv(argv) => argv.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" "),
    };
    println!("program           {program}");
    let places = settings.record_places.iter().map(ToString::to_string);
    println!("record goes to    {}", std::iter::once("this machine".to_owned()).chain(places).collect::<Vec<_>>().join(", "));
    println!("variables         {}", settings.variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" "));
    println!("command line      {} bytes, kept in CloudTrail; -v shows it", command_line.len());
    tracing::info!(command_line, "not sent");
}

/// The times at which this session ends by itself.
fn deadlines(settings: &Settings, resolved: &Resolved) -> Deadlines {
    let now = Timestamp::now();
    let idle = settings.idle_timeout.and_then(|timeout| jiff::SignedDuration::try_from(timeout).ok());
    let mut deadlines = Deadlines::new(now, idle);
    deadlines.add("the Boundary session ends", settings.boundary.expires_at, now);
    deadlines.add("the task is stopped", resolved.deadline, now);
    deadlines
}

/// The recording that was asked for, begun.
fn recording(settings: &Settings, resolved: &Resolved, recorder: &Recorder) -> Result<Option<Recording>, Ending> {
    let Some(path) = &settings.transcript else { return Ok(None) };
    let automatic = || automatic_path(recorder.record_id(), Timestamp::now());
    let path = if path.as_os_str() == "auto" { automatic() } else { Some(path.clone()) };
    let path = path.ok_or_else(|| Ending::failed(Reason::Record, "neither XDG_STATE_HOME nor HOME says where transcripts go"))?;
    let title = format!("{} in task {}", resolved.container, resolved.task_arn.task_id());
    Recording::begin(&path, &title, settings.transcript_input).map(Some)
}

/// Pumps until something ends it that a new connection cannot mend.
async fn run_and_resume(pump: &mut Pump<'_>, resuming: &Resuming<'_>, attention: &mut Attention) -> PumpEnd {
    loop {
        let loss = match pump.run(attention).await {
            PumpEnd::Lost(loss) => loss,
            end => return end,
        };
        if let Some(end) = resuming.resume(pump, loss, attention).await {
            return end;
        }
    }
}

/// Identity, task and route: only reads, side by side; then the wait for the agent.
async fn prepare(
    settings: &Settings,
    cloud: &Cloud,
    way: &Way,
    attention: &mut Attention,
    say: Say,
) -> Result<(Resolved, Option<ssm_channel::Prepared>, Option<bool>), Ending> {
    let proved = async { if settings.insecure_loopback { Ok(None) } else { way.prove().await.map(Some) } };
    let reads =
        async { tokio::join!(cloud.aws.caller(), first_look(settings, &cloud.services), proved, cluster_key(settings, cloud)) };
    let (caller, task, proved, has_key) = attention.during(reads).await?;
    let caller = caller.map_err(|refusal| refused(&refusal))?;
    let task = task?;
    let resolved = attention.during(wait_until_ready(settings, &cloud.services, task, caller, say)).await??;
    Ok((resolved, proved?, has_key))
}

async fn cluster_key(settings: &Settings, cloud: &Cloud) -> Option<bool> {
    let cluster = match (&settings.task.by, &settings.task.ecs_cluster) {
        (crate::settings::ChooseBy::Name(investigation::TaskRef::Arn(arn)), _) if arn.ecs_cluster().is_some() => {
            arn.ecs_cluster()
        }
        (_, cluster) => cluster.as_ref().map(investigation::ClusterRef::name),
    };
    cloud.services.cluster_has_key(cluster?).await
}

fn nonce() -> Result<Nonce, Ending> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Ending::failed(Reason::Protocol, "failed to draw a random nonce"))?;
    Ok(Nonce::new(bytes))
}

fn command_line(settings: &Settings, nonce: &Nonce) -> Result<String, Ending> {
    let launch = Launch {
        nonce: nonce.clone(),
        mode: mode(settings),
        user: settings.user.clone(),
        env: settings.variables.clone(),
        boundary_session_id: settings.boundary.id.as_ref().map(ToString::to_string),
        program: settings.program.clone(),
        mark_commands: settings.marks(),
    };
    launch.command_line().map_err(|error| Ending::failed(Reason::Usage, format!("failed to {}", chain_text(&error))))
}

fn mode(settings: &Settings) -> remote_script::Mode {
    if settings.io.no_wrap {
        remote_script::Mode::NoWrap
    } else if settings.io.tty {
        remote_script::Mode::Terminal
    } else {
        remote_script::Mode::Pipes(pipe_encoding(settings))
    }
}

fn pipe_encoding(settings: &Settings) -> remote_script::PipeEncoding {
    match settings.io.pipe_encoding {
        args::PipeEncoding::Base64 => remote_script::PipeEncoding::Base64,
        args::PipeEncoding::None => remote_script::PipeEncoding::None,
    }
}

fn dialect(settings: &Settings, nonce: Nonce, has_key: Option<bool>) -> Dialect {
    match mode(settings) {
        remote_script::Mode::NoWrap => Dialect::Bare { known_unencrypted: has_key == Some(false) },
        remote_script::Mode::Terminal => Dialect::Terminal(nonce),
        remote_script::Mode::Pipes(encoding) => Dialect::Pipes(nonce, encoding),
    }
}

fn link(settings: &Settings, session_id: &str, has_key: Option<bool>) -> Link {
    let encryption = match (settings.encryption, has_key) {
        (args::Encryption::Required, _) | (args::Encryption::Auto, Some(true)) => EncryptionPolicy::Required,
        (args::Encryption::Auto, Some(false)) => EncryptionPolicy::Forbidden,
        _ => EncryptionPolicy::Allowed,
    };
    let config = LinkConfig { session_id: session_id.to_owned(), encryption, ..LinkConfig::default() };
    Link::new(config, Box::new(SystemEntropy))
}

/// What the user should know before the session opens. Nothing in pipes unless it matters.
fn introduce(settings: &Settings, resolved: &Resolved, rights: &Rights, say: Say) {
    if settings.io.no_wrap {
        say.important(
            "without our script (--no-wrap) the exit code of this session cannot be known; it will be 255, exit-unknown",
        );
    }
    if !settings.io.tty {
        return;
    }
    if settings.user_defaulted {
        say.status("no user is given or configured (default_user): this shell is root's");
    }
    if settings.route.as_str() == "direct" {
        say.status("going around Boundary (--via direct): it neither sees nor cuts this session");
    }
    if settings.mark_commands && !settings.marks() {
        say.status("commands are not marked: only a login shell on a terminal marks them (--mark-commands)");
    }
    if rights.is_resume_denied() {
        say.status("your role may not resume sessions (ssm:ResumeSession): this one ends at the service's hourly close, or with any lost connection");
    }
    let boundary = settings.boundary.id.as_ref().map(|id| format!(", Boundary session {id}")).unwrap_or_default();
    say.status(&format!("opening {} in task {}{boundary}", resolved.container, resolved.task_arn.task_id()));
}

/// Ends a session that never opened, so that nothing is left hanging in the task.
async fn give_up(cloud: &Cloud, session_id: Option<String>, facts: &mut Facts) {
    if let Some(session_id) = session_id {
        facts.remote_end = terminate(&cloud.services, &session_id, Instant::now() + TERMINATE_WITHIN).await;
        facts.ssm_session_id = Some(session_id);
    }
}

fn tell_remote_end(facts: &Facts, say: Say) {
    if facts.ssm_session_id.is_none() {
        return;
    }
    match facts.remote_end {
        RemoteEnd::Denied => say.important(
            "AWS did not let us end the session (ssm:TerminateSession on arn:aws:ssm:*:*:session/ecs-execute-command-*): the program in the container may still run",
        ),
        RemoteEnd::Unknown => say.important("it is not known whether the program in the container still runs"),
        RemoteEnd::Confirmed | RemoteEnd::Requested => {}
    }
}

fn with_result(settings: Option<&Settings>, file: Option<&ResultFile>, facts: &Facts, ending: Ending, say: Say) -> Ending {
    if let Some(Err(error)) = file.map(|file| file.write(settings, facts, &ending, Timestamp::now())) {
        say.important(&format!("failed to write the result file: {error}"));
    }
    ending
}

fn settings_ending(error: &SettingsError) -> Ending {
    let reason = if error.is_boundary_missing() { Reason::BoundaryMissing } else { Reason::Usage };
    Ending::failed(reason, chain_text(error))
}

fn log(args: &Args) -> Result<Gate, Ending> {
    let format = match args.log_format {
        args::LogFormat::Text => LogFormat::Text,
        args::LogFormat::Json => LogFormat::Json,
    };
    let open =
        |path: &std::path::PathBuf| {
            std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                Ending::failed(Reason::Usage, format!("failed to open the log file `{}`: {error}", path.display()))
            })
        };
    let file = args.log_file.as_ref().map(open).transpose()?;
    Ok(cli_kit::logging::init(LogSettings { verbosity: args.verbose, quiet: args.quiet, format, file }))
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version are what was asked for; everything else is wrong usage.
    let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
    let _ = error.print();
    ExitCode::from(code)
}

/// Tells how it ended and turns it into the exit code.
fn report(ending: &Ending, say: Say) -> ExitCode {
    if ending.reason == Reason::DryRun {
        say.status(&ending.sentence);
    } else if ending.reason == Reason::Exited {
        if !ending.sentence.is_empty() {
            say.important(&ending.sentence);
        }
    } else {
        let advice = ending.reason.advice();
        let advice = if advice.is_empty() { String::new() } else { format!("\n  {advice}") };
        say.important(&format!("{} [{}]{advice}", ending.sentence, ending.reason.as_str()));
    }
    debug_assert!(
        ending.exit_source == ExitSource::Marker || ending.reason == Reason::DryRun || !matches!(ending.exit_code, 0..=3)
    );
    ExitCode::from(ending.exit_code)
}

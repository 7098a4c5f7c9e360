//! Writes the session record, and the result file.
//!
//! Owns where they are and what goes in; [`audit_record`] owns their form.

use crate::args::RecordMode;
use crate::boundary::IdSource;
use crate::ending::{Ending, Reason};
use crate::links::Links;
use crate::resolve::Resolved;
use crate::say::Say;
use crate::settings::Settings;
use audit_record::{FORMAT_VERSION, Journal, OutputDigest, SessionEnd, SessionLine, SessionStart, Transcript, sha256_hex};
use aws_identity::Aws;
use cli_kit::chain_text;
use jiff::Timestamp;
use serde::Serialize;
use ssm_proto::Counters;
use std::io;
use std::path::{Path, PathBuf};

/// Whether the program in the container is known to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RemoteEnd {
    /// The gateway said that the session is closed.
    Confirmed,
    /// AWS was asked to end it and said yes, which proves nothing.
    Requested,
    /// AWS did not permit us to end it: the program may still run.
    Denied,
    /// AWS could not be asked, or there was nothing to end.
    Unknown,
}

impl RemoteEnd {
    /// The word used in records and results.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Requested => "requested",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known about a run, whatever became of it.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// When we started.
    pub(crate) started_at: Timestamp,
    /// The ECS Exec session.
    pub(crate) ssm_session_id: Option<String>,
    /// The task, once it is known.
    pub(crate) task_arn: Option<String>,
    /// Whether the program in the container is known to have ended.
    pub(crate) remote_end: RemoteEnd,
    /// The link's counters.
    pub(crate) counters: Counters,
    /// Digest of the output.
    pub(crate) digest: OutputDigestFacts,
    /// The recording.
    pub(crate) transcript: Option<Transcript>,
    /// How many commands were marked, when a shell marked any.
    pub(crate) commands_marked: Option<u64>,
}

/// A digest that is done.
#[derive(Debug, Clone)]
pub(crate) struct OutputDigestFacts {
    sha256: String,
    canonical_bytes: u64,
    checkpoints: Vec<audit_record::Checkpoint>,
}

impl From<&OutputDigest> for OutputDigestFacts {
    fn from(digest: &OutputDigest) -> Self {
        Self { sha256: digest.sha256(), canonical_bytes: digest.canonical_bytes(), checkpoints: digest.checkpoints().to_vec() }
    }
}

impl Facts {
    /// Nothing is known but the time.
    pub(crate) fn new(started_at: Timestamp) -> Self {
        Self {
            started_at,
            ssm_session_id: None,
            task_arn: None,
            remote_end: RemoteEnd::Unknown,
            counters: Counters::default(),
            digest: OutputDigestFacts::from(&OutputDigest::default()),
            transcript: None,
            commands_marked: None,
        }
    }
}

/// The journal of this user on this machine, or none when it may be lacking.
#[derive(Debug)]
pub(crate) struct Recorder {
    journal: Option<Journal>,
    record_id: String,
    started: bool,
}

impl Recorder {
    /// Opens the journal and proves that it can be written.
    ///
    /// # Errors
    /// The ending, when a record is required and cannot be had.
    pub(crate) fn open(mode: RecordMode, warn: impl Fn(&str)) -> Result<Self, Ending> {
        let record_id = hex_id().map_err(|()| Ending::failed(Reason::Record, "failed to draw a random record id"))?;
        match journal_path().and_then(|path| Journal::open(&path).map_err(|error| chain_text(&error))) {
            Ok(journal) => Ok(Self { journal: Some(journal), record_id, started: false }),
            Err(why) if mode == RecordMode::Required => {
                Err(Ending::failed(Reason::Record, format!("no session is opened without a record: {why}")))
            }
            Err(why) => {
                warn(&format!("this session is not recorded: {why}"));
                Ok(Self { journal: None, record_id, started: false })
            }
        }
    }

    /// The id that joins start and end.
    pub(crate) fn record_id(&self) -> &str {
        &self.record_id
    }

    /// Writes the start line, durable when this returns, and returns it as it stands in the journal; none when there is none.
    ///
    /// # Errors
    /// The ending, when a record is required and cannot be written.
    pub(crate) fn start(&mut self, mode: RecordMode, start: SessionStart, warn: impl Fn(&str)) -> Result<Option<String>, Ending> {
        let Some(journal) = &mut self.journal else { return Ok(None) };
        match journal.append(SessionLine::SessionStart(Box::new(start))) {
            Ok(line) => {
                self.started = true;
                Ok(Some(line))
            }
            Err(error) if mode == RecordMode::Required => {
                Err(Ending::failed(Reason::Record, format!("no session is opened without a record: {}", chain_text(&error))))
            }
            Err(error) => {
                warn(&format!("this session is not recorded: {}", chain_text(&error)));
                self.journal = None;
                Ok(None)
            }
        }
    }

    /// The content of the start line.
    pub(crate) fn start_line(&self, settings: &Settings, resolved: &Resolved, command_line: &str, at: Timestamp) -> SessionStart {
        SessionStart {
            format_version: FORMAT_VERSION,
            record_id: self.record_id.clone(),
            at,
            wrapper_version: env!("CARGO_PKG_VERSION").to_owned(),
            script: if settings.io.no_wrap { "none".to_owned() } else { format!("v{}", remote_script::SCRIPT_VERSION) },
            local_user: local_user(),
            host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            principal_arn: Some(resolved.caller.arn.clone()),
            boundary_session_id: settings.boundary.id.as_ref().map(ToString::to_string),
            boundary_session_id_source: settings.boundary.id_source.as_str().to_owned(),
            boundary_target_id: settings.boundary.target_id.clone(),
            boundary_user_id: settings.boundary.user_id.clone(),
            boundary_correlation_id: settings.controller.as_ref().map(|controller| controller.correlation_id.to_string()),
            task_arn: resolved.task_arn.to_string(),
            container: resolved.container.clone(),
            runtime_id: resolved.runtime_id.clone(),
            container_user: settings.user.clone(),
            route: settings.route.as_str().to_owned(),
            reason: settings.reason.clone(),
            command_sha256: sha256_hex(command_line.as_bytes()),
        }
    }

    /// Writes the end line of a session whose start line was written, and returns it as it stands in the journal.
    ///
    /// # Errors
    /// What is wrong with the journal, as text: the session itself is over and its exit code stands.
    pub(crate) fn end(
        &mut self,
        settings: &Settings,
        facts: &Facts,
        ending: &Ending,
        at: Timestamp,
    ) -> Result<Option<String>, String> {
        let Some(journal) = self.journal.as_mut().filter(|_| self.started) else { return Ok(None) };
        let counters = &facts.counters;
        let end = SessionEnd {
            format_version: FORMAT_VERSION,
            record_id: self.record_id.clone(),
            at,
            ssm_session_id: facts.ssm_session_id.clone(),
            task_arn: facts.task_arn.clone().unwrap_or_default(),
            boundary_session_id: settings.boundary.id.as_ref().map(ToString::to_string),
            exit_code: ending.exit_code,
            exit_source: ending.exit_source.as_str().to_owned(),
            ending: ending.reason.as_str().to_owned(),
            remote_end: facts.remote_end.as_str().to_owned(),
            bytes_in: counters.input_bytes,
            bytes_out: counters.output_bytes,
            input_dropped: counters.input_dropped,
            resumes: u32::try_from(counters.reconnects).unwrap_or(u32::MAX),
            output_sha256: facts.digest.sha256.clone(),
            output_canonical_bytes: facts.digest.canonical_bytes,
            output_checkpoints: facts.digest.checkpoints.clone(),
            transcript: facts.transcript.clone(),
            commands_marked: facts.commands_marked,
        };
        journal.append(SessionLine::SessionEnd(Box::new(end))).map(Some).map_err(|error| chain_text(&error))
    }
}

/// What is written down, and where it goes from there.
#[derive(Debug)]
pub(crate) struct Record {
    /// The journal's part.
    pub(crate) recorder: Recorder,
    /// The part of the places beside it.
    pub(crate) links: Links,
}

impl Record {
    /// Begins; nothing is written or sent.
    pub(crate) fn new(recorder: Recorder, settings: &Settings) -> Self {
        Self { recorder, links: Links::new(settings) }
    }

    /// Writes the start line; where a record is required, it is at all its places when this returns.
    ///
    /// # Errors
    /// The ending, when a record is required and cannot be had.
    pub(crate) async fn start(
        &mut self,
        settings: &Settings,
        resolved: &Resolved,
        command_line: &str,
        aws: &Aws,
        say: Say,
    ) -> Result<(), Ending> {
        let start = self.recorder.start_line(settings, resolved, command_line, Timestamp::now());
        let Some(line) = self.recorder.start(settings.record, start, |text| say.important(text))? else { return Ok(()) };
        let warnings = self
            .links
            .start(&line, aws, &resolved.caller, settings.record)
            .await
            .map_err(|why| Ending::failed(Reason::Record, format!("no session is opened without a record: {why}")))?;
        for text in warnings {
            say.important(&text);
        }
        Ok(())
    }

    /// Writes the end line and sends it, for a bounded time.
    pub(crate) async fn end(&mut self, settings: &Settings, facts: &Facts, ending: &Ending, say: Say) {
        let line = self.recorder.end(settings, facts, ending, Timestamp::now()).unwrap_or_else(|why| {
            say.important(&format!("the end of this session is not recorded: {why}"));
            None
        });
        for text in self.links.end(line.as_deref()).await {
            say.important(&text);
        }
    }
}

/// The result file, proved to be writable before anything is opened, written when all is over.
#[derive(Debug)]
pub(crate) struct ResultFile {
    path: PathBuf,
}

/// The result file's content; format version 1.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    format_version: u32,
    exit_code: u8,
    exit_source: crate::ending::ExitSource,
    reason: Reason,
    message: &'a str,
    boundary_session_id: Option<String>,
    boundary_session_id_source: &'static str,
    ssm_session_id: Option<&'a str>,
    task_arn: Option<&'a str>,
    route: &'static str,
    bytes_in: u64,
    bytes_out: u64,
    input_dropped: u64,
    resumes: u64,
    remote_end: RemoteEnd,
    started_at: Timestamp,
    ended_at: Timestamp,
}

impl ResultFile {
    /// Proves that the file can be written, by writing a beginning beside it.
    ///
    /// # Errors
    /// The ending that names the file.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Ending> {
        let file = Self { path: path.to_owned() };
        let proved = std::fs::write(file.beside(), b"").and_then(|()| std::fs::remove_file(file.beside()));
        proved.map_err(|error| {
            Ending::failed(Reason::Usage, format!("failed to write beside the result file `{}`: {error}", path.display()))
        })?;
        Ok(file)
    }

    /// Writes the file whole, or leaves what was there.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(
        &self,
        settings: Option<&Settings>,
        facts: &Facts,
        ending: &Ending,
        ended_at: Timestamp,
    ) -> io::Result<()> {
        let outcome = Outcome {
            format_version: 1,
            exit_code: ending.exit_code,
            exit_source: ending.exit_source,
            reason: ending.reason,
            message: &ending.sentence,
            boundary_session_id: settings.and_then(|settings| settings.boundary.id.as_ref()).map(ToString::to_string),
            boundary_session_id_source: settings.map_or(IdSource::Unknown, |settings| settings.boundary.id_source).as_str(),
            ssm_session_id: facts.ssm_session_id.as_deref(),
            task_arn: facts.task_arn.as_deref(),
            route: settings.map_or("unknown", |settings| settings.route.as_str()),
            bytes_in: facts.counters.input_bytes,
            bytes_out: facts.counters.output_bytes,
            input_dropped: facts.counters.input_dropped,
            resumes: facts.counters.reconnects,
            remote_end: facts.remote_end,
            started_at: facts.started_at,
            ended_at,
        };
        let mut text = serde_json::to_vec_pretty(&outcome)?;
        text.push(b'\n');
        std::fs::write(self.beside(), text)?;
        std::fs::rename(self.beside(), &self.path)
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        PathBuf::from(name)
    }
}

/// Where this program keeps what it knows: `$XDG_STATE_HOME/ecs-exec-wrapper`, else below `~/.local/state`.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))?;
    Some(state.join("ecs-exec-wrapper"))
}

fn journal_path() -> Result<PathBuf, String> {
    let folder = state_folder().ok_or("neither XDG_STATE_HOME nor HOME says where records go")?;
    Ok(folder.join("sessions.jsonl"))
}

pub(crate) fn local_user() -> String {
    let uid = nix::unistd::getuid();
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

fn hex_id() -> Result<String, ()> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(drop)?;
    Ok(audit_record::hex(&bytes))
}

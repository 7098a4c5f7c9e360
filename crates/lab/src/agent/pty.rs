//! The agent's child: an argv from the command text, on a PTY of its own, in the "container": the host's programs as the
//! current user, with HOME in the lab's folder and the configured shell as `sh`.

use std::io;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pty_process::{OwnedReadPty, OwnedWritePty};
use remote_script::split_like_agent;
use tokio::process::Child;

use crate::journal::ChildStatus;
use crate::shared::Shared;

/// A running child and both halves of its terminal.
pub(crate) struct Running {
    pub(crate) argv: Vec<String>,
    pub(crate) child: Child,
    pub(crate) reader: OwnedReadPty,
    pub(crate) writer: OwnedWritePty,
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("split the command")]
    Split(#[from] remote_script::SplitError),
    #[error("open a pty")]
    Open(#[source] pty_process::Error),
    #[error("run {program}")]
    Run {
        program: String,
        #[source]
        source: pty_process::Error,
    },
}

/// Starts a command; an empty one is `sh`.
pub(crate) fn start(shared: &Shared, command: &str) -> Result<Running, StartError> {
    let mut argv = split_like_agent(command)?;
    if argv.is_empty() {
        argv.push("sh".to_owned());
    }
    let (pty, pts) = pty_process::open().map_err(StartError::Open)?;
    let program = container_program(shared, &argv[0]);
    let child = pty_process::Command::new(&program)
        .arg0(&argv[0])
        .args(&argv[1..])
        .env_clear()
        .env("PATH", &shared.container_path)
        .env("HOME", &shared.container_home)
        .env("TERM", "xterm-256color")
        .env("LANG", "C.UTF-8")
        .current_dir(&shared.container_home)
        .kill_on_drop(true)
        .spawn(pts)
        .map_err(|source| StartError::Run { program: argv[0].clone(), source })?;
    let (reader, writer) = pty.into_split();
    Ok(Running { argv, child, reader, writer })
}

/// Finds a program as the container would: `sh` is the configured shell, whatever path it is called by.
fn container_program(shared: &Shared, name: &str) -> String {
    let name = if name == "/bin/sh" { "sh" } else { name };
    if name.contains('/') {
        return name.to_owned();
    }
    let candidates = shared.container_path.split(':').map(|folder| Path::new(folder).join(name));
    candidates.into_iter().find(|path| path.is_file()).map_or_else(|| name.to_owned(), |path| path.display().to_string())
}

/// Kills the direct child only, as the agent does.
pub(crate) fn kill_child(child: &Child) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Says how a child ended.
pub(crate) fn status_of(status: &io::Result<std::process::ExitStatus>) -> ChildStatus {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => ChildStatus::Code(code),
            (None, Some(signal)) => ChildStatus::Signal(signal),
            (None, None) => ChildStatus::Unknown,
        },
        Err(_) => ChildStatus::Unknown,
    }
}

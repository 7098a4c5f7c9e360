//! Who is measured over which way, and how each is started in a world.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use lab::{StreamForm, World, WorldOptions};
use pty_process::blocking::Command;

/// Name of the container that is entered.
const CONTAINER: &str = "rosa-boundary";

/// Variables of the caller's shell that would change the ways.
const OTHER_WAYS: [&str; 8] =
    ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy", "AWS_PROFILE", "BOUNDARY_PROXIED_ADDR"];

/// A program and its way to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    /// Ours, TLS through the worker.
    OursTls,
    /// Ours, plain WebSocket to loopback.
    OursPlain,
    /// Ours, TLS through the worker, encrypted with the cluster's KMS key.
    OursKms,
    /// AWS CLI and plugin, TLS through a CONNECT proxy: the plugin knows no worker.
    StockTls,
    /// AWS CLI and plugin, plain WebSocket to loopback.
    StockPlain,
}

impl Case {
    pub(crate) const ALL: [Self; 5] = [Self::OursTls, Self::StockTls, Self::OursPlain, Self::StockPlain, Self::OursKms];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OursTls => "ours, TLS",
            Self::OursPlain => "ours, plain",
            Self::OursKms => "ours, TLS+KMS",
            Self::StockTls => "CLI, TLS",
            Self::StockPlain => "CLI, plain",
        }
    }

    pub(crate) fn is_stock(self) -> bool {
        matches!(self, Self::StockTls | Self::StockPlain)
    }

    fn is_plain(self) -> bool {
        matches!(self, Self::OursPlain | Self::StockPlain)
    }

    /// A world without the agent's fixed second and without its millisecond after each message: both are the same for all.
    /// In the place of the second the agent waits for its client, or its first words would be lost, more often for a slow
    /// client than for a quick one, and come again 200 ms later.
    pub(crate) fn world(self) -> WorldOptions {
        WorldOptions {
            kms: self == Self::OursKms,
            only_via_worker: false,
            agent_start_delay: Duration::ZERO,
            agent_waits_for_client: true,
            stream_form: if self.is_plain() { StreamForm::Loopback } else { StreamForm::Aws },
            ..WorldOptions::default()
        }
    }
}

/// The programs on this machine.
pub(crate) struct Programs {
    wrapper: PathBuf,
    aws: Option<PathBuf>,
    plugin: Option<PathBuf>,
}

impl Programs {
    pub(crate) fn find(wrapper: PathBuf) -> Self {
        Self { wrapper, aws: on_path("aws"), plugin: on_path("session-manager-plugin") }
    }

    pub(crate) fn has(&self, case: Case) -> bool {
        !case.is_stock() || (self.aws.is_some() && self.plugin.is_some())
    }

    /// Names what is measured.
    pub(crate) fn introduction(&self) -> String {
        let mut text = format!("ours: {}\n", self.wrapper.display());
        match (&self.aws, &self.plugin) {
            (Some(aws), Some(plugin)) => {
                text += &format!("CLI: {}, {}\n", aws.display(), version(aws));
                text += &format!("plugin: {}, {}\n", plugin.display(), version(plugin));
                if aws.components().any(|part| part.as_os_str() == "shims") {
                    text += "note: this aws is a version manager's shim, whose own time counts; put the real one first on PATH\n";
                }
            }
            (None, _) => text += "the AWS CLI is not on PATH: ours only\n",
            (_, None) => text += "session-manager-plugin is not on PATH: ours only\n",
        }
        text
    }

    /// Makes the command that opens `sh` in the world's task.
    pub(crate) fn command(&self, case: Case, world: &World, state: &Path) -> anyhow::Result<Command> {
        let task = world.tasks().into_iter().next().context("the world has no task")?.task_id;
        let command = match (case, &self.aws) {
            (Case::StockTls | Case::StockPlain, Some(aws)) => {
                let command = Command::new(aws).args(["ecs", "execute-command", "--cluster", world.cluster(), "--task", &task]);
                command.args(["--container", CONTAINER, "--interactive", "--command", "sh"])
            }
            _ => Command::new(&self.wrapper).args(route(case)).args([world.cluster(), &task, CONTAINER, "--", "sh"]),
        };
        let command = OTHER_WAYS.iter().fold(command, Command::env_remove);
        let command = command.envs(world.environment()).env("XDG_STATE_HOME", state).env("XDG_CONFIG_HOME", state);
        Ok(match case {
            Case::OursTls | Case::OursKms => command.env("BOUNDARY_PROXIED_ADDR", world.worker_addr().to_string()),
            Case::StockTls => command.env("HTTPS_PROXY", format!("http://{}", world.connect_proxy_addr())),
            Case::OursPlain | Case::StockPlain => command,
        })
    }
}

fn route(case: Case) -> &'static [&'static str] {
    if case == Case::OursPlain { &["--via", "direct", "--insecure-loopback"] } else { &[] }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn version(program: &Path) -> String {
    let said = std::process::Command::new(program).arg("--version").output();
    let text = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "of unknown version".to_owned() } else { text }
}

//! The demo's last act: audit-bridge, with rights to read alone, gives account of the session and finds the one beside Boundary.

use anyhow::{Context as _, bail};
use lab::{AUTH_METHOD_ID, World};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

/// The program's and the package's name.
pub(crate) const PROGRAM: &str = "audit-bridge";

/// What the auditor's account may do: read.
pub(crate) const GRANTS: [&str; 1] = ["ids=*;type=session;actions=list,read"];

/// An auditor's seat: the program, its configuration and its state.
pub(crate) struct Auditor<'a> {
    world: &'a World,
    program: PathBuf,
    folder: PathBuf,
}

/// Which journals of the other programs the auditor reads.
pub(crate) struct Journals<'a> {
    /// The wrapper's.
    pub(crate) wrapper: &'a Path,
    /// target-sync's.
    pub(crate) sync: &'a Path,
}

impl<'a> Auditor<'a> {
    /// Makes the account and the configuration.
    pub(crate) fn new(world: &'a World, program: PathBuf, folder: &Path, journals: &Journals<'_>) -> anyhow::Result<Self> {
        let user = world.boundary().add_user("auditor", &GRANTS, &["this", "descendants"]);
        let password = folder.join("password");
        std::fs::write(&password, &user.password).context("failed to write the auditor's password")?;
        let text = format!(
            "[[boundary]]\nname = 'lab'\nauth_method_id = '{AUTH_METHOD_ID}'\nlogin_name = 'auditor'\npassword_file = '{}'\n\
             [[aws]]\nname = 'aws'\nregion = 'us-east-2'\necs_clusters = ['{}']\n\
             [[records]]\nname = 'wrapper'\nof = 'wrapper'\nfile = '{}'\n\
             [[records]]\nname = 'sync'\nof = 'target-sync'\nfile = '{}'\n\
             [policy]\nboundary_lag_seconds = 0\n",
            password.display(),
            world.cluster(),
            journals.wrapper.display(),
            journals.sync.display(),
        );
        std::fs::write(folder.join("config.toml"), text).context("failed to write the auditor's configuration")?;
        Ok(Self { world, program, folder: folder.to_owned() })
    }

    /// Where the bundle is written.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.folder.join("bundle")
    }

    /// Runs the program, and takes its output.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let address = self.world.boundary_environment().into_iter().filter(|(name, _)| name == "BOUNDARY_ADDR");
        let mut command = tokio::process::Command::new(&self.program);
        command.args(arguments).arg("--config").arg(self.folder.join("config.toml"));
        command.arg("--state-dir").arg(self.folder.join("state")).env_remove("BOUNDARY_TOKEN");
        command.envs(self.world.auditor_environment()).envs(address).stdin(Stdio::null());
        command.output().await.with_context(|| format!("failed to run {}", self.program.display()))
    }

    /// Runs a word that prints one JSON object a line; findings are no failure.
    pub(crate) async fn rows(&self, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let output = self.run(&[arguments, &["-o", "jsonl"]].concat()).await?;
        if !matches!(output.status.code(), Some(0 | 2)) {
            bail!("audit-bridge {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(|line| serde_json::from_str(line).context("a row is no JSON")).collect()
    }
}

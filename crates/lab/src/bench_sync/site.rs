//! A world with many tasks, and target-sync as it runs there. Owns the world, the configuration and the state folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use lab::{AUTH_METHOD_ID, BoundaryUser, JournalEntry, PROJECT_ID, Profile, TaskSpec, World, WorldOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::bench_sync::ran::{Ran, watch};
use crate::demo::sync::GRANTS;

/// Owners of the tasks.
const USERS: u32 = 20;
/// OpenShift clusters of the investigations.
const CLUSTERS: u32 = 50;
/// Tasks of one investigation.
const TASKS_OF_ONE: u32 = 2;

/// A world with tasks.
pub(crate) struct Site {
    world: World,
    program: PathBuf,
    sync: BoundaryUser,
    folder: TempDir,
    /// The task ids of each task's place, the first place first.
    tasks: Vec<String>,
}

impl Site {
    pub(crate) fn new(runtime: &Runtime, program: &Path, tasks: u32) -> anyhow::Result<Self> {
        let world = runtime.block_on(World::start(WorldOptions::of(Profile::Granted)))?;
        let boundary = world.boundary();
        boundary.delete("ttcp_lab0000001");
        for task in world.tasks() {
            world.forget_task(&task.task_id);
        }
        for number in 0..USERS {
            boundary.add_user(&format!("owner-{number}"), &[], &[]);
        }
        let sync = boundary.add_user("target-sync", &GRANTS, &["this", "descendants"]);
        let folder = TempDir::with_prefix("lab-bench-sync-")?;
        let ids = (0..tasks).map(|place| world.add_task(spec(place)).task_id).collect();
        let site = Self { world, program: program.to_owned(), sync, folder, tasks: ids };
        site.configure().context("failed to write the configuration")?;
        Ok(site)
    }

    /// Ends so many tasks and starts new ones of the same investigations.
    pub(crate) fn replace(&mut self, count: u32) {
        for (place, id) in (0..count).zip(&mut self.tasks) {
            self.world.stop_task(id, "replaced");
            *id = self.world.add_task(spec(place)).task_id;
        }
    }

    /// Runs target-sync once and counts what it asked for.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        let before = (self.world.boundary().request_counts(), self.aws_calls());
        let mut ran = Ran { used: watch(&mut self.command(arguments)?)?, ..Ran::default() };
        ran.count(&before.0, &self.world.boundary().request_counts());
        ran.aws_calls = self.aws_calls() - before.1;
        Ok(ran)
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let output = std::fs::File::create(self.folder.path().join("output"))?;
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(self.world.environment())
            .envs(self.sync.environment.iter().filter(|(name, _)| name == "BOUNDARY_ADDR").cloned())
            .env("TARGET_SYNC_STATE_DIR", self.folder.path().join("state"))
            .arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output);
        Ok(command)
    }

    /// The limit on requests is set so high that it does not count.
    fn configure(&self) -> std::io::Result<()> {
        let password = self.folder.path().join("password");
        std::fs::write(&password, format!("{}\n", self.sync.password))?;
        let text = format!(
            "owner = 'bench'\npolicy = 'sync'\n[boundary]\nproject_id = '{PROJECT_ID}'\nauth_method_id = '{AUTH_METHOD_ID}'\n\
             login_name = 'target-sync'\npassword_file = '{}'\nrequests_per_second = 10000.0\n\
             [[source]]\nname = 'main'\nregion = 'us-east-2'\necs_cluster = '{}'\n\
             [task]\nfamily_prefix = 'rosa-boundary-dev'\n\
             [[principal]]\nmatch = 'login-name'\nallow_weak = true\nauth_methods = ['{AUTH_METHOD_ID}']\n",
            password.display(),
            self.world.cluster(),
        );
        std::fs::write(self.folder.path().join("config.toml"), text)
    }

    fn aws_calls(&self) -> u64 {
        let calls = self.world.journal().into_iter().filter(|entry| matches!(entry, JournalEntry::ApiCall { .. }));
        calls.map(|_| 1).sum()
    }
}

/// The task of a place.
fn spec(place: u32) -> TaskSpec {
    let investigation = place / TASKS_OF_ONE;
    TaskSpec {
        cluster_id: format!("rosa-prod-{:02}", investigation % CLUSTERS),
        investigation_id: format!("inv-{investigation:05}"),
        username: format!("owner-{}", investigation % USERS),
        ..TaskSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tasks_share_an_investigation_and_its_owner() {
        let key = |place| {
            let spec = spec(place);
            (spec.cluster_id, spec.investigation_id, spec.username)
        };
        assert_eq!(key(6), key(7));
        assert_ne!(key(7), key(8));
    }
}

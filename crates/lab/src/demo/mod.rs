//! `lab demo`: a world, the programs built beside us, a target that target-sync makes, and a shell through the stand-in for
//! Boundary.

pub(crate) mod audit;
pub(crate) mod script;
pub(crate) mod sync;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lab::{TaskView, World, WorldOptions};
use tempfile::TempDir;

use crate::say;

/// The wrapper's package and program.
const WRAPPER: &str = "ecs-exec-wrapper";
/// Name of the container that the demo enters.
const CONTAINER: &str = "rosa-boundary";
/// A build that takes longer says so.
const SLOW: Duration = Duration::from_secs(2);

/// Opens a shell on the user's terminal.
pub(crate) async fn interactive() -> anyhow::Result<ExitCode> {
    let stage = Stage::new(build(&[WRAPPER, sync::PROGRAM])?).await?;
    say(&format!("lab: target-sync made a target for the task; {} leads there", stage.alias));
    say("lab: a shell through the lab's Boundary follows; `exit` ends it");
    let status = tokio::process::Command::new(&stage.lab)
        .args(stage.connect_args())
        .envs(stage.variables())
        .status()
        .await
        .context("failed to run the stand-in for boundary connect")?;
    let (up, down) = stage.world.bytes_through_worker();
    say(&format!("lab: {up} bytes up and {down} bytes down went through the worker; the session ended with {status}"));
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)))
}

/// A world and what is run in it.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) task: TaskView,
    pub(crate) lab: PathBuf,
    pub(crate) wrapper: PathBuf,
    /// What target-sync said of the task.
    pub(crate) account: serde_json::Value,
    /// The alias that target-sync gave the task.
    pub(crate) alias: String,
    user: String,
    /// target-sync's configuration and journal.
    pub(crate) sync_folder: TempDir,
    /// Where the programs are.
    pub(crate) programs: PathBuf,
}

impl Stage {
    /// Starts a world and has target-sync make the target of its task.
    pub(crate) async fn new(programs: PathBuf) -> anyhow::Result<Self> {
        let world = World::start(WorldOptions::default()).await?;
        let task = world.tasks().into_iter().next().context("the lab's world has no task")?;
        let uid = nix::unistd::getuid();
        let user = nix::unistd::User::from_uid(uid)?.with_context(|| format!("no user of id {uid} on this machine"))?.name;
        let sync_folder = TempDir::with_prefix("lab-sync-").context("failed to make a folder for target-sync")?;
        let account = sync::make_target(&world, &task, &programs.join(sync::PROGRAM), sync_folder.path()).await?;
        let alias = account["targets"][0]["aliases"][0].as_str().context("target-sync made no alias")?.to_owned();
        Ok(Self {
            world,
            task,
            lab: std::env::current_exe()?,
            wrapper: programs.join(WRAPPER),
            account,
            alias,
            user,
            sync_folder,
            programs,
        })
    }

    /// What the stand-in is called with.
    pub(crate) fn connect_args(&self) -> Vec<String> {
        let wrapper = self.wrapper.display().to_string();
        let own = ["connect", "-exec", &wrapper, &self.alias, "--"];
        own.into_iter().map(str::to_owned).chain(self.task_args()).collect()
    }

    /// CLUSTER TASK CONTAINER.
    pub(crate) fn task_args(&self) -> [String; 3] {
        [self.world.cluster().to_owned(), self.task.task_id.clone(), CONTAINER.to_owned()]
    }

    /// The world's environment; the container has only the users of this machine.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = self.world.environment();
        variables.extend(self.world.boundary_environment());
        variables.push(("ECS_EXEC_USER".to_owned(), self.user.clone()));
        variables
    }
}

/// Builds the wrapper in our own profile and finds it beside our own program.
pub(crate) fn build_wrapper() -> anyhow::Result<PathBuf> {
    build_program(WRAPPER)
}

/// Builds a program of the workspace in our own profile and finds it beside our own.
pub(crate) fn build_program(name: &str) -> anyhow::Result<PathBuf> {
    Ok(build(&[name])?.join(name))
}

/// Builds programs in our own profile, and returns the folder of our own program, where they then are.
pub(crate) fn build(programs: &[&str]) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find our own program")?;
    let folder = own.parent().context("our own program lies in no folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--manifest-path"]).arg(manifest);
    build.args(programs.iter().flat_map(|program| ["-p", program]));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    wait_for_build(build.stdin(Stdio::null()), programs)?;
    match programs.iter().find(|program| !folder.join(program).is_file()) {
        Some(program) => bail!("{program} was built, but not to {}", folder.display()),
        None => Ok(folder.to_owned()),
    }
}

fn wait_for_build(build: &mut Command, programs: &[&str]) -> anyhow::Result<()> {
    let mut child = build.spawn().context("failed to run cargo")?;
    let (started, mut told) = (Instant::now(), false);
    loop {
        if let Some(status) = child.try_wait().context("failed to wait for cargo")? {
            return if status.success() { Ok(()) } else { bail!("cargo could not build {}", programs.join(" and ")) };
        }
        if !told && started.elapsed() > SLOW {
            told = true;
            say(&format!("lab: building {}…", programs.join(" and ")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! The demo's first act: target-sync, with an account and a configuration of its own, makes the target of the task.

use anyhow::{Context as _, bail};
use lab::{AUTH_METHOD_ID, PROJECT_ID, TaskView, World};
use serde_json::Value;
use std::path::Path;
use std::process::{Output, Stdio};

/// The program's and the package's name.
pub(crate) const PROGRAM: &str = "target-sync";

/// What the sync's account may do. It holds in the global scope and below; `boundary/` has it scope by scope.
pub(crate) const GRANTS: [&str; 6] = [
    "ids=*;type=target;actions=create,list,read,update,delete",
    "ids=*;type=role;actions=create,list,read,update,delete,set-grants,set-grant-scopes,set-principals",
    "ids=*;type=session;actions=list,read,cancel",
    "ids=*;type=alias;actions=create,list,read,update,delete",
    "ids=*;type=user;actions=list,read",
    "ids=*;type=account;actions=list,read",
];

/// Runs `target-sync apply`, and returns what `target-sync explain` then says of the task.
/// Its configuration and its journal lie in the folder.
pub(crate) async fn make_target(world: &World, task: &TaskView, program: &Path, folder: &Path) -> anyhow::Result<Value> {
    configure(world, folder)?;
    let applied = run(world, program, folder, &["apply", "--quiet"]).await?;
    if !applied.status.success() {
        bail!("target-sync failed: {}", String::from_utf8_lossy(&applied.stderr));
    }
    let explained = run(world, program, folder, &["explain", &task.task_id, "-o", "json"]).await?;
    serde_json::from_slice(&explained.stdout)
        .with_context(|| format!("target-sync explained nothing: {}", String::from_utf8_lossy(&explained.stderr)))
}

fn configure(world: &World, folder: &Path) -> anyhow::Result<()> {
    let user = world.boundary().add_user(PROGRAM, &GRANTS, &["this", "descendants"]);
    let password = folder.join("password");
    std::fs::write(&password, &user.password)?;
    let text = format!(
        "owner = 'lab'\npolicy = 'sync'\n[boundary]\nproject_id = '{PROJECT_ID}'\nauth_method_id = '{AUTH_METHOD_ID}'\n\
         login_name = '{PROGRAM}'\npassword_file = '{}'\n[[source]]\nname = 'lab'\nregion = 'us-east-2'\n\
         ecs_cluster = '{}'\n[[principal]]\nmatch = 'login-name'\nallow_weak = true\nauth_methods = ['{AUTH_METHOD_ID}']\n",
        password.display(),
        world.cluster(),
    );
    Ok(std::fs::write(folder.join("config.toml"), text)?)
}

async fn run(world: &World, program: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let address = world.boundary_environment().into_iter().filter(|(name, _)| name == "BOUNDARY_ADDR");
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).arg("--config").arg(folder.join("config.toml")).arg("--state-dir").arg(folder.join("state"));
    command.envs(world.environment()).envs(address).env_remove("BOUNDARY_TOKEN").stdin(Stdio::null());
    command.output().await.with_context(|| format!("failed to run {}", program.display()))
}

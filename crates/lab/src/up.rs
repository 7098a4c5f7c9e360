//! `lab up`: a world that stays, and how to reach it from a shell.

use std::fmt::Write as _;
use std::process::ExitCode;

use lab::{Profile, World, WorldOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::report;

/// Runs a world until Ctrl-C.
pub(crate) async fn run(profile: Profile, port: u16, only_via_worker: bool) -> anyhow::Result<ExitCode> {
    let next = |offset: u16| if port == 0 { 0 } else { port.saturating_add(offset) };
    let options = WorldOptions {
        only_via_worker,
        api_port: port,
        worker_port: next(1),
        connect_proxy_port: next(2),
        ..WorldOptions::of(profile)
    };
    let world = World::start(options).await?;
    report(&exports(&world)?);
    report(&examples(&world));
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminated.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn exports(world: &World) -> Result<String, std::fmt::Error> {
    let mut out = String::from("# For ecs-exec-wrapper, the AWS CLI and session-manager-plugin:\n");
    for (name, value) in world.environment() {
        writeln!(out, "export {name}='{value}'")?;
    }
    for (name, value) in world.boundary_environment() {
        writeln!(out, "export {name}='{value}'")?;
    }
    writeln!(out, "export HTTPS_PROXY='http://{}'", world.connect_proxy_addr())?;
    writeln!(out, "export LAB_WORKER_ADDR='{}'", world.worker_addr())?;
    let auditor = world.boundary().add_user("auditor", &crate::demo::audit::GRANTS, &["this", "descendants"]);
    writeln!(out, "# For audit-bridge, in a shell of its own: AWS rights to read, and an account at Boundary")?;
    for (name, value) in world.auditor_environment() {
        writeln!(out, "#   export {name}='{value}'")?;
    }
    let address = world.boundary_environment().into_iter().filter(|(name, _)| name == "BOUNDARY_ADDR");
    for (name, value) in address {
        writeln!(out, "#   export {name}='{value}'")?;
    }
    writeln!(out, "#   export AUDIT_BRIDGE_PASSWORD='{}'   # auditor, {}", auditor.password, lab::AUTH_METHOD_ID)?;
    Ok(out)
}

fn examples(world: &World) -> String {
    let (cluster, tasks) = (world.cluster(), world.tasks());
    let task = tasks.first().map_or("TASK", |task| task.task_id.as_str());
    let lab = std::env::current_exe().map_or_else(|_| "lab".to_owned(), |path| path.display().to_string());
    format!(
        "# Through the stand-in for Boundary:\n\
         #   {lab} connect -exec ecs-exec-wrapper -target-id ttcp_lab0000001 -- {cluster} {task} rosa-boundary \"$(id -un)\"\n\
         # Past Boundary (the gateway refuses it unless the lab runs with --direct):\n\
         #   ecs-exec-wrapper --via direct {cluster} {task} rosa-boundary \"$(id -un)\"\n\
         #   aws ecs execute-command --cluster {cluster} --task {task} --container rosa-boundary --interactive --command sh\n\
         # Reads:\n\
         #   aws ecs list-tasks --cluster {cluster}\n\
         # Ctrl-C ends the lab."
    )
}

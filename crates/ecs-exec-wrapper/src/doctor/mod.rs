//! `doctor`: says why a shell does not, or would not, open.
//!
//! Each group has a file: thin asynchronous functions gather its facts, pure functions make checks of them. Nothing is changed:
//! no session is opened, and Boundary's proxy is dialed once at most. What could not be found out is `unknown`, never `ok`.
//!
//! ```text
//! Settings ─ gather ─► facts ─ checks ─► Vec<Check> ─ report ─► table or JSON, exit code
//! ```

mod boundary;
mod caller;
mod check;
mod cloud;
mod cluster;
mod legs;
mod local;
mod network;
mod permissions;
mod query;
mod questions;
mod report;
mod route;
mod simulate;
mod task;
mod task_checks;

use crate::args::{DoctorArgs, ReportForm};
use crate::environment::BoundaryEnvironment;
use crate::settings::Settings;
use crate::signals::{self, Taken};
use aws_identity::IdentityError;
use check::{Check, Group, Summary, Unread};
use cli_kit::{chain_text, exit};
use cloud::Asked;
use jiff::Timestamp;
use std::io::{IsTerminal, Write};

/// The table's width where nothing tells the terminal's, columns.
const WIDTH: usize = 100;

/// Examines everything, prints the report and returns the exit code.
pub(crate) async fn examine(settings: Settings, boundary: &BoundaryEnvironment, args: &DoctorArgs) -> u8 {
    let all = async { Ok(checks(settings, boundary, args.target.as_deref()).await) };
    let checks: Result<Vec<Check>, u8> = tokio::select! {
        checks = all => checks,
        number = ended_by_signal() => Err(exit::by_signal(number)),
    };
    match checks {
        Ok(checks) => print(&checks, args.output),
        Err(code) => code,
    }
}

/// Waits for a signal that ends us; for ever when signals cannot be watched.
async fn ended_by_signal() -> u8 {
    if let Ok(mut signals) = signals::start() {
        while let Some(taken) = signals.recv().await {
            if let Taken::End(number) = taken {
                return number;
            }
        }
    }
    std::future::pending().await
}

fn print(checks: &[Check], form: ReportForm) -> u8 {
    let mut stdout = std::io::stdout().lock();
    let text = match form {
        ReportForm::Json => report::json(checks).unwrap_or_default(),
        ReportForm::Table => report::table(checks, width(), stdout.is_terminal() && colour_is_welcome()),
    };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Summary::of(checks).exit_code(),
        Err(_) => exit::OWN_FAILURE,
    }
}

fn colour_is_welcome() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col));
    size.ok().filter(|columns| *columns > 0).unwrap_or(WIDTH)
}

async fn checks(mut settings: Settings, environment: &BoundaryEnvironment, target: Option<&str>) -> Vec<Check> {
    let boundary = boundary::gather(environment, target).await;
    boundary.complete(&mut settings);
    let settings = &settings;
    let (mut checks, asked, proof, region) = match cloud::load(settings).await {
        Ok(aws) => {
            let (asked, proof) = tokio::join!(Asked::of(settings, &aws), route::gather(settings, aws.region()));
            (asked.checks(settings), Some(asked), proof, Some(aws.region().to_owned()))
        }
        Err(error) => {
            let chain = legs::gather(&cloud::identity(settings, settings.region.clone())).await;
            let mut checks = vec![no_aws(&error)];
            checks.extend(legs::checks(&chain, false));
            (checks, None, None, None)
        }
    };
    checks.extend(route::checks(settings, environment, proof.as_ref(), region.as_deref()));
    let task = asked.as_ref().and_then(Asked::task);
    let known = boundary::Known {
        task: task.map(|task| &task.view.arn),
        container: task.and_then(|task| task.container(settings)).map(|container| container.name.as_str()),
        region: region.as_deref(),
        credentials_expire_at: asked.as_ref().and_then(Asked::credentials_expire_at),
    };
    checks.extend(boundary::checks(&boundary, known, Timestamp::now()));
    checks.extend(local::checks(&local::gather(settings), settings));
    checks.sort_by_key(|check| check.group);
    checks
}

fn no_aws(error: &IdentityError) -> Check {
    Group::Caller.failed(
        "configuration",
        format!("failed to {}", chain_text(error)),
        "mend the AWS configuration; see --profile and --region",
    )
}

/// What stands for every fact that depends on one that could not be had.
fn depends_on(what: &str) -> Unread {
    Unread::new(format!("it depends on {what}"), "mend that first")
}

//! A stand-in for `boundary connect -exec PROG …`: a real parent process that behaves as HashiCorp's CLI (v0.21.3) does
//! towards the program that it runs. With `BOUNDARY_ADDR` and `BOUNDARY_TOKEN` it authorises a session of that controller; with
//! these, or with a token whose certificate is good, it carries connections through the session's worker. Otherwise it talks to
//! the lab's plain worker by TCP and to no controller.
//!
//! Environment: `LAB_WORKER_ADDR` (the worker), `LAB_SESSION_SECONDS` (life of the session without a token, 28800 by
//! default), `LAB_CONNECT_CONTROL` (path of a Unix socket to listen on for control).
//!
//! Control, by signal or by a line on the control socket:
//! - `SIGUSR1` or `cut`: the live connections are cut, the listener stays (an admin's cancel with an unlimited session);
//! - `SIGUSR2` or `close`: listener and connections are closed, the proxy ends;
//! - `expire`: as if the session's time were over.

mod args;
mod child;
mod control;
mod listener;
mod session;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

pub use token::{AuthzToken, authz_token};

use args::Args;

/// Exit code of the CLI's own errors (boundary internal/cmd/base/base.go).
const CLI_ERROR: u8 = 2;
/// Exit code of wrong usage.
const USER_ERROR: u8 = 3;

/// Runs the stand-in: `args` are what follows `connect`. Returns the code that the CLI would exit with.
#[expect(clippy::print_stderr, reason = "the CLI tells its own errors on stderr")]
pub fn run(args: Vec<OsString>) -> ExitCode {
    let args = match Args::parse(args, &|name| std::env::var(name).ok()) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("Error: {error}");
            return ExitCode::from(USER_ERROR);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let code = runtime.block_on(child::run_proxied(args));
        // A blocked read of the control socket must not hold the exit.
        runtime.shutdown_background();
        code
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(CLI_ERROR)
        }
    }
}

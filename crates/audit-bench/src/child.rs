//! One measured run in a process of its own, and what it prints: one JSON line.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::de::DeserializeOwned;

/// Runs a program to its end and reads the last line of its output.
pub(crate) fn last_line<T: DeserializeOwned>(command: &mut Command) -> anyhow::Result<T> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("failed to start the run")?;
    anyhow::ensure!(output.status.success(), "the run ended with {}", output.status);
    let text = String::from_utf8(output.stdout).context("the run printed no text")?;
    serde_json::from_str(text.lines().last().unwrap_or_default()).context("the run printed no result")
}

/// A Python that has the modules, or what to do about it.
pub(crate) fn check_python(python: &Path, modules: &str) -> anyhow::Result<()> {
    let imports = modules.replace(' ', ", ");
    let found = Command::new(python).args(["-c", &format!("import {imports}")]).stderr(Stdio::null()).status();
    let ready = found.is_ok_and(|status| status.success());
    let python = python.display();
    anyhow::ensure!(ready, "the peers need {python} with {imports}: pip install {modules}, or name one with --python");
    Ok(())
}

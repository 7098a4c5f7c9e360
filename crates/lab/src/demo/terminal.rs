//! A program under a PTY, typed to and watched.

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pty_process::{OwnedReadPty, OwnedWritePty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

/// A running program and everything that it has shown.
pub(crate) struct Terminal {
    child: Child,
    reader: OwnedReadPty,
    writer: OwnedWritePty,
    shown: Vec<u8>,
    read_to: usize,
}

impl Terminal {
    pub(crate) fn run(program: &OsStr, args: &[String], variables: &[(String, String)]) -> anyhow::Result<Self> {
        let (pty, pts) = pty_process::open().context("failed to open a pty")?;
        pty.resize(pty_process::Size::new(24, 80)).context("failed to size the pty")?;
        let child = pty_process::Command::new(program)
            .args(args)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .spawn(pts)
            .with_context(|| format!("failed to run {}", program.display()))?;
        let (reader, writer) = pty.into_split();
        Ok(Self { child, reader, writer, shown: Vec::new(), read_to: 0 })
    }

    /// Waits until a text is shown after what was waited for before.
    pub(crate) async fn expect(&mut self, text: &str, limit: Duration) -> anyhow::Result<()> {
        let found = tokio::time::timeout(limit, self.read_until(text)).await;
        match found {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the program ended before it showed {text:?}; it showed:\n{}", self.shown_text()),
            Err(_) => bail!("{text:?} was not shown within {limit:?}; shown was:\n{}", self.shown_text()),
        }
    }

    pub(crate) async fn type_line(&mut self, line: &str) -> anyhow::Result<()> {
        self.writer.write_all(format!("{line}\r").as_bytes()).await.context("failed to type")
    }

    /// Reads to the end and returns the exit code; -1 if a signal ended the program.
    pub(crate) async fn finish(&mut self, limit: Duration) -> anyhow::Result<i32> {
        let end = async {
            while self.read_more().await {}
            self.child.wait().await
        };
        let status = match tokio::time::timeout(limit, end).await {
            Ok(status) => status.context("failed to wait for the program")?,
            Err(_) => bail!("the program did not end within {limit:?}; it showed:\n{}", self.shown_text()),
        };
        Ok(status.code().unwrap_or(-1))
    }

    pub(crate) fn shown(&self) -> &[u8] {
        &self.shown
    }

    /// What was shown, safe to print.
    pub(crate) fn shown_text(&self) -> String {
        let lines = String::from_utf8_lossy(&self.shown).replace('\r', "");
        lines.lines().map(|line| format!("  | {}", line.escape_debug())).collect::<Vec<_>>().join("\n")
    }

    async fn read_until(&mut self, text: &str) -> bool {
        loop {
            let fresh = &self.shown[self.read_to..];
            if let Some(at) = fresh.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.read_to += at + text.len();
                return true;
            }
            if !self.read_more().await {
                return false;
            }
        }
    }

    /// An error is the end: a PTY gives EIO when its program is gone.
    async fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.reader.read(&mut buffer).await {
            Ok(length @ 1..) => {
                self.shown.extend_from_slice(&buffer[..length]);
                true
            }
            _ => false,
        }
    }
}

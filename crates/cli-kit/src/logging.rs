//! Sets up `tracing` for a command-line program: to stderr, as text or JSON, and able to hold its tongue.
//!
//! While a terminal is raw, a log line would land in the middle of somebody's editor. So the writer can be told to hold lines
//! back ([`Gate::hold`]) and to print them later ([`Gate::release`]). With a log file the lines go there instead, at once.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Bytes of log lines kept while the gate is closed; what comes later is counted, not kept.
const HELD_MAX: usize = 256 * 1024;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What to log and where.
#[derive(Debug, Default)]
pub struct LogSettings {
    /// 0 warnings, 1 info, 2 debug, 3 and more trace; a valid `RUST_LOG` wins.
    pub verbosity: u8,
    /// Errors only.
    pub quiet: bool,
    /// Text or JSON.
    pub format: LogFormat,
    /// Where to, instead of stderr.
    pub file: Option<File>,
}

/// Holds log lines back while the terminal belongs to somebody else.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    state: Arc<Mutex<GateState>>,
}

#[derive(Debug, Default)]
struct GateState {
    closed: bool,
    held: Vec<u8>,
    dropped_lines: u64,
    file: Option<File>,
}

impl Gate {
    /// From now on lines are kept, up to a limit.
    pub fn hold(&self) {
        self.with(|state| state.closed = true);
    }

    /// Prints what was kept, and from now on prints at once.
    pub fn release(&self) {
        let (held, dropped) = self.with(|state| {
            state.closed = false;
            (std::mem::take(&mut state.held), std::mem::take(&mut state.dropped_lines))
        });
        let mut stderr = io::stderr().lock();
        let written = stderr.write_all(&held);
        if dropped > 0 && written.is_ok() {
            drop(writeln!(stderr, "({dropped} more log lines were not kept while the terminal was in use)"));
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut GateState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        self.with(|state| {
            if let Some(file) = &mut state.file {
                return file.write_all(line);
            }
            if !state.closed {
                return io::stderr().lock().write_all(line);
            }
            if state.held.len() + line.len() > HELD_MAX {
                state.dropped_lines += 1;
            } else {
                state.held.extend_from_slice(line);
            }
            Ok(())
        })
    }
}

/// Writes one log line through the gate.
#[derive(Debug)]
pub struct GateWriter(Gate);

impl Write for GateWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_line(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Gate {
    type Writer = GateWriter;

    fn make_writer(&'a self) -> GateWriter {
        GateWriter(self.clone())
    }
}

/// Installs the process's subscriber and returns its gate. A second call changes nothing and returns a gate of its own.
pub fn init(settings: LogSettings) -> Gate {
    let colour =
        settings.file.is_none() && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let filter = filter(&settings);
    let gate = Gate::default();
    gate.with(|state| state.file = settings.file);
    let lines = tracing_subscriber::fmt::layer().with_writer(gate.clone()).with_ansi(colour);
    let installed = match settings.format {
        LogFormat::Text => tracing_subscriber::registry().with(lines.with_target(false).with_filter(filter)).try_init(),
        LogFormat::Json => tracing_subscriber::registry().with(lines.json().with_filter(filter)).try_init(),
    };
    if installed.is_err() {
        tracing::debug!("a subscriber was installed before");
    }
    gate
}

/// Libraries that say much of what is theirs.
const QUIETER: [&str; 9] =
    ["aws_config", "aws_runtime", "aws_smithy_runtime", "hyper", "hyper_util", "reqwest", "rustls", "tungstenite", "h2"];

/// Levels by target. `EnvFilter` knows more, and brings an engine for regular expressions along.
fn filter(settings: &LogSettings) -> Targets {
    let level = match (settings.quiet, settings.verbosity) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let ours = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    // The SDK logs request bodies at TRACE: its crates stay at WARN unless RUST_LOG says otherwise.
    let quieter = QUIETER.map(|target| (target, level.min(LevelFilter::WARN)));
    ours.unwrap_or_else(|| Targets::new().with_default(level).with_targets(quieter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_lines_are_bounded_and_counted() {
        let gate = Gate::default();
        gate.hold();
        let line = vec![b'x'; HELD_MAX / 2 + 1];
        gate.write_line(&line).unwrap();
        gate.write_line(&line).unwrap();
        gate.with(|state| assert_eq!((state.held.len(), state.dropped_lines), (line.len(), 1)));
    }
}

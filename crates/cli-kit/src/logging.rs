//! Sets up `tracing` for a command-line program: to stderr, as text or JSON, and able to hold its tongue.
//!
//! While a terminal is raw, a log line would land in the middle of somebody's editor. So the writer can be told to hold lines
//! back ([`Gate::hold`]) and to print them later ([`Gate::release`]). With a log file the lines go there instead, at once.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(gate.clone()).with_ansi(colour);
    let installed = match settings.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if installed.is_err() {
        tracing::debug!("a subscriber was installed before");
    }
    gate
}

fn filter(settings: &LogSettings) -> EnvFilter {
    let level = match (settings.quiet, settings.verbosity) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let ours = match std::env::var("RUST_LOG") {
        Ok(text) => EnvFilter::try_new(text).ok(),
        Err(_) => None,
    };
    // The SDK logs request bodies at TRACE: its crates stay at WARN unless RUST_LOG says otherwise.
    ours.unwrap_or_else(|| EnvFilter::new(format!("{level},aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn,hyper=warn,hyper_util=warn,rustls=warn,tungstenite=warn,h2=warn")))
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

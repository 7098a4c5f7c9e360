//! What our daemons share: metrics and health over HTTP, the wish to stop, the pause between two runs, word to systemd.
//!
//! Owns none of a daemon's work and none of its numbers.

mod http;
mod pause;
mod stop;

pub use http::{Scraped, serve};
pub use pause::pause;
pub use sd_notify::NotifyState;
pub use stop::Stop;

/// Tells systemd, when it listens.
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Writes metrics for a collector of files: whole, or not at all.
///
/// # Errors
/// When the file cannot be written or put in place.
pub fn write_textfile(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    std::fs::write(&new, text)?;
    std::fs::rename(&new, file)
}

/// Adds a metric without labels to Prometheus' text form (exposition format 0.0.4).
pub fn put_metric(text: &mut String, name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display) {
    use std::fmt::Write as _;
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}

//! Recordings with times: reading them, and making one of a log that has none.
//!
//! Owns the hostile-safe reader of asciicast versions 2 and 3 (the wrapper writes 3), and the pacing of a log. A paced recording
//! says so in its title and in its first event: its times are made up. Source: asciinema's descriptions of the two formats.

mod paced;
mod reader;

pub use paced::{Pace, to_asciicast};
pub use reader::{CastReader, Header};

use crate::screen::Size;
use std::time::Duration;

/// Says in a recording's first event that its times are made up.
pub const PACED: &str = "paced: this log has no times of its own";

/// Holds one event of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its time since the beginning; never less than that of the event before.
    pub at: Duration,
    /// What happened.
    pub what: What,
}

/// Says what happened.
#[derive(Clone, PartialEq, Eq)]
pub enum What {
    /// The terminal showed this: hostile, with all its sequences.
    Output(String),
    /// This was typed; it may hold passwords.
    Input(String),
    /// The terminal got another size.
    Resize(Size),
    /// A place worth finding again, free of controls.
    Marker(String),
    /// The session's exit code.
    Exit(u8),
}

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Output(text) => write!(f, "Output({} bytes)", text.len()),
            Self::Input(text) => write!(f, "Input({} bytes)", text.len()),
            Self::Resize(size) => write!(f, "Resize({}x{})", size.columns(), size.rows()),
            Self::Marker(label) => write!(f, "Marker({} bytes)", label.len()),
            Self::Exit(code) => write!(f, "Exit({code})"),
        }
    }
}

/// Says why a recording cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CastError {
    /// The first line is no header.
    #[error("the first line is no header of an asciicast")]
    NoHeader,
    /// Another version.
    #[error("asciicast version {0} is not read here")]
    Version(u64),
}

/// A whole recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Cast {
    /// Its first line.
    pub header: Header,
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Lines that are no event, or one of a kind or size that is not read here.
    pub other_lines: u64,
}

/// Reads a recording that fits in memory.
///
/// # Errors
/// When the first line is no header of a version that is read here.
pub fn read(bytes: &[u8]) -> Result<Cast, CastError> {
    let mut events = Vec::new();
    let mut reader = CastReader::new();
    reader.push(bytes, &mut |event| events.push(event))?;
    let (header, other_lines) = reader.finish(&mut |event| events.push(event))?;
    Ok(Cast { header, events, other_lines })
}

//! The streaming reader of asciicasts.
//!
//! Owns its bounds: a line of 1 MiB, a time of 31 days, a terminal within [`Size`]. What is beyond is counted and left out.

use super::{CastError, Event, PACED, What};
use crate::screen::{Size, plain};
use jiff::Timestamp;
use serde::Deserialize;
use std::time::Duration;

const MAX_LINE: usize = 1024 * 1024;

/// Later than any session ends; more is no time.
const MAX_TIME: Duration = Duration::from_hours(31 * 24);

const MAX_TITLE: usize = 200;

/// Holds what a recording's first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// 2 or 3.
    pub version: u8,
    /// The terminal's size.
    pub size: Size,
    /// When it began, if the header says it.
    pub began: Option<Timestamp>,
    /// Its title, free of controls.
    pub title: Option<String>,
    /// Whether its times are made up, by its own word.
    pub paced: bool,
}

#[derive(Deserialize)]
struct RawHeader {
    version: u64,
    width: Option<u32>,
    height: Option<u32>,
    term: Option<RawTerm>,
    timestamp: Option<i64>,
    title: Option<String>,
}

#[derive(Deserialize)]
struct RawTerm {
    cols: Option<u32>,
    rows: Option<u32>,
}

/// Takes a recording in pieces of any size.
#[derive(Debug, Clone, Default)]
pub struct CastReader {
    line: Vec<u8>,
    too_long: bool,
    header: Option<Header>,
    at: Duration,
    events: u64,
    other_lines: u64,
}

impl CastReader {
    /// Makes a reader at the start of a recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the first line said, once it has been read; `paced` is certain after the first event.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Takes the next bytes and hands out the events of their whole lines.
    ///
    /// # Errors
    /// When the first line is no header of a version that is read here.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Event)) -> Result<(), CastError> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.too_long |= piece.len() > room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line(out)?;
            }
        }
        Ok(())
    }

    /// Ends the recording: its header, and how many lines were left out.
    ///
    /// # Errors
    /// When there is no header of a version that is read here.
    pub fn finish(mut self, out: &mut dyn FnMut(Event)) -> Result<(Header, u64), CastError> {
        if !self.line.is_empty() {
            self.end_line(out)?;
        }
        self.header.map(|header| (header, self.other_lines)).ok_or(CastError::NoHeader)
    }

    fn end_line(&mut self, out: &mut dyn FnMut(Event)) -> Result<(), CastError> {
        let line = std::mem::take(&mut self.line);
        let too_long = std::mem::take(&mut self.too_long);
        let Some(header) = &mut self.header else {
            self.header = Some(if too_long { Err(CastError::NoHeader) } else { header(&line) }?);
            return Ok(());
        };
        if line.starts_with(b"#") || line.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some((at, what)) = (!too_long).then(|| event(&line)).flatten() else {
            self.other_lines += 1;
            return Ok(());
        };
        let at = if header.version == 2 { at } else { self.at.saturating_add(at) };
        self.at = at.clamp(self.at, MAX_TIME.max(self.at));
        if let Some(what) = what {
            header.paced |= self.events == 0 && what == What::Marker(PACED.to_owned());
            self.events += 1;
            out(Event { at: self.at, what });
        } else {
            self.other_lines += 1;
        }
        Ok(())
    }
}

fn header(line: &[u8]) -> Result<Header, CastError> {
    let raw: RawHeader = serde_json::from_slice(line).map_err(|_| CastError::NoHeader)?;
    let version =
        u8::try_from(raw.version).ok().filter(|version| matches!(version, 2 | 3)).ok_or(CastError::Version(raw.version))?;
    let (columns, rows) = raw.term.map_or((raw.width, raw.height), |term| (term.cols, term.rows));
    Ok(Header {
        version,
        size: Size::new(columns.unwrap_or(80), rows.unwrap_or(24)),
        began: raw.timestamp.and_then(|second| Timestamp::from_second(second).ok()),
        title: raw.title.map(|title| plain(title.as_bytes(), MAX_TITLE)),
        paced: false,
    })
}

/// The event's time, and what happened if that is of a kind that is known here.
fn event(line: &[u8]) -> Option<(Duration, Option<What>)> {
    let (seconds, code, data): (f64, String, String) = serde_json::from_slice(line).ok()?;
    let at = Duration::try_from_secs_f64(seconds).ok()?.min(MAX_TIME);
    let what = match code.as_str() {
        "o" => Some(What::Output(data)),
        "i" => Some(What::Input(data)),
        "m" => Some(What::Marker(plain(data.as_bytes(), MAX_TITLE))),
        "r" => resize(&data).map(What::Resize),
        "x" => data.parse().ok().map(What::Exit),
        _ => None,
    };
    Some((at, what))
}

fn resize(data: &str) -> Option<Size> {
    let (columns, rows) = data.split_once('x')?;
    Some(Size::new(columns.parse().ok()?, rows.parse().ok()?))
}

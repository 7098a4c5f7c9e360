//! The replay of a recording in an auditor's terminal.
//!
//! Owns position, speed and what is on the model's screen. Never lets a recorded byte through: the recording drives a model of a
//! terminal, and only the model's cells are painted, with this crate's own sequences (place, colour, clear, cursor on and off).
//! No title, clipboard, report or mode of the recorded person reaches the auditor. Pure: `now` comes in, bytes and deadlines go out.
//!
//! ```text
//! handle_key(key, now) ─┐
//! Cast ─ Player ────────┴─ poll(now) ─► Write(bytes) | WaitUntil(time) | WaitForKey | Ended | Quit
//! ```

mod keys;
mod painter;
mod status;
mod timeline;

pub use keys::Key;

use crate::cast::{Cast, Event, What};
use crate::screen::{Bounded, Size};
use painter::Painter;
use status::Status;
use std::time::Duration;
use timeline::Timeline;

/// Bytes of output that one call of `poll` shows at most, so that keys are answered during a long way.
const WORK: usize = 64 * 1024;

/// What an arrow key moves.
const STEP: Duration = Duration::from_secs(5);

/// How often the line of status changes at most, however fast the replay.
const TICK: Duration = Duration::from_millis(100);

/// Slowest and fastest, as a power of two.
const SPEEDS: std::ops::RangeInclusive<i32> = -3..=6;

/// Says what the caller has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Write these bytes to the auditor's terminal, then poll again.
    Write(Vec<u8>),
    /// Poll again at this time, or after a key; at once if it has passed.
    WaitUntil(Duration),
    /// Poll again after a key: the replay is paused.
    WaitForKey,
    /// Everything was shown; a key may still move back.
    Ended,
    /// The auditor wants to leave.
    Quit,
}

/// Replays one recording.
pub struct Player {
    events: Vec<Event>,
    timeline: Timeline,
    size: Size,
    viewer: Size,
    /// The next event to be shown.
    next: usize,
    model: Bounded,
    painter: Painter,
    clock: Clock,
    has_status: bool,
    quit: bool,
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Player").field("next", &self.next).field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// The way from the caller's time to a place in the recording.
#[derive(Debug, Clone, Copy)]
struct Clock {
    since: Duration,
    place: Duration,
    speed: i32,
    paused: bool,
}

impl Clock {
    fn place(self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.since);
        if self.paused { self.place } else { self.place.saturating_add(faster(passed, self.speed)) }
    }

    /// When the place will be reached.
    fn reaches(self, place: Duration) -> Duration {
        self.since.saturating_add(faster(place.saturating_sub(self.place), -self.speed))
    }
}

/// The duration times two to the power of `speed`.
fn faster(duration: Duration, speed: i32) -> Duration {
    let factor = 1u32 << speed.unsigned_abs().min(16);
    if speed < 0 { duration / factor } else { duration.saturating_mul(factor) }
}

impl Player {
    /// Makes a player for an auditor's terminal of this size, that begins to play at `now`. Pauses longer than `idle_limit` are
    /// shortened to it; all places are in the time so shortened.
    pub fn new(cast: Cast, viewer: Size, idle_limit: Option<Duration>, now: Duration) -> Self {
        let size = cast.header.size;
        Self {
            timeline: Timeline::new(&cast.events, idle_limit),
            events: cast.events,
            size,
            viewer,
            next: 0,
            model: Bounded::new(size),
            painter: Painter::new(viewer),
            clock: Clock { since: now, place: Duration::ZERO, speed: 0, paused: false },
            has_status: false,
            quit: false,
        }
    }

    /// Gives the last row of the auditor's terminal to a line of status. Where the recorded screen has no row to spare, the rows
    /// around its cursor are shown; a terminal of one row has no such line.
    #[must_use]
    pub fn with_status(self) -> Self {
        Self { has_status: true, ..self }
    }

    /// Where the replay stands.
    pub fn place(&self, now: Duration) -> Duration {
        self.clock.place(now).min(self.duration())
    }

    /// How long the recording is, idle limit applied.
    pub fn duration(&self) -> Duration {
        self.timeline.end()
    }

    /// Whether it stands still.
    pub fn paused(&self) -> bool {
        self.clock.paused
    }

    /// How many times faster than recorded it plays.
    pub fn speed(&self) -> f64 {
        f64::from(self.clock.speed).exp2()
    }

    /// The last marker at or before the place, free of controls.
    pub fn marker(&self, now: Duration) -> Option<&str> {
        let reached = self.timeline.reached(self.clock.place(now));
        self.events[..reached]
            .iter()
            .rev()
            .find_map(|event| if let What::Marker(label) = &event.what { Some(label.as_str()) } else { None })
    }

    /// The auditor's terminal has another size.
    pub fn handle_resize(&mut self, viewer: Size) {
        self.viewer = viewer;
        self.painter = Painter::new(viewer);
    }

    /// Takes a key.
    pub fn handle_key(&mut self, key: Key, now: Duration) {
        let place = self.place(now);
        match key {
            Key::Pause => self.set(now, place, self.clock.speed, !self.clock.paused),
            Key::Faster => self.set(now, place, self.clock.speed + 1, self.clock.paused),
            Key::Slower => self.set(now, place, self.clock.speed - 1, self.clock.paused),
            Key::Forward => self.seek(place.saturating_add(STEP), now),
            Key::Back => self.seek(place.saturating_sub(STEP), now),
            Key::Start => self.seek(Duration::ZERO, now),
            Key::End => self.seek(self.duration(), now),
            Key::NextMark => self.seek(self.mark_after(place).unwrap_or(place), now),
            Key::PreviousMark => self.seek(self.mark_before(place).unwrap_or(Duration::ZERO), now),
            Key::Step => {
                let next = self.timeline.at(self.timeline.reached(place)).unwrap_or(place);
                self.seek(next, now);
                self.clock.paused = true;
            }
            Key::Quit => self.quit = true,
        }
    }

    /// Moves to a place; backwards the screen is made anew from the beginning.
    pub fn seek(&mut self, place: Duration, now: Duration) {
        let place = place.min(self.duration());
        self.set(now, place, self.clock.speed, self.clock.paused);
        if self.timeline.reached(place) < self.next {
            self.next = 0;
            self.model = Bounded::new(self.size);
            self.painter.forget();
        }
    }

    /// Says what to do at `now`.
    pub fn poll(&mut self, now: Duration) -> Next {
        if self.quit {
            return Next::Quit;
        }
        let reached = self.timeline.reached(self.clock.place(now));
        self.show(reached);
        if self.next < reached {
            // A long way is gone in pieces and painted at its end.
            return Next::WaitUntil(now);
        }
        let bytes = self.painter.paint(&self.model.terminal, self.status(now));
        if !bytes.is_empty() {
            return Next::Write(bytes);
        }
        match self.timeline.at(self.next) {
            None => Next::Ended,
            Some(_) if self.clock.paused => Next::WaitForKey,
            Some(at) => Next::WaitUntil(self.due(at, now)),
        }
    }

    /// When the next event is to be shown, or the line of status says another second.
    fn due(&self, next: Duration, now: Duration) -> Duration {
        let event = self.clock.reaches(next).max(now.saturating_add(Duration::from_millis(1)));
        if !self.has_status {
            return event;
        }
        let second = Duration::from_secs(self.place(now).as_secs() + 1);
        event.min(self.clock.reaches(second).max(now.saturating_add(TICK)))
    }

    fn status(&self, now: Duration) -> Option<String> {
        let is_over = self.timeline.at(self.next).is_none();
        let (place, length, speed) = (self.place(now), self.duration(), self.speed());
        let status = Status { place, length, speed, is_paused: self.paused(), is_over };
        (self.has_status && self.viewer.rows() > 1).then(|| status.line(self.viewer.columns().into()))
    }

    fn show(&mut self, reached: usize) {
        let mut work = WORK;
        while self.next < reached && work > 0 {
            match &self.events[self.next].what {
                What::Output(text) => {
                    work = work.saturating_sub(text.len());
                    self.model.feed(text.as_bytes(), &mut |terminal, function, _| terminal.execute(function));
                }
                What::Resize(size) => {
                    work = work.saturating_sub(1024);
                    self.model.resize(*size, ());
                }
                What::Input(_) | What::Marker(_) | What::Exit(_) => work -= 1,
            }
            self.next += 1;
        }
    }

    fn set(&mut self, since: Duration, place: Duration, speed: i32, paused: bool) {
        let speed = speed.clamp(*SPEEDS.start(), *SPEEDS.end());
        self.clock = Clock { since, place, speed, paused };
    }

    fn mark_after(&self, place: Duration) -> Option<Duration> {
        self.marks().find(|at| *at > place)
    }

    fn mark_before(&self, place: Duration) -> Option<Duration> {
        // A second's grace: pressed twice, the key goes to the mark before.
        self.marks().take_while(|at| *at < place.saturating_sub(Duration::from_secs(1))).last()
    }

    fn marks(&self) -> impl Iterator<Item = Duration> {
        let markers = self.events.iter().enumerate().filter(|(_, event)| matches!(event.what, What::Marker(_)));
        markers.filter_map(|(index, _)| self.timeline.at(index))
    }
}

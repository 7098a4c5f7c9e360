//! How large a world is and which of its sources exist.
//!
//! Owns the defaults.

/// Which ids and sources join the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The wrapper is in use: ids are planted, link records exist.
    Planted,
    /// Another launcher: no ids and no link records, but CloudTrail with the callers' names and addresses.
    TrailOnly,
    /// Neither ids nor link records nor CloudTrail: DescribeSessions alone.
    Unplanted,
}

/// The shape of a world.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Ordinary sessions; scenes come on top.
    pub sessions: usize,
    /// People.
    pub people: usize,
    /// Days, of which the first six are the zone of gaps.
    pub days: i64,
    /// Ids and sources.
    pub keys: Keys,
    /// How often each variety of a scene is played; 0 leaves the scenes out.
    pub scenes: usize,
    /// Share of tasks in which sessions of several people overlap.
    pub shared_tasks: f64,
    /// Share of tasks in which one person has two sessions at a time.
    pub doubled_tasks: f64,
    /// Share of overlapping sessions that begin within three seconds of the one before.
    pub rushes: f64,
    /// Share of Boundary sessions with several shells, one after another.
    pub retries: f64,
    /// Share of Boundary sessions with two connections for one shell.
    pub reconnects: f64,
    /// Share of sessions that stay open and idle for most of a day.
    pub idle: f64,
    /// Share of shells without a Boundary session, in worlds without scenes.
    pub bypasses: f64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            sessions: 1000,
            people: 40,
            days: 40,
            keys: Keys::Planted,
            scenes: 12,
            shared_tasks: 0.10,
            doubled_tasks: 0.05,
            rushes: 0.3,
            retries: 0.06,
            reconnects: 0.05,
            idle: 0.03,
            bypasses: 0.0,
        }
    }
}

impl Shape {
    /// A world without any planted id, without link records and without CloudTrail; no scenes, but bypasses.
    pub fn unplanted() -> Self {
        Self { keys: Keys::Unplanted, scenes: 0, bypasses: 0.03, ..Self::default() }
    }

    /// A world without planted ids and link records, with CloudTrail; no scenes, but bypasses.
    pub fn trail_only() -> Self {
        Self { keys: Keys::TrailOnly, ..Self::unplanted() }
    }

    /// A world for benchmarks: so many ordinary sessions with about ten facts each.
    pub fn huge(sessions: usize) -> Self {
        let people = (sessions / 50).clamp(40, 5000);
        Self { sessions, people, days: 90, scenes: 0, ..Self::default() }
    }
}

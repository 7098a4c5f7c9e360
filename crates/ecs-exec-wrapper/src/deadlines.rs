//! The times at which a session ends by itself, and when the user is warned of them.
//!
//! Pure: time is an argument. Owns the thresholds; [`crate::pump`] shows what this says.

use jiff::{SignedDuration, Timestamp};

/// How long before an end the user is warned, longest first.
const WARN_BEFORE: [SignedDuration; 3] =
    [SignedDuration::from_mins(10), SignedDuration::from_mins(5), SignedDuration::from_mins(1)];

/// AWS ends a session after 20 minutes without a byte in either direction; warned of two minutes before.
const AWS_IDLE: SignedDuration = SignedDuration::from_mins(20);
const AWS_IDLE_WARNING: SignedDuration = SignedDuration::from_mins(18);

/// An end whose time is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    what: &'static str,
    at: Timestamp,
    warned: usize,
}

/// The ends of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deadlines {
    known: Vec<Known>,
    /// Ours: without a key for so long the session ends.
    idle_timeout: Option<SignedDuration>,
    last_key: Option<Timestamp>,
    last_byte: Option<Timestamp>,
    idle_warned: bool,
}

/// What a look at the clock came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// The user is to be warned.
    Warn(String),
    /// The user has typed nothing for too long.
    Idle,
}

impl Deadlines {
    /// Starts the clock.
    pub(crate) fn new(now: Timestamp, idle_timeout: Option<SignedDuration>) -> Self {
        Self { known: Vec::new(), idle_timeout, last_key: Some(now), last_byte: Some(now), idle_warned: false }
    }

    /// Adds an end; warnings whose time is over already are not given, but the next one is.
    pub(crate) fn add(&mut self, what: &'static str, at: Option<Timestamp>, now: Timestamp) {
        let Some(at) = at else { return };
        let warned = WARN_BEFORE.iter().filter(|before| at - **before <= now).count();
        self.known.push(Known { what, at, warned });
    }

    /// The user typed.
    pub(crate) fn key(&mut self, now: Timestamp) {
        self.last_key = Some(now);
        self.byte(now);
    }

    /// The channel carried something.
    pub(crate) fn byte(&mut self, now: Timestamp) {
        self.last_byte = Some(now);
        self.idle_warned = false;
    }

    /// When [`Deadlines::poll`] next has something to say.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let warnings = self.known.iter().filter_map(|known| Some(known.at - *WARN_BEFORE.get(known.warned)?));
        let idle = self.last_key.zip(self.idle_timeout).map(|(key, timeout)| key + timeout);
        let aws = self.last_byte.filter(|_| !self.idle_warned).map(|byte| byte + AWS_IDLE_WARNING);
        warnings.chain(idle).chain(aws).min()
    }

    /// Says what is due.
    pub(crate) fn poll(&mut self, now: Timestamp) -> Due {
        if self.last_key.zip(self.idle_timeout).is_some_and(|(key, timeout)| key + timeout <= now) {
            return Due::Idle;
        }
        for known in &mut self.known {
            if WARN_BEFORE.get(known.warned).is_some_and(|before| known.at - *before <= now) {
                known.warned = WARN_BEFORE.iter().filter(|before| known.at - **before <= now).count();
                return Due::Warn(format!("{} in {}", known.what, left(known.at, now)));
            }
        }
        if !self.idle_warned && self.last_byte.is_some_and(|byte| byte + AWS_IDLE_WARNING <= now) {
            self.idle_warned = true;
            return Due::Warn("AWS ends this session in 2 min unless something is typed or shown".to_owned());
        }
        Due::Nothing
    }

    /// Every end and what is left until it, for the status.
    pub(crate) fn status(&self, now: Timestamp) -> Vec<String> {
        let known = self.known.iter().map(|known| format!("{} in {} ({:.0})", known.what, left(known.at, now), known.at));
        let idle = |what: &str, since: Option<Timestamp>, limit| {
            since.map(|since| format!("{what} in {} without a key", left(since + limit, now)))
        };
        let ours = self.idle_timeout.and_then(|timeout| idle("the idle time-out ends it", self.last_key, timeout));
        let aws = self.last_byte.map(|byte| format!("AWS ends it in {} without a byte", left(byte + AWS_IDLE, now)));
        known.chain(ours).chain(aws).collect()
    }
}

/// What is left, in minutes, below two in seconds.
fn left(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs().max(0);
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn warning(text: &str) -> Due {
        Due::Warn(text.to_owned())
    }

    #[test]
    fn an_end_is_told_three_times() {
        let mut deadlines = Deadlines::new(at(0), None);
        deadlines.add("the Boundary session ends", Some(at(3600)), at(0));
        for (when, text) in [(3000, "10 min"), (3300, "5 min"), (3540, "60 s")] {
            deadlines.byte(at(when - 1));
            assert_eq!(deadlines.next(), Some(at(when)));
            assert_eq!(deadlines.poll(at(when - 1)), Due::Nothing);
            assert_eq!(deadlines.poll(at(when)), warning(&format!("the Boundary session ends in {text}")));
            assert_eq!(deadlines.poll(at(when)), Due::Nothing);
        }
    }

    #[test]
    fn a_laptop_that_slept_tells_each_end_once() {
        let mut deadlines = Deadlines::new(at(0), None);
        deadlines.add("the task stops", Some(at(3600)), at(0));
        deadlines.byte(at(3400));
        assert_eq!(deadlines.poll(at(3400)), warning("the task stops in 3 min"));
        assert_eq!(deadlines.poll(at(3400)), Due::Nothing);
    }

    #[test]
    fn a_short_session_does_not_begin_with_warnings() {
        let mut deadlines = Deadlines::new(at(0), None);
        deadlines.add("the Boundary session ends", Some(at(240)), at(0));
        assert_eq!(deadlines.next(), Some(at(180)));
        assert_eq!(deadlines.poll(at(0)), Due::Nothing);
    }

    #[test]
    fn silence_is_warned_of_until_something_moves() {
        let mut deadlines = Deadlines::new(at(0), None);
        assert!(matches!(deadlines.poll(at(18 * 60)), Due::Warn(text) if text.contains("AWS")));
        assert_eq!(deadlines.poll(at(19 * 60)), Due::Nothing);
        deadlines.byte(at(19 * 60));
        assert_eq!(deadlines.next(), Some(at(37 * 60)));
    }

    #[test]
    fn only_keys_keep_the_idle_timeout_away() {
        let mut deadlines = Deadlines::new(at(0), Some(SignedDuration::from_mins(5)));
        deadlines.byte(at(200));
        deadlines.key(at(60));
        assert_eq!(deadlines.poll(at(359)), Due::Nothing);
        assert_eq!(deadlines.poll(at(360)), Due::Idle);
    }

    #[test]
    fn the_status_names_every_end() {
        let mut deadlines = Deadlines::new(at(0), Some(SignedDuration::from_mins(5)));
        deadlines.add("the task stops", Some(at(3 * 3600 + 600)), at(0));
        let status = deadlines.status(at(0)).join("\n");
        assert!(status.contains("the task stops in 3 h 10 min") && status.contains("in 5 min without a key"), "{status}");
        assert!(status.contains("AWS ends it in 20 min"), "{status}");
    }
}

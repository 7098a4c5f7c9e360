//! Decides when to ping and when a silent peer counts as dead. Pure: no clock, no I/O.

use std::time::{Duration, Instant};

/// The time between pings: keeps NAT entries and load balancers awake (the shortest idle limits met
/// in the field are 60 s) and finds a dead peer within two missed answers.
pub const PING_EVERY: Duration = Duration::from_secs(30);

/// The silence after which the peer counts as dead: two missed answers and 15 s for a slow one.
pub const DEAD_AFTER: Duration = Duration::from_secs(75);

/// A lateness that only a stopped process explains; the peer is then asked before it is given up.
const STOPPED_FOR: Duration = Duration::from_secs(10);

/// The time to answer after the process was stopped.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send a WebSocket ping.
    Ping,
    /// Give the connection up: nothing came for [`DEAD_AFTER`].
    Dead,
}

/// Tracks pings and the peer's signs of life.
#[derive(Debug, Clone)]
pub struct Liveness {
    ping_at: Instant,
    dead_at: Instant,
    given_up: bool,
}

impl Liveness {
    /// Starts with a peer that was heard at `now`.
    pub fn new(now: Instant) -> Self {
        Self { ping_at: now + PING_EVERY, dead_at: now + DEAD_AFTER, given_up: false }
    }

    /// Notes that bytes arrived, whatever they were.
    pub fn handle_received(&mut self, now: Instant) {
        self.dead_at = self.dead_at.max(now + DEAD_AFTER);
    }

    /// Says what is due; call until `None`.
    ///
    /// A process that was stopped past the deadline pings and waits for an answer first: the peer's
    /// bytes may lie unread in the socket. Once `Dead` is returned, every later call repeats it.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        let late = now.saturating_duration_since(self.next_deadline());
        if late >= STOPPED_FOR {
            self.dead_at = self.dead_at.max(now + ANSWER_WITHIN);
        }
        if self.given_up || now >= self.dead_at {
            self.given_up = true;
            return Some(Action::Dead);
        }
        if now >= self.ping_at {
            self.ping_at = now + PING_EVERY;
            return Some(Action::Ping);
        }
        None
    }

    /// Names the next moment at which [`Liveness::poll`] has something to say.
    pub fn next_deadline(&self) -> Instant {
        self.ping_at.min(self.dead_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(liveness: &mut Liveness, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = liveness.poll(now) {
            actions.push(action);
            if action == Action::Dead {
                break;
            }
        }
        actions
    }

    #[test]
    fn a_silent_peer_is_pinged_twice_and_then_dead() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let mut seen = Vec::new();
        loop {
            let now = liveness.next_deadline();
            for action in drain(&mut liveness, now) {
                seen.push((now.duration_since(start).as_secs(), action));
            }
            if seen.last().is_some_and(|(_, action)| *action == Action::Dead) {
                break;
            }
        }
        assert_eq!(seen, [(30, Action::Ping), (60, Action::Ping), (75, Action::Dead)]);
    }

    #[test]
    fn received_bytes_postpone_death_but_not_the_ping() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        for second in 1..=600 {
            let now = start + Duration::from_secs(second);
            liveness.handle_received(now);
            let expected = if second % 30 == 0 { vec![Action::Ping] } else { vec![] };
            assert_eq!(drain(&mut liveness, now), expected, "second {second}");
        }
    }

    #[test]
    fn a_process_that_was_stopped_asks_before_it_gives_up() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let woken = start + Duration::from_hours(1);
        assert_eq!(drain(&mut liveness, woken), [Action::Ping]);
        assert_eq!(liveness.next_deadline(), woken + ANSWER_WITHIN);
        assert_eq!(drain(&mut liveness, woken + ANSWER_WITHIN), [Action::Dead]);
        assert_eq!(drain(&mut liveness, woken + DEAD_AFTER), [Action::Dead]);
    }

    #[test]
    fn an_answer_after_the_stop_keeps_the_channel() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let woken = start + Duration::from_hours(1);
        drain(&mut liveness, woken);
        liveness.handle_received(woken + Duration::from_secs(1));
        assert_eq!(drain(&mut liveness, woken + ANSWER_WITHIN), []);
    }
}

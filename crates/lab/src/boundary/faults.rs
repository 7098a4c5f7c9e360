//! What goes wrong with requests to the controller, and the count of those that came. It decides; the API does it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Serve,
    /// The limit of requests is reached.
    Limited { seconds: u64 },
    /// The controller cannot serve; with `Retry-After` if there are seconds.
    Unavailable { seconds: Option<u64> },
    /// The connection is closed, and nothing is done.
    Cut,
    /// It is carried out, and the connection is closed instead of an answer.
    Lose,
}

/// Faults to come.
#[derive(Debug, Default)]
pub(crate) struct ControllerFaults {
    next: VecDeque<Fate>,
    away: bool,
    /// Of write requests: counted down, then cut or lost.
    writes: Vec<(u32, Fate)>,
    pub(crate) latency: Duration,
    counts: BTreeMap<String, u64>,
}

impl ControllerFaults {
    pub(crate) fn push(&mut self, fate: Fate, times: u32) {
        self.next.extend(std::iter::repeat_n(fate, times as usize));
    }

    pub(crate) fn set_away(&mut self, away: bool) {
        self.away = away;
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away
    }

    /// Lets the `n`th write request from here on, counted from 1, meet a fate.
    pub(crate) fn nth_write(&mut self, n: u32, fate: Fate) {
        self.writes.push((n.max(1), fate));
    }

    /// Forgets all faults; the counts stay.
    pub(crate) fn clear(&mut self) {
        *self = Self { counts: std::mem::take(&mut self.counts), ..Self::default() };
    }

    pub(crate) fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Counts a request and decides what happens to it.
    pub(crate) fn decide(&mut self, method: &str, path: &str) -> Fate {
        *self.counts.entry(format!("{method} {path}")).or_default() += 1;
        if self.away {
            return Fate::Cut;
        }
        if let Some(fate) = self.next.pop_front() {
            return fate;
        }
        let is_write = method != "GET" && !path.ends_with(":authenticate");
        if is_write { self.decide_write() } else { Fate::Serve }
    }

    fn decide_write(&mut self) -> Fate {
        for (left, _) in &mut self.writes {
            *left -= 1;
        }
        let due = self.writes.iter().position(|(left, _)| *left == 0);
        due.map_or(Fate::Serve, |place| self.writes.remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_write_meets_its_fate_once() {
        let mut faults = ControllerFaults::default();
        faults.nth_write(2, Fate::Lose);
        let methods = ["GET", "POST", "GET", "PATCH", "POST"];
        let fates: Vec<_> = methods.iter().map(|method| faults.decide(method, "/v1/targets")).collect();
        assert_eq!(fates, [Fate::Serve, Fate::Serve, Fate::Serve, Fate::Lose, Fate::Serve]);
        assert_eq!(faults.counts()["POST /v1/targets"], 2);
    }

    #[test]
    fn a_burst_ends_and_an_absence_is_ended() {
        let mut faults = ControllerFaults::default();
        faults.push(Fate::Limited { seconds: 1 }, 2);
        let fates: Vec<_> = (0..3).map(|_| faults.decide("GET", "/v1/targets")).collect();
        assert_eq!(fates, [Fate::Limited { seconds: 1 }, Fate::Limited { seconds: 1 }, Fate::Serve]);
        faults.set_away(true);
        assert_eq!(faults.decide("GET", "/v1/targets"), Fate::Cut);
        faults.clear();
        assert_eq!(faults.decide("GET", "/v1/targets"), Fate::Serve);
        assert_eq!(faults.counts()["GET /v1/targets"], 5);
    }
}

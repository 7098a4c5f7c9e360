//! What is counted, in Prometheus' text form.
//!
//! Owns the names, which are stable. Source of the form: Prometheus' exposition format 0.0.4.

use crate::cycle::Outcome;
use crate::plan::{HeldBy, Level};
use daemon_kit::{Scraped, put_metric};
use investigation::{Marker, MarkerState};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::Duration;

/// How many intervals may pass without a good run before the daemon is not ready.
const READY_FOR: u32 = 3;

/// The counters and gauges.
#[derive(Debug)]
pub(super) struct Metrics {
    interval: Duration,
    runs: u64,
    failures: u64,
    consecutive_failures: u64,
    steps_done: u64,
    steps_failed: u64,
    last_success: Option<Timestamp>,
    last_took: Duration,
    targets: [usize; 3],
    pending: usize,
    held: usize,
    limited: bool,
    alarms: usize,
    warnings: usize,
    unreadable_sources: usize,
    records_waiting: usize,
}

impl Metrics {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            runs: 0,
            failures: 0,
            consecutive_failures: 0,
            steps_done: 0,
            steps_failed: 0,
            last_success: None,
            last_took: Duration::ZERO,
            targets: [0; 3],
            pending: 0,
            held: 0,
            limited: false,
            alarms: 0,
            warnings: 0,
            unreadable_sources: 0,
            records_waiting: 0,
        }
    }

    /// Takes in how many objects with records wait in the spool.
    pub(super) fn add_waiting(&mut self, objects: usize) {
        self.records_waiting = objects;
    }

    /// Takes a run in; nothing for one that failed.
    pub(super) fn add(&mut self, outcome: Option<&Outcome>, took: Duration, now: Timestamp) {
        self.runs += 1;
        self.last_took = took;
        let Some(outcome) = outcome else {
            self.failures += 1;
            self.consecutive_failures += 1;
            return;
        };
        self.consecutive_failures = 0;
        self.last_success = Some(now);
        self.steps_done += outcome.done() as u64;
        self.steps_failed += outcome.failed() as u64;
        let plan = &outcome.look.plan;
        (self.held, self.limited) = (plan.held.iter().filter(|held| held.by != HeldBy::Policy).count(), plan.is_limited());
        self.pending = outcome.failed();
        let level = |level| plan.notes.iter().filter(|note| note.level == level).count();
        (self.alarms, self.warnings) = (level(Level::Alarm), level(Level::Warning));
        self.unreadable_sources = outcome.look.snapshot.sources.values().filter(|scan| scan.failure.is_some()).count();
        self.targets = [0; 3];
        for target in outcome.look.snapshot.boundary.targets.values() {
            match Marker::parse(&target.description).ok().filter(|marker| marker.owner == plan.owner).map(|marker| marker.state) {
                Some(MarkerState::Live) => self.targets[0] += 1,
                Some(MarkerState::Missing(_)) => self.targets[1] += 1,
                Some(MarkerState::Quarantined(_)) => self.targets[2] += 1,
                None => {}
            }
        }
    }
}

impl Scraped for Metrics {
    fn is_ready(&self, now: Timestamp) -> bool {
        let good_for = self.interval * READY_FOR;
        self.last_success.is_some_and(|at| now.duration_since(at).unsigned_abs() <= good_for)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            put_metric(&mut text, &format!("target_sync_{name}"), kind, help, value);
        };
        put("runs_total", "counter", "Runs, failed ones included.", &self.runs);
        put("run_failures_total", "counter", "Runs that could not read Boundary, or write the journal.", &self.failures);
        put("consecutive_run_failures", "gauge", "Failed runs since the last good one.", &self.consecutive_failures);
        put("steps_done_total", "counter", "Writes to Boundary.", &self.steps_done);
        put("steps_failed_total", "counter", "Writes that were refused, unanswered or left out.", &self.steps_failed);
        let last = self.last_success.map_or(0, Timestamp::as_second);
        put("last_success_timestamp_seconds", "gauge", "When a run last read everything it needs.", &last);
        put("last_run_seconds", "gauge", "How long the last run took.", &self.last_took.as_secs_f64());
        put("pending_steps", "gauge", "Due steps that the last run could not do.", &self.pending);
        put("held_steps", "gauge", "Due steps that limits or live sessions hold back.", &self.held);
        put("limit_hit", "gauge", "1 while a limit holds retirements back.", &u8::from(self.limited));
        put("alarms", "gauge", "Notes that somebody must look at.", &self.alarms);
        put("warnings", "gauge", "Notes that are odd.", &self.warnings);
        put("unreadable_sources", "gauge", "Sources that the last run could not read to their end.", &self.unreadable_sources);
        put("records_waiting", "gauge", "Objects with sync records that wait in the spool.", &self.records_waiting);
        let help = "Our targets, by the state in their marker.";
        let _ = write!(text, "# HELP target_sync_targets {help}\n# TYPE target_sync_targets gauge\n");
        for (state, count) in ["live", "missing", "quarantined"].iter().zip(self.targets) {
            let _ = writeln!(text, "target_sync_targets{{state=\"{state}\"}} {count}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_help_type_and_a_number() {
        let text = Metrics::new(Duration::from_mins(1)).text();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(text.contains(&format!("# TYPE {name} ")) && text.contains(&format!("# HELP {name} ")), "{name}");
        }
    }

    #[test]
    fn ready_is_a_good_run_within_three_intervals() {
        let mut metrics = Metrics::new(Duration::from_mins(1));
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        assert!(!metrics.is_ready(now));
        metrics.last_success = Some(now);
        let after = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        assert!(metrics.is_ready(after(180)) && !metrics.is_ready(after(181)));
    }
}

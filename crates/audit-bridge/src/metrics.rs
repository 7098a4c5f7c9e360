//! What is counted, in Prometheus' text form. Owns the names, which are stable.

use crate::collect::Round;
use audit_state::Figures;
use daemon_kit::{Scraped, put_metric};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::Duration;

/// How many intervals may pass without a whole round before the daemon is not ready.
const READY_FOR: u32 = 3;

/// The counters and gauges.
#[derive(Debug)]
pub(crate) struct Metrics {
    interval: Duration,
    rounds: u64,
    failures: u64,
    last_success: Option<Timestamp>,
    boundary_read: Option<Timestamp>,
    last_took: Duration,
    unread: usize,
    figures: Figures,
}

impl Metrics {
    pub(crate) fn new(interval: Duration) -> Self {
        let (rounds, failures, unread) = (0, 0, 0);
        Self {
            interval,
            rounds,
            failures,
            last_success: None,
            boundary_read: None,
            last_took: Duration::ZERO,
            unread,
            figures: Figures::default(),
        }
    }

    /// Takes a round in; nothing for one that failed.
    pub(crate) fn add(&mut self, round: Option<&Round>, took: Duration, now: Timestamp, figures: Option<Figures>) {
        self.rounds += 1;
        self.last_took = took;
        // What cannot be counted is not zero: an alert would think itself answered.
        if let Some(figures) = figures {
            self.figures = figures;
        }
        match round {
            Some(round) => {
                self.last_success = Some(now);
                self.unread = round.failed.len();
                self.boundary_read = if round.boundary_read { Some(now) } else { self.boundary_read };
            }
            None => self.failures += 1,
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
            put_metric(&mut text, &format!("audit_bridge_{name}"), kind, help, value);
        };
        put("rounds_total", "counter", "Rounds, failed ones included.", &self.rounds);
        put("round_failures_total", "counter", "Rounds that could not keep what they read.", &self.failures);
        let last = self.last_success.map_or(0, Timestamp::as_second);
        put("last_success_timestamp_seconds", "gauge", "When a round last went to its end.", &last);
        let read = self.boundary_read.map_or(0, Timestamp::as_second);
        put("boundary_read_timestamp_seconds", "gauge", "When every controller was last read to its end.", &read);
        put("last_round_seconds", "gauge", "How long the last round took.", &self.last_took.as_secs_f64());
        put("unread_sources", "gauge", "Sources that the last round did not read to their end.", &self.unread);
        put("unsettled_cases", "gauge", "Cases that may still change by time or late facts.", &self.figures.unsettled);
        put("waiting_keys", "gauge", "Keys that wait for a judgement.", &self.figures.waiting);
        put("evidence_bytes", "gauge", "Bytes of evidence that is kept.", &self.figures.evidence.1);
        put("database_bytes", "gauge", "Bytes of the state's database.", &self.figures.database_bytes);
        let _ =
            writeln!(text, "# HELP audit_bridge_findings Findings by severity and state.\n# TYPE audit_bridge_findings gauge");
        for ((severity, state), count) in &self.figures.findings {
            let _ = writeln!(text, "audit_bridge_findings{{severity=\"{severity}\",state=\"{state}\"}} {count}");
        }
        let _ = writeln!(text, "# HELP audit_bridge_accounts Accounts by assurance.\n# TYPE audit_bridge_accounts gauge");
        for (assurance, count) in &self.figures.accounts {
            let _ = writeln!(text, "audit_bridge_accounts{{assurance=\"{assurance}\"}} {count}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_help_type_and_a_number() {
        let mut metrics = Metrics::new(Duration::from_mins(5));
        metrics.figures.findings.insert(("critical".to_owned(), "confirmed".to_owned()), 1);
        metrics.figures.accounts.insert("none".to_owned(), 1);
        let text = metrics.text();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(text.contains(&format!("# TYPE {name} ")) && text.contains(&format!("# HELP {name} ")), "{name}");
        }
    }
}

//! What proved and broken hours of delivery say about the times of events.

use super::{DigestGrade, DigestHour, DigestReport};
use crate::coverage::{Coverage, Grade, Lack};
use crate::fact::Source;
use jiff::{SignedDuration, Timestamp};

/// How long after an event its log file may come, generously: AWS says about five minutes on average and promises nothing.
/// Source: CloudTrail user guide, "Getting and viewing your CloudTrail log files".
pub const DELIVERY_LAG: SignedDuration = SignedDuration::from_mins(30);

impl DigestReport {
    /// The windows of event time: proved up to the lag before the end of an unbroken run of hours, since the last events of
    /// a run may stand in files that come after it; broken from the lag before a broken hour to its end.
    pub fn coverage(&self, place: &str, scope: &str, lag: SignedDuration) -> Vec<Coverage> {
        let window = |from, to, grade, lack| Coverage {
            source: Source::CloudTrail,
            place: place.to_owned(),
            scope: scope.to_owned(),
            from,
            to,
            grade,
            lack,
        };
        let proved = self.runs().into_iter().map(|(from, to)| (from, to.saturating_sub(lag).unwrap_or(to)));
        let proved = proved.filter(|(from, to)| from < to).map(|(from, to)| window(from, to, Grade::Proved, None));
        let broken = self.broken().map(|(hour, text)| {
            let from = hour.from.saturating_sub(lag).unwrap_or(hour.from);
            window(from, hour.to, Grade::None, Some(Lack::Broken { text }))
        });
        let mut windows: Vec<Coverage> = proved.chain(broken).collect();
        windows.sort_by_key(|window| (window.from, window.to));
        windows
    }

    fn broken(&self) -> impl Iterator<Item = (&DigestHour, String)> {
        self.hours.iter().filter_map(|hour| match &hour.grade {
            DigestGrade::Proved => None,
            DigestGrade::Broken { why } => Some((hour, why.to_string())),
        })
    }

    /// Unbroken runs of proved hours; no run reaches into a broken hour.
    fn runs(&self) -> Vec<(Timestamp, Timestamp)> {
        let mut runs: Vec<(Timestamp, Timestamp)> = Vec::new();
        for hour in self.hours.iter().filter(|hour| hour.grade == DigestGrade::Proved) {
            let overlaps = |(broken, _): (&DigestHour, String)| broken.from < hour.to && hour.from < broken.to;
            if self.broken().any(overlaps) {
                continue;
            }
            match runs.last_mut().filter(|(_, to)| *to >= hour.from) {
                Some((_, to)) => *to = hour.to.max(*to),
                None => runs.push((hour.from, hour.to)),
            }
        }
        runs
    }
}

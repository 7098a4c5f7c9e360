//! How clocks and habits differ, learned from links that are exact.
//!
//! Owns robust estimates: medians and their spread. What too few samples say is not believed.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Samples below which a site's or host's own values are not believed.
const ENOUGH: usize = 20;
/// Samples below which a host's clock is not believed to be known.
const ENOUGH_OF_HOST: usize = 3;
/// The least slack that a host gets.
const LEAST_SLACK_SECONDS: f64 = 60.0;
/// From the median absolute deviation to a standard deviation, for normal noise.
const MAD_TO_SIGMA: f64 = 1.4826;

/// What an exact link shows of clocks and habits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds from the Boundary session's first connection to the shell's start.
    pub start_gap: Option<f64>,
    /// Seconds from the shell's end to the Boundary session's.
    pub end_gap: Option<f64>,
    /// The host of the wrapper, and seconds by which its clock is ahead of AWS's.
    pub host: Option<(String, f64)>,
}

/// How clocks and habits differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skews {
    /// Mean and deviation of the logarithm of the start gap in seconds.
    pub start: (f64, f64),
    /// Median and deviation of the end gap in seconds.
    pub end: (f64, f64),
    /// Exact links that were learned from.
    pub samples: usize,
    /// Seconds by which a host's clock is ahead, and their spread.
    pub hosts: BTreeMap<String, (f64, f64)>,
}

impl Default for Skews {
    /// What holds before anything was learned: the connection comes before the shell by a second or two, and ends with it.
    fn default() -> Self {
        Self { start: (0.4, 0.8), end: (1.0, 3.0), samples: 0, hosts: BTreeMap::new() }
    }
}

impl Skews {
    /// Learns from exact links; the order does not matter.
    pub fn learn(samples: &[Sample]) -> Self {
        let mut skews = Self { samples: samples.len(), ..Self::default() };
        let starts: Vec<f64> = samples.iter().filter_map(|it| it.start_gap).filter(|gap| *gap > 0.0).map(f64::ln).collect();
        let ends: Vec<f64> = samples.iter().filter_map(|it| it.end_gap).collect();
        if let Some((mean, spread)) = centre(starts, ENOUGH) {
            skews.start = (mean, spread.clamp(0.3, 2.0));
        }
        if let Some((median, spread)) = centre(ends, ENOUGH) {
            skews.end = (median, spread.clamp(0.5, 30.0));
        }
        let mut hosts: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (host, ahead) in samples.iter().filter_map(|it| it.host.as_ref()) {
            hosts.entry(host).or_default().push(*ahead);
        }
        let known = hosts.into_iter().filter_map(|(host, ahead)| Some((host.to_owned(), centre(ahead, ENOUGH_OF_HOST)?)));
        skews.hosts = known.collect();
        skews
    }

    /// By how much a host's clock is ahead, and how far to trust that; none when too little is known.
    pub fn of_host(&self, host: &str) -> Option<(SignedDuration, SignedDuration)> {
        let (ahead, spread) = self.hosts.get(host)?;
        Some((seconds(*ahead), seconds((spread * 6.0).max(LEAST_SLACK_SECONDS))))
    }
}

/// The median and the robust deviation of enough values.
fn centre(mut values: Vec<f64>, enough: usize) -> Option<(f64, f64)> {
    values.retain(|value| value.is_finite());
    if values.len() < enough {
        return None;
    }
    let middle = median(&mut values);
    let mut away: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    Some((middle, median(&mut away) * MAD_TO_SIGMA))
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let (_, value, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    *value
}

/// Seconds as a duration; what no duration can hold is the longest of a year.
fn seconds(value: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(value.clamp(-31_536_000.0, 31_536_000.0)).unwrap_or(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(start_gap: f64, ahead: f64) -> Sample {
        Sample { start_gap: Some(start_gap), end_gap: Some(2.0), host: Some(("laptop".to_owned(), ahead)) }
    }

    #[test]
    fn a_few_liars_move_nothing() {
        let mut samples: Vec<Sample> = (0..50).map(|n| sample(2.0 + f64::from(n % 5) / 10.0, 180.0)).collect();
        let honest = Skews::learn(&samples);
        samples.extend((0..5).map(|_| sample(40_000.0, -90_000.0)));
        let skews = Skews::learn(&samples);
        assert!((skews.start.0 - honest.start.0).abs() < 0.1);
        assert_eq!(skews.of_host("laptop").unwrap().0, SignedDuration::from_secs(180));
    }

    #[test]
    fn too_few_say_nothing() {
        let skews = Skews::learn(&[sample(1.0, 5.0), sample(1.0, 5.0)]);
        assert_eq!((skews.start, skews.of_host("laptop")), (Skews::default().start, None));
    }
}

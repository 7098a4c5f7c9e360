//! The tables: ratios of the medians, ours to the best peer of the same run, and the absolute values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::data::Workload;
use super::{OURS, Ran};

/// All runs of all engines.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<Workload, BTreeMap<&'static str, Vec<Ran>>>);

impl Table {
    /// Takes a run; its result must be that of all others of its workload.
    pub(crate) fn add(&mut self, workload: Workload, engine: &'static str, ran: Ran) -> anyhow::Result<()> {
        let engines = self.0.entry(workload).or_default();
        if let Some(first) = engines.values().flatten().next() {
            let same = (first.pairs, first.checksum) == (ran.pairs, ran.checksum);
            anyhow::ensure!(
                same,
                "{engine} found {} pairs, sum {}; another {} and {}",
                ran.pairs,
                ran.checksum,
                first.pairs,
                first.checksum
            );
        }
        engines.entry(engine).or_default().push(ran);
        Ok(())
    }

    /// Prints both tables in Markdown.
    pub(crate) fn print(&self) -> String {
        let mut out = "| workload | pairs | ours / best peer, medians | minima | best peer | ours sorted / unsorted |\n\
                       |---|---|---|---|---|---|"
            .to_owned();
        for (workload, engines) in &self.0 {
            let _ = write!(out, "\n{}", self.ratios(*workload, engines));
        }
        out.push_str("\n\n| workload | engine | s, median | s, least | MiB above the input |\n|---|---|---|---|---|");
        for (workload, engines) in &self.0 {
            for (engine, runs) in engines {
                let (median, least) = (median(runs), least(runs));
                let memory = runs.iter().map(|ran| ran.above_input).fold(0.0, f64::max);
                let _ = write!(out, "\n| {} | {engine} | {median:.3} | {least:.3} | {memory:.0} |", workload.label());
            }
        }
        out
    }

    fn ratios(&self, workload: Workload, engines: &BTreeMap<&'static str, Vec<Ran>>) -> String {
        let ours = engines.get(OURS).map_or(&[][..], Vec::as_slice);
        let peers = || engines.iter().filter(|(engine, _)| **engine != OURS);
        let best = |of: fn(&[Ran]) -> f64| {
            let seconds = peers().map(|(engine, runs)| (of(runs), *engine));
            seconds.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::NAN, "-"))
        };
        let (seconds, peer) = best(median);
        let pairs = ours.first().map_or(0, |ran| ran.pairs);
        let unsorted = workload.unsorted().and_then(|workload| self.0.get(&workload)?.get(OURS));
        let sorted = unsorted.map_or("-".to_owned(), |runs| format!("{:.2}", median(ours) / median(runs)));
        let (medians, minima) = (median(ours) / seconds, least(ours) / best(least).0);
        format!("| {} | {pairs} | {medians:.2} | {minima:.2} | {peer} | {sorted} |", workload.label())
    }
}

fn median(runs: &[Ran]) -> f64 {
    let mut seconds: Vec<f64> = runs.iter().map(|ran| ran.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    match seconds.len() {
        0 => f64::NAN,
        even if even.is_multiple_of(2) => f64::midpoint(seconds[middle - 1], seconds[middle]),
        _ => seconds[middle],
    }
}

fn least(runs: &[Ran]) -> f64 {
    runs.iter().map(|ran| ran.seconds).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(seconds: f64, pairs: u64) -> Ran {
        Ran { seconds, pairs, checksum: 1, above_input: 10.0 }
    }

    #[test]
    fn ours_is_compared_with_the_best_peer_and_sorted_with_unsorted() {
        let mut table = Table::default();
        for (engine, seconds) in [(OURS, 1.0), (OURS, 3.0), (OURS, 2.0), ("slow", 9.0), ("fast", 4.0)] {
            table.add(Workload::Disjoint, engine, ran(seconds, 5)).unwrap();
        }
        table.add(Workload::DisjointSorted, OURS, ran(0.5, 5)).unwrap();
        let text = table.print();
        assert!(text.contains("\n| disjoint | 5 | 0.50 | 0.25 | fast | - |"), "{text}");
        assert!(text.contains("\n| disjoint, sorted | 5 | NaN | NaN | - | 0.25 |"), "{text}");
    }

    #[test]
    fn a_result_that_differs_is_no_sample() {
        let mut table = Table::default();
        table.add(Workload::Skewed, OURS, ran(1.0, 5)).unwrap();
        assert!(table.add(Workload::Skewed, "peer", ran(1.0, 6)).is_err());
    }
}

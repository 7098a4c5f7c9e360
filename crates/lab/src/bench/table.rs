//! The table: medians of each quantity and case, and ours as a share of the peer's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::bench::case::Case;
use crate::bench::measure::percentile;

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    Start,
    MemoryAtPrompt,
    PluginMemoryAtPrompt,
    MemoryAfter,
    PluginMemoryAfter,
    OutputRate,
    OutputCpu,
    PluginOutputCpu,
    OutputShare,
    Paste,
    EchoMedian,
    EchoSlow,
    Resize,
}

impl Quantity {
    const ALL: [Self; 13] = [
        Self::Start,
        Self::MemoryAtPrompt,
        Self::PluginMemoryAtPrompt,
        Self::MemoryAfter,
        Self::PluginMemoryAfter,
        Self::OutputRate,
        Self::OutputCpu,
        Self::PluginOutputCpu,
        Self::OutputShare,
        Self::Paste,
        Self::EchoMedian,
        Self::EchoSlow,
        Self::Resize,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Start => "start to first prompt, ms",
            Self::MemoryAtPrompt => "peak memory at the prompt, MiB",
            Self::PluginMemoryAtPrompt | Self::PluginMemoryAfter | Self::PluginOutputCpu => "the same, plugin alone",
            Self::MemoryAfter => "peak memory after 50 MB, MiB",
            Self::OutputRate => "50 MB of output, MB/s",
            Self::OutputCpu => "CPU for output, ms/MB",
            Self::OutputShare => "cores used during output",
            Self::Paste => "paste of 200 kB, MB/s",
            Self::EchoMedian => "key echo p50, ms",
            Self::EchoSlow => "key echo p99, ms",
            Self::Resize => "resize reaches the program, ms",
        }
    }
}

/// All values of a run.
#[derive(Debug, Default)]
pub(crate) struct Samples(BTreeMap<(Quantity, Case), Vec<f64>>);

impl Samples {
    pub(crate) fn add(&mut self, case: Case, values: Vec<(Quantity, f64)>) {
        for (quantity, value) in values {
            self.0.entry((quantity, case)).or_default().push(value);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Prints the table in Markdown.
    pub(crate) fn print(&self, cases: &[Case]) -> String {
        let names: Vec<&str> = cases.iter().map(|case| case.name()).collect();
        let mut out = format!("| median | {} | ours/CLI, TLS | ours/CLI, plain |\n|---|", names.join(" | "));
        out += &"---|".repeat(cases.len() + 2);
        for quantity in Quantity::ALL {
            if self.0.keys().any(|(known, _)| *known == quantity) {
                let _ = write!(out, "\n| {} |", quantity.label());
                for case in cases {
                    let _ = write!(out, " {} |", number(self.median(quantity, *case)));
                }
                for (ours, stock) in [(Case::OursTls, Case::StockTls), (Case::OursPlain, Case::StockPlain)] {
                    let _ = write!(out, " {} |", number(self.ratio(quantity, ours, stock)));
                }
            }
        }
        out
    }

    fn median(&self, quantity: Quantity, case: Case) -> Option<f64> {
        self.0.get(&(quantity, case)).map(|values| percentile(&mut values.clone(), 50))
    }

    fn ratio(&self, quantity: Quantity, ours: Case, stock: Case) -> Option<f64> {
        let stock = self.median(quantity, stock).filter(|value| *value > 0.0)?;
        self.median(quantity, ours).map(|value| value / stock)
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_medians_and_ratios_of_like_with_like() {
        let mut samples = Samples::default();
        for value in [30.0, 10.0, 500.0] {
            samples.add(Case::OursTls, vec![(Quantity::Start, value)]);
        }
        samples.add(Case::StockTls, vec![(Quantity::Start, 300.0)]);
        let table = samples.print(&[Case::OursTls, Case::StockTls]);
        assert_eq!(
            table,
            "| median | ours, TLS | CLI, TLS | ours/CLI, TLS | ours/CLI, plain |\n|---|---|---|---|---|\n\
             | start to first prompt, ms | 30.0 | 300 | 0.10 | - |"
        );
    }

    #[test]
    fn every_quantity_has_its_row() {
        let mut samples = Samples::default();
        for quantity in Quantity::ALL {
            samples.add(Case::OursPlain, vec![(quantity, 1.0)]);
        }
        assert_eq!(samples.print(&[Case::OursPlain]).lines().count(), 2 + Quantity::ALL.len());
    }
}

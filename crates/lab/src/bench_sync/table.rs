//! The tables: what each run cost, and how that grows from one size to the next.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::bench_sync::Run;
use crate::bench_sync::ran::Ran;

/// All runs, by size.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<(Run, u32), Ran>);

impl Table {
    pub(crate) fn add(&mut self, run: Run, tasks: u32, ran: Ran) {
        self.0.insert((run, tasks), ran);
    }

    /// Prints both tables in Markdown.
    pub(crate) fn print(&self) -> String {
        let mut out = "| run | tasks | lists | reads | writes | writes a changed task | AWS calls | s | CPU s | CPU µs a task | \
                       peak MiB |\n|---|---|---|---|---|---|---|---|---|---|---|"
            .to_owned();
        for ((run, tasks), ran) in &self.0 {
            let touched = run.touched(*tasks);
            let each = if touched == 0 { "-".to_owned() } else { format!("{:.2}", float(ran.writes) / f64::from(touched)) };
            let _ = write!(
                out,
                "\n| {} | {tasks} | {} | {} | {} | {each} | {} | {:.2} | {:.2} | {:.0} | {:.1} |",
                label(*run),
                ran.lists,
                ran.reads,
                ran.writes,
                ran.aws_calls,
                ran.used.seconds,
                ran.used.cpu_seconds,
                1e6 * ran.used.cpu_seconds / f64::from(*tasks),
                ran.used.peak_memory,
            );
        }
        out.push_str("\n\n| growth | tasks | requests | time | CPU time | memory |\n|---|---|---|---|---|---|");
        for ((run, tasks), ran) in &self.0 {
            let Some(((_, fewer), less)) = self.0.range((*run, 0)..(*run, *tasks)).next_back() else { continue };
            let ratio = |more: f64, less: f64| if less > 0.0 { format!("{:.1}", more / less) } else { "-".to_owned() };
            let _ = write!(
                out,
                "\n| {} | {tasks}/{fewer} = {} | {} | {} | {} | {} |",
                label(*run),
                ratio(f64::from(*tasks), f64::from(*fewer)),
                ratio(float(ran.requests()), float(less.requests())),
                ratio(ran.used.seconds, less.used.seconds),
                ratio(ran.used.cpu_seconds, less.used.cpu_seconds),
                ratio(ran.used.peak_memory, less.used.peak_memory),
            );
        }
        out
    }
}

fn label(run: Run) -> &'static str {
    match run {
        Run::First => "first apply",
        Run::Idle => "apply, nothing to do",
        Run::Plan => "plan, nothing to do",
        Run::Change => "apply, 1 % replaced",
    }
}

/// Counts stay far below what a float holds exactly.
fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_sync::ran::Used;

    #[test]
    fn sizes_are_compared_with_the_next_smaller_of_the_same_run() {
        let mut table = Table::default();
        let ran = |writes, cpu_seconds| Ran { writes, used: Used { cpu_seconds, ..Used::default() }, ..Ran::default() };
        table.add(Run::First, 1000, ran(5000, 1.0));
        table.add(Run::First, 10_000, ran(50_000, 12.0));
        table.add(Run::Idle, 1000, ran(0, 0.5));
        let text = table.print();
        assert!(text.contains("\n| first apply | 10000 | 0 | 0 | 50000 | 5.00 | 0 | 0.00 | 12.00 | 1200 | 0.0 |"), "{text}");
        assert!(text.ends_with("\n| first apply | 10000/1000 = 10.0 | 10.0 | - | 12.0 | - |"), "{text}");
    }
}

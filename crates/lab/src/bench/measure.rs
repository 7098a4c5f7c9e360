//! The measurements: each is one session of one case in a fresh world, driven like a user at a terminal.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lab::{JournalEntry, World};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::bench::Measurement;
use crate::bench::case::{Case, Programs};
use crate::bench::seat::Seat;
use crate::bench::table::Quantity;
use crate::bench::usage;
use crate::say;

const OUTPUT_MB: u32 = 50;
/// Of a hundred bytes each.
const LINES_PER_MB: u32 = 10_000;
const PASTE_KB: u16 = 200;
const KEYS: usize = 500;
const RESIZES: u16 = 20;

/// Between two keys.
const KEY_GAP: Duration = Duration::from_millis(2);
/// Between two resizes, at most: the plugin looks at its terminal twice a second, so the moments are spread over that.
const RESIZE_GAP: u64 = 500;
/// Between the last resize and the next key.
const AFTER_RESIZES: Duration = Duration::from_millis(100);
/// A resize that takes longer does not arrive.
const RESIZE_LIMIT: Duration = Duration::from_secs(5);

/// What the samples have in common.
pub(crate) struct Bench<'a> {
    runtime: &'a Runtime,
    programs: &'a Programs,
    folder: TempDir,
}

type Values = Vec<(Quantity, f64)>;

impl<'a> Bench<'a> {
    pub(crate) fn new(runtime: &'a Runtime, programs: &'a Programs) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("lab-bench-")?;
        let mut file = std::io::BufWriter::new(std::fs::File::create(folder.path().join("log"))?);
        for number in 0..OUTPUT_MB * LINES_PER_MB {
            writeln!(file, "{number:08} 2026-01-01T00:00:00Z reconciled a machine config pool without any change, {:.<24}", "")?;
        }
        file.flush()?;
        Ok(Self { runtime, programs, folder })
    }

    pub(crate) fn measure(&self, measurement: Measurement, case: Case) -> anyhow::Result<Values> {
        let world = self.runtime.block_on(World::start(case.world()))?;
        let mut seat = Seat::start(self.programs.command(case, &world, self.folder.path())?)?;
        seat.expect_prompt()?;
        let start = seat.started.elapsed();
        let values = match measurement {
            Measurement::Start => vec![(Quantity::Start, millis(start))],
            Measurement::Output => self.output(&mut seat)?,
            Measurement::Paste => paste(&mut seat)?,
            Measurement::Echo => echo(&mut seat)?,
            Measurement::Resize => self.resize(&seat, &world)?,
        };
        // What was measured stays measured when the end goes wrong.
        if let Err(error) = seat.type_line("exit").and_then(|()| seat.finish()) {
            say(&format!("lab: {} after {measurement:?}: {error:#}", case.name()));
        }
        Ok(values)
    }

    fn output(&self, seat: &mut Seat) -> anyhow::Result<Values> {
        let prompt = usage::look(seat.pid())?;
        let log = self.folder.path().join("log");
        // The mark is quoted in the middle: the shell's echo of this line does not show it. The log holds nothing like a prompt.
        seat.type_line(&format!("stty -echo -opost; printf 'GO''!'; read x; cat {}", log.display()))?;
        seat.expect("GO!")?;
        let before = usage::look(seat.pid())?;
        let began = Instant::now();
        seat.type_line("")?;
        seat.expect_prompt()?;
        let seconds = began.elapsed().as_secs_f64();
        let after = usage::look(seat.pid())?;
        let megabytes = f64::from(OUTPUT_MB);
        let (cpu, plugin_cpu) = (after.cpu - before.cpu, after.plugin_cpu - before.plugin_cpu);
        Ok(vec![
            (Quantity::MemoryAtPrompt, prompt.memory),
            (Quantity::PluginMemoryAtPrompt, prompt.plugin_memory),
            (Quantity::MemoryAfter, after.memory),
            (Quantity::PluginMemoryAfter, after.plugin_memory),
            (Quantity::OutputRate, megabytes / seconds),
            (Quantity::OutputCpu, 1e3 * cpu / megabytes),
            (Quantity::PluginOutputCpu, 1e3 * plugin_cpu / megabytes),
            (Quantity::OutputShare, cpu / seconds),
        ])
    }

    fn resize(&self, seat: &Seat, world: &World) -> anyhow::Result<Values> {
        let mut times = Vec::new();
        for number in 1..=RESIZES {
            std::thread::sleep(Duration::from_millis(u64::from(number) * 137 % RESIZE_GAP));
            let wanted = 80 + number;
            let is_set = |entry: &JournalEntry| matches!(entry, JournalEntry::SizeSet { cols, .. } if *cols == wanted);
            let began = Instant::now();
            seat.resize(wanted, 24)?;
            if !self.runtime.block_on(world.wait_for(|entries| entries.iter().any(is_set), RESIZE_LIMIT)) {
                bail!("a resize did not arrive");
            }
            times.push(millis(began.elapsed()));
        }
        // The plugin numbers a key like a size that is just being sent; the agent then drops the key.
        std::thread::sleep(AFTER_RESIZES);
        Ok(vec![(Quantity::Resize, percentile(&mut times, 50))])
    }
}

fn paste(seat: &mut Seat) -> anyhow::Result<Values> {
    let line = format!("stty raw -echo; printf 'GO''!'; head -c {PASTE_KB}000 >/dev/null; printf 'EN''D!'; stty sane");
    seat.type_line(&line)?;
    seat.expect("GO!")?;
    let text: Vec<u8> =
        b"replicas: 3, as the runbook says\r".iter().copied().cycle().take(usize::from(PASTE_KB) * 1000).collect();
    let began = Instant::now();
    seat.paste_until(&text, "END!")?;
    let seconds = began.elapsed().as_secs_f64();
    seat.expect_prompt()?;
    Ok(vec![(Quantity::Paste, f64::from(PASTE_KB) / 1e3 / seconds)])
}

fn echo(seat: &mut Seat) -> anyhow::Result<Values> {
    // `dd` answers each byte at once as `cat` does, and ends by itself: after one key more, whose echo nobody waits for.
    seat.type_line(&format!("stty raw -echo; printf 'GO''!'; dd bs=1 count={} 2>/dev/null; stty sane", KEYS + 1))?;
    seat.expect("GO!")?;
    let mut times = Vec::with_capacity(KEYS);
    for key in b"abcdefghijklmnopqrstuvwxyz".iter().cycle().take(KEYS) {
        std::thread::sleep(KEY_GAP);
        let began = Instant::now();
        seat.type_bytes(&[*key])?;
        seat.expect(&char::from(*key).to_string()).context("a key was not answered")?;
        times.push(millis(began.elapsed()));
    }
    seat.type_bytes(b"!")?;
    seat.expect_prompt()?;
    Ok(vec![(Quantity::EchoMedian, percentile(&mut times, 50)), (Quantity::EchoSlow, percentile(&mut times, 99))])
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The nearest-rank percentile of at least one value.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        assert!((percentile(&mut [3.0, 1.0, 2.0], 50) - 2.0).abs() < 1e-9);
        let mut many: Vec<f64> = (1..=500).rev().map(f64::from).collect();
        assert!((percentile(&mut many, 99) - 495.0).abs() < 1e-9);
    }
}

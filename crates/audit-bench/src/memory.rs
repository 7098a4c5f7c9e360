//! The memory of this process, as the kernel tells it.

use anyhow::Context as _;

/// The peak of resident memory, counted from the moment that this is made.
pub(crate) struct Peak {
    start: f64,
}

impl Peak {
    /// Begins to count (proc(5), `clear_refs`).
    pub(crate) fn begin() -> anyhow::Result<Self> {
        std::fs::write("/proc/self/clear_refs", "5").context("failed to reset the peak of memory")?;
        Ok(Self { start: line("VmRSS:")? })
    }

    /// The peak above what the process held at the beginning, MiB.
    pub(crate) fn above_start(&self) -> anyhow::Result<f64> {
        Ok(line("VmHWM:")? - self.start)
    }
}

/// A line of our own status, MiB.
fn line(name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|text| text.strip_prefix(name)).context("the kernel does not tell our memory")?;
    let kib: u32 = value.trim().trim_end_matches("kB").trim().parse()?;
    Ok(f64::from(kib) / 1024.0)
}

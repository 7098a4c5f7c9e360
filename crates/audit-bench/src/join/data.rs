//! The columns that all engines read, as raw little-endian 64-bit numbers in a folder.
//!
//! Owns the workloads. The same numbers in every run: nothing is drawn.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::OURS;

/// Between the starts of two sessions of a key, ms.
const STEP: u64 = 100_000;

/// A shape of sessions and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// Five sessions a key, one after the other.
    Disjoint,
    /// A thousand sessions a key, one after the other.
    Skewed,
    /// Five sessions a key, a tenth of them into the next one.
    Overlapping,
    /// As disjoint, with sessions and events in the order of key and time.
    DisjointSorted,
    /// As skewed, with sessions and events in the order of key and time.
    SkewedSorted,
}

impl Workload {
    pub(crate) const ALL: [Self; 5] = [Self::Disjoint, Self::Skewed, Self::Overlapping, Self::DisjointSorted, Self::SkewedSorted];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Disjoint => "disjoint",
            Self::Skewed => "skewed",
            Self::Overlapping => "overlapping",
            Self::DisjointSorted => "disjoint, sorted",
            Self::SkewedSorted => "skewed, sorted",
        }
    }

    /// The unsorted workload that a sorted one is compared with.
    pub(crate) fn unsorted(self) -> Option<Self> {
        match self {
            Self::DisjointSorted => Some(Self::Disjoint),
            Self::SkewedSorted => Some(Self::Skewed),
            _ => None,
        }
    }

    /// The engines that can do it, ours first. An ASOF join finds one session at most, so none for overlaps.
    pub(crate) fn engines(self, slow: bool) -> &'static [&'static str] {
        match self {
            Self::Skewed if !slow => &[OURS, "duckdb-asof", "polars-asof"],
            Self::Disjoint | Self::Skewed => &[OURS, "duckdb-hash", "duckdb-asof", "polars-asof"],
            Self::Overlapping if !slow => &[OURS, "duckdb-hash"],
            Self::Overlapping => &[OURS, "duckdb-hash", "duckdb-range"],
            Self::DisjointSorted | Self::SkewedSorted => &[OURS, "polars-asof"],
        }
    }

    fn sessions_of_key(self) -> u64 {
        if matches!(self, Self::Skewed | Self::SkewedSorted) { 1000 } else { 5 }
    }

    fn session(self, keys: u64, number: u64) -> (u64, i64, i64) {
        let place = number / keys;
        let start = STEP * place;
        let prolonged = self == Self::Overlapping && mix(number ^ 0x5151).is_multiple_of(10);
        let length = if prolonged { STEP * 3 / 2 } else { STEP * 9 / 10 };
        (mix(number % keys), signed(start), signed(start + length))
    }

    fn event(self, keys: u64, number: u64) -> (u64, i64) {
        let drawn = mix(number + (1 << 40));
        (mix(drawn % keys), signed((drawn >> 20) % (STEP * self.sessions_of_key())))
    }
}

/// Writes the columns of a workload.
pub(crate) fn write(workload: Workload, sessions: u32, events: u32, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let keys = (u64::from(sessions) / workload.sessions_of_key()).max(1);
    let order = |number: u32, of: u32| {
        // A step that shares no factor with the count visits every row once, in an order without a pattern in time.
        (u64::from(number) * 7_368_787) % u64::from(of)
    };
    let mut rows: Vec<_> = (0..sessions).map(|number| workload.session(keys, order(number, sessions))).collect();
    let mut moments: Vec<_> = (0..events).map(|number| workload.event(keys, u64::from(number))).collect();
    if workload.unsorted().is_some() {
        rows.sort_unstable();
        moments.sort_unstable();
    }
    column(&folder.join("session_key"), rows.iter().map(|row| row.0.to_le_bytes()))?;
    column(&folder.join("session_start"), rows.iter().map(|row| row.1.to_le_bytes()))?;
    column(&folder.join("session_end"), rows.iter().map(|row| row.2.to_le_bytes()))?;
    column(&folder.join("event_key"), moments.iter().map(|row| row.0.to_le_bytes()))?;
    column(&folder.join("event_time"), moments.iter().map(|row| row.1.to_le_bytes()))
}

fn column(path: &Path, numbers: impl Iterator<Item = [u8; 8]>) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    for number in numbers {
        file.write_all(&number)?;
    }
    file.flush()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that looks drawn (the finalizer of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

//! One run of our join, in this process.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use correlation::join::{Events, Index, Sessions};

use super::Ran;
use crate::memory::Peak;
use crate::report;

const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Reads the columns of a folder, joins them and prints what that took.
pub(crate) fn ours(folder: &Path) -> anyhow::Result<()> {
    let [session_keys, event_keys] = [unsigned(&folder.join("session_key"))?, unsigned(&folder.join("event_key"))?];
    let [starts, ends] = [signed(&folder.join("session_start"))?, signed(&folder.join("session_end"))?];
    let times = signed(&folder.join("event_time"))?;
    let sessions = Sessions::new(&session_keys, &starts, &ends)?;
    let events = Events::new(&event_keys, &times)?;
    let peak = Peak::begin()?;
    let began = Instant::now();
    let index = Index::new(sessions, THREADS);
    let sums = index.fold(
        events,
        THREADS,
        || (0_u64, 0_u64),
        |(pairs, checksum), event, session| {
            *pairs += 1;
            *checksum += u64::from(event & 0xFFFF) * u64::from(session & 0xFFFF);
        },
    );
    let seconds = began.elapsed().as_secs_f64();
    let above_input = peak.above_start()?;
    let (pairs, checksum) = sums.iter().fold((0, 0), |all, sum| (all.0 + sum.0, all.1 + sum.1));
    report(&serde_json::to_string(&Ran { seconds, pairs, checksum, above_input })?);
    Ok(())
}

fn unsigned(path: &Path) -> anyhow::Result<Vec<u64>> {
    numbers(path, u64::from_le_bytes)
}

fn signed(path: &Path) -> anyhow::Result<Vec<i64>> {
    numbers(path, i64::from_le_bytes)
}

fn numbers<T>(path: &Path, read: impl Fn([u8; 8]) -> T) -> anyhow::Result<Vec<T>> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let (rows, _) = bytes.as_chunks::<8>();
    Ok(rows.iter().map(|row| read(*row)).collect())
}

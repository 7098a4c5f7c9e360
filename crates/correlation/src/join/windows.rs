//! The windows of time of one key: each with the list of sessions that an event in it can be in.
//!
//! Owns the rule when a window ends: its list is never longer than twice the sessions that run at any one moment of it (or two).
//! So a list is read in time proportional to what is found, and all lists together stay within a few times the sessions
//! (B. Chazelle, "Filtering Search", SIAM J. Comput. 15, 1986).

use super::rows::Row;
use super::{narrow, wide};

/// A session in a window's list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    start: i64,
    end: i64,
    pub(super) id: u32,
}

impl Entry {
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "a jump would be guessed wrong: which of two contains a moment is not foreseeable"
    )]
    pub(super) fn contains(&self, time: i64) -> bool {
        (self.start <= time) & (time <= self.end)
    }
}

/// Windows of many keys, one key after the other.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// First moment of each window.
    pub(super) from: Vec<i64>,
    /// Where each window's list begins.
    begin: Vec<u32>,
    /// The lists. Within one, later starts come later.
    entries: Vec<Entry>,
}

impl Windows {
    /// A window's list.
    pub(super) fn list(&self, window: usize) -> &[Entry] {
        let end = self.begin.get(window + 1).map_or(self.entries.len(), |end| wide(*end));
        &self.entries[wide(self.begin[window])..end]
    }

    /// Appends the windows of one key, of its rows in their order.
    pub(super) fn add(&mut self, rows: &[Row], ends: &mut Vec<i64>) {
        ends.clear();
        ends.extend(rows.iter().map(|row| row.end));
        ends.sort_unstable();
        let mut sweep = Sweep { rows, ends, ..Sweep::default() };
        self.open(i64::MIN, &[]);
        while let Some((time, begun)) = sweep.next() {
            let size = self.entries.len() - wide(self.begin[self.begin.len() - 1]) + begun.len();
            if size > 2 * sweep.least.max(1) {
                sweep.least = sweep.running;
                self.open(time, begun);
            } else {
                self.entries.extend(begun.iter().map(entry));
            }
        }
    }

    /// Begins a window with what still runs of the last one's list. The first of a key begins before everything.
    fn open(&mut self, time: i64, begun: &[Row]) {
        let last = if time == i64::MIN { self.entries.len() } else { self.begin.last().map_or(0, |begin| wide(*begin)) };
        let end = self.entries.len();
        self.from.push(time);
        self.begin.push(narrow(end));
        for at in last..end {
            let entry = self.entries[at];
            if entry.end >= time {
                self.entries.push(entry);
            }
        }
        self.entries.extend(begun.iter().map(entry));
    }

    /// Gives back what was reserved and not used.
    pub(super) fn shrink(&mut self) {
        self.from.shrink_to_fit();
        self.begin.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.entries.len() + self.from.len()
    }
}

fn entry(row: &Row) -> Entry {
    Entry { start: row.start, end: row.end, id: row.id }
}

/// Walks the moments at which something starts or has just ended.
#[derive(Default)]
struct Sweep<'a> {
    rows: &'a [Row],
    ends: &'a [i64],
    /// Sessions that run after the last moment.
    running: usize,
    /// The fewest that ran since the window began.
    least: usize,
}

impl<'a> Sweep<'a> {
    /// The next moment and the rows that start at it.
    fn next(&mut self) -> Option<(i64, &'a [Row])> {
        // What ends with time itself never has ended.
        let ended = self.ends.first().and_then(|end| end.checked_add(1));
        let started = self.rows.first().map(|row| row.start);
        let time = started.into_iter().chain(ended).min()?;
        let starts = self.rows.iter().take_while(|row| row.start == time).count();
        let gone = self.ends.iter().take_while(|end| **end < time).count();
        let (begun, rest) = self.rows.split_at(starts);
        (self.rows, self.ends) = (rest, &self.ends[gone..]);
        self.running = self.running + starts - gone;
        self.least = self.least.min(self.running);
        Some((time, begun))
    }
}

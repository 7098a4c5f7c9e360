//! The index of the sessions: parts of keys, each with its windows.
//!
//! Owns the order of its making and the search of a window. Never holds the input's columns.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::rows::{Layout, Row, gather};
use super::windows::{Entry, Windows};
use super::{Sessions, Steps, narrow, wide};

/// Sessions, arranged to be asked for those of a key that contain a moment.
#[derive(Debug)]
pub struct Index {
    pub(super) layout: Layout,
    pub(super) parts: Vec<Part>,
}

impl Index {
    /// Arranges sessions, on so many threads. Their order does not matter; sorted ones take less time.
    pub fn new(sessions: Sessions<'_>, threads: NonZeroUsize) -> Self {
        let (layout, mut rows, ends) = gather(&sessions);
        let mut rest = rows.as_mut_slice();
        let mut begin = 0;
        let mut slices = Vec::with_capacity(ends.len());
        for end in ends {
            let (slice, others) = rest.split_at_mut(wide(end - begin));
            slices.push(slice);
            (rest, begin) = (others, end);
        }
        let mut parts: Vec<Part> = slices.iter().map(|_| Part::default()).collect();
        let work = Mutex::new(parts.iter_mut().zip(slices));
        std::thread::scope(|scope| {
            let build = || {
                while let Some((part, rows)) = { work.lock().unwrap_or_else(PoisonError::into_inner).next() } {
                    *part = Part::new(rows, layout);
                }
            };
            for _ in 1..threads.get() {
                scope.spawn(build);
            }
            build();
        });
        Self { layout, parts }
    }

    /// The sessions of a key that contain a moment, earlier starts first. Takes O(log m) and as long as there are any.
    pub fn at(&self, key: u64, time: i64) -> impl DoubleEndedIterator<Item = u32> {
        self.list(key, time).iter().filter(move |entry| entry.contains(time)).map(|entry| entry.id)
    }

    /// The session of a key that contains a moment and has started last; of equal starts the one with the highest id.
    ///
    /// Takes O(log m) and at most as long as [`Index::at`].
    pub fn latest_at(&self, key: u64, time: i64) -> Option<u32> {
        self.at(key, time).next_back()
    }

    fn list(&self, key: u64, time: i64) -> &[Entry] {
        let Some(part) = self.layout.part(key).and_then(|part| self.parts.get(part)) else { return &[] };
        let found = part.windows_of(self.layout, key, &mut ());
        found.map_or(&[], |windows| part.windows.list(part.window(windows, time, &mut ())))
    }
}

/// The keys of some buckets.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Where each bucket's keys begin in `keys`, and their end.
    buckets: Vec<u32>,
    /// The keys, ascending.
    keys: Vec<u64>,
    /// Where each key's windows begin, and their end.
    begin: Vec<u32>,
    pub(super) windows: Windows,
}

impl Part {
    fn new(rows: &mut [Row], layout: Layout) -> Self {
        rows.sort_unstable();
        let mut part = Self { buckets: vec![0; (1 << layout.part_shift) + 1], ..Self::default() };
        let mut ends = Vec::new();
        for group in rows.chunk_by(|a, b| a.key == b.key) {
            let key = group[0].key;
            part.keys.push(key);
            part.begin.push(narrow(part.windows.from.len()));
            part.buckets[layout.bucket_in_part(key) + 1] = narrow(part.keys.len());
            part.windows.add(group, &mut ends);
        }
        part.begin.push(narrow(part.windows.from.len()));
        let mut last = 0;
        for end in &mut part.buckets {
            last = last.max(*end);
            *end = last;
        }
        part.keys.shrink_to_fit();
        part.begin.shrink_to_fit();
        part.windows.shrink();
        part
    }

    /// The windows of a key of this part; at least one.
    pub(super) fn windows_of(&self, layout: Layout, key: u64, steps: &mut impl Steps) -> Option<Range<usize>> {
        let bucket = layout.bucket_in_part(key);
        let (begin, end) = (wide(*self.buckets.get(bucket)?), wide(*self.buckets.get(bucket + 1)?));
        let keys = &self.keys[begin..end];
        steps.add(log2(keys.len()));
        // Mostly there is one key to a bucket.
        let at = begin + if keys.first() == Some(&key) { 0 } else { keys.binary_search(&key).ok()? };
        Some(wide(self.begin[at])..wide(self.begin[at + 1]))
    }

    /// The window of a moment, of a key's windows.
    pub(super) fn window(&self, windows: Range<usize>, time: i64, steps: &mut impl Steps) -> usize {
        let from = &self.windows.from[windows.clone()];
        steps.add(log2(from.len()));
        // The first begins before everything.
        windows.start + from.partition_point(|from| *from <= time).saturating_sub(1)
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.buckets.len() + self.keys.len() + self.windows.size()
    }
}

/// Steps of a binary search.
fn log2(rows: usize) -> usize {
    (usize::BITS - rows.leading_zeros()) as usize
}

//! The sessions as rows, brought into parts by their keys.
//!
//! Owns the layout of the keys: equal ranges of keys are buckets, equal ranges of buckets are parts. Never sorts.

use super::{Sessions, wide};

/// Sessions of one part, about: its index then fits a core's own cache.
const ROWS_OF_PART: usize = 8192;
/// Parts at most, so that writing to all of them in turn stays cheap.
const PARTS: u32 = 256;

/// One session. Ordered by key, start and id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) key: u64,
    pub(super) start: i64,
    pub(super) id: u32,
    pub(super) end: i64,
}

/// How keys are spread over buckets and parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    min: u64,
    max: u64,
    /// Of a key above the least to its bucket.
    key_shift: u32,
    /// Of a bucket to its part.
    pub(super) part_shift: u32,
}

impl Layout {
    /// Lays the keys between the least and the greatest out, for so many rows.
    fn new(min: u64, max: u64, rows: usize) -> Self {
        let bits = |number: usize| usize::BITS - number.leading_zeros();
        let key_bits = u64::BITS - (max - min).leading_zeros();
        let bucket_bits = key_bits.min(bits(rows / 2));
        let part_bits = bucket_bits.min(bits(rows / ROWS_OF_PART)).min(PARTS.ilog2());
        Self { min, max, key_shift: key_bits - bucket_bits, part_shift: bucket_bits - part_bits }
    }

    /// The bucket of a key; none where no session has such a key.
    pub(super) fn bucket(&self, key: u64) -> Option<usize> {
        let inside = self.min <= key && key <= self.max;
        // With one key alone there is one bucket, and the shift by all bits would overflow.
        inside.then(|| usize::try_from((key - self.min).checked_shr(self.key_shift).unwrap_or(0)).unwrap_or(usize::MAX))
    }

    /// The part of a key.
    pub(super) fn part(&self, key: u64) -> Option<usize> {
        self.bucket(key).map(|bucket| bucket >> self.part_shift)
    }

    /// The bucket of a key within its part.
    pub(super) fn bucket_in_part(&self, key: u64) -> usize {
        self.bucket(key).map_or(0, |bucket| bucket & ((1 << self.part_shift) - 1))
    }

    /// Number of parts.
    pub(super) fn parts(&self) -> usize {
        self.part(self.max).map_or(0, |last| last + 1)
    }
}

/// The sessions that can contain anything, part by part and else in the order they came, and where each part ends.
pub(super) fn gather(sessions: &Sessions<'_>) -> (Layout, Vec<Row>, Vec<u32>) {
    let min = sessions.keys.iter().copied().min().unwrap_or_default();
    let max = sessions.keys.iter().copied().max().unwrap_or_default();
    let layout = Layout::new(min, max, sessions.keys.len());
    let mut ends = vec![0_u32; layout.parts()];
    for (part, _) in usable(sessions, layout) {
        ends[part] += 1;
    }
    let mut next = starts(&ends);
    let total: u32 = ends.iter().sum();
    let mut rows = vec![Row::default(); wide(total)];
    for (part, row) in usable(sessions, layout) {
        rows[wide(next[part])] = row;
        next[part] += 1;
    }
    (layout, rows, next)
}

/// Where each part begins, of the parts' sizes.
pub(super) fn starts(sizes: &[u32]) -> Vec<u32> {
    let begin = sizes.iter().scan(0, |sum, size| {
        let begin = *sum;
        *sum += size;
        Some(begin)
    });
    begin.collect()
}

fn usable<'a>(sessions: &'a Sessions<'_>, layout: Layout) -> impl Iterator<Item = (usize, Row)> + 'a {
    let rows = sessions.keys.iter().zip(sessions.starts).zip(sessions.ends).zip(0_u32..);
    rows.filter(|(((_, start), end), _)| start <= end).filter_map(move |(((key, start), end), id)| {
        layout.part(*key).map(|part| (part, Row { key: *key, start: *start, id, end: *end }))
    })
}

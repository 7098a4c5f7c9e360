//! Events meet the index.
//!
//! Owns the way of a block of events: one that is sorted is merged, any other is brought part by part, so that a part's index
//! stays in the cache while it is asked. Holds at most one block a thread besides the input.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::index::{Index, Part};
use super::rows::starts;
use super::{Events, Steps, narrow, wide};

/// Events of one block: 24 bytes each while it is brought part by part.
const BLOCK: usize = 1 << 20;

/// An event on its way to its part.
#[derive(Clone, Copy, Default)]
struct Moment {
    key: u64,
    time: i64,
    id: u32,
}

/// The windows of a key that sorted events have not passed yet.
type Ahead<'a> = (&'a Part, Range<usize>);

/// A thread's own memory, used again by each block.
#[derive(Default)]
struct Scratch {
    moments: Vec<Moment>,
    parts: Vec<u16>,
}

impl Index {
    /// Visits each pair (event, session) once, in no certain order, on so many threads: each thread folds what it meets.
    ///
    /// Takes O(n log m + k) and at most 30 MB a thread. Events sorted by key and time are merged instead of searched.
    pub fn fold<T: Send>(
        &self,
        events: Events<'_>,
        threads: NonZeroUsize,
        new: impl Fn() -> T + Sync,
        visit: impl Fn(&mut T, u32, u32) + Sync,
    ) -> Vec<T> {
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut folded, mut scratch) = (new(), Scratch::default());
            loop {
                let begin = next.fetch_add(BLOCK, Ordering::Relaxed);
                if begin >= events.len() {
                    return folded;
                }
                let block = begin..events.len().min(begin + BLOCK);
                self.block(events, block, &mut scratch, &mut |event, session| visit(&mut folded, event, session), &mut ());
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
            let mut all = vec![work()];
            all.extend(others.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))));
            all
        })
    }

    /// Visits each pair (event, session) once, on this thread.
    pub fn for_each(&self, events: Events<'_>, mut visit: impl FnMut(u32, u32)) {
        self.for_each_counted(events, &mut visit, &mut ());
    }

    pub(super) fn for_each_counted(&self, events: Events<'_>, visit: &mut impl FnMut(u32, u32), steps: &mut impl Steps) {
        let mut scratch = Scratch::default();
        for begin in (0..events.len()).step_by(BLOCK) {
            self.block(events, begin..events.len().min(begin + BLOCK), &mut scratch, visit, steps);
        }
    }

    fn block(
        &self,
        events: Events<'_>,
        block: Range<usize>,
        scratch: &mut Scratch,
        visit: &mut impl FnMut(u32, u32),
        steps: &mut impl Steps,
    ) {
        let rows = || block.clone().zip(events.keys[block.clone()].iter().zip(&events.times[block.clone()]));
        let moments = || rows().map(|(id, (key, time))| Moment { key: *key, time: *time, id: narrow(id) });
        if moments().is_sorted_by_key(|moment| (moment.key, moment.time)) {
            return self.merge(moments(), visit, steps);
        }
        if self.parts.len() == 1 {
            return self.search(0, moments(), visit, steps);
        }
        let begin = self.scatter(&events.keys[block.clone()], &events.times[block.clone()], narrow(block.start), scratch);
        for (part, end) in begin.iter().skip(1).enumerate() {
            let moments = &scratch.moments[wide(begin[part])..wide(*end)];
            self.search(part, moments.iter().copied(), visit, steps);
        }
    }

    /// Brings a block part by part; what has no part is left out. Gives where each part begins, and the end.
    fn scatter(&self, keys: &[u64], times: &[i64], first: u32, scratch: &mut Scratch) -> Vec<u32> {
        let mut sizes = vec![0_u32; self.parts.len() + 1];
        scratch.parts.clear();
        scratch.parts.extend(keys.iter().map(|key| {
            let part = self.layout.part(*key).unwrap_or(self.parts.len());
            sizes[part] += 1;
            // There are 256 parts at most.
            u16::try_from(part).unwrap_or(u16::MAX)
        }));
        let begin = starts(&sizes);
        let mut next = begin.clone();
        scratch.moments.resize(keys.len().max(scratch.moments.len()), Moment::default());
        for ((part, id), (key, time)) in scratch.parts.iter().zip(first..).zip(keys.iter().zip(times)) {
            let place = &mut next[usize::from(*part)];
            scratch.moments[wide(*place)] = Moment { key: *key, time: *time, id };
            *place += 1;
        }
        begin
    }

    /// Events of one part, in any order.
    fn search(
        &self,
        part: usize,
        moments: impl Iterator<Item = Moment>,
        visit: &mut impl FnMut(u32, u32),
        steps: &mut impl Steps,
    ) {
        let part = &self.parts[part];
        for moment in moments {
            if let Some(windows) = part.windows_of(self.layout, moment.key, steps) {
                part.report(part.window(windows, moment.time, steps), moment, visit, steps);
            }
        }
    }

    /// Events sorted by key and time: each starts where the last one was.
    fn merge(&self, moments: impl Iterator<Item = Moment>, visit: &mut impl FnMut(u32, u32), steps: &mut impl Steps) {
        let mut last: Option<(u64, Option<Ahead<'_>>)> = None;
        for moment in moments {
            let same = last.as_ref().is_some_and(|(key, _)| *key == moment.key);
            if !same {
                last = Some((moment.key, self.enter(moment, steps)));
            }
            let Some((_, Some((part, windows)))) = &mut last else { continue };
            let ahead = &part.windows.from[windows.start + 1..windows.end];
            let passed = ahead.iter().take_while(|from| **from <= moment.time).count();
            windows.start += passed;
            steps.add(passed);
            part.report(windows.start, moment, visit, steps);
        }
    }

    /// The windows of a key, from that of a moment on.
    fn enter(&self, moment: Moment, steps: &mut impl Steps) -> Option<Ahead<'_>> {
        let part = self.parts.get(self.layout.part(moment.key)?)?;
        let windows = part.windows_of(self.layout, moment.key, steps)?;
        Some((part, part.window(windows.clone(), moment.time, steps)..windows.end))
    }
}

impl Part {
    /// Visits what contains a moment in its window.
    fn report(&self, window: usize, moment: Moment, visit: &mut impl FnMut(u32, u32), steps: &mut impl Steps) {
        let list = self.windows.list(window);
        steps.add(list.len());
        for entry in list.iter().filter(|entry| entry.contains(moment.time)) {
            visit(moment.id, entry.id);
        }
    }
}

//! Windows of coverage, put in order: what was read of a scope, each moment once, with the best that is known of it.
//!
//! Pure. The result depends on the set of windows, not on their order or number.

use audit_facts::{Grade, Lack};

/// What is known of a moment: the better one is greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// How sure it is that all was read.
    pub grade: Grade,
    /// Why not; of several reasons the gravest counts.
    pub lack: Option<Lack>,
}

/// A window of one scope, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// From.
    pub from: i64,
    /// To, exclusive.
    pub to: i64,
    /// What is known of it.
    pub reading: Reading,
}

/// Brings windows into order: disjoint, as few as possible, and of overlapping ones the best. Empty windows say nothing.
pub fn normalise(windows: &[Window]) -> Vec<Window> {
    let mut whole: Vec<Window> = Vec::new();
    for (from, to) in pieces(windows.iter()) {
        let covering = windows.iter().filter(|window| window.from <= from && to <= window.to);
        let Some(best) = covering.map(|window| &window.reading).max() else { continue };
        match whole.last_mut() {
            Some(last) if last.to == from && last.reading == *best => last.to = to,
            _ => whole.push(Window { from, to, reading: best.clone() }),
        }
    }
    whole
}

/// The spans in which two orders of windows say different things, adjacent ones joined.
pub fn changed(before: &[Window], after: &[Window]) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for (from, to) in pieces(before.iter().chain(after)) {
        if reading_at(before, from) == reading_at(after, from) {
            continue;
        }
        match spans.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => spans.push((from, to)),
        }
    }
    spans
}

/// What windows in order say of a moment.
pub fn reading_at(windows: &[Window], at: i64) -> Option<&Reading> {
    windows.iter().find(|window| window.from <= at && at < window.to).map(|window| &window.reading)
}

/// The shortest spans between two borders of windows.
fn pieces<'a>(windows: impl Iterator<Item = &'a Window>) -> Vec<(i64, i64)> {
    let mut borders: Vec<i64> = windows.filter(|it| it.from < it.to).flat_map(|it| [it.from, it.to]).collect();
    borders.sort_unstable();
    borders.dedup();
    borders.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(from: i64, to: i64, grade: Grade) -> Window {
        let lack = (grade == Grade::None).then_some(Lack::Missed);
        Window { from, to, reading: Reading { grade, lack } }
    }

    fn any_windows() -> impl Strategy<Value = Vec<Window>> {
        let grade = prop_oneof![Just(Grade::None), Just(Grade::BestEffort), Just(Grade::Proved)];
        let lack = prop_oneof![
            Just(Lack::Missed),
            Just(Lack::CannotRead { text: "denied".to_owned() }),
            Just(Lack::Broken { text: "digest".to_owned() })
        ];
        let one = (0_i64..40, 0_i64..12, grade, lack).prop_map(|(from, length, grade, lack)| {
            let lack = (grade == Grade::None).then_some(lack);
            Window { from, to: from + length, reading: Reading { grade, lack } }
        });
        proptest::collection::vec(one, 0..14)
    }

    #[test]
    fn adjacent_windows_of_one_grade_become_one() {
        let parts = [window(10, 20, Grade::Proved), window(0, 10, Grade::Proved), window(20, 30, Grade::BestEffort)];
        assert_eq!(normalise(&parts), [window(0, 20, Grade::Proved), window(20, 30, Grade::BestEffort)]);
    }

    #[test]
    fn a_later_reading_replaces_a_missed_window() {
        let parts = [window(0, 30, Grade::None), window(10, 20, Grade::BestEffort)];
        let whole = normalise(&parts);
        assert_eq!(whole, [window(0, 10, Grade::None), window(10, 20, Grade::BestEffort), window(20, 30, Grade::None)]);
        assert_eq!(changed(&normalise(&parts[..1]), &whole), [(10, 20)]);
    }

    proptest! {
        #[test]
        fn each_moment_keeps_the_best_that_was_said_of_it(windows in any_windows()) {
            let whole = normalise(&windows);
            for at in -1..60 {
                let best = windows.iter().filter(|it| it.from <= at && at < it.to).map(|it| &it.reading).max();
                prop_assert_eq!(reading_at(&whole, at), best);
            }
            for pair in whole.windows(2) {
                prop_assert!(pair[0].to <= pair[1].from);
                prop_assert!(pair[0].to < pair[1].from || pair[0].reading != pair[1].reading);
            }
        }

        #[test]
        fn order_repetition_and_steps_do_not_matter(windows in any_windows(), cut in 0_usize..14) {
            let whole = normalise(&windows);
            let mut turned = windows.clone();
            turned.reverse();
            turned.extend(windows.iter().cloned());
            prop_assert_eq!(normalise(&turned), whole.clone());
            let (first, rest) = windows.split_at(cut.min(windows.len()));
            let mut steps = normalise(first);
            steps.extend(rest.iter().cloned());
            prop_assert_eq!(normalise(&steps), whole.clone());
            let spans = changed(&normalise(first), &whole);
            for at in 0..60 {
                let differs = reading_at(&normalise(first), at) != reading_at(&whole, at);
                prop_assert_eq!(spans.iter().any(|(from, to)| *from <= at && at < *to), differs);
            }
        }
    }
}

//! What was read, asked for an instant or a window: how sure is it that nothing is missing there?
//!
//! Owns the question, not the windows' making. Several places may speak for one scope: the best counts. Several scopes may hold
//! what is looked for: the worst counts.

use audit_facts::{Coverage, Grade, Source};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// All windows, by source and scope.
#[derive(Debug, Clone, Default)]
pub struct CoverageMap {
    scopes: BTreeMap<Source, BTreeMap<String, Vec<Window>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Window {
    from: Timestamp,
    to: Timestamp,
    grade: Grade,
}

impl CoverageMap {
    /// Takes the windows that cover something.
    pub fn of<'a>(windows: impl IntoIterator<Item = &'a Coverage>) -> Self {
        let mut map = Self::default();
        for window in windows {
            let scope = map.scopes.entry(window.source).or_default().entry(window.scope.clone()).or_default();
            if window.grade > Grade::None && window.from < window.to {
                scope.push(Window { from: window.from, to: window.to, grade: window.grade });
            }
        }
        for windows in map.scopes.values_mut().flat_map(BTreeMap::values_mut) {
            windows.sort();
        }
        map
    }

    /// How sure it is that everything between two instants, both included, was read. With a scope (`ACCOUNT/REGION`, a project)
    /// that scope alone is asked; without, all scopes that the source has.
    pub fn grade(&self, source: Source, scope: Option<&str>, from: Timestamp, to: Timestamp) -> Grade {
        let Some(scopes) = self.scopes.get(&source) else { return Grade::None };
        match scope {
            Some(scope) => scopes.get(scope).map_or(Grade::None, |windows| over(windows, from, to)),
            None => scopes.values().map(|windows| over(windows, from, to)).min().unwrap_or(Grade::None),
        }
    }

    /// Whether anything at all is known of a source.
    pub fn has(&self, source: Source) -> bool {
        self.scopes.get(&source).is_some_and(|scopes| scopes.values().any(|windows| !windows.is_empty()))
    }
}

/// The worst grade over all instants, where each instant has the best of its windows.
fn over(windows: &[Window], from: Timestamp, to: Timestamp) -> Grade {
    let touching: Vec<&Window> = windows.iter().filter(|it| it.from <= to && it.to > from).collect();
    let edges = touching.iter().flat_map(|it| [it.from, it.to]).filter(|at| (from..=to).contains(at));
    let instants: BTreeSet<Timestamp> = edges.chain([from, to]).collect();
    let best = |at: Timestamp| touching.iter().filter(|it| it.from <= at && at < it.to).map(|it| it.grade).max();
    instants.into_iter().map(|at| best(at).unwrap_or(Grade::None)).min().unwrap_or(Grade::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn window(scope: &str, from: i64, to: i64, grade: Grade) -> Coverage {
        let (from, to) = (at(from), at(to));
        Coverage { source: Source::CloudTrail, place: "t".to_owned(), scope: scope.to_owned(), from, to, grade, lack: None }
    }

    #[test]
    fn a_window_is_as_sure_as_its_worst_instant() {
        let windows = [
            window("a", 0, 10, Grade::Proved),
            window("a", 10, 20, Grade::BestEffort),
            window("a", 15, 30, Grade::Proved),
            window("a", 40, 50, Grade::Proved),
        ];
        let map = CoverageMap::of(&windows);
        let grade = |from, to| map.grade(Source::CloudTrail, Some("a"), at(from), at(to));
        assert_eq!(grade(0, 9), Grade::Proved);
        assert_eq!(grade(0, 10), Grade::BestEffort);
        assert_eq!(grade(15, 29), Grade::Proved);
        assert_eq!(grade(15, 30), Grade::None, "the end is not in the window");
        assert_eq!(grade(29, 41), Grade::None, "a hole");
        assert_eq!(map.grade(Source::ExecLogs, None, at(0), at(1)), Grade::None);
    }

    #[test]
    fn without_a_scope_the_worst_scope_counts() {
        let windows = [window("a", 0, 10, Grade::Proved), window("b", 0, 5, Grade::BestEffort)];
        let map = CoverageMap::of(&windows);
        assert_eq!(map.grade(Source::CloudTrail, None, at(1), at(2)), Grade::BestEffort);
        assert_eq!(map.grade(Source::CloudTrail, None, at(6), at(7)), Grade::None);
        assert_eq!(map.grade(Source::CloudTrail, Some("c"), at(1), at(2)), Grade::None);
    }
}

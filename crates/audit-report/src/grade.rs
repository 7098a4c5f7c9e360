//! How far a period was read: a grade for each source, one for all, and the sentence that every report begins with.
//!
//! Owns the joining of windows: at each instant the best of a scope's places counts, then the worst of a source's scopes, as
//! for the judge. An instant that no window holds was not read.

use crate::legible::{legible, length, minute};
use audit_facts::{Coverage, Grade, Lack, Source};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of a source's period with one grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// From, UTC.
    pub from: Timestamp,
    /// To, exclusive, UTC.
    pub to: Timestamp,
    /// How sure it is that all of it was read.
    pub grade: Grade,
}

/// A source over a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceGrade {
    /// The source.
    pub source: Source,
    /// The worst grade of any instant that is due.
    pub grade: Grade,
    /// The period up to where it is due, in order.
    pub segments: Vec<Segment>,
    /// From here on nothing is due: the source is read later; the period's end, when all is.
    pub due: Timestamp,
    /// How long it was not read, seconds.
    pub unread_seconds: i64,
    /// Why not, in words, each once; remote text in it is harmless.
    pub lacks: Vec<String>,
}

impl SourceGrade {
    /// The worst grade in each of so many equal parts of a period; nothing in a part where nothing is due.
    pub(crate) fn bar(&self, from: Timestamp, to: Timestamp, parts: usize) -> Vec<Option<Grade>> {
        let whole = to.duration_since(from).as_nanos().max(1);
        let count = i128::try_from(parts).unwrap_or(1).max(1);
        let mut bar: Vec<Option<Grade>> = vec![None; parts];
        for segment in &self.segments {
            let place = |at: Timestamp| at.duration_since(from).as_nanos() * count;
            let (first, last) = (place(segment.from) / whole, (place(segment.to) - 1) / whole);
            for part in bar.iter_mut().take(index(last) + 1).skip(index(first)) {
                *part = Some(part.map_or(segment.grade, |grade| grade.min(segment.grade)));
            }
        }
        bar
    }

    /// The share of the period with a grade, in per cent; what is not none is never shown as `0 %`, nor what is not all as `100 %`.
    pub(crate) fn share(&self, grade: Grade) -> String {
        let length = |fits: &dyn Fn(Grade) -> bool| {
            let fitting = self.segments.iter().filter(|it| fits(it.grade)).map(|it| it.to.duration_since(it.from).as_nanos());
            fitting.sum::<i128>()
        };
        let (part, whole) = (length(&|it| it == grade), length(&|_| true));
        match part * 1000 / whole.max(1) {
            1000 => "100 %".to_owned(),
            0 if part == 0 => "0 %".to_owned(),
            0 => "< 0.1 %".to_owned(),
            tenths => format!("{}.{} %", tenths / 10, tenths % 10),
        }
    }
}

fn index(number: i128) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// All sources over a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overall {
    /// From, UTC.
    pub from: Timestamp,
    /// To, exclusive, UTC.
    pub to: Timestamp,
    /// The worst of the sources' grades; Boundary's API and its events stand in for each other.
    pub grade: Grade,
    /// Each source, in the order in which they were asked for.
    pub sources: Vec<SourceGrade>,
    /// What it means, as the first line of a report.
    pub sentence: String,
}

/// Returns the stable word of a grade.
pub fn grade_word(grade: Grade) -> &'static str {
    match grade {
        Grade::None => "none",
        Grade::BestEffort => "best_effort",
        Grade::Proved => "proved",
    }
}

/// Returns a grade as people say it.
pub(crate) fn grade_words(grade: Grade) -> &'static str {
    match grade {
        Grade::BestEffort => "best effort",
        other => grade_word(other),
    }
}

/// Returns why something was not read, in words.
pub(crate) fn lack_words(lack: &Lack) -> String {
    match lack {
        Lack::CannotRead { text } => format!("cannot read: {}", legible(text, 300)),
        Lack::Missed => "not read in time, and the source forgets".to_owned(),
        Lack::Broken { text } => format!("its proof of completeness does not hold: {}", legible(text, 300)),
    }
}

/// Grades the sources that the operator expects to be read over a period. Without any source, or with an empty period, the
/// grade is [`Grade::None`].
pub fn coverage_grade(windows: &[Coverage], sources: &[Source], from: Timestamp, to: Timestamp) -> Overall {
    let sources: Vec<(Source, Timestamp)> = sources.iter().map(|source| (*source, to)).collect();
    coverage_grade_due(windows, &sources, from, to)
}

/// As [`coverage_grade`], each source up to where it is due: what comes after is read later, and counts neither way.
pub fn coverage_grade_due(windows: &[Coverage], sources: &[(Source, Timestamp)], from: Timestamp, to: Timestamp) -> Overall {
    let graded = |(source, due): &(Source, Timestamp)| source_grade(windows, *source, from, (*due).min(to).max(from));
    let sources: Vec<SourceGrade> = sources.iter().map(graded).collect();
    let grade = overall(&sources);
    let sentence = sentence(grade, &sources, from, to);
    Overall { from, to, grade, sources, sentence }
}

fn overall(sources: &[SourceGrade]) -> Grade {
    let due = sources.iter().filter(|it| !it.segments.is_empty());
    due.map(|it| it.grade.max(stand_in(it.source, sources))).min().unwrap_or(Grade::None)
}

/// The grade of the source that can stand in for one.
fn stand_in(source: Source, sources: &[SourceGrade]) -> Grade {
    let other = match source {
        Source::BoundaryApi => Source::BoundaryEvents,
        Source::BoundaryEvents => Source::BoundaryApi,
        _ => return Grade::None,
    };
    sources.iter().find(|it| it.source == other).map_or(Grade::None, |it| it.grade)
}

fn source_grade(windows: &[Coverage], source: Source, from: Timestamp, to: Timestamp) -> SourceGrade {
    let touching: Vec<&Coverage> = windows.iter().filter(|it| it.source == source && it.from < to && it.to > from).collect();
    let scopes: BTreeSet<&str> = windows.iter().filter(|it| it.source == source).map(|it| it.scope.as_str()).collect();
    let segments = segments(&touching, &scopes, from, to);
    let unread = segments.iter().filter(|it| it.grade == Grade::None).map(|it| it.to.duration_since(it.from));
    let lacks: BTreeSet<String> = touching.iter().filter_map(|it| it.lack.as_ref()).map(lack_words).collect();
    SourceGrade {
        source,
        grade: segments.iter().map(|it| it.grade).min().unwrap_or(Grade::None),
        unread_seconds: unread.sum::<SignedDuration>().as_secs(),
        segments,
        due: to,
        lacks: lacks.into_iter().collect(),
    }
}

/// Which sources are read later than the period's end.
fn later(sources: &[SourceGrade], to: Timestamp) -> String {
    let mut late: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for it in sources.iter().filter(|it| minute(it.due) < minute(to)) {
        late.entry(minute(it.due)).or_default().push(it.source.word());
    }
    let names: Vec<String> = late.iter().map(|(at, names)| format!("{} after {at} UTC", names.join(", "))).collect();
    if names.is_empty() { String::new() } else { format!(" Still to be read: {}.", names.join("; ")) }
}

/// A sweep over the windows' edges.
fn segments(windows: &[&Coverage], scopes: &BTreeSet<&str>, from: Timestamp, to: Timestamp) -> Vec<Segment> {
    let mut edges: BTreeMap<Timestamp, Vec<(&str, Grade, bool)>> = BTreeMap::from([(from, Vec::new()), (to, Vec::new())]);
    for window in windows.iter().filter(|it| it.grade > Grade::None) {
        edges.entry(window.from.max(from)).or_default().push((&window.scope, window.grade, true));
        edges.entry(window.to.min(to)).or_default().push((&window.scope, window.grade, false));
    }
    let mut open: BTreeMap<&str, BTreeMap<Grade, usize>> = scopes.iter().map(|scope| (*scope, BTreeMap::new())).collect();
    let mut segments: Vec<Segment> = Vec::new();
    let mut last = from;
    for (at, changes) in edges {
        push(&mut segments, last, at, current(&open));
        last = at;
        for (scope, grade, begins) in changes {
            let count = open.entry(scope).or_default().entry(grade).or_default();
            *count = if begins { *count + 1 } else { count.saturating_sub(1) };
        }
    }
    segments
}

fn current(open: &BTreeMap<&str, BTreeMap<Grade, usize>>) -> Grade {
    let best = |counts: &BTreeMap<Grade, usize>| counts.iter().rev().find(|(_, count)| **count > 0).map(|(grade, _)| *grade);
    open.values().map(|counts| best(counts).unwrap_or(Grade::None)).min().unwrap_or(Grade::None)
}

fn push(segments: &mut Vec<Segment>, from: Timestamp, to: Timestamp, grade: Grade) {
    if from >= to {
        return;
    }
    match segments.last_mut() {
        Some(last) if last.grade == grade => last.to = to,
        _ => segments.push(Segment { from, to, grade }),
    }
}

fn sentence(grade: Grade, sources: &[SourceGrade], from: Timestamp, to: Timestamp) -> String {
    let period = format!("{} to {} UTC", minute(from), minute(to));
    let named = |fits: Grade| {
        let is_short = |it: &&SourceGrade| it.grade == fits && it.grade.max(stand_in(it.source, sources)) == fits;
        let short = sources.iter().filter(|it| !it.segments.is_empty()).filter(is_short);
        short.map(said).collect::<Vec<String>>().join(", ")
    };
    let later = later(sources, to);
    match grade {
        Grade::Proved => {
            format!("Coverage is proved, {period}: all of what was expected was read, and something independent shows it.{later}")
        }
        Grade::BestEffort => format!(
            "Coverage is best effort, {period}: everything was read that the sources showed, but nothing independent proves that \
             it was all for {}. What is absent there stays provisional.{later}",
            named(Grade::BestEffort)
        ),
        Grade::None if sources.is_empty() => format!("Coverage is none, {period}: no source was to be read."),
        Grade::None if sources.iter().all(|it| it.segments.is_empty()) => {
            format!("Coverage is none, {period}: no source has been read that late.")
        }
        Grade::None => format!(
            "Coverage is none, {period}: not all of it was read for {}. What is absent there proves nothing.{later}",
            named(Grade::None)
        ),
    }
}

fn said(source: &SourceGrade) -> String {
    let missing = length(SignedDuration::from_secs(source.unread_seconds));
    if source.grade == Grade::None { format!("{} ({missing} missing)", source.source) } else { source.source.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, window};

    const ALL: [Source; 2] = [Source::BoundaryApi, Source::CloudTrail];

    #[test]
    fn the_best_place_of_a_scope_and_the_worst_scope_count() {
        let windows = [
            window(Source::CloudTrail, "a", 0, 100, Grade::Proved),
            window(Source::CloudTrail, "b", 0, 50, Grade::BestEffort),
            window(Source::CloudTrail, "b", 20, 100, Grade::Proved),
        ];
        let of = source_grade(&windows, Source::CloudTrail, at(0), at(120));
        let seen: Vec<(i64, i64, Grade)> = of
            .segments
            .iter()
            .map(|it| (it.from.as_second() - at(0).as_second(), it.to.as_second() - at(0).as_second(), it.grade))
            .collect();
        assert_eq!(seen, [(0, 20, Grade::BestEffort), (20, 100, Grade::Proved), (100, 120, Grade::None)]);
        assert_eq!((of.grade, of.unread_seconds), (Grade::None, 20));
    }

    #[test]
    fn the_worst_source_decides_and_is_named() {
        let windows =
            [window(Source::BoundaryApi, "p", 0, 100, Grade::Proved), window(Source::CloudTrail, "a", 0, 100, Grade::BestEffort)];
        let overall = coverage_grade(&windows, &ALL, at(0), at(100));
        assert_eq!(overall.grade, Grade::BestEffort);
        assert!(overall.sentence.starts_with("Coverage is best effort, ") && overall.sentence.contains("for cloud_trail."));
        let hole = coverage_grade(&windows, &ALL, at(0), at(7300));
        assert_eq!(hole.grade, Grade::None);
        assert!(hole.sentence.contains("boundary_api (2 h 0 min missing), cloud_trail (2 h 0 min missing)"), "{}", hole.sentence);
    }

    #[test]
    fn what_nobody_reports_is_not_covered() {
        assert_eq!(coverage_grade(&[], &ALL, at(0), at(10)).grade, Grade::None);
        assert_eq!(coverage_grade(&[], &[], at(0), at(10)).grade, Grade::None);
    }

    #[test]
    fn what_is_not_due_yet_is_not_missing() {
        let windows =
            [window(Source::BoundaryApi, "p", 0, 100, Grade::Proved), window(Source::CloudTrail, "a", 0, 60, Grade::Proved)];
        let until = |second| [(Source::BoundaryApi, at(100)), (Source::CloudTrail, at(second))];
        let overall = coverage_grade_due(&windows, &until(60), at(0), at(100));
        assert_eq!(overall.grade, Grade::Proved);
        assert!(overall.sentence.ends_with("Still to be read: cloud_trail after 2026-09-21 13:34 UTC."), "{}", overall.sentence);
        let bar = overall.sources[1].bar(at(0), at(100), 10);
        assert_eq!((bar[5], bar[6]), (Some(Grade::Proved), None));
        let hole = coverage_grade_due(&windows, &until(61), at(0), at(100));
        assert_eq!((hole.grade, hole.sources[1].unread_seconds), (Grade::None, 1), "a second that was due is missing");
        let none = coverage_grade_due(&windows, &until(0), at(0), at(100));
        assert_eq!(none.grade, Grade::Proved, "a source of which nothing is due says nothing");
    }

    #[test]
    fn events_stand_in_for_the_api() {
        let windows = [window(Source::BoundaryEvents, "p", 0, 100, Grade::Proved)];
        let overall = coverage_grade(&windows, &[Source::BoundaryApi, Source::BoundaryEvents], at(0), at(100));
        assert_eq!(overall.grade, Grade::Proved);
        assert_eq!(overall.sources[0].grade, Grade::None, "it is still shown as it is");
    }
}

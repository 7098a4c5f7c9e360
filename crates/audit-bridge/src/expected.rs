//! What the configuration says is to be read, held against what was.
//!
//! Owns which windows count: a source that was never read is a hole, one that is configured no more ends where it was last
//! read, and what was read of settings says nothing about a stream of events.

use crate::collect::cadence::LIST_EVERY;
use crate::settings::Settings;
use audit_facts::{Coverage, Grade, Lack, Source};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A source, by the name of its place in coverage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) source: Source,
    pub(crate) place: String,
}

/// Everything that is to be read. Logs in CloudWatch are not expected where transcripts go to S3 and no group is known.
pub(crate) fn expected(settings: &Settings, recent: &[Coverage]) -> Vec<Expected> {
    let one = |source: Source, place: &str| Expected { source, place: place.to_owned() };
    let mut all: Vec<Expected> = settings.boundary.iter().map(|it| one(Source::BoundaryApi, &it.name)).collect();
    all.extend(settings.boundary_events.iter().map(|it| one(Source::BoundaryEvents, &it.name)));
    for aws in &settings.aws {
        let is_in_s3 = aws.exec_objects.is_some() && aws.exec_log_groups.is_empty();
        for part in aws.parts() {
            let place = format!("{}/{}", aws.name, part.what);
            let is_known = recent.iter().any(|it| it.source == part.source && it.place == place);
            if part.source != Source::ExecLogs || !is_in_s3 || is_known {
                all.push(Expected { source: part.source, place });
            }
        }
    }
    let of_records = |it: &crate::settings::RecordsSource| match it.of {
        crate::settings::RecordsOf::Wrapper => one(Source::Links, &it.name),
        crate::settings::RecordsOf::TargetSync => one(Source::SyncRecords, &it.name),
    };
    all.extend(settings.records.iter().map(of_records));
    all.dedup();
    all
}

/// The windows that say how far events were read.
fn of_events(windows: &[Coverage]) -> Vec<Coverage> {
    windows.iter().filter(|it| !is_of_settings(it)).cloned().collect()
}

fn is_of_settings(it: &Coverage) -> bool {
    let what = it.place.rsplit_once('/').map_or("", |(_, what)| what);
    ["posture", "roles", "policies"].contains(&what)
}

/// The windows that are shown: of settings only those that were not read.
pub(crate) fn shown(windows: Vec<Coverage>) -> Vec<Coverage> {
    windows.into_iter().filter(|it| it.grade == Grade::None || !is_of_settings(it)).collect()
}

/// The windows of what the configuration still leads to.
pub(crate) fn led_to(settings: &Settings, windows: Vec<Coverage>) -> Vec<Coverage> {
    windows.into_iter().filter(|it| settings.leads_to(&it.place, &it.scope)).collect()
}

/// Windows as the judge and the grades take them: a scope that nothing configured reads any more misses nothing after its end, as
/// long as its source is read elsewhere.
pub(crate) fn counting(settings: &Settings, windows: &[Coverage]) -> Vec<Coverage> {
    let is_configured = |it: &Coverage| settings.leads_to(&it.place, &it.scope);
    let mut all = of_events(windows);
    let mut scopes: BTreeMap<(Source, &str), (bool, Timestamp)> = BTreeMap::new();
    let events = all.clone();
    for it in &events {
        let scope = scopes.entry((it.source, &it.scope)).or_insert((false, it.to));
        *scope = (scope.0 || is_configured(it), scope.1.max(it.to));
    }
    let is_read_elsewhere = |source: Source| scopes.iter().any(|((of, _), (is_configured, _))| *of == source && *is_configured);
    for ((source, scope), (is_configured, to)) in &scopes {
        if !is_configured && is_read_elsewhere(*source) {
            let (place, scope) = ("configured no more".to_owned(), (*scope).to_owned());
            all.push(Coverage { source: *source, place, scope, from: *to, to: Timestamp::MAX, grade: Grade::Proved, lack: None });
        }
    }
    all
}

/// Holes for what is expected and was never read.
pub(crate) fn never_read(expected: &[Expected], recent: &[Coverage], from: Timestamp, to: Timestamp) -> Vec<Coverage> {
    let is_never = |it: &&Expected| !recent.iter().any(|window| window.source == it.source && window.place == it.place);
    let hole = |it: &Expected| Coverage {
        source: it.source,
        place: it.place.clone(),
        scope: it.place.clone(),
        from,
        to,
        grade: Grade::None,
        lack: Some(Lack::CannotRead { text: format!("{} was never read", it.place) }),
    };
    expected.iter().filter(is_never).map(hole).collect()
}

/// How far a source was read in all its scopes.
pub(crate) fn reached(windows: &[Coverage], expected: &Expected) -> Option<Timestamp> {
    let is_its = |it: &&Coverage| it.source == expected.source && it.place == expected.place && it.grade > Grade::None;
    let mut scopes: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for it in windows.iter().filter(is_its) {
        let last = scopes.entry(&it.scope).or_insert(it.to);
        *last = it.to.max(*last);
    }
    scopes.into_values().min()
}

/// How late a source may be read: the longest pause between rounds, and what the source itself is late or listed seldom.
pub(crate) fn lag(settings: &Settings, source: Source) -> SignedDuration {
    let policy = &settings.policy;
    let own = match source {
        Source::BoundaryApi | Source::BoundaryEvents | Source::SsmSessions | Source::Ecs => SignedDuration::ZERO,
        Source::CloudTrail => SignedDuration::from_secs(policy.trail_lag_seconds.max(0)),
        _ => LIST_EVERY,
    };
    // Two rounds at least: one may have begun before what it did not see.
    let rounds = SignedDuration::try_from(settings.daemon.interval * 2).unwrap_or(SignedDuration::ZERO);
    own + SignedDuration::from_secs(policy.boundary_lag_seconds).max(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use correlation::CoverageMap;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    fn window(place: &str, scope: &str, to: i64) -> Coverage {
        Coverage {
            source: Source::BoundaryApi,
            place: place.to_owned(),
            scope: scope.to_owned(),
            from: at(0),
            to: at(to),
            grade: Grade::Proved,
            lack: None,
        }
    }

    fn settings(text: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        let common = crate::args::Common { config: Some(file), ..crate::args::Common::default() };
        let files = crate::settings::load(&common).unwrap();
        crate::settings::settle(&common, &crate::args::CollectArgs::default(), &files).unwrap()
    }

    #[test]
    fn what_is_configured_no_more_ends_and_what_never_was_read_is_a_hole() {
        let settings = settings("[[boundary]]\nname = 'b'\n[[boundary]]\nname = 'c'\n");
        let windows = [
            window("b", "b/global", 60),
            window("old", "old/global", 10),
            window("b", "b/o_before", 12),
            window("b/roles", "x", 5),
        ];
        let grade =
            |windows: &[Coverage], minute| CoverageMap::of(windows).grade(Source::BoundaryApi, None, at(minute), at(minute + 1));
        let counting = counting(&settings, &windows);
        assert_eq!(grade(&windows, 20), Grade::None, "as they stand the old one silences all");
        assert_eq!((grade(&counting, 5), grade(&counting, 20)), (Grade::Proved, Grade::Proved));
        assert_eq!(grade(&counting, 70), Grade::None);
        let led = led_to(&settings, windows.to_vec());
        assert_eq!(reached(&led, &expected(&settings, &led)[0]), Some(at(60)), "the scope before counts no more");
        let alone = super::counting(&settings, &windows[1..2]);
        assert_eq!(grade(&alone, 20), Grade::None, "nothing else is read");
        let expected = expected(&settings, &windows);
        let holes = never_read(&expected, &windows, at(0), at(60));
        assert_eq!(holes.iter().map(|it| it.place.as_str()).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn logs_are_not_expected_where_transcripts_go_to_s3() {
        let aws = "[[aws]]\nname = 'a'\nregion = 'us-east-2'\ncloud_trail = 'off'\nssm_sessions = false\n";
        let places = |text: &str| expected(&settings(text), &[]).into_iter().map(|it| it.place).collect::<Vec<_>>();
        assert_eq!(places(aws), ["a/exec-logs"]);
        let s3 = format!("{aws}exec_objects = 's3://bucket'\n");
        assert_eq!(places(&s3), ["a/exec-objects"]);
        assert_eq!(places(&format!("{s3}exec_log_groups = ['/g']\n")), ["a/exec-logs", "a/exec-objects"]);
    }
}

//! A bundle that was touched anywhere does not hold; one that was not does.

mod anchoring;
mod hostile;
mod mutation;
mod signed;

use super::*;
use crate::samples::Bench;
use std::path::PathBuf;

fn check(bench: &Bench, path: &Path) -> Report {
    verify(path, bench.key.public(), &Options::default())
}

/// The faults with their files.
fn faults(report: &Report) -> Vec<(&str, &Fault)> {
    report.problems.iter().map(|problem| (problem.file.as_str(), &problem.fault)).collect()
}

fn archive_of(bench: &Bench, bundle: &Path, name: &str) -> PathBuf {
    let tar = bench.path(name);
    crate::archive::write(bundle, &tar).unwrap();
    tar
}

#[test]
fn an_untouched_bundle_holds_as_folder_and_as_archive() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    for path in [archive_of(&bench, &bundle, "b.tar"), bundle] {
        let report = check(&bench, &path);
        assert!(report.holds(), "{report}");
        assert_eq!(report.signed_by.as_ref(), Some(bench.key.public().id()));
        assert_eq!(report.files_checked, 4);
        assert_eq!(report.anchorage, Anchorage::Unanchored);
        assert!(report.to_string().contains("UNANCHORED"), "{report}");
    }
}

#[test]
fn a_file_of_several_chunks_is_streamed_and_holds() {
    let bench = Bench::new();
    let path = bench.path("b");
    let mut writer = bench.filled(&path);
    let spec = crate::bundle::FileSpec { path: "big.bin", what: "x", media_type: "application/octet-stream" };
    writer.add(spec, std::io::Read::take(std::io::repeat(7), 3_000_001)).unwrap();
    writer.seal(bench.about(), &bench.key).unwrap().publish().unwrap();
    let report = check(&bench, &archive_of(&bench, &path, "b.tar"));
    assert!(report.holds(), "{report}");
    assert!(report.bytes_checked > 3_000_001);
}

#[test]
fn another_key_is_named() {
    let bench = Bench::new();
    let other = bench.other_key("other");
    let report = verify(&bench.bundle("b"), other.public(), &Options::default());
    assert_eq!(faults(&report), [("manifest.json", &Fault::UnknownKey(bench.key.public().id().clone()))]);
    assert_eq!((report.signed_by, report.manifest, report.files_checked), (None, None, 0));
}

#[test]
fn what_is_no_bundle_is_said_so() {
    let bench = Bench::new();
    let nothing = check(&bench, &bench.path("nothing"));
    assert!(matches!(faults(&nothing)[..], [("nothing", Fault::Unreadable(_))]), "{nothing}");
    std::fs::create_dir(bench.path("empty")).unwrap();
    let empty = check(&bench, &bench.path("empty"));
    assert_eq!(faults(&empty), [("manifest.json", &Fault::Missing)]);
    std::fs::write(bench.path("zero"), b"").unwrap();
    assert!(!check(&bench, &bench.path("zero")).holds());
}

#[test]
fn every_problem_says_what_to_do() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    std::fs::remove_file(bundle.join("report.html")).unwrap();
    let text = check(&bench, &bundle).to_string();
    assert!(text.contains("`report.html` is missing; do not rely on"), "{text}");
    assert!(text.starts_with("DOES NOT HOLD: 3 of 4 files"), "{text}");
}

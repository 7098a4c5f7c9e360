//! Each byte of a bundle counts.

use super::*;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

/// A bundle with both kinds of anchor, and the second key.
fn anchored(bench: &Bench) -> (PathBuf, Options) {
    let second = bench.other_key("second");
    let path = bench.path("b");
    let sealed = bench.sealed(&path);
    let lock = crate::anchor::Anchor::ObjectLock {
        bucket: "roots".to_owned(),
        key: "2026/q1".to_owned(),
        version_id: "v1".to_owned(),
        retain_until: "2033-01-01T00:00:00Z".parse().unwrap(),
    };
    let countersigned = sealed.statement().countersign(&second);
    sealed.publish_anchored(vec![countersigned, lock], &bench.key).unwrap();
    (path, Options { anchor_keys: vec![second.public().clone()], ..Options::default() })
}

/// Flips one bit in each byte of `file` in turn; `bundle` must never hold.
fn flip_each_byte(bench: &Bench, bundle: &Path, file: &Path, options: &Options) -> u64 {
    let handle = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let length = handle.metadata().unwrap().len();
    for at in 0..length {
        let mut byte = [0];
        handle.read_exact_at(&mut byte, at).unwrap();
        handle.write_all_at(&[byte[0] ^ (1 << (at % 8))], at).unwrap();
        let report = verify(bundle, bench.key.public(), options);
        assert!(!report.holds() && !report.problems.is_empty(), "byte {at} of {} was flipped: {report}", file.display());
        assert!(report.problems.iter().all(|problem| !problem.file.is_empty()));
        handle.write_all_at(&byte, at).unwrap();
    }
    length
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { listed(&path) } else { vec![path] }).collect()
}

#[test]
fn a_flipped_bit_in_any_byte_of_any_file_shows() {
    let bench = Bench::new();
    let (bundle, options) = anchored(&bench);
    let files = listed(&bundle);
    assert_eq!(files.len(), 8);
    let flipped: u64 = files.iter().map(|file| flip_each_byte(&bench, &bundle, file, &options)).sum();
    assert!(flipped > 3_000, "{flipped}");
    assert!(verify(&bundle, bench.key.public(), &options).holds(), "all is as before");
}

#[test]
fn a_flipped_bit_in_any_byte_of_the_archive_shows() {
    let bench = Bench::new();
    let (bundle, options) = anchored(&bench);
    let tar = archive_of(&bench, &bundle, "b.tar");
    assert!(flip_each_byte(&bench, &tar, &tar, &options) > 8_000);
    assert!(verify(&tar, bench.key.public(), &options).holds(), "all is as before");
}

#[test]
fn an_archive_cut_anywhere_or_made_longer_shows() {
    let bench = Bench::new();
    let (bundle, options) = anchored(&bench);
    let tar = archive_of(&bench, &bundle, "b.tar");
    let whole = std::fs::read(&tar).unwrap();
    let cut = bench.path("cut.tar");
    let file = File::create(&cut).unwrap();
    file.write_all_at(&whole, 0).unwrap();
    file.write_all_at(b"\0", whole.len() as u64).unwrap();
    assert_eq!(faults(&verify(&cut, bench.key.public(), &options)), [("cut.tar", &Fault::Trailing)]);
    for length in (0..whole.len()).rev() {
        file.set_len(length as u64).unwrap();
        let report = verify(&cut, bench.key.public(), &options);
        assert!(report.problems.iter().any(|problem| problem.fault == Fault::Truncated), "cut to {length}: {report}");
    }
}

#[test]
fn each_missing_file_is_named() {
    let bench = Bench::new();
    let (bundle, options) = anchored(&bench);
    for file in listed(&bundle) {
        let name = file.strip_prefix(&bundle).unwrap().to_str().unwrap();
        let aside = bench.path("aside");
        std::fs::rename(&file, &aside).unwrap();
        let report = verify(&bundle, bench.key.public(), &options);
        assert_eq!(faults(&report), [(name, &Fault::Missing)], "{report}");
        std::fs::rename(&aside, &file).unwrap();
    }
}

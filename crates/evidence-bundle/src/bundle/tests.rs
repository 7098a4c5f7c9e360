//! What making a bundle leaves behind, whichever way it ends.

use super::*;
use crate::archive;
use crate::samples::Bench;
use std::collections::BTreeMap;

/// All files below a folder, by path, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

fn relative(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(folder).into_iter().map(|(path, bytes)| (path.strip_prefix(folder).unwrap().to_owned(), bytes)).collect()
}

fn parts(bench: &Bench) -> usize {
    let names = fs::read_dir(bench.path("")).unwrap();
    names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part")).count()
}

#[test]
fn the_manifest_is_the_golden_one() {
    let bench = Bench::new();
    let path = bench.bundle("b");
    let made = fs::read_to_string(path.join(MANIFEST)).unwrap();
    assert_eq!(made, include_str!("../../tests/golden/manifest.json"), "made:\n{made}");
}

#[test]
fn the_same_input_makes_the_same_bytes() {
    let bench = Bench::new();
    let (one, two) = (bench.bundle("one"), bench.bundle("two"));
    assert_eq!(relative(&one), relative(&two));
    assert_eq!(relative(&one).len(), 6);
    let (tar_one, tar_two) = (bench.path("one.tar"), bench.path("two.tar"));
    archive::write(&one, &tar_one).unwrap();
    archive::write(&two, &tar_two).unwrap();
    assert_eq!(fs::read(tar_one).unwrap(), fs::read(tar_two).unwrap());
    assert_eq!(parts(&bench), 0);
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let bench = Bench::new();
    let path = bench.path("b");
    let (early, late) = (bench.sealed(&path), bench.sealed(&path));
    early.publish().unwrap();
    let before = relative(&path);
    assert!(matches!(late.publish(), Err(BundleError::Exists(_))), "made meanwhile");
    assert!(matches!(Writer::begin(&path), Err(BundleError::Exists(_))));
    assert_eq!(relative(&path), before);
    let tar = bench.path("b.tar");
    fs::write(&tar, b"mine").unwrap();
    assert!(matches!(archive::write(&path, &tar), Err(archive::ArchiveError::Exists(_))));
    assert_eq!(fs::read(&tar).unwrap(), b"mine");
    assert_eq!(parts(&bench), 0);
}

#[test]
fn a_kill_before_the_end_leaves_no_bundle() {
    let bench = Bench::new();
    let path = bench.path("b");
    std::mem::forget(bench.filled(&path));
    assert!(!path.exists());
    std::mem::forget(bench.sealed(&path));
    assert!(!path.exists());
    assert_eq!(parts(&bench), 2, "what a kill leaves is hidden and says what it is");
    bench.sealed(&path).publish().unwrap();
    assert!(path.exists(), "and is in nobody's way");
}

#[test]
fn a_bundle_that_is_given_up_leaves_nothing() {
    let bench = Bench::new();
    drop(bench.sealed(&bench.path("b")));
    assert_eq!(parts(&bench), 0);
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_and_named() {
    let bench = Bench::new();
    let mut writer = Writer::begin(&bench.path("b")).unwrap();
    for path in ["../escaped", "/tmp/escaped", "manifest.json", "ANCHOR.JSON", "a\u{1b}b"] {
        let error = writer.add(FileSpec { path, what: "x", media_type: "x" }, &b""[..]).unwrap_err();
        assert!(matches!(error, BundleError::Name { .. }), "{error}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
    assert!(!bench.path("escaped").exists());
}

#[test]
fn a_bundle_lacks_no_content_that_failed() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let bench = Bench::new();
    let mut writer = Writer::begin(&bench.path("b")).unwrap();
    let error = writer.add(FileSpec { path: "a", what: "x", media_type: "x" }, Broken).unwrap_err();
    assert_eq!(error.to_string(), "failed to add `a`");
    assert!(matches!(writer.seal(bench.about(), &bench.key), Err(BundleError::NotWhole(path)) if path == "a"));
    assert_eq!(parts(&bench), 0);
}

#[test]
fn an_archive_takes_in_nothing_through_a_link() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    fs::remove_file(bundle.join("report.html")).unwrap();
    std::os::unix::fs::symlink(bench.path("key"), bundle.join("report.html")).unwrap();
    let error = archive::write(&bundle, &bench.path("b.tar")).unwrap_err();
    assert!(matches!(&error, archive::ArchiveError::File { path, .. } if path == "report.html"), "{error}");
    assert!(!bench.path("b.tar").exists());
    assert_eq!(parts(&bench), 0);
}

#[test]
fn an_archive_opens_with_plain_tar() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    let tar = bench.path("b.tar");
    archive::write(&bundle, &tar).unwrap();
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    let ran = std::process::Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(&out).output();
    let Ok(ran) = ran else {
        eprintln!("skipped: there is no tar program");
        return;
    };
    assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(relative(&out), relative(&bundle));
}

#[test]
fn a_bundle_in_a_folder_that_is_not_there_says_so_and_makes_none() {
    let bench = Bench::new();
    let path = bench.path("nowhere/b");
    assert!(matches!(Writer::begin(&path), Err(BundleError::NoFolder(named)) if named == path));
    assert!(!bench.path("nowhere").exists());
}

#[test]
fn what_a_caller_writes_is_hashed_as_it_lies_there() {
    let bench = Bench::new();
    let path = bench.path("b");
    let mut writer = bench.filled(&path);
    let spec = FileSpec { path: "sealed/s.log.age", what: "x", media_type: "x" };
    let sha256 = writer.add_with(spec, |to| to.write_all(b"one").and_then(|()| to.write_all(b"two"))).unwrap();
    assert_eq!(sha256, Sha256::of(b"onetwo"));
    let manifest = writer.seal(bench.about(), &bench.key).unwrap().publish().unwrap();
    let entry = manifest.files.iter().find(|file| file.path == "sealed/s.log.age").unwrap();
    assert_eq!((entry.bytes, entry.sha256), (6, sha256));
    assert!(crate::verify(&path, bench.key.public(), &crate::Options::default()).holds());
    let mut writer = Writer::begin(&bench.path("c")).unwrap();
    let error = writer.add_with(spec, |_| Err(io::Error::other("no key"))).unwrap_err();
    assert_eq!(error.to_string(), "failed to add `sealed/s.log.age`");
    assert!(matches!(writer.seal(bench.about(), &bench.key), Err(BundleError::NotWhole(_))));
}

#[test]
fn a_bundle_is_published_as_an_archive_and_nothing_beside() {
    let bench = Bench::new();
    let path = bench.path("b.tar");
    let second = bench.other_key("second");
    let sealed = bench.sealed(&path);
    let countersigned = sealed.statement().countersign(&second);
    let late = bench.sealed(&path);
    sealed.anchored(vec![countersigned], &bench.key).unwrap().publish_archive().unwrap();
    let options =
        crate::Options { anchor_keys: vec![second.public().clone()], require_anchor: true, ..crate::Options::default() };
    assert!(crate::verify(&path, bench.key.public(), &options).holds());
    let before = fs::read(&path).unwrap();
    assert!(matches!(late.publish_archive(), Err(ArchiveError::Exists(_))), "made meanwhile");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(parts(&bench), 0);
}

#[test]
fn what_no_check_takes_in_is_not_sealed() {
    let bench = Bench::new();
    let path = bench.path("b");
    let sealed = bench.sealed(&path);
    let counted = sealed.manifest().entries();
    assert_eq!(counted, 4 + 1 + 4, "four files, a folder, the bundle's own");
    sealed.publish_anchored(vec![], &bench.key).unwrap();
    let limits = |entries| crate::verify::Limits { entries, ..crate::verify::Limits::default() };
    let holds = |entries| {
        let options = crate::Options { limits: limits(entries), ..crate::Options::default() };
        crate::verify(&path, bench.key.public(), &options).holds()
    };
    assert!(holds(counted) && !holds(counted - 1), "sealing and checking count alike");
    assert!(check_size(ENTRIES_MAX, MANIFEST_MAX).is_ok());
    assert!(matches!(check_size(ENTRIES_MAX + 1, 0), Err(BundleError::TooLarge { .. })));
    assert!(matches!(check_size(0, MANIFEST_MAX + 1), Err(BundleError::TooLarge { .. })));
}

//! An anchor is proved, only claimed, or none; a false one is never more than none.

use super::*;
use crate::anchor::{Anchor, AnchorFile, FORMAT_VERSION};
use crate::names::{ANCHOR, ANCHOR_SIGNATURE};

fn lock() -> Anchor {
    Anchor::ObjectLock {
        bucket: "roots".to_owned(),
        key: "q\u{1b}1".to_owned(),
        version_id: "v1".to_owned(),
        retain_until: "2033-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn with_key(key: &PublicKey) -> Options {
    Options { anchor_keys: vec![key.clone()], require_anchor: true, ..Options::default() }
}

#[test]
fn a_second_keys_word_is_proved_with_its_key_and_claimed_without() {
    let bench = Bench::new();
    let second = bench.other_key("second");
    let sealed = bench.sealed(&bench.path("b"));
    let countersigned = sealed.statement().countersign(&second);
    sealed.publish_anchored(vec![countersigned.clone(), lock()], &bench.key).unwrap();
    let report = verify(&bench.path("b"), bench.key.public(), &with_key(second.public()));
    assert!(report.holds(), "{report}");
    assert_eq!(report.anchorage, Anchorage::Anchored { by: vec![second.public().id().clone()], claimed: vec![lock()] });
    let report = check(&bench, &bench.path("b"));
    assert!(report.holds(), "{report}");
    assert_eq!(report.anchorage, Anchorage::Claimed(vec![countersigned, lock()]));
    assert!(report.to_string().contains("version `v1` of `s3://roots/q\\u{1b}1`"), "{report}");
}

#[test]
fn a_bundle_without_an_anchor_is_a_problem_when_one_is_asked_for() {
    let bench = Bench::new();
    let options = Options { require_anchor: true, ..Options::default() };
    let report = verify(&bench.bundle("b"), bench.key.public(), &options);
    assert_eq!(faults(&report), [("b", &Fault::NoAnchor)]);
    let empty = bench.path("empty");
    bench.sealed(&empty).publish_anchored(vec![], &bench.key).unwrap();
    assert_eq!(faults(&verify(&empty, bench.key.public(), &options)), [("empty", &Fault::NoAnchor)]);
}

#[test]
fn the_anchor_of_another_bundle_is_none() {
    let bench = Bench::new();
    let one = bench.path("one");
    bench.sealed(&one).publish_anchored(vec![lock()], &bench.key).unwrap();
    let two = bench.path("two");
    let mut about = bench.about();
    about.tool.version = "0.2.0".to_owned();
    bench.filled(&two).seal(about, &bench.key).unwrap().publish().unwrap();
    for name in [ANCHOR, ANCHOR_SIGNATURE] {
        std::fs::copy(one.join(name), two.join(name)).unwrap();
    }
    let report = check(&bench, &two);
    assert_eq!(faults(&report), [("anchor.json", &Fault::OtherAnchor)]);
    assert_eq!(report.anchorage, Anchorage::Unanchored);
}

#[test]
fn a_countersignature_that_proves_nothing_is_named() {
    let bench = Bench::new();
    let second = bench.other_key("second");
    let sealed = bench.sealed(&bench.path("own"));
    let own = sealed.statement().countersign(&bench.key);
    sealed.publish_anchored(vec![own], &bench.key).unwrap();
    let report = check(&bench, &bench.path("own"));
    assert_eq!(
        (faults(&report), &report.anchorage),
        (vec![("anchor.json", &Fault::OwnCountersignature)], &Anchorage::Unanchored)
    );
    let sealed = bench.sealed(&bench.path("false"));
    let Anchor::Countersignature { signature, .. } = sealed.statement().countersign(&bench.key) else { unreachable!() };
    let borrowed = Anchor::Countersignature { key_id: second.public().id().clone(), signature };
    sealed.publish_anchored(vec![borrowed], &bench.key).unwrap();
    let report = verify(&bench.path("false"), bench.key.public(), &with_key(second.public()));
    let fault = Fault::BadCountersignature(second.public().id().clone());
    assert_eq!(faults(&report), [("anchor.json", &fault), ("false", &Fault::NoAnchor)]);
}

#[test]
fn a_newer_anchor_is_refused_clearly() {
    let bench = Bench::new();
    let path = bench.path("b");
    let sealed = bench.sealed(&path);
    let statement = sealed.statement().clone();
    sealed.publish_anchored(vec![lock()], &bench.key).unwrap();
    let bytes = AnchorFile { format_version: FORMAT_VERSION + 1, statement, anchors: vec![lock()] }.to_bytes().unwrap();
    std::fs::write(path.join(ANCHOR), &bytes).unwrap();
    std::fs::write(path.join(ANCHOR_SIGNATURE), bench.key.sign(Purpose::Anchor, &bytes).line()).unwrap();
    assert_eq!(faults(&check(&bench, &path)), [("anchor.json", &Fault::NewerFormat(2))]);
}

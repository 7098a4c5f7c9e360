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
    let asked = Fault::NotCountersigned(vec![second.public().id().clone()]);
    assert_eq!(faults(&report), [("anchor.json", &fault), ("false", &asked)]);
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

#[test]
fn who_gives_an_anchor_key_wants_that_keys_word_and_no_other() {
    let bench = Bench::new();
    let (second, third) = (bench.other_key("second"), bench.other_key("third"));
    let sealed = bench.sealed(&bench.path("b"));
    let countersigned = sealed.statement().countersign(&second);
    sealed.publish_anchored(vec![countersigned, lock()], &bench.key).unwrap();
    bench.bundle("bare");
    let fault = Fault::NotCountersigned(vec![third.public().id().clone()]);
    for name in ["b", "bare"] {
        let report = verify(&bench.path(name), bench.key.public(), &with_key(third.public()));
        assert_eq!(faults(&report), [(name, &fault)], "{report}");
        assert!(!report.holds());
        let text = report.to_string();
        assert!(text.starts_with("ANCHOR NOT PROVED: 4 of 4 files ("), "{text}");
        assert!(text.contains(&format!("no countersignature by the given anchor key {}", third.public().id())), "{text}");
    }
    let both = Options {
        anchor_keys: vec![third.public().clone(), second.public().clone()],
        require_anchor: true,
        ..Options::default()
    };
    assert!(verify(&bench.path("b"), bench.key.public(), &both).holds(), "one of them is enough");
}

#[test]
fn the_first_sentence_says_what_is_proved_and_the_second_what_to_do() {
    let bench = Bench::new();
    let second = bench.other_key("second");
    let path = bench.path("b");
    let sealed = bench.sealed(&path);
    let countersigned = sealed.statement().countersign(&second);
    sealed.publish_anchored(vec![countersigned], &bench.key).unwrap();
    let (key, other) = (bench.key.public().id().to_string(), second.public().id().to_string());
    let lines = |options: &Options| {
        let text = verify(&path, bench.key.public(), options).to_string();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let bytes = check(&bench, &path).bytes_checked;
    let whole = format!("4 of 4 files ({bytes} bytes) are as the key {key} signed them");
    let anchored = lines(&with_key(second.public()));
    assert_eq!(anchored[0], format!("HOLDS, ANCHORED: {whole}, and just this bundle is countersigned by the key {other}"));
    assert!(anchored[1].starts_with("To do: nothing, if each public key came"), "{anchored:?}");
    let claimed = lines(&Options::default());
    assert!(claimed[0].starts_with(&format!("HOLDS, anchor NOT CHECKED: {whole};")), "{claimed:?}");
    assert_eq!(claimed[1], format!("To do: check the claim yourself; give the public key {other} to check its countersignature"));
    std::fs::remove_file(path.join(ANCHOR_SIGNATURE)).unwrap();
    let halved = lines(&Options::default());
    assert!(halved[0].starts_with(&format!("ANCHOR NOT PROVED: {whole},")), "{halved:?}");
    std::fs::remove_file(path.join(ANCHOR)).unwrap();
    let bare = lines(&Options::default());
    assert!(bare[0].starts_with(&format!("HOLDS, UNANCHORED: {whole};")), "{bare:?}");
    let sha256 = Sha256::of(&std::fs::read(path.join(MANIFEST)).unwrap());
    assert!(bare[1].starts_with("To do: if that matters, compare the SHA-256"), "{bare:?}");
    assert!(bare[1].ends_with(&format!("; it is {sha256}")), "{bare:?}");
    std::fs::write(path.join("more.txt"), "").unwrap();
    let more = lines(&Options::default());
    assert_eq!(more[0], format!("DOES NOT HOLD: {whole}, and 1 thing is wrong"));
    assert!(more[1].starts_with("To do: keep this copy"), "{more:?}");
    std::fs::write(path.join("report.html"), "").unwrap();
    let changed = lines(&Options::default());
    assert!(changed[0].starts_with("DOES NOT HOLD: 3 of 4 files ("), "{changed:?}");
    assert!(changed[0].ends_with(", and 2 things are wrong"), "{changed:?}");
    std::fs::write(path.join(MANIFEST_SIGNATURE), "x").unwrap();
    let unproved = lines(&Options::default());
    assert!(unproved[0].starts_with("NOT PROVED: no signature by the given key holds"), "{unproved:?}");
}

//! Digests that `openssl` signed by the published rule, whole and broken in every way.

use crate::sources::corpus;
use audit_facts::coverage::{Grade, Lack};
use audit_facts::normalise::digest::{
    DigestBreak, DigestFile, DigestGrade, DigestReport, FileState, ObjectName, PublicKey, public_keys, verify,
};
use audit_record::sha256_hex;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Three hours of one trail; the second has no log files.
struct Trail {
    keys: Vec<PublicKey>,
    digests: Vec<(ObjectName, Vec<u8>, String)>,
    logs: BTreeMap<ObjectName, String>,
}

impl Trail {
    fn load() -> Self {
        let read = |file: &str| std::fs::read(corpus("digest").join(file)).unwrap();
        let index: Vec<Value> = serde_json::from_slice(&read("index.json")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut trail = Self { keys: public_keys(&read("keys.json")).unwrap().0, digests: Vec::new(), logs: BTreeMap::new() };
        for entry in &index {
            let name = |key: String| ObjectName { bucket: text(&entry["bucket"]), key };
            let content = read(&text(&entry["file"]));
            trail.digests.push((name(text(&entry["key"])), content, text(&entry["signature"])));
            let logs = entry["logs"].as_object().unwrap();
            trail.logs.extend(logs.iter().map(|(key, hash)| (name(key.clone()), text(hash))));
        }
        trail
    }

    fn verify(&self) -> DigestReport {
        let file =
            |(name, content, signature): &'_ (ObjectName, Vec<u8>, String)| (name.clone(), content.clone(), signature.clone());
        let owned: Vec<_> = self.digests.iter().map(file).collect();
        let files: Vec<DigestFile<'_>> = owned
            .iter()
            .map(|(name, content, signature)| DigestFile {
                name: name.clone(),
                content,
                signature: Some(signature.clone()).filter(|it| !it.is_empty()),
                signature_algorithm: Some("SHA256withRSA".to_owned()),
            })
            .collect();
        verify(&files, &self.keys, &self.logs)
    }

    /// What breaks each hour, oldest first.
    fn breaks(&self) -> Vec<Option<DigestBreak>> {
        let why = |grade: DigestGrade| match grade {
            DigestGrade::Proved => None,
            DigestGrade::Broken { why } => Some(why),
        };
        self.verify().hours.into_iter().map(|hour| why(hour.grade)).collect()
    }

    /// Changes a digest's text, and leaves its signature.
    fn edit(&mut self, at: usize, from: &str, to: &str) {
        let text = String::from_utf8(self.digests[at].1.clone()).unwrap();
        assert!(text.contains(from), "{from} is in the digest");
        self.digests[at].1 = text.replace(from, to).into_bytes();
    }
}

#[test]
fn three_signed_hours_are_proved() {
    let trail = Trail::load();
    let report = trail.verify();
    assert_eq!(trail.breaks(), [None, None, None]);
    assert!(report.files.len() == 2 && report.files.values().all(|state| *state == FileState::Intact));
    assert!(report.unreadable.is_empty());
}

#[test]
fn one_bit_of_digest_signature_or_key_breaks_its_hour_alone() {
    let mut trail = Trail::load();
    trail.edit(1, "641875867446\", \"digestStart", "641875867447\", \"digestStart");
    assert_eq!(trail.breaks(), [None, Some(DigestBreak::Signature), None]);
    let mut trail = Trail::load();
    trail.digests[2].2.replace_range(0..1, "z");
    assert_eq!(trail.breaks(), [None, None, Some(DigestBreak::Signature)]);
    let mut trail = Trail::load();
    trail.digests[0].2.clear();
    assert_eq!(trail.breaks(), [Some(DigestBreak::Unsigned), None, None]);
    let mut trail = Trail::load();
    trail.keys[0].fingerprint.push('0');
    assert!(trail.breaks().iter().all(|why| matches!(why, Some(DigestBreak::NoKey(_)))));
    let mut trail = Trail::load();
    trail.keys[0].to = "2026-11-21T10:00:00Z".parse().unwrap();
    assert!(trail.breaks().iter().all(|why| matches!(why, Some(DigestBreak::NoKey(_)))), "the key was no longer valid");
}

#[test]
fn a_log_file_that_is_gone_or_changed_breaks_its_hour() {
    let mut trail = Trail::load();
    let (first, last) = (trail.logs.keys().next().cloned().unwrap(), trail.logs.keys().last().cloned().unwrap());
    trail.logs.remove(&first);
    trail.logs.insert(last.clone(), "0".repeat(64));
    let expected = [Some(DigestBreak::FileMissing(first.key.clone())), None, Some(DigestBreak::FileChanged(last.key.clone()))];
    assert_eq!(trail.breaks(), expected);
    let report = trail.verify();
    assert_eq!((report.files[&first], report.files[&last]), (FileState::Missing, FileState::Changed));
}

#[test]
fn a_digest_that_was_taken_away_leaves_a_gap() {
    let mut trail = Trail::load();
    trail.digests.remove(1);
    assert_eq!(trail.breaks(), [None, Some(DigestBreak::NoDigest), None]);
    let gap = &trail.verify().hours[1];
    assert_eq!(
        (gap.from.to_string(), gap.to.to_string()),
        ("2026-11-21T12:01:31Z".to_owned(), "2026-11-21T13:01:31Z".to_owned())
    );
    assert_eq!(gap.digest, None);
}

#[test]
fn a_digest_elsewhere_proves_nothing_and_junk_is_a_gap() {
    let mut trail = Trail::load();
    trail.digests[1].0.key.push_str(".moved");
    assert_eq!(trail.breaks(), [None, Some(DigestBreak::Moved), None]);
    let mut trail = Trail::load();
    trail.digests[1].1 = b"{}".to_vec();
    assert_eq!(trail.breaks(), [None, Some(DigestBreak::NoDigest), None]);
    assert_eq!(trail.verify().unreadable.len(), 1);
}

#[test]
fn a_forged_digest_breaks_no_other() {
    let mut trail = Trail::load();
    // What the digest before was is part of what is signed.
    let signature = trail.digests[0].2.clone();
    trail.edit(1, &signature, &"ab".repeat(256));
    assert_eq!(trail.breaks(), [None, Some(DigestBreak::Signature), None]);
}

/// A signer of its own, for what AWS alone could make.
struct Signer {
    pair: KeyPair,
    trail: Trail,
}

impl Signer {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let (from, to) = (Timestamp::MIN, Timestamp::MAX);
        let key = PublicKey { fingerprint: "own".to_owned(), der: pair.public_key().as_ref().to_vec(), from, to };
        Self { pair, trail: Trail { keys: vec![key], digests: Vec::new(), logs: BTreeMap::new() } }
    }

    /// Adds the digest of an hour of 2026-11-21 that follows another one, if any.
    fn add(&mut self, hour: u8, key: &str, previous: Option<usize>) {
        let mut digest = json!({"digestStartTime": format!("2026-11-21T{hour:02}:00:00Z"), "note": self.trail.digests.len(),
            "digestEndTime": format!("2026-11-21T{:02}:00:00Z", hour + 1), "digestS3Bucket": "b", "digestS3Object": key,
            "digestPublicKeyFingerprint": "own", "digestSignatureAlgorithm": "SHA256withRSA", "logFiles": []});
        let before = previous.map(|at| self.trail.digests[at].clone());
        if let Some((name, content, signature)) = &before {
            digest["previousDigestS3Bucket"] = json!(name.bucket);
            digest["previousDigestS3Object"] = json!(name.key);
            digest["previousDigestHashValue"] = json!(sha256_hex(content));
            digest["previousDigestSignature"] = json!(signature);
        }
        let content = serde_json::to_vec(&digest).unwrap();
        let previous = before.map_or("null".to_owned(), |(_, _, signature)| signature);
        let end = digest["digestEndTime"].as_str().unwrap();
        let text = format!("{end}\nb/{key}\n{}\n{previous}", sha256_hex(&content));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        let signature = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        self.trail.digests.push((ObjectName { bucket: "b".to_owned(), key: key.to_owned() }, content, signature));
    }
}

#[test]
fn a_genuine_digest_that_is_not_the_one_that_was_followed_is_broken() {
    let mut signer = Signer::new();
    signer.add(10, "d10", None);
    signer.add(10, "d10", None);
    signer.add(11, "d11", Some(0));
    signer.trail.digests.remove(0);
    assert_eq!(signer.trail.breaks(), [Some(DigestBreak::Replaced), None]);
}

#[test]
fn a_chain_that_begins_anew_after_a_pause_says_so() {
    let mut signer = Signer::new();
    signer.add(10, "d10", None);
    signer.add(14, "d14", None);
    assert_eq!(signer.trail.breaks(), [None, Some(DigestBreak::NewChain), None]);
}

#[test]
fn a_later_addition_to_an_hour_is_held_to_the_same_and_closes_no_gap() {
    let mut signer = Signer::new();
    signer.add(10, "d10.json.gz", None);
    signer.add(10, "d10_backfill.json.gz", None);
    assert_eq!(signer.trail.breaks(), [None, None]);
    let other = if signer.trail.digests[1].2.starts_with("00") { "ff" } else { "00" };
    signer.trail.digests[1].2.replace_range(0..2, other);
    assert_eq!(signer.trail.breaks(), [None, Some(DigestBreak::Signature)]);
    let covered = signer.trail.verify().coverage("p", "s", SignedDuration::ZERO);
    assert!(covered.iter().all(|window| window.grade == Grade::None), "an hour with a broken addition is not proved");
    let mut signer = Signer::new();
    signer.add(10, "d10.json.gz", None);
    signer.add(11, "d11_backfill.json.gz", None);
    signer.add(12, "d12.json.gz", Some(0));
    assert_eq!(signer.trail.breaks(), [None, Some(DigestBreak::NoDigest), None, None]);
}

#[test]
fn order_and_copies_of_digests_do_not_matter() {
    let mut trail = Trail::load();
    let report = trail.verify();
    trail.digests.reverse();
    trail.digests.push(trail.digests[0].clone());
    assert_eq!(trail.verify(), report);
}

#[test]
fn events_are_covered_up_to_the_lag_before_the_end_and_broken_from_the_lag_before_a_break() {
    let mut trail = Trail::load();
    let shown = |trail: &Trail| -> Vec<(String, String, bool)> {
        let windows = trail.verify().coverage("main", "641875867446/us-east-2", SignedDuration::from_mins(30));
        let window = |it: audit_facts::Coverage| {
            assert_eq!(it.grade == Grade::None, matches!(it.lack, Some(Lack::Broken { .. })));
            (it.from.strftime("%H:%M").to_string(), it.to.strftime("%H:%M").to_string(), it.grade == Grade::Proved)
        };
        windows.into_iter().map(window).collect()
    };
    let row = |from: &str, to: &str, proved| (from.to_owned(), to.to_owned(), proved);
    assert_eq!(shown(&trail), [row("11:01", "13:31", true)]);
    trail.digests.remove(1);
    assert_eq!(shown(&trail), [row("11:01", "11:31", true), row("11:31", "13:01", false), row("13:01", "13:31", true)]);
}

#[test]
fn any_bytes_in_the_place_of_a_digest_are_no_panic() {
    let mut trail = Trail::load();
    let whole = trail.digests[1].1.clone();
    for cut in (0..whole.len()).step_by(7) {
        trail.digests[1].1 = whole[..cut].to_vec();
        assert_eq!(trail.breaks()[1], Some(DigestBreak::NoDigest));
    }
}

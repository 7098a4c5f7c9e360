//! Manifests that are truly signed and still wrong: by a newer program, or by a maker who errs or lies.

use super::*;
use crate::names::NameError;
use serde_json::{Value, json};

/// A bundle whose manifest was changed and signed again.
fn resigned(bench: &Bench, change: impl FnOnce(&mut Value)) -> PathBuf {
    let bundle = bench.bundle("b");
    let path = bundle.join(MANIFEST);
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    let bytes = serde_json::to_vec(&manifest).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    std::fs::write(bundle.join(MANIFEST_SIGNATURE), bench.key.sign(Purpose::Manifest, &bytes).line()).unwrap();
    bundle
}

#[test]
fn each_version_is_read_or_refused_clearly() {
    for (version, fault) in [
        (json!(1), None),
        (json!(2), Some(Fault::NewerFormat(2))),
        (json!(u64::MAX), Some(Fault::NewerFormat(u64::MAX))),
        (json!(0), Some(Fault::Malformed("failed to read the manifest: there is no format version 0".to_owned()))),
    ] {
        let bench = Bench::new();
        let bundle = resigned(&bench, |manifest| manifest["format_version"] = version.clone());
        let report = check(&bench, &bundle);
        assert_eq!(report.problems.first().map(|problem| &problem.fault), fault.as_ref(), "{report}");
        assert_eq!(report.holds(), fault.is_none());
    }
    let bench = Bench::new();
    let bundle = resigned(&bench, |manifest| drop(manifest.as_object_mut().unwrap().remove("format_version")));
    assert!(matches!(faults(&check(&bench, &bundle))[..], [("manifest.json", Fault::Malformed(_))]));
}

#[test]
fn a_newer_manifest_says_so_even_when_it_is_signed_in_another_way() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    std::fs::write(bundle.join(MANIFEST), br#"{"format_version": 7, "chapters": []}"#).unwrap();
    let report = check(&bench, &bundle);
    let sentence = "`manifest.json` has format version 7, which is newer than this program reads; verify with a newer version of this program; if the bundle is not new, it was changed";
    assert_eq!(report.problems.first().map(ToString::to_string).as_deref(), Some(sentence));
}

#[test]
fn unknown_fields_hold_and_are_kept() {
    let bench = Bench::new();
    let bundle = resigned(&bench, |manifest| {
        manifest["later"] = json!({"deep": [1, 2]});
        manifest["files"][0]["later"] = json!("x");
    });
    let report = check(&bench, &bundle);
    assert!(report.holds(), "{report}");
    let manifest = report.manifest.unwrap();
    let again: Value = serde_json::from_slice(&manifest.to_bytes().unwrap()).unwrap();
    assert_eq!(again["later"], json!({"deep": [1, 2]}));
    assert_eq!(again["files"][0]["later"], json!("x"));
    let read: Value = serde_json::from_slice(&std::fs::read(bundle.join(MANIFEST)).unwrap()).unwrap();
    assert_eq!(again, read, "nothing else changed");
}

#[test]
fn a_wrong_root_is_named() {
    let bench = Bench::new();
    let bundle = resigned(&bench, |manifest| manifest["merkle_root"] = json!(Sha256::of(b"other")));
    assert_eq!(faults(&check(&bench, &bundle)), [("manifest.json", &Fault::WrongRoot)]);
}

#[test]
fn a_listed_path_that_leads_elsewhere_is_named_and_not_read() {
    for (path, error) in [
        ("../key", NameError::Dot),
        ("/etc/passwd", NameError::EmptyPart),
        ("REPORT.HTML", NameError::Taken),
        ("report.html", NameError::Taken),
        ("manifest.json", NameError::Reserved),
        ("report.html/x", NameError::FileAndFolder),
    ] {
        let bench = Bench::new();
        let bundle = resigned(&bench, |manifest| manifest["files"][2]["path"] = json!(path));
        let report = check(&bench, &bundle);
        assert!(faults(&report).contains(&(path, &Fault::Name(error))), "{path}: {report}");
    }
}

#[test]
fn an_unordered_list_is_named() {
    let bench = Bench::new();
    let bundle = resigned(&bench, |manifest| manifest["files"].as_array_mut().unwrap().swap(0, 1));
    let report = check(&bench, &bundle);
    assert_eq!(faults(&report), [("manifest.json", &Fault::WrongRoot), ("manifest.json", &Fault::Unordered)]);
}

/// Replaces the bundle's log, lists it rightly, and signs.
fn with_log(bench: &Bench, log: impl FnOnce(String) -> String) -> Report {
    let bundle = bench.bundle("b");
    let log = log(std::fs::read_to_string(bundle.join("findings.jsonl")).unwrap());
    std::fs::remove_dir_all(bundle).unwrap();
    let bundle = resigned(bench, |manifest| {
        manifest["files"][0]["bytes"] = json!(log.len());
        manifest["files"][0]["sha256"] = json!(Sha256::of(log.as_bytes()));
        let files: Vec<crate::manifest::FileEntry> = serde_json::from_value(manifest["files"].clone()).unwrap();
        let hashes: Vec<_> = files.iter().map(|file| file.sha256).collect();
        manifest["merkle_root"] = json!(crate::merkle::root(&hashes));
    });
    std::fs::write(bundle.join("findings.jsonl"), &log).unwrap();
    check(bench, &bundle)
}

#[test]
fn a_log_that_does_not_follow_or_does_not_end_as_said_is_named() {
    use audit_record::chain::ChainError;
    let report = with_log(&Bench::new(), |log| log);
    assert!(report.holds(), "{report}");
    let report = with_log(&Bench::new(), |log| log.replacen("2026-03-31", "2026-03-30", 1));
    assert_eq!(faults(&report), [("findings.jsonl", &Fault::Chain(ChainError::Broken { line: 2 }))]);
    let report = with_log(&Bench::new(), |log| log.lines().take(1).map(|line| format!("{line}\n")).collect());
    assert_eq!(faults(&report), [("findings.jsonl", &Fault::ChainHead)]);
    let report = with_log(&Bench::new(), |log| log.trim_end().to_owned());
    assert_eq!(faults(&report), [("findings.jsonl", &Fault::Chain(ChainError::Unfinished { line: 2 }))]);
}

#[test]
fn a_manifest_that_says_something_twice_is_refused() {
    for (once, twice) in [
        ("\"tool\": {", "\"tool\": {\"name\": \"x\", \"version\": \"1\"}, \"tool\": {"),
        ("\"files\": [", "\"files\": [], \"files\": ["),
        ("\"path\": \"report.html\"", "\"path\": \"other.html\", \"path\": \"report.html\""),
        ("\"merkle_root\": ", "\"merkle_root\": \"0\", \"merkle_root\": "),
        ("\"format_version\": 1", "\"format_version\": 1, \"format_version\": 1"),
    ] {
        let bench = Bench::new();
        let bundle = bench.bundle("b");
        let path = bundle.join(MANIFEST);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(once), "{once}");
        let text = text.replacen(once, twice, 1);
        std::fs::write(&path, &text).unwrap();
        std::fs::write(bundle.join(MANIFEST_SIGNATURE), bench.key.sign(Purpose::Manifest, text.as_bytes()).line()).unwrap();
        let report = check(&bench, &bundle);
        assert!(!report.holds(), "{once}: {report}");
        assert!(matches!(faults(&report)[..], [("manifest.json", Fault::Malformed(_))]), "{once}: {report}");
    }
}

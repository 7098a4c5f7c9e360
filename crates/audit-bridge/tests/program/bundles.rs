//! The words for bundles: keys, report, verify. What went wrong is said, and nothing is left half made.

use crate::seat::Seat;
use jiff::SignedDuration;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const LOOKUP: &str = "cloud_trail = 'lookup'";
/// What every session here shows; the token is what redaction takes out.
const SHOWN: &str = "token=ghp_0123456789abcdefghijklmnopqrstuvwxyz";

/// Runs a word that needs neither state nor configuration.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_audit-bridge")).current_dir(folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Whether a report is complete; findings may stand or still wait.
fn is_complete(output: &Output) -> bool {
    matches!(code(output), 0 | 2)
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A seat with two sessions, a key, a second key and a folder for bundles.
async fn seat() -> (Seat, [String; 2]) {
    let seat = Seat::of(LOOKUP).await;
    let sessions = [seat.shell(&format!("echo {SHOWN}")).await, seat.shell("echo another").await];
    // A journal counts as read from its first record on, and the reports' period is to be covered.
    seat.record_at("alice-0123456789abcdefg", b"long ago\r\n", seat.world.now() - SignedDuration::from_mins(40));
    seat.collect();
    fs::create_dir(seat.path("out")).unwrap();
    for key in ["key", "second", "third"] {
        assert!(run(&seat.path(""), &["keygen", key]).status.success());
    }
    (seat, sessions)
}

fn report(seat: &Seat, out: &str, more: &[&str]) -> Output {
    let (out, key) = (seat.path(out).display().to_string(), seat.path("key").display().to_string());
    seat.run(&[&["report", "--from", "20m", "--out", &out, "--key", &key], more].concat())
}

fn manifest(bundle: &Path) -> Value {
    serde_json::from_slice(&fs::read(bundle.join("manifest.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_key_that_did_not_countersign_is_no_anchor() {
    let (seat, _) = seat().await;
    let second = seat.path("second").display().to_string();
    assert!(is_complete(&report(&seat, "out/anchored", &["--anchor-key", &second])));
    assert!(is_complete(&report(&seat, "out/bare.tar", &[])));
    let verify = |bundle: &str, anchor: &str| {
        let arguments = ["verify", bundle, "--key", "../key.pub", "--anchor-key", anchor];
        run(&seat.path("out"), if anchor.is_empty() { &arguments[..4] } else { &arguments })
    };
    let right = verify("anchored", "../second.pub");
    assert_eq!((code(&right), stdout(&right).starts_with("HOLDS, ANCHORED: ")), (0, true), "{}", stdout(&right));
    for bundle in ["anchored", "bare.tar"] {
        let wrong = verify(bundle, "../third.pub");
        assert_eq!(code(&wrong), 1);
        assert!(stdout(&wrong).starts_with("ANCHOR NOT PROVED: ") && stdout(&wrong).contains("no countersignature by the given"));
    }
    let claimed = verify("anchored", "");
    assert_eq!((code(&claimed), stdout(&claimed).starts_with("HOLDS, anchor NOT CHECKED: ")), (0, true));
    let bare = verify("bare.tar", "");
    assert_eq!((code(&bare), stdout(&bare).starts_with("HOLDS, UNANCHORED: ")), (0, true));
    let own = verify("bare.tar", "../key.pub");
    assert_eq!((code(&own), stderr(&own).contains("the same key as --key")), (64, true));
    let key = seat.path("key").display().to_string();
    let own = report(&seat, "out/own", &["--anchor-key", &key]);
    assert_eq!((code(&own), stderr(&own).contains("the same key as --key")), (64, true));
    assert_eq!(names(&seat.path("out")), ["anchored", "bare.tar"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_or_path_is_told_with_what_to_do_and_leaves_nothing() {
    let (seat, _) = seat().await;
    assert!(is_complete(&report(&seat, "out/b.tar", &[])));
    let out = seat.path("out");
    fs::create_dir(seat.path("folder")).unwrap();
    fs::write(seat.path("x.tar.gz"), b"\x1f\x8b\x08\0rest").unwrap();
    let fails = |arguments: &[&str], words: &[&str]| {
        let before = (names(&out), names(&seat.path("")));
        let output = run(&out, arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", stderr(&output));
        for word in words {
            assert!(stderr(&output).contains(word), "{arguments:?}: {}", stderr(&output));
        }
        assert_eq!((names(&out), names(&seat.path(""))), before, "{arguments:?}");
    };
    fails(&["verify", "b.tar", "--key", "../key"], &["`../key`", "that is a private key; give its .pub"]);
    fails(&["verify", "b.tar", "--key", "b.tar"], &["`b.tar`", "no public key"]);
    fails(&["verify", "b.tar", "--key", "nokey"], &["`nokey`"]);
    fails(&["keygen", "nope/x"], &["`nope/x`", "its folder is not there; make it first"]);
    fails(&["keygen", "../key"], &["`../key.pub`", "nothing is overwritten"]);
    fails(&["verify", "nothere", "--key", "../key.pub"], &["`nothere`", "nothing is there"]);
    fails(&["verify", "../x.tar.gz", "--key", "../key.pub"], &["`../x.tar.gz`", "run `gunzip` on it first"]);
    fails(&["verify", "../folder", "--key", "../key.pub"], &["`../folder`", "no manifest.json"]);
    let fails = |out: &str, key: &str, code_wanted: i32, words: &[&str]| {
        let (path, key) = (seat.path(out).display().to_string(), seat.path(key).display().to_string());
        let output = seat.run(&["report", "--from", "1h", "--out", &path, "--key", &key]);
        assert_eq!(code(&output), code_wanted, "{out}: {}", stderr(&output));
        assert!(words.iter().all(|word| stderr(&output).contains(word)), "{out}: {}", stderr(&output));
    };
    fails("out/c", "key.pub", 1, &["key.pub`", "that is a public key; give the private key"]);
    fails("out/nope/c", "key", 1, &["out/nope/c`", "is not there; make it first"]);
    fails("out/nope/c.tar", "key", 1, &["out/nope/c.tar`", "is not there; make it first"]);
    fails("out/b.tar", "key", 1, &["out/b.tar`", "nothing is overwritten"]);
    assert_eq!(names(&out), ["b.tar"]);
}

/// Where the evidence with this hash lies.
fn evidence(seat: &Seat, sha256: &str) -> std::path::PathBuf {
    let mut folders = vec![seat.path("state/evidence")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let joined = path.display().to_string().replace('/', "");
            if path.is_dir() {
                folders.push(path);
            } else if joined.contains(sha256) {
                return path;
            }
        }
    }
    panic!("no evidence {sha256}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_whose_evidence_is_gone_is_left_out_and_told_and_the_rest_is_reported() {
    let (seat, [gone, kept]) = seat().await;
    let rows = seat.rows(&["sessions"]);
    let row = rows.iter().find(|row| row["ssm_session_id"] == gone.as_str()).unwrap();
    fs::remove_file(evidence(&seat, row["transcript_evidence"].as_str().unwrap())).unwrap();
    let output = report(&seat, "out/b", &[]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("the transcript of {gone} is left out of the report: ")), "{}", stderr(&output));
    let bundle = seat.path("out/b");
    assert_eq!(names(&bundle.join("transcripts")), [format!("{kept}.txt")]);
    let left_out = &manifest(&bundle)["coverage"]["left_out"];
    assert_eq!(left_out[0]["session"], gone.as_str());
    assert!(left_out[0]["why"].as_str().unwrap().contains("gone from the store"), "{left_out}");
    assert_eq!(left_out.as_array().unwrap().len(), 1);
    let page = fs::read_to_string(bundle.join("report.html")).unwrap();
    assert!(
        page.contains("Its transcript could not be read and is not in this report: ") && page.contains("gone from the store")
    );
    assert!(run(&seat.path("out"), &["verify", "b", "--key", "../key.pub"]).status.success());
    let without = report(&seat, "out/without", &["--no-transcripts"]);
    assert!(is_complete(&without), "what is not asked for is not missed: {}", stderr(&without));
}

/// An identity whose public half follows it; made for this test and used nowhere else.
fn identity(seat: &Seat) -> Option<String> {
    let path = seat.path("age.txt");
    let made = Command::new("age-keygen").arg("-o").arg(&path).output();
    if !made.is_ok_and(|made| made.status.success()) {
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), "skipped: opening what was sealed; age-keygen is not on PATH"));
        return None;
    }
    Some(stdout(&Command::new("age-keygen").arg("-y").arg(&path).output().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_as_it_was_is_in_the_bundle_for_those_who_may_read_it_alone() {
    let (seat, [session, _]) = seat().await;
    let list = seat.path("recipients").display().to_string();
    // A public key of nobody's, where there is no program that makes one.
    let recipient = identity(&seat);
    let nobodys = "age15nsf9y4k28p83wth93tf7hafhvfajp45d2mge80ems45gz0c5gys3me64l";
    fs::write(&list, format!("# cleared\n{}\n", recipient.as_deref().unwrap_or(nobodys))).unwrap();
    for (out, more) in [("out/b", &["--seal-to", &list][..]), ("out/only", &["--seal-to", &list, "--no-transcripts"])] {
        let output = report(&seat, out, more);
        assert!(is_complete(&output), "{}", stderr(&output));
        let sealed = seat.path(out).join(format!("sealed/{session}.log.age"));
        let bytes = fs::read(&sealed).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
        assert!(!bytes.windows(8).any(|window| window == &SHOWN.as_bytes()[6..14]), "it is encrypted");
        if recipient.is_some() {
            let opened = Command::new("age").args(["-d", "-i"]).arg(seat.path("age.txt")).arg(&sealed).output().unwrap();
            assert!(stdout(&opened).contains(SHOWN), "{}", stderr(&opened));
        }
        assert!(run(&seat.path(""), &["verify", out, "--key", "key.pub"]).status.success());
    }
    let text = fs::read_to_string(seat.path("out/b").join(format!("transcripts/{session}.txt"))).unwrap();
    assert!(!text.contains("ghp_0123"), "{text}");
    assert!(!seat.path("out/only/transcripts").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_recipients_that_names_none_is_refused_before_anything_is_written() {
    let (seat, _) = seat().await;
    let list = seat.path("recipients");
    let secret = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    for (content, word) in
        [("# nobody\n\n", "there is none"), ("age1short\n", "line 1"), (&format!("# mine\n{secret}\n"), "it is a secret key")]
    {
        fs::write(&list, content).unwrap();
        let output = report(&seat, "out/b", &["--seal-to", &list.display().to_string()]);
        assert_eq!(code(&output), 78);
        let told = stderr(&output);
        assert!(told.contains(word) && told.contains(&list.display().to_string()) && !told.contains("QQQQ"), "{told}");
    }
    fs::remove_file(&list).unwrap();
    assert_eq!(code(&report(&seat, "out/b", &["--seal-to", &list.display().to_string()])), 78);
    assert!(names(&seat.path("out")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_whole_in_its_file_and_its_beginning_is_on_the_page() {
    let (seat, _) = seat().await;
    let session = seat.shell("seq 1 20000").await;
    seat.collect();
    assert!(is_complete(&report(&seat, "out/b", &[])));
    let file = format!("transcripts/{session}.txt");
    let text = fs::read_to_string(seat.path("out/b").join(&file)).unwrap();
    assert!(text.lines().any(|line| line == "20000") && text.lines().any(|line| line == "1"), "{} bytes", text.len());
    let page = fs::read_to_string(seat.path("out/b/report.html")).unwrap();
    assert!(page.contains("\n9999\n") && !page.contains("\n20000\n"));
    assert!(page.contains(&format!("the bundle has all of it under <code>{file}</code>")));
}

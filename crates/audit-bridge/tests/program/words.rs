//! The words that do not judge: doctor, config, canary, report; and a collector that is killed.

use crate::seat::{GROUP, Seat};
use std::process::Stdio;
use std::time::Duration;

const LOOKUP: &str = "cloud_trail = 'lookup'";

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_killed_again_and_again_ends_with_the_same() {
    let seat = Seat::of(LOOKUP).await;
    let session = seat.shell("echo through").await;
    seat.record(&session, b"through\r\n");
    for step in 1..8 {
        let mut child = seat.command("killed", &["collect", "--quiet"]).stderr(Stdio::null()).spawn().unwrap();
        // Where it is by then does not matter: every commit is whole.
        tokio::time::sleep(Duration::from_millis(150 * step)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for state in ["killed", "whole"] {
        assert!(matches!(seat.run_on(state, &["collect", "--quiet"]).status.code(), Some(0 | 2)));
    }
    let rows = |state: &str, word: &str| {
        let output = seat.run_on(state, &[word, "-o", "jsonl"]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(rows("killed", "sessions"), rows("whole", "sessions"));
    let ids = |state: &str| rows(state, "findings").iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("killed"), ids("whole"));
    assert!(!ids("whole").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_is_missing() {
    let seat = Seat::of(LOOKUP).await;
    let well = seat.run(&["doctor"]);
    assert!(well.status.success(), "{}", String::from_utf8_lossy(&well.stdout));
    seat.world.deny_auditor(&["cloudtrail:LookupEvents"]);
    let ill = seat.run(&["doctor"]);
    assert_eq!(ill.status.code(), Some(1));
    let text = String::from_utf8_lossy(&ill.stdout).into_owned();
    assert!(text.lines().any(|line| line.starts_with("FAIL") && line.contains("cloudtrail:LookupEvents")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tries_each_place_and_proves_the_evidence() {
    let seat =
        Seat::of(&format!("{LOOKUP}\nlinks = ['/no/such/group', 's3://no-such-bucket']\nexec_log_groups = ['{GROUP}']")).await;
    seat.shell("echo kept").await;
    seat.collect();
    let said = |seat: &Seat| String::from_utf8(seat.run(&["doctor"]).stdout).unwrap();
    let text = said(&seat);
    let is_line = |sign: &str, what: &str| text.lines().any(|line| line.starts_with(sign) && line.contains(what));
    assert!(is_line("FAIL", "/no/such/group") && is_line("FAIL", "s3://no-such-bucket") && is_line("ok", GROUP), "{text}");
    assert!(is_line("ok   evidence", "pieces are there and whole") && is_line("ok   state", "its chains hold, with"), "{text}");
    std::fs::remove_dir_all(seat.path("state/evidence")).unwrap();
    assert!(said(&seat).lines().any(|line| line.starts_with("FAIL evidence: ")), "{}", said(&seat));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nobody_knows_is_an_error() {
    let seat = Seat::of(LOOKUP).await;
    assert_eq!(seat.run(&["config", "check"]).status.code(), Some(0));
    seat.configure("retension_days = 30");
    let output = seat.run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("retension_days"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_seen_or_missed() {
    let seat = Seat::of(LOOKUP).await;
    seat.collect();
    assert_eq!(seat.run(&["canary", "--principal", "*"]).status.code(), Some(2), "it has not sung");
    let session = seat.shell("echo tweet").await;
    seat.collect();
    let output = seat.run(&["canary", "--principal", "*"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&session), "{text}");
    assert_eq!(output.status.code(), Some(2), "Boundary did not see it: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_a_bundle_that_its_key_verifies_and_a_changed_one_is_not() {
    let seat = Seat::of(LOOKUP).await;
    seat.shell("echo token=ghp_0123456789abcdefghijklmnopqrstuvwxyz").await;
    seat.collect();
    let path = |name: &str| seat.path(name).display().to_string();
    assert!(seat.run(&["keygen", &path("key")]).status.success());
    let written = seat.run(&["report", "--from", "1h", "--out", &path("bundle"), "--key", &path("key")]);
    assert!(matches!(written.status.code(), Some(2 | 3)), "{}", String::from_utf8_lossy(&written.stderr));
    let verify = || seat.run(&["verify", &path("bundle"), "--key", &path("key.pub")]);
    assert!(verify().status.success(), "{}", String::from_utf8_lossy(&verify().stdout));
    assert!(!verify().stdout.ends_with(b"\n\n"), "no blank line at the end");
    for file in std::fs::read_dir(seat.path("bundle/transcripts")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(text.contains("redacted") && !text.contains("ghp_0123"), "{text}");
    }
    let html = seat.path("bundle/report.html");
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("BYPASS_EXEC") && !page.contains("ghp_0123"));
    std::fs::write(&html, page.replace("BYPASS_EXEC", "BYPASS_NONE")).unwrap();
    let told = verify();
    assert!(!told.status.success());
    assert!(String::from_utf8_lossy(&told.stdout).contains("report.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_may_lie_in_a_bucket() {
    let seat = Seat::of(LOOKUP).await;
    seat.world.add_versioned_bucket("evidence", Some(90));
    seat.configure("evidence = 's3://evidence/audit'\nevidence_aws = 'aws'");
    let session = seat.shell("echo kept afar").await;
    let denied = seat.run(&["collect", "--quiet"]);
    assert_eq!(denied.status.code(), Some(1), "who may not write evidence may not collect");
    assert!(String::from_utf8_lossy(&denied.stderr).contains("s3:PutObject"));
    let mut collect = seat.command("state", &["collect", "--quiet"]);
    let collected = collect.envs(seat.world.environment()).output().unwrap();
    assert!(matches!(collected.status.code(), Some(0 | 2 | 3)), "{}", String::from_utf8_lossy(&collected.stderr));
    let mut replay = seat.command("state", &["replay", "--text", &session]);
    let shown = replay.envs(seat.world.environment()).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("kept afar"), "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(!seat.path("state/evidence").exists());
}

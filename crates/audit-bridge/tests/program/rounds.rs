//! What rounds leave behind and say, and what is asked of it wrongly.

use crate::seat::Seat;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::OpenOptions;

const LOOKUP: &str = "cloud_trail = 'lookup'";

#[tokio::test(flavor = "multi_thread")]
async fn between_two_rounds_is_no_hole() {
    let seat = Seat::of(LOOKUP).await;
    for _ in 0..4 {
        seat.collect();
    }
    let mut windows: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    for row in seat.rows(&["coverage"]) {
        let name = format!("{} {} {}", word(&row, "source"), word(&row, "place"), word(&row, "scope"));
        windows.entry(name).or_default().push((word(&row, "from"), word(&row, "to")));
    }
    assert!(windows.len() > 4, "{windows:?}");
    for (name, windows) in windows {
        for pair in windows.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_that_ends_before_it_begins_is_wrong_usage() {
    let seat = Seat::of(LOOKUP).await;
    seat.collect();
    for word in ["sessions", "findings", "coverage", "access"] {
        for period in [["--from", "1h", "--to", "2h"].as_slice(), &["--from", "2099-01-01"]] {
            let output = seat.run(&[&[word], period].concat());
            assert_eq!(output.status.code(), Some(64), "{word} {period:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("--from must be before --to"));
        }
    }
    assert_eq!(seat.run(&["coverage", "--to", "2020-01-01"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_written_is_a_failure() {
    let seat = Seat::of(LOOKUP).await;
    seat.shell("echo there").await;
    seat.collect();
    for words in [["sessions", "-o", "table"], ["findings", "-o", "jsonl"], ["config", "show", "--quiet"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = seat.command("state", &words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("failed to write the result"), "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_by_a_part_of_the_principal() {
    let seat = Seat::of(LOOKUP).await;
    let session = seat.shell("echo me").await;
    seat.collect();
    let all = seat.rows(&["sessions"]);
    let arn = all[0]["principal_arn"].as_str().unwrap().to_owned();
    let name = arn.rsplit('/').next().unwrap();
    for who in [arn.as_str(), name] {
        let rows = seat.rows(&["sessions", "--user", who]);
        assert!(rows.iter().any(|row| row["ssm_session_id"] == session.as_str()), "{who}: {rows:?}");
    }
    assert!(seat.rows(&["sessions", "--user", "nobody-of-that-name"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_leave_no_source_unmentioned() {
    let places = "artifacts = 's3://artifacts'\nlinks = ['s3://records/x']\nsync_records = 's3://records'";
    let seat = Seat::of(&format!("{LOOKUP}\n{places}")).await;
    seat.world.add_versioned_bucket("artifacts", Some(90));
    seat.world.add_versioned_bucket("records", Some(90));
    seat.collect();
    let mut collect = seat.command("state", &["collect"]);
    collect.envs([("AWS_ACCESS_KEY_ID", "AKIAXXXXXXXXXXXXXXXX"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_SESSION_TOKEN", "x")]);
    let output = collect.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.matches("aws/cloudtrail").count(), 1, "{told}");
    assert!(["aws/ssm", "aws/ecs", "aws/exec-logs"].iter().all(|name| told.contains(name)), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("7 not;"), "{}", String::from_utf8_lossy(&output.stdout));
    let codes: Vec<String> = seat.codes().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "CANNOT_READ").count(), 7, "{codes:?}");
    // What is read again is a hole no more, and nothing stands that says so.
    seat.collect();
    let holes = seat.rows(&["coverage"]).into_iter().filter(|row| row["grade"] == "none");
    let holes: Vec<_> = holes.map(|row| row["place"].as_str().unwrap().to_owned()).collect();
    // These lists are read every quarter of an hour.
    assert_eq!(holes, ["aws/artifacts", "aws/exec-logs"]);
    let codes: Vec<String> = seat.codes().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "CANNOT_READ").count(), 2, "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_ends_with_two_says_what_stands() {
    let seat = Seat::of(LOOKUP).await;
    let session = seat.shell("echo past").await;
    let output = seat.run(&["collect"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("at or above high") && text.contains("BYPASS_EXEC") && text.contains(&session), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_says_what_it_is_worth() {
    let seat = Seat::of(LOOKUP).await;
    assert_eq!(seat.run(&["collect", "--source", "nowhere"]).status.code(), Some(64));
    let read = seat.run(&["collect", "--quiet", "--source", "lab"]);
    assert_eq!(read.status.code(), Some(0), "{}", String::from_utf8_lossy(&read.stderr));
    let findings = seat.run(&["findings"]);
    assert_eq!(findings.status.code(), Some(3));
    let (out, told) = (String::from_utf8_lossy(&findings.stdout), String::from_utf8_lossy(&findings.stderr));
    assert!(out.starts_with("no findings\nCoverage is none, "), "{out}");
    assert!(told.contains("aws/cloudtrail (not in a week)") && !told.contains("lab ("), "{told}");
    let nobody = seat.run(&["sessions", "--user", "nobody"]);
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("no sessions\nCoverage is none, "));
    seat.collect();
    let later = seat.run(&["findings", "--code", "LOG_TAMPERED"]);
    assert_eq!(later.status.code(), Some(0), "{}", String::from_utf8_lossy(&later.stderr));
}

//! One thing is done to the evidence, and the code that says so stands; what is untouched stays without one.

use crate::seat::{BUCKET, GROUP, Seat};
use lab::Artifacts;

const LOOKUP: &str = "cloud_trail = 'lookup'";

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_of_a_log_is_tampering_and_an_untouched_log_is_none() {
    let seat = Seat::of(LOOKUP).await;
    let (changed, whole) = (seat.shell("echo nothing to see").await, seat.shell("echo all is well").await);
    seat.record(&changed, b"nothing to see\r\n");
    seat.record(&whole, b"all is well\r\n");
    assert!(seat.world.alter_transcript(&changed));
    assert_eq!(seat.collect(), 2);
    assert!(seat.has("LOG_TAMPERED", &changed), "{:?}", seat.codes());
    assert!(!seat.has("LOG_TAMPERED", &whole), "{:?}", seat.codes());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_past_and_beside_is_named() {
    let seat = Seat::of(LOOKUP).await;
    let (beside, past) = (seat.shell("echo beside Boundary").await, seat.direct().await);
    let planted = "ecs-execute-command-00000000000000000000000000";
    seat.world.plant_log_event(GROUP, planted, "Script started on 2026-11-21 10:00:00+00:00 [COMMAND=\"cat x\"]\nhello");
    seat.collect();
    assert!(seat.has("BYPASS_EXEC", &beside), "{:?}", seat.codes());
    assert!(seat.has("BYPASS_STARTSESSION", &past), "{:?}", seat.codes());
    assert!(seat.has("LOG_NO_CLOUDTRAIL", planted), "{:?}", seat.codes());
    let settings = seat.rows(&["findings", "--code", "POSTURE_UNLOGGED_START"]);
    assert_eq!(settings.len(), 1, "the role may do it: {:?}", seat.codes());
    assert_eq!(seat.codes().iter().filter(|(code, _)| code == "LOG_NO_CLOUDTRAIL").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_round_knows_nothing_new_and_a_new_state_knows_the_same() {
    let seat = Seat::of(LOOKUP).await;
    let session = seat.shell("echo once").await;
    seat.record(&session, b"once\r\n");
    seat.collect();
    let known = seat.known("state");
    seat.collect();
    assert_eq!(seat.known("state"), known);
    let ids = |state: &str| {
        let output = seat.run_on(state, &["findings", "-o", "jsonl"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        text.lines().map(id).collect::<Vec<_>>()
    };
    seat.run_on("other", &["collect", "--quiet"]);
    assert_eq!(ids("other"), ids("state"));
    assert!(!ids("state").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_source_cannot_be_read_and_is_not_empty() {
    let seat = Seat::of(LOOKUP).await;
    let session = seat.shell("echo unseen").await;
    seat.world.deny_auditor(&["logs:GetLogEvents"]);
    assert_eq!(seat.collect(), 3, "evidence is incomplete");
    let codes = seat.codes();
    assert!(codes.iter().any(|(code, _)| code == "CANNOT_READ"), "{codes:?}");
    assert!(!seat.has("SESSION_NO_LOG", &session), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_line_of_a_journal_breaks_its_chain() {
    let seat = Seat::of(LOOKUP).await;
    let session = seat.shell("echo told").await;
    seat.record(&session, b"told\r\n");
    let file = seat.path("wrapper.jsonl");
    let journal = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, journal.replacen("laptop", "lapdog", 1)).unwrap();
    seat.collect();
    assert!(seat.codes().iter().any(|(code, _)| code == "RECORD_CHAIN_BROKEN"), "{:?}", seat.codes());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trails_digests_prove_it_and_a_changed_file_breaks_it() {
    let lines = |bucket: &str| format!("cloud_trail = 'trail'\ntrail = 's3://{bucket}'");
    let seat = Seat::of(&lines("trail-of-the-lab")).await;
    let bucket = seat.world.trail_bucket();
    let config = std::fs::read_to_string(seat.path("config.toml")).unwrap().replace("trail-of-the-lab", &bucket);
    std::fs::write(seat.path("config.toml"), config).unwrap();
    let session = seat.shell("echo recorded").await;
    seat.world.advance_clock(std::time::Duration::from_hours(2));
    seat.world.deliver_trail();
    seat.collect();
    assert!(seat.has("BYPASS_EXEC", &session), "{:?}", seat.codes());
    let proved = |seat: &Seat| {
        let windows = seat.rows(&["coverage", "--from", "48h"]);
        windows.iter().any(|row| row["source"] == "cloud_trail" && row["grade"] == "proved")
    };
    assert!(proved(&seat), "{:?}", seat.rows(&["coverage", "--from", "48h"]));
    assert!(!seat.codes().iter().any(|(code, _)| code == "CLOUDTRAIL_GAP"), "{:?}", seat.codes());
    seat.world.alter_trail_file(0).unwrap();
    assert!(seat.run_on("later", &["collect", "--quiet"]).status.code().is_some());
    let later = seat.run_on("later", &["findings", "-o", "jsonl"]);
    assert!(String::from_utf8_lossy(&later.stdout).contains("CLOUDTRAIL_GAP"), "{}", String::from_utf8_lossy(&later.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_artifact_is_told() {
    let seat = Seat::of(&format!("{LOOKUP}\nartifacts = 's3://{BUCKET}'")).await;
    seat.world.add_versioned_bucket(BUCKET, Some(90));
    seat.shell("echo worked").await;
    let task = seat.world.tasks()[0].task_id.clone();
    let saved = seat.world.stop_task_with(&task, "stopped by its owner", &Artifacts::usual(BUCKET));
    assert!(!saved.is_empty());
    seat.world.delete_object(BUCKET, &saved[0]);
    seat.collect();
    let told = seat.rows(&["findings", "--code", "artifact_tampered"]);
    assert_eq!(told.len(), 1, "{:?}", seat.codes());
    assert_eq!(told[0]["subject"]["id"], format!("{BUCKET}/{}", saved[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_no_evidence_of_a_bypass() {
    let seat = Seat::without_sessions(LOOKUP).await;
    let session = seat.shell("echo who knows").await;
    seat.collect();
    assert!(!seat.has("BYPASS_EXEC", &session), "{:?}", seat.codes());
    assert!(seat.codes().iter().any(|(code, _)| code == "CANNOT_READ"), "{:?}", seat.codes());
    let account = seat.rows(&["sessions"]).into_iter().find(|row| row["ssm_session_id"] == session.as_str()).unwrap();
    assert_eq!(account["assurance"], "unknown");
    // The first session that is seen shows what the list was worth.
    assert!(seat.world.boundary().authorize("ttcp_lab0000001").is_some());
    seat.collect();
    assert!(seat.has("BYPASS_EXEC", &session), "{:?}", seat.codes());
    assert!(!seat.codes().iter().any(|(code, _)| code == "CANNOT_READ"), "{:?}", seat.codes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_lets_others_in_is_told_and_audit_events_are_read_from_file_and_group() {
    let seat = Seat::without_sessions(LOOKUP).await;
    let events = seat.path("events.jsonl");
    seat.world.boundary().write_audit_to(&events);
    seat.world.add_log_group("/boundary/audit");
    let admin = ["ids=*;type=*;actions=*"];
    seat.world.boundary().add_user("somebody-elses", &admin, &["this", "descendants"]);
    seat.world.boundary().add_user(
        "reader",
        &["ids=*;type=role,session;actions=list,read", "ids=*;type=role;actions=list,read"],
        &["this", "descendants"],
    );
    seat.configure(&format!("[[boundary_events]]\nname = 'file'\nfiles = ['{}']\n[[boundary_events]]\nname = 'group'\nlog_group = '/boundary/audit'\naws = 'aws'", events.display()));
    let config = std::fs::read_to_string(seat.path("config.toml")).unwrap();
    let config = config.replace("name = 'lab'\nauth", "name = 'lab'\nroles = true\nauth");
    std::fs::write(seat.path("config.toml"), config).unwrap();
    assert!(seat.world.ship_boundary_audit("/boundary/audit"));
    seat.collect();
    seat.collect();
    let windows = seat.rows(&["coverage", "--from", "1h"]);
    let covered = |place: &str| windows.iter().any(|row| row["place"] == place);
    assert!(covered("group") && covered("file"), "{windows:?}");
    let told = seat.rows(&["findings"]);
    assert!(
        told.iter().any(|row| row["code"] == "CANNOT_READ" && row["text"].as_str().unwrap().contains("lab/roles")),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_start_sessions_past_the_log_is_named_before_anybody_does() {
    const CODE: &[&str] = &["findings", "--code", "POSTURE_UNLOGGED_START"];
    let seat = Seat::of(LOOKUP).await;
    seat.shell("echo by the front door").await;
    seat.collect();
    let found = seat.rows(CODE);
    assert_eq!(found.len(), 1, "{:?}", seat.codes());
    let text = found[0]["text"].as_str().unwrap();
    assert!(text.contains(":assumed-role/") && text.contains("IAM's policy simulation"), "{text}");

    // Another state, so that nothing is known yet; with the right gone nothing is found.
    seat.world.deny(&["ssm:StartSession"]);
    seat.run_on("mended", &["collect", "--quiet"]);
    let output = seat.run_on("mended", &["findings", "--code", "POSTURE_UNLOGGED_START", "-o", "jsonl"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_iam_may_not_be_asked_the_round_says_so_and_a_key_turns_it_off() {
    let seat = Seat::of(LOOKUP).await;
    seat.shell("echo unasked").await;
    seat.world.deny_auditor(&["iam:SimulatePrincipalPolicy"]);
    for _ in 0..2 {
        let output = seat.run(&["collect"]);
        assert_eq!(output.status.code(), Some(3), "in each round until it is mended");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("aws/policies") && said.contains("iam:SimulatePrincipalPolicy"), "{said}");
    }
    let off = Seat::of("policies = false").await;
    off.shell("echo unasked").await;
    off.collect();
    assert!(off.rows(&["findings", "--code", "POSTURE_UNLOGGED_START"]).is_empty());
}

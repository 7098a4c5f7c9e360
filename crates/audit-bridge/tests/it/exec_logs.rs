//! Transcripts in CloudWatch Logs.

use crate::site::{GROUP, SCOPE, Site};
use audit_bridge::hidden::What;
use audit_facts::{Body, Fact, Grade, Source, Transcript, TranscriptAbsence, TranscriptForm};
use audit_record::OutputDigest;
use jiff::SignedDuration;
use lab::JournalEntry;
use serde_json::{Value, json};
use std::time::Duration;

const PLANTED: &str = "ecs-execute-command-0123456789abcdef0";

async fn site() -> Site {
    Site::of(json!({"exec_log_groups": [GROUP]})).await
}

fn transcripts(facts: &[Fact]) -> Vec<&Transcript> {
    let of = |fact: &Fact| matches!(fact.body, Body::Transcript(_));
    facts
        .iter()
        .filter(|fact| of(fact))
        .map(|fact| match &fact.body {
            Body::Transcript(it) => &**it,
            _ => unreachable!("it was filtered"),
        })
        .collect()
}

fn absences(facts: &[Fact]) -> Vec<TranscriptAbsence> {
    facts
        .iter()
        .filter_map(|fact| match &fact.body {
            Body::TranscriptAbsence(it) => Some(it.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_shells_transcript_is_what_the_client_was_shown_and_is_read_once() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run(r#"sh -c "echo one; printf two""#).await;
    site.know(&id, began, Some(began + SignedDuration::from_secs(1)));
    let news = site.news(What::ExecLogs).await;
    let [read] = transcripts(&news)[..] else { panic!("{news:?}") };
    let mut shown = OutputDigest::default();
    shown.update(&site.world.transcript(&id).unwrap());
    assert_eq!((read.sha256.as_str(), read.canonical_bytes), (shown.sha256().as_str(), 6));
    assert_eq!((read.form, read.has_trailer), (TranscriptForm::Script, true));
    assert_eq!((read.name.as_str(), read.events), (format!("{GROUP}/{id}").as_str(), 1));
    let index: Value = serde_json::from_slice(&site.evidence(&news[0].evidence)).unwrap();
    let page = site.evidence(index["page_index"]["pages"][0].as_str().unwrap());
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert!(page["events"][0]["message"].as_str().unwrap().contains("two"), "{page}");
    let kept = site.kept();
    site.advance(Duration::from_mins(20));
    site.read(What::ExecLogs).await.unwrap();
    assert_eq!(site.kept(), kept);
}

#[tokio::test]
async fn the_lists_find_a_planted_stream_and_say_what_was_read() {
    let mut site = site().await;
    site.world.plant_log_event(GROUP, PLANTED, "planted");
    site.world.plant_log_event(GROUP, "odd", "nobody's");
    site.world.plant_log_event(GROUP, "app/app/0123456789abcdef0123456789abcdef", "the container's own log");
    let news = site.news(What::ExecLogs).await;
    let mut names: Vec<&str> = transcripts(&news).iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, [format!("{GROUP}/{PLANTED}"), format!("{GROUP}/odd")]);
    assert!(transcripts(&news).iter().all(|it| it.form == TranscriptForm::Unknown && !it.has_trailer));
    let [window] = &site.coverage(Source::ExecLogs)[..] else { panic!() };
    assert_eq!((window.scope.as_str(), window.grade, window.to), (SCOPE, Grade::BestEffort, site.now()));
    assert_eq!(window.from, site.now() - SignedDuration::from_hours(24));
}

#[tokio::test]
async fn lists_are_read_every_quarter_of_an_hour_and_find_what_grew() {
    let mut site = site().await;
    site.read(What::ExecLogs).await.unwrap();
    let first = site.cursor(Source::ExecLogs, "exec-logs", "listing");
    site.world.plant_log_event(GROUP, PLANTED, "one");
    site.advance(Duration::from_mins(14));
    assert!(site.news(What::ExecLogs).await.is_empty());
    assert_eq!(site.cursor(Source::ExecLogs, "exec-logs", "listing"), first);
    site.advance(Duration::from_mins(1));
    assert_eq!(transcripts(&site.news(What::ExecLogs).await)[0].events, 1);
    let kept = site.kept();
    site.advance(Duration::from_mins(15));
    site.read(What::ExecLogs).await.unwrap();
    assert_eq!(site.kept(), kept, "nothing changed");
    site.world.plant_log_event(GROUP, PLANTED, "two");
    // The service's list is half an hour behind: a list in between does not know of it.
    site.advance(Duration::from_mins(20));
    assert!(site.news(What::ExecLogs).await.is_empty());
    site.advance(Duration::from_mins(15));
    assert_eq!(transcripts(&site.news(What::ExecLogs).await)[0].events, 2);
    let [window] = &site.coverage(Source::ExecLogs)[..] else { panic!("the windows touch") };
    assert_eq!(window.to, site.now());
}

#[tokio::test]
async fn an_absent_stream_is_a_fact_when_it_is_due_and_only_once() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run("true").await;
    assert!(site.world.lose_transcript(&id));
    site.know(&id, began, Some(began));
    let due = Duration::try_from(site.policy.log_due_after(0)).unwrap();
    let second = Duration::from_secs(1);
    site.advance(due.checked_sub(second).unwrap());
    assert!(site.news(What::ExecLogs).await.is_empty(), "it may still come");
    site.advance(second);
    let news = site.news(What::ExecLogs).await;
    let [absence] = &absences(&news)[..] else { panic!("{news:?}") };
    assert_eq!((absence.ssm_session_id.as_str(), absence.name.as_str(), absence.at), (id.as_str(), GROUP, site.now()));
    let said: Value = serde_json::from_slice(&site.evidence(&news[0].evidence)).unwrap();
    assert_eq!(said["__type"], "ResourceNotFoundException");
    site.advance(Duration::from_mins(5));
    assert!(site.news(What::ExecLogs).await.is_empty());
}

#[tokio::test]
async fn a_shell_that_has_not_ended_has_no_absent_log() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run("true").await;
    site.world.lose_transcript(&id);
    site.know(&id, began, None);
    site.advance(Duration::from_hours(12));
    assert!(site.news(What::ExecLogs).await.is_empty());
}

#[tokio::test]
async fn a_cut_transcript_is_read_again_until_it_is_due() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run(r#"sh -c "echo one; echo two""#).await;
    site.world.truncate_transcript(&id);
    site.know(&id, began, Some(began));
    assert!(!transcripts(&site.news(What::ExecLogs).await)[0].has_trailer);
    site.world.plant_log_event(GROUP, &id, "\nScript done on 2026-11-21 10:00:01+00:00 [COMMAND_EXIT_CODE=\"0\"]");
    site.advance(Duration::from_mins(1));
    assert!(transcripts(&site.news(What::ExecLogs).await)[0].has_trailer);
}

#[tokio::test]
async fn a_denial_is_a_window_that_was_not_read_and_no_absence() {
    for action in ["logs:GetLogEvents", "logs:DescribeLogStreams"] {
        let mut site = site().await;
        let began = site.now();
        let id = site.run("true").await;
        site.world.lose_transcript(&id);
        site.know(&id, began, Some(began));
        site.world.plant_log_event(GROUP, PLANTED, "planted");
        site.advance(Duration::from_hours(3));
        site.deny(&[action]).await;
        let error = site.read(What::ExecLogs).await.unwrap_err();
        assert!(error.is_refusal() && !error.is_fatal(), "{error}");
        let [(scope, text)] = &site.refused(Source::ExecLogs)[..] else { panic!("{action}") };
        assert!(scope == SCOPE && text.contains(action), "{text}");
        assert_eq!(absences(&site.facts()).len(), usize::from(action != "logs:GetLogEvents"));
        assert_eq!(site.cursor(Source::ExecLogs, "exec-logs", "listing"), None);
    }
}

#[tokio::test]
async fn an_absence_takes_the_word_of_every_group_and_a_missing_group_is_a_lack() {
    let mut site = Site::of(json!({"exec_log_groups": [GROUP, "/gone"]})).await;
    let began = site.now();
    let id = site.run("true").await;
    site.world.lose_transcript(&id);
    site.know(&id, began, Some(began));
    site.world.plant_log_event(GROUP, PLANTED, "planted");
    site.advance(Duration::from_hours(3));
    site.read(What::ExecLogs).await.unwrap_err();
    assert!(absences(&site.facts()).is_empty());
    assert_eq!(transcripts(&site.facts()).len(), 1, "the other group is read all the same");
    assert!(site.refused(Source::ExecLogs)[0].1.contains("log group does not exist"), "{:?}", site.refused(Source::ExecLogs));
}

#[tokio::test]
async fn the_clusters_own_group_is_read_and_suffices_for_an_absence() {
    let mut site = Site::of(json!({"ecs_clusters": ["rosa-boundary-dev"], "exec_log_groups": ["/gone"]})).await;
    site.read(What::Posture).await.unwrap();
    let began = site.now();
    let id = site.run("true").await;
    site.world.lose_transcript(&id);
    site.know(&id, began, Some(began));
    site.advance(Duration::from_hours(3));
    site.read(What::ExecLogs).await.unwrap_err();
    assert_eq!(absences(&site.facts())[0].name, GROUP);
}

#[tokio::test]
async fn a_log_of_many_pages_is_read_to_its_end() {
    let mut site = site().await;
    let piece = "p".repeat(200_000);
    for at in 0..12 {
        site.world.plant_log_event(GROUP, PLANTED, &format!("{at:02}{piece}"));
    }
    let news = site.news(What::ExecLogs).await;
    let read = transcripts(&news)[0];
    assert_eq!((read.events, read.canonical_bytes), (12, 12 * 200_002));
    let index: Value = serde_json::from_slice(&site.evidence(&news[0].evidence)).unwrap();
    assert_eq!(index["page_index"]["pages"].as_array().unwrap().len(), 4, "three pages and the one that says it is the end");
}

#[tokio::test]
async fn a_failure_that_passes_moves_no_cursor_and_says_nothing_of_absence() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run("true").await;
    site.world.lose_transcript(&id);
    site.know(&id, began, Some(began));
    site.world.plant_log_event(GROUP, PLANTED, "planted");
    site.advance(Duration::from_hours(3));
    site.world.faults().api_error("logs:GetLogEvents", "InternalFailure", 500, 3);
    assert!(!site.read(What::ExecLogs).await.unwrap_err().is_refusal());
    assert!(site.facts().iter().all(|fact| fact.source != Source::ExecLogs) && site.coverage(Source::ExecLogs).is_empty());
    let news = site.news(What::ExecLogs).await;
    assert_eq!((transcripts(&news).len(), absences(&news).len()), (1, 1));
}

#[tokio::test]
async fn an_absence_in_one_of_two_stores_is_none_until_the_cluster_says_which() {
    let mut site = Site::of(json!({
        "ecs_clusters": ["rosa-boundary-dev"], "exec_log_groups": [GROUP], "exec_objects": "s3://transcripts/exec",
    }))
    .await;
    site.world.add_versioned_bucket("transcripts", None);
    let began = site.now();
    let id = site.run("true").await;
    site.world.lose_transcript(&id);
    site.know(&id, began, Some(began));
    site.advance(Duration::from_hours(3));
    for what in [What::ExecLogs, What::ExecObjects] {
        assert!(absences(&site.news(what).await).is_empty(), "{what:?}");
    }
    site.read(What::Posture).await.unwrap();
    assert!(absences(&site.news(What::ExecObjects).await).is_empty(), "this cluster's go to a log group");
    assert_eq!(absences(&site.news(What::ExecLogs).await).len(), 1);
}

#[tokio::test]
async fn a_log_that_cannot_be_decrypted_is_not_read_rather_than_absent() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run("true").await;
    site.know(&id, began, Some(began));
    site.world.set_log_key(GROUP, Some(&site.world.kms_key_arn()));
    site.advance(Duration::from_hours(3));
    site.deny(&["kms:Decrypt"]).await;
    assert!(site.read(What::ExecLogs).await.unwrap_err().is_refusal());
    assert!(absences(&site.facts()).is_empty());
    let [(_, text)] = &site.refused(Source::ExecLogs)[..] else { panic!() };
    assert!(text.contains("kms:Decrypt"), "{text}");
}

#[tokio::test]
async fn the_shells_of_two_weeks_are_looked_for_once_each() {
    let mut site = site().await;
    let id = |n: u8| format!("ecs-execute-command-{n:017x}");
    let ago = |hours: i64| site.now() - SignedDuration::from_hours(hours);
    let shells = [
        (1, ago(20 * 24), Some(ago(15 * 24))),
        (2, ago(20 * 24), Some(ago(3))),
        (3, ago(7 * 24), Some(ago(3))),
        (4, ago(4), Some(ago(3))),
        (5, ago(5), None),
    ];
    for (n, started, ended) in shells {
        site.know(&id(n), started, ended);
    }
    let news = site.news(What::ExecLogs).await;
    let mut absent: Vec<String> = absences(&news).iter().map(|it| it.ssm_session_id.to_string()).collect();
    absent.sort();
    assert_eq!(absent, [id(2), id(3), id(4)]);
    let asked = |entry: &&JournalEntry| matches!(entry, JournalEntry::ApiCall { action, .. } if action == "logs:GetLogEvents");
    assert_eq!(site.world.journal().iter().filter(asked).count(), 4, "the one that has not ended is looked for with the lists");
    site.advance(Duration::from_mins(5));
    site.read(What::ExecLogs).await.unwrap();
    assert_eq!(site.world.journal().iter().filter(asked).count(), 4);
}

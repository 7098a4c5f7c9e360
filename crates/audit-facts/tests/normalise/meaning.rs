//! What single answers mean: the cases that a reader of the corpus could overlook.

use crate::sources::{Sample, reading};
use audit_facts::coverage::Lack;
use audit_facts::normalise::artifacts::{ObjectVersion, Retention, versions};
use audit_facts::normalise::boundary_sessions::list;
use audit_facts::normalise::logs::{MeasuredTranscript, Refused, StoredTranscript, refused, transcript};
use audit_facts::normalise::posture::{BucketSettings, LockRule, bucket, trails};
use audit_facts::normalise::{Why, cloudtrail, ecs, links, sync_records};
use audit_facts::{Body, BoundaryEventKind, Fact, PostureItem, Source, SsmSessionId, TranscriptForm};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn ids(facts: &[Fact]) -> BTreeSet<String> {
    facts.iter().map(Fact::id).collect()
}

#[test]
fn an_event_has_one_id_by_either_way() {
    let object = Sample::of("cloudtrail-object.json");
    let lookup = Sample::of("cloudtrail-lookup.json");
    let (by_object, by_lookup) = (object.read(&object.raw()).0, lookup.read(&lookup.raw()).0);
    assert_eq!(by_object.len(), 9);
    assert_eq!(ids(&by_object), ids(&by_lookup));
}

#[test]
fn a_list_says_nothing_about_connections_and_a_get_without_them_says_none() {
    let raw = bytes(&json!({"items": [{"id": "s_1234567890", "version": "7"}]}));
    let to = reading(Source::BoundaryApi);
    let listed = list(&to, &raw);
    assert!(listed.next.is_complete, "a controller without pages");
    assert_eq!(listed.next.sessions[0].version, 7);
    let Body::BoundarySession(session) = &listed.facts[0].body else { panic!("a session") };
    assert_eq!(session.connections, None);
    let one = audit_facts::normalise::boundary_sessions::one(&to, &bytes(&json!({"id": "s_1234567890"})));
    let Body::BoundarySession(session) = &one.facts[0].body else { panic!("a session") };
    assert_eq!(session.connections, Some(Vec::new()));
}

#[test]
fn a_bad_record_is_named_and_hides_no_other() {
    let raw = bytes(&json!({"items": [{"id": "s_a"}, {"id": 7}, 5, {"version": 1}, {"id": "s_b"}], "response_type": "delta"}));
    let read = list(&reading(Source::BoundaryApi), &raw);
    let why: Vec<(usize, Why)> = read.unreadable.iter().map(|it| (it.record, it.why)).collect();
    assert_eq!(why, [(2, Why::WrongType("id")), (3, Why::NotAnObject), (4, Why::Missing("id"))]);
    assert_eq!((read.facts.len(), read.next.sessions.len(), read.next.is_complete), (2, 2, false));
}

#[test]
fn an_answer_to_another_question_is_not_an_empty_one() {
    let error = br#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    let pages = ["cloudtrail-object", "cloudtrail-lookup", "ssm-sessions", "ecs-tasks", "ecs-clusters", "log-groups", "trails"];
    for page in pages {
        let sample = Sample::of(&format!("{page}.json"));
        let (facts, unreadable) = sample.read(error);
        assert!(facts.is_empty(), "{page}");
        assert_eq!((unreadable[0].record, unreadable[0].why), (0, Why::Missing(sample.list)), "{page}");
    }
}

#[test]
fn a_bad_id_among_the_removed_hides_no_other() {
    let read = list(&reading(Source::BoundaryApi), &bytes(&json!({"removed_ids": ["s_a", 7, "s_b"]})));
    assert_eq!((read.facts.len(), read.unreadable[0].why), (2, Why::WrongType("removed_ids")));
}

#[test]
fn a_closing_of_two_connections_is_two_facts_of_their_own() {
    let event = json!({"specversion": "1.0", "type": "audit", "id": "x", "data": {"id": "e_1", "timestamp": "2026-11-21T12:00:00Z",
        "request_info": {"method": "/controller.servers.services.v1.SessionService/CloseConnection"},
        "request": {"details": {"close_request_data": [
            {"connection_id": "sc_1", "bytes_up": 1, "bytes_down": "2"}, {"connection_id": "sc_2", "reason": "canceled"}]}}}});
    let (facts, unreadable) = Sample::of("boundary-events.ndjson").read(&bytes(&event));
    assert!(unreadable.is_empty());
    let keys: Vec<Vec<String>> =
        facts.iter().map(|fact| fact.keys().iter().map(|key| key.as_str().to_owned()).collect()).collect();
    assert_eq!(keys, [["conn:sc_1"], ["conn:sc_2"]], "they may be of two sessions");
    let Body::BoundaryEvent(first) = &facts[0].body else { panic!("an event") };
    let report = first.connection.as_ref().unwrap();
    assert_eq!((first.kind, report.bytes_up, report.bytes_down), (BoundaryEventKind::Worker, Some(1), Some(2)));
}

#[test]
fn what_is_no_audit_event_of_boundary_is_told() {
    let sample = Sample::of("boundary-events.ndjson");
    assert_eq!(sample.read(b"{\"hello\":1}\n").1[0].why, Why::Missing("specversion"));
    assert_eq!(sample.read(b"\n\nnot json\n").1[0].record, 1);
    let other = json!({"specversion": "1.0", "type": "system", "data": {}});
    assert_eq!(sample.read(&bytes(&other)), (Vec::new(), Vec::new()));
}

#[test]
fn the_rest_of_a_command_is_not_kept() {
    let record = json!({"eventSource": "ecs.amazonaws.com", "eventName": "ExecuteCommand", "eventID": "1", "eventTime": "2026-11-21T12:00:00Z",
        "requestParameters": {"task": "0".repeat(32), "command": "env BOUNDARY_SESSION_ID=s_1234567890 TOKEN=hunter2 sh"}});
    let read = cloudtrail::object(&reading(Source::CloudTrail), &bytes(&json!({"Records": [record]})));
    let shown = serde_json::to_string(&read.facts).unwrap();
    assert!(shown.contains("s_1234567890") && !shown.contains("hunter2"));
}

#[test]
fn tasks_that_ecs_forgot_are_told_apart_from_those_it_did_not_show() {
    let sample = Sample::of("ecs-tasks.json");
    let read = ecs::tasks(&reading(Source::Ecs), &sample.raw(), None);
    assert_eq!(read.next.missing.len(), 1);
    assert_eq!(read.next.failed[0].1, "THROTTLED");
    let later = audit_facts::normalise::Reading { at: jiff::Timestamp::UNIX_EPOCH, ..reading(Source::Ecs) };
    assert_eq!(ids(&read.facts), ids(&ecs::tasks(&later, &sample.raw(), None).facts), "the same statement later");
}

#[test]
fn a_missing_stream_is_an_absence_and_a_missing_group_is_not() {
    let session = SsmSessionId::parse("ecs-execute-command-0123456789abcdef0").unwrap();
    let to = reading(Source::ExecLogs);
    let answer = |code: &str, message: &str| {
        refused(&to, "/ecs/g", &session, &bytes(&json!({"__type": code, "message": message}))).unwrap()
    };
    let absent = answer("com.amazonaws.logs#ResourceNotFoundException", "The specified log stream does not exist.");
    let Refused::Absent(fact) = absent else { panic!("an absence") };
    assert!(matches!(&fact.body, Body::TranscriptAbsence(it) if it.name == "/ecs/g" && it.ssm_session_id == session));
    for (code, message) in [
        ("ResourceNotFoundException", "The specified log group does not exist."),
        ("AccessDeniedException", "no: The specified log stream does not exist."),
        ("ThrottlingException", ""),
    ] {
        assert!(matches!(answer(code, message), Refused::Unknown(Lack::CannotRead { .. })), "{code}");
    }
    assert_eq!(refused(&to, "g", &session, b"<html>"), Err(Why::NotJson));
}

#[test]
fn a_stream_of_another_name_is_a_transcript_without_a_session() {
    let measured = MeasuredTranscript {
        form: TranscriptForm::Script,
        has_trailer: true,
        body_bytes: 1,
        sha256: "0".repeat(64),
        canonical_bytes: 100,
        checkpoints: Vec::new(),
        exact_until: None,
    };
    let stored =
        |stream: &str| StoredTranscript { name: format!("g/{stream}"), stream: stream.to_owned(), ..StoredTranscript::default() };
    let to = reading(Source::ExecLogs);
    let planted = transcript(&to, stored("something else"), measured.clone());
    assert_eq!(planted.keys()[0].as_str(), format!("output:{}", "0".repeat(64)));
    let named = transcript(&to, stored("ecs-execute-command-0123456789abcdef0"), measured);
    assert_eq!(named.keys()[0].as_str(), "ssm:ecs-execute-command-0123456789abcdef0");
}

#[test]
fn buckets_and_regions_without_trails_are_postures() {
    let to = reading(Source::Artifacts);
    let lock = Some(LockRule { mode: "COMPLIANCE".to_owned(), days: None, years: Some(2) });
    let settings = BucketSettings { bucket: "b".to_owned(), versioning: Some("Suspended".to_owned()), lock, encrypted: true };
    let Body::Posture(posture) = bucket(&to, settings).body else { panic!("a posture") };
    let wanted =
        PostureItem::Bucket { versioned: false, lock_mode: Some("COMPLIANCE".to_owned()), lock_days: Some(730), encrypted: true };
    assert_eq!((posture.subject.as_str(), posture.item), ("b", wanted));
    let none = trails(&to, "us-east-2", br#"{"trailList":[]}"#, &BTreeMap::new());
    assert!(matches!(&none.facts[0].body, Body::Posture(it) if it.subject == "us-east-2"));
    let untold = trails(&to, "us-east-2", br#"{"trailList":[{"Name":"t"}]}"#, &BTreeMap::new());
    assert_eq!((untold.facts.len(), untold.unreadable[0].why), (0, Why::Missing("IsLogging")));
}

#[test]
fn an_artifacts_retention_is_unknown_until_it_is_read() {
    let version = |retention| ObjectVersion {
        bucket: "b".to_owned(),
        key: format!("c/i/20260216/{}/x", "0".repeat(32)),
        version_id: "v".to_owned(),
        modified: jiff::Timestamp::UNIX_EPOCH,
        bytes: 1,
        etag: Some("\"e\"".to_owned()),
        is_delete_marker: false,
        retention,
    };
    let facts = versions(&reading(Source::Artifacts), "", [version(None), version(Some(Retention::default()))]);
    let read: Vec<(bool, Option<&str>)> = facts
        .iter()
        .map(|fact| match &fact.body {
            Body::Artifact(it) => (it.retention_read, it.etag.as_deref()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, [(false, Some("e")), (true, Some("e"))]);
}

#[test]
fn a_line_that_was_taken_out_is_a_break_and_the_rest_is_still_read() {
    for file in ["links.jsonl", "sync.jsonl"] {
        let sample = Sample::of(file);
        let raw = sample.raw();
        let lines: Vec<&[u8]> = raw.split_inclusive(|b| *b == b'\n').collect();
        let cut = [&lines[..1], &lines[2..]].concat().concat();
        let (facts, unreadable) = sample.read(&cut);
        let breaks: Vec<u64> = facts
            .iter()
            .filter_map(|fact| match &fact.body {
                Body::ChainBreak(it) => Some(it.line),
                _ => None,
            })
            .collect();
        assert_eq!((breaks, unreadable.len()), (vec![2], 0), "{file}");
        assert_eq!(facts.len(), sample.read(&raw).0.len(), "{file}: one record less, one break more");
    }
}

#[test]
fn a_delivered_record_is_the_journals_fact() {
    let sample = Sample::of("links.jsonl");
    let (whole, raw) = (sample.read(&sample.raw()).0, sample.raw());
    let to = reading(Source::Links);
    let alone: Vec<Fact> =
        raw.split(|b| *b == b'\n').filter(|line| !line.is_empty()).flat_map(|line| links::record(&to, line).facts).collect();
    assert_eq!(whole, alone);
    let unfinished = links::journal(&to, "j", &raw[..raw.len() - 1]);
    assert!(unfinished.next.is_unfinished && unfinished.facts.len() == whole.len() - 1);
}

#[test]
fn an_outcome_without_its_intent_is_handed_on() {
    let raw = Sample::of("sync.jsonl").raw();
    let lines: Vec<&[u8]> = raw.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    let to = reading(Source::SyncRecords);
    let outcomes = lines.iter().copied().filter(|line| line.windows(12).any(|w| w == b"sync_outcome"));
    let read = sync_records::records(&to, outcomes, None);
    assert!(read.facts.is_empty() && !read.next.lone_outcomes.is_empty());
    assert!(sync_records::records(&to, lines, None).next.lone_outcomes.is_empty());
}

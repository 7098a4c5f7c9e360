//! The wrapper's records in log groups and buckets.

use crate::site::Site;
use audit_bridge::hidden::What;
use audit_facts::{Body, Fact, Grade, Source};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const GROUP: &str = "/boundary/links";
const RECORD: &str = "00112233445566778899aabbccddeeff";
const TASK: &str = "arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/0123456789abcdef0123456789abcdef";

fn chained(record: &Value) -> String {
    json!({"prev_sha256": audit_record::chain::GENESIS, "record": record}).to_string()
}

fn start(record_id: &str, at: Timestamp) -> String {
    chained(&json!({
        "kind": "session_start", "format_version": 1, "record_id": record_id, "at": at, "wrapper_version": "0", "script": "v1",
        "local_user": "u", "host": "h", "principal_arn": null, "boundary_session_id": null,
        "boundary_session_id_source": "unknown", "boundary_target_id": null, "task_arn": TASK, "container": "c",
        "runtime_id": "r", "container_user": "u", "route": "boundary", "reason": "é \"", "command_sha256": "00",
    }))
}

fn end(record_id: &str, at: Timestamp) -> String {
    chained(&json!({
        "kind": "session_end", "format_version": 1, "record_id": record_id, "at": at, "ssm_session_id": null, "task_arn": TASK,
        "boundary_session_id": null, "exit_code": 0, "exit_source": "marker", "ending": "exited", "remote_end": "confirmed",
        "bytes_in": 0, "bytes_out": 0, "input_dropped": 0, "resumes": 0, "output_sha256": "00", "output_canonical_bytes": 0,
        "output_checkpoints": [],
    }))
}

fn stream(record_id: &str, at: Timestamp) -> String {
    format!("ecs-exec-wrapper/{}/{record_id}", at.strftime("%Y/%m/%d"))
}

fn object(record_id: &str, at: Timestamp, phase: &str) -> String {
    format!("records/{}/{record_id}-{phase}.json", at.strftime("%Y/%m/%d"))
}

fn kinds(facts: &[Fact]) -> Vec<&'static str> {
    let kind = |fact: &Fact| match &fact.body {
        Body::LinkStart(_) => "start",
        Body::LinkEnd(_) => "end",
        other => panic!("{other:?}"),
    };
    let mut kinds: Vec<&str> = facts.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds
}

async fn of_group() -> Site {
    let site = Site::of(json!({"links": [GROUP]})).await;
    site.world.add_log_group(GROUP);
    site
}

async fn of_bucket() -> Site {
    let site = Site::of(json!({"links": ["s3://audit-links/records"]})).await;
    site.world.add_versioned_bucket("audit-links", None);
    site
}

#[tokio::test]
async fn a_streams_lines_are_facts_and_evidence_each_and_are_read_once() {
    let mut site = of_group().await;
    let (name, line) = (stream(RECORD, site.now()), start(RECORD, site.now()));
    site.world.plant_log_event(GROUP, &name, &line);
    let news = site.news(What::Links).await;
    assert_eq!(kinds(&news), ["start"]);
    assert_eq!(site.evidence(&news[0].evidence), line.as_bytes());
    // Delivery is at least once.
    for line in [line, end(RECORD, site.now()), end(RECORD, site.now())] {
        site.world.plant_log_event(GROUP, &name, &line);
    }
    site.advance(Duration::from_mins(5));
    assert_eq!(kinds(&site.news(What::Links).await), ["end"]);
    let kept = site.kept();
    site.advance(Duration::from_mins(5));
    site.read(What::Links).await.unwrap();
    assert_eq!(site.kept(), kept);
    let [window] = &site.coverage(Source::Links)[..] else { panic!() };
    assert_eq!((window.scope.as_str(), window.grade, window.to), (GROUP, Grade::BestEffort, site.now()));
}

#[tokio::test]
async fn a_record_that_is_delivered_days_late_is_found() {
    for mut site in [of_group().await, of_bucket().await] {
        site.read(What::Links).await.unwrap();
        let began = site.now();
        site.advance(Duration::from_hours(5 * 24));
        site.read(What::Links).await.unwrap();
        site.world.plant_log_event(GROUP, &stream(RECORD, began), &start(RECORD, began));
        site.world.put_object("audit-links", &object(RECORD, began, "start"), start(RECORD, began).as_bytes());
        site.advance(Duration::from_hours(6));
        assert_eq!(kinds(&site.news(What::Links).await), ["start"]);
    }
}

#[tokio::test]
async fn a_stream_that_grows_after_its_end_is_read_again() {
    let mut site = of_group().await;
    let name = stream(RECORD, site.now());
    site.world.plant_log_event(GROUP, &name, &start(RECORD, site.now()));
    site.world.plant_log_event(GROUP, &name, &end(RECORD, site.now()));
    assert_eq!(site.news(What::Links).await.len(), 2);
    site.advance(Duration::from_mins(1));
    site.world.plant_log_event(GROUP, &name, &end(RECORD, site.now()));
    site.advance(Duration::from_mins(40));
    assert_eq!(kinds(&site.news(What::Links).await), ["end"], "a second end is a forgery, or a fault");
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_evidence_and_stops_nothing() {
    let mut site = of_group().await;
    site.world.plant_log_event(GROUP, &stream("odd", site.now()), "no record");
    site.world.plant_log_event(GROUP, &stream(RECORD, site.now()), &start(RECORD, site.now()));
    assert_eq!(kinds(&site.news(What::Links).await), ["start"]);
    assert_eq!(site.evidence(&audit_record::sha256_hex(b"no record")), b"no record");
}

#[tokio::test]
async fn objects_are_read_once_and_new_ones_are_found() {
    let mut site = of_bucket().await;
    let began = site.now();
    site.world.put_object("audit-links", &object(RECORD, began, "start"), start(RECORD, began).as_bytes());
    let news = site.news(What::Links).await;
    assert_eq!(kinds(&news), ["start"]);
    assert_eq!(site.evidence(&news[0].evidence), start(RECORD, began).as_bytes());
    let kept = site.kept();
    site.advance(Duration::from_mins(5));
    site.read(What::Links).await.unwrap();
    assert_eq!(site.kept(), kept);
    site.world.put_object("audit-links", &object(RECORD, began, "end"), end(RECORD, began).as_bytes());
    site.advance(Duration::from_mins(5));
    assert_eq!(kinds(&site.news(What::Links).await), ["end"]);
}

#[tokio::test]
async fn a_denial_is_a_window_of_its_place_and_the_others_are_read() {
    for (action, scope, read) in
        [("logs:GetLogEvents", GROUP, "s3://audit-links/records"), ("s3:ListBucket", "s3://audit-links/records", GROUP)]
    {
        let mut site = Site::of(json!({"links": [GROUP, "s3://audit-links/records"]})).await;
        site.world.add_log_group(GROUP);
        site.world.add_versioned_bucket("audit-links", None);
        site.world.plant_log_event(GROUP, &stream(RECORD, site.now()), &start(RECORD, site.now()));
        site.deny(&[action]).await;
        assert!(site.read(What::Links).await.unwrap_err().is_refusal());
        let [(refused, text)] = &site.refused(Source::Links)[..] else { panic!("{action}") };
        assert!(refused == scope && text.contains(action), "{text}");
        let from = site.now() - SignedDuration::from_hours(24);
        let covered: Vec<_> = site.coverage(Source::Links).into_iter().filter(|it| it.grade == Grade::BestEffort).collect();
        assert_eq!((covered.len(), covered[0].scope.as_str(), covered[0].from), (1, read, from));
    }
}

#[tokio::test]
async fn a_missing_group_is_a_lack() {
    let mut site = Site::of(json!({"links": ["/gone"]})).await;
    site.read(What::Links).await.unwrap_err();
    assert_eq!(site.refused(Source::Links)[0].0, "/gone");
}

#[tokio::test]
async fn an_object_too_long_for_a_record_is_told_once_and_takes_no_proof_away() {
    let mut site = of_bucket().await;
    let at = site.now();
    site.world.put_object("audit-links", &object("a", at, "start"), &vec![b'x'; (16 << 20) + 1]);
    site.world.put_object("audit-links", "records/../x.json", b"no record");
    site.world.put_object("audit-links", &object(RECORD, at, "start"), start(RECORD, at).as_bytes());
    let error = site.read(What::Links).await.unwrap_err();
    assert!(!error.is_refusal() && error.to_string().contains("s3:GetObject"), "{error}");
    assert_eq!(kinds(&site.facts()), ["start"]);
    assert_eq!(site.coverage(Source::Links)[0].grade, Grade::BestEffort);
    site.advance(Duration::from_mins(5));
    assert!(site.news(What::Links).await.is_empty());
}

#[tokio::test]
async fn a_server_that_fails_moves_no_cursor_and_nothing_is_lost() {
    let mut site = of_bucket().await;
    let at = site.now();
    site.world.put_object("audit-links", &object(RECORD, at, "start"), start(RECORD, at).as_bytes());
    site.world.put_object("audit-links", &object(RECORD, at, "end"), end(RECORD, at).as_bytes());
    site.world.faults().api_error("s3:GetObject", "InternalError", 500, 3);
    assert!(!site.read(What::Links).await.unwrap_err().is_refusal());
    assert!(site.coverage(Source::Links).is_empty(), "a failure that passes leaves no word");
    site.advance(Duration::from_mins(5));
    assert_eq!(kinds(&site.news(What::Links).await), ["end", "start"]);
}

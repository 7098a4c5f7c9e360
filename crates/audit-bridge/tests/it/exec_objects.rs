//! Transcripts in S3.

use crate::site::{SCOPE, Site};
use audit_bridge::hidden::What;
use audit_facts::{Body, Fact, Grade, Source, Transcript};
use jiff::SignedDuration;
use lab::ExecLogging;
use serde_json::{Value, json};
use std::time::Duration;

const BUCKET: &str = "transcripts";
const PLANTED: &str = "ecs-execute-command-0123456789abcdef0";

async fn site() -> Site {
    let site = Site::of(json!({"exec_objects": "s3://transcripts/exec"})).await;
    site.world.add_versioned_bucket(BUCKET, None);
    let to =
        ExecLogging { log_group: None, bucket: Some(BUCKET.to_owned()), key_prefix: "exec".to_owned(), ..ExecLogging::default() };
    site.world.set_exec_logging(to);
    site
}

fn transcript(fact: &Fact) -> &Transcript {
    match &fact.body {
        Body::Transcript(it) => it,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_shells_object_is_read_by_its_name_and_kept_as_it_is() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run(r#"sh -c "echo one; printf two""#).await;
    site.know(&id, began, Some(began));
    let news = site.news(What::ExecObjects).await;
    assert_eq!(news.len(), 1);
    let read = transcript(&news[0]);
    assert_eq!((read.name.as_str(), read.has_trailer), (format!("{BUCKET}/exec/{id}.log").as_str(), true));
    assert_eq!(read.sha256, audit_record::sha256_hex(b"onetwo"));
    assert_eq!(site.evidence(&news[0].evidence), site.world.objects(BUCKET)[&format!("exec/{id}.log")]);
    let kept = site.kept();
    site.advance(Duration::from_mins(20));
    site.read(What::ExecObjects).await.unwrap();
    assert_eq!(site.kept(), kept);
}

#[tokio::test]
async fn the_list_finds_planted_objects_but_no_users_files() {
    let mut site = site().await;
    for key in [format!("exec/dev/{PLANTED}.log"), "exec/odd.log".to_owned(), "exec/a/app.log".to_owned(), "other.log".to_owned()]
    {
        site.world.put_object(BUCKET, &key, b"planted");
    }
    let mut names: Vec<String> = site.news(What::ExecObjects).await.iter().map(|fact| transcript(fact).name.clone()).collect();
    names.sort();
    assert_eq!(names, [format!("{BUCKET}/exec/dev/{PLANTED}.log"), format!("{BUCKET}/exec/odd.log")]);
    let [window] = &site.coverage(Source::ExecObjects)[..] else { panic!() };
    assert_eq!((window.scope.as_str(), window.grade, window.to), (SCOPE, Grade::BestEffort, site.now()));
    site.world.put_object(BUCKET, "exec/odd.log", b"planted again");
    site.advance(Duration::from_mins(15));
    assert_eq!(transcript(&site.news(What::ExecObjects).await[0]).body_bytes, 13);
}

#[tokio::test]
async fn an_absent_object_is_a_fact_when_it_is_due_and_only_once() {
    let mut site = site().await;
    let began = site.now();
    let id = site.run("true").await;
    site.world.lose_transcript(&id);
    site.know(&id, began, Some(began));
    assert!(site.news(What::ExecObjects).await.is_empty());
    site.advance(Duration::try_from(site.policy.log_due_after(0)).unwrap());
    let news = site.news(What::ExecObjects).await;
    let Body::TranscriptAbsence(absence) = &news[0].body else { panic!("{news:?}") };
    assert_eq!((absence.name.as_str(), absence.at), ("transcripts/exec", site.now()));
    let said: Value = serde_json::from_slice(&site.evidence(&news[0].evidence)).unwrap();
    assert_eq!(said["status"], 404);
    site.advance(Duration::from_mins(5));
    assert!(site.news(What::ExecObjects).await.is_empty());
}

#[tokio::test]
async fn a_denial_is_a_window_that_was_not_read() {
    for action in ["s3:GetObject", "s3:ListBucket"] {
        let mut site = site().await;
        site.world.put_object(BUCKET, "exec/odd.log", b"planted");
        site.read(What::Posture).await.unwrap();
        let from = site.now() - SignedDuration::from_hours(24);
        site.deny(&[action]).await;
        let error = site.read(What::ExecObjects).await.unwrap_err();
        assert!(error.is_refusal(), "{error}");
        let mut windows = site.coverage(Source::ExecObjects);
        windows.retain(|it| it.place.ends_with("/exec-objects"));
        assert_eq!((windows.len(), windows[0].grade, windows[0].from), (1, Grade::None, from));
        assert_eq!(site.refused(Source::ExecObjects)[0].0, SCOPE);
    }
}

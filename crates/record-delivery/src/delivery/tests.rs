//! Answers of both services, and what follows from each.

use super::*;
use crate::item::tests::{end, start};
use reqwest::header::HeaderValue;

fn home() -> Home {
    Home { partition: "aws".to_owned(), region: "us-east-2".to_owned(), account: "123456789012".to_owned() }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.as_bytes().to_vec(), ..Reply::default() }
}

fn with(mut reply: Reply, name: &'static str, value: &'static str) -> Reply {
    reply.headers.insert(name, HeaderValue::from_static(value));
    reply
}

fn fault(code: &str) -> Reply {
    reply(400, &format!("{{\"__type\":\"com.amazonaws.logs#{code}\",\"message\":\"why\"}}"))
}

fn at_once() -> Next {
    Next::Send(Duration::ZERO)
}

fn target(delivery: &Delivery<'_>) -> String {
    let request = delivery.request(&Endpoints::default());
    request.headers.iter().find(|(name, _)| *name == "x-amz-target").unwrap().1.clone()
}

fn refusal(next: Next) -> Refusal {
    match next {
        Next::Done(Err(Failure::Refused(refusal))) => *refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_start_makes_its_stream_and_an_end_only_where_there_is_none() {
    let (place, home) = (Place::parse("/links").unwrap(), home());
    let (start, end) = (start("2026-11-21T10:00:00Z"), end("2026-11-21T10:00:00Z", "2026-11-21"));
    let mut delivery = Delivery::new(&place, &start, &home);
    assert_eq!(target(&delivery), "Logs_20140328.CreateLogStream");
    assert_eq!(delivery.handle_reply(&fault("ResourceAlreadyExistsException")), at_once());
    assert_eq!(target(&delivery), "Logs_20140328.PutLogEvents");
    assert_eq!(delivery.handle_reply(&reply(200, "{}")), Next::Done(Ok(())));
    let mut delivery = Delivery::new(&place, &end, &home);
    assert_eq!(target(&delivery), "Logs_20140328.PutLogEvents");
    assert_eq!(delivery.handle_reply(&fault("ResourceNotFoundException")), at_once());
    assert_eq!(target(&delivery), "Logs_20140328.CreateLogStream");
    assert_eq!(delivery.handle_reply(&reply(200, "")), at_once());
    // Made, and still not there: the group was deleted just then.
    assert_eq!(refusal(delivery.handle_reply(&fault("ResourceNotFoundException"))).kind, RefusalKind::NotFound);
}

#[test]
fn a_200_that_rejects_is_no_delivery() {
    let (place, home, line) = (Place::parse("/links").unwrap(), home(), end("2026-11-21T10:00:00Z", "2026-11-21"));
    let answer = |body: &str| Delivery::new(&place, &line, &home).handle_reply(&reply(200, body));
    for field in ["tooOldLogEventEndIndex", "expiredLogEventEndIndex"] {
        let body = format!("{{\"rejectedLogEventsInfo\":{{\"{field}\":0}}}}");
        assert_eq!(answer(&body), Next::Done(Err(Failure::TooOld)));
    }
    let ahead = refusal(answer("{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":0}}"));
    assert!(ahead.message.contains("clock"), "{ahead}");
    assert!(matches!(answer("{\"rejectedLogEventsInfo\":{\"new\":0}}"), Next::Done(Err(_))));
    assert_eq!(answer("{\"nextSequenceToken\":\"1\",\"rejectedLogEventsInfo\":null}"), Next::Done(Ok(())));
    assert!(matches!(answer("<html>"), Next::Send(_)), "an answer of somebody else is no delivery");
}

#[test]
fn what_passes_is_tried_again_with_growing_pauses_and_not_for_ever() {
    let (place, home, line) = (Place::parse("/links").unwrap(), home(), end("2026-11-21T10:00:00Z", "2026-11-21"));
    let mut delivery = Delivery::new(&place, &line, &home);
    let mut total = Duration::ZERO;
    for expected in [200, 400, 800, 1600] {
        let Next::Send(pause) = delivery.handle_reply(&fault("ThrottlingException")) else { panic!("gave up early") };
        assert_eq!(pause, Duration::from_millis(expected));
        total += pause;
    }
    assert_eq!(refusal(delivery.handle_reply(&fault("ThrottlingException"))).kind, RefusalKind::Throttled);
    assert!(total < Duration::from_secs(5));
    for passing in [reply(503, ""), fault("OperationAbortedException"), reply(429, "")] {
        assert!(matches!(Delivery::new(&place, &line, &home).handle_reply(&passing), Next::Send(_)), "{passing:?}");
    }
    let mut once = Delivery::new(&place, &line, &home).once();
    assert_eq!(refusal(once.handle_reply(&reply(503, ""))).http_status, Some(503));
    let denied = refusal(Delivery::new(&place, &line, &home).handle_reply(&fault("AccessDeniedException")));
    assert_eq!(denied.kind, RefusalKind::Denied);
}

#[test]
fn an_object_that_is_there_is_delivered_and_a_conflict_is_not() {
    let (place, home, line) = (Place::parse("s3://abc").unwrap(), home(), start("2026-11-21T10:00:00Z"));
    let answer = |reply: &Reply| Delivery::new(&place, &line, &home).handle_reply(reply);
    assert_eq!(answer(&with(reply(200, ""), "etag", "\"x\"")), Next::Done(Ok(())));
    assert_eq!(answer(&reply(412, "<Error><Code>PreconditionFailed</Code></Error>")), Next::Done(Ok(())));
    assert!(matches!(answer(&reply(200, "<html/>")), Next::Send(_)), "an answer of somebody else is no delivery");
    assert!(matches!(answer(&reply(409, "<Error><Code>ConditionalRequestConflict</Code></Error>")), Next::Send(_)));
    assert!(matches!(answer(&reply(503, "<Error><Code>SlowDown</Code></Error>")), Next::Send(_)));
    assert!(matches!(answer(&reply(404, "<Error><Code>NoSuchBucket</Code></Error>")), Next::Done(Err(_))));
}

#[test]
fn a_bucket_elsewhere_is_followed_once_and_only_to_a_region() {
    let (place, home, line) = (Place::parse("s3://abc").unwrap(), home(), start("2026-11-21T10:00:00Z"));
    let mut delivery = Delivery::new(&place, &line, &home);
    let moved = |region| with(reply(301, "<Error><Code>PermanentRedirect</Code></Error>"), "x-amz-bucket-region", region);
    assert!(matches!(delivery.handle_reply(&moved("evil.example/")), Next::Done(Err(_))));
    assert_eq!(delivery.handle_reply(&moved("eu-west-1")), at_once());
    let request = delivery.request(&Endpoints::default());
    assert_eq!(request.region, "eu-west-1");
    assert!(request.url.starts_with("https://abc.s3.eu-west-1.amazonaws.com/"), "{}", request.url);
    assert!(matches!(delivery.handle_reply(&moved("eu-west-2")), Next::Done(Err(_))));
}

#[test]
fn a_bare_refusal_of_s3_still_names_permission_and_resource() {
    let (place, home, line) = (Place::parse("s3://abc/p").unwrap(), home(), start("2026-11-21T10:00:00Z"));
    let bare = reply(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
    let refusal = refusal(Delivery::new(&place, &line, &home).handle_reply(&bare));
    assert_eq!(refusal.missing.as_deref(), Some("s3:PutObject"));
    assert!(refusal.resource.unwrap().starts_with("arn:aws:s3:::abc/p/2026/11/21/"));
}

#[test]
fn no_answer_is_tried_again_and_no_client_is_not() {
    let (place, home, line) = (Place::parse("s3://abc").unwrap(), home(), start("2026-11-21T10:00:00Z"));
    let next = Delivery::new(&place, &line, &home).handle_silence(&SignedError::TooLong(1 << 20));
    assert_eq!(refusal(next).kind, RefusalKind::Network);
}

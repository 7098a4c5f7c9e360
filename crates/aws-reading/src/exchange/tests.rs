//! Answers of all kinds, and what follows from each; time is only counted.

use super::*;
use crate::asking::S3Form;
use reqwest::header::HeaderValue;
use serde_json::json;

const ARN: &str = "arn:aws:sts::123456789012:assumed-role/auditor/run";

fn logs() -> Asking {
    Asking::json("logs:GetLogEvents", json!({"logGroupName": "/exec"}), Some("log-group:/exec"))
}

fn head() -> Asking {
    let form = S3Form { method: "HEAD", bucket: "abc".to_owned(), key: Some("k".to_owned()), ..S3Form::default() };
    let resource = Some("abc/k".to_owned());
    let (call, permission, parameters) = ("s3:HeadObject", "s3:GetObject", json!({}));
    Asking { call, permission, resource, parameters, has_token: false, form: Form::S3(form) }
}

fn exchange() -> Exchange<'static> {
    Exchange::new("us-east-2", Some(ARN), Schedule::default())
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.as_bytes().to_vec(), ..Reply::default() }
}

fn with(mut reply: Reply, name: &'static str, value: &'static str) -> Reply {
    reply.headers.insert(name, HeaderValue::from_static(value));
    reply
}

fn fault(status: u16, code: &str, message: &str) -> Reply {
    reply(status, &json!({"__type": format!("com.amazonaws#{code}"), "message": message}).to_string())
}

fn error(next: Next) -> ReadError {
    match next {
        Next::Fail(error) => error,
        other => panic!("{other:?}"),
    }
}

fn pause(next: Next) -> Duration {
    match next {
        Next::Send(pause) => pause,
        other => panic!("{other:?}"),
    }
}

/// Answers always the same; returns the time that passed, and the error at the end.
fn insist(asking: &Asking, answer: impl Fn() -> Reply) -> (Duration, ReadError) {
    let (mut exchange, mut now) = (exchange(), Duration::ZERO);
    loop {
        match exchange.handle_reply(asking, answer(), 1.0) {
            Next::Send(pause) => now += pause,
            other => return (now, error(other)),
        }
    }
}

#[test]
fn a_throttled_question_is_put_again_and_then_given_up() {
    let codes = ["ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "RequestThrottled"];
    for code in codes {
        let (passed, error) = insist(&logs(), || fault(400, code, "Rate exceeded"));
        // 1 + 2 + 4 + 8 + 16, then four times 20 s.
        assert_eq!(passed, Duration::from_secs(111), "{code}");
        assert!(matches!(&error, ReadError::Throttled { attempts: 10, refusal } if refusal.code == code), "{error:?}");
    }
    assert!(matches!(insist(&logs(), || reply(429, "")).1, ReadError::Throttled { .. }));
    let slow_down = "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>";
    assert!(matches!(insist(&head(), || reply(503, slow_down)).1, ReadError::Throttled { .. }));
}

#[test]
fn a_service_that_fails_is_asked_again() {
    let (passed, error) = insist(&logs(), || reply(502, "<html>Bad gateway</html>"));
    // 0.2 + 0.4 + … + 12.8, then two times 20 s.
    assert_eq!(passed, Duration::from_millis(65_400));
    assert!(matches!(error, ReadError::Unavailable { attempts: 10, .. }));
    let mut exchange = exchange();
    assert!(pause(exchange.handle_reply(&logs(), fault(500, "InternalFailure", ""), 0.5)) > Duration::ZERO);
    assert!(matches!(exchange.handle_reply(&logs(), reply(200, "{}"), 0.5), Next::Take(reply) if reply.body == b"{}"));
}

#[test]
fn a_pause_that_a_service_asks_for_is_kept() {
    let answer = with(fault(400, "ThrottlingException", ""), "retry-after", "7");
    assert_eq!(pause(exchange().handle_reply(&logs(), answer, 0.0)), Duration::from_secs(7));
}

#[test]
fn what_is_no_matter_of_the_way_is_not_asked_again() {
    let next = exchange().handle_silence("logs:GetLogEvents", SignedError::TooLong(7), 1.0);
    assert!(matches!(error(next), ReadError::Unreadable { source: SignedError::TooLong(7), .. }));
    let next = exchange().handle_reply(&logs(), fault(501, "NotImplemented", ""), 1.0);
    assert!(matches!(error(next), ReadError::Refused(_)));
    let next = exchange().handle_reply(&logs(), fault(400, "ValidationException", "limit"), 1.0);
    assert!(matches!(error(next), ReadError::Refused(refusal) if refusal.kind == RefusalKind::Invalid));
}

#[test]
fn a_denial_names_call_principal_resource_and_permission() {
    let message = format!("User: {ARN} is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-2:1:key/k");
    let next = exchange().handle_reply(&logs(), fault(400, "AccessDeniedException", &message), 1.0);
    let ReadError::Denied(refusal) = error(next) else { panic!() };
    assert_eq!((refusal.call, refusal.principal.as_deref()), ("logs:GetLogEvents", Some(ARN)));
    assert_eq!(refusal.resource.as_deref(), Some("arn:aws:kms:us-east-2:1:key/k"));
    assert_eq!(refusal.missing.as_deref(), Some("kms:Decrypt"));
    // S3 says no more than 403 to HEAD.
    let ReadError::Denied(refusal) = error(exchange().handle_reply(&head(), reply(403, ""), 1.0)) else { panic!() };
    assert_eq!((refusal.principal.as_deref(), refusal.missing.as_deref()), (Some(ARN), Some("s3:GetObject")));
    assert_eq!(refusal.resource.as_deref(), Some("arn:aws:s3:::abc/k"));
    let mut elsewhere = Exchange::new("us-gov-west-1", None, Schedule::default());
    let ReadError::Denied(refusal) = error(elsewhere.handle_reply(&head(), reply(403, ""), 1.0)) else { panic!() };
    assert_eq!(refusal.resource.as_deref(), Some("arn:aws-us-gov:s3:::abc/k"));
}

#[test]
fn absence_expiry_and_a_stale_token_are_told_apart() {
    let after = |asking: &Asking, answer: Reply| error(exchange().handle_reply(asking, answer, 1.0));
    let gone = fault(400, "ResourceNotFoundException", "The specified log stream does not exist.");
    assert!(after(&logs(), gone).is_not_found());
    assert!(after(&head(), reply(404, "")).is_not_found());
    let marker = with(reply(405, ""), "x-amz-delete-marker", "true");
    assert!(matches!(after(&head(), marker), ReadError::NotFound(refusal) if refusal.message.contains("delete marker")));
    assert!(matches!(after(&logs(), fault(400, "ExpiredTokenException", "expired")), ReadError::Expired(_)));
    let unknown_key = reply(403, "<Error><Code>InvalidAccessKeyId</Code></Error>");
    assert!(matches!(after(&head(), unknown_key), ReadError::Expired(_)));
    let stale = || fault(400, "InvalidParameterException", "The specified nextToken is invalid.");
    let going_on = Asking { has_token: true, ..logs() };
    assert!(matches!(after(&going_on, stale()), ReadError::TokenGone(_)));
    assert!(matches!(after(&going_on, fault(400, "InvalidNextTokenException", "")), ReadError::TokenGone(_)));
    assert!(matches!(after(&logs(), stale()), ReadError::Refused(_)));
}

#[test]
fn a_bucket_elsewhere_is_followed_once() {
    let elsewhere = |region| with(reply(301, "<Error><Code>PermanentRedirect</Code></Error>"), "x-amz-bucket-region", region);
    let mut exchange = exchange();
    assert_eq!(pause(exchange.handle_reply(&head(), elsewhere("eu-west-1"), 1.0)), Duration::ZERO);
    assert_eq!(exchange.region(), "eu-west-1");
    assert!(matches!(error(exchange.handle_reply(&head(), elsewhere("us-east-1"), 1.0)), ReadError::Refused(_)));
}

#[test]
fn a_redirect_that_leads_nowhere_is_not_followed() {
    for region in ["us-east-2", "evil.example/", ""] {
        let answer =
            with(reply(400, "<Error><Code>IllegalLocationConstraintException</Code></Error>"), "x-amz-bucket-region", region);
        assert!(matches!(error(exchange().handle_reply(&head(), answer, 1.0)), ReadError::Refused(_)), "{region}");
    }
    let json = with(fault(400, "ValidationException", ""), "x-amz-bucket-region", "eu-west-1");
    assert!(matches!(error(exchange().handle_reply(&logs(), json, 1.0)), ReadError::Refused(_)));
}

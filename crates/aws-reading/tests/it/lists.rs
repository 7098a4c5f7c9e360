//! Every JSON question on the wire, and lists to their end, through failures, and never in circles.

use crate::server::{Server, answer, ok};
use crate::{keys, reader};
use aws_reading::ssm::{SessionFilter, SessionState};
use aws_reading::{JsonCall, JsonList, ReadError, Token, cloudtrail, ecs, logs, ssm};
use jiff::Timestamp;
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Puts a list's first question; returns target and parameters.
async fn asked(list: JsonList, page: &str) -> (String, Value) {
    let server = Server::start([ok(page)]).await;
    let reader = reader(&server.url, keys()).await;
    let listed = reader.list(list).next_page().await.unwrap().unwrap();
    assert_eq!(listed.page.body, page.as_bytes());
    of_first(&server, &listed.page.request.parameters)
}

async fn asked_once(call: JsonCall, page: &str) -> (String, Value) {
    let server = Server::start([ok(page)]).await;
    let page = reader(&server.url, keys()).await.ask(&call).await.unwrap();
    of_first(&server, &page.request.parameters)
}

/// What was sent is what the page says was asked.
fn of_first(server: &Server, kept: &Value) -> (String, Value) {
    let (request, body) = (server.requests().remove(0), server.bodies().remove(0));
    assert_eq!(&body, kept);
    assert!(request.starts_with("POST / HTTP/1.1\r\n") && request.contains("\r\ncontent-type: application/x-amz-json-1.1\r\n"));
    let target = request.lines().find_map(|line| line.strip_prefix("x-amz-target: ")).unwrap();
    (target.to_owned(), body)
}

fn seen(target: &str, parameters: Value) -> (String, Value) {
    (target.to_owned(), parameters)
}

#[tokio::test]
async fn the_questions_to_cloudwatch_logs() {
    let page = r#"{"logGroups": [{}]}"#;
    let expected = json!({"limit": 50, "logGroupNamePrefix": "/exec"});
    assert_eq!(asked(logs::describe_log_groups("/exec"), page).await, seen("Logs_20140328.DescribeLogGroups", expected));
    let page = r#"{"logStreams": []}"#;
    let expected = json!({"limit": 50, "logGroupName": "/exec", "logStreamNamePrefix": "ecs-"});
    let streams = logs::describe_log_streams("/exec", "ecs-");
    assert_eq!(asked(streams, page).await, seen("Logs_20140328.DescribeLogStreams", expected));
    let page = r#"{"events": [], "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}"#;
    let arn = "arn:aws:logs:us-east-2:123456789012:log-group:/exec";
    let expected = json!({"logGroupIdentifier": arn, "logStreamName": "s", "startFromHead": true});
    let events = logs::log_events(&format!("{arn}:*"), "s", true);
    assert_eq!(asked(events, page).await, seen("Logs_20140328.GetLogEvents", expected));
    let (from, to) = (at("2026-11-21T10:00:00Z"), at("2026-11-21T10:00:01Z"));
    let expected = json!({
        "logGroupName": "/exec", "startTime": 1_795_255_200_000_i64, "endTime": 1_795_255_200_999_i64, "filterPattern": "x",
    });
    let filtered = logs::filter_log_events("/exec", "x", from, to);
    assert_eq!(asked(filtered, r#"{"events": []}"#).await, seen("Logs_20140328.FilterLogEvents", expected));
}

#[tokio::test]
async fn the_questions_to_cloudtrail() {
    let target = |action: &str| format!("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{action}");
    let (from, to) = (at("2026-11-21T10:00:00Z"), at("2026-11-21T11:00:00Z"));
    let attribute = Some((cloudtrail::LookupAttribute::EventName, "ExecuteCommand"));
    let expected = json!({
        "StartTime": 1_795_255_200, "EndTime": 1_795_258_800, "MaxResults": 50,
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "ExecuteCommand"}],
    });
    let events = cloudtrail::lookup_events(attribute, from, to);
    assert_eq!(asked(events, r#"{"Events": []}"#).await, (target("LookupEvents"), expected));
    let expected = json!({"StartTime": 1_795_255_200, "EndTime": 1_795_258_800});
    let keys = cloudtrail::list_public_keys(from, to);
    assert_eq!(asked(keys, r#"{"PublicKeyList": []}"#).await, (target("ListPublicKeys"), expected));
    let trails = asked_once(cloudtrail::describe_trails(true), r#"{"trailList": []}"#).await;
    assert_eq!(trails, (target("DescribeTrails"), json!({"includeShadowTrails": true})));
    let status = asked_once(cloudtrail::trail_status("arn:t"), r#"{"IsLogging": true}"#).await;
    assert_eq!(status, (target("GetTrailStatus"), json!({"Name": "arn:t"})));
}

#[tokio::test]
async fn the_questions_to_systems_manager_and_ecs() {
    let filters = [SessionFilter::InvokedAfter(at("2026-11-21T10:00:00.5Z")), SessionFilter::Target("ecs:c_t_r".to_owned())];
    let expected = json!({
        "State": "History", "MaxResults": 200,
        "Filters": [{"key": "InvokedAfter", "value": "2026-11-21T10:00:00Z"}, {"key": "Target", "value": "ecs:c_t_r"}],
    });
    let sessions = ssm::describe_sessions(SessionState::History, &filters);
    assert_eq!(asked(sessions, r#"{"Sessions": []}"#).await, seen("AmazonSSM.DescribeSessions", expected));
    let target = |action: &str| format!("AmazonEC2ContainerServiceV20141113.{action}");
    let expected = json!({"cluster": "c", "desiredStatus": "STOPPED", "maxResults": 100});
    let tasks = ecs::list_tasks("c", ecs::DesiredStatus::Stopped);
    assert_eq!(asked(tasks, r#"{"taskArns": []}"#).await, (target("ListTasks"), expected));
    let tasks = asked_once(ecs::describe_tasks("c", &["t"]), r#"{"tasks": [], "failures": []}"#).await;
    assert_eq!(tasks, (target("DescribeTasks"), json!({"cluster": "c", "tasks": ["t"], "include": ["TAGS"]})));
    let clusters = asked_once(ecs::describe_clusters(&["c"]), r#"{"clusters": []}"#).await;
    let expected = json!({"clusters": ["c"], "include": ["CONFIGURATIONS", "SETTINGS"]});
    assert_eq!(clusters, (target("DescribeClusters"), expected));
    let tags = asked_once(ecs::list_tags("arn:t"), r#"{"tags": []}"#).await;
    assert_eq!(tags, (target("ListTagsForResource"), json!({"resourceArn": "arn:t"})));
}

#[tokio::test]
async fn a_list_is_read_to_its_end_through_throttles_and_lost_answers() {
    let throttled = answer("400 Bad Request", &[], r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#);
    let answers = [
        ok("{\"logStreams\": [1, 2],  \"nextToken\": \"a\"}\n"),
        throttled,
        String::new(),
        answer("503 Service Unavailable", &[], ""),
        ok(r#"{"logStreams": [], "nextToken": "b"}"#),
        ok(r#"{"logStreams": [3]}"#),
    ];
    let server = Server::start(answers).await;
    let reader = reader(&server.url, keys()).await;
    let mut pages = reader.list(logs::describe_log_streams("/exec", ""));
    let mut read = Vec::new();
    while let Some(listed) = pages.next_page().await.unwrap() {
        read.push((String::from_utf8(listed.page.body).unwrap(), listed.rows, listed.next.map(|token| token.at)));
    }
    let token = |text: &str| Some(text.to_owned());
    let expected = [
        ("{\"logStreams\": [1, 2],  \"nextToken\": \"a\"}\n".to_owned(), 2, token("a")),
        (r#"{"logStreams": [], "nextToken": "b"}"#.to_owned(), 0, token("b")),
        (r#"{"logStreams": [3]}"#.to_owned(), 1, None),
    ];
    assert_eq!(read, expected);
    let tokens: Vec<Value> = server.bodies().iter().map(|body| body["nextToken"].clone()).collect();
    assert_eq!(tokens, [Value::Null, json!("a"), json!("a"), json!("a"), json!("a"), json!("b")]);
}

#[tokio::test]
async fn the_events_of_a_stream_end_where_the_token_stays() {
    let page = |token: &str| ok(&format!(r#"{{"events": [], "nextForwardToken": "{token}", "nextBackwardToken": "b"}}"#));
    // An empty page in between is no end (GetLogEvents, API reference).
    let server = Server::start([page("f/1"), page("f/2"), page("f/2")]).await;
    let reader = reader(&server.url, keys()).await;
    let mut pages = reader.list_from(logs::log_events("/exec", "s", true), Token::new("f/0"));
    for _ in 0..3 {
        assert!(pages.next_page().await.unwrap().is_some());
    }
    assert!(pages.next_page().await.unwrap().is_none());
    assert_eq!(pages.token(), Some(&Token::new("f/2")));
    let tokens: Vec<Value> = server.bodies().iter().map(|body| body["nextToken"].clone()).collect();
    assert_eq!(tokens, [json!("f/0"), json!("f/1"), json!("f/2")]);
}

#[tokio::test]
async fn a_list_that_goes_in_a_circle_is_an_error() {
    let page = |token: &str| ok(&format!(r#"{{"Events": [], "NextToken": "{token}"}}"#));
    let server = Server::start([page("a"), page("b"), page("a")]).await;
    let reader = reader(&server.url, keys()).await;
    let epoch = Timestamp::UNIX_EPOCH;
    let mut pages = reader.list(cloudtrail::lookup_events(None, epoch, epoch));
    assert!(pages.next_page().await.unwrap().is_some() && pages.next_page().await.unwrap().is_some());
    assert!(matches!(pages.next_page().await, Err(ReadError::Unexpected { call: "cloudtrail:LookupEvents", .. })));
}

#[tokio::test]
async fn what_is_no_list_is_never_an_empty_one() {
    let denied = r#"{"__type": "AccessDeniedException", "Message": "You don't have permissions."}"#;
    let ask = async |answers: Vec<String>| {
        let server = Server::start(answers).await;
        let reader = reader(&server.url, keys()).await;
        reader.list(ssm::describe_sessions(SessionState::Active, &[])).next_page().await.unwrap_err()
    };
    let ReadError::Denied(refusal) = ask(vec![answer("400 Bad Request", &["x-amzn-RequestId: r-1"], denied)]).await else {
        panic!()
    };
    assert_eq!(refusal.principal.as_deref(), Some("arn:aws:iam::123456789012:user/auditor"));
    assert_eq!((refusal.missing.as_deref(), refusal.request_id.as_deref()), (Some("ssm:DescribeSessions"), Some("r-1")));
    for body in ["", "{}", "[]", "<html>Log in</html>", r#"{"Sessions": null}"#, r#"{"Sessions": {}}"#] {
        assert!(matches!(ask(vec![ok(body)]).await, ReadError::Unexpected { .. }), "{body}");
    }
    assert!(matches!(ask(vec![]).await, ReadError::Network { attempts: 4, .. }));
    let moved = answer("302 Found", &["location: http://127.0.0.1:9/"], "");
    assert!(matches!(ask(vec![moved]).await, ReadError::Refused(_)));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_neither_kept_nor_asked_for_again() {
    let server = Server::start([ok(&format!("{{\"x\": \"{}\"}}", "x".repeat(33 << 20)))]).await;
    let reader = reader(&server.url, keys()).await;
    let error = reader.json("logs:DescribeLogGroups", json!({})).await.unwrap_err();
    assert!(matches!(error, ReadError::Unreadable { call: "logs:DescribeLogGroups", .. }), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_page_of_many_megabytes_is_kept_byte_for_byte() {
    let body = format!("{{\"events\": [{{\"message\": \"{}\"}}]}}\n", "\\u0041".repeat(2 << 20));
    let server = Server::start([ok(&body)]).await;
    let page = reader(&server.url, keys()).await.json("logs:FilterLogEvents", json!({})).await.unwrap();
    assert_eq!(page.body.len(), body.len());
    assert!(page.body == body.as_bytes());
}

#[tokio::test]
async fn a_call_that_no_json_service_has_is_not_sent() {
    let server = Server::start([]).await;
    let reader = reader(&server.url, keys()).await;
    for call in ["s3:ListBuckets", "nothing", ""] {
        assert!(matches!(reader.json(call, json!({})).await, Err(ReadError::Unexpected { .. })), "{call}");
    }
    assert!(reader.in_region("evil.example/").json("logs:DescribeLogGroups", json!({})).await.is_err());
    assert!(server.requests().is_empty());
}

//! Objects: heads, bytes that break off, and puts, from a server with a script.

use crate::server::{Server, answer, ok};
use crate::{keys, reader};
use aws_reading::ReadError;
use aws_reading::s3::{Bucket, ListObjects, PutObject, PutOutcome, RetentionMode, Versioning};

const HEAD: [&str; 3] = ["ETag: \"e1\"", "x-amz-meta-signature: 00ff", "x-amz-version-id: v1"];

/// An answer that promises more than it has.
fn broken(status: &str, headers: &[&str], body: &str, length: usize) -> String {
    answer(status, headers, body).replace(&format!("Content-Length: {}", body.len()), &format!("Content-Length: {length}"))
}

fn put() -> PutObject {
    let object = Bucket::new("abc").object("sha256/ab");
    PutObject { object, body: b"bytes".to_vec(), content_type: "application/json", retention: None }
}

#[tokio::test]
async fn bytes_that_break_off_are_gone_on_with() {
    let range = |span: &'static str| [HEAD[0], HEAD[1], HEAD[2], span];
    let answers = [
        broken("200 OK", &HEAD, "0123", 10),
        answer("503 Slow Down", &[], "<Error><Code>SlowDown</Code></Error>"),
        broken("206 Partial Content", &range("Content-Range: bytes 4-9/10"), "456", 6),
        answer("206 Partial Content", &range("Content-Range: bytes 7-9/10"), "789"),
    ];
    let server = Server::start(answers).await;
    let reader = reader(&server.url, keys()).await;
    let mut sink = Vec::new();
    let fetched = reader.get_object(&Bucket::new("abc").object("k"), None, &mut sink, 10).await.unwrap();
    assert_eq!((sink.as_slice(), fetched.bytes), (&b"0123456789"[..], 10));
    assert_eq!(fetched.facts.metadata["signature"], "00ff");
    assert_eq!(fetched.facts.version_id.as_deref(), Some("v1"));
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests[0].starts_with("GET /abc/k HTTP/1.1\r\n") && !requests[0].contains("\r\nrange:"));
    assert!(requests[2].contains("\r\nrange: bytes=4-9\r\n") && requests[2].contains("\r\nif-match: \"e1\"\r\n"));
    assert!(requests[3].contains("\r\nrange: bytes=7-9\r\n"));
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_read_is_an_error() {
    let other = answer("206 Partial Content", &["ETag: \"e2\"", "Content-Range: bytes 4-9/10"], "abcdef");
    let gone = answer("412 Precondition Failed", &[], "<Error><Code>PreconditionFailed</Code></Error>");
    for second in [other, gone, ok("0123456789")] {
        let server = Server::start([broken("200 OK", &HEAD, "0123", 10), second]).await;
        let reader = reader(&server.url, keys()).await;
        let mut sink = Vec::new();
        let error = reader.get_object(&Bucket::new("abc").object("k"), None, &mut sink, 100).await.unwrap_err();
        assert!(matches!(error, ReadError::Unexpected { .. } | ReadError::Refused(_)), "{error:?}");
        assert_eq!(sink, b"0123");
    }
}

#[tokio::test]
async fn an_object_that_is_too_long_is_not_read() {
    let server = Server::start([ok("0123456789")]).await;
    let reader = reader(&server.url, keys()).await;
    let mut sink = Vec::new();
    let error = reader.get_object(&Bucket::new("abc").object("k"), None, &mut sink, 9).await.unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { max: 9, .. }));
    assert!(sink.is_empty());
}

#[tokio::test]
async fn a_head_brings_facts_and_a_denial_without_words_is_one() {
    let answers = [answer("200 OK", &HEAD, ""), answer("403 Forbidden", &[], ""), answer("404 Not Found", &[], "")];
    let server = Server::start(answers).await;
    let reader = reader(&server.url, keys()).await;
    let object = Bucket::owned_by("abc", "123456789012").object("k").version("v1");
    let head = reader.head_object(&object).await.unwrap();
    assert_eq!(head.facts.metadata["signature"], "00ff");
    assert_eq!((head.page.request.action, &head.page.request.parameters["VersionId"]), ("HeadObject", &"v1".into()));
    let ReadError::Denied(refusal) = reader.head_object(&object).await.unwrap_err() else { panic!() };
    assert_eq!(refusal.missing.as_deref(), Some("s3:GetObjectVersion"));
    assert!(reader.head_object(&object).await.unwrap_err().is_not_found());
    let request = server.requests().remove(0);
    assert!(request.starts_with("HEAD /abc/k?versionId=v1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nx-amz-expected-bucket-owner: 123456789012\r\n"));
}

#[tokio::test]
async fn a_bucket_elsewhere_is_asked_there_the_first_time_and_from_then_on() {
    let page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let elsewhere = answer("301 Moved Permanently", &["x-amz-bucket-region: eu-west-1"], "");
    let server = Server::start([elsewhere, ok(page), ok(page)]).await;
    let reader = reader(&server.url, keys()).await;
    let list = || ListObjects { bucket: Bucket::new("abc"), prefix: String::new(), start_after: None, delimiter: None };
    for _ in 0..2 {
        let listed = reader.list_objects(list()).next_page().await.unwrap().unwrap();
        assert_eq!(listed.page.request.region, "eu-west-1");
    }
    let signed_for =
        |region: &str| server.requests().iter().filter(|it| it.contains(&format!("/{region}/s3/aws4_request"))).count();
    assert_eq!((signed_for("us-east-2"), signed_for("eu-west-1")), (1, 2));
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_finds_itself() {
    let conflict = answer("409 Conflict", &[], "<Error><Code>ConditionalRequestConflict</Code></Error>");
    let there = answer("412 Precondition Failed", &[], "<Error><Code>PreconditionFailed</Code></Error>");
    let server = Server::start([conflict, String::new(), there, answer("200 OK", &HEAD, ""), ok("")]).await;
    let reader = reader(&server.url, keys()).await;
    assert_eq!(reader.put_if_absent(put()).await.unwrap(), PutOutcome::AlreadyThere);
    let outcome = reader.put_if_absent(put()).await.unwrap();
    assert_eq!(outcome, PutOutcome::Put { version_id: Some("v1".to_owned()), etag: "e1".to_owned() });
    assert!(matches!(reader.put_if_absent(put()).await, Err(ReadError::Unexpected { .. })));
    assert!(server.requests().iter().all(|request| request.ends_with("\r\n\r\nbytes") && request.contains("if-none-match: *")));
}

#[tokio::test]
async fn the_settings_of_buckets_are_asked_for_by_their_sub_resources() {
    let none = "<Error><Code>ObjectLockConfigurationNotFoundError</Code><Message>no</Message></Error>";
    let encryption = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
                      </SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
    let answers = [
        ok("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        answer("404 Not Found", &[], none),
        ok(encryption),
        ok("<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2027-01-01T00:00:00Z</RetainUntilDate></Retention>"),
    ];
    let server = Server::start(answers).await;
    let reader = reader(&server.url, keys()).await;
    let bucket = Bucket::new("abc");
    assert_eq!(reader.bucket_versioning(&bucket).await.unwrap().facts, Versioning::Enabled);
    assert!(reader.object_lock_configuration(&bucket).await.unwrap_err().is_not_found());
    assert_eq!(reader.bucket_encryption(&bucket).await.unwrap().facts.algorithm.trim(), "AES256");
    let retention = reader.object_retention(&bucket.object("k").version("v")).await.unwrap();
    assert_eq!(retention.facts.mode, RetentionMode::Compliance);
    let lines: Vec<String> = server.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    let expected = ["abc/?versioning", "abc/?object-lock", "abc/?encryption", "abc/k?retention&versionId=v"];
    assert_eq!(lines, expected.map(|path| format!("GET /{path} HTTP/1.1")));
}

#[tokio::test]
async fn many_can_read_at_once() {
    let page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let server = Server::start([ok(page), ok("bytes")]).await;
    let reader = reader(&server.url, keys()).await;
    let in_another_task = tokio::spawn(async move {
        let list = ListObjects { bucket: Bucket::new("abc"), prefix: String::new(), start_after: None, delimiter: None };
        reader.list_objects(list).next_page().await.unwrap();
        let mut sink = Vec::new();
        reader.get_object(&Bucket::new("abc").object("k"), None, &mut sink, 100).await.unwrap().bytes
    });
    assert_eq!(in_another_task.await.unwrap(), 5);
}

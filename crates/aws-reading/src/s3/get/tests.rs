//! Heads of answers, and what may follow them.

use super::*;
use crate::s3::Bucket;
use crate::s3::tests::request;

fn head(headers: &[(&str, &str)]) -> ObjectFacts {
    ObjectFacts::of(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn part(first: u64, last: Option<u64>) -> ByteRange {
    ByteRange { first, last }
}

fn question() -> Question {
    asking(&Bucket::new("abc").object("k"), None, None).question("us-east-2")
}

/// Loads a whole object of these bytes.
fn loaded(headers: &[(&str, &str)], bytes: &[u8]) -> Result<Fetched, ReadError> {
    let mut load = Load::new(head(headers), None, 200, 100)?;
    load.take(bytes)?;
    load.end(question())
}

#[test]
fn version_range_and_condition_are_on_the_wire() {
    let object = Bucket::new("abc").object("a b").version("v+1");
    let asking = asking(&object, Some(part(5, None)), Some("e"));
    assert_eq!(asking.permission, "s3:GetObjectVersion");
    let request = request(&asking);
    assert_eq!(request.url, "https://abc.s3.us-east-2.amazonaws.com/a%20b?versionId=v%2B1");
    for (name, value) in [("range", "bytes=5-"), ("if-match", "\"e\""), ("x-amz-checksum-mode", "ENABLED")] {
        assert!(request.headers.contains(&(name, value.to_owned())), "{name}");
    }
}

#[test]
fn bytes_must_have_the_length_and_the_hash_of_the_head() {
    let sum = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; // Of "abc".
    let fetched = loaded(&[("content-length", "3"), ("x-amz-checksum-sha256", sum)], b"abc").unwrap();
    assert_eq!((fetched.bytes, STANDARD.encode(fetched.sha256)), (3, sum.to_owned()));
    assert!(loaded(&[("content-length", "4")], b"abc").is_err());
    assert!(loaded(&[("content-length", "3"), ("x-amz-checksum-sha256", sum)], b"abd").is_err());
    assert!(loaded(&[("x-amz-checksum-sha256", "c3Vt-2")], b"abc").is_ok());
    assert_eq!(loaded(&[("content-length", "0")], b"").unwrap().bytes, 0);
}

#[test]
fn an_object_that_is_too_long_is_not_begun() {
    let begun = |length: &str| Load::new(head(&[("content-length", length)]), None, 200, 100);
    assert!(begun("100").is_ok());
    assert!(matches!(begun("101"), Err(ReadError::TooLarge { max: 100, .. })));
    let mut silent = Load::new(head(&[]), None, 200, 100).unwrap();
    assert!(silent.take(&[0; 100]).is_ok());
    assert!(matches!(silent.take(&[0]), Err(ReadError::TooLarge { .. })));
}

#[test]
fn the_answer_must_be_the_part_that_was_asked_for() {
    let answer = [("content-range", "bytes 5-9/20"), ("content-length", "5")];
    let mut load = Load::new(head(&answer), Some(part(5, Some(9))), 206, 100).unwrap();
    load.take(b"ab").unwrap();
    assert_eq!(load.rest(), ByteRange { first: 7, last: Some(9) });
    load.take(b"cde").unwrap();
    assert_eq!(load.end(question()).unwrap().bytes, 5);
    for (range, status) in [(Some(part(4, None)), 206), (Some(part(5, Some(8))), 206), (Some(part(5, None)), 200), (None, 206)] {
        assert!(Load::new(head(&answer), range, status, 100).is_err(), "{range:?} {status}");
    }
    // A whole object where a part was asked for.
    assert!(Load::new(head(&[("content-length", "20")]), Some(part(5, None)), 200, 100).is_err());
}

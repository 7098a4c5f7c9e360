//! Pages of buckets, good and hostile.

use super::*;
use crate::s3::tests::{page, request};

const NS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

fn objects(start_after: Option<&str>) -> ListObjects {
    let start_after = start_after.map(str::to_owned);
    ListObjects { bucket: Bucket::new("abc"), prefix: "a b/ü".to_owned(), start_after, delimiter: None }
}

fn versions() -> ListVersions {
    ListVersions { bucket: Bucket::new("abc"), prefix: "a b".to_owned() }
}

fn objects_page(inner: &str) -> Result<(ObjectRows, After), &'static str> {
    objects(None).read(&page(&format!("<?xml version=\"1.0\"?><ListBucketResult {NS}>{inner}</ListBucketResult>")), None)
}

fn versions_page(inner: &str) -> Result<(Vec<VersionRow>, After), &'static str> {
    versions().read(&page(&format!("<ListVersionsResult {NS}>{inner}</ListVersionsResult>")), None)
}

const ROW: &str = "<Contents><Key>a+b%2Fc%C3%BC%0A%2B</Key><LastModified>2026-11-21T10:00:00.000Z</LastModified>\
                   <ETag>&quot;abc-2&quot;</ETag><Size>17</Size><StorageClass>STANDARD</StorageClass></Contents>";

#[test]
fn the_questions_stand_in_the_query() {
    let host = "https://abc.s3.us-east-2.amazonaws.com/";
    let url = |asking: &Asking| request(asking).url;
    let rest = "encoding-type=url&list-type=2&prefix=a%20b%2F%C3%BC";
    assert_eq!(url(&objects(None).asking(None)), format!("{host}?{rest}"));
    assert_eq!(url(&objects(Some("k/9")).asking(None)), format!("{host}?{rest}&start-after=k%2F9"));
    let going_on = objects(None).asking(Some(&Token::new("1/+=")));
    assert_eq!(url(&going_on), format!("{host}?continuation-token=1%2F%2B%3D&{rest}"));
    assert!(going_on.has_token);
    assert_eq!(url(&versions().asking(None)), format!("{host}?versions&encoding-type=url&prefix=a%20b"));
    let token = Token { at: "k&".to_owned(), version: Some("v".to_owned()) };
    let expected = format!("{host}?versions&encoding-type=url&key-marker=k%26&prefix=a%20b&version-id-marker=v");
    assert_eq!(url(&versions().asking(Some(&token))), expected);
    let owned = ListVersions { bucket: Bucket::owned_by("abc", "123456789012"), ..versions() };
    let headers = request(&owned.asking(None)).headers;
    assert_eq!(headers, [("x-amz-expected-bucket-owner", "123456789012".to_owned())]);
}

#[test]
fn keys_are_read_with_every_character() {
    let (rows, after) = objects_page(&format!("<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{ROW}")).unwrap();
    let [row] = &rows.objects[..] else { panic!("{rows:?}") };
    assert_eq!((row.key.as_str(), row.size, row.etag.as_str()), ("a b/cü\n+", 17, "abc-2"));
    assert_eq!((row.last_modified, after), ("2026-11-21T10:00:00Z".parse().unwrap(), After::End(None)));
    // Who does not say that there are escapes has none.
    let (rows, _) = objects_page(&format!("<IsTruncated>false</IsTruncated>{ROW}")).unwrap();
    assert_eq!(rows.objects[0].key, "a+b%2Fc%C3%BC%0A%2B");
    let prefixes = "<IsTruncated>false</IsTruncated><CommonPrefixes><Prefix> a/</Prefix></CommonPrefixes>";
    assert_eq!(objects_page(prefixes).unwrap().0.prefixes, [" a/"]);
}

#[test]
fn a_page_that_is_not_the_last_names_the_next() {
    let truncated = "<IsTruncated>true</IsTruncated>";
    let next = "<NextContinuationToken>1ue/x==</NextContinuationToken>";
    assert_eq!(objects_page(&format!("{truncated}{next}")).unwrap().1, After::Next(Token::new("1ue/x==")));
    assert!(objects_page(truncated).is_err());
    assert!(objects_page(next).is_err());
    assert!(versions_page(truncated).is_err());
    let marker = "<NextKeyMarker>k</NextKeyMarker>";
    assert_eq!(versions_page(&format!("{truncated}{marker}")).unwrap().1, After::Next(Token::new("k")));
    let both = format!("{truncated}{marker}<NextVersionIdMarker>v</NextVersionIdMarker>");
    let token = Token { at: "k".to_owned(), version: Some("v".to_owned()) };
    assert_eq!(versions_page(&both).unwrap().1, After::Next(token));
}

#[test]
fn versions_and_markers_stay_in_their_order() {
    let row = |name: &str, version: &str, latest: bool, more: &str| {
        format!(
            "<{name}><Key>k</Key><VersionId>{version}</VersionId><IsLatest>{latest}</IsLatest>\
             <LastModified>2026-11-21T10:00:00Z</LastModified>{more}</{name}>"
        )
    };
    let content = "<ETag>\"e\"</ETag><Size>3</Size><Owner><ID>o</ID></Owner>";
    let inner = row("DeleteMarker", "m", true, "") + &row("Version", "null", false, content);
    let (rows, after) = versions_page(&format!("<IsTruncated>false</IsTruncated>{inner}")).unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.version_id.as_str(), row.is_latest, row.content.clone())).collect();
    assert_eq!(seen, [("m", true, None), ("null", false, Some((3, "e".to_owned())))]);
    assert_eq!(after, After::End(None));
}

#[test]
fn a_hostile_page_is_an_error_and_never_a_shorter_list() {
    let last = "<IsTruncated>false</IsTruncated>";
    let without = |part: &str| ROW.replace(part, "");
    for row in [
        without("<Key>a+b%2Fc%C3%BC%0A%2B</Key>"),
        without("<Size>17</Size>"),
        without("<LastModified>2026-11-21T10:00:00.000Z</LastModified>"),
        ROW.replace("17", "-1"),
        ROW.replace("17", "99999999999999999999999"),
    ] {
        assert_eq!(objects_page(&format!("{last}{row}")), Err(NO_ROW), "{row}");
    }
    for key in ["%", "%4", "%zz", "%+1", "%FF"] {
        let row = ROW.replace("a+b%2Fc%C3%BC%0A%2B", key);
        assert_eq!(objects_page(&format!("<EncodingType>url</EncodingType>{last}{row}")), Err(NO_ROW), "{key}");
    }
    let bomb = "<!DOCTYPE a [<!ENTITY b \"xx\">]><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    for body in [bomb, "", "{}", "<Error><Code>AccessDenied</Code></Error>", "<ListVersionsResult/>"] {
        assert!(objects(None).read(&page(body), None).is_err(), "{body}");
    }
}

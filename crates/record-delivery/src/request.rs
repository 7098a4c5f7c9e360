//! The requests that carry an item: CreateLogStream, PutLogEvents, PutObject.
//!
//! Pure: everything but the signature.

use crate::item::Item;
use crate::place::{Bucket, Home, LogGroup};
use crate::signed::{SignedRequest, escaped};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ssm_channel::{EndpointVariant, endpoint_host};

const JSON: &str = "application/x-amz-json-1.1";

/// Where the services are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// CloudWatch Logs' URL, when it is configured.
    pub(crate) logs: Option<String>,
    /// S3's URL, when it is configured.
    pub(crate) s3: Option<String>,
    /// The variant of AWS's own endpoints.
    pub(crate) variant: EndpointVariant,
}

impl Endpoints {
    fn logs(&self, region: &str) -> String {
        if let Some(url) = &self.logs {
            return format!("{}/", url.trim_end_matches('/'));
        }
        // GovCloud's plain endpoints are the FIPS ones (the service's endpoint rules).
        let label = if self.variant.fips && !region.starts_with("us-gov-") { "logs-fips" } else { "logs" };
        format!("https://{}/", endpoint_host(label, region, self.variant.dual_stack))
    }

    /// A bucket is a host of its own, except where its certificate could not cover it or somebody else serves it.
    fn object(&self, bucket: &str, region: &str, key: &str) -> String {
        let key = key.split('/').map(escaped).collect::<Vec<_>>().join("/");
        if let Some(url) = &self.s3 {
            return format!("{}/{bucket}/{key}", url.trim_end_matches('/'));
        }
        let label = match (self.variant.fips, self.variant.dual_stack) {
            (false, false) => "s3",
            (true, false) => "s3-fips",
            (false, true) => "s3.dualstack",
            (true, true) => "s3-fips.dualstack",
        };
        let host = endpoint_host(label, region, false);
        if bucket.contains('.') { format!("https://{host}/{bucket}/{key}") } else { format!("https://{bucket}.{host}/{key}") }
    }
}

/// Makes the stream of an item.
pub(crate) fn create_stream(endpoints: &Endpoints, group: &LogGroup, home: &Home, item: &Item) -> SignedRequest {
    let body = json!({"logGroupName": group.name, "logStreamName": item.stream});
    logs(endpoints, home, "CreateLogStream", &body)
}

/// Puts an item into its stream.
pub(crate) fn put_events(endpoints: &Endpoints, group: &LogGroup, home: &Home, item: &Item) -> SignedRequest {
    let event = json!({"timestamp": item.at.as_millisecond(), "message": String::from_utf8_lossy(&item.body)});
    let body = json!({"logGroupName": group.name, "logStreamName": item.stream, "logEvents": [event]});
    logs(endpoints, home, "PutLogEvents", &body)
}

fn logs(endpoints: &Endpoints, home: &Home, action: &str, body: &Value) -> SignedRequest {
    SignedRequest {
        service: "logs",
        region: home.region.clone(),
        method: "POST",
        url: endpoints.logs(&home.region),
        headers: vec![("content-type", JSON.to_owned()), ("x-amz-target", format!("Logs_20140328.{action}"))],
        body: body.to_string().into_bytes(),
    }
}

/// Puts an item under its key, unless something is there. The checksum is what buckets with Object Lock demand.
pub(crate) fn put_object(endpoints: &Endpoints, bucket: &Bucket, region: &str, item: &Item) -> SignedRequest {
    let body = item.body.clone();
    let checksum = STANDARD.encode(digest(&SHA256, &body));
    SignedRequest {
        service: "s3",
        region: region.to_owned(),
        method: "PUT",
        url: endpoints.object(&bucket.name, region, &bucket.key(item)),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("if-none-match", "*".to_owned()),
            ("x-amz-checksum-sha256", checksum),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
        ],
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::start;

    fn variant(fips: bool, dual_stack: bool) -> Endpoints {
        Endpoints { variant: EndpointVariant { fips, dual_stack }, ..Endpoints::default() }
    }

    #[test]
    fn endpoints_are_awss_or_the_configured_ones() {
        assert_eq!(variant(false, false).logs("us-east-2"), "https://logs.us-east-2.amazonaws.com/");
        assert_eq!(variant(true, true).logs("us-east-2"), "https://logs-fips.us-east-2.api.aws/");
        assert_eq!(variant(true, false).logs("us-gov-west-1"), "https://logs.us-gov-west-1.amazonaws.com/");
        assert_eq!(variant(false, false).logs("cn-north-1"), "https://logs.cn-north-1.amazonaws.com.cn/");
        let configured = Endpoints { logs: Some("http://127.0.0.1:1".to_owned()), ..variant(true, true) };
        assert_eq!(configured.logs("us-east-2"), "http://127.0.0.1:1/");
    }

    #[test]
    fn a_bucket_is_a_host_unless_that_cannot_be() {
        let object = |endpoints: Endpoints, bucket| endpoints.object(bucket, "eu-west-1", "a b/é.json");
        assert_eq!(object(variant(false, false), "abc"), "https://abc.s3.eu-west-1.amazonaws.com/a%20b/%C3%A9.json");
        assert_eq!(object(variant(true, true), "abc"), "https://abc.s3-fips.dualstack.eu-west-1.amazonaws.com/a%20b/%C3%A9.json");
        assert_eq!(object(variant(false, false), "a.bc"), "https://s3.eu-west-1.amazonaws.com/a.bc/a%20b/%C3%A9.json");
        let configured = Endpoints { s3: Some("http://127.0.0.1:1/".to_owned()), ..Endpoints::default() };
        assert_eq!(object(configured, "abc"), "http://127.0.0.1:1/abc/a%20b/%C3%A9.json");
    }

    #[test]
    fn the_body_travels_unchanged_and_at_its_own_time() {
        let (item, endpoints) = (start("2026-11-21T10:00:00.25Z"), Endpoints::default());
        let home = Home { partition: "aws".to_owned(), region: "us-east-2".to_owned(), account: "1".to_owned() };
        let group = LogGroup { name: "/links".to_owned(), home: None };
        let body: Value = serde_json::from_slice(&put_events(&endpoints, &group, &home, &item).body).unwrap();
        assert_eq!(body["logEvents"][0]["message"].as_str().map(str::as_bytes), Some(item.body.as_slice()));
        assert_eq!(body["logEvents"][0]["timestamp"], 1_795_255_200_250_i64);
        let object = put_object(&endpoints, &Bucket::parse("s3://abc").unwrap(), "us-east-2", &item);
        assert_eq!(object.body, item.body);
        assert!(object.headers.contains(&("if-none-match", "*".to_owned())));
    }

    #[test]
    fn the_checksum_is_that_of_the_body() {
        let item = start("2026-11-21T10:00:00Z");
        let object = put_object(&Endpoints::default(), &Bucket::parse("s3://abc").unwrap(), "us-east-2", &item);
        let sent = object.headers.iter().find(|(name, _)| *name == "x-amz-checksum-sha256").map(|(_, value)| value).unwrap();
        assert_eq!(STANDARD.decode(sent).unwrap(), digest(&SHA256, &item.body).as_ref());
    }
}

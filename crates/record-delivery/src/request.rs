//! The requests that carry an item: CreateLogStream, PutLogEvents, PutObject.
//!
//! Pure: everything but the signature.

use crate::item::Item;
use crate::place::{Bucket, Home, LogGroup};
use aws_lc_rs::digest::{SHA256, digest};
use aws_reading::{Endpoints, Service, SignedRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const JSON: &str = "application/x-amz-json-1.1";

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
        url: endpoints.regional(Service::Logs, &home.region),
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

//! A question before it is signed: one of a JSON service, one of a query API, or one of S3.
//!
//! Pure: makes the wire form, except the signature.

use crate::endpoints::Endpoints;
use crate::error::ReadError;
use crate::page::Question;
use crate::service::Service;
use crate::signed::{SignedRequest, escaped};
use cli_kit::printable;
use serde_json::Value;

const JSON: &str = "application/x-amz-json-1.1";
const QUERY: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Asking {
    /// The call, such as `s3:ListObjectsV2`.
    pub(crate) call: &'static str,
    /// The permission that it needs.
    pub(crate) permission: &'static str,
    /// What it is about, for denials that do not say it; of S3 without `arn:PARTITION:s3:::`.
    pub(crate) resource: Option<String>,
    /// The parameters by the API's names.
    pub(crate) parameters: Value,
    /// Whether it goes on where an earlier one ended.
    pub(crate) has_token: bool,
    pub(crate) form: Form,
}

/// The wire form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    /// The parameters are the body.
    Json,
    /// The parameters are a form, beside the API's version; the answer is XML.
    Query(&'static str),
    /// A path, a query, headers, bytes.
    S3(S3Form),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct S3Form {
    pub(crate) method: &'static str,
    pub(crate) bucket: String,
    pub(crate) key: Option<String>,
    /// Names with their values; none for a sub-resource.
    pub(crate) query: Vec<(&'static str, Option<String>)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// A status of 4xx that is an answer here.
    pub(crate) also_takes: Option<u16>,
}

impl Asking {
    /// A question to a JSON service.
    pub(crate) fn json(call: &'static str, parameters: Value, resource: Option<&str>) -> Self {
        let resource = resource.map(|text| printable(text, 300));
        Self { call, permission: call, resource, parameters, has_token: false, form: Form::Json }
    }

    /// A question to a query API of a version, with parameters in their order.
    pub(crate) fn query(call: &'static str, version: &'static str, parameters: &[(String, String)], resource: &str) -> Self {
        let parameters = parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        Self { form: Form::Query(version), ..Self::json(call, Value::Object(parameters), Some(resource)) }
    }

    /// What the parameters name, where nothing else says what it is about.
    pub(crate) fn named(&self) -> Option<String> {
        let names = ["cluster", "logGroupName", "logGroupIdentifier", "logGroupNamePrefix"];
        let name = names.iter().find_map(|key| self.parameters.get(key)?.as_str());
        let name = name.or_else(|| self.parameters.get("clusters")?.get(0)?.as_str());
        name.map(|name| printable(name, 300))
    }

    pub(crate) fn bucket(&self) -> Option<&str> {
        match &self.form {
            Form::Json | Form::Query(_) => None,
            Form::S3(form) => Some(&form.bucket),
        }
    }

    /// What it is about, as denials name it.
    pub(crate) fn resource_in(&self, region: &str) -> Option<String> {
        let resource = self.resource.as_ref()?;
        Some(match self.form {
            Form::Json | Form::Query(_) => resource.clone(),
            Form::S3(_) => format!("arn:{}:s3:::{resource}", partition(region)),
        })
    }

    pub(crate) fn question(&self, region: &str) -> Question {
        let (service, action) = self.call.split_once(':').unwrap_or_default();
        Question { service, action, region: region.to_owned(), parameters: self.parameters.clone() }
    }

    /// Whether an answer of this status is one to take.
    pub(crate) fn takes(&self, status: u16) -> bool {
        let also = match &self.form {
            Form::Json | Form::Query(_) => None,
            Form::S3(form) => form.also_takes,
        };
        matches!(status, 200 | 206) || also == Some(status)
    }

    /// The request to a region.
    ///
    /// # Errors
    /// When no URL can hold it.
    pub(crate) fn request(&self, endpoints: &Endpoints, region: &str) -> Result<SignedRequest, ReadError> {
        if !is_region(region) {
            return Err(ReadError::unexpected(self.call, "this is no region's name"));
        }
        match &self.form {
            Form::Json => self.json_request(endpoints, region),
            Form::Query(version) => self.query_request(version, endpoints, region),
            Form::S3(form) => form.request(self.call, endpoints, region),
        }
    }

    fn json_request(&self, endpoints: &Endpoints, region: &str) -> Result<SignedRequest, ReadError> {
        let unknown = || ReadError::unexpected(self.call, "there is no such service of JSON 1.1");
        let service = Service::of_call(self.call).ok_or_else(unknown)?;
        let prefix = service.target_prefix().ok_or_else(unknown)?;
        let action = self.call.split_once(':').map_or("", |(_, action)| action);
        Ok(SignedRequest {
            service: service.word(),
            region: region.to_owned(),
            method: "POST",
            url: endpoints.regional(service, region),
            headers: vec![("content-type", JSON.to_owned()), ("x-amz-target", format!("{prefix}.{action}"))],
            body: self.parameters.to_string().into_bytes(),
        })
    }
}

impl Asking {
    fn query_request(&self, version: &str, endpoints: &Endpoints, region: &str) -> Result<SignedRequest, ReadError> {
        let unknown = || ReadError::unexpected(self.call, "there is no such query API");
        let service = Service::of_call(self.call).ok_or_else(unknown)?;
        let action = self.call.split_once(':').map_or("", |(_, action)| action);
        let given = self.parameters.as_object().into_iter().flatten();
        let given = given.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
        let pairs = [("Action", action), ("Version", version)].into_iter().chain(given);
        let form: Vec<String> = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let (url, signing_region) = endpoints.global(service, region);
        Ok(SignedRequest {
            service: service.word(),
            region: signing_region,
            method: "POST",
            url,
            headers: vec![("content-type", QUERY.to_owned())],
            body: form.join("&").into_bytes(),
        })
    }
}

impl S3Form {
    fn request(&self, call: &'static str, endpoints: &Endpoints, region: &str) -> Result<SignedRequest, ReadError> {
        if !is_bucket(&self.bucket) {
            return Err(ReadError::unexpected(call, "this is no bucket's name"));
        }
        let path = match &self.key {
            None => endpoints.bucket(&self.bucket, region),
            // URLs lose such segments, however they are escaped: another object would be read.
            Some(key) if key.is_empty() || key.split('/').any(|segment| matches!(segment, "." | "..")) => {
                return Err(ReadError::unexpected(call, "no URL can hold the object's key"));
            }
            Some(key) => endpoints.object(&self.bucket, region, key),
        };
        let pair = |(name, value): &(&str, Option<String>)| match value {
            None => (*name).to_owned(),
            Some(value) => format!("{name}={}", escaped(value)),
        };
        let query = self.query.iter().map(pair).collect::<Vec<_>>().join("&");
        Ok(SignedRequest {
            service: Service::S3.word(),
            region: region.to_owned(),
            method: self.method,
            url: if query.is_empty() { path } else { format!("{path}?{query}") },
            headers: self.headers.clone(),
            body: self.body.clone(),
        })
    }
}

/// The partition of a region (botocore 1.44, `partitions.json`).
fn partition(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    partitions.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// Whether a text may stand in a host's name as a region does.
pub(crate) fn is_region(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= 40 && text.bytes().all(fits)
}

/// Whether a text may stand in a host or path as a bucket's name; old names had capitals and underscores.
fn is_bucket(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (3..=255).contains(&name.len()) && name.bytes().all(fits) && !name.contains("..") && !name.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn url(bucket: &str, key: Option<&str>, query: &[(&'static str, Option<&str>)]) -> Result<String, ReadError> {
        let query = query.iter().map(|(name, value)| (*name, value.map(str::to_owned))).collect();
        let form = S3Form { method: "GET", bucket: bucket.to_owned(), key: key.map(str::to_owned), query, ..S3Form::default() };
        Ok(form.request("s3:GetObject", &Endpoints::default(), "us-east-2")?.url)
    }

    #[test]
    fn a_json_question_names_its_target_and_carries_its_parameters() {
        let asking = Asking::json("cloudtrail:LookupEvents", json!({"MaxResults": 50}), None);
        let request = asking.request(&Endpoints::default(), "us-east-2").unwrap();
        assert_eq!(request.url, "https://cloudtrail.us-east-2.amazonaws.com/");
        let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";
        assert!(request.headers.contains(&("x-amz-target", target.to_owned())));
        assert!(request.headers.contains(&("content-type", JSON.to_owned())));
        assert_eq!(request.body, br#"{"MaxResults":50}"#);
    }

    #[test]
    fn a_query_is_a_form_with_its_action_and_version() {
        let parameters = [("RoleName".to_owned(), "a b+c".to_owned())];
        let asking = Asking::query("iam:GetRole", "2010-05-08", &parameters, "a b+c");
        let request = asking.request(&Endpoints::default(), "us-east-2").unwrap();
        assert_eq!((request.url.as_str(), request.region.as_str()), ("https://iam.amazonaws.com/", "us-east-1"));
        assert_eq!(request.body, b"Action=GetRole&Version=2010-05-08&RoleName=a%20b%2Bc");
        assert_eq!(asking.question("us-east-2").parameters, json!({"RoleName": "a b+c"}), "as evidence names it");
    }

    #[test]
    fn sub_resources_and_values_stand_in_the_query() {
        let host = "https://abc.s3.us-east-2.amazonaws.com";
        let versions = [("versions", None), ("prefix", Some("a b/ü&+"))];
        assert_eq!(url("abc", None, &versions).unwrap(), format!("{host}/?versions&prefix=a%20b%2F%C3%BC%26%2B"));
        assert_eq!(url("abc", None, &[("object-lock", None)]).unwrap(), format!("{host}/?object-lock"));
        assert_eq!(url("abc", Some("a//b?c"), &[]).unwrap(), format!("{host}/a//b%3Fc"));
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_not_asked_for() {
        for (bucket, key) in [
            ("evil.example/", Some("k")),
            ("a@b", Some("k")),
            ("a..b", Some("k")),
            ("abc", Some("a/../b")),
            ("abc", Some("./b")),
            ("abc", Some("")),
            ("ab", None),
            ("", None),
        ] {
            assert!(matches!(url(bucket, key, &[]), Err(ReadError::Unexpected { .. })), "{bucket} {key:?}");
        }
        let asking = Asking::json("logs:GetLogEvents", json!({}), None);
        assert!(asking.request(&Endpoints::default(), "evil.example/").is_err());
    }
}

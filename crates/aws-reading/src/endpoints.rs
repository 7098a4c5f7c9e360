//! Where the services are: AWS's own endpoints with their variants, or the configured ones.
//!
//! Pure but for [`Endpoints::of`], which reads a configuration that was loaded before.

use crate::service::Service;
use crate::signed::escaped;
use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use ssm_channel::{EndpointVariant, endpoint_host};
use std::collections::BTreeMap;

/// Where the services are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The URLs that are configured.
    pub configured: BTreeMap<Service, String>,
    /// The variant of AWS's own endpoints.
    pub variant: EndpointVariant,
}

impl Endpoints {
    /// What SDK clients would take from the same configuration: a service's own URL, else the one of all, else AWS's.
    pub fn of(config: &SdkConfig) -> Self {
        let of_service = |service: Service| {
            let key = ServiceConfigKey::builder().service_id(service.id()).env("AWS_ENDPOINT_URL").profile("endpoint_url");
            let own = config.service_config().zip(key.build().ok()).and_then(|(services, key)| services.load_config(key));
            let url = own.or_else(|| config.endpoint_url().map(str::to_owned))?;
            Some((service, url))
        };
        Self {
            configured: Service::ALL.into_iter().filter_map(of_service).collect(),
            variant: EndpointVariant {
                fips: config.use_fips().unwrap_or_default(),
                dual_stack: config.use_dual_stack().unwrap_or_default(),
            },
        }
    }

    /// The URL of a service that has one for a region, with a slash at its end.
    pub fn regional(&self, service: Service, region: &str) -> String {
        if let Some(url) = self.configured.get(&service) {
            return format!("{}/", url.trim_end_matches('/'));
        }
        let EndpointVariant { fips, dual_stack } = self.variant;
        let plain_is_fips = service.is_plain_in_govcloud() && region.starts_with("us-gov-") && !dual_stack;
        let suffix = if fips && !plain_is_fips { "-fips" } else { "" };
        format!("https://{}/", endpoint_host(&format!("{}{suffix}", service.word()), region, dual_stack))
    }

    /// The URL of a service that has one for a partition, with a slash at its end, and the region in whose name it is signed.
    ///
    /// Source: IAM's endpoints and quotas, and botocore 1.44 (`endpoints.json`).
    pub fn global(&self, service: Service, region: &str) -> (String, String) {
        let word = service.word();
        let fips = if self.variant.fips { "-fips" } else { "" };
        let (host, signing_region) = match region {
            region if region.starts_with("cn-") => (format!("{word}.cn-north-1.amazonaws.com.cn"), "cn-north-1"),
            // The plain name is the one that meets FIPS there.
            region if region.starts_with("us-gov-") => (format!("{word}.us-gov.amazonaws.com"), "us-gov-west-1"),
            _ => (format!("{word}{fips}.amazonaws.com"), "us-east-1"),
        };
        let url = self.configured.get(&service).map(|url| format!("{}/", url.trim_end_matches('/')));
        (url.unwrap_or_else(|| format!("https://{host}/")), signing_region.to_owned())
    }

    /// The URL of a bucket, with a slash at its end.
    ///
    /// A bucket is a host of its own, except where its certificate could not cover it or somebody else serves it.
    pub fn bucket(&self, bucket: &str, region: &str) -> String {
        if let Some(url) = self.configured.get(&Service::S3) {
            return format!("{}/{bucket}/", url.trim_end_matches('/'));
        }
        let label = match (self.variant.fips, self.variant.dual_stack) {
            (false, false) => "s3",
            (true, false) => "s3-fips",
            (false, true) => "s3.dualstack",
            (true, true) => "s3-fips.dualstack",
        };
        let host = endpoint_host(label, region, false);
        let is_label = bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_label { format!("https://{bucket}.{host}/") } else { format!("https://{host}/{bucket}/") }
    }

    /// The URL of an object.
    pub fn object(&self, bucket: &str, region: &str, key: &str) -> String {
        let key = key.split('/').map(escaped).collect::<Vec<_>>().join("/");
        format!("{}{key}", self.bucket(bucket, region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(fips: bool, dual_stack: bool) -> Endpoints {
        Endpoints { variant: EndpointVariant { fips, dual_stack }, ..Endpoints::default() }
    }

    fn at(service: Service, url: &str, endpoints: &Endpoints) -> Endpoints {
        Endpoints { configured: BTreeMap::from([(service, url.to_owned())]), ..endpoints.clone() }
    }

    /// As botocore's endpoint rules answer (measured for these services, regions and variants).
    #[test]
    fn endpoints_are_awss() {
        for (service, region, (fips, dual_stack), url) in [
            (Service::Logs, "us-east-2", (false, false), "https://logs.us-east-2.amazonaws.com/"),
            (Service::Logs, "us-east-2", (true, true), "https://logs-fips.us-east-2.api.aws/"),
            (Service::Logs, "us-gov-west-1", (true, false), "https://logs.us-gov-west-1.amazonaws.com/"),
            (Service::Logs, "us-gov-west-1", (true, true), "https://logs-fips.us-gov-west-1.api.aws/"),
            (Service::Logs, "cn-north-1", (false, false), "https://logs.cn-north-1.amazonaws.com.cn/"),
            (Service::CloudTrail, "us-east-2", (true, false), "https://cloudtrail-fips.us-east-2.amazonaws.com/"),
            (Service::CloudTrail, "us-gov-east-1", (true, false), "https://cloudtrail.us-gov-east-1.amazonaws.com/"),
            (Service::CloudTrail, "cn-north-1", (false, true), "https://cloudtrail.cn-north-1.api.amazonwebservices.com.cn/"),
            (Service::Ssm, "us-gov-west-1", (true, false), "https://ssm.us-gov-west-1.amazonaws.com/"),
            (Service::Ssm, "eu-west-1", (false, true), "https://ssm.eu-west-1.api.aws/"),
            (Service::Ecs, "us-gov-west-1", (true, false), "https://ecs-fips.us-gov-west-1.amazonaws.com/"),
            (Service::Ecs, "us-east-2", (true, true), "https://ecs-fips.us-east-2.api.aws/"),
        ] {
            assert_eq!(variant(fips, dual_stack).regional(service, region), url);
        }
    }

    #[test]
    fn a_partition_has_one_endpoint_of_iam() {
        for (region, fips, url, signing_region) in [
            ("us-east-2", false, "https://iam.amazonaws.com/", "us-east-1"),
            ("eu-west-1", true, "https://iam-fips.amazonaws.com/", "us-east-1"),
            ("us-gov-east-1", true, "https://iam.us-gov.amazonaws.com/", "us-gov-west-1"),
            ("cn-northwest-1", false, "https://iam.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
        ] {
            assert_eq!(variant(fips, false).global(Service::Iam, region), (url.to_owned(), signing_region.to_owned()));
        }
        let configured = at(Service::Iam, "http://127.0.0.1:1", &Endpoints::default());
        assert_eq!(configured.global(Service::Iam, "us-east-2").0, "http://127.0.0.1:1/");
    }

    #[test]
    fn a_configured_endpoint_is_taken_as_it_is() {
        let configured = at(Service::Logs, "http://127.0.0.1:1", &variant(true, true));
        assert_eq!(configured.regional(Service::Logs, "us-east-2"), "http://127.0.0.1:1/");
        assert_eq!(configured.regional(Service::Ssm, "us-east-2"), "https://ssm-fips.us-east-2.api.aws/");
    }

    #[test]
    fn a_bucket_is_a_host_unless_that_cannot_be() {
        let object = |endpoints: Endpoints, bucket| endpoints.object(bucket, "eu-west-1", "a b/é.json");
        assert_eq!(object(variant(false, false), "abc"), "https://abc.s3.eu-west-1.amazonaws.com/a%20b/%C3%A9.json");
        assert_eq!(object(variant(true, true), "abc"), "https://abc.s3-fips.dualstack.eu-west-1.amazonaws.com/a%20b/%C3%A9.json");
        assert_eq!(object(variant(false, false), "a.bc"), "https://s3.eu-west-1.amazonaws.com/a.bc/a%20b/%C3%A9.json");
        assert_eq!(object(variant(false, false), "Old_one"), "https://s3.eu-west-1.amazonaws.com/Old_one/a%20b/%C3%A9.json");
        let configured = at(Service::S3, "http://127.0.0.1:1/", &Endpoints::default());
        assert_eq!(object(configured, "abc"), "http://127.0.0.1:1/abc/a%20b/%C3%A9.json");
        assert_eq!(variant(false, false).bucket("abc", "cn-north-1"), "https://abc.s3.cn-north-1.amazonaws.com.cn/");
    }
}

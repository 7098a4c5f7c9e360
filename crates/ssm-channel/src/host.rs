//! Decides which hosts may receive a data channel. Owns AWS's naming of the endpoint; opens nothing.

/// Names the variant of an AWS endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointVariant {
    /// Asks for FIPS-validated cryptography.
    pub fips: bool,
    /// Asks for IPv4 and IPv6.
    pub dual_stack: bool,
}

/// Lists what a stream URL may name.
///
/// Without extra hosts only the endpoint names of one region pass, compared label by label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostPolicy {
    /// The region of the session; every accepted AWS name carries it.
    pub region: String,
    /// More hosts: an exact name, or `*.` and a suffix for at least one label before it.
    pub extra_hosts: Vec<String>,
    /// Accepts loopback hosts and, only there, plain `ws://`.
    pub insecure_loopback: bool,
}

/// One AWS partition's DNS suffixes.
struct Partition {
    region_prefix: &'static str,
    suffix: &'static str,
    dual_stack_suffix: Option<&'static str>,
}

/// Partitions by region prefix, the most specific first; the last one is the default.
///
/// Source: the `partitions.json` that AWS SDKs carry.
const PARTITIONS: &[Partition] = &[
    Partition::new("cn-", "amazonaws.com.cn", Some("api.amazonwebservices.com.cn")),
    Partition::new("us-gov-", "amazonaws.com", Some("api.aws")),
    Partition::new("us-isob-", "sc2s.sgov.gov", Some("api.aws.scloud")),
    Partition::new("us-isof-", "csp.hci.ic.gov", Some("api.aws.hci.ic.gov")),
    Partition::new("us-iso-", "c2s.ic.gov", Some("api.aws.ic.gov")),
    Partition::new("eu-isoe-", "cloud.adc-e.uk", Some("api.cloud-aws.adc-e.uk")),
    Partition::new("eusc-", "amazonaws.eu", Some("api.amazonwebservices.eu")),
    Partition::new("", "amazonaws.com", Some("api.aws")),
];

impl Partition {
    const fn new(region_prefix: &'static str, suffix: &'static str, dual_stack_suffix: Option<&'static str>) -> Self {
        Self { region_prefix, suffix, dual_stack_suffix }
    }
}

fn partition(region: &str) -> &'static Partition {
    PARTITIONS
        .iter()
        .find(|candidate| region.starts_with(candidate.region_prefix))
        .expect("the last partition has an empty prefix")
}

/// Names the endpoint to dial before a stream URL is known.
///
/// A partition without dual-stack names answers with its IPv4 name.
pub fn default_host(region: &str, variant: EndpointVariant) -> String {
    endpoint_host(if variant.fips { "ssmmessages-fips" } else { "ssmmessages" }, region, variant.dual_stack)
}

/// Names the endpoint of a service in a region; `service` is the first label of the name.
///
/// A partition without dual-stack names answers with its IPv4 name.
pub fn endpoint_host(service: &str, region: &str, dual_stack: bool) -> String {
    let partition = partition(region);
    let suffix = match partition.dual_stack_suffix {
        Some(suffix) if dual_stack => suffix,
        _ => partition.suffix,
    };
    format!("{service}.{region}.{suffix}")
}

impl HostPolicy {
    /// Tells whether a lower-case host is an AWS endpoint of the region or an extra host.
    pub(crate) fn allows(&self, host: &str) -> bool {
        self.is_endpoint(host) || self.extra_hosts.iter().any(|entry| matches_entry(entry, host))
    }

    /// Tells whether a lower-case host is an AWS endpoint of the region, VPC endpoints included.
    pub(crate) fn is_endpoint(&self, host: &str) -> bool {
        let regional = [false, true].into_iter().any(|fips| {
            [false, true].into_iter().any(|dual_stack| host == default_host(&self.region, EndpointVariant { fips, dual_stack }))
        });
        regional || self.is_vpc_endpoint(host)
    }

    /// Accepts `vpce-….ssmmessages[-fips].<region>.vpce.<suffix>`, with or without a zone.
    fn is_vpc_endpoint(&self, host: &str) -> bool {
        let Some((label, rest)) = host.split_once('.') else { return false };
        let suffix = partition(&self.region).suffix;
        let named =
            ["ssmmessages", "ssmmessages-fips"].iter().any(|service| rest == format!("{service}.{}.vpce.{suffix}", self.region));
        named && label.strip_prefix("vpce-").is_some_and(|id| !id.is_empty())
    }
}

fn matches_entry(entry: &str, host: &str) -> bool {
    let entry = entry.trim().to_ascii_lowercase();
    match entry.strip_prefix("*.") {
        Some(suffix) => host
            .strip_suffix(suffix)
            .and_then(|front| front.strip_suffix('.'))
            .is_some_and(|front| !front.is_empty() && !suffix.is_empty()),
        None => entry == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(region: &str) -> HostPolicy {
        HostPolicy { region: region.to_owned(), ..HostPolicy::default() }
    }

    #[test]
    fn endpoints_follow_the_partition_and_the_variant() {
        let plain = EndpointVariant::default();
        let both = EndpointVariant { fips: true, dual_stack: true };
        let table = [
            ("us-east-2", plain, "ssmmessages.us-east-2.amazonaws.com"),
            ("us-east-2", both, "ssmmessages-fips.us-east-2.api.aws"),
            ("us-gov-west-1", EndpointVariant { fips: true, ..plain }, "ssmmessages-fips.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", plain, "ssmmessages.cn-north-1.amazonaws.com.cn"),
            ("us-iso-east-1", plain, "ssmmessages.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", plain, "ssmmessages.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", plain, "ssmmessages.eusc-de-east-1.amazonaws.eu"),
        ];
        for (region, variant, expected) in table {
            assert_eq!(default_host(region, variant), expected);
            assert!(policy(region).allows(expected), "{expected}");
        }
    }

    #[test]
    fn hosts_pass_by_whole_labels_only() {
        let policy = policy("us-east-2");
        for good in [
            "ssmmessages.us-east-2.amazonaws.com",
            "ssmmessages-fips.us-east-2.amazonaws.com",
            "ssmmessages.us-east-2.api.aws",
            "vpce-0abc-x1y2.ssmmessages.us-east-2.vpce.amazonaws.com",
            "vpce-0abc-x1y2-us-east-2a.ssmmessages.us-east-2.vpce.amazonaws.com",
        ] {
            assert!(policy.allows(good), "{good}");
        }
        for bad in [
            "ssmmessages.us-east-2.amazonaws.com.evil.tld",
            "ssmmessages.us-east-1.amazonaws.com",
            "ssmmessages.us-east-2.amazonaws.com.cn",
            "evilssmmessages.us-east-2.amazonaws.com",
            "x.ssmmessages.us-east-2.amazonaws.com",
            "ssmmessages.us-east-2.amazonaws.com.",
            "vpce-.ssmmessages.us-east-2.vpce.amazonaws.com",
            "a.vpce-1.ssmmessages.us-east-2.vpce.amazonaws.com",
            "vpce-1.ec2.us-east-2.vpce.amazonaws.com",
            "127.0.0.1",
            "",
        ] {
            assert!(!policy.allows(bad), "{bad}");
        }
    }

    #[test]
    fn extra_hosts_are_exact_or_a_suffix_behind_a_label() {
        let policy = HostPolicy {
            extra_hosts: vec!["Gateway.Example".into(), "*.corp.example".into(), "*.".into()],
            ..policy("us-east-2")
        };
        assert!(policy.allows("gateway.example"));
        assert!(policy.allows("a.corp.example"));
        for bad in ["x.gateway.example", "corp.example", "evilcorp.example", "a.corp.example.tld"] {
            assert!(!policy.allows(bad), "{bad}");
        }
    }
}

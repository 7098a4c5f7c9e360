//! The services that are read: their names on the wire, in signatures, in configuration and in hosts.
//!
//! Pure data.

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// CloudWatch Logs.
    Logs,
    /// CloudTrail.
    CloudTrail,
    /// Systems Manager.
    Ssm,
    /// The Elastic Container Service.
    Ecs,
    /// S3.
    S3,
    /// Identity and Access Management, which has one endpoint a partition.
    Iam,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Logs, Self::CloudTrail, Self::Ssm, Self::Ecs, Self::S3, Self::Iam];

    /// The name in signatures, in permissions and as the first label of hosts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::CloudTrail => "cloudtrail",
            Self::Ssm => "ssm",
            Self::Ecs => "ecs",
            Self::S3 => "s3",
            Self::Iam => "iam",
        }
    }

    /// The service that a call such as `logs:GetLogEvents` is for.
    pub fn of_call(call: &str) -> Option<Self> {
        let word = call.split(':').next()?;
        Self::ALL.into_iter().find(|service| service.word() == word)
    }

    /// The id under which configuration names its endpoint (the SDKs' service-specific endpoints).
    pub fn id(self) -> &'static str {
        match self {
            Self::Logs => "CloudWatch Logs",
            Self::CloudTrail => "CloudTrail",
            Self::Ssm => "SSM",
            Self::Ecs => "ECS",
            Self::S3 => "S3",
            Self::Iam => "IAM",
        }
    }

    /// What stands before the action in `X-Amz-Target`; none for a service of another protocol.
    pub fn target_prefix(self) -> Option<&'static str> {
        match self {
            Self::Logs => Some("Logs_20140328"),
            Self::CloudTrail => Some("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"),
            Self::Ssm => Some("AmazonSSM"),
            Self::Ecs => Some("AmazonEC2ContainerServiceV20141113"),
            Self::S3 | Self::Iam => None,
        }
    }

    /// Whether GovCloud's plain IPv4 endpoints are the FIPS ones (the services' endpoint rules, botocore 1.4x).
    pub(crate) fn is_plain_in_govcloud(self) -> bool {
        matches!(self, Self::Logs | Self::CloudTrail | Self::Ssm)
    }
}

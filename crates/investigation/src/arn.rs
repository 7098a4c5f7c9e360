//! Amazon resource names of ECS clusters and tasks, and the `ecs:` target string of the SSM data channel.
//!
//! Owns their grammar in both directions. Does not know whether the thing exists.

use std::fmt;
use std::sync::Arc;

/// Why a text is not the ARN, name or id that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// The text has an ARN's prefix but not its six parts.
    #[error("`{0}` is not an ARN (arn:PARTITION:ecs:REGION:ACCOUNT:RESOURCE)")]
    Malformed(String),
    /// The ARN names something else than what was asked for.
    #[error("`{found}` is the ARN of another kind of resource, not of {wanted}")]
    WrongResource {
        /// What the caller needs, as a noun phrase.
        wanted: &'static str,
        /// The text that was given.
        found: String,
    },
    /// A name or id has characters that ECS never gives out.
    #[error("`{0}` has characters that no ECS name or id has (letters, digits, `-` and `_` only)")]
    Characters(String),
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
}

/// A task's full ARN, `arn:<partition>:ecs:<region>:<account>:task/<cluster>/<id>`.
///
/// One text, shared by its clones: a program that looks at many tasks holds each ARN many times.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskArn {
    text: Arc<str>,
    /// Lengths of partition, region, account and cluster; zero for a cluster that is not named.
    lengths: [u8; 4],
}

impl TaskArn {
    /// Parses a task ARN, also the short form without the cluster's name that old accounts still use.
    ///
    /// # Errors
    /// [`ArnError`] when the text is no ARN, or one of something else.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let parts = split_ecs_arn(text, "a task")?;
        let mut resource = parts.resource.split('/');
        let (Some("task"), Some(second), third, None) = (resource.next(), resource.next(), resource.next(), resource.next())
        else {
            return Err(ArnError::WrongResource { wanted: "a task", found: text.to_owned() });
        };
        let ecs_cluster = if third.is_some() { check(second)? } else { "" };
        check(third.unwrap_or(second))?;
        // No part that was checked is longer than 255 bytes.
        let lengths = [parts.partition, parts.region, parts.account, ecs_cluster];
        let lengths = lengths.map(|part| u8::try_from(part.len()).unwrap_or(u8::MAX));
        Ok(Self { text: text.into(), lengths })
    }

    /// The partition, such as `aws` or `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.part(0)
    }

    /// The region, such as `us-east-2`.
    pub fn region(&self) -> &str {
        self.part(1)
    }

    /// The account, twelve digits.
    pub fn account(&self) -> &str {
        self.part(2)
    }

    /// The ECS cluster's name; absent in the short form.
    pub fn ecs_cluster(&self) -> Option<&str> {
        Some(self.part(3)).filter(|name| !name.is_empty())
    }

    /// The task's id, usually 32 hexadecimal digits.
    pub fn task_id(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    fn part(&self, number: usize) -> &str {
        /// What stands before each part.
        const BEFORE: [usize; 4] = ["arn:".len(), ":ecs:".len(), ":".len(), ":task/".len()];
        let length = |at: usize| usize::from(self.lengths[at]);
        let begin = (0..number).map(|at| BEFORE[at] + length(at)).sum::<usize>() + BEFORE[number];
        self.text.get(begin..begin + length(number)).unwrap_or_default()
    }
}

impl fmt::Display for TaskArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An ECS cluster as a person names it: by name or by ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRef {
    name: String,
    arn_region: Option<String>,
}

impl ClusterRef {
    /// Parses a cluster's name or ARN.
    ///
    /// # Errors
    /// [`ArnError`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        if !text.starts_with("arn:") {
            return Ok(Self { name: checked(text)?, arn_region: None });
        }
        let parts = split_ecs_arn(text, "a cluster")?;
        let Some(name) = parts.resource.strip_prefix("cluster/") else {
            return Err(ArnError::WrongResource { wanted: "a cluster", found: text.to_owned() });
        };
        Ok(Self { name: checked(name)?, arn_region: Some(parts.region.to_owned()) })
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The region, when an ARN was given.
    pub fn region(&self) -> Option<&str> {
        self.arn_region.as_deref()
    }
}

/// A task as a person names it: by ARN, by full id, or by the beginning of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskRef {
    /// A full ARN.
    Arn(TaskArn),
    /// A full id: 32 hexadecimal digits, or the 36-character form of the first years.
    Id(String),
    /// Anything shorter: the beginning of an id.
    Prefix(String),
}

impl TaskRef {
    /// Parses what was typed.
    ///
    /// # Errors
    /// [`ArnError`] when it can be none of the three.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        if text.starts_with("arn:") {
            return TaskArn::parse(text).map(Self::Arn);
        }
        let id = checked(text)?;
        let full = matches!(id.len(), 32 | 36) && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        Ok(if full { Self::Id(id) } else { Self::Prefix(id) })
    }
}

/// Builds the target string that ECS Exec uses on the data channel: `ecs:<cluster>_<task id>_<runtime id>`.
///
/// It must be the agent's byte for byte: it is part of the KMS encryption context.
/// Source: amazon-ssm-agent `common/identity/availableidentities/ecs/ecs_identity.go`.
pub fn ssm_target(ecs_cluster: &str, task_id: &str, runtime_id: &str) -> String {
    format!("ecs:{ecs_cluster}_{task_id}_{runtime_id}")
}

struct ArnParts<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

fn split_ecs_arn<'a>(text: &'a str, wanted: &'static str) -> Result<ArnParts<'a>, ArnError> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts[..] else {
        return Err(ArnError::Malformed(text.to_owned()));
    };
    if arn != "arn" || [partition, region, account].iter().any(|part| check(part).is_err()) {
        return Err(ArnError::Malformed(text.to_owned()));
    }
    if service != "ecs" {
        return Err(ArnError::WrongResource { wanted, found: text.to_owned() });
    }
    Ok(ArnParts { partition, region, account, resource })
}

fn checked(text: &str) -> Result<String, ArnError> {
    check(text).map(str::to_owned)
}

fn check(text: &str) -> Result<&str, ArnError> {
    if text.is_empty() {
        return Err(ArnError::Empty);
    }
    if text.len() > 255 || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(ArnError::Characters(text.chars().take(64).flat_map(char::escape_default).collect()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_task_arn_round_trips() {
        let text = format!("arn:aws-us-gov:ecs:us-gov-west-1:123456789012:task/rosa-boundary-dev/{ID}");
        let arn = TaskArn::parse(&text).unwrap();
        assert_eq!((arn.partition(), arn.region(), arn.account()), ("aws-us-gov", "us-gov-west-1", "123456789012"));
        assert_eq!(arn.ecs_cluster(), Some("rosa-boundary-dev"));
        assert_eq!(arn.task_id(), ID);
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn the_short_form_of_old_accounts_has_no_cluster() {
        let arn = TaskArn::parse(&format!("arn:aws:ecs:us-east-2:123456789012:task/{ID}")).unwrap();
        assert_eq!((arn.account(), arn.ecs_cluster(), arn.task_id()), ("123456789012", None, ID));
    }

    #[test]
    fn another_resource_is_named_as_such() {
        let error = TaskArn::parse("arn:aws:ecs:us-east-2:123456789012:cluster/dev").unwrap_err();
        assert!(matches!(error, ArnError::WrongResource { wanted: "a task", .. }));
        assert!(TaskArn::parse("arn:aws:s3:::bucket").is_err());
    }

    #[test]
    fn what_was_typed_is_an_arn_an_id_or_a_prefix() {
        assert_eq!(TaskRef::parse(ID).unwrap(), TaskRef::Id(ID.to_owned()));
        assert_eq!(TaskRef::parse("0123").unwrap(), TaskRef::Prefix("0123".to_owned()));
        assert!(matches!(TaskRef::parse("a b"), Err(ArnError::Characters(_))));
        assert_eq!(TaskRef::parse(""), Err(ArnError::Empty));
    }

    #[test]
    fn an_escape_sequence_never_reaches_the_error_text_raw() {
        let text = TaskRef::parse("\u{1b}]0;x\u{7}").unwrap_err().to_string();
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}"), "{text}");
    }

    #[test]
    fn the_ssm_target_joins_with_underscores() {
        assert_eq!(ssm_target("dev", "abc", "abc-1234567890"), "ecs:dev_abc_abc-1234567890");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = TaskArn::parse(&text);
            let _ = ClusterRef::parse(&text);
            let _ = TaskRef::parse(&text);
        }
    }
}

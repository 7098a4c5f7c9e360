//! A source as the operator configures it, and what a wrong one is called.
//!
//! Owns the keys of a source's table and their check. Reading the file is the program's.

use crate::facts::Place;
use cli_kit::printable;
use investigation::ClusterRef;
use serde::Deserialize;
use std::collections::BTreeSet;

/// How many calls one source makes at once.
const CALLS_AT_ONCE: usize = 4;

/// The most that an operator may set; ECS's own limits are per account and region. Source: ECS API, request throttling.
const CALLS_AT_ONCE_MAX: usize = 16;

/// An ECS cluster to look at. `AWS_ENDPOINT_URL`, the proxies and the CA bundle come from the environment, as the SDK reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What we call it, in names, plans and records.
    pub name: String,
    /// Its region.
    pub region: String,
    /// The ECS cluster's name; not the investigated cluster's.
    pub ecs_cluster: String,
    /// The account, twelve digits; the caller must belong to it.
    #[serde(default)]
    pub account: Option<String>,
    /// The profile whose credentials are used; else the SDK's own chain.
    #[serde(default)]
    pub profile: Option<String>,
    /// The ARN of a role to assume, in the source's account.
    #[serde(default)]
    pub assume_role: Option<String>,
    /// The external id that the role's trust asks for.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Whether the environment of task definitions is read, for tasks that tags do not explain. Costs a call per definition, once.
    #[serde(default)]
    pub task_definitions: bool,
    /// How many calls are made at once.
    #[serde(default = "calls_at_once")]
    pub calls_at_once: usize,
}

fn calls_at_once() -> usize {
    CALLS_AT_ONCE
}

/// Why a source cannot be meant so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It has no usable name.
    #[error("use `{}` as a source's name: 1 to 64 letters, digits, `-` and `_`", printable(.0, 64))]
    Name(String),
    /// A key has a value that AWS has no such thing for.
    #[error("use `{}` as {key} of the source {name}: {wanted}", printable(value, 200))]
    Value {
        /// The source.
        name: String,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// Two sources have one name.
    #[error("use the name {0} for two sources")]
    Twice(String),
    /// An external id is for a role.
    #[error("use an external_id in the source {0}, which has no assume_role")]
    ExternalIdAlone(String),
}

impl Source {
    /// A source with nothing but what it must have.
    pub fn new(name: &str, region: &str, ecs_cluster: &str) -> Self {
        Self {
            name: name.to_owned(),
            region: region.to_owned(),
            ecs_cluster: ecs_cluster.to_owned(),
            account: None,
            profile: None,
            assume_role: None,
            external_id: None,
            task_definitions: false,
            calls_at_once: CALLS_AT_ONCE,
        }
    }

    /// Checks every value's form.
    ///
    /// # Errors
    /// [`SourceError`] for the first that is wrong.
    pub fn check(&self) -> Result<(), SourceError> {
        if !is_word(&self.name, 64) {
            return Err(SourceError::Name(self.name.clone()));
        }
        self.fits("region", Some(&self.region), is_region, "a region such as us-east-2")?;
        self.fits("ecs_cluster", Some(&self.ecs_cluster), is_cluster_name, "an ECS cluster's name, not its ARN")?;
        self.fits("account", self.account.as_ref(), is_account, "twelve digits")?;
        self.fits("profile", self.profile.as_ref(), |text| !text.is_empty(), "a profile's name")?;
        self.fits("assume_role", self.assume_role.as_ref(), is_role_arn, "arn:PARTITION:iam::ACCOUNT:role/NAME")?;
        self.fits("external_id", self.external_id.as_ref(), is_external_id, "2 to 1224 letters, digits and +=,.@:/_-")?;
        let calls = Some(self.calls_at_once.to_string());
        self.fits("calls_at_once", calls.as_ref(), |_| (1..=CALLS_AT_ONCE_MAX).contains(&self.calls_at_once), "1 to 16")?;
        if self.external_id.is_some() && self.assume_role.is_none() {
            return Err(SourceError::ExternalIdAlone(self.name.clone()));
        }
        Ok(())
    }

    /// Checks every source, and that each has a name of its own.
    ///
    /// # Errors
    /// [`SourceError`] for the first that is wrong.
    pub fn check_all(sources: &[Self]) -> Result<(), SourceError> {
        let mut names = BTreeSet::new();
        let twice = sources.iter().find(|source| !names.insert(&source.name));
        twice.map_or(Ok(()), |source| Err(SourceError::Twice(source.name.clone())))?;
        sources.iter().try_for_each(Self::check)
    }

    fn fits(
        &self,
        key: &'static str,
        value: Option<&String>,
        fits: impl Fn(&str) -> bool,
        wanted: &'static str,
    ) -> Result<(), SourceError> {
        match value.filter(|value| !fits(value)) {
            Some(value) => Err(SourceError::Value { name: self.name.clone(), key, value: value.clone(), wanted }),
            None => Ok(()),
        }
    }

    /// Where the source is, as far as its own words tell: for a scan that could not ask who we are.
    pub(super) fn supposed_place(&self) -> Place {
        let of_role = self.assume_role.as_deref().and_then(|arn| arn.split(':').nth(4));
        Place {
            partition: partition_of(&self.region).to_owned(),
            account: self.account.as_deref().or(of_role).unwrap_or_default().to_owned(),
            region: self.region.clone(),
            ecs_cluster: self.ecs_cluster.clone(),
        }
    }
}

/// The partition of a region. Source: AWS's list of partitions.
fn partition_of(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
    ];
    partitions.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

fn is_word(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn is_region(text: &str) -> bool {
    (3..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_cluster_name(text: &str) -> bool {
    ClusterRef::parse(text).is_ok_and(|cluster| cluster.name() == text)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else { return false };
    is_word(partition, 20) && is_account(account) && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty())
}

/// Source: the STS API, `AssumeRole`, `ExternalId`.
fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@:/_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Source)) -> String {
        let mut source = Source::new("prod", "us-east-2", "rosa-boundary-dev");
        change(&mut source);
        source.check().map_or_else(|error| error.to_string(), |()| "fits".to_owned())
    }

    #[test]
    fn a_whole_source_is_read_and_an_unknown_key_is_an_error() {
        let text = "name = 'prod'\nregion = 'us-east-2'\necs_cluster = 'rosa-boundary-dev'\naccount = '123456789012'\nprofile = 'p'\n\
            assume_role = 'arn:aws:iam::123456789012:role/sync'\nexternal_id = 'x-1'\ntask_definitions = true\ncalls_at_once = 2\n";
        let source: Source = toml::from_str(text).unwrap();
        assert_eq!(source.check(), Ok(()));
        assert_eq!((source.calls_at_once, source.task_definitions), (2, true));
        let short: Source = toml::from_str("name = 'a'\nregion = 'eu-west-1'\necs_cluster = 'c'").unwrap();
        assert_eq!(short, Source::new("a", "eu-west-1", "c"));
        let error = toml::from_str::<Source>(&format!("{text}acount = '1'")).unwrap_err();
        assert!(error.to_string().contains("acount"), "{error}");
    }

    #[test]
    fn each_wrong_value_is_told_with_its_key() {
        assert_eq!(refused(|_| ()), "fits");
        for (key, refusal) in [
            ("source's name", refused(|source| source.name = "a b".to_owned())),
            ("region", refused(|source| source.region = "us_east".to_owned())),
            ("ecs_cluster", refused(|source| source.ecs_cluster = "arn:aws:ecs:us-east-2:123456789012:cluster/c".to_owned())),
            ("account", refused(|source| source.account = Some("1234".to_owned()))),
            ("profile", refused(|source| source.profile = Some(String::new()))),
            ("assume_role", refused(|source| source.assume_role = Some("sync".to_owned()))),
            ("external_id", refused(|source| source.external_id = Some("x-1".to_owned()))),
            ("calls_at_once", refused(|source| source.calls_at_once = 0)),
        ] {
            assert!(refusal.contains(key), "{key}: {refusal}");
        }
    }

    #[test]
    fn two_sources_cannot_have_one_name() {
        let source = |name: &str| Source::new(name, "us-east-2", "c");
        assert_eq!(Source::check_all(&[source("a"), source("b")]), Ok(()));
        assert_eq!(Source::check_all(&[source("a"), source("b"), source("a")]), Err(SourceError::Twice("a".to_owned())));
    }

    #[test]
    fn a_hostile_value_is_shown_harmless() {
        let refusal = refused(|source| source.region = "\u{1b}[2J\u{202e}".to_owned());
        assert!(!refusal.contains('\u{1b}') && !refusal.contains('\u{202e}'), "{refusal:?}");
    }

    #[test]
    fn a_supposed_place_follows_region_and_role() {
        let mut source = Source::new("gov", "us-gov-west-1", "c");
        source.assume_role = Some("arn:aws-us-gov:iam::210987654321:role/sync".to_owned());
        let place = source.supposed_place();
        assert_eq!((place.partition.as_str(), place.account.as_str()), ("aws-us-gov", "210987654321"));
    }
}

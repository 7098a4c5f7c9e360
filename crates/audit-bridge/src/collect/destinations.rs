//! Where the clusters of one account and region send their transcripts, as their settings were read.
//!
//! Owns which log groups are read, and which of them a task's transcript must be in.

use super::haul::{KeepError, Ledger};
use super::place::AwsPlace;
use audit_facts::{Body, Posture, PostureItem};
use investigation::TaskArn;
use jiff::Timestamp;
use record_delivery::LogGroup;
use std::collections::{BTreeMap, BTreeSet};

/// What a cluster does with transcripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The log group.
    pub(crate) log_group: Option<String>,
    /// The bucket.
    pub(crate) bucket: Option<String>,
}

/// The clusters of one account and region by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Destinations {
    clusters: BTreeMap<String, Destination>,
}

impl Destinations {
    /// Reads them from what is stored of the clusters' settings.
    pub(crate) fn of(place: &AwsPlace<'_>, ledger: &Ledger<'_>) -> Result<Self, KeepError> {
        let facts = ledger.state.places()?.facts;
        let postures = facts.iter().filter_map(|fact| match &fact.body {
            Body::Posture(posture) => Some(posture),
            _ => None,
        });
        Ok(Self::read(postures, place.account, &place.source.region))
    }

    fn read<'p>(postures: impl Iterator<Item = &'p Posture>, account: &str, region: &str) -> Self {
        let mut last: BTreeMap<String, (Timestamp, Destination)> = BTreeMap::new();
        for posture in postures {
            let PostureItem::ExecLogging { log_group, bucket, .. } = &posture.item else { continue };
            let Some(name) = cluster_name(&posture.subject, account, region) else { continue };
            if last.get(name).is_none_or(|(at, _)| *at <= posture.at) {
                let destination = Destination { log_group: log_group.clone(), bucket: bucket.clone() };
                last.insert(name.to_owned(), (posture.at, destination));
            }
        }
        Self { clusters: last.into_iter().map(|(name, (_, destination))| (name, destination)).collect() }
    }

    /// The log groups with transcripts: those of the configuration and those of the clusters.
    pub(crate) fn log_groups(&self, place: &AwsPlace<'_>) -> BTreeSet<String> {
        let configured = place.source.exec_log_groups.iter().map(|text| group_here(place, text));
        configured.chain(self.clusters.values().filter_map(|it| it.log_group.clone())).collect()
    }

    /// The buckets with transcripts.
    pub(crate) fn buckets(&self) -> BTreeSet<String> {
        self.clusters.values().filter_map(|it| it.bucket.clone()).collect()
    }

    /// Where a task's transcript goes; none when its cluster names no place of its own.
    pub(crate) fn of_task(&self, task_arn: Option<&str>) -> Option<&Destination> {
        let arn = TaskArn::parse(task_arn?).ok()?;
        self.clusters.get(arn.ecs_cluster()?).filter(|it| it.log_group.is_some() || it.bucket.is_some())
    }
}

/// A log group's name, where it is of this account and region; else its ARN.
pub(crate) fn group_here(place: &AwsPlace<'_>, text: &str) -> String {
    let text = text.trim_end_matches(":*");
    match LogGroup::parse(text) {
        Ok(group)
            if group.home.as_ref().is_none_or(|home| home.account == place.account && home.region == place.source.region) =>
        {
            group.name
        }
        _ => text.to_owned(),
    }
}

/// The name in a cluster's ARN, `arn:PARTITION:ecs:REGION:ACCOUNT:cluster/NAME`.
fn cluster_name<'a>(arn: &'a str, account: &str, region: &str) -> Option<&'a str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "ecs", of_region, of_account, cluster] = parts[..] else { return None };
    cluster.strip_prefix("cluster/").filter(|_| of_region == region && of_account == account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posture(at: i64, cluster: &str, log_group: Option<&str>) -> Posture {
        let item = PostureItem::ExecLogging {
            logging: Some("OVERRIDE".to_owned()),
            log_group: log_group.map(str::to_owned),
            bucket: None,
            kms: false,
        };
        let subject = format!("arn:aws:ecs:us-east-2:{cluster}");
        Posture { at: Timestamp::from_second(at).unwrap(), subject, item }
    }

    #[test]
    fn the_last_setting_of_a_cluster_of_this_account_counts() {
        let postures = [
            posture(2, "123456789012:cluster/dev", Some("/new")),
            posture(1, "123456789012:cluster/dev", Some("/old")),
            posture(3, "210987654321:cluster/dev", Some("/elsewhere")),
            posture(3, "123456789012:cluster/bare", None),
        ];
        let read = Destinations::read(postures.iter(), "123456789012", "us-east-2");
        let task = |cluster: &str| format!("arn:aws:ecs:us-east-2:123456789012:task/{cluster}/{}", "a".repeat(32));
        assert_eq!(read.of_task(Some(&task("dev"))).unwrap().log_group.as_deref(), Some("/new"));
        assert_eq!(read.of_task(Some(&task("bare"))), None);
        assert_eq!(read.of_task(Some(&task("other"))), None);
        assert_eq!(read.of_task(None), None);
    }
}

//! The ECS cluster: is it there, and how does it want sessions encrypted and logged.

use super::check::{Check, Group, Reading, Unread};
use crate::args::Encryption;
use aws_identity::explain;
use aws_sdk_ecs::types::{Cluster, ClusterField, ExecuteCommandLogConfiguration, ExecuteCommandLogging};

const GROUP: Group = Group::Cluster;

/// What is known of the cluster.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ClusterFacts {
    /// Its ARN.
    pub(super) arn: String,
    /// `ACTIVE`, `INACTIVE` and others.
    pub(super) status: String,
    /// `NONE`, `DEFAULT`, `OVERRIDE`; empty when nothing is configured.
    pub(super) logging: String,
    /// The KMS key of the data channel.
    pub(super) kms_key: Option<String>,
    /// The CloudWatch log group.
    pub(super) log_group: Option<String>,
    /// Whether the log group must be encrypted.
    pub(super) log_group_encrypted: bool,
    /// The S3 bucket.
    pub(super) bucket: Option<String>,
    /// Whether the bucket must be encrypted.
    pub(super) bucket_encrypted: bool,
}

/// Asks for the cluster; `None` when AWS knows none of this name.
pub(super) async fn gather(config: &aws_config::SdkConfig, name: &str) -> Reading<Option<ClusterFacts>> {
    let client = aws_sdk_ecs::Client::new(config);
    let answer = client.describe_clusters().clusters(name).include(ClusterField::Configurations).send().await;
    let answer = answer.map_err(|error| Unread::from(&explain("ecs:DescribeClusters", &error)))?;
    Ok(answer.clusters().first().map(facts))
}

fn facts(cluster: &Cluster) -> ClusterFacts {
    let filled = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let exec = cluster.configuration().and_then(|configuration| configuration.execute_command_configuration());
    let logs = exec.and_then(|exec| exec.log_configuration());
    ClusterFacts {
        arn: cluster.cluster_arn().unwrap_or_default().to_owned(),
        status: cluster.status().unwrap_or_default().to_owned(),
        logging: exec.and_then(|exec| exec.logging()).map(ExecuteCommandLogging::as_str).unwrap_or_default().to_owned(),
        kms_key: filled(exec.and_then(|exec| exec.kms_key_id())),
        log_group: filled(logs.and_then(|logs| logs.cloud_watch_log_group_name())),
        log_group_encrypted: logs.is_some_and(ExecuteCommandLogConfiguration::cloud_watch_encryption_enabled),
        bucket: filled(logs.and_then(|logs| logs.s3_bucket_name())),
        bucket_encrypted: logs.is_some_and(ExecuteCommandLogConfiguration::s3_encryption_enabled),
    }
}

/// Judges.
pub(super) fn checks(name: &str, reading: &Reading<Option<ClusterFacts>>, encryption: Encryption) -> Vec<Check> {
    let facts = match reading {
        Ok(Some(facts)) => facts,
        Ok(None) => {
            let what = format!("ECS knows no cluster {name} in this account and region");
            return vec![GROUP.failed("cluster-found", what, "see the region and the account; list with: aws ecs list-clusters")];
        }
        Err(unread) => {
            return ["cluster-found", "cluster-key", "cluster-logging"].map(|id| GROUP.unknown(id, unread)).to_vec();
        }
    };
    let mut checks = vec![found(name, facts), key(facts, encryption), logging(facts)];
    checks.extend(encrypted("cluster-log-group", "log group", facts.log_group.as_deref(), facts.log_group_encrypted));
    checks.extend(encrypted("cluster-bucket", "bucket", facts.bucket.as_deref(), facts.bucket_encrypted));
    checks
}

fn found(name: &str, facts: &ClusterFacts) -> Check {
    let id = "cluster-found";
    if facts.status == "ACTIVE" {
        GROUP.ok(id, format!("the ECS cluster {name} is ACTIVE"))
    } else {
        GROUP.failed(id, format!("the ECS cluster {name} is {}", facts.status), "name another cluster")
    }
}

fn key(facts: &ClusterFacts, encryption: Encryption) -> Check {
    let id = "cluster-key";
    match (&facts.kms_key, encryption) {
        (Some(key), _) => GROUP.ok(id, format!("sessions are encrypted with the key {key}")),
        (None, Encryption::Required) => GROUP.failed(
            id,
            "the cluster has no KMS key for sessions, and --encryption is required",
            "set kmsKeyId in the cluster's executeCommandConfiguration, or leave --encryption out",
        ),
        (None, _) => GROUP.ok(id, "the cluster has no KMS key for sessions: TLS alone protects them"),
    }
}

fn logging(facts: &ClusterFacts) -> Check {
    let id = "cluster-logging";
    match facts.logging.as_str() {
        "NONE" => GROUP.warning(
            id,
            "the cluster logs no sessions (logging NONE)",
            "set logging to OVERRIDE with a log group or bucket in executeCommandConfiguration",
        ),
        "OVERRIDE" if facts.log_group.is_none() && facts.bucket.is_none() => GROUP.warning(
            id,
            "the cluster's logging is OVERRIDE, but it names neither log group nor bucket: sessions are not logged",
            "name a log group or a bucket in executeCommandConfiguration",
        ),
        "OVERRIDE" => GROUP.ok(id, "sessions are logged where the cluster says (logging OVERRIDE)"),
        _ => GROUP.ok(id, "sessions are logged where the container's awslogs driver writes, if it has one (logging DEFAULT)"),
    }
}

fn encrypted(id: &'static str, kind: &str, name: Option<&str>, is_encrypted: bool) -> Option<Check> {
    let name = name?;
    Some(if is_encrypted {
        GROUP.ok(id, format!("sessions are logged to the {kind} {name}, which must be encrypted: if it is not, they do not open"))
    } else {
        let what = format!("sessions are logged to the {kind} {name}, and the cluster does not ask for its encryption");
        GROUP.warning(id, what, format!("encrypt the {kind} and set its encryption flag in executeCommandConfiguration"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn verdicts(facts: ClusterFacts, encryption: Encryption) -> Vec<(&'static str, Verdict)> {
        checks("dev", &Ok(Some(facts)), encryption).iter().map(|check| (check.id, check.verdict)).collect()
    }

    #[test]
    fn a_cluster_is_judged_by_its_configuration() {
        let well = ClusterFacts {
            status: "ACTIVE".to_owned(),
            logging: "OVERRIDE".to_owned(),
            log_group: Some("/ecs/dev".to_owned()),
            log_group_encrypted: true,
            kms_key: Some("k".to_owned()),
            ..ClusterFacts::default()
        };
        let all = verdicts(well.clone(), Encryption::Required);
        assert!(all.iter().all(|(_, verdict)| *verdict == Verdict::Ok) && all.len() == 4, "{all:?}");
        let poor = ClusterFacts { logging: "NONE".to_owned(), kms_key: None, log_group_encrypted: false, ..well.clone() };
        let expected = [
            ("cluster-found", Verdict::Ok),
            ("cluster-key", Verdict::Failed),
            ("cluster-logging", Verdict::Warning),
            ("cluster-log-group", Verdict::Warning),
        ];
        assert_eq!(verdicts(poor.clone(), Encryption::Required), expected);
        assert_eq!(verdicts(poor, Encryption::Auto)[1], ("cluster-key", Verdict::Ok));
        let gone = ClusterFacts { status: "INACTIVE".to_owned(), ..well };
        assert_eq!(verdicts(gone, Encryption::Auto)[0], ("cluster-found", Verdict::Failed));
    }

    #[test]
    fn a_denied_read_makes_every_check_unknown() {
        let unread = Err(Unread::new("denied", "ask"));
        assert!(checks("dev", &unread, Encryption::Auto).iter().all(|check| check.verdict == Verdict::Unknown));
        assert_eq!(checks("dev", &Ok(None), Encryption::Auto)[0].verdict, Verdict::Failed);
    }
}

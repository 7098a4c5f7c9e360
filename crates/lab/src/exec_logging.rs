//! Where transcripts of ECS Exec go: an ECS cluster's `executeCommandConfiguration`. Only data and its JSON.

use serde_json::{Value, json};

use crate::tasks::CLUSTER;

/// The log group that the containers' awslogs driver writes to.
pub(crate) fn container_log_group() -> String {
    format!("/ecs/{CLUSTER}")
}

/// Names the `logging` of an `executeCommandConfiguration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecLoggingMode {
    /// No transcripts.
    None,
    /// To the awslogs group of the task definition.
    Default,
    /// To what the `logConfiguration` names.
    #[default]
    Override,
}

/// The exec configuration of all ECS clusters of a world, as far as it concerns transcripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecLogging {
    /// Whether there are transcripts, and where.
    pub mode: ExecLoggingMode,
    /// The log group; `{cluster}` in it stands for the ECS cluster's name.
    pub log_group: Option<String>,
    /// What DescribeClusters says of the log group's encryption.
    pub cloud_watch_encryption: bool,
    /// The bucket.
    pub bucket: Option<String>,
    /// What the keys of transcripts begin with, without the slash; empty for nothing.
    pub key_prefix: String,
    /// What DescribeClusters says of the bucket's encryption.
    pub s3_encryption: bool,
}

impl Default for ExecLogging {
    fn default() -> Self {
        Self {
            mode: ExecLoggingMode::Override,
            log_group: Some("/ecs/{cluster}/ssm-sessions".to_owned()),
            cloud_watch_encryption: true,
            bucket: None,
            key_prefix: String::new(),
            s3_encryption: false,
        }
    }
}

impl ExecLogging {
    /// The log group that transcripts of an ECS cluster go to.
    pub(crate) fn group_of(&self, cluster: &str) -> Option<String> {
        match self.mode {
            ExecLoggingMode::None => None,
            ExecLoggingMode::Default => Some(container_log_group()),
            ExecLoggingMode::Override => self.log_group.as_ref().map(|group| group.replace("{cluster}", cluster)),
        }
    }

    /// The bucket that transcripts go to, and the key of one. The agent takes colons out of file names.
    pub(crate) fn object_of(&self, session_id: &str) -> Option<(String, String)> {
        let bucket = self.bucket.clone().filter(|_| self.mode == ExecLoggingMode::Override)?;
        let file = format!("{}.log", session_id.replace(':', ""));
        Some((bucket, if self.key_prefix.is_empty() { file } else { format!("{}/{file}", self.key_prefix) }))
    }

    /// The configuration as DescribeClusters shows it.
    pub(crate) fn to_json(&self, cluster: &str, kms_key: Option<&str>) -> Value {
        let mode = match self.mode {
            ExecLoggingMode::None => "NONE",
            ExecLoggingMode::Default => "DEFAULT",
            ExecLoggingMode::Override => "OVERRIDE",
        };
        let mut shown = json!({"logging": mode});
        if self.mode == ExecLoggingMode::Override {
            shown["logConfiguration"] = self.destinations(cluster);
        }
        if let Some(key) = kms_key {
            shown["kmsKeyId"] = json!(key);
        }
        shown
    }

    fn destinations(&self, cluster: &str) -> Value {
        let mut shown = json!({});
        if let Some(group) = self.group_of(cluster) {
            shown["cloudWatchLogGroupName"] = json!(group);
            shown["cloudWatchEncryptionEnabled"] = json!(self.cloud_watch_encryption);
        }
        if let Some(bucket) = &self.bucket {
            shown["s3BucketName"] = json!(bucket);
            shown["s3EncryptionEnabled"] = json!(self.s3_encryption);
            shown["s3KeyPrefix"] = json!(self.key_prefix);
        }
        shown
    }
}

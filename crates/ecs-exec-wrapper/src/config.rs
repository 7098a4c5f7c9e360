//! The wrapper's configuration file: `~/.config/ecs-exec-wrapper/config.toml`, then `/etc/ecs-exec-wrapper/config.toml`.

use serde::Deserialize;

/// Every key that the file may have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileConfig {
    /// ECS cluster when none is given.
    pub(crate) cluster: Option<String>,
    /// Container when the task has several and none is given.
    pub(crate) container: Option<String>,
    /// User in the container when none is given.
    pub(crate) default_user: Option<String>,
    /// AWS region when neither flag, ARN nor the AWS configuration says one.
    pub(crate) region: Option<String>,
    /// Role to take on when none is given.
    pub(crate) assume_role: Option<String>,
    /// The tag by which policies match callers and tasks.
    pub(crate) abac_tag: Option<String>,
    /// Log group that the session record is sent to as well.
    pub(crate) record_log_group: Option<String>,
    /// Bucket, with a prefix, that the session record is put into as well.
    pub(crate) record_bucket: Option<String>,
    /// AWS profile when none is given.
    pub(crate) profile: Option<String>,
    /// Whether a bash in the container marks its commands.
    pub(crate) mark_commands: Option<bool>,
}

//! What the operator of this machine forces: `/etc/ecs-exec-wrapper/policy.toml`, root's and writable by nobody else.
//!
//! Owns the file's keys and every refusal that follows from one. A user's flags cannot loosen it. It is a guard rail for honest
//! users: somebody who runs another client is stopped by IAM only.

use crate::args::RecordMode;
use crate::boundary::{BoundarySession, IdSource};
use crate::ending::{Ending, Reason};
use crate::settings::{Route, Settings};
use cli_kit::printable;
use record_delivery::{Bucket, LogGroup, Place, PlaceError};
use serde::Deserialize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATH: &str = "/etc/ecs-exec-wrapper/policy.toml";

/// In debug builds only: another file, of any owner. Release builds do not look at it.
const TEST_PATH: &str = "ECS_EXEC_TEST_POLICY";

/// Bits of a file's mode by which group or others may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Every key that the file may have. An absent key forces nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// The only route.
    via: Option<ForcedRoute>,
    /// No session without its record.
    record: Option<Required>,
    /// The log group that records are sent to as well.
    record_log_group: Option<String>,
    /// The bucket that records are put into as well.
    record_bucket: Option<String>,
    /// No session without a transcript.
    transcript: Option<Required>,
    /// No session whose Boundary session is not known from Boundary itself.
    boundary_session_id: Option<Required>,
    /// Commands in a login bash are marked.
    mark_commands: Option<Required>,
    /// No session without `--reason`.
    reason: Option<Required>,
    /// No `--no-wrap`: the exit code is known.
    wrap: Option<Required>,
    /// The only ECS clusters, by name.
    clusters: Option<Vec<String>>,
    /// The only users in the container.
    users: Option<Vec<String>>,
    /// The longest idle time.
    #[serde(default, deserialize_with = "duration")]
    idle_timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ForcedRoute {
    Boundary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Required {
    Required,
}

impl Policy {
    /// Reads the machine's policy; no file, no policy.
    ///
    /// # Errors
    /// The ending, when the file cannot be trusted, read or understood: nothing runs then.
    pub(crate) fn load() -> Result<Self, Ending> {
        match std::env::var_os(TEST_PATH).filter(|_| cfg!(debug_assertions)) {
            Some(path) => Self::read(&PathBuf::from(path), false),
            None => Self::read(Path::new(PATH), true),
        }
    }

    fn read(path: &Path, of_root: bool) -> Result<Self, Ending> {
        let refused =
            |why: String| Ending::failed(Reason::Configuration, format!("failed to use the policy `{}`: {why}", path.display()));
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(refused(error.to_string())),
        };
        if of_root && (metadata.uid() != 0 || metadata.mode() & WRITABLE_BY_OTHERS != 0) {
            return Err(refused("it must be root's and writable by nobody else".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        toml::from_str(&text).map_err(|error| refused(printable(error.to_string().trim_end(), 500)))
    }

    /// Forces what can be forced and refuses what cannot, as far as the settings tell.
    ///
    /// # Errors
    /// The ending that names the rule.
    pub(crate) fn apply(&self, settings: &mut Settings) -> Result<(), Ending> {
        if self.via == Some(ForcedRoute::Boundary) && settings.route == Route::Direct {
            return Err(refused("sessions go through Boundary (via): leave out --via direct"));
        }
        if self.via.is_some() && settings.insecure_loopback {
            return Err(refused("sessions go through Boundary (via): leave out --insecure-loopback"));
        }
        if self.record.is_some() && settings.record != RecordMode::Required {
            return Err(refused("sessions are recorded (record): leave out --record best-effort"));
        }
        self.apply_places(settings)?;
        if self.transcript.is_some() {
            settings.transcript.get_or_insert_with(|| PathBuf::from("auto"));
        }
        if self.mark_commands.is_some() {
            if settings.io.no_wrap {
                return Err(refused("commands are marked (mark_commands): leave out --no-wrap"));
            }
            settings.mark_commands = true;
        }
        if self.reason.is_some() && settings.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
            return Err(refused("sessions need a reason (reason): give --reason"));
        }
        if self.wrap.is_some() && settings.io.no_wrap {
            return Err(refused("commands go through the wrapper's script (wrap): leave out --no-wrap"));
        }
        if let Some(users) = self.users.as_ref().filter(|users| !users.contains(&settings.user)) {
            return Err(refused(&format!("the user {} is not among {}", settings.user, users.join(", "))));
        }
        if let Some(longest) = self.idle_timeout.filter(|_| settings.io.interactive) {
            settings.idle_timeout = Some(settings.idle_timeout.map_or(longest, |wanted| wanted.min(longest)));
        }
        Ok(())
    }

    fn apply_places(&self, settings: &mut Settings) -> Result<(), Ending> {
        let understood = |error: &PlaceError| Ending::failed(Reason::Configuration, format!("failed to use the policy: {error}"));
        let group = self.record_log_group.as_deref().map(|text| LogGroup::parse(text).map(Place::LogGroup));
        let bucket = self.record_bucket.as_deref().map(|text| Bucket::parse(text).map(Place::Bucket));
        for forced in group.into_iter().chain(bucket) {
            let forced = forced.map_err(|error| understood(&error))?;
            match settings.record_places.iter().find(|place| place.word() == forced.word()) {
                None => settings.record_places.push(forced),
                Some(chosen) if *chosen == forced => {}
                Some(chosen) => {
                    return Err(refused(&format!("records go to {forced}, not to {chosen}: leave out the flag or setting")));
                }
            }
        }
        Ok(())
    }

    /// Refuses a cluster or an unknown Boundary session, once both are known, before anything is started.
    ///
    /// # Errors
    /// The ending that names the rule.
    pub(crate) fn permit(&self, ecs_cluster: &str, boundary: &BoundarySession) -> Result<(), Ending> {
        if let Some(clusters) = self.clusters.as_ref().filter(|clusters| !clusters.iter().any(|name| name == ecs_cluster)) {
            return Err(refused(&format!("the ECS cluster {ecs_cluster} is not among {}", clusters.join(", "))));
        }
        let known = matches!(boundary.id_source, IdSource::Token | IdSource::Authorized | IdSource::Discovered);
        if self.boundary_session_id.is_some() && !known {
            return Err(refused(
                "the Boundary session must be known (boundary_session_id): use `ecs-exec-wrapper connect`, or give Boundary's CLI BOUNDARY_CONNECT_AUTHZ_TOKEN",
            ));
        }
        Ok(())
    }
}

fn refused(rule: &str) -> Ending {
    Ending::failed(Reason::Policy, format!("refused by this machine's policy: {}", printable(rule, 400)))
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map(Some)
        .map_err(|error| serde::de::Error::custom(format!("{error}; write for example 15m")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_sample_for_operators_is_a_policy() {
        let sample = policy(include_str!("../../../boundary/policy/ecs-exec-wrapper.toml"));
        assert_eq!(sample.idle_timeout, Some(Duration::from_mins(15)));
    }

    #[test]
    fn unknown_keys_and_values_are_refused() {
        for bad in
            ["vias = \"boundary\"", "via = \"direct\"", "record = \"best-effort\"", "idle_timeout = \"soon\"", "clusters = \"a\""]
        {
            assert!(toml::from_str::<Policy>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn clusters_and_the_boundary_session_are_judged_when_they_are_known() {
        let session = |id_source| BoundarySession { id_source, ..BoundarySession::unknown() };
        let strict = policy("boundary_session_id = \"required\"\nclusters = [\"dev\"]");
        assert!(strict.permit("dev", &session(IdSource::Token)).is_ok());
        for (cluster, source) in [("prod", IdSource::Token), ("dev", IdSource::Given), ("dev", IdSource::Unknown)] {
            assert_eq!(strict.permit(cluster, &session(source)).unwrap_err().reason, Reason::Policy);
        }
        assert!(Policy::default().permit("prod", &session(IdSource::Unknown)).is_ok());
    }

    #[test]
    fn a_file_of_somebody_else_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        assert!(Policy::read(&path, true).is_ok(), "no file is no policy");
        std::fs::write(&path, "record = \"required\"").unwrap();
        let set = |mode| std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        set(0o666);
        assert!(Policy::read(&path, true).unwrap_err().sentence.contains("root's"));
        set(0o644);
        assert_eq!(Policy::read(&path, true).is_ok(), nix::unistd::getuid().is_root());
    }
}

//! The tags and environment variables by which a task says which investigation it serves, in every dialect that was in use.
//!
//! Owns the order in which dialects are tried. A value is a claim of whoever could tag the task, not a fact.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The pair that names an investigation. The investigation's id alone is not unique: two clusters may use the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InvestigationKey {
    /// The investigated cluster's id (the tag `cluster_id`), not the ECS cluster.
    pub cluster_id: String,
    /// The investigation's id within that cluster.
    pub investigation_id: String,
}

/// What is written on a task: its tags, and the environment that its launcher gave to the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskLabels {
    /// Tags of the ECS task.
    pub tags: BTreeMap<String, String>,
    /// Environment of the container overrides.
    pub environment: BTreeMap<String, String>,
}

impl TaskLabels {
    /// The investigated cluster's id: tag `cluster_id`, else the variable `CLUSTER_ID`.
    pub fn cluster_id(&self) -> Option<&str> {
        self.first(&["cluster_id"], &["CLUSTER_ID"])
    }

    /// The investigation's id: tag `investigation_id`, else `INVESTIGATION_ID`, else the older `INCIDENT_NUMBER`.
    pub fn investigation_id(&self) -> Option<&str> {
        self.first(&["investigation_id"], &["INVESTIGATION_ID", "INCIDENT_NUMBER"])
    }

    /// The owner's name: tag `username`, else the older `owner_username`.
    pub fn owner_name(&self) -> Option<&str> {
        self.first(&["username", "owner_username"], &[])
    }

    /// The owner's name under the tag that the site's ABAC uses, else as [`TaskLabels::owner_name`].
    pub fn owner_name_by(&self, abac_key: &str) -> Option<&str> {
        self.first(&[abac_key], &[]).or_else(|| self.owner_name())
    }

    /// The owner's subject at the identity provider: tag `oidc_sub`, else the older `owner_sub`.
    pub fn owner_subject(&self) -> Option<&str> {
        self.first(&["oidc_sub", "owner_sub"], &[])
    }

    /// Which generation of launcher wrote these labels, in words for people; nothing when none did.
    pub fn dialect(&self) -> Option<&'static str> {
        let tag = |name: &str| self.tags.contains_key(name);
        let variable = |name: &str| self.environment.contains_key(name);
        match () {
            () if tag("cluster_id") && tag("oidc_sub") => Some("tags"),
            () if tag("cluster_id") && tag("owner_sub") => Some("older tags (owner_sub)"),
            () if tag("cluster_id") => Some("tags without an owner's subject"),
            () if variable("INVESTIGATION_ID") => Some("environment"),
            () if variable("INCIDENT_NUMBER") => Some("older environment (INCIDENT_NUMBER)"),
            () => None,
        }
    }

    /// When the task is to be stopped: tag `deadline`, else `created_at` and `task_timeout` seconds after it. Times without a
    /// zone are UTC.
    pub fn deadline(&self) -> Option<Timestamp> {
        let time = |name| self.tags.get(name).and_then(|text| timestamp(text));
        time("deadline").or_else(|| {
            let seconds: i64 =
                self.tags.get("task_timeout")?.parse().ok().filter(|seconds| (1..=MAX_TIMEOUT).contains(seconds))?;
            Some(time("created_at")? + SignedDuration::from_secs(seconds))
        })
    }

    /// Both ids, when both are there.
    pub fn key(&self) -> Option<InvestigationKey> {
        Some(InvestigationKey {
            cluster_id: self.cluster_id()?.to_owned(),
            investigation_id: self.investigation_id()?.to_owned(),
        })
    }

    fn first(&self, tags: &[&str], variables: &[&str]) -> Option<&str> {
        let tag = tags.iter().find_map(|name| self.tags.get(*name));
        let found = tag.or_else(|| variables.iter().find_map(|name| self.environment.get(*name)));
        found.map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The longest time-out that is believed, in seconds: a year.
const MAX_TIMEOUT: i64 = 31_536_000;

/// A timestamp with `Z` or an offset, or a naive one, which is UTC.
fn timestamp(text: &str) -> Option<Timestamp> {
    let naive = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(naive)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(tags: &[(&str, &str)], environment: &[(&str, &str)]) -> TaskLabels {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TaskLabels { tags: map(tags), environment: map(environment) }
    }

    #[test]
    fn tags_win_over_the_environment() {
        let labels = labels(&[("cluster_id", "a"), ("investigation_id", "1")], &[("CLUSTER_ID", "b")]);
        let key = labels.key().unwrap();
        assert_eq!((key.cluster_id.as_str(), key.investigation_id.as_str()), ("a", "1"));
    }

    #[test]
    fn the_oldest_dialect_has_only_variables() {
        let labels = labels(&[], &[("CLUSTER_ID", "b"), ("INCIDENT_NUMBER", "77")]);
        assert_eq!(labels.key().unwrap().investigation_id, "77");
    }

    #[test]
    fn a_deadline_is_read_in_every_form_and_nonsense_is_none() {
        let at = |pairs: &[(&str, &str)]| labels(pairs, &[]).deadline().map(|at| at.to_string());
        let noon = Some("2026-02-16T12:00:00Z".to_owned());
        assert_eq!(at(&[("deadline", "2026-02-16T12:00:00")]), noon);
        assert_eq!(at(&[("deadline", "2026-02-16T12:00:00.000000")]), noon);
        assert_eq!(at(&[("deadline", "2026-02-16T14:00:00+02:00")]), noon);
        assert_eq!(at(&[("created_at", "2026-02-16T11:00:00"), ("task_timeout", "3600")]), noon);
        for bad in [&[("deadline", "soon")][..], &[("created_at", "2026-02-16T11:00:00"), ("task_timeout", "0")], &[]] {
            assert_eq!(at(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_owner_is_found_in_each_dialect() {
        let new = labels(&[("cluster_id", "a"), ("oidc_sub", "s1"), ("uuid", "u1"), ("username", "n1")], &[]);
        let old = labels(&[("cluster_id", "a"), ("owner_sub", "s2"), ("owner_username", "n2")], &[]);
        let of = |labels: &TaskLabels| {
            let text = |value: Option<&str>| value.map(str::to_owned);
            (text(labels.owner_subject()), text(labels.owner_name_by("uuid")), labels.dialect())
        };
        assert_eq!(of(&new), (Some("s1".to_owned()), Some("u1".to_owned()), Some("tags")));
        assert_eq!(of(&old), (Some("s2".to_owned()), Some("n2".to_owned()), Some("older tags (owner_sub)")));
        let incident = labels(&[], &[("CLUSTER_ID", "c"), ("INCIDENT_NUMBER", "1")]);
        assert_eq!(of(&incident), (None, None, Some("older environment (INCIDENT_NUMBER)")));
    }

    #[test]
    fn an_empty_value_is_no_value() {
        assert_eq!(labels(&[("cluster_id", "")], &[]).key(), None);
    }
}
